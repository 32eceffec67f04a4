//! What a flip writes, when it must not be written, and when a request of react comes too late.

use super::*;
use crate::ledger::{FlippedBy, Latch, PendingFlip, ProtectedBehavior};
use crate::sample::{self, ago, flip, noon, pin};

const APPLICATION: &str = "app & co";
const INSPECTION: &str = "failopen-www";
const RECORD: &str = "cq-origin-www.cq-route.com";

/// The sample with `*` and `/api/*` behind inspection.
fn wired() -> (Document, MadeDistribution) {
    let (document, row) = sample::provisioned();
    let mut made = row.made.distribution.expect("wired");
    made.behaviors.push(ProtectedBehavior { path_pattern: "/api/*".into(), ..made.behaviors[0].clone() });
    (edited(&document, &[retarget("/api/*", APPLICATION, INSPECTION)]), made)
}

fn retarget(path_pattern: &str, from: &str, to: &str) -> Edit {
    Edit::Retarget { path_pattern: path_pattern.into(), from: from.into(), to: to.into() }
}

fn edited(document: &Document, edits: &[Edit]) -> Document {
    document.edit(edits).expect("an edit that fits")
}

fn planned(document: &Document, made: &MadeDistribution, side: Side) -> Result<FlipPlan, FlipRefusal> {
    plan(document, made, &Hostname::new(RECORD), side)
}

#[test]
fn the_posture_is_what_all_protected_behaviours_target() {
    let (document, made) = wired();
    assert_eq!(posture(&document, &made), Posture::Inspected);
    let one = [retarget("*", INSPECTION, APPLICATION)];
    assert_eq!(posture(&edited(&document, &one), &made), Posture::Mixed);
    let both = [retarget("*", INSPECTION, APPLICATION), retarget("/api/*", INSPECTION, APPLICATION)];
    assert_eq!(posture(&edited(&document, &both), &made), Posture::Bypassed);
    let elsewhere = [retarget("/api/*", INSPECTION, "static-assets")];
    assert_eq!(posture(&edited(&document, &elsewhere), &made), Posture::Foreign);
    let gone = [Edit::RemoveBehavior { path_pattern: "/api/*".into() }];
    assert_eq!(posture(&edited(&document, &gone), &made), Posture::Foreign);
    let nothing = MadeDistribution { behaviors: Vec::new(), ..made };
    assert_eq!(posture(&document, &nothing), Posture::Foreign);
}

#[test]
fn a_flip_moves_what_is_not_there_yet_and_its_edits_make_the_posture() {
    let (document, made) = wired();
    let to_bypass = planned(&document, &made, Side::Bypassed).expect("nothing against it");
    assert_eq!(
        (to_bypass.before, to_bypass.after, to_bypass.changes.len()),
        (Posture::Inspected, Posture::Bypassed, 2)
    );
    assert_eq!(
        to_bypass.edits(),
        [retarget("*", INSPECTION, APPLICATION), retarget("/api/*", INSPECTION, APPLICATION)]
    );
    let bypassed = edited(&document, &to_bypass.edits());
    assert_eq!(posture(&bypassed, &made), Posture::Bypassed);
    assert_eq!(planned(&bypassed, &made, Side::Bypassed).expect("it is there").changes, []);

    let mixed = edited(&document, &[retarget("*", INSPECTION, APPLICATION)]);
    let back = planned(&mixed, &made, Side::Inspected).expect("nothing against it");
    assert_eq!((back.before, back.edits()), (Posture::Mixed, vec![retarget("*", APPLICATION, INSPECTION)]));
    assert_eq!(edited(&mixed, &back.edits()).bytes(), document.bytes());
}

#[test]
fn what_is_not_as_provisioned_is_not_flipped_and_the_refusal_says_what() {
    let (document, made) = wired();
    let other = MadeDistribution { caller_reference: "another".to_owned(), ..made.clone() };
    assert_eq!(planned(&document, &other, Side::Bypassed), Err(FlipRefusal::OtherDistribution));

    let foreign = edited(&document, &[retarget("/api/*", INSPECTION, "static-assets")]);
    let refused = planned(&foreign, &made, Side::Bypassed).expect_err("hands off");
    for part in ["/api/*", "static-assets", INSPECTION, APPLICATION] {
        assert!(refused.to_string().contains(part), "{part} is missing in {refused}");
    }
    let gone = edited(&document, &[Edit::RemoveBehavior { path_pattern: "/api/*".into() }]);
    let refused = planned(&gone, &made, Side::Bypassed);
    assert_eq!(refused, Err(FlipRefusal::BehaviorGone { path_pattern: "/api/*".into() }));
}

#[test]
fn nothing_goes_to_an_origin_that_is_gone_or_leads_elsewhere() {
    let (document, made) = wired();
    let bypass = planned(&document, &made, Side::Bypassed).expect("nothing against it").edits();
    let bypassed = edited(&document, &bypass);
    let without = edited(&bypassed, &[Edit::RemoveOrigin { id: INSPECTION.into() }]);
    assert_eq!(planned(&without, &made, Side::Inspected), Err(FlipRefusal::OriginGone { id: INSPECTION.into() }));
    assert_eq!(planned(&without, &made, Side::Bypassed).expect("nothing to move").changes, []);

    let moved = |document: &Document| {
        let to = Hostname::new("elsewhere.example.com");
        edited(document, &[Edit::SetOriginDomain { id: INSPECTION.into(), from: Hostname::new(RECORD), to }])
    };
    let refused = planned(&moved(&bypassed), &made, Side::Inspected).expect_err("the origin leads elsewhere");
    assert_eq!(
        refused,
        FlipRefusal::OriginChanged {
            id: INSPECTION.into(),
            expected: RECORD.to_owned(),
            found: "elsewhere.example.com".to_owned()
        }
    );
    assert_eq!(planned(&moved(&document), &made, Side::Inspected).expect("nothing to move").changes, []);
    assert_eq!(planned(&moved(&document), &made, Side::Bypassed).expect("away from it").changes.len(), 2);
}

#[test]
fn break_glass_moves_the_named_paths_between_the_named_origins() {
    let (document, _) = wired();
    let paths: Vec<PathPattern> = vec!["*".into(), "/api/v1/*".into()];
    let plan = plan_break_glass(&document, &INSPECTION.into(), &APPLICATION.into(), &paths).expect("both are theirs");
    assert_eq!(plan.edits(), [retarget("*", INSPECTION, APPLICATION)], "the other one is there already");
    assert_eq!((plan.before, plan.after), (Posture::Mixed, Posture::Bypassed));
    let elsewhere = plan_break_glass(&document, &INSPECTION.into(), &APPLICATION.into(), &["/static/*".into()]);
    assert!(matches!(elsewhere, Err(FlipRefusal::ForeignTarget { .. })), "{elsewhere:?}");
}

#[test]
fn everything_that_a_break_glass_request_misnames_is_told_together_with_what_there_is() {
    let (document, _) = wired();
    let paths: Vec<PathPattern> = vec!["*".into(), "/nowhere/*".into(), "/static/*".into()];
    let told = break_glass_faults(&document, &"failopen-w".into(), &"app & c".into(), &paths);
    for part in [
        "it has no origin `failopen-w`, which `from` names",
        "it has no origin `app & c`, which `to` names",
        "behaviour `*` targets `failopen-www`, which is neither",
        "it has no behaviour `/nowhere/*`",
        "behaviour `/static/*` targets `static-assets`",
        "`app & co` (origin-www.cq-route.com)",
        "/api/* to `failopen-www`",
    ] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    let one = break_glass_faults(&document, &INSPECTION.into(), &APPLICATION.into(), &["*".into(), "/static/*".into()]);
    let (faults, _) = one.split_once(". Its origins: ").expect("both parts");
    assert_eq!(faults, "behaviour `/static/*` targets `static-assets`, which is neither `from` nor `to`");
    let group = document.origin_groups().first().expect("the sample has one");
    let of_group = break_glass_faults(&document, group, &APPLICATION.into(), &["/nowhere/*".into()]);
    assert!(of_group.starts_with("it has no behaviour `/nowhere/*`. ") && of_group.contains("(a group)"), "{of_group}");
    let many: Vec<PathPattern> = (0..40).map(|n| PathPattern::new(format!("/nowhere/{n}"))).collect();
    let many = break_glass_faults(&document, &INSPECTION.into(), &APPLICATION.into(), &many);
    assert!(many.contains("`/nowhere/29` and 10 more. "), "{many}");
}

fn request(posture: Side, seconds_ago: i64) -> Converge {
    Converge {
        protection: "www".into(),
        posture,
        reason: "AlarmActive".to_owned(),
        because: "alarm failopen-www-inspection is in ALARM".to_owned(),
        decided_at: ago(seconds_ago),
    }
}

/// Why a bypass that was decided ten seconds ago is held after this change of the row.
fn held(change: impl FnOnce(&mut Row)) -> Option<String> {
    let mut row = sample::row();
    change(&mut row);
    converge_is_stale(&row, &request(Side::Bypassed, 10), noon())
}

/// Whether the word is in the reason for which it is held.
fn held_for(word: &str, change: impl FnOnce(&mut Row)) {
    let because = held(change).unwrap_or_else(|| panic!("it is held for `{word}`"));
    assert!(because.contains(word), "{because}");
}

#[test]
fn a_request_lives_for_two_minutes_on_either_side_of_now() {
    let row = sample::row();
    for (seconds_ago, stale) in [(0, false), (120, false), (121, true), (-120, false), (-121, true)] {
        let because = converge_is_stale(&row, &request(Side::Bypassed, seconds_ago), noon());
        assert_eq!(because.is_some(), stale, "{seconds_ago} s ago: {because:?}");
    }
}

#[test]
fn a_request_is_held_where_the_ledger_has_moved_on_since() {
    assert_eq!(held(|_| {}), None);
    assert_eq!(held(|row| row.lifecycle = Lifecycle::Updating), None);
    held_for("provisioned", |row| row.lifecycle = Lifecycle::Creating);
    held_for("deleted", |row| row.lifecycle = Lifecycle::Deleting);
    held_for("pin has ended", |row| row.pin_ended_at = Some(ago(9)));
    assert_eq!(held(|row| row.pin_ended_at = Some(ago(10))), None);
    held_for("latched", |row| row.latch = Some(Latch { since: ago(60), because: "6 flips".to_owned() }));
    held_for("newer flip", |row| row.flips.push(flip(Side::Inspected, FlippedBy::Operator, 9)));
    assert_eq!(held(|row| row.flips.push(flip(Side::Inspected, FlippedBy::Operator, 10))), None);
    for edge in [EdgeFailOpen::Off, EdgeFailOpen::Notify] {
        held_for("EdgeFailOpen", |row| row.spec.automation.edge_fail_open = edge);
    }
    held_for("MinimumDwellSeconds", |row| row.flips.push(flip(Side::Inspected, FlippedBy::Automation, 299)));
    held_for("MaximumFlipsPerDay", |row| {
        row.flips.extend((0..6).map(|hour| flip(Side::Inspected, FlippedBy::Automation, 3_600 + hour * 3_600)));
    });
}

/// A bypass that was begun so many seconds ago.
fn begun(seconds: i64) -> PendingFlip {
    PendingFlip {
        at: ago(seconds),
        from: Posture::Inspected,
        to: Side::Bypassed,
        by: FlippedBy::Automation,
        reason: "AlarmActive".to_owned(),
        requested_by: None,
    }
}

#[test]
fn a_flip_whose_end_is_not_known_holds_a_request_as_long_as_its_maker_may_live() {
    for seconds in [-54, 9, 10, 54] {
        held_for("was begun", |row| row.pending = Some(begun(seconds)));
    }
    assert_eq!(held(|row| row.pending = Some(begun(55))), None);
    let request = request(Side::Bypassed, 100);
    let row = Row { pending: Some(begun(99)), ..sample::row() };
    assert!(converge_is_stale(&row, &request, noon()).is_some(), "it was begun since");
    let row = Row { pending: Some(begun(100)), ..sample::row() };
    assert_eq!(converge_is_stale(&row, &request, noon()), None, "not since, and nobody writes it any more");
}

#[test]
fn a_flip_that_has_begun_goes_on_while_its_own_intent_is_in_the_ledger_and_nothing_has_come_since() {
    let request = request(Side::Bypassed, 10);
    let pending = |seconds, to| Some(PendingFlip { to, ..begun(seconds) });
    let (_, row) = sample::provisioned();
    let own = Row { pending: pending(5, Side::Bypassed), ..row };
    let begun = Begun {
        at: ago(5),
        displaced: false,
        made: own.made.distribution.clone().expect("wired"),
        record: own.spec.failover_record.clone(),
    };
    let displaced = Begun { displaced: true, ..begun.clone() };
    let ask = |row: &Row, begun: &Begun, moved| begun_is_stale(row, begun, moved, &request, noon());
    for (begun, moved) in [(&begun, false), (&begun, true), (&displaced, false)] {
        assert_eq!(ask(&own, begun, moved), None);
    }
    let held_for = |word: &str, row: &Row, begun: &Begun| {
        let because = ask(row, begun, true).unwrap_or_else(|| panic!("it is held for `{word}`"));
        assert!(because.contains(word), "{because}");
    };
    held_for("was begun before it", &own, &displaced);
    for pending in [None, pending(6, Side::Bypassed), pending(5, Side::Inspected)] {
        held_for("taken its place", &Row { pending, ..own.clone() }, &begun);
    }
    held_for("pinned", &Row { pin: Some(pin(PinPosture::Hold, 1, None)), ..own.clone() }, &begun);
    let other_record = Begun { record: Hostname::new("cq-origin-new.cq-route.com"), ..begun.clone() };
    held_for("Update", &own, &other_record);
    let mut other_behaviors = begun;
    other_behaviors.made.behaviors.clear();
    held_for("Update", &own, &other_behaviors);
}

#[test]
fn a_pin_lets_through_what_it_asks_for_and_nothing_else_limits_that() {
    let ask = |posture, side| {
        let mut row = sample::row();
        row.pin = Some(pin(posture, 60, None));
        row.latch = Some(Latch { since: ago(60), because: "6 flips".to_owned() });
        row.spec.automation.edge_fail_open = EdgeFailOpen::Off;
        converge_is_stale(&row, &request(side, 10), noon())
    };
    assert_eq!(ask(PinPosture::Bypassed, Side::Bypassed), None);
    assert_eq!(ask(PinPosture::Inspected, Side::Inspected), None);
    for (posture, side) in [
        (PinPosture::Bypassed, Side::Inspected),
        (PinPosture::Inspected, Side::Bypassed),
        (PinPosture::Hold, Side::Bypassed),
        (PinPosture::Hold, Side::Inspected),
    ] {
        assert!(ask(posture, side).is_some_and(|because| because.contains("INC-42")), "{posture:?}, {side}");
    }
}

#[test]
fn a_request_for_a_pinned_posture_is_held_when_the_pin_is_gone() {
    let request = Converge { reason: "PinnedPosture".to_owned(), ..request(Side::Inspected, 1) };
    let because = converge_is_stale(&sample::row(), &request, noon());
    assert!(because.as_ref().is_some_and(|because| because.contains("pin")), "{because:?}");
    let mut pinned = sample::row();
    pinned.pin = Some(pin(PinPosture::Inspected, 60, None));
    assert_eq!(converge_is_stale(&pinned, &request, noon()), None);
}
