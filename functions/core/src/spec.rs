//! What a protection should be: the properties of `Custom::FailOpenProtection` as they are meant, after parsing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{AlarmName, DistributionId, HealthCheckId, HostedZoneId, Hostname, PathPattern, ProtectionName};
use crate::secret::Secret;

/// Desired state of one protection. Made by [`crate::properties`] from what the user typed; kept in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub name: ProtectionName,
    pub distribution: DistributionId,
    pub failover_record: Hostname,
    pub inspection: Hostname,
    pub application: Hostname,
    pub dns: Dns,
    /// Patterns of the protected behaviours, in the order given; never empty.
    pub traffic: Vec<PathPattern>,
    /// Seconds, 1 to 300.
    pub record_ttl: u32,
    /// HTTPS port of both hostnames (a CloudFront origin has one).
    pub origin_port: u16,
    pub health_check: HealthCheckSpec,
    /// `None`: the application answers unconditionally when inspection is unhealthy.
    pub secondary_health_check: Option<HealthCheckId>,
    /// Minutes of unhealthy metric before the alarm fires.
    pub alarm_evaluation_periods: u32,
    /// Order among protections that fail together, lower first.
    pub priority: i32,
    /// The user's own alarms that also speak for inspection being broken.
    pub additional_alarms: Vec<AlarmName>,
    pub automation: Automation,
    pub application_check: ApplicationCheck,
    pub preflight: Preflight,
}

/// Who does health checks and failover for the failover record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Dns {
    /// Route 53: we own two failover records in this public zone.
    Route53 { zone: Zone },
    /// Another DNS service; we create no record.
    External,
}

impl Dns {
    pub fn zone(&self) -> Option<&Zone> {
        match self {
            Dns::Route53 { zone } => Some(zone),
            Dns::External => None,
        }
    }
}

/// A hosted zone, and how to reach it when it lives in another account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    pub id: HostedZoneId,
    pub role: Option<ZoneRole>,
}

/// Role of another account that may change the failover record there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneRole {
    pub arn: String,
    #[serde(default, with = "crate::secret::stored")]
    pub external_id: Option<Secret<String>>,
}

impl fmt::Debug for ZoneRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZoneRole").field("arn", &self.arn).finish_non_exhaustive()
    }
}

/// What a protection takes permission to touch, as far as it can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    pub distribution: Option<DistributionId>,
    /// Where the zone's records are ours to make.
    pub record: Option<Hostname>,
    pub zone: Option<HostedZoneId>,
    /// ARN.
    pub zone_role: Option<String>,
}

impl Touched {
    pub fn by(spec: &Spec) -> Self {
        let zone = spec.dns.zone();
        Self {
            distribution: Some(spec.distribution.clone()),
            record: zone.map(|_| spec.failover_record.clone()),
            zone: zone.map(|zone| zone.id.clone()),
            zone_role: zone.and_then(|zone| zone.role.as_ref()).map(|role| role.arn.clone()),
        }
    }
}

/// The health check on inspection: ours, or one that exists already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum HealthCheckSpec {
    Managed(ManagedHealthCheck),
    /// An existing check of any type: never changed and never deleted.
    Adopted {
        id: HealthCheckId,
    },
}

/// Settings of a health check that we create on `InspectionHostname`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedHealthCheck {
    pub path: String,
    pub port: u16,
    /// Immutable in Route 53: a change replaces the check.
    pub protocol: CheckType,
    /// 10 or 30 seconds. Immutable in Route 53.
    pub interval_seconds: u32,
    /// 1 to 10 consecutive failures.
    pub failure_threshold: u32,
    /// Text wanted in the first 5,120 bytes of the answer; turns HTTP(S) into HTTP(S)_STR_MATCH.
    pub search_string: Option<String>,
    /// Empty: Route 53's own choice. Otherwise at least three checker regions.
    pub regions: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CheckType {
    Https,
    Http,
    Tcp,
}

/// The rules of layer 2 that may change on Update without touching AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Automation {
    pub edge_fail_open: EdgeFailOpen,
    pub fail_back: FailBack,
    pub hold_down_seconds: u32,
    pub minimum_dwell_seconds: u32,
    pub maximum_flips_per_day: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeFailOpen {
    Off,
    Notify,
    Automatic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailBack {
    Automatic,
    Manual,
}

/// What has to be true of the application right before a bypass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ApplicationCheck {
    /// A TLS-verified request to the application, with the origin's custom headers, is answered below 500.
    Probe {
        path: String,
    },
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preflight {
    Enforce,
    Warn,
    Skip,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_prints_its_arn_and_not_its_external_id() {
        let arn = "arn:aws:iam::444455556666:role/zone".to_owned();
        let role = ZoneRole { arn, external_id: Some(Secret::new("canary".to_owned())) };
        assert_eq!(format!("{role:?}"), "ZoneRole { arn: \"arn:aws:iam::444455556666:role/zone\", .. }");
    }
}
