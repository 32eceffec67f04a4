//! What an SDK error means to a caller: [`SdkError`] into [`Fault`].
//!
//! The service's error code decides, the HTTP status only where the code says nothing. An answer that says nothing about
//! the outcome (a time-out, a lost connection, a 5xx, a 2xx that cannot be understood) is [`FaultKind::Unknown`].

use std::error::Error;

use aws_sdk_cloudfront::config::http::HttpResponse;
use aws_sdk_cloudfront::error::{ProvideErrorMetadata, SdkError};
use failopen::port::{Fault, FaultKind};

/// Longest [`Fault::detail`], in characters: one readable line of a log or of an error message.
const DETAIL_LIMIT: usize = 300;

/// The write was refused because what it was conditional on is no longer so.
const STALE: [&str; 4] =
    ["PreconditionFailed", "InvalidIfMatchVersion", "ConditionalCheckFailedException", "HealthCheckVersionMismatch"];

/// IAM, an organisation policy or the credentials themselves said no.
const ACCESS_DENIED: [&str; 13] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "UnauthorizedOperation",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "KMSAccessDeniedException",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// The service explains what it had expected to be signed, the session token of the credentials included.
const QUOTES_CREDENTIALS: [&str; 2] = ["InvalidSignatureException", "SignatureDoesNotMatch"];

/// Too many calls. Nothing was done by the attempt that got this answer.
const THROTTLED: [&str; 13] = [
    "EC2ThrottledException",
    "KMSThrottling",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// The thing named does not exist. CloudFront and Route 53 spell it `NoSuch…`, see [`kind_of`].
const NOT_FOUND: [&str; 5] =
    ["EntityNotFound", "NotFound", "NotFoundException", "ResourceNotFound", "ResourceNotFoundException"];

/// The request was not read in time, which says nothing about what became of it.
const TIMED_OUT: [&str; 2] = ["RequestTimeout", "RequestTimeoutException"];

/// The fault of `operation` that an SDK error amounts to.
pub(crate) fn fault<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fault_quoting(operation, error, whole)
}

/// Of a message that can hold no secret.
pub(crate) fn whole(message: &str) -> Option<String> {
    Some(message.to_owned())
}

/// As [`fault`], for operations whose request holds secrets: a service may quote the request in its message. `quotable` is
/// given the message and returns what of it may be repeated.
pub(crate) fn fault_quoting<E>(
    operation: &'static str,
    error: SdkError<E, HttpResponse>,
    quotable: impl Fn(&str) -> Option<String>,
) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match &error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            let metadata = context.err().meta();
            let kind = kind_of(metadata.code(), status);
            let quotes_credentials = metadata.code().is_some_and(|code| QUOTES_CREDENTIALS.contains(&code));
            let message = metadata.message().filter(|_| !quotes_credentials).and_then(quotable);
            let detail = match (metadata.code(), message) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(code), None) => format!("{code} (HTTP {status})"),
                (None, Some(message)) => format!("HTTP {status}: {message}"),
                // The SDK calls an answer that it cannot parse an error of the service, too.
                (None, None) if context.raw().status().is_success() => {
                    format!("the answer (HTTP {status}) could not be understood")
                }
                (None, None) => format!("HTTP {status} without an error code"),
            };
            let fault = Fault::new(kind, operation, one_line(&detail));
            if kind == FaultKind::AccessDenied {
                // Some readers do without what they cannot read, and a lost permission must not look like a quiet day.
                tracing::warn!(error_type = ?kind, %fault, "AWS refused a call; the function's role or its credentials lack it");
            }
            fault
        }
        SdkError::ConstructionFailure(_) => unsent(FaultKind::Refused, operation, &error),
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => unsent(FaultKind::Unknown, operation, &error),
        // The chain of a response error quotes what it could not parse, which may be a configuration with secret headers.
        SdkError::ResponseError(context) => Fault::new(
            FaultKind::Unknown,
            operation,
            format!("the answer (HTTP {}) could not be understood", context.raw().status().as_u16()),
        ),
        _ => Fault::new(FaultKind::Unknown, operation, "an error of a kind that this version does not know"),
    }
}

/// As [`fault_quoting`], for operations whose request names several things: only `subject`'s absence is
/// [`FaultKind::NotFound`]. A missing cache policy must not be mistaken for a missing distribution.
pub(crate) fn fault_about<E>(
    operation: &'static str,
    subject: &str,
    error: SdkError<E, HttpResponse>,
    quotable: impl Fn(&str) -> Option<String>,
) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let is_subject = error.code() == Some(subject);
    let fault = fault_quoting(operation, error, quotable);
    match fault.kind {
        FaultKind::NotFound if !is_subject => Fault { kind: FaultKind::Refused, ..fault },
        _ => fault,
    }
}

/// An error without an answer. The credentials of an assumed role are fetched inside a call, so a refusal to assume it
/// arrives here and not as a service error.
fn unsent(kind: FaultKind, operation: &'static str, error: &dyn Error) -> Fault {
    let detail = one_line(&chain(error));
    let kind = if detail.contains("AccessDenied") { FaultKind::AccessDenied } else { kind };
    Fault::new(kind, operation, detail)
}

fn kind_of(code: Option<&str>, status: u16) -> FaultKind {
    if let Some(code) = code {
        let named = |codes: &[&str]| codes.contains(&code);
        if named(&STALE) {
            return FaultKind::Stale;
        } else if named(&ACCESS_DENIED) {
            return FaultKind::AccessDenied;
        } else if named(&THROTTLED) {
            return FaultKind::Throttled;
        } else if named(&NOT_FOUND) || code.starts_with("NoSuch") {
            return FaultKind::NotFound;
        } else if named(&TIMED_OUT) {
            return FaultKind::Unknown;
        }
    }
    match status {
        403 => FaultKind::AccessDenied,
        404 => FaultKind::NotFound,
        408 => FaultKind::Unknown,
        412 => FaultKind::Stale,
        429 => FaultKind::Throttled,
        400..=499 => FaultKind::Refused,
        _ => FaultKind::Unknown,
    }
}

/// What an [`SdkError`] says of itself when its source is the service's own error.
const SERVICE_ERROR: &str = "service error";

/// What each error of a chain says for itself. `DisplayErrorContext` is no substitute: it ends with a debug view of the
/// whole answer, and the answer may hold origin header values. Of a service's error inside the chain, which is that of a
/// role that could not be assumed, only the name is told: its message may quote the external id or the session token.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        let part = error.to_string();
        if parts.last().is_some_and(|last| last == SERVICE_ERROR) {
            let name = part.split(':').next().unwrap_or_default();
            parts.push(name.to_owned());
            break;
        }
        if parts.last() != Some(&part) {
            parts.push(part);
        }
        source = error.source();
    }
    parts.join(": ")
}

/// Without control characters, and no longer than [`DETAIL_LIMIT`].
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_control() || c == ' ').filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(DETAIL_LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_outranks_the_status_it_came_with() {
        for (code, status, kind) in [
            ("PreconditionFailed", 412, FaultKind::Stale),
            ("InvalidIfMatchVersion", 400, FaultKind::Stale),
            ("ConditionalCheckFailedException", 400, FaultKind::Stale),
            ("HealthCheckVersionMismatch", 409, FaultKind::Stale),
            ("AccessDenied", 403, FaultKind::AccessDenied),
            ("AccessDeniedException", 400, FaultKind::AccessDenied),
            ("AuthorizationError", 403, FaultKind::AccessDenied),
            ("NoSuchDistribution", 404, FaultKind::NotFound),
            ("NoSuchHostedZone", 404, FaultKind::NotFound),
            ("ResourceNotFoundException", 400, FaultKind::NotFound),
            ("Throttling", 400, FaultKind::Throttled),
            ("ThrottlingException", 400, FaultKind::Throttled),
            ("PriorRequestNotComplete", 400, FaultKind::Throttled),
            ("RequestLimitExceeded", 503, FaultKind::Throttled),
            ("RequestTimeout", 400, FaultKind::Unknown),
            ("InvalidChangeBatch", 400, FaultKind::Refused),
            ("HealthCheckAlreadyExists", 409, FaultKind::Refused),
            ("TooManyOrigins", 400, FaultKind::Refused),
            ("RealtimeLogConfigOwnerMismatch", 401, FaultKind::Refused),
            ("InternalError", 500, FaultKind::Unknown),
            ("ServiceUnavailable", 503, FaultKind::Unknown),
        ] {
            assert_eq!(kind_of(Some(code), status), kind, "{code} {status}");
        }
    }

    #[test]
    fn without_a_code_the_status_decides() {
        for (status, kind) in [
            (301, FaultKind::Unknown),
            (400, FaultKind::Refused),
            (403, FaultKind::AccessDenied),
            (404, FaultKind::NotFound),
            (412, FaultKind::Stale),
            (429, FaultKind::Throttled),
            (500, FaultKind::Unknown),
            (503, FaultKind::Unknown),
        ] {
            assert_eq!(kind_of(None, status), kind, "{status}");
        }
    }

    #[test]
    fn of_a_services_error_inside_a_chain_only_the_name_is_told() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Said(&'static str, #[source] Option<Box<Said>>);
        let quoting = Said("ExpiredToken: confidential", Some(Box::new(Said("confidential", None))));
        let error = Said("dispatch failure", Some(Box::new(Said(SERVICE_ERROR, Some(Box::new(quoting))))));
        assert_eq!(chain(&error), "dispatch failure: service error: ExpiredToken");
    }

    #[test]
    fn a_detail_is_one_line_of_bounded_length() {
        assert_eq!(one_line("first\r\n  second\u{7}third"), "first second third");
        let long = one_line(&"é".repeat(1000));
        assert_eq!(long.chars().count(), DETAIL_LIMIT + 1);
        assert!(long.ends_with('…'));
    }
}
