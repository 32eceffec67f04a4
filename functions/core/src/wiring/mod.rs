//! Which edits put a protection into a distribution, and which take it out again.
//!
//! Both work from the distribution as it is now and from what the ledger says is ours in it, never from what was planned
//! once: so the same function serves the first attempt, a retry after a lost answer, an Update and the undoing of half a
//! Create.

mod application;
mod origin;
mod ours;
mod unwire;

use crate::document::{Behavior, Document, Edit, EditError};
use crate::finding::{Code, Finding, Target};
use crate::id::{OriginId, PathPattern};
use crate::ledger::{MadeDistribution, ProtectedBehavior};
use crate::posture::Side;
use crate::spec::Spec;

use application::application_origin;
use origin::{InspectionOrigin, inspection_origin, may_take_over, origin_edits};
pub use ours::{Claim, Ours, distributions};
pub use unwire::{Unwiring, unwire, uses};

/// A distribution write that puts a protection in place.
#[derive(Clone, Debug)]
#[must_use]
pub struct Wiring {
    /// What the ledger has to remember, not yet written.
    pub made: MadeDistribution,
    /// Empty: the distribution is there already.
    pub edits: Vec<Edit>,
    pub after: Document,
    /// Behaviours that stay with us although they are no longer protected, because somebody edited them.
    pub left: Vec<String>,
}

/// Plans the write that makes the distribution carry `spec`.
///
/// `others` are the protections of other resources in the same distribution.
///
/// # Errors
/// Every finding that stands against it.
pub fn wire(
    document: &Document,
    spec: &Spec,
    ours: Option<&Ours>,
    others: &[&MadeDistribution],
) -> Result<Wiring, Vec<Finding>> {
    let inspection = inspection_origin(document, spec, ours, others)?;
    let application = application_origin(document, spec, &inspection, ours, others)?;
    if ours.is_none() {
        may_take_over(document, spec, &inspection, application)?;
    }
    let origin_edits = origin_edits(document, spec, &inspection, ours, application)?;
    // A protection that is set up follows the present posture; a new one begins inspected.
    let side = ours.map_or(Side::Inspected, |ours| present_side(document, ours));
    let target = match side {
        Side::Inspected => &inspection.id,
        Side::Bypassed => &application.id,
    };

    let mut plan = Draft::new(document);
    plan.make(origin_edits)?;
    let original = |present: &Behavior| original_target(present, &inspection, &application.id, ours);
    let mut behaviors = Vec::new();
    for pattern in &spec.traffic {
        let claim = ours.and_then(|ours| ours.claim(pattern));
        let known = claim.map(|claim| &claim.behavior);
        let behavior = match plan.document.behavior(pattern).cloned() {
            Some(present) => {
                if !claim.is_some_and(|claim| claim.settled) && present.target != *target {
                    plan.make([Edit::Retarget {
                        path_pattern: present.path_pattern.clone(),
                        from: present.target,
                        to: target.clone(),
                    }])?;
                }
                ProtectedBehavior {
                    path_pattern: present.path_pattern,
                    original_target: original(document.serving(pattern)),
                    cloned: known.and_then(|known| known.cloned.clone()),
                }
            }
            None => {
                let serving = plan.document.serving(pattern).path_pattern.clone();
                plan.make([Edit::CloneBehavior { serving, path_pattern: pattern.clone(), target: target.clone() }])?;
                ProtectedBehavior {
                    path_pattern: pattern.clone(),
                    original_target: original(document.serving(pattern)),
                    cloned: plan.document.content_hash(pattern),
                }
            }
        };
        behaviors.push(behavior);
    }
    let mut left = Vec::new();
    if let Some(ours) = ours {
        let wanted =
            |known: &ProtectedBehavior| spec.traffic.iter().any(|pattern| pattern.is_alike(&known.path_pattern));
        for known in ours.behaviors.iter().map(|claim| &claim.behavior).filter(|known| !wanted(known)) {
            let is_at = |id: &OriginId| {
                plan.document.behavior(&known.path_pattern).is_some_and(|present| present.target == *id)
            };
            if side == Side::Bypassed && known.cloned.is_none() && is_at(&application.id) {
                // It was at an adopted origin before us, and going back there would end a bypass that may be an operator's.
                if known.original_target == inspection.id {
                    left.push(format!(
                        "behaviour `{}`: traffic is bypassed, so it stays at {}; point it at {} yourself",
                        known.path_pattern, application.id, inspection.id
                    ));
                }
                continue;
            }
            let restored = unwire::restore(&plan.document, ours, known);
            plan.make(restored.edit)?;
            left.extend(restored.left);
        }
    }
    let made = MadeDistribution {
        id: spec.distribution.clone(),
        caller_reference: document.caller_reference().to_owned(),
        inspection_origin: inspection.id.clone(),
        origin_adopted: inspection.adopted,
        origin_ports: origin_ports(spec, ours),
        application_origin: application.id.clone(),
        behaviors,
        written: false,
    };
    Ok(Wiring { made, edits: plan.edits, after: plan.document, left })
}

/// Ports of an origin that are remembered.
const PORTS: usize = 4;

fn origin_ports(spec: &Spec, ours: Option<&Ours>) -> Vec<u16> {
    let mut ports = vec![spec.origin_port];
    for port in ours.iter().flat_map(|ours| &ours.ports) {
        if ports.len() < PORTS && !ports.contains(port) {
            ports.push(*port);
        }
    }
    ports
}

/// Behaviours that go to the protection's application and that no protection has: their requests are never inspected, and nothing
/// else would say so. `*` is the default behaviour alone.
pub fn uninspected<'d>(
    document: &'d Document,
    made: &MadeDistribution,
    others: &[&MadeDistribution],
) -> Vec<&'d PathPattern> {
    let is_claimed = |pattern: &PathPattern| {
        let mut claims = std::iter::once(made).chain(others.iter().copied()).flat_map(|made| &made.behaviors);
        claims.any(|claim| claim.path_pattern.is_alike(pattern))
    };
    let at_the_application = document.behaviors().iter().filter(|behavior| behavior.target == made.application_origin);
    at_the_application.map(|behavior| &behavior.path_pattern).filter(|pattern| !is_claimed(pattern)).collect()
}

/// What a behaviour targeted before us. Where the origin that leads to inspection was there before us, so was a behaviour that
/// targets it and that the ledger does not claim.
fn original_target(
    present: &Behavior,
    inspection: &InspectionOrigin,
    application: &OriginId,
    ours: Option<&Ours>,
) -> OriginId {
    match ours.and_then(|ours| ours.claim(&present.path_pattern)) {
        Some(claim) => claim.behavior.original_target.clone(),
        None if inspection.adopted && present.target == inspection.id => inspection.id.clone(),
        None => application.clone(),
    }
}

/// Edits made one after the other, each planned on what the ones before left.
struct Draft {
    document: Document,
    edits: Vec<Edit>,
}

impl Draft {
    fn new(document: &Document) -> Self {
        Self { document: document.clone(), edits: Vec::new() }
    }

    fn make(&mut self, edits: impl IntoIterator<Item = Edit>) -> Result<(), Vec<Finding>> {
        for edit in edits {
            self.document =
                self.document.edit(std::slice::from_ref(&edit)).map_err(|error| vec![impossible(&error)])?;
            self.edits.push(edit);
        }
        Ok(())
    }
}

fn impossible(error: &EditError) -> Finding {
    Finding::structural(
        Code::OriginType,
        "DistributionId",
        Target::Distribution,
        format!("the distribution cannot be edited safely: {error}; nothing is written, so traffic is as it was"),
    )
}

/// The side on which every settled behaviour is; a mixture counts as inspected, the normal state. Where none is settled, a bypass
/// that the ledger records goes on, unless a behaviour that it claims is at inspection.
fn present_side(document: &Document, ours: &Ours) -> Side {
    let is_any_settled = ours.behaviors.iter().any(|claim| claim.settled);
    let counts = |claim: &&Claim| claim.settled || (!is_any_settled && ours.bypass_recorded);
    let mut targets = ours
        .behaviors
        .iter()
        .filter(counts)
        .filter_map(|claim| document.behavior(&claim.behavior.path_pattern))
        .peekable();
    let bypassed = targets.peek().is_some() && targets.all(|behavior| behavior.target == ours.application_origin);
    if bypassed { Side::Bypassed } else { Side::Inspected }
}

#[cfg(test)]
mod tests;
