//! What the ledger row says about the distribution: what is about to be written, and what is there. Several requests of one
//! resource may tell it at once, so each goes by what the row said when it made its plan.

use std::cell::Cell;

use failopen::id::DistributionId;
use failopen::ledger::{MadeDistribution, Replaced, Row};
use failopen::limits::CALL;
use failopen::port::{Apply, Clock, Observe};
use failopen::spec::Spec;
use failopen::wiring::{Ours, distributions};
use jiff::SignedDuration;

use crate::entry::Entry;
use crate::job::Job;
use crate::stop::Stop;

/// Within this time a write that the row has been told of has taken effect, or never will: the answer to the telling may take a call's
/// time, and then the write.
pub(crate) const ARRIVES: SignedDuration = CALL.saturating_add(CALL);

/// What an outcome has to do with flips that have told the row what they are about to write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flips {
    /// The ETag of a write stops those that were planned before it.
    GoOn,
    /// A behaviour is given up without a write, so nothing stops a flip that was planned before: it has to be over.
    Awaited,
}

/// Whether a request has told the row what it is about to write into a distribution that carries the protection already.
pub(crate) fn is_intended(row: &Row, id: &DistributionId) -> bool {
    row.made.replaced.iter().any(|replaced| match replaced {
        Replaced::Distribution(made) => made.id == *id && is_about_to_be_written(replaced),
        Replaced::Records(_) | Replaced::HealthCheck(_) => false,
    })
}

/// Whether what stands among the replaced is what a request is about to write, or was when it died. A former distribution that is being
/// given up reads the same: waiting for that costs time only.
pub(crate) fn is_about_to_be_written(replaced: &Replaced) -> bool {
    match replaced {
        Replaced::Distribution(made) => !made.written,
        Replaced::Records(_) | Replaced::HealthCheck(_) => false,
    }
}

/// Waits until what other requests have told the row that they are about to write is there, or never will be.
pub(crate) async fn let_arrive<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
) -> Result<(), Stop> {
    let mut awaited = None;
    while entry.row.made.replaced.iter().any(is_about_to_be_written) && awaited != Some(entry.row.intents) {
        awaited = Some(entry.row.intents);
        job.pause(ARRIVES).await?;
        entry.confirm(job).await?;
    }
    Ok(())
}

/// Records what is about to be written, beside what is certainly there, so that a crash can be undone. Says whether it is
/// recorded, as [`save_as_planned`] does.
pub(crate) async fn intend<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    made: &MadeDistribution,
) -> Result<bool, Stop> {
    // Also where the row has the same intent already: somebody who has read that may be about to forget it.
    let told = entry.row.intents + 1;
    let began = job.clock.now();
    let is_recorded = save_as_planned(job, entry, &made.id, Flips::GoOn, |row| {
        row.intents = told;
        let intent = MadeDistribution { written: false, ..made.clone() };
        match &row.made.distribution {
            Some(present) if present.written => {
                let intent = Replaced::Distribution(intent);
                row.made.replaced.retain(|replaced| *replaced != intent);
                row.made.replaced.push(intent);
            }
            // What a Delete or a dead attempt has left is claimed until it has been taken out.
            Some(before) if *before != intent => {
                let before = Replaced::Distribution(before.clone());
                row.made.replaced.retain(|replaced| *replaced != before);
                row.made.replaced.push(before);
                row.made.distribution = Some(intent);
            }
            Some(_) | None => row.made.distribution = Some(intent),
        }
    });
    // Whoever has read it long ago has waited for the write already: it has to be told once more.
    Ok(is_recorded.await? && job.clock.now().duration_since(began) <= CALL)
}

/// Records what is there now. From here on flip and react act on it, so after a write the names that they compare it with
/// go into the row together with it. Says whether it is recorded, as [`save_as_planned`] does.
pub(crate) async fn settle<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    spec: &Spec,
    mut made: MadeDistribution,
    wrote: bool,
    flips: Flips,
) -> Result<bool, Stop> {
    made.written = true;
    save_as_planned(job, entry, &spec.distribution, flips, |row| {
        if let Some(before) = row.made.distribution.take().filter(|before| before.id != made.id) {
            row.made.replaced.push(Replaced::Distribution(before));
        }
        row.made.replaced.retain(|replaced| match replaced {
            Replaced::Distribution(former) => former.id != made.id,
            Replaced::Records(_) | Replaced::HealthCheck(_) => true,
        });
        row.made.distribution = Some(made.clone());
        if wrote {
            row.spec = spec.clone();
        }
    })
    .await
}

/// Changes the row, unless it claims other things in the distribution by now than those that the change was planned on, or has been
/// told of a write since: another copy of this request, or one that was sent in the same second, has been here, and what it adds
/// would be taken for what was there before us. Says whether the row is as the change makes it; where it is not, everything has to be
/// planned again.
async fn save_as_planned<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    entry: &mut Entry,
    id: &DistributionId,
    flips: Flips,
    change: impl Fn(&mut Row),
) -> Result<bool, Stop> {
    // An intent may claim nothing that is not claimed already, and must not be forgotten all the same.
    let in_distribution = |row: &Row| {
        let made: Vec<MadeDistribution> = distributions(row).filter(|made| made.id == *id).cloned().collect();
        (row.intents, Ours::of(row, id), made)
    };
    let planned_on = in_distribution(&entry.row);
    let is_as_planned = Cell::new(true);
    let saved = entry.save(job, |row| {
        let mut next = row.clone();
        change(&mut next);
        // Where the row holds the change already, that is our own write, the answer of which was lost.
        let may_be_flipped = flips == Flips::Awaited && row.awaits_flip(job.clock.now()).is_some();
        is_as_planned.set(next == *row || (in_distribution(row) == planned_on && !may_be_flipped));
        if is_as_planned.get() {
            *row = next;
        }
    });
    saved.await?;
    Ok(is_as_planned.get())
}
