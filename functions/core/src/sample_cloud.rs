//! As much of AWS as the tests of this crate need: one row, one record name, one health check and hosts that answer. The
//! stateful fake for handlers is in `tests/support`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::alarm::{MetricAlarm, ObservedAlarm};
use crate::forwarding::{HeaderRule, PolicyId};
use crate::handshake::{Look, Seen};
use crate::health_probe::{HealthProbe, HealthProbed};
use crate::id::{AlarmName, ChangeId, DistributionId, ETag, HealthCheckId, Hostname, OwnerMark, ProtectionName};
use crate::ledger::{Row, Versioned};
use crate::port::{
    Apply, Checkers, Converge, DistributionStatus, Fault, FaultKind, HealthCheckConfig, Message, Metric, Observe,
    ObservedHealthCheck, ObservedZone, Probe, ProbeOutcome, PutAccepted, RawDistribution, RecordChange, RecordSet,
};
use crate::reach::FlipReach;
use crate::resolution::{Delegation, Ending, Resolution};
use crate::rows::{Rows, UnreadableRow};
use crate::spec::Zone;
use crate::tombstone::{Slot, Tombstone};

#[derive(Default)]
pub(crate) struct SampleCloud {
    pub(crate) row: RefCell<Option<Versioned>>,
    /// What the next writes of a row end in, first things first; then they succeed.
    pub(crate) faults: RefCell<Vec<FaultKind>>,
    /// Whether writes that end in another fault than a lost race take effect all the same.
    pub(crate) loses_answers: Cell<bool>,
    /// Writes of a row that were tried.
    pub(crate) writes: Cell<usize>,
    /// `None`: they cannot be read.
    pub(crate) records: Option<Vec<RecordSet>>,
    /// `None`: it cannot be read.
    pub(crate) health_check: Option<Option<ObservedHealthCheck>>,
    /// Status by the name in the certificate; other hosts do not answer.
    pub(crate) hosts: BTreeMap<&'static str, u16>,
    /// What a resolver finds; it is silent about other names.
    pub(crate) resolutions: BTreeMap<&'static str, Resolution>,
}

fn absent<T>(operation: &'static str) -> Result<T, Fault> {
    Err(Fault::new(FaultKind::Unknown, operation, "not in this sample"))
}

impl Observe for SampleCloud {
    async fn distribution(&self, _: &DistributionId) -> Result<RawDistribution, Fault> {
        absent("GetDistributionConfig")
    }

    async fn distribution_status(&self, _: &DistributionId) -> Result<DistributionStatus, Fault> {
        absent("GetDistribution")
    }

    async fn zone(&self, _: &Zone) -> Result<ObservedZone, Fault> {
        absent("GetHostedZone")
    }

    async fn records(&self, _: &Zone, _: &Hostname) -> Result<Vec<RecordSet>, Fault> {
        self.records.clone().map_or_else(|| absent("ListResourceRecordSets"), Ok)
    }

    async fn change_is_insync(&self, _: &Zone, _: &ChangeId) -> Result<bool, Fault> {
        absent("GetChange")
    }

    async fn health_check(&self, _: &HealthCheckId) -> Result<Option<ObservedHealthCheck>, Fault> {
        self.health_check.clone().map_or_else(|| absent("GetHealthCheck"), Ok)
    }

    async fn health_check_by_reference(&self, _: &str) -> Result<Option<ObservedHealthCheck>, Fault> {
        absent("ListHealthChecks")
    }

    async fn checkers(&self, _: &HealthCheckId) -> Result<Checkers, Fault> {
        absent("GetHealthCheckStatus")
    }

    async fn reported_health(&self, _: &HealthCheckId) -> Result<Option<bool>, Fault> {
        absent("GetMetricStatistics")
    }

    async fn react_policy(&self) -> Result<Option<String>, Fault> {
        absent("GetPolicy")
    }

    async fn react_reaches_flip(&self) -> Result<FlipReach, Fault> {
        absent("Invoke")
    }

    async fn flip_may_be_invoked(&self) -> Result<(), Fault> {
        absent("Invoke")
    }

    async fn alarms(&self, _: &[AlarmName]) -> Result<Vec<ObservedAlarm>, Fault> {
        absent("DescribeAlarms")
    }

    async fn alarm_owner(&self, _: &str) -> Result<Option<OwnerMark>, Fault> {
        absent("ListTagsForResource")
    }

    async fn rows(&self) -> Result<Rows, Fault> {
        absent("Scan")
    }

    async fn slot(&self, name: &ProtectionName) -> Result<Slot, Fault> {
        let row = self.row.borrow().clone().filter(|found| found.row.name == *name);
        Ok(row.map_or(Slot::Free, Slot::Taken))
    }

    async fn probe(&self, probe: &Probe) -> ProbeOutcome {
        match self.hosts.get(probe.server_name.as_str()) {
            Some(status) => ProbeOutcome::Answered { status: *status },
            None => ProbeOutcome::Failed { why: format!("{} does not answer", probe.server_name) },
        }
    }

    async fn handshakes(&self, _: &[Look]) -> Vec<Seen> {
        Vec::new()
    }

    async fn health_probe(&self, _: &HealthProbe) -> HealthProbed {
        HealthProbed::Connected
    }

    async fn policy(&self, _: &PolicyId) -> Result<HeaderRule, Fault> {
        absent("GetCachePolicy")
    }

    async fn resolve(&self, name: &Hostname) -> Resolution {
        let silence =
            || Resolution { chain: Vec::new(), ending: Ending::NoAnswer { why: "not in this sample".to_owned() } };
        self.resolutions.get(name.as_str()).cloned().unwrap_or_else(silence)
    }

    async fn delegation(&self, _: &Hostname) -> Delegation {
        Delegation::Unknown { why: "not in this sample".to_owned() }
    }
}

impl Apply for SampleCloud {
    async fn put_distribution(&self, _: &DistributionId, _: &[u8], _: &ETag) -> Result<PutAccepted, Fault> {
        absent("UpdateDistribution")
    }

    async fn change_records(&self, _: &Zone, _: &[RecordChange]) -> Result<ChangeId, Fault> {
        absent("ChangeResourceRecordSets")
    }

    async fn create_health_check(&self, _: &str, _: &HealthCheckConfig) -> Result<HealthCheckId, Fault> {
        absent("CreateHealthCheck")
    }

    async fn tag_health_check(&self, _: &HealthCheckId, _: &[(String, String)]) -> Result<(), Fault> {
        absent("ChangeTagsForResource")
    }

    async fn update_health_check(&self, _: &HealthCheckId, _: i64, _: &HealthCheckConfig) -> Result<(), Fault> {
        absent("UpdateHealthCheck")
    }

    async fn delete_health_check(&self, _: &HealthCheckId) -> Result<(), Fault> {
        absent("DeleteHealthCheck")
    }

    async fn put_alarm(&self, _: &AlarmName, _: &MetricAlarm, _: &OwnerMark) -> Result<(), Fault> {
        absent("PutMetricAlarm")
    }

    async fn delete_alarm(&self, _: &AlarmName) -> Result<(), Fault> {
        absent("DeleteAlarms")
    }

    /// A lost race means that somebody else wrote first.
    async fn put_row(&self, row: &Row, expected: Option<u64>) -> Result<u64, Fault> {
        self.writes.set(self.writes.get() + 1);
        let mut present = self.row.borrow_mut();
        let mut faults = self.faults.borrow_mut();
        let fault = if faults.is_empty() { None } else { Some(faults.remove(0)) };
        if let (Some(FaultKind::Stale), Some(present)) = (fault, present.as_mut()) {
            present.version += 1;
            present.row.logical_id = format!("written by somebody else, version {}", present.version);
        }
        let stale = present.as_ref().map(|present| present.version) != expected;
        let version = expected.unwrap_or_default() + 1;
        if !stale && fault.is_none_or(|_| self.loses_answers.get()) {
            *present = Some(Versioned { row: row.clone(), version });
        }
        match fault.or(stale.then_some(FaultKind::Stale)) {
            Some(kind) => Err(Fault::new(kind, "PutItem", "as the test has it")),
            None => Ok(version),
        }
    }

    async fn bury(&self, _: &ProtectionName, _: &[Tombstone], _: Option<u64>) -> Result<(), Fault> {
        absent("PutItem")
    }

    async fn note_told(&self, _: &UnreadableRow) -> Result<(), Fault> {
        absent("UpdateItem")
    }

    async fn request_converge(&self, _: &Converge) -> Result<(), Fault> {
        absent("Invoke")
    }

    async fn notify(&self, _: &Message) -> Result<(), Fault> {
        absent("Publish")
    }

    async fn put_metrics(&self, _: &[Metric]) -> Result<(), Fault> {
        absent("PutMetricData")
    }
}
