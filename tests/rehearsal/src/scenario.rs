//! The scenarios and their names.

use std::str::FromStr;

/// What can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// The runbook from deployment to removal.
    Default,
}

impl Scenario {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Scenario; 1] = [Scenario::Default];

    /// The name on the command line, and of the directory under `target/rehearsal`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Default => "default",
        }
    }

    /// What happens, in a line.
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            Scenario::Default => {
                "deploy, outage, automatic bypass, recovery, an operator's override, removal while bypassed"
            }
        }
    }
}

/// No scenario has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no scenario `{name}`, so nothing was played. These are here:\n{list}")]
pub struct UnknownScenario {
    name: String,
    list: String,
}

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Scenario::ALL
            .into_iter()
            .find(|scenario| scenario.name() == name)
            .ok_or_else(|| UnknownScenario { name: name.to_owned(), list: crate::scenarios() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_found_by_its_name() {
        for scenario in Scenario::ALL {
            assert_eq!(scenario.name().parse(), Ok(scenario));
        }
    }

    #[test]
    fn an_unknown_scenario_is_answered_with_the_list() {
        let error = "brownout-of-everything".parse::<Scenario>().unwrap_err().to_string();
        assert!(error.contains("brownout-of-everything") && error.contains("default"), "{error}");
    }
}
