//! One handler, wired to the Lambda runtime.

use failopen::failure::Failure;
use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tracing::Instrument;

/// Why a function could not start or go on; its text goes to the log of the initialisation.
pub use lambda_runtime::Error;

/// Serves events until Lambda ends the process. The handler gets the event and the time at which Lambda cuts it off.
///
/// A [`Failure`] becomes a function error with exactly its `errorType` and `errorMessage`. A panic becomes one too: the
/// runtime catches it and goes on with the next event.
///
/// # Errors
/// Those of the runtime's own API; Lambda then starts the function anew.
pub async fn run<H, F>(handler: H) -> Result<(), Error>
where
    H: Fn(Value, Timestamp) -> F,
    F: Future<Output = Result<Value, Failure>>,
{
    let handler = &handler;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let (event, context) = event.into_parts();
        let span = tracing::info_span!("invocation", requestId = context.request_id);
        async move { Box::pin(handler(event, deadline(context.deadline))).await.map_err(diagnostic) }.instrument(span)
    }))
    .await
}

/// Lambda's deadline in milliseconds since 1970. One that is no time at all leaves no time: the safe reading.
fn deadline(milliseconds: u64) -> Timestamp {
    i64::try_from(milliseconds)
        .ok()
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Logs the failure, once and here, and turns it into what Lambda reports.
fn diagnostic(failure: Failure) -> Diagnostic {
    tracing::error!(error_type = failure.error_type.as_str(), "{}", failure.message);
    Diagnostic { error_type: failure.error_type.as_str().to_owned(), error_message: failure.message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use failopen::failure::ErrorType;

    #[test]
    fn a_failure_keeps_its_type_and_its_sentence() {
        let diagnostic = diagnostic(Failure::new(ErrorType::LedgerUnavailable, "What to do."));
        let error = serde_json::to_value(&diagnostic).expect("serialises");
        assert_eq!(error, serde_json::json!({"errorType": "LedgerUnavailable", "errorMessage": "What to do."}));
    }

    #[test]
    fn a_deadline_is_a_time_and_nonsense_is_no_time() {
        assert_eq!(deadline(1_795_348_800_000).to_string(), "2026-11-22T12:00:00Z");
        assert_eq!(deadline(u64::MAX), Timestamp::UNIX_EPOCH);
    }
}
