//! Cache policies and origin request policies of the account's own: which headers they forward.

use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::types::Headers;
use failopen::forwarding::{HeaderRule, PolicyId};
use failopen::port::{Fault, FaultKind};

use crate::fault::fault;

const GET_CACHE: &str = "GetCachePolicy";
const GET_ORIGIN_REQUEST: &str = "GetOriginRequestPolicy";

/// CloudFront's policies.
pub(crate) struct Policies {
    client: Client,
}

impl Policies {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// A cache policy without parameters for the origin forwards no header (API reference, `CachePolicyConfig`).
    pub(crate) async fn read(&self, policy: &PolicyId) -> Result<HeaderRule, Fault> {
        let absent = |operation| Fault::new(FaultKind::Malformed, operation, "the answer holds no policy");
        match policy {
            PolicyId::Cache(id) => {
                let output =
                    self.client.get_cache_policy().id(id).send().await.map_err(|error| fault(GET_CACHE, error))?;
                let config = output.cache_policy.and_then(|policy| policy.cache_policy_config);
                let config = config.ok_or_else(|| absent(GET_CACHE))?;
                let headers = config.parameters_in_cache_key_and_forwarded_to_origin.and_then(|all| all.headers_config);
                Ok(headers
                    .map_or_else(HeaderRule::default, |rule| self::rule(rule.header_behavior.as_str(), rule.headers)))
            }
            PolicyId::OriginRequest(id) => {
                let sent = self.client.get_origin_request_policy().id(id).send().await;
                let output = sent.map_err(|error| fault(GET_ORIGIN_REQUEST, error))?;
                let config = output.origin_request_policy.and_then(|policy| policy.origin_request_policy_config);
                let headers = config.ok_or_else(|| absent(GET_ORIGIN_REQUEST))?.headers_config;
                Ok(headers
                    .map_or_else(HeaderRule::default, |rule| self::rule(rule.header_behavior.as_str(), rule.headers)))
            }
        }
    }
}

fn rule(behavior: &str, headers: Option<Headers>) -> HeaderRule {
    let headers = headers.and_then(|headers| headers.items).unwrap_or_default();
    HeaderRule { behavior: behavior.to_owned(), headers }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Reply, Server};

    async fn read(policy: PolicyId, answer: &'static str) -> (Result<HeaderRule, Fault>, String) {
        let server = Server::start(move |_, _| Reply::new(200, answer).with("etag", "E1"));
        let policies = Policies::new(Client::new(&server.sdk().await));
        let read = policies.read(&policy).await;
        (read, server.requests()[0].line.clone())
    }

    #[tokio::test]
    async fn the_headers_that_a_policy_forwards_are_read() {
        let answer = "<CachePolicy><Id>p</Id><LastModifiedTime>2026-01-01T00:00:00Z</LastModifiedTime><CachePolicyConfig>\
                      <Name>n</Name><MinTTL>0</MinTTL><ParametersInCacheKeyAndForwardedToOrigin>\
                      <EnableAcceptEncodingGzip>true</EnableAcceptEncodingGzip><HeadersConfig>\
                      <HeaderBehavior>whitelist</HeaderBehavior><Headers><Quantity>2</Quantity><Items><Name>Host</Name>\
                      <Name>Accept</Name></Items></Headers></HeadersConfig><CookiesConfig><CookieBehavior>none\
                      </CookieBehavior></CookiesConfig><QueryStringsConfig><QueryStringBehavior>none</QueryStringBehavior>\
                      </QueryStringsConfig></ParametersInCacheKeyAndForwardedToOrigin></CachePolicyConfig></CachePolicy>";
        let (rule, line) = read(PolicyId::Cache("p".to_owned()), answer).await;
        let rule = rule.expect("a policy");
        assert_eq!(
            (rule.behavior.as_str(), rule.headers.as_slice()),
            ("whitelist", &["Host".to_owned(), "Accept".to_owned()][..])
        );
        assert!(rule.forwards_host());
        assert_eq!(line, "GET /2020-05-31/cache-policy/p");

        let answer = "<OriginRequestPolicy><Id>p</Id><LastModifiedTime>2026-01-01T00:00:00Z</LastModifiedTime>\
                      <OriginRequestPolicyConfig><Name>n</Name><HeadersConfig><HeaderBehavior>allExcept</HeaderBehavior>\
                      <Headers><Quantity>1</Quantity><Items><Name>host</Name></Items></Headers></HeadersConfig>\
                      <CookiesConfig><CookieBehavior>all</CookieBehavior></CookiesConfig><QueryStringsConfig>\
                      <QueryStringBehavior>all</QueryStringBehavior></QueryStringsConfig></OriginRequestPolicyConfig>\
                      </OriginRequestPolicy>";
        let (rule, line) = read(PolicyId::OriginRequest("p".to_owned()), answer).await;
        assert!(!rule.expect("a policy").forwards_host());
        assert_eq!(line, "GET /2020-05-31/origin-request-policy/p");
    }

    #[tokio::test]
    async fn a_policy_that_may_not_be_read_is_denied() {
        let server = Server::start(|_, _| Reply::xml_error(403, "AccessDenied"));
        let policies = Policies::new(Client::new(&server.sdk().await));
        let read = policies.read(&PolicyId::Cache("p".to_owned())).await;
        assert_eq!(read.map_err(|fault| fault.kind), Err(FaultKind::AccessDenied));
    }
}
