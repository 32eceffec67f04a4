//! What the function knows about its own deployment.

use failopen::id::AlarmName;
use failopen::preflight::AllowLists;

/// Settings of the stack that this function belongs to. Built once, while the function starts.
#[derive(Clone, Debug)]
pub struct Engine {
    pub account: String,
    pub region: String,
    /// `aws`, `aws-cn`, …
    pub partition: String,
    /// ARN of react: what every alarm acts on.
    pub react_function: String,
    /// Where this function logs: every failure says so.
    pub log_group: String,
    /// What protections may touch.
    pub allowed: AllowLists,
    /// For rehearsals only: an extra origin that answers may be sent to, used only where it is a loopback name.
    pub response_origin: Option<String>,
}

/// The ARN of react does not tell account, Region and partition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("FAILOPEN_REACT_FUNCTION must be the ARN of a Lambda function, and is `{0}`")]
pub struct NotAnArn(String);

impl Engine {
    /// Account, Region and partition are those of react: both functions belong to one stack.
    ///
    /// # Errors
    /// [`NotAnArn`] where `react_function` is not the ARN of a function.
    pub fn new(
        react_function: &str,
        log_group: &str,
        allowed: AllowLists,
        response_origin: Option<String>,
    ) -> Result<Self, NotAnArn> {
        let parts: Vec<&str> = react_function.splitn(6, ':').collect();
        let ["arn", partition, "lambda", region, account, _function] = parts.as_slice() else {
            return Err(NotAnArn(react_function.to_owned()));
        };
        Ok(Self {
            account: (*account).to_owned(),
            region: (*region).to_owned(),
            partition: (*partition).to_owned(),
            react_function: react_function.to_owned(),
            log_group: log_group.to_owned(),
            allowed,
            response_origin,
        })
    }

    /// Whether a stack is in this very account and Region: no other one has reason to call this function.
    pub(crate) fn is_home_of(&self, stack_id: &str) -> bool {
        let parts: Vec<&str> = stack_id.splitn(6, ':').collect();
        matches!(
            parts.as_slice(),
            ["arn", partition, "cloudformation", region, account, stack]
                if *partition == self.partition
                    && *region == self.region
                    && *account == self.account
                    && stack.starts_with("stack/")
        )
    }

    /// ARN that an alarm of this account and Region has.
    pub(crate) fn alarm_arn(&self, name: &AlarmName) -> String {
        format!("arn:{}:cloudwatch:{}:{}:alarm:{name}", self.partition, self.region, self.account)
    }

    /// The sentence that ends every failure.
    pub(crate) fn see(&self) -> String {
        format!("Details: CloudWatch log group {}.", self.log_group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Engine {
        let react = "arn:aws:lambda:us-east-1:111122223333:function:react";
        Engine::new(react, "/aws/lambda/provision", AllowLists::default(), None).expect("an ARN")
    }

    #[test]
    fn an_alarm_is_named_where_the_engine_is() {
        assert_eq!(
            engine().alarm_arn(&AlarmName::new("failopen-www-inspection")),
            "arn:aws:cloudwatch:us-east-1:111122223333:alarm:failopen-www-inspection"
        );
    }

    #[test]
    fn only_stacks_of_the_same_account_and_region_are_at_home() {
        let engine = engine();
        assert!(engine.is_home_of("arn:aws:cloudformation:us-east-1:111122223333:stack/site/0f3a"));
        for stranger in [
            "arn:aws:cloudformation:us-east-1:444455556666:stack/site/0f3a",
            "arn:aws:cloudformation:eu-west-1:111122223333:stack/site/0f3a",
            "arn:aws-cn:cloudformation:us-east-1:111122223333:stack/site/0f3a",
            "arn:aws:s3:us-east-1:111122223333:stack/site/0f3a",
            "stack/site",
            "",
        ] {
            assert!(!engine.is_home_of(stranger), "{stranger}");
        }
    }

    #[test]
    fn a_function_name_is_not_enough() {
        assert!(Engine::new("react", "/aws/lambda/provision", AllowLists::default(), None).is_err());
    }
}
