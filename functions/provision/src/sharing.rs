//! Who else needs the records of a protection: records that are removed under somebody's traffic take it down.

use std::collections::BTreeSet;

use failopen::id::{DistributionId, Hostname};
use failopen::ledger::Row;
use failopen::port::{Clock, Observe};
use failopen::wiring::{distributions, uses};

use crate::distribution::read;
use crate::job::Job;
use crate::observation::neighbors;
use crate::stop::Stop;

/// Who uses these names in distributions of other protections of this engine: several may share a record.
pub(crate) async fn sharers<C: Observe, K: Clock>(
    job: &Job<'_, C, K>,
    row: &Row,
    names: &[Hostname],
) -> Result<Vec<String>, Stop> {
    let rows = neighbors(job.cloud, job.clock).await?.rows;
    // A row that replaces something may still lead to a name that it is giving up.
    let shares = |other: &&Row| {
        let may_lead_there = names.contains(&other.spec.failover_record) || !other.made.replaced.is_empty();
        other.name != row.name && may_lead_there
    };
    let theirs = rows.iter().filter(shares).flat_map(distributions).map(|made| &made.id);
    let own: BTreeSet<&DistributionId> = distributions(row).map(|made| &made.id).collect();
    users(job, theirs.filter(|id| !own.contains(id)).collect(), names).await
}

/// Who uses these names through origins of these distributions, whoever made them. A distribution that is gone uses nothing.
pub(crate) async fn users<C: Observe, K: Clock>(
    job: &Job<'_, C, K>,
    ids: BTreeSet<&DistributionId>,
    names: &[Hostname],
) -> Result<Vec<String>, Stop> {
    let mut users = Vec::new();
    for id in ids {
        if let Some((document, _)) = read(job, id).await? {
            users.extend(uses(&document, names).into_iter().map(|user| format!("in distribution {id}, {user}")));
        }
    }
    Ok(users)
}
