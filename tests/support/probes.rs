//! The internet as our own probes see it.

use std::collections::BTreeMap;

use failopen::id::Hostname;
use failopen::lead::Trace;
use failopen::port::{Probe, ProbeOutcome};

/// What each host answers, and what was asked.
#[derive(Debug, Default)]
pub struct Probes {
    outcomes: BTreeMap<Hostname, ProbeOutcome>,
    asked: Vec<Probe>,
    traces: BTreeMap<Hostname, Trace>,
}

impl Probes {
    /// A host without a script answers 200 over valid TLS.
    pub(crate) fn ask(&mut self, probe: &Probe) -> ProbeOutcome {
        self.asked.push(probe.clone());
        self.outcomes.get(&probe.connect).cloned().unwrap_or(ProbeOutcome::Answered { status: 200 })
    }

    pub fn script(&mut self, host: &Hostname, outcome: ProbeOutcome) {
        self.outcomes.insert(host.clone(), outcome);
    }

    pub fn unscript(&mut self, host: &Hostname) {
        self.outcomes.remove(host);
    }

    /// A resolver is silent about a name without a script.
    pub(crate) fn trace(&self, name: &Hostname) -> Trace {
        self.traces.get(name).cloned().unwrap_or(Trace::Silent)
    }

    pub fn script_trace(&mut self, name: &Hostname, trace: Trace) {
        self.traces.insert(name.clone(), trace);
    }

    /// Every probe so far, oldest first.
    pub fn asked(&self) -> &[Probe] {
        &self.asked
    }
}
