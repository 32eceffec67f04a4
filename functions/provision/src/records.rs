//! The two failover records: made in one batch, replaced in one batch, removed only where they are what we wrote.

use std::cell::RefCell;

use failopen::id::{ChangeId, HealthCheckId, Hostname};
use failopen::ledger::{Lifecycle, MadeRecords, Replaced, Row};
use failopen::port::{Apply, Clock, Fault, FaultKind, Observe, RecordSet};
use failopen::records::{self, Establishing, claimed, establish};
use failopen::spec::{Spec, Zone};
use jiff::SignedDuration;

use crate::entry::Entry;
use crate::job::{Job, back_off};
use crate::stop::Stop;

/// Between two looks at a change.
const POLL: SignedDuration = SignedDuration::from_secs(5);
/// Changes reach all servers "generally within 60 seconds" (Route 53 Developer Guide); this long is a failure.
const INSYNC_WITHIN: SignedDuration = SignedDuration::from_mins(5);
/// Where the change's id was lost with an answer, its time is waited out instead.
const USUALLY_INSYNC: SignedDuration = SignedDuration::from_secs(60);
/// Batches tried: after each failure the zone is read again.
const ATTEMPTS: u32 = 5;

/// Makes the records as declared, and waits until every server of the zone has them.
pub(crate) async fn ensure<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    spec: &Spec,
    health_check: &HealthCheckId,
) -> Result<(), Stop> {
    let Some(wanted) = MadeRecords::wanted(spec, health_check) else {
        return set_aside(job, entry).await;
    };
    let zone = wanted.zone();
    let mut last_fault = None;
    for attempt in 1..=ATTEMPTS {
        // What the row claims now is what the batch replaces; a pair that a newer request writes meanwhile is not.
        let known: Vec<MadeRecords> = claimed(&entry.row).cloned().collect();
        let present = read(job, &zone, &wanted.name).await?;
        let Establishing { made, changes } = establish(&wanted, claimed(&entry.row), &job.owner, spec, &present)
            .map_err(|conflict| Stop::findings(&[conflict]))?;
        if changes.is_empty() {
            // The batch may be one of an earlier attempt that died before every server had it.
            let may_be_fresh = last_fault.is_some() || entry.row.lifecycle != Lifecycle::Active;
            if may_be_fresh {
                job.pause(USUALLY_INSYNC).await?;
                // A batch of an older request that was on its way when this one began has arrived by now.
                let present = read(job, &zone, &wanted.name).await?;
                let again = establish(&wanted, claimed(&entry.row), &job.owner, spec, &present)
                    .map_err(|conflict| Stop::findings(&[conflict]))?;
                if again.made != made || !again.changes.is_empty() {
                    continue;
                }
            }
            if made.adopted.is_some() {
                tracing::info!(protection = %spec.name, step = "records", outcome = "adopted", record = %made.name,
                    "the records were there already and are used as they are");
            }
            return settle(job, entry, &made, &known).await;
        }
        entry.confirm(job).await?;
        intend(job, entry, &made).await?;
        match job.cloud.change_records(&zone, &changes).await {
            Ok(change) => {
                wait_until_insync(job, spec, &zone, &change).await?;
                tracing::info!(
                    protection = %spec.name,
                    step = "records",
                    outcome = "written",
                    record = %wanted.name,
                    "every server has the records"
                );
                return settle(job, entry, &made, &known).await;
            }
            Err(fault) if may_have_been_written(&fault) => {
                job.pause(back_off(job.clock, attempt)).await?;
                last_fault = Some(fault);
            }
            Err(fault) => return Err(Stop::fault("Writing the failover records", &fault)),
        }
    }
    let fault = last_fault.unwrap_or_else(|| Fault::new(FaultKind::Unknown, "ChangeResourceRecordSets", "no answer"));
    Err(Stop::fault("Writing the failover records", &fault))
}

/// Refused batches too: a doubled request finds its own records in the way.
fn may_have_been_written(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::Refused | FaultKind::Unknown | FaultKind::Throttled | FaultKind::Stale => true,
        FaultKind::NotFound | FaultKind::AccessDenied | FaultKind::Malformed => false,
    }
}

async fn read<C: Observe, K: Clock>(job: &Job<'_, C, K>, zone: &Zone, name: &Hostname) -> Result<Vec<RecordSet>, Stop> {
    let records = job.persist(async || job.cloud.records(zone, name).await).await;
    records.map_err(|fault| Stop::fault("Reading the records", &fault))
}

/// Records the values before they are written; old ones stay known until they are certainly gone.
async fn intend<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    wanted: &MadeRecords,
) -> Result<(), Stop> {
    let told = entry.row.intents + 1;
    entry
        .save(job, |row| {
            // Once, also where the change is made again because the answer was lost.
            if row.intents < told || row.made.records.as_ref() != Some(wanted) {
                row.intents += 1;
            }
            keep_known(row, wanted);
            row.made.records = Some(wanted.clone());
        })
        .await
}

fn keep_known(row: &mut Row, wanted: &MadeRecords) {
    if let Some(before) = row.made.records.take().filter(|before| before != wanted) {
        row.made.replaced.push(Replaced::Records(before));
    }
}

/// The wanted pair is in the zone: the `known` values of the same name are gone with the batch. A pair that another request means
/// to write since our last look at the row is not, whatever became of it before: its batch may be on the way.
async fn settle<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    wanted: &MadeRecords,
    known: &[MadeRecords],
) -> Result<(), Stop> {
    let seen = (entry.row.intents, entry.row.made.records.clone());
    // The change may be made several times, on rows that hold it already.
    let meant_since = RefCell::new(Vec::new());
    entry
        .save(job, |row| {
            if seen != (row.intents, row.made.records.clone()) {
                meant_since.borrow_mut().extend(row.made.records.clone());
            }
            keep_known(row, wanted);
            row.made.records = Some(wanted.clone());
            let is_gone = |made: &MadeRecords| {
                made.is_same_place(wanted) && known.contains(made) && !meant_since.borrow().contains(made)
            };
            row.made.replaced.retain(|replaced| match replaced {
                Replaced::Records(made) => made != wanted && !is_gone(made),
                Replaced::HealthCheck(_) | Replaced::Distribution(_) => true,
            });
        })
        .await
}

/// Another service answers the name from now on: our records wait among the replaced.
async fn set_aside<C: Observe + Apply, K: Clock>(job: &Job<'_, C, K>, entry: &mut Entry) -> Result<(), Stop> {
    entry
        .save(job, |row| {
            if let Some(before) = row.made.records.take() {
                row.made.replaced.push(Replaced::Records(before));
            }
        })
        .await
}

async fn wait_until_insync<C: Observe, K: Clock>(
    job: &Job<'_, C, K>,
    spec: &Spec,
    zone: &Zone,
    change: &ChangeId,
) -> Result<(), Stop> {
    let give_up = job.clock.now() + INSYNC_WITHIN;
    loop {
        match job.persist(async || job.cloud.change_is_insync(zone, change).await).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // A role that may write records and not read changes is narrow, not wrong: wait the usual time instead.
            Err(fault) if fault.kind == FaultKind::AccessDenied => return job.pause(USUALLY_INSYNC).await,
            Err(fault) => return Err(Stop::fault("Waiting for the records", &fault)),
        }
        if job.clock.now() >= give_up {
            return Err(Stop::Failed(format!(
                "FailoverRecord: Route 53 has not brought {} to all of its servers within 5 minutes, so the distribution was \
                 not pointed at it; try again.",
                spec.failover_record
            )));
        }
        job.pause(POLL).await?;
    }
}

/// Removes the pairs in `doomed` as far as they are what the ledger says. Returns the records that were left because
/// somebody changed them.
///
/// `still` says whether this is still to be done. It is asked between reading and writing: whoever takes the protection over
/// after that makes records with another health check, and Route 53 refuses a batch that names the former one.
pub(crate) async fn remove<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    row: &Row,
    doomed: &[MadeRecords],
    still: impl AsyncFn() -> Result<(), Stop>,
) -> Result<Vec<RecordSet>, Stop> {
    let mut left = Vec::new();
    let mut places: Vec<&MadeRecords> = Vec::new();
    for made in doomed {
        if !places.iter().any(|place| place.is_same_place(made)) {
            places.push(made);
        }
    }
    for place in places {
        let here: Vec<&MadeRecords> = doomed.iter().filter(|made| made.is_same_place(place)).collect();
        left.extend(remove_place(job, row, place, &here, &still).await?);
    }
    Ok(left)
}

async fn remove_place<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    row: &Row,
    place: &MadeRecords,
    doomed: &[&MadeRecords],
    still: &impl AsyncFn() -> Result<(), Stop>,
) -> Result<Vec<RecordSet>, Stop> {
    let zone = place.zone();
    let mut last_fault = None;
    for attempt in 1..=ATTEMPTS {
        let present = match job.persist(async || job.cloud.records(&zone, &place.name).await).await {
            Ok(present) => present,
            Err(fault) if fault.kind == FaultKind::NotFound => return Ok(Vec::new()),
            Err(fault) => return Err(Stop::fault("Reading the records", &fault)),
        };
        let removal = records::remove(doomed, &row.owner, &row.name, &present);
        if removal.changes.is_empty() {
            return Ok(removal.left);
        }
        still().await?;
        match job.cloud.change_records(&zone, &removal.changes).await {
            Ok(_) => {
                tracing::info!(
                    protection = %row.name,
                    step = "records",
                    outcome = "removed",
                    record = %place.name,
                    "the records are removed"
                );
                return Ok(removal.left);
            }
            Err(fault) if may_have_been_written(&fault) => {
                job.pause(back_off(job.clock, attempt)).await?;
                last_fault = Some(fault);
            }
            Err(fault) => return Err(Stop::fault("Removing the failover records", &fault)),
        }
    }
    let fault = last_fault.unwrap_or_else(|| Fault::new(FaultKind::Unknown, "ChangeResourceRecordSets", "no answer"));
    Err(Stop::fault("Removing the failover records", &fault))
}
