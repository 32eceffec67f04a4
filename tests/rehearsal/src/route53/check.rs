//! A health check's settings, as far as this model knows them.

use std::net::IpAddr;
use std::time::Duration;

use aws_sdk_route53::types::{HealthCheckConfig, HealthCheckRegion, HealthCheckType};

use super::verdict::REGIONS;

/// Defaults of Route 53 (API Reference, `HealthCheckConfig`).
const DEFAULT_INTERVAL: u64 = 30;
const DEFAULT_THRESHOLD: u32 = 3;

/// What a checker does with an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Https,
    Tcp,
}

/// A health check on an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) id: String,
    pub(crate) protocol: Protocol,
    /// Name to resolve and to ask for.
    pub(crate) host: Option<String>,
    /// Address to connect to instead of the name's.
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
    pub(crate) path: String,
    pub(crate) search_string: Option<String>,
    /// Whether TLS names the host.
    pub(crate) sends_name: bool,
    /// Modelled time between two probes of one checker.
    pub(crate) interval: Duration,
    /// Probes in a row that change a checker's verdict.
    pub(crate) threshold: u32,
    /// Where checkers probe from; empty for everywhere.
    pub(crate) regions: Vec<String>,
    pub(crate) inverted: bool,
    pub(crate) disabled: bool,
}

impl Check {
    /// `None` for a check without an endpoint: calculated ones and those of CloudWatch alarms are beside these, and checks of routing
    /// controls are not modelled and treated as healthy.
    pub(crate) fn read(id: &str, config: &HealthCheckConfig) -> Option<Self> {
        let (protocol, default_port) = match config.r#type() {
            HealthCheckType::Http | HealthCheckType::HttpStrMatch => (Protocol::Http, 80),
            HealthCheckType::Https | HealthCheckType::HttpsStrMatch => (Protocol::Https, 443),
            HealthCheckType::Tcp => (Protocol::Tcp, 443),
            _ => return None,
        };
        Some(Self {
            id: id.to_owned(),
            protocol,
            host: config.fully_qualified_domain_name().map(|host| host.trim_end_matches('.').to_owned()),
            address: config.ip_address().and_then(|address| address.parse().ok()),
            port: config.port().and_then(|port| u16::try_from(port).ok()).unwrap_or(default_port),
            path: rooted(config.resource_path().unwrap_or_default()),
            search_string: config.search_string().map(str::to_owned),
            sends_name: config.enable_sni() == Some(true),
            interval: Duration::from_secs(
                config.request_interval().and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(DEFAULT_INTERVAL),
            ),
            threshold: config
                .failure_threshold()
                .and_then(|probes| u32::try_from(probes).ok())
                .unwrap_or(DEFAULT_THRESHOLD),
            regions: config.regions().iter().map(HealthCheckRegion::as_str).map(str::to_owned).collect(),
            inverted: config.inverted() == Some(true),
            disabled: config.disabled() == Some(true),
        })
    }

    /// Whether checkers in this Region probe. A check that names no Region that we know is probed from all.
    pub(crate) fn includes(&self, region: &str) -> bool {
        let names_known = self.regions.iter().any(|named| REGIONS.contains(&named.as_str()));
        !names_known || self.regions.iter().any(|named| named == region)
    }

    /// For people: where the probes go.
    pub(crate) fn endpoint(&self) -> String {
        let address = self.address.map(|address| address.to_string());
        self.host.clone().or(address).unwrap_or_else(|| "an endpoint without a name".to_owned())
    }
}

/// Route 53 puts a leading slash before a path that has none (API Reference, `ResourcePath`).
fn rooted(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

#[cfg(test)]
impl Check {
    pub(crate) fn example() -> Self {
        Self {
            id: "check".to_owned(),
            protocol: Protocol::Https,
            host: Some("inspection.test".to_owned()),
            address: None,
            port: 443,
            path: "/".to_owned(),
            search_string: None,
            sends_name: true,
            interval: Duration::from_secs(10),
            threshold: 3,
            regions: Vec::new(),
            inverted: false,
            disabled: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_check_leaves_out_is_as_route_53_has_it() {
        let config = HealthCheckConfig::builder()
            .r#type(HealthCheckType::Https)
            .fully_qualified_domain_name("inspection.test")
            .build()
            .unwrap();
        let check = Check::read("check", &config).unwrap();
        let expected = Check { interval: Duration::from_secs(30), sends_name: false, ..Check::example() };
        assert_eq!(check, expected);
    }

    #[test]
    fn what_a_check_says_is_taken_over() {
        let config = HealthCheckConfig::builder()
            .r#type(HealthCheckType::HttpStrMatch)
            .fully_qualified_domain_name("inspection.test.")
            .ip_address("127.0.0.2")
            .port(8080)
            .resource_path("health?deep=1")
            .search_string("well")
            .request_interval(10)
            .failure_threshold(2)
            .regions(HealthCheckRegion::EuWest1)
            .inverted(true)
            .build()
            .unwrap();
        let expected = Check {
            protocol: Protocol::Http,
            address: Some(IpAddr::from([127, 0, 0, 2])),
            port: 8080,
            path: "/health?deep=1".to_owned(),
            search_string: Some("well".to_owned()),
            sends_name: false,
            threshold: 2,
            regions: vec!["eu-west-1".to_owned()],
            inverted: true,
            ..Check::example()
        };
        assert_eq!(Check::read("check", &config), Some(expected));
    }

    #[test]
    fn a_check_of_other_checks_has_no_endpoint() {
        let config = HealthCheckConfig::builder().r#type(HealthCheckType::Calculated).build().unwrap();
        assert_eq!(Check::read("check", &config), None);
    }
}
