//! What stands against a protection, judged from what was read before anything is changed.

mod allow_lists;
mod distribution;
mod dns;
mod http;
mod questions;
mod reach;
mod tls;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::alarm::{AlarmState, ObservedAlarm};
use crate::document::Document;
use crate::finding::{Code, Finding, Severity, Target, Weight};
use crate::forwarding::{Policies, PolicyId};
use crate::handshake::{Look, Seen};
use crate::health_probe::{HealthProbe, HealthProbed};
use crate::id::{AlarmName, HealthCheckId, OwnerMark, ProtectionName};
use crate::ledger::{MadeDistribution, MadeRecords, Row};
use crate::port::{ObservedHealthCheck, ObservedZone, ProbeOutcome, RecordSet};
use crate::reach::Reach;
use crate::records;
use crate::spec::{Dns, HealthCheckSpec, Preflight, Spec};

pub use allow_lists::AllowLists;
pub use dns::Names;
pub use questions::{Occasion, Questions};

/// Everything that was read for one request.
#[derive(Clone, Debug)]
pub struct Observed {
    /// `None`: it does not exist.
    pub distribution: Option<Document>,
    /// `None` with another DNS service, or where the zone does not exist.
    pub zone: Option<ObservedZone>,
    /// Every record set of the failover record's name.
    pub records: Vec<RecordSet>,
    /// The checks that exist among those that the properties and the ledger name.
    pub health_checks: BTreeMap<HealthCheckId, ObservedHealthCheck>,
    pub alarm: ObservedAlarm,
    pub alarm_owner: Option<OwnerMark>,
    /// Alarms of the user's own that are named and do not exist.
    pub missing_alarms: Vec<AlarmName>,
    /// All rows of the ledger, ours too where there is one.
    pub rows: Vec<Row>,
    /// Protections whose row is there and cannot be understood.
    pub unreadable: Vec<ProtectionName>,
    /// `None`: it was not asked.
    pub application: Option<ProbeOutcome>,
    /// `None`: they were not asked.
    pub hosts: Option<Hosts>,
    pub names: Names,
    /// `None`: it was not asked.
    pub reach: Option<Reach>,
    /// What could not be read because the engine is not allowed to.
    pub denied: Vec<Finding>,
}

/// How both hosts answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    pub at: Timestamp,
    /// What was read of policies, so that it need not be read again.
    pub policies: Policies,
    pub handshakes: Vec<(Look, Seen)>,
    /// `None` for an adopted check.
    pub health: Option<(HealthProbe, HealthProbed)>,
    /// Policies that could not be read, with the reason.
    pub unread: Vec<(PolicyId, String)>,
}

impl Observed {
    /// Our own row, if any: the row of this name, unless it belongs to somebody else.
    pub fn row(&self, spec: &Spec, owner: &OwnerMark) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == spec.name && row.owner == *owner)
    }

    /// The protections of others in the same distribution.
    pub fn others<'a>(&'a self, spec: &'a Spec) -> Vec<&'a MadeDistribution> {
        let others = self.rows.iter().filter(|row| row.name != spec.name);
        others.flat_map(crate::wiring::distributions).filter(|made| made.id == spec.distribution).collect()
    }
}

/// All findings, in the order distribution, zone, records, health check, alarm, ledger, engine, hosts, application,
/// names.
pub fn findings(spec: &Spec, owner: &OwnerMark, observed: &Observed) -> Vec<Finding> {
    let mut findings = observed.denied.clone();
    distribution::judge(spec, owner, observed, &mut findings);
    zone(spec, owner, observed, &mut findings);
    health_checks(spec, observed, &mut findings);
    alarm(owner, observed, &mut findings);
    name(spec, owner, observed, &mut findings);
    unreadable(spec, owner, observed, &mut findings);
    reach::judge(spec, observed, &mut findings);
    hosts(spec, owner, observed, &mut findings);
    dns::judge(spec, owner, observed, &mut findings);
    findings
}

/// What stands against forwarding traffic to the hosts now: the part of the findings that may change while a request waits.
pub fn hosts(spec: &Spec, owner: &OwnerMark, observed: &Observed, findings: &mut Vec<Finding>) {
    policies(observed, findings);
    tls::judge(spec, owner, observed, findings);
    http::judge(spec, observed, findings);
    application(spec, observed, findings);
}

fn policies(observed: &Observed, findings: &mut Vec<Finding>) {
    for (policy, why) in observed.hosts.iter().flat_map(|hosts| &hosts.unread) {
        findings.push(Finding::warning(
            Code::Permission,
            "Traffic",
            Target::Distribution,
            format!(
                "{policy} could not be read ({why}), so it is not known whether the viewer's Host reaches the origins, and \
                 certificates were checked for both that and the origin's own name; mend that to have them checked for the \
                 right one"
            ),
        ));
    }
}

/// The findings that refuse the request under the resource's `Preflight`.
pub fn refusing(preflight: Preflight, findings: &[Finding]) -> Vec<Finding> {
    let refuses = |finding: &&Finding| match (finding.severity, finding.weight) {
        (Severity::Warning, _) => false,
        (Severity::Error, Weight::Structural) => true,
        (Severity::Error, Weight::Advisory) => preflight == Preflight::Enforce,
    };
    findings.iter().filter(refuses).cloned().collect()
}

fn zone(spec: &Spec, owner: &OwnerMark, observed: &Observed, findings: &mut Vec<Finding>) {
    let Dns::Route53 { zone } = &spec.dns else { return };
    let Some(present) = &observed.zone else {
        let denied = findings.iter().any(|finding| finding.property == "HostedZoneId");
        if !denied {
            findings.push(Finding::structural(
                Code::RecordOutsideZone,
                "HostedZoneId",
                Target::Zone,
                format!("there is no hosted zone {}, so no record can be made; check the id and the account", zone.id),
            ));
        }
        return;
    };
    if present.private {
        findings.push(Finding::structural(
            Code::ZonePrivate,
            "HostedZoneId",
            Target::Zone,
            format!(
                "zone {} ({}) is private: CloudFront could not resolve a record in it and would answer 502; name the \
                 public zone",
                zone.id, present.name
            ),
        ));
    }
    let (record, apex) = (spec.failover_record.as_str(), present.name.as_str());
    if record == apex {
        findings.push(Finding::structural(
            Code::RecordAtApex,
            "FailoverRecord",
            Target::Zone,
            format!("{record} is the zone itself, and DNS allows no CNAME there; choose a name below it, e.g. cq-origin.{apex}"),
        ));
    } else if !record.strip_suffix(apex).is_some_and(|prefix| prefix.ends_with('.')) {
        findings.push(Finding::structural(
            Code::RecordOutsideZone,
            "FailoverRecord",
            Target::Zone,
            format!(
                "{record} is not in zone {} ({apex}), which could not hold it; choose a name that ends in .{apex}",
                zone.id
            ),
        ));
    }
    let row = observed.row(spec, owner);
    // Which health check the PRIMARY will carry is not known yet where it is still to be made: any will do to see conflicts.
    let check = match &spec.health_check {
        HealthCheckSpec::Adopted { id } => Some(id),
        // That of adopted records is somebody's, and no check that we make is ever the same.
        HealthCheckSpec::Managed(_) => row
            .and_then(|row| row.made.records.as_ref())
            .filter(|made| made.adopted.is_none())
            .map(|made| &made.primary_health_check),
    };
    let check = check.cloned().unwrap_or_else(|| HealthCheckId::new(""));
    let Some(wanted) = MadeRecords::wanted(spec, &check) else { return };
    let claimed = row.into_iter().flat_map(records::claimed);
    if let Err(conflict) = records::establish(&wanted, claimed, owner, spec, &observed.records) {
        findings.push(conflict);
    }
}

fn health_checks(spec: &Spec, observed: &Observed, findings: &mut Vec<Finding>) {
    let adopted = match &spec.health_check {
        HealthCheckSpec::Adopted { id } => Some(("HealthCheck.HealthCheckId", id, Target::Inspection)),
        HealthCheckSpec::Managed(_) => None,
    };
    let secondary = spec.secondary_health_check.as_ref().map(|id| ("SecondaryHealthCheck", id, Target::Application));
    for (property, id, target) in adopted.into_iter().chain(secondary) {
        match observed.health_checks.get(id) {
            None => findings.push(Finding::structural(
                Code::HealthCheckNotHealthy,
                property,
                target,
                format!("there is no health check {id}, so nothing would ever fail over; check the id and the account"),
            )),
            Some(check) if check.config.disabled => findings.push(Finding::error(
                Code::HealthCheckNotHealthy,
                property,
                target,
                match target {
                    Target::Application => format!(
                        "health check {id} is disabled, and Route 53 takes a disabled check for healthy: the application would be \
                         answered with even when it is down, as without a check; enable it, or say none"
                    ),
                    _ => format!(
                        "health check {id} is disabled, and Route 53 takes a disabled check for healthy: it would hide every \
                         outage; enable it"
                    ),
                },
            )),
            Some(_) => {}
        }
    }
}

fn alarm(owner: &OwnerMark, observed: &Observed, findings: &mut Vec<Finding>) {
    let exists = observed.alarm.state != AlarmState::Missing;
    if exists && observed.alarm_owner.as_ref() != Some(owner) {
        findings.push(Finding::structural(
            Code::Permission,
            "Name",
            Target::Engine,
            format!(
                "there is an alarm {} that this resource did not make, and writing it would overwrite somebody's settings; \
                 choose another Name (another protection may need that alarm)",
                observed.alarm.name
            ),
        ));
    }
    for name in &observed.missing_alarms {
        findings.push(Finding::warning(
            Code::HealthCheckNotHealthy,
            "AdditionalAlarms",
            Target::Inspection,
            format!(
                "there is no alarm {name} in this account and Region: it would never say that inspection is broken, and because \
                 it is never OK either, no bypass would be ended automatically; correct the name, or make that alarm"
            ),
        ));
    }
}

fn name(spec: &Spec, owner: &OwnerMark, observed: &Observed, findings: &mut Vec<Finding>) {
    if let Some(row) = observed.rows.iter().find(|row| row.name == spec.name && row.owner != *owner) {
        findings.push(Finding::structural(
            Code::Permission,
            "Name",
            Target::Engine,
            format!(
                "`{}` belongs to {} of stack {}; one name has one owner, so choose another, or delete that resource first",
                spec.name, row.logical_id, row.stack_id
            ),
        ));
    }
}

/// A row that cannot be understood is taken, and whose behaviours are whose cannot be told in a distribution where its
/// protection has an origin, or may have one that it has adopted.
fn unreadable(spec: &Spec, owner: &OwnerMark, observed: &Observed, findings: &mut Vec<Finding>) {
    const RESTORE: &str = "restore it from the point-in-time recovery of the ledger's table, then try again";
    for name in &observed.unreadable {
        let origin = name.inspection_origin();
        let is_here = observed.distribution.as_ref().is_some_and(|document| document.origin(&origin).is_some());
        if *name == spec.name {
            let message = format!("the ledger's row of `{name}` cannot be read, and it is not written over; {RESTORE}");
            findings.push(Finding::structural(Code::Permission, "Name", Target::Engine, message));
        } else if is_here {
            let message = format!(
                "{} has origin {origin} of protection `{name}`, whose row in the ledger cannot be read, so which behaviours are \
                 its own is not known; {RESTORE}",
                spec.distribution
            );
            findings.push(Finding::structural(Code::BehaviorOverlap, "Traffic", Target::Distribution, message));
        } else if let Some(origin) = distribution::unfamiliar_origin(spec, owner, observed) {
            let message = format!(
                "protection `{name}`, whose row in the ledger cannot be read, may have adopted origin {origin} of {}, and two would \
                 fight over it; {RESTORE}",
                spec.distribution
            );
            findings.push(Finding::structural(Code::BehaviorOverlap, "Traffic", Target::Distribution, message));
        }
    }
}

fn application(spec: &Spec, observed: &Observed, findings: &mut Vec<Finding>) {
    let why = match &observed.application {
        None => return,
        Some(outcome) if outcome.is_alive() => return,
        Some(ProbeOutcome::Answered { status }) => format!("answers {status}"),
        Some(ProbeOutcome::Failed { why }) => format!("does not answer ({why})"),
    };
    findings.push(Finding::error(
        Code::ApplicationCheck,
        "ApplicationCheck",
        Target::Application,
        format!(
            "{} {why} to a TLS-verified request with the origin's custom headers, so no bypass would ever be made; mend it, \
             set ApplicationCheckPath to a path that answers, or set ApplicationCheck to `none` to bypass unchecked",
            spec.application
        ),
    ));
}

#[cfg(test)]
mod examples_tests;
#[cfg(test)]
mod hosts_tests;
#[cfg(test)]
mod tests;
