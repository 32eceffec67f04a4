//! The distribution: one fenced write puts the protection in, one takes it out.

use failopen::document::{Document, Edit, check_edit};
use failopen::finding::{Code, Finding, Target};
use failopen::id::{DistributionId, ETag, PathPattern};
use failopen::ledger::{MadeDistribution, Row};
use failopen::port::{Apply, Clock, FaultKind, Observe};
use failopen::spec::Spec;
use failopen::wiring::{self, Ours, Wiring, distributions, unwire, wire};
use jiff::SignedDuration;

use crate::claim::{ARRIVES, Flips, intend, is_intended, settle};
use crate::entry::{Entry, is_doubtful};
use crate::job::{Job, back_off};
use crate::observation::neighbors;
use crate::stop::Stop;

/// Writes tried. Each lost one means that somebody else changed the distribution, and everything is planned again.
const ATTEMPTS: u32 = 5;
/// Between two looks at the deployment of a change.
const POLL: SignedDuration = SignedDuration::from_secs(20);

/// A distribution that carries the protection.
pub(crate) struct Ensured {
    pub(crate) document: Document,
    /// Behaviours that are no longer protected and stay, because somebody edited them.
    pub(crate) left: Vec<String>,
}

/// Points the protected behaviours at inspection, and adds what that needs, in one write.
pub(crate) async fn ensure<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    spec: &Spec,
    others: &[&MadeDistribution],
) -> Result<Ensured, Stop> {
    let mut left = Vec::new();
    let mut awaited = None;
    let mut held: Option<(ETag, MadeDistribution)> = None;
    for attempt in 1..=ATTEMPTS {
        let Some(Plan { is_told, is_alone, gives_up, ours, document, etag, wiring }) =
            plan(job, entry, spec, others, &mut awaited, attempt).await?
        else {
            continue;
        };
        if !wiring.left.is_empty() {
            left.clone_from(&wiring.left);
        }
        if wiring.made.origin_adopted && !is_settled(ours.as_ref()) {
            if !intend(job, entry, &wiring.made).await? {
                continue;
            }
            awaited = is_alone.then_some(entry.row.intents);
            nobody_else_has_it(job, spec, &document, ours.as_ref()).await?;
        }
        if wiring.edits.is_empty() {
            // What our own write came to, where somebody told the row of another one before it could be recorded.
            let made = match &held {
                Some((of, made)) if *of == etag => as_known(wiring.made, made),
                Some(_) | None => wiring.made,
            };
            let before_flips = if gives_up { Flips::Awaited } else { Flips::GoOn };
            if settle(job, entry, spec, made, attempt > 1 || is_told, before_flips).await? {
                return Ok(Ensured { document, left });
            }
            continue;
        }
        check_edit(&document, &wiring.after, &wiring.edits)
            .map_err(|error| Stop::Failed(format!("Nothing was written to {}: {error}.", spec.distribution)))?;
        if !intend(job, entry, &wiring.made).await? {
            continue;
        }
        awaited = is_alone.then_some(entry.row.intents);
        match job.cloud.put_distribution(&spec.distribution, wiring.after.bytes(), &etag).await {
            Ok(accepted) => {
                tracing::info!(protection = %spec.name, step = "distribution", outcome = "written",
                    distribution = %spec.distribution, etag_before = %etag, etag_after = %accepted.etag,
                    "the distribution write was accepted");
                if let Some((read_back, etag)) = confirmed(job, spec, &wiring).await {
                    // What somebody has edited since is no part of what we added.
                    let is_ours = etag == accepted.etag;
                    let made = if is_ours { as_held(&wiring, &read_back) } else { wiring.made };
                    held = is_ours.then(|| (etag, made.clone()));
                    if settle(job, entry, spec, made, true, Flips::GoOn).await? {
                        return Ok(Ensured { document: read_back, left });
                    }
                }
            }
            Err(fault) if is_doubtful(fault.kind) => {
                tracing::warn!(
                    protection = %spec.name,
                    step = "distribution",
                    outcome = "doubtful",
                    %fault,
                    "the distribution is read again"
                );
            }
            Err(fault) => return Err(Stop::fault("Writing the distribution", &fault)),
        }
        job.pause(back_off(job.clock, attempt)).await?;
    }
    Err(Stop::Failed(format!(
        "Somebody else keeps changing distribution {}, so the protection could not be written into it in {ATTEMPTS} attempts; \
         stop the other deployment, or chain several protections of one distribution with DependsOn, and try again.",
        spec.distribution
    )))
}

/// What is to be done in the distribution, on what the row and the distribution say.
struct Plan {
    /// Whether a request had told the row what it was about to write.
    is_told: bool,
    /// Whether no other request can be about to write: what the row has been told of is there, or never will be.
    is_alone: bool,
    ours: Option<Ours>,
    /// Whether behaviours are given up, which no flip may be about to move.
    gives_up: bool,
    document: Document,
    etag: ETag,
    wiring: Wiring,
}

/// Makes a plan when nothing has to be waited for any more. `awaited`: the row's count of intents of which none is anybody else's that
/// may still be written. `None`: look again.
async fn plan<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    spec: &Spec,
    others: &[&MadeDistribution],
    awaited: &mut Option<u64>,
    attempt: u32,
) -> Result<Option<Plan>, Stop> {
    loop {
        // A Delete may have begun since; its restoration must not be undone.
        entry.confirm(job).await?;
        let ours = Ours::of(&entry.row, &spec.distribution);
        let gives_up = ours.as_ref().is_some_and(|ours| ours.gives_up(spec));
        if gives_up && let Some(left) = entry.row.awaits_flip(job.clock.now()) {
            job.pause(left).await?;
            continue;
        }
        let (document, etag) = read(job, &spec.distribution).await?.ok_or_else(|| missing(spec))?;
        let wiring = match wire(&document, spec, ours.as_ref(), others) {
            Ok(wiring) => wiring,
            // Another copy of this request may have written between the two readings: the ledger tells when it is read again.
            Err(_) if attempt == 1 => return Ok(None),
            Err(findings) => return Err(Stop::findings(&findings)),
        };
        // What is recorded without a write would forget what somebody else is about to write.
        let is_told = is_intended(&entry.row, &spec.distribution);
        let is_alone = !is_told || *awaited == Some(entry.row.intents);
        if wiring.edits.is_empty() && !is_alone {
            *awaited = Some(entry.row.intents);
            job.pause(ARRIVES).await?;
            continue;
        }
        return Ok(Some(Plan { is_told, is_alone, ours, gives_up, document, etag, wiring }));
    }
}

fn is_settled(ours: Option<&Ours>) -> bool {
    ours.is_some_and(|ours| ours.behaviors.iter().all(|claim| claim.settled))
}

/// What needs no write is fenced by no ETag, so two protections might adopt the same at once. The claim is in the ledger by now: of
/// two that look after that, one at least sees the other's.
async fn nobody_else_has_it<C: Observe, K: Clock>(
    job: &Job<'_, C, K>,
    spec: &Spec,
    document: &Document,
    ours: Option<&Ours>,
) -> Result<(), Stop> {
    let rows = neighbors(job.cloud, job.clock).await?.rows;
    let others = rows.iter().filter(|row| row.name != spec.name).flat_map(distributions);
    let others: Vec<&MadeDistribution> = others.filter(|made| made.id == spec.distribution).collect();
    wire(document, spec, ours, &others).map(drop).map_err(|findings| Stop::findings(&findings))
}

/// Reads the distribution back. `None`: it is not as written, or cannot be read, so everything has to be planned again.
async fn confirmed<C: Observe, K: Clock>(
    job: &Job<'_, C, K>,
    spec: &Spec,
    wiring: &Wiring,
) -> Option<(Document, ETag)> {
    let (document, etag) = read(job, &spec.distribution).await.ok()??;
    let as_written = wiring.made.behaviors.iter().all(|made| {
        let target = |document: &Document| document.behavior(&made.path_pattern).map(|present| present.target.clone());
        target(&document) == target(&wiring.after)
    });
    (as_written && document.origin(&wiring.made.inspection_origin).is_some()).then_some((document, etag))
}

/// What a write made, by the configuration that it left. CloudFront may have filled in what we left out of a behaviour that the
/// write added: what it holds now is what an edit is told from. A behaviour that was there before keeps the hash that the
/// ledger has, because somebody may have edited it since we added it.
fn as_held(wiring: &Wiring, read_back: &Document) -> MadeDistribution {
    let is_added = |pattern: &PathPattern| {
        wiring.edits.iter().any(|edit| match edit {
            Edit::CloneBehavior { path_pattern, .. } => path_pattern == pattern,
            Edit::Retarget { .. }
            | Edit::AddOrigin { .. }
            | Edit::SetOriginDomain { .. }
            | Edit::SetOriginPort { .. }
            | Edit::RemoveOrigin { .. }
            | Edit::RemoveBehavior { .. } => false,
        })
    };
    let mut made = wiring.made.clone();
    for behavior in made.behaviors.iter_mut().filter(|behavior| is_added(&behavior.path_pattern)) {
        behavior.cloned = read_back.content_hash(&behavior.path_pattern);
    }
    made
}

/// `made`, with what is known of the behaviours that our write added.
fn as_known(mut made: MadeDistribution, known: &MadeDistribution) -> MadeDistribution {
    for behavior in &mut made.behaviors {
        if let Some(known) = known.behaviors.iter().find(|known| known.path_pattern == behavior.path_pattern) {
            behavior.cloned.clone_from(&known.cloned);
        }
    }
    made
}

fn missing(spec: &Spec) -> Stop {
    Stop::findings(&[Finding::structural(
        Code::DistributionMissing,
        "DistributionId",
        Target::Distribution,
        format!("there is no distribution {} any more", spec.distribution),
    )])
}

/// `None`: it does not exist.
pub(crate) async fn read<C: Observe, K: Clock>(
    job: &Job<'_, C, K>,
    id: &DistributionId,
) -> Result<Option<(Document, ETag)>, Stop> {
    let raw = match job.persist(async || job.cloud.distribution(id).await).await {
        Ok(raw) => raw,
        Err(fault) if fault.kind == FaultKind::NotFound => return Ok(None),
        Err(fault) => return Err(Stop::fault("Reading the distribution", &fault)),
    };
    let document = Document::parse(&raw.bytes).map_err(|malformed| {
        Stop::Failed(format!(
            "The configuration of {id} cannot be read safely ({malformed}), so it is not written; look at it with `aws \
             cloudfront get-distribution-config --id {id}` and try again."
        ))
    })?;
    Ok(Some((document, raw.etag)))
}

/// What taking a protection out of a distribution came to.
#[derive(Debug, Default)]
pub(crate) struct TakenOut {
    /// Whether anything was written.
    pub(crate) changed: bool,
    /// Who still uses our origin, which therefore stays.
    pub(crate) in_use: Vec<String>,
    /// Who still uses, through whatever origin, records that go with the protection.
    pub(crate) uses_records: Vec<String>,
    /// What was left because it is not as we made it.
    pub(crate) left: Vec<String>,
    /// Of the configuration that needed no more writing; `None` where there is no distribution.
    pub(crate) etag: Option<ETag>,
}

/// Restores the behaviours and removes what we added, in one write. A distribution that is gone needs nothing.
///
/// `still` says whether this is still to be done. It is asked between reading and writing: whoever takes the protection over
/// after that writes the distribution too, and then our ETag is old.
pub(crate) async fn take_out<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    ours: &Ours,
    still: impl AsyncFn() -> Result<(), Stop>,
) -> Result<TakenOut, Stop> {
    let id = &ours.distribution;
    let mut changed = false;
    for attempt in 1..=ATTEMPTS {
        let Some((document, etag)) = read(job, id).await? else { return Ok(TakenOut::default()) };
        let plan = unwire(&document, ours)
            .map_err(|error| Stop::Failed(format!("Distribution {id} cannot be restored safely: {error}.")))?;
        if plan.edits.is_empty() {
            let uses_records = wiring::uses(&document, &ours.doomed);
            return Ok(TakenOut { changed, in_use: plan.in_use, uses_records, left: plan.left, etag: Some(etag) });
        }
        check_edit(&document, &plan.after, &plan.edits)
            .map_err(|error| Stop::Failed(format!("Nothing was written to {id}: {error}.")))?;
        still().await?;
        match job.cloud.put_distribution(id, plan.after.bytes(), &etag).await {
            Ok(accepted) => {
                changed = true;
                tracing::info!(step = "distribution", outcome = "restored", distribution = %id, etag_before = %etag,
                    etag_after = %accepted.etag, "the restoring write was accepted");
                // The next round reads back: it ends there, with nothing more to do, or mends what was written in between.
                continue;
            }
            Err(fault) if is_doubtful(fault.kind) => changed = true,
            Err(fault) if fault.kind == FaultKind::NotFound => return Ok(TakenOut::default()),
            Err(fault) => return Err(Stop::fault("Restoring the distribution", &fault)),
        }
        job.pause(back_off(job.clock, attempt)).await?;
    }
    Err(Stop::Failed(format!(
        "Somebody else keeps changing distribution {id}, so its behaviours could not be restored in {ATTEMPTS} attempts; stop \
         the other deployment and delete again."
    )))
}

/// Everything that a row claims, distribution by distribution.
pub(crate) fn claims(row: &Row) -> Vec<Ours> {
    let mut ids: Vec<&DistributionId> = distributions(row).map(|made| &made.id).collect();
    ids.sort();
    ids.dedup();
    ids.into_iter().filter_map(|id| Ours::of(row, id)).collect()
}

/// Waits until every edge has the configuration as it is now. A distribution that is gone has no edge.
pub(crate) async fn wait_until_deployed<C: Observe, K: Clock>(
    job: &Job<'_, C, K>,
    id: &DistributionId,
) -> Result<(), Stop> {
    while !is_deployed(job, id).await? {
        job.pause(POLL).await?;
    }
    Ok(())
}

/// Whether every edge has the configuration as it is now.
pub(crate) async fn is_deployed<C: Observe, K: Clock>(job: &Job<'_, C, K>, id: &DistributionId) -> Result<bool, Stop> {
    match job.persist(async || job.cloud.distribution_status(id).await).await {
        Ok(status) => Ok(status.status == "Deployed"),
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(true),
        Err(fault) => Err(Stop::fault("Waiting for the distribution", &fault)),
    }
}
