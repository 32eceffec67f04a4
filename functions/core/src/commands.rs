//! The exact commands that messages tell people to run next.

use serde_json::{Value, json};

use crate::id::ProtectionName;

/// How the command of [`Commands::break_glass`] is introduced.
pub const BREAK_GLASS: &str = "break-glass, which needs no ledger (RUNBOOK.md says how to find the ids; leave `dryRun` out to make the \
                               change)";

/// Builds `aws lambda invoke` commands for the flip function of this deployment.
#[derive(Clone, Debug)]
pub struct Commands {
    flip_function: String,
    region: Option<String>,
}

impl Commands {
    /// `flip_function`: name or ARN, as the CLI takes it.
    pub fn new(flip_function: impl Into<String>) -> Self {
        let flip_function = flip_function.into();
        let region = match flip_function.split(':').collect::<Vec<_>>().as_slice() {
            ["arn", _, "lambda", region, ..] => Some((*region).to_owned()),
            _ => None,
        };
        Self { flip_function, region }
    }

    /// Where a function is of which only the name is known; an ARN says that itself.
    #[must_use]
    pub fn in_region(mut self, region: Option<&str>) -> Self {
        self.region = self.region.or_else(|| region.map(str::to_owned));
        self
    }

    pub fn status(&self, name: &ProtectionName) -> String {
        self.invoke(&json!({"action": "status", "protection": name}))
    }

    /// The status of all protections.
    pub fn list(&self) -> String {
        self.invoke(&json!({"action": "status"}))
    }

    pub fn bypass(&self, name: &ProtectionName) -> String {
        self.invoke(&json!({"action": "bypass", "protection": name, "reason": "INC-…"}))
    }

    /// The form of a break-glass bypass ([`BREAK_GLASS`] introduces it), for when the ledger cannot say which distribution and
    /// origins it is about. A dry run, because the ids are still to be filled in.
    pub fn break_glass(&self) -> String {
        self.invoke(&json!({
            "action": "bypass", "distribution": "…", "from": "failopen-…", "to": "…", "reason": "INC-…", "dryRun": true
        }))
    }

    pub fn restore(&self, name: &ProtectionName) -> String {
        self.invoke(&json!({"action": "restore", "protection": name, "reason": "INC-…"}))
    }

    pub fn unpin(&self, name: &ProtectionName) -> String {
        self.invoke(&json!({"action": "unpin", "protection": name}))
    }

    pub fn unlatch(&self, name: &ProtectionName) -> String {
        self.invoke(&json!({"action": "unlatch", "protection": name, "reason": "INC-…"}))
    }

    /// A command for AWS CLI version 2; version 1 has no `--cli-binary-format`. It names the Region, because Lambda looks for a
    /// function in the shell's.
    fn invoke(&self, payload: &Value) -> String {
        let region = self.region.as_ref().map_or_else(String::new, |region| format!(" --region {region}"));
        format!(
            "aws lambda invoke{region} --function-name {} --cli-binary-format raw-in-base64-out --payload '{payload}' /dev/stdout",
            self.flip_function
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The payload of a command, as the shell would hand it to the CLI.
    fn payload(command: &str) -> Value {
        let (before, rest) = command.split_once(" --payload '").expect("a payload in quotes");
        assert!(before.starts_with("aws lambda invoke --function-name failopen-Flip "), "{command}");
        let (payload, _) = rest.rsplit_once("' ").expect("an end of the quotes");
        serde_json::from_str(payload).expect("JSON")
    }

    #[test]
    fn every_command_says_its_action_and_what_it_is_about() {
        let (commands, www) = (Commands::new("failopen-Flip"), ProtectionName::new("www"));
        for (command, action) in [
            (commands.status(&www), "status"),
            (commands.bypass(&www), "bypass"),
            (commands.restore(&www), "restore"),
            (commands.unpin(&www), "unpin"),
            (commands.unlatch(&www), "unlatch"),
        ] {
            let payload = payload(&command);
            assert_eq!((&payload["action"], &payload["protection"]), (&json!(action), &json!("www")), "{command}");
            let wants_reason = ["bypass", "restore", "unlatch"].contains(&action);
            assert_eq!(payload.get("reason").is_some(), wants_reason, "{command}");
        }
        assert_eq!(payload(&commands.list()), json!({"action": "status"}));
    }

    #[test]
    fn a_command_is_for_the_functions_region_whatever_the_shells_is() {
        let arn = "arn:aws:lambda:us-east-1:111122223333:function:failopen-Flip";
        for (function, region) in [(arn, None), (arn, Some("eu-west-1")), ("failopen-Flip", Some("us-east-1"))] {
            let command = Commands::new(function).in_region(region).list();
            let beginning = format!("aws lambda invoke --region us-east-1 --function-name {function} ");
            assert!(command.starts_with(&beginning), "{command}");
        }
    }

    #[test]
    fn break_glass_needs_no_ledger_and_changes_nothing_before_its_ids_are_filled_in() {
        let payload = payload(&Commands::new("failopen-Flip").break_glass());
        assert_eq!((&payload["action"], &payload["dryRun"]), (&json!("bypass"), &json!(true)));
        assert!(payload.get("protection").is_none());
        for field in ["distribution", "from", "to", "reason"] {
            assert!(payload[field].is_string(), "{field}");
        }
    }
}
