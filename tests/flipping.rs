//! What flip writes, what it refuses, and what it answers.

use std::collections::BTreeSet;

use failopen::alarm::AlarmState;
use failopen::commands::Commands;
use failopen::document::Document;
use failopen::failure::{ErrorType, Failure};
use failopen::id::{OriginId, PathPattern};
use failopen::ledger::{FlippedBy, Latch, Lifecycle, PendingFlip, Pin, PinPosture};
use failopen::port::{Clock, FaultKind};
use failopen::posture::{Posture, Side};
use failopen::spec::ApplicationCheck;
use failopen_tests::cloud::Run;
use failopen_tests::events;
use failopen_tests::functions::converge;
use failopen_tests::world::{
    CANARY, FLIP_ARN, RICH_DISTRIBUTION, START, World, application_origin, distribution, failover_record, health_check,
    inspection_origin, secrets, shop, third_origin, zone,
};
use failopen_tests::{FakeClock, FakeCloud, Impatient, Logs, Moment, Operation};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const GET: Operation = Operation::GetDistributionConfig;
const PUT: Operation = Operation::UpdateDistribution;

fn bypass() -> Value {
    json!({"action": "bypass", "protection": "www", "reason": "INC-42"})
}

fn restore() -> Value {
    json!({"action": "restore", "protection": "www", "reason": "INC-42"})
}

fn status() -> Value {
    json!({"action": "status", "protection": "www"})
}

fn break_glass() -> Value {
    json!({
        "action": "bypass", "distribution": "E2EXAMPLE", "from": "failopen-www", "to": "app & co", "reason": "INC-42"
    })
}

/// Something that happens between a request and its delivery.
type Happening = fn(&World);

/// What react asks for, decided now.
fn converge_now(world: &World, posture: &str) -> Value {
    json!({
        "action": "converge", "protection": "www", "posture": posture, "reason": "AlarmActive",
        "because": "alarm failopen-www-inspection is in ALARM", "decidedAt": world.clock.aws_now().to_string()
    })
}

fn with(mut request: Value, field: &str, value: Value) -> Value {
    request[field] = value;
    request
}

fn error(answer: Result<Value, Failure>) -> ErrorType {
    let failure = answer.expect_err("the request was expected to fail");
    let is_one_line = !failure.message.contains('\n') && !failure.message.contains("  ");
    assert!(failure.message.ends_with('.') && is_one_line, "{}", failure.message);
    failure.error_type
}

fn outcome(answer: &Result<Value, Failure>) -> &str {
    answer.as_ref().expect("the request was expected to be carried out")["outcome"].as_str().expect("an outcome")
}

fn puts(world: &World) -> usize {
    world.cloud.count(PUT)
}

fn cloudfront(world: &World) -> Vec<Operation> {
    world.cloud.sequence(&Operation::CLOUDFRONT)
}

fn is_bypassed(world: &World) -> bool {
    world.target("*") == application_origin()
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn now(world: &World) -> Timestamp {
    world.clock.aws_now()
}

#[test]
fn a_clock_that_is_set_back_between_a_flip_and_its_record_shortens_no_dwell_time() {
    let world = World::standard();
    let (clock, intended) = (world.clock.clone(), now(&world));
    world.cloud.on(PUT).nth(1).after(move |_| clock.set_skew(minutes(-3)));
    assert_eq!(outcome(&world.flip(converge_now(&world, "bypassed"))), "changed");
    world.clock.set_skew(SignedDuration::ZERO);
    assert!(world.row().flips.last().is_some_and(|flip| flip.at >= intended));
    world.pass(SignedDuration::from_secs(290));
    assert_eq!(outcome(&world.flip(converge_now(&world, "inspected"))), "held");
    world.pass(SignedDuration::from_secs(20));
    assert_eq!(outcome(&world.flip(converge_now(&world, "inspected"))), "changed");
}

#[test]
fn a_reading_of_another_distribution_does_not_tell_that_a_write_in_doubt_was_not_made() {
    for action in ["bypass", "converge"] {
        let world = World::standard();
        let request = if action == "bypass" { bypass() } else { converge_now(&world, "bypassed") };
        world.cloud.on(PUT).nth(1).before(|cloud| {
            let mut cloudfront = cloud.cloudfront();
            let reference = "<CallerReference>";
            let other = String::from_utf8_lossy(cloudfront.bytes(&distribution())).into_owned();
            cloudfront.garble(&distribution(), other.replacen(reference, &format!("{reference}somebody-elses-"), 1));
        });
        world.cloud.on(PUT).nth(1).lose_answer(FaultKind::Unknown);
        let failure = world.flip(request).expect_err("nobody knows");
        assert_eq!(failure.error_type, ErrorType::MalformedDistribution, "{action}");
        assert!(failure.message.contains("not known"), "{action}: {failure}");
        assert!(!failure.message.contains("nothing was changed"), "{action}: {failure}");
        assert_eq!(puts(&world), 1, "{action}");
        let row = world.row();
        assert!(row.pending.is_some(), "{action}: the intent is the only proof");
        assert_eq!(row.pin.is_some(), action == "bypass", "{action}: an operator's pin stays");

        world.cloud.cloudfront().ungarble(&distribution());
        assert!(is_bypassed(&world), "{action}: the write took effect");
        world.live(2);
        let row = world.row();
        assert_eq!((row.pending.is_none(), row.flips.len()), (true, 1), "{action}: it counts");
        assert!(row.bypass_is_ours(), "{action}");
    }
}

/// Protects three behaviours, one of which has to be cloned.
fn three_behaviors() -> World {
    World::with(|spec| spec.traffic = ["*", "/checkout/*", "/new/*"].map(PathPattern::new).to_vec())
}

/// Asserts that an answer has at least the fields of the contract's example, at every level.
fn has_shape_of(found: &Value, example: &Value, path: &str) {
    match (found, example) {
        (Value::Object(found), Value::Object(example)) => {
            for (key, value) in example {
                let inner = found.get(key).unwrap_or_else(|| panic!("{path}.{key} is missing"));
                has_shape_of(inner, value, &format!("{path}.{key}"));
            }
        }
        (Value::Array(found), Value::Array(example)) => {
            for (found, example) in found.iter().zip(example) {
                has_shape_of(found, example, &format!("{path}[]"));
            }
        }
        (found, Value::Null) => assert!(!found.is_array(), "{path} is {found}"),
        (found, example) => assert_eq!(
            std::mem::discriminant(found),
            std::mem::discriminant(example),
            "{path} is {found}, the contract shows {example}"
        ),
    }
}

#[test]
fn a_bypass_changes_the_text_of_the_target_and_no_other_byte() {
    let world = World::standard();
    let before = world.configuration();
    assert_eq!(outcome(&world.flip(bypass())), "changed");
    let ours = "<DefaultCacheBehavior><TargetOriginId>failopen-www</TargetOriginId>";
    let theirs = "<DefaultCacheBehavior><TargetOriginId>app &amp; co</TargetOriginId>";
    assert_eq!(before.matches(ours).count(), 1);
    assert_eq!(world.configuration(), before.replacen(ours, theirs, 1));
    assert_eq!(outcome(&world.flip(restore())), "changed");
    assert_eq!(world.configuration(), before);
}

#[test]
fn a_changing_flip_costs_a_get_a_put_and_the_read_back() {
    let world = World::standard();
    world.flip(bypass()).expect("bypassed");
    assert_eq!(cloudfront(&world), [GET, PUT, GET]);
    world.cloud.clear_calls();
    world.flip(converge_now(&world, "inspected")).expect("answered");
    world.cloud.clear_calls();
    world.flip(restore()).expect("restored");
    assert_eq!(cloudfront(&world), [GET, PUT, GET]);
}

#[test]
fn a_flip_that_changes_nothing_costs_one_get() {
    let world = World::standard();
    assert_eq!(outcome(&world.flip(restore())), "unchanged");
    assert_eq!(cloudfront(&world), [GET]);
    world.edit_row(|row| row.pin = None);
    world.cloud.clear_calls();
    assert_eq!(outcome(&world.flip(converge_now(&world, "inspected"))), "unchanged");
    assert_eq!(cloudfront(&world), [GET]);
}

#[test]
fn the_answer_to_a_bypass_is_the_contracts() {
    let world = World::standard();
    let mut answer = world.flip(with(bypass(), "requestedBy", json!("ada"))).expect("bypassed");
    let because = answer["because"].take();
    assert!(because.as_str().is_some_and(|because| because.contains("INC-42")), "{because}");
    let example = json!({
        "protection": "www",
        "action": "bypass",
        "outcome": "changed",
        "posture": {"before": "inspected", "after": "bypassed"},
        "behaviors": [{"pathPattern": "*", "from": "failopen-www", "to": "app & co"}],
        "distribution": {
            "id": "E2EXAMPLE", "etag": world.cloud.cloudfront().etag(&distribution()).as_str(), "status": "InProgress"
        },
        "because": null,
        "pin": {"posture": "bypassed", "reason": "INC-42", "expiresAt": "2026-11-22T16:00:00Z"},
        "at": START
    });
    has_shape_of(&answer, &example, "answer");
    answer["pin"].as_object_mut().expect("a pin").retain(|key, _| example["pin"].get(key).is_some());
    assert_eq!(answer, example);
}

#[test]
fn a_manual_flip_pins_its_posture_for_four_hours_or_as_long_as_it_says() {
    let start: Timestamp = START.parse().expect("a timestamp");
    let cases = [
        (None, Some(start + SignedDuration::from_hours(4))),
        (Some("30m"), Some(start + minutes(30))),
        (Some("2h"), Some(start + SignedDuration::from_hours(2))),
        (Some("1d"), Some(start + SignedDuration::from_hours(24))),
        (Some("never"), None),
    ];
    for (expires_in, expires_at) in cases {
        for (request, posture) in [(bypass(), PinPosture::Bypassed), (restore(), PinPosture::Inspected)] {
            let world = World::standard();
            let request = match expires_in {
                Some(text) => with(request, "expiresIn", json!(text)),
                None => request,
            };
            world.flip(request).expect("carried out");
            let pin = world.row().pin.expect("a manual flip pins");
            assert_eq!((pin.posture, pin.expires_at), (posture, expires_at), "{expires_in:?}");
            assert_eq!(pin.reason, "INC-42");
        }
    }
}

#[test]
fn several_behaviours_move_in_one_write() {
    let world = three_behaviors();
    let answer = world.flip(bypass()).expect("bypassed");
    assert_eq!(cloudfront(&world), [GET, PUT, GET]);
    assert_eq!(answer["behaviors"].as_array().map(Vec::len), Some(3));
    for pattern in ["*", "/checkout/*", "/new/*"] {
        assert_eq!(world.target(pattern), application_origin());
    }
    assert_eq!(world.target("/api/*"), application_origin(), "an unprotected behaviour stays");
    assert_eq!(world.target("/static/*"), third_origin(), "an unprotected behaviour stays");
}

#[test]
fn a_mixed_posture_is_completed_without_touching_what_is_there_already() {
    let world = three_behaviors();
    world.retarget_by_hand("/checkout/*", &application_origin());
    let answer = world.flip(bypass()).expect("bypassed");
    assert_eq!(answer["posture"], json!({"before": "mixed", "after": "bypassed"}));
    let moved: BTreeSet<&str> =
        answer["behaviors"].as_array().expect("a list").iter().filter_map(|b| b["pathPattern"].as_str()).collect();
    assert_eq!(moved, BTreeSet::from(["*", "/new/*"]));
}

#[test]
fn a_dry_run_answers_with_the_exact_change_and_makes_none() {
    for request in [bypass(), break_glass()] {
        let world = three_behaviors();
        let before = world.configuration();
        let row = world.row();
        let dry = world.flip(with(request.clone(), "dryRun", json!(true)));
        assert_eq!(outcome(&dry), "planned");
        assert_eq!((world.configuration(), world.row()), (before, row));
        assert_eq!(world.cloud.calls().iter().filter(|call| call.operation.is_write()).count(), 0);
        let wet = world.flip(request).expect("carried out");
        let dry = dry.expect("planned");
        assert_eq!(dry["behaviors"], wet["behaviors"]);
        assert_eq!(dry["posture"], wet["posture"]);
    }
    for request in [
        json!({"action": "pin", "protection": "www", "posture": "hold", "reason": "INC-1", "dryRun": true}),
        with(converge_now(&World::standard(), "bypassed"), "dryRun", json!(true)),
    ] {
        let world = World::standard();
        assert_eq!(outcome(&world.flip(request)), "planned");
        assert_eq!(world.cloud.calls().iter().filter(|call| call.operation.is_write()).count(), 0);
    }
}

#[test]
fn plan_says_what_would_change_and_changes_nothing() {
    let world = World::standard();
    let answer = world.flip(json!({"action": "plan", "protection": "www"})).expect("planned");
    assert_eq!(answer["outcome"], "planned");
    assert_eq!(answer["behaviors"], json!([{"pathPattern": "*", "from": "failopen-www", "to": "app & co"}]));
    assert!(answer["because"].as_str().is_some_and(|because| !because.is_empty()));
    assert_eq!(world.cloud.calls().iter().filter(|call| call.operation.is_write()).count(), 0);
}

#[test]
fn requests_that_are_wrong_are_refused_by_the_name_of_what_is_wrong() {
    let cases = [
        (json!({"action": "bypass", "protection": "www", "reason": "x", "dryrun": true}), "dryrun"),
        (json!({"action": "status", "protecton": "www"}), "protecton"),
        (json!({"action": "bypass", "protection": "www"}), "reason"),
        (json!({"action": "restore", "protection": "www"}), "reason"),
        (json!({"action": "unlatch", "protection": "www"}), "reason"),
        (json!({"action": "pin", "protection": "www", "posture": "hold"}), "reason"),
        (json!({"action": "pin", "protection": "www", "posture": "sideways", "reason": "x"}), "posture"),
        (
            json!({"action": "converge", "protection": "www", "posture": "hold", "reason": "x", "because": "y", "decidedAt": START}),
            "posture",
        ),
        (json!({"action": "bypass", "protection": "www", "reason": "x", "expiresIn": "4 hours"}), "expiresIn"),
        (json!({"action": "bypass", "protection": "www", "reason": "x", "expiresIn": "0h"}), "expiresIn"),
        (json!({"action": "bypass", "reason": "x"}), "protection"),
        (json!({"action": "bypass", "distribution": "E2EXAMPLE", "from": "a", "to": "b"}), "reason"),
        (json!({"action": "bypass", "distribution": "E2EXAMPLE", "to": "b", "reason": "x"}), "from"),
        (json!({"action": "bypass", "protection": "www", "reason": "x", "dryRun": "perhaps"}), "dryRun"),
        (json!({"action": "explode"}), "action"),
        (json!({"protection": "www"}), "action"),
        (json!([1, 2]), "object"),
    ];
    for (request, name) in cases {
        let world = World::standard();
        let failure = world.flip(request.clone()).expect_err("the request is wrong");
        assert_eq!(failure.error_type, ErrorType::InvalidRequest, "{request}");
        assert!(failure.message.contains(name), "{request} → {}", failure.message);
        assert_eq!(world.cloud.last_call(), 0, "nothing is even read for {request}");
    }
}

#[test]
fn what_is_missing_is_asked_for_with_an_example_and_the_actions_are_those_of_people() {
    let message = |request| World::standard().flip(request).expect_err("the request is wrong").message;
    let reason = message(json!({"action": "bypass", "protection": "www"}));
    assert!(reason.contains("field `reason` is missing: say why, for example \"INC-42\""), "{reason}");
    assert!(reason.contains("The state of all protections: aws lambda invoke"), "{reason}");
    let action = message(json!({"action": "explode"}));
    assert!(action.contains("`explode`, not one of status, plan, bypass, restore, pin, unpin, unlatch. "), "{action}");
}

#[test]
fn two_mistakes_in_one_request_are_named_together() {
    let request = json!({"action": "bypass", "protection": "www", "expiresIn": "soon", "colour": "red"});
    let failure = World::standard().flip(request).expect_err("the request is wrong");
    for name in ["reason", "expiresIn", "colour"] {
        assert!(failure.message.contains(name), "{}", failure.message);
    }
}

#[test]
fn many_fields_that_are_not_known_are_answered_by_one_list() {
    let mut request = bypass();
    for number in 0..100 {
        request[format!("colour-{number:03}")] = json!(1);
    }
    let message = World::standard().flip(request).expect_err("none of them is known").message;
    assert_eq!(
        message.matches("which takes protection, reason, requestedBy, dryRun, expiresIn").count(),
        1,
        "{message}"
    );
    assert!(message.contains("fields `colour-000`, `colour-001`, ") && message.len() < 900, "{message}");
    assert!(message.contains("; 80 more fields are not known to `bypass`"), "{message}");
}

#[test]
fn a_path_that_is_no_text_is_told_once() {
    let message = World::standard().flip(with(break_glass(), "paths", json!([1]))).expect_err("no text").message;
    assert!(message.contains("holds 1, not a path pattern") && !message.contains("is empty"), "{message}");
}

#[test]
fn actions_that_do_not_exist_yet_say_so() {
    for action in ["history", "practice"] {
        let failure = World::standard().flip(json!({"action": action, "protection": "www"})).expect_err("not yet");
        assert_eq!(failure.error_type, ErrorType::InvalidRequest);
        assert!(failure.message.contains(action), "{}", failure.message);
    }
}

#[test]
fn a_protection_that_nobody_has_is_named() {
    for action in ["status", "plan", "bypass", "restore", "unlatch"] {
        let world = World::standard();
        let mut request = json!({"action": action, "protection": "shop"});
        if !["status", "plan"].contains(&action) {
            request["reason"] = json!("INC-1");
        }
        let failure = world.flip(request).expect_err("there is none");
        assert_eq!(failure.error_type, ErrorType::UnknownProtection);
        assert!(failure.message.contains("shop"), "{}", failure.message);
    }
}

#[test]
fn a_foreign_target_is_refused_and_nothing_is_pinned() {
    let world = World::standard();
    world.retarget_by_hand("*", &third_origin());
    for request in [bypass(), restore(), converge_now(&world, "bypassed"), break_glass()] {
        assert_eq!(error(world.flip(request)), ErrorType::ForeignTarget);
    }
    assert_eq!(puts(&world), 0);
    assert_eq!(world.row().pin, None);
}

#[test]
fn a_foreign_target_of_one_behaviour_keeps_hands_off_all_of_them() {
    let world = three_behaviors();
    world.retarget_by_hand("/checkout/*", &third_origin());
    assert_eq!(error(world.flip(bypass())), ErrorType::ForeignTarget);
    assert_eq!(puts(&world), 0);
}

#[test]
fn an_edit_between_our_get_and_our_put_is_kept() {
    let world = World::standard();
    world.cloud.on(PUT).nth(1).before(|cloud| {
        let now = cloud.clock().aws_now();
        cloud.cloudfront().edit(&distribution(), now, |text| text.replacen("index.html", "home.html", 1));
    });
    let answer = world.flip(bypass());
    assert_eq!(outcome(&answer), "changed");
    assert_eq!(cloudfront(&world), [GET, PUT, GET, PUT, GET]);
    assert_eq!(world.cloud.count_answered(PUT), 1);
    assert!(is_bypassed(&world));
    assert!(world.configuration().contains("<DefaultRootObject>home.html</DefaultRootObject>"));
}

#[test]
fn an_edit_to_a_foreign_target_between_our_get_and_our_put_is_respected() {
    let world = World::standard();
    let by_hand = world.clone();
    world.cloud.on(PUT).nth(1).before(move |_| by_hand.retarget_by_hand("*", &third_origin()));
    assert_eq!(error(world.flip(bypass())), ErrorType::ForeignTarget);
    assert_eq!(world.target("*"), third_origin());
    assert_eq!((world.row().pin, world.row().pending), (None, None), "a flip that did not happen pins nothing");
}

#[test]
fn an_answer_that_is_lost_after_the_write_took_effect_is_recognised() {
    // A time-out or a 500 after the write; and the 412 that the SDK's own repetition of an applied write earns.
    for kind in [FaultKind::Unknown, FaultKind::Stale] {
        let world = World::standard();
        let versions = world.cloud.cloudfront().versions(&distribution()).len();
        world.cloud.on(PUT).nth(1).lose_answer(kind);
        let answer = world.flip(bypass());
        assert_eq!(outcome(&answer), "changed", "{kind:?}");
        assert_eq!(cloudfront(&world), [GET, PUT, GET], "{kind:?}: a read follows, and no second write");
        assert_eq!(world.cloud.cloudfront().versions(&distribution()).len(), versions + 1);
        assert!(is_bypassed(&world));
        let answer = answer.expect("changed");
        assert_eq!(answer["posture"], json!({"before": "inspected", "after": "bypassed"}));
        assert_eq!(answer["behaviors"].as_array().map(Vec::len), Some(1));
        assert_eq!(world.row().flips.len(), 1);
    }
}

#[test]
fn a_write_that_failed_before_it_took_effect_is_read_and_repeated() {
    let world = World::standard();
    world.cloud.on(PUT).nth(1).fail(FaultKind::Unknown);
    assert_eq!(outcome(&world.flip(bypass())), "changed");
    assert_eq!(cloudfront(&world), [GET, PUT, GET, PUT, GET]);
    assert_eq!(world.row().flips.len(), 1);
}

#[test]
fn an_etag_that_changes_ten_times_ends_after_five_writes() {
    let world = World::standard();
    world.cloud.on(PUT).first(10).before(|cloud| cloud.cloudfront().churn(&distribution()));
    assert_eq!(error(world.flip(bypass())), ErrorType::DistributionChanged);
    assert_eq!(puts(&world), 5);
    assert!(!is_bypassed(&world));
    assert!(world.clock.slept() > SignedDuration::ZERO, "it waits between its attempts");
    world.cloud.heal();
    assert_eq!(outcome(&world.flip(bypass())), "changed", "repeating the request is safe");
}

#[test]
fn an_etag_that_changes_without_an_edit_costs_one_more_round() {
    let world = World::standard();
    world.cloud.on(PUT).nth(1).before(|cloud| cloud.cloudfront().churn(&distribution()));
    assert_eq!(outcome(&world.flip(bypass())), "changed");
    assert_eq!(cloudfront(&world), [GET, PUT, GET, PUT, GET]);
}

#[test]
fn a_denied_write_is_not_repeated() {
    let world = World::standard();
    world.cloud.on(PUT).fail(FaultKind::AccessDenied);
    assert_eq!(error(world.flip(bypass())), ErrorType::AccessDenied);
    assert_eq!(puts(&world), 1);
    assert_eq!(world.row().pin, None, "a flip that did not happen pins nothing");
    assert_eq!(error(world.flip(converge_now(&world, "bypassed"))), ErrorType::AccessDenied);
    assert_eq!(puts(&world), 2);
    assert!(world.row().flips.is_empty());
}

#[test]
fn a_denied_read_is_an_access_problem_and_a_missing_distribution_is_named() {
    let world = World::standard();
    world.cloud.on(GET).fail(FaultKind::AccessDenied);
    assert_eq!(error(world.flip(bypass())), ErrorType::AccessDenied);
    world.cloud.heal();
    world.cloud.cloudfront().remove(&distribution());
    let failure = world.flip(bypass()).expect_err("the distribution is gone");
    assert!(failure.message.contains("E2EXAMPLE"), "{}", failure.message);
    assert_eq!(puts(&world), 0);
}

#[test]
fn a_throttled_write_is_read_and_named_because_the_sdk_has_repeated_it_already() {
    let world = World::standard();
    world.cloud.on(PUT).fail(FaultKind::Throttled);
    assert_eq!(error(world.flip(bypass())), ErrorType::Throttled);
    assert_eq!(cloudfront(&world), [GET, PUT, GET], "the read shows that it took no effect");
    assert!(!is_bypassed(&world));
}

#[test]
fn a_throttled_write_that_took_effect_is_recognised() {
    let world = World::standard();
    world.cloud.on(PUT).nth(1).lose_answer(FaultKind::Throttled);
    assert_eq!(outcome(&world.flip(bypass())), "changed");
    assert_eq!(puts(&world), 1);
}

#[test]
fn slow_writes_end_before_the_time_of_the_function_is_up() {
    let world = World::standard();
    let deadline = world.deadline();
    world.cloud.on(PUT).take(SignedDuration::from_secs(10));
    world.cloud.on(PUT).fail(FaultKind::Unknown);
    assert_eq!(error(world.flip(bypass())), ErrorType::Unavailable);
    assert!(now(&world) + SignedDuration::from_secs(5) <= deadline, "ended at {}", now(&world));
}

#[test]
fn a_document_that_is_not_whole_is_never_written() {
    let rich = World::standard().configuration();
    // Other elements have an `Enabled` of their own; this one is the distribution's.
    let enabled = "</PriceClass><Enabled>true</Enabled>";
    let target = "<TargetOriginId>failopen-www</TargetOriginId>";
    assert_eq!((rich.matches(enabled).count(), rich.matches(target).count()), (1, 1));
    let cases = [
        ("an empty answer", String::new()),
        ("HTML with status 200", "<html><body>Service Unavailable</body></html>".to_owned()),
        ("half a document", rich[..rich.len() / 2].to_owned()),
        ("a document without its last bracket", rich.trim_end().trim_end_matches('>').to_owned()),
        ("a second document behind the first", format!("{rich}{rich}")),
        ("no Enabled", rich.replacen(enabled, "</PriceClass>", 1)),
        ("Enabled twice", rich.replacen(enabled, &format!("{enabled}<Enabled>false</Enabled>"), 1)),
        ("two default targets", rich.replacen(target, &target.repeat(2), 1)),
        ("no default target", rich.replacen(target, "", 1)),
    ];
    for (what, bytes) in cases {
        let world = World::standard();
        world.cloud.cloudfront().garble(&distribution(), bytes);
        for request in [bypass(), converge_now(&world, "bypassed"), break_glass()] {
            let failure = world.flip(request).expect_err(what);
            assert_eq!(failure.error_type, ErrorType::MalformedDistribution, "{what}: {failure}");
        }
        assert_eq!(puts(&world), 0, "{what}");
        assert_eq!(world.row().pin, None, "{what}");
    }
}

#[test]
fn another_distributions_document_is_refused() {
    let world = World::standard();
    let other = world.configuration().replacen("console-2019-06-14T09:21:44.512Z", "someone-elses", 1);
    world.cloud.cloudfront().garble(&distribution(), other);
    for request in [bypass(), restore(), converge_now(&world, "bypassed")] {
        assert!(matches!(error(world.flip(request)), ErrorType::MalformedDistribution | ErrorType::ForeignTarget));
    }
    assert_eq!(puts(&world), 0);
}

#[test]
fn an_inspection_origin_that_leads_elsewhere_is_not_restored_to() {
    let world = World::standard();
    world.flip(bypass()).expect("bypassed");
    world.cloud.cloudfront().edit(&distribution(), now(&world), |text| {
        text.replacen("<DomainName>cq-origin-www.cq-route.com<", "<DomainName>elsewhere.example.com<", 1)
    });
    assert_eq!(error(world.flip(restore())), ErrorType::ForeignTarget);
    assert!(is_bypassed(&world));
}

#[test]
fn without_the_ledger_nothing_moves_but_by_break_glass() {
    let world = World::standard();
    world.cloud.on_any(&Operation::LEDGER).fail(FaultKind::Unknown);
    for request in [bypass(), restore(), status(), converge_now(&world, "bypassed")] {
        let failure = world.flip(request).expect_err("the ledger is down");
        assert_eq!(failure.error_type, ErrorType::LedgerUnavailable);
        assert!(failure.message.contains("break-glass"), "{}", failure.message);
    }
    assert_eq!(puts(&world), 0);
    world.cloud.clear_calls();
    let answer = world.flip(break_glass()).expect("break-glass needs no ledger");
    assert_eq!(answer["outcome"], "changed");
    assert_eq!(answer["behaviors"], json!([{"pathPattern": "*", "from": "failopen-www", "to": "app & co"}]));
    assert!(is_bypassed(&world));
    assert_eq!(world.cloud.sequence(&Operation::LEDGER), []);
    assert_eq!(cloudfront(&world), [GET, PUT, GET]);
    assert_eq!(outcome(&world.flip(break_glass())), "unchanged");
}

#[test]
fn a_ledger_that_cannot_be_written_stops_a_flip_before_it_begins() {
    let world = World::standard();
    world.cloud.on(Operation::PutItem).fail(FaultKind::AccessDenied);
    for request in [bypass(), converge_now(&world, "bypassed")] {
        assert_eq!(error(world.flip(request)), ErrorType::LedgerUnavailable);
    }
    assert_eq!(puts(&world), 0);
}

/// Every request of an operator that writes the ledger, each for a world in which it changes something.
fn overrides() -> [(World, Value); 5] {
    let bypassed = World::standard();
    bypassed.flip(bypass()).expect("bypassed");
    let pinned = World::standard();
    pinned.edit_row(|row| {
        row.pin = Some(Pin {
            posture: PinPosture::Hold,
            reason: "INC-1".to_owned(),
            requested_by: None,
            since: START.parse().expect("a timestamp"),
            expires_at: None,
        });
    });
    let latched = World::standard();
    let since = now(&latched);
    latched.edit_row(|row| row.latch = Some(Latch { since, because: "too many flips".to_owned() }));
    [
        (World::standard(), bypass()),
        (bypassed, restore()),
        (World::standard(), json!({"action": "pin", "protection": "www", "posture": "bypassed", "reason": "INC-1"})),
        (pinned, json!({"action": "unpin", "protection": "www"})),
        (latched, json!({"action": "unlatch", "protection": "www", "reason": "INC-1"})),
    ]
}

#[test]
fn an_operators_write_to_the_ledger_whose_answer_was_lost_is_read_again_and_is_done() {
    for kind in [FaultKind::Unknown, FaultKind::Throttled] {
        for (world, request) in overrides() {
            world.cloud.on(Operation::PutItem).nth(1).lose_answer(kind);
            world.cloud.clear_calls();
            assert_eq!(outcome(&world.flip(request.clone())), "changed", "{request}");
            let ledger = world.cloud.sequence(&Operation::LEDGER);
            let write = ledger.iter().position(|call| *call == Operation::PutItem).expect("a write");
            assert_eq!(ledger.get(write + 1), Some(&Operation::GetItem), "{request}: {ledger:?}");
        }
    }
}

#[test]
fn an_operators_write_to_the_ledger_that_did_not_arrive_is_read_again_and_repeated() {
    for kind in [FaultKind::Unknown, FaultKind::Throttled] {
        for (world, request) in overrides() {
            world.cloud.on(Operation::PutItem).nth(1).fail(kind);
            assert_eq!(outcome(&world.flip(request.clone())), "changed", "{request}");
            assert_eq!(world.row().flips.len(), world.cloud.cloudfront().versions(&distribution()).len() - 1);
        }
    }
}

#[test]
fn nobody_is_told_that_nothing_was_changed_while_the_ledger_may_hold_what_was_asked_for() {
    for (world, request) in overrides() {
        world.cloud.on(Operation::PutItem).nth(1).lose_answer(FaultKind::Unknown);
        world.cloud.on(Operation::PutItem).nth(1).after(|cloud| cloud.on(Operation::GetItem).fail(FaultKind::Unknown));
        let failure = world.flip(request.clone()).expect_err("the row cannot be read again");
        assert_eq!(failure.error_type, ErrorType::LedgerUnavailable);
        assert!(!failure.message.contains("nothing was changed"), "{request}: {failure}");
        for part in ["not known", "within a minute", r#"{"action":"status","protection":"www"}"#] {
            assert!(failure.message.contains(part), "{request}: {part} is missing in {failure}");
        }
        world.cloud.heal();
        if request["action"] == "bypass" {
            world.tick();
            assert!(is_bypassed(&world), "the row has the pin, and react acts on it");
        }
    }
}

#[test]
fn nobody_is_told_that_nothing_was_changed_while_an_earlier_write_may_be_in_force() {
    type Later = fn(&FakeCloud);
    let later: [(&str, Later); 4] = [
        ("the next write is denied", |cloud| cloud.on(PUT).fail(FaultKind::AccessDenied)),
        ("the next write is refused", |cloud| cloud.on(PUT).fail(FaultKind::Refused)),
        ("the reading is denied", |cloud| cloud.on(GET).fail(FaultKind::AccessDenied)),
        ("the reading is not whole", |cloud| cloud.cloudfront().garble(&distribution(), "<Distribution")),
    ];
    for (what, happens) in later {
        for request in [bypass(), converge_now(&World::standard(), "bypassed"), break_glass()] {
            let world = World::standard();
            world.cloud.on(PUT).nth(1).before(happens);
            world.cloud.on(PUT).nth(1).fail(FaultKind::Unknown);
            let failure = world.flip(request.clone()).expect_err(what);
            assert!(!failure.message.contains("nothing was changed"), "{what}, {request}: {failure}");
            for part in ["not known", "E2EXAMPLE", "`status`", "same command again"] {
                assert!(failure.message.contains(part), "{what}, {request}: {part} is missing in {failure}");
            }
        }
    }
}

#[test]
fn an_override_that_is_in_force_is_told_as_that_where_the_distribution_cannot_be_read() {
    type Trouble = fn(&FakeCloud);
    let troubles: [Trouble; 2] = [
        |cloud| cloud.on(GET).fail(FaultKind::AccessDenied),
        |cloud| cloud.cloudfront().garble(&distribution(), "<Distribution"),
    ];
    for trouble in troubles {
        for (world, request) in overrides().into_iter().skip(2) {
            trouble(&world.cloud);
            let failure = world.flip(request.clone()).expect_err("it cannot be read");
            assert!(failure.message.starts_with("The ledger has it"), "{request}: {failure}");
            assert!(!failure.message.contains("nothing was changed"), "{request}: {failure}");
        }
    }
}

#[test]
fn a_pin_of_a_failed_request_that_could_not_be_taken_back_is_told() {
    let world = World::standard();
    world.cloud.on(PUT).before(|cloud| cloud.on(Operation::PutItem).fail(FaultKind::AccessDenied));
    world.cloud.on(PUT).fail(FaultKind::AccessDenied);
    let failure = world.flip(bypass()).expect_err("it is denied");
    assert_eq!(failure.error_type, ErrorType::AccessDenied);
    assert!(world.row().pin.is_some(), "the pin is still there");
    for part in ["pin", "within a minute", r#"{"action":"unpin","protection":"www"}"#] {
        assert!(failure.message.contains(part), "{part} is missing in {failure}");
    }
}

#[test]
fn a_pin_that_arrives_while_a_request_is_on_its_way_is_what_its_failure_leaves() {
    let hold = Pin {
        posture: PinPosture::Hold,
        reason: "CHG-7".to_owned(),
        requested_by: None,
        since: START.parse().expect("a timestamp"),
        expires_at: None,
    };
    for lost in [None, Some(FaultKind::Unknown)] {
        let world = World::standard();
        let pin = hold.clone();
        // Between the reading of the row and its amendment.
        world.cloud.on(GET).nth(1).after(move |cloud| {
            cloud.ledger().edit(&"www".into(), |row| row.pin = Some(pin.clone()));
        });
        if let Some(kind) = lost {
            // The amendment is made twice: it was applied the first time, and somebody else has written since.
            world.cloud.on(Operation::PutItem).nth(1).lose_answer(kind);
            world.cloud.on(Operation::PutItem).nth(1).after(|cloud| {
                cloud.ledger().edit(&"www".into(), |row| row.watch.drift_read_at = START.parse().ok());
            });
        }
        world.cloud.on(PUT).fail(FaultKind::AccessDenied);
        let failure = world.flip(bypass()).expect_err("denied");
        assert_eq!(failure.error_type, ErrorType::AccessDenied);
        assert!(failure.message.contains("(`CHG-7`) is in force again"), "{failure}");
        assert_eq!(world.row().pin, Some(hold.clone()), "{lost:?}");
    }
}

#[test]
fn a_pin_that_has_ended_or_was_replaced_while_a_request_failed_is_not_told_as_in_force_again() {
    let mut former = Pin {
        posture: PinPosture::Hold,
        reason: "CHG-7".to_owned(),
        requested_by: None,
        since: START.parse().expect("a timestamp"),
        expires_at: None,
    };
    let world = World::standard();
    former.expires_at = Some(now(&world) + minutes(1));
    world.edit_row(|row| row.pin = Some(former.clone()));
    let clock = world.clock.clone();
    world.cloud.on(PUT).before(move |_| clock.advance(minutes(2)));
    world.cloud.on(PUT).fail(FaultKind::AccessDenied);
    let failure = world.flip(bypass()).expect_err("denied");
    assert!(!failure.message.contains("in force"), "{failure}");
    assert_eq!(world.row().pin, Some(former.clone()), "as it was");

    let world = World::standard();
    world.edit_row(|row| row.pin = Some(Pin { expires_at: None, ..former.clone() }));
    let newer = Pin { reason: "CHG-8".to_owned(), expires_at: None, ..former.clone() };
    let pin = newer.clone();
    world.cloud.on(PUT).before(move |cloud| cloud.ledger().edit(&"www".into(), |row| row.pin = Some(pin.clone())));
    world.cloud.on(PUT).fail(FaultKind::AccessDenied);
    let failure = world.flip(bypass()).expect_err("denied");
    assert!(failure.message.contains("(`CHG-8`) is in force;") && !failure.message.contains("CHG-7"), "{failure}");
    assert_eq!(world.row().pin, Some(newer));
}

#[test]
fn a_flip_that_is_in_force_and_not_recorded_is_not_told_as_nothing() {
    let world = World::standard();
    world.cloud.on(PUT).after(|cloud| cloud.on(Operation::PutItem).fail(FaultKind::AccessDenied));
    let answer = world.flip(bypass()).expect("bypassed");
    let because = answer["because"].as_str().expect("a text");
    assert!(because.contains("could not be recorded") && !because.contains("nothing was changed"), "{because}");
}

#[test]
fn break_glass_moves_exactly_the_paths_it_names_and_only_between_the_origins_it_names() {
    let world = three_behaviors();
    let request = with(break_glass(), "paths", json!(["*", "/checkout/*"]));
    assert_eq!(outcome(&world.flip(request)), "changed");
    assert_eq!(world.target("*"), application_origin());
    assert_eq!(world.target("/checkout/*"), application_origin());
    assert_eq!(world.target("/new/*"), inspection_origin());
    let foreign = with(break_glass(), "paths", json!(["/static/*"]));
    assert_eq!(error(world.flip(foreign)), ErrorType::ForeignTarget);
    let misnamed = with(with(break_glass(), "to", json!("nowhere")), "paths", json!(["*", "/nothing/*"]));
    let failure = world.flip(misnamed).expect_err("nothing of it is there");
    assert_eq!(failure.error_type, ErrorType::ForeignTarget);
    for part in [
        "Nothing was changed",
        "no origin `nowhere`",
        "no behaviour `/nothing/*`",
        "`failopen-www` (cq-origin-www",
        "dryRun",
    ] {
        assert!(failure.message.contains(part), "{part} is missing in {failure}");
    }
    let back = json!({
        "action": "restore", "distribution": "E2EXAMPLE", "from": "app & co", "to": "failopen-www",
        "paths": ["*"], "reason": "INC-42"
    });
    assert_eq!(outcome(&world.flip(back)), "changed");
    assert_eq!(world.target("*"), inspection_origin());
}

#[test]
fn break_glass_says_who_may_undo_it_and_how_to_pin_it() {
    let back = json!({
        "action": "restore", "distribution": "E2EXAMPLE", "from": "app & co", "to": "failopen-www", "reason": "INC-42"
    });
    let world = World::standard();
    for (request, posture) in [(break_glass(), "bypassed"), (back, "inspected")] {
        let answer = world.flip(request).expect("changed");
        let because = answer["because"].as_str().expect("a text");
        let pin = format!(r#"{{"action":"pin","posture":"{posture}","protection":"www","reason":"INC-42"}}"#);
        for part in ["INC-42", "ledger", "pin in force", "within a minute", "while the alarm rings", pin.as_str()] {
            assert!(because.contains(part), "{part} is missing in {because}");
        }
        assert!(!because.contains("leaves it to operators"), "{because}");
    }
}

#[test]
fn a_mistyped_distribution_is_to_be_checked_and_nothing_is_to_be_deleted() {
    let failure =
        World::standard().flip(with(break_glass(), "distribution", json!("E9OTHER"))).expect_err("there is none");
    assert_eq!(failure.error_type, ErrorType::ForeignTarget);
    assert!(failure.message.contains("Check `distribution`") && !failure.message.contains("delete"), "{failure}");
}

#[test]
fn break_glass_paths_that_are_one_behaviour_to_cloudfront_are_named_as_that() {
    for paths in [json!(["/api/*", "api/*"]), json!(["*", "*"]), json!(["api/*", "/static/*", "/api/*"])] {
        let world = World::standard();
        let failure = world.flip(with(break_glass(), "paths", paths.clone())).expect_err("one behaviour, twice");
        assert_eq!(failure.error_type, ErrorType::InvalidRequest, "{paths}: {failure}");
        assert!(failure.message.contains("names one behaviour twice"), "{failure}");
        assert_eq!(world.cloud.last_call(), 0, "nothing is even read");
    }
}

#[test]
fn a_converge_older_than_two_minutes_is_held() {
    for (age, expected) in [(119, "changed"), (121, "held"), (6 * 3600, "held")] {
        let world = World::standard();
        let request = converge_now(&world, "bypassed");
        world.pass(SignedDuration::from_secs(age));
        let answer = world.flip(request);
        assert_eq!(outcome(&answer), expected, "{age} s old");
        assert_eq!(puts(&world), usize::from(expected == "changed"));
    }
}

#[test]
fn a_converge_from_before_a_newer_flip_pin_or_latch_is_held() {
    let moved_on: [(&str, Happening); 4] = [
        ("a newer flip", |world| {
            world.flip(bypass()).expect("bypassed");
            world.flip(restore()).expect("restored");
            world.edit_row(|row| row.pin = None);
        }),
        ("a pin to hold", |world| {
            let pin = json!({"action": "pin", "protection": "www", "posture": "hold", "reason": "INC-1"});
            world.flip(pin).expect("pinned");
        }),
        ("a pin to the other posture", |world| {
            world.flip(restore()).expect("pinned inspected");
        }),
        ("a latch", |world| {
            let since = world.clock.aws_now();
            world.edit_row(|row| row.latch = Some(Latch { since, because: "too many flips".to_owned() }));
        }),
    ];
    for (what, happen) in moved_on {
        let world = World::standard();
        let request = converge_now(&world, "bypassed");
        world.pass(SignedDuration::from_secs(1));
        happen(&world);
        world.pass(SignedDuration::from_secs(1));
        world.cloud.clear_calls();
        let answer = world.flip(request);
        assert_eq!(outcome(&answer), "held", "{what}");
        assert!(answer.expect("held")["because"].as_str().is_some_and(|because| !because.is_empty()), "{what}");
        assert_eq!(puts(&world), 0, "{what}");
        assert!(!is_bypassed(&world), "{what}");
    }
}

#[test]
fn flip_itself_keeps_the_dwell_time_and_the_budget_whoever_asks() {
    let world = World::with(|spec| spec.automation.maximum_flips_per_day = 2);
    assert_eq!(outcome(&world.flip(converge_now(&world, "bypassed"))), "changed");
    world.pass(SignedDuration::from_secs(299));
    assert_eq!(outcome(&world.flip(converge_now(&world, "inspected"))), "held");
    world.pass(SignedDuration::from_secs(1));
    assert_eq!(outcome(&world.flip(converge_now(&world, "inspected"))), "changed");
    world.pass(minutes(10));
    assert_eq!(outcome(&world.flip(converge_now(&world, "bypassed"))), "held");
    assert_eq!(puts(&world), 2);
}

#[test]
fn a_pin_that_arrives_while_a_converge_is_on_its_way_wins() {
    let world = World::standard();
    let operator = world.clone();
    world.cloud.on(GET).nth(1).after(move |_| {
        let pin = json!({"action": "pin", "protection": "www", "posture": "hold", "reason": "INC-1"});
        operator.flip(pin).expect("pinned");
    });
    assert_eq!(outcome(&world.flip(converge_now(&world, "bypassed"))), "held");
    assert!(!is_bypassed(&world));
    assert_eq!(world.row().pin.map(|pin| pin.posture), Some(PinPosture::Hold));
}

#[test]
fn a_pin_that_arrives_between_two_writes_of_a_converge_wins() {
    let world = World::standard();
    let operator = world.clone();
    world.cloud.on(PUT).nth(1).before(move |cloud| {
        let pin = json!({"action": "pin", "protection": "www", "posture": "hold", "reason": "INC-1"});
        operator.flip(pin).expect("pinned");
        cloud.cloudfront().churn(&distribution());
    });
    let answer = world.flip(converge_now(&world, "bypassed"));
    assert_eq!(outcome(&answer), "held");
    let answer = answer.expect("held");
    assert!(answer["because"].as_str().is_some_and(|because| because.contains("pinned the protection")), "{answer}");
    assert_eq!(answer["posture"], json!({"before": "inspected", "after": "inspected"}));
    assert!(!is_bypassed(&world));
    assert_eq!((puts(&world), world.row().pending), (1, None));
}

#[test]
fn a_converge_whose_write_is_refused_stops_where_the_ledger_cannot_be_read_any_more() {
    let world = World::standard();
    world.cloud.on(PUT).nth(1).before(|cloud| {
        cloud.cloudfront().churn(&distribution());
        cloud.on(Operation::GetItem).first(100).fail(FaultKind::Unknown);
    });
    assert_eq!(error(world.flip(converge_now(&world, "bypassed"))), ErrorType::LedgerUnavailable);
    assert!(!is_bypassed(&world));
    assert_eq!(puts(&world), 1);
}

#[test]
fn a_write_without_an_answer_that_is_not_sent_again_is_in_doubt_and_its_intent_stays() {
    for unread in [false, true] {
        let world = World::standard();
        let operator = world.clone();
        world.cloud.on(PUT).nth(1).fail(FaultKind::Unknown);
        // Nothing has changed, so that write may arrive yet.
        world.cloud.on(GET).nth(2).after(move |cloud| match unread {
            true => cloud.on(Operation::GetItem).first(100).fail(FaultKind::Unknown),
            false => {
                let pin = json!({"action": "pin", "protection": "www", "posture": "hold", "reason": "INC-1"});
                operator.flip(pin).expect("pinned");
            }
        });
        let failure = world.flip(converge_now(&world, "bypassed")).expect_err("nobody knows");
        let expected = if unread { ErrorType::LedgerUnavailable } else { ErrorType::Unavailable };
        assert_eq!(failure.error_type, expected, "{}", failure.message);
        assert!(
            failure.message.starts_with("Whether distribution E2EXAMPLE was flipped is not known"),
            "{}",
            failure.message
        );
        assert_eq!((puts(&world), world.row().pending.is_some()), (1, true), "{unread}");
    }
}

#[test]
fn an_operator_whose_flip_is_in_doubt_hears_that_the_pin_stays() {
    let world = World::standard();
    world.cloud.on(PUT).nth(1).fail(FaultKind::Unknown);
    world.cloud.on(GET).nth(2).fail(FaultKind::Unknown);
    let failure = world.flip(bypass()).expect_err("nobody knows");
    assert_eq!(world.row().pin.map(|pin| pin.posture), Some(PinPosture::Bypassed));
    let advice = "The pin of this request stays, so automation tries the same within a minute: if that is not wanted, send \
                  {\"action\":\"unpin\",\"protection\":\"www\"}.";
    assert!(failure.message.ends_with(advice), "{}", failure.message);
    world.cloud.heal();
    world.live(2);
    assert!(is_bypassed(&world), "and so it does");
}

#[test]
fn a_flip_that_took_the_place_of_a_dead_one_is_written_again_while_nothing_has_changed() {
    let world = World::standard();
    world.edit_row(|row| row.pending = Some(dead_intent(now(&world))));
    world.cloud.on(PUT).nth(1).fail(FaultKind::Unknown);
    assert_eq!(outcome(&world.flip(converge_now(&world, "bypassed"))), "changed");
    assert_eq!((puts(&world), world.row().automatic_flips_in_a_day(now(&world))), (2, 1));
}

/// Of a flip that died two minutes ago before it wrote anything.
fn dead_intent(now: Timestamp) -> PendingFlip {
    PendingFlip {
        at: now - minutes(2),
        from: Posture::Inspected,
        to: Side::Bypassed,
        by: FlippedBy::Automation,
        reason: "AlarmActive".to_owned(),
        requested_by: None,
    }
}

#[test]
fn an_update_of_what_is_protected_between_two_writes_of_a_converge_holds_it() {
    let world = World::standard();
    let deployment = world.clone();
    world.cloud.on(PUT).nth(1).before(move |cloud| {
        deployment.edit_row(|row| row.spec.failover_record = "cq-origin-new.cq-route.com".into());
        cloud.cloudfront().churn(&distribution());
    });
    let answer = world.flip(converge_now(&world, "bypassed"));
    assert_eq!(outcome(&answer), "held");
    let because = answer.expect("held")["because"].to_string();
    assert!(because.contains("an Update has changed what is protected"), "{because}");
    assert_eq!((is_bypassed(&world), world.row().pending), (false, None));
}

#[test]
fn an_intent_whose_write_was_not_answered_holds_no_flip_of_its_own() {
    let world = World::standard();
    let deployment = world.clone();
    world.cloud.on(Operation::PutItem).nth(1).lose_answer(FaultKind::Unknown);
    // Somebody else writes the row right afterwards, so that it is not what was written.
    world.cloud.on(Operation::GetItem).nth(3).before(move |_| deployment.edit_row(|row| row.unlatched_at = None));
    assert_eq!(outcome(&world.flip(converge_now(&world, "bypassed"))), "changed");
    assert!(is_bypassed(&world));
    assert_eq!((world.row().automatic_flips_in_a_day(now(&world)), world.row().pending), (1, None));
}

/// The clock of a function that is two minutes ahead.
struct Ahead(FakeClock);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        self.0.now() + minutes(2)
    }

    async fn sleep(&self, duration: SignedDuration) {
        self.0.sleep(duration).await;
    }
}

#[test]
fn a_flip_that_another_functions_clock_took_for_over_is_not_made_or_counted_twice() {
    for (calls_before_the_record, is_restored) in [(0, true), (3, true), (0, false), (3, false), (9, false)] {
        let world = World::with(|spec| spec.automation.maximum_flips_per_day = 1);
        let (commands, ahead) = (Commands::new(FLIP_ARN), Ahead(world.clock.clone()));
        let request = converge_now(&world, "bypassed");
        let later = with(request.clone(), "decidedAt", json!(ahead.now().to_string()));
        let deadline = world.deadline();
        let handle = failopen_flip::handle(&commands, &world.cloud, &world.clock, deadline, request);
        let mut first = world.cloud.process(handle);
        let handle = failopen_flip::handle(&commands, &world.cloud, &ahead, deadline + minutes(2), later);
        let mut second = world.cloud.process(handle);
        // Row, distribution, row, intent; the second one takes that for over and replaces it.
        first.advance(4, Moment::After);
        second.advance(4, Moment::After);
        // The first one's write is in force, and somebody may restore by hand.
        first.advance(1, Moment::After);
        if is_restored {
            world.retarget_by_hand("*", &inspection_origin());
        }
        // The second one's write is refused, and it reads again, before the first one records its flip or after that.
        second.advance(calls_before_the_record, Moment::After);
        assert_eq!(outcome(&first.finish()), "changed");
        let context = format!("{calls_before_the_record} calls before the record, restored: {is_restored}");
        assert_eq!(outcome(&second.finish()), if is_restored { "held" } else { "changed" }, "{context}");
        assert_eq!(is_bypassed(&world), !is_restored, "{context}");
        let counted = world.row().automatic_flips_in_a_day(now(&world));
        assert_eq!((counted, world.row().pending), (1, None), "{context}");
    }
}

#[test]
fn a_converge_sets_no_pin_and_counts_as_an_automatic_flip() {
    let world = World::standard();
    let answer = world.flip(converge_now(&world, "bypassed")).expect("changed");
    assert_eq!(answer["pin"], Value::Null);
    assert_eq!(answer["action"], "converge");
    assert!(answer["because"].as_str().is_some_and(|because| because.contains("failopen-www-inspection")));
    assert_eq!(world.row().pin, None);
    assert_eq!(world.row().automatic_flips_in_a_day(now(&world)), 1);
    assert_eq!(world.cloud.outbox().metric("Flips"), Some(1));
}

#[test]
fn a_converge_delivered_twice_changes_once() {
    let world = World::standard();
    let request = converge_now(&world, "bypassed");
    assert_eq!(outcome(&world.flip(request.clone())), "changed");
    let again = world.flip(request);
    assert!(["unchanged", "held"].contains(&outcome(&again)));
    assert_eq!(puts(&world), 1);
    assert_eq!(world.row().flips.len(), 1);
}

#[test]
fn a_converge_that_meets_a_flip_at_work_does_not_make_two_flips_of_one() {
    let world = World::standard();
    let other = world.clone();
    world.cloud.on(PUT).nth(1).before(move |_| {
        // The first one's intent is in the ledger, and its write is on the way.
        let answer = other.flip(converge_now(&other, "bypassed"));
        assert_eq!(outcome(&answer), "held", "{answer:?}");
    });
    assert_eq!(outcome(&world.flip(converge_now(&world, "bypassed"))), "changed");
    assert_eq!((puts(&world), world.row().flips.len()), (1, 1));
}

#[test]
fn two_flips_at_once_end_with_one_change() {
    let world = World::standard();
    world.cloud.interleave();
    let commands = failopen::commands::Commands::new(FLIP_ARN);
    let deadline = world.deadline();
    let request = converge_now(&world, "bypassed");
    let flip = || failopen_flip::handle(&commands, &world.cloud, &world.clock, deadline, request.clone());
    let (first, second) = world.cloud.run(async { tokio::join!(flip(), flip()) }).finished();
    for answer in [&first, &second] {
        assert!(["changed", "unchanged", "held"].contains(&outcome(answer)), "{answer:?}");
    }
    assert!(is_bypassed(&world));
    assert_eq!(world.cloud.count_answered(PUT), 1);
    assert_eq!(world.row().flips.len(), 1);
    assert_eq!(world.row().pending, None);
}

#[test]
fn a_latch_never_blocks_an_operator() {
    let world = World::standard();
    let since = now(&world);
    world.edit_row(|row| row.latch = Some(Latch { since, because: "too many flips".to_owned() }));
    assert_eq!(outcome(&world.flip(bypass())), "changed");
    assert_eq!(outcome(&world.flip(restore())), "changed");
    let unlatch = json!({"action": "unlatch", "protection": "www", "reason": "INC-9"});
    assert_eq!(outcome(&world.flip(unlatch.clone())), "changed");
    assert_eq!(world.row().latch, None);
    assert_eq!(outcome(&world.flip(unlatch)), "unchanged");
}

#[test]
fn operators_are_limited_by_neither_budget_nor_dwell() {
    let world = World::with(|spec| spec.automation.maximum_flips_per_day = 1);
    for _ in 0..5 {
        assert_eq!(outcome(&world.flip(bypass())), "changed");
        assert_eq!(outcome(&world.flip(restore())), "changed");
    }
    assert_eq!(world.row().latch, None);
}

#[test]
fn pin_and_unpin_are_answered_in_the_contracts_words() {
    let world = World::standard();
    let pin = json!({"action": "pin", "protection": "www", "posture": "hold", "reason": "INC-1", "expiresIn": "30m"});
    let answer = world.flip(pin.clone()).expect("pinned");
    assert_eq!((&answer["action"], &answer["outcome"]), (&json!("pin"), &json!("changed")));
    assert_eq!(answer["pin"]["posture"], "hold");
    assert_eq!(answer["pin"]["expiresAt"], "2026-11-22T12:30:00Z");
    assert_eq!(answer["posture"], json!({"before": "inspected", "after": "inspected"}));
    let unpin = json!({"action": "unpin", "protection": "www"});
    let answer = world.flip(unpin.clone()).expect("unpinned");
    assert_eq!((&answer["action"], &answer["outcome"]), (&json!("unpin"), &json!("changed")));
    assert_eq!(answer["pin"], Value::Null);
    assert_eq!(world.row().pin_ended_at, Some(now(&world)));
    assert_eq!(outcome(&world.flip(unpin)), "unchanged");
}

#[test]
fn a_protection_that_is_being_deleted_is_not_flipped() {
    let world = World::standard();
    world.edit_row(|row| row.lifecycle = Lifecycle::Deleting);
    assert_eq!(error(world.flip(bypass())), ErrorType::Unavailable);
    let held = world.flip(converge_now(&world, "bypassed"));
    assert!(held.is_err() || outcome(&held) == "held");
    assert_eq!(puts(&world), 0);
}

#[test]
fn a_healthy_status_is_the_contracts() {
    let world = World::standard();
    let mut answer = world.flip(status()).expect("answered");
    assert!(answer["decision"]["because"].take().as_str().is_some_and(|because| !because.is_empty()));
    assert_eq!(
        answer,
        json!({
            "protection": "www", "action": "status",
            "traffic": "inspected", "posture": "inspected",
            "alarm": {"name": "failopen-www-inspection", "state": "OK", "since": "2026-11-21T12:00:00Z"},
            "health": {
                "healthCheckId": health_check(&world).as_str(), "inspection": "healthy", "application": "healthy",
                "checkersHealthyPercent": 100
            },
            "ledger": {"lastFlipAt": null, "flipsToday": 0, "latched": false},
            "pin": null,
            "decision": {"decision": "hold", "reason": "AlreadyThere", "because": null},
            "drift": [],
            "distribution": {"id": "E2EXAMPLE", "status": "Deployed"}
        })
    );
    assert_eq!(world.cloud.calls().iter().filter(|call| call.operation.is_write()).count(), 0);
}

#[test]
fn a_status_shows_drift_health_and_because_of_faults_that_are_there() {
    let world = World::standard();
    world.inspection_dies();
    world.application_dies();
    world.cloud.route53().edit_records(&zone().id, &failover_record(), |record| record.ttl = Some(300));
    let answer = world.flip(status()).expect("answered");
    assert_eq!(answer["traffic"], "bypassed-dns");
    assert_eq!(answer["alarm"]["state"], "ALARM");
    assert_eq!(
        answer["health"],
        json!({
            "healthCheckId": health_check(&world).as_str(), "inspection": "unhealthy", "application": "unhealthy",
            "checkersHealthyPercent": 0
        })
    );
    assert_eq!(answer["decision"]["reason"], "ApplicationUnhealthy");
    assert!(answer["decision"]["because"].as_str().is_some_and(|text| text.contains("connection refused")));
    let drift = answer["drift"].as_array().expect("a list");
    assert!(!drift.is_empty());
    for entry in drift {
        assert!(entry["what"].as_str().is_some_and(|what| what.contains("cq-origin-www.cq-route.com")), "{entry}");
        assert_eq!((&entry["expected"], &entry["found"]), (&json!("30"), &json!("300")));
        assert!(entry["since"].is_string());
    }
}

#[test]
fn a_status_says_since_when_a_drift_has_been_seen() {
    let world = World::standard();
    world.cloud.route53().edit_records(&zone().id, &failover_record(), |record| record.ttl = Some(300));
    world.live(1);
    world.pass(minutes(10));
    let answer = world.flip(status()).expect("answered");
    assert_eq!(answer["drift"][0]["since"], START);
}

#[test]
fn a_status_after_a_flip_shows_pin_ledger_and_propagation() {
    let world = World::standard();
    world.flip(bypass()).expect("bypassed");
    let answer = world.flip(status()).expect("answered");
    assert_eq!((&answer["posture"], &answer["traffic"]), (&json!("bypassed"), &json!("bypassed-edge")));
    assert_eq!(answer["pin"]["posture"], "bypassed");
    assert_eq!(answer["ledger"]["lastFlipAt"], START);
    assert_eq!(answer["decision"]["reason"], "Pinned");
    assert_eq!(answer["distribution"]["status"], "InProgress");
    assert_eq!(answer["drift"], json!([]), "an operator's bypass is no drift");
    world.pass(minutes(10));
    assert_eq!(world.flip(status()).expect("answered")["distribution"]["status"], "Deployed");
}

#[test]
fn a_status_of_an_unchecked_application_and_a_silent_alarm_says_so() {
    let world = World::with(|spec| spec.application_check = ApplicationCheck::None);
    world.set_alarm(AlarmState::InsufficientData);
    world.cloud.on(Operation::GetHealthCheckStatus).fail(FaultKind::Throttled);
    let answer = world.flip(status()).expect("answered");
    assert_eq!(answer["health"]["application"], "not-checked");
    assert_eq!(answer["health"]["inspection"], "unknown");
    assert_eq!(answer["health"]["checkersHealthyPercent"], Value::Null);
    assert_eq!(answer["decision"]["reason"], "NoHealthData");
}

#[test]
fn a_status_does_not_call_alarms_missing_that_could_not_be_read() {
    let world = World::standard();
    world.cloud.on(Operation::DescribeAlarms).fail(FaultKind::Throttled);
    let answer = world.flip(status()).expect("answered");
    assert_eq!(answer["alarm"], json!({"name": "failopen-www-inspection", "state": "UNKNOWN", "since": null}));
    assert_eq!(answer["decision"]["reason"], "NoHealthData");
    let because = answer["decision"]["because"].as_str().expect("a text");
    assert!(because.contains("the alarms could not be read"), "{because}");
    assert_eq!(answer["drift"], json!([]));
    world.cloud.heal();
    world.cloud.cloudwatch().remove(&"failopen-www-inspection".into());
    assert_eq!(world.flip(status()).expect("answered")["alarm"]["state"], "MISSING");
}

#[test]
fn a_status_without_a_name_lists_all() {
    let world = World::with(|spec| spec.traffic = vec![PathPattern::new("/api/*")]);
    world.provision(&shop());
    let answer = world.flip(json!({"action": "status"})).expect("answered");
    let names: Vec<&str> =
        answer["protections"].as_array().expect("a list").iter().filter_map(|p| p["protection"].as_str()).collect();
    assert_eq!(names, ["shop", "www"]);
    let one = world.flip(status()).expect("answered");
    assert_eq!(answer["protections"][1], one);
}

#[test]
fn a_status_that_hangs_is_given_up_in_time_to_answer() {
    for (request, listed) in [(status(), false), (json!({"action": "status"}), true)] {
        let world = World::standard();
        let deadline = world.deadline();
        let (commands, clock) = (Commands::new(FLIP_ARN), Impatient(world.clock.clone()));
        // The ledger answers, and the distribution behind it does not.
        world.cloud.hang_at(2);
        let run = failopen_flip::handle(&commands, &world.cloud, &clock, deadline, request);
        let answer = world.cloud.run(run).finished();
        assert!(now(&world) <= deadline, "ended at {}", now(&world));
        match listed {
            false => assert_eq!(error(answer), ErrorType::Unavailable),
            true => assert_eq!(answer.expect("a list")["protections"][0]["error"]["errorType"], "Unavailable"),
        }
    }
}

/// How many remote calls an undisturbed bypass makes.
fn calls_of_a_bypass() -> u64 {
    let world = World::standard();
    world.flip(bypass()).expect("bypassed");
    assert!(world.cloud.last_call() >= 5, "{} calls", world.cloud.last_call());
    world.cloud.last_call()
}

#[test]
fn a_crash_at_any_call_of_a_bypass_is_mended_by_the_same_request_again() {
    for number in 1..=calls_of_a_bypass() {
        for moment in [Moment::Before, Moment::After] {
            let world = World::standard();
            let original = world.configuration();
            world.cloud.crash_at(number, moment);
            assert_eq!(world.try_flip(bypass()), Run::Crashed, "call {number}");
            assert!(Document::parse(world.configuration().as_bytes()).is_ok());
            let again = world.flip(bypass());
            assert!(["changed", "unchanged"].contains(&outcome(&again)), "call {number} {moment:?}");
            assert!(is_bypassed(&world), "call {number} {moment:?}");
            assert_eq!(world.row().pin.map(|pin| pin.posture), Some(PinPosture::Bypassed));
            assert_eq!(world.cloud.count_answered(PUT) + unanswered_puts(&world), 1, "call {number} {moment:?}");
            world.flip(restore()).expect("restored");
            assert_eq!(world.configuration(), original, "call {number} {moment:?}");
        }
    }
}

#[test]
fn a_bypass_whose_maker_crashed_is_known_as_ours_when_its_pin_ends() {
    let mut found = 0;
    for number in 1..=calls_of_a_bypass() {
        for moment in [Moment::Before, Moment::After] {
            let world = World::standard();
            world.cloud.crash_at(number, moment);
            world.try_flip(bypass());
            if !is_bypassed(&world) {
                continue;
            }
            found += 1;
            world.live(10);
            world.flip(json!({"action": "unpin", "protection": "www"})).expect("unpinned");
            let answer = world.react(events::decide()).expect("an answer");
            assert_eq!(answer["decisions"][0]["reason"], "HoldDown", "call {number} {moment:?}");
        }
    }
    assert!(found >= 3, "{found} crashes left a bypass behind");
}

/// Writes that took effect and whose answer a crashed process never read.
fn unanswered_puts(world: &World) -> usize {
    let accepted = world.cloud.cloudfront().versions(&distribution()).len() - 1;
    accepted - world.cloud.count_answered(PUT)
}

#[test]
fn a_crash_at_any_call_of_a_converge_is_mended_by_ticks_and_the_bypass_stays_ours() {
    let calls = {
        let world = World::standard();
        world.flip(converge_now(&world, "bypassed")).expect("bypassed");
        world.cloud.last_call()
    };
    for number in 1..=calls {
        for moment in [Moment::Before, Moment::After] {
            let world = World::standard();
            world.inspection_dies();
            world.cloud.crash_at(number, moment);
            assert_eq!(world.try_flip(converge_now(&world, "bypassed")), Run::Crashed, "call {number}");
            world.live(7);
            assert!(is_bypassed(&world), "call {number} {moment:?}");
            world.inspection_recovers();
            world.live(25);
            assert!(!is_bypassed(&world), "call {number} {moment:?}: automation undoes its own bypass");
        }
    }
}

#[test]
fn a_read_back_that_shows_something_else_is_said_and_left_alone() {
    let world = World::standard();
    world.cloud.on(PUT).nth(1).after(|cloud| {
        let now = cloud.clock().aws_now();
        cloud.cloudfront().edit(&distribution(), now, |text| text.replacen("index.html", "home.html", 1));
    });
    let answer = world.flip(bypass()).expect("changed");
    assert_eq!(answer["outcome"], "changed");
    assert!(answer["because"].as_str().is_some_and(|because| because.contains("someone else")), "{answer}");
    assert!(world.configuration().contains("home.html"));
}

#[test]
fn header_values_of_the_origins_turn_up_in_no_answer_and_no_log_line() {
    let world = World::standard();
    let logs = Logs::default();
    let mut said = String::new();
    logs.of(|| {
        for request in [status(), bypass(), status(), restore(), break_glass(), converge_now(&world, "inspected")] {
            said.push_str(&format!("{:?}", world.flip(request)));
        }
        let truncated = world.configuration().as_bytes()[..3000].to_vec();
        world.cloud.cloudfront().garble(&distribution(), truncated);
        said.push_str(&format!("{:?}", world.flip(bypass())));
        world.cloud.cloudfront().ungarble(&distribution());
        world.cloud.on(PUT).fail(FaultKind::Refused);
        said.push_str(&format!("{:?}", world.flip(restore())));
        said.push_str(&format!("{:?}", world.react(events::tick())));
    });
    assert!(logs.text().contains("E2EXAMPLE"), "logs are caught");
    let said = format!("{said}{}{:?}{:?}", logs.text(), world.cloud.outbox(), world.row());
    assert!(!said.contains(CANARY));
    let secrets = secrets(&world.document(&distribution()));
    assert!(secrets.len() >= 4, "the sample has secrets to lose");
    for secret in secrets {
        assert!(!said.contains(secret.expose().as_str()));
    }
}

#[test]
fn a_log_line_of_a_flip_names_both_etags() {
    let world = World::standard();
    let before = world.cloud.cloudfront().etag(&distribution()).clone();
    let logs = Logs::default();
    logs.of(|| world.flip(bypass())).expect("bypassed");
    let after = world.cloud.cloudfront().etag(&distribution()).clone();
    let lines: Vec<Value> = logs.text().lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let line = lines.iter().find(|line| line["etag_after"] == after.as_str()).expect("a line about the flip");
    assert_eq!(line["etag_before"], before.as_str());
    assert_eq!(line["decision"], "bypass");
    for field in ["protection", "distribution", "decision", "reason", "because"] {
        assert!(line[field].is_string(), "{field} in {line}");
    }
}

#[test]
fn what_react_asks_for_is_what_flip_understands() {
    let world = World::standard();
    world.inspection_dies();
    world.react(events::alarm_metric()).expect("an answer");
    let request = world.cloud.outbox().converges.first().cloned().expect("react asked");
    let event = converge(&request);
    assert_eq!(event["posture"], "bypassed");
    assert_eq!(event["decidedAt"], START);
    assert_eq!(outcome(&world.flip(event)), "changed");
}

#[test]
fn the_sample_distribution_is_the_world_before_us() {
    let world = World::standard();
    let before = Document::parse(RICH_DISTRIBUTION.as_bytes()).expect("well-formed");
    let after = world.document(&distribution());
    assert_eq!(after.origins().len(), before.origins().len() + 1);
    assert!(before.origin(&OriginId::new("failopen-www")).is_none());
}

#[test]
fn writes_without_an_answer_that_somebody_undoes_at_once_are_one_flip_in_the_ledger() {
    let world = World::standard();
    let person = world.clone();
    world.cloud.on(PUT).first(2).lose_answer(FaultKind::Stale);
    world.cloud.on(PUT).first(2).after(move |_| person.retarget_by_hand("*", &inspection_origin()));
    assert_eq!(outcome(&world.flip(converge_now(&world, "bypassed"))), "changed");
    assert_eq!((puts(&world), world.row().automatic_flips_in_a_day(now(&world))), (3, 1));
}

#[test]
fn a_request_that_could_do_the_opposite_of_what_it_says_is_refused() {
    let world = World::standard();
    for (request, word) in [
        (with(bypass(), "dryRun", Value::Null), "field `dryRun` is null"),
        (with(bypass(), "reason", json!("x".repeat(1_025))), "1025 characters, and 1024 are kept"),
        (with(bypass(), "protection", json!("x".repeat(2_049))), "not the name of a protection"),
        (with(status(), "protection", json!("No Such")), "field `protection` is `No Such`, not the name"),
        (with(break_glass(), "distribution", json!("e2 x")), "field `distribution` is `e2 x`: it must be the id"),
        (
            with(bypass(), "expiresIn", json!("2 hours")),
            "field `expiresIn` is `2 hours`: it must be a text such as \"30m\"",
        ),
        (with(bypass(), "expiresIn", json!(30)), "field `expiresIn` is 30: it must be a text such as \"30m\""),
        (with(bypass(), "expiresIn", json!("")), "field `expiresIn` is ``: it must be"),
        (with(bypass(), "dryrun", json!(true)), "field `dryrun` is not known to `bypass`: did you mean `dryRun`?"),
        (with(status(), "dryRun", json!("banana")), "field `dryRun` is `banana`, not true or false"),
        (with(break_glass(), "to", break_glass()["from"].clone()), "name the same origin, `"),
        (with(bypass(), "\u{1b}[31m".repeat(40).as_str(), json!(1)), "field `\\u{1b}[31m"),
        (with(break_glass(), "action", json!("restore")), "exchange `from` and `to`, or say `bypass`"),
        (
            with(with(break_glass(), "from", json!("app & co")), "to", json!("failopen-www")),
            "exchange `from` and `to`, or say `restore`",
        ),
    ] {
        let failure = world.flip(request).expect_err("it is refused");
        assert_eq!(failure.error_type, ErrorType::InvalidRequest, "{}", failure.message);
        assert!(failure.message.contains(word), "{}", failure.message);
        assert!(failure.message.len() < 900 && !failure.message.contains('\u{1b}'), "{}", failure.message);
    }
    assert_eq!(puts(&world), 0);
}
