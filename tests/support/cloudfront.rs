//! CloudFront's side: configurations as raw bytes, compare-and-swap by ETag, and slow propagation.

use std::collections::BTreeMap;

use failopen::forwarding::{HeaderRule, PolicyId};
use failopen::id::{DistributionId, ETag};
use failopen::port::{DistributionStatus, FaultKind, PutAccepted, RawDistribution};
use jiff::{SignedDuration, Timestamp};

use crate::document;
use crate::refusal::Refusal;

/// All distributions of the account.
#[derive(Debug)]
pub struct CloudFront {
    distributions: BTreeMap<DistributionId, Distribution>,
    /// Time from an accepted write to `Deployed`. "Typically takes a few minutes" (DOC CFD26 associate-function.md).
    pub deploy_time: SignedDuration,
    /// Policies of the account's own.
    pub policies: BTreeMap<PolicyId, HeaderRule>,
    etags: u32,
}

#[derive(Debug)]
struct Distribution {
    versions: Vec<Vec<u8>>,
    /// When each of them was accepted.
    accepted_at: Vec<Timestamp>,
    etag: ETag,
    deployed_at: Timestamp,
    /// What GET answers instead of the configuration: a truncated body, or another's.
    garbled: Option<Vec<u8>>,
}

impl Distribution {
    fn current(&self) -> &[u8] {
        self.versions.last().map_or(&[], Vec::as_slice)
    }
}

impl Default for CloudFront {
    fn default() -> Self {
        Self {
            distributions: BTreeMap::new(),
            deploy_time: SignedDuration::from_mins(5),
            policies: BTreeMap::new(),
            etags: 0,
        }
    }
}

impl CloudFront {
    fn next_etag(&mut self) -> ETag {
        self.etags += 1;
        ETag::new(format!("E{:013}", self.etags))
    }

    /// A distribution that has been there for a long time.
    pub fn add(&mut self, id: DistributionId, bytes: Vec<u8>, now: Timestamp) {
        let etag = self.next_etag();
        let distribution =
            Distribution { versions: vec![bytes], accepted_at: vec![now], etag, deployed_at: now, garbled: None };
        self.distributions.insert(id, distribution);
    }

    pub fn remove(&mut self, id: &DistributionId) {
        self.distributions.remove(id);
    }

    pub(crate) fn policy(&self, policy: &PolicyId) -> Result<HeaderRule, Refusal> {
        let found = self.policies.get(policy).cloned();
        found.ok_or_else(|| Refusal::new(FaultKind::NotFound, format!("NoSuchPolicy: {policy}")))
    }

    pub(crate) fn read(&self, id: &DistributionId) -> Result<RawDistribution, Refusal> {
        let distribution = self.find(id)?;
        let bytes = distribution.garbled.clone().unwrap_or_else(|| distribution.current().to_vec());
        Ok(RawDistribution { bytes, etag: distribution.etag.clone() })
    }

    pub(crate) fn status(&self, id: &DistributionId, now: Timestamp) -> Result<DistributionStatus, Refusal> {
        let distribution = self.find(id)?;
        Ok(DistributionStatus {
            status: distribution.status(now).to_owned(),
            domain_name: format!("{}.cloudfront.net", id.as_str().to_lowercase()),
        })
    }

    /// UpdateDistribution "replaces the whole configuration; values are not merged" (DOC MODEL), on condition of the ETag:
    /// another one is `PreconditionFailed`, HTTP 412. That the condition is looked at before the configuration is assumed.
    pub(crate) fn write(
        &mut self,
        id: &DistributionId,
        bytes: &[u8],
        if_match: &ETag,
        now: Timestamp,
    ) -> Result<PutAccepted, Refusal> {
        let current = self.find(id)?;
        // `InvalidIfMatchVersion`, HTTP 400: header missing or invalid (DOC MODEL). The port presents it as stale.
        if if_match.as_str().is_empty() || if_match.as_str() == "*" {
            return Err(Refusal::new(
                FaultKind::Stale,
                "InvalidIfMatchVersion: the If-Match version is missing or not valid",
            ));
        }
        if *if_match != current.etag {
            let detail = format!("PreconditionFailed: the distribution is at {}, not {if_match}", current.etag);
            return Err(Refusal::new(FaultKind::Stale, detail));
        }
        let sent = document::accept(bytes)?;
        let before = document::accept(current.current())?;
        // CallerReference is immutable (DOC MODEL); that the error is `IllegalUpdate` is assumed.
        if sent.caller_reference() != before.caller_reference() {
            return Err(Refusal::refused("IllegalUpdate: the CallerReference cannot be changed"));
        }
        Ok(self.replace(id, bytes.to_vec(), now))
    }

    /// Someone else's accepted write: the console, Terraform, another pipeline.
    pub fn edit(&mut self, id: &DistributionId, now: Timestamp, edit: impl FnOnce(&str) -> String) {
        let before = String::from_utf8(self.bytes(id).to_vec()).expect("the fake's configurations are UTF-8");
        let after = edit(&before);
        assert_ne!(before, after, "a foreign edit must change something, or the test proves nothing");
        self.replace(id, after.into_bytes(), now);
    }

    /// A new ETag without any edit: ETags change when a policy or function that the distribution uses is redeployed
    /// (terraform-provider-aws #24537, #22816, #24033).
    pub fn churn(&mut self, id: &DistributionId) {
        let etag = self.next_etag();
        self.find_mut(id).etag = etag;
    }

    /// Makes GET answer these bytes, with HTTP 200, until [`CloudFront::ungarble`].
    pub fn garble(&mut self, id: &DistributionId, bytes: impl Into<Vec<u8>>) {
        self.find_mut(id).garbled = Some(bytes.into());
    }

    pub fn ungarble(&mut self, id: &DistributionId) {
        self.find_mut(id).garbled = None;
    }

    /// The configuration as it is now.
    pub fn bytes(&self, id: &DistributionId) -> &[u8] {
        self.find(id).expect("the test names a distribution that it made").current()
    }

    /// Every configuration that was ever in force, oldest first.
    pub fn versions(&self, id: &DistributionId) -> &[Vec<u8>] {
        &self.find(id).expect("the test names a distribution that it made").versions
    }

    /// Every configuration that some edge may still have: the last one, and those whose successor was accepted less than
    /// [`CloudFront::deploy_time`] ago. "Successive changes propagate in order" (DOC CFD26 howtoupdatedistribution.md).
    pub fn on_edges(&self, id: &DistributionId, now: Timestamp) -> Vec<&[u8]> {
        let distribution = self.find(id).expect("the test names a distribution that it made");
        let successors = distribution.accepted_at.iter().skip(1).map(|accepted| now < *accepted + self.deploy_time);
        let in_use = successors.chain([true]);
        distribution.versions.iter().zip(in_use).filter(|(_, in_use)| *in_use).map(|(bytes, _)| &**bytes).collect()
    }

    /// Every distribution's configuration, as text.
    pub fn all(&self) -> BTreeMap<DistributionId, String> {
        let text = |distribution: &Distribution| String::from_utf8_lossy(distribution.current()).into_owned();
        self.distributions.iter().map(|(id, distribution)| (id.clone(), text(distribution))).collect()
    }

    pub fn etag(&self, id: &DistributionId) -> &ETag {
        &self.find(id).expect("the test names a distribution that it made").etag
    }

    fn replace(&mut self, id: &DistributionId, bytes: Vec<u8>, now: Timestamp) -> PutAccepted {
        let etag = self.next_etag();
        let deployed_at = now + self.deploy_time;
        let distribution = self.find_mut(id);
        distribution.versions.push(bytes);
        distribution.accepted_at.push(now);
        distribution.etag = etag.clone();
        // "Successive changes propagate in order" (DOC CFD26 howtoupdatedistribution.md): the last one decides.
        distribution.deployed_at = deployed_at;
        PutAccepted { etag, status: distribution.status(now).to_owned() }
    }

    fn find(&self, id: &DistributionId) -> Result<&Distribution, Refusal> {
        self.distributions.get(id).ok_or_else(|| {
            Refusal::not_found(format!("NoSuchDistribution: the specified distribution {id} does not exist"))
        })
    }

    fn find_mut(&mut self, id: &DistributionId) -> &mut Distribution {
        self.distributions.get_mut(id).expect("the test names a distribution that it made")
    }
}

impl Distribution {
    /// `InProgress` until every edge has the configuration, then `Deployed` (DOC CFD26 howtoupdatedistribution.md).
    fn status(&self, now: Timestamp) -> &'static str {
        if now < self.deployed_at { "InProgress" } else { "Deployed" }
    }
}
