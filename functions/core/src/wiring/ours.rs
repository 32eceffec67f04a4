//! What the ledger claims in a distribution.

use crate::document::Origin;
use crate::id::{DistributionId, Hostname, OriginId, PathPattern};
use crate::ledger::{MadeDistribution, ProtectedBehavior, Replaced, Row};
use crate::records;
use crate::spec::Spec;

/// What the ledger says may be ours in one distribution: what is written, and what an unfinished request meant to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    pub distribution: DistributionId,
    pub caller_reference: String,
    pub inspection_origin: OriginId,
    /// The origin was there before us, whichever of the claims says so: never changed and never removed.
    pub origin_adopted: bool,
    pub application_origin: OriginId,
    pub behaviors: Vec<Claim>,
    /// Host names that our origin may have: the failover records of this protection, past ones included.
    pub domains: Vec<Hostname>,
    /// HTTPS ports that our origin may have, in the same sense.
    pub ports: Vec<u16>,
    /// Names whose records we made, and will remove: no behaviour may be left at an origin that leads there.
    pub doomed: Vec<Hostname>,
    /// The protection is in service here, and the ledger records a bypass that nobody has seen undone. It tells the side where no
    /// claim is settled, because an unfinished request may have given up all of them.
    pub bypass_recorded: bool,
}

/// One behaviour that the ledger claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub behavior: ProtectedBehavior,
    /// Whether its write has been accepted. Before that, a behaviour at the application is one that was not moved yet;
    /// after that, it is one that failed open, and stays so.
    pub settled: bool,
}

impl Ours {
    /// Everything that `row` claims in the distribution `id`.
    pub fn of(row: &Row, id: &DistributionId) -> Option<Self> {
        let mut claims = distributions(row).filter(|made| made.id == *id);
        let first = claims.next()?;
        let mut ours = Self {
            distribution: first.id.clone(),
            caller_reference: first.caller_reference.clone(),
            inspection_origin: first.inspection_origin.clone(),
            origin_adopted: false,
            application_origin: first.application_origin.clone(),
            behaviors: Vec::new(),
            domains: domains(row),
            ports: vec![row.spec.origin_port],
            doomed: records::removable(row).map(|made| made.name.clone()).collect(),
            bypass_recorded: false,
        };
        let all: Vec<&MadeDistribution> = std::iter::once(first).chain(claims).collect();
        ours.origin_adopted = all.iter().any(|made| made.origin_adopted);
        ours.ports.extend(all.iter().flat_map(|made| made.origin_ports.iter().copied()));
        ours.bypass_recorded = all.iter().any(|made| made.written) && row.bypass_is_ours();
        // A write that is not known to have happened may have moved back every behaviour that it was to give up.
        let may_be_given_up = |pattern: &PathPattern| {
            let claims =
                |made: &MadeDistribution| made.behaviors.iter().any(|known| known.path_pattern.is_alike(pattern));
            all.iter().any(|made| !made.written && !claims(made))
        };
        for made in &all {
            for behavior in &made.behaviors {
                if ours.claim(&behavior.path_pattern).is_none() {
                    let settled = made.written && !may_be_given_up(&behavior.path_pattern);
                    ours.behaviors.push(Claim { behavior: behavior.clone(), settled });
                }
            }
        }
        Some(ours)
    }

    pub(super) fn claim(&self, path_pattern: &PathPattern) -> Option<&Claim> {
        self.behaviors.iter().find(|claim| claim.behavior.path_pattern.is_alike(path_pattern))
    }

    /// Whether `spec` protects fewer behaviours than the ledger claims.
    pub fn gives_up(&self, spec: &Spec) -> bool {
        let is_wanted =
            |claim: &Claim| spec.traffic.iter().any(|pattern| pattern.is_alike(&claim.behavior.path_pattern));
        !self.behaviors.iter().all(is_wanted)
    }

    /// Whether what an origin leads to will be removed with the protection.
    pub(super) fn is_doomed(&self, origin: &Origin) -> bool {
        self.doomed.iter().any(|name| origin.leads_to(name))
    }

    pub(super) fn is_one_of_two(&self, target: &OriginId) -> bool {
        *target == self.inspection_origin || *target == self.application_origin
    }
}

/// The distributions that a row has something in, the present one first.
pub fn distributions(row: &Row) -> impl Iterator<Item = &MadeDistribution> {
    let replaced = row.made.replaced.iter().filter_map(|replaced| match replaced {
        Replaced::Distribution(made) => Some(made),
        Replaced::Records(_) | Replaced::HealthCheck(_) => None,
    });
    row.made.distribution.iter().chain(replaced)
}

fn domains(row: &Row) -> Vec<Hostname> {
    let replaced = row.made.replaced.iter().filter_map(|replaced| match replaced {
        Replaced::Records(made) => Some(&made.name),
        Replaced::Distribution(_) | Replaced::HealthCheck(_) => None,
    });
    let recorded = row.made.records.iter().map(|made| &made.name);
    let mut domains: Vec<Hostname> = recorded.chain(replaced).chain([&row.spec.failover_record]).cloned().collect();
    domains.sort();
    domains.dedup();
    domains
}
