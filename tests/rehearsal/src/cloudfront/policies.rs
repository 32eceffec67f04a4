//! What a behaviour's policies mean for an edge: whether the origin sees the viewer's Host, and whether errors are kept.
//!
//! A policy of one's own is not read: Assumed to forward no Host, and to let errors be kept.

/// Managed origin request policies that forward the viewer's Host: AllViewer, AllViewerAndCloudFrontHeaders-2022-06 and
/// HostHeaderOnly (CloudFront Developer Guide, using-managed-origin-request-policies).
const REQUESTS_WITH_HOST: [&str; 3] = [
    "216adef6-5c7f-47e4-b989-5492eafa07d3",
    "33f36d7e-f396-46d9-90e0-52428a34d9dc",
    "bf0718e1-ba1e-49d1-88b1-f726733018ae",
];

/// Managed cache policies with Host in their key, which forwards it too: UseOriginCacheControlHeaders,
/// UseOriginCacheControlHeaders-QueryStrings and Amplify (ibidem, using-managed-cache-policies).
const CACHES_WITH_HOST: [&str; 3] = [
    "83da9c7e-98b4-4e11-a168-04f0df8e2c65",
    "4cc15a8a-d715-48a4-82b8-cc0b614638fe",
    "2e54312d-136d-493c-8eb9-b001f22f67d2",
];

/// The managed cache policy CachingDisabled, which keeps no errors either (ibidem, custom-error-pages-expiration).
const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";

/// What a behaviour says about headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policies<'a> {
    pub(crate) cache: Option<&'a str>,
    pub(crate) origin_request: Option<&'a str>,
    /// Names in the older ForwardedValues.
    pub(crate) headers: Vec<&'a str>,
}

impl Policies<'_> {
    /// Whether the origin is asked for the viewer's host instead of its own domain name. One reason is enough (API reference,
    /// OriginRequestPolicyConfig, CachePolicyConfig and ForwardedValues).
    pub(crate) fn forward_host(&self) -> bool {
        self.origin_request.is_some_and(|id| REQUESTS_WITH_HOST.contains(&id))
            || self.cache.is_some_and(|id| CACHES_WITH_HOST.contains(&id))
            || self.headers.iter().any(|name| *name == "*" || name.eq_ignore_ascii_case("host"))
    }

    /// Whether an error is served again for a while. With all headers forwarded, "CloudFront sends every request to the
    /// origin" (API reference, Headers).
    pub(crate) fn keep_errors(&self) -> bool {
        self.cache != Some(CACHING_DISABLED) && !self.headers.contains(&"*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_one_reason_forwards_the_host() {
        let forwarding = [
            Policies { origin_request: Some(REQUESTS_WITH_HOST[0]), ..Policies::default() },
            Policies { cache: Some(CACHES_WITH_HOST[0]), ..Policies::default() },
            Policies { headers: vec!["Accept", "host"], ..Policies::default() },
            Policies { headers: vec!["*"], ..Policies::default() },
        ];
        for policies in forwarding {
            assert!(policies.forward_host(), "{policies:?}");
        }
    }

    #[test]
    fn all_viewer_except_host_and_plain_headers_forward_none() {
        let except_host = Some("b689b0a8-53d0-40ab-baf2-68738e2966ac");
        let policies = Policies { cache: Some(CACHING_DISABLED), origin_request: except_host, headers: vec!["Accept"] };
        assert!(!policies.forward_host());
    }

    #[test]
    fn errors_are_kept_unless_nothing_is() {
        assert!(Policies::default().keep_errors());
        assert!(!Policies { cache: Some(CACHING_DISABLED), ..Policies::default() }.keep_errors());
        assert!(!Policies { headers: vec!["*"], ..Policies::default() }.keep_errors());
    }
}
