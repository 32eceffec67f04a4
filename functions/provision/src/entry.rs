//! The ledger row of the request being carried out, written on condition of what was read.

use failopen::id::ProtectionName;
use failopen::ledger::{Lifecycle, Row, Versioned};
use failopen::port::{Apply, Clock, Fault, FaultKind, Observe};
use failopen::tombstone::{self, Slot, Tombstone};
use jiff::SignedDuration;

use crate::establish::give_up_former;
use crate::event::Kind;
use crate::job::{Job, back_off};
use crate::stop::Stop;

/// Writes of one change before giving up: every lost one means that react or flip wrote in between.
const ATTEMPTS: u32 = 8;
/// Between two readings of a row that cannot be read just now.
const READ_AGAIN: SignedDuration = SignedDuration::from_secs(20);

/// Our row as it was last seen.
pub(crate) struct Entry {
    pub(crate) row: Row,
    version: u64,
}

impl Entry {
    /// The row that a Delete has to remove. Where there is none, the Create of it may still be on its way, and is told by
    /// a tombstone that it is over.
    pub(crate) async fn find_or_bury<C: Observe + Apply, K: Clock>(
        job: &Job<'_, C, K>,
        name: &ProtectionName,
    ) -> Result<Option<Self>, Stop> {
        for attempt in 1..=ATTEMPTS {
            let (tombstones, version) = match slot(job, name).await? {
                Slot::Taken(found) => {
                    // A Delete that is delivered again, when what it was to remove has long been made anew.
                    let is_over = is_given_up(job, &found.row) || is_over(job, &found.row.tombstones);
                    return Ok((found.row.owner == job.owner && !is_over).then(|| Self::of(found)));
                }
                Slot::Buried(buried) if is_over(job, &buried.tombstones) => return Ok(None),
                Slot::Buried(buried) => (buried.tombstones, Some(buried.version)),
                Slot::Free => (Vec::new(), None),
            };
            let now = job.clock.now();
            let tombstone = Tombstone::new(job.owner.clone(), &job.sent(), None, now);
            match job.cloud.bury(name, &tombstone::with(&tombstones, tombstone, now), version).await {
                Ok(()) => return Ok(None),
                Err(fault) if is_doubtful(fault.kind) => settle(job, &fault, attempt).await,
                Err(fault) => return Err(Stop::fault("Writing the ledger", &fault)),
            }
        }
        Err(restless())
    }

    /// The first thing that a Create or Update does, before it looks at anything: our row says from here on that it has begun, so
    /// that an older request that is delivered again stops. Returns what stands in the place of the row: a tombstone that
    /// comes later is the sign that a Delete has overtaken this request.
    pub(crate) async fn arrive<C: Observe + Apply, K: Clock>(
        job: &Job<'_, C, K>,
        name: &ProtectionName,
    ) -> Result<Option<Tombstone>, Stop> {
        for attempt in 1..=ATTEMPTS {
            let found = match slot(job, name).await? {
                Slot::Buried(buried) => return Ok(tombstone::of(&buried.tombstones, &job.owner).cloned()),
                Slot::Free => return Ok(None),
                Slot::Taken(found) => found,
            };
            let mut noted = found.row.clone();
            let is_ours = found.row.owner == job.owner && !is_over(job, &found.row.tombstones);
            if is_ours && found.row.lifecycle != Lifecycle::Deleting {
                noted.note_request(&job.sent());
            }
            if noted == found.row {
                return Ok(None);
            }
            match job.cloud.put_row(&noted, Some(found.version)).await {
                Ok(_) => return Ok(None),
                Err(fault) if is_doubtful(fault.kind) => settle(job, &fault, attempt).await,
                Err(fault) => return Err(Stop::fault("Writing the ledger", &fault)),
            }
        }
        Err(restless())
    }

    fn of(versioned: Versioned) -> Self {
        Self { row: versioned.row, version: versioned.version }
    }

    /// Our row, made now if there is none: the first thing of a protection that exists, so that whatever follows can be
    /// undone.
    ///
    /// # Errors
    /// [`Stop::Superseded`] where a Delete of what this very request made is at work on it, or has ended: since the request
    /// began (`seen` is what it saw first), or before it was sent. [`Stop::Overtaken`] where a newer Create or Update has
    /// begun. [`Stop::Failed`] where the name belongs to somebody else.
    pub(crate) async fn begin<C: Observe + Apply, K: Clock>(
        job: &Job<'_, C, K>,
        row: Row,
        seen: Option<&Tombstone>,
    ) -> Result<Self, Stop> {
        for attempt in 1..=ATTEMPTS {
            let (row, version) = match slot(job, &row.name).await? {
                Slot::Taken(found) if found.row.owner != job.owner => {
                    return Err(Stop::Failed(format!(
                        "`{}` belongs to {} of stack {}: one name has one owner; choose another Name.",
                        row.name, found.row.logical_id, found.row.stack_id
                    )));
                }
                Slot::Taken(found) if is_over(job, &found.row.tombstones) => return Err(Stop::Superseded),
                Slot::Taken(found) if found.row.lifecycle == Lifecycle::Deleting => {
                    // A copy of the Create that has made what is being deleted is none, whoever began the row.
                    let has_made_it = (found.row.answered.as_ref())
                        .is_some_and(|answered| answered.request_id == job.request.request_id);
                    let is_another_create =
                        found.row.created_by.is_some() && found.row.created_by != row.created_by && !has_made_it;
                    // A Create that came before the Delete that is at work is no reason to give that up.
                    let is_over = found.row.is_gone_on_from(&job.sent());
                    if job.request.kind != Kind::Create || !is_another_create || is_over {
                        return Err(Stop::Superseded);
                    }
                    // CloudFormation asks for the resource anew, so it has given the Delete up: what that left is taken over.
                    (taken_over(found.row, &row), Some(found.version))
                }
                Slot::Taken(found) => {
                    let stop = overtaken(job, &found.row).or_else(|| answered(job, &found.row).map(Stop::Answered));
                    if let Some(stop) = stop {
                        return Err(stop);
                    }
                    // When it arrived, the row may still have been a Delete's, which notes no other request.
                    let mut noted = found.row.clone();
                    noted.note_request(&job.sent());
                    if noted == found.row {
                        return Ok(Self::of(found));
                    }
                    (noted, Some(found.version))
                }
                Slot::Buried(buried) => {
                    let ours = tombstone::of(&buried.tombstones, &job.owner);
                    // CloudFormation updates only what exists: after a Delete it comes with a Create.
                    let is_late = ours.is_some() && (ours != seen || job.request.kind != Kind::Create);
                    if is_late || is_over(job, &buried.tombstones) {
                        return Err(Stop::Superseded);
                    }
                    (Row { tombstones: buried.tombstones, ..row.clone() }, Some(buried.version))
                }
                Slot::Free => (row.clone(), None),
            };
            match job.cloud.put_row(&row, version).await {
                Ok(version) => return Ok(Self { row, version }),
                Err(fault) if is_doubtful(fault.kind) => job.pause(back_off(job.clock, attempt)).await?,
                Err(fault) => return Err(Stop::fault("Writing the ledger", &fault)),
            }
        }
        Err(restless())
    }

    /// Makes a small change, again on what somebody else wrote in between. `change` may be applied several times.
    ///
    /// # Errors
    /// [`Stop::Superseded`] where the row is gone, or (for a Create or Update) is being deleted.
    pub(crate) async fn save<C: Observe + Apply, K: Clock>(
        &mut self,
        job: &Job<'_, C, K>,
        change: impl Fn(&mut Row),
    ) -> Result<(), Stop> {
        for attempt in 1..=ATTEMPTS {
            let mut next = self.row.clone();
            change(&mut next);
            if next == self.row {
                return Ok(());
            }
            // From the first change until the last one the row says that an Update is under way.
            if next.made != self.row.made && next.lifecycle == Lifecycle::Active && job.request.kind != Kind::Delete {
                next.lifecycle = Lifecycle::Updating;
            }
            match job.cloud.put_row(&next, Some(self.version)).await {
                Ok(version) => {
                    *self = Self { row: next, version };
                    return Ok(());
                }
                Err(fault) if is_doubtful(fault.kind) => {
                    settle(job, &fault, attempt).await;
                    self.confirm(job).await?;
                }
                Err(fault) => return Err(Stop::fault("Writing the ledger", &fault)),
            }
        }
        Err(restless())
    }

    /// Reads the row again: is it still ours to act on? While the ledger cannot be read this is asked as long as there is
    /// time: whoever gave up in doubt would leave what a Delete has overtaken.
    ///
    /// # Errors
    /// As [`Entry::save`].
    pub(crate) async fn confirm<C: Observe + Apply, K: Clock>(&mut self, job: &Job<'_, C, K>) -> Result<(), Stop> {
        let found = loop {
            match read(job, &self.row.name).await {
                Ok(Slot::Taken(found)) => break Self::of(found),
                Ok(Slot::Free | Slot::Buried(_)) => return Err(Stop::Superseded),
                Err(fault) if is_doubtful(fault.kind) => job.pause(READ_AGAIN).await?,
                Err(fault) => return Err(unread(&fault)),
            }
        };
        wanted(job, &found.row)?;
        *self = found;
        Ok(())
    }

    /// Puts a tombstone in the place of the row, last of all. Returns the row where it claims other things by now than those
    /// that have been taken away.
    pub(crate) async fn remove<C: Observe + Apply, K: Clock>(
        mut self,
        job: &Job<'_, C, K>,
    ) -> Result<Option<Self>, Stop> {
        let taken_away = self.row.made.clone();
        for attempt in 1..=ATTEMPTS {
            let tombstones = self.tombstones(job);
            match job.cloud.bury(&self.row.name, &tombstones, Some(self.version)).await {
                Ok(()) => return Ok(None),
                Err(fault) if is_doubtful(fault.kind) => {
                    settle(job, &fault, attempt).await;
                    match self.confirm(job).await {
                        // CloudFormation has given this Delete up and asked for the resource anew.
                        Ok(()) if self.row.lifecycle != Lifecycle::Deleting => return Ok(None),
                        Ok(()) if self.row.made != taken_away => return Ok(Some(self)),
                        Ok(()) => {}
                        Err(Stop::Superseded) => {
                            Self::find_or_bury(job, &self.row.name).await?;
                            return Ok(None);
                        }
                        Err(stop) => return Err(stop),
                    }
                }
                Err(fault) => return Err(Stop::fault("Removing the ledger row", &fault)),
            }
        }
        Err(restless())
    }

    /// What stands in the place of the row once this Delete has ended.
    fn tombstones<C: Observe + Apply, K: Clock>(&self, job: &Job<'_, C, K>) -> Vec<Tombstone> {
        let (now, sent) = (job.clock.now(), job.sent());
        let own = Tombstone::new(job.owner.clone(), &sent, self.row.created_by.as_deref(), now);
        let tombstones = tombstone::with(&self.row.tombstones, own, now);
        // Another Delete that is at work beside this one has put itself there since: what it ends is over, too.
        match self.row.newest.as_ref().filter(|newest| newest.request_id != sent.request_id) {
            Some(newer) => tombstone::with(&tombstones, Tombstone::new(job.owner.clone(), newer, None, now), now),
            None => tombstones,
        }
    }
}

/// Whether what a Delete (or a late Create or Update, which takes back what it wrote) is about to remove is still doomed:
/// CloudFormation may have made the protection anew meanwhile, under the same names.
///
/// # Errors
/// [`Stop::Superseded`] where it is not, or where another copy of the same Delete has ended.
pub(crate) async fn confirm_doomed<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    name: &ProtectionName,
) -> Result<(), Stop> {
    let is_doomed = match slot(job, name).await? {
        Slot::Taken(found) => {
            let row = &found.row;
            row.owner == job.owner && row.lifecycle == Lifecycle::Deleting && !is_over(job, &row.tombstones)
        }
        Slot::Free | Slot::Buried(_) => job.request.kind != Kind::Delete,
    };
    if is_doomed { Ok(()) } else { Err(Stop::Superseded) }
}

/// Whether a Create or Update that is about to remove what it has replaced is still the one to do so.
///
/// # Errors
/// As [`Entry::confirm`].
pub(crate) async fn confirm_wanted<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    name: &ProtectionName,
) -> Result<(), Stop> {
    match slot(job, name).await? {
        Slot::Taken(found) => wanted(job, &found.row),
        Slot::Free | Slot::Buried(_) => Err(Stop::Superseded),
    }
}

/// Whether a row is this request's to act on: ours, of this life, not being deleted, and not of a newer request.
fn wanted<C, K: Clock>(job: &Job<'_, C, K>, row: &Row) -> Result<(), Stop> {
    let is_deleted = row.lifecycle == Lifecycle::Deleting && job.request.kind != Kind::Delete;
    // What stands under the name may be a later life of the protection, which a late copy of us must not adopt.
    if row.owner != job.owner || is_deleted || is_given_up(job, row) || is_over(job, &row.tombstones) {
        return Err(Stop::Superseded);
    }
    overtaken(job, row).or_else(|| answered(job, row).map(Stop::Answered)).map_or(Ok(()), Err)
}

/// The body with which this very request was answered, where it has succeeded already: CloudFormation delivers at least once. What
/// somebody has changed since is not this request's to mend: a copy that failed at it would leave a row that says `Updating`, with
/// nobody to finish it.
pub(crate) fn answered<C, K>(job: &Job<'_, C, K>, row: &Row) -> Option<String> {
    let is_settled = row.lifecycle == Lifecycle::Active && job.request.kind != Kind::Delete;
    let answered = row.answered.as_ref().filter(|answered| answered.request_id == job.request.request_id)?;
    is_settled.then(|| answered.body.clone())
}

/// What is under a name.
async fn slot<C: Observe + Apply, K: Clock>(job: &Job<'_, C, K>, name: &ProtectionName) -> Result<Slot, Stop> {
    read(job, name).await.map_err(|fault| unread(&fault))
}

async fn read<C: Observe + Apply, K: Clock>(job: &Job<'_, C, K>, name: &ProtectionName) -> Result<Slot, Fault> {
    job.persist(async || job.cloud.slot(name).await).await
}

fn unread(fault: &Fault) -> Stop {
    Stop::fault("Reading the ledger", fault)
}

/// Lambda may deliver a request again when CloudFormation has long gone on: what it sent later must not be undone.
pub(crate) fn overtaken<C, K: Clock>(job: &Job<'_, C, K>, row: &Row) -> Option<Stop> {
    let sent = job.sent();
    let newer = row.newer_than(&sent).filter(|_| job.request.kind != Kind::Delete)?;
    let (this, newer_at) = sent.at.zip(newer.at)?;
    let has_succeeded = row.answered.as_ref().is_some_and(|answered| answered.request_id == newer.request_id);
    let (what, becomes) = match has_succeeded {
        true => ("has succeeded and stays in force", "there is nothing to do"),
        false => ("decides what becomes of the protection", "look at the outcome of that one"),
    };
    Some(Stop::Overtaken(format!(
        "This request was sent at {this} and delivered again after one that CloudFormation sent at {newer_at}, which {what}, so \
         this one stopped; {becomes}."
    )))
}

/// Whether this is a Delete that CloudFormation has given up: it has asked for the resource anew, and that has begun.
fn is_given_up<C, K: Clock>(job: &Job<'_, C, K>, row: &Row) -> bool {
    let is_kept = row.lifecycle != Lifecycle::Deleting;
    job.request.kind == Kind::Delete && is_kept && row.newer_than(&job.sent()).is_some()
}

/// Whether a Delete has ended since this request was sent.
pub(crate) fn is_over<C, K: Clock>(job: &Job<'_, C, K>, tombstones: &[Tombstone]) -> bool {
    tombstone::of(tombstones, &job.owner).is_some_and(|tombstone| tombstone.ends(&job.sent()))
}

/// Waits before the row is read again: not where somebody else has certainly written it.
async fn settle<C, K: Clock>(job: &Job<'_, C, K>, fault: &Fault, attempt: u32) {
    if fault.kind != FaultKind::Stale {
        job.clock.sleep(back_off(job.clock, attempt)).await;
    }
}

fn restless() -> Stop {
    Stop::Failed("The ledger row keeps changing under our hands; try again.".to_owned())
}

/// The row of a new protection that still claims what a Delete has left. Nothing in a distribution counts as written: the
/// Delete may have restored it, and a protection that is made begins inspected.
fn taken_over(left: Row, new: &Row) -> Row {
    let mut made = left.made;
    if let Some(distribution) = &mut made.distribution {
        distribution.written = false;
    }
    give_up_former(&mut made);
    Row { made, flips: left.flips, intents: left.intents, tombstones: left.tombstones, ..new.clone() }
}

/// Whether what was to be written has to be read before anything else is said about it.
pub(crate) fn is_doubtful(kind: FaultKind) -> bool {
    match kind {
        FaultKind::Stale | FaultKind::Unknown | FaultKind::Throttled => true,
        FaultKind::NotFound | FaultKind::AccessDenied | FaultKind::Refused | FaultKind::Malformed => false,
    }
}
