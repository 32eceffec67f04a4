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
    /// None of ours can: type and interval are immutable in Route 53, and a check that is turned to another host or port
    /// would call the present one unhealthy in the meantime.
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
            && present.config.port == wanted.port
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

/// Whether a protection rests on this check: it made it, or its properties name it.
pub fn rests_on(row: &Row, id: &HealthCheckId) -> bool {
    let is_adopted = match &row.spec.health_check {
        HealthCheckSpec::Adopted { id: adopted } => adopted == id,
        HealthCheckSpec::Managed(_) => false,
    };
    let is_made = claimed(row).any(|made| made.id.as_ref() == Some(id));
    is_adopted || is_made || row.spec.secondary_health_check.as_ref() == Some(id)
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
    fn of_two_checks_that_fit_the_one_that_is_as_wanted_is_kept() {
        let other = present("h-2", &ManagedHealthCheck { failure_threshold: 5, ..managed() });
        let wanted = present("h-1", &managed());
        for ours in [[other.clone(), wanted.clone()], [wanted.clone(), other]] {
            assert_eq!(chosen(managed(), &ours), Choice::Keep(wanted.clone()));
        }
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
    fn what_the_checkers_are_sent_follows_the_protocol() {
        for (protocol, search_string, check_type, has_path, has_sni) in [
            (CheckType::Https, None, "HTTPS", true, true),
            (CheckType::Https, Some("ok"), "HTTPS_STR_MATCH", true, true),
            (CheckType::Http, None, "HTTP", true, false),
            (CheckType::Http, Some("ok"), "HTTP_STR_MATCH", true, false),
            (CheckType::Tcp, None, "TCP", false, false),
        ] {
            let config = ManagedHealthCheck { protocol, search_string: search_string.map(str::to_owned), ..managed() }
                .config(&host());
            assert_eq!(config.check_type, check_type);
            assert_eq!((config.path.is_some(), config.enable_sni == Some(true)), (has_path, has_sni), "{check_type}");
            assert!(has_checkers(&config), "{check_type}");
        }
        for check_type in ["CALCULATED", "CLOUDWATCH_METRIC", "RECOVERY_CONTROL"] {
            let config = HealthCheckConfig { check_type: check_type.to_owned(), ..managed().config(&host()) };
            assert!(!has_checkers(&config), "{check_type}");
        }
    }

    #[test]
    fn server_names_and_regions_in_another_order_are_told_apart_from_other_ones() {
        let wanted = |regions: &[&str]| ManagedHealthCheck {
            regions: regions.iter().map(|region| (*region).to_owned()).collect(),
            ..managed()
        };
        let check = present("h-1", &wanted(&["us-east-1", "us-west-2", "eu-west-1"]));
        let ours = std::slice::from_ref(&check);
        assert!(matches!(chosen(wanted(&["eu-west-1", "us-east-1", "us-west-2"]), ours), Choice::Keep(_)));
        assert!(matches!(chosen(wanted(&["eu-west-1", "us-east-1", "sa-east-1"]), ours), Choice::Update(_)));
        assert!(matches!(chosen(managed(), ours), Choice::Update(_)), "three named ones are not all");
        let mut unnamed = present("h-1", &managed());
        unnamed.config.enable_sni = Some(false);
        assert!(matches!(chosen(managed(), &[unnamed]), Choice::Update(_)));
        let tcp = ManagedHealthCheck { protocol: CheckType::Tcp, path: String::new(), ..managed() };
        let mut check = present("h-1", &tcp);
        (check.config.path, check.config.enable_sni) = (Some(String::new()), Some(false));
        assert!(matches!(chosen(tcp, &[check]), Choice::Keep(_)), "an empty path and SNI off are as good as none");
    }

    #[test]
    fn a_row_claims_its_present_check_and_those_it_replaced() {
        let mut row = crate::sample::row();
        let old = MadeHealthCheck { caller_reference: Some("old".to_owned()), id: None };
        row.made.replaced.push(Replaced::HealthCheck(old.clone()));
        let present = row.made.health_check.clone().expect("a check");
        assert_eq!(claimed(&row).cloned().collect::<Vec<_>>(), [present, old]);
    }

    #[test]
    fn a_protection_rests_on_the_checks_that_it_made_and_those_that_it_names() {
        let mut row = crate::sample::row();
        let made = HealthCheckId::new("11111111-2222-3333-4444-555555555555");
        let rests = |row: &Row, id: &str| rests_on(row, &HealthCheckId::new(id));
        assert!(rests_on(&row, &made) && !rests(&row, "h-2") && !rests(&row, "h-9"));
        row.spec.health_check = HealthCheckSpec::Adopted { id: HealthCheckId::new("h-9") };
        row.spec.secondary_health_check = Some(HealthCheckId::new("h-2"));
        assert!(rests_on(&row, &made), "until it is removed");
        assert!(rests(&row, "h-9") && rests(&row, "h-2") && !rests(&row, "h-8"));
    }

    #[test]
    fn a_line_about_a_check_says_what_it_does() {
        let line = describe(&managed().config(&host()));
        assert_eq!(line, "HTTPS www.inspection.example.net:443/healthz every 10 s, unhealthy after 2 failures");
        let calculated = HealthCheckConfig {
            check_type: "CALCULATED".to_owned(),
            host: None,
            port: None,
            path: None,
            interval_seconds: None,
            failure_threshold: None,
            ..managed().config(&host())
        };
        assert_eq!(describe(&calculated).trim_end(), "CALCULATED");
    }

    #[test]
    fn an_adopted_check_is_never_touched() {
        let adopted = HealthCheckSpec::Adopted { id: HealthCheckId::new("h-9") };
        assert_eq!(choose(&adopted, &host(), &[present("h-1", &managed())]), Choice::Adopt(HealthCheckId::new("h-9")));
    }
}
