//! The kinds of fault, and how often each of them really happened.

use std::fmt;

use crate::step::EditKind;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident => $word:literal),+ $(,)?) => {
        /// One kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[$doc])* $name,)+
        }

        impl Fault {
            pub const ALL: &[Fault] = &[$(Fault::$name,)+];

            /// The name that is printed.
            pub fn name(self) -> &'static str {
                match self {
                    $(Fault::$name => $word,)+
                }
            }
        }
    };
}

faults! {
    /// An alarm's event, or a request to flip, is delivered more than once.
    DuplicateEvent => "duplicate-event",
    /// An event is delivered after one that is younger.
    ReorderedEvent => "reordered-event",
    /// An event is delivered two minutes late or later, up to six hours.
    DelayedEvent => "delayed-event",
    /// An event is never delivered.
    DroppedEvent => "dropped-event",
    LostTick => "lost-tick",
    DoubledTick => "doubled-tick",
    /// A call is throttled during a burst.
    ThrottlingBurst => "throttling-burst",
    /// A call fails and nothing was done.
    ErrorBeforeApply => "error-before-apply",
    /// What a call asked for is done, and the answer is lost.
    ErrorAfterApply => "error-after-apply",
    /// The SDK repeated a write that was done: the caller hears of the second attempt only, which is a 412.
    EchoOfOwnWrite => "echo-of-own-write",
    /// A call without a byte of answer until its time-out.
    Hang => "hang",
    /// Credentials are refused for a while.
    ExpiredToken => "expired-token",
    /// One service is forbidden for a while.
    AccessDenied => "access-denied",
    /// The ledger does not answer for a while.
    LedgerUnavailable => "ledger-unavailable",
    /// CloudFront's control plane does not answer for a while.
    ControlPlaneDown => "control-plane-down",
    /// The distribution's answer is truncated, doubled, not XML, or another's.
    MalformedDocument => "malformed-document",
    CrashBeforeCall => "crash-before-call",
    CrashAfterCall => "crash-after-call",
    /// Lambda killed a process at its time-out.
    TimedOut => "timed-out",
    /// The clocks of functions are stepped by up to ten minutes.
    ClockStep => "clock-step",
    EtagChurn => "etag-churn",
    /// Somebody edits the distribution between a process's GET and its PUT.
    EditBeforePut => "edit-before-put",
    /// Somebody edits the distribution between a process's PUT and its reading back.
    EditAfterPut => "edit-after-put",
    ForeignComment => "foreign-comment",
    ForeignThirdOrigin => "foreign-third-origin",
    ForeignRevert => "foreign-revert",
    ForeignRestore => "foreign-restore",
    ForeignOriginRemoved => "foreign-origin-removed",
    ForeignCloneEdited => "foreign-clone-edited",
    ForeignDisabled => "foreign-disabled",
    ForeignStaging => "foreign-staging",
    ForeignRecordTtl => "foreign-record-ttl",
    ForeignRecordsRemoved => "foreign-records-removed",
    HealthCheckDisabled => "health-check-disabled",
    HealthCheckInverted => "health-check-inverted",
    AlarmDeleted => "alarm-deleted",
    AlarmMuted => "alarm-muted",
    /// The metric has no data for a while.
    HealthDataMissing => "health-data-missing",
    /// Inspection goes down and up within minutes.
    InspectionFlapping => "inspection-flapping",
    ApplicationDown => "application-down",
    /// The application's certificate is not valid, which Route 53 does not look at.
    ApplicationCertificate => "application-certificate",
    /// CloudFormation's request is delivered again: doubled, or because the function failed.
    CloudformationRetry => "cloudformation-retry",
    /// A Delete is delivered while the Create that it undoes still runs.
    DeleteOverlapsCreate => "delete-overlaps-create",
    /// A second copy of a Delete begins while the first is at work.
    DeleteOverlapsDelete => "delete-overlaps-delete",
    /// A copy of a Create or Update from before a Delete that has ended is at work when a new Create is, or after it.
    CreateOverlapsFormerLife => "create-overlaps-former-life",
    /// A Delete carries a physical id that CloudFormation made up.
    InventedPhysicalId => "invented-physical-id",
    ResponsePutFails => "response-put-fails",
    /// Two operators, or an operator and react, flip at the same time.
    FlipsOverlap => "flips-overlap",
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<EditKind> for Fault {
    fn from(kind: EditKind) -> Self {
        match kind {
            EditKind::Comment => Fault::ForeignComment,
            EditKind::ThirdOrigin => Fault::ForeignThirdOrigin,
            EditKind::Reverted => Fault::ForeignRevert,
            EditKind::RestoredByHand => Fault::ForeignRestore,
            EditKind::OriginRemoved => Fault::ForeignOriginRemoved,
            EditKind::CloneEdited => Fault::ForeignCloneEdited,
            EditKind::Disabled => Fault::ForeignDisabled,
            EditKind::Staging => Fault::ForeignStaging,
            EditKind::Churn => Fault::EtagChurn,
            EditKind::RecordTtl => Fault::ForeignRecordTtl,
            EditKind::RecordsRemoved => Fault::ForeignRecordsRemoved,
            EditKind::HealthCheckDisabled => Fault::HealthCheckDisabled,
            EditKind::HealthCheckInverted => Fault::HealthCheckInverted,
            EditKind::AlarmDeleted => Fault::AlarmDeleted,
            EditKind::AlarmMuted => Fault::AlarmMuted,
        }
    }
}

/// How often each kind of fault took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally(Vec<u64>);

impl Default for Tally {
    fn default() -> Self {
        Self(vec![0; Fault::ALL.len()])
    }
}

impl Tally {
    pub(crate) fn count(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// The kind that happened least, and how often.
    pub fn least(&self) -> (Fault, u64) {
        let counted = Fault::ALL.iter().map(|fault| (*fault, self.of(*fault)));
        counted.min_by_key(|(_, count)| *count).unwrap_or((Fault::DuplicateEvent, 0))
    }
}
