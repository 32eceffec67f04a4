//! One schedule: a faulty time, then calm, then rest.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::agenda::{Act, Due, MINUTE, Moment, SECOND};
use crate::delivery::Delivery;
use crate::fault::{Fault, Tally};
use crate::invariants::{Invariants, Violation};
use crate::process::{Work, start};
use crate::removal::Removal;
use crate::stack::RequestKind;
use crate::step::{Cause, Ending, Function, Happened, ProcessId};
use crate::story::Story;
use crate::world::SimWorld;

/// What became of one schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    pub seed: u64,
    /// Of the first step that violated anything; empty for a good schedule.
    pub violations: Vec<Violation>,
    pub tally: Tally,
    /// Empty unless it was asked for.
    pub story: String,
}

/// Longest calm; a world that finds no rest in it is looked at as it is.
const LONGEST_CALM: Moment = 5 * 60 * MINUTE;

/// Plays one schedule. The seed decides everything.
pub fn play(seed: u64, removal: Option<Removal>, with_story: bool) -> Played {
    let story = if with_story { Story::told() } else { Story::untold() };
    let world = SimWorld::new(seed, removal, story);
    let mut schedule = Schedule::new(&world);
    schedule.plan();
    schedule.run();
    // Futures and agenda hold the world, and the world the agenda.
    schedule.running.clear();
    world.agenda.clear();
    Played { seed, violations: schedule.violations, tally: world.tally(), story: world.story.text() }
}

struct Schedule<'w> {
    world: &'w Rc<SimWorld>,
    running: BTreeMap<ProcessId, Running>,
    invariants: Invariants,
    violations: Vec<Violation>,
    /// When everything is expected to have come to rest.
    rest: Moment,
}

struct Running {
    work: Work,
    delivery: Delivery,
}

impl<'w> Schedule<'w> {
    fn new(world: &'w Rc<SimWorld>) -> Self {
        let invariants = Invariants::begin(world);
        Self { world, running: BTreeMap::new(), invariants, violations: Vec::new(), rest: Moment::MAX }
    }

    fn plan(&self) {
        let world = self.world;
        world.story.set_now(world.now());
        world.story.tell(|| world.scenario.in_words());
        world.agenda.after(world.chance.between(0, MINUTE), Due::Act(Act::Tick));
        world.first_evaluation();
        world.plan_outages();
        world.plan_edits();
        world.plan_operators();
        world.plan_gaps();
        world.plan_stale_events();
        world.plan_stack();
        if world.scenario.steps_clocks {
            let at = world.chance.between(0, world.scenario.faulty_for);
            world.agenda.at(at, Due::Act(Act::StepClock { back: false }));
            let back = at + world.chance.between(10 * SECOND, 8 * MINUTE);
            world.agenda.at(back.min(world.scenario.faulty_for - 1), Due::Act(Act::StepClock { back: true }));
        }
        world.agenda.at(world.scenario.faulty_for, Due::Act(Act::Calm));
    }

    /// Runs until rest, or until something is violated.
    fn run(&mut self) {
        while self.violations.is_empty() {
            let Some(due) = self.world.agenda.next() else { return };
            self.world.catch_up();
            self.world.story.set_now(self.world.now());
            if due_is_rest(&due) {
                if self.is_at_rest() {
                    let found = self.invariants.at_rest(self.world);
                    self.violated(found);
                    self.world.story.tell(|| "everything is at rest".to_owned());
                    return;
                }
                continue;
            }
            self.meet(due);
            self.look();
        }
    }

    fn meet(&mut self, due: Due) {
        match due {
            Due::Wake(alarm) => {
                let id = alarm.process;
                let lives = self.running.contains_key(&id) && !self.world.process(id).is_frozen;
                if lives && alarm.ring() {
                    self.poll(id);
                }
            }
            Due::Kill(id) => {
                if self.running.contains_key(&id) {
                    self.world.count(Fault::TimedOut);
                    self.end(id, Ending::TimedOut);
                }
            }
            Due::Deliver(delivery) => self.deliver(*delivery),
            Due::Act(act) => self.act(act),
        }
    }

    fn act(&mut self, act: Act) {
        let world = self.world;
        match act {
            Act::Tick => self.tick(),
            Act::EvaluateAlarm => world.evaluate_alarm(),
            Act::TurnInspection if !world.is_calm() => world.turn_inspection(),
            Act::TurnApplication if !world.is_calm() => world.turn_application(),
            Act::TurnInspection | Act::TurnApplication => {}
            Act::MetricGap { ends } => world.turn_metric(ends),
            Act::Edit => world.edit(),
            Act::UndoEdit(kind) => world.undo_edit(kind),
            Act::Operate => world.operate(),
            Act::StepClock { back } => world.step_function_clocks(back),
            Act::Stack(number) => world.attend(number),
            Act::StackOrder => world.obey(),
            Act::Calm => self.calm(),
            Act::Rest => {}
        }
    }

    /// The schedule's rule, once a minute; every tick may be lost or doubled.
    fn tick(&mut self) {
        let world = self.world;
        world.agenda.after(MINUTE, Due::Act(Act::Tick));
        if world.removal() == Some(Removal::NoTick) {
            return;
        }
        let faulty = !world.is_calm();
        if faulty && world.chance.percent(world.scenario.lost_ticks) {
            world.count(Fault::LostTick);
            return;
        }
        let tick = Delivery {
            function: Function::React,
            cause: Cause::Tick,
            event: serde_json::json!({"action": "tick"}),
            sent: world.agenda.now(),
            number: 0,
            attempts: 0,
        };
        if faulty && world.chance.percent(world.scenario.doubled_ticks) {
            world.count(Fault::DoubledTick);
            world.agenda.after(world.chance.between(0, 2 * SECOND), Due::Deliver(Box::new(tick.clone())));
        }
        self.deliver(tick);
    }

    fn deliver(&mut self, delivery: Delivery) {
        let world = self.world;
        world.note_delivery(&delivery);
        self.note_overlap(&delivery);
        let (id, work) = start(world, &delivery);
        world.story.tell(|| {
            let age = (world.agenda.now() - delivery.sent) / SECOND;
            let event = told_event(&delivery);
            format!("{} {id} begins, {event}, sent {age} s ago", delivery.function)
        });
        self.running.insert(id, Running { work, delivery });
        self.poll(id);
    }

    /// Counts invocations that meet in an interesting way.
    fn note_overlap(&self, delivery: &Delivery) {
        let world = self.world;
        let request = |cause: &Cause| match cause {
            Cause::Request(number) => Some(*number),
            Cause::Tick | Cause::Alarm { .. } | Cause::Converge(_) | Cause::Operator => None,
        };
        if let Some(number) = request(&delivery.cause) {
            let at_work: Vec<usize> =
                self.running.values().filter_map(|other| request(&other.delivery.cause)).collect();
            world.note_lives(number, &at_work);
        }
        let kind = |cause: &Cause| request(cause).map(|number| world.requests()[number].kind);
        let mut others = self.running.values();
        let runs_create = others.any(|other| kind(&other.delivery.cause) == Some(RequestKind::Create));
        if kind(&delivery.cause) == Some(RequestKind::Delete) && runs_create {
            world.count(Fault::DeleteOverlapsCreate);
        }
        let runs_flip = self.running.values().any(|other| other.delivery.function == Function::Flip);
        if delivery.function == Function::Flip && runs_flip {
            world.count(Fault::FlipsOverlap);
        }
    }

    fn poll(&mut self, id: ProcessId) {
        let Some(running) = self.running.get_mut(&id) else { return };
        let mut context = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| running.work.as_mut().poll(&mut context)));
        match polled {
            Ok(Poll::Ready(Ok(answer))) => self.end(id, Ending::Answered(answer)),
            Ok(Poll::Ready(Err(failure))) => self.end(id, Ending::Failed(failure)),
            Ok(Poll::Pending) => {
                if self.world.dead.take() == Some(id) {
                    self.end(id, Ending::Crashed);
                }
            }
            Err(_panic) => self.end(id, Ending::Panicked),
        }
    }

    fn end(&mut self, id: ProcessId, ending: Ending) {
        let Some(Running { work, delivery }) = self.running.remove(&id) else { return };
        drop(work);
        let world = self.world;
        let now = world.now();
        world.with_process(id, |process| {
            process.ended = Some(now);
            process.has_died = matches!(ending, Ending::Crashed | Ending::TimedOut | Ending::Panicked);
        });
        world.story.tell(|| format!("{} {id} {}", delivery.function, told_ending(&ending)));
        match (&ending, delivery.function) {
            (Ending::Answered(_), _) | (_, Function::React | Function::Flip) => {}
            (Ending::Failed(_) | Ending::Crashed | Ending::TimedOut | Ending::Panicked, Function::Provision) => {
                world.deliver_again(delivery);
            }
        }
        world.happened(Happened::Ended { process: id, ending });
    }

    /// Faults stop, what is on its way arrives, and inputs stay as they are.
    fn calm(&mut self) {
        let world = self.world;
        world.story.tell(|| "calm: from here on nothing fails and nobody interferes".to_owned());
        world.begin_calm();
        world.turn_metric(true);
        if world.scenario.skew.get() != 0 {
            world.step_function_clocks(true);
        }
        let latest = world.agenda.now() + 90 * SECOND;
        world.agenda.hurry(latest, || world.chance.between(0, 90 * SECOND));
        self.plan_rest();
    }

    /// Everything has to come to rest within a tick, the dwell time and the hold-down, as people set them.
    fn plan_rest(&mut self) {
        self.rest = self.world.agenda.now() + self.time_to_rest();
        self.world.agenda.at(self.rest, Due::Act(Act::Rest));
    }

    fn time_to_rest(&self) -> Moment {
        let world = self.world;
        let row = world.row();
        let automation = row.as_ref().map_or(&world.scenario.spec.automation, |row| &row.spec.automation);
        let seconds = i64::from(automation.minimum_dwell_seconds) + i64::from(automation.hold_down_seconds);
        // The alarm's own evaluation comes first, and a flip that died counts as under way for a minute.
        let periods = i64::from(world.scenario.spec.alarm_evaluation_periods) + 2;
        // A clock that was ahead has left times that are yet to come.
        let ahead = if world.tally().of(Fault::ClockStep) > 0 { 11 * MINUTE } else { 0 };
        seconds * SECOND + (periods + 5) * MINUTE + ahead
    }

    /// Whether it is time to look; otherwise it is looked again later.
    fn is_at_rest(&mut self) -> bool {
        let world = self.world;
        let since = world.calm_moment().map_or(0, |calm| world.agenda.now() - calm);
        if since > LONGEST_CALM {
            return true;
        }
        if !world.stack_rests() {
            self.plan_rest();
            return false;
        }
        let is_busy = self.running.keys().any(|id| world.process(*id).function != Function::React);
        if is_busy || self.pin_ended_lately() || !self.stack_rested_long() {
            self.rest = world.agenda.now() + MINUTE;
            world.agenda.at(self.rest, Due::Act(Act::Rest));
            return false;
        }
        true
    }

    /// A pin that ends in the calm changes what is wanted, and hold-down starts anew.
    fn pin_ended_lately(&self) -> bool {
        let now = self.world.now();
        let Some(row) = self.world.row() else { return false };
        let ended = row.last_pin_end(now);
        ended.is_some_and(|end| now.duration_since(end).as_micros() < i128::from(self.time_to_rest()))
    }

    fn stack_rested_long(&self) -> bool {
        let requests = self.world.requests();
        let ended = self.world.processes().iter().rev().find_map(|process| match process.cause {
            Cause::Request(_) => process.ended,
            Cause::Tick | Cause::Alarm { .. } | Cause::Converge(_) | Cause::Operator => None,
        });
        let now = self.world.now();
        requests.is_empty()
            || ended.is_none_or(|end| now.duration_since(end).as_micros() >= i128::from(self.time_to_rest()))
    }

    fn look(&mut self) {
        for step in self.world.take_steps() {
            let found = self.invariants.after_step(self.world, &step);
            self.violated(found);
        }
    }

    fn violated(&mut self, found: Vec<Violation>) {
        for violation in &found {
            self.world.story.tell(|| format!("VIOLATED {}: {}", violation.invariant, violation.what));
        }
        self.violations.extend(found);
    }
}

fn due_is_rest(due: &Due) -> bool {
    matches!(due, Due::Act(Act::Rest))
}

/// What woke a function, in words; a ResponseURL is not among them.
fn told_event(delivery: &Delivery) -> String {
    match &delivery.cause {
        Cause::Tick => "woken by the tick".to_owned(),
        Cause::Alarm { changed_at } => format!("woken by the alarm's change of {changed_at}"),
        Cause::Converge(request) => format!("asked by react for {}", request.posture),
        Cause::Operator => format!("asked by an operator: {}", delivery.event),
        Cause::Request(number) => format!("sent CloudFormation's request {number}"),
    }
}

fn told_ending(ending: &Ending) -> String {
    match ending {
        Ending::Answered(answer) => format!("answers {answer}"),
        Ending::Failed(failure) => format!("fails: {}: {}", failure.error_type.as_str(), failure.message),
        Ending::Crashed => "is dead".to_owned(),
        Ending::TimedOut => "is killed by Lambda's time-out".to_owned(),
        Ending::Panicked => "panics".to_owned(),
    }
}
