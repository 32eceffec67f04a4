//! Asks both hosts whether they would serve: before anything is changed, and once more right before traffic is sent there.

use failopen::forwarding::Policies;
use failopen::handshake::looks;
use failopen::health_probe::HealthProbe;
use failopen::id::OwnerMark;
use failopen::ledger::Row;
use failopen::observe::first_alive;
use failopen::port::{Apply, Clock, Observe, ProbeOutcome};
use failopen::preflight::{self, Hosts, Observed, Questions, refusing};
use failopen::probe;
use failopen::spec::Spec;
use failopen::wiring::{Ours, wire};
use futures_util::future::{OptionFuture, join3};

use crate::job::Job;
use crate::stop::Stop;

/// What the hosts answered; `None` where nobody asked.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) hosts: Option<Hosts>,
    pub(crate) application: Option<ProbeOutcome>,
}

/// Asks. Nothing is asked about a distribution that cannot be wired: the findings say why.
pub(crate) async fn ask<C: Observe, K: Clock>(
    cloud: &C,
    clock: &K,
    spec: &Spec,
    owner: &OwnerMark,
    questions: &Questions,
    observed: &Observed,
) -> Answers {
    let mut answers = Answers::default();
    if !questions.asks_hosts() {
        return answers;
    }
    let Some(document) = &observed.distribution else { return answers };
    let ours = observed.row(spec, owner).and_then(|row| Ours::of(row, &spec.distribution));
    let Ok(wiring) = wire(document, spec, ours.as_ref(), &observed.others(spec)) else { return answers };

    let mut hosts = match &observed.hosts {
        Some(before) => Hosts { at: clock.now(), handshakes: Vec::new(), health: None, ..before.clone() },
        None => Hosts {
            at: clock.now(),
            policies: Policies::new(),
            handshakes: Vec::new(),
            health: None,
            unread: Vec::new(),
        },
    };
    if questions.handshakes {
        for behavior in &wiring.made.behaviors {
            let forwarding = document.forwarding(&document.serving(&behavior.path_pattern).path_pattern);
            for policy in forwarding.unknown() {
                if hosts.policies.contains_key(policy) || hosts.unread.iter().any(|(unread, _)| unread == policy) {
                    continue;
                }
                // Once: what is denied stays so, and both names are asked for then.
                match cloud.policy(policy).await {
                    Ok(rule) => drop(hosts.policies.insert(policy.clone(), rule)),
                    Err(fault) => {
                        tracing::warn!(protection = %spec.name, step = "preflight", outcome = "unread", %policy, %fault,
                            "a policy could not be read, so certificates are checked for both names that may be sent");
                        hosts.unread.push((policy.clone(), fault.to_string()));
                    }
                }
            }
        }
    }
    // Together: a host that is silent takes its time, and whoever asked for a plan is waiting.
    let looks = if questions.handshakes { looks(spec, document, &wiring.made, &hosts.policies) } else { Vec::new() };
    let probe = HealthProbe::of(spec).filter(|_| questions.health);
    let mut planned = Row::creating(owner.clone(), "", "", spec.clone());
    planned.made.distribution = Some(wiring.made);
    // Asked once, as CloudFront would after a bypass.
    let probes = if questions.application { probe::application(&planned, document) } else { Vec::new() };
    let (seen, probed, application) = join3(
        OptionFuture::from((!looks.is_empty()).then(|| cloud.handshakes(&looks))),
        OptionFuture::from(probe.as_ref().map(|probe| cloud.health_probe(probe))),
        OptionFuture::from((!probes.is_empty()).then(|| first_alive(cloud, &probes))),
    )
    .await;
    hosts.handshakes = looks.into_iter().zip(seen.unwrap_or_default()).collect();
    hosts.health = probe.zip(probed);
    answers.application = application;
    answers.hosts = Some(hosts);
    answers
}

/// The last look right before traffic is sent to other hosts than before: minutes have passed since the first. The health path is
/// Route 53's own to judge by then.
///
/// # Errors
/// What stands against it now. No viewer has been sent there yet.
pub(crate) async fn last_look<C: Observe + Apply, K: Clock>(
    job: &Job<'_, C, K>,
    spec: &Spec,
    observed: &Observed,
    questions: &Questions,
) -> Result<(), Stop> {
    let questions = &Questions { health: false, ..*questions };
    if !questions.asks_hosts() {
        return Ok(());
    }
    let Answers { hosts, application } = ask(job.cloud, job.clock, spec, &job.owner, questions, observed).await;
    let now = Observed { hosts, application, ..observed.clone() };
    let mut findings = Vec::new();
    preflight::hosts(spec, &job.owner, &now, &mut findings);
    let refused = refusing(spec.preflight, &findings);
    if refused.is_empty() { Ok(()) } else { Err(Stop::findings(&refused)) }
}
