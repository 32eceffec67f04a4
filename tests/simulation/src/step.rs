//! What happens in a schedule, one thing at a time: what the story tells and what the invariants look at.

use std::fmt;
use std::rc::Rc;

use failopen::failure::Failure;
use failopen::id::{DistributionId, ETag};
use failopen::port::{Converge, FaultKind};
use failopen_tests::Operation;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// One invocation of a function, counted from 0 in each schedule; it indexes `SimWorld::processes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId(pub usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Provision,
    React,
    Flip,
}

/// What an invocation came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    Tick,
    /// A change of the alarm's state that happened at this moment.
    Alarm {
        changed_at: Timestamp,
    },
    /// react asked.
    Converge(Converge),
    Operator,
    /// A request of CloudFormation (index into `SimWorld::requests`), first delivered or repeated.
    Request(usize),
}

/// One invocation of a function.
#[derive(Clone, Debug)]
pub struct Process {
    pub id: ProcessId,
    pub function: Function,
    pub cause: Cause,
    pub event: Value,
    /// When it began, by AWS's clock.
    pub began: Timestamp,
    /// When Lambda kills it, by AWS's clock.
    pub killed_at: Timestamp,
    /// How far its own clock was off when it began.
    pub skew: SignedDuration,
    /// Whether its clock was stepped while it ran.
    pub stepped: bool,
    /// It gets no time any more, until Lambda kills it.
    pub is_frozen: bool,
    /// It died at a call, or Lambda killed it.
    pub has_died: bool,
    /// When it ended, by AWS's clock.
    pub ended: Option<Timestamp>,
    /// Remote calls made so far.
    pub calls: u32,
    /// The last configuration that it read, whether the answer was mangled or not.
    pub read: Option<Seen>,
}

/// What a process was given as the distribution's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub bytes: Rc<[u8]>,
    pub etag: ETag,
    /// The bytes were truncated, doubled or exchanged on the way.
    pub is_mangled: bool,
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    Answered(Value),
    Failed(Failure),
    /// It died at a call.
    Crashed,
    /// Lambda killed it.
    TimedOut,
    /// A panic left the handler.
    Panicked,
}

/// One remote call, when it took effect or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    pub process: ProcessId,
    pub operation: Operation,
    /// As the fake logs them: never a document, a header value or a URL.
    pub arguments: String,
    /// Whether AWS did what was asked.
    pub applied: bool,
    /// What the caller is told, if it lives to hear it.
    pub told: Result<(), FaultKind>,
    /// Index into `SimWorld::puts`, for UpdateDistribution.
    pub put: Option<usize>,
}

/// One UpdateDistribution as it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    pub process: ProcessId,
    pub at: Timestamp,
    pub distribution: DistributionId,
    /// What the process had read last.
    pub read: Option<Seen>,
    /// The configuration in force right before.
    pub before: Rc<[u8]>,
    pub etag_before: ETag,
    pub sent: Rc<[u8]>,
    pub if_match: ETag,
    pub applied: bool,
    pub told: Result<(), FaultKind>,
}

/// One configuration that was in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub at: Timestamp,
    pub etag: ETag,
    pub bytes: Rc<[u8]>,
    pub author: Author,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// It was there before the schedule.
    Before,
    Process(ProcessId),
    /// Somebody else.
    Foreign(EditKind),
}

/// What somebody else did to something of ours or next to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EditKind {
    /// Another text in the distribution's comment.
    Comment,
    /// A protected behaviour targets an origin that is neither of ours.
    ThirdOrigin,
    /// Our targets written back to the application: infrastructure as code, or the console.
    Reverted,
    /// The protected behaviours are pointed at inspection by hand.
    RestoredByHand,
    /// Our origin is gone, and nothing targets it any more.
    OriginRemoved,
    /// The behaviour that we cloned has other settings.
    CloneEdited,
    /// `Enabled` is false.
    Disabled,
    /// `Staging` is true.
    Staging,
    /// A new ETag without any change.
    Churn,
    /// TTL of the failover records.
    RecordTtl,
    /// Both failover records are gone.
    RecordsRemoved,
    HealthCheckDisabled,
    HealthCheckInverted,
    AlarmDeleted,
    AlarmMuted,
}

/// Somebody else's act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub at: Timestamp,
    pub kind: EditKind,
    /// Undoes an earlier edit of this kind.
    pub is_undone: bool,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// By AWS's clock.
    pub at: Timestamp,
    pub happened: Happened,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    /// An event was delivered.
    Began(ProcessId),
    Called(Called),
    Ended {
        process: ProcessId,
        ending: Ending,
    },
    /// Somebody else changed something; the last of `SimWorld::edits`.
    Edited(EditKind),
    /// A host went up or down; the last of `SimWorld::turns`.
    Turned,
    /// The alarm has another state.
    AlarmChanged,
    /// CloudFormation sent a request (index into `SimWorld::requests`).
    Requested(usize),
    /// CloudFormation stopped waiting for one.
    GaveUp(usize),
    /// Clocks of functions were stepped.
    ClockStepped,
    /// Faults have stopped; from here on nobody edits, asks or fails.
    Calm,
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Function::Provision => "provision",
            Function::React => "react",
            Function::Flip => "flip",
        })
    }
}

impl fmt::Display for EditKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EditKind::Comment => "another comment in the distribution",
            EditKind::ThirdOrigin => "a protected behaviour targets a third origin",
            EditKind::Reverted => "the protected behaviours target the application again",
            EditKind::RestoredByHand => "the protected behaviours target inspection, by hand",
            EditKind::OriginRemoved => "our origin is removed",
            EditKind::CloneEdited => "the cloned behaviour has other settings",
            EditKind::Disabled => "the distribution is disabled",
            EditKind::Staging => "the distribution is marked as staging",
            EditKind::Churn => "a new ETag without a change",
            EditKind::RecordTtl => "the failover records have another TTL",
            EditKind::RecordsRemoved => "the failover records are removed",
            EditKind::HealthCheckDisabled => "the health check is disabled",
            EditKind::HealthCheckInverted => "the health check is inverted",
            EditKind::AlarmDeleted => "the alarm is deleted",
            EditKind::AlarmMuted => "the alarm's actions are disabled",
        })
    }
}
