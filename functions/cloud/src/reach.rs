//! Asks Lambda for the ways from an alarm to a flip. Nothing is set going by it.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use failopen::port::{Fault, FaultKind};
use failopen::reach::FlipReach;

use crate::fault::{fault, one_line};
use crate::signals::{Signals, named};

const GET_POLICY: &str = "GetPolicy";
const INVOKE: &str = "Invoke";
/// What react answers without deciding anything.
const CHECK: &[u8] = br#"{"action": "check"}"#;

impl Signals {
    pub(crate) async fn react_policy(&self) -> Result<Option<String>, Fault> {
        let function = named(self.react_function.as_deref(), "FAILOPEN_REACT_FUNCTION", GET_POLICY)?;
        match self.lambda.get_policy().function_name(function).send().await.map_err(|error| fault(GET_POLICY, error)) {
            Ok(output) => Ok(output.policy),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    pub(crate) async fn react_reaches_flip(&self) -> Result<FlipReach, Fault> {
        let function = named(self.react_function.as_deref(), "FAILOPEN_REACT_FUNCTION", INVOKE)?;
        let invoked = self.lambda.invoke().function_name(function).payload(Blob::new(CHECK)).send().await;
        let output = invoked.map_err(|error| fault(INVOKE, error))?;
        let payload = output.payload.map(Blob::into_inner).unwrap_or_default();
        let answer = String::from_utf8_lossy(&payload);
        if let Some(kind) = output.function_error {
            let detail = one_line(&format!("react ended in an error ({kind}): {answer}"));
            return Err(Fault::new(FaultKind::Unknown, INVOKE, detail));
        }
        serde_json::from_str(&answer)
            .map_err(|_| Fault::new(FaultKind::Malformed, INVOKE, one_line(&format!("react answered {answer}"))))
    }

    /// DryRun: "Validate parameter values and verify that the user or role has permission to invoke the function" (Lambda API
    /// reference, Invoke).
    pub(crate) async fn flip_may_be_invoked(&self) -> Result<(), Fault> {
        let function = named(self.flip_function.as_deref(), "FAILOPEN_FLIP_FUNCTION", INVOKE)?;
        let request = self.lambda.invoke().function_name(function).invocation_type(InvocationType::DryRun);
        // With a body, as the request has that this one stands for.
        request.payload(Blob::new("{}")).send().await.map(|_| ()).map_err(|error| fault(INVOKE, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::{Settings, cloud};
    use crate::wire::{Reply, Server};
    use failopen::port::Observe;

    const REACT: &str = "arn:aws:lambda:us-east-1:111122223333:function:react";

    async fn asked<T>(reply: Reply, ask: impl AsyncFnOnce(&crate::Cloud) -> T) -> (T, String, Option<String>) {
        let server = Server::start(move |_, _| reply.clone());
        let settings = Settings {
            react_function: Some(REACT.to_owned()),
            flip_function: Some("flip".to_owned()),
            ..Settings::default()
        };
        let answer = ask(&cloud(&server.sdk().await, settings)).await;
        let request = server.requests().remove(0);
        let kind = request.header("x-amz-invocation-type").map(str::to_owned);
        (answer, request.line, kind)
    }

    #[tokio::test]
    async fn the_policy_of_react_is_read_and_none_is_no_fault() {
        let (policy, line, _) =
            asked(Reply::new(200, r#"{"Policy": "{}", "RevisionId": "r"}"#), async |cloud| cloud.react_policy().await)
                .await;
        assert_eq!(policy, Ok(Some("{}".to_owned())));
        assert!(line.starts_with("GET ") && line.contains("react/policy"), "{line}");
        let none = Reply::new(404, r#"{"Message": "none"}"#).with("x-amzn-errortype", "ResourceNotFoundException");
        assert_eq!(asked(none, async |cloud| cloud.react_policy().await).await.0, Ok(None));
        let denied = Reply::new(403, r#"{"Message": "no"}"#).with("x-amzn-errortype", "AccessDeniedException");
        let fault = asked(denied, async |cloud| cloud.react_policy().await).await.0.unwrap_err();
        assert_eq!(fault.kind, FaultKind::AccessDenied);
    }

    #[tokio::test]
    async fn react_is_asked_and_its_word_is_read() {
        let ask = async |cloud: &crate::Cloud| cloud.react_reaches_flip().await;
        let (reach, line, _) = asked(Reply::new(200, r#"{"decisions": [], "flip": "allowed"}"#), ask).await;
        assert_eq!(reach, Ok(FlipReach::Allowed));
        assert!(line.starts_with("POST ") && line.contains("react/invocations"), "{line}");
        let denied = asked(Reply::new(200, r#"{"decisions": [], "flip": "denied", "why": "no"}"#), ask).await.0;
        assert_eq!(denied, Ok(FlipReach::Denied { why: "no".to_owned() }));
        let failed = Reply::new(200, r#"{"errorMessage": "defect"}"#).with("x-amz-function-error", "Unhandled");
        let fault = asked(failed, ask).await.0.unwrap_err();
        assert!(fault.kind == FaultKind::Unknown && fault.detail.contains("defect"), "{fault}");
        let other = asked(Reply::new(200, "null"), ask).await.0.unwrap_err();
        assert_eq!(other.kind, FaultKind::Malformed);
    }

    #[tokio::test]
    async fn flip_is_never_invoked_by_the_question_whether_it_may_be() {
        let ask = async |cloud: &crate::Cloud| cloud.flip_may_be_invoked().await;
        let (may, _, kind) = asked(Reply::new(204, ""), ask).await;
        assert_eq!((may, kind.as_deref()), (Ok(()), Some("DryRun")));
        let denied = Reply::new(403, r#"{"Message": "no"}"#).with("x-amzn-errortype", "AccessDeniedException");
        let (refused, _, kind) = asked(denied, ask).await;
        assert_eq!(refused.unwrap_err().kind, FaultKind::AccessDenied);
        assert_eq!(kind.as_deref(), Some("DryRun"));
    }
}
