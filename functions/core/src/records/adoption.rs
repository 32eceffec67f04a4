//! A failover pair that people made by hand before there was a protection: taken over where it is as wanted, and otherwise told
//! what is missing. Adopted records are never changed and never removed.

use serde::{Deserialize, Serialize};

use super::{describe, is_same};
use crate::finding::{Code, Finding, Target};
use crate::id::{HealthCheckId, OwnerMark};
use crate::ledger::MadeRecords;
use crate::mark;
use crate::port::{FailoverRole, RecordSet};
use crate::spec::{HealthCheckSpec, Spec};

/// The SetIdentifiers of two records that somebody else made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptedSets {
    pub primary: String,
    pub secondary: String,
}

/// Longest `RecordTtl`.
const LONGEST_TTL: u32 = 300;

/// Two records of somebody else, with nothing beside them.
struct TheirPair<'r> {
    primary: &'r RecordSet,
    secondary: &'r RecordSet,
    sets: AdoptedSets,
}

impl<'r> TheirPair<'r> {
    /// What bears a mark of Failopen belongs to a protection, if only to one that is gone, and is nobody's to adopt.
    fn of(present: &'r [RecordSet]) -> Option<Self> {
        let [one, other] = present else { return None };
        let (primary, secondary) = match (one.failover?, other.failover?) {
            (FailoverRole::Primary, FailoverRole::Secondary) => (one, other),
            (FailoverRole::Secondary, FailoverRole::Primary) => (other, one),
            (FailoverRole::Primary, FailoverRole::Primary) | (FailoverRole::Secondary, FailoverRole::Secondary) => {
                return None;
            }
        };
        let set = |record: &RecordSet| record.set_identifier.clone().filter(|set| !mark::is_marked(set));
        let sets = AdoptedSets { primary: set(primary)?, secondary: set(secondary)? };
        Some(Self { primary, secondary, sets })
    }
}

/// The health check that the PRIMARY of an adopted pair has to carry: one that we make is new and on no record yet.
fn adopted_check(spec: &Spec) -> Option<&HealthCheckId> {
    match &spec.health_check {
        HealthCheckSpec::Adopted { id } => Some(id),
        HealthCheckSpec::Managed(_) => None,
    }
}

/// The pair that is there, where it is as wanted in everything but its identifiers.
pub(super) fn adopted(
    wanted: &MadeRecords,
    owner: &OwnerMark,
    spec: &Spec,
    present: &[RecordSet],
) -> Option<MadeRecords> {
    adopted_check(spec).filter(|id| **id == wanted.primary_health_check)?;
    let theirs = TheirPair::of(present)?;
    let adopted = MadeRecords { adopted: Some(theirs.sets), ..wanted.clone() };
    let [primary, secondary] = adopted.pair(owner, &spec.name);
    (is_same(&primary, theirs.primary) && is_same(&secondary, theirs.secondary)).then_some(adopted)
}

/// What would have to be declared, or done by their owner, for the records at the name to be as wanted. `None` where they are no
/// pair that leads from inspection to the application.
fn missing(wanted: &MadeRecords, spec: &Spec, present: &[RecordSet]) -> Option<String> {
    let TheirPair { primary, secondary, sets: _ } = TheirPair::of(present)?;
    let leads = |record: &RecordSet, host: &str| record.record_type == "CNAME" && record.values == [host];
    if !leads(primary, wanted.primary.as_str()) || !leads(secondary, wanted.secondary.as_str()) {
        return None;
    }
    let mut by_hand = Vec::new();
    let mut settings = Vec::new();
    match &primary.health_check {
        Some(id) if adopted_check(spec) == Some(id) => {}
        Some(id) => settings.push(format!("HealthCheck.HealthCheckId to {id}")),
        None => by_hand.push("give the PRIMARY a health check and name that in HealthCheck.HealthCheckId".to_owned()),
    }
    match (primary.ttl?, secondary.ttl?) {
        (one, other) if one != other => by_hand.push(format!("give both the TTL {}", wanted.ttl)),
        (ttl, _) if ttl == wanted.ttl => {}
        (ttl, _) if (1..=LONGEST_TTL).contains(&ttl) => settings.push(format!("RecordTtl to {ttl}")),
        _ => by_hand.push(format!("give both a TTL of {LONGEST_TTL} s or less")),
    }
    if secondary.health_check != wanted.secondary_health_check {
        let check = secondary.health_check.as_ref().map_or("none", HealthCheckId::as_str);
        settings.push(format!("SecondaryHealthCheck to {check}"));
    }
    if !settings.is_empty() {
        by_hand.push(format!("set {}", settings.join(" and ")));
    }
    (!by_hand.is_empty()).then(|| by_hand.join(", and "))
}

/// Why the records at the name stay as they are, and the name is not usable as declared, where adoption is the way out: for a pair
/// that needs little to be as wanted, and for one that was adopted and is not as wanted any more.
pub(super) fn near_miss(
    wanted: &MadeRecords,
    was_adopted: bool,
    spec: &Spec,
    present: &[RecordSet],
) -> Option<Finding> {
    let missing = missing(wanted, spec, present);
    let (name, zone) = (&wanted.name, &wanted.zone);
    let are = present.iter().map(describe).collect::<Vec<_>>().join(" and ");
    let message = match (was_adopted, missing) {
        (false, None) => return None,
        (false, Some(missing)) => format!(
            "{name} in zone {zone} is already a failover pair that this resource did not make ({are}), so it is left as it is; to \
             adopt them, {missing}; or choose another name, or remove both first"
        ),
        (true, missing) => format!(
            "the records of {name} in zone {zone} were adopted, so they are never changed here, and they are not as declared \
             ({are}); have their owner change them first and deploy again, {}or choose another FailoverRecord",
            missing.map_or_else(String::new, |missing| format!("{missing} to keep them, "))
        ),
    };
    Some(Finding::structural(Code::RecordConflict, "FailoverRecord", Target::Zone, message))
}

#[cfg(test)]
#[path = "adoption_tests.rs"]
mod tests;
