//! Which requests show that a host would serve CloudFront.
//!
//! CloudFront verifies the certificate against the origin's domain name, or against the viewer's host where a policy
//! forwards it (Developer Guide, "Using HTTPS to communicate between CloudFront and your custom origin"). Which of the two
//! holds depends on policies that are not read here, so both are tried, and either answer counts.

use std::fmt;

use crate::document::{Document, OriginKind};
use crate::id::{Hostname, OriginId};
use crate::ledger::Row;
use crate::secret::Secret;
use crate::spec::{ApplicationCheck, CheckType, HealthCheckSpec};

/// One HTTPS request as CloudFront would send it.
#[derive(Clone, PartialEq, Eq)]
pub struct Probe {
    /// Whose addresses to connect to.
    pub connect: Hostname,
    pub port: u16,
    /// Name sent as SNI and wanted in the certificate.
    pub server_name: Hostname,
    /// Value of the Host header.
    pub host: Hostname,
    /// Absolute path.
    pub path: String,
    /// The origin's custom headers; an application may refuse requests without them.
    pub headers: Vec<(String, Secret<String>)>,
}

/// Without the values of the headers.
impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connect, port, server_name, host, path, headers } = self;
        let headers: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Probe")
            .field("connect", connect)
            .field("port", port)
            .field("server_name", server_name)
            .field("host", host)
            .field("path", path)
            .field("headers", &headers)
            .finish()
    }
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeOutcome {
    Answered {
        status: u16,
    },
    /// One line: what failed (name, connection, certificate, time), without secrets.
    Failed {
        why: String,
    },
}

impl ProbeOutcome {
    /// The host speaks valid TLS and answers below 500.
    pub fn is_alive(&self) -> bool {
        matches!(self, ProbeOutcome::Answered { status } if *status < 500)
    }
}

/// Aliases tried after the host's own name.
const ALIASES_TRIED: usize = 2;

/// Requests to the application as CloudFront would send them after a bypass. Empty where `ApplicationCheck` is `none`.
pub fn application(row: &Row, document: &Document) -> Vec<Probe> {
    let ApplicationCheck::Probe { path } = &row.spec.application_check else {
        return Vec::new();
    };
    let Some(made) = &row.made.distribution else {
        return Vec::new();
    };
    // A bypass leads to the origin as CloudFront has it, which somebody may have pointed at another host since.
    let host = document.origin(&made.application_origin).map(|origin| Hostname::new(origin.domain_name.clone()));
    let host = host.as_ref().unwrap_or(&row.spec.application);
    let target = Target { connect: host, name: host, origin: &made.application_origin };
    requests(row, document, &target, path)
}

/// Requests to inspection as CloudFront sends them: it knows it by the failover record's name.
pub fn inspection(row: &Row, document: &Document) -> Vec<Probe> {
    let Some(made) = &row.made.distribution else {
        return Vec::new();
    };
    let path = match &row.spec.health_check {
        HealthCheckSpec::Managed(check) => match check.protocol {
            CheckType::Https | CheckType::Http => check.path.as_str(),
            CheckType::Tcp => "/",
        },
        HealthCheckSpec::Adopted { .. } => "/",
    };
    let target =
        Target { connect: &row.spec.inspection, name: &row.spec.failover_record, origin: &made.inspection_origin };
    requests(row, document, &target, path)
}

struct Target<'a> {
    connect: &'a Hostname,
    name: &'a Hostname,
    origin: &'a OriginId,
}

fn requests(row: &Row, document: &Document, target: &Target<'_>, path: &str) -> Vec<Probe> {
    let origin = document.origin(target.origin);
    let origin_path = origin.map_or("", |origin| origin.path.as_str());
    // As CloudFront has it now: somebody may have given the application's origin another port, which an Update is to follow.
    let port = match origin.map(|origin| &origin.kind) {
        Some(OriginKind::Custom { https_port, .. }) => *https_port,
        Some(OriginKind::S3 | OriginKind::Vpc) | None => row.spec.origin_port,
    };
    let headers = document.custom_headers(target.origin);
    let aliases = document.aliases().iter().filter(|alias| !alias.starts_with('*')).take(ALIASES_TRIED);
    let names = std::iter::once(target.name.clone()).chain(aliases.map(Hostname::new));
    names
        .map(|name| Probe {
            connect: target.connect.clone(),
            port,
            server_name: name.clone(),
            host: name,
            path: format!("{origin_path}{path}"),
            headers: headers.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Edit;
    use crate::sample;
    use crate::spec::ManagedHealthCheck;

    fn with_check(row: &Row, change: impl FnOnce(&mut ManagedHealthCheck)) -> Row {
        let mut row = row.clone();
        let HealthCheckSpec::Managed(check) = &mut row.spec.health_check else { panic!("a check of our own") };
        change(check);
        row
    }

    #[test]
    fn a_probe_prints_without_the_values_of_its_headers() {
        let probe = Probe {
            connect: "app.example.com".into(),
            port: 8443,
            server_name: "www.example.com".into(),
            host: "www.example.com".into(),
            path: "/healthz".to_owned(),
            headers: vec![("X-Origin-Verify".to_owned(), Secret::new("canary".to_owned()))],
        };
        let printed = format!("{probe:?}");
        for part in ["app.example.com", "8443", "/healthz", "X-Origin-Verify"] {
            assert!(printed.contains(part), "{part} is missing in {printed}");
        }
        assert!(!printed.contains("canary"));
    }

    #[test]
    fn only_an_answer_below_500_is_a_sign_of_life() {
        assert!(ProbeOutcome::Answered { status: 499 }.is_alive());
        assert!(!ProbeOutcome::Answered { status: 500 }.is_alive());
        assert!(!ProbeOutcome::Failed { why: "certificate expired".to_owned() }.is_alive());
    }

    #[test]
    fn inspection_is_asked_under_the_record_and_two_aliases_with_the_applications_headers() {
        let (document, row) = sample::provisioned();
        let row = with_check(&row, |check| check.path = "/healthz".to_owned());
        let probes = inspection(&row, &document);
        let names: Vec<&str> = probes.iter().map(|probe| probe.server_name.as_str()).collect();
        assert_eq!(names, ["cq-origin-www.cq-route.com", "www.cq-route.com", "cq-route.com"]);
        for probe in &probes {
            assert_eq!((probe.connect.as_str(), probe.port), ("cq-route.cequence.cloud", 443));
            assert_eq!((&probe.host, probe.path.as_str()), (&probe.server_name, "/healthz"));
            let headers: Vec<&str> = probe.headers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(headers, ["X-Origin-Verify", "X-Tenant"]);
        }
    }

    #[test]
    fn a_check_without_a_path_leaves_the_root_to_ask_for() {
        let (document, row) = sample::provisioned();
        let tcp = with_check(&row, |check| (check.protocol, check.path) = (CheckType::Tcp, String::new()));
        assert_eq!(inspection(&tcp, &document)[0].path, "/");
        let mut adopted = row;
        adopted.spec.health_check = HealthCheckSpec::Adopted { id: "h-9".into() };
        assert_eq!(inspection(&adopted, &document)[0].path, "/");
    }

    #[test]
    fn the_application_is_asked_where_cloudfront_finds_it_and_below_its_origin_path() {
        let (document, mut row) = sample::provisioned();
        row.spec.application_check = ApplicationCheck::Probe { path: "/alive".to_owned() };
        let probes = application(&row, &document);
        assert_eq!((probes[0].connect.as_str(), probes[0].path.as_str()), ("origin-www.cq-route.com", "/alive"));
        row.made.distribution.as_mut().expect("wired").application_origin = "api-eu".into();
        let moved = application(&row, &document);
        let origin = document.origin(&"api-eu".into()).expect("an origin of the sample");
        assert_eq!((moved[0].connect.as_str(), moved[0].path.as_str()), (origin.domain_name.as_str(), "/v2/alive"));
        let port = Edit::SetOriginPort { id: "app & co".into(), from: 443, to: 8443 };
        let on_another = document.edit(&[port]).expect("it has that port");
        row.made.distribution.as_mut().expect("wired").application_origin = "app & co".into();
        assert_eq!((application(&row, &on_another)[0].port, inspection(&row, &on_another)[0].port), (8443, 443));
        row.made.distribution.as_mut().expect("wired").application_origin = "gone".into();
        assert_eq!(application(&row, &document)[0].connect.as_str(), "origin-www.cq-route.com");
    }

    #[test]
    fn nobody_is_asked_where_the_check_is_off_or_nothing_is_wired() {
        let (document, row) = sample::provisioned();
        let mut unchecked = row.clone();
        unchecked.spec.application_check = ApplicationCheck::None;
        assert_eq!(application(&unchecked, &document), []);
        let mut unwired = row;
        unwired.made.distribution = None;
        assert_eq!((application(&unwired, &document), inspection(&unwired, &document)), (vec![], vec![]));
    }
}
