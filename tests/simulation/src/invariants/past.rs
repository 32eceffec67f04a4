//! What has happened so far, as far as the checks need it: the truth about the alarm, about probes and about the ledger,
//! seen from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use failopen::alarm::AlarmState;
use failopen::id::ETag;
use failopen::ledger::{Lifecycle, Row};
use failopen::port::Converge;
use failopen::posture::Side;
use failopen_tests::{Operation, world};
use jiff::{SignedDuration, Timestamp};

use super::configuration::Configuration;
use crate::step::{Called, Cause, EditKind, Function, Happened, ProcessId, Step};
use crate::world::SimWorld;

/// A reading this soon after a flip may still show what was before it, so it proves nothing (as documented for
/// `Watch::inspected_seen_at`).
const SETTLING: SignedDuration = SignedDuration::from_secs(60);
/// The longest that a request to flip takes to reach Lambda, counted from the decision.
const ASKING: SignedDuration = SignedDuration::from_secs(30);

/// Everything that is remembered between steps.
#[derive(Debug)]
pub(crate) struct Past {
    /// Id of the origin that serves without inspection.
    pub(crate) application: String,
    /// Id of the origin that carries the failover record.
    pub(crate) inspection: String,
    /// The ledger row, read anew after every write.
    pub(crate) row: Option<Rc<Row>>,
    /// State of the alarm, and since when.
    pub(crate) alarm: (AlarmState, Option<Timestamp>),
    /// Since when the row has had its latch.
    pub(crate) latched_since: Option<Timestamp>,
    /// When the alarm fell silent: the first time since react last noted that it was not.
    pub(crate) silent_since: Option<Timestamp>,
    /// When it fell silent last.
    fell_silent: Option<Timestamp>,
    /// A react that could not read the alarm has told people that there is no health data, and none has noted since that the alarm
    /// says something: what falls silent meanwhile is no other episode for whoever cannot know that it had spoken.
    pub(crate) told_unheard: bool,
    /// Configurations that react had read when it wrote the row.
    pub(crate) noted: BTreeSet<ETag>,
    /// Those of them in which a behaviour that was protected then was foreign.
    pub(crate) noted_foreign: BTreeSet<ETag>,
    /// The bypass that the ledger records, if the last that it records is one.
    bypass: Option<Bypass>,
    notes: Vec<Notes>,
    asks: Vec<Ask>,
    /// The side on which each configuration has the protected behaviours, if they are all on one.
    pub(crate) sides: BTreeMap<ETag, Option<Side>>,
    /// Versions looked at.
    versions: usize,
}

/// A bypass in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bypass {
    at: Timestamp,
    /// react has seen the protection inspected since, and has written that down.
    is_over: bool,
}

/// What is remembered of one process.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    /// By its own clock.
    pub(crate) began: Timestamp,
    /// The row when it began.
    pub(crate) row: Option<Rc<Row>>,
    /// The alarm was in ALARM at some moment of its life.
    pub(crate) saw_alarm: bool,
    /// The alarm was OK at some moment of its life.
    pub(crate) saw_ok: bool,
    /// Since when the alarm had been OK when the process read it.
    pub(crate) ok_since: Option<Timestamp>,
    /// CloudWatch has told it the alarm's state.
    read_alarm: bool,
    /// The alarm was not silent when the process read it.
    heard_alarm: bool,
    /// It was answered by a host that was up.
    pub(crate) application_answered: bool,
    pub(crate) inspection_answered: bool,
    /// Automation may reverse the bypass that there was when it began, or one that was recorded while it ran.
    pub(crate) bypass_is_ours: bool,
    /// It has read the distribution since its last write.
    pub(crate) has_reread: bool,
    /// Its last write was answered with success.
    pub(crate) was_accepted: bool,
    /// It read a configuration in which everything is inspected.
    saw_inspected: bool,
    /// Distribution writes that it sent.
    pub(crate) puts: u32,
    /// At least one of its calls failed, or lost its answer.
    pub(crate) had_fault: bool,
}

/// react asked flip for something.
#[derive(Debug)]
struct Ask {
    process: ProcessId,
    side: Side,
    /// By react's clock.
    at: Timestamp,
    notes: Notes,
}

impl Past {
    pub(crate) fn begin(world: &SimWorld) -> Self {
        let original = Configuration::read(world.original().as_bytes()).expect("the world begins with a readable one");
        let mut past = Self {
            application: original.behavior("*").map(|behavior| behavior.target.clone()).unwrap_or_default(),
            inspection: world::inspection_origin().to_string(),
            row: None,
            alarm: (AlarmState::Missing, None),
            latched_since: None,
            silent_since: None,
            fell_silent: None,
            told_unheard: false,
            noted: BTreeSet::new(),
            noted_foreign: BTreeSet::new(),
            bypass: None,
            notes: Vec::new(),
            asks: Vec::new(),
            sides: BTreeMap::new(),
            versions: 0,
        };
        past.read_row(world);
        past.read_alarm(world);
        past.read_versions(world);
        past
    }

    pub(crate) fn notes(&self, process: ProcessId) -> &Notes {
        &self.notes[process.0]
    }

    /// What is remembered of the react processes that may have asked for exactly this.
    pub(crate) fn askers(&self, world: &SimWorld, request: &Converge) -> Vec<&Notes> {
        let asked = |ask: &&Ask| {
            let took = ask.at.duration_since(request.decided_at);
            let in_time = SignedDuration::ZERO <= took && took <= ASKING;
            ask.side == request.posture && (in_time || world.process(ask.process).stepped)
        };
        self.asks.iter().filter(asked).map(|ask| &ask.notes).collect()
    }

    /// The patterns that anybody ever asked to protect: what provision may touch.
    pub(crate) fn declared(&self, world: &SimWorld) -> Vec<String> {
        let requests = world.requests();
        let properties = requests.iter().map(|request| &request.properties["Traffic"]);
        let asked = properties.filter_map(|traffic| traffic.as_array()).flatten().filter_map(|one| one.as_str());
        let mut patterns: Vec<String> = asked.map(str::to_owned).collect();
        patterns.extend(world.scenario.traffic.iter().map(|pattern| pattern.as_str().to_owned()));
        patterns.sort();
        patterns.dedup();
        patterns
    }

    /// The patterns that the ledger recorded when a process began, or records now: what a flip may touch.
    pub(crate) fn recorded(&self, process: ProcessId) -> Vec<String> {
        let mut patterns: Vec<String> =
            [&self.notes(process).row, &self.row].into_iter().flatten().flat_map(|row| protected(row)).collect();
        patterns.sort();
        patterns.dedup();
        patterns
    }

    /// The patterns that the ledger recorded when a process began, and still records: what a flip has to move.
    pub(crate) fn recorded_throughout(&self, process: ProcessId) -> Vec<String> {
        let before: Vec<String> = self.notes(process).row.iter().flat_map(|row| protected(row)).collect();
        let now = self.row.iter().flat_map(|row| protected(row));
        now.filter(|pattern| before.contains(pattern)).collect()
    }

    /// The side on which all protected behaviours of a configuration are.
    pub(crate) fn side(&self, configuration: &Configuration, patterns: &[String]) -> Option<Side> {
        let target = |pattern: &String| configuration.behavior(pattern).map(|behavior| behavior.target.as_str());
        let all = |origin: &str| patterns.iter().all(|pattern| target(pattern) == Some(origin));
        if all(&self.inspection) {
            Some(Side::Inspected)
        } else if all(&self.application) {
            Some(Side::Bypassed)
        } else {
            None
        }
    }

    /// Whether a bypass that is found now is one that automation may reverse.
    pub(crate) fn bypass_is_ours(&self) -> bool {
        self.bypass.is_some_and(|bypass| !bypass.is_over)
    }

    /// Takes a step in. Checks of a call look at the past before it.
    pub(crate) fn take_in(&mut self, world: &SimWorld, step: &Step) {
        self.read_versions(world);
        match &step.happened {
            Happened::Began(id) => self.note_process(world, *id),
            Happened::Called(called) => self.note_call(world, called),
            Happened::AlarmChanged | Happened::Edited(EditKind::AlarmDeleted) => self.read_alarm(world),
            Happened::Edited(_)
            | Happened::Ended { .. }
            | Happened::Turned
            | Happened::Requested(_)
            | Happened::GaveUp(_)
            | Happened::ClockStepped
            | Happened::Calm => {}
        }
    }

    fn note_process(&mut self, world: &SimWorld, id: ProcessId) {
        let notes = Notes {
            began: world.time_of(id),
            row: self.row.clone(),
            saw_alarm: self.alarm.0 == AlarmState::Alarm,
            saw_ok: self.alarm.0 == AlarmState::Ok,
            ok_since: None,
            read_alarm: false,
            heard_alarm: false,
            application_answered: false,
            inspection_answered: false,
            bypass_is_ours: self.bypass_is_ours(),
            has_reread: false,
            was_accepted: true,
            saw_inspected: false,
            puts: 0,
            had_fault: false,
        };
        debug_assert_eq!(self.notes.len(), id.0, "every process begins once");
        self.notes.push(notes);
    }

    fn note_call(&mut self, world: &SimWorld, called: &Called) {
        let answered = called.told.is_ok();
        let notes = &mut self.notes[called.process.0];
        notes.had_fault |= !answered;
        match called.operation {
            Operation::GetDistributionConfig if answered => {
                notes.has_reread = true;
                let seen = world.process(called.process).read.clone();
                let side = seen.filter(|seen| !seen.is_mangled).and_then(|seen| self.sides.get(&seen.etag).copied());
                notes.saw_inspected |= side.flatten() == Some(Side::Inspected);
            }
            Operation::UpdateDistribution => {
                notes.has_reread = false;
                notes.was_accepted = answered;
                notes.puts += 1;
            }
            Operation::DescribeAlarms if answered => {
                notes.ok_since = self.alarm.1.filter(|_| self.alarm.0 == AlarmState::Ok);
                notes.heard_alarm = !is_silent(self.alarm.0);
                notes.read_alarm = true;
            }
            Operation::Publish
                if called.applied && !notes.read_alarm && called.arguments.contains("no health data") =>
            {
                self.told_unheard = true;
            }
            Operation::Probe if answered => {
                let (inspection, application) = world.hosts_up();
                let asked = |host: &failopen::id::Hostname| called.arguments.starts_with(host.as_str());
                notes.inspection_answered |= inspection && asked(&world::inspection());
                notes.application_answered |= application && asked(&world::application());
            }
            Operation::InvokeFlip if called.applied => {
                let side = match called.arguments.ends_with("bypassed") {
                    true => Side::Bypassed,
                    false => Side::Inspected,
                };
                let (process, at) = (called.process, world.time_of(called.process));
                self.asks.push(Ask { process, side, at, notes: notes.clone() });
            }
            Operation::PutItem if called.applied => self.note_row(world, called.process),
            Operation::PutMetricAlarm | Operation::DeleteAlarms if called.applied => self.read_alarm(world),
            _ => {}
        }
    }

    fn read_alarm(&mut self, world: &SimWorld) {
        let observed = world.cloud().cloudwatch().observe(&world::alarm());
        let falls_silent = self.fell_silent.is_none() || !is_silent(self.alarm.0);
        if falls_silent && is_silent(observed.state) {
            self.fell_silent = Some(world.now());
            self.silent_since.get_or_insert(world.now());
        }
        self.alarm = (observed.state, observed.since);
        for (notes, process) in self.notes.iter_mut().zip(world.processes().iter()) {
            if process.ended.is_none() {
                notes.saw_alarm |= observed.state == AlarmState::Alarm;
                notes.saw_ok |= observed.state == AlarmState::Ok;
            }
        }
    }

    fn is_latched(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.latch.is_some())
    }

    fn read_row(&mut self, world: &SimWorld) {
        let was_latched = self.is_latched();
        let life = |row: &Option<Rc<Row>>| row.as_ref().map(|row| row.created_by.clone());
        let before = life(&self.row);
        self.row = world.row().map(Rc::new);
        // Another life of the protection has heard nothing.
        self.told_unheard &= life(&self.row) == before;
        if self.is_latched() != was_latched {
            self.latched_since = self.is_latched().then(|| world.now());
        }
        let recorded = self.row.as_ref().and_then(|row| recorded_bypass(row));
        if recorded != self.bypass.map(|bypass| bypass.at) {
            self.bypass = recorded.map(|at| Bypass { at, is_over: false });
        }
        if self.bypass_is_ours() {
            for (notes, process) in self.notes.iter_mut().zip(world.processes().iter()) {
                notes.bypass_is_ours |= process.ended.is_none();
            }
        }
    }

    /// A process has written the row.
    fn note_row(&mut self, world: &SimWorld, id: ProcessId) {
        let before = self.bypass;
        self.read_row(world);
        let process = world.process(id);
        let notes = &self.notes[id.0];
        if process.function == Function::React {
            if let Some(read) = process.read.as_ref().filter(|read| !read.is_mangled) {
                self.noted.insert(read.etag.clone());
                let patterns: Vec<String> = self.row.iter().flat_map(|row| protected(row)).collect();
                let set = [&self.inspection, &self.application];
                let is_foreign = Configuration::read(&read.bytes).is_some_and(|read| read.is_foreign(&patterns, &set));
                if is_foreign {
                    self.noted_foreign.insert(read.etag.clone());
                }
            }
            if notes.heard_alarm {
                self.silent_since = self.fell_silent.filter(|_| is_silent(self.alarm.0));
                self.told_unheard = false;
            }
        }
        let in_service = self.row.as_ref().is_some_and(|row| row.is_in_service());
        let (Some(bypass), Some(before)) = (&mut self.bypass, before) else { return };
        if process.function == Function::React
            && notes.saw_inspected
            && in_service
            && !process.stepped
            && bypass.at == before.at
            && notes.began.duration_since(bypass.at) > SETTLING
        {
            bypass.is_over = true;
        }
    }

    fn read_versions(&mut self, world: &SimWorld) {
        let versions = world.versions();
        let patterns: Vec<String> = match &self.row {
            Some(row) => protected(row).collect(),
            None => world.scenario.traffic.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
        };
        for version in &versions[self.versions..] {
            let side = Configuration::read(&version.bytes).and_then(|read| self.side(&read, &patterns));
            self.sides.insert(version.etag.clone(), side);
        }
        self.versions = versions.len();
    }
}

/// Whether an alarm in this state says nothing about health.
pub(crate) fn is_silent(state: AlarmState) -> bool {
    matches!(state, AlarmState::InsufficientData | AlarmState::Missing)
}

/// The patterns that a row says are moved.
pub(super) fn protected(row: &Row) -> impl Iterator<Item = String> {
    let made = row.made.distribution.iter();
    made.flat_map(|made| &made.behaviors).map(|known| known.path_pattern.as_str().to_owned())
}

/// When the ledger says that a bypass was made which is the last thing that it records.
fn recorded_bypass(row: &Row) -> Option<Timestamp> {
    let pending = row.pending.as_ref().filter(|pending| pending.to == Side::Bypassed).map(|pending| pending.at);
    let flip = row.flips.last().filter(|flip| flip.to == Side::Bypassed).map(|flip| flip.at);
    pending.or(flip)
}

/// Whether the ledger says that a process which is not Delete may act on the protection.
pub(crate) fn is_being_deleted(row: &Option<Rc<Row>>) -> bool {
    row.as_ref().is_some_and(|row| row.lifecycle == Lifecycle::Deleting)
}

/// The request that a flip came from, if it was react's.
pub(crate) fn converge_of(cause: &Cause) -> Option<&Converge> {
    match cause {
        Cause::Converge(request) => Some(request),
        Cause::Tick | Cause::Alarm { .. } | Cause::Operator | Cause::Request(_) => None,
    }
}
