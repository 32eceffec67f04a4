//! The health check on inspection: its settings, and whether a present one will do.

use crate::id::{HealthCheckId, Hostname};
use crate::ledger::{MadeHealthCheck, Replaced, Row};
use crate::port::{HealthCheckConfig, ObservedHealthCheck};
use crate::spec::{CheckType, HealthCheckSpec, ManagedHealthCheck};

/// Checker regions of Route 53; a check that names none may be reported as naming all.
const ALL_REGIONS: usize = 8;

impl ManagedHealthCheck {
    /// The settings on `host`. SNI is sent because inspection serves many names from one address.
    pub fn config(&self, host: &Hostname) -> HealthCheckConfig {
        let check_type = match (self.protocol, &self.search_string) {
            (CheckType::Https, None) => "HTTPS",
            (CheckType::Https, Some(_)) => "HTTPS_STR_MATCH",
            (CheckType::Http, None) => "HTTP",
            (CheckType::Http, Some(_)) => "HTTP_STR_MATCH",
            (CheckType::Tcp, _) => "TCP",
        };
        HealthCheckConfig {
            check_type: check_type.to_owned(),
            host: Some(host.clone()),
            port: Some(self.port),
            path: (self.protocol != CheckType::Tcp).then(|| self.path.clone()),
            search_string: self.search_string.clone(),
            interval_seconds: Some(self.interval_seconds),
            failure_threshold: Some(self.failure_threshold),
            enable_sni: (self.protocol == CheckType::Https).then_some(true),
            inverted: false,
            disabled: false,
            regions: self.regions.clone(),
        }
    }
}

/// What to do about the health check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Choice {
    /// The user's own: never changed.
    Adopt(HealthCheckId),
    /// One of ours is as wanted.
    Keep(ObservedHealthCheck),
    /// One of ours can be made as wanted.
    Update(ObservedHealthCheck),
    /// None of ours can: type and interval are immutable in Route 53, and a check that is turned to another host would call
    /// the present one unhealthy in the meantime.
    Create,
}

/// Chooses among `ours`: existing checks whose CallerReference the ledger recorded.
pub fn choose(wanted: &HealthCheckSpec, host: &Hostname, ours: &[ObservedHealthCheck]) -> Choice {
    let managed = match wanted {
        HealthCheckSpec::Adopted { id } => return Choice::Adopt(id.clone()),
        HealthCheckSpec::Managed(managed) => managed,
    };
    let wanted = managed.config(host);
    let fits = |present: &&ObservedHealthCheck| {
        present.config.check_type == wanted.check_type
            && present.config.interval_seconds == wanted.interval_seconds
            && present.config.host == wanted.host
    };
    let mut fitting: Vec<&ObservedHealthCheck> = ours.iter().filter(fits).collect();
    fitting.sort_by_key(|present| !is_as_wanted(&wanted, &present.config));
    match fitting.first() {
        None => Choice::Create,
        Some(present) if is_as_wanted(&wanted, &present.config) => Choice::Keep((*present).clone()),
        Some(present) => Choice::Update((*present).clone()),
    }
}

fn is_as_wanted(wanted: &HealthCheckConfig, present: &HealthCheckConfig) -> bool {
    let sorted = |regions: &[String]| {
        let mut regions = regions.to_vec();
        regions.sort();
        regions
    };
    let all_regions = wanted.regions.is_empty() && present.regions.len() == ALL_REGIONS;
    let regions_agree = all_regions || sorted(&wanted.regions) == sorted(&present.regions);
    let sni_agrees = wanted.enable_sni.unwrap_or(false) == present.enable_sni.unwrap_or(false);
    let without = |config: &HealthCheckConfig| HealthCheckConfig {
        regions: Vec::new(),
        enable_sni: None,
        path: config.path.clone().filter(|path| !path.is_empty()),
        ..config.clone()
    };
    regions_agree && sni_agrees && without(wanted) == without(present)
}

/// Whether Route 53 itself connects to the endpoint: only then its checkers can be asked what they saw.
pub fn has_checkers(config: &HealthCheckConfig) -> bool {
    matches!(config.check_type.as_str(), "HTTP" | "HTTPS" | "HTTP_STR_MATCH" | "HTTPS_STR_MATCH" | "TCP")
}

/// The health checks that a row claims, the present one first.
pub fn claimed(row: &Row) -> impl Iterator<Item = &MadeHealthCheck> {
    let replaced = row.made.replaced.iter().filter_map(|replaced| match replaced {
        Replaced::HealthCheck(made) => Some(made),
        Replaced::Distribution(_) | Replaced::Records(_) => None,
    });
    row.made.health_check.iter().chain(replaced)
}

/// One line for people: `HTTPS www.inspection.example.net:443/ every 10 s, unhealthy after 2 failures`.
pub fn describe(config: &HealthCheckConfig) -> String {
    let host = config.host.as_ref().map_or("", Hostname::as_str);
    let port = config.port.map_or_else(String::new, |port| format!(":{port}"));
    let path = config.path.as_deref().unwrap_or_default();
    let interval = config.interval_seconds.map_or_else(String::new, |seconds| format!(" every {seconds} s"));
    let threshold =
        config.failure_threshold.map_or_else(String::new, |failures| format!(", unhealthy after {failures} failures"));
    format!("{} {host}{port}{path}{interval}{threshold}", config.check_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn managed() -> ManagedHealthCheck {
        ManagedHealthCheck {
            path: "/healthz".to_owned(),
            port: 443,
            protocol: CheckType::Https,
            interval_seconds: 10,
            failure_threshold: 2,
            search_string: None,
            regions: vec![],
        }
    }

    fn host() -> Hostname {
        Hostname::new("www.inspection.example.net")
    }

    fn present(id: &str, settings: &ManagedHealthCheck) -> ObservedHealthCheck {
        ObservedHealthCheck {
            id: HealthCheckId::new(id),
            caller_reference: format!("ref-{id}"),
            version: 1,
            config: settings.config(&host()),
        }
    }

    fn chosen(wanted: ManagedHealthCheck, ours: &[ObservedHealthCheck]) -> Choice {
        choose(&HealthCheckSpec::Managed(wanted), &host(), ours)
    }

    #[test]
    fn a_check_of_ours_that_is_as_wanted_is_kept() {
        let check = present("h-1", &managed());
        assert_eq!(chosen(managed(), std::slice::from_ref(&check)), Choice::Keep(check));
    }

    #[test]
    fn a_mutable_setting_updates_and_an_immutable_one_replaces() {
        let check = present("h-1", &managed());
        let ours = std::slice::from_ref(&check);
        let mutable = ManagedHealthCheck { failure_threshold: 3, ..managed() };
        assert_eq!(chosen(mutable, ours), Choice::Update(check.clone()));
        for immutable in [
            ManagedHealthCheck { interval_seconds: 30, ..managed() },
            ManagedHealthCheck { protocol: CheckType::Tcp, ..managed() },
            ManagedHealthCheck { search_string: Some("ok".to_owned()), ..managed() },
        ] {
            assert_eq!(chosen(immutable, ours), Choice::Create);
        }
    }

    #[test]
    fn another_host_gets_a_check_of_its_own() {
        let wanted = HealthCheckSpec::Managed(managed());
        let other = Hostname::new("other.inspection.example.net");
        assert_eq!(choose(&wanted, &other, &[present("h-1", &managed())]), Choice::Create);
    }

    #[test]
    fn a_rollback_finds_the_check_that_the_failed_update_replaced() {
        let old = present("h-1", &managed());
        let new = present("h-2", &ManagedHealthCheck { interval_seconds: 30, ..managed() });
        assert_eq!(chosen(managed(), &[new, old.clone()]), Choice::Keep(old));
    }

    #[test]
    fn no_regions_and_all_regions_are_the_same() {
        let mut check = present("h-1", &managed());
        check.config.regions = (0..8).map(|n| format!("region-{n}")).collect();
        assert!(matches!(chosen(managed(), &[check]), Choice::Keep(_)));
    }

    #[test]
    fn a_disabled_or_inverted_check_is_put_right() {
        let mut check = present("h-1", &managed());
        check.config.disabled = true;
        assert!(matches!(chosen(managed(), &[check]), Choice::Update(_)));
    }

    #[test]
    fn an_adopted_check_is_never_touched() {
        let adopted = HealthCheckSpec::Adopted { id: HealthCheckId::new("h-9") };
        assert_eq!(choose(&adopted, &host(), &[present("h-1", &managed())]), Choice::Adopt(HealthCheckId::new("h-9")));
    }
}
