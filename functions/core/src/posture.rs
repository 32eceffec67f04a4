//! What CloudFront is configured to do, and what requests really do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the distribution is configured to do with the protected behaviours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Posture {
    /// Every protected behaviour targets inspection.
    Inspected,
    /// Every one targets the application.
    Bypassed,
    /// Some target inspection, some the application.
    Mixed,
    /// At least one targets an origin that is neither, or is gone: hands off.
    Foreign,
}

/// What requests really do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traffic {
    Inspected,
    /// Layer 1 answers with the application.
    BypassedDns,
    /// The posture is `bypassed`.
    BypassedEdge,
    Unknown,
}

/// One of the two postures that a flip can aim for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Inspected,
    Bypassed,
}

impl Side {
    pub fn posture(self) -> Posture {
        match self {
            Side::Inspected => Posture::Inspected,
            Side::Bypassed => Posture::Bypassed,
        }
    }
}

/// Health of a host as far as anybody told us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    Healthy,
    Unhealthy,
    Unknown,
    NotChecked,
}

impl fmt::Display for Posture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Posture::Inspected => "inspected",
            Posture::Bypassed => "bypassed",
            Posture::Mixed => "mixed",
            Posture::Foreign => "foreign",
        })
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.posture().fmt(f)
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Traffic::Inspected => "inspected",
            Traffic::BypassedDns => "bypassed-dns",
            Traffic::BypassedEdge => "bypassed-edge",
            Traffic::Unknown => "unknown",
        })
    }
}

/// What requests do, from the posture, from who answers for the failover record, and from the health of inspection.
///
/// With Route 53 an unhealthy PRIMARY is answered by SECONDARY without any call (layer 1). With another DNS service we
/// cannot know what it answers, so unhealthy inspection is `unknown` there. A mixed posture is only clear when layer 1
/// answers with the application, because then both halves end there.
pub fn traffic(posture: Posture, dns_fails_over: bool, inspection: Health) -> Traffic {
    match (posture, inspection) {
        (Posture::Bypassed, _) => Traffic::BypassedEdge,
        (Posture::Foreign, _) => Traffic::Unknown,
        (Posture::Inspected | Posture::Mixed, Health::Unhealthy) if dns_fails_over => Traffic::BypassedDns,
        (Posture::Inspected, Health::Healthy) => Traffic::Inspected,
        (Posture::Inspected | Posture::Mixed, _) => Traffic::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn people_and_programs_read_the_same_words() {
        for posture in [Posture::Inspected, Posture::Bypassed, Posture::Mixed, Posture::Foreign] {
            assert_eq!(json!(posture), json!(posture.to_string()));
        }
        for traffic in [Traffic::Inspected, Traffic::BypassedDns, Traffic::BypassedEdge, Traffic::Unknown] {
            assert_eq!(json!(traffic), json!(traffic.to_string()));
        }
        for side in [Side::Inspected, Side::Bypassed] {
            assert_eq!(json!(side), json!(side.to_string()));
        }
    }

    #[test]
    fn only_dns_that_fails_over_leads_past_unhealthy_inspection() {
        for posture in [Posture::Inspected, Posture::Mixed] {
            assert_eq!(traffic(posture, true, Health::Unhealthy), Traffic::BypassedDns);
            assert_eq!(traffic(posture, false, Health::Unhealthy), Traffic::Unknown);
            for health in [Health::Unknown, Health::NotChecked] {
                assert_eq!(traffic(posture, true, health), Traffic::Unknown);
            }
        }
        assert_eq!(traffic(Posture::Inspected, true, Health::Healthy), Traffic::Inspected);
        assert_eq!(traffic(Posture::Mixed, true, Health::Healthy), Traffic::Unknown);
    }

    #[test]
    fn a_bypass_and_a_foreign_target_are_what_they_are_whatever_the_health() {
        for health in [Health::Healthy, Health::Unhealthy, Health::Unknown, Health::NotChecked] {
            assert_eq!(traffic(Posture::Bypassed, true, health), Traffic::BypassedEdge);
            assert_eq!(traffic(Posture::Foreign, true, health), Traffic::Unknown);
        }
    }
}
