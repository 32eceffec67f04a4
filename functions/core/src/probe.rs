//! Which requests show that a host would serve CloudFront.
//!
//! CloudFront verifies the certificate against the origin's domain name, or against the viewer's host where a policy
//! forwards it (Developer Guide, "Using HTTPS to communicate between CloudFront and your custom origin"). Which of the two
//! holds depends on policies that are not read here, so both are tried, and either answer counts.

use crate::document::Document;
use crate::id::{Hostname, OriginId};
use crate::ledger::Row;
use crate::port::Probe;
use crate::spec::{ApplicationCheck, CheckType, HealthCheckSpec};

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
    let origin_path = document.origin(target.origin).map_or("", |origin| origin.path.as_str());
    let headers = document.custom_headers(target.origin);
    let aliases = document.aliases().iter().filter(|alias| !alias.starts_with('*')).take(ALIASES_TRIED);
    let names = std::iter::once(target.name.clone()).chain(aliases.map(Hostname::new));
    names
        .map(|name| Probe {
            connect: target.connect.clone(),
            port: row.spec.origin_port,
            server_name: name.clone(),
            host: name,
            path: format!("{origin_path}{path}"),
            headers: headers.clone(),
        })
        .collect()
}
