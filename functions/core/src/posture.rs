//! What CloudFront is configured to do, and what requests really do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::lead::Lead;

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

/// Who decides what DNS answers for the failover record, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// Route 53, by the health of inspection.
    Route53,
    /// Another DNS service, whose answer was looked at.
    External(Lead),
}

/// What requests do, from the posture, from what DNS answers for the failover record, and from the health of inspection.
///
/// With Route 53 an unhealthy PRIMARY is answered by SECONDARY without any call (layer 1). Another DNS service has checks of its
/// own, so only where its answer leads says who gets the requests. While that is inspection, or not known, healthy inspection is
/// taken to serve (one lost answer of a resolver must not alarm anybody), and unhealthy inspection is `unknown`. A mixed posture
/// is only clear when DNS answers with the application, because then both halves end there.
pub fn traffic(posture: Posture, failover: Failover, inspection: Health) -> Traffic {
    match (posture, failover, inspection) {
        (Posture::Bypassed, _, _) => Traffic::BypassedEdge,
        (Posture::Foreign, _, _) => Traffic::Unknown,
        (Posture::Inspected | Posture::Mixed, Failover::Route53, Health::Unhealthy)
        | (Posture::Inspected | Posture::Mixed, Failover::External(Lead::Application), _) => Traffic::BypassedDns,
        (Posture::Inspected | Posture::Mixed, Failover::External(Lead::Elsewhere | Lead::Nowhere), _) => {
            Traffic::Unknown
        }
        (
            Posture::Inspected,
            Failover::Route53 | Failover::External(Lead::Inspection | Lead::Unknown),
            Health::Healthy,
        ) => Traffic::Inspected,
        (Posture::Inspected | Posture::Mixed, _, _) => Traffic::Unknown,
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

    const HEALTH: [Health; 4] = [Health::Healthy, Health::Unhealthy, Health::Unknown, Health::NotChecked];
    const LEADS: [Lead; 5] = [Lead::Inspection, Lead::Application, Lead::Elsewhere, Lead::Nowhere, Lead::Unknown];

    #[test]
    fn route_53_leads_past_unhealthy_inspection() {
        for posture in [Posture::Inspected, Posture::Mixed] {
            assert_eq!(traffic(posture, Failover::Route53, Health::Unhealthy), Traffic::BypassedDns);
            for health in [Health::Unknown, Health::NotChecked] {
                assert_eq!(traffic(posture, Failover::Route53, health), Traffic::Unknown);
            }
        }
        assert_eq!(traffic(Posture::Inspected, Failover::Route53, Health::Healthy), Traffic::Inspected);
        assert_eq!(traffic(Posture::Mixed, Failover::Route53, Health::Healthy), Traffic::Unknown);
    }

    #[test]
    fn another_dns_service_is_believed_whatever_our_own_check_says() {
        for posture in [Posture::Inspected, Posture::Mixed] {
            for health in HEALTH {
                assert_eq!(traffic(posture, Failover::External(Lead::Application), health), Traffic::BypassedDns);
                for lead in [Lead::Elsewhere, Lead::Nowhere] {
                    assert_eq!(traffic(posture, Failover::External(lead), health), Traffic::Unknown);
                }
            }
        }
    }

    #[test]
    fn what_dns_leads_to_inspection_is_inspected_while_that_is_healthy() {
        for lead in [Lead::Inspection, Lead::Unknown] {
            let failover = Failover::External(lead);
            assert_eq!(traffic(Posture::Inspected, failover, Health::Healthy), Traffic::Inspected);
            for health in [Health::Unhealthy, Health::Unknown, Health::NotChecked] {
                assert_eq!(traffic(Posture::Inspected, failover, health), Traffic::Unknown);
            }
            assert_eq!(traffic(Posture::Mixed, failover, Health::Healthy), Traffic::Unknown);
        }
    }

    #[test]
    fn a_bypass_and_a_foreign_target_are_what_they_are_whatever_dns_and_health_say() {
        for failover in LEADS.map(Failover::External).into_iter().chain([Failover::Route53]) {
            for health in HEALTH {
                assert_eq!(traffic(Posture::Bypassed, failover, health), Traffic::BypassedEdge);
                assert_eq!(traffic(Posture::Foreign, failover, health), Traffic::Unknown);
            }
        }
    }
}
