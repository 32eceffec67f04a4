//! What people made by hand who followed the runbook: taken over as it is, without a moment without inspection, and left as it is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use failopen::document::{Edit, NewOrigin};
use failopen::id::{DistributionId, HealthCheckId, Hostname, OriginId, PathPattern};
use failopen::ledger::Lifecycle;
use failopen::port::{FailoverRole, HealthCheckConfig, RecordSet};
use failopen_tests::cloud::Run;
use failopen_tests::inventory::Inventory;
use failopen_tests::stack::Stack;
use failopen_tests::world::{
    RICH_DISTRIBUTION, application, application_origin, distribution, failover_record, inspection, inspection_origin,
    www, zone,
};
use failopen_tests::{Logs, Moment, Operation, World};
use jiff::SignedDuration;
use serde_json::{Value, json};

const CHECK: &str = "their-check";
const SECOND: &str = "E3SECOND";

/// The id that the console proposes for an origin: its host.
fn their_origin() -> OriginId {
    OriginId::new(failover_record().as_str())
}

fn rewrite(world: &World, edits: &[Edit]) {
    let after = world.document(&distribution()).edit(edits).expect("the edits fit");
    world.cloud.cloudfront().add(distribution(), after.bytes().to_vec(), world.clock.aws_now());
}

fn add_origin(world: &World) {
    let (id, domain_name) = (their_origin(), failover_record());
    rewrite(
        world,
        &[Edit::AddOrigin { like: application_origin(), origin: NewOrigin { id, domain_name, https_port: 443 } }],
    );
}

fn point_at_it(world: &World, pattern: &str) {
    let path_pattern = PathPattern::new(pattern);
    rewrite(world, &[Edit::Retarget { path_pattern, from: application_origin(), to: their_origin() }]);
}

fn add_check(world: &World) {
    let config = HealthCheckConfig {
        check_type: "HTTPS".to_owned(),
        host: Some(inspection()),
        port: Some(443),
        path: Some("/healthz".to_owned()),
        search_string: None,
        interval_seconds: Some(30),
        failure_threshold: Some(3),
        enable_sni: Some(true),
        inverted: false,
        disabled: false,
        regions: Vec::new(),
    };
    world.cloud.health().add(HealthCheckId::new(CHECK), config, world.clock.aws_now());
}

fn record(role: FailoverRole) -> RecordSet {
    let (host, set, check) = match role {
        FailoverRole::Primary => (inspection(), "Inspection", Some(HealthCheckId::new(CHECK))),
        FailoverRole::Secondary => (application(), "the origin itself", None),
    };
    RecordSet {
        name: failover_record(),
        record_type: "CNAME".to_owned(),
        set_identifier: Some(set.to_owned()),
        failover: Some(role),
        ttl: Some(30),
        values: vec![host.to_string()],
        health_check: check,
        routing: "failover".to_owned(),
    }
}

fn add_records(world: &World) {
    for role in [FailoverRole::Secondary, FailoverRole::Primary] {
        world.cloud.route53().add_record(&zone().id, record(role));
    }
}

/// The whole runbook: check, records, origin, and the default behaviour at it.
fn by_hand() -> World {
    let world = World::bare();
    add_check(&world);
    add_records(&world);
    add_origin(&world);
    point_at_it(&world, "*");
    world
}

fn stack(world: &World) -> Stack<'_> {
    let mut stack = Stack::new(world);
    stack.set(json!({"HealthCheck": {"HealthCheckId": CHECK}}));
    stack
}

fn succeeded(answer: Value) -> Value {
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    answer
}

fn reason(answer: &Value) -> String {
    assert_eq!(answer["Status"], "FAILED", "{answer}");
    answer["Reason"].as_str().expect("a reason").to_owned()
}

fn same(context: &str, expected: &Inventory, found: &Inventory) {
    let differences = expected.differences(found);
    assert!(differences.is_empty(), "{context}:\n{}", differences.join("\n"));
}

fn found(world: &World) -> Inventory {
    Inventory::of(&world.cloud)
}

fn writes_of_others_things(world: &World) -> [usize; 4] {
    [
        Operation::ChangeResourceRecordSets,
        Operation::UpdateDistribution,
        Operation::CreateHealthCheck,
        Operation::UpdateHealthCheck,
    ]
    .map(|operation| world.cloud.count(operation))
}

fn flip(world: &World, action: &str) -> Value {
    world.flip(json!({"action": action, "protection": "www", "reason": "INC-1"})).expect("an answer")
}

#[test]
fn a_whole_runbook_is_taken_over_without_a_write_to_it() {
    let world = by_hand();
    let before = world.configuration();
    let mut stack = stack(&world);
    let answer = succeeded(stack.create());
    assert_eq!(writes_of_others_things(&world), [0; 4]);
    assert_eq!(world.configuration(), before);
    assert_eq!(
        (&answer["Data"]["InspectionOriginId"], &answer["Data"]["ApplicationOriginId"], &answer["Data"]["Posture"]),
        (&json!(their_origin()), &json!(application_origin()), &json!("inspected"))
    );
    let made = world.row().made;
    let distribution = made.distribution.expect("a distribution");
    assert!(distribution.origin_adopted && distribution.written);
    assert_eq!(distribution.behaviors[0].original_target, their_origin());
    let sets = made.records.expect("records").adopted.expect("they are adopted");
    assert_eq!((sets.primary.as_str(), sets.secondary.as_str()), ("Inspection", "the origin itself"));
    assert_eq!(made.replaced, []);
    let status = world.flip(json!({"action": "status", "protection": "www"})).expect("a status");
    assert_eq!((&status["posture"], &status["drift"]), (&json!("inspected"), &json!([])), "{status}");
}

#[test]
fn a_create_that_is_delivered_twice_is_answered_the_same_and_writes_nothing() {
    let world = by_hand();
    let mut stack = stack(&world);
    let request = stack.request("Create");
    let first = stack.deliver(request.clone());
    assert_eq!(stack.deliver(request), first);
    assert_eq!(writes_of_others_things(&world), [0; 4]);
}

#[test]
fn what_was_adopted_is_flipped_as_anything_else_and_automation_does_it_too() {
    let world = by_hand();
    succeeded(stack(&world).create());
    let before = world.configuration();
    let answer = flip(&world, "bypass");
    assert_eq!(
        answer["behaviors"],
        json!([{"pathPattern": "*", "from": their_origin(), "to": application_origin()}]),
        "{answer}"
    );
    assert_eq!(world.target("*"), application_origin());
    let answer = flip(&world, "restore");
    assert_eq!(answer["behaviors"][0]["to"], json!(their_origin()));
    assert_eq!(world.configuration(), before);
    world.flip(json!({"action": "unpin", "protection": "www"})).expect("unpinned");
    world.inspection_dies();
    world.live(5);
    assert_eq!(world.target("*"), application_origin(), "{:?}", world.row().flips);
}

#[test]
fn delete_leaves_everything_as_it_was_found_and_says_what_stays() {
    let world = by_hand();
    let before = found(&world);
    let mut stack = stack(&world);
    succeeded(stack.create());
    let logs = Logs::default();
    logs.of(|| succeeded(stack.delete()));
    same("deleted", &before, &found(&world));
    assert_eq!(writes_of_others_things(&world), [0; 4]);
    for what in ["were adopted, so they stay", "it was adopted, so it stays"] {
        assert!(logs.text().contains(what), "{what}");
    }
}

#[test]
fn delete_while_bypassed_leaves_everything_as_it_was_found() {
    let world = by_hand();
    let before = found(&world);
    let mut stack = stack(&world);
    succeeded(stack.create());
    flip(&world, "bypass");
    succeeded(stack.delete());
    same("deleted", &before, &found(&world));
}

#[test]
fn records_alone_are_adopted_and_the_rest_is_made_and_removed() {
    let world = World::bare();
    add_check(&world);
    add_records(&world);
    let before = found(&world);
    let mut stack = stack(&world);
    succeeded(stack.create());
    assert_eq!(world.cloud.count(Operation::ChangeResourceRecordSets), 0);
    assert_eq!(world.target("*"), inspection_origin());
    assert!(!world.row().made.distribution.expect("a distribution").origin_adopted);
    succeeded(stack.delete());
    same("deleted", &before, &found(&world));
    assert_eq!(world.configuration(), RICH_DISTRIBUTION);
}

#[test]
fn an_origin_alone_is_adopted_and_stays() {
    let world = World::bare();
    add_origin(&world);
    let before = found(&world);
    let mut stack = Stack::new(&world);
    stack.set(json!({"Traffic": ["*", "/account/*", "/ours/*"]}));
    succeeded(stack.create());
    assert_eq!(world.target("*"), their_origin());
    assert!(world.document(&distribution()).origin(&inspection_origin()).is_none(), "no second one is added");
    assert_eq!(world.cloud.resolve(&failover_record()), Some(vec![inspection().to_string()]));
    flip(&world, "bypass");
    flip(&world, "restore");
    succeeded(stack.delete());
    same("deleted", &before, &found(&world));
}

#[test]
fn behaviours_at_an_origin_without_records_end_at_the_application_when_ours_are_removed() {
    for bypassed in [false, true] {
        let world = World::bare();
        add_origin(&world);
        point_at_it(&world, "*");
        let mut stack = Stack::new(&world);
        succeeded(stack.create());
        assert_eq!(world.cloud.count(Operation::UpdateDistribution), 0);
        assert_eq!(world.cloud.resolve(&failover_record()), Some(vec![inspection().to_string()]));
        if bypassed {
            flip(&world, "bypass");
        }
        succeeded(stack.delete());
        assert_eq!(world.target("*"), application_origin(), "bypassed: {bypassed}");
        assert!(world.document(&distribution()).origin(&their_origin()).is_some(), "the origin is theirs");
        assert_eq!(world.cloud.resolve(&failover_record()), None);
        assert_eq!(world.cloud.health().ids(), []);
    }
}

#[test]
fn records_stay_while_somebody_else_uses_the_adopted_origin() {
    let world = World::bare();
    add_origin(&world);
    point_at_it(&world, "*");
    point_at_it(&world, "/account/*");
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    let refused = reason(&stack.delete());
    for part in [their_origin().as_str(), "is still used by behaviour `/account/*`", "delete again"] {
        assert!(refused.contains(part), "{refused}");
    }
    assert_eq!(world.cloud.resolve(&failover_record()), Some(vec![inspection().to_string()]));
    world.retarget_by_hand("/account/*", &application_origin());
    succeeded(stack.delete());
    assert_eq!(world.cloud.resolve(&failover_record()), None);
}

#[test]
fn records_stay_while_somebody_else_uses_another_origin_that_leads_there() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    add_origin(&world);
    point_at_it(&world, "/account/*");
    let used = format!("origin `{}` is still used by behaviour `/account/*`", their_origin());

    let refused = reason(&stack.delete());
    for part in [used.as_str(), "delete again"] {
        assert!(refused.contains(part), "{refused}");
    }
    assert_eq!(world.target("*"), application_origin(), "what is ours is restored all the same");
    assert_eq!(world.cloud.resolve(&failover_record()), Some(vec![inspection().to_string()]));
    world.retarget_by_hand("/account/*", &application_origin());
    succeeded(stack.delete());
    assert_eq!(world.cloud.resolve(&failover_record()), None);
    assert!(world.document(&distribution()).origin(&their_origin()).is_some(), "the origin is theirs");
}

#[test]
fn records_stay_also_while_somebody_uses_them_in_a_distribution_that_an_update_has_left() {
    let world = World::bare();
    let second = RICH_DISTRIBUTION.replacen("console-2019-06-14T09:21:44.512Z", "console-2020", 1);
    world.cloud.cloudfront().add(DistributionId::new(SECOND), second.into_bytes(), world.clock.aws_now());
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    add_origin(&world);
    point_at_it(&world, "/account/*");
    succeeded(stack.set(json!({"DistributionId": SECOND})).update());
    assert_eq!(world.target("*"), application_origin(), "what is ours is restored");
    succeeded(stack.set(json!({"RecordTtl": "31"})).update());

    let refused = reason(&stack.delete());
    let used = format!("origin `{}` is still used by behaviour `/account/*`", their_origin());
    assert!(refused.contains(&used) && refused.contains("E2EXAMPLE"), "{refused}");
    assert_eq!(world.cloud.resolve(&failover_record()), Some(vec![inspection().to_string()]));
    world.retarget_by_hand("/account/*", &application_origin());
    succeeded(stack.delete());
    assert_eq!(world.cloud.resolve(&failover_record()), None);
}

#[test]
fn an_update_leaves_records_that_somebody_else_uses_until_nobody_does() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    let check = world.row().made.health_check.and_then(|made| made.id).expect("a check");
    add_origin(&world);
    point_at_it(&world, "/account/*");

    let renamed = json!({"FailoverRecord": "cq-origin-new.cq-route.com", "HealthCheck": {"IntervalSeconds": "30"}});
    let answer = succeeded(stack.set(renamed).update());
    let summary = answer["Data"]["PreflightSummary"].as_str().expect("a summary");
    let needed = format!(
        "the records of {} are needed still (in distribution E2EXAMPLE, origin `{}` is still used by behaviour `/account/*`)",
        failover_record(),
        their_origin()
    );
    assert!(summary.contains(&needed), "{summary}");
    assert_eq!(world.cloud.resolve(&failover_record()), Some(vec![inspection().to_string()]), "it answers still");
    assert!(world.cloud.health().ids().contains(&check), "and fails over still");

    world.retarget_by_hand("/account/*", &application_origin());
    succeeded(stack.set(json!({"RecordTtl": "31"})).update());
    assert_eq!(world.cloud.resolve(&failover_record()), None);
    assert_eq!(world.cloud.health().ids().len(), 1, "its check went with it");
    succeeded(stack.delete());
}

#[test]
fn a_check_of_ours_that_becomes_the_applications_stays_until_the_delete() {
    let world = World::bare();
    add_check(&world);
    let mut stack = Stack::new(&world);
    let ours = succeeded(stack.create())["Data"]["HealthCheckId"].clone();
    let answer = stack.set(json!({"HealthCheck": {"HealthCheckId": CHECK}, "SecondaryHealthCheck": ours})).update();
    assert_eq!(succeeded(answer)["Data"]["HealthCheckId"], CHECK);
    assert_eq!(world.cloud.health().ids().len(), 2, "SECONDARY rests on it");
    succeeded(stack.delete());
    assert_eq!(world.cloud.health().ids(), [HealthCheckId::new(CHECK)]);
}

#[test]
fn with_another_dns_service_origin_and_behaviours_go_back_to_what_they_were() {
    let world = World::bare();
    add_check(&world);
    add_origin(&world);
    point_at_it(&world, "*");
    let before = found(&world);
    let mut stack = stack(&world);
    succeeded(stack.set(json!({"Dns": "external", "HostedZoneId": ""})).create());
    assert_eq!(world.cloud.count(Operation::UpdateDistribution), 0);
    flip(&world, "bypass");
    succeeded(stack.delete());
    same("deleted", &before, &found(&world));
}

#[test]
fn a_pair_that_is_nearly_as_wanted_is_refused_with_what_to_declare() {
    let world = by_hand();
    let zone = zone().id;
    world.cloud.route53().edit_records(&zone, &failover_record(), |record| record.ttl = Some(60));
    let before = found(&world);
    let mut stack = Stack::new(&world);
    let refused = reason(&stack.create());
    assert!(refused.contains("set HealthCheck.HealthCheckId to their-check and RecordTtl to 60"), "{refused}");
    succeeded(stack.delete());
    same("refused", &before, &found(&world));
    succeeded(stack.set(json!({"HealthCheck": {"HealthCheckId": CHECK}, "RecordTtl": "60"})).create());
    assert_eq!(writes_of_others_things(&world), [0; 4]);
}

#[test]
fn an_update_of_adopted_records_is_refused_and_changes_nothing_until_their_owner_has() {
    let world = by_hand();
    let mut stack = stack(&world);
    succeeded(stack.create());
    let (before, row) = (found(&world), world.row().made);
    let refused = reason(&stack.set(json!({"RecordTtl": "60"})).update());
    assert!(refused.contains("were adopted, so they are never changed here"), "{refused}");
    assert!(refused.contains("set RecordTtl to 30 to keep them, or choose another FailoverRecord"), "{refused}");
    let refused = reason(&stack.set(json!({"RecordTtl": null, "HealthCheck": {"Path": "/"}})).update());
    assert!(refused.contains("set HealthCheck.HealthCheckId to their-check to keep them"), "{refused}");
    same("refused", &before, &found(&world));
    assert_eq!(world.row().lifecycle, Lifecycle::Active);
    // CloudFormation rolls back.
    succeeded(stack.set(json!({"HealthCheck": {"HealthCheckId": CHECK}})).update());
    assert_eq!(world.row().made, row);
    world.cloud.route53().edit_records(&zone().id, &failover_record(), |record| {
        record.ttl = Some(60);
        record.set_identifier = record.set_identifier.as_ref().map(|set| format!("{set}, slower"));
    });
    let changed = found(&world);
    succeeded(stack.set(json!({"RecordTtl": "60"})).update());
    let sets = world.row().made.records.expect("records").adopted.expect("they are adopted anew");
    assert_eq!(sets.primary, "Inspection, slower");
    assert_eq!(found(&world).records, changed.records);
    assert_eq!(writes_of_others_things(&world), [0; 4]);
}

#[test]
fn another_record_leaves_the_adopted_ones_and_says_so() {
    let world = World::bare();
    add_check(&world);
    add_records(&world);
    let before = found(&world);
    let mut stack = stack(&world);
    succeeded(stack.create());
    let answer = succeeded(stack.set(json!({"FailoverRecord": "cq-origin-new.cq-route.com"})).update());
    let summary = answer["Data"]["PreflightSummary"].as_str().expect("a summary");
    assert!(summary.contains("left alone: the records of cq-origin-www.cq-route.com were adopted"), "{summary}");
    assert_eq!(world.row().made.replaced, []);
    assert!(world.cloud.resolve(&Hostname::new("cq-origin-new.cq-route.com")).is_some());
    let kept = |world: &World| {
        let zone = zone().id;
        let route53 = world.cloud.route53();
        route53.all_records(&zone).iter().filter(|record| record.name == failover_record()).count()
    };
    assert_eq!(kept(&world), 2);
    // And back again: they are adopted as before.
    succeeded(stack.set(json!({"FailoverRecord": failover_record()})).update());
    assert!(world.row().made.records.expect("records").adopted.is_some());
    succeeded(stack.delete());
    same("deleted", &before, &found(&world));
}

#[test]
fn an_adopted_origin_does_not_follow_another_record_and_nothing_changes() {
    let world = by_hand();
    let mut stack = stack(&world);
    succeeded(stack.create());
    let before = found(&world);
    let refused = reason(&stack.set(json!({"FailoverRecord": "cq-origin-new.cq-route.com"})).update());
    assert!(refused.contains("which was adopted and is never changed here"), "{refused}");
    same("refused", &before, &found(&world));
}

#[test]
fn another_distribution_leaves_the_former_one_as_it_was_found() {
    let world = by_hand();
    let second = RICH_DISTRIBUTION.replacen("console-2019-06-14T09:21:44.512Z", "console-2020", 1);
    world.cloud.cloudfront().add(DistributionId::new(SECOND), second.into_bytes(), world.clock.aws_now());
    let before = found(&world);
    let mut stack = stack(&world);
    succeeded(stack.create());
    flip(&world, "bypass");
    succeeded(stack.set(json!({"DistributionId": SECOND})).update());
    assert_eq!(world.target("*"), their_origin(), "as it was found");
    assert!(world.document(&DistributionId::new(SECOND)).origin(&inspection_origin()).is_some());
    succeeded(stack.delete());
    same("deleted", &before, &found(&world));
}

#[test]
fn what_a_protection_made_is_nobody_elses_to_adopt() {
    let world = World::bare();
    succeeded(Stack::new(&world).create());
    let check = world.cloud.health().ids()[0].clone();
    let before = found(&world);
    let mut other = Stack::new(&world);
    other.set(json!({"Name": "api", "HealthCheck": {"HealthCheckId": check}}));
    let mut request = other.request("Create");
    request["LogicalResourceId"] = json!("Other");
    let refused = reason(&other.deliver(request));
    for code in ["[record-conflict]", "[behavior-overlap]"] {
        assert!(refused.contains(code), "{refused}");
    }
    assert!(!refused.contains("to adopt"), "{refused}");
    same("refused", &before, &found(&world));
}

#[test]
fn a_check_that_adopted_records_name_stays_with_them_even_if_we_made_it() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    let check = world.cloud.health().ids()[0].clone();
    // Somebody makes the records their own, and keeps the check.
    world.cloud.route53().edit_records(&zone().id, &failover_record(), |record| {
        record.set_identifier = record.failover.map(|role| format!("{role:?}"));
    });
    succeeded(stack.set(json!({"HealthCheck": {"HealthCheckId": check}})).update());
    assert!(world.row().made.records.expect("records").adopted.is_some());
    succeeded(stack.delete());
    assert_eq!(world.cloud.health().ids(), [check]);
    assert_eq!(world.cloud.resolve(&failover_record()), Some(vec![inspection().to_string()]));
}

#[test]
fn a_check_of_ours_that_adopted_records_name_outlives_an_update_that_leaves_them() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    stack.engine.allowed.records.insert(Hostname::new("new.cq-route.com"));
    succeeded(stack.create());
    let check = world.cloud.health().ids()[0].clone();
    world.cloud.route53().edit_records(&zone().id, &failover_record(), |record| {
        record.set_identifier = record.failover.map(|role| format!("{role:?}"));
    });
    succeeded(stack.set(json!({"HealthCheck": {"HealthCheckId": check}})).update());
    let elsewhere =
        json!({"FailoverRecord": "new.cq-route.com", "HealthCheck": {"Path": "/", "IntervalSeconds": "30"}});
    let answer = succeeded(stack.set(elsewhere).update());
    let summary = answer["Data"]["PreflightSummary"].as_str().expect("a summary");
    assert!(summary.contains("adopted records name it, so it stays"), "{summary}");
    succeeded(stack.set(json!({"HoldDownSeconds": "600"})).update());
    succeeded(stack.delete());
    assert_eq!(world.cloud.health().ids(), [check], "their PRIMARY still names it");
}

#[test]
fn an_update_that_gives_an_adopted_behaviour_up_ends_no_bypass() {
    let world = by_hand();
    point_at_it(&world, "/account/*");
    let mut stack = stack(&world);
    succeeded(stack.set(json!({"Traffic": ["*", "/account/*"]})).create());
    flip(&world, "bypass");
    let answer = succeeded(stack.set(json!({"Traffic": ["*"]})).update());
    assert_eq!(world.target("/account/*"), application_origin());
    let summary = answer["Data"]["PreflightSummary"].as_str().expect("a summary");
    assert!(summary.contains("`/account/*`: traffic is bypassed, so it stays"), "{summary}");
}

#[test]
fn of_two_protections_that_adopt_the_same_at_once_one_at_most_succeeds() {
    let (mut one_succeeded, mut told) = (0, 0);
    for seed in 0..40 {
        let world = by_hand();
        let (mut one, mut other) = (stack(&world), stack(&world));
        one.set(json!({"Preflight": "skip"}));
        other.set(json!({"Name": "web", "Preflight": "skip"}));
        let (first, mut second) = (one.request("Create"), other.request("Create"));
        second["LogicalResourceId"] = json!("Other");
        second["RequestId"] = json!("99999999-0000-0000-0000-000000000000");
        let deadline = world.clock.aws_now() + SignedDuration::from_mins(55);
        let work = |stack: &Stack<'_>, event: Value| {
            let (engine, world) = (stack.engine.clone(), world.clone());
            world.clone().cloud.process(async move {
                let handled = failopen_provision::handle(&engine, &world.cloud, &world.clock, deadline, event);
                handled.await.expect("no function error");
            })
        };
        let (mut first, mut second) = (work(&one, first), work(&other, second));
        // Each order of steps that a small generator of numbers chooses.
        let mut state = seed * 2_654_435_761_u64 + 1;
        let (mut first_goes_on, mut second_goes_on) = (true, true);
        while first_goes_on || second_goes_on {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if (state >> 33).is_multiple_of(2) && first_goes_on {
                first_goes_on = first.step();
            } else if second_goes_on {
                second_goes_on = second.step();
            } else {
                first_goes_on = first.step();
            }
        }
        let answers: Vec<Value> = world
            .cloud
            .outbox()
            .answers
            .iter()
            .map(|answer| serde_json::from_str(&answer.body).expect("JSON"))
            .collect();
        assert_eq!(answers.len(), 2, "seed {seed}");
        let succeeded = answers.iter().filter(|answer| answer["Status"] == "SUCCESS").count();
        assert!(succeeded <= 1, "seed {seed}: {answers:?}");
        one_succeeded += succeeded;
        // Others fail because a call of theirs stood still for too long while the other one went on.
        told += answers
            .iter()
            .filter(|answer| answer["Reason"].as_str().is_some_and(|reason| reason.contains("[behavior-overlap]")))
            .count();
        assert_eq!(world.target("*"), their_origin(), "seed {seed}");
    }
    assert!(one_succeeded > 0 && told > 0, "{one_succeeded} succeeded, and {told} were told of the other");
}

#[test]
fn nothing_is_adopted_beside_a_row_that_cannot_be_read() {
    let world = by_hand();
    succeeded(stack(&world).create());
    world.cloud.ledger().garble(&www());
    let mut other = stack(&world);
    other.set(json!({"Name": "api", "Traffic": ["/account/*"]}));
    let refused = reason(&other.create());
    assert!(refused.contains("may have adopted origin cq-origin-www.cq-route.com"), "{refused}");
}

#[test]
fn a_plan_says_what_is_adopted_and_stays() {
    let world = by_hand();
    let plan = stack(&world).plan().expect("a plan");
    let text = plan["text"].as_str().expect("a text");
    let adopted: Vec<&str> = text.lines().filter(|line| line.starts_with("= adopt ")).collect();
    assert_eq!(
        adopted,
        [
            "= adopt  record cq-origin-www.cq-route.com Inspection: PRIMARY CNAME cq-route.cequence.cloud, TTL 30, health check \
             their-check, which stays when the protection is deleted",
            "= adopt  record cq-origin-www.cq-route.com the origin itself: SECONDARY CNAME origin-www.cq-route.com, TTL 30, no \
             health check, which stays when the protection is deleted",
            "= adopt  origin cq-origin-www.cq-route.com of distribution E2EXAMPLE: cq-origin-www.cq-route.com:443, which stays \
             when the protection is deleted",
            "= adopt  behavior * of distribution E2EXAMPLE: cq-origin-www.cq-route.com, which stays when the protection is deleted",
        ],
        "{text}"
    );
    let bare = World::bare();
    add_origin(&bare);
    point_at_it(&bare, "*");
    let plan = Stack::new(&bare).plan().expect("a plan");
    let text = plan["text"].as_str().expect("a text");
    assert!(text.contains("which goes to app & co when the protection is deleted, because the records"), "{text}");
}

#[test]
fn drift_of_adopted_things_says_that_they_are() {
    let world = by_hand();
    succeeded(stack(&world).create());
    world.cloud.route53().edit_records(&zone().id, &failover_record(), |record| record.ttl = Some(300));
    let status = world.flip(json!({"action": "status", "protection": "www"})).expect("a status");
    let what: Vec<&str> =
        status["drift"].as_array().expect("a list").iter().filter_map(|drift| drift["what"].as_str()).collect();
    assert_eq!(
        what,
        [
            "record cq-origin-www.cq-route.com PRIMARY (adopted) TTL",
            "record cq-origin-www.cq-route.com SECONDARY (adopted) TTL"
        ]
    );
}

/// A way in which something was made by hand before us, and what is declared then.
type Found = (&'static str, fn() -> World, Value);

fn ways() -> Vec<Found> {
    let records_only = || {
        let world = World::bare();
        add_check(&world);
        add_records(&world);
        world
    };
    let origin_only = || {
        let world = World::bare();
        add_origin(&world);
        world
    };
    let traffic = json!(["*", "/account/*", "/ours/*"]);
    vec![
        ("all of it", by_hand, json!({"HealthCheck": {"HealthCheckId": CHECK}, "Traffic": traffic})),
        ("records only", records_only, json!({"HealthCheck": {"HealthCheckId": CHECK}, "Traffic": traffic})),
        ("an origin only", origin_only, json!({ "Traffic": traffic })),
    ]
}

#[test]
fn a_create_that_dies_at_any_call_is_finished_by_its_retry_and_undone_by_its_delete() {
    let mut failures = 0;
    for (name, make, properties) in ways() {
        let undisturbed = make();
        let before = found(&undisturbed);
        let mut stack = Stack::new(&undisturbed);
        stack.set(properties.clone());
        undisturbed.cloud.clear_calls();
        let begins_after = undisturbed.cloud.last_call();
        succeeded(stack.create());
        let done = found(&undisturbed);
        for number in 1..=undisturbed.cloud.last_call() - begins_after {
            for moment in [Moment::Before, Moment::After] {
                for retried in [true, false] {
                    let context = format!("{name}: {moment:?} call {number}, retried: {retried}");
                    let run = catch_unwind(AssertUnwindSafe(|| {
                        let world = make();
                        let mut stack = Stack::new(&world);
                        stack.set(properties.clone());
                        let request = stack.request("Create");
                        world.cloud.crash_at(world.cloud.last_call() + number, moment);
                        assert_eq!(stack.invoke(request.clone()), Run::Crashed, "{context}");
                        world.cloud.outbox().answers.clear();
                        if retried {
                            succeeded(stack.deliver(request));
                            same(&context, &done, &found(&world));
                        }
                        succeeded(stack.delete());
                        same(&context, &before, &found(&world));
                    }));
                    failures += u32::from(run.is_err());
                }
            }
        }
    }
    assert_eq!(failures, 0, "each is printed above");
}

#[test]
fn a_delete_that_dies_at_any_call_is_finished_by_the_next_one() {
    for (name, make, properties) in ways() {
        let prepared = || {
            let world = make();
            let before = found(&world);
            let mut stack = Stack::new(&world);
            succeeded(stack.set(properties.clone()).create());
            flip(&world, "bypass");
            world.cloud.outbox().answers.clear();
            let physical_id = stack.physical_id.clone();
            (world, before, physical_id)
        };
        let (world, _, physical_id) = prepared();
        let begins_after = world.cloud.last_call();
        let mut stack = Stack::new(&world);
        stack.set(properties.clone()).physical_id = physical_id;
        succeeded(stack.delete());
        for number in 1..=world.cloud.last_call() - begins_after {
            for moment in [Moment::Before, Moment::After] {
                let context = format!("{name}: {moment:?} call {number}");
                let (world, before, physical_id) = prepared();
                let mut stack = Stack::new(&world);
                stack.set(properties.clone()).physical_id = physical_id;
                let request = stack.request("Delete");
                world.cloud.crash_at(world.cloud.last_call() + number, moment);
                assert_eq!(stack.invoke(request), Run::Crashed, "{context}");
                world.cloud.outbox().answers.clear();
                succeeded(stack.delete());
                same(&context, &before, &found(&world));
            }
        }
    }
}
