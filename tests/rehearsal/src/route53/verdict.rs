//! What Route 53 thinks of an endpoint: the verdicts of its checkers, and how many of them it takes.

use super::check::Check;

/// Where checkers stand (Route 53 API Reference, `HealthCheckRegion`).
pub(crate) const REGIONS: [&str; 8] = [
    "us-east-1",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "sa-east-1",
];

/// Assumed: two in each Region. Sixteen probes in an interval of 10 s are 96 a minute; AWS speaks of 60 to 70.
const CHECKERS_PER_REGION: usize = 2;

/// An endpoint is healthy when more than this share of checkers reports it healthy; AWS says that the value may change (Route
/// 53 Developer Guide, "How Amazon Route 53 determines whether a health check is healthy").
const PERCENTAGE_NEEDED: f64 = 18.0;

/// How a probe ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// With what was answered.
    Alive(String),
    /// With what was missed.
    Dead(String),
}

impl Finding {
    pub(crate) fn is_alive(&self) -> bool {
        match self {
            Finding::Alive(_) => true,
            Finding::Dead(_) => false,
        }
    }

    /// As GetHealthCheckStatus tells it.
    pub(crate) fn report(&self) -> String {
        match self {
            Finding::Alive(answer) => format!("Success: {answer}"),
            Finding::Dead(reason) => format!("Failure: {reason}"),
        }
    }
}

/// One of many that probe the same endpoint.
#[derive(Clone, Debug)]
struct Checker {
    region: &'static str,
    /// Its verdict.
    healthy: bool,
    /// Probes in a row that contradict it.
    contradictions: u32,
    /// What it found last; `None` before its first probe.
    last: Option<Finding>,
}

impl Checker {
    /// A new check is healthy until there is enough data (Route 53 Developer Guide, "How Amazon Route 53 determines whether a
    /// health check is healthy").
    fn new(region: &'static str) -> Self {
        Self { region, healthy: true, contradictions: 0, last: None }
    }

    /// One more probe: a verdict changes after so many contradictions in a row (API Reference, `FailureThreshold`).
    fn hear(&mut self, finding: Finding, threshold: u32) {
        self.contradictions = if finding.is_alive() == self.healthy { 0 } else { self.contradictions + 1 };
        if self.contradictions >= threshold {
            self.healthy = !self.healthy;
            self.contradictions = 0;
        }
        self.last = Some(finding);
    }
}

/// A check's state, as DNS and CloudWatch see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Health {
    pub(crate) healthy: bool,
    /// Share of checkers whose verdict is healthy, in percent; neither `Inverted` nor `Disabled` changes it.
    pub(crate) percentage: f64,
}

/// All checkers of one health check.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    check: Check,
    checkers: Vec<Checker>,
}

impl Panel {
    /// Number of checkers there are, whether a check uses all of them or not.
    pub(crate) const SEATS: usize = REGIONS.len() * CHECKERS_PER_REGION;

    pub(crate) fn new(check: Check) -> Self {
        // Neighbours in the list, and so in time, stand in different Regions.
        let checkers = REGIONS.iter().cycle().take(Self::SEATS).map(|region| Checker::new(region)).collect();
        Self { check, checkers }
    }

    pub(crate) fn check(&self) -> &Check {
        &self.check
    }

    /// The check's settings have changed. Assumed: what the checkers know stays.
    pub(crate) fn update(&mut self, check: Check) {
        self.check = check;
    }

    /// Whether the checker in this seat has work: it stands in one of the check's Regions, and the check is not disabled (API
    /// Reference, `Disabled`: Route 53 stops to probe).
    pub(crate) fn is_working(&self, seat: usize) -> bool {
        !self.check.disabled && self.checkers.get(seat).is_some_and(|checker| self.check.includes(checker.region))
    }

    /// The checker in this seat has probed.
    pub(crate) fn hear(&mut self, seat: usize, finding: Finding) {
        if let Some(checker) = self.checkers.get_mut(seat) {
            checker.hear(finding, self.check.threshold);
        }
    }

    pub(crate) fn health(&self) -> Health {
        let working = || self.checkers.iter().filter(|checker| self.check.includes(checker.region));
        let healthy = working().filter(|checker| checker.healthy).count();
        let percentage = 100.0 * healthy as f64 / working().count().max(1) as f64;
        // A disabled check is always healthy, an inverted one says the opposite (API Reference, `Disabled`, `Inverted`).
        let healthy = self.check.disabled || (percentage > PERCENTAGE_NEEDED) != self.check.inverted;
        Health { healthy, percentage }
    }

    /// One finding that stands for the last ones of all checkers; `None` before any. The local AWS knows one report a check,
    /// so it is one from which the same follows as from all: a good one where more than 18 % are good.
    pub(crate) fn finding(&self) -> Option<&Finding> {
        let working = self.checkers.iter().filter(|checker| self.check.includes(checker.region));
        let (alive, dead): (Vec<_>, Vec<_>) =
            working.filter_map(|checker| checker.last.as_ref()).partition(|finding| finding.is_alive());
        let share = 100.0 * alive.len() as f64 / (alive.len() + dead.len()).max(1) as f64;
        if share > PERCENTAGE_NEEDED { alive.first().copied() } else { dead.first().copied() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive() -> Finding {
        Finding::Alive("HTTP Status Code 200, OK".to_owned())
    }

    fn dead() -> Finding {
        Finding::Dead("Connection refused".to_owned())
    }

    fn panel(edit: impl FnOnce(&mut Check)) -> Panel {
        let mut check = Check::example();
        check.threshold = 2;
        edit(&mut check);
        Panel::new(check)
    }

    /// Lets so many checkers find a dead endpoint, as often as the threshold wants.
    fn bury(panel: &mut Panel, seats: usize) {
        for seat in 0..seats {
            panel.hear(seat, dead());
            panel.hear(seat, dead());
        }
    }

    #[test]
    fn a_checker_changes_its_verdict_after_the_threshold_and_not_before() {
        let mut checker = Checker::new("us-east-1");
        let mut verdict_after = |finding| {
            checker.hear(finding, 2);
            checker.healthy
        };
        assert!(verdict_after(alive()));
        assert!(verdict_after(dead()));
        assert!(verdict_after(alive()));
        assert!(verdict_after(dead()));
        assert!(!verdict_after(dead()));
        assert!(!verdict_after(alive()));
        assert!(verdict_after(alive()));
    }

    #[test]
    fn a_check_is_healthy_while_more_than_18_percent_of_its_checkers_say_so() {
        let mut panel = panel(|_| {});
        bury(&mut panel, 13);
        assert_eq!(panel.health(), Health { healthy: true, percentage: 18.75 });
        bury(&mut panel, 14);
        assert_eq!(panel.health(), Health { healthy: false, percentage: 12.5 });
    }

    #[test]
    fn a_new_check_is_healthy_and_a_new_inverted_one_is_not() {
        assert!(panel(|_| {}).health().healthy);
        assert!(!panel(|check| check.inverted = true).health().healthy);
    }

    #[test]
    fn an_inverted_check_is_healthy_when_its_endpoint_is_dead() {
        let mut panel = panel(|check| check.inverted = true);
        bury(&mut panel, 16);
        assert_eq!(panel.health(), Health { healthy: true, percentage: 0.0 });
    }

    #[test]
    fn a_disabled_check_is_healthy_whatever_happens_and_nobody_probes() {
        let mut panel = panel(|_| {});
        bury(&mut panel, 16);
        assert!(panel.is_working(0));
        for inverted in [false, true] {
            panel.update(Check { disabled: true, inverted, ..Check::example() });
            assert!(panel.health().healthy && !panel.is_working(0));
        }
    }

    #[test]
    fn only_the_checkers_of_the_named_regions_count() {
        let mut panel = panel(|check| check.regions = vec!["eu-west-1".to_owned(), "sa-east-1".to_owned()]);
        let working: Vec<usize> = (0..Panel::SEATS).filter(|seat| panel.is_working(*seat)).collect();
        assert_eq!(working, [3, 7, 11, 15]);
        for seat in [3, 7, 11] {
            panel.hear(seat, dead());
            panel.hear(seat, dead());
        }
        assert_eq!(panel.health(), Health { healthy: true, percentage: 25.0 });
        bury(&mut panel, 16);
        assert!(!panel.health().healthy);
    }

    #[test]
    fn the_one_report_leads_to_the_same_conclusion_as_all_would() {
        let mut panel = panel(|_| {});
        assert_eq!(panel.finding(), None);
        (0..14).for_each(|seat| panel.hear(seat, dead()));
        assert_eq!(panel.finding(), Some(&dead()));
        panel.hear(14, alive());
        panel.hear(15, alive());
        assert_eq!(panel.finding(), Some(&dead()));
        panel.hear(0, alive());
        assert_eq!(panel.finding().map(Finding::report).as_deref(), Some("Success: HTTP Status Code 200, OK"));
    }
}
