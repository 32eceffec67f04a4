//! What a request does that comes too late, or is overtaken: it takes back what it wrote, and touches nothing of whoever
//! has the protection by now.

use std::fmt;

use failopen::health_check;
use failopen::ledger::{Lifecycle, MadeHealthCheck, Row};
use failopen::port::{Apply, Clock, Observe};
use failopen::spec::Spec;
use jiff::SignedDuration;

use crate::entry::is_over;
use crate::job::Job;
use crate::removal::take_away;
use crate::stop::Stop;

/// Between two attempts to take late writes out again.
const WITHDRAW_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// What a copy of this request that died may have left although nobody saw it: a health check that was on the way.
pub(crate) fn on_the_way<C, K>(job: &Job<'_, C, K>, spec: &Spec) -> Row {
    let mut row = Row::creating(job.owner.clone(), &job.request.stack_id, &job.request.logical_id, spec.clone());
    let reference = job.owner.caller_reference(&job.request.request_id);
    row.made.health_check = Some(MadeHealthCheck { caller_reference: Some(reference), id: None });
    row
}

/// What a request that is superseded does about a Delete that is still at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deleting {
    /// The request has written nothing, at least this copy of it.
    IsLeftAlone,
    /// The Delete may have looked before our last write, so its work is done once more.
    IsHelped,
}

/// A Delete is at work or has finished, or a newer request has begun, and what we wrote last may have come after its
/// look: take it out again, or an origin would lead to records that are gone. Nobody comes after us to do it, so it is tried
/// as long as there is time. Returns `stop`, or where something may be left a stop that says so.
pub(crate) async fn withdraw<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    row: &Row,
    deleting: Deleting,
    stop: Stop,
) -> Stop {
    loop {
        match take_back(job, row, deleting).await {
            Ok(withdrawal) => {
                let because = withdrawal.to_string();
                tracing::info!(protection = %row.name, step = "withdraw", outcome = "done", because, "{}", stop.reason());
                return stop;
            }
            Err(incomplete) => {
                let because = incomplete.reason();
                tracing::error!(
                    protection = %row.name,
                    step = "withdraw",
                    outcome = "incomplete",
                    because,
                    "what this late request wrote may still be there"
                );
                if job.pause(WITHDRAW_AGAIN).await.is_err() {
                    return Stop::Failed(left_behind(row, &stop, &because));
                }
            }
        }
    }
}

fn left_behind(row: &Row, stop: &Stop, because: &str) -> String {
    let name = &row.name;
    let origin = row.made.distribution.as_ref().map(|made| made.inspection_origin.clone());
    let origin = origin.unwrap_or_else(|| name.inspection_origin());
    let distribution = &row.spec.distribution;
    format!(
        "{} What this request wrote late may still be there: {because} Look for origin {origin} in the behaviours of \
         `aws cloudfront get-distribution-config --id {distribution}`, for records of {} and for a health check tagged {name}; \
         where a behaviour still uses that origin without records, its traffic fails, so point it back at the application. \
         Remove that origin by hand; declaring the resource again and deleting it takes the rest away.",
        stop.reason(),
        row.spec.failover_record
    )
}

/// What came of taking back.
enum Withdrawal {
    LeftToTheDelete,
    LeftToANewerRequest { left: Vec<String> },
    Done { left: Vec<String> },
}

impl fmt::Display for Withdrawal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftToTheDelete => f.write_str("the Delete that is at work removes whatever there is"),
            Self::LeftToANewerRequest { left } if left.is_empty() => {
                f.write_str("a newer request has the protection, and keeps what it uses")
            }
            Self::LeftToANewerRequest { left } => {
                write!(f, "a newer request has the protection, and keeps what it uses; left alone: {}", left.join("; "))
            }
            Self::Done { left } if left.is_empty() => f.write_str("nothing of this request is left"),
            Self::Done { left } => write!(f, "nothing of this request is left but {}", left.join("; ")),
        }
    }
}

/// Takes out what `row`, as this request knows it, says that it made or was making.
async fn take_back<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    row: &Row,
    deleting: Deleting,
) -> Result<Withdrawal, Stop> {
    let present = present(job, row).await?;
    let doomed = match &present {
        Some(found) if is_our_end(job, found) => match deleting {
            Deleting::IsLeftAlone => return Ok(Withdrawal::LeftToTheDelete),
            // The Delete's row knows what another copy of this request has made, and which edges have to stop using it first.
            Deleting::IsHelped => found,
        },
        Some(newer) => return give_back(job, row, newer).await,
        None => row,
    };
    match take_away(job, doomed).await {
        Ok(left) => Ok(Withdrawal::Done { left }),
        // A newer request has begun since that look, and knows nothing of our health check.
        Err(Stop::Superseded) => match self::present(job, row).await? {
            Some(newer) => give_back(job, row, &newer).await,
            // It has come and gone: nobody but us takes the rest away.
            None => Err(Stop::Failed(
                "The protection was made anew and deleted again meanwhile, so it is not known what is left.".to_owned(),
            )),
        },
        Err(stop) => Err(stop),
    }
}

/// Whether a row is about to be removed by the Delete of what this request was to make, and not by that of a later life.
fn is_our_end<C, K: Clock>(job: &Job<'_, C, K>, found: &Row) -> bool {
    found.owner == job.owner && found.lifecycle == Lifecycle::Deleting && !is_over(job, &found.tombstones)
}

async fn present<C: Observe + Apply, K: Clock>(job: &Job<'_, C, K>, row: &Row) -> Result<Option<Row>, Stop> {
    let found = job.persist(async || job.cloud.row(&row.name).await).await;
    Ok(found.map_err(|fault| Stop::fault("Reading the ledger", &fault))?.map(|found| found.row))
}

/// Removes what a newer request does not claim. Only health checks have names of their own for every request; everything else is
/// the newer request's by now.
async fn give_back<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    row: &Row,
    newer: &Row,
) -> Result<Withdrawal, Stop> {
    let is_claimed = |made: &&MadeHealthCheck| {
        health_check::claimed(newer).any(|theirs| theirs.caller_reference == made.caller_reference)
    };
    let unneeded: Vec<_> = health_check::claimed(row).filter(|made| !is_claimed(made)).cloned().collect();
    // Whoever has the protection by now may have adopted one of them.
    let left = crate::health_check::remove(job, row, &unneeded, |_| false).await?;
    Ok(Withdrawal::LeftToANewerRequest { left: left.into_iter().map(|check| check.why).collect() })
}
