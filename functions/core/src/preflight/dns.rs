//! Names: whether the hosts resolve, which way they lead, for how long answers are kept, and whether the zone is the one that
//! public DNS asks.

use std::collections::BTreeSet;

use super::Observed;
use crate::document::Document;
use crate::finding::{Code, Finding, Severity, Target};
use crate::id::{Hostname, OwnerMark};
use crate::lead::{Lead, lead};
use crate::ledger::Lifecycle;
use crate::resolution::{Delegation, Ending, Resolution};
use crate::spec::{Dns, Spec};

/// Seconds for which an answer may be kept without a word: the longest that a failover record of ours may have.
const LONGEST_TTL: u32 = 300;
/// CNAMEs on the way to a host's addresses. Resolvers stop following at some number of their own, 8 being among the smallest
/// (hickory 0.26); DNS itself sets none (RFC 1034, section 3.6.2).
const MOST_LINKS: usize = 8;

/// What DNS answered, as far as it was asked: everything is `None` where it was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub inspection: Option<Resolution>,
    pub application: Option<Resolution>,
    /// Asked with another DNS service only: with Route 53 the record may still have to be made, and a resolver that is asked
    /// too early remembers that there was none.
    pub failover_record: Option<Resolution>,
    pub delegation: Option<Delegation>,
}

/// A host that has to resolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Inspection,
    Application,
    FailoverRecord,
}

impl Role {
    fn host(self, spec: &Spec) -> &Hostname {
        match self {
            Role::Inspection => &spec.inspection,
            Role::Application => &spec.application,
            Role::FailoverRecord => &spec.failover_record,
        }
    }

    fn property(self) -> &'static str {
        match self {
            Role::Inspection => "InspectionHostname",
            Role::Application => "ApplicationHostname",
            Role::FailoverRecord => "FailoverRecord",
        }
    }

    fn target(self) -> Target {
        match self {
            Role::Inspection => Target::Inspection,
            Role::Application => Target::Application,
            Role::FailoverRecord => Target::Zone,
        }
    }

    /// What a name that does not resolve would cause.
    fn loss(self) -> &'static str {
        match self {
            Role::Inspection => "CloudFront would answer 502 until DNS fails over, and nothing would ever be inspected",
            Role::Application => {
                "failing open would lead nowhere, and viewers would get 502 in the very outage that it is for"
            }
            Role::FailoverRecord => "CloudFront would find no origin and answer 502 for everything that is protected",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Role::Inspection => "correct the name, or have whoever runs inspection make its record, and try again",
            Role::Application => "correct the name, or make its record, and try again",
            Role::FailoverRecord => {
                "make it at the DNS service that is to fail over, and try again some minutes later, because resolvers remember \
                 that there was none; or set Dns to `route53`"
            }
        }
    }

    /// Whether the request leads somewhere that it did not lead before. What already is so must not refuse an unrelated Update,
    /// which may be what an outage needs.
    fn is_new(self, spec: &Spec, before: Option<&Spec>) -> bool {
        let Some(before) = before else { return true };
        let was_theirs = matches!(before.dns, Dns::External);
        before.failover_record != spec.failover_record
            || match self {
                Role::Inspection | Role::Application => self.host(before) != self.host(spec),
                Role::FailoverRecord => !was_theirs,
            }
    }
}

pub(super) fn judge(spec: &Spec, owner: &OwnerMark, observed: &Observed, findings: &mut Vec<Finding>) {
    let settled = observed.row(spec, owner).filter(|row| row.lifecycle == Lifecycle::Active);
    let before = settled.map(|row| &row.spec);
    let Names { inspection, application, failover_record, delegation } = &observed.names;
    for (role, resolution) in
        [(Role::Inspection, inspection), (Role::Application, application), (Role::FailoverRecord, failover_record)]
    {
        let Some(resolution) = resolution else { continue };
        let moves = before.is_none_or(|before| before.distribution != spec.distribution);
        let returning = || comes_back(role, spec, observed, resolution).map(|finding| (finding, moves));
        let fatal =
            leads_back(role, spec, resolution).map(|finding| (finding, false)).or_else(returning).or_else(|| {
                let other = circles(role, spec, resolution)
                    .or_else(|| does_not_resolve(role, spec, resolution))
                    .or_else(|| misleads(role, spec, &observed.names));
                other.map(|finding| (finding, false))
            });
        match fatal {
            Some((finding, is_new)) if is_new || role.is_new(spec, before) => findings.push(finding),
            Some((finding, _)) => findings.push(Finding {
                severity: Severity::Warning,
                message: format!(
                    "{}; it is so without this request too, which is therefore not refused",
                    finding.message
                ),
                ..finding
            }),
            None => findings.extend(slow(role, spec, resolution)),
        }
    }
    if let Some(delegation) = delegation {
        findings.extend(elsewhere(spec, observed, delegation));
    }
}

/// Viewers reach the distribution by its aliases, so an origin there is CloudFront itself, which would answer with the right
/// certificate. A name that only a wildcard alias covers may well lead elsewhere.
fn comes_back(role: Role, spec: &Spec, observed: &Observed, resolution: &Resolution) -> Option<Finding> {
    let host = role.host(spec);
    let is_alias = |name: &&Hostname| {
        let mut aliases = observed.distribution.iter().flat_map(Document::aliases);
        aliases.any(|alias| alias.eq_ignore_ascii_case(name.as_str()))
    };
    let way = resolution.chain.iter().map(|link| &link.target);
    let alias = std::iter::once(host).chain(way).find(is_alias)?;
    let subject =
        if alias == host { format!("{host} is an alias") } else { format!("{host} leads through {alias}, an alias") };
    let message = format!(
        "{subject} of distribution {}: as soon as DNS leads viewers of {alias} to CloudFront, it would send their requests back to \
         itself, and none would get through; name the host behind the distribution, not the site's own name",
        spec.distribution
    );
    Some(Finding::error(Code::DnsLoop, role.property(), role.target(), message))
}

fn leads_back(role: Role, spec: &Spec, resolution: &Resolution) -> Option<Finding> {
    let (host, record) = (role.host(spec), &spec.failover_record);
    if role == Role::FailoverRecord || !resolution.leads_through(record) {
        return None;
    }
    let message = format!(
        "{host} leads back to the failover record ({}), which is to lead to it: requests would go round in circles, and none would \
         be answered; name a host whose way does not lead through {record}",
        resolution.path(host)
    );
    Some(Finding::structural(Code::DnsLoop, role.property(), role.target(), message))
}

fn circles(role: Role, spec: &Spec, resolution: &Resolution) -> Option<Finding> {
    let host = role.host(spec);
    (resolution.ending == Ending::Circle).then(|| {
        let message = format!(
            "{host} leads round in a circle ({}) and never resolves: {}; correct these CNAMEs, and try again",
            resolution.path(host),
            role.loss()
        );
        Finding::error(Code::DnsLoop, role.property(), role.target(), message)
    })
}

fn does_not_resolve(role: Role, spec: &Spec, resolution: &Resolution) -> Option<Finding> {
    let host = role.host(spec);
    let end = resolution.end(host);
    let (why, remedy) = match &resolution.ending {
        Ending::Addresses { .. } | Ending::Circle => return None,
        Ending::NoSuchName => ("there is no such name".to_owned(), role.remedy().to_owned()),
        Ending::NoAddress => (format!("{end} has no address"), role.remedy().to_owned()),
        Ending::TooLong => (
            format!("its way is not at its end after {} CNAMEs", resolution.chain.len()),
            format!("shorten the way to {MOST_LINKS} CNAMEs or fewer, and try again"),
        ),
        Ending::NoAnswer { why } => (
            why.clone(),
            format!("try again, and where it stays so look into the name servers of {end}, or set Preflight to `warn`"),
        ),
    };
    let way = if resolution.chain.is_empty() { String::new() } else { format!("it leads to {end}, and ") };
    let message = format!("{host} does not resolve ({way}{why}): {}; {remedy}", role.loss());
    Some(Finding::error(Code::DnsUnresolvable, role.property(), role.target(), message))
}

/// Another DNS service's record has to lead to inspection when traffic is sent to it; whether it does is seen by the names on its
/// way, or by its addresses where these tell the two hosts apart.
fn misleads(role: Role, spec: &Spec, names: &Names) -> Option<Finding> {
    let Names { inspection: Some(inspection), application: Some(application), failover_record: Some(record), .. } =
        names
    else {
        return None;
    };
    let led = lead(spec, record, inspection, application);
    let (to, consequence, todo) = match (role, led) {
        (Role::FailoverRecord, Lead::Application) => (
            format!("the application ({})", spec.application),
            "all traffic would go there uninspected, and would be called protected",
            "see why that service has failed over, and try again when the record leads to inspection",
        ),
        (Role::FailoverRecord, Lead::Elsewhere) => (
            format!("neither inspection ({}) nor the application ({})", spec.inspection, spec.application),
            "traffic would go to whatever is there",
            "correct the record or the two host names, and try again",
        ),
        (Role::FailoverRecord, Lead::Inspection | Lead::Nowhere | Lead::Unknown)
        | (Role::Inspection | Role::Application, _) => return None,
    };
    let name = &spec.failover_record;
    let message = format!("{name} leads to {to} ({}): {consequence}; {todo}", record.path(name));
    let finding = Finding::error(Code::RecordConflict, role.property(), role.target(), message);
    // Which addresses a host has may be another sample each time.
    let severity = if led == Lead::Elsewhere { Severity::Warning } else { finding.severity };
    Some(Finding { severity, ..finding })
}

fn slow(role: Role, spec: &Spec, resolution: &Resolution) -> Vec<Finding> {
    let host = role.host(spec);
    let Ending::Addresses { ttl, .. } = resolution.ending else { return Vec::new() };
    let links = resolution.chain.iter().map(|link| (&link.name, link.ttl));
    let mut kept = links.chain([(resolution.end(host), ttl)]);
    let mut messages = Vec::new();
    if role == Role::FailoverRecord {
        if let Some((_, ttl)) = kept.next().filter(|(_, ttl)| *ttl > LONGEST_TTL) {
            messages.push(format!(
                "{host} may be remembered for {ttl} s: after its DNS service has failed over, CloudFront would go on for so long to \
                 an inspection service that is gone; lower its TTL to {LONGEST_TTL} s or less, better to 30 s"
            ));
        }
    } else {
        if let Some((name, ttl)) = kept.max_by_key(|(_, ttl)| *ttl).filter(|(_, ttl)| *ttl > LONGEST_TTL) {
            let subject = if name == host { host.to_string() } else { format!("{host} leads to {name}, which") };
            messages.push(format!(
                "{subject} may be remembered for {ttl} s: the failover record itself switches within its own TTL, but when whoever \
                 runs {host} moves it to other addresses, CloudFront may go on to the former ones for so long; have the TTL \
                 lowered to {LONGEST_TTL} s or less, unless that host never moves"
            ));
        }
        if resolution.chain.len() > MOST_LINKS {
            messages.push(format!(
                "{host} is reached through {} CNAMEs ({}): every one is one more answer to wait for, and a resolver that stops \
                 following before the end finds no address, so that CloudFront answers 502; shorten the way to {MOST_LINKS} or \
                 fewer",
                resolution.chain.len(),
                resolution.path(host)
            ));
        }
    }
    let finding = |message| Finding::warning(Code::DnsSlowChain, role.property(), role.target(), message);
    messages.into_iter().map(finding).collect()
}

/// A zone that public DNS does not lead to: with no name server in common, another zone answers for the name.
fn elsewhere(spec: &Spec, observed: &Observed, delegation: &Delegation) -> Option<Finding> {
    let Dns::Route53 { zone } = &spec.dns else { return None };
    let present = observed.zone.as_ref().filter(|zone| !zone.private && !zone.name_servers.is_empty())?;
    let name = &present.name;
    let (found, unless) = match delegation {
        // Nothing is known, and the health check that is waited for says more.
        Delegation::Unknown { .. } => return None,
        Delegation::To(servers) if !servers.is_disjoint(&present.name_servers) => return None,
        Delegation::To(servers) => (
            format!("public DNS leads to {} for {name}", listed(servers)),
            "; nothing is wrong where both are names of the same servers",
        ),
        Delegation::Nowhere => (format!("public DNS knows no name servers of {name}"), ""),
    };
    let message = format!(
        "{found}, and zone {} is served by {}: nobody would see a record that is made in it, and CloudFront would answer 502; name \
         the zone that public DNS leads to (often there is a second one of the same name), or have {name} delegated to these \
         servers{unless}",
        zone.id,
        listed(&present.name_servers)
    );
    Some(Finding::warning(Code::ZoneNotDelegated, "HostedZoneId", Target::Zone, message))
}

fn listed(servers: &BTreeSet<Hostname>) -> String {
    servers.iter().map(Hostname::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
