//! What leaves the functions for others to act on: notifications, metrics and asynchronous invocations.

use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use failopen::port::{Converge, Fault, FaultKind, Message, Metric};
use failopen::secret::Secret;

use crate::fault::{fault, fault_quoting, one_line};

const PUBLISH: &str = "Publish";
const INVOKE: &str = "Invoke";
const PUT_METRICS: &str = "PutMetricData";

/// Namespace of our own metrics.
const NAMESPACE: &str = "FailOpen";
/// The one dimension of our own metrics.
const DIMENSION: &str = "Protection";
/// Data that one PutMetricData may carry (API reference).
const DATA_A_CALL: usize = 1000;

/// SNS, Lambda's asynchronous invocations and CloudWatch metrics.
pub(crate) struct Signals {
    pub(crate) sns: aws_sdk_sns::Client,
    pub(crate) lambda: aws_sdk_lambda::Client,
    pub(crate) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(crate) notification_topic: Option<String>,
    pub(crate) flip_function: Option<String>,
    pub(crate) react_function: Option<String>,
    pub(crate) function_name: Option<String>,
    pub(crate) region: Option<String>,
}

impl Signals {
    pub(crate) async fn notify(&self, message: &Message) -> Result<(), Fault> {
        let topic = named(self.notification_topic.as_deref(), "FAILOPEN_NOTIFICATION_TOPIC", PUBLISH)?;
        self.sns
            .publish()
            .topic_arn(topic)
            .subject(&message.subject)
            .message(&message.body)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| fault(PUBLISH, error))
    }

    pub(crate) async fn request_converge(&self, request: &Converge) -> Result<(), Fault> {
        let function = named(self.flip_function.as_deref(), "FAILOPEN_FLIP_FUNCTION", INVOKE)?;
        let payload =
            payload(request).map_err(|error| Fault::new(FaultKind::Refused, INVOKE, one_line(&error.to_string())))?;
        self.invoke(function, payload).await
    }

    pub(crate) async fn invoke_again(&self, event: &Secret<String>) -> Result<(), Fault> {
        let function = named(self.function_name.as_deref(), "AWS_LAMBDA_FUNCTION_NAME", INVOKE)?;
        self.invoke(function, event.expose().clone().into_bytes()).await
    }

    async fn invoke(&self, function: &str, payload: Vec<u8>) -> Result<(), Fault> {
        let output = self
            .lambda
            .invoke()
            .function_name(function)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(payload))
            .send()
            .await
            // Lambda's message about a payload quotes it, and the payload of a continuation holds the pre-signed URL.
            .map_err(|error| fault_quoting(INVOKE, error, |_| None))?;
        match output.status_code {
            202 => Ok(()),
            other => {
                Err(Fault::new(FaultKind::Unknown, INVOKE, format!("the event was answered with {other} and not 202")))
            }
        }
    }

    pub(crate) async fn put_metrics(&self, metrics: &[Metric]) -> Result<(), Fault> {
        for some in metrics.chunks(DATA_A_CALL) {
            let data = some.iter().map(|metric| {
                MetricDatum::builder()
                    .metric_name(metric.name)
                    .dimensions(Dimension::builder().name(DIMENSION).value(metric.protection.as_str()).build())
                    .value(f64::from(metric.value))
                    .unit(StandardUnit::Count)
                    .build()
            });
            self.cloudwatch
                .put_metric_data()
                .namespace(NAMESPACE)
                .set_metric_data(Some(data.collect()))
                .send()
                .await
                .map_err(|error| fault(PUT_METRICS, error))?;
        }
        Ok(())
    }
}

pub(crate) fn named<'a>(value: Option<&'a str>, variable: &str, operation: &'static str) -> Result<&'a str, Fault> {
    value.ok_or_else(|| {
        Fault::new(FaultKind::Refused, operation, format!("{variable} is not set, so there is nobody to send this to"))
    })
}

/// The request as flip takes it from anyone: the fields of [`Converge`] beside the action.
fn payload(request: &Converge) -> serde_json::Result<Vec<u8>> {
    #[derive(serde::Serialize)]
    struct Request<'a> {
        action: &'static str,
        #[serde(flatten)]
        converge: &'a Converge,
    }
    serde_json::to_vec(&Request { action: "converge", converge: request })
}

#[cfg(test)]
mod tests {
    use super::*;
    use failopen::posture::Side;
    use jiff::Timestamp;

    #[test]
    fn flip_is_asked_with_the_action_and_every_field() {
        let request = Converge {
            protection: "www".into(),
            posture: Side::Bypassed,
            reason: "AlarmActive".to_owned(),
            because: "the alarm is in ALARM".to_owned(),
            decided_at: Timestamp::from_second(1_795_348_800).expect("in range"),
        };
        let sent: serde_json::Value = serde_json::from_slice(&payload(&request).expect("serialises")).expect("JSON");
        assert_eq!(
            sent,
            serde_json::json!({
                "action": "converge", "protection": "www", "posture": "bypassed", "reason": "AlarmActive",
                "because": "the alarm is in ALARM", "decidedAt": "2026-11-22T12:00:00Z"
            })
        );
    }

    #[test]
    fn a_variable_that_is_missing_is_named() {
        let fault = named(None, "FAILOPEN_NOTIFICATION_TOPIC", PUBLISH).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused);
        assert!(fault.detail.contains("FAILOPEN_NOTIFICATION_TOPIC"), "{fault}");
    }
}
