//! The ports with one rule taken away.

use std::cell::RefCell;
use std::collections::BTreeMap;

use failopen::alarm::{AlarmState, MetricAlarm, ObservedAlarm};
use failopen::forwarding::{HeaderRule, PolicyId};
use failopen::handshake::{Look, Seen};
use failopen::health_probe::{HealthProbe, HealthProbed};
use failopen::id::{AlarmName, ChangeId, DistributionId, ETag, HealthCheckId, Hostname, OwnerMark, ProtectionName};
use failopen::ledger::{Row, Versioned};
use failopen::port::{
    Apply, ChangeAction, Checkers, Converge, Delegation, DistributionStatus, Fault, FaultKind, HealthCheckConfig,
    Message, Metric, Observe, ObservedHealthCheck, ObservedZone, Probe, ProbeOutcome, PutAccepted, RawDistribution,
    RecordChange, RecordSet, Resolution, Respond,
};
use failopen::reach::FlipReach;
use failopen::rows::{Rows, UnreadableRow};
use failopen::secret::Secret;
use failopen::spec::Zone;
use failopen::tombstone::{Slot, Tombstone};
use failopen_tests::FakeCloud;
use serde_json::{Value, json};

use super::{Removal, state_in};
use crate::step::Cause;

/// Stands between a handler and AWS. Without a removal it lets everything pass.
pub struct Sabotaged<C> {
    port: C,
    removal: Option<Removal>,
    cloud: FakeCloud,
    cause: Cause,
    event: Value,
    /// Calls of all processes before this one began: its own mark.
    mark: usize,
    memory: RefCell<Memory>,
}

/// What one process has been told so far.
#[derive(Default)]
struct Memory {
    read: Option<RawDistribution>,
    /// How the last distribution write ended, where it was not accepted.
    failed: Option<FaultKind>,
    /// Rows as they were before they were bent.
    rows: BTreeMap<ProtectionName, Row>,
    /// Failover records as somebody else left them, by their identifiers.
    changed: BTreeMap<String, RecordSet>,
}

impl<C> Sabotaged<C> {
    /// `event` is what the process was invoked with.
    pub fn new(port: C, removal: Option<Removal>, cloud: FakeCloud, cause: Cause, event: Value) -> Self {
        let mark = cloud.calls().len();
        Self { port, removal, cloud, cause, event, mark, memory: RefCell::default() }
    }

    fn lacks(&self, removal: Removal) -> bool {
        self.removal == Some(removal)
    }

    /// The rules about rows bind automation; an operator's request and provisioning see the row as it is.
    fn bends(&self) -> Option<Removal> {
        match self.cause {
            Cause::Tick | Cause::Alarm { .. } | Cause::Converge(_) => self.removal,
            Cause::Operator | Cause::Request(_) => None,
        }
    }

    fn bent(&self, found: Versioned) -> Versioned {
        self.memory.borrow_mut().rows.insert(found.row.name.clone(), found.row.clone());
        match self.bends() {
            Some(removal) => Versioned { row: removal.bend(&found.row), version: found.version },
            None => found,
        }
    }

    /// The mark of the resource that this request is about.
    fn owner(&self) -> Option<OwnerMark> {
        Some(OwnerMark::of(self.event["StackId"].as_str()?, self.event["LogicalResourceId"].as_str()?))
    }

    /// A record of ours that somebody changed, as if nobody had.
    fn as_written(&self, found: RecordSet) -> RecordSet {
        let mut memory = self.memory.borrow_mut();
        let pairs = memory.rows.values().flat_map(|row| {
            let made = row.made.records.iter();
            made.flat_map(|made| made.pair(&row.owner, &row.name))
        });
        let ours = pairs.into_iter().find(|record| record.set_identifier == found.set_identifier);
        match (ours, &found.set_identifier) {
            (Some(ours), Some(set)) if ours != found => {
                memory.changed.insert(set.clone(), found.clone());
                ours
            }
            _ => found,
        }
    }
}

impl<C: Observe> Observe for Sabotaged<C> {
    async fn distribution(&self, id: &DistributionId) -> Result<RawDistribution, Fault> {
        let (failed, former) = {
            let memory = self.memory.borrow();
            (memory.failed, memory.read.clone())
        };
        if let (true, Some(FaultKind::Unknown), Some(former)) =
            (self.lacks(Removal::NoRereadAfterUnknown), failed, &former)
        {
            return Ok(former.clone());
        }
        let read = self.port.distribution(id).await?;
        if let (true, Some(FaultKind::Stale), Some(former)) = (self.lacks(Removal::BlindRetry), failed, former) {
            return Ok(RawDistribution { bytes: former.bytes, etag: read.etag });
        }
        self.memory.borrow_mut().read = Some(read.clone());
        Ok(read)
    }

    async fn distribution_status(&self, id: &DistributionId) -> Result<DistributionStatus, Fault> {
        let status = self.port.distribution_status(id).await?;
        if self.lacks(Removal::NoWaitForDeployed) {
            return Ok(DistributionStatus { status: "Deployed".to_owned(), ..status });
        }
        Ok(status)
    }

    async fn zone(&self, zone: &Zone) -> Result<ObservedZone, Fault> {
        self.port.zone(zone).await
    }

    async fn records(&self, zone: &Zone, name: &Hostname) -> Result<Vec<RecordSet>, Fault> {
        let found = self.port.records(zone, name).await?;
        if !self.lacks(Removal::OwnershipIgnored) {
            return Ok(found);
        }
        Ok(found.into_iter().map(|record| self.as_written(record)).collect())
    }

    async fn change_is_insync(&self, zone: &Zone, change: &ChangeId) -> Result<bool, Fault> {
        self.port.change_is_insync(zone, change).await
    }

    async fn health_check(&self, id: &HealthCheckId) -> Result<Option<ObservedHealthCheck>, Fault> {
        self.port.health_check(id).await
    }

    async fn health_check_by_reference(&self, reference: &str) -> Result<Option<ObservedHealthCheck>, Fault> {
        self.port.health_check_by_reference(reference).await
    }

    async fn checkers(&self, id: &HealthCheckId) -> Result<Checkers, Fault> {
        self.port.checkers(id).await
    }

    async fn reported_health(&self, id: &HealthCheckId) -> Result<Option<bool>, Fault> {
        self.port.reported_health(id).await
    }

    async fn react_policy(&self) -> Result<Option<String>, Fault> {
        self.port.react_policy().await
    }

    async fn react_reaches_flip(&self) -> Result<FlipReach, Fault> {
        self.port.react_reaches_flip().await
    }

    async fn flip_may_be_invoked(&self) -> Result<(), Fault> {
        self.port.flip_may_be_invoked().await
    }

    async fn alarms(&self, names: &[AlarmName]) -> Result<Vec<ObservedAlarm>, Fault> {
        let mut found = self.port.alarms(names).await?;
        if self.lacks(Removal::EdgeTriggered)
            && let Some(state) = state_in(&self.event)
        {
            for alarm in &mut found {
                alarm.state = match state.as_str() {
                    "ALARM" => AlarmState::Alarm,
                    "OK" => AlarmState::Ok,
                    _ => AlarmState::InsufficientData,
                };
            }
        }
        Ok(found)
    }

    async fn alarm_owner(&self, arn: &str) -> Result<Option<OwnerMark>, Fault> {
        let found = self.port.alarm_owner(arn).await?;
        Ok(if self.lacks(Removal::OwnershipIgnored) { self.owner() } else { found })
    }

    async fn rows(&self) -> Result<Rows, Fault> {
        let found = self.port.rows().await?;
        let readable = found.readable.into_iter().map(|row| self.bent(row)).collect();
        Ok(Rows { readable, unreadable: found.unreadable })
    }

    async fn slot(&self, name: &ProtectionName) -> Result<Slot, Fault> {
        Ok(match self.port.slot(name).await? {
            Slot::Taken(found) => Slot::Taken(self.bent(found)),
            slot @ (Slot::Free | Slot::Buried(_)) => slot,
        })
    }

    async fn probe(&self, probe: &Probe) -> ProbeOutcome {
        self.port.probe(probe).await
    }

    async fn handshakes(&self, looks: &[Look]) -> Vec<Seen> {
        self.port.handshakes(looks).await
    }

    async fn health_probe(&self, probe: &HealthProbe) -> HealthProbed {
        self.port.health_probe(probe).await
    }

    async fn policy(&self, policy: &PolicyId) -> Result<HeaderRule, Fault> {
        self.port.policy(policy).await
    }

    async fn resolve(&self, name: &Hostname) -> Resolution {
        self.port.resolve(name).await
    }

    async fn delegation(&self, zone: &Hostname) -> Delegation {
        self.port.delegation(zone).await
    }
}

impl<C: Apply> Apply for Sabotaged<C> {
    async fn put_distribution(
        &self,
        id: &DistributionId,
        document: &[u8],
        if_match: &ETag,
    ) -> Result<PutAccepted, Fault> {
        let if_match = match self.lacks(Removal::NoIfMatch) {
            true => self.cloud.cloudfront().etag(id).clone(),
            false => if_match.clone(),
        };
        let outcome = match self.lacks(Removal::TypedRebuild) {
            true => self.port.put_distribution(id, &rebuilt(document), &if_match).await,
            false => self.port.put_distribution(id, document, &if_match).await,
        };
        self.memory.borrow_mut().failed = outcome.as_ref().err().map(|fault| fault.kind);
        outcome
    }

    async fn change_records(&self, zone: &Zone, changes: &[RecordChange]) -> Result<ChangeId, Fault> {
        let found = self.memory.borrow().changed.clone();
        let as_found =
            |change: &RecordChange| match change.record.set_identifier.as_ref().and_then(|set| found.get(set)) {
                Some(record) if change.action == ChangeAction::Delete => {
                    RecordChange { action: ChangeAction::Delete, record: record.clone() }
                }
                _ => change.clone(),
            };
        let changes: Vec<RecordChange> = changes.iter().map(as_found).collect();
        self.port.change_records(zone, &changes).await
    }

    async fn create_health_check(&self, reference: &str, check: &HealthCheckConfig) -> Result<HealthCheckId, Fault> {
        self.port.create_health_check(reference, check).await
    }

    async fn tag_health_check(&self, id: &HealthCheckId, tags: &[(String, String)]) -> Result<(), Fault> {
        self.port.tag_health_check(id, tags).await
    }

    async fn update_health_check(
        &self,
        id: &HealthCheckId,
        version: i64,
        check: &HealthCheckConfig,
    ) -> Result<(), Fault> {
        self.port.update_health_check(id, version, check).await
    }

    async fn delete_health_check(&self, id: &HealthCheckId) -> Result<(), Fault> {
        self.port.delete_health_check(id).await
    }

    async fn put_alarm(&self, name: &AlarmName, alarm: &MetricAlarm, owner: &OwnerMark) -> Result<(), Fault> {
        self.port.put_alarm(name, alarm, owner).await
    }

    async fn delete_alarm(&self, name: &AlarmName) -> Result<(), Fault> {
        self.port.delete_alarm(name).await
    }

    async fn put_row(&self, row: &Row, expected: Option<u64>) -> Result<u64, Fault> {
        let read = self.memory.borrow().rows.get(&row.name).cloned();
        let mut row = match (self.bends(), read) {
            (Some(removal), Some(read)) => removal.unbend(row, &read),
            _ => row.clone(),
        };
        if self.lacks(Removal::NoIntent) {
            row.made.health_check = row.made.health_check.filter(|made| made.id.is_some());
        }
        self.port.put_row(&row, expected).await
    }

    async fn bury(&self, name: &ProtectionName, tombstones: &[Tombstone], expected: Option<u64>) -> Result<(), Fault> {
        self.port.bury(name, tombstones, expected).await
    }

    async fn note_told(&self, row: &UnreadableRow) -> Result<(), Fault> {
        self.port.note_told(row).await
    }

    async fn request_converge(&self, request: &Converge) -> Result<(), Fault> {
        self.port.request_converge(request).await
    }

    async fn notify(&self, message: &Message) -> Result<(), Fault> {
        match self.removal {
            Some(removal) if !removal.is_told(&message.subject) => Ok(()),
            Some(removal) => {
                let message = Message { subject: message.subject.clone(), body: removal.told(&message.body) };
                self.port.notify(&message).await
            }
            None => self.port.notify(message).await,
        }
    }

    async fn put_metrics(&self, metrics: &[Metric]) -> Result<(), Fault> {
        self.port.put_metrics(metrics).await
    }
}

impl<C: Respond> Respond for Sabotaged<C> {
    async fn answer(&self, url: &Secret<String>, body: &str) -> Result<(), Fault> {
        if !self.lacks(Removal::AnswersItsOwnWay) {
            return self.port.answer(url, body).await;
        }
        let mut answer: Value = serde_json::from_str(body).unwrap_or_default();
        answer["Reason"] = json!(format!("see log stream {}", self.mark));
        self.port.answer(url, &answer.to_string()).await
    }

    async fn invoke_again(&self, event: &Secret<String>) -> Result<(), Fault> {
        self.port.invoke_again(event).await
    }
}

/// The document without what a model of yesterday does not know: every element whose name begins with `Future`.
fn rebuilt(document: &[u8]) -> Vec<u8> {
    let mut text = String::from_utf8_lossy(document).into_owned();
    while let Some(start) = text.find("<Future") {
        let name: String = text[start + 1..].chars().take_while(char::is_ascii_alphanumeric).collect();
        let closing = format!("</{name}>");
        let Some(end) = text[start..].find(&closing) else { break };
        text.replace_range(start..start + end + closing.len(), "");
    }
    text.into_bytes()
}
