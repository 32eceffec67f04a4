//! What stays in the ledger of a protection that was deleted: enough to tell a request of before from a new one.
//!
//! CloudFormation sends the requests of one resource one after the other, but Lambda delivers them at least once, late and
//! at the same time: a Create that was cancelled may still be on its way when its Delete has ended, and would build what
//! nobody will ever remove.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::OwnerMark;
use crate::ledger::Versioned;

/// How long a tombstone is kept. Lambda keeps an event of provision for an hour (`MaximumEventAgeInSeconds` in
/// template.yaml) and runs it for a quarter of one; the rest is margin.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// RequestIds that one tombstone names at most, newest first: a stack that is rolled back again and again stays small.
const ENDED_KEPT: usize = 16;

/// What the ledger holds under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is read; none is ever kept")]
pub enum Slot {
    Free,
    /// No protection: only the memory of those that were deleted.
    Buried(Buried),
    Taken(Versioned),
}

/// The tombstones of a name that no protection has, with the version that a write must be conditional on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buried {
    pub tombstones: Vec<Tombstone>,
    pub version: u64,
}

/// One request of CloudFormation, as far as it can be put in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    pub request_id: String,
    /// When CloudFormation signed the request's ResponseURL; `None` where the URL does not say.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

impl Sent {
    pub fn new(request_id: impl Into<String>, response_url: &str) -> Self {
        Self { request_id: request_id.into(), at: signed_at(response_url) }
    }

    /// Whether CloudFormation has certainly gone on to `other` since it sent this one.
    pub fn is_before(&self, other: &Sent) -> bool {
        self.request_id != other.request_id && self.at.zip(other.at).is_some_and(|(this, other)| this < other)
    }
}

/// A Delete that has ended. Whatever was sent before it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    pub owner: OwnerMark,
    /// RequestIds of the Delete and of the Create whose work it removed, as far as that is known.
    pub ended: Vec<String>,
    /// When CloudFormation sent the Delete, as far as that is known.
    pub sent_at: Option<Timestamp>,
    /// From here on nothing of before can arrive any more.
    pub expires_at: Timestamp,
}

impl Tombstone {
    /// The memory of `delete`, which removed what the Create with the RequestId `created_by` had made.
    pub fn new(owner: OwnerMark, delete: &Sent, created_by: Option<&str>, now: Timestamp) -> Self {
        let ended = [Some(delete.request_id.as_str()), created_by].into_iter().flatten().map(str::to_owned).collect();
        Self { owner, ended, sent_at: delete.at, expires_at: now + KEPT }
    }

    /// Whether a request of the same owner is over: it is named here, or was sent no later than the Delete.
    pub fn ends(&self, request: &Sent) -> bool {
        let is_named = self.ended.contains(&request.request_id);
        is_named || request.at.zip(self.sent_at).is_some_and(|(request, delete)| request <= delete)
    }
}

/// The tombstone of one owner.
pub fn of<'t>(tombstones: &'t [Tombstone], owner: &OwnerMark) -> Option<&'t Tombstone> {
    tombstones.iter().find(|tombstone| tombstone.owner == *owner)
}

/// `tombstones` and a new one, without those that have expired. One of the same owner is replaced: its requests are still
/// named, because a request may lack the time that would put it in order.
pub fn with(tombstones: &[Tombstone], mut new: Tombstone, now: Timestamp) -> Vec<Tombstone> {
    let mut kept: Vec<Tombstone> = tombstones.iter().filter(|tombstone| tombstone.expires_at > now).cloned().collect();
    if let Some(at) = kept.iter().position(|tombstone| tombstone.owner == new.owner) {
        let before = kept.remove(at);
        let former: Vec<String> = before.ended.into_iter().filter(|id| !new.ended.contains(id)).collect();
        new.ended.extend(former);
        new.ended.truncate(ENDED_KEPT);
        new.sent_at = new.sent_at.max(before.sent_at);
    }
    kept.push(new);
    kept
}

/// `X-Amz-Date` of a pre-signed URL (AWS Signature Version 4, query string): when it was signed, in UTC. It orders the
/// requests of one resource, all of which CloudFormation signs.
fn signed_at(url: &str) -> Option<Timestamp> {
    let (_, query) = url.split_once('?')?;
    let date = query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Date="))?;
    date.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(request_id: &str, second: u32) -> Sent {
        Sent::new(request_id, &format!("https://bucket/x?X-Amz-Expires=7200&X-Amz-Date=20261122T1200{second:02}Z&b=1"))
    }

    fn undated(request_id: &str) -> Sent {
        Sent::new(request_id, "http://localhost:4566/response/1")
    }

    fn noon() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().expect("a timestamp")
    }

    fn owner() -> OwnerMark {
        OwnerMark::new("0123456789ab")
    }

    #[test]
    fn a_request_says_when_it_was_signed_or_nothing() {
        assert_eq!(sent("r", 0).at, Some(noon()));
        for url in
            ["", "https://bucket/x", "https://bucket/x?X-Amz-Date=", "https://bucket/x?X-Amz-Date=20269922T120000Z"]
        {
            assert_eq!(Sent::new("r", url).at, None, "{url}");
        }
    }

    #[test]
    fn a_request_comes_before_another_only_where_both_say_when_they_were_signed() {
        assert!(sent("one", 9).is_before(&sent("other", 10)));
        for (this, other) in [
            (sent("one", 10), sent("other", 10)),
            (sent("one", 11), sent("other", 10)),
            (sent("one", 9), sent("one", 10)),
            (sent("one", 9), undated("other")),
            (undated("one"), sent("other", 10)),
        ] {
            assert!(!this.is_before(&other), "{this:?} {other:?}");
        }
    }

    #[test]
    fn what_was_sent_before_a_delete_is_over_and_what_was_sent_after_it_is_not() {
        let tombstone = Tombstone::new(owner(), &sent("delete", 10), Some("create"), noon());
        for over in [sent("never seen", 9), sent("never seen", 10), sent("delete", 11), undated("create")] {
            assert!(tombstone.ends(&over), "{over:?}");
        }
        for new in [sent("new", 11), undated("new")] {
            assert!(!tombstone.ends(&new), "{new:?}");
        }
    }

    #[test]
    fn a_second_delete_forgets_nothing_of_the_first_and_expired_tombstones_go() {
        let other = Tombstone::new(OwnerMark::new("ba9876543210"), &undated("other"), None, noon());
        let first = Tombstone::new(owner(), &sent("delete 1", 10), Some("create 1"), noon());
        let second = Tombstone::new(owner(), &undated("delete 2"), None, noon());
        let both = with(&[other.clone(), first], second, noon());
        let ours = of(&both, &owner()).expect("ours");
        assert_eq!(ours.ended, ["delete 2", "delete 1", "create 1"]);
        assert!(ours.ends(&sent("never seen", 9)));
        assert_eq!(of(&both, &other.owner), Some(&other));
        let later = noon() + KEPT;
        let third = Tombstone::new(owner(), &undated("delete 3"), None, later);
        assert_eq!(with(&both, third.clone(), later), [third]);
    }
}
