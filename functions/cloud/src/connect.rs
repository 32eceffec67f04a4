//! Clients, built once while the function starts: settings from the environment, time-outs and retries on every call.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use failopen::limits::{ATTEMPT, CALL, CONNECT};

use crate::cloud::Cloud;
use crate::cloudfront::Distributions;
use crate::cloudwatch::Alarms;
use crate::environment::{ConfigError, Variables};
use crate::health_check::HealthChecks;
use crate::ledger::Ledger;
use crate::network::Network;
use crate::policies::Policies;
use crate::reports::Reports;
use crate::route53::Zones;
use crate::signals::Signals;

/// Attempts of one call, the first included. The SDK pauses between them, longer after throttling.
const ATTEMPTS: u32 = 3;

/// Connects to AWS as the environment says: the SDK's default chain (`AWS_REGION`, `AWS_ENDPOINT_URL`, the function's
/// role) and the `FAILOPEN_*` variables. Makes no remote call.
///
/// A variable that only some functions have is not missed here; a call that needs it fails with a [`failopen::port::Fault`]
/// that names it.
///
/// # Errors
/// [`ConfigError`] where `FAILOPEN_RESOLVER` is not `host:port`.
pub async fn connect() -> Result<Cloud, ConfigError> {
    let settings = Settings::read(&Variables::of_the_process())?;
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts(CALL.unsigned_abs()))
        .load()
        .await;
    Ok(cloud(&sdk, settings))
}

pub(crate) fn cloud(sdk: &SdkConfig, settings: Settings) -> Cloud {
    let route53 = aws_sdk_route53::Client::new(sdk);
    let cloudwatch = aws_sdk_cloudwatch::Client::new(sdk);
    let cloudfront = aws_sdk_cloudfront::Client::new(sdk);
    Cloud {
        policies: Policies::new(cloudfront.clone()),
        distributions: Distributions::new(cloudfront),
        health_checks: HealthChecks::new(route53.clone()),
        zones: Zones::new(route53, sdk.clone()),
        alarms: Alarms::new(cloudwatch.clone()),
        reports: Reports::new(cloudwatch.clone()),
        ledger: Ledger::new(aws_sdk_dynamodb::Client::new(sdk), settings.ledger_table),
        signals: Signals {
            sns: aws_sdk_sns::Client::new(sdk),
            lambda: aws_sdk_lambda::Client::new(sdk),
            cloudwatch,
            notification_topic: settings.notification_topic,
            flip_function: settings.flip_function,
            react_function: settings.react_function,
            function_name: settings.function_name,
            region: sdk.region().map(ToString::to_string),
        },
        network: Network::new(settings.resolver),
    }
}

/// Time-outs of every client; `operation` bounds all attempts of one call together.
pub(crate) fn timeouts(operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT.unsigned_abs())
        .operation_attempt_timeout(ATTEMPT.unsigned_abs())
        .operation_timeout(operation)
        .build()
}

/// What the clients need of the environment beyond the SDK's own variables.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) ledger_table: Option<String>,
    pub(crate) notification_topic: Option<String>,
    pub(crate) flip_function: Option<String>,
    pub(crate) react_function: Option<String>,
    pub(crate) function_name: Option<String>,
    pub(crate) resolver: Option<SocketAddr>,
}

impl Settings {
    fn read(variables: &Variables<'_>) -> Result<Self, ConfigError> {
        let resolver = match variables.get("FAILOPEN_RESOLVER") {
            None => None,
            Some(text) => match text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()) {
                Some(address) => Some(address),
                None => {
                    let problem = format!("FAILOPEN_RESOLVER is {text:?} and has to be host:port of a DNS server");
                    return Err(ConfigError { problems: vec![problem] });
                }
            },
        };
        Ok(Self {
            ledger_table: variables.get("FAILOPEN_LEDGER_TABLE"),
            notification_topic: variables.get("FAILOPEN_NOTIFICATION_TOPIC"),
            flip_function: variables.get("FAILOPEN_FLIP_FUNCTION"),
            react_function: variables.get("FAILOPEN_REACT_FUNCTION"),
            function_name: variables.get("AWS_LAMBDA_FUNCTION_NAME"),
            resolver,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_lacks_variables_still_starts() {
        assert_eq!(Settings::read(&Variables::of(&[])), Ok(Settings::default()));
    }

    #[test]
    fn a_resolver_that_is_not_host_and_port_is_named() {
        let error = Settings::read(&Variables::of(&[("FAILOPEN_RESOLVER", "127.0.0.1")])).unwrap_err();
        assert!(error.to_string().contains("FAILOPEN_RESOLVER"), "{error}");
        let settings = Settings::read(&Variables::of(&[("FAILOPEN_RESOLVER", "127.0.0.1:5353")])).expect("valid");
        assert_eq!(settings.resolver, Some(SocketAddr::from(([127, 0, 0, 1], 5353))));
    }
}
