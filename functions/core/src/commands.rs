//! The exact commands that messages tell people to run next.

use serde_json::{Value, json};

use crate::id::ProtectionName;

/// Builds `aws lambda invoke` commands for the flip function of this deployment.
#[derive(Clone, Debug)]
pub struct Commands {
    flip_function: String,
}

impl Commands {
    /// `flip_function`: name or ARN, as the CLI takes it.
    pub fn new(flip_function: impl Into<String>) -> Self {
        Self { flip_function: flip_function.into() }
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

    /// The form of a break-glass bypass, for when the ledger cannot say which distribution and origins it is about. A dry
    /// run, because the ids are still to be filled in.
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

    /// A command for AWS CLI version 2; version 1 has no `--cli-binary-format`.
    fn invoke(&self, payload: &Value) -> String {
        format!(
            "aws lambda invoke --function-name {} --cli-binary-format raw-in-base64-out --payload '{payload}' /dev/stdout",
            self.flip_function
        )
    }
}
