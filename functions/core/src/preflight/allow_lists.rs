//! What the engine may touch, and what a request wants to.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding, Target};
use crate::id::{DistributionId, HostedZoneId, Hostname};
use crate::ledger::{MadeRecords, Row};
use crate::records;
use crate::spec::{Dns, Spec};

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
    /// What `spec` wants and the engine may not touch.
    pub fn refusals(&self, spec: &Spec) -> Vec<Finding> {
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
        if !self.distributions.contains(&spec.distribution) {
            findings.push(refusal(
                Code::DistributionNotAllowed,
                "DistributionId",
                "distribution",
                spec.distribution.as_str(),
                "AllowedDistributions",
            ));
        }
        let Dns::Route53 { zone } = &spec.dns else { return findings };
        if !self.zones.contains(&zone.id) {
            let id = zone.id.as_str();
            findings.push(refusal(Code::Permission, "HostedZoneId", "hosted zone", id, "AllowedHostedZones"));
        }
        if !self.records.contains(&spec.failover_record) {
            let name = spec.failover_record.as_str();
            findings.push(refusal(Code::Permission, "FailoverRecord", "record", name, "AllowedRecords"));
        }
        if let Some(role) = zone.role.as_ref().filter(|role| !self.zone_roles.contains(&role.arn)) {
            let parameter = "AllowedHostedZoneRoles";
            findings.push(refusal(Code::Permission, "HostedZoneRoleArn", "role", &role.arn, parameter));
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
