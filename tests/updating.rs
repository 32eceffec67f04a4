//! An Update of every property: it ends where a Create with the new value would have ended, viewers find something at every step
//! on the way, and the roll-back by which CloudFormation sends the old value ends where it began.

use std::cell::RefCell;
use std::rc::Rc;

use failopen::document::{Edit, OriginKind};
use failopen::id::{DistributionId, HealthCheckId, HostedZoneId, Hostname};
use failopen::port::{FaultKind, HealthCheckConfig};
use failopen_tests::inventory::Inventory;
use failopen_tests::stack::Stack;
use failopen_tests::world::{OWNER, RICH_DISTRIBUTION, application_origin, distribution, inspection_origin};
use failopen_tests::{FakeCloud, Operation, World};
use serde_json::{Map, Value, json};

const SECOND: &str = "E3SECOND";
const ROLE: &str = "arn:aws:iam::444455556666:role/failopen-zone";
const THEIR_ZONE: &str = "Z2THEIRS";
const THEIR_RECORD: &str = "cq-origin.their.com";

/// Every property that an Update may change, and a change of it. Name cannot be changed, and has tests of its own.
fn changes() -> Vec<(&'static str, Value)> {
    vec![
        ("DistributionId", json!({"DistributionId": SECOND})),
        ("FailoverRecord", json!({"FailoverRecord": "cq-origin-new.cq-route.com"})),
        ("InspectionHostname", json!({"InspectionHostname": "other.inspection.example.net"})),
        ("ApplicationHostname", json!({"ApplicationHostname": "api.example.com"})),
        ("HostedZoneId", json!({"HostedZoneId": "Z1SECOND", "FailoverRecord": "cq-origin.elsewhere.com"})),
        ("HostedZoneRoleArn", in_another_account(json!({"HostedZoneRoleArn": ROLE}))),
        (
            "HostedZoneExternalId",
            in_another_account(json!({"HostedZoneRoleArn": ROLE, "HostedZoneExternalId": "agreed-upon"})),
        ),
        ("Dns", json!({"Dns": "external", "HostedZoneId": "", "FailoverRecord": "cq-origin-new.cq-route.com"})),
        ("Traffic", json!({"Traffic": ["/landing/*", "/checkout/*", "/account/new/*"]})),
        ("RecordTtl", json!({"RecordTtl": "60"})),
        ("HealthCheck", json!({"HealthCheck": {"Path": "/up", "FailureThreshold": "3"}})),
        ("HealthCheck", json!({"HealthCheck": {"IntervalSeconds": "30"}})),
        ("HealthCheck", json!({"HealthCheck": {"Type": "TCP"}})),
        (
            "HealthCheck",
            json!({"HealthCheck": {"SearchString": "alive", "Regions": ["us-east-1", "us-west-2", "eu-west-1"]}}),
        ),
        ("HealthCheck", json!({"HealthCheck": {"HealthCheckId": "their-check"}})),
        ("SecondaryHealthCheck", json!({"SecondaryHealthCheck": "their-check"})),
        ("AlarmEvaluationPeriods", json!({"AlarmEvaluationPeriods": "3"})),
        ("Priority", json!({"Priority": "7"})),
        ("AdditionalAlarms", json!({"AdditionalAlarms": ["their-alarm"]})),
        ("EdgeFailOpen", json!({"EdgeFailOpen": "off"})),
        ("FailBack", json!({"FailBack": "manual"})),
        ("HoldDownSeconds", json!({"HoldDownSeconds": "60"})),
        ("MinimumDwellSeconds", json!({"MinimumDwellSeconds": "60"})),
        ("MaximumFlipsPerDay", json!({"MaximumFlipsPerDay": "4"})),
        ("ApplicationCheck", json!({"ApplicationCheck": "none"})),
        ("ApplicationCheckPath", json!({"ApplicationCheckPath": "/alive"})),
        ("Preflight", json!({"Preflight": "warn"})),
        // The application's own port stays in this account, which is worth a warning then.
        ("OriginPort", json!({"OriginPort": "8443", "Preflight": "warn"})),
    ]
}

/// With the zone that only the role may touch.
fn in_another_account(mut change: Value) -> Value {
    change["HostedZoneId"] = json!(THEIR_ZONE);
    change["FailoverRecord"] = json!(THEIR_RECORD);
    change
}

/// An account with all that the changes lead to.
fn furnished() -> World {
    let world = World::bare();
    let now = world.clock.aws_now();
    let second = RICH_DISTRIBUTION.replacen("console-2019-06-14T09:21:44.512Z", "console-2020", 1);
    world.cloud.cloudfront().add(DistributionId::new(SECOND), second.into_bytes(), now);
    world.cloud.route53().add_zone(HostedZoneId::new("Z1SECOND"), Hostname::new("elsewhere.com"));
    world.cloud.route53().add_zone(HostedZoneId::new(THEIR_ZONE), Hostname::new("their.com"));
    world.cloud.route53().require_role(&HostedZoneId::new(THEIR_ZONE), ROLE);
    let host = Hostname::new("other.inspection.example.net");
    world.cloud.health().set_host_up(&host, true);
    let config = HealthCheckConfig {
        check_type: "HTTPS".to_owned(),
        host: Some(Hostname::new("their.example.net")),
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
    world.cloud.health().add(HealthCheckId::new("their-check"), config, now);
    world
}

fn stack(world: &World) -> Stack<'_> {
    let mut stack = Stack::new(world);
    stack.engine.allowed.zone_roles.insert(ROLE.to_owned());
    stack.engine.allowed.zones.insert(HostedZoneId::new(THEIR_ZONE));
    stack.engine.allowed.records.insert(Hostname::new(THEIR_RECORD));
    stack
}

fn succeeded(answer: &Value, context: &str) {
    assert_eq!(answer["Status"], "SUCCESS", "{context}: {answer}");
}

fn inventory(world: &World) -> Inventory {
    Inventory::of(&world.cloud).with_checks_alike(OWNER)
}

/// Notes every moment in which viewers would find nothing: a distribution whose configuration names an origin that is gone is
/// refused by the fake, as by CloudFront; here it is the name of our origin that has to lead somewhere.
fn watch(world: &World) -> Rc<RefCell<Vec<String>>> {
    let dangling = Rc::new(RefCell::new(Vec::new()));
    let found = Rc::clone(&dangling);
    let look = move |cloud: &FakeCloud| {
        for (id, text) in cloud.cloudfront().all() {
            let document = failopen::document::Document::parse(text.as_bytes()).expect("a configuration");
            let Some(origin) = document.origin(&inspection_origin()) else { continue };
            let is_used = document.behaviors().iter().any(|behavior| behavior.target == origin.id);
            let name = Hostname::new(origin.domain_name.clone());
            // Another DNS service answers for what is not in our zones.
            let is_route53 = !cloud.route53().all_records(&HostedZoneId::new("Z0EXAMPLE")).is_empty();
            let answers = cloud.resolve(&name).is_some_and(|values| !values.is_empty());
            if is_used && is_route53 && !answers {
                found.borrow_mut().push(format!("{id}: {name} leads nowhere"));
            }
        }
    };
    let writes: Vec<Operation> = Operation::ALL.into_iter().filter(|operation| operation.is_write()).collect();
    world.cloud.on_any(&writes).after(look);
    dangling
}

#[test]
fn every_property_is_tried_here() {
    let tried: Vec<&str> = changes().iter().map(|(property, _)| *property).collect();
    for property in failopen::properties::KNOWN {
        let is_fixed = ["ServiceToken", "ServiceTimeout", "Name"].contains(property);
        assert!(is_fixed || tried.contains(property), "{property}");
    }
}

/// Somebody gives the application's origin another port.
fn move_application(world: &World, from: u16, to: u16) {
    let document = world.document(&distribution());
    let id = application_origin();
    let moved = document.edit(&[Edit::SetOriginPort { id, from, to }]).expect("it has that port");
    let text = String::from_utf8(moved.bytes().to_vec()).expect("it is UTF-8");
    world.cloud.cloudfront().edit(&distribution(), world.clock.aws_now(), |_| text);
}

#[test]
fn another_port_is_taken_once_the_application_is_on_it_and_its_roll_back_ends_where_it_began() {
    let world = furnished();
    let mut stack = stack(&world);
    succeeded(&stack.create(), "OriginPort");
    let before = inventory(&world);
    let port = |world: &World| match world.document(&distribution()).origin(&inspection_origin()).expect("ours").kind {
        OriginKind::Custom { https_port, .. } => https_port,
        OriginKind::S3 | OriginKind::Vpc => panic!("a custom origin"),
    };
    let answer = stack.set(json!({"OriginPort": "8443"})).update();
    let reason = answer["Reason"].as_str().unwrap_or_default();
    assert!(reason.contains("OriginPort: ") && reason.contains("give that origin the other port first"), "{answer}");
    assert_eq!(inventory(&world).differences(&before), Vec::<String>::new());
    succeeded(&stack.set(json!({"OriginPort": "443"})).update(), "rolled back");

    move_application(&world, 443, 8443);
    let moved = inventory(&world);
    succeeded(&stack.set(json!({"RecordTtl": "60"})).update(), "what has nothing to do with the port");
    succeeded(&stack.set(json!({"RecordTtl": "30"})).update(), "and back");
    world.cloud.on(Operation::PutMetricAlarm).first(3).fail(FaultKind::AccessDenied);
    let answer = stack.set(json!({"OriginPort": "8443", "AlarmEvaluationPeriods": "3"})).update();
    assert_eq!((answer["Status"].as_str(), port(&world)), (Some("FAILED"), 8443), "{answer}");
    succeeded(&stack.set(json!({"OriginPort": "443", "AlarmEvaluationPeriods": "1"})).update(), "rolled back");
    assert_eq!(inventory(&world).differences(&moved), Vec::<String>::new());

    // Another resource of the stack fails after this one has succeeded.
    succeeded(&stack.set(json!({"OriginPort": "8443"})).update(), "OriginPort");
    succeeded(&stack.set(json!({"OriginPort": "443"})).update(), "rolled back after it succeeded");
    assert_eq!(inventory(&world).differences(&moved), Vec::<String>::new());

    succeeded(&stack.set(json!({"OriginPort": "8443"})).update(), "OriginPort");
    assert_eq!(port(&world), 8443);
    move_application(&world, 8443, 443);
    succeeded(&stack.delete(), "OriginPort");
    assert_eq!(world.cloud.cloudfront().bytes(&distribution()), RICH_DISTRIBUTION.as_bytes());
}

#[test]
fn an_update_ends_where_a_create_with_the_new_value_would_have_ended() {
    for (property, change) in changes() {
        let context = format!("{property}: {change}");
        let updated = furnished();
        let mut updating = stack(&updated);
        succeeded(&updating.create(), &context);
        succeeded(&updating.set(change.clone()).update(), &context);
        let created = furnished();
        succeeded(&stack(&created).set(change).create(), &context);
        assert_eq!(inventory(&updated).differences(&inventory(&created)), Vec::<String>::new(), "{context}");
    }
}

#[test]
fn no_step_of_an_update_or_of_its_roll_back_leaves_viewers_with_nothing() {
    for (property, change) in changes() {
        // The other DNS service's records are not in any zone of this account.
        if property == "Dns" {
            continue;
        }
        let context = format!("{property}: {change}");
        let world = furnished();
        let mut stack = stack(&world);
        succeeded(&stack.create(), &context);
        let dangling = watch(&world);
        let former = stack.properties.clone();
        succeeded(&stack.set(change).update(), &context);
        stack.properties = former;
        succeeded(&stack.update(), &context);
        assert_eq!(*dangling.borrow(), Vec::<String>::new(), "{context}");
    }
}

#[test]
fn the_old_value_sent_again_ends_where_it_began() {
    for (property, change) in changes() {
        let context = format!("{property}: {change}");
        let world = furnished();
        let mut stack = stack(&world);
        succeeded(&stack.create(), &context);
        let before = inventory(&world);
        let former: Map<String, Value> = stack.properties.clone();
        succeeded(&stack.set(change).update(), &context);
        stack.properties = former;
        succeeded(&stack.update(), &context);
        assert_eq!(inventory(&world).differences(&before), Vec::<String>::new(), "{context}");
        assert_eq!(world.row().made.replaced, [], "{context}");
        succeeded(&stack.delete(), &context);
        assert_eq!(world.cloud.cloudfront().bytes(&distribution()), RICH_DISTRIBUTION.as_bytes(), "{context}");
        let left: Vec<HealthCheckId> = world.cloud.health().ids();
        assert_eq!(left, [HealthCheckId::new("their-check")], "{context}");
    }
}
