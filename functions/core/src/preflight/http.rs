//! The health path, as Route 53's checkers would see it.

use super::Observed;
use crate::finding::{Code, Finding, Target};
use crate::health_probe::{HealthProbe, HealthProbed};
use crate::spec::Spec;

/// Findings about what the health path answered.
pub(super) fn judge(spec: &Spec, observed: &Observed, findings: &mut Vec<Finding>) {
    let Some((probe, probed)) = observed.hosts.as_ref().and_then(|hosts| hosts.health.as_ref()) else { return };
    let HealthProbe { host, port, path, search_string, .. } = probe;
    let (code, property, what) = match probed {
        HealthProbed::NoAnswer { why } => (
            Code::HttpTimeout,
            // A port of its own is what sets the check apart from what CloudFront uses.
            if *port == spec.origin_port { "HealthCheck.Path" } else { "HealthCheck.Port" },
            format!("{host} on port {port} gave Route 53's checkers no answer in their time ({why})"),
        ),
        HealthProbed::Answered { status: status @ 300..=399, .. } => (
            Code::HttpRedirect,
            "HealthCheck.Path",
            format!(
                "{path} on {host} answers {status}, a redirect, which the checkers do not follow and take for healthy"
            ),
        ),
        HealthProbed::Answered { status, .. } if !(200..=299).contains(status) => {
            (Code::HttpStatus, "HealthCheck.Path", format!("{path} on {host} answers {status}, and 2xx is healthy"))
        }
        HealthProbed::Answered { found: Some(false), .. } => (
            Code::HttpSearchString,
            "HealthCheck.SearchString",
            format!(
                "the first 5,120 bytes of {path} on {host} do not have `{}` in them",
                search_string.as_deref().unwrap_or_default()
            ),
        ),
        HealthProbed::Answered { .. } | HealthProbed::Connected => return,
    };
    let (consequence, todo) = match (code, property) {
        (Code::HttpTimeout, "HealthCheck.Port") => (
            "the check would be unhealthy from the start, and all traffic would go straight to the application, uninspected",
            "name the port on which it answers checks, or leave the property out for OriginPort, and let Route 53's checkers in, \
             and try again",
        ),
        (Code::HttpRedirect, _) => (
            "the check would stay green as long as anything redirects, and would see no outage behind it",
            "name a path that answers 200 by itself, and try again",
        ),
        _ => (
            "the check would be unhealthy from the start, and all traffic would go straight to the application, uninspected",
            "name a path that answers 2xx within 2 s, and let Route 53's checkers pass bot rules and firewalls (where they alone are let \
             in, this request is not, and Preflight: warn passes over this), and try again",
        ),
    };
    findings.push(Finding::error(code, property, Target::Inspection, format!("{what}: {consequence}; {todo}")));
}
