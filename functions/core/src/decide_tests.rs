//! Every reason, and who wins where two apply.

use super::*;
use crate::alarm::AlarmState::{Alarm, InsufficientData, Missing};
use crate::decision::Verdict;
use crate::ledger::{FlippedBy, Latch, PendingFlip};
use crate::sample::{ago, alarm, bypassed_row, flip, noon, own_alarm, pin, row};

const ALIVE: ProbeOutcome = ProbeOutcome::Answered { status: 200 };
const DEAD: ProbeOutcome = ProbeOutcome::Answered { status: 503 };

/// Asks with both probes answered as given.
fn ask(
    row: &Row,
    posture: Posture,
    alarms: &[ObservedAlarm],
    application: &ProbeOutcome,
    inspection: &ProbeOutcome,
) -> (Verdict, Reason) {
    let situation = Situation { row, posture, alarms, application: Some(application), inspection: Some(inspection) };
    match decide(&situation, noon()) {
        Next::Settled(decision) => {
            assert!(!decision.because.is_empty(), "every decision says why");
            (decision.decision, decision.reason)
        }
        other => panic!("both probes were given, and yet it asks for {other:?}"),
    }
}

fn ask_well(row: &Row, posture: Posture, alarms: &[ObservedAlarm]) -> (Verdict, Reason) {
    ask(row, posture, alarms, &ALIVE, &ALIVE)
}

fn ringing() -> Vec<ObservedAlarm> {
    vec![own_alarm(Alarm, 60)]
}

fn quiet(seconds: i64) -> Vec<ObservedAlarm> {
    vec![own_alarm(AlarmState::Ok, seconds)]
}

#[test]
fn an_alarm_on_an_inspected_protection_bypasses() {
    assert_eq!(ask_well(&row(), Posture::Inspected, &ringing()), (Verdict::Bypass, Reason::AlarmActive));
}

#[test]
fn a_mixed_posture_goes_where_the_alarm_says() {
    assert_eq!(ask_well(&row(), Posture::Mixed, &ringing()), (Verdict::Bypass, Reason::AlarmActive));
    let row = bypassed_row(1_000);
    assert_eq!(ask_well(&row, Posture::Mixed, &quiet(901)), (Verdict::Restore, Reason::HoldDownElapsed));
}

#[test]
fn what_is_there_already_stays() {
    assert_eq!(ask_well(&row(), Posture::Inspected, &quiet(1)), (Verdict::Hold, Reason::AlreadyThere));
    assert_eq!(ask_well(&bypassed_row(10), Posture::Bypassed, &ringing()), (Verdict::Hold, Reason::AlreadyThere));
}

#[test]
fn a_bypass_of_ours_ends_when_the_hold_down_has_elapsed_and_not_a_second_earlier() {
    let row = bypassed_row(2_000);
    assert_eq!(ask_well(&row, Posture::Bypassed, &quiet(899)), (Verdict::Hold, Reason::HoldDown));
    assert_eq!(ask_well(&row, Posture::Bypassed, &quiet(900)), (Verdict::Restore, Reason::HoldDownElapsed));
}

#[test]
fn an_ok_of_unknown_age_holds_down() {
    let mut alarms = quiet(5_000);
    alarms[0].since = None;
    assert_eq!(ask_well(&bypassed_row(6_000), Posture::Bypassed, &alarms), (Verdict::Hold, Reason::HoldDown));
}

#[test]
fn inspection_that_fails_its_probe_is_not_restored() {
    let row = bypassed_row(2_000);
    let certificate = ProbeOutcome::Failed { why: "certificate expired".into() };
    for outcome in [&DEAD, &certificate] {
        let answer = ask(&row, Posture::Bypassed, &quiet(901), &ALIVE, outcome);
        assert_eq!(answer, (Verdict::Hold, Reason::InspectionUnhealthy));
    }
}

#[test]
fn a_dead_application_is_no_place_to_send_traffic() {
    let answer = ask(&row(), Posture::Inspected, &ringing(), &DEAD, &ALIVE);
    assert_eq!(answer, (Verdict::Hold, Reason::ApplicationUnhealthy));
}

#[test]
fn an_application_that_says_no_is_alive() {
    let forbidden = ProbeOutcome::Answered { status: 403 };
    assert_eq!(ask(&row(), Posture::Inspected, &ringing(), &forbidden, &ALIVE).1, Reason::AlarmActive);
    let status_500 = ProbeOutcome::Answered { status: 500 };
    assert_eq!(ask(&row(), Posture::Inspected, &ringing(), &status_500, &ALIVE).1, Reason::ApplicationUnhealthy);
}

#[test]
fn probes_are_asked_for_only_when_the_decision_hangs_on_them() {
    let asked = |row: &Row, posture, alarms: &[ObservedAlarm]| {
        decide(&Situation { row, posture, alarms, application: None, inspection: None }, noon())
    };
    assert_eq!(asked(&row(), Posture::Inspected, &ringing()), Next::ProbeApplication);
    assert_eq!(asked(&bypassed_row(2_000), Posture::Bypassed, &quiet(901)), Next::ProbeInspection);
    assert!(matches!(asked(&row(), Posture::Inspected, &quiet(1)), Next::Settled(_)));
    let mut unchecked = row();
    unchecked.spec.application_check = ApplicationCheck::None;
    let Next::Settled(decision) = asked(&unchecked, Posture::Inspected, &ringing()) else {
        panic!("ApplicationCheck=none asks for no probe");
    };
    assert_eq!(decision.decision, Verdict::Bypass);
}

#[test]
fn a_foreign_target_is_left_alone_whatever_else_holds() {
    let mut row = row();
    row.pin = Some(pin(PinPosture::Bypassed, 10, None));
    assert_eq!(ask_well(&row, Posture::Foreign, &ringing()), (Verdict::Hold, Reason::ForeignTarget));
}

#[test]
fn a_pin_outranks_the_alarm() {
    let mut row = row();
    row.pin = Some(pin(PinPosture::Hold, 10, None));
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()), (Verdict::Hold, Reason::Pinned));
    row.pin = Some(pin(PinPosture::Inspected, 10, None));
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()), (Verdict::Hold, Reason::Pinned));
}

#[test]
fn a_pinned_posture_is_reached_even_where_automation_may_not_flip() {
    let mut row = row();
    row.spec.automation.edge_fail_open = EdgeFailOpen::Off;
    row.latch = Some(Latch { since: ago(10), because: "too many".into() });
    row.pin = Some(pin(PinPosture::Bypassed, 10, None));
    let dead = ask(&row, Posture::Inspected, &quiet(1), &DEAD, &DEAD);
    assert_eq!(dead, (Verdict::Bypass, Reason::PinnedPosture));
    row.pin = Some(pin(PinPosture::Inspected, 10, None));
    assert_eq!(ask_well(&row, Posture::Mixed, &ringing()), (Verdict::Restore, Reason::PinnedPosture));
}

#[test]
fn an_expired_pin_counts_no_more_and_its_end_restarts_the_hold_down() {
    let mut row = bypassed_row(5_000);
    row.pin = Some(pin(PinPosture::Bypassed, 4_000, Some(ago(899))));
    assert_eq!(ask_well(&row, Posture::Bypassed, &quiet(4_000)), (Verdict::Hold, Reason::HoldDown));
    row.pin = Some(pin(PinPosture::Bypassed, 4_000, Some(ago(900))));
    assert_eq!(ask_well(&row, Posture::Bypassed, &quiet(4_000)), (Verdict::Restore, Reason::HoldDownElapsed));
    row.pin = None;
    row.pin_ended_at = Some(ago(100));
    assert_eq!(ask_well(&row, Posture::Bypassed, &quiet(4_000)), (Verdict::Hold, Reason::HoldDown));
}

#[test]
fn a_pin_ends_at_its_last_second() {
    let mut row = row();
    row.pin = Some(pin(PinPosture::Hold, 10, Some(noon())));
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()).1, Reason::AlarmActive);
    row.pin = Some(pin(PinPosture::Hold, 10, Some(ago(-1))));
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()).1, Reason::Pinned);
}

#[test]
fn layer_two_that_is_off_or_only_notifies_does_not_flip() {
    let mut row = row();
    row.spec.automation.edge_fail_open = EdgeFailOpen::Off;
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()), (Verdict::Hold, Reason::EdgeOff));
    row.spec.automation.edge_fail_open = EdgeFailOpen::Notify;
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()), (Verdict::Hold, Reason::NotifyOnly));
    assert_eq!(ask_well(&row, Posture::Inspected, &quiet(1)), (Verdict::Hold, Reason::AlreadyThere));
}

#[test]
fn missing_data_moves_nothing() {
    for state in [InsufficientData, Missing] {
        let alarms = [own_alarm(state, 3_600)];
        assert_eq!(ask_well(&row(), Posture::Inspected, &alarms), (Verdict::Hold, Reason::NoHealthData));
        assert_eq!(ask_well(&bypassed_row(9_000), Posture::Bypassed, &alarms), (Verdict::Hold, Reason::NoHealthData));
    }
    assert_eq!(ask_well(&row(), Posture::Inspected, &[]), (Verdict::Hold, Reason::NoHealthData));
}

#[test]
fn an_additional_alarm_speaks_for_a_bypass_and_must_be_quiet_for_a_restore() {
    let ring = [own_alarm(AlarmState::Ok, 9_000), alarm("users-own", Alarm, 60)];
    assert_eq!(ask_well(&row(), Posture::Inspected, &ring), (Verdict::Bypass, Reason::AlarmActive));
    let silent = [own_alarm(AlarmState::Ok, 9_000), alarm("users-own", InsufficientData, 60)];
    assert_eq!(ask_well(&bypassed_row(9_000), Posture::Bypassed, &silent), (Verdict::Hold, Reason::NoHealthData));
    let young = [own_alarm(AlarmState::Ok, 9_000), alarm("users-own", AlarmState::Ok, 60)];
    assert_eq!(ask_well(&bypassed_row(9_000), Posture::Bypassed, &young), (Verdict::Hold, Reason::HoldDown));
    let blind = [own_alarm(Missing, 9_000), alarm("users-own", Alarm, 60)];
    assert_eq!(ask_well(&row(), Posture::Inspected, &blind), (Verdict::Bypass, Reason::AlarmActive));
}

#[test]
fn a_latch_stops_automation() {
    let mut row = row();
    row.latch = Some(Latch { since: ago(10), because: "too many".into() });
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()), (Verdict::Hold, Reason::Latched));
    let silent = [own_alarm(InsufficientData, 1)];
    assert_eq!(ask_well(&row, Posture::Inspected, &silent), (Verdict::Hold, Reason::Latched), "before NoHealthData");
}

#[test]
fn the_daily_budget_counts_automatic_flips_of_a_rolling_day() {
    let mut row = row();
    row.spec.automation.maximum_flips_per_day = 2;
    row.record_flip(flip(Side::Bypassed, FlippedBy::Automation, 86_399));
    row.record_flip(flip(Side::Inspected, FlippedBy::Automation, 80_000));
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()), (Verdict::Hold, Reason::FlipBudgetSpent));
    row.flips[0].at = ago(86_400);
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()), (Verdict::Bypass, Reason::AlarmActive));
    row.flips[0].at = ago(86_399);
    row.flips[1].by = FlippedBy::Operator;
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()), (Verdict::Bypass, Reason::AlarmActive));
}

#[test]
fn the_budget_counts_anew_after_an_unlatch() {
    let mut row = row();
    row.spec.automation.maximum_flips_per_day = 1;
    row.record_flip(flip(Side::Inspected, FlippedBy::Automation, 1_000));
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()).1, Reason::FlipBudgetSpent);
    row.unlatched_at = Some(ago(500));
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()).1, Reason::AlarmActive);
}

#[test]
fn automatic_flips_stand_apart_by_the_dwell_time_and_manual_ones_do_not_count() {
    let mut row = row();
    row.record_flip(flip(Side::Inspected, FlippedBy::Automation, 299));
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()), (Verdict::Hold, Reason::Dwell));
    row.flips[0].at = ago(300);
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()), (Verdict::Bypass, Reason::AlarmActive));
    row.flips[0] = flip(Side::Inspected, FlippedBy::Operator, 1);
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()), (Verdict::Bypass, Reason::AlarmActive));
}

#[test]
fn a_spent_budget_is_named_before_the_dwell_time_and_both_before_the_application() {
    let mut row = row();
    row.spec.automation.maximum_flips_per_day = 1;
    row.record_flip(flip(Side::Inspected, FlippedBy::Automation, 10));
    assert_eq!(ask(&row, Posture::Inspected, &ringing(), &DEAD, &DEAD).1, Reason::FlipBudgetSpent);
    row.spec.automation.maximum_flips_per_day = 6;
    assert_eq!(ask(&row, Posture::Inspected, &ringing(), &DEAD, &DEAD).1, Reason::Dwell);
}

#[test]
fn manual_fail_back_waits_for_an_operator() {
    let mut row = bypassed_row(9_000);
    row.spec.automation.fail_back = FailBack::Manual;
    assert_eq!(ask_well(&row, Posture::Bypassed, &quiet(9_000)), (Verdict::Hold, Reason::AwaitingOperator));
}

#[test]
fn a_bypass_that_the_ledger_does_not_know_waits_for_an_operator() {
    assert_eq!(ask_well(&row(), Posture::Bypassed, &quiet(9_000)), (Verdict::Hold, Reason::AwaitingOperator));
    let mut restored = bypassed_row(9_000);
    restored.record_flip(flip(Side::Inspected, FlippedBy::Automation, 8_000));
    assert_eq!(ask_well(&restored, Posture::Bypassed, &quiet(9_000)).1, Reason::AwaitingOperator);
    let mut seen_inspected = bypassed_row(9_000);
    seen_inspected.watch.inspected_seen_at = Some(ago(8_000));
    assert_eq!(ask_well(&seen_inspected, Posture::Bypassed, &quiet(9_000)).1, Reason::AwaitingOperator);
}

#[test]
fn a_bypass_that_an_operator_made_through_flip_ends_with_its_pin() {
    let mut row = row();
    row.record_flip(flip(Side::Bypassed, FlippedBy::Operator, 9_000));
    row.pin = Some(pin(PinPosture::Bypassed, 9_000, Some(ago(-60))));
    assert_eq!(ask_well(&row, Posture::Bypassed, &quiet(9_000)).1, Reason::Pinned);
    row.pin = Some(pin(PinPosture::Bypassed, 9_000, Some(ago(1_000))));
    assert_eq!(ask_well(&row, Posture::Bypassed, &quiet(9_000)), (Verdict::Restore, Reason::HoldDownElapsed));
}

#[test]
fn a_bypass_whose_record_was_lost_in_a_crash_is_known_by_its_intent() {
    let mut row = row();
    row.pending = Some(PendingFlip {
        at: ago(9_000),
        from: Posture::Inspected,
        to: Side::Bypassed,
        by: FlippedBy::Automation,
        reason: "AlarmActive".into(),
        requested_by: None,
    });
    assert_eq!(ask_well(&row, Posture::Bypassed, &quiet(9_000)), (Verdict::Restore, Reason::HoldDownElapsed));
}

#[test]
fn automation_stands_aside_from_a_protection_that_is_not_in_place() {
    let mut row = row();
    for lifecycle in [Lifecycle::Creating, Lifecycle::Deleting] {
        row.lifecycle = lifecycle;
        row.pin = Some(pin(PinPosture::Bypassed, 10, None));
        assert_eq!(ask_well(&row, Posture::Inspected, &ringing()), (Verdict::Hold, Reason::EdgeOff));
    }
    row.lifecycle = Lifecycle::Updating;
    assert_eq!(ask_well(&row, Posture::Inspected, &ringing()), (Verdict::Bypass, Reason::PinnedPosture));
    row.made.distribution = None;
    assert_eq!(ask_well(&row, Posture::Foreign, &ringing()), (Verdict::Hold, Reason::EdgeOff));
}

#[test]
fn the_sentence_names_what_the_decision_rests_on() {
    let situation = Situation {
        row: &row(),
        posture: Posture::Inspected,
        alarms: &ringing(),
        application: Some(&ProbeOutcome::Failed { why: "no connection within 3 s".into() }),
        inspection: None,
    };
    let Next::Settled(decision) = decide(&situation, noon()) else { panic!("settled") };
    assert!(decision.because.contains("failopen-www-inspection"), "{}", decision.because);
    assert!(decision.because.contains("no connection within 3 s"), "{}", decision.because);
}

#[test]
fn the_reason_names_the_alarms_that_decided() {
    let because = |alarms: &[ObservedAlarm]| {
        let (row, posture) = (row(), Posture::Mixed);
        let mut row = row;
        row.spec.automation.edge_fail_open = EdgeFailOpen::Notify;
        match decide(&Situation { row: &row, posture, alarms, application: None, inspection: None }, noon()) {
            Next::Settled(decision) => decision.because,
            other => panic!("layer 2 only notifies, and yet it asks for {other:?}"),
        }
    };
    let (own, theirs) = ("failopen-www-inspection", "theirs");
    let both = |one, other| [own_alarm(one, 60), alarm(theirs, other, 60)];
    assert!(because(&both(Alarm, Alarm)).starts_with(&format!("alarm {own}, {theirs} is in ALARM")));
    assert!(because(&both(AlarmState::Ok, Alarm)).starts_with("alarm theirs is in ALARM"));
    assert!(because(&both(Missing, InsufficientData)).starts_with(&format!("alarm {own} does not exist")));
    assert!(because(&both(AlarmState::Ok, InsufficientData)).starts_with("alarm theirs has no data"));
    assert!(because(&both(AlarmState::Ok, AlarmState::Ok)).starts_with(&format!("alarm {own}, {theirs} is OK")));
    assert!(because(&[]).starts_with("the alarms could not be read"));
}

#[test]
fn the_health_of_inspection_is_what_the_protections_own_alarm_says() {
    for (state, health) in [
        (AlarmState::Ok, Health::Healthy),
        (Alarm, Health::Unhealthy),
        (InsufficientData, Health::Unknown),
        (Missing, Health::Unknown),
    ] {
        let theirs = if state == Alarm { AlarmState::Ok } else { Alarm };
        let alarms = [alarm("theirs", theirs, 60), own_alarm(state, 60)];
        assert_eq!(inspection_health(&row(), &alarms), health);
    }
    assert_eq!(inspection_health(&row(), &[alarm("theirs", Alarm, 60)]), Health::Unknown);
}
