//! Route 53 health checks: idempotent creation, versions, and checkers that need time before they say anything.

use std::collections::{BTreeMap, BTreeSet};

use failopen::id::{HealthCheckId, Hostname};
use failopen::port::{Checkers, FaultKind, HealthCheckConfig, ObservedHealthCheck};
use jiff::{SignedDuration, Timestamp};

use crate::refusal::Refusal;

/// Checkers that report on one endpoint; how many AWS uses is not documented, so 16 is assumed.
const CHECKERS: u32 = 16;
/// Active checks an account may have (DOC R53 DNSLimitations.md).
const QUOTA: usize = 200;

/// All health checks of the account, and what the internet looks like to their checkers.
#[derive(Debug, Default)]
pub struct HealthChecks {
    checks: BTreeMap<HealthCheckId, Check>,
    /// Every reference ever used, deleted checks' included.
    references: BTreeMap<String, HealthCheckId>,
    hosts_down: BTreeSet<Hostname>,
    created: u32,
}

#[derive(Debug)]
struct Check {
    observed: ObservedHealthCheck,
    /// Settings at creation: what a repeated CreateHealthCheck is compared with.
    created_with: HealthCheckConfig,
    created_at: Timestamp,
    /// Says for itself what its checkers see, where no host decides it (CALCULATED, CLOUDWATCH_METRIC).
    told: Option<Checkers>,
    tags: BTreeMap<String, String>,
}

impl HealthChecks {
    /// "Same reference and settings returns the existing check. Same reference with other settings, or one used by a
    /// deleted check, gives `HealthCheckAlreadyExists` 409" (DOC MODEL CreateHealthCheck).
    pub(crate) fn create(
        &mut self,
        reference: &str,
        config: &HealthCheckConfig,
        now: Timestamp,
    ) -> Result<HealthCheckId, Refusal> {
        if reference.is_empty() || reference.len() > 64 {
            // CallerReference has 1 to 64 characters (DOC MODEL).
            return Err(Refusal::refused("InvalidInput: CallerReference must have 1 to 64 characters"));
        }
        if let Some(id) = self.references.get(reference) {
            return match self.checks.get(id) {
                Some(check) if check.created_with == *config => Ok(id.clone()),
                Some(_) => Err(Refusal::refused(format!(
                    "HealthCheckAlreadyExists: the reference {reference} was used with other settings"
                ))),
                None => Err(Refusal::refused(format!(
                    "HealthCheckAlreadyExists: the reference {reference} belongs to a deleted health check"
                ))),
            };
        }
        validate(config)?;
        if self.checks.len() >= QUOTA {
            return Err(Refusal::refused("TooManyHealthChecks: the account has as many health checks as it may"));
        }
        self.created += 1;
        let id = HealthCheckId::new(format!("{:08x}-2222-3333-4444-555555555555", self.created));
        self.insert(id.clone(), reference, config.clone(), now);
        Ok(id)
    }

    /// A check that somebody else made.
    pub fn add(&mut self, id: HealthCheckId, config: HealthCheckConfig, now: Timestamp) {
        let reference = format!("made-elsewhere-{}", self.references.len());
        self.insert(id, &reference, config, now);
    }

    fn insert(&mut self, id: HealthCheckId, reference: &str, config: HealthCheckConfig, now: Timestamp) {
        let observed = ObservedHealthCheck {
            id: id.clone(),
            caller_reference: reference.to_owned(),
            version: 1,
            config: config.clone(),
        };
        let check = Check { observed, created_with: config, created_at: now, told: None, tags: BTreeMap::new() };
        self.references.insert(reference.to_owned(), id.clone());
        self.checks.insert(id, check);
    }

    /// The check as GetHealthCheck shows it.
    pub fn read(&self, id: &HealthCheckId) -> Option<ObservedHealthCheck> {
        self.checks.get(id).map(|check| check.observed.clone())
    }

    pub(crate) fn by_reference(&self, reference: &str) -> Option<ObservedHealthCheck> {
        self.references.get(reference).and_then(|id| self.read(id))
    }

    /// "UpdateHealthCheck takes HealthCheckVersion (409 `HealthCheckVersionMismatch`: re-Get, re-apply)" (DOC MODEL). Type
    /// and RequestInterval are immutable (DOC MODEL) and are not sent; they stay what they are.
    pub(crate) fn update(
        &mut self,
        id: &HealthCheckId,
        version: i64,
        config: &HealthCheckConfig,
    ) -> Result<(), Refusal> {
        let check = self.checks.get_mut(id).ok_or_else(|| missing(id))?;
        if check.observed.version != version {
            return Err(Refusal::new(
                FaultKind::Stale,
                format!("HealthCheckVersionMismatch: the check is at version {}", check.observed.version),
            ));
        }
        let kept = &check.observed.config;
        let next = HealthCheckConfig {
            check_type: kept.check_type.clone(),
            interval_seconds: kept.interval_seconds,
            ..config.clone()
        };
        validate(&next)?;
        check.observed.config = next;
        check.observed.version += 1;
        Ok(())
    }

    /// Deleting what is gone succeeds: that is how the port presents `NoSuchHealthCheck`. "Route 53 does not prevent you from
    /// deleting a health check even if the health check is associated with one or more resource record sets" (API reference,
    /// DeleteHealthCheck; `HealthCheckInUse` "is not in use"). The reference stays remembered ("a number of days", same).
    pub fn delete(&mut self, id: &HealthCheckId) {
        self.checks.remove(id);
    }

    pub(crate) fn tag(&mut self, id: &HealthCheckId, tags: &[(String, String)]) -> Result<(), Refusal> {
        let check = self.checks.get_mut(id).ok_or_else(|| missing(id))?;
        check.tags.extend(tags.iter().cloned());
        Ok(())
    }

    /// The first reports come one interval after creation (assumed; the documentation says "until enough data arrives").
    pub(crate) fn checkers(&self, id: &HealthCheckId, now: Timestamp) -> Result<Checkers, Refusal> {
        let check = self.checks.get(id).ok_or_else(|| missing(id))?;
        if let Some(told) = check.told {
            return Ok(told);
        }
        let interval = check.observed.config.interval_seconds.unwrap_or(30);
        if now < check.created_at + SignedDuration::from_secs(i64::from(interval)) {
            return Ok(Checkers { reporting: 0, healthy: 0 });
        }
        let up = check.observed.config.host.as_ref().is_none_or(|host| !self.hosts_down.contains(host));
        Ok(Checkers { reporting: CHECKERS, healthy: if up { CHECKERS } else { 0 } })
    }

    /// The metric HealthCheckStatus: a minute's value comes when the minute is over.
    pub(crate) fn reported(&self, id: &HealthCheckId, now: Timestamp) -> Result<Option<bool>, Refusal> {
        let Some(check) = self.checks.get(id) else { return Ok(None) };
        let begun = check.created_at + SignedDuration::from_mins(1) <= now;
        Ok((begun && !check.observed.config.disabled).then(|| self.is_healthy(id, now)))
    }

    /// What Route 53 makes of a check when it answers a query. A new check is healthy until enough data arrives, a
    /// disabled one always; Inverted turns the verdict over (DOC R53, MODEL). A record without a check is healthy, and so
    /// is one whose check is gone ("the effect is then unpredictable", DOC MODEL: assumed).
    pub fn is_healthy(&self, id: &HealthCheckId, now: Timestamp) -> bool {
        let Some(check) = self.checks.get(id) else { return true };
        if check.observed.config.disabled {
            return true;
        }
        let verdict = self.checkers(id, now).ok().and_then(Checkers::verdict).unwrap_or(true);
        verdict != check.observed.config.inverted
    }

    /// Whether the checkers reach this host.
    pub fn set_host_up(&mut self, host: &Hostname, up: bool) {
        if up {
            self.hosts_down.remove(host);
        } else {
            self.hosts_down.insert(host.clone());
        }
    }

    /// Says what the checkers of one check see, whatever its host does.
    pub fn set_checkers(&mut self, id: &HealthCheckId, checkers: Checkers) {
        self.checks.get_mut(id).expect("the test names a health check that it made").told = Some(checkers);
    }

    /// Someone else's edit of a check.
    pub fn edit(&mut self, id: &HealthCheckId, edit: impl FnOnce(&mut HealthCheckConfig)) {
        let observed = &mut self.checks.get_mut(id).expect("the test names a health check that it made").observed;
        edit(&mut observed.config);
        observed.version += 1;
    }

    pub fn ids(&self) -> Vec<HealthCheckId> {
        self.checks.keys().cloned().collect()
    }

    pub fn tags(&self, id: &HealthCheckId) -> BTreeMap<String, String> {
        self.checks.get(id).map(|check| check.tags.clone()).unwrap_or_default()
    }

    pub(crate) fn exists(&self, id: &HealthCheckId) -> bool {
        self.checks.contains_key(id)
    }
}

fn missing(id: &HealthCheckId) -> Refusal {
    Refusal::not_found(format!("NoSuchHealthCheck: no health check exists with the id {id}"))
}

/// Interval 10 or 30 s, FailureThreshold 1 to 10, the types of the model (DOC MODEL).
fn validate(config: &HealthCheckConfig) -> Result<(), Refusal> {
    const TYPES: [&str; 8] = [
        "HTTP",
        "HTTPS",
        "HTTP_STR_MATCH",
        "HTTPS_STR_MATCH",
        "TCP",
        "CALCULATED",
        "CLOUDWATCH_METRIC",
        "RECOVERY_CONTROL",
    ];
    let text_matching = config.check_type.ends_with("_STR_MATCH");
    let problem = if !TYPES.contains(&config.check_type.as_str()) {
        Some("Type")
    } else if config.interval_seconds.is_some_and(|seconds| seconds != 10 && seconds != 30) {
        Some("RequestInterval")
    } else if config.failure_threshold.is_some_and(|count| !(1..=10).contains(&count)) {
        Some("FailureThreshold")
    } else if text_matching != config.search_string.is_some() {
        Some("SearchString")
    } else if !config.regions.is_empty() && config.regions.len() < 3 {
        Some("Regions")
    } else {
        None
    };
    match problem {
        Some(field) => Err(Refusal::refused(format!("InvalidInput: {field} is not valid"))),
        None => Ok(()),
    }
}
