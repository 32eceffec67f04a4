//! One world: AWS in memory, virtual time, chance, and the truth about who did what.

use std::cell::{Cell, Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use failopen::id::{DistributionId, HealthCheckId};
use failopen::ledger::Row;
use failopen::port::RawDistribution;
use failopen_tests::{FakeCloud, World, world};
use jiff::{SignedDuration, Timestamp};

use crate::agenda::{Agenda, Moment};
use crate::chance::Chance;
use crate::fault::{Fault, Tally};
use crate::hosts::Hosts;
use crate::removal::Removal;
use crate::scenario::Scenario;
use crate::stack::{Request, Stack};
use crate::step::{Author, Edit, EditKind, Happened, Process, ProcessId, Put, Seen, Step, Version};
use crate::story::Story;
use crate::weather::Weather;

/// Everything there is in one schedule. What the handlers see of it goes through their ports.
pub struct SimWorld {
    pub(crate) aws: World,
    pub(crate) agenda: Agenda,
    pub(crate) chance: Chance,
    pub(crate) weather: Weather,
    pub(crate) scenario: Scenario,
    pub(crate) hosts: Hosts,
    pub(crate) stack: RefCell<Stack>,
    pub(crate) story: Story,
    removal: Option<Removal>,
    start: i64,
    processes: RefCell<Vec<Process>>,
    /// Microseconds by which each process's clock is off.
    skews: RefCell<Vec<Moment>>,
    puts: RefCell<Vec<Put>>,
    versions: RefCell<Vec<Version>>,
    edits: RefCell<Vec<Edit>>,
    /// By set identifier, the TTL of each failover record before somebody changed it.
    pub(crate) ttls_before_edit: RefCell<BTreeMap<String, Option<u32>>>,
    turns: RefCell<Vec<Turn>>,
    steps: RefCell<Vec<Step>>,
    tally: RefCell<Tally>,
    /// The process that has just died at a call.
    pub(crate) dead: Cell<Option<ProcessId>>,
    calm_since: Cell<Option<Moment>>,
}

/// A host went up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub at: Timestamp,
    /// Inspection, or else the application.
    pub is_inspection: bool,
    pub is_up: bool,
}

impl SimWorld {
    pub(crate) fn new(seed: u64, removal: Option<Removal>, story: Story) -> Rc<Self> {
        let chance = Chance::of(seed);
        let scenario = Scenario::draw(&chance);
        let weather = Weather::draw(&chance, scenario.faulty_for);
        let aws = scenario.build();
        let stack = Stack::new(&chance, &scenario);
        let start = aws.clock.aws_now().as_microsecond();
        let world = Self {
            aws,
            agenda: Agenda::default(),
            chance,
            weather,
            scenario,
            hosts: Hosts::default(),
            stack: RefCell::new(stack),
            story,
            removal,
            start,
            processes: RefCell::default(),
            skews: RefCell::default(),
            puts: RefCell::default(),
            versions: RefCell::default(),
            edits: RefCell::default(),
            ttls_before_edit: RefCell::default(),
            turns: RefCell::default(),
            steps: RefCell::default(),
            tally: RefCell::default(),
            dead: Cell::new(None),
            calm_since: Cell::new(None),
        };
        world.note_version(Author::Before);
        Rc::new(world)
    }

    /// The AWS of this world, to look into.
    pub fn cloud(&self) -> &FakeCloud {
        &self.aws.cloud
    }

    /// The time at AWS.
    pub fn now(&self) -> Timestamp {
        self.at(self.agenda.now())
    }

    /// The rule that this world goes without.
    pub fn removal(&self) -> Option<Removal> {
        self.removal
    }

    /// The one distribution of this world.
    pub fn distribution(&self) -> DistributionId {
        world::distribution()
    }

    /// The ledger row of the one protection, `www`.
    pub fn row(&self) -> Option<Row> {
        self.cloud().ledger().get(&world::www()).map(|versioned| versioned.row)
    }

    /// Every invocation so far, by its id.
    pub fn processes(&self) -> Ref<'_, [Process]> {
        Ref::map(self.processes.borrow(), Vec::as_slice)
    }

    pub fn process(&self, id: ProcessId) -> Ref<'_, Process> {
        Ref::map(self.processes.borrow(), |processes| &processes[id.0])
    }

    /// Every UpdateDistribution so far, oldest first.
    pub fn puts(&self) -> Ref<'_, [Put]> {
        Ref::map(self.puts.borrow(), Vec::as_slice)
    }

    /// Every configuration that was in force, oldest first; the last one is in force.
    pub fn versions(&self) -> Ref<'_, [Version]> {
        Ref::map(self.versions.borrow(), Vec::as_slice)
    }

    /// What others did, oldest first.
    pub fn edits(&self) -> Ref<'_, [Edit]> {
        Ref::map(self.edits.borrow(), Vec::as_slice)
    }

    /// When hosts went up or down, oldest first; both were up before.
    pub fn turns(&self) -> Ref<'_, [Turn]> {
        Ref::map(self.turns.borrow(), Vec::as_slice)
    }

    /// Every request of CloudFormation, oldest first.
    pub fn requests(&self) -> Ref<'_, [Request]> {
        Ref::map(self.stack.borrow(), |stack| stack.requests.as_slice())
    }

    /// Whether CloudFormation holds the protection for existing now: the last request that ended well made it or left it.
    pub fn is_declared(&self) -> bool {
        self.stack.borrow().is_declared()
    }

    /// Whether inspection answers, and the application.
    pub fn hosts_up(&self) -> (bool, bool) {
        (self.hosts.inspection.is_up(), self.hosts.application.is_up())
    }

    /// Since when faults have stopped.
    pub fn calm_since(&self) -> Option<Timestamp> {
        self.calm_since.get().map(|moment| self.at(moment))
    }

    /// The configuration that the distribution had before anything of ours was in it.
    pub fn original(&self) -> &str {
        self.scenario.original
    }

    /// The health check that the alarm watches.
    pub fn health_check(&self) -> Option<HealthCheckId> {
        let observed = self.cloud().cloudwatch().observe(&world::alarm());
        let metric = observed.metric?;
        metric.dimensions.first().map(|(_, id)| HealthCheckId::new(id.as_str()))
    }

    /// How often each fault took effect so far.
    pub fn tally(&self) -> Tally {
        self.tally.borrow().clone()
    }

    pub(crate) fn at(&self, moment: Moment) -> Timestamp {
        Timestamp::from_microsecond(self.start + moment).unwrap_or(Timestamp::MAX)
    }

    /// What the clock of a process shows, in whole milliseconds like the functions' own.
    pub(crate) fn time_of(&self, process: ProcessId) -> Timestamp {
        let micros = self.start + self.agenda.now() + self.skews.borrow()[process.0];
        Timestamp::from_millisecond(micros.div_euclid(1000)).unwrap_or(Timestamp::MAX)
    }

    pub(crate) fn count(&self, fault: Fault) {
        self.tally.borrow_mut().count(fault);
        self.story.note_fault(fault);
    }

    pub(crate) fn happened(&self, happened: Happened) {
        self.steps.borrow_mut().push(Step { at: self.now(), happened });
    }

    pub(crate) fn take_steps(&self) -> Vec<Step> {
        std::mem::take(&mut *self.steps.borrow_mut())
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm_since.get().is_some()
    }

    pub(crate) fn calm_moment(&self) -> Option<Moment> {
        self.calm_since.get()
    }

    pub(crate) fn begin_calm(&self) {
        self.calm_since.set(Some(self.agenda.now()));
        self.happened(Happened::Calm);
    }

    pub(crate) fn add_process(&self, process: Process, skew: Moment) {
        self.skews.borrow_mut().push(skew);
        self.processes.borrow_mut().push(process);
    }

    pub(crate) fn with_process<T>(&self, id: ProcessId, change: impl FnOnce(&mut Process) -> T) -> T {
        change(&mut self.processes.borrow_mut()[id.0])
    }

    /// Steps the clock of every running process. Returns whether there was one.
    pub(crate) fn step_clocks(&self, skew: Moment) -> bool {
        let mut any = false;
        for (process, of_process) in self.processes.borrow_mut().iter_mut().zip(self.skews.borrow_mut().iter_mut()) {
            if process.ended.is_none() && *of_process != skew {
                *of_process = skew;
                process.stepped = true;
                any = true;
            }
        }
        any
    }

    pub(crate) fn note_put(&self, put: Put) -> usize {
        let mut puts = self.puts.borrow_mut();
        puts.push(put);
        puts.len() - 1
    }

    /// Notes the configuration that has just come into force.
    pub(crate) fn note_version(&self, author: Author) {
        let RawDistribution { bytes, etag } = self.in_force();
        let at = self.now();
        self.versions.borrow_mut().push(Version { at, etag, bytes: bytes.into(), author });
    }

    /// The configuration in force, whatever a process was given.
    pub(crate) fn in_force(&self) -> RawDistribution {
        let cloudfront = self.cloud().cloudfront();
        let id = self.distribution();
        RawDistribution { bytes: cloudfront.bytes(&id).to_vec(), etag: cloudfront.etag(&id).clone() }
    }

    pub(crate) fn note_edit(&self, kind: EditKind, is_undone: bool) {
        self.edits.borrow_mut().push(Edit { at: self.now(), kind, is_undone });
        if !is_undone {
            self.count(kind.into());
        }
        self.happened(Happened::Edited(kind));
    }

    pub(crate) fn note_turn(&self, is_inspection: bool, is_up: bool) {
        self.turns.borrow_mut().push(Turn { at: self.now(), is_inspection, is_up });
        self.happened(Happened::Turned);
    }

    pub(crate) fn note_read(&self, process: ProcessId, bytes: &[u8], raw: &RawDistribution, is_mangled: bool) {
        let seen = Seen { bytes: bytes.into(), etag: raw.etag.clone(), is_mangled };
        self.with_process(process, |process| process.read = Some(seen));
    }

    /// Moves AWS's clock to the present of the agenda.
    pub(crate) fn catch_up(&self) {
        let behind = self.now().duration_since(self.aws.clock.aws_now());
        if behind > SignedDuration::ZERO {
            self.aws.clock.advance(behind);
        }
    }
}
