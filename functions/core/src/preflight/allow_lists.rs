//! What the engine may touch, and what a request wants to.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding, Target};
use crate::id::{DistributionId, HostedZoneId, Hostname};
use crate::ledger::{MadeRecords, Row};
use crate::records;
use crate::spec::{Spec, Touched};

/// What the engine may touch, as its IAM policies name it: a request outside is refused before any call, by name, instead
/// of by an AccessDenied somewhere in the middle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowLists {
    pub distributions: BTreeSet<DistributionId>,
    pub zones: BTreeSet<HostedZoneId>,
    pub records: BTreeSet<Hostname>,
    /// ARNs of roles in other accounts.
    pub zone_roles: BTreeSet<String>,
}

impl AllowLists {
    /// What a request wants to touch and the engine may not.
    pub fn refusals(&self, touched: &Touched) -> Vec<Finding> {
        let refusal = |code, property: &str, what: &str, id: &str, parameter: &str| {
            Finding::structural(
                code,
                property,
                Target::Engine,
                format!(
                    "{what} {id} is not one that this engine may touch, so nothing was read or changed; add it to \
                     {parameter} of the engine's stack, deploy that, and try again"
                ),
            )
        };
        let mut findings = Vec::new();
        if let Some(id) = touched.distribution.as_ref().filter(|id| !self.distributions.contains(id)) {
            let (code, property) = (Code::DistributionNotAllowed, "DistributionId");
            findings.push(refusal(code, property, "distribution", id.as_str(), "AllowedDistributions"));
        }
        if let Some(id) = touched.zone.as_ref().filter(|id| !self.zones.contains(id)) {
            let (property, parameter) = ("HostedZoneId", "AllowedHostedZones");
            findings.push(refusal(Code::Permission, property, "hosted zone", id.as_str(), parameter));
        }
        if let Some(name) = touched.record.as_ref().filter(|name| !self.records.contains(name)) {
            findings.push(refusal(Code::Permission, "FailoverRecord", "record", name.as_str(), "AllowedRecords"));
        }
        if let Some(arn) = touched.zone_role.as_ref().filter(|arn| !self.zone_roles.contains(*arn)) {
            let (property, parameter) = ("HostedZoneRoleArn", "AllowedHostedZoneRoles");
            findings.push(refusal(Code::Permission, property, "role", arn, parameter));
        }
        findings
    }

    /// What an Update to `spec` would have to take out of a place that the engine may not touch any more. Found out half-way,
    /// that could be neither finished nor rolled back: both need the place.
    pub fn refusals_of_former(&self, row: &Row, spec: &Spec) -> Vec<Finding> {
        let refusal = |code, property: &str, what: String, parameter: &str| {
            Finding::structural(
                code,
                property,
                Target::Engine,
                format!(
                    "it leads away from {what}, which this engine may not touch any more and would have to clean up; name that \
                     in {parameter} of the engine's stack too, and try again"
                ),
            )
        };
        let mut findings = Vec::new();
        for former in crate::wiring::distributions(row) {
            if former.id != spec.distribution && !self.distributions.contains(&former.id) {
                let what = format!("distribution {}", former.id);
                findings.push(refusal(Code::DistributionNotAllowed, "DistributionId", what, "AllowedDistributions"));
            }
        }
        let zone = spec.dns.zone().map(|zone| &zone.id);
        let is_left = |former: &&MadeRecords| {
            let moves_zone = zone.is_some_and(|zone| *zone != former.zone);
            former.name != spec.failover_record || moves_zone
        };
        // Adopted ones are left there, which takes no permission.
        for former in records::removable(row).filter(is_left) {
            if !self.records.contains(&former.name) {
                let what = format!("record {}", former.name);
                findings.push(refusal(Code::Permission, "FailoverRecord", what, "AllowedRecords"));
            }
            if !self.zones.contains(&former.zone) {
                let what = format!("hosted zone {}", former.zone);
                findings.push(refusal(Code::Permission, "HostedZoneId", what, "AllowedHostedZones"));
            }
        }
        findings
    }
}
