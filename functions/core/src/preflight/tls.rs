//! TLS, as CloudFront would verify it, against both hosts.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Observed;
use crate::finding::{Code, Finding, Severity, Target};
use crate::handshake::{Look, Seen, Shown, Side, Trust};
use crate::id::OwnerMark;
use crate::ledger::Lifecycle;
use crate::spec::{ApplicationCheck, Spec};
use crate::wiring::{Ours, wire};

/// Findings about what the handshakes showed. The same about several names of a host is one finding.
///
/// What a request does not bring about is no reason to refuse it: it may be what an outage needs.
pub(super) fn judge(spec: &Spec, owner: &OwnerMark, observed: &Observed, findings: &mut Vec<Finding>) {
    let Some(hosts) = &observed.hosts else { return };
    let settled = observed.row(spec, owner).filter(|row| row.lifecycle == Lifecycle::Active);
    let before = settled.map(|row| &row.spec);
    let certificates = Certificates::of(spec, owner, observed);
    let mut problems: BTreeMap<Problem, Vec<String>> = BTreeMap::new();
    for (look, seen) in &hosts.handshakes {
        for mut problem in problems_of(spec, look, seen, hosts.at, certificates.of_look(spec, look)) {
            if !look.is_certain || !look.side.is_new(spec, before) {
                problem.severity = Severity::Warning;
            }
            problems.entry(problem).or_default().push(look.name.to_string());
        }
    }
    findings.extend(problems.into_iter().map(|(problem, names)| problem.finding(&names)));
}

/// What CloudFront shows to hosts that ask for a client certificate.
#[derive(Default)]
struct Certificates {
    /// By the origin that carries the failover record: both hosts answer for it. Our own is a copy of the application's.
    through_record: Option<String>,
    /// By the application origin itself, after a bypass.
    direct: Option<String>,
}

impl Certificates {
    fn of(spec: &Spec, owner: &OwnerMark, observed: &Observed) -> Self {
        let Some(document) = &observed.distribution else { return Self::default() };
        let ours = observed.row(spec, owner).and_then(|row| Ours::of(row, &spec.distribution));
        let Ok(wiring) = wire(document, spec, ours.as_ref(), &observed.others(spec)) else { return Self::default() };
        Self {
            through_record: wiring.after.client_certificate(&wiring.made.inspection_origin),
            direct: document.client_certificate(&wiring.made.application_origin),
        }
    }

    fn of_look(&self, spec: &Spec, look: &Look) -> Option<&str> {
        let origin = look.origin_name.as_ref().unwrap_or(&look.name);
        let is_through_record = *origin == spec.failover_record;
        if is_through_record { self.through_record.as_deref() } else { self.direct.as_deref() }
    }
}

/// One kind of trouble with one host. Equal ones are told once, with all the names that they concern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    side: Side,
    connect: String,
    code: Code,
    severity: Severity,
    /// What is wrong, after "host, asked for names, …".
    what: String,
    todo: &'static str,
}

fn problems_of(spec: &Spec, look: &Look, seen: &Seen, at: Timestamp, certificate: Option<&str>) -> Vec<Problem> {
    let problem = |code, severity, what: String, todo| Problem {
        side: look.side,
        connect: look.connect.to_string(),
        code,
        severity,
        what,
        todo,
    };
    // Whoever asks for no check of the application may have one that only CloudFront reaches.
    let only_cloudfront_may_reach_it =
        look.side == Side::Application && spec.application_check == ApplicationCheck::None;
    let severity = if only_cloudfront_may_reach_it { Severity::Warning } else { Severity::Error };
    match seen {
        Seen::Unreachable { why } => {
            let todo = "open it to the internet or at least to CloudFront and to this function, then try again; what CloudFront \
                        alone can reach cannot be judged from here (Preflight: warn passes over this)";
            vec![problem(Code::TlsUnreachable, severity, format!("cannot be reached: {why}"), todo)]
        }
        Seen::WrongVersion { why } => {
            let todo = "allow TLS 1.2 with an ECDHE cipher of AES-GCM or ChaCha20 there: an origin's settings name no newer version. \
                        If the server does, it may not know the name (some say handshake_failure then): set the name up there, \
                        with a certificate";
            let what = format!("does not speak TLS as CloudFront does: {why}");
            vec![problem(Code::TlsVersion, Severity::Error, what, todo)]
        }
        Seen::NameUnknown => {
            let what =
                "refuses it in an alert: it has no certificate for it, or does not let this address in".to_owned();
            vec![problem(
                Code::TlsNameMismatch,
                Severity::Error,
                what,
                "set it up there, with a certificate that names it, and let everybody in whom CloudFront is",
            )]
        }
        Seen::Broken { why } => {
            let todo = "look at its TLS settings with `openssl s_client -tls1_2 -servername`";
            vec![problem(Code::TlsUnreachable, severity, format!("does not finish a TLS handshake: {why}"), todo)]
        }
        Seen::Certificate(shown) => shown_problems(look, shown, at, certificate)
            .into_iter()
            .map(|(code, severity, what, todo)| problem(code, severity, what, todo))
            .collect(),
    }
}

fn shown_problems(
    look: &Look,
    shown: &Shown,
    at: Timestamp,
    certificate: Option<&str>,
) -> Vec<(Code, Severity, String, &'static str)> {
    let Shown { trust, names_it, names_origin, asks_for_client_certificate } = shown;
    let mut problems = Vec::new();
    match trust {
        Trust::Trusted { until: None } => {}
        Trust::Trusted { until: Some(until) } => {
            let days = until.duration_since(at).as_hours() / 24;
            let what = format!("shows a certificate (or a part of its chain) that expires in {days} days, at {until}");
            problems.push((Code::TlsExpiresSoon, Severity::Warning, what, "see that it is renewed in time"));
        }
        Trust::Expired { why } => problems.push((Code::TlsExpired, Severity::Error, why.clone(), "renew it")),
        Trust::Untrusted { why } => {
            let todo = "install a certificate of a public authority with its whole chain in order";
            problems.push((Code::TlsUntrusted, Severity::Error, format!("cannot be trusted: {why}"), todo));
        }
    }
    if !names_it {
        let (severity, what) = match (&look.origin_name, names_origin) {
            // One page of AWS's says that this does.
            (Some(origin), true) => {
                (Severity::Warning, format!("shows a certificate that names only {origin}, the origin's own name"))
            }
            (Some(_) | None, _) => (Severity::Error, "shows a certificate that does not name it".to_owned()),
        };
        let todo = "have a certificate issued that names all of these, and install it there";
        problems.push((Code::TlsNameMismatch, severity, what, todo));
    }
    match (asks_for_client_certificate, certificate) {
        (false, _) => {}
        (true, None) => {
            let what =
                "asks for a client certificate, and CloudFront drops such a connection unless the origin has mutual TLS"
                    .to_owned();
            let todo = "switch that off for these names";
            problems.push((Code::TlsClientCertificate, Severity::Error, what, todo));
        }
        // Whether it is accepted only CloudFront can find out: nobody else has its key.
        (true, Some(arn)) => {
            let what = format!("asks for a client certificate, and CloudFront shows it {arn}, which its origin has");
            let todo = "see that this host accepts that one";
            problems.push((Code::TlsClientCertificate, Severity::Warning, what, todo));
        }
    }
    problems
}

impl Problem {
    fn finding(self, names: &[String]) -> Finding {
        let Self { side, connect, code, severity, what, todo } = self;
        let (property, target) = match side {
            Side::Inspection => ("InspectionHostname", Target::Inspection),
            Side::Application => ("ApplicationHostname", Target::Application),
        };
        let consequence = match (severity, side) {
            (Severity::Warning, _) => "CloudFront may answer viewers with 502 then",
            (Severity::Error, Side::Inspection) => {
                "CloudFront would answer viewers with 502 as soon as traffic goes there, and Route 53's checks, which verify no \
                 certificate, would not see it"
            }
            (Severity::Error, Side::Application) => "failing open would lead to 502s instead of the application",
        };
        let names = names.join(", ");
        let message = format!("{connect}, asked for {names}, {what}: {consequence}; {todo}");
        match severity {
            Severity::Error => Finding::error(code, property, target, message),
            Severity::Warning => Finding::warning(code, property, target, message),
        }
    }
}
