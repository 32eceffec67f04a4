//! Findings: what preflight saw, in the form that answers and plans carry.

use std::fmt;

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    Inspection,
    Application,
    Zone,
    Distribution,
    Engine,
}

/// The kinds of findings. Scripts match on them, so none is ever renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    TlsUntrusted,
    TlsExpired,
    TlsExpiresSoon,
    TlsNameMismatch,
    TlsVersion,
    TlsClientCertificate,
    TlsUnreachable,
    HttpStatus,
    HttpRedirect,
    HttpSearchString,
    HttpTimeout,
    DnsUnresolvable,
    DnsLoop,
    DnsSlowChain,
    RecordOutsideZone,
    RecordAtApex,
    RecordConflict,
    ZonePrivate,
    ZoneNotDelegated,
    HealthCheckNotHealthy,
    DistributionMissing,
    DistributionDisabled,
    DistributionStaging,
    DistributionNotAllowed,
    BehaviorMixedOrigins,
    BehaviorOriginGroup,
    BehaviorEdgeFunction,
    BehaviorOverlap,
    OriginType,
    OriginHostMismatch,
    OriginTimeOuts,
    Quota,
    Permission,
    ApplicationCheck,
}

/// Whether `Preflight: warn` and `skip` may pass over a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Going on would damage something, or cannot work at all: always refused.
    Structural,
    /// The protection can be set up, and would not protect or not fail open as wanted.
    Advisory,
}

/// One thing that preflight saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub code: Code,
    /// The property of the resource to look at.
    pub property: String,
    pub target: Target,
    /// What it is, what it would have caused, what to do.
    pub message: String,
    #[serde(skip)]
    pub weight: Weight,
}

impl Finding {
    /// An error that no `Preflight` setting passes over.
    pub fn structural(code: Code, property: &str, target: Target, message: impl Into<String>) -> Self {
        let (property, message) = (property.to_owned(), message.into());
        Self { severity: Severity::Error, code, property, target, message, weight: Weight::Structural }
    }

    /// An error that `Preflight: warn` reports and passes over.
    pub fn error(code: Code, property: &str, target: Target, message: impl Into<String>) -> Self {
        Self { weight: Weight::Advisory, ..Self::structural(code, property, target, message) }
    }

    pub fn warning(code: Code, property: &str, target: Target, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, property, target, message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.property, self.message, self.code)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One line about all findings, for `PreflightSummary` and for the log.
pub fn summary(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "no findings".to_owned();
    }
    let count = |severity, word: &str| match findings.iter().filter(|finding| finding.severity == severity).count() {
        0 => None,
        1 => Some(format!("1 {word}")),
        many => Some(format!("{many} {word}s")),
    };
    let counts: Vec<String> =
        [count(Severity::Error, "error"), count(Severity::Warning, "warning")].into_iter().flatten().collect();
    let texts: Vec<String> = worst_first(findings).iter().map(|finding| finding.to_string()).collect();
    format!("{}: {}", counts.join(", "), texts.join("; "))
}

/// Errors before warnings, otherwise in the order found: what is cut off an answer is what matters least.
pub fn worst_first(findings: &[Finding]) -> Vec<&Finding> {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.severity);
    sorted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_finding_has_the_contracts_form() {
        let finding = Finding::structural(Code::RecordAtApex, "FailoverRecord", Target::Zone, "what, then what");
        assert_eq!(
            serde_json::to_value(&finding).expect("plain data"),
            json!({"severity": "error", "code": "record-at-apex", "property": "FailoverRecord", "target": "zone",
                "message": "what, then what"})
        );
    }

    #[test]
    fn a_summary_counts_and_names_errors_first() {
        let findings = [
            Finding::warning(Code::OriginHostMismatch, "ApplicationHostname", Target::Application, "differs"),
            Finding::error(Code::ApplicationCheck, "ApplicationCheck", Target::Application, "fails"),
        ];
        assert_eq!(
            summary(&findings),
            "1 error, 1 warning: ApplicationCheck: fails [application-check]; \
             ApplicationHostname: differs [origin-host-mismatch]"
        );
        assert_eq!(summary(&[]), "no findings");
        let two = [findings[1].clone(), findings[1].clone()];
        assert!(summary(&two).starts_with("2 errors: "), "{}", summary(&two));
        assert!(summary(&findings[..1]).starts_with("1 warning: "));
    }
}
