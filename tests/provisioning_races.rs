//! Create, Update and Delete among others: flips that act between their calls, a second protection of the same distribution
//! at the same time, requests that Lambda delivers again when CloudFormation has gone on, and calls that fail in every way at
//! every place.
//!
//! `cargo test -p failopen-tests --test provisioning_races -- --nocapture` prints how many runs there were; `SWEEP=full`
//! before it makes three times as many of those that a number orders.

#![expect(clippy::print_stdout, reason = "a run says how many races it ran")]

use std::collections::BTreeMap;
use std::ops::Range;

use failopen::commands::Commands;
use failopen::document::{Edit, NewOrigin};
use failopen::id::{DistributionId, HealthCheckId, OriginId, ProtectionName};
use failopen::ledger::{Lifecycle, MadeDistribution, Replaced};
use failopen::port::FaultKind;
use failopen_tests::cloud::{FakeCloud, Run};
use failopen_tests::faults::Injection;
use failopen_tests::inventory::Inventory;
use failopen_tests::overlap::Process;
use failopen_tests::stack::{Stack, TIME_OUT};
use failopen_tests::upkeep::Upkeep;
use failopen_tests::world::{
    OWNER, RICH_DISTRIBUTION, application_origin, distribution, failover_record, inspection_origin,
};
use failopen_tests::{Moment, Operation, World, sweep};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// One request, and what there is before it.
#[derive(Clone, Copy, Debug)]
enum Scene {
    Create,
    Update,
    Delete,
}

const SCENES: [Scene; 3] = [Scene::Create, Scene::Update, Scene::Delete];

impl Scene {
    fn request(self, stack: &mut Stack<'_>) -> Value {
        stack.set(json!({"Traffic": ["*", "/account/*", "/ours/*"]}));
        match self {
            Scene::Create => return stack.request("Create"),
            Scene::Update | Scene::Delete => assert_eq!(stack.create()["Status"], "SUCCESS"),
        }
        match self {
            Scene::Create | Scene::Delete => stack.request("Delete"),
            Scene::Update => {
                stack.set(json!({"FailoverRecord": "cq-origin-new.cq-route.com", "RecordTtl": "60",
                    "HealthCheck": {"IntervalSeconds": "30"}, "Traffic": ["*", "/checkout/*", "/ours/new/*"]}));
                stack.request("Update")
            }
        }
    }

    /// The calls of the request where nothing goes wrong.
    fn calls(self) -> Vec<Operation> {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        let request = self.request(&mut stack);
        world.cloud.clear_calls();
        assert_eq!(stack.deliver(request)["Status"], "SUCCESS");
        world.cloud.calls().iter().map(|call| call.operation).collect()
    }
}

/// What a person can do next is said in one of these ways.
const ADVICE: [&str; 6] = [
    "try again",
    "delete again",
    "a Delete removes it",
    "a Delete or the next Update",
    "add it to the Allowed… parameters",
    "mend it",
];

fn cleaned_up(world: &World, stack: &mut Stack<'_>, bare: &Inventory, watch: &Upkeep, context: &str) {
    world.cloud.outbox().answers.clear();
    let answer = stack.delete();
    assert_eq!(answer["Status"], "SUCCESS", "{context}: {answer}");
    let differences = bare.differences(&Inventory::of(&world.cloud));
    assert!(differences.is_empty(), "{context}:\n{}", differences.join("\n"));
    assert_eq!(watch.faults(), [""; 0], "{context}");
}

#[test]
fn a_call_that_fails_once_or_for_good_ends_in_one_answer_that_says_what_to_do_and_in_a_delete_that_cleans_up() {
    let once = [
        Injection::Fail(FaultKind::Throttled),
        Injection::Fail(FaultKind::AccessDenied),
        Injection::Fail(FaultKind::Unknown),
        Injection::LoseAnswer(FaultKind::Unknown),
        Injection::LoseAnswer(FaultKind::Throttled),
    ];
    let mut runs: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut helpless = Vec::new();
    for scene in SCENES {
        let calls = scene.calls();
        for (at, operation) in calls.iter().enumerate().filter(|(_, operation)| **operation != Operation::Answer) {
            // For good only at the first call of each operation: from the second on it would be the same as once.
            let is_first = !calls[..at].contains(operation);
            for injection in &once {
                for for_good in [false, true].into_iter().filter(|for_good| !for_good || is_first) {
                    let what = match injection {
                        Injection::Fail(kind) => format!("{kind:?}"),
                        Injection::LoseAnswer(kind) => format!("{kind:?}, and it took effect"),
                        Injection::Before(_) | Injection::After(_) | Injection::Take(_) => continue,
                    };
                    let context = format!("{scene:?}: call {} {operation:?}: {what}, for good: {for_good}", at + 1);
                    let world = World::bare();
                    let bare = Inventory::of(&world.cloud);
                    let watch = Upkeep::of(&world);
                    let mut stack = Stack::new(&world);
                    let request = scene.request(&mut stack);
                    let rule = match for_good {
                        true => world.cloud.on(*operation),
                        false => world.cloud.on_any(&Operation::ALL).nth(at as u64 + 1),
                    };
                    match injection {
                        Injection::Fail(kind) => rule.fail(*kind),
                        Injection::LoseAnswer(kind) => rule.lose_answer(*kind),
                        Injection::Before(_) | Injection::After(_) | Injection::Take(_) => {}
                    }
                    // CloudFormation takes exactly one answer: `deliver` counts.
                    let answer = stack.deliver(request);
                    let failed = answer["Status"] == "FAILED";
                    let reason = answer["Reason"].as_str().unwrap_or_default();
                    if failed && !ADVICE.iter().any(|advice| reason.contains(advice)) {
                        helpless.push(format!("{context}: {reason}"));
                    }
                    world.cloud.heal();
                    watch.resume(&world);
                    cleaned_up(&world, &mut stack, &bare, &watch, &context);
                    let count = runs.entry(format!("{scene:?}, {what}")).or_default();
                    *count = (count.0 + 1, count.1 + u32::from(failed));
                }
            }
        }
    }
    for (what, (runs, failed)) in &runs {
        println!("{what:<45} {runs:>4} runs, {failed:>3} answered FAILED");
    }
    assert_eq!(helpless, [""; 0], "answers that do not say what to do");
    assert_eq!(runs.len(), SCENES.len() * once.len());
}

fn process<'p>(stack: &'p Stack<'_>, event: Value) -> Process<'p, ()> {
    let deadline = stack.world.clock.aws_now() + TIME_OUT;
    stack.world.cloud.process(async move {
        let work = failopen_provision::handle(&stack.engine, &stack.world.cloud, &stack.world.clock, deadline, event);
        work.await.expect("no function error");
    })
}

fn answer_of(world: &World, request: &Value) -> Value {
    let outbox = world.cloud.outbox();
    let mut bodies = outbox.answers.iter().map(|answer| serde_json::from_str::<Value>(&answer.body).expect("JSON"));
    bodies.rfind(|answer| answer["RequestId"] == request["RequestId"]).expect("it is answered")
}

#[test]
fn a_flip_between_any_two_calls_of_an_update_or_a_delete_breaks_neither() {
    let mut runs = 0;
    for scene in [Scene::Update, Scene::Delete] {
        let calls = scene.calls().len() as u64;
        for number in 1..=calls {
            for moment in [Moment::Before, Moment::After] {
                for action in ["bypass", "converge"] {
                    let context = format!("{scene:?}: {action} {moment:?} call {number}");
                    let world = World::bare();
                    let bare = Inventory::of(&world.cloud);
                    let watch = Upkeep::of(&world);
                    let mut stack = Stack::new(&world);
                    let request = scene.request(&mut stack);
                    let mut running = process(&stack, request.clone());
                    running.advance(number, moment);
                    let flipped = world.flip(match action {
                        "bypass" => json!({"action": action, "protection": "www", "reason": "INC-1"}),
                        _ => json!({"action": action, "protection": "www", "posture": "bypassed", "reason": "AlarmActive",
                            "because": "inspection is down", "decidedAt": world.clock.aws_now().to_string()}),
                    });
                    running.finish();
                    let answer = answer_of(&world, &request);
                    assert_eq!(answer["Status"], "SUCCESS", "{context}: {answer}");
                    if let (Scene::Update, Ok(answer)) = (scene, &flipped)
                        && answer["outcome"] == "changed"
                    {
                        assert_eq!(world.target("*"), application_origin(), "{context}: the bypass is undone");
                    }
                    assert_eq!(watch.faults(), [""; 0], "{context}");
                    cleaned_up(&world, &mut stack, &bare, &watch, &context);
                    runs += 1;
                }
            }
        }
    }
    println!("flips between the calls of an Update or a Delete: {runs} runs");
    assert!(runs > 0);
}

/// Pairs of processes, each with its own order: a number for each.
fn seeds() -> Range<u64> {
    0..if sweep::is_full() { 300 } else { 100 }
}

/// Moves two processes on in an order that a seed decides, both to their ends.
fn together(seed: u64, mut one: Process<'_, ()>, mut other: Process<'_, ()>) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let (mut one_runs, mut other_runs) = (true, true);
    while one_runs || other_runs {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let first = if other_runs && one_runs { state & 1 == 0 } else { one_runs };
        if first {
            one_runs = one.step();
        } else {
            other_runs = other.step();
        }
    }
}

/// Two protections of one distribution are made at the same time and removed at the same time, in every order of `seeds`. Returns
/// how many of the Creates succeeded.
fn come_and_go(theirs: &Value) -> usize {
    let mut created = 0;
    for seed in seeds() {
        let context = format!("{theirs}, seed {seed}");
        let world = World::bare();
        let bare = Inventory::of(&world.cloud);
        let watch = Upkeep::of(&world);
        let mut stacks = [Stack::new(&world), Stack::new(&world)];
        stacks[0].set(json!({"Traffic": ["*", "/ours/*"]}));
        stacks[1].set(json!({"Name": "account", "FailoverRecord": "cq-origin-new.cq-route.com", "Traffic": theirs}));
        // A Create that lost the race for the ETag too often is FAILED; its Delete comes as for any other.
        for (round, kind) in ["Create", "Delete", "Delete"].into_iter().enumerate() {
            let mut requests = stacks.each_mut().map(|stack| stack.request(kind));
            requests[1]["LogicalResourceId"] = json!("Second");
            // Both stacks count from one.
            let id = requests[1]["RequestId"].as_str().expect("an id").replacen("-0000-", "-0002-", 1);
            requests[1]["RequestId"] = json!(id);
            let [one, other] = &requests;
            let order = seed * 3 + round as u64;
            together(order, unhurried(&stacks[0], one), unhurried(&stacks[1], other));
            let continuations = std::mem::take(&mut world.cloud.outbox().continuations);
            assert!(continuations.is_empty(), "{context}: both fit one invocation");
            let answers = requests.each_ref().map(|request| answer_of(&world, request));
            let succeeded = answers.iter().filter(|answer| answer["Status"] == "SUCCESS").count();
            match round {
                0 => {
                    assert_ne!(succeeded, 0, "{context}: one of the two is made: {answers:?}");
                    created += succeeded;
                    for made in made_in(&world) {
                        assert_eq!(made.application_origin, application_origin(), "{context}: where a bypass leads");
                    }
                }
                1 => {}
                _ => assert_eq!(succeeded, 2, "{context}: {answers:?}"),
            }
        }
        let differences = bare.differences(&Inventory::of(&world.cloud));
        assert!(differences.is_empty(), "{context}:\n{}", differences.join("\n"));
        assert_eq!(watch.faults(), [""; 0], "{context}");
    }
    println!("two protections, the second one with {theirs}: {created} of {} Creates succeeded", 2 * seeds().count());
    created
}

/// What the protections claim in distributions.
fn made_in(world: &World) -> Vec<MadeDistribution> {
    let names = ["www", "account"].map(ProtectionName::new);
    let rows = names.iter().filter_map(|name| world.cloud.ledger().get(name));
    rows.filter_map(|found| found.row.made.distribution).collect()
}

#[test]
fn two_protections_of_one_distribution_come_and_go_at_the_same_time() {
    let created = come_and_go(&json!(["/account/*", "/theirs/*"]));
    assert!(created > seeds().count(), "both are made now and then: {created}");
}

#[test]
fn of_two_protections_that_come_at_the_same_time_none_takes_the_inspection_of_the_other_for_the_application() {
    // The one behaviour that both want; and a pattern that the behaviour serves which the other one points at its inspection.
    for theirs in [json!(["*"]), json!(["/theirs/*"])] {
        assert_ne!(come_and_go(&theirs), 0);
    }
}

/// The time that passes while another process runs is not taken from this one.
const UNHURRIED: SignedDuration = SignedDuration::from_mins(55);

fn unhurried<'p>(stack: &'p Stack<'_>, event: &Value) -> Process<'p, ()> {
    let deadline = stack.world.clock.aws_now() + UNHURRIED;
    let event = event.clone();
    stack.world.cloud.process(async move {
        let work = failopen_provision::handle(&stack.engine, &stack.world.cloud, &stack.world.clock, deadline, event);
        work.await.expect("no function error");
    })
}

/// A protection that is there, an Update of it, and the Update that rolls that one back.
fn rolled_back(stack: &mut Stack<'_>) -> (Value, Value) {
    stack.set(json!({"Traffic": ["*", "/ours/*"], "RecordTtl": "60"}));
    assert_eq!(stack.create()["Status"], "SUCCESS");
    let as_created = stack.properties.clone();
    stack.set(json!({"Traffic": ["*", "/ours/new/*"], "RecordTtl": "30"}));
    let older = stack.request("Update");
    stack.properties = as_created;
    (older, stack.request("Update"))
}

/// How many calls a request makes where nothing goes wrong, and what there is then.
fn alone(before: impl Fn(&mut Stack<'_>) -> Value) -> (u64, Inventory) {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    let request = before(&mut stack);
    let last = world.cloud.last_call();
    unhurried(&stack, &request).finish();
    assert_eq!(answer_of(&world, &request)["Status"], "SUCCESS");
    (world.cloud.last_call() - last, Inventory::of(&world.cloud).with_checks_alike(OWNER))
}

/// A flip that dies with its write in force and not recorded, and an Update that gives up every behaviour and meets trouble with its
/// own write.
#[test]
fn an_update_that_gives_up_every_behaviour_ends_no_bypass_wherever_it_is_interrupted() {
    for (old, new) in [("/ours/*", "*"), ("*", "/ours/*")] {
        for how in ["answer lost", "refused", "dies after", "dies after, rolled back"] {
            let context = format!("{old} to {new}: {how}");
            let world = World::bare();
            let mut stack = Stack::new(&world);
            stack.set(json!({"Traffic": [old]}));
            assert_eq!(stack.create()["Status"], "SUCCESS", "{context}");
            let put = || world.cloud.on(Operation::UpdateDistribution).nth(1);
            let dies = |cloud: &FakeCloud| cloud.crash_at(cloud.last_call(), Moment::After);
            put().after(dies);
            let converge = json!({"action": "converge", "protection": "www", "posture": "bypassed",
                "reason": "AlarmActive", "because": "down", "decidedAt": world.clock.aws_now().to_string()});
            assert_eq!(world.try_flip(converge), Run::Crashed, "{context}");
            world.cloud.heal();
            stack.set(json!({"Traffic": [new]}));
            let update = stack.request("Update");
            match how {
                "answer lost" => put().lose_answer(FaultKind::Stale),
                "refused" => put().fail(FaultKind::Stale),
                _ => {
                    put().after(dies);
                    assert_eq!(stack.invoke(update.clone()), Run::Crashed, "{context}");
                    world.cloud.heal();
                }
            }
            let (answer, pattern) = if how.ends_with("rolled back") {
                stack.set(json!({"Traffic": [old]}));
                (stack.update(), old)
            } else {
                (stack.deliver(update), new)
            };
            assert_eq!(answer["Status"], "SUCCESS", "{context}: {answer}");
            assert_eq!(world.target(pattern), application_origin(), "{context}: the bypass goes on");
        }
    }
}

/// Somebody takes our origin out, and every behaviour that used it goes to the application.
fn take_our_origin_out(world: &World) {
    let (document, ours) = (world.document(&distribution()), inspection_origin());
    let at_ours = document.behaviors().iter().filter(|behavior| behavior.target == ours);
    let mut edits: Vec<Edit> = at_ours
        .map(|behavior| Edit::Retarget {
            path_pattern: behavior.path_pattern.clone(),
            from: ours.clone(),
            to: application_origin(),
        })
        .collect();
    edits.push(Edit::RemoveOrigin { id: ours });
    let after = document.edit(&edits).expect("a person may do that");
    world.cloud.cloudfront().add(distribution(), after.bytes().to_vec(), world.clock.aws_now());
}

#[test]
fn a_copy_of_an_update_that_has_succeeded_meanwhile_does_not_begin_it_again() {
    let (calls, _) = alone(|stack| rolled_back(stack).0);
    let mut answered_the_same = 0;
    for point in 1..=calls {
        let context = format!("the late copy paused before call {point}");
        let world = World::bare();
        let mut stack = Stack::new(&world);
        let (update, _) = rolled_back(&mut stack);
        let mut late = unhurried(&stack, &update);
        late.advance(point, Moment::Before);
        unhurried(&stack, &update).finish();
        let said = answer_of(&world, &update);
        assert_eq!(said["Status"], "SUCCESS", "{context}");
        take_our_origin_out(&world);
        world.cloud.on(Operation::UpdateDistribution).fail(FaultKind::AccessDenied);
        late.finish();
        assert_eq!(world.row().lifecycle, Lifecycle::Active, "{context}");
        let again = answer_of(&world, &update);
        assert!(again == said || again["Status"] == "FAILED", "{context}: {again}");
        answered_the_same += u64::from(again == said);
    }
    assert!(answered_the_same > calls / 2, "{answered_the_same} of {calls} copies found the answer");
}

#[test]
fn an_older_update_that_is_delivered_again_takes_nothing_of_a_newer_one_back() {
    let (calls_of_older, _) = alone(|stack| rolled_back(stack).0);
    let (calls, expected) = alone(|stack| rolled_back(stack).1);
    let (mut runs, mut wrong) = (0, Vec::new());
    for died_before in 1..=calls_of_older {
        for point in (1..=calls).filter(|point| (point + died_before) % 2 == 0) {
            let context =
                format!("it died before call {died_before}, and came again before call {point} of the newer one");
            let world = World::bare();
            let bare = Inventory::of(&world.cloud);
            let watch = Upkeep::of(&world);
            let mut stack = Stack::new(&world);
            let (older, newer) = rolled_back(&mut stack);
            let mut first = unhurried(&stack, &older);
            first.advance(died_before, Moment::Before);
            drop(first);
            let mut running = unhurried(&stack, &newer);
            running.advance(point, Moment::Before);
            unhurried(&stack, &older).finish();
            running.finish();
            let answer = answer_of(&world, &newer);
            let differences = expected.differences(&Inventory::of(&world.cloud).with_checks_alike(OWNER));
            if answer["Status"] != "SUCCESS" || !differences.is_empty() {
                wrong.push(format!("{context}: {answer}\n{}", differences.join("\n")));
            }
            cleaned_up(&world, &mut stack, &bare, &watch, &context);
            runs += 1;
        }
    }
    println!("an older Update that comes again: {runs} runs");
    assert!(runs > 0 && wrong.is_empty(), "{} of {runs}:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
}

#[test]
fn two_copies_of_an_update_know_together_which_behaviours_they_have_added() {
    let (calls, expected) = alone(|stack| rolled_back(stack).0);
    for point in 1..=calls {
        let context = format!("the other copy before call {point}");
        let world = World::bare();
        let bare = Inventory::of(&world.cloud);
        let watch = Upkeep::of(&world);
        let mut stack = Stack::new(&world);
        let (update, _) = rolled_back(&mut stack);
        let mut running = unhurried(&stack, &update);
        running.advance(point, Moment::Before);
        unhurried(&stack, &update).finish();
        running.finish();
        let differences = expected.differences(&Inventory::of(&world.cloud).with_checks_alike(OWNER));
        assert!(differences.is_empty(), "{context}:\n{}", differences.join("\n"));
        cleaned_up(&world, &mut stack, &bare, &watch, &context);
    }
}

/// A protection of which a Delete and then a Create have failed, that Create, and the Delete that follows.
fn failed_twice(stack: &mut Stack<'_>) -> (Value, Value) {
    assert_eq!(stack.create()["Status"], "SUCCESS");
    let id = stack.physical_id.clone();
    let world = stack.world;
    world.cloud.on(Operation::GetDistributionConfig).fail(FaultKind::Unknown);
    assert_eq!(stack.delete()["Status"], "FAILED");
    stack.physical_id = None;
    let create = stack.request("Create");
    assert_eq!(stack.deliver(create.clone())["Status"], "FAILED");
    world.cloud.heal();
    stack.physical_id = id;
    (create, stack.request("Delete"))
}

/// Another distribution of the customer's.
fn second(world: &World) -> DistributionId {
    let id = DistributionId::new("E3SECOND");
    let configuration = RICH_DISTRIBUTION.replacen("console-2019-06-14T09:21:44.512Z", "console-2020", 1);
    world.cloud.cloudfront().add(id.clone(), configuration.into_bytes(), world.clock.aws_now());
    id
}

#[test]
fn the_distribution_that_a_failed_delete_has_left_is_restored_by_the_create_that_names_another_one() {
    let world = World::bare();
    let second = second(&world);
    let bare = Inventory::of(&world.cloud);
    let watch = Upkeep::of(&world);
    let mut stack = Stack::new(&world);
    assert_eq!(stack.create()["Status"], "SUCCESS");
    world.cloud.on(Operation::UpdateDistribution).fail(FaultKind::AccessDenied);
    assert_eq!(stack.delete()["Status"], "FAILED");
    assert_eq!(world.target("*"), inspection_origin(), "it is left as it was");
    world.cloud.heal();
    stack.physical_id = None;
    stack.set(json!({"DistributionId": second, "FailoverRecord": "cq-origin-new.cq-route.com"}));
    let answer = stack.create();
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    assert_eq!(world.target("*"), application_origin(), "nothing leads to records that are gone");
    assert!(world.document(&distribution()).origin(&inspection_origin()).is_none());
    cleaned_up(&world, &mut stack, &bare, &watch, "the later protection");
}

#[test]
fn a_create_that_is_delivered_again_does_not_end_the_delete_that_came_after_it() {
    let (calls, _) = alone(|stack| failed_twice(stack).1);
    for point in 1..=calls {
        let context = format!("the Create came again before call {point} of the Delete");
        let world = World::bare();
        let bare = Inventory::of(&world.cloud);
        let watch = Upkeep::of(&world);
        let mut stack = Stack::new(&world);
        let (create, delete) = failed_twice(&mut stack);
        let mut running = unhurried(&stack, &delete);
        running.advance(point, Moment::Before);
        unhurried(&stack, &create).finish();
        running.finish();
        let answer = answer_of(&world, &delete);
        assert_eq!(answer["Status"], "SUCCESS", "{context}: {answer}");
        let differences = bare.differences(&Inventory::of(&world.cloud));
        assert!(differences.is_empty(), "{context}:\n{}", differences.join("\n"));
        assert_eq!(watch.faults(), [""; 0], "{context}");
    }
}

#[test]
fn a_delete_that_is_given_up_and_delivered_again_removes_nothing_of_the_create_that_came_after_it() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    assert_eq!(stack.create()["Status"], "SUCCESS");
    let complete = Inventory::of(&world.cloud).with_checks_alike(OWNER);
    world.cloud.on(Operation::GetDistributionConfig).fail(FaultKind::Unknown);
    let delete = stack.request("Delete");
    assert_eq!(stack.deliver(delete.clone())["Status"], "FAILED");
    world.cloud.heal();
    assert_eq!(stack.create()["Status"], "SUCCESS");
    stack.deliver(delete);
    let differences = complete.differences(&Inventory::of(&world.cloud).with_checks_alike(OWNER));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn records_that_a_create_had_on_the_way_when_its_delete_looked_are_not_left() {
    let batch = Scene::Create.calls().iter().position(|call| *call == Operation::ChangeResourceRecordSets);
    let batch = batch.expect("a Create makes records") as u64 + 1;
    let world = World::bare();
    let bare = Inventory::of(&world.cloud);
    let watch = Upkeep::of(&world);
    let mut stack = Stack::new(&world);
    let create = Scene::Create.request(&mut stack);
    stack.physical_id = Some("site-Protection-1K2N3B4V5C6X7".to_owned());
    let delete = stack.request("Delete");
    let mut creating = unhurried(&stack, &create);
    creating.advance(batch, Moment::Before);
    let mut deleting = unhurried(&stack, &delete);
    while world.cloud.calls().last().is_none_or(|call| call.operation != Operation::ListResourceRecordSets) {
        assert!(deleting.step(), "a Delete looks at the records");
    }
    creating.step();
    deleting.finish();
    creating.finish();
    let differences = bare.differences(&Inventory::of(&world.cloud));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(watch.faults(), [""; 0]);
}

/// Somebody has a behaviour that we added changed, and leads it to the application.
fn edit_ours_by_hand(world: &World) {
    world.retarget_by_hand("/ours/*", &application_origin());
    world.cloud.cloudfront().edit(&distribution(), world.clock.aws_now(), |text| {
        let (head, tail) = text.split_at(text.find("<PathPattern>/ours/*").expect("our behaviour"));
        format!("{head}{}", tail.replacen("<Compress>true", "<Compress>false", 1))
    });
}

#[test]
fn a_behaviour_of_ours_that_was_edited_is_not_taken_for_ours_by_a_create_that_only_points_it_at_inspection() {
    let half_made: fn(&mut Stack<'_>) = |stack| {
        stack.world.cloud.on(Operation::UpdateDistribution).nth(1).after(|cloud| {
            cloud.crash_at(cloud.last_call(), Moment::After);
        });
        let create = stack.request("Create");
        assert_eq!(stack.invoke(create.clone()), Run::Crashed);
        edit_ours_by_hand(stack.world);
        assert_eq!(stack.deliver(create)["Status"], "SUCCESS");
    };
    let taken_over: fn(&mut Stack<'_>) = |stack| {
        assert_eq!(stack.create()["Status"], "SUCCESS");
        stack.world.cloud.on(Operation::GetDistributionConfig).fail(FaultKind::Unknown);
        assert_eq!(stack.delete()["Status"], "FAILED");
        stack.world.cloud.heal();
        edit_ours_by_hand(stack.world);
        stack.physical_id = None;
        assert_eq!(stack.create()["Status"], "SUCCESS");
    };
    for made_again in [half_made, taken_over] {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        stack.set(json!({"Traffic": ["*", "/ours/*"]}));
        made_again(&mut stack);
        assert_eq!(world.target("/ours/*"), inspection_origin(), "it is protected all the same");
        let edited = world.document(&distribution()).content_hash(&"/ours/*".into());
        assert_eq!(stack.delete()["Status"], "SUCCESS");
        let kept = world.document(&distribution());
        assert_eq!(kept.content_hash(&"/ours/*".into()), edited, "what somebody edited since stays as it is");
        assert_eq!(world.target("/ours/*"), application_origin());
        assert!(kept.origin(&inspection_origin()).is_none());
    }
}

/// A protection that is there, an Update of its records, and the Update that rolls that one back, both sent in the same second: no
/// one can tell which came first.
fn of_the_same_second(stack: &mut Stack<'_>) -> (Value, Value) {
    let (one, other) = rolled_back(stack);
    let other = signed_with(&one, other);
    (one, other)
}

/// `other` as if CloudFormation had signed it in the same second as `one`.
fn signed_with(one: &Value, mut other: Value) -> Value {
    let signed_at = |request: &Value| {
        let url = request["ResponseURL"].as_str().expect("a place for the answer").to_owned();
        let at = url.find("X-Amz-Date=").expect("a signing time");
        url[at..at + "X-Amz-Date=20261122T120000Z".len()].to_owned()
    };
    let url = other["ResponseURL"].as_str().expect("a place for the answer");
    other["ResponseURL"] = json!(url.replace(&signed_at(&other), &signed_at(one)));
    other
}

/// A protection that is there; a Delete that CloudFormation has given up, and the Create by which it then asked for the resource
/// anew and which it cancelled in the same second, with another Delete.
struct DeletedTwice {
    older: Value,
    create: Value,
    newer: Value,
}

impl DeletedTwice {
    fn of(stack: &mut Stack<'_>) -> Self {
        assert_eq!(stack.create()["Status"], "SUCCESS");
        let older = stack.request("Delete");
        stack.world.pass(SignedDuration::from_mins(1));
        let id = stack.physical_id.take();
        let create = stack.request("Create");
        stack.physical_id = id;
        let newer = signed_with(&create, stack.request("Delete"));
        Self { older, create, newer }
    }
}

#[test]
fn a_create_is_over_after_its_delete_also_where_an_older_delete_has_taken_the_row_away() {
    let (calls, _) = alone(|stack| DeletedTwice::of(stack).newer);
    for point in 1..=calls {
        let context = format!("the older Delete ran before call {point} of the newer one");
        let world = World::bare();
        let bare = Inventory::of(&world.cloud);
        let watch = Upkeep::of(&world);
        let mut stack = Stack::new(&world);
        let DeletedTwice { older, create, newer } = DeletedTwice::of(&mut stack);
        let mut last = unhurried(&stack, &newer);
        last.advance(point, Moment::Before);
        // A copy of it was on its way still.
        unhurried(&stack, &older).finish();
        last.finish();
        assert_eq!(answer_of(&world, &newer)["Status"], "SUCCESS", "{context}");
        // Lambda delivers the cancelled Create only now.
        unhurried(&stack, &create).finish();
        assert_eq!(answer_of(&world, &create)["Status"], "FAILED", "{context}");
        let differences = bare.differences(&Inventory::of(&world.cloud));
        assert!(differences.is_empty(), "{context}:\n{}", differences.join("\n"));
        assert_eq!(watch.faults(), [""; 0], "{context}");
    }
}

/// Moves a process on to right after its next call of an operation.
fn advance_past(world: &World, process: &mut Process<'_, ()>, operation: Operation) {
    let before = world.cloud.count(operation);
    while world.cloud.count(operation) == before {
        assert!(process.step(), "it makes a call of {operation:?}");
    }
}

#[test]
fn records_that_an_update_of_the_same_second_writes_once_more_are_known_to_the_delete() {
    let world = World::bare();
    let bare = Inventory::of(&world.cloud);
    let watch = Upkeep::of(&world);
    let mut stack = Stack::new(&world);
    let (one, other) = of_the_same_second(&mut stack);
    world.cloud.on(Operation::ChangeResourceRecordSets).nth(1).lose_answer(FaultKind::Unknown);
    let mut first = unhurried(&stack, &one);
    let mut second = unhurried(&stack, &other);
    advance_past(&world, &mut first, Operation::ChangeResourceRecordSets);
    advance_past(&world, &mut second, Operation::ChangeResourceRecordSets);
    advance_past(&world, &mut first, Operation::ChangeResourceRecordSets);
    drop(first);
    second.finish();
    assert_eq!(answer_of(&world, &other)["Status"], "SUCCESS");
    cleaned_up(&world, &mut stack, &bare, &watch, "the first one has died");
}

#[test]
fn what_an_update_of_the_same_second_replaces_while_another_one_clears_up_is_known_to_the_delete() {
    let world = World::bare();
    let bare = Inventory::of(&world.cloud);
    let watch = Upkeep::of(&world);
    let mut stack = Stack::new(&world);
    assert_eq!(stack.create()["Status"], "SUCCESS");
    stack.set(json!({"RecordTtl": "60"}));
    let one = stack.request("Update");
    stack.set(json!({"RecordTtl": "30", "FailoverRecord": "cq-origin-new.cq-route.com"}));
    let other = signed_with(&one, stack.request("Update"));
    let mut clearing_up = unhurried(&stack, &other);
    advance_past(&world, &mut clearing_up, Operation::ChangeResourceRecordSets);
    advance_past(&world, &mut clearing_up, Operation::ChangeResourceRecordSets);
    let mut replacing = unhurried(&stack, &one);
    while world.row().made.records.is_none_or(|made| made.ttl != 60) {
        assert!(replacing.step(), "it notes which records it is about to write");
    }
    drop(replacing);
    clearing_up.finish();
    assert_eq!(answer_of(&world, &other)["Status"], "SUCCESS");
    cleaned_up(&world, &mut stack, &bare, &watch, "the one that replaced them has died");
}

#[test]
fn a_behaviour_that_an_update_of_the_same_second_is_about_to_add_is_not_forgotten_by_one_that_has_nothing_to_write() {
    let world = World::bare();
    let bare = Inventory::of(&world.cloud);
    let watch = Upkeep::of(&world);
    let mut stack = Stack::new(&world);
    stack.set(json!({"Traffic": ["*"]}));
    assert_eq!(stack.create()["Status"], "SUCCESS");
    stack.set(json!({"Traffic": ["*", "/ours/*"]}));
    let one = stack.request("Update");
    stack.set(json!({"Traffic": ["*"]}));
    let other = signed_with(&one, stack.request("Update"));
    let (mut adding, mut idle) = (unhurried(&stack, &one), unhurried(&stack, &other));
    for update in [&mut adding, &mut idle] {
        // To look at everything, and to find the records as wanted.
        advance_past(&world, update, Operation::ListResourceRecordSets);
        advance_past(&world, update, Operation::ListResourceRecordSets);
    }
    while world.row().made.replaced.is_empty() {
        assert!(adding.step(), "it says what it is about to write");
    }
    adding.step();
    advance_past(&world, &mut idle, Operation::GetDistributionConfig);
    idle.advance(1, Moment::After);
    adding.finish();
    idle.finish();
    for update in [&one, &other] {
        assert_eq!(answer_of(&world, update)["Status"], "SUCCESS");
    }
    cleaned_up(&world, &mut stack, &bare, &watch, "both are over");
}

/// A protection that is there, an Update that adds a behaviour, the first write of which finds that somebody has written, and an
/// Update of the same second that has nothing to write.
struct SecondTry<'w> {
    world: &'w World,
    stack: Stack<'w>,
    bare: Inventory,
    watch: Upkeep,
    requests: [Value; 2],
}

impl<'w> SecondTry<'w> {
    fn of(world: &'w World) -> Self {
        let bare = Inventory::of(&world.cloud);
        let watch = Upkeep::of(world);
        let mut stack = Stack::new(world);
        stack.set(json!({"Traffic": ["*"]}));
        assert_eq!(stack.create()["Status"], "SUCCESS");
        stack.set(json!({"Traffic": ["*", "/ours/*"]}));
        let one = stack.request("Update");
        stack.set(json!({"Traffic": ["*"]}));
        let other = signed_with(&one, stack.request("Update"));
        world.cloud.on(Operation::UpdateDistribution).nth(1).fail(FaultKind::Stale);
        Self { world, stack, bare, watch, requests: [one, other] }
    }

    /// The two of them, where the first one has just been told of somebody's write.
    fn begun(&self) -> [Process<'_, ()>; 2] {
        let [one, other] = &self.requests;
        let (mut adding, idle) = (unhurried(&self.stack, one), unhurried(&self.stack, other));
        advance_past(self.world, &mut adding, Operation::UpdateDistribution);
        adding.step();
        assert_ne!(self.world.row().made.replaced, [], "it has said what it was about to write");
        [adding, idle]
    }

    fn end(mut self, context: &str) {
        for request in &self.requests {
            assert_eq!(answer_of(self.world, request)["Status"], "SUCCESS", "{context}");
        }
        cleaned_up(self.world, &mut self.stack, &self.bare, &self.watch, context);
    }
}

#[test]
fn a_behaviour_that_an_update_of_the_same_second_adds_at_its_second_try_is_not_forgotten_by_one_that_has_nothing_to_write()
 {
    let world = World::bare();
    let updates = SecondTry::of(&world);
    let [mut adding, mut idle] = updates.begun();
    // The row as it is read here is what the second try goes by.
    advance_past(&world, &mut adding, Operation::GetItem);
    adding.step();
    while !world.row().made.replaced.is_empty() {
        assert!(idle.step(), "it notes that nothing is to be written");
    }
    adding.finish();
    idle.finish();
    updates.end("the idle one noted it between the reading and the writing of the other one");
}

#[test]
fn an_update_that_has_nothing_to_write_notices_wherever_it_is_that_one_of_the_same_second_tries_again() {
    let (calls, _) = alone(|stack| {
        assert_eq!(stack.create()["Status"], "SUCCESS");
        stack.request("Update")
    });
    for (point, more) in (1..=calls).flat_map(|point| (1..=6).map(move |more| (point, more))) {
        let world = World::bare();
        let updates = SecondTry::of(&world);
        let [mut adding, mut idle] = updates.begun();
        idle.advance(point, Moment::Before);
        // It has said once more what it is about to write.
        advance_past(&world, &mut adding, Operation::PutItem);
        let last = world.cloud.last_call();
        adding.step();
        // Whoever waits for that write does not pass it: it takes effect, or never will.
        let told = world.clock.aws_now();
        while world.clock.aws_now() == told && world.cloud.last_call() < last + more && idle.step() {}
        adding.finish();
        idle.finish();
        updates.end(&format!("the idle one paused before call {point}, and then made {more}"));
    }
}

#[test]
fn two_copies_of_an_update_of_an_adopted_origin_do_not_keep_each_other_waiting() {
    let adopting = |world: &World| {
        let origin = NewOrigin { id: OriginId::new("theirs"), domain_name: failover_record(), https_port: 443 };
        let edits = [Edit::AddOrigin { like: application_origin(), origin }];
        let after = world.document(&distribution()).edit(&edits).expect("the edit fits");
        world.cloud.cloudfront().add(distribution(), after.bytes().to_vec(), world.clock.aws_now());
    };
    let update = |stack: &mut Stack<'_>| {
        stack.set(json!({"Traffic": ["*"]}));
        assert_eq!(stack.create()["Status"], "SUCCESS");
        stack.set(json!({"Traffic": ["*", "/ours/*"]}));
        stack.request("Update")
    };
    let calls = {
        let world = World::bare();
        adopting(&world);
        let mut stack = Stack::new(&world);
        let request = update(&mut stack);
        let before = world.cloud.last_call();
        unhurried(&stack, &request).finish();
        world.cloud.last_call() - before
    };
    for (point, more) in (1..=calls).flat_map(|point| (0..=calls).step_by(3).map(move |more| (point, more))) {
        let context = format!("one copy before call {point}, the other {more} calls on");
        let world = World::bare();
        adopting(&world);
        let bare = Inventory::of(&world.cloud);
        let watch = Upkeep::of(&world);
        let mut stack = Stack::new(&world);
        let request = update(&mut stack);
        let (mut one, mut other) = (unhurried(&stack, &request), unhurried(&stack, &request));
        one.advance(point, Moment::Before);
        other.advance(more, Moment::After);
        // By turns, as two that wait for each other would go on.
        while one.step() | other.step() {}
        drop((one, other));
        assert_eq!(answer_of(&world, &request)["Status"], "SUCCESS", "{context}");
        cleaned_up(&world, &mut stack, &bare, &watch, &context);
    }
}

#[test]
fn another_distribution_that_an_update_of_the_same_second_is_about_to_write_is_not_forgotten_by_one_that_clears_up() {
    let both = |stack: &mut Stack<'_>| {
        let second = second(stack.world);
        let bare = Inventory::of(&stack.world.cloud);
        assert_eq!(stack.create()["Status"], "SUCCESS");
        stack.set(json!({"DistributionId": second}));
        let one = stack.request("Update");
        stack.set(json!({"DistributionId": distribution()}));
        (bare, one.clone(), signed_with(&one, stack.request("Update")))
    };
    let calls = {
        let world = World::bare();
        let mut stack = Stack::new(&world);
        let (_, _, other) = both(&mut stack);
        let before = world.cloud.last_call();
        unhurried(&stack, &other).finish();
        world.cloud.last_call() - before
    };
    for point in 1..=calls {
        let context = format!("the one that goes back was before call {point}");
        let world = World::bare();
        let watch = Upkeep::of(&world);
        let mut stack = Stack::new(&world);
        let (bare, one, other) = both(&mut stack);
        let (mut moving, mut back) = (unhurried(&stack, &one), unhurried(&stack, &other));
        back.advance(point, Moment::Before);
        while !world.row().made.replaced.iter().any(|replaced| matches!(replaced, Replaced::Distribution(_))) {
            assert!(moving.step(), "{context}: it says what it is about to write");
        }
        moving.step();
        // Whoever waits for that write does not pass it: it takes effect, or never will.
        let told = world.clock.aws_now();
        while world.clock.aws_now() == told && back.step() {}
        moving.finish();
        back.finish();
        cleaned_up(&world, &mut stack, &bare, &watch, &context);
    }
}

#[test]
fn a_behaviour_of_ours_that_cloudfront_has_filled_in_goes_with_the_delete_also_where_another_write_was_told_meanwhile()
{
    for told in [false, true] {
        let world = World::bare();
        let bare = Inventory::of(&world.cloud);
        let watch = Upkeep::of(&world);
        let mut stack = Stack::new(&world);
        stack.set(json!({"Traffic": ["*"]}));
        assert_eq!(stack.create()["Status"], "SUCCESS");
        stack.set(json!({"Traffic": ["*", "/ours/*"]}));
        world.cloud.on(Operation::UpdateDistribution).nth(1).after(move |cloud| {
            let written = String::from_utf8(cloud.cloudfront().bytes(&distribution()).to_vec()).expect("text");
            let ours = "<PathPattern>/ours/*</PathPattern>";
            assert!(written.contains(ours), "it has been added");
            cloud.cloudfront().garble(&distribution(), written.replacen(ours, &format!("{ours}<!-- filled in -->"), 1));
            if told {
                cloud.ledger().edit(&"www".into(), |row| row.intents += 1);
            }
        });
        assert_eq!(stack.update()["Status"], "SUCCESS");
        // The next write is made of what was read, and takes its place.
        world
            .cloud
            .on(Operation::UpdateDistribution)
            .nth(1)
            .before(|cloud| cloud.cloudfront().ungarble(&distribution()));
        cleaned_up(&world, &mut stack, &bare, &watch, &format!("told: {told}"));
    }
}

#[test]
fn whatever_two_updates_of_the_same_second_do_to_each_other_their_delete_leaves_nothing() {
    let mut left = BTreeMap::new();
    for seed in seeds() {
        let world = World::bare();
        let bare = Inventory::of(&world.cloud);
        let watch = Upkeep::of(&world);
        let mut stack = Stack::new(&world);
        let (one, other) = of_the_same_second(&mut stack);
        world.cloud.on(Operation::ChangeResourceRecordSets).nth(1 + seed % 2).lose_answer(FaultKind::Unknown);
        together(seed, unhurried(&stack, &one), unhurried(&stack, &other));
        world.cloud.outbox().answers.clear();
        let answer = stack.delete();
        assert_eq!(answer["Status"], "SUCCESS", "seed {seed}: {answer}");
        assert_eq!(watch.faults(), [""; 0], "seed {seed}");
        let differences = bare.differences(&Inventory::of(&world.cloud));
        if !differences.is_empty() {
            left.insert(seed, differences);
        }
    }
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn what_one_copy_of_a_create_calls_its_health_check_is_not_forgotten_by_another_one_that_dies() {
    let (calls, _) = alone(|stack| stack.request("Create"));
    for point in 1..=calls {
        for more in 1..=4 {
            let context = format!("the other copy paused before call {point} and died {more} calls later");
            let world = World::bare();
            let bare = Inventory::of(&world.cloud);
            let watch = Upkeep::of(&world);
            let mut stack = Stack::new(&world);
            let create = stack.request("Create");
            let mut making = unhurried(&stack, &create);
            // The row, which claims nothing yet.
            advance_past(&world, &mut making, Operation::PutItem);
            let mut late = unhurried(&stack, &create);
            late.advance(point, Moment::Before);
            while world.row().made.health_check.is_none_or(|made| made.id.is_none()) {
                assert!(making.step(), "{context}: it makes the health check");
            }
            late.advance(more, Moment::After);
            drop(late);
            making.finish();
            assert_eq!(answer_of(&world, &create)["Status"], "SUCCESS", "{context}");
            let noted = world.row().made.health_check.and_then(|made| made.id);
            assert_eq!(world.cloud.health().ids(), Vec::from_iter(noted), "{context}");
            cleaned_up(&world, &mut stack, &bare, &watch, &context);
        }
    }
}

/// A Create that somebody cancels, and its Delete.
fn cancelled(stack: &mut Stack<'_>) -> (Value, Value) {
    let create = stack.request("Create");
    stack.physical_id = Some("site-Protection-1K2N3B4V5C6X7".to_owned());
    let delete = stack.request("Delete");
    stack.physical_id = None;
    (create, delete)
}

/// The Create, which has made its health check after its Delete had ended.
fn made_after_its_delete<'p>(stack: &'p Stack<'_>, create: &Value, delete: &Value) -> Process<'p, ()> {
    let world = stack.world;
    let mut late = unhurried(stack, create);
    // The row, and what it is about to make.
    advance_past(world, &mut late, Operation::PutItem);
    advance_past(world, &mut late, Operation::PutItem);
    unhurried(stack, delete).finish();
    assert_eq!(answer_of(world, delete)["Status"], "SUCCESS");
    advance_past(world, &mut late, Operation::CreateHealthCheck);
    late
}

#[test]
fn a_health_check_that_a_create_makes_after_its_delete_is_removed_also_where_the_next_create_begins_meanwhile() {
    for point in 1..=8 {
        let context = format!("the next Create came before call {point} of the late one");
        let world = World::bare();
        let bare = Inventory::of(&world.cloud);
        let watch = Upkeep::of(&world);
        let mut stack = Stack::new(&world);
        let (create, delete) = cancelled(&mut stack);
        let next = stack.request("Create");
        let mut late = made_after_its_delete(&stack, &create, &delete);
        late.advance(point, Moment::Before);
        unhurried(&stack, &next).finish();
        assert_eq!(answer_of(&world, &next)["Status"], "SUCCESS", "{context}");
        late.finish();
        assert_eq!(answer_of(&world, &create)["Status"], "FAILED", "{context}");
        let noted = world.row().made.health_check.and_then(|made| made.id);
        assert_eq!(world.cloud.health().ids(), Vec::from_iter(noted), "{context}");
        cleaned_up(&world, &mut stack, &bare, &watch, &context);
    }
}

#[test]
fn a_health_check_that_a_dead_create_left_is_removed_by_its_copy_also_while_the_next_protection_is_deleted() {
    let world = World::bare();
    let bare = Inventory::of(&world.cloud);
    let mut stack = Stack::new(&world);
    let (create, delete) = cancelled(&mut stack);
    let (next, next_delete) = (stack.request("Create"), stack.request("Delete"));
    drop(made_after_its_delete(&stack, &create, &delete));
    unhurried(&stack, &next).finish();
    assert_eq!(answer_of(&world, &next)["Status"], "SUCCESS");
    let mut deleting = unhurried(&stack, &next_delete);
    advance_past(&world, &mut deleting, Operation::UpdateDistribution);
    unhurried(&stack, &create).finish();
    deleting.finish();
    assert_eq!(answer_of(&world, &next_delete)["Status"], "SUCCESS");
    let differences = bare.differences(&Inventory::of(&world.cloud));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_older_of_two_creates_that_find_a_protection_half_deleted_does_not_take_the_answer_of_the_newer_one() {
    let world = World::bare();
    let mut stack = Stack::new(&world);
    assert_eq!(stack.create()["Status"], "SUCCESS");
    world.cloud.on(Operation::GetDistributionConfig).fail(FaultKind::Unknown);
    assert_eq!(stack.delete()["Status"], "FAILED");
    world.cloud.heal();
    stack.physical_id = None;
    let (older, newer) = (stack.request("Create"), stack.request("Create"));
    let (mut late, mut running) = (unhurried(&stack, &older), unhurried(&stack, &newer));
    for begun in [&mut late, &mut running] {
        advance_past(&world, begun, Operation::GetHostedZone);
    }
    // It takes the row over from the Delete.
    advance_past(&world, &mut late, Operation::PutItem);
    running.finish();
    let answer = answer_of(&world, &newer);
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    late.finish();
    assert_eq!(answer_of(&world, &older)["Status"], "FAILED");
    let answered = world.row().answered.map(|answered| answered.request_id);
    assert_eq!(answered.as_deref(), newer["RequestId"].as_str());
}

#[test]
fn an_update_that_clears_up_leaves_the_health_check_to_which_a_roll_back_has_gone_back() {
    // From its fourth call on it has seen the ledger for the last time.
    for point in 1..=3 {
        let context = format!("rolled back before call {point} after the alarm");
        let world = World::bare();
        let mut stack = Stack::new(&world);
        assert_eq!(stack.create()["Status"], "SUCCESS");
        let former = world.row().made.health_check.and_then(|made| made.id).expect("a check");
        stack.set(json!({"HealthCheck": {"IntervalSeconds": "30"}}));
        let update = stack.request("Update");
        stack.set(json!({"HealthCheck": null}));
        let roll_back = stack.request("Update");
        let mut running = unhurried(&stack, &update);
        advance_past(&world, &mut running, Operation::PutMetricAlarm);
        running.advance(point, Moment::Before);
        unhurried(&stack, &roll_back).finish();
        let answer = answer_of(&world, &roll_back);
        running.finish();
        let in_use = world.row().made.health_check.and_then(|made| made.id);
        let is_there = in_use.as_ref().is_some_and(|id| world.cloud.health().ids().contains(id));
        assert!(is_there, "{context}: {in_use:?}, formerly {former}: {answer}");
    }
}

#[test]
fn a_late_create_leaves_the_health_check_that_the_next_create_has_adopted_from_it() {
    // From its seventh call on it has seen the ledger for the last time.
    for point in 1..=6 {
        let context = format!("the next Create came before call {point} of the late one");
        let world = World::bare();
        let mut stack = Stack::new(&world);
        let (create, delete) = cancelled(&mut stack);
        let adopted = "00000001-2222-3333-4444-555555555555";
        stack.set(json!({"HealthCheck": {"HealthCheckId": adopted}}));
        let next = stack.request("Create");
        let mut late = made_after_its_delete(&stack, &create, &delete);
        late.advance(point, Moment::Before);
        unhurried(&stack, &next).finish();
        assert_eq!(answer_of(&world, &next)["Status"], "SUCCESS", "{context}");
        late.finish();
        assert_eq!(world.cloud.health().ids(), [HealthCheckId::new(adopted)], "{context}");
    }
}

#[test]
fn a_restore_that_meets_an_update_which_gives_a_behaviour_up_leaves_that_behaviour_alone() {
    for point in 1..=14 {
        let context = format!("the flip paused before its call {point}");
        let world = World::bare();
        let bare = Inventory::of(&world.cloud);
        let watch = Upkeep::of(&world);
        let mut stack = Stack::new(&world);
        stack.set(json!({"Traffic": ["*", "/ours/*"]}));
        assert_eq!(stack.create()["Status"], "SUCCESS", "{context}");
        let request = |action: &str| json!({"action": action, "protection": "www", "reason": "a test"});
        world.flip(request("bypass")).expect("bypassed");
        let commands = Commands::new("flip");
        let deadline = world.deadline();
        let mut flip = world.cloud.process(failopen_flip::handle(
            &commands,
            &world.cloud,
            &world.clock,
            deadline,
            request("restore"),
        ));
        flip.advance(point, Moment::Before);
        world.cloud.outbox().answers.clear();
        stack.set(json!({"Traffic": ["/ours/*"]}));
        let update = stack.request("Update");
        unhurried(&stack, &update).finish();
        let _any_outcome = flip.finish();
        assert_eq!(answer_of(&world, &update)["Status"], "SUCCESS", "{context}");
        assert_eq!(world.target("*"), application_origin(), "{context}");
        cleaned_up(&world, &mut stack, &bare, &watch, &context);
    }
}

#[test]
fn a_create_that_was_sent_in_the_second_of_its_delete_does_not_take_over_what_that_deletes() {
    let world = World::bare();
    let bare = Inventory::of(&world.cloud);
    let watch = Upkeep::of(&world);
    let mut stack = Stack::new(&world);
    assert_eq!(stack.create()["Status"], "SUCCESS");
    world.cloud.on(Operation::UpdateDistribution).fail(FaultKind::AccessDenied);
    assert_eq!(stack.delete()["Status"], "FAILED");
    world.pass(SignedDuration::from_mins(1));
    // CloudFormation asks for it anew, and gives that up at once.
    let (create, delete) = (stack.request("Create"), stack.request("Delete"));
    assert_eq!(stack.deliver(delete.clone())["Status"], "FAILED");
    world.cloud.heal();
    assert_eq!(stack.deliver(create)["Status"], "FAILED");
    assert_eq!(world.row().lifecycle, Lifecycle::Deleting);
    world.cloud.outbox().answers.clear();
    cleaned_up(&world, &mut stack, &bare, &watch, "the Delete is sent again");
}
