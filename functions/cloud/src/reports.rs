//! What Route 53 reports of health checks as a metric: all that is known of those that have no checkers of their own.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Datapoint, Dimension, Statistic};
use failopen::id::HealthCheckId;
use failopen::port::Fault;
use jiff::{SignedDuration, Timestamp};

use crate::fault::fault;

const GET_STATISTICS: &str = "GetMetricStatistics";
/// Older reports say nothing about now. A minute's value comes when the minute is over, and sometimes a little later.
const RECENT: SignedDuration = SignedDuration::from_mins(5);
/// The metric's own (Route 53 Developer Guide, "Monitoring health checks using CloudWatch").
const PERIOD_SECONDS: i32 = 60;

/// CloudWatch's metrics of Route 53.
pub(crate) struct Reports {
    client: Client,
}

impl Reports {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The newest recent minute: healthy throughout, or not. `None` where no minute was reported.
    pub(crate) async fn health(&self, id: &HealthCheckId) -> Result<Option<bool>, Fault> {
        let now = Timestamp::now();
        let output = self
            .client
            .get_metric_statistics()
            .namespace("AWS/Route53")
            .metric_name("HealthCheckStatus")
            .dimensions(Dimension::builder().name("HealthCheckId").value(id.as_str()).build())
            .start_time(DateTime::from_secs((now - RECENT).as_second()))
            .end_time(DateTime::from_secs(now.as_second()))
            .period(PERIOD_SECONDS)
            .statistics(Statistic::Minimum)
            .send()
            .await
            .map_err(|error| fault(GET_STATISTICS, error))?;
        Ok(newest(output.datapoints()))
    }
}

/// Datapoints come in no particular order (API reference, GetMetricStatistics).
fn newest(datapoints: &[Datapoint]) -> Option<bool> {
    let newest = datapoints.iter().max_by_key(|datapoint| datapoint.timestamp.map(|at| at.secs()));
    newest.and_then(|datapoint| datapoint.minimum).map(|minimum| minimum >= 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datapoint(at: i64, minimum: f64) -> Datapoint {
        Datapoint::builder().timestamp(DateTime::from_secs(at)).minimum(minimum).build()
    }

    #[test]
    fn the_newest_minute_counts() {
        assert_eq!(newest(&[]), None);
        assert_eq!(newest(&[datapoint(120, 1.0), datapoint(60, 0.0)]), Some(true));
        assert_eq!(newest(&[datapoint(60, 1.0), datapoint(120, 0.5)]), Some(false));
    }
}
