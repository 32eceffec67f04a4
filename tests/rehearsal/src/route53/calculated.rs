//! Health checks that watch other health checks.

use std::collections::BTreeMap;

use aws_sdk_route53::types::{HealthCheckConfig, HealthCheckType};

/// A calculated health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Calculated {
    children: Vec<String>,
    /// Children that have to be healthy; with 0 it always is (Route 53 API Reference, `HealthThreshold`).
    threshold: usize,
    inverted: bool,
    pub(crate) disabled: bool,
}

impl Calculated {
    /// `None` for a check of any other type.
    pub(crate) fn read(config: &HealthCheckConfig) -> Option<Self> {
        (*config.r#type() == HealthCheckType::Calculated).then(|| Self {
            children: config.child_health_checks().to_vec(),
            threshold: config.health_threshold().and_then(|count| usize::try_from(count).ok()).unwrap_or_default(),
            inverted: config.inverted() == Some(true),
            disabled: config.disabled() == Some(true),
        })
    }

    /// By the verdicts of other checks. Assumed: a child that nobody knows is healthy, as a record with such a check is.
    pub(crate) fn is_healthy(&self, verdicts: &BTreeMap<String, bool>) -> bool {
        let healthy = self.children.iter().filter(|child| verdicts.get(*child).copied().unwrap_or(true)).count();
        // As for checks of an endpoint (API Reference, `Disabled`, `Inverted`).
        self.disabled || (healthy >= self.threshold) != self.inverted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_two(threshold: i32) -> Calculated {
        let config = HealthCheckConfig::builder()
            .r#type(HealthCheckType::Calculated)
            .child_health_checks("one")
            .child_health_checks("two")
            .health_threshold(threshold)
            .build()
            .unwrap();
        Calculated::read(&config).unwrap()
    }

    fn verdicts(one: bool, two: bool) -> BTreeMap<String, bool> {
        [("one".to_owned(), one), ("two".to_owned(), two)].into()
    }

    #[test]
    fn as_many_children_as_the_threshold_have_to_be_healthy() {
        for (threshold, expected) in
            [(0, [true; 3]), (1, [false, true, true]), (2, [false, false, true]), (3, [false; 3])]
        {
            let check = of_two(threshold);
            let found =
                [(false, false), (true, false), (true, true)].map(|(one, two)| check.is_healthy(&verdicts(one, two)));
            assert_eq!(found, expected, "threshold {threshold}");
        }
    }

    #[test]
    fn one_that_is_disabled_is_healthy_and_an_inverted_one_says_the_opposite() {
        let dead = verdicts(false, false);
        assert!(Calculated { disabled: true, ..of_two(1) }.is_healthy(&dead));
        assert!(Calculated { inverted: true, ..of_two(1) }.is_healthy(&dead));
        assert!(of_two(2).is_healthy(&BTreeMap::new()), "nobody knows the children");
    }

    #[test]
    fn a_check_of_an_endpoint_is_none() {
        let config = HealthCheckConfig::builder().r#type(HealthCheckType::Https).build().unwrap();
        assert_eq!(Calculated::read(&config), None);
    }
}
