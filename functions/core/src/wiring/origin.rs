//! Which origin leads to inspection: our own, or one that people added by hand before there was a protection.

use super::Ours;
use crate::document::{Document, Edit, NewOrigin, Origin, OriginKind};
use crate::finding::{Code, Finding, Target};
use crate::id::{OriginId, PathPattern};
use crate::ledger::MadeDistribution;
use crate::mark;
use crate::spec::Spec;

/// The origin that carries the failover record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InspectionOrigin {
    pub(super) id: OriginId,
    /// It was there before us: never changed and never removed.
    pub(super) adopted: bool,
}

/// Chooses it. What the ledger claims decides; without a claim, an origin that leads to the failover record already is adopted,
/// whatever its id. Our own is claimed before it is written, so that it is never taken for somebody's.
pub(super) fn inspection_origin(
    document: &Document,
    spec: &Spec,
    ours: Option<&Ours>,
    others: &[&MadeDistribution],
) -> Result<InspectionOrigin, Vec<Finding>> {
    if let Some(ours) = ours {
        return Ok(InspectionOrigin { id: ours.inspection_origin.clone(), adopted: ours.origin_adopted });
    }
    let own = spec.name.inspection_origin();
    let is_anothers = |origin: &Origin| {
        let is_claimed = others.iter().any(|other| other.inspection_origin == origin.id);
        is_claimed || (mark::is_marked(origin.id.as_str()) && origin.id != own)
    };
    // One that no protected behaviour uses yet may be there for other paths, with settings for those.
    let targets = || spec.traffic.iter().map(|pattern| &document.serving(pattern).target);
    let would_serve = |origin: &Origin| {
        let is_used = targets().any(|target| *target == origin.id);
        let mut present = targets().filter_map(|target| document.origin(target));
        is_used || present.all(|present| differences(document, origin, present).is_empty())
    };
    let leading = document.origins().iter().filter(|origin| origin.leads_to(&spec.failover_record));
    let leading = leading.filter(|origin| origin.id == own || would_serve(origin));
    let (suitable, unsuitable): (Vec<_>, Vec<_>) =
        leading.filter(|origin| !is_anothers(origin)).partition(|origin| suits(origin, spec));
    let adopted = |origin: &Origin| Ok(InspectionOrigin { id: origin.id.clone(), adopted: true });
    match (suitable.as_slice(), unsuitable.first()) {
        ([], None) => Ok(InspectionOrigin { id: own, adopted: false }),
        ([], Some(origin)) => Err(cannot_be_adopted(origin, spec)),
        ([only], _) => adopted(only),
        (several, _) => match several.iter().find(|origin| origin.id == own) {
            Some(own) => adopted(own),
            None => Err(ambiguous(several, spec)),
        },
    }
}

/// What requests would notice that go to one origin instead of the other, in words and without values of headers.
fn differences(document: &Document, one: &Origin, other: &Origin) -> Vec<String> {
    let mut found = Vec::new();
    if one.path != other.path {
        found.push(format!("path `{}` and not `{}`", one.path, other.path));
    }
    let policy = |origin: &Origin| match &origin.kind {
        OriginKind::Custom { protocol_policy, .. } => protocol_policy.clone(),
        OriginKind::S3 | OriginKind::Vpc => String::new(),
    };
    if policy(one) != policy(other) {
        found.push(format!("OriginProtocolPolicy {} and not {}", policy(one), policy(other)));
    }
    let headers = |origin: &Origin| {
        let mut headers = document.custom_headers(&origin.id);
        headers.sort_by(|(one, _), (other, _)| one.cmp(other));
        headers
    };
    if headers(one) != headers(other) {
        let names = |origin: &Origin| match origin.custom_header_names.as_slice() {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        found.push(format!("other custom headers ({} and {})", names(one), names(other)));
    }
    let certificate = |origin: &Origin| document.client_certificate(&origin.id).unwrap_or_else(|| "none".to_owned());
    if certificate(one) != certificate(other) {
        found.push(format!("client certificate {} and not {}", certificate(one), certificate(other)));
    }
    found
}

/// Whether behaviours that have not used an adopted origin until now may be moved there: our own is a copy of the application's, and
/// so it has to be one.
pub(super) fn may_take_over(
    document: &Document,
    spec: &Spec,
    inspection: &InspectionOrigin,
    application: &Origin,
) -> Result<(), Vec<Finding>> {
    let Some(adopted) = document.origin(&inspection.id).filter(|_| inspection.adopted) else { return Ok(()) };
    let moved: Vec<&PathPattern> =
        spec.traffic.iter().filter(|pattern| document.serving(pattern).target == application.id).collect();
    let differences = differences(document, adopted, application);
    if moved.is_empty() || differences.is_empty() {
        return Ok(());
    }
    let moved: Vec<String> = moved.into_iter().map(|pattern| format!("`{pattern}`")).collect();
    Err(refuse(
        "Traffic",
        format!(
            "{} would be moved from {} to the adopted origin {}, which has {}: its requests might fail there; make both origins \
             alike, or leave these patterns out of Traffic",
            moved.join(", "),
            application.id,
            adopted.id,
            differences.join(", ")
        ),
    ))
}

fn suits(origin: &Origin, spec: &Spec) -> bool {
    match &origin.kind {
        OriginKind::Custom { https_port, .. } => *https_port == spec.origin_port,
        OriginKind::S3 | OriginKind::Vpc => false,
    }
}

fn refuse(property: &str, message: String) -> Vec<Finding> {
    vec![Finding::structural(Code::OriginType, property, Target::Distribution, message)]
}

fn cannot_be_adopted(origin: &Origin, spec: &Spec) -> Vec<Finding> {
    let (id, record) = (&origin.id, &spec.failover_record);
    match &origin.kind {
        OriginKind::Custom { https_port, .. } => refuse(
            "OriginPort",
            format!(
                "origin {id} leads to the failover record {record} already, on port {https_port}, and would be adopted if OriginPort \
                 were that; set OriginPort to {https_port}, or remove that origin first"
            ),
        ),
        OriginKind::S3 | OriginKind::Vpc => refuse(
            "FailoverRecord",
            format!(
                "origin {id} leads to the failover record {record} already and is not a custom origin, so it cannot be adopted; \
                 remove it first, or choose another name"
            ),
        ),
    }
}

fn ambiguous(several: &[&Origin], spec: &Spec) -> Vec<Finding> {
    let ids: Vec<&str> = several.iter().map(|origin| origin.id.as_str()).collect();
    refuse(
        "FailoverRecord",
        format!(
            "origins {} all lead to the failover record {}, so which one to adopt cannot be told; point the behaviours at one of \
             them and remove the others",
            ids.join(", "),
            spec.failover_record
        ),
    )
}

/// What makes it exist with the right host name and port. Nothing is ever done to an adopted one.
pub(super) fn origin_edits(
    document: &Document,
    spec: &Spec,
    inspection: &InspectionOrigin,
    ours: Option<&Ours>,
    application: &Origin,
) -> Result<Vec<Edit>, Vec<Finding>> {
    let id = inspection.id.clone();
    match (document.origin(&id), inspection.adopted) {
        (Some(present), true) => still_adopted(present, spec).map(|()| Vec::new()),
        (None, true) => Err(refuse(
            "DistributionId",
            format!(
                "origin {id}, which was adopted, is gone from the distribution; add it again, leading to {}, or delete the \
                 resource and declare it anew",
                spec.failover_record
            ),
        )),
        (Some(present), false) => own_edits(present, spec, ours),
        (None, false) => Ok(vec![Edit::AddOrigin {
            like: application.id.clone(),
            origin: NewOrigin { id, domain_name: spec.failover_record.clone(), https_port: spec.origin_port },
        }]),
    }
}

fn still_adopted(present: &Origin, spec: &Spec) -> Result<(), Vec<Finding>> {
    let (id, record) = (&present.id, &spec.failover_record);
    if !present.leads_to(record) {
        return Err(refuse(
            "FailoverRecord",
            format!(
                "origin {id}, which was adopted and is never changed here, leads to {}, not to {record}; make {record} answer, lead \
                 the origin there yourself and deploy again, or leave FailoverRecord as it was",
                present.domain_name
            ),
        ));
    }
    if suits(present, spec) {
        return Ok(());
    }
    Err(refuse(
        "OriginPort",
        format!(
            "origin {id}, which was adopted and is never changed here, is not a custom origin on port {}; change it yourself and \
             deploy again, or leave OriginPort as it was",
            spec.origin_port
        ),
    ))
}

/// What leads our own origin to the record, on the right port. It has to be as we have written it: what somebody else has set is
/// left alone.
fn own_edits(present: &Origin, spec: &Spec, ours: Option<&Ours>) -> Result<Vec<Edit>, Vec<Finding>> {
    let id = present.id.clone();
    let Some(ours) = ours else {
        return Err(refuse(
            "Name",
            format!(
                "the distribution has an origin {id} that this resource did not make and that leads to {}, so it is left alone; \
                 remove it or choose another Name",
                present.domain_name
            ),
        ));
    };
    let mut edits = Vec::new();
    if present.domain_name != spec.failover_record.as_str() {
        let Some(from) = ours.domains.iter().find(|domain| domain.as_str() == present.domain_name) else {
            return Err(refuse(
                "FailoverRecord",
                format!(
                    "origin {id} leads to {}, which is no failover record of this protection: somebody changed it, so it is \
                     left alone; set its domain to {} and deploy again",
                    present.domain_name, spec.failover_record
                ),
            ));
        };
        edits.push(Edit::SetOriginDomain { id: id.clone(), from: from.clone(), to: spec.failover_record.clone() });
    }
    if let OriginKind::Custom { https_port: from, .. } = present.kind
        && from != spec.origin_port
    {
        if !ours.ports.contains(&from) {
            return Err(refuse(
                "OriginPort",
                format!(
                    "origin {id} has the port {from}, which is none that this protection has given it: somebody changed it, so it is \
                     left alone; set its HTTPS port to {to}, or OriginPort to {from}, and deploy again",
                    to = spec.origin_port
                ),
            ));
        }
        edits.push(Edit::SetOriginPort { id, from, to: spec.origin_port });
    }
    Ok(edits)
}
