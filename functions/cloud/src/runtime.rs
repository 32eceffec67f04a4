//! One handler, wired to the Lambda runtime.

use std::panic::AssertUnwindSafe;

use failopen::failure::{ErrorType, Failure};
use futures_util::FutureExt;
use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tracing::Instrument;

/// Why a function could not start or go on; its text goes to the log of the initialisation.
pub use lambda_runtime::Error;

/// Serves events until Lambda ends the process. The handler gets the event and the time at which Lambda cuts it off.
///
/// A [`Failure`] becomes a function error with exactly its `errorType` and `errorMessage`. A panic becomes one too, without
/// what it says, and the next event finds the process in working order.
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
        let outcome = Box::pin(survived(async move { handler(event, deadline(context.deadline)).await }));
        async move { outcome.await.map_err(diagnostic) }.instrument(span)
    }))
    .await
}

/// The outcome of a handler, or what is said in its place where it panicked. The runtime would put the text of the panic
/// into the function error, and that may hold anything.
async fn survived(outcome: impl Future<Output = Result<Value, Failure>>) -> Result<Value, Failure> {
    AssertUnwindSafe(outcome).catch_unwind().await.unwrap_or_else(|_panic| {
        Err(Failure::new(
            ErrorType::Unavailable,
            "The function met a defect of its own and stopped half-way; layer 1 (DNS) goes on without it. Ask for `status` to \
             see what was done, run the same command again, and report the place that the log of this request names.",
        ))
    })
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

    #[tokio::test]
    async fn a_panic_is_a_failure_of_a_known_type_that_does_not_say_what_the_function_held() {
        let outcome = survived(async { panic!("{}", "confidential".to_owned()) }).await;
        let failure = outcome.expect_err("it panicked");
        assert_eq!(failure.error_type, ErrorType::Unavailable);
        assert!(!failure.message.contains("confidential"), "{failure}");
        assert_eq!(survived(async { Ok(Value::Null) }).await, Ok(Value::Null));
    }

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
