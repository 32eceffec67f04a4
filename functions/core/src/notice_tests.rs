//! Who is told what, and how often.

use super::*;
use crate::alarm::AlarmState;
use crate::id::AlarmName;
use crate::ledger::{Latch, PendingFlip, Queued};
use crate::sample::{ago, bypassed_row, flip, noon, row};

fn commands() -> Commands {
    Commands::new("failopen-Flip")
}

fn holding(reason: Reason) -> Decision {
    Decision::hold(reason, "alarm failopen-www-inspection is in ALARM")
}

struct Sight {
    posture: Posture,
    traffic: Traffic,
    inspection: Health,
    reason: Reason,
}

const FINE: Sight = Sight {
    posture: Posture::Inspected,
    traffic: Traffic::Inspected,
    inspection: Health::Healthy,
    reason: Reason::AlreadyThere,
};
const BY_DNS: Sight = Sight { traffic: Traffic::BypassedDns, inspection: Health::Unhealthy, ..FINE };
const BY_EDGE: Sight = Sight {
    posture: Posture::Bypassed,
    traffic: Traffic::BypassedEdge,
    inspection: Health::Unhealthy,
    reason: Reason::AlreadyThere,
};
const SILENT: Sight =
    Sight { traffic: Traffic::Unknown, inspection: Health::Unknown, reason: Reason::NoHealthData, ..FINE };
const FOREIGN: Sight = Sight {
    posture: Posture::Foreign,
    traffic: Traffic::Unknown,
    inspection: Health::Healthy,
    reason: Reason::ForeignTarget,
};

/// What the alarms ask for together: with inspection's own OK, another one rings where a bypass is there already.
fn asked(sight: &Sight) -> Option<Side> {
    match (sight.inspection, sight.reason) {
        (Health::Unhealthy, _) => Some(Side::Bypassed),
        (Health::Healthy, Reason::AlreadyThere) if sight.posture == Posture::Bypassed => Some(Side::Bypassed),
        (Health::Healthy, _) => Some(Side::Inspected),
        (Health::Unknown | Health::NotChecked, _) => None,
    }
}

/// Looks once, as react would, and returns the subjects of what is sent.
fn look(row: &mut Row, sight: &Sight, now: Timestamp, drift: Option<&[Drift]>) -> Vec<Queued> {
    let decision = holding(sight.reason);
    let seen = Seen {
        posture: sight.posture,
        traffic: sight.traffic,
        inspection: sight.inspection,
        asked: asked(sight),
        decision: &decision,
        alarms_are_known: true,
        drift,
        observed_at: now,
    };
    row.watch = watch(row, &seen, &commands(), now);
    std::mem::take(&mut row.watch.outbox)
}

fn after(seconds: i64) -> Timestamp {
    ago(-seconds)
}

#[test]
fn a_quiet_protection_says_nothing() {
    let mut row = row();
    for minute in 0..120 {
        assert!(look(&mut row, &FINE, after(minute * 60), None).is_empty());
    }
}

#[test]
fn each_change_of_traffic_is_told_once() {
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    let told = look(&mut row, &BY_DNS, after(60), None);
    assert_eq!(told.len(), 1);
    assert!(told[0].subject.contains("DNS sends traffic to the application"), "{}", told[0].subject);
    assert!(look(&mut row, &BY_DNS, after(120), None).is_empty());
    assert_eq!(look(&mut row, &BY_EDGE, after(180), None).len(), 1);
    let told = look(&mut row, &FINE, after(240), None);
    assert_eq!(told.len(), 1);
    assert!(told[0].subject.contains("inspected again"), "{}", told[0].subject);
}

#[test]
fn while_not_inspected_people_are_reminded_every_hour() {
    let mut row = bypassed_row(0);
    look(&mut row, &FINE, noon(), None);
    let mut told = 0;
    for minute in 1..=180 {
        told += look(&mut row, &BY_EDGE, after(minute * 60), None).len();
    }
    assert_eq!(told, 3, "the change, and two reminders");
}

#[test]
fn a_message_carries_the_state_the_cause_and_the_next_command() {
    let mut row = bypassed_row(5);
    row.watch.traffic = Some(Traffic::Inspected);
    row.watch.posture = Some(Posture::Inspected);
    let told = look(&mut row, &BY_EDGE, noon(), None);
    let body = &told[0].body;
    for wanted in ["bypassed-edge", "automation bypassed it", "AlarmActive", "\"action\":\"status\"", "failopen-Flip"] {
        assert!(body.contains(wanted), "{wanted} is missing in {body}");
    }
    assert!(told[0].subject.len() <= 100 && told[0].subject.contains("www"), "{}", told[0].subject);
}

#[test]
fn where_layer_two_only_notifies_the_command_to_run_next_is_the_bypass() {
    let begin = |reason| {
        let mut row = row();
        look(&mut row, &FINE, noon(), None);
        let sight = Sight { reason, ..BY_DNS };
        let change = look(&mut row, &sight, after(60), None);
        let reminder = look(&mut row, &sight, after(4_000), None);
        [change, reminder].map(|told| told[0].body.clone())
    };
    for body in begin(Reason::NotifyOnly) {
        assert!(body.contains("\"action\":\"bypass\""), "{body}");
    }
    for reason in [Reason::EdgeOff, Reason::Pinned, Reason::ApplicationUnhealthy, Reason::AlarmActive] {
        for body in begin(reason) {
            assert!(body.contains("\"action\":\"status\""), "{reason}: {body}");
        }
    }
}

#[test]
fn subjects_are_short_printable_ascii() {
    let long = "ü\n".repeat(200);
    let subject = subject_line("www", &long);
    assert_eq!(subject.chars().count(), 100);
    assert!(subject.chars().all(|c| c.is_ascii_graphic() || c == ' '));
}

#[test]
fn missing_health_data_is_told_once_an_episode() {
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    assert_eq!(look(&mut row, &SILENT, after(60), None).len(), 1);
    for minute in 2..60 {
        assert!(look(&mut row, &SILENT, after(minute * 60), None).is_empty());
    }
    look(&mut row, &FINE, after(3_600), None);
    let told = look(&mut row, &SILENT, after(3_660), None);
    assert_eq!(told.len(), 1);
    assert!(told[0].subject.contains("no health data"), "{}", told[0].subject);
}

#[test]
fn a_new_alarm_without_data_is_given_ten_minutes() {
    let mut row = row();
    for minute in 0..10 {
        assert!(look(&mut row, &SILENT, after(minute * 60), None).is_empty(), "minute {minute}");
    }
    assert_eq!(look(&mut row, &SILENT, after(600), None).len(), 1);
    assert!(look(&mut row, &SILENT, after(660), None).is_empty());
}

#[test]
fn a_foreign_target_is_told_once_an_episode() {
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    let told = look(&mut row, &FOREIGN, after(60), None);
    assert_eq!(told.len(), 1);
    assert!(told[0].subject.contains("foreign"), "{}", told[0].subject);
    assert!(look(&mut row, &FOREIGN, after(120), None).is_empty());
    look(&mut row, &FINE, after(180), None);
    assert_eq!(look(&mut row, &FOREIGN, after(240), None).len(), 1);
}

#[test]
fn a_latch_is_told_once() {
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    row.latch = Some(Latch { since: noon(), because: "6 flips".into() });
    let told = look(&mut row, &FINE, after(60), None);
    assert_eq!(told.len(), 1);
    assert!(told[0].body.contains("unlatch"), "{}", told[0].body);
    assert!(look(&mut row, &FINE, after(120), None).is_empty());
    row.latch = None;
    look(&mut row, &FINE, after(180), None);
    row.latch = Some(Latch { since: after(240), because: "6 flips".into() });
    assert_eq!(look(&mut row, &FINE, after(240), None).len(), 1);
}

#[test]
fn a_drift_is_told_once_and_keeps_its_beginning() {
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    let drift = [Drift { what: "record TTL".into(), expected: "30".into(), found: "300".into() }];
    let told = look(&mut row, &FINE, after(60), Some(&drift));
    assert_eq!(told.len(), 1);
    assert!(told[0].body.contains("expected 30, found 300"), "{}", told[0].body);
    assert!(look(&mut row, &FINE, after(960), Some(&drift)).is_empty());
    assert_eq!(row.watch.drift[0].since, after(60));
    assert!(look(&mut row, &FINE, after(1_860), Some(&[])).is_empty());
    assert_eq!(look(&mut row, &FINE, after(2_760), Some(&drift)).len(), 1);
}

#[test]
fn an_unreadable_distribution_is_told_once_and_at_once_only_where_waiting_is_useless() {
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    row.watch = watch_unreadable(&row, &[], "AccessDenied", true, &commands(), after(60));
    assert_eq!(std::mem::take(&mut row.watch.outbox).len(), 1);
    row.watch = watch_unreadable(&row, &[], "AccessDenied", true, &commands(), after(120));
    assert!(row.watch.outbox.is_empty());

    look(&mut row, &FINE, after(180), None);
    for minute in 4..14 {
        row.watch = watch_unreadable(&row, &[], "Throttling", false, &commands(), after(minute * 60));
        assert!(row.watch.outbox.is_empty(), "minute {minute}");
    }
    row.watch = watch_unreadable(&row, &[], "Throttling", false, &commands(), after(14 * 60));
    assert_eq!(row.watch.outbox.len(), 1);
}

fn own_alarm_alone(state: AlarmState) -> [ObservedAlarm; 1] {
    [ObservedAlarm { state, ..ObservedAlarm::missing(AlarmName::new("failopen-www-inspection")) }]
}

/// Looks once while the distribution cannot be read.
fn look_in_vain(row: &mut Row, state: AlarmState, permanent: bool, now: Timestamp) -> Vec<Queued> {
    row.watch =
        watch_unreadable(row, &own_alarm_alone(state), "GetDistributionConfig: no", permanent, &commands(), now);
    std::mem::take(&mut row.watch.outbox)
}

#[test]
fn inspection_that_dies_while_the_distribution_is_unreadable_is_told_once_an_outage() {
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    assert_eq!(look_in_vain(&mut row, AlarmState::Ok, true, after(60)).len(), 1, "that it cannot be read");
    for outage in [200, 400] {
        let told = look_in_vain(&mut row, AlarmState::Alarm, true, after(outage));
        assert_eq!(told.len(), 1, "{outage}");
        assert!(told[0].subject.contains("inspection is down") && told[0].subject.len() <= 100, "{}", told[0].subject);
        for part in ["GetDistributionConfig: no", "layer 2", "layer 1", "last seen: inspected", "\"action\":\"status\""]
        {
            assert!(told[0].body.contains(part), "{part} is missing in {}", told[0].body);
        }
        // Silence in between is no recovery.
        for (later, state) in [(60, AlarmState::Alarm), (90, AlarmState::InsufficientData), (120, AlarmState::Alarm)] {
            assert!(look_in_vain(&mut row, state, true, after(outage + later)).is_empty(), "{outage} {later}");
        }
        assert!(look_in_vain(&mut row, AlarmState::Ok, true, after(outage + 150)).is_empty(), "{outage}");
    }
}

#[test]
fn inspection_that_was_seen_dead_before_is_not_told_again_by_an_unreadable_distribution() {
    for seen in [BY_DNS, BY_EDGE] {
        let mut row = row();
        look(&mut row, &FINE, noon(), None);
        look(&mut row, &seen, after(60), None);
        let told = look_in_vain(&mut row, AlarmState::Alarm, true, after(120));
        assert_eq!(told.len(), 1);
        assert!(!told[0].subject.contains("inspection is down"), "{}", told[0].subject);
        look(&mut row, &FINE, after(180), None);
        let told = look_in_vain(&mut row, AlarmState::Alarm, true, after(240));
        assert!(told.len() == 1 && told[0].subject.contains("inspection is down"), "{told:?}");
    }
}

#[test]
fn a_single_reading_that_fails_beside_a_dead_inspection_is_left_to_the_next_tick() {
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    assert!(look_in_vain(&mut row, AlarmState::Alarm, false, after(60)).is_empty());
    let told = look_in_vain(&mut row, AlarmState::Alarm, false, after(180));
    assert!(told.len() == 1 && told[0].subject.contains("inspection is down"), "{told:?}");
    for minute in 4..20 {
        let told = look_in_vain(&mut row, AlarmState::Alarm, false, after(minute * 60));
        assert!(told.is_empty(), "it has said that nothing can be read, too: {told:?}");
    }
}

#[test]
fn an_alarm_is_no_news_of_an_unreadable_distribution_that_is_not_wired_yet() {
    let mut row = row();
    let made = row.made.distribution.as_mut().expect("the sample has one");
    made.written = false;
    let told = look_in_vain(&mut row, AlarmState::Alarm, true, noon());
    assert!(told.len() == 1 && !told[0].subject.contains("inspection is down"), "{told:?}");
}

#[test]
fn an_outage_of_which_only_an_additional_alarm_speaks_is_told_once_while_the_distribution_is_unreadable() {
    let alarm = |name: &str, state| ObservedAlarm { state, ..ObservedAlarm::missing(AlarmName::new(name)) };
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    let mut told = |state, seconds: i64| {
        let alarms = [alarm("failopen-www-inspection", AlarmState::Ok), alarm("theirs-5xx", state)];
        row.watch = watch_unreadable(&row, &alarms, "AccessDenied", true, &commands(), after(seconds));
        std::mem::take(&mut row.watch.outbox)
    };
    assert_eq!(told(AlarmState::Ok, 60).len(), 1, "that it cannot be read");
    let down = told(AlarmState::Alarm, 120);
    assert!(down.len() == 1 && down[0].body.contains("theirs-5xx in ALARM"), "{down:?}");
    assert!(!down[0].body.contains("failopen-www-inspection in ALARM"), "{down:?}");
    for (state, seconds, messages) in [
        (AlarmState::Alarm, 180, 0),
        (AlarmState::Missing, 240, 0),
        (AlarmState::Ok, 300, 0),
        (AlarmState::Alarm, 360, 1),
    ] {
        assert_eq!(told(state, seconds).len(), messages, "after {seconds} s");
    }
}

#[test]
fn what_the_alarms_say_while_the_distribution_is_unreadable_ends_an_episode_without_health_data() {
    let alarm = |name: &str, state| ObservedAlarm { state, ..ObservedAlarm::missing(AlarmName::new(name)) };
    let own = |state| alarm("failopen-www-inspection", state);
    let theirs = |state| alarm("theirs", state);
    for (alarms, ends, all_is_well) in [
        (vec![], false, false),
        (vec![own(AlarmState::Missing)], false, false),
        (vec![own(AlarmState::InsufficientData)], false, false),
        (vec![own(AlarmState::Ok)], true, true),
        (vec![own(AlarmState::Alarm)], true, false),
        (vec![own(AlarmState::Ok), theirs(AlarmState::Missing)], false, false),
        (vec![own(AlarmState::Alarm), theirs(AlarmState::Missing)], true, false),
        (vec![own(AlarmState::Missing), theirs(AlarmState::Alarm)], false, false),
        (vec![own(AlarmState::Ok), theirs(AlarmState::Alarm)], true, false),
        (vec![own(AlarmState::Ok), theirs(AlarmState::Ok)], true, true),
    ] {
        let mut row = row();
        row.watch.no_health_data_since = Some(ago(900));
        row.watch.no_health_data_told_at = Some(ago(300));
        row.watch.additional_alarm_since = Some(ago(300));
        let next = watch_unreadable(&row, &alarms, "AccessDenied", true, &commands(), noon());
        assert_eq!(
            (next.no_health_data_since.is_none(), next.no_health_data_told_at.is_none()),
            (ends, ends),
            "{alarms:?}"
        );
        assert_eq!(next.additional_alarm_since.is_none(), all_is_well, "{alarms:?}");
    }
}

#[test]
fn a_bypass_is_disowned_only_when_inspected_was_seen_well_after_it() {
    let mut row = bypassed_row(30);
    look(&mut row, &FINE, noon(), None);
    assert!(row.bypass_is_ours(), "a reading this close to the flip may be older than the flip");
    look(&mut row, &FINE, after(60), None);
    assert!(!row.bypass_is_ours());
    row.record_flip(flip(Side::Bypassed, FlippedBy::Automation, -120));
    assert!(row.bypass_is_ours());
}

#[test]
fn a_deletion_that_does_not_end_is_told_once_after_an_hour_and_a_quarter() {
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    row.lifecycle = Lifecycle::Deleting;
    for minute in [1, 30, 75] {
        assert!(look(&mut row, &FINE, after(minute * 60), None).is_empty(), "minute {minute}");
    }
    let told = look(&mut row, &FINE, after(76 * 60), None);
    assert_eq!(told.len(), 1);
    assert!(told[0].body.contains(&after(60).to_string()), "{}", told[0].body);
    assert!(look(&mut row, &FINE, after(200 * 60), None).is_empty());
    row.lifecycle = Lifecycle::Active;
    look(&mut row, &FINE, after(201 * 60), None);
    assert_eq!((row.watch.deleting_since, row.watch.deleting_told_at), (None, None));
}

#[test]
fn behaviours_that_go_with_a_deletion_are_no_foreign_target() {
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    row.lifecycle = Lifecycle::Deleting;
    assert!(look(&mut row, &FOREIGN, after(60), None).is_empty());
    assert_eq!(row.watch.foreign_since, None);
}

#[test]
fn one_of_the_users_own_alarms_is_told_once_an_episode_where_layer_two_only_notifies() {
    let theirs = Sight { reason: Reason::NotifyOnly, ..FINE };
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    let told = look(&mut row, &theirs, after(60), None);
    assert_eq!(told.len(), 1);
    assert!(told[0].subject.contains("your own alarms"), "{}", told[0].subject);
    assert!(look(&mut row, &theirs, after(120), None).is_empty());
    look(&mut row, &FINE, after(180), None);
    assert_eq!(look(&mut row, &theirs, after(240), None).len(), 1);
    for other in [
        Sight { reason: Reason::Latched, ..FINE },
        Sight { inspection: Health::Unhealthy, ..theirs },
        Sight { posture: Posture::Mixed, ..theirs },
    ] {
        look(&mut row, &other, after(300), None);
        assert_eq!(row.watch.additional_alarm_since, None, "{:?}", other.reason);
    }
}

#[test]
fn control_planes_that_do_not_answer_are_no_news_for_ten_minutes() {
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    let decision = holding(Reason::NoHealthData);
    let mut look_without_alarms = |minute: i64| {
        let seen = Seen {
            posture: Posture::Inspected,
            traffic: Traffic::Unknown,
            inspection: Health::Unknown,
            asked: None,
            decision: &decision,
            alarms_are_known: false,
            drift: None,
            observed_at: after(minute * 60),
        };
        row.watch = watch(&row, &seen, &commands(), after(minute * 60));
        assert_eq!(row.watch.traffic, Some(Traffic::Inspected), "what is not known has not changed");
        std::mem::take(&mut row.watch.outbox).len()
    };
    let told: Vec<usize> = [1, 5, 10, 11, 12].map(&mut look_without_alarms).to_vec();
    assert_eq!(told, [0, 0, 0, 1, 0]);
}

#[test]
fn several_drifts_are_counted_in_the_subject_and_listed_in_the_body() {
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    let one = Drift { what: "record TTL".into(), expected: "30".into(), found: "300".into() };
    let two = Drift { what: "alarm ActionsEnabled".into(), expected: "true".into(), found: "false".into() };
    let single = look(&mut row.clone(), &FINE, after(60), Some(std::slice::from_ref(&one)));
    assert!(single[0].subject.contains("record TTL"), "{}", single[0].subject);
    let told = look(&mut row, &FINE, after(60), Some(&[one, two]));
    assert!(told[0].subject.contains("2 settings"), "{}", told[0].subject);
    assert!(told[0].body.contains("record TTL") && told[0].body.contains("alarm ActionsEnabled"), "{}", told[0].body);
    assert_eq!(row.watch.drift_read_at, Some(after(60)));
}

#[test]
fn a_first_look_tells_of_what_is_not_as_it_was_set_up() {
    for (sight, messages) in [(&FINE, 0), (&BY_DNS, 1), (&BY_EDGE, 1), (&FOREIGN, 1)] {
        assert_eq!(look(&mut row(), sight, noon(), None).len(), messages, "{:?}", sight.traffic);
    }
}

/// Bypassed by automation, and inspection is well again.
const RECOVERED: Sight = Sight { inspection: Health::Healthy, reason: Reason::HoldDown, ..BY_EDGE };

/// The first message and the reminder an hour later, of a protection that was not like this before.
fn change_and_reminder(mut row: Row, sight: &Sight) -> [String; 2] {
    row.watch.traffic = Some(Traffic::Inspected);
    row.watch.posture = Some(Posture::Inspected);
    let change = look(&mut row, sight, noon(), None).pop().expect("a change").body;
    [change, look(&mut row, sight, after(3_600), None).pop().expect("a reminder").body]
}

#[test]
fn the_way_back_is_offered_only_where_inspection_is_known_to_be_healthy() {
    for body in change_and_reminder(bypassed_row(30), &RECOVERED) {
        assert!(body.contains("\"action\":\"restore\""), "{body}");
    }
    for sight in [
        BY_EDGE,
        BY_DNS,
        Sight { inspection: Health::Unknown, reason: Reason::NoHealthData, ..BY_EDGE },
        // One of the user's own alarms rings.
        Sight { reason: Reason::AlreadyThere, ..RECOVERED },
        // The alarm is OK, and a TLS-verified request says otherwise.
        Sight { reason: Reason::InspectionUnhealthy, ..RECOVERED },
        Sight { posture: Posture::Mixed, traffic: Traffic::Unknown, reason: Reason::Dwell, ..RECOVERED },
        Sight { posture: Posture::Mixed, ..BY_DNS },
    ] {
        for body in change_and_reminder(bypassed_row(30), &sight) {
            assert!(
                !body.contains("restore\"") && body.contains("\"action\":\"status\""),
                "{:?}: {body}",
                sight.reason
            );
        }
    }
}

#[test]
fn no_way_back_is_offered_to_a_protection_that_is_not_in_service() {
    for lifecycle in [Lifecycle::Creating, Lifecycle::Deleting] {
        let row = Row { lifecycle, ..bypassed_row(30) };
        for body in change_and_reminder(row, &Sight { reason: Reason::EdgeOff, ..RECOVERED }) {
            assert!(!body.contains("restore\"") && body.contains("\"action\":\"status\""), "{lifecycle:?}: {body}");
        }
    }
}

#[test]
fn a_mixed_posture_has_the_same_next_command_in_the_reminder_as_in_the_message_of_its_change() {
    let mixed = Sight { posture: Posture::Mixed, reason: Reason::NotifyOnly, ..BY_DNS };
    for body in change_and_reminder(row(), &mixed) {
        assert!(body.contains("\"action\":\"bypass\""), "{body}");
    }
}

#[test]
fn an_old_flip_of_ours_is_no_cause_of_what_somebody_else_did_later() {
    // Automation bypassed, somebody undid it, and an hour later somebody bypasses in the console.
    let mut row = bypassed_row(7_200);
    look(&mut row, &BY_EDGE, ago(7_000), None);
    look(&mut row, &FINE, ago(5_000), None);
    let console = Sight { reason: Reason::AwaitingOperator, ..RECOVERED };
    let told = look(&mut row, &console, noon(), None);
    assert!(!told[0].body.contains("automation bypassed it"), "{}", told[0].body);
    let reminded = look(&mut row, &console, after(3_600), None);
    assert!(!reminded[0].body.contains("automation bypassed it"), "{}", reminded[0].body);

    // Automation restored; later DNS fails over, or somebody undoes a bypass of the console.
    let mut row = bypassed_row(7_200);
    row.record_flip(flip(Side::Inspected, FlippedBy::Automation, 6_000));
    look(&mut row, &FINE, ago(5_000), None);
    let told = look(&mut row, &BY_DNS, noon(), None);
    assert!(!told[0].body.contains("automation restored it"), "{}", told[0].body);
    look(&mut row, &console, after(60), None);
    let told = look(&mut row, &FINE, after(120), None);
    assert!(!told[0].body.contains("restored it"), "{}", told[0].body);

    // A flip that has begun made this one, and nobody knows more of it yet than that.
    let mut row = bypassed_row(7_200);
    look(&mut row, &FINE, ago(5_000), None);
    row.pending = Some(PendingFlip {
        at: ago(30),
        from: Posture::Inspected,
        to: Side::Bypassed,
        by: FlippedBy::Operator,
        reason: "INC-42".into(),
        requested_by: None,
    });
    let told = look(&mut row, &BY_EDGE, noon(), None);
    assert!(!told[0].body.contains("automation bypassed it"), "{}", told[0].body);
}

#[test]
fn the_flip_that_is_in_force_stays_the_cause_in_every_reminder() {
    let mut row = bypassed_row(30);
    look(&mut row, &BY_EDGE, noon(), None);
    let reminded = look(&mut row, &BY_EDGE, after(3_600), None);
    assert!(reminded[0].body.contains("automation bypassed it"), "{}", reminded[0].body);
}

#[test]
fn a_message_says_who_flipped_and_since_when_things_are_so() {
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    row.record_flip(flip(Side::Bypassed, FlippedBy::Operator, -30));
    let told = look(&mut row, &BY_EDGE, after(60), None);
    assert!(told[0].body.contains("an operator bypassed it"), "{}", told[0].body);
    assert!(told[0].subject.contains("(was inspected)"), "{}", told[0].subject);
    row.record_flip(flip(Side::Inspected, FlippedBy::Automation, -90));
    let told = look(&mut row, &FINE, after(120), None);
    assert!(told[0].body.contains("automation restored it"), "{}", told[0].body);
    row.latch = Some(Latch { since: after(180), because: "6 flips".into() });
    let told = look(&mut row, &FINE, after(180), None);
    assert!(told[0].body.contains(&format!("since {}", after(120))), "{}", told[0].body);
}

/// Somebody else has moved it back, and inspection is still down.
const MOVED_BACK: Sight = Sight { reason: Reason::Dwell, ..BY_DNS };

fn tells_of_a_revert(row: &mut Row, sight: &Sight, now: Timestamp) -> bool {
    look(row, sight, now, None).iter().any(|letter| letter.subject.contains("moved back by somebody else"))
}

#[test]
fn each_bypass_that_somebody_moved_back_is_told_once_and_in_place_of_the_change() {
    for posture in [Posture::Inspected, Posture::Mixed] {
        let moved_back = Sight { posture, ..MOVED_BACK };
        let mut row = bypassed_row(300);
        look(&mut row, &BY_EDGE, ago(200), None);
        let told = look(&mut row, &moved_back, noon(), None);
        assert_eq!(told.len(), 1, "{posture}");
        assert!(told[0].subject.contains("moved back by somebody else"), "{}", told[0].subject);
        assert!(told[0].body.contains("\"action\":\"bypass\""), "{}", told[0].body);
        assert!(look(&mut row, &moved_back, after(60), None).is_empty(), "{posture}");
        row.record_flip(flip(Side::Bypassed, FlippedBy::Automation, -120));
        look(&mut row, &BY_EDGE, after(150), None);
        assert_eq!(look(&mut row, &moved_back, after(240), None).len(), 1, "the next bypass, {posture}");
    }
}

#[test]
fn a_reading_that_may_be_older_than_the_bypass_tells_of_nobody_who_moved_it_back() {
    for (seconds, told) in [(30, false), (60, false), (61, true)] {
        assert_eq!(tells_of_a_revert(&mut bypassed_row(seconds), &MOVED_BACK, noon()), told, "{seconds} s after it");
    }
}

#[test]
fn only_a_bypass_of_automation_is_told_to_be_moved_back() {
    let mut by_operator = row();
    by_operator.record_flip(flip(Side::Bypassed, FlippedBy::Operator, 300));
    assert!(!tells_of_a_revert(&mut by_operator, &MOVED_BACK, noon()));
    let mut restored = bypassed_row(600);
    restored.record_flip(flip(Side::Inspected, FlippedBy::Automation, 300));
    assert!(!tells_of_a_revert(&mut restored, &MOVED_BACK, noon()));
    let still_there = Sight { reason: Reason::Dwell, ..BY_EDGE };
    assert!(!tells_of_a_revert(&mut bypassed_row(300), &still_there, noon()));
}

#[test]
fn who_moves_a_bypass_back_is_told_of_only_while_automation_wants_it_bypassed() {
    let told = |reason, inspection| {
        tells_of_a_revert(&mut bypassed_row(300), &Sight { reason, inspection, ..MOVED_BACK }, noon())
    };
    for reason in [Reason::AlarmActive, Reason::ApplicationUnhealthy, Reason::Dwell, Reason::FlipBudgetSpent] {
        assert!(told(reason, Health::Unhealthy), "{reason}");
    }
    for reason in [Reason::AlreadyThere, Reason::Pinned, Reason::EdgeOff, Reason::NotifyOnly] {
        assert!(!told(reason, Health::Unhealthy), "{reason}");
    }
    assert!(told(Reason::Latched, Health::Unhealthy), "it would bypass if it were free to");
    assert!(!told(Reason::Latched, Health::Healthy), "it would not");
}

#[test]
fn a_reading_of_the_minute_after_a_bypass_disowns_nothing_and_a_bypass_that_goes_on_stays_ours() {
    for (seconds, ours) in [(60, true), (61, false)] {
        let mut row = bypassed_row(seconds);
        look(&mut row, &FINE, noon(), None);
        assert_eq!(row.bypass_is_ours(), ours, "read {seconds} s after it");
    }
    let mut row = bypassed_row(300);
    look(&mut row, &BY_EDGE, noon(), None);
    assert!(row.bypass_is_ours());
}

#[test]
fn missing_health_data_is_told_whichever_rule_decides_and_whichever_alarm_has_none() {
    for silent in [Sight { reason: Reason::Pinned, ..SILENT }, Sight { reason: Reason::NoHealthData, ..FINE }] {
        let mut row = row();
        look(&mut row, &FINE, noon(), None);
        let told = look(&mut row, &silent, after(60), None);
        assert_eq!(told.len(), 1, "{}", silent.reason);
        assert!(told[0].subject.contains("no health data"), "{}", told[0].subject);
    }
}

#[test]
fn a_bypass_at_first_sight_is_told_even_without_health_data() {
    let blind = Sight { inspection: Health::Unknown, reason: Reason::NoHealthData, ..BY_EDGE };
    let told = look(&mut row(), &blind, noon(), None);
    assert_eq!(told.len(), 1);
    assert!(told[0].subject.contains("uninspected"), "{}", told[0].subject);
}

#[test]
fn any_message_puts_the_hourly_reminder_off() {
    let mut row = row();
    look(&mut row, &FINE, noon(), None);
    assert_eq!(look(&mut row, &BY_DNS, after(60), None).len(), 1);
    assert_eq!(look(&mut row, &BY_EDGE, after(1_860), None).len(), 1);
    assert!(look(&mut row, &BY_EDGE, after(3_660), None).is_empty(), "an hour after the first message");
    let told = look(&mut row, &BY_EDGE, after(5_460), None);
    assert_eq!(told.len(), 1, "an hour after the last one");
    assert!(told[0].subject.contains("still not inspected"), "{}", told[0].subject);
}
