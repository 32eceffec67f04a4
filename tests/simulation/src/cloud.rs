//! The ports of one process: each method is one call through its gate to the AWS in memory.

use failopen::alarm::{MetricAlarm, ObservedAlarm};
use failopen::forwarding::{HeaderRule, PolicyId};
use failopen::handshake::{Look, Seen};
use failopen::health_probe::{HealthProbe, HealthProbed};
use failopen::id::{AlarmName, ChangeId, DistributionId, ETag, HealthCheckId, Hostname, OwnerMark, ProtectionName};
use failopen::ledger::Row;
use failopen::port::{
    Apply, Checkers, Converge, Delegation, DistributionStatus, Fault, HealthCheckConfig, Message, Metric, Observe,
    ObservedHealthCheck, ObservedZone, Probe, ProbeOutcome, PutAccepted, RawDistribution, RecordChange, RecordSet,
    Resolution, Respond,
};
use failopen::reach::FlipReach;
use failopen::resolution::Ending;
use failopen::rows::{Rows, UnreadableRow};
use failopen::secret::Secret;
use failopen::spec::Zone;
use failopen::tombstone::{Slot, Tombstone};
use failopen_tests::{FakeCloud, Operation};

use crate::calls::SimCloud;

impl SimCloud {
    fn aws(&self) -> &FakeCloud {
        self.world.cloud()
    }
}

impl Observe for SimCloud {
    async fn distribution(&self, id: &DistributionId) -> Result<RawDistribution, Fault> {
        self.read(id).await
    }

    async fn distribution_status(&self, id: &DistributionId) -> Result<DistributionStatus, Fault> {
        self.call(Operation::GetDistribution, self.aws().distribution_status(id)).await
    }

    async fn zone(&self, zone: &Zone) -> Result<ObservedZone, Fault> {
        self.call(Operation::GetHostedZone, self.aws().zone(zone)).await
    }

    async fn records(&self, zone: &Zone, name: &Hostname) -> Result<Vec<RecordSet>, Fault> {
        self.call(Operation::ListResourceRecordSets, self.aws().records(zone, name)).await
    }

    async fn change_is_insync(&self, zone: &Zone, change: &ChangeId) -> Result<bool, Fault> {
        self.call(Operation::GetChange, self.aws().change_is_insync(zone, change)).await
    }

    async fn health_check(&self, id: &HealthCheckId) -> Result<Option<ObservedHealthCheck>, Fault> {
        self.call(Operation::GetHealthCheck, self.aws().health_check(id)).await
    }

    async fn health_check_by_reference(&self, reference: &str) -> Result<Option<ObservedHealthCheck>, Fault> {
        self.call(Operation::ListHealthChecks, self.aws().health_check_by_reference(reference)).await
    }

    async fn checkers(&self, id: &HealthCheckId) -> Result<Checkers, Fault> {
        self.call(Operation::GetHealthCheckStatus, self.aws().checkers(id)).await
    }

    async fn reported_health(&self, id: &HealthCheckId) -> Result<Option<bool>, Fault> {
        self.call(Operation::GetMetricStatistics, self.aws().reported_health(id)).await
    }

    async fn react_policy(&self) -> Result<Option<String>, Fault> {
        self.call(Operation::GetReactPolicy, self.aws().react_policy()).await
    }

    async fn react_reaches_flip(&self) -> Result<FlipReach, Fault> {
        self.call(Operation::AskReact, self.aws().react_reaches_flip()).await
    }

    async fn flip_may_be_invoked(&self) -> Result<(), Fault> {
        self.call(Operation::DryRunFlip, self.aws().flip_may_be_invoked()).await
    }

    async fn alarms(&self, names: &[AlarmName]) -> Result<Vec<ObservedAlarm>, Fault> {
        self.call(Operation::DescribeAlarms, self.aws().alarms(names)).await
    }

    async fn alarm_owner(&self, arn: &str) -> Result<Option<OwnerMark>, Fault> {
        self.call(Operation::ListTagsForResource, self.aws().alarm_owner(arn)).await
    }

    async fn rows(&self) -> Result<Rows, Fault> {
        self.call(Operation::Query, self.aws().rows()).await
    }

    async fn slot(&self, name: &ProtectionName) -> Result<Slot, Fault> {
        self.call(Operation::GetItem, self.aws().slot(name)).await
    }

    async fn probe(&self, probe: &Probe) -> ProbeOutcome {
        match self.call(Operation::Probe, async { Ok(self.aws().probe(probe).await) }).await {
            Ok(outcome) => outcome,
            Err(fault) => ProbeOutcome::Failed { why: fault.detail },
        }
    }

    async fn handshakes(&self, looks: &[Look]) -> Vec<Seen> {
        match self.call(Operation::Handshakes, async { Ok(self.aws().handshakes(looks).await) }).await {
            Ok(seen) => seen,
            Err(fault) => looks.iter().map(|_| Seen::Unreachable { why: fault.detail.clone() }).collect(),
        }
    }

    async fn health_probe(&self, probe: &HealthProbe) -> HealthProbed {
        match self.call(Operation::HealthProbe, async { Ok(self.aws().health_probe(probe).await) }).await {
            Ok(probed) => probed,
            Err(fault) => HealthProbed::NoAnswer { why: fault.detail },
        }
    }

    async fn policy(&self, policy: &PolicyId) -> Result<HeaderRule, Fault> {
        self.call(Operation::GetPolicy, self.aws().policy(policy)).await
    }

    async fn resolve(&self, name: &Hostname) -> Resolution {
        match self.call(Operation::Resolve, async { Ok(Observe::resolve(self.aws(), name).await) }).await {
            Ok(found) => found,
            Err(fault) => Resolution { chain: Vec::new(), ending: Ending::NoAnswer { why: fault.detail } },
        }
    }

    async fn delegation(&self, zone: &Hostname) -> Delegation {
        match self.call(Operation::Resolve, async { Ok(self.aws().delegation(zone).await) }).await {
            Ok(found) => found,
            Err(fault) => Delegation::Unknown { why: fault.detail },
        }
    }
}

impl Apply for SimCloud {
    async fn put_distribution(
        &self,
        id: &DistributionId,
        document: &[u8],
        if_match: &ETag,
    ) -> Result<PutAccepted, Fault> {
        self.write(id, document, if_match).await
    }

    async fn change_records(&self, zone: &Zone, changes: &[RecordChange]) -> Result<ChangeId, Fault> {
        self.call(Operation::ChangeResourceRecordSets, self.aws().change_records(zone, changes)).await
    }

    async fn create_health_check(&self, reference: &str, check: &HealthCheckConfig) -> Result<HealthCheckId, Fault> {
        self.call(Operation::CreateHealthCheck, self.aws().create_health_check(reference, check)).await
    }

    async fn tag_health_check(&self, id: &HealthCheckId, tags: &[(String, String)]) -> Result<(), Fault> {
        self.call(Operation::ChangeTagsForResource, self.aws().tag_health_check(id, tags)).await
    }

    async fn update_health_check(
        &self,
        id: &HealthCheckId,
        version: i64,
        check: &HealthCheckConfig,
    ) -> Result<(), Fault> {
        self.call(Operation::UpdateHealthCheck, self.aws().update_health_check(id, version, check)).await
    }

    async fn delete_health_check(&self, id: &HealthCheckId) -> Result<(), Fault> {
        self.call(Operation::DeleteHealthCheck, self.aws().delete_health_check(id)).await
    }

    async fn put_alarm(&self, name: &AlarmName, alarm: &MetricAlarm, owner: &OwnerMark) -> Result<(), Fault> {
        self.call(Operation::PutMetricAlarm, self.aws().put_alarm(name, alarm, owner)).await
    }

    async fn delete_alarm(&self, name: &AlarmName) -> Result<(), Fault> {
        self.call(Operation::DeleteAlarms, self.aws().delete_alarm(name)).await
    }

    async fn put_row(&self, row: &Row, expected: Option<u64>) -> Result<u64, Fault> {
        self.call(Operation::PutItem, self.aws().put_row(row, expected)).await
    }

    async fn bury(&self, name: &ProtectionName, tombstones: &[Tombstone], expected: Option<u64>) -> Result<(), Fault> {
        self.call(Operation::PutItem, self.aws().bury(name, tombstones, expected)).await
    }

    async fn note_told(&self, row: &UnreadableRow) -> Result<(), Fault> {
        self.call(Operation::PutItem, self.aws().note_told(row)).await
    }

    async fn request_converge(&self, request: &Converge) -> Result<(), Fault> {
        let asked = async {
            let outcome = self.aws().request_converge(request).await;
            self.world.send_converges();
            outcome
        };
        self.call(Operation::InvokeFlip, asked).await
    }

    async fn notify(&self, message: &Message) -> Result<(), Fault> {
        self.call(Operation::Publish, self.aws().notify(message)).await
    }

    async fn put_metrics(&self, metrics: &[Metric]) -> Result<(), Fault> {
        self.call(Operation::PutMetricData, self.aws().put_metrics(metrics)).await
    }
}

impl Respond for SimCloud {
    async fn answer(&self, url: &Secret<String>, body: &str) -> Result<(), Fault> {
        let answered = async {
            let before = self.aws().outbox().answers.len();
            let outcome = self.aws().answer(url, body).await;
            if self.aws().outbox().answers.len() > before {
                self.world.hear_answer(body);
            }
            outcome
        };
        self.call(Operation::Answer, answered).await
    }

    async fn invoke_again(&self, event: &Secret<String>) -> Result<(), Fault> {
        let invoked = async {
            let outcome = self.aws().invoke_again(event).await;
            self.world.send_continuations(self.process);
            outcome
        };
        self.call(Operation::InvokeAgain, invoked).await
    }
}
