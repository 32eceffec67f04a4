//! The one way in which a flip is written: read → plan → check → write → read back, fenced by the ETag of the very bytes
//! that were edited. Whatever is not a clear yes is followed by a read, a bounded number of times.

use failopen::document::{Document, Malformed, check_edit};
use failopen::failure::{ErrorType, Failure};
use failopen::flip::{FlipPlan, FlipRefusal};
use failopen::id::{DistributionId, ETag};
use failopen::limits::{ATTEMPT, SPARE, jittered, within};
use failopen::port::{Apply, Clock, Fault, FaultKind, Observe};
use jiff::{SignedDuration, Timestamp};

/// Writes tried in one invocation; the next one, or the next tick, starts afresh.
const ATTEMPTS: u32 = 5;
/// The shortest pause between two writes; it doubles with each, and has jitter, so that two writers do not meet again.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_millis(150);
/// The longest that a pause can get.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(4);
/// Time kept back for recording, and for ending well before the deadline.
const RESERVE: SignedDuration = SPARE.saturating_add(SignedDuration::from_secs(5));
/// What has to be left when an answer to a write stays out, so that what became of the write can still be read.
const TO_READ_AGAIN: SignedDuration = LONGEST_PAUSE.saturating_add(ATTEMPT).saturating_add(RESERVE);
/// What has to be left before a write: one attempt of its own, and all that may have to follow.
const TO_WRITE: SignedDuration = ATTEMPT.saturating_add(TO_READ_AGAIN);

/// A distribution as it was read.
pub(crate) struct Read {
    pub(crate) document: Document,
    pub(crate) etag: ETag,
}

/// What became of a flip.
pub(crate) struct Acted {
    pub(crate) plan: FlipPlan,
    /// The ETag before the write, or of the one read where nothing was written.
    pub(crate) etag_before: ETag,
    pub(crate) etag: ETag,
    pub(crate) status: Option<String>,
    pub(crate) changed: bool,
    /// What the read-back had to say, where it had something.
    pub(crate) remark: Option<String>,
    /// Why it was not written again after a write that had not been accepted. Then nothing has changed.
    pub(crate) held: Option<String>,
}

/// Why a flip ended without success.
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    /// A write was sent and nobody knows whether it was applied.
    pub(crate) in_doubt: bool,
}

/// Why a distribution could not be read.
pub(crate) enum Unread {
    Fault(Fault),
    Malformed(Malformed),
}

impl Unread {
    /// Before anything was written.
    pub(crate) fn failure(self, id: &DistributionId) -> Failure {
        match self {
            Unread::Fault(fault) => Failure::remote(&fault),
            Unread::Malformed(malformed) => Failure::new(
                ErrorType::MalformedDistribution,
                format!(
                    "The configuration of distribution {id} cannot be understood ({malformed}); nothing was changed. Look at \
                     it with `aws cloudfront get-distribution-config --id {id}`."
                ),
            ),
        }
    }

    /// What kept it from being read, without a word about what was done before.
    pub(crate) fn why(&self) -> (ErrorType, String) {
        match self {
            Unread::Fault(fault) => (Failure::remote(fault).error_type, fault.to_string()),
            Unread::Malformed(malformed) => {
                (ErrorType::MalformedDistribution, format!("the configuration cannot be understood ({malformed})"))
            }
        }
    }
}

/// GetDistributionConfig, and a strict reading of it.
pub(crate) async fn read<C: Observe>(cloud: &C, id: &DistributionId) -> Result<Read, Failure> {
    try_read(cloud, id).await.map_err(|unread| unread.failure(id))
}

/// As [`read`], for whoever has done something already.
pub(crate) async fn try_read<C: Observe>(cloud: &C, id: &DistributionId) -> Result<Read, Unread> {
    let raw = cloud.distribution(id).await.map_err(Unread::Fault)?;
    let document = Document::parse(&raw.bytes).map_err(Unread::Malformed)?;
    Ok(Read { document, etag: raw.etag })
}

/// Says why a plan was refused, and what to do.
pub(crate) fn refused(id: &DistributionId, refusal: &FlipRefusal) -> Failure {
    let (error_type, advice) = match refusal {
        FlipRefusal::OtherDistribution => (
            ErrorType::MalformedDistribution,
            "this is not the distribution that was provisioned; look at it before anything else",
        ),
        FlipRefusal::ForeignTarget { .. } => {
            (ErrorType::ForeignTarget, "point it back to one of the two in CloudFront, or deploy the protection again")
        }
        FlipRefusal::BehaviorGone { .. } | FlipRefusal::OriginGone { .. } | FlipRefusal::OriginChanged { .. } => (
            ErrorType::ForeignTarget,
            "deploy the protection again (or undo the change to the distribution), then repeat the request",
        ),
    };
    Failure::new(error_type, format!("Distribution {id}: {refusal}; nothing was changed: {advice}."))
}

/// Brings the distribution to the plan's posture. `plan` is asked again for every reading; `first` is the reading that the
/// caller has made already. Before every write but the first `may_go_on` is told whether the distribution has changed since the one
/// before, and says why not: the ledger may have moved on, too.
pub(crate) async fn act<C: Observe + Apply, K: Clock>(
    cloud: &C,
    clock: &K,
    deadline: Timestamp,
    id: &DistributionId,
    first: Read,
    plan: impl Fn(&Document) -> Result<FlipPlan, FlipRefusal>,
    may_go_on: impl AsyncFn(bool) -> Result<Option<String>, Fault>,
) -> Result<Acted, Failed> {
    let mut seen = first;
    let mut sent: Option<Sent> = None;
    for attempt in 1..=ATTEMPTS {
        let before = sent.as_ref().map(|sent| &sent.fault);
        let planned = plan(&seen.document).map_err(|refusal| not_planned(id, before, &refusal))?;
        if planned.changes.is_empty() {
            return Ok(arrived(planned, seen, sent));
        }
        // The SDK has repeated a throttled write already; the next one belongs to the next request, or the next tick.
        if before.is_some_and(|fault| fault.kind == FaultKind::Throttled) {
            return Err(Failed { failure: gave_up(id, before, "AWS limits the rate of writes"), in_doubt: false });
        }
        if let Some(last) = &sent {
            let moved = last.condition != seen.etag;
            let until = (clock.now() + ATTEMPT).min(deadline - TO_WRITE);
            match within(clock, until, may_go_on(moved)).await {
                Some(Ok(None)) => {}
                // Sent again, it would have been fenced by the ETag that it carried; not sent again, it may arrive yet.
                Some(Ok(Some(why))) if last.may_arrive(&seen.etag) => {
                    let why = format!("it was not sent again: {why}");
                    return Err(in_doubt(id, gave_up_as(Some(&last.fault)), &why));
                }
                Some(Ok(Some(why))) => return Ok(held(planned, seen, why)),
                Some(Err(fault)) => return Err(ledger_unread(id, last, &seen.etag, &fault.to_string())),
                None => return Err(ledger_unread(id, last, &seen.etag, "no answer in time")),
            }
        }
        // Check: nothing but the planned nodes differs.
        let edits = planned.edits();
        let edited = seen.document.edit(&edits).map_err(|error| not_editable(id, before, &error.to_string()))?;
        check_edit(&seen.document, &edited, &edits).map_err(|error| not_editable(id, before, &error.to_string()))?;

        if clock.now() + TO_WRITE > deadline {
            return Err(out_of_time(id, before));
        }
        let write = cloud.put_distribution(id, edited.bytes(), &seen.etag);
        match within(clock, deadline - TO_READ_AGAIN, write).await.unwrap_or_else(|| Err(cut_off())) {
            Ok(accepted) => {
                let read_back = read_back(cloud, id, &seen.document, &edited, &accepted.etag, &edits);
                let remark = within(clock, deadline - RESERVE, read_back).await;
                let remark = remark.unwrap_or_else(|| Some("there was no time left to read it back".to_owned()));
                return Ok(Acted {
                    plan: planned,
                    etag_before: seen.etag,
                    etag: accepted.etag,
                    status: Some(accepted.status),
                    changed: true,
                    remark,
                    held: None,
                });
            }
            Err(fault) => {
                tracing::warn!(distribution = %id, attempt, error_type = ?fault.kind, %fault, "The write was not accepted; reading again");
                let was_in_doubt = sent.is_some();
                let (plan, etag_before) = match sent.take() {
                    Some(before) => (before.plan, before.etag_before),
                    None => (planned, seen.etag.clone()),
                };
                match fault.kind {
                    FaultKind::AccessDenied | FaultKind::Refused | FaultKind::NotFound => {
                        let failure = Failure::remote(&fault);
                        return Err(match was_in_doubt {
                            true => in_doubt(id, failure.error_type, &fault.to_string()),
                            false => Failed { failure, in_doubt: false },
                        });
                    }
                    FaultKind::Unknown | FaultKind::Stale | FaultKind::Malformed | FaultKind::Throttled => {
                        let condition = seen.etag.clone();
                        sent = Some(Sent { plan, etag_before, condition, bytes: edited.bytes().to_vec(), fault });
                    }
                }
            }
        }
        clock.sleep(pause(attempt, clock.now())).await;
        // A write without a clear answer is followed by a read, and by nothing else.
        let Some(again) = within(clock, deadline - RESERVE, try_read(cloud, id)).await else {
            return Err(out_of_time(id, sent.as_ref().map(|sent| &sent.fault)));
        };
        seen = again.map_err(|unread| {
            let (error_type, why) = unread.why();
            in_doubt(id, error_type, &why)
        })?;
    }
    let last = sent.as_ref().map(|sent| &sent.fault);
    let planned = plan(&seen.document).map_err(|refusal| not_planned(id, last, &refusal))?;
    if planned.changes.is_empty() {
        return Ok(arrived(planned, seen, sent));
    }
    let why = format!("{ATTEMPTS} writes were not accepted");
    Err(Failed { failure: gave_up(id, sent.as_ref().map(|sent| &sent.fault), &why), in_doubt: false })
}

/// A refusal of what was read after a write leaves no doubt, the flip is not in force: unless that was another distribution, which
/// says nothing of the write.
fn not_planned(id: &DistributionId, before: Option<&Fault>, refusal: &FlipRefusal) -> Failed {
    if before.is_some() && *refusal == FlipRefusal::OtherDistribution {
        return in_doubt(id, ErrorType::MalformedDistribution, &format!("what was read is another one ({refusal})"));
    }
    Failed { failure: refused(id, refusal), in_doubt: false }
}

/// The fault of a write whose answer was not waited for any longer.
fn cut_off() -> Fault {
    Fault::new(FaultKind::Unknown, "UpdateDistribution", "no answer in the time that this invocation has left")
}

/// A write that was sent without a clear answer.
struct Sent {
    plan: FlipPlan,
    etag_before: ETag,
    /// The ETag that the last write carried.
    condition: ETag,
    bytes: Vec<u8>,
    fault: Fault,
}

impl Sent {
    /// Whether the last write may still take effect: not once the distribution is another one than that which it was made for.
    fn may_arrive(&self, present: &ETag) -> bool {
        self.condition == *present && matches!(self.fault.kind, FaultKind::Unknown | FaultKind::Malformed)
    }
}

/// The distribution is where it should be: because of an earlier attempt of ours, or because it was there all along.
fn arrived(planned: FlipPlan, seen: Read, sent: Option<Sent>) -> Acted {
    match sent {
        Some(sent) => {
            let whose = if seen.document.bytes() == sent.bytes.as_slice() {
                "the write was applied although its answer was lost"
            } else {
                "the posture was reached while the write's answer was unclear; something else was changed beside it"
            };
            Acted {
                plan: sent.plan,
                etag_before: sent.etag_before,
                etag: seen.etag,
                status: None,
                changed: true,
                remark: Some(whose.to_owned()),
                held: None,
            }
        }
        None => Acted {
            plan: planned,
            etag_before: seen.etag.clone(),
            etag: seen.etag,
            status: None,
            changed: false,
            remark: None,
            held: None,
        },
    }
}

/// The distribution is where it was, and stays there.
fn held(planned: FlipPlan, seen: Read, why: String) -> Acted {
    Acted {
        plan: FlipPlan { after: planned.before, changes: Vec::new(), ..planned },
        etag_before: seen.etag.clone(),
        etag: seen.etag,
        status: None,
        changed: false,
        remark: None,
        held: Some(why),
    }
}

/// Reads what was written. A difference is reported and left alone: whoever made it had a reason.
async fn read_back<C: Observe>(
    cloud: &C,
    id: &DistributionId,
    before: &Document,
    written: &Document,
    etag: &ETag,
    edits: &[failopen::document::Edit],
) -> Option<String> {
    let raw = match cloud.distribution(id).await {
        Ok(raw) => raw,
        Err(fault) => return Some(format!("the write was accepted, but could not be read back ({fault})")),
    };
    if raw.bytes == written.bytes() {
        return None;
    }
    let verdict = match Document::parse(&raw.bytes) {
        Ok(found) => check_edit(before, &found, edits).err().map(|error| error.to_string()),
        Err(malformed) => Some(malformed.to_string()),
    };
    let why = verdict?;
    let remark = if raw.etag == *etag {
        format!("CloudFront stored something else than was written ({why}); compare the distribution with its source")
    } else {
        format!("the distribution was changed by someone else right after the write ({why})")
    };
    tracing::error!(distribution = %id, because = remark, "The read-back differs from what was written");
    Some(remark)
}

/// No time is left. `before`: the fault of the last write, where there was one.
fn out_of_time(id: &DistributionId, before: Option<&Fault>) -> Failed {
    let why = "the time of this invocation is up";
    match before {
        Some(fault) => in_doubt(id, gave_up_as(Some(fault)), &format!("{why} (last: {fault})")),
        None => Failed { failure: gave_up(id, None, why), in_doubt: false },
    }
}

/// Whether the flip is still wanted could not be asked.
fn ledger_unread(id: &DistributionId, last: &Sent, present: &ETag, why: &str) -> Failed {
    if last.may_arrive(present) {
        return in_doubt(id, ErrorType::LedgerUnavailable, &format!("the ledger could not be read ({why})"));
    }
    let message = format!(
        "Distribution {id} was not flipped: a write was not accepted ({}), and then the ledger could not be read ({why}), which says \
         whether the flip is still wanted; react asks again within a minute. DNS failover (layer 1) does not depend on this.",
        last.fault
    );
    Failed { failure: Failure::new(ErrorType::LedgerUnavailable, message), in_doubt: false }
}

fn not_editable(id: &DistributionId, before: Option<&Fault>, why: &str) -> Failed {
    let why = format!("the edit failed its own check ({why})");
    if before.is_some() {
        return in_doubt(id, ErrorType::MalformedDistribution, &why);
    }
    let failure = Failure::new(
        ErrorType::MalformedDistribution,
        format!("Distribution {id}: {why}; nothing was changed. Flip it by hand in CloudFront and report this."),
    );
    Failed { failure, in_doubt: false }
}

/// The end of a flip of which a write may be in force, whatever ended it.
fn in_doubt(id: &DistributionId, error_type: ErrorType, why: &str) -> Failed {
    let message = format!(
        "Whether distribution {id} was flipped is not known: a write got no clear answer, and then {why}. Traffic may move in \
         the next minutes. Ask for `status` (or `aws cloudfront get-distribution-config --id {id}`) before anything else, then \
         run the same command again. DNS failover (layer 1) does not depend on this."
    );
    Failed { failure: Failure::new(error_type, message), in_doubt: true }
}

fn gave_up(id: &DistributionId, last: Option<&Fault>, why: &str) -> Failure {
    let error_type = gave_up_as(last);
    let last = last.map_or(String::new(), |fault| format!(" (last: {fault})"));
    Failure::new(
        error_type,
        format!(
            "Distribution {id} was not flipped: {why}{last}; ask for `status`, then run the same command again. DNS failover \
             (layer 1) does not depend on this."
        ),
    )
}

fn gave_up_as(last: Option<&Fault>) -> ErrorType {
    match last.map(|fault| fault.kind) {
        Some(FaultKind::Stale) => ErrorType::DistributionChanged,
        Some(FaultKind::Throttled) => ErrorType::Throttled,
        Some(
            FaultKind::Unknown
            | FaultKind::Malformed
            | FaultKind::NotFound
            | FaultKind::AccessDenied
            | FaultKind::Refused,
        )
        | None => ErrorType::Unavailable,
    }
}

fn pause(attempt: u32, now: Timestamp) -> SignedDuration {
    jittered(FIRST_PAUSE * (1 << attempt.min(ATTEMPTS)), now).min(LONGEST_PAUSE)
}
