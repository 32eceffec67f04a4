//! The internet as our own probes see it.

use std::collections::BTreeMap;

use failopen::handshake::{Look, Seen, Shown, Trust};
use failopen::health_probe::{HealthProbe, HealthProbed};
use failopen::id::Hostname;
use failopen::port::{Probe, ProbeOutcome};

/// What each host answers, and what was asked.
#[derive(Debug, Default)]
pub struct Probes {
    outcomes: BTreeMap<Hostname, ProbeOutcome>,
    seen: BTreeMap<Hostname, Seen>,
    health: Option<HealthProbed>,
    asked: Vec<Probe>,
}

impl Probes {
    /// A host without a script answers 200 over valid TLS.
    pub(crate) fn ask(&mut self, probe: &Probe) -> ProbeOutcome {
        self.asked.push(probe.clone());
        self.outcomes.get(&probe.connect).cloned().unwrap_or(ProbeOutcome::Answered { status: 200 })
    }

    /// What was scripted for the host, or else what suits its probe: a host that does not answer shows no certificate either.
    pub(crate) fn shake_hands(&mut self, look: &Look) -> Seen {
        if let Some(seen) = self.seen.get(&look.connect) {
            return seen.clone();
        }
        match self.outcomes.get(&look.connect) {
            Some(ProbeOutcome::Failed { why }) => Seen::Unreachable { why: why.clone() },
            Some(ProbeOutcome::Answered { .. }) | None => Seen::Certificate(Shown {
                trust: Trust::Trusted { until: None },
                names_it: true,
                names_origin: look.origin_name.is_some(),
                asks_for_client_certificate: false,
            }),
        }
    }

    /// As [`Probes::shake_hands`], of the health path.
    pub(crate) fn ask_health(&mut self, probe: &HealthProbe) -> HealthProbed {
        match (&self.health, self.outcomes.get(&probe.host)) {
            (Some(probed), _) => probed.clone(),
            (None, Some(ProbeOutcome::Failed { why })) => HealthProbed::NoAnswer { why: why.clone() },
            (None, Some(ProbeOutcome::Answered { status })) => HealthProbed::Answered { status: *status, found: None },
            (None, None) => HealthProbed::Answered { status: 200, found: probe.search_string.as_ref().map(|_| true) },
        }
    }

    /// What every handshake with this host shows from now on.
    pub fn show(&mut self, host: &Hostname, seen: Seen) {
        self.seen.insert(host.clone(), seen);
    }

    /// What the health path answers from now on.
    pub fn script_health(&mut self, probed: HealthProbed) {
        self.health = Some(probed);
    }

    pub fn script(&mut self, host: &Hostname, outcome: ProbeOutcome) {
        self.outcomes.insert(host.clone(), outcome);
    }

    pub fn unscript(&mut self, host: &Hostname) {
        self.outcomes.remove(host);
    }

    /// Every probe so far, oldest first.
    pub fn asked(&self) -> &[Probe] {
        &self.asked
    }
}
