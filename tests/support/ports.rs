//! The ports, as the fake has them: each method is one call through the gate to one part.

use failopen::alarm::{MetricAlarm, ObservedAlarm};
use failopen::forwarding::{HeaderRule, PolicyId};
use failopen::handshake::{Look, Seen};
use failopen::health_probe::{HealthProbe, HealthProbed};
use failopen::id::{AlarmName, ChangeId, DistributionId, ETag, HealthCheckId, Hostname, OwnerMark, ProtectionName};
use failopen::ledger::Row;
use failopen::port::{
    Apply, ChangeAction, Checkers, Converge, Delegation, DistributionStatus, Fault, FaultKind, HealthCheckConfig,
    Message, Metric, Observe, ObservedHealthCheck, ObservedZone, Probe, ProbeOutcome, PutAccepted, RawDistribution,
    RecordChange, RecordSet, Resolution, Respond,
};
use failopen::reach::FlipReach;
use failopen::resolution::Ending;
use failopen::rows::{Rows, UnreadableRow};
use failopen::secret::Secret;
use failopen::spec::Zone;
use failopen::tombstone::{Slot, Tombstone};

use crate::cloud::FakeCloud;
use crate::log::Operation;
use crate::outbox::Answer;
use crate::refusal::Refusal;

impl Observe for FakeCloud {
    async fn distribution(&self, id: &DistributionId) -> Result<RawDistribution, Fault> {
        self.call(Operation::GetDistributionConfig, id.to_string(), || self.cloudfront().read(id)).await
    }

    async fn distribution_status(&self, id: &DistributionId) -> Result<DistributionStatus, Fault> {
        let act = || self.cloudfront().status(id, self.clock().aws_now());
        self.call(Operation::GetDistribution, id.to_string(), act).await
    }

    async fn zone(&self, zone: &Zone) -> Result<ObservedZone, Fault> {
        self.call(Operation::GetHostedZone, zone.id.to_string(), || self.route53().zone(zone)).await
    }

    async fn records(&self, zone: &Zone, name: &Hostname) -> Result<Vec<RecordSet>, Fault> {
        let arguments = format!("{} {name}", zone.id);
        self.call(Operation::ListResourceRecordSets, arguments, || self.route53().records(zone, name)).await
    }

    async fn change_is_insync(&self, _zone: &Zone, change: &ChangeId) -> Result<bool, Fault> {
        let act = || self.route53().is_insync(change, self.clock().aws_now());
        self.call(Operation::GetChange, change.to_string(), act).await
    }

    async fn health_check(&self, id: &HealthCheckId) -> Result<Option<ObservedHealthCheck>, Fault> {
        self.call(Operation::GetHealthCheck, id.to_string(), || Ok(self.health().read(id))).await
    }

    async fn health_check_by_reference(&self, reference: &str) -> Result<Option<ObservedHealthCheck>, Fault> {
        let act = || Ok(self.health().by_reference(reference));
        self.call(Operation::ListHealthChecks, reference.to_owned(), act).await
    }

    async fn checkers(&self, id: &HealthCheckId) -> Result<Checkers, Fault> {
        let act = || self.health().checkers(id, self.clock().aws_now());
        self.call(Operation::GetHealthCheckStatus, id.to_string(), act).await
    }

    async fn reported_health(&self, id: &HealthCheckId) -> Result<Option<bool>, Fault> {
        let act = || self.health().reported(id, self.clock().aws_now());
        self.call(Operation::GetMetricStatistics, id.to_string(), act).await
    }

    async fn react_policy(&self) -> Result<Option<String>, Fault> {
        self.call(Operation::GetReactPolicy, String::new(), || Ok(self.engine().react_policy.clone())).await
    }

    async fn react_reaches_flip(&self) -> Result<FlipReach, Fault> {
        self.call(Operation::AskReact, String::new(), || Ok(self.engine().flip.clone())).await
    }

    async fn flip_may_be_invoked(&self) -> Result<(), Fault> {
        let act = || match &self.engine().flip {
            FlipReach::Allowed => Ok(()),
            FlipReach::Denied { why } => Err(Refusal::new(FaultKind::AccessDenied, why.clone())),
            FlipReach::Unknown { why } => Err(Refusal::new(FaultKind::Unknown, why.clone())),
        };
        self.call(Operation::DryRunFlip, String::new(), act).await
    }

    async fn alarms(&self, names: &[AlarmName]) -> Result<Vec<ObservedAlarm>, Fault> {
        let arguments = names.iter().map(AlarmName::as_str).collect::<Vec<_>>().join(" ");
        self.call(Operation::DescribeAlarms, arguments, || Ok(self.cloudwatch().describe(names))).await
    }

    async fn alarm_owner(&self, arn: &str) -> Result<Option<OwnerMark>, Fault> {
        self.call(Operation::ListTagsForResource, arn.to_owned(), || self.cloudwatch().owner(arn)).await
    }

    async fn rows(&self) -> Result<Rows, Fault> {
        self.call(Operation::Query, String::new(), || Ok(self.ledger().rows())).await
    }

    async fn slot(&self, name: &ProtectionName) -> Result<Slot, Fault> {
        self.call(Operation::GetItem, name.to_string(), || self.ledger().slot(name)).await
    }

    async fn probe(&self, probe: &Probe) -> ProbeOutcome {
        let arguments = format!("{}:{}{}", probe.connect, probe.port, probe.path);
        match self.call(Operation::Probe, arguments, || Ok(self.probes().ask(probe))).await {
            Ok(outcome) => outcome,
            Err(fault) => ProbeOutcome::Failed { why: fault.detail },
        }
    }

    async fn handshakes(&self, looks: &[Look]) -> Vec<Seen> {
        let arguments =
            looks.iter().map(|look| format!("{} as {}", look.connect, look.name)).collect::<Vec<_>>().join(", ");
        let act = || Ok(looks.iter().map(|look| self.probes().shake_hands(look)).collect());
        match self.call(Operation::Handshakes, arguments, act).await {
            Ok(seen) => seen,
            Err(fault) => looks.iter().map(|_| Seen::Unreachable { why: fault.detail.clone() }).collect(),
        }
    }

    async fn health_probe(&self, probe: &HealthProbe) -> HealthProbed {
        let arguments = format!("{}:{}{}", probe.host, probe.port, probe.path);
        match self.call(Operation::HealthProbe, arguments, || Ok(self.probes().ask_health(probe))).await {
            Ok(probed) => probed,
            Err(fault) => HealthProbed::NoAnswer { why: fault.detail },
        }
    }

    async fn policy(&self, policy: &PolicyId) -> Result<HeaderRule, Fault> {
        self.call(Operation::GetPolicy, policy.to_string(), || self.cloudfront().policy(policy)).await
    }

    async fn resolve(&self, name: &Hostname) -> Resolution {
        match self.call(Operation::Resolve, name.to_string(), || Ok(self.names().resolve(name))).await {
            Ok(found) => found,
            Err(fault) => Resolution { chain: Vec::new(), ending: Ending::NoAnswer { why: fault.detail } },
        }
    }

    async fn delegation(&self, zone: &Hostname) -> Delegation {
        match self.call(Operation::Resolve, format!("NS {zone}"), || Ok(self.names().delegation(zone))).await {
            Ok(found) => found,
            Err(fault) => Delegation::Unknown { why: fault.detail },
        }
    }
}

impl Apply for FakeCloud {
    async fn put_distribution(
        &self,
        id: &DistributionId,
        document: &[u8],
        if_match: &ETag,
    ) -> Result<PutAccepted, Fault> {
        let act = || self.cloudfront().write(id, document, if_match, self.clock().aws_now());
        self.call(Operation::UpdateDistribution, format!("{id} if-match {if_match}"), act).await
    }

    async fn change_records(&self, zone: &Zone, changes: &[RecordChange]) -> Result<ChangeId, Fault> {
        let shown: Vec<String> = changes.iter().map(shown_change).collect();
        let act = || self.route53().change(zone, changes, &self.health(), self.clock().aws_now());
        self.call(Operation::ChangeResourceRecordSets, format!("{} {}", zone.id, shown.join(", ")), act).await
    }

    async fn create_health_check(&self, reference: &str, check: &HealthCheckConfig) -> Result<HealthCheckId, Fault> {
        let act = || self.health().create(reference, check, self.clock().aws_now());
        self.call(Operation::CreateHealthCheck, reference.to_owned(), act).await
    }

    async fn tag_health_check(&self, id: &HealthCheckId, tags: &[(String, String)]) -> Result<(), Fault> {
        self.call(Operation::ChangeTagsForResource, id.to_string(), || self.health().tag(id, tags)).await
    }

    async fn update_health_check(
        &self,
        id: &HealthCheckId,
        version: i64,
        check: &HealthCheckConfig,
    ) -> Result<(), Fault> {
        let act = || self.health().update(id, version, check);
        self.call(Operation::UpdateHealthCheck, format!("{id} version {version}"), act).await
    }

    async fn delete_health_check(&self, id: &HealthCheckId) -> Result<(), Fault> {
        let act = || {
            self.health().delete(id);
            Ok(())
        };
        self.call(Operation::DeleteHealthCheck, id.to_string(), act).await
    }

    async fn put_alarm(&self, name: &AlarmName, alarm: &MetricAlarm, owner: &OwnerMark) -> Result<(), Fault> {
        let act = || {
            self.cloudwatch().put(name, alarm, owner, self.clock().aws_now());
            Ok(())
        };
        self.call(Operation::PutMetricAlarm, name.to_string(), act).await
    }

    async fn delete_alarm(&self, name: &AlarmName) -> Result<(), Fault> {
        let act = || {
            self.cloudwatch().delete(name);
            Ok(())
        };
        self.call(Operation::DeleteAlarms, name.to_string(), act).await
    }

    async fn put_row(&self, row: &Row, expected: Option<u64>) -> Result<u64, Fault> {
        let arguments = format!("{} expecting {expected:?}", row.name);
        self.call(Operation::PutItem, arguments, || self.ledger().put(row, expected)).await
    }

    async fn bury(&self, name: &ProtectionName, tombstones: &[Tombstone], expected: Option<u64>) -> Result<(), Fault> {
        let arguments = format!("{name} tombstone expecting {expected:?}");
        self.call(Operation::PutItem, arguments, || self.ledger().bury(name, tombstones, expected)).await
    }

    async fn note_told(&self, row: &UnreadableRow) -> Result<(), Fault> {
        let act = || {
            self.ledger().note_told(row);
            Ok(())
        };
        self.call(Operation::PutItem, format!("{} told", row.name), act).await
    }

    async fn request_converge(&self, request: &Converge) -> Result<(), Fault> {
        let act = || {
            self.outbox().converges.push(request.clone());
            Ok(())
        };
        self.call(Operation::InvokeFlip, format!("{} {}", request.protection, request.posture), act).await
    }

    async fn notify(&self, message: &Message) -> Result<(), Fault> {
        let act = || self.outbox().publish(message, self.clock().aws_now());
        self.call(Operation::Publish, message.subject.clone(), act).await
    }

    async fn put_metrics(&self, metrics: &[Metric]) -> Result<(), Fault> {
        let shown: Vec<String> = metrics.iter().map(|metric| format!("{}={}", metric.name, metric.value)).collect();
        let act = || {
            let now = self.clock().aws_now();
            self.outbox().metrics.extend(metrics.iter().map(|metric| (now, metric.clone())));
            Ok(())
        };
        self.call(Operation::PutMetricData, shown.join(" "), act).await
    }
}

impl Respond for FakeCloud {
    async fn answer(&self, url: &Secret<String>, body: &str) -> Result<(), Fault> {
        let act = || {
            self.outbox().answers.push(Answer { url: url.expose().clone(), body: body.to_owned() });
            Ok(())
        };
        self.call(Operation::Answer, String::new(), act).await
    }

    async fn invoke_again(&self, event: &Secret<String>) -> Result<(), Fault> {
        let act = || {
            self.outbox().continuations.push(event.expose().clone());
            Ok(())
        };
        self.call(Operation::InvokeAgain, String::new(), act).await
    }
}

fn shown_change(change: &RecordChange) -> String {
    let action = match change.action {
        ChangeAction::Create => "CREATE",
        ChangeAction::Delete => "DELETE",
    };
    let set = change.record.set_identifier.as_deref().unwrap_or("-");
    format!("{action} {} {} {set}", change.record.record_type, change.record.name)
}
