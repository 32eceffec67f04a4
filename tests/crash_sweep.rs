//! Create, Update and Delete of `Custom::FailOpenProtection` that end before and after every single remote call, and whatever
//! CloudFormation may send next. In the end everything is there or nothing is, and on the way no name is ever without an
//! answer: [`Upkeep`] looks after each call.
//!
//! `cargo test -p failopen-tests --test crash_sweep -- --nocapture` prints how many points and runs there were. Without
//! `SWEEP=full` before the command every point is tried, with half of the continuations, which take turns, and with two of the
//! ways in which a request and its Delete may overlap there.

#![expect(clippy::print_stdout, reason = "a run says how many points and continuations there were")]

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use failopen::alarm::AlarmState;
use failopen::id::{DistributionId, HealthCheckId, OwnerMark};
use failopen::ledger::{Lifecycle, Made};
use failopen::limits::SPARE;
use failopen::port::RecordSet;
use failopen_tests::cloud::Run;
use failopen_tests::inventory::Inventory;
use failopen_tests::overlap::Process;
use failopen_tests::stack::{Stack, TIME_OUT};
use failopen_tests::upkeep::Upkeep;
use failopen_tests::world::{OWNER, RICH_DISTRIBUTION, distribution, zone};
use failopen_tests::{Impatient, Moment, Operation, World, sweep};
use jiff::SignedDuration;
use serde_json::{Value, json};

const SECOND: &str = "E3SECOND";
/// What CloudFormation calls a resource whose Create it has cancelled.
const INVENTED_ID: &str = "site-Protection-1K2N3B4V5C6X7";

/// One request, and what there is before it.
struct Scene {
    name: &'static str,
    kind: &'static str,
    prepare: fn(&World, &mut Stack<'_>),
    /// Changes the properties to those of the request.
    change: fn(&mut Stack<'_>),
    /// Whether Delete leaves every byte as it was before Create: not where it keeps what somebody edited.
    leaves_no_trace: bool,
}

/// What CloudFormation may do after a request of which nothing came back, or before anything came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Continuation {
    Retry,
    DeleteWithTheRealId,
    DeleteWithAnInventedId,
    /// The request is not dead, but goes on when the Delete has ended, and while it is at work.
    OverlappingDelete,
}

const CONTINUATIONS: [Continuation; 4] = [
    Continuation::Retry,
    Continuation::DeleteWithTheRealId,
    Continuation::DeleteWithAnInventedId,
    Continuation::OverlappingDelete,
];

fn nothing(_: &World, _: &mut Stack<'_>) {}

fn created(_: &World, stack: &mut Stack<'_>) {
    succeeded(&stack.create());
}

fn created_and_bypassed(world: &World, stack: &mut Stack<'_>) {
    created(world, stack);
    world.flip(json!({"action": "bypass", "protection": "www", "reason": "INC-1"})).expect("bypassed");
}

fn created_and_edited(world: &World, stack: &mut Stack<'_>) {
    created(world, stack);
    world.cloud.cloudfront().edit(&distribution(), world.clock.aws_now(), |text| {
        let (head, tail) = text.split_at(text.find("<PathPattern>/ours/*").expect("our behaviour"));
        format!("{head}{}", tail.replacen("<Compress>true", "<Compress>false", 1))
    });
}

/// An Update has died right after its write to the distribution.
fn half_updated(world: &World, stack: &mut Stack<'_>) {
    created(world, stack);
    let before = stack.properties.clone();
    everything(stack);
    let request = stack.request("Update");
    world.cloud.on(Operation::UpdateDistribution).nth(1).after(|cloud| {
        cloud.crash_at(cloud.last_call(), Moment::After);
    });
    assert_eq!(stack.invoke(request), Run::Crashed);
    stack.properties = before;
}

fn as_it_is(_: &mut Stack<'_>) {}

fn everything(stack: &mut Stack<'_>) {
    stack.set(json!({"FailoverRecord": "cq-origin-new.cq-route.com", "HealthCheck": {"IntervalSeconds": "30"},
        "RecordTtl": "60", "Traffic": ["*", "/checkout/*", "/ours/new/*"], "AlarmEvaluationPeriods": "2"}));
}

/// A name that is asked for anew all the time is no reason to remove it while a write is on its way.
fn ttl_of_a_second(stack: &mut Stack<'_>) {
    stack.set(json!({"RecordTtl": "1"}));
}

fn another_record(stack: &mut Stack<'_>) {
    stack.set(json!({"FailoverRecord": "cq-origin-new.cq-route.com"}));
}

fn another_distribution(stack: &mut Stack<'_>) {
    stack.set(json!({"DistributionId": SECOND}));
}

fn another_traffic(stack: &mut Stack<'_>) {
    stack.set(json!({"Traffic": ["/checkout/*", "/ours/new/*", "/account/*"]}));
}

fn another_dns_service(stack: &mut Stack<'_>) {
    stack.set(json!({"Dns": "external", "HostedZoneId": ""}));
}

fn succeeded(answer: &Value) {
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
}

/// A customer's account, with things in it that only look like ours.
fn furnished() -> World {
    let world = World::bare();
    let now = world.clock.aws_now();
    let second = RICH_DISTRIBUTION.replacen("console-2019-06-14T09:21:44.512Z", "console-2020", 1);
    world.cloud.cloudfront().add(DistributionId::new(SECOND), second.into_bytes(), now);
    let neighbour = World::with(|spec| {
        spec.name = "shop".into();
        spec.failover_record = "cq-origin-shop.cq-route.com".into();
    });
    let mut row = neighbour.cloud.ledger().get(&"shop".into()).expect("a neighbour").row;
    row.owner = OwnerMark::new("ba9876543210");
    row.made = Made::default();
    world.cloud.ledger().write(&row);
    let check = neighbour.cloud.health().ids()[0].clone();
    let config = neighbour.cloud.health().read(&check).expect("the neighbour has a check").config;
    let theirs = HealthCheckId::new("99999999-made-elsewhere");
    world.cloud.health().add(theirs.clone(), config, now);
    world.cloud.cloudwatch().add("failopen-www-inspection-of-mine".into(), None, AlarmState::Ok, now);
    for record in neighbour.cloud.route53().all_records(&zone().id).iter().filter(|record| record.failover.is_some()) {
        let health_check = record.health_check.as_ref().map(|_| theirs.clone());
        world.cloud.route53().add_record(&zone().id, RecordSet { health_check, ..record.clone() });
    }
    world
}

/// A world in which the request of a scene is about to be sent.
struct Stage<'w> {
    world: &'w World,
    stack: Stack<'w>,
    watch: Upkeep,
    request: Value,
    /// Properties before the request.
    former: serde_json::Map<String, Value>,
    begins_after: u64,
}

impl<'w> Stage<'w> {
    fn set(scene: &Scene, world: &'w World) -> Self {
        let watch = Upkeep::of(world);
        let mut stack = Stack::new(world);
        stack.set(json!({"Traffic": ["*", "/account/*", "/ours/*"]}));
        (scene.prepare)(world, &mut stack);
        let former = stack.properties.clone();
        (scene.change)(&mut stack);
        let request = stack.request(scene.kind);
        world.cloud.outbox().answers.clear();
        let begins_after = world.cloud.last_call();
        Self { world, stack, watch, request, former, begins_after }
    }

    fn inventory(&self) -> Inventory {
        Inventory::of(&self.world.cloud)
    }

    fn delete_as(&mut self, physical_id: &str) {
        self.stack.physical_id = Some(physical_id.to_owned());
        self.world.cloud.outbox().answers.clear();
        succeeded(&self.stack.delete());
    }

    fn process(&self, event: Value) -> Process<'_, ()> {
        let deadline = self.world.clock.aws_now() + TIME_OUT;
        let (engine, cloud, clock) = (&self.stack.engine, &self.world.cloud, &self.world.clock);
        self.world.cloud.process(async move {
            failopen_provision::handle(engine, cloud, clock, deadline, event).await.expect("no function error");
        })
    }

    /// Runs what the functions sent to themselves.
    fn deliver_continuations(&self) {
        loop {
            let Some(event) = self.world.cloud.outbox().continuations.pop() else { return };
            let event = serde_json::from_str(&event).expect("a continuation is an event");
            self.stack.invoke(event).finished().expect("no function error");
        }
    }

    fn is_in_order(&self, context: &str) {
        assert_eq!(self.watch.faults(), [""; 0], "{context}");
    }
}

fn same(context: &str, expected: &Inventory, found: &Inventory) {
    let differences = expected.differences(found);
    assert!(differences.is_empty(), "{context}:\n{}", differences.join("\n"));
}

/// What a scene comes to where nothing goes wrong.
struct Undisturbed {
    calls: u64,
    before: Inventory,
    done: Inventory,
    gone: Inventory,
    /// Which calls of a Delete write something.
    writes_of_delete: Vec<u64>,
}

impl Undisturbed {
    fn run(scene: &Scene) -> Self {
        let world = furnished();
        let bare = Inventory::of(&world.cloud);
        let mut stage = Stage::set(scene, &world);
        let before = stage.inventory();
        let request = stage.request.clone();
        succeeded(&stage.stack.deliver(request));
        let done = stage.inventory();
        let calls = world.cloud.last_call() - stage.begins_after;
        // Where the scene is a Delete, the one that overlaps it does the same.
        let mut delete_begins_after = stage.begins_after;
        if scene.kind != "Delete" {
            delete_begins_after = world.cloud.last_call();
            assert_eq!(world.row().lifecycle, Lifecycle::Active, "{}", scene.name);
            assert_eq!(done.health_checks.len(), bare.health_checks.len() + 1, "{}", scene.name);
            stage.delete_as(&real_id());
        }
        let differences = bare.differences(&stage.inventory());
        assert_eq!(differences.is_empty(), scene.leaves_no_trace, "{}: {differences:?}", scene.name);
        stage.is_in_order(scene.name);
        assert!(stage.watch.calls() >= calls, "{}: nobody watched", scene.name);
        let writes_of_delete: Vec<u64> = (world.cloud.calls().iter())
            .filter(|call| call.operation.is_write() && call.number > delete_begins_after)
            .map(|call| call.number - delete_begins_after)
            .collect();
        assert!(!writes_of_delete.is_empty(), "{}: the Delete wrote nothing", scene.name);
        Self { calls, before, done, gone: stage.inventory(), writes_of_delete }
    }

    /// After which call of the Delete the request goes on to its end; `None`: after its last. From overlap to overlap another
    /// write is taken, so that a sweep has all of them.
    fn orders(&self, overlap: usize) -> Vec<Option<u64>> {
        let writes = &self.writes_of_delete;
        let after: Vec<u64> = if sweep::is_full() { writes.clone() } else { vec![writes[overlap % writes.len()]] };
        std::iter::once(None).chain(after.into_iter().map(Some)).collect()
    }

    /// What is tried at a point: everything, or half of it, so that two calls in a row have all of it before and after.
    fn continuations(number: u64, moment: Moment) -> Vec<Continuation> {
        let turn = (number + u64::from(moment == Moment::After)) % 2;
        let in_turn = |at: &usize| sweep::is_full() || *at as u64 % 2 == turn;
        (0..CONTINUATIONS.len()).filter(in_turn).map(|at| CONTINUATIONS[at]).collect()
    }

    fn points(&self) -> Vec<(u64, Moment)> {
        (1..=self.calls).flat_map(|n| [(n, Moment::Before), (n, Moment::After)]).collect()
    }
}

fn real_id() -> String {
    format!("failopen-www-{OWNER}")
}

/// Plays a scene with a death at every point and every continuation, counts the runs, and asserts that none is missing.
fn sweep(scene: &Scene) {
    let undisturbed = Undisturbed::run(scene);
    let points = undisturbed.points();
    let mut runs = BTreeMap::new();
    let mut orders = BTreeSet::new();
    let mut failures = 0;
    for &(number, moment) in &points {
        for continuation in Undisturbed::continuations(number, moment) {
            let context = format!("{}: {moment:?} call {number}, then {continuation:?}", scene.name);
            // Every point is tried, whatever became of the ones before: where it fails tells more than that it does.
            let run = catch_unwind(AssertUnwindSafe(|| match continuation {
                Continuation::OverlappingDelete => {
                    let overlaps: u64 = runs.get(&continuation).copied().unwrap_or_default();
                    for order in undisturbed.orders(overlaps as usize) {
                        orders.insert(order);
                        overlap(scene, &undisturbed, (number, moment), order, &context);
                    }
                }
                Continuation::Retry | Continuation::DeleteWithTheRealId | Continuation::DeleteWithAnInventedId => {
                    die(scene, &undisturbed, number, moment, continuation, &context);
                }
            }));
            failures += u32::from(run.is_err());
            *runs.entry(continuation).or_insert(0_u64) += 1;
        }
        if scene.kind == "Update" {
            let run = catch_unwind(AssertUnwindSafe(|| roll_back(scene, &undisturbed, number, moment)));
            failures += u32::from(run.is_err());
        }
    }
    let counts: Vec<String> = runs.iter().map(|(continuation, count)| format!("{continuation:?} {count}")).collect();
    println!("{:<42} K={:<3} 2K={:<3} {}", scene.name, undisturbed.calls, points.len(), counts.join(", "));
    assert_eq!(failures, 0, "{}: runs that failed; each is printed above", scene.name);
    assert_eq!(runs.len(), CONTINUATIONS.len());
    // All of them are tried somewhere, even in the small form.
    assert_eq!(orders.len(), undisturbed.writes_of_delete.len() + 1, "{}: {orders:?}", scene.name);
    let expected = if sweep::is_full() { 2 * undisturbed.calls } else { undisturbed.calls };
    assert!(runs.values().all(|count| *count == expected), "{runs:?}");
}

fn crashed<'w>(scene: &Scene, world: &'w World, number: u64, moment: Moment, context: &str) -> Stage<'w> {
    let stage = Stage::set(scene, world);
    world.cloud.crash_at(stage.begins_after + number, moment);
    assert_eq!(stage.stack.invoke(stage.request.clone()), Run::Crashed, "{context}");
    stage.is_in_order(context);
    stage
}

fn die(
    scene: &Scene,
    undisturbed: &Undisturbed,
    number: u64,
    moment: Moment,
    continuation: Continuation,
    context: &str,
) {
    let world = furnished();
    let mut stage = crashed(scene, &world, number, moment, context);
    let answered = std::mem::take(&mut world.cloud.outbox().answers);
    match continuation {
        Continuation::Retry => {
            let request = stage.request.clone();
            succeeded(&stage.stack.deliver(request));
            if let Some(first) = answered.first() {
                assert_eq!(first, &world.cloud.outbox().answers[0], "{context}: another answer than the first time");
            }
            same(context, &undisturbed.done, &stage.inventory());
            stage.delete_as(&real_id());
        }
        Continuation::DeleteWithTheRealId => stage.delete_as(&real_id()),
        Continuation::DeleteWithAnInventedId | Continuation::OverlappingDelete => stage.delete_as(INVENTED_ID),
    }
    same(context, &undisturbed.gone, &stage.inventory());
    stage.is_in_order(context);
}

/// CloudFormation rolls a failed Update back by an Update to the former properties.
fn roll_back(scene: &Scene, undisturbed: &Undisturbed, number: u64, moment: Moment) {
    let context = format!("{}: {moment:?} call {number}, then rolled back", scene.name);
    let world = furnished();
    let mut stage = crashed(scene, &world, number, moment, &context);
    let was_whole = undisturbed.before.rows.iter().any(|row| row.starts_with("www") && row.contains("Active"));
    world.cloud.outbox().answers.clear();
    stage.stack.properties = stage.former.clone();
    succeeded(&stage.stack.update());
    if was_whole {
        // A check that was gone already is made anew.
        let alike = |inventory: &Inventory| inventory.with_checks_alike(OWNER);
        same(&context, &alike(&undisturbed.before), &alike(&stage.inventory()));
    }
    stage.delete_as(&real_id());
    same(&context, &undisturbed.gone, &stage.inventory());
    stage.is_in_order(&context);
}

/// The Delete comes when the request has got to a point: it ends first, or the request ends while it is at work, after one
/// of its writes.
fn overlap(
    scene: &Scene,
    undisturbed: &Undisturbed,
    (number, moment): (u64, Moment),
    order: Option<u64>,
    context: &str,
) {
    let context = format!("{context}, the request ends after call {order:?} of the Delete");
    let world = furnished();
    let mut stage = Stage::set(scene, &world);
    let id = if scene.kind == "Create" { INVENTED_ID.to_owned() } else { real_id() };
    stage.stack.physical_id = Some(id.clone());
    let delete = stage.stack.request("Delete");
    let mut running = stage.process(stage.request.clone());
    running.advance(number, moment);
    let mut deleting = stage.process(delete.clone());
    match order {
        None => {
            deleting.finish();
            running.finish();
        }
        Some(write) => {
            deleting.advance(write, Moment::After);
            running.finish();
            deleting.finish();
        }
    }
    stage.deliver_continuations();
    let answered = |answer: &failopen_tests::outbox::Answer| {
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        answer["RequestId"] == delete["RequestId"] && answer["Status"] == "SUCCESS"
    };
    let deleted = world.cloud.outbox().answers.iter().any(answered);
    assert!(deleted, "{context}: {:?}", world.cloud.outbox().answers);
    same(&context, &undisturbed.gone, &stage.inventory());
    stage.is_in_order(&context);
}

macro_rules! scenes {
    ($($test:ident: $kind:literal, $prepare:expr, $change:expr;)+) => {$(
        #[test]
        fn $test() {
            let leaves_no_trace = stringify!($test) != "a_delete_after_a_clone_was_edited";
            let scene =
                Scene { name: stringify!($test), kind: $kind, prepare: $prepare, change: $change, leaves_no_trace };
            sweep(&scene);
        }
    )+};
}

scenes! {
    a_create: "Create", nothing, as_it_is;
    a_create_with_the_shortest_ttl: "Create", nothing, ttl_of_a_second;
    an_update_of_everything: "Update", created, everything;
    an_update_of_the_record: "Update", created, another_record;
    an_update_of_the_distribution: "Update", created, another_distribution;
    an_update_of_the_traffic: "Update", created, another_traffic;
    an_update_to_another_dns_service: "Update", created, another_dns_service;
    an_update_that_rolls_back: "Update", half_updated, as_it_is;
    a_delete: "Delete", created, as_it_is;
    a_delete_while_bypassed: "Delete", created_and_bypassed, as_it_is;
    a_delete_after_a_clone_was_edited: "Delete", created_and_edited, as_it_is;
}

/// Deletes that outlast one invocation go on in another: each of them may die, and Lambda delivers its event again.
#[test]
fn a_delete_that_goes_on_in_other_invocations_may_die_in_any_of_them() {
    let scene =
        Scene { name: "a slow Delete", kind: "Delete", prepare: created, change: as_it_is, leaves_no_trace: true };
    let slow = |world: &World| world.cloud.cloudfront().deploy_time = SignedDuration::from_mins(35);
    let (calls, invocations, gone) = {
        let world = furnished();
        let mut stage = Stage::set(&scene, &world);
        slow(&world);
        let request = stage.request.clone();
        world.cloud.clear_calls();
        succeeded(&stage.stack.deliver(request));
        let invocations = 1 + world.cloud.count(Operation::InvokeAgain);
        (world.cloud.last_call() - stage.begins_after, invocations, stage.inventory())
    };
    assert!(invocations > 2, "{invocations}");
    let mut runs = 0;
    for number in 1..=calls {
        for moment in [Moment::Before, Moment::After] {
            for redelivered in [true, false] {
                let context = format!("{moment:?} call {number} of a slow Delete, redelivered: {redelivered}");
                let world = furnished();
                let mut stage = Stage::set(&scene, &world);
                slow(&world);
                world.cloud.crash_at(stage.begins_after + number, moment);
                let mut event = stage.request.clone();
                while stage.stack.invoke(event.clone()) != Run::Crashed {
                    let next = world.cloud.outbox().continuations.pop().expect("it dies before it ends");
                    event = serde_json::from_str(&next).expect("a continuation is an event");
                }
                if redelivered {
                    stage.stack.invoke(event).finished().expect("no function error");
                    stage.deliver_continuations();
                } else {
                    // The dead invocation may have asked for its continuation, which then comes late.
                    let late = std::mem::take(&mut world.cloud.outbox().continuations);
                    stage.delete_as(&real_id());
                    world.cloud.outbox().continuations = late;
                    stage.deliver_continuations();
                }
                same(&context, &gone, &stage.inventory());
                stage.is_in_order(&context);
                runs += 1;
            }
        }
    }
    println!("{:<42} K={calls:<3} 2K={:<3} 2K*2={runs:<4} in {invocations} invocations", scene.name, 2 * calls);
    assert_eq!(runs as u64, 2 * calls * 2);
}

/// A call that never ends takes all of Lambda's time. The function still answers, or goes on in another invocation.
#[test]
fn a_call_that_hangs_anywhere_is_cut_off_in_time_and_leaves_what_a_delete_removes() {
    let scenes = [
        ("a Create", "Create", nothing as fn(&World, &mut Stack<'_>), as_it_is as fn(&mut Stack<'_>)),
        ("an Update", "Update", created, everything),
        ("a Delete", "Delete", created, as_it_is),
    ];
    for (name, kind, prepare, change) in scenes {
        let scene = Scene { name, kind, prepare, change, leaves_no_trace: true };
        let undisturbed = Undisturbed::run(&scene);
        // The answer's own PUT has a time-out of its own, and is not the work that is cut off.
        for number in 1..undisturbed.calls {
            let context = format!("{name} whose call {number} hangs");
            let world = furnished();
            let mut stage = Stage::set(&scene, &world);
            world.cloud.hang_at(stage.begins_after + number);
            let deadline = world.clock.aws_now() + TIME_OUT;
            let clock = Impatient(world.clock.clone());
            let work =
                failopen_provision::handle(&stage.stack.engine, &world.cloud, &clock, deadline, stage.request.clone());
            world.cloud.run(work).finished().expect("no function error");
            assert!(world.clock.aws_now() + SPARE <= deadline, "{context}: ended at {}", world.clock.aws_now());
            stage.deliver_continuations();
            assert_eq!(world.cloud.outbox().answers.len(), 1, "{context}");
            stage.delete_as(&real_id());
            same(&context, &undisturbed.gone, &stage.inventory());
            stage.is_in_order(&context);
        }
        println!("{name:<42} {} calls that hang", undisturbed.calls - 1);
    }
}
