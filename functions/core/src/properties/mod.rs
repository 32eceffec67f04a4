//! The properties of `Custom::FailOpenProtection`, from what was typed to what is meant.
//!
//! CloudFormation hands every number and boolean over as a string, templates pass empty strings for what is not set, and
//! a person who made three mistakes wants to hear of all three. Reading therefore never stops at the first problem.

mod health_check;
mod reader;
mod syntax;

use std::fmt;

use serde_json::{Map, Value};

use crate::finding::{Code, Finding, Target};
use crate::id::{DistributionId, HealthCheckId, HostedZoneId, Hostname, PathPattern, ProtectionName};
use crate::secret::Secret;
use crate::spec::{ApplicationCheck, Automation, Dns, EdgeFailOpen, FailBack, HealthCheckSpec, Preflight, Spec};
use crate::spec::{Touched, Zone, ZoneRole};
use reader::Reader;
use syntax::{choice, whole};

/// Properties of the resource; `ServiceToken` and `ServiceTimeout` belong to CloudFormation and are not read here.
pub const KNOWN: &[&str] = &[
    "ServiceToken",
    "ServiceTimeout",
    "Name",
    "DistributionId",
    "FailoverRecord",
    "InspectionHostname",
    "ApplicationHostname",
    "HostedZoneId",
    "HostedZoneRoleArn",
    "HostedZoneExternalId",
    "Dns",
    "Traffic",
    "RecordTtl",
    "HealthCheck",
    "SecondaryHealthCheck",
    "AlarmEvaluationPeriods",
    "Priority",
    "AdditionalAlarms",
    "EdgeFailOpen",
    "FailBack",
    "HoldDownSeconds",
    "MinimumDwellSeconds",
    "MaximumFlipsPerDay",
    "ApplicationCheck",
    "ApplicationCheckPath",
    "Preflight",
    "OriginPort",
];

/// One thing that is wrong with one property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// As in the template; nested ones as `HealthCheck.FailureThreshold`.
    pub property: String,
    /// What is wrong with the value, and what it must be.
    pub fault: String,
    /// A value that would be accepted.
    pub example: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} (for example {})", self.property, self.fault, self.example)
    }
}

/// Properties that cannot be a protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Never empty; in the order in which the contract lists the properties, and then what is no property.
    pub problems: Vec<Problem>,
    /// What the request wants to touch, as far as it can be told: what is wrong with one property hides nothing of another.
    pub touched: Box<Touched>,
    /// What is meant as far as it can be told: defaults stand in for optional properties that are wrong. With it the
    /// distribution and the zone can still be looked at, so that their problems are reported together with these. It is
    /// never applied. `None` where a required property is missing or wrong; without patterns where every one is wrong.
    pub rest: Option<Box<Spec>>,
}

/// Reads the properties of one request.
///
/// # Errors
/// [`Invalid`] with every problem of the request.
pub fn parse(properties: &Map<String, Value>) -> Result<Spec, Invalid> {
    let mut reader = Reader::of_resource(properties, KNOWN);
    let (touched, spec) = read(&mut reader);
    let problems = reader.finish();
    match (spec, problems.is_empty()) {
        (Some(spec), true) => Ok(spec),
        (rest, _) => Err(Invalid { problems, touched: Box::new(touched), rest: rest.map(Box::new) }),
    }
}

/// Whether a finding about [`Invalid::rest`] rests on a default that stands in for one of these wrong values: it would be about
/// something that nobody has asked for.
pub fn is_guess(problems: &[Problem], rest: &Spec, finding: &Finding) -> bool {
    let is_wrong = |property: &str| problems.iter().any(|problem| problem.property == property);
    let rests_on = |properties: &[&str]| properties.iter().any(|property| is_wrong(property));
    // What it asks, and where: the rest of it decides only how often, and misspelled settings are left out.
    let asks_otherwise = || {
        const HOW_OFTEN: [&str; 3] =
            ["HealthCheck.IntervalSeconds", "HealthCheck.FailureThreshold", "HealthCheck.Regions"];
        let of_check =
            problems.iter().map(|problem| problem.property.as_str()).filter(|name| name.starts_with("HealthCheck"));
        of_check.into_iter().any(|name| !HOW_OFTEN.contains(&name))
    };
    let of_property = match finding.property.as_str() {
        // Of a list, what is wrong is left out, and the others are what is meant.
        "Traffic" => rest.traffic.is_empty(),
        "AdditionalAlarms" => false,
        "ApplicationCheck" => rests_on(&["ApplicationCheck", "ApplicationCheckPath"]),
        property if property.starts_with("HealthCheck") => asks_otherwise(),
        property => is_wrong(property),
    };
    of_property
        || match finding.target {
            Target::Inspection => is_wrong("OriginPort"),
            // Whether the application may be unreachable from here is what the check says.
            Target::Application if finding.code == Code::TlsUnreachable => {
                rests_on(&["OriginPort", "ApplicationCheck"])
            }
            Target::Application => is_wrong("OriginPort"),
            Target::Zone => rests_on(&["HostedZoneRoleArn", "HostedZoneExternalId"]),
            Target::Distribution | Target::Engine => false,
        }
}

/// The name alone: Delete needs nothing else, and the rest may be in a form that was accepted long ago.
pub fn name(properties: &Map<String, Value>) -> Option<ProtectionName> {
    properties.get("Name").and_then(reader::text_of).and_then(|text| protection_name(&text))
}

/// A text as the id of a distribution, or what is wrong with it.
///
/// # Errors
/// What it must be, with an example.
pub fn distribution_id(text: &str) -> Result<DistributionId, String> {
    syntax::distribution_id(text).map_err(|wrong| format!("{} (for example {})", wrong.rule, wrong.example))
}

/// A text as the name of a protection; `None` where it cannot be one, so that nothing is under it.
pub fn protection_name(text: &str) -> Option<ProtectionName> {
    syntax::name(text).ok()
}

/// What the request wants to touch, and what it means where that can be told.
fn read(reader: &mut Reader<'_>) -> (Touched, Option<Spec>) {
    let name = reader.required("Name", "www", syntax::name);
    let distribution = reader.required("DistributionId", "E2EXAMPLE1ABCD", syntax::distribution_id);
    let failover_record = reader.required("FailoverRecord", "cq-origin-www.example.com", syntax::hostname);
    let inspection = reader.required("InspectionHostname", "www.inspection.example.net", syntax::hostname);
    let application = reader.required("ApplicationHostname", "origin-www.example.com", syntax::hostname);
    different_hosts(reader, [&failover_record, &inspection, &application]);

    let dns = read_dns(reader);
    let touched = Touched {
        distribution: distribution.clone(),
        record: failover_record.clone().filter(|_| dns.external == Some(false)),
        zone: dns.zone.clone(),
        zone_role: dns.role.as_ref().map(|role| role.arn.clone()),
    };
    let traffic = read_traffic(reader);
    let record_ttl = reader.optional("RecordTtl", whole(1..=300, "30")).unwrap_or(30);
    let origin_port = reader.optional("OriginPort", syntax::origin_port).unwrap_or(443);
    let health_check = health_check::read(reader, origin_port);
    let secondary_health_check = reader.optional("SecondaryHealthCheck", syntax::secondary_health_check).flatten();
    two_checks(reader, &health_check, secondary_health_check.as_ref());
    let alarm_evaluation_periods = reader.optional("AlarmEvaluationPeriods", whole(1..=1440, "1")).unwrap_or(1);
    let priority = reader.optional("Priority", syntax::priority).unwrap_or(100);
    let additional_alarms = reader.list("AdditionalAlarms", syntax::alarm_name, |alarm| alarm.to_string());
    // The protection's own speaks for it anyway, and comes into being only with it.
    let own = name.as_ref().map(ProtectionName::alarm);
    let additional_alarms = additional_alarms.into_iter().filter(|alarm| own.as_ref() != Some(alarm)).collect();
    let automation = read_automation(reader);
    let application_check = read_application_check(reader);
    let preflight = reader
        .optional(
            "Preflight",
            choice(&[("enforce", Preflight::Enforce), ("warn", Preflight::Warn), ("skip", Preflight::Skip)]),
        )
        .unwrap_or(Preflight::Enforce);

    let spec = || {
        Some(Spec {
            name: name?,
            distribution: distribution?,
            failover_record: failover_record?,
            inspection: inspection?,
            application: application?,
            dns: dns.dns()?,
            traffic,
            record_ttl,
            origin_port,
            health_check,
            secondary_health_check,
            alarm_evaluation_periods,
            priority,
            additional_alarms,
            automation,
            application_check,
            preflight,
        })
    };
    (touched, spec())
}

/// A record that points at itself, or two origins that are one, protect nothing.
fn different_hosts(reader: &mut Reader<'_>, hosts: [&Option<Hostname>; 3]) {
    const NAMES: [&str; 3] = ["FailoverRecord", "InspectionHostname", "ApplicationHostname"];
    for (later, name) in NAMES.iter().enumerate().skip(1) {
        for earlier in 0..later {
            if hosts[earlier].is_some() && hosts[earlier] == hosts[later] {
                reader.report(
                    name,
                    format!("is the same host as {}: all three must differ, or traffic would loop", NAMES[earlier]),
                    if later == 1 { "www.inspection.example.net" } else { "origin-www.example.com" },
                );
            }
        }
    }
}

/// With one check for both records they are unhealthy together, and then Route 53 answers the PRIMARY.
fn two_checks(reader: &mut Reader<'_>, inspection: &HealthCheckSpec, application: Option<&HealthCheckId>) {
    let adopted = match inspection {
        HealthCheckSpec::Adopted { id } => Some(id),
        HealthCheckSpec::Managed(_) => None,
    };
    if adopted.is_some() && adopted == application {
        reader.report(
            "SecondaryHealthCheck",
            "is the health check of HealthCheck.HealthCheckId: with inspection down both records would count as unhealthy, and \
             DNS would never fail over; name a check on the application",
            "none",
        );
    }
}

/// `Dns` and the zone's properties, each as far as it can be told.
struct ReadDns {
    external: Option<bool>,
    zone: Option<HostedZoneId>,
    role: Option<ZoneRole>,
}

impl ReadDns {
    fn dns(self) -> Option<Dns> {
        if self.external? {
            return Some(Dns::External);
        }
        Some(Dns::Route53 { zone: Zone { id: self.zone?, role: self.role } })
    }
}

fn read_dns(reader: &mut Reader<'_>) -> ReadDns {
    let external = reader.optional("Dns", choice(&[("route53", false), ("external", true)]));
    // Where it is wrong, which of the zone's properties it would take is not known, but what they look like is.
    let external = if reader.is_given("Dns") { external } else { Some(false) };
    if external == Some(true) {
        for name in ["HostedZoneId", "HostedZoneRoleArn", "HostedZoneExternalId"] {
            if reader.is_given(name) {
                reader.report(name, "must be left out with Dns `external`: no record is made there", "an empty string");
            }
        }
        return ReadDns { external, zone: None, role: None };
    }
    if external == Some(false) && !reader.is_given("HostedZoneId") {
        reader.report(
            "HostedZoneId",
            "is missing: with Dns `route53` it names the public zone that holds FailoverRecord",
            "Z0123456789ABCDEFGHIJ",
        );
    }
    let zone = reader.optional("HostedZoneId", syntax::hosted_zone_id);
    // Not shown where it is none: the two are easily mistaken for each other, and the external id is a secret.
    let role = reader.optional_secret("HostedZoneRoleArn", syntax::role_arn);
    let external_id = reader.optional_secret("HostedZoneExternalId", syntax::external_id);
    if external_id.is_some() && !reader.is_given("HostedZoneRoleArn") {
        reader.report(
            "HostedZoneExternalId",
            "is used only to assume HostedZoneRoleArn, which is missing",
            "an empty string",
        );
    }
    let role = role.map(|arn| ZoneRole { arn, external_id: external_id.map(Secret::new) });
    ReadDns { external, zone, role }
}

/// Empty where every pattern is wrong: which behaviours are meant cannot be told then.
fn read_traffic(reader: &mut Reader<'_>) -> Vec<PathPattern> {
    // CloudFront takes the leading slash as optional, so `/api/*` and `api/*` are one behaviour.
    let patterns = reader.list("Traffic", syntax::path_pattern, |pattern: &PathPattern| {
        pattern.as_str().trim_start_matches('/').to_owned()
    });
    match patterns.is_empty() && !reader.is_given("Traffic") {
        true => vec![PathPattern::default_behavior()],
        false => patterns,
    }
}

fn read_automation(reader: &mut Reader<'_>) -> Automation {
    let edge = [("off", EdgeFailOpen::Off), ("notify", EdgeFailOpen::Notify), ("automatic", EdgeFailOpen::Automatic)];
    let back = [("automatic", FailBack::Automatic), ("manual", FailBack::Manual)];
    Automation {
        edge_fail_open: reader.optional("EdgeFailOpen", choice(&edge)).unwrap_or(EdgeFailOpen::Notify),
        fail_back: reader.optional("FailBack", choice(&back)).unwrap_or(FailBack::Automatic),
        hold_down_seconds: reader.optional("HoldDownSeconds", whole(0..=86_400, "900")).unwrap_or(900),
        minimum_dwell_seconds: reader.optional("MinimumDwellSeconds", whole(0..=86_400, "300")).unwrap_or(300),
        maximum_flips_per_day: reader.optional("MaximumFlipsPerDay", whole(1..=100, "6")).unwrap_or(6),
    }
}

fn read_application_check(reader: &mut Reader<'_>) -> ApplicationCheck {
    let probe = reader.optional("ApplicationCheck", choice(&[("probe", true), ("none", false)])).unwrap_or(true);
    let path = reader.optional("ApplicationCheckPath", syntax::url_path).unwrap_or_else(|| "/".to_owned());
    if probe { ApplicationCheck::Probe { path } } else { ApplicationCheck::None }
}

#[cfg(test)]
mod advice_tests;
#[cfg(test)]
mod tests;
