//! Time and rate: calls have time-outs that fit the functions', retries are bounded and have jitter, and automatic flips keep
//! their distance on every path.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::task::Poll;

use failopen::id::{DistributionId, Hostname, ProtectionName};
use failopen::ledger::FlippedBy;
use failopen::limits::{ANSWER, ATTEMPT, CALL, CONNECT, FLIP_LIFE, PROBE, RESOLUTION, SPARE};
use failopen::port::{Clock, FaultKind, Observe};
use failopen_tests::functions::converge;
use failopen_tests::template::template;
use failopen_tests::world::{
    RICH_DISTRIBUTION, World, application_origin, distribution, inspection_origin, shop, standard_spec,
};
use failopen_tests::{Call, FakeClock, Moment, Operation, events};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

const PUT: Operation = Operation::UpdateDistribution;
/// `MinimumDwellSeconds` of the standard protection: the contract's default.
const DWELL: SignedDuration = SignedDuration::from_secs(300);

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

/// Time-out of a function in template.yaml.
fn time_out(function: &str) -> SignedDuration {
    let timeout = &template()["Resources"][function]["Properties"]["Timeout"];
    seconds(timeout.as_i64().expect("a number of seconds"))
}

#[test]
fn the_limits_of_calls_fit_into_each_other_and_into_the_time_outs_of_the_template() {
    assert!(CONNECT < ATTEMPT && ATTEMPT * 2 <= CALL, "a call has time for more than one attempt");
    assert!(SPARE >= seconds(5));
    // react: what it keeps back for deciding (a probe and a read) and for asking flip leaves a call's time for reading.
    assert!(CALL + (PROBE + CALL + SPARE) <= time_out("ReactFunction"));
    // flip: the row and the distribution, each in a whole call, then one attempt each of the write and the reading after it,
    // which `act` keeps back together with a pause of 4 s and 10 s for recording.
    let round = ATTEMPT + seconds(4) + ATTEMPT + seconds(5) + SPARE;
    assert!(CALL + round <= time_out("FlipFunction"));
    // What a flip began and has not written by then, it never will.
    assert_eq!(FLIP_LIFE, time_out("FlipFunction"));
    // The contract: a synchronous answer within 50 s.
    assert!(time_out("FlipFunction") - SPARE <= seconds(50));
    // provision: cut off with time to invoke itself again, or else to answer.
    assert!(CALL + ANSWER + SPARE < seconds(60) && time_out("ProvisionFunction") == SignedDuration::from_mins(15));
    // What provision asks of the network, all of it together, costs no more than a call. Whoever waits for a plan with the AWS
    // CLI waits for 60 s.
    assert!(PROBE.max(RESOLUTION) <= CALL);
    // A request of react outlives neither its event nor the life that flip gives it.
    let age = &template()["Resources"]["FlipFunction"]["Properties"]["EventInvokeConfig"]["MaximumEventAgeInSeconds"];
    assert!(age.as_i64().is_some_and(|age| age <= 120));
}

/// A clock that cuts work off where it next gives way. A real one does so in the middle of a call.
struct Punctual(FakeClock);

impl Clock for Punctual {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: SignedDuration) {
        self.0.sleep(duration).await;
    }

    async fn passed(&self, moment: Timestamp) {
        poll_fn(|_| if self.0.now() >= moment { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

#[test]
fn slow_calls_end_a_flip_in_time_and_with_the_outcome_read_again() {
    // What takes how many seconds, whether that leaves time for a write, and what is told where every write that is sent fails:
    // five of them were followed by a reading, or the time was up first, and not all is known.
    let rows = [
        (Operation::GetItem, 8, true, "was not flipped"),
        (Operation::GetItem, 19, false, "not known"),
        (Operation::PutItem, 19, true, "not known"),
        (Operation::GetDistributionConfig, 19, true, "not known"),
        (PUT, 8, true, "not known"),
        (PUT, 20, true, "not known"),
    ];
    for (operation, duration, writes, failure) in rows {
        for fails in [false, true] {
            let context = format!("{operation} {duration} s, fails: {fails}");
            let world = World::standard();
            world.cloud.interleave();
            world.cloud.on(operation).first(3).take(seconds(duration));
            if fails {
                world.cloud.on(PUT).first(5).fail(FaultKind::Unknown);
            }
            let deadline = world.clock.aws_now() + time_out("FlipFunction");
            let (commands, clock) = (failopen::commands::Commands::new("flip"), Punctual(world.clock.clone()));
            let request = json!({"action": "bypass", "protection": "www", "reason": "INC-42"});
            let run = failopen_flip::handle(&commands, &world.cloud, &clock, deadline, request);
            let answer = world.cloud.run(run).finished();
            let late: Vec<Call> =
                world.cloud.calls().iter().filter(|call| call.at + SPARE > deadline).cloned().collect();
            assert_eq!(late, [], "{context}: calls that began too late");
            let calls = world.cloud.sequence(&Operation::CLOUDFRONT);
            assert_eq!(calls.contains(&PUT), writes, "{context}: {calls:?}");
            for pair in calls.windows(2).filter(|pair| pair[0] == PUT) {
                assert_eq!(pair[1], Operation::GetDistributionConfig, "{context}: {calls:?}");
            }
            assert_ne!(calls.last(), Some(&PUT), "{context}: the last word is a reading");
            if writes {
                let ended = world.clock.aws_now();
                assert!(ended + SPARE <= deadline, "{context}: ended at {ended}");
            }
            match (writes && !fails, answer) {
                (true, Ok(answer)) => assert_eq!(answer["outcome"], "changed", "{context}: {answer}"),
                (false, Err(told)) => {
                    assert!(told.message.contains(failure) && told.message.contains("status"), "{context}: {told}");
                }
                (_, answer) => panic!("{context}: {answer:?}"),
            }
        }
    }
}

#[test]
fn pauses_between_the_writes_of_a_flip_grow_and_differ_between_two_that_began_together() {
    let pauses = |millisecond: i64| {
        let world = World::standard();
        world.pass(SignedDuration::from_millis(millisecond));
        world.cloud.on(PUT).before(|cloud| cloud.cloudfront().churn(&distribution()));
        let request = json!({"action": "bypass", "protection": "www", "reason": "INC-42"});
        world.flip(request).expect_err("it never holds still");
        let calls = world.cloud.calls();
        let times: Vec<Timestamp> = calls.iter().filter(|call| call.operation == PUT).map(|call| call.at).collect();
        assert_eq!(times.len(), 5);
        times.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect::<Vec<_>>()
    };
    let all: BTreeSet<Vec<SignedDuration>> = (0..10).map(|tenth| pauses(tenth * 100)).collect();
    assert_eq!(all.len(), 10, "{all:?}");
    for pauses in all {
        assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "{pauses:?}");
    }
}

#[test]
fn repeated_calls_of_provision_differ_between_two_that_began_together() {
    let times = |millisecond: i64| {
        let world = World::bare();
        world.pass(SignedDuration::from_millis(millisecond));
        let began = world.clock.aws_now();
        world.cloud.on(Operation::GetHostedZone).fail(FaultKind::Throttled);
        world.cloud.on(Operation::GetHealthCheck).fail(FaultKind::AccessDenied);
        failopen_tests::stack::Stack::new(&world).create();
        let calls = world.cloud.calls();
        let zone = calls.iter().filter(|call| call.operation == Operation::GetHostedZone);
        zone.map(|call| call.at.duration_since(began)).collect::<Vec<_>>()
    };
    let all: BTreeSet<Vec<SignedDuration>> = (0..10).map(|tenth| times(tenth * 100)).collect();
    assert_eq!(all.len(), 10, "{all:?}");
    assert!(all.iter().all(|times| times.len() == 4), "bounded: {all:?}");
}

/// When flips took effect, by the distribution itself: neither the ledger nor the answers to the writes have to tell.
#[derive(Default)]
struct Effects {
    versions: usize,
    times: Vec<Timestamp>,
}

impl Effects {
    /// Looks after every step in which at most one flip can take effect.
    fn look(&mut self, world: &World) {
        let versions = world.cloud.cloudfront().versions(&distribution()).len();
        if std::mem::replace(&mut self.versions, versions) < versions && versions > 1 {
            let calls = world.cloud.calls();
            self.times.extend(calls.iter().rev().find(|call| call.operation == PUT).map(|call| call.at));
        }
    }
}

fn keeps_its_distance(times: &[Timestamp], context: &str) {
    let close = times.windows(2).find(|pair| pair[1].duration_since(pair[0]) < DWELL);
    assert_eq!(close, None, "{context}: {times:?}");
}

#[test]
fn a_flip_whose_maker_died_is_recorded_by_the_next_one_and_not_forgotten() {
    // The flip is applied and not recorded; then an operator pins the other posture and react brings it there at once.
    let world = World::standard();
    world.inspection_dies();
    world.react(events::tick()).expect("an answer");
    world.cloud.on(PUT).after(|cloud| cloud.on(Operation::PutItem).fail(FaultKind::Unknown));
    world.deliver();
    world.cloud.heal();
    assert!(world.row().flips.is_empty() && world.row().pending.is_some(), "nobody lived to record it");
    world.pass(seconds(10));
    let pin =
        json!({"action": "pin", "protection": "www", "posture": "inspected", "reason": "INC-1", "expiresIn": "30m"});
    world.flip(pin).expect("pinned");
    world.tick();
    assert_eq!(world.target("*"), inspection_origin());
    let by: Vec<FlippedBy> = world.row().flips.iter().map(|flip| flip.by).collect();
    assert_eq!(by, [FlippedBy::Automation, FlippedBy::Operator]);
    assert_eq!(world.row().automatic_flips_in_a_day(world.clock.aws_now()), 1, "it counts for dwell and budget");
}

#[test]
fn a_doubled_request_behind_a_flip_that_was_not_recorded_does_not_flip_again() {
    let world = World::with(|spec| spec.automation.hold_down_seconds = 0);
    let mut effects = Effects::default();
    world.inspection_dies();
    world.tick();
    effects.look(&world);
    world.pass(SignedDuration::from_mins(6));
    world.inspection_recovers();
    world.react(events::tick()).expect("an answer");
    let request = converge(&world.cloud.outbox().converges.remove(0));
    world.cloud.on(PUT).after(|cloud| cloud.on(Operation::PutItem).fail(FaultKind::Unknown));
    world.pass(seconds(1));
    let _not_recorded = world.flip(request.clone());
    world.cloud.heal();
    assert_eq!(world.target("*"), inspection_origin());
    effects.look(&world);
    assert_eq!(effects.times.len(), 2);
    // Somebody bypasses it in the console, and the request is delivered a second time.
    world.pass(seconds(9));
    world.retarget_by_hand("*", &application_origin());
    let again = world.flip(request).expect("an answer");
    assert_eq!(again["outcome"], "held", "{again}");
    assert_eq!(world.target("*"), application_origin());
}

#[test]
fn two_protections_of_one_distribution_each_keep_their_own_distance() {
    let world = World::with(|spec| spec.automation.hold_down_seconds = 0);
    let mut shop = shop();
    shop.automation.hold_down_seconds = 0;
    world.provision(&shop);
    for minute in 0..60 {
        let state = if minute % 2 == 0 { failopen::alarm::AlarmState::Alarm } else { failopen::alarm::AlarmState::Ok };
        for name in ["www", "shop"] {
            let alarm = failopen::id::ProtectionName::new(name).alarm();
            world.cloud.cloudwatch().set_state(&alarm, state, world.clock.aws_now());
        }
        world.live(1);
    }
    for name in ["www", "shop"] {
        let row = world.cloud.ledger().get(&name.into()).expect("a row").row;
        let times: Vec<Timestamp> = row.flips.iter().map(|flip| flip.at).collect();
        assert_eq!(times.len(), 6, "{name} spends its own budget: {times:?}");
        keeps_its_distance(&times, name);
    }
}

/// Worlds tried; each takes a few milliseconds.
const WORLDS: u64 = 300;

#[test]
fn crashes_restarts_repetitions_and_lost_answers_never_bring_two_automatic_flips_closer_than_the_dwell_time() {
    let mut flips = 0;
    for seed in 0..WORLDS {
        let mut dice = Dice(seed);
        let world = World::with(|spec| spec.automation.hold_down_seconds = 0);
        let (mut requests, mut effects) = (Vec::new(), Effects::default());
        for _ in 0..60 {
            match dice.roll(8) {
                0 => world.inspection_dies(),
                1 => world.inspection_recovers(),
                2 | 3 => {
                    let _answer_or_death = world.try_react(events::tick());
                    requests.extend(std::mem::take(&mut world.cloud.outbox().converges));
                }
                4 => {
                    world.cloud.crash_at(world.cloud.last_call() + 1 + dice.roll(8), Moment::After);
                    let _dead = world.try_react(events::tick());
                }
                5 => world.cloud.on(PUT).nth(1).lose_answer(FaultKind::Unknown),
                6 => world.cloud.on_any(&Operation::LEDGER).first(dice.roll(3)).fail(FaultKind::Unknown),
                _ => world.cloud.heal(),
            }
            if !requests.is_empty() && dice.roll(2) == 0 {
                // Delivered, and delivered again later: requests stay in the bag.
                let request = converge(&requests[dice.roll(requests.len() as u64) as usize]);
                if dice.roll(3) == 0 {
                    let moment = if dice.roll(2) == 0 { Moment::Before } else { Moment::After };
                    world.cloud.crash_at(world.cloud.last_call() + 1 + dice.roll(9), moment);
                }
                let _whatever_it_answers = world.try_flip(request);
            }
            effects.look(&world);
            world.pass(seconds(5 + dice.roll(50) as i64));
        }
        keeps_its_distance(&effects.times, &format!("seed {seed}"));
        flips += effects.times.len();
    }
    assert!(flips > WORLDS as usize, "{flips} flips in {WORLDS} worlds");
}

/// A die that always falls the same way for the same seed (SplitMix64).
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

#[test]
fn the_drift_of_many_protections_is_read_within_route_53_s_rate_and_none_waits_much_longer_than_a_quarter_of_an_hour() {
    const MANY: usize = 40;
    let of_route_53 = [Operation::ListResourceRecordSets, Operation::GetHealthCheck];
    let world = World::standard();
    for number in 1..MANY {
        let distribution = DistributionId::new(format!("E{number}MANY"));
        let bytes = RICH_DISTRIBUTION.as_bytes().to_vec();
        world.cloud.cloudfront().add(distribution.clone(), bytes, world.clock.aws_now());
        let mut spec = standard_spec();
        spec.name = ProtectionName::new(format!("p{number}"));
        spec.failover_record = Hostname::new(format!("cq-origin-p{number}.cq-route.com"));
        spec.distribution = distribution;
        world.provision(&spec);
    }
    world.cloud.clear_calls();
    let began = world.clock.aws_now();
    world.live(46);
    let calls = world.cloud.calls().to_vec();
    let calls: Vec<&Call> = calls.iter().filter(|call| of_route_53.contains(&call.operation)).collect();
    let most = calls.iter().map(|first| {
        let second = first.at + seconds(1);
        calls.iter().filter(|call| (first.at..second).contains(&call.at)).count()
    });
    assert!(most.max().is_some_and(|most| most <= 5), "Route 53 takes 5 calls a second from the whole account");
    let rows = world.cloud.run(world.cloud.rows()).finished().expect("the ledger").readable;
    assert_eq!(rows.len(), MANY);
    for row in rows.iter().map(|versioned| &versioned.row) {
        let read_at = row.watch.drift_read_at.expect("its drift was read");
        let ago = world.clock.aws_now().duration_since(read_at);
        assert!(ago <= SignedDuration::from_mins(16), "{} was read {ago:#} ago", row.name);
        let of_this = calls.iter().filter(|call| call.arguments.contains(row.spec.failover_record.as_str())).count();
        assert!((3..=4).contains(&of_this), "{} was read {of_this} times in 46 minutes", row.name);
    }
    assert!(world.clock.aws_now().duration_since(began) >= SignedDuration::from_mins(46));
}
