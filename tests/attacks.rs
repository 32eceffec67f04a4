//! What went wrong elsewhere with automation of this kind, done on purpose: races, clean-up after failed clean-up, and the
//! wrong thing asked at the wrong moment.

use failopen::alarm::AlarmState;
use failopen::id::{DistributionId, Hostname, PathPattern};
use failopen::ledger::Lifecycle;
use failopen::port::{FaultKind, ProbeOutcome};
use failopen::posture::Side;
use failopen_tests::events;
use failopen_tests::stack::Stack;
use failopen_tests::world::{
    RICH_DISTRIBUTION, World, application, application_origin, distribution, failover_record, inspection_origin,
    standard_spec, www, zone,
};
use failopen_tests::{Moment, Operation};
use jiff::SignedDuration;
use serde_json::{Value, json};

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn settled(world: World) -> World {
    world.live(1);
    assert_eq!(world.cloud.outbox().messages.len(), 0, "{:?}", world.cloud.outbox().subjects());
    world
}

fn subjects(world: &World) -> Vec<String> {
    world.cloud.outbox().subjects().into_iter().map(str::to_owned).collect()
}

fn succeeded(answer: &Value) {
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
}

/// The reason of the one decision of react.
fn reason(world: &World) -> String {
    let answer = world.react(events::decide()).expect("react answers `decide`");
    answer["decisions"][0]["reason"].as_str().expect("a reason").to_owned()
}

/// A world that automation has bypassed, with inspection healthy for longer than the hold-down.
fn bypassed_and_long_recovered() -> World {
    let world = settled(World::standard());
    world.inspection_dies();
    world.react_and_deliver(events::alarm_metric());
    assert_eq!(world.target("*"), application_origin());
    world.pass(minutes(6));
    world.inspection_recovers();
    world.pass(minutes(20));
    world
}

#[test]
fn a_failover_record_that_is_gone_is_nothing_to_restore_to() {
    let world = bypassed_and_long_recovered();
    world.cloud.route53().remove_records(&zone().id, &failover_record());
    world.live(3);
    assert_eq!(world.target("*"), application_origin(), "CloudFront would get no answer for the record");
    assert_eq!(reason(&world), "InspectionUnhealthy");
}

#[test]
fn a_failover_record_that_cannot_be_read_is_nothing_to_restore_to_either() {
    let world = bypassed_and_long_recovered();
    world.cloud.on(Operation::ListResourceRecordSets).fail(FaultKind::AccessDenied);
    world.live(3);
    assert_eq!(world.target("*"), application_origin());
    world.cloud.heal();
    world.live(2);
    assert_eq!(world.target("*"), inspection_origin());
}

#[test]
fn the_application_that_is_probed_is_the_one_that_a_bypass_leads_to() {
    let world = settled(World::standard());
    let elsewhere = Hostname::new("moved.cq-route.com");
    world.cloud.cloudfront().edit(&distribution(), world.clock.aws_now(), |text| {
        text.replacen("<DomainName>origin-www.cq-route.com", "<DomainName>moved.cq-route.com", 1)
    });
    world.cloud.probes().script(&elsewhere, ProbeOutcome::Failed { why: "connection refused".to_owned() });
    world.inspection_dies();
    world.live(2);
    assert_eq!(reason(&world), "ApplicationUnhealthy");
    assert_eq!(
        world.target("*"),
        inspection_origin(),
        "{application} answers, and no bypass leads there",
        application = application()
    );
}

#[test]
fn a_flip_that_writes_the_row_while_a_message_is_sent_does_not_make_it_go_out_twice() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.cloud.on(Operation::Publish).nth(1).after(|cloud| {
        cloud.ledger().edit(&www(), |row| row.unlatched_at = Some("2026-11-20T12:00:00Z".parse().expect("a time")));
    });
    world.live(5);
    let mut told = subjects(&world);
    let all = told.len();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), all, "{:?}", subjects(&world));
    assert!(world.row().watch.outbox.is_empty());
}

#[test]
fn a_flip_that_died_before_it_was_recorded_counts_for_dwell_and_budget() {
    let world = settled(World::with(|spec| spec.automation.hold_down_seconds = 0));
    world.inspection_dies();
    world.react(events::alarm_metric()).expect("an answer");
    // The row cannot be written any more once the distribution has been.
    world.cloud.on(Operation::UpdateDistribution).after(|cloud| cloud.on(Operation::PutItem).fail(FaultKind::Unknown));
    world.deliver();
    world.cloud.heal();
    assert_eq!(world.target("*"), application_origin());
    assert!(world.row().flips.is_empty() && world.row().pending.is_some());
    world.pass(minutes(1));
    world.inspection_recovers();
    assert_eq!(reason(&world), "Dwell");
    world.live(2);
    let row = world.row();
    assert_eq!(row.pending, None);
    assert_eq!(row.flips.iter().map(|flip| flip.to).collect::<Vec<_>>(), [Side::Bypassed]);
    assert!(row.bypass_is_ours());
}

#[test]
fn a_flip_that_was_never_written_is_not_counted() {
    let world = settled(World::standard());
    world.inspection_dies();
    world.react(events::alarm_metric()).expect("an answer");
    let before_the_write = world.cloud.calls().len() as u64 + 5;
    world.cloud.crash_at(before_the_write, Moment::Before);
    let request = world.cloud.outbox().converges.remove(0);
    let _dead = world.try_flip(failopen_tests::functions::converge(&request));
    assert!(world.row().pending.is_some(), "the flip died between its intent and its write");
    assert_eq!(world.target("*"), inspection_origin());
    world.pass(minutes(1));
    world.live(1);
    assert_eq!(world.target("*"), application_origin(), "no dwell time for what did not happen");
    assert_eq!(world.row().flips.len(), 1);
}

#[test]
fn protections_that_cannot_be_read_do_not_keep_the_drift_of_the_others_from_being_read() {
    let world = World::standard();
    let second = DistributionId::new("E3SECOND");
    world.cloud.cloudfront().add(second.clone(), RICH_DISTRIBUTION.as_bytes().to_vec(), world.clock.aws_now());
    for (name, path) in [("a1", "*"), ("a2", "/account/*"), ("a3", "/new1/*"), ("a4", "/new2/*")] {
        let mut spec = standard_spec();
        spec.name = name.into();
        spec.failover_record = Hostname::new(format!("cq-origin-{name}.cq-route.com"));
        spec.distribution = second.clone();
        spec.traffic = vec![PathPattern::new(path)];
        world.provision(&spec);
    }
    world.cloud.on(Operation::GetDistributionConfig).containing("E3SECOND").fail(FaultKind::AccessDenied);
    world.live(5);
    assert!(world.row().watch.drift_read_at.is_some(), "the drift of www was never read");
}

#[test]
fn a_deletion_is_no_foreign_target_and_no_drift() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    stack.set(json!({"Traffic": ["*", "/ours/*"]}));
    succeeded(&stack.create());
    world.set_alarm(AlarmState::Ok);
    world.live(2);
    let before = subjects(&world);
    let ticking = world.clone();
    for minute in 1..6 {
        let ticking = ticking.clone();
        world.clock.after(minutes(minute) + SignedDuration::from_secs(1), move || {
            ticking.tick();
        });
    }
    world.edit_row(|row| row.watch.drift_read_at = None);
    succeeded(&stack.delete());
    let told = subjects(&world)[before.len()..].to_vec();
    assert!(!told.iter().any(|subject| subject.contains("foreign") || subject.contains("drift")), "{told:?}");
    assert!(told.len() <= 1, "{told:?}");
}

#[test]
fn a_protection_declared_again_after_its_deletion_failed_takes_over_what_is_left() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(&stack.create());
    // Somebody emptied all parameters at once: the engine may not touch the distribution any more.
    world.cloud.on(Operation::GetDistributionConfig).fail(FaultKind::AccessDenied);
    let failed = stack.delete();
    assert_eq!(failed["Status"], "FAILED", "{failed}");
    assert_eq!(world.row().lifecycle, Lifecycle::Deleting);
    world.cloud.heal();
    // CloudFormation has dropped the resource from the stack; the parameters are put back.
    stack.physical_id = None;
    succeeded(&stack.create());
    assert_eq!(world.row().lifecycle, Lifecycle::Active);
    assert_eq!(world.target("*"), inspection_origin());
    succeeded(&stack.delete());
    assert_eq!(world.configuration(), RICH_DISTRIBUTION);
    assert_eq!(world.cloud.health().ids(), []);
}

#[test]
fn a_protection_declared_again_after_half_a_deletion_begins_inspected() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(&stack.create());
    world.cloud.on(Operation::ChangeResourceRecordSets).fail(FaultKind::AccessDenied);
    let failed = stack.delete();
    assert_eq!(failed["Status"], "FAILED", "{failed}");
    assert_eq!(world.target("*"), application_origin());
    world.cloud.heal();
    stack.physical_id = None;
    succeeded(&stack.create());
    assert_eq!(world.target("*"), inspection_origin(), "a new protection begins inspected");
    assert_eq!(world.row().lifecycle, Lifecycle::Active);
}

#[test]
fn an_update_that_could_not_clean_up_behind_itself_is_refused_before_it_begins() {
    let moved = [json!({"FailoverRecord": "cq-origin-new.cq-route.com"}), json!({"DistributionId": "E3SECOND"})];
    for change in moved {
        let world = World::bare();
        world.cloud.cloudfront().add("E3SECOND".into(), RICH_DISTRIBUTION.as_bytes().to_vec(), world.clock.aws_now());
        let mut stack = Stack::new(&world);
        succeeded(&stack.create());
        let before = world.configuration();
        // What the roles name follows the stack's own parameters.
        stack.engine.allowed.records.remove(&failover_record());
        stack.engine.allowed.distributions.remove(&distribution());
        match change.get("FailoverRecord") {
            Some(_) => stack.engine.allowed.distributions.insert(distribution()),
            None => stack.engine.allowed.records.insert(failover_record()),
        };
        let properties = stack.properties.clone();
        stack.set(change);
        let refused = stack.update();
        let why = refused["Reason"].as_str().unwrap_or_default().to_owned();
        assert_eq!(refused["Status"], "FAILED", "{refused}");
        assert!(why.contains("Allowed") && why.contains("nothing was changed"), "{why}");
        assert_eq!(world.configuration(), before);
        assert_eq!(world.row().lifecycle, Lifecycle::Active);
        // The stack's roll-back, with its former parameters and roles, has nothing to do.
        stack.engine = failopen_tests::stack::engine();
        stack.properties = properties;
        succeeded(&stack.update());
    }
}

#[test]
fn a_continuation_that_nobody_wrote_is_no_panic() {
    let world = World::bare();
    for moment in ["9999-12-30T22:00:00Z", "-009999-01-02T01:59:59Z", "nonsense"] {
        let mut stack = Stack::new(&world);
        let mut request = stack.request("Delete");
        request["PhysicalResourceId"] = json!("site-Protection-1K2N3B4V5C6X7");
        request["FailopenStartedAt"] = json!(moment);
        let _outcome = stack.invoke(request);
    }
}

#[test]
fn a_deletion_that_never_ends_is_told_because_automation_has_stopped() {
    let world = settled(World::standard());
    world.edit_row(|row| row.lifecycle = Lifecycle::Deleting);
    world.live(60);
    assert_eq!(subjects(&world), Vec::<String>::new(), "CloudFormation is still at it");
    world.live(60);
    let told = subjects(&world);
    assert!(told.len() == 1 && told[0].contains("deletion not finished"), "{told:?}");
}

#[test]
fn a_late_delivery_of_the_create_that_is_being_deleted_takes_nothing_over() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let create = stack.request("Create");
    succeeded(&stack.deliver(create.clone()));
    world.cloud.on(Operation::ChangeResourceRecordSets).fail(FaultKind::AccessDenied);
    assert_eq!(stack.delete()["Status"], "FAILED");
    world.cloud.heal();
    assert_eq!(stack.deliver(create)["Status"], "FAILED");
    assert_eq!(world.row().lifecycle, Lifecycle::Deleting);
    assert_eq!(world.target("*"), application_origin());
}

#[test]
fn one_tick_without_an_answer_of_cloudwatch_is_no_news() {
    let world = settled(World::standard());
    world.cloud.on(Operation::DescribeAlarms).first(2).fail(FaultKind::Throttled);
    world.live(5);
    assert_eq!(subjects(&world), Vec::<String>::new());
}

#[test]
fn alarms_that_stay_unreadable_are_told_once() {
    let world = settled(World::standard());
    world.cloud.on(Operation::DescribeAlarms).fail(FaultKind::AccessDenied);
    world.live(40);
    assert_eq!(subjects(&world).len(), 1, "{:?}", subjects(&world));
}
