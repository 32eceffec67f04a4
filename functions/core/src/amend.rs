//! Changing a ledger row without losing anybody else's change.

use crate::id::ProtectionName;
use crate::ledger::{Row, Versioned};
use crate::port::{Apply, Fault, FaultKind, Observe};

/// Attempts before giving up: every lost one means that somebody else's write succeeded.
const ATTEMPTS: usize = 6;
/// Writes without a clear answer before giving up. The SDK has repeated each already, and a function's time is short.
const DOUBTS: usize = 2;

/// What the change wants done with the row that it has just seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amendment {
    Write,
    /// The row, as it is now, asks for no change.
    Leave,
}

/// Why a row was not amended, as far as anybody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct Unamended {
    pub fault: Fault,
    /// A write was sent without a clear answer, and no reading has shown it: the row may hold the change, or come to.
    pub in_doubt: bool,
}

/// A write that was sent without a clear answer.
struct Doubt {
    row: Row,
    /// On condition of which version.
    version: u64,
    /// Writes on this condition so far.
    writes: usize,
    fault: Fault,
}

impl Doubt {
    fn is_what_became_of(&self, found: &Row, version: u64) -> bool {
        version > self.version && *found == self.row
    }

    fn unresolved(self) -> Unamended {
        Unamended { fault: self.fault, in_doubt: true }
    }

    fn unresolved_by(self, next: &Fault) -> Unamended {
        let detail = format!("{}, and then {next}", self.fault.detail);
        Unamended { fault: Fault { detail, ..self.fault }, in_doubt: true }
    }
}

/// Reads the row, lets `change` edit it, and writes it on condition of the version read; again on a lost race, with the
/// change applied to what the winner wrote. A write without a clear answer is followed by a read: a row that is what was
/// written is success, and any other is amended again. `Ok(None)`: the row does not exist.
///
/// # Errors
/// The fault of the read or the write; [`FaultKind::Stale`] after too many lost races.
pub async fn amend<C: Observe + Apply>(
    cloud: &C,
    name: &ProtectionName,
    mut change: impl FnMut(&mut Row) -> Amendment,
) -> Result<Option<Versioned>, Unamended> {
    let mut doubt: Option<Doubt> = None;
    for _ in 0..ATTEMPTS {
        let read = cloud.row(name).await;
        let Some(Versioned { mut row, version }) = read.map_err(|fault| unamended(doubt.take(), fault))? else {
            return Ok(None);
        };
        match doubt.take() {
            Some(doubt) if doubt.is_what_became_of(&row, version) => return Ok(Some(Versioned { row, version })),
            Some(doubt) if doubt.version == version && doubt.writes >= DOUBTS => return Err(doubt.unresolved()),
            Some(still) if still.version == version => doubt = Some(still),
            // Somebody else has written since: the write in doubt was written over, or its condition never holds again.
            Some(_) | None => {}
        }
        match change(&mut row) {
            Amendment::Leave => return Ok(Some(Versioned { row, version })),
            Amendment::Write => {}
        }
        match cloud.put_row(&row, Some(version)).await {
            Ok(version) => return Ok(Some(Versioned { row, version })),
            Err(fault) => match fault.kind {
                FaultKind::Stale => {}
                FaultKind::Unknown | FaultKind::Throttled | FaultKind::Malformed => {
                    let writes = doubt.map_or(0, |doubt| doubt.writes) + 1;
                    doubt = Some(Doubt { row, version, writes, fault });
                }
                FaultKind::NotFound | FaultKind::AccessDenied | FaultKind::Refused => {
                    return Err(unamended(doubt, fault));
                }
            },
        }
    }
    let changing = Fault::new(FaultKind::Stale, "PutItem", format!("row {name} keeps changing under our hands"));
    Err(unamended(doubt, changing))
}

/// The end of it, by a fault that is clear in itself.
fn unamended(doubt: Option<Doubt>, fault: Fault) -> Unamended {
    match doubt {
        Some(doubt) => doubt.unresolved_by(&fault),
        None => Unamended { fault, in_doubt: false },
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::ledger::Lifecycle;
    use crate::sample;
    use crate::sample_cloud::SampleCloud;

    /// A ledger with one row at version 7, whose next writes end in these faults.
    fn ledger(faults: &[FaultKind]) -> SampleCloud {
        let cloud = SampleCloud::default();
        *cloud.row.borrow_mut() = Some(Versioned { row: sample::row(), version: 7 });
        *cloud.faults.borrow_mut() = faults.to_vec();
        cloud
    }

    fn delete(cloud: &SampleCloud) -> Result<Option<Versioned>, Unamended> {
        let change = |row: &mut Row| {
            row.lifecycle = Lifecycle::Deleting;
            Amendment::Write
        };
        amend(cloud, &ProtectionName::new("www"), change).now_or_never().expect("nothing waits here")
    }

    #[test]
    fn a_change_is_written_on_condition_of_what_was_read() {
        let cloud = ledger(&[]);
        let written = delete(&cloud).expect("no fault").expect("a row");
        assert_eq!((written.version, written.row.lifecycle), (8, Lifecycle::Deleting));
        assert_eq!(*cloud.row.borrow(), Some(written));
    }

    #[test]
    fn a_lost_race_is_run_again_on_what_the_winner_wrote() {
        let cloud = ledger(&[FaultKind::Stale, FaultKind::Stale]);
        let written = delete(&cloud).expect("the third try wins").expect("a row");
        assert_eq!((written.version, cloud.writes.get()), (10, 3));
        assert_eq!(written.row.logical_id, "written by somebody else, version 9");
        assert_eq!(written.row.lifecycle, Lifecycle::Deleting);
    }

    #[test]
    fn too_many_lost_races_are_a_stale_row_and_a_clear_refusal_ends_it_at_once() {
        let cloud = ledger(&[FaultKind::Stale; 20]);
        let given_up = delete(&cloud).expect_err("it gives up");
        assert_eq!((given_up.fault.kind, given_up.in_doubt), (FaultKind::Stale, false));
        assert_eq!(cloud.writes.get(), ATTEMPTS);
        let cloud = ledger(&[FaultKind::AccessDenied]);
        let refused = delete(&cloud).expect_err("it is refused");
        assert_eq!((refused.fault.kind, refused.in_doubt), (FaultKind::AccessDenied, false));
        assert_eq!(cloud.writes.get(), 1);
    }

    #[test]
    fn a_write_whose_answer_was_lost_is_recognised_by_what_it_wrote() {
        for kind in [FaultKind::Unknown, FaultKind::Throttled, FaultKind::Malformed] {
            let cloud = ledger(&[kind]);
            cloud.loses_answers.set(true);
            let written = delete(&cloud).expect("the row is what was written").expect("a row");
            assert_eq!((written.version, written.row.lifecycle), (8, Lifecycle::Deleting), "{kind:?}");
            assert_eq!(cloud.writes.get(), 1, "{kind:?}: it is not written twice");
        }
    }

    #[test]
    fn a_write_that_comes_late_is_recognised_when_its_repetition_loses_to_it() {
        let cloud = ledger(&[FaultKind::Unknown]);
        let mut changes = 0;
        let change = |row: &mut Row| {
            changes += 1;
            row.lifecycle = Lifecycle::Deleting;
            if changes == 2 {
                *cloud.row.borrow_mut() = Some(Versioned { row: row.clone(), version: 8 });
            }
            Amendment::Write
        };
        let written = amend(&cloud, &ProtectionName::new("www"), change).now_or_never().expect("nothing waits here");
        assert_eq!(written.expect("it is there").expect("a row").version, 8);
        assert_eq!((changes, cloud.writes.get()), (2, 2));
    }

    #[test]
    fn a_write_that_did_not_arrive_is_written_once_more_and_then_left_in_doubt() {
        let cloud = ledger(&[FaultKind::Unknown]);
        let written = delete(&cloud).expect("the second write is answered").expect("a row");
        assert_eq!((written.version, cloud.writes.get()), (8, 2));
        let cloud = ledger(&[FaultKind::Unknown; 20]);
        let unresolved = delete(&cloud).expect_err("the outcome is unknown");
        assert_eq!((unresolved.fault.kind, unresolved.in_doubt), (FaultKind::Unknown, true));
        assert_eq!(cloud.writes.get(), DOUBTS);
        let cloud = ledger(&[FaultKind::Unknown, FaultKind::AccessDenied]);
        let unresolved = delete(&cloud).expect_err("the second write is refused, and the first one may still arrive");
        assert!(unresolved.in_doubt && unresolved.fault.detail.contains(", and then PutItem"), "{unresolved}");
    }

    #[test]
    fn a_write_in_doubt_has_not_happened_while_the_version_stands_even_where_it_would_change_nothing() {
        let cloud = ledger(&[FaultKind::Unknown]);
        let same = amend(&cloud, &ProtectionName::new("www"), |_| Amendment::Write).now_or_never().expect("ready");
        assert_eq!((same.expect("the second write is answered").expect("a row").version, cloud.writes.get()), (8, 2));
    }

    #[test]
    fn a_doubt_ends_with_the_next_write_of_somebody_else() {
        let cloud = ledger(&[FaultKind::Unknown, FaultKind::Stale, FaultKind::AccessDenied]);
        let refused = delete(&cloud).expect_err("it is refused");
        assert!(!refused.in_doubt, "the condition of the write in doubt never holds again");
        let cloud = ledger(&[FaultKind::Stale, FaultKind::Unknown, FaultKind::Stale]);
        assert_eq!(delete(&cloud).expect("the fourth try wins").expect("a row").version, 10);
    }

    #[test]
    fn what_asks_for_no_change_and_what_is_not_there_is_not_written() {
        let cloud = ledger(&[]);
        let left = amend(&cloud, &ProtectionName::new("www"), |_| Amendment::Leave).now_or_never().expect("ready");
        assert_eq!(left.expect("no fault").expect("a row").version, 7);
        let gone = amend(&cloud, &ProtectionName::new("api"), |_| Amendment::Write).now_or_never().expect("ready");
        assert_eq!(gone, Ok(None));
        assert_eq!(cloud.writes.get(), 0);
    }
}
