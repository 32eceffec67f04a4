//! The ledger row of the request being carried out, written on condition of what was read.

use failopen::id::ProtectionName;
use failopen::ledger::{Lifecycle, Replaced, Row, Versioned};
use failopen::port::{Apply, Clock, FaultKind, Observe};

use crate::event::Kind;
use crate::job::{Job, back_off};
use crate::stop::Stop;

/// Writes of one change before giving up: every lost one means that react or flip wrote in between.
const ATTEMPTS: u32 = 8;

/// Our row as it was last seen.
pub(crate) struct Entry {
    pub(crate) row: Row,
    version: u64,
}

impl Entry {
    /// The row of this name, if it is ours.
    pub(crate) async fn find<C: Observe + Apply, K: Clock>(
        job: &Job<'_, C, K>,
        name: &ProtectionName,
    ) -> Result<Option<Self>, Stop> {
        let found = job.persist(async || job.cloud.row(name).await).await;
        let found = found.map_err(|fault| Stop::fault("Reading the ledger", &fault))?;
        Ok(found.filter(|found| found.row.owner == job.owner).map(Self::of))
    }

    fn of(versioned: Versioned) -> Self {
        Self { row: versioned.row, version: versioned.version }
    }

    /// Our row, made now if there is none: the first thing of a protection that exists, so that whatever follows can be
    /// undone.
    ///
    /// # Errors
    /// [`Stop::Superseded`] where a Delete of what this very request made is at work on it; [`Stop::Failed`] where the name
    /// belongs to somebody else.
    pub(crate) async fn begin<C: Observe + Apply, K: Clock>(job: &Job<'_, C, K>, row: Row) -> Result<Self, Stop> {
        for attempt in 1..=ATTEMPTS {
            let found = job.persist(async || job.cloud.row(&row.name).await).await;
            let found = found.map_err(|fault| Stop::fault("Reading the ledger", &fault))?;
            match found {
                Some(found) if found.row.owner != job.owner => {
                    return Err(Stop::Failed(format!(
                        "`{}` belongs to {} of stack {}: one name has one owner; choose another Name.",
                        row.name, found.row.logical_id, found.row.stack_id
                    )));
                }
                Some(found) if found.row.lifecycle == Lifecycle::Deleting => {
                    let is_another_create = found.row.created_by.is_some() && found.row.created_by != row.created_by;
                    if job.request.kind != Kind::Create || !is_another_create {
                        return Err(Stop::Superseded);
                    }
                    // CloudFormation asks for the resource anew, so it has given the Delete up: what that left is taken over.
                    let row = taken_over(found.row, &row);
                    match job.cloud.put_row(&row, Some(found.version)).await {
                        Ok(version) => return Ok(Self { row, version }),
                        Err(fault) if is_doubtful(fault.kind) => job.pause(back_off(job.clock, attempt)).await?,
                        Err(fault) => return Err(Stop::fault("Writing the ledger", &fault)),
                    }
                }
                Some(found) => return Ok(Self::of(found)),
                None => match job.cloud.put_row(&row, None).await {
                    Ok(version) => return Ok(Self { row, version }),
                    Err(fault) if is_doubtful(fault.kind) => job.pause(back_off(job.clock, attempt)).await?,
                    Err(fault) => return Err(Stop::fault("Writing the ledger", &fault)),
                },
            }
        }
        Err(Stop::Failed("The ledger row keeps changing under our hands; try again.".to_owned()))
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
                    if fault.kind != FaultKind::Stale {
                        job.clock.sleep(back_off(job.clock, attempt)).await;
                    }
                    self.confirm(job).await?;
                }
                Err(fault) => return Err(Stop::fault("Writing the ledger", &fault)),
            }
        }
        Err(Stop::Failed("The ledger row keeps changing under our hands; try again.".to_owned()))
    }

    /// Reads the row again: is it still ours to act on?
    ///
    /// # Errors
    /// As [`Entry::save`].
    pub(crate) async fn confirm<C: Observe + Apply, K: Clock>(&mut self, job: &Job<'_, C, K>) -> Result<(), Stop> {
        let name = self.row.name.clone();
        let found = Self::find(job, &name).await?.ok_or(Stop::Superseded)?;
        if found.row.lifecycle == Lifecycle::Deleting && job.request.kind != Kind::Delete {
            return Err(Stop::Superseded);
        }
        *self = found;
        Ok(())
    }

    /// Removes the row, last of all.
    pub(crate) async fn remove<C: Observe + Apply, K: Clock>(mut self, job: &Job<'_, C, K>) -> Result<(), Stop> {
        for attempt in 1..=ATTEMPTS {
            match job.cloud.delete_row(&self.row.name, self.version).await {
                Ok(()) => return Ok(()),
                Err(fault) if is_doubtful(fault.kind) => {
                    if fault.kind != FaultKind::Stale {
                        job.clock.sleep(back_off(job.clock, attempt)).await;
                    }
                    match self.confirm(job).await {
                        Ok(()) => {}
                        Err(Stop::Superseded) => return Ok(()),
                        Err(stop) => return Err(stop),
                    }
                }
                Err(fault) => return Err(Stop::fault("Removing the ledger row", &fault)),
            }
        }
        Err(Stop::Failed("The ledger row keeps changing under our hands; delete again.".to_owned()))
    }
}

/// The row of a new protection that still claims what a Delete has left. Nothing in a distribution counts as written: the
/// Delete may have restored it, and a protection that is made begins inspected.
fn taken_over(left: Row, new: &Row) -> Row {
    let mut made = left.made;
    if let Some(distribution) = &mut made.distribution {
        distribution.written = false;
    }
    for replaced in &mut made.replaced {
        match replaced {
            Replaced::Distribution(distribution) => distribution.written = false,
            Replaced::Records(_) | Replaced::HealthCheck(_) => {}
        }
    }
    Row { made, flips: left.flips, ..new.clone() }
}

/// Whether the row has to be read before anything else is said about it.
fn is_doubtful(kind: FaultKind) -> bool {
    match kind {
        FaultKind::Stale | FaultKind::Unknown | FaultKind::Throttled => true,
        FaultKind::NotFound | FaultKind::AccessDenied | FaultKind::Refused | FaultKind::Malformed => false,
    }
}
