//! Delete: restore the behaviours, wait until no edge uses the records any more, and only then remove the rest.
//!
//! What is ours is told by the ledger row alone, so that a Delete with a physical id that CloudFormation made up, for a
//! Create that failed or was cancelled anywhere, removes exactly what that Create made.

use failopen::id::{ETag, ProtectionName};
use failopen::ledger::{Lifecycle, MadeRecords, Row};
use failopen::limits::{CALL, SPARE};
use failopen::port::{Apply, Clock, Observe};
use failopen::properties;
use failopen::wiring::Ours;
use failopen::{health_check, records};
use jiff::SignedDuration;

use crate::entry::{Entry, confirm_doomed};
use crate::job::Job;
use crate::stop::Stop;
use crate::{alarm, distribution, sharing};

/// Rounds of restoring and waiting: more than one only where somebody writes our origin back meanwhile.
const ROUNDS: u32 = 5;
/// A write that was on its way when the row said `deleting` has arrived by then, or never will: whoever sent it looks at the
/// row before the next one. With the records gone it would send traffic nowhere.
const IN_FLIGHT: SignedDuration = CALL.saturating_add(SPARE);

/// Carries out a Delete. Returns what was left because it is not ours any more.
pub(crate) async fn remove<C: Observe + Apply, K: Clock>(job: &Job<'_, C, K>) -> Result<Vec<String>, Stop> {
    // The properties may be those of an Update that was refused and not rolled back; the id never changes.
    let made = job.request.physical_id.as_deref().and_then(|id| job.owner.name_in(id));
    let Some(name) = made.or_else(|| properties::name(job.request.properties.expose())) else {
        // A name that cannot be one was never accepted: nothing can have been made under it.
        return Ok(Vec::new());
    };
    let Some(mut entry) = begin(job, &name).await? else { return Ok(Vec::new()) };
    for _ in 0..ROUNDS {
        let left = match take_away(job, &entry.row).await {
            Ok(left) => left,
            // Another Delete has done it, or the protection is being made anew. What this one ends is over all the same.
            Err(Stop::Superseded) => {
                Entry::find_or_bury(job, &name).await?;
                return Ok(Vec::new());
            }
            Err(stop) => return Err(stop),
        };
        for what in &left {
            tracing::warn!(protection = %name, step = "delete", outcome = "left alone", what, "it is not ours, or not as we made it");
        }
        // A Create that was given up may have added to the row meanwhile.
        match entry.remove(job).await? {
            Some(present) => entry = present,
            None => {
                tracing::info!(protection = %name, step = "delete", outcome = "removed", "the protection is removed");
                return Ok(left);
            }
        }
    }
    Err(Stop::Failed(format!("Something keeps being added to protection `{name}` while it is deleted; delete again.")))
}

/// The row, which says from here on that it is being deleted, and by whom. `None` where there is nothing to delete, or not by this
/// Delete.
async fn begin<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    name: &ProtectionName,
) -> Result<Option<Entry>, Stop> {
    let sent = job.sent();
    let mut created_by = None;
    for _ in 0..ROUNDS {
        let Some(mut entry) = Entry::find_or_bury(job, name).await? else { return Ok(None) };
        // Made anew between two looks: that is none of ours, even where no date says so.
        if *created_by.get_or_insert_with(|| entry.row.created_by.clone()) != entry.row.created_by {
            return Ok(None);
        }
        // Before anything is stopped or taken out: a deletion that cannot end is better not begun.
        confirm_unshared(job, &entry.row).await?;
        let begun = entry.save(job, |row| {
            row.lifecycle = Lifecycle::Deleting;
            row.note_request(&sent);
        });
        match begun.await {
            Ok(()) => return Ok(Some(entry)),
            // Whoever took the row away knew nothing of this Delete, so it leaves a tombstone of its own.
            Err(Stop::Superseded) => {}
            Err(stop) => return Err(stop),
        }
    }
    Err(Stop::Failed(format!("Protection `{name}` keeps being made and deleted by others; delete again.")))
}

/// Removes everything that the row claims and that still is as it says. Returns what is not, and was left.
///
/// Minutes may pass between two steps, so each one makes sure, right before it writes, that the protection has not been made
/// anew.
///
/// # Errors
/// [`Stop::Superseded`] where it has been.
pub(crate) async fn take_away<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    row: &Row,
) -> Result<Vec<String>, Stop> {
    let mut left = restore(job, row).await?;
    let all: Vec<_> = records::removable(row).cloned().collect();
    left.extend(records::staying(row));
    let still = async || confirm_doomed(job, &row.name).await;
    let changed = crate::records::remove(job, row, &all, still).await?;
    left.extend(
        changed
            .iter()
            .map(|record| format!("record {}: somebody changed it to {}", record.name, records::describe(record))),
    );
    if let Some(name) = &row.made.alarm {
        left.extend(alarm::remove(job, name, still).await?);
    }
    // What adopted records name stays with them, whoever made it.
    let needed: Vec<_> =
        records::claimed(row).filter(|made| made.adopted.is_some()).flat_map(MadeRecords::checks).collect();
    let checks: Vec<_> = health_check::claimed(row)
        .filter(|made| !made.id.as_ref().is_some_and(|id| needed.contains(&id)))
        .filter(|made| !changed.iter().any(|record| record.health_check.is_some() && record.health_check == made.id))
        .cloned()
        .collect();
    still().await?;
    let gives_up =
        |other: &Row| other.name == row.name && other.owner == row.owner && other.lifecycle == Lifecycle::Deleting;
    let kept = crate::health_check::remove(job, row, &checks, gives_up).await?;
    left.extend(kept.into_iter().map(|check| check.why));
    Ok(left)
}

/// Takes the protection out of its distributions and waits until that is true everywhere and nobody else uses its records.
///
/// # Errors
/// [`Stop::Failed`] while something still uses our origin or our records: with these gone its traffic would end in an error.
async fn restore<C: Observe + Apply, K: Clock>(job: &Job<'_, C, K>, row: &Row) -> Result<Vec<String>, Stop> {
    let claims = distribution::claims(row);
    let ttl = records::removable(row).map(|made| made.ttl).max();
    if ttl.is_some() && claims.is_empty() {
        // A Create that came no farther than its records: no edge asks for them, but they may be on their way still.
        job.pause(IN_FLIGHT).await?;
    }
    for round in 1..=ROUNDS {
        let first = take_out_everywhere(job, row, &claims).await?;
        // Also without records of our own: those of another protection, for which these edges ask, may go next.
        for ours in &claims {
            distribution::wait_until_deployed(job, &ours.distribution).await?;
        }
        let Some(ttl) = ttl.filter(|_| !claims.is_empty()) else { return Ok(first.left) };
        // Edges that asked for the record just before keep its answer for the TTL.
        job.pause(SignedDuration::from_secs(i64::from(ttl)).max(IN_FLIGHT)).await?;
        // A Create that is still running may have written after our look: its origin must not lead to nothing.
        let second = take_out_everywhere(job, row, &claims).await?;
        // It may also have taken its own write out again meanwhile: another configuration than at our first look then is there,
        // edges may have used the one between, and the wait begins anew. Where others never stop deploying, this is looked at
        // for some rounds only.
        let is_settled = second.etags == first.etags && are_deployed(job, &claims).await?;
        if !second.changed && (is_settled || round == ROUNDS) {
            tracing::info!(
                protection = %row.name,
                step = "distribution",
                outcome = "restored",
                "no edge uses the records any more"
            );
            // Who began to share them meanwhile.
            confirm_unshared(job, row).await?;
            return Ok(first.left);
        }
    }
    Err(Stop::Failed(format!(
        "Somebody keeps pointing distribution behaviours at {}, so the records of {} were kept; stop that and delete again.",
        claims.iter().map(|ours| ours.inspection_origin.as_str()).collect::<Vec<_>>().join(", "),
        row.name
    )))
}

async fn are_deployed<C: Observe, K: Clock>(job: &Job<'_, C, K>, claims: &[Ours]) -> Result<bool, Stop> {
    for ours in claims {
        if !distribution::is_deployed(job, &ours.distribution).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What taking a protection out of all its distributions came to.
#[derive(Default)]
struct Everywhere {
    /// Whether anything was written.
    changed: bool,
    /// What was left alone.
    left: Vec<String>,
    /// What each distribution is now.
    etags: Vec<Option<ETag>>,
}

async fn take_out_everywhere<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    row: &Row,
    claims: &[Ours],
) -> Result<Everywhere, Stop> {
    let mut all = Everywhere::default();
    for ours in claims {
        let taken_out = distribution::take_out(job, ours, async || confirm_doomed(job, &row.name).await).await?;
        let mut in_use = taken_out.in_use;
        in_use.extend(taken_out.uses_records);
        in_use.dedup();
        if !in_use.is_empty() {
            return Err(still_in_use(&format!("in distribution {}, {}", ours.distribution, in_use.join(", "))));
        }
        all.changed |= taken_out.changed;
        all.left.extend(taken_out.left);
        all.etags.push(taken_out.etag);
    }
    Ok(all)
}

/// # Errors
/// [`Stop::Failed`] while another protection's distribution leads to our records.
async fn confirm_unshared<C: Observe, K: Clock>(job: &Job<'_, C, K>, row: &Row) -> Result<(), Stop> {
    let names: Vec<_> = records::removable(row).map(|made| made.name.clone()).collect();
    if names.is_empty() {
        return Ok(());
    }
    match sharing::sharers(job, row, &names).await?.as_slice() {
        [] => Ok(()),
        sharers => Err(still_in_use(&sharers.join(", "))),
    }
}

fn still_in_use(what: &str) -> Stop {
    Stop::Failed(format!(
        "The records of this protection are needed still: {what}. They were kept, and so were its health check and alarm, so that \
         this traffic goes on; point it at another origin, or remove the protection that shares them first, and delete again."
    ))
}
