//! What can be played, and the names on the command line.

use std::path::Path;

use anyhow::Result;

use crate::gdnsd::Gdnsd;
use crate::script::{Dns, Library, Script};

/// The file whose scripts are played side by side.
const COMPARISON: &str = "compare";

/// What can be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// The runbook from deployment to removal.
    Default,
    /// Every Allow of every role is taken away once.
    Permissions,
    /// The same for react and flip, and for two actions of provision: provision asks three times before it believes a refusal,
    /// because IAM takes its time, so that all of its actions take minutes.
    PermissionsInBrief,
    /// Everything that a protection may become in its life, through CloudFormation.
    Provisioning,
    /// An outage in the lab.
    Outage(Outage),
}

/// A scenario of the outage lab, as its file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage(pub(crate) Script);

impl Scenario {
    /// Those that are no files.
    const BUILT_IN: [Scenario; 4] =
        [Scenario::Default, Scenario::Permissions, Scenario::PermissionsInBrief, Scenario::Provisioning];

    /// All of them, in the order in which they are listed.
    ///
    /// # Errors
    /// Scenario files that cannot be read, or that are no scenarios.
    pub fn all() -> Result<Vec<Scenario>> {
        let outages = library()?.scripts().map(|script| Scenario::Outage(Outage(script.clone()))).collect::<Vec<_>>();
        Ok(Self::BUILT_IN.into_iter().chain(outages).collect())
    }

    /// The scenarios of the outage lab.
    ///
    /// # Errors
    /// Scenario files that cannot be read, or that are no scenarios.
    pub fn outages() -> Result<Vec<Scenario>> {
        Ok(Self::all()?.into_iter().filter(|scenario| matches!(scenario, Scenario::Outage(_))).collect())
    }

    /// One outage, once for each choice of what stands between CloudFront and the application.
    ///
    /// # Errors
    /// Scenario files that cannot be read, or that are no scenarios.
    pub fn comparison() -> Result<Vec<Scenario>> {
        Ok(library()?.of_file(COMPARISON).iter().map(|script| Scenario::Outage(Outage(script.clone()))).collect())
    }

    /// The one with this name.
    ///
    /// # Errors
    /// There is none; the error names those that there are.
    pub fn find(name: &str) -> Result<Scenario> {
        match Self::BUILT_IN.into_iter().find(|scenario| scenario.name() == name) {
            Some(scenario) => Ok(scenario),
            None => {
                let built_in: Vec<(&str, &str)> =
                    Self::BUILT_IN.iter().map(|scenario| (scenario.name(), scenario.summary())).collect();
                Ok(Scenario::Outage(Outage(library()?.find(name, &built_in)?.clone())))
            }
        }
    }

    /// The name on the command line, and of the directory under `target/rehearsal`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Scenario::Default => "default",
            Scenario::Permissions => "permissions",
            Scenario::PermissionsInBrief => "permissions-in-brief",
            Scenario::Provisioning => "provisioning",
            Scenario::Outage(Outage(script)) => &script.name,
        }
    }

    /// Who answers the failover record.
    pub(crate) fn dns(&self) -> Dns {
        match self {
            Scenario::Outage(Outage(script)) => script.dns,
            Scenario::Default | Scenario::Permissions | Scenario::PermissionsInBrief | Scenario::Provisioning => {
                Dns::Route53
            }
        }
    }

    /// Whether this machine has the programs that it is played with beside those that every play fetches for itself.
    ///
    /// # Errors
    /// One is missing; the error says how to install it.
    pub(crate) fn can_be_played(&self) -> Result<()> {
        match self.dns() {
            Dns::Route53 => Ok(()),
            Dns::Gdnsd => Gdnsd::is_installed(),
        }
    }

    /// What happens, in a line.
    #[must_use]
    pub fn summary(&self) -> &str {
        match self {
            Scenario::Default => {
                "deploy, outage, automatic bypass, recovery, an operator's override, removal while bypassed"
            }
            Scenario::Permissions => {
                "every Allow of every role is taken away once, and the work that needs it must fail"
            }
            Scenario::PermissionsInBrief => "the same for react, flip and a little of provision",
            Scenario::Provisioning => {
                "many protections of one distribution, an Update of every property, roll-backs, drift, DeletionPolicy: Retain"
            }
            Scenario::Outage(Outage(script)) => &script.summary,
        }
    }
}

fn library() -> Result<Library> {
    Library::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_found_by_its_name() {
        let all = Scenario::all().unwrap();
        assert!(all.len() > Scenario::BUILT_IN.len());
        for scenario in all {
            assert_eq!(Scenario::find(scenario.name()).unwrap(), scenario);
        }
    }

    #[test]
    fn an_unknown_scenario_is_answered_with_its_name() {
        let error = format!("{:#}", Scenario::find("brownout-of-everything").unwrap_err());
        assert!(error.contains("brownout-of-everything"), "{error}");
    }
}
