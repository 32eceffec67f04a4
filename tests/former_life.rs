//! Requests of a protection's former life that Lambda delivers twice, or that hang on while CloudFormation goes on: the
//! protection is deleted and made anew under the same names, and what is left of the old request must not touch it.
//!
//! `cargo test -p failopen-tests --test former_life -- --nocapture` prints how many runs there were; `SWEEP=full` before it
//! makes four times as many.

#![expect(clippy::print_stdout, reason = "a run says how many overlaps it tried")]

use failopen::ledger::Lifecycle;
use failopen_tests::inventory::Inventory;
use failopen_tests::overlap::Process;
use failopen_tests::stack::{Stack, TIME_OUT};
use failopen_tests::upkeep::Upkeep;
use failopen_tests::world::{OWNER, inspection_origin};
use failopen_tests::{Moment, Operation, World, sweep};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// What CloudFormation sends, in this order: a request, the Delete, and the Create of the next life.
struct Lives {
    former: Value,
    delete: Value,
    next: Value,
}

/// One request of the former life, of which a copy goes on too long.
#[derive(Clone, Copy, Debug)]
enum Former {
    Create,
    Update,
    Delete,
}

fn successful(answer: &Value) {
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
}

impl Former {
    /// The requests, with everything done that comes before the first of them.
    fn lives(self, stack: &mut Stack<'_>) -> Lives {
        stack.set(json!({"Traffic": ["*", "/account/*", "/ours/*"], "RecordTtl": "60"}));
        let mut former = stack.request("Create");
        if !matches!(self, Former::Create) {
            successful(&stack.create());
        }
        match self {
            Former::Create => {}
            Former::Update => {
                let as_created = stack.properties.clone();
                stack.set(json!({"FailoverRecord": "cq-origin-new.cq-route.com", "RecordTtl": "30",
                    "HealthCheck": {"IntervalSeconds": "30"}, "Traffic": ["*", "/checkout/*", "/ours/new/*"]}));
                former = stack.request("Update");
                stack.properties = as_created;
            }
            Former::Delete => former = stack.request("Delete"),
        }
        stack.physical_id.get_or_insert_with(|| "site-Protection-1K2N3B4V5C6X7".to_owned());
        // The Delete itself comes twice; of the others one copy hangs on.
        let delete = if matches!(self, Former::Delete) { former.clone() } else { stack.request("Delete") };
        stack.physical_id = None;
        Lives { former, delete, next: stack.request("Create") }
    }
}

fn process<'p>(stack: &'p Stack<'_>, event: &Value, time_out: SignedDuration) -> Process<'p, ()> {
    let deadline = stack.world.clock.aws_now() + time_out;
    let event = event.clone();
    stack.world.cloud.process(async move {
        // An answer that comes too late is a function error, and no concern here.
        drop(failopen_provision::handle(&stack.engine, &stack.world.cloud, &stack.world.clock, deadline, event).await);
    })
}

/// The time that passes while a copy waits is not taken from the next life, which runs at the same time.
const UNHURRIED: SignedDuration = SignedDuration::from_mins(55);

/// Runs what the functions sent to themselves.
fn continued(stack: &Stack<'_>) {
    loop {
        let Some(event) = stack.world.cloud.outbox().continuations.pop() else { return };
        let event: Value = serde_json::from_str(&event).expect("a continuation is an event");
        stack.invoke(event).finished().expect("no function error");
    }
}

fn was_kept_from_looking(world: &World, next: &Value) -> bool {
    let outbox = world.cloud.outbox();
    let answers = outbox.answers.iter().filter_map(|answer| serde_json::from_str::<Value>(&answer.body).ok());
    let reasons = answers.filter(|answer| answer["RequestId"] == next["RequestId"] && answer["Status"] == "FAILED");
    let is_about_hosts = |reason: &str| {
        [
            "[application-check]",
            "[dns-unresolvable]",
            "[health-check-not-healthy]",
            "[http-timeout]",
            "[tls-unreachable]",
            "GetHealthCheckStatus",
        ]
        .iter()
        .any(|at| reason.contains(at))
    };
    reasons.into_iter().any(|answer| answer["Reason"].as_str().is_some_and(is_about_hosts))
}

/// What there is after the next life alone, the calls of the former request, and how many the next life makes.
fn undisturbed(former: Former) -> (Inventory, Vec<Operation>, u64) {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let lives = former.lives(&mut stack);
    world.cloud.clear_calls();
    process(&stack, &lives.former, TIME_OUT).finish();
    let calls_of_former: Vec<Operation> = world.cloud.calls().iter().map(|call| call.operation).collect();
    process(&stack, &lives.delete, UNHURRIED).finish();
    continued(&stack);
    let before = world.cloud.last_call();
    process(&stack, &lives.next, UNHURRIED).finish();
    assert_eq!(world.row().lifecycle, Lifecycle::Active);
    (Inventory::of(&world.cloud).with_checks_alike(OWNER), calls_of_former, world.cloud.last_call() - before)
}

/// The copy stands still after each of its calls in turn, until the next life has got to a point, or to its end.
fn sweep(former: Former) {
    let (expected, calls, calls_of_next) = undisturbed(former);
    let bare = Inventory::of(&World::bare().cloud);
    let stride = if sweep::is_full() { 3 } else { 12 };
    let (mut runs, mut kept_from_looking, mut failures) = (0_usize, 0_usize, Vec::new());
    for (number, following) in (1_u64..).zip(calls.iter().skip(1)) {
        // CloudWatch takes no condition: whoever stands still between its last look at the ledger and the very write of the
        // alarm is not held up by anything. That is one call apart, and drift tells of the alarm.
        if matches!(following, Operation::PutMetricAlarm | Operation::DeleteAlarms) {
            continue;
        }
        // Some points of the next life, others for each point of the former one, and its end.
        let points = (1..=calls_of_next).filter(|point| (point + number) % stride == 0).map(Some).chain([None]);
        for point in points {
            let context = format!("{former:?} stands still after call {number} until {point:?} of the next life");
            let world = World::bare();
            let watch = Upkeep::of(&world);
            let mut stack = Stack::new(&world);
            let lives = former.lives(&mut stack);
            let mut copy = process(&stack, &lives.former, TIME_OUT);
            copy.advance(number, Moment::After);
            process(&stack, &lives.delete, UNHURRIED).finish();
            continued(&stack);
            let mut next = process(&stack, &lives.next, UNHURRIED);
            match point {
                Some(point) => {
                    // Not in the middle of a call, which would run into its time-out while the copy goes on.
                    next.advance(point, Moment::Before);
                    copy.finish();
                    continued(&stack);
                    next.finish();
                }
                None => {
                    next.finish();
                    copy.finish();
                    continued(&stack);
                }
            }
            runs += 1;
            // Where the copy's waiting was at the cost of a call of the next life that looks at hosts, that life fails and says
            // so, as it would where they do not answer; then its Delete has to find everything.
            if was_kept_from_looking(&world, &lives.next) {
                kept_from_looking += 1;
                stack.physical_id = Some("site-Protection-1K2N3B4V5C6X7".to_owned());
                successful(&stack.delete());
                let left = bare.differences(&Inventory::of(&world.cloud));
                assert!(left.is_empty() && watch.faults().is_empty(), "{context}: {left:?} {:?}", watch.faults());
                continue;
            }
            let found = Inventory::of(&world.cloud).with_checks_alike(OWNER);
            let mut wrong = expected.differences(&found);
            wrong.extend(watch.faults());
            if world.cloud.ledger().get(&"www".into()).is_none_or(|found| found.row.lifecycle != Lifecycle::Active) {
                wrong.push("no active row".to_owned());
            }
            if world.target("*") != inspection_origin() {
                wrong.push("not inspected".to_owned());
            }
            if !wrong.is_empty() {
                let outbox = world.cloud.outbox();
                let answered = outbox.answers.iter().filter(|answer| answer.body.contains("FAILED"));
                wrong.extend(answered.map(|answer| format!("answered {}", answer.body)));
                failures.push(format!("{context}:\n  {}", wrong.join("\n  ")));
            }
        }
    }
    println!(
        "{former:?}: {} calls, {runs} overlaps with the next life, {kept_from_looking} of which cost it a look at a host, \
         {} harmful",
        calls.len(),
        failures.len()
    );
    assert!(runs > calls.len() && kept_from_looking * 4 < runs, "{runs}, {kept_from_looking}");
    assert!(failures.is_empty(), "{}", failures.iter().take(6).cloned().collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_create_that_hangs_on_touches_nothing_of_the_next_life() {
    sweep(Former::Create);
}

#[test]
fn an_update_that_hangs_on_touches_nothing_of_the_next_life() {
    sweep(Former::Update);
}

#[test]
fn a_doubled_delete_touches_nothing_of_the_next_life() {
    sweep(Former::Delete);
}
