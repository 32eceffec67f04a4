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
