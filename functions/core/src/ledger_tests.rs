//! What the memory of a protection answers.

use super::*;
use crate::sample::{ago, bypassed_row, flip, noon, pin, row};
use crate::secret::Secret;
use crate::spec::{Dns, Zone};

fn begun(to: Side, seconds_ago: i64) -> PendingFlip {
    PendingFlip {
        at: ago(seconds_ago),
        from: Posture::Inspected,
        to,
        by: FlippedBy::Automation,
        reason: "AlarmActive".into(),
        requested_by: None,
    }
}

#[test]
fn a_row_that_is_stored_is_read_back_as_it_was() {
    let mut row = bypassed_row(60);
    row.pin = Some(pin(PinPosture::Hold, 30, Some(noon())));
    row.pending = Some(begun(Side::Inspected, 5));
    let role = |external_id| ZoneRole { arn: "arn:aws:iam::444455556666:role/zone".into(), external_id };
    let zone = Zone { id: "Z0EXAMPLE".into(), role: Some(role(Some(Secret::new("ours".to_owned())))) };
    row.spec.dns = Dns::Route53 { zone };
    row.made.records.as_mut().expect("records").role = Some(role(None));
    let stored = serde_json::to_string(&row).expect("plain data");
    assert_eq!(serde_json::from_str::<Row>(&stored).expect("what was stored"), row);
}

#[test]
fn a_protection_is_in_service_once_it_is_written_and_until_it_is_deleted() {
    for (lifecycle, in_service) in [
        (Lifecycle::Active, true),
        (Lifecycle::Updating, true),
        (Lifecycle::Creating, false),
        (Lifecycle::Deleting, false),
    ] {
        let mut row = row();
        row.lifecycle = lifecycle;
        assert_eq!(row.is_in_service(), in_service, "{lifecycle:?}");
        row.made.distribution.as_mut().expect("wired").written = false;
        assert!(!row.is_in_service());
    }
}

#[test]
fn a_pin_is_in_force_before_its_end_and_its_end_is_remembered_from_there() {
    let mut row = row();
    row.pin = Some(pin(PinPosture::Hold, 60, Some(noon())));
    assert!(row.pin_at(ago(1)).is_some() && row.pin_at(noon()).is_none());
    assert_eq!((row.last_pin_end(ago(1)), row.last_pin_end(noon())), (None, Some(noon())));
    row.pin_ended_at = Some(ago(600));
    assert_eq!((row.last_pin_end(ago(1)), row.last_pin_end(noon())), (Some(ago(600)), Some(noon())));
    row.pin = Some(pin(PinPosture::Hold, 60, None));
    assert!(row.pin_at(Timestamp::MAX).is_some(), "one that never ends");
}

#[test]
fn only_automatic_flips_of_the_last_day_and_since_the_last_unlatch_count() {
    let mut row = row();
    for (by, seconds) in [
        (FlippedBy::Automation, 86_400),
        (FlippedBy::Automation, 86_399),
        (FlippedBy::Operator, 600),
        (FlippedBy::Automation, 300),
    ] {
        row.record_flip(flip(Side::Bypassed, by, seconds));
    }
    assert_eq!(row.automatic_flips_in_a_day(noon()), 2);
    row.unlatched_at = Some(ago(300));
    assert_eq!(row.automatic_flips_in_a_day(noon()), 0);
    row.unlatched_at = Some(ago(90_000));
    assert_eq!(row.automatic_flips_in_a_day(noon()), 2, "an unlatch of before lengthens nothing");
    assert_eq!(row.last_automatic_flip().map(|flip| flip.at), Some(ago(300)));
}

#[test]
fn a_row_keeps_the_youngest_hundred_flips() {
    let mut row = row();
    row.pending = Some(begun(Side::Bypassed, 1));
    for number in 0..=100 {
        row.record_flip(flip(Side::Bypassed, FlippedBy::Automation, 1_000 - number));
    }
    assert_eq!((row.flips.len(), row.flips[0].at, row.pending), (100, ago(999), None));
}

#[test]
fn a_flip_that_nobody_lived_to_record_is_recorded_where_the_distribution_shows_it() {
    let mut row = row();
    row.pending = Some(begun(Side::Bypassed, 60));
    row.record_pending(Posture::Inspected);
    assert!(row.pending.is_some() && row.flips.is_empty(), "it has not happened, or not yet");
    row.record_pending(Posture::Bypassed);
    assert_eq!(row.pending, None);
    assert_eq!(row.flips, [Flip { etag_after: None, ..flip(Side::Bypassed, FlippedBy::Automation, 60) }]);

    let mut disowned = crate::sample::row();
    disowned.pending = Some(begun(Side::Bypassed, 60));
    disowned.watch.inspected_seen_at = Some(ago(30));
    disowned.record_pending(Posture::Bypassed);
    assert!(disowned.flips.is_empty(), "it was seen inspected since, so this bypass is somebody else's");

    let mut restored = crate::sample::row();
    restored.pending = Some(begun(Side::Inspected, 60));
    restored.record_pending(Posture::Inspected);
    assert_eq!(restored.flips.len(), 1, "a restore counts, whoever had made the bypass");
}

#[test]
fn a_bypass_is_ours_until_the_protection_is_seen_inspected_after_it() {
    let mut row = bypassed_row(60);
    assert!(row.bypass_is_ours());
    for (seen, ours) in [(61, true), (60, false), (59, false)] {
        row.watch.inspected_seen_at = Some(ago(seen));
        assert_eq!(row.bypass_is_ours(), ours, "seen inspected {seen} s ago");
    }
    let mut restored = bypassed_row(60);
    restored.record_flip(flip(Side::Inspected, FlippedBy::Automation, 30));
    assert!(!restored.bypass_is_ours());
    restored.pending = Some(begun(Side::Inspected, 10));
    assert!(!restored.bypass_is_ours(), "a restore that was begun makes no bypass");
    restored.pending = Some(begun(Side::Bypassed, 10));
    assert!(restored.bypass_is_ours());
    let mut restoring = bypassed_row(60);
    restoring.pending = Some(begun(Side::Inspected, 10));
    assert!(restoring.bypass_is_ours(), "a restore that was only begun");
}

#[test]
fn a_row_names_the_newest_request_whatever_comes_late() {
    let sent = |request_id: &str, seconds| Sent { request_id: request_id.into(), at: Some(ago(seconds)) };
    let (older, newer) = (sent("older", 60), sent("newer", 0));
    let mut row = row();
    assert_eq!(row.newer_than(&older), None);
    row.note_request(&older);
    assert_eq!((row.newest.as_ref(), row.newer_than(&older)), (Some(&older), None));
    row.note_request(&newer);
    assert_eq!((row.newer_than(&older), row.newer_than(&newer)), (Some(&newer), None));
    row.note_request(&older);
    assert_eq!(row.newest, Some(newer), "a late copy takes no one's place");
}

#[test]
fn a_row_of_a_version_that_adopted_nothing_is_read_and_written_as_it_was() {
    let written = serde_json::to_value(row()).expect("JSON");
    let made = &written["made"];
    assert!(made["records"].get("adopted").is_none() && made["distribution"].get("origin_adopted").is_none());
    let read: Row = serde_json::from_value(written).expect("a row without the marks");
    assert_eq!(read, row());
}

#[test]
fn what_was_adopted_is_remembered() {
    let mut row = row();
    let sets = AdoptedSets { primary: "one".to_owned(), secondary: "two".to_owned() };
    row.made.records.as_mut().expect("records").adopted = Some(sets);
    row.made.distribution.as_mut().expect("a distribution").origin_adopted = true;
    let text = serde_json::to_string(&row).expect("JSON");
    assert_eq!(serde_json::from_str::<Row>(&text).expect("a row"), row);
}

#[test]
fn a_delete_that_was_signed_in_the_second_of_a_create_comes_after_it() {
    let sent = |id: &str, at: i64| Sent { request_id: id.to_owned(), at: Some(ago(at)) };
    let mut row = row();
    assert!(!row.is_gone_on_from(&sent("create", 0)));
    for (newest, expected) in [(60, false), (0, true), (-60, true)] {
        row.newest = Some(sent("delete", newest));
        assert_eq!(row.is_gone_on_from(&sent("create", 0)), expected, "{newest}");
        assert!(!row.is_gone_on_from(&sent("delete", 0)), "that is itself");
        assert!(!row.is_gone_on_from(&Sent { at: None, ..sent("create", 0) }), "nobody knows when");
    }
}

#[test]
fn a_flip_is_awaited_as_long_as_it_may_live() {
    let mut row = row();
    assert_eq!(row.awaits_flip(noon()), None);
    let life = FLIP_LIFE.as_secs();
    for (ago_seconds, left) in [(0, Some(life)), (life - 1, Some(1)), (life, None), (600, None), (-30, Some(life))] {
        row.pending = Some(PendingFlip {
            at: ago(ago_seconds),
            from: Posture::Bypassed,
            to: Side::Inspected,
            by: FlippedBy::Operator,
            reason: "a test".to_owned(),
            requested_by: None,
        });
        assert_eq!(row.awaits_flip(noon()), left.map(SignedDuration::from_secs), "{ago_seconds}");
    }
}

#[test]
fn a_flip_is_counted_once_whatever_two_clocks_say_and_one_that_came_back_is_counted_again() {
    let begun = |to| PendingFlip {
        at: ago(-120),
        from: Posture::Inspected,
        to,
        by: FlippedBy::Automation,
        reason: "AlarmActive".to_owned(),
        requested_by: None,
    };
    let after = |to, pending| Row { flips: vec![flip(to, FlippedBy::Automation, 0)], pending, ..row() };
    let (there, back) = (Side::Bypassed, Side::Inspected);
    // Recorded since it was begun, by whatever clock.
    assert!(after(there, None).has_counted(there, ago(1), true) && after(there, None).has_counted(there, ago(0), true));
    assert!(!after(back, None).has_counted(there, ago(1), false));
    // Recorded, by that clock, before it was begun.
    let ahead = ago(-120);
    assert!(after(there, None).has_counted(there, ahead, false));
    assert!(after(there, Some(begun(back))).has_counted(there, ahead, false), "another one's intent");
    assert!(!after(there, None).has_counted(there, ahead, true), "its own write was answered");
    assert!(!after(there, Some(begun(there))).has_counted(there, ahead, false), "nobody has recorded it");
    assert!(!after(back, None).has_counted(there, ahead, false), "the last one went the other way");
    assert!(!row().has_counted(there, ahead, false));
}
