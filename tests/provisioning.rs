//! Create, Update and Delete of `Custom::FailOpenProtection` on the stateful fake, when nothing goes wrong by itself.

use failopen::alarm::AlarmState;
use failopen::id::{DistributionId, HealthCheckId, Hostname, OriginId, PathPattern};
use failopen::ledger::Lifecycle;
use failopen::port::{Delegation, FailoverRole, FaultKind, HealthCheckConfig, RecordSet, Resolution};
use failopen::posture::Posture;
use failopen::resolution::{Ending, Link};
use failopen_tests::stack::Stack;
use failopen_tests::world::{
    OWNER, REACT_ARN, RICH_DISTRIBUTION, alarm, application, application_origin, distribution, failover_record,
    inspection, inspection_origin, third_origin, www, zone,
};
use failopen_tests::{Logs, Operation, World};
use serde_json::{Value, json};

const SECOND: &str = "E3SECOND";

fn reason(answer: &Value) -> String {
    assert_eq!(answer["Status"], "FAILED", "{answer}");
    answer["Reason"].as_str().expect("a reason").to_owned()
}

fn succeeded(answer: Value) -> Value {
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    answer
}

fn records(world: &World) -> Vec<RecordSet> {
    let route53 = world.cloud.route53();
    route53.all_records(&zone().id).iter().filter(|record| record.name == failover_record()).cloned().collect()
}

fn nothing_of_ours_is_left(world: &World) {
    assert_eq!(world.configuration(), RICH_DISTRIBUTION, "the distribution is byte for byte what it was");
    assert_eq!(records(world), []);
    assert_eq!(world.cloud.health().ids(), []);
    assert_eq!(world.cloud.cloudwatch().names(), []);
    assert_eq!(world.cloud.ledger().get(&www()), None);
}

/// Everything that was written, but for the tombstones that Deletes leave in our own ledger.
fn writes(world: &World) -> Vec<Operation> {
    let calls = world.cloud.calls();
    let matters = calls.iter().filter(|call| call.operation.is_write() && !call.arguments.contains("tombstone"));
    matters.map(|call| call.operation).collect()
}

#[test]
fn create_makes_everything_and_answers_with_its_attributes() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let answer = succeeded(stack.create());
    assert_eq!(answer["PhysicalResourceId"], format!("failopen-www-{OWNER}"));
    let check = world.cloud.health().ids()[0].clone();
    assert_eq!(
        answer["Data"],
        json!({"FailoverRecord": failover_record(), "HealthCheckId": check, "InspectionOriginId": "failopen-www",
            "ApplicationOriginId": "app & co", "AlarmName": "failopen-www-inspection", "Posture": "inspected",
            "PreflightSummary": answer["Data"]["PreflightSummary"]})
    );
    let summary = answer["Data"]["PreflightSummary"].as_str().expect("a summary");
    assert!(summary.starts_with("1 warning: Traffic: ") && summary.contains("[behavior-edge-function]"), "{summary}");
    let left_out =
        "; not inspected, because Traffic does not name them: `/api/v1/*`, `/api/*`, `/checkout/*`, `/account/*`";
    assert!(summary.contains(left_out), "{summary}");
    assert_eq!(world.target("*"), inspection_origin());
    let row = world.row();
    assert_eq!((row.lifecycle, row.owner.as_str()), (Lifecycle::Active, OWNER));
    assert!(row.made.distribution.expect("the distribution is in the ledger").written);
    assert_eq!(row.made.replaced, []);
}

#[test]
fn the_records_and_the_check_alone_express_the_failover() {
    let world = World::bare();
    succeeded(Stack::new(&world).create());
    let check = world.cloud.health().ids()[0].clone();
    let made = records(&world);
    let of = |role| made.iter().find(|record| record.failover == Some(role)).expect("both roles exist");
    let (primary, secondary) = (of(FailoverRole::Primary), of(FailoverRole::Secondary));
    assert_eq!((primary.values.as_slice(), primary.ttl), ([inspection().to_string()].as_slice(), Some(30)));
    assert_eq!((&primary.health_check, &secondary.health_check), (&Some(check), &None));
    assert_eq!(secondary.values, [application().to_string()]);
    world.cloud.clear_calls();
    assert_eq!(world.cloud.resolve(&failover_record()), Some(vec![inspection().to_string()]));
    world.inspection_dies();
    assert_eq!(world.cloud.resolve(&failover_record()), Some(vec![application().to_string()]));
    assert_eq!(world.cloud.calls().len(), 0, "layer 1 needs no call of ours");
}

#[test]
fn the_alarm_is_the_contracts_and_goes_to_react_in_every_state() {
    let world = World::bare();
    succeeded(Stack::new(&world).create());
    let check = world.cloud.health().ids()[0].clone();
    let settings = world.cloud.cloudwatch().observe(&alarm()).metric.expect("a metric alarm");
    assert_eq!((settings.namespace.as_str(), settings.metric_name.as_str()), ("AWS/Route53", "HealthCheckStatus"));
    assert_eq!(settings.dimensions, [("HealthCheckId".to_owned(), check.to_string())]);
    assert_eq!((settings.statistic.as_str(), settings.period_seconds, settings.evaluation_periods), ("Minimum", 60, 1));
    assert_eq!((settings.threshold_milli, settings.comparison.as_str()), (1000, "LessThanThreshold"));
    assert_eq!(settings.treat_missing_data, "missing");
    for actions in [settings.alarm_actions, settings.ok_actions, settings.insufficient_data_actions] {
        assert_eq!(actions, [REACT_ARN]);
    }
}

#[test]
fn create_goes_in_the_order_that_leaves_no_name_without_an_answer() {
    let world = World::bare();
    succeeded(Stack::new(&world).create());
    let order = [
        Operation::CreateHealthCheck,
        Operation::ChangeResourceRecordSets,
        Operation::UpdateDistribution,
        Operation::PutMetricAlarm,
    ];
    assert_eq!(world.cloud.sequence(&order), order);
    let calls = world.cloud.sequence(&Operation::ALL);
    let first = |wanted| calls.iter().position(|call| *call == wanted).expect("the call is made");
    let last = |wanted| calls.iter().rposition(|call| *call == wanted).expect("the call is made");
    assert!(first(Operation::PutItem) < first(Operation::CreateHealthCheck), "the ledger comes first");
    assert!(last(Operation::PutItem) > last(Operation::PutMetricAlarm), "and last");
    assert!(first(Operation::UpdateDistribution) > last(Operation::GetChange), "every server has the records");
    assert!(first(Operation::UpdateDistribution) > last(Operation::GetHealthCheckStatus), "inspection is healthy");
    assert!(last(Operation::GetDistributionConfig) > last(Operation::UpdateDistribution), "the write is read back");
}

#[test]
fn create_then_delete_leaves_nothing_behind_and_every_byte_as_it_was() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    stack.set(json!({"Traffic": ["*", "/checkout/*", "/only-ours/*"]}));
    succeeded(stack.create());
    assert_ne!(world.configuration(), RICH_DISTRIBUTION);
    let deleted = succeeded(stack.delete());
    assert_eq!(deleted["PhysicalResourceId"], format!("failopen-www-{OWNER}"));
    nothing_of_ours_is_left(&world);
}

#[test]
fn delete_restores_before_it_removes_and_waits_for_every_edge_and_the_ttl() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    world.cloud.clear_calls();
    succeeded(stack.delete());
    let order = [
        Operation::UpdateDistribution,
        Operation::ChangeResourceRecordSets,
        Operation::DeleteAlarms,
        Operation::DeleteHealthCheck,
    ];
    assert_eq!(world.cloud.sequence(&order), order);
    let calls = world.cloud.calls();
    let at = |operation| calls.iter().find(|call| call.operation == operation).expect("the call is made").at;
    let waited = at(Operation::ChangeResourceRecordSets).duration_since(at(Operation::UpdateDistribution));
    let deployed = world.cloud.cloudfront().deploy_time;
    assert!(waited >= deployed + jiff::SignedDuration::from_secs(30), "{waited}");
}

#[test]
fn delete_while_bypassed_leaves_the_same_bytes() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    world.flip(json!({"action": "bypass", "protection": "www", "reason": "INC-1"})).expect("bypassed");
    assert_eq!(world.target("*"), application_origin());
    succeeded(stack.delete());
    nothing_of_ours_is_left(&world);
}

#[test]
fn the_same_create_delivered_again_changes_nothing_and_is_answered_with_the_same_bytes() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let request = stack.request("Create");
    succeeded(stack.deliver(request.clone()));
    world.cloud.clear_calls();
    succeeded(stack.deliver(request));
    assert_eq!(writes(&world), []);
    let outbox = world.cloud.outbox();
    assert_eq!(outbox.answers[0], outbox.answers[1]);
}

#[test]
fn every_problem_and_every_finding_is_reported_together_and_nothing_is_changed() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    world
        .cloud
        .route53()
        .add_record(&zone().id, failopen_tests::world::address("cq-origin-www.cq-route.com", "192.0.2.1"));
    stack.set(json!({"RecordTtl": "0", "HealthCheck": {"FailureThreshold": "0"}, "Traffic": ["*", "/static/*", "*"]}));
    let reason = reason(&stack.create());
    for named in ["Traffic", "RecordTtl", "HealthCheck.FailureThreshold", "record-conflict", "behavior-mixed-origins"] {
        assert!(reason.contains(named), "{named} in {reason}");
    }
    assert!(reason.ends_with("/aws/lambda/failopen-provision."), "{reason}");
    assert_eq!(writes(&world), []);
}

#[test]
fn each_wrong_thing_is_refused_by_its_code_and_property_and_leaves_nothing_behind() {
    let disabled = |text: &str| {
        text.replacen(
            "<PriceClass>PriceClass_All</PriceClass><Enabled>true",
            "<PriceClass>PriceClass_All</PriceClass><Enabled>false",
            1,
        )
    };
    let staging = |text: &str| text.replacen("<Staging>false", "<Staging>true", 1);
    type Prepare = Box<dyn Fn(&World)>;
    let edited = |edit: fn(&str) -> String| -> Prepare {
        Box::new(move |world| world.cloud.cloudfront().edit(&distribution(), world.clock.aws_now(), edit))
    };
    let untouched = || -> Prepare { Box::new(|_| {}) };
    let cases: Vec<(Prepare, Value, &str, &str)> = vec![
        (untouched(), json!({"DistributionId": "E9FOREIGN"}), "DistributionId", "distribution-not-allowed"),
        (
            Box::new(|world| world.cloud.cloudfront().remove(&distribution())),
            json!({}),
            "DistributionId",
            "distribution-missing",
        ),
        (edited(disabled), json!({}), "DistributionId", "distribution-disabled"),
        (edited(staging), json!({}), "DistributionId", "distribution-staging"),
        (untouched(), json!({"Traffic": ["*", "/legacy/*"]}), "Traffic", "behavior-mixed-origins"),
        (untouched(), json!({"Traffic": ["/media/*"]}), "Traffic", "behavior-origin-group"),
        (untouched(), json!({"Traffic": ["/static/*"]}), "Traffic", "origin-type"),
        (untouched(), json!({"Traffic": ["/reports/*"]}), "Traffic", "origin-type"),
        (untouched(), json!({"OriginPort": "8443"}), "OriginPort", "origin-type"),
        (untouched(), json!({"FailoverRecord": "cq-route.com"}), "FailoverRecord", "record-at-apex"),
        (untouched(), json!({"FailoverRecord": "cq-origin.elsewhere.com"}), "FailoverRecord", "record-outside-zone"),
        (untouched(), json!({"FailoverRecord": "not-listed.cq-route.com"}), "FailoverRecord", "permission"),
        (untouched(), json!({"HostedZoneId": "Z9FOREIGN"}), "HostedZoneId", "permission"),
        (untouched(), json!({"HostedZoneId": "Z1SECOND"}), "HostedZoneId", "record-outside-zone"),
        (Box::new(|world| world.cloud.route53().make_private(&zone().id)), json!({}), "HostedZoneId", "zone-private"),
        (
            Box::new(|world| {
                let record = failopen_tests::world::address("cq-origin-www.cq-route.com", "192.0.2.1");
                world.cloud.route53().add_record(&zone().id, record);
            }),
            json!({}),
            "FailoverRecord",
            "record-conflict",
        ),
        (
            untouched(),
            json!({"HealthCheck": {"HealthCheckId": "h-unknown"}}),
            "HealthCheck.HealthCheckId",
            "health-check-not-healthy",
        ),
        (Box::new(|world| world.application_dies()), json!({}), "ApplicationCheck", "application-check"),
        (
            Box::new(|world| {
                world.cloud.cloudwatch().add(alarm(), None, AlarmState::Ok, world.clock.aws_now());
            }),
            json!({}),
            "Name",
            "permission",
        ),
    ];
    for (prepare, changes, property, code) in cases {
        let world = World::bare();
        prepare(&world);
        let mut stack = Stack::new(&world);
        let answer = stack.set(changes).create();
        let reason = reason(&answer);
        assert!(reason.contains(&format!("{property}: ")) && reason.contains(&format!("[{code}]")), "{code}: {reason}");
        assert!(reason.contains("nothing was changed"), "{reason}");
        assert_eq!(writes(&world), [], "{code}");
        assert!(!answer["PhysicalResourceId"].as_str().expect("an id").is_empty());
        assert_eq!(succeeded(stack.delete())["Status"], "SUCCESS", "the Delete after it has nothing to do");
        assert_eq!(writes(&world), [], "{code}");
    }
}

#[test]
fn what_is_outside_the_allow_lists_is_refused_before_any_call() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    stack.set(json!({"DistributionId": "E9FOREIGN", "HostedZoneId": "Z9FOREIGN", "HostedZoneRoleArn":
        "arn:aws:iam::444455556666:role/zone"}));
    let reason = reason(&stack.create());
    for named in ["E9FOREIGN", "Z9FOREIGN", "arn:aws:iam::444455556666:role/zone"] {
        assert!(reason.contains(named), "{reason}");
    }
    assert_eq!(world.cloud.sequence(&Operation::ALL), [Operation::Answer]);
}

#[test]
fn one_name_has_one_owner() {
    let world = World::standard();
    world.edit_row(|row| row.owner = "somebody-els".into());
    let mut stack = Stack::new(&world);
    let reason = reason(&stack.create());
    assert!(reason.contains("belongs to Protection of stack"), "{reason}");
    succeeded(stack.delete());
    assert_eq!(writes(&world), [], "the other owner's protection is untouched");
}

#[test]
fn warn_passes_over_what_damages_nothing_and_reports_it() {
    let world = World::bare();
    world.application_dies();
    world.cloud.health().set_host_up(&inspection(), false);
    let answer = succeeded(Stack::new(&world).set(json!({"Preflight": "warn"})).create());
    let summary = answer["Data"]["PreflightSummary"].as_str().expect("a summary");
    assert!(summary.contains("application-check"), "{summary}");
    assert_eq!(world.cloud.count(Operation::GetHealthCheckStatus), 0, "only enforce waits for health");
    let world = World::bare();
    let reason = reason(&Stack::new(&world).set(json!({"Preflight": "skip", "Traffic": ["/static/*"]})).create());
    assert!(reason.contains("origin-type"), "what would damage is refused all the same: {reason}");
    assert_eq!(world.cloud.count(Operation::Probe), 0);
}

#[test]
fn inspection_that_never_gets_healthy_fails_the_create_and_its_delete_cleans_up() {
    let world = World::bare();
    world.cloud.health().set_host_up(&inspection(), false);
    let mut stack = Stack::new(&world);
    let reason = reason(&stack.create());
    assert!(reason.contains("health-check-not-healthy") && reason.contains("0 % of 16 checkers"), "{reason}");
    assert_eq!(world.configuration(), RICH_DISTRIBUTION, "nothing pointed at it");
    succeeded(stack.delete());
    nothing_of_ours_is_left(&world);
}

#[test]
fn an_alarm_of_the_users_own_that_does_not_exist_is_told_and_one_that_does_is_not() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    stack.set(json!({"AdditionalAlarms": ["www-5xx-rate"]}));
    let planned = stack.plan().expect("a plan");
    assert!(planned["text"].as_str().is_some_and(|text| text.contains("there is no alarm www-5xx-rate")), "{planned}");
    let told = summary(&succeeded(stack.create()));
    assert!(told.contains("AdditionalAlarms: there is no alarm www-5xx-rate in this account and Region"), "{told}");
    world.cloud.cloudwatch().add("www-5xx-rate".into(), None, AlarmState::Ok, world.clock.aws_now());
    let told = summary(&succeeded(stack.set(json!({"RecordTtl": "31"})).update()));
    assert!(!told.contains("www-5xx-rate"), "{told}");
}

#[test]
fn a_plan_asks_everything_also_with_skip() {
    let world = World::bare();
    world.cloud.names().script(&inspection(), no_such_name());
    let mut stack = Stack::new(&world);
    let planned = stack.set(json!({"Preflight": "skip"})).plan().expect("a plan");
    assert!(planned["text"].as_str().is_some_and(|text| text.contains("[dns-unresolvable]")), "{planned}");
    let told = summary(&succeeded(stack.create()));
    assert!(!told.contains("dns-unresolvable"), "{told}");
}

#[test]
fn another_origin_host_is_a_warning_only() {
    let world = World::bare();
    let answer = succeeded(Stack::new(&world).set(json!({"ApplicationHostname": "origin-shop.cq-route.com"})).create());
    let summary = answer["Data"]["PreflightSummary"].as_str().expect("a summary");
    assert!(
        summary.starts_with("2 warnings: ApplicationHostname") && summary.contains("origin-host-mismatch"),
        "{summary}"
    );
}

#[test]
fn a_pattern_without_a_behaviour_gets_a_copy_of_the_one_that_serves_it() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.set(json!({"Traffic": "/api/v1/users/*"})).create());
    let document = world.document(&distribution());
    let patterns: Vec<&str> = document.behaviors().iter().map(|behavior| behavior.path_pattern.as_str()).collect();
    let ours = patterns.iter().position(|pattern| *pattern == "/api/v1/users/*").expect("the behaviour is there");
    assert_eq!(patterns[ours + 1], "/api/v1/*", "directly above the one that served it");
    assert_eq!(world.target("/api/v1/users/*"), inspection_origin());
    assert_eq!(world.target("*"), application_origin());
    succeeded(stack.delete());
    nothing_of_ours_is_left(&world);
}

#[test]
fn external_dns_makes_no_record_and_an_adopted_check_is_never_changed_or_deleted() {
    let world = World::bare();
    let config = HealthCheckConfig {
        check_type: "HTTPS".to_owned(),
        host: Some(inspection()),
        port: Some(443),
        path: Some("/".to_owned()),
        search_string: None,
        interval_seconds: Some(30),
        failure_threshold: Some(3),
        enable_sni: Some(true),
        inverted: false,
        disabled: false,
        regions: Vec::new(),
    };
    let long_ago = world.clock.aws_now() - jiff::SignedDuration::from_hours(1);
    world.cloud.health().add(HealthCheckId::new("h-shared"), config, long_ago);
    let mut stack = Stack::new(&world);
    stack.set(json!({"Dns": "external", "HostedZoneId": "", "HealthCheck": {"HealthCheckId": "h-shared"}}));
    assert_eq!(succeeded(stack.create())["Data"]["HealthCheckId"], "h-shared");
    assert_eq!(world.cloud.count(Operation::ChangeResourceRecordSets), 0);
    succeeded(stack.delete());
    assert_eq!(world.configuration(), RICH_DISTRIBUTION);
    assert_eq!(world.cloud.health().ids(), [HealthCheckId::new("h-shared")]);
    assert_eq!(world.cloud.count(Operation::UpdateHealthCheck) + world.cloud.count(Operation::DeleteHealthCheck), 0);
}

/// The engine's second distribution, with the record of the first protection.
fn sharing(world: &World) -> Stack<'_> {
    world.cloud.cloudfront().add(
        DistributionId::new(SECOND),
        RICH_DISTRIBUTION.as_bytes().to_vec(),
        world.clock.aws_now(),
    );
    let mut second = Stack::new(world);
    second.set(json!({"Name": "shop", "DistributionId": SECOND, "Dns": "external", "HostedZoneId": ""}));
    second
}

#[test]
fn a_record_that_another_distribution_shares_is_not_removed_under_it() {
    let world = World::bare();
    let mut first = Stack::new(&world);
    succeeded(first.create());
    let mut second = sharing(&world);
    succeeded(second.create());
    let answers = |host: &Hostname| world.cloud.resolve(host).is_some();

    let used = "in distribution E3SECOND, origin `failopen-shop` is still used by behaviour `*`";
    let refused = reason(&first.delete());
    assert!(refused.contains(used) && refused.contains("remove the protection that shares them first"), "{refused}");
    assert!(answers(&failover_record()));
    assert_eq!(world.target("*"), inspection_origin(), "nothing was taken out for a deletion that cannot end");

    let renamed = Hostname::new("cq-origin-new.cq-route.com");
    let told = summary(&succeeded(first.set(json!({"FailoverRecord": renamed})).update()));
    assert!(told.contains(&format!("the records of {} are needed still ({used})", failover_record())), "{told}");
    assert!(answers(&failover_record()) && answers(&renamed));

    succeeded(second.delete());
    succeeded(first.set(json!({"RecordTtl": "31"})).update());
    assert!(!answers(&failover_record()), "the next Update finds it unused");
    assert!(answers(&renamed));
    succeeded(first.delete());
    nothing_of_ours_is_left(&world);
}

#[test]
fn a_record_that_is_shared_is_not_removed_under_a_protection_that_has_not_finished_leaving_it() {
    let world = World::bare();
    let mut first = Stack::new(&world);
    succeeded(first.create());
    let mut second = sharing(&world);
    succeeded(second.create());
    // It writes the first one's distribution, and then may not take itself out of its own.
    world.cloud.on(Operation::UpdateDistribution).nth(2).fail(FaultKind::AccessDenied);
    let moved = json!({"DistributionId": distribution(), "Traffic": ["/checkout/*"],
        "FailoverRecord": "cq-origin-new.cq-route.com"});
    let failed = reason(&second.set(moved).update());
    assert!(failed.contains("Restoring the distribution"), "{failed}");
    world.cloud.heal();
    let refused = reason(&first.delete());
    assert!(refused.contains("in distribution E3SECOND, origin `failopen-shop` is still used"), "{refused}");
    assert!(world.cloud.resolve(&failover_record()).is_some());
}

#[test]
fn a_protection_that_shares_a_record_is_gone_from_every_edge_when_its_delete_has_ended() {
    let world = World::bare();
    succeeded(Stack::new(&world).create());
    let mut second = sharing(&world);
    succeeded(second.create());
    let asks = |world: &World| {
        let now = world.clock.aws_now();
        let cloudfront = world.cloud.cloudfront();
        let on_edges = cloudfront.on_edges(&DistributionId::new(SECOND), now);
        on_edges.iter().any(|bytes| String::from_utf8_lossy(bytes).contains("failopen-shop"))
    };
    assert!(asks(&world));
    succeeded(second.delete());
    assert!(!asks(&world), "whoever removes the record next takes nothing down");
}

#[test]
fn two_protections_share_a_distribution_but_no_behaviour() {
    let world = World::standard();
    let mut other = Stack::new(&world);
    let mut second = |changes: Value| {
        other.set(json!({"Name": "api", "FailoverRecord": "cq-origin-new.cq-route.com"})).set(changes);
        other.create()
    };
    for traffic in ["*", "/no-behaviour-of-its-own/*"] {
        assert!(reason(&second(json!({"Traffic": traffic}))).contains("behavior-overlap"), "{traffic}");
    }
    succeeded(second(json!({"Traffic": "/checkout/*"})));
    assert_eq!(world.target("/checkout/*"), OriginId::new("failopen-api"));
    succeeded(other.delete());
    assert_eq!((world.target("/checkout/*"), world.target("*")), (application_origin(), inspection_origin()));
}

#[test]
fn an_update_that_only_concerns_the_ledger_writes_nothing_else() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    world.cloud.clear_calls();
    let answer = succeeded(stack.set(json!({"HoldDownSeconds": "60", "Priority": "5", "FailBack": "manual"})).update());
    assert_eq!(answer["PhysicalResourceId"], format!("failopen-www-{OWNER}"));
    assert_eq!(writes(&world), [Operation::PutItem; 2], "that it has begun, and what came of it");
    assert_eq!((world.row().spec.automation.hold_down_seconds, world.row().spec.priority), (60, 5));
    assert_eq!(world.row().lifecycle, Lifecycle::Active);
}

#[test]
fn only_what_changed_moves() {
    for (changes, expected) in [
        (json!({"RecordTtl": "60"}), vec![Operation::ChangeResourceRecordSets]),
        (json!({"HealthCheck": {"FailureThreshold": "3"}}), vec![Operation::UpdateHealthCheck]),
        (json!({"AlarmEvaluationPeriods": "2"}), vec![Operation::PutMetricAlarm]),
        (json!({"Traffic": ["*", "/checkout/*"]}), vec![Operation::UpdateDistribution]),
    ] {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        succeeded(stack.create());
        world.cloud.clear_calls();
        succeeded(stack.set(changes.clone()).update());
        let moved: Vec<Operation> = writes(&world).into_iter().filter(|write| *write != Operation::PutItem).collect();
        assert_eq!(moved, expected, "{changes}");
        assert_eq!(world.row().made.replaced, [], "{changes}");
        succeeded(stack.delete());
        nothing_of_ours_is_left(&world);
    }
}

#[test]
fn an_immutable_health_check_setting_replaces_the_check_without_a_moment_without_one() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    let before = world.cloud.health().ids();
    world.cloud.clear_calls();
    succeeded(stack.set(json!({"HealthCheck": {"IntervalSeconds": "30"}})).update());
    let order = [
        Operation::CreateHealthCheck,
        Operation::ChangeResourceRecordSets,
        Operation::PutMetricAlarm,
        Operation::DeleteHealthCheck,
    ];
    assert_eq!(world.cloud.sequence(&order), order);
    let after = world.cloud.health().ids();
    assert!(after.len() == 1 && after != before, "{after:?}");
    assert!(records(&world).iter().any(|record| record.health_check.as_ref() == after.first()));
    let dimensions = world.cloud.cloudwatch().observe(&alarm()).metric.expect("a metric alarm").dimensions;
    assert_eq!(dimensions[0].1, after[0].to_string());
}

#[test]
fn a_renamed_record_is_made_first_and_the_former_one_goes_when_no_edge_uses_it() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    world.cloud.clear_calls();
    succeeded(stack.set(json!({"FailoverRecord": "cq-origin-new.cq-route.com"})).update());
    let order =
        [Operation::ChangeResourceRecordSets, Operation::UpdateDistribution, Operation::ChangeResourceRecordSets];
    let moving = [Operation::ChangeResourceRecordSets, Operation::UpdateDistribution];
    assert_eq!(world.cloud.sequence(&moving), order);
    let document = world.document(&distribution());
    let origin = document.origin(&inspection_origin()).expect("our origin").domain_name.clone();
    assert_eq!(origin, "cq-origin-new.cq-route.com");
    assert_eq!(records(&world), [], "the former records are gone");
    let answer = world.flip(json!({"action": "plan", "protection": "www"})).expect("flip acts on the new name");
    assert_eq!(answer["posture"]["before"], "inspected");
    succeeded(stack.delete());
    nothing_of_ours_is_left(&world);
}

#[test]
fn a_protection_moves_to_another_distribution_new_one_first() {
    let world = World::bare();
    let second = DistributionId::new(SECOND);
    let copy = RICH_DISTRIBUTION.replacen("console-2019-06-14T09:21:44.512Z", "console-2020", 1);
    world.cloud.cloudfront().add(second.clone(), copy.clone().into_bytes(), world.clock.aws_now());
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    world.cloud.clear_calls();
    succeeded(stack.set(json!({"DistributionId": SECOND})).update());
    let moved: Vec<String> = world
        .cloud
        .calls()
        .iter()
        .filter(|call| call.operation == Operation::UpdateDistribution)
        .map(|call| call.arguments.clone())
        .collect();
    assert!(moved[0].contains(SECOND) && moved[1].contains("E2EXAMPLE"), "{moved:?}");
    assert_eq!(world.configuration(), RICH_DISTRIBUTION, "the former one is as it was");
    succeeded(stack.delete());
    assert_eq!(world.cloud.cloudfront().bytes(&second), copy.as_bytes());
    nothing_of_ours_is_left(&world);
}

#[test]
fn records_stay_until_delete_when_another_service_takes_over_the_same_name() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    let before = records(&world);
    let answer = succeeded(stack.set(json!({"Dns": "external", "HostedZoneId": ""})).update());
    assert_eq!(records(&world), before, "they may still be what answers for the name");
    assert!(answer["Data"]["PreflightSummary"].as_str().expect("a summary").contains("stay until"));
    succeeded(stack.set(json!({"Dns": "route53", "HostedZoneId": "Z0EXAMPLE"})).update());
    assert_eq!(records(&world), before, "and are taken up again");
    assert_eq!(world.row().made.replaced, []);
    succeeded(stack.set(json!({"Dns": "external", "HostedZoneId": ""})).update());
    succeeded(stack.delete());
    nothing_of_ours_is_left(&world);
}

#[test]
fn a_pattern_added_while_bypassed_follows_and_one_removed_goes_back() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.set(json!({"Traffic": ["*", "/account/*"]})).create());
    world.flip(json!({"action": "bypass", "protection": "www", "reason": "INC-1"})).expect("bypassed");
    let answer = succeeded(stack.set(json!({"Traffic": ["*", "/checkout/*"]})).update());
    assert_eq!(answer["Data"]["Posture"], "bypassed");
    let answer = world.flip(json!({"action": "restore", "protection": "www", "reason": "INC-1"})).expect("restored");
    assert_eq!(answer["posture"]["after"], "inspected");
    assert_eq!(world.target("/checkout/*"), inspection_origin());
    assert_eq!(world.target("/account/*"), application_origin(), "no longer protected");
}

#[test]
fn a_name_cannot_be_changed_and_the_roll_back_of_the_attempt_succeeds() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    world.cloud.clear_calls();
    let answer = stack.set(json!({"Name": "shop"})).update();
    let told = reason(&answer);
    assert!(told.starts_with("Refused, nothing was changed. Name is `shop`"), "{told}");
    assert!(told.contains("declare a second resource with the new Name"), "{told}");
    // By another name the protection would be a stranger to its own behaviours and records.
    assert!(!told.contains("Traffic") && !told.contains("FailoverRecord"), "{told}");
    assert_eq!(answer["PhysicalResourceId"], format!("failopen-www-{OWNER}"));
    assert_eq!(writes(&world), []);
    succeeded(stack.set(json!({"Name": "www"})).update());
}

#[test]
fn our_own_check_that_is_named_as_one_that_was_there_before_stays_until_the_delete() {
    let world = World::bare();
    world.cloud.names().script(&failover_record(), Resolution::address(30, [192, 0, 2, 7]));
    let mut stack = Stack::new(&world);
    let created = succeeded(stack.set(json!({"Dns": "external", "HostedZoneId": ""})).create());
    let ours = world.cloud.health().ids();
    assert_eq!(created["Data"]["HealthCheckId"], json!(ours[0]));
    let named = succeeded(stack.set(json!({"HealthCheck": {"HealthCheckId": ours[0]}})).update());
    assert_eq!(named["Data"]["HealthCheckId"], json!(ours[0]));
    assert_eq!(world.cloud.health().ids(), ours, "the alarm rests on it");
    assert!(!named.to_string().contains("stay until"), "there are no records: {named}");
    succeeded(stack.delete());
    nothing_of_ours_is_left(&world);
}

/// As where roll-backs are disabled: CloudFormation may send the properties that it tried last.
#[test]
fn a_delete_after_a_refused_change_of_the_name_removes_what_there_is() {
    for name in ["shop", "WWW!", ""] {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        succeeded(stack.create());
        assert!(reason(&stack.set(json!({"Name": name})).update()).contains("Name"), "{name}");
        succeeded(stack.delete());
        nothing_of_ours_is_left(&world);
    }
}

#[test]
fn a_failed_update_is_rolled_back_to_where_it_was() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    let (configuration, made) = (world.configuration(), records(&world));
    let check = world.cloud.health().ids();
    world.cloud.health().set_host_up(&Hostname::new("other.inspection.example.net"), false);
    stack.set(json!({"InspectionHostname": "other.inspection.example.net", "HealthCheck": {"IntervalSeconds": "30"},
        "Traffic": ["*", "/checkout/*"], "RecordTtl": "60", "FailoverRecord": "cq-origin-new.cq-route.com"}));
    let told = reason(&stack.update());
    assert!(told.contains("health-check-not-healthy"), "{told}");
    // The distribution leads to the record all along, which is what this says.
    assert!(!told.contains("was not pointed at it"), "{told}");
    assert!(told.contains("The distribution uses cq-origin-www.cq-route.com as before"), "{told}");
    assert!(!told.contains("  "), "{told}");
    assert_eq!(world.row().lifecycle, Lifecycle::Updating);
    stack.set(json!({"InspectionHostname": inspection(), "HealthCheck": {}, "Traffic": ["*"], "RecordTtl": "30",
        "FailoverRecord": failover_record()}));
    succeeded(stack.update());
    assert_eq!((world.configuration(), records(&world), world.cloud.health().ids()), (configuration, made, check));
    assert_eq!((world.row().lifecycle, world.row().made.replaced), (Lifecycle::Active, vec![]));
}

#[test]
fn delete_touches_only_what_still_is_as_it_made_it() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.set(json!({"Traffic": ["*", "/account/*", "/ours/*"]})).create());
    world.retarget_by_hand("/account/*", &third_origin());
    world.cloud.cloudfront().edit(&distribution(), world.clock.aws_now(), |text| {
        let at = text.find("<PathPattern>/ours/*").expect("our behaviour");
        let (head, tail) = text.split_at(at);
        format!("{head}{}", tail.replacen("<Compress>true", "<Compress>false", 1))
    });
    succeeded(stack.delete());
    let document = world.document(&distribution());
    assert_eq!(world.target("*"), application_origin());
    assert_eq!(world.target("/account/*"), third_origin(), "somebody else's decision stands");
    assert_eq!(world.target("/ours/*"), application_origin(), "edited since: kept, and led to the application");
    assert!(document.origin(&inspection_origin()).is_none());
    assert_eq!(records(&world), []);
}

#[test]
fn delete_keeps_the_records_while_somebody_elses_behaviour_uses_our_origin() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    world.retarget_by_hand("/checkout/*", &inspection_origin());
    let reason = reason(&stack.delete());
    assert!(reason.contains("/checkout/*") && reason.contains("delete again"), "{reason}");
    assert_eq!(records(&world).len(), 2, "its traffic goes on");
    assert_eq!(world.row().lifecycle, Lifecycle::Deleting);
    world.retarget_by_hand("/checkout/*", &application_origin());
    succeeded(stack.delete());
    nothing_of_ours_is_left(&world);
}

#[test]
fn delete_of_what_is_gone_succeeds() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    world.cloud.cloudfront().remove(&distribution());
    world.cloud.route53().remove_records(&zone().id, &failover_record());
    world.cloud.cloudwatch().remove(&alarm());
    succeeded(stack.delete());
    assert_eq!(world.cloud.ledger().get(&www()), None);
    assert_eq!(world.cloud.health().ids(), []);
}

#[test]
fn delete_of_what_was_never_made_changes_nothing_whatever_its_properties_are() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    for changes in [json!({}), json!({"Name": "N O T"}), json!({"Name": null}), json!({"DistributionId": ["x"]})] {
        let answer = succeeded(stack.set(changes).delete());
        assert_eq!(answer["PhysicalResourceId"], "site-Protection-1K2N3B4V5C6X7");
    }
    assert_eq!(writes(&world), []);
}

#[test]
fn a_slow_distribution_is_waited_for_in_further_invocations() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    world.cloud.cloudfront().deploy_time = jiff::SignedDuration::from_mins(35);
    succeeded(stack.delete());
    assert_eq!(world.cloud.count(Operation::InvokeAgain), 2);
    nothing_of_ours_is_left(&world);
}

#[test]
fn past_the_service_time_out_delete_says_so_and_a_later_one_resumes() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    world.cloud.cloudfront().deploy_time = jiff::SignedDuration::from_hours(3);
    let began = world.clock.aws_now();
    assert!(reason(&stack.delete()).contains("Delete removes it"));
    assert!(world.clock.aws_now().duration_since(began) < jiff::SignedDuration::from_hours(1));
    assert_eq!(records(&world).len(), 2);
    world.pass(jiff::SignedDuration::from_hours(3));
    succeeded(stack.delete());
    nothing_of_ours_is_left(&world);
}

#[test]
fn a_plan_changes_nothing_and_tells_the_same_story_as_the_create() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let planned = stack.plan().expect("a plan");
    assert_eq!(writes(&world), []);
    assert_eq!(planned["findings"].as_array().map(Vec::len), Some(1));
    assert_eq!(planned["findings"][0]["code"], "behavior-edge-function");
    let steps = planned["plan"].as_array().expect("steps");
    let left_out = |step: &Value| step["after"].as_str().is_some_and(|after| after.contains("not inspected"));
    assert!(steps.iter().all(|step| step["action"] != "keep" || left_out(step)), "{steps:?}");
    let text = planned["text"].as_str().expect("text");
    assert!(text.contains("behavior * of distribution E2EXAMPLE: app & co -> failopen-www"), "{text}");
    assert!(text.contains("PRIMARY CNAME cq-route.cequence.cloud, TTL 30"), "{text}");
    succeeded(stack.create());
    let planned = stack.plan().expect("a plan");
    let steps = planned["plan"].as_array().expect("steps");
    assert!(steps.iter().all(|step| step["action"] == "keep"), "{}", planned["text"]);
}

#[test]
fn a_plan_of_nonsense_is_an_invalid_request_and_a_forbidden_one_a_finding() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    stack.set(json!({"RecordTtl": "0", "Preflight": "maybe"}));
    let failure = stack.plan().expect_err("two problems");
    assert_eq!(failure.error_type.as_str(), "InvalidRequest");
    assert!(failure.message.contains("RecordTtl") && failure.message.contains("Preflight"), "{failure}");
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let planned = stack.set(json!({"DistributionId": "E9FOREIGN"})).plan().expect("an answer");
    assert_eq!(planned["findings"][0]["code"], "distribution-not-allowed");
    assert_eq!(world.cloud.calls().len(), 0);
}

#[test]
fn what_is_wrong_with_the_properties_hides_nothing_else_in_a_plan_or_in_a_create() {
    let told = |changes: Value| {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        stack.set(changes);
        let planned = stack.plan().expect_err("no protection").message;
        let created = reason(&stack.create());
        assert_eq!(writes(&world), []);
        // But for the answer itself.
        (planned, created, world.cloud.calls().len() - world.cloud.count(Operation::Answer))
    };
    let (planned, created, _) = told(json!({"RecordTtl": "0", "Traffic": ["/static/*"]}));
    for text in [&planned, &created] {
        assert!(text.contains("RecordTtl is `0`") && text.contains("[origin-type]"), "{text}");
    }
    let forbidden =
        json!({"ApplicationHostname": "", "DistributionId": "E9FOREIGN", "FailoverRecord": "x.example.com"});
    let (planned, created, calls) = told(forbidden);
    for text in [&planned, &created] {
        for part in
            ["ApplicationHostname is empty", "distribution E9FOREIGN is not one", "record x.example.com is not one"]
        {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
    assert_eq!(calls, 0, "what may not be touched is not asked either");
}

#[test]
fn a_wrong_port_is_not_replaced_by_another_whose_answers_are_judged() {
    for (port, judged) in [("22", false), ("8443", true)] {
        let world = World::bare();
        world.application_dies();
        let mut stack = Stack::new(&world);
        stack.set(json!({"OriginPort": port, "RecordTtl": "0"}));
        for text in [stack.plan().expect_err("no protection").message, reason(&stack.create())] {
            assert_eq!(text.contains("application-check"), judged, "{port}: {text}");
        }
    }
}

#[test]
fn the_posture_that_is_answered_is_read_from_the_distribution() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    let document = world.document(&distribution());
    let made = world.row().made.distribution.expect("made");
    assert_eq!(failopen::flip::posture(&document, &made), Posture::Inspected);
    assert!(made.behaviors.iter().all(|behavior| behavior.path_pattern == PathPattern::default_behavior()));
}

/// A host that leads to another, which is what DNS says of it.
fn leads(host: &Hostname, target: &str, ending: Ending) -> Resolution {
    Resolution { chain: vec![Link { name: host.clone(), target: target.into(), ttl: 60 }], ending }
}

fn no_such_name() -> Resolution {
    Resolution { chain: Vec::new(), ending: Ending::NoSuchName }
}

/// What DNS was asked, in order.
fn asked(world: &World) -> Vec<String> {
    let calls = world.cloud.calls();
    calls.iter().filter(|call| call.operation == Operation::Resolve).map(|call| call.arguments.clone()).collect()
}

fn summary(answer: &Value) -> String {
    answer["Data"]["PreflightSummary"].as_str().expect("a summary").to_owned()
}

#[test]
fn a_host_that_does_not_resolve_is_refused_under_enforce_with_nothing_changed_and_told_under_warn() {
    for (host, property) in [(inspection(), "InspectionHostname"), (application(), "ApplicationHostname")] {
        let world = World::bare();
        world.cloud.names().script(&host, no_such_name());
        let (mut stack, logs) = (Stack::new(&world), Logs::default());
        let planned = stack.plan().expect("a plan");
        let found = planned["findings"].as_array().expect("findings").iter();
        let told = found.filter(|found| found["code"] == "dns-unresolvable" && found["property"] == property).count();
        assert_eq!(told, 1, "{planned}");
        let reason = reason(&logs.of(|| stack.create()));
        assert!(reason.contains(&format!("{property}: {host} does not resolve (there is no such name)")), "{reason}");
        assert!(logs.text().contains(&format!("{property}: {host} does not resolve")), "{}", logs.text());
        assert_eq!(writes(&world), []);
        nothing_of_ours_is_left(&world);
        let answer = succeeded(stack.set(json!({"Preflight": "warn"})).create());
        let summary = summary(&answer);
        assert!(summary.starts_with(&format!("1 error, 1 warning: {property}: {host} does not resolve")), "{summary}");
        assert!(summary.contains("[dns-unresolvable]"), "{summary}");
    }
}

#[test]
fn a_host_that_leads_back_to_the_failover_record_is_refused_even_under_warn() {
    for preflight in ["enforce", "warn"] {
        let world = World::bare();
        let record = failover_record();
        world.cloud.names().script(&inspection(), leads(&inspection(), record.as_str(), Ending::NoSuchName));
        let reason = reason(&Stack::new(&world).set(json!({"Preflight": preflight})).create());
        assert!(reason.contains("leads back to the failover record") && reason.contains("[dns-loop]"), "{reason}");
        assert_eq!(writes(&world), []);
    }
}

#[test]
fn what_is_only_slow_or_not_delegated_is_told_and_refuses_nothing() {
    let world = World::bare();
    world.cloud.names().script(&application(), Resolution::address(3600, [192, 0, 2, 1]));
    let theirs = Delegation::To(["ns1.example.net".into()].into());
    world.cloud.names().delegate(&"cq-route.com".into(), theirs);
    let mut stack = Stack::new(&world);
    let planned = stack.plan().expect("a plan");
    let summary = summary(&succeeded(stack.create()));
    assert!(summary.starts_with("3 warnings: "), "{summary}");
    for code in ["dns-slow-chain", "zone-not-delegated"] {
        assert!(summary.contains(&format!("[{code}]")), "{summary}");
        assert!(planned["findings"].as_array().is_some_and(|all| all.iter().any(|found| found["code"] == code)));
    }
    let world = World::bare();
    world.cloud.names().delegate(&"cq-route.com".into(), Delegation::Unknown { why: "no answer".to_owned() });
    let answer = succeeded(Stack::new(&world).create());
    assert!(answer["Data"]["PreflightSummary"].as_str().is_some_and(|told| told.starts_with("1 warning: Traffic")));
}

#[test]
fn a_record_that_is_still_to_be_made_is_not_asked_for_and_one_of_another_dns_service_has_to_be_there() {
    let hosts = [inspection().to_string(), application().to_string()];
    let world = World::bare();
    succeeded(Stack::new(&world).create());
    assert_eq!(asked(&world), [&hosts[..], &["NS cq-route.com".to_owned()]].concat());
    let world = World::bare();
    let mut stack = Stack::new(&world);
    stack.set(json!({"Dns": "external", "HostedZoneId": ""}));
    world.cloud.names().script(&failover_record(), no_such_name());
    let reason = reason(&stack.create());
    assert!(reason.contains("FailoverRecord: cq-origin-www.cq-route.com does not resolve"), "{reason}");
    assert_eq!(asked(&world), [&hosts[..], &[failover_record().to_string()]].concat());
    assert_eq!(writes(&world), []);
    world.cloud.names().unscript(&failover_record());
    succeeded(stack.create());
}

#[test]
fn dns_is_not_asked_with_skip_nor_for_a_roll_back() {
    let world = World::bare();
    world.cloud.names().script(&inspection(), no_such_name());
    succeeded(Stack::new(&world).set(json!({"Preflight": "skip"})).create());
    assert_eq!(asked(&world), Vec::<String>::new());

    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    world.cloud.health().set_host_up(&Hostname::new("other.inspection.example.net"), false);
    stack.set(json!({"InspectionHostname": "other.inspection.example.net", "HealthCheck": {"IntervalSeconds": "30"}}));
    assert!(reason(&stack.update()).contains("health-check-not-healthy"));
    world.cloud.clear_calls();
    world.cloud.names().script(&inspection(), no_such_name());
    succeeded(stack.set(json!({"InspectionHostname": inspection(), "HealthCheck": {}})).update());
    assert_eq!(asked(&world), Vec::<String>::new());
}

#[test]
fn an_update_of_something_else_is_not_refused_while_inspection_cannot_be_resolved() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    succeeded(stack.create());
    world.cloud.names().script(&inspection(), no_such_name());
    world.cloud.names().script(&"new.inspection.example.net".into(), no_such_name());
    let summary = summary(&succeeded(stack.set(json!({"EdgeFailOpen": "automatic"})).update()));
    assert!(summary.starts_with("2 warnings: ") && summary.contains("[dns-unresolvable]"), "{summary}");
    let reason = reason(&stack.set(json!({"InspectionHostname": "new.inspection.example.net"})).update());
    assert!(reason.contains("new.inspection.example.net does not resolve"), "{reason}");
    assert_eq!(world.row().lifecycle, Lifecycle::Active, "refused before anything was changed");
    succeeded(stack.set(json!({"InspectionHostname": inspection()})).update());
}
