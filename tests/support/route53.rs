//! Route 53's record sets: transactional batches, the rules of failover records, and what a resolver would be told.

use std::collections::{BTreeMap, BTreeSet};

use failopen::id::{ChangeId, HealthCheckId, HostedZoneId, Hostname};
use failopen::port::{ChangeAction, FailoverRole, FaultKind, ObservedZone, RecordChange, RecordSet};
use failopen::spec::Zone;
use jiff::{SignedDuration, Timestamp};

use crate::health::HealthChecks;
use crate::names::name_servers;
use crate::refusal::Refusal;

/// All hosted zones, in this account and behind roles.
#[derive(Debug)]
pub struct Route53 {
    zones: BTreeMap<HostedZoneId, HostedZone>,
    changes: BTreeMap<ChangeId, Timestamp>,
    /// Time from an accepted change to INSYNC. "Record changes reach all servers generally within 60 s" (DOC R53).
    pub sync_time: SignedDuration,
}

#[derive(Debug)]
struct HostedZone {
    name: Hostname,
    private: bool,
    /// The role without which this zone is out of reach.
    role: Option<String>,
    records: Vec<RecordSet>,
}

impl Default for Route53 {
    fn default() -> Self {
        Self { zones: BTreeMap::new(), changes: BTreeMap::new(), sync_time: SignedDuration::from_secs(30) }
    }
}

impl Route53 {
    pub fn add_zone(&mut self, id: HostedZoneId, name: Hostname) {
        self.zones.insert(id, HostedZone { name, private: false, role: None, records: Vec::new() });
    }

    pub fn make_private(&mut self, id: &HostedZoneId) {
        self.zone_mut(id).private = true;
    }

    /// Puts a zone into another account, behind this role.
    pub fn require_role(&mut self, id: &HostedZoneId, role: impl Into<String>) {
        self.zone_mut(id).role = Some(role.into());
    }

    /// Writes a record set without any check: the world before us, or somebody else's edit.
    pub fn add_record(&mut self, id: &HostedZoneId, record: RecordSet) {
        self.zone_mut(id).records.push(record);
    }

    /// Someone else's edit of every record set of a name.
    pub fn edit_records(&mut self, id: &HostedZoneId, name: &Hostname, edit: impl Fn(&mut RecordSet)) {
        self.zone_mut(id).records.iter_mut().filter(|record| record.name == *name).for_each(edit);
    }

    pub fn remove_records(&mut self, id: &HostedZoneId, name: &Hostname) {
        self.zone_mut(id).records.retain(|record| record.name != *name);
    }

    /// Every record set of a zone.
    pub fn all_records(&self, id: &HostedZoneId) -> &[RecordSet] {
        &self.zones.get(id).expect("the test names a zone that it made").records
    }

    pub(crate) fn zone(&self, zone: &Zone) -> Result<ObservedZone, Refusal> {
        let found = self.reach(zone)?;
        // A private zone has no delegation set (API reference, GetHostedZone).
        let name_servers = if found.private { BTreeSet::new() } else { name_servers() };
        Ok(ObservedZone { name: found.name.clone(), private: found.private, name_servers })
    }

    pub(crate) fn records(&self, zone: &Zone, name: &Hostname) -> Result<Vec<RecordSet>, Refusal> {
        Ok(self.reach(zone)?.records.iter().filter(|record| record.name == *name).cloned().collect())
    }

    /// "A batch is all-or-nothing" (DOC MODEL ChangeResourceRecordSets): it is tried on a copy.
    pub(crate) fn change(
        &mut self,
        zone: &Zone,
        changes: &[RecordChange],
        checks: &HealthChecks,
        now: Timestamp,
    ) -> Result<ChangeId, Refusal> {
        let found = self.reach(zone)?;
        if changes.is_empty() {
            return Err(Refusal::refused("InvalidInput: a change batch must have at least one change"));
        }
        let mut next = found.records.clone();
        for change in changes {
            match change.action {
                ChangeAction::Create => create(&mut next, &found.name, &change.record, checks)?,
                ChangeAction::Delete => delete(&mut next, &change.record)?,
            }
        }
        self.zone_mut(&zone.id).records = next;
        let id = ChangeId::new(format!("C{:013}", self.changes.len() + 1));
        self.changes.insert(id.clone(), now + self.sync_time);
        Ok(id)
    }

    /// `GetChange` says PENDING, then INSYNC (DOC R53).
    pub(crate) fn is_insync(&self, change: &ChangeId, now: Timestamp) -> Result<bool, Refusal> {
        let insync_at =
            self.changes.get(change).ok_or_else(|| Refusal::not_found(format!("NoSuchChange: {change}")))?;
        Ok(now >= *insync_at)
    }

    /// The health checks that records name.
    pub(crate) fn checks_in_use(&self) -> BTreeSet<HealthCheckId> {
        self.zones.values().flat_map(|zone| &zone.records).filter_map(|record| record.health_check.clone()).collect()
    }

    /// What a resolver is told. "Primary healthy gives primary. Primary bad and secondary good gives secondary. Both bad
    /// gives primary. A secondary with no health check is always used when the primary is bad" (DOC MODEL).
    pub fn resolve(&self, name: &Hostname, checks: &HealthChecks, now: Timestamp) -> Option<Vec<String>> {
        let records: Vec<&RecordSet> =
            self.zones.values().flat_map(|zone| &zone.records).filter(|record| record.name == *name).collect();
        let healthy =
            |record: &RecordSet| record.health_check.as_ref().is_none_or(|check| checks.is_healthy(check, now));
        let of = |role| records.iter().find(|record| record.failover == Some(role)).copied();
        let chosen = match (of(FailoverRole::Primary), of(FailoverRole::Secondary)) {
            (Some(primary), Some(secondary)) if !healthy(primary) && healthy(secondary) => Some(secondary),
            (Some(primary), _) => Some(primary),
            (None, Some(secondary)) => Some(secondary),
            (None, None) => records.first().copied(),
        };
        chosen.map(|record| record.values.clone())
    }

    /// Finds a zone, through its role where it has one. A missing role is `AccessDenied`; an id that no zone has is
    /// `NoSuchHostedZone` 404 (DOC MODEL).
    fn reach(&self, zone: &Zone) -> Result<&HostedZone, Refusal> {
        let found = self
            .zones
            .get(&zone.id)
            .ok_or_else(|| Refusal::not_found(format!("NoSuchHostedZone: no hosted zone found with ID {}", zone.id)))?;
        if found.role.as_deref() != zone.role.as_ref().map(|role| role.arn.as_str()) {
            return Err(Refusal::new(FaultKind::AccessDenied, "AccessDenied: not authorized for this hosted zone"));
        }
        Ok(found)
    }

    fn zone_mut(&mut self, id: &HostedZoneId) -> &mut HostedZone {
        self.zones.get_mut(id).expect("the test names a zone that it made")
    }
}

fn create(
    records: &mut Vec<RecordSet>,
    zone: &Hostname,
    record: &RecordSet,
    checks: &HealthChecks,
) -> Result<(), Refusal> {
    let name = &record.name;
    let inside = name == zone || name.as_str().ends_with(&format!(".{zone}"));
    if !inside {
        return invalid(format!("RRSet with DNS name {name}. is not permitted in zone {zone}."));
    }
    let is_cname = record.record_type == "CNAME";
    if is_cname && name == zone {
        return invalid(format!("RRSet of type CNAME with DNS name {name}. is not permitted at apex in zone {zone}."));
    }
    if is_cname && record.values.len() != 1 {
        return invalid(format!("a CNAME record set has exactly one value, {name}. has {}", record.values.len()));
    }
    if record.failover.is_some() != record.set_identifier.is_some() && record.routing == "failover" {
        return invalid(format!("failover and SetIdentifier belong together for {name}."));
    }
    if let Some(check) = record.health_check.as_ref().filter(|check| !checks.exists(check)) {
        return Err(Refusal::refused(format!("NoSuchHealthCheck: no health check exists with the id {check}")));
    }
    if record.failover == Some(FailoverRole::Primary) && record.health_check.is_none() {
        // "Records without a check are always healthy, so PRIMARY must have one" (DOC R53, MODEL).
        return invalid(format!("the PRIMARY failover record set of {name}. needs a HealthCheckId"));
    }
    for other in records.iter().filter(|other| other.name == *name) {
        if other.record_type != record.record_type {
            if is_cname || other.record_type == "CNAME" {
                // No other type beside a CNAME of the same name (RFC 1034, section 3.6.2).
                return invalid(format!("RRSet of type {} with DNS name {name}. conflicts", record.record_type));
            }
            continue;
        }
        // CREATE of what exists is refused (DOC MODEL).
        if other.set_identifier == record.set_identifier {
            return invalid(format!(
                "Tried to create resource record set [name='{name}.', type='{}'] but it already exists",
                record.record_type
            ));
        }
        // "Failover and non-failover records of the same name and type cannot coexist" (DOC MODEL).
        if other.failover.is_some() != record.failover.is_some() {
            return invalid(format!("RRSet with DNS name {name}. cannot be created: other RRSets exist for it"));
        }
        // One PRIMARY and one SECONDARY a name and type (DOC MODEL ResourceRecordSet.Failover).
        if other.failover == record.failover && record.failover.is_some() {
            return invalid(format!("{name}. already has a failover record set of that role"));
        }
    }
    records.push(record.clone());
    Ok(())
}

/// "DELETE must repeat every value exactly" (DOC MODEL).
fn delete(records: &mut Vec<RecordSet>, record: &RecordSet) -> Result<(), Refusal> {
    let of_same_key = |other: &RecordSet| {
        other.name == record.name
            && other.record_type == record.record_type
            && other.set_identifier == record.set_identifier
    };
    let shown = format!("[name='{}.', type='{}']", record.name, record.record_type);
    match records.iter().position(of_same_key) {
        None => invalid(format!("Tried to delete resource record set {shown} but it was not found")),
        Some(at) if records[at] != *record => invalid(format!(
            "Tried to delete resource record set {shown} but the values provided do not match the current values"
        )),
        Some(at) => {
            records.remove(at);
            Ok(())
        }
    }
}

/// `InvalidChangeBatch`, HTTP 400, is permanent: "read its messages" (DOC MODEL).
fn invalid(message: String) -> Result<(), Refusal> {
    Err(Refusal::refused(format!("InvalidChangeBatch: [{message}]")))
}
