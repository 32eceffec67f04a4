//! The distribution, its behaviours and its origins.

use std::collections::BTreeMap;

use super::Observed;
use crate::document::{Document, Edit, OriginKind};
use crate::finding::{Code, Finding, Target};
use crate::id::{OriginId, OwnerMark};
use crate::ledger::{Lifecycle, MadeDistribution, Row};
use crate::spec::Spec;
use crate::wiring::{Ours, Wiring, wire};

/// Requests that wait longer than this, in seconds, for a connection are worth a word.
const PATIENCE: u32 = 10;
/// Cache behaviours of a distribution beside the default one (Developer Guide, "Quotas", read in 2026).
const BEHAVIORS: usize = 75;
/// Origins of a distribution (same page).
const ORIGINS: usize = 100;

/// Findings about the distribution, its behaviours and its origins.
pub(super) fn judge(spec: &Spec, owner: &OwnerMark, observed: &Observed, findings: &mut Vec<Finding>) {
    let Some(document) = &observed.distribution else {
        let denied = findings.iter().any(|finding| finding.property == "DistributionId");
        if !denied {
            findings.push(Finding::structural(
                Code::DistributionMissing,
                "DistributionId",
                Target::Distribution,
                format!("there is no distribution {}; check the id and the account", spec.distribution),
            ));
        }
        return;
    };
    if document.staging() || document.tenant_only() {
        let kind = if document.staging() { "a staging distribution" } else { "a multi-tenant distribution" };
        findings.push(Finding::structural(
            Code::DistributionStaging,
            "DistributionId",
            Target::Distribution,
            format!(
                "{} is {kind}, whose behaviours no viewer reaches directly; name the one that serves",
                spec.distribution
            ),
        ));
    }
    if !document.enabled() {
        findings.push(Finding::error(
            Code::DistributionDisabled,
            "DistributionId",
            Target::Distribution,
            format!("{} is disabled, so it serves nobody and protects nothing; enable it first", spec.distribution),
        ));
    }
    if document.continuous_deployment() {
        findings.push(Finding::warning(
            Code::DistributionStaging,
            "DistributionId",
            Target::Distribution,
            format!(
                "{} has a continuous deployment policy: the viewers that it sends to a staging distribution are not protected, no flip \
                 reaches them, and a staging copy of a protected distribution leads to the failover record even when the protection \
                 is deleted; end that deployment before you protect, and before you delete a protection",
                spec.distribution
            ),
        ));
    }
    let ours = observed.row(spec, owner).and_then(|row| Ours::of(row, &spec.distribution));
    match wire(document, spec, ours.as_ref(), &observed.others(spec)) {
        Err(refused) => findings.extend(refused),
        Ok(wiring) => {
            let before = observed.row(spec, owner);
            application_origin(spec, before, document, &wiring.made, findings);
            edge_functions(document, &wiring.made, findings);
            time_outs(document, &wiring.made, findings);
            quotas(&wiring, findings);
        }
    }
}

/// An origin of which only the ledger could say that no other protection leads its own traffic through it: one that would be
/// adopted, or one that would be the application and has another host.
pub(super) fn unfamiliar_origin(spec: &Spec, owner: &OwnerMark, observed: &Observed) -> Option<OriginId> {
    let document = observed.distribution.as_ref()?;
    let ours = observed.row(spec, owner).and_then(|row| Ours::of(row, &spec.distribution));
    if ours.is_some() {
        return None;
    }
    let made = wire(document, spec, None, &observed.others(spec)).ok()?.made;
    if made.origin_adopted {
        return Some(made.inspection_origin);
    }
    let application = document.origin(&made.application_origin)?;
    (!application.leads_to(&spec.application)).then_some(made.application_origin)
}

fn application_origin(
    spec: &Spec,
    before: Option<&Row>,
    document: &Document,
    made: &MadeDistribution,
    findings: &mut Vec<Finding>,
) {
    let Some(origin) = document.origin(&made.application_origin) else { return };
    if !origin.leads_to(&spec.application) {
        findings.push(Finding::warning(
            Code::OriginHostMismatch,
            "ApplicationHostname",
            Target::Application,
            format!(
                "the application origin {} is {}, not {}: DNS failover and a bypass would lead to different hosts; make \
                 them the same unless that is meant",
                origin.id, origin.domain_name, spec.application
            ),
        ));
    }
    if let OriginKind::Custom { https_port, protocol_policy, .. } = &origin.kind
        && *https_port != spec.origin_port
        && protocol_policy != "http-only"
    {
        let message = format!(
            "the application origin {} is reached on port {https_port}, and OriginPort is {}: after DNS failover \
             CloudFront would knock at the wrong door; set OriginPort to {https_port}, or give that origin the other port first",
            origin.id, spec.origin_port
        );
        findings.push(if brings_about_port(spec, before) {
            Finding::error(Code::OriginType, "OriginPort", Target::Application, message)
        } else {
            Finding::warning(Code::OriginType, "OriginPort", Target::Application, message)
        });
    }
}

/// Whether the port would come with this request. One that is in force already is no reason to refuse what has nothing to do with
/// it, nor one that was, to which CloudFormation may roll back.
fn brings_about_port(spec: &Spec, before: Option<&Row>) -> bool {
    let Some(row) = before.filter(|row| matches!(row.lifecycle, Lifecycle::Active | Lifecycle::Updating)) else {
        return true;
    };
    let ours = Ours::of(row, &spec.distribution);
    !ours.is_some_and(|ours| ours.ports.contains(&spec.origin_port))
}

/// A function at the edge may send a request elsewhere, past inspection and past a bypass; only its code says whether it does.
fn edge_functions(document: &Document, made: &MadeDistribution, findings: &mut Vec<Finding>) {
    let mut patterns: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for behavior in &made.behaviors {
        // A clone that is still to be made runs what the behaviour runs that it is made from.
        let serving = &document.serving(&behavior.path_pattern).path_pattern;
        for (event, arn) in document.request_functions(serving) {
            patterns.entry((arn, event)).or_default().push(format!("`{}`", behavior.path_pattern));
        }
    }
    for ((arn, event), patterns) in patterns {
        findings.push(Finding::warning(
            Code::BehaviorEdgeFunction,
            "Traffic",
            Target::Distribution,
            format!(
                "{arn} runs at the {event} of {}: if it chooses the origin itself, its requests go neither through \
                 inspection nor where a bypass leads; read its code, and take that part out if there is one",
                patterns.join(", ")
            ),
        ));
    }
}

/// With inspection dead, requests that CloudFront still sends there wait this long for nothing. Our origin is made with short
/// time-outs; somebody may have set others since, and an adopted one has its owner's.
fn time_outs(document: &Document, made: &MadeDistribution, findings: &mut Vec<Finding>) {
    let Some(connecting) = document.connecting(&made.inspection_origin) else { return };
    if connecting.seconds() <= PATIENCE {
        return;
    }
    findings.push(Finding::warning(
        Code::OriginTimeOuts,
        "DistributionId",
        Target::Distribution,
        format!(
            "origin {} is given {} attempts of {} s to connect: while an inspection service that is gone is still in DNS, each \
             request waits up to {} s before it fails; set two attempts of 3 s{}, unless that is meant",
            made.inspection_origin,
            connecting.attempts,
            connecting.seconds_each,
            connecting.seconds(),
            if made.origin_adopted { "" } else { ", as it was made" }
        ),
    ));
}

/// Only CloudFront knows the account's quotas, so this is no more than a warning, and only where something is added.
fn quotas(wiring: &Wiring, findings: &mut Vec<Finding>) {
    let adds = |kind: fn(&Edit) -> bool| wiring.edits.iter().any(kind);
    let behaviors = wiring.after.behaviors().len() - 1;
    for (is_added, count, quota, what) in [
        (adds(|edit| matches!(edit, Edit::CloneBehavior { .. })), behaviors, BEHAVIORS, "cache behaviours"),
        (adds(|edit| matches!(edit, Edit::AddOrigin { .. })), wiring.after.origins().len(), ORIGINS, "origins"),
    ] {
        if is_added && count > quota {
            findings.push(Finding::warning(
                Code::Quota,
                "Traffic",
                Target::Distribution,
                format!(
                    "the distribution would have {count} {what}, and CloudFront allows {quota} unless the account has more: it \
                     would refuse the change, and traffic would stay as it is; ask AWS for a higher quota or remove some first"
                ),
            ));
        }
    }
}
