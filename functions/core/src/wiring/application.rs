//! Which origin is the application, and why none can be.

use std::collections::BTreeMap;

use super::Ours;
use super::origin::InspectionOrigin;
use crate::document::{Document, Origin, OriginKind};
use crate::finding::{Code, Finding, Target};
use crate::id::{OriginId, PathPattern};
use crate::ledger::MadeDistribution;
use crate::mark;
use crate::spec::Spec;

/// The one custom origin that all protected behaviours target, or did before us. Behaviours at an adopted origin do not tell; where
/// all are there, it is the one that leads to `ApplicationHostname`.
pub(super) fn application_origin<'d>(
    document: &'d Document,
    spec: &Spec,
    inspection: &InspectionOrigin,
    ours: Option<&Ours>,
    others: &[&MadeDistribution],
) -> Result<&'d Origin, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut at_adopted = Vec::new();
    let mut candidates: BTreeMap<OriginId, Vec<&PathPattern>> = BTreeMap::new();
    for pattern in &spec.traffic {
        if let Some(other) = others.iter().find(|other| {
            let written = document.behavior(pattern).map_or(pattern, |behavior| &behavior.path_pattern);
            other.behaviors.iter().any(|theirs| theirs.path_pattern.is_alike(written))
        }) {
            findings.push(overlap(pattern, other, "is protected by"));
            continue;
        }
        let serving = document.serving(pattern);
        let target = match ours {
            Some(ours) if ours.is_one_of_two(&serving.target) => &ours.application_origin,
            _ => &serving.target,
        };
        if let Some(other) = others.iter().find(|other| other.inspection_origin == *target) {
            findings.push(overlap(pattern, other, "is served by a behaviour of"));
            continue;
        }
        if inspection.adopted && *target == inspection.id {
            at_adopted.push(pattern);
            continue;
        }
        candidates.entry(target.clone()).or_default().push(pattern);
    }
    if let Some(ours) = ours
        && ours.caller_reference != document.caller_reference()
    {
        findings.push(Finding::structural(
            Code::DistributionMissing,
            "DistributionId",
            Target::Distribution,
            "the distribution's CallerReference is not the one that this protection was set up with, so it is another \
             distribution; nothing is written; delete the resource and declare it anew",
        ));
    }
    if candidates.len() > 1 {
        let pairs: Vec<String> = candidates
            .iter()
            .map(|(target, patterns)| {
                let patterns: Vec<&str> = patterns.iter().map(|pattern| pattern.as_str()).collect();
                format!("{} -> {target}", patterns.join(" and "))
            })
            .collect();
        findings.push(Finding::structural(
            Code::BehaviorMixedOrigins,
            "Traffic",
            Target::Distribution,
            format!(
                "the behaviours target different origins ({}), and a failover record leads to one application only; \
                 declare one protection for each origin",
                pairs.join(", ")
            ),
        ));
    }
    for (target, patterns) in &candidates {
        findings.extend(unsuitable(document, spec, inspection, ours, target, patterns));
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    if candidates.is_empty() && ours.is_none() {
        return by_host(document, spec, inspection, &at_adopted);
    }
    let expected = ours.map(|ours| &ours.application_origin);
    let found = candidates.keys().next().and_then(|id| document.origin(id));
    match found {
        Some(origin) if expected.is_none_or(|expected| *expected == origin.id) => Ok(origin),
        Some(_) | None => Err(vec![Finding::structural(
            Code::BehaviorMixedOrigins,
            "Traffic",
            Target::Distribution,
            "the protected behaviours no longer target one of the two origins of this protection: somebody moved them, \
             so they are left alone; point them back at the application origin, or delete the resource",
        )]),
    }
}

fn overlap(pattern: &PathPattern, other: &MadeDistribution, how: &str) -> Finding {
    Finding::structural(
        Code::BehaviorOverlap,
        "Traffic",
        Target::Distribution,
        format!(
            "the behaviour `{pattern}` {how} another protection (origin {}), and two would fight over it; leave it to one \
             of them, or give the distribution a behaviour of its own for this pattern first",
            other.inspection_origin
        ),
    )
}

fn listed(patterns: &[&PathPattern]) -> String {
    patterns.iter().map(|pattern| format!("`{pattern}`")).collect::<Vec<_>>().join(", ")
}

/// The application's origin, told by its host alone: of several, the one on the right port.
fn by_host<'d>(
    document: &'d Document,
    spec: &Spec,
    inspection: &InspectionOrigin,
    patterns: &[&PathPattern],
) -> Result<&'d Origin, Vec<Finding>> {
    let is_custom = |origin: &&Origin| matches!(origin.kind, OriginKind::Custom { .. });
    let is_on_port = |origin: &&Origin| match &origin.kind {
        OriginKind::Custom { https_port, .. } => *https_port == spec.origin_port,
        OriginKind::S3 | OriginKind::Vpc => false,
    };
    let of_host = document.origins().iter().filter(|origin| origin.leads_to(&spec.application)).filter(is_custom);
    let mut of_host: Vec<&Origin> = of_host.collect();
    if of_host.iter().any(is_on_port) {
        of_host.retain(is_on_port);
    }
    let todo = match of_host.as_slice() {
        [only] => return Ok(only),
        [] => format!(
            "none of the distribution's custom origins leads to {}; add one, or set ApplicationHostname to the host of the one \
             that is the application",
            spec.application
        ),
        several => format!(
            "{} all lead to {}; remove all but one of them",
            several.iter().map(|origin| origin.id.as_str()).collect::<Vec<_>>().join(", "),
            spec.application
        ),
    };
    let names = listed(patterns);
    Err(vec![Finding::structural(
        Code::OriginType,
        "ApplicationHostname",
        Target::Distribution,
        format!(
            "{names} already targets {}, which leads to the failover record {} itself, so which origin is the application has to be \
             told by its host, and {todo}",
            inspection.id, spec.failover_record
        ),
    )])
}

/// Why an origin cannot be the application.
fn unsuitable(
    document: &Document,
    spec: &Spec,
    inspection: &InspectionOrigin,
    ours: Option<&Ours>,
    target: &OriginId,
    patterns: &[&PathPattern],
) -> Option<Finding> {
    let names = listed(patterns);
    let finding = |code, message| Some(Finding::structural(code, "Traffic", Target::Distribution, message));
    if document.origin_groups().contains(target) {
        return finding(
            Code::BehaviorOriginGroup,
            format!(
                "{names} targets the origin group {target}, whose own failover would be lost by pointing it at one origin; \
                 point it at a plain custom origin first"
            ),
        );
    }
    // Taken for the application, it would make a bypass lead back to inspection. The one that is chosen has a verdict of its own.
    let leads_to_record = |origin: &Origin| origin.leads_to(&spec.failover_record);
    if *target != inspection.id && document.origin(target).is_some_and(leads_to_record) {
        let own = document.origins().iter().find(|origin| origin.leads_to(&spec.application));
        let own = own.map_or_else(
            || format!("an origin for {}", spec.application),
            |origin| format!("{} ({})", origin.id, origin.domain_name),
        );
        return finding(
            Code::OriginType,
            format!(
                "{names} already targets {target}, which leads to the failover record {} itself, so which origin is the \
                 application cannot be told, and a bypass would go in a circle; point it at {own} for the minutes of this \
                 deployment (uninspected meanwhile), then remove {target}",
                spec.failover_record
            ),
        );
    }
    // Of a protection that the caller may not know: of another engine, or one that has come since the ledger was read.
    let is_known = *target == inspection.id || ours.is_some_and(|ours| ours.is_one_of_two(target));
    if !is_known && mark::is_marked(target.as_str()) {
        return finding(
            Code::BehaviorOverlap,
            format!(
                "{names} targets {target}, which by its name leads to the inspection of another protection: taken for the application, a \
                 bypass would lead back there; leave these patterns to that protection, or first give the distribution behaviours of \
                 their own for them, at the application's origin (no name of which may begin with `failopen-`)"
            ),
        );
    }
    let kind = match document.origin(target).map(|origin| &origin.kind) {
        Some(OriginKind::Custom { .. }) => return None,
        Some(OriginKind::S3) => "an S3 origin",
        Some(OriginKind::Vpc) => "a VPC origin",
        None => "an origin that the distribution does not have",
    };
    finding(
        Code::OriginType,
        format!(
            "{names} targets {target}, {kind}: a DNS record cannot lead there, so it could not fail open; protect a \
             behaviour with a custom origin"
        ),
    )
}
