//! What the template tells a function through its environment.

use failopen::id::{DistributionId, HostedZoneId, Hostname};

/// The environment cannot be used. Names every variable at once, so that one deployment mends them all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the function's environment is unusable, so it has not started: {}; correct the variables and deploy again", .problems.join("; "))]
pub struct ConfigError {
    /// One per variable, each naming it.
    pub problems: Vec<String>,
}

/// What `provision` has to know about its own stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// `AWS_REGION`.
    pub region: String,
    /// `FAILOPEN_LEDGER_TABLE`.
    pub ledger_table: String,
    /// `FAILOPEN_REACT_FUNCTION`: the ARN that alarms act on.
    pub react_function: String,
    /// `AWS_LAMBDA_FUNCTION_NAME`.
    pub function_name: String,
    /// `AWS_LAMBDA_LOG_GROUP_NAME`; Lambda's own naming where it is not set.
    pub log_group: String,
    /// `FAILOPEN_RESPONSE_ORIGIN`: an extra origin that custom-resource answers may be sent to; rehearsals only.
    pub response_origin: Option<String>,
    /// `FAILOPEN_ALLOWED_DISTRIBUTIONS`, the stack's own included.
    pub allowed_distributions: Vec<DistributionId>,
    /// `FAILOPEN_ALLOWED_HOSTED_ZONES`, the stack's own included.
    pub allowed_hosted_zones: Vec<HostedZoneId>,
    /// `FAILOPEN_ALLOWED_RECORDS`, the stack's own included; lower case without trailing dots.
    pub allowed_records: Vec<Hostname>,
    /// `FAILOPEN_ALLOWED_HOSTED_ZONE_ROLES`: ARNs.
    pub allowed_hosted_zone_roles: Vec<String>,
}

/// Reads [`Environment`] from the process environment.
///
/// # Errors
/// [`ConfigError`] names every required variable that is missing.
pub fn environment() -> Result<Environment, ConfigError> {
    read(&Variables::of_the_process())
}

fn read(variables: &Variables<'_>) -> Result<Environment, ConfigError> {
    let mut problems = Vec::new();
    let mut required = |name: &str| {
        variables.get(name).unwrap_or_else(|| {
            problems.push(format!("{name} is not set"));
            String::new()
        })
    };
    let region = required("AWS_REGION");
    let ledger_table = required("FAILOPEN_LEDGER_TABLE");
    let react_function = required("FAILOPEN_REACT_FUNCTION");
    let function_name = required("AWS_LAMBDA_FUNCTION_NAME");
    if !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    let log_group =
        variables.get("AWS_LAMBDA_LOG_GROUP_NAME").unwrap_or_else(|| format!("/aws/lambda/{function_name}"));
    Ok(Environment {
        region,
        ledger_table,
        react_function,
        function_name,
        log_group,
        response_origin: variables.get("FAILOPEN_RESPONSE_ORIGIN"),
        allowed_distributions: variables.list("FAILOPEN_ALLOWED_DISTRIBUTIONS", |id| DistributionId::new(id)),
        allowed_hosted_zones: variables
            .list("FAILOPEN_ALLOWED_HOSTED_ZONES", |zone| HostedZoneId::new(zone.trim_start_matches("/hostedzone/"))),
        allowed_records: variables
            .list("FAILOPEN_ALLOWED_RECORDS", |name| Hostname::new(name.trim_end_matches('.').to_ascii_lowercase())),
        allowed_hosted_zone_roles: variables.list("FAILOPEN_ALLOWED_HOSTED_ZONE_ROLES", str::to_owned),
    })
}

/// A place that variables are read from; the tests have their own.
pub(crate) struct Variables<'a>(Box<Lookup<'a>>);

type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl<'a> Variables<'a> {
    pub(crate) fn of_the_process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    #[cfg(test)]
    pub(crate) fn of(pairs: &'a [(&'a str, &'a str)]) -> Self {
        Self(Box::new(move |wanted| {
            pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
        }))
    }

    /// The trimmed value; an empty one counts as unset, because a template cannot leave a variable out.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A comma-separated list, without empty entries.
    fn list<T>(&self, name: &str, entry: impl Fn(&str) -> T) -> Vec<T> {
        let text = self.get(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: [(&str, &str); 4] = [
        ("AWS_REGION", "us-east-1"),
        ("FAILOPEN_LEDGER_TABLE", "ledger"),
        ("FAILOPEN_REACT_FUNCTION", "arn:aws:lambda:us-east-1:111122223333:function:react"),
        ("AWS_LAMBDA_FUNCTION_NAME", "provision"),
    ];

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        let error = read(&Variables::of(&[("AWS_REGION", "us-east-1"), ("FAILOPEN_LEDGER_TABLE", " ")])).unwrap_err();
        assert_eq!(error.problems.len(), 3);
        let text = error.to_string();
        for name in ["FAILOPEN_LEDGER_TABLE", "FAILOPEN_REACT_FUNCTION", "AWS_LAMBDA_FUNCTION_NAME"] {
            assert!(text.contains(name), "{text}");
        }
    }

    #[test]
    fn lists_are_trimmed_and_names_are_normalised() {
        let mut pairs = REQUIRED.to_vec();
        pairs.push(("FAILOPEN_ALLOWED_DISTRIBUTIONS", " E1 ,,E2,"));
        pairs.push(("FAILOPEN_ALLOWED_RECORDS", "WWW.Example.com."));
        pairs.push(("FAILOPEN_ALLOWED_HOSTED_ZONES", "/hostedzone/Z1"));
        let environment = read(&Variables::of(&pairs)).expect("complete");
        assert_eq!(environment.allowed_distributions, ["E1".into(), "E2".into()]);
        assert_eq!(environment.allowed_records, ["www.example.com".into()]);
        assert_eq!(environment.allowed_hosted_zones, ["Z1".into()]);
        assert_eq!(environment.allowed_hosted_zone_roles, Vec::<String>::new());
        assert_eq!(environment.response_origin, None);
    }
}
