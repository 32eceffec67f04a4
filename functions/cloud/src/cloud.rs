//! The ports of the core, implemented: which part answers which question.

use failopen::alarm::{MetricAlarm, ObservedAlarm};
use failopen::commands::Commands;
use failopen::forwarding::{HeaderRule, PolicyId};
use failopen::handshake::{Look, Seen};
use failopen::health_probe::{HealthProbe, HealthProbed};
use failopen::id::{AlarmName, ChangeId, DistributionId, ETag, HealthCheckId, Hostname, OwnerMark, ProtectionName};
use failopen::ledger::Row;
use failopen::port::{
    Apply, Checkers, Converge, DistributionStatus, Fault, HealthCheckConfig, Message, Metric, Observe,
    ObservedHealthCheck, ObservedZone, Probe, ProbeOutcome, PutAccepted, RawDistribution, RecordChange, RecordSet,
    Respond,
};
use failopen::reach::FlipReach;
use failopen::resolution::{Delegation, Resolution};
use failopen::rows::{Rows, UnreadableRow};
use failopen::secret::Secret;
use failopen::spec::Zone;
use failopen::tombstone::{Slot, Tombstone};

use crate::cloudfront::Distributions;
use crate::cloudwatch::Alarms;
use crate::health_check::HealthChecks;
use crate::ledger::Ledger;
use crate::network::Network;
use crate::policies::Policies;
use crate::reports::Reports;
use crate::route53::Zones;
use crate::signals::Signals;

/// AWS and the network, as [`crate::connect()`] reaches them.
pub struct Cloud {
    pub(crate) distributions: Distributions,
    pub(crate) policies: Policies,
    pub(crate) zones: Zones,
    pub(crate) health_checks: HealthChecks,
    pub(crate) alarms: Alarms,
    pub(crate) reports: Reports,
    pub(crate) ledger: Ledger,
    pub(crate) signals: Signals,
    pub(crate) network: Network,
}

impl Cloud {
    /// Commands for people, to ask or to flip: `FAILOPEN_FLIP_FUNCTION`, or this very function where it is flip itself, which
    /// knows its name only.
    pub fn commands(&self) -> Commands {
        let Signals { flip_function, function_name, region, .. } = &self.signals;
        let function = flip_function.as_deref().or(function_name.as_deref()).unwrap_or("FLIP_FUNCTION");
        Commands::new(function).in_region(region.as_deref())
    }
}

impl Observe for Cloud {
    async fn distribution(&self, id: &DistributionId) -> Result<RawDistribution, Fault> {
        self.distributions.read(id).await
    }

    async fn distribution_status(&self, id: &DistributionId) -> Result<DistributionStatus, Fault> {
        self.distributions.status(id).await
    }

    async fn zone(&self, zone: &Zone) -> Result<ObservedZone, Fault> {
        self.zones.read(zone).await
    }

    async fn records(&self, zone: &Zone, name: &Hostname) -> Result<Vec<RecordSet>, Fault> {
        self.zones.records(zone, name).await
    }

    async fn change_is_insync(&self, zone: &Zone, change: &ChangeId) -> Result<bool, Fault> {
        self.zones.is_insync(zone, change).await
    }

    async fn health_check(&self, id: &HealthCheckId) -> Result<Option<ObservedHealthCheck>, Fault> {
        self.health_checks.read(id).await
    }

    async fn health_check_by_reference(&self, reference: &str) -> Result<Option<ObservedHealthCheck>, Fault> {
        self.health_checks.by_reference(reference).await
    }

    async fn checkers(&self, id: &HealthCheckId) -> Result<Checkers, Fault> {
        self.health_checks.checkers(id).await
    }

    async fn reported_health(&self, id: &HealthCheckId) -> Result<Option<bool>, Fault> {
        self.reports.health(id).await
    }

    async fn react_policy(&self) -> Result<Option<String>, Fault> {
        self.signals.react_policy().await
    }

    async fn react_reaches_flip(&self) -> Result<FlipReach, Fault> {
        self.signals.react_reaches_flip().await
    }

    async fn flip_may_be_invoked(&self) -> Result<(), Fault> {
        self.signals.flip_may_be_invoked().await
    }

    async fn alarms(&self, names: &[AlarmName]) -> Result<Vec<ObservedAlarm>, Fault> {
        self.alarms.read(names).await
    }

    async fn alarm_owner(&self, arn: &str) -> Result<Option<OwnerMark>, Fault> {
        self.alarms.owner(arn).await
    }

    async fn rows(&self) -> Result<Rows, Fault> {
        self.ledger.rows().await
    }

    async fn slot(&self, name: &ProtectionName) -> Result<Slot, Fault> {
        self.ledger.slot(name).await
    }

    async fn probe(&self, probe: &Probe) -> ProbeOutcome {
        self.network.probe(probe).await
    }

    async fn handshakes(&self, looks: &[Look]) -> Vec<Seen> {
        self.network.handshakes(looks).await
    }

    async fn health_probe(&self, probe: &HealthProbe) -> HealthProbed {
        self.network.health_probe(probe).await
    }

    async fn policy(&self, policy: &PolicyId) -> Result<HeaderRule, Fault> {
        self.policies.read(policy).await
    }

    async fn resolve(&self, name: &Hostname) -> Resolution {
        self.network.resolve(name).await
    }

    async fn delegation(&self, zone: &Hostname) -> Delegation {
        self.network.delegation(zone).await
    }
}

impl Apply for Cloud {
    async fn put_distribution(
        &self,
        id: &DistributionId,
        document: &[u8],
        if_match: &ETag,
    ) -> Result<PutAccepted, Fault> {
        self.distributions.write(id, document, if_match).await
    }

    async fn change_records(&self, zone: &Zone, changes: &[RecordChange]) -> Result<ChangeId, Fault> {
        self.zones.change(zone, changes).await
    }

    async fn create_health_check(&self, reference: &str, check: &HealthCheckConfig) -> Result<HealthCheckId, Fault> {
        self.health_checks.create(reference, check).await
    }

    async fn tag_health_check(&self, id: &HealthCheckId, tags: &[(String, String)]) -> Result<(), Fault> {
        self.health_checks.tag(id, tags).await
    }

    async fn update_health_check(
        &self,
        id: &HealthCheckId,
        version: i64,
        check: &HealthCheckConfig,
    ) -> Result<(), Fault> {
        self.health_checks.update(id, version, check).await
    }

    async fn delete_health_check(&self, id: &HealthCheckId) -> Result<(), Fault> {
        self.health_checks.delete(id).await
    }

    async fn put_alarm(&self, name: &AlarmName, alarm: &MetricAlarm, owner: &OwnerMark) -> Result<(), Fault> {
        self.alarms.put(name, alarm, owner).await
    }

    async fn delete_alarm(&self, name: &AlarmName) -> Result<(), Fault> {
        self.alarms.delete(name).await
    }

    async fn put_row(&self, row: &Row, expected: Option<u64>) -> Result<u64, Fault> {
        self.ledger.put(row, expected).await
    }

    async fn bury(&self, name: &ProtectionName, tombstones: &[Tombstone], expected: Option<u64>) -> Result<(), Fault> {
        self.ledger.bury(name, tombstones, expected).await
    }

    async fn note_told(&self, row: &UnreadableRow) -> Result<(), Fault> {
        self.ledger.note_told(row).await
    }

    async fn request_converge(&self, request: &Converge) -> Result<(), Fault> {
        self.signals.request_converge(request).await
    }

    async fn notify(&self, message: &Message) -> Result<(), Fault> {
        self.signals.notify(message).await
    }

    async fn put_metrics(&self, metrics: &[Metric]) -> Result<(), Fault> {
        self.signals.put_metrics(metrics).await
    }
}

impl Respond for Cloud {
    async fn answer(&self, url: &Secret<String>, body: &str) -> Result<(), Fault> {
        self.network.answer(url, body).await
    }

    async fn invoke_again(&self, event: &Secret<String>) -> Result<(), Fault> {
        self.signals.invoke_again(event).await
    }
}
