//! The ports: what a handler may read, and what it may change. Two traits, so that code that only observes cannot write.
//!
//! `failopen-cloud` implements them with the AWS SDK; the tests implement them with a stateful fake. This module declares
//! and does nothing. Handlers use static dispatch and run on one thread, hence plain `async fn`.
#![expect(async_fn_in_trait, reason = "static dispatch on one thread: no Send bound is wanted")]

use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alarm::{MetricAlarm, ObservedAlarm};
use crate::forwarding::{HeaderRule, PolicyId};
use crate::handshake::{Look, Seen};
use crate::health_probe::{HealthProbe, HealthProbed};
use crate::id::{AlarmName, ChangeId, DistributionId, ETag, HealthCheckId, Hostname, OwnerMark, ProtectionName};
use crate::ledger::{Row, Versioned};
use crate::posture::Side;
pub use crate::probe::{Probe, ProbeOutcome};
use crate::reach::FlipReach;
pub use crate::resolution::{Delegation, Resolution};
use crate::rows::{Rows, UnreadableRow};
use crate::secret::Secret;
use crate::spec::Zone;
use crate::tombstone::{Slot, Tombstone};

/// Everything that can be read. Each method is one remote call (or one page loop) with its own time-outs and retries.
pub trait Observe {
    /// GetDistributionConfig: the bytes as CloudFront sent them, and their ETag.
    async fn distribution(&self, id: &DistributionId) -> Result<RawDistribution, Fault>;
    /// GetDistribution: whether every edge has the configuration. Slow-changing; never needed to decide a flip.
    async fn distribution_status(&self, id: &DistributionId) -> Result<DistributionStatus, Fault>;

    /// GetHostedZone.
    async fn zone(&self, zone: &Zone) -> Result<ObservedZone, Fault>;
    /// ListResourceRecordSets: every record set of exactly this name, of any type.
    async fn records(&self, zone: &Zone, name: &Hostname) -> Result<Vec<RecordSet>, Fault>;
    /// GetChange: whether all Route 53 servers have the change.
    async fn change_is_insync(&self, zone: &Zone, change: &ChangeId) -> Result<bool, Fault>;

    /// GetHealthCheck; `None` where it does not exist.
    async fn health_check(&self, id: &HealthCheckId) -> Result<Option<ObservedHealthCheck>, Fault>;
    /// ListHealthChecks, searched for a CallerReference: how a check is found again after a crash.
    async fn health_check_by_reference(&self, reference: &str) -> Result<Option<ObservedHealthCheck>, Fault>;
    /// GetHealthCheckStatus: what the checkers last saw. One call a second in the whole account: never in a loop without
    /// a pause, never to decide a flip.
    async fn checkers(&self, id: &HealthCheckId) -> Result<Checkers, Fault>;

    /// GetMetricStatistics: what Route 53 last reported of a check's status, for checks that have no checkers to ask. `None` where
    /// it has reported nothing in the last minutes.
    async fn reported_health(&self, id: &HealthCheckId) -> Result<Option<bool>, Fault>;

    /// DescribeAlarms by name, metric and composite; a name that does not exist comes back as missing.
    async fn alarms(&self, names: &[AlarmName]) -> Result<Vec<ObservedAlarm>, Fault>;
    /// The owner mark in an alarm's tags (ListTagsForResource); `None` where it carries none.
    async fn alarm_owner(&self, arn: &str) -> Result<Option<OwnerMark>, Fault>;

    /// All rows of the ledger, strongly consistent, and the names of those that cannot be understood.
    async fn rows(&self) -> Result<Rows, Fault>;
    /// What is under one name, strongly consistent.
    async fn slot(&self, name: &ProtectionName) -> Result<Slot, Fault>;
    /// One row, strongly consistent.
    async fn row(&self, name: &ProtectionName) -> Result<Option<Versioned>, Fault> {
        match self.slot(name).await? {
            Slot::Taken(found) => Ok(Some(found)),
            Slot::Free | Slot::Buried(_) => Ok(None),
        }
    }

    /// Lambda's GetPolicy of react: who may invoke it, as JSON; `None` where it has no policy.
    async fn react_policy(&self) -> Result<Option<String>, Fault>;
    /// Asks react whether it may invoke flip.
    async fn react_reaches_flip(&self) -> Result<FlipReach, Fault>;
    /// Asks Lambda whether this function may invoke flip, and invokes nothing.
    async fn flip_may_be_invoked(&self) -> Result<(), Fault>;

    /// One TLS-verified HTTPS request, not redirected.
    async fn probe(&self, probe: &Probe) -> ProbeOutcome;
    /// TLS handshakes, all at the same time, after which nothing is sent: what CloudFront would see, in the order asked.
    async fn handshakes(&self, looks: &[Look]) -> Vec<Seen>;
    /// One request to the health path, not redirected and without verifying a certificate: what Route 53's checkers would see.
    async fn health_probe(&self, probe: &HealthProbe) -> HealthProbed;
    /// GetCachePolicy or GetOriginRequestPolicy: which headers it forwards.
    async fn policy(&self, policy: &PolicyId) -> Result<HeaderRule, Fault>;

    /// Asks DNS for a host's addresses, and for every CNAME on the way. A name that does not resolve is a fact, no fault.
    async fn resolve(&self, name: &Hostname) -> Resolution;
    /// Asks DNS for the NS records of a zone's name.
    async fn delegation(&self, zone: &Hostname) -> Delegation;
}

/// Everything that can be changed.
pub trait Apply {
    /// UpdateDistribution with exactly these bytes, on condition of `if_match`.
    ///
    /// [`FaultKind::Stale`] and [`FaultKind::Unknown`] both mean: read again before anything else. A 412 may be the echo of
    /// our own success (the SDK retried a write whose answer was lost).
    async fn put_distribution(
        &self,
        id: &DistributionId,
        document: &[u8],
        if_match: &ETag,
    ) -> Result<PutAccepted, Fault>;

    /// ChangeResourceRecordSets: one transactional batch.
    async fn change_records(&self, zone: &Zone, changes: &[RecordChange]) -> Result<ChangeId, Fault>;

    /// CreateHealthCheck. The same reference and settings return the check that exists.
    async fn create_health_check(&self, reference: &str, check: &HealthCheckConfig) -> Result<HealthCheckId, Fault>;
    /// ChangeTagsForResource, for people: tags prove nothing.
    async fn tag_health_check(&self, id: &HealthCheckId, tags: &[(String, String)]) -> Result<(), Fault>;
    /// UpdateHealthCheck on condition of the version read; immutable settings are not sent.
    async fn update_health_check(
        &self,
        id: &HealthCheckId,
        version: i64,
        check: &HealthCheckConfig,
    ) -> Result<(), Fault>;
    /// DeleteHealthCheck; deleting what is gone succeeds.
    async fn delete_health_check(&self, id: &HealthCheckId) -> Result<(), Fault>;

    /// PutMetricAlarm with the owner tag (tags count at creation only).
    async fn put_alarm(&self, name: &AlarmName, alarm: &MetricAlarm, owner: &OwnerMark) -> Result<(), Fault>;
    /// DeleteAlarms; deleting what is gone succeeds.
    async fn delete_alarm(&self, name: &AlarmName) -> Result<(), Fault>;

    /// Conditional put: on absence (`None`) or on the version that was read. Returns the new version.
    async fn put_row(&self, row: &Row, expected: Option<u64>) -> Result<u64, Fault>;
    /// Conditional put, as [`Apply::put_row`], of tombstones in the place of a row. DynamoDB removes them when all have
    /// expired.
    async fn bury(&self, name: &ProtectionName, tombstones: &[Tombstone], expected: Option<u64>) -> Result<(), Fault>;

    /// Remembers, beside a row that cannot be understood, that people were told of it as it is now. The row is not touched.
    async fn note_told(&self, row: &UnreadableRow) -> Result<(), Fault>;

    /// Asks flip, asynchronously, to bring one protection to a posture.
    async fn request_converge(&self, request: &Converge) -> Result<(), Fault>;
    /// SNS Publish.
    async fn notify(&self, message: &Message) -> Result<(), Fault>;
    /// PutMetricData, namespace `FailOpen`, dimension `Protection`.
    async fn put_metrics(&self, metrics: &[Metric]) -> Result<(), Fault>;
}

/// Time, as a port: the tests have their own.
pub trait Clock {
    fn now(&self) -> Timestamp;
    async fn sleep(&self, duration: SignedDuration);
    /// Comes when real time has passed `moment`: what cuts off work that hangs. A virtual clock moves only when somebody
    /// sleeps on it, so nothing can hang there, and by default this never comes.
    async fn passed(&self, _moment: Timestamp) {
        std::future::pending().await
    }
}

/// Why a call did not do what was asked; the kind is what the caller acts on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {detail}")]
pub struct Fault {
    pub kind: FaultKind,
    /// AWS's name of the operation, e.g. `UpdateDistribution`.
    pub operation: &'static str,
    /// One line for people: the service's code and message, never a request body.
    pub detail: String,
}

/// What a caller can do about a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The thing named does not exist.
    NotFound,
    /// IAM or an organisation policy said no: alert, never loop.
    AccessDenied,
    /// Too many calls, after the SDK's own retries.
    Throttled,
    /// Somebody else wrote first: read again, think again.
    Stale,
    /// The service understood and refused: invalid, in conflict or over quota. Repeating it is useless.
    Refused,
    /// No answer, or one that says nothing about the outcome: read before anything else.
    Unknown,
    /// An answer arrived and cannot be understood.
    Malformed,
}

impl Fault {
    pub fn new(kind: FaultKind, operation: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, operation, detail: detail.into() }
    }
}

/// A distribution configuration as read. Its bytes hold origin header values, so it cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RawDistribution {
    pub bytes: Vec<u8>,
    pub etag: ETag,
}

impl fmt::Debug for RawDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawDistribution({} bytes, etag {})", self.bytes.len(), self.etag)
    }
}

/// An accepted distribution write: configured, not yet effective everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutAccepted {
    pub etag: ETag,
    /// `InProgress` or `Deployed`.
    pub status: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributionStatus {
    /// `InProgress` or `Deployed`.
    pub status: String,
    /// `dNNN.cloudfront.net`.
    pub domain_name: String,
}

/// A hosted zone as observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedZone {
    /// Without the trailing dot.
    pub name: Hostname,
    pub private: bool,
    /// Those that serve it, without trailing dots (GetHostedZone, `DelegationSet`). Empty where the zone is private.
    pub name_servers: BTreeSet<Hostname>,
}

/// One resource record set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSet {
    pub name: Hostname,
    /// `CNAME`, `A`, …
    pub record_type: String,
    pub set_identifier: Option<String>,
    pub failover: Option<FailoverRole>,
    /// `None` for alias records.
    pub ttl: Option<u32>,
    /// Values as in the zone, without trailing dots for CNAME.
    pub values: Vec<String>,
    pub health_check: Option<HealthCheckId>,
    /// How Route 53 chooses it: `failover`, `simple`, `weighted`, `latency`, `geolocation`, `multivalue`, `alias`, …
    pub routing: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailoverRole {
    Primary,
    Secondary,
}

/// One change of a batch. Delete must repeat every value exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordChange {
    pub action: ChangeAction,
    pub record: RecordSet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeAction {
    Create,
    Delete,
}

/// A health check as observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedHealthCheck {
    pub id: HealthCheckId,
    pub caller_reference: String,
    pub version: i64,
    pub config: HealthCheckConfig,
}

/// Settings of a health check, for reading and for writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheckConfig {
    /// Route 53's own spelling: `HTTPS`, `HTTP_STR_MATCH`, `CALCULATED`, `CLOUDWATCH_METRIC`, …
    pub check_type: String,
    pub host: Option<Hostname>,
    pub port: Option<u16>,
    pub path: Option<String>,
    pub search_string: Option<String>,
    pub interval_seconds: Option<u32>,
    pub failure_threshold: Option<u32>,
    pub enable_sni: Option<bool>,
    pub inverted: bool,
    /// A disabled check is always healthy: it hides an outage.
    pub disabled: bool,
    /// Empty: Route 53's own choice.
    pub regions: Vec<String>,
}

/// What the checkers last saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkers {
    /// Checkers that have reported at all.
    pub reporting: u32,
    pub healthy: u32,
}

impl Checkers {
    /// Route 53 calls an endpoint healthy when more than 18 % of checkers say so (Developer Guide, "How Route 53
    /// determines whether a health check is healthy"). `None` until one has reported.
    pub fn healthy_percent(self) -> Option<u32> {
        (self.reporting > 0).then(|| self.healthy * 100 / self.reporting)
    }

    /// Whether Route 53 would call the endpoint healthy; `None` until one checker has reported.
    pub fn verdict(self) -> Option<bool> {
        self.healthy_percent().map(|percent| percent > 18)
    }
}

/// What react sends to flip. It sets no pin; it is held where it is old or the ledger has moved on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Converge {
    pub protection: ProtectionName,
    pub posture: Side,
    pub reason: String,
    pub because: String,
    pub decided_at: Timestamp,
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// At most 100 characters, ASCII, no line break: SNS refuses anything else.
    pub subject: String,
    pub body: String,
}

/// One datum of namespace `FailOpen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub protection: ProtectionName,
    pub value: u32,
}

/// The custom-resource channel.
pub trait Respond {
    /// PUT of the answer to CloudFormation's pre-signed URL: one attempt, no redirect. The URL has already been checked
    /// against the allowed hosts.
    async fn answer(&self, url: &Secret<String>, body: &str) -> Result<(), Fault>;
    /// Invokes this very function again, asynchronously, with an event that continues the work.
    async fn invoke_again(&self, event: &Secret<String>) -> Result<(), Fault>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_healthy_when_more_than_eighteen_percent_of_its_checkers_say_so() {
        let checkers = |reporting, healthy| Checkers { reporting, healthy };
        assert_eq!((checkers(0, 0).healthy_percent(), checkers(0, 0).verdict()), (None, None));
        for (reporting, healthy, percent, verdict) in
            [(16, 16, 100, true), (16, 4, 25, true), (100, 19, 19, true), (100, 18, 18, false), (16, 0, 0, false)]
        {
            let seen = checkers(reporting, healthy);
            assert_eq!((seen.healthy_percent(), seen.verdict()), (Some(percent), Some(verdict)), "{seen:?}");
        }
    }

    #[test]
    fn a_configuration_prints_without_its_bytes() {
        let raw = RawDistribution { bytes: b"canary".to_vec(), etag: ETag::new("E3") };
        assert_eq!(format!("{raw:?}"), "RawDistribution(6 bytes, etag E3)");
    }
}
