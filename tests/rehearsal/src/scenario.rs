//! The scenarios and their names.

use std::str::FromStr;

/// What can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// The runbook from deployment to removal.
    Default,
    /// Every Allow of every role is taken away once.
    Permissions,
    /// The same for react and flip, and for two actions of provision: provision asks three times before it believes a refusal,
    /// because IAM takes its time, so that all of its actions take minutes.
    PermissionsInBrief,
}

impl Scenario {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Scenario; 3] = [Scenario::Default, Scenario::Permissions, Scenario::PermissionsInBrief];

    /// The name on the command line, and of the directory under `target/rehearsal`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Default => "default",
            Scenario::Permissions => "permissions",
            Scenario::PermissionsInBrief => "permissions-in-brief",
        }
    }

    /// What happens, in a line.
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            Scenario::Default => {
                "deploy, outage, automatic bypass, recovery, an operator's override, removal while bypassed"
            }
            Scenario::Permissions => {
                "every Allow of every role is taken away once, and the work that needs it must fail"
            }
            Scenario::PermissionsInBrief => "the same for react, flip and a little of provision",
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
