//! Which Host a behaviour sends to its origin, and so which name CloudFront sends as SNI and wants in the certificate.
//!
//! The viewer's Host reaches the origin where any of the behaviour's settings forwards it: an origin request policy, a cache
//! policy that has it in the cache key, or the older ForwardedValues (API reference, `OriginRequestPolicyHeadersConfig`,
//! `CachePolicyHeadersConfig`, `ForwardedValues`). Otherwise CloudFront sends the origin's own domain name. Functions at the
//! edge may do otherwise; they have a finding of their own.

use std::collections::BTreeMap;
use std::fmt;

/// What a behaviour says about the headers that it forwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// The policies it names.
    pub policies: Vec<PolicyId>,
    /// Headers of the older ForwardedValues, which a behaviour with policies does not have.
    pub headers: Vec<String>,
}

/// A policy that a behaviour may name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyId {
    Cache(String),
    OriginRequest(String),
}

impl PolicyId {
    pub fn id(&self) -> &str {
        match self {
            PolicyId::Cache(id) | PolicyId::OriginRequest(id) => id,
        }
    }
}

impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PolicyId::Cache(id) => write!(f, "cache policy {id}"),
            PolicyId::OriginRequest(id) => write!(f, "origin request policy {id}"),
        }
    }
}

/// The headers part of a policy: `none`, `whitelist`, `allViewer`, `allViewerAndWhitelistCloudFront` or `allExcept`, and the
/// names that go with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderRule {
    pub behavior: String,
    pub headers: Vec<String>,
}

impl HeaderRule {
    /// Whether Host is among what it forwards.
    pub fn forwards_host(&self) -> bool {
        let names_host = self.headers.iter().any(|header| header.eq_ignore_ascii_case("host"));
        match self.behavior.as_str() {
            "allViewer" | "allViewerAndWhitelistCloudFront" => true,
            "whitelist" => names_host,
            "allExcept" => !names_host,
            _ => false,
        }
    }
}

/// AWS's own policies and whether they forward Host (Developer Guide, "Use managed origin request policies" and "Use managed
/// cache policies"). Theirs never change, so they need not be read.
const MANAGED: [(&str, bool); 15] = [
    ("216adef6-5c7f-47e4-b989-5492eafa07d3", true),  // AllViewer
    ("33f36d7e-f396-46d9-90e0-52428a34d9dc", true),  // AllViewerAndCloudFrontHeaders-2022-06
    ("bf0718e1-ba1e-49d1-88b1-f726733018ae", true),  // HostHeaderOnly
    ("83da9c7e-98b4-4e11-a168-04f0df8e2c65", true),  // UseOriginCacheControlHeaders
    ("4cc15a8a-d715-48a4-82b8-cc0b614638fe", true),  // UseOriginCacheControlHeaders-QueryStrings
    ("2e54312d-136d-493c-8eb9-b001f22f67d2", true),  // Amplify
    ("b689b0a8-53d0-40ab-baf2-68738e2966ac", false), // AllViewerExceptHostHeader
    ("59781a5b-3903-41f3-afcb-af62929ccde1", false), // CORS-CustomOrigin
    ("88a5eaf4-2fd4-4709-b370-b4c650ea3fcf", false), // CORS-S3Origin
    ("acba4595-bd28-49b8-b9fe-13317c0390fa", false), // UserAgentRefererHeaders
    ("775133bc-15f2-49f9-abea-afb2e0bf67d2", false), // Elemental-MediaTailor-PersonalizedManifests
    ("658327ea-f89d-4fab-a63d-7e88639e58f6", false), // CachingOptimized
    ("b2884449-e4de-46a7-ac36-70bc7f1ddd6d", false), // CachingOptimizedForUncompressedObjects
    ("4135ea2d-6df8-44a3-9df3-4b5a84be39ad", false), // CachingDisabled
    ("08627262-05a9-4f76-9ded-b50ca2e3a84f", false), // Elemental-MediaPackage
];

/// What is known of the policies that are not AWS's own; one that could not be read is absent.
pub type Policies = BTreeMap<PolicyId, HeaderRule>;

/// Whose name arrives at the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostSent {
    /// The domain name of the origin.
    Origin,
    /// What the viewer asked for: one of the distribution's aliases.
    Viewer,
    /// One or the other: a policy that decides it could not be read.
    Unclear,
}

impl Forwarding {
    /// The policies that have to be read to know more.
    pub fn unknown(&self) -> impl Iterator<Item = &PolicyId> {
        self.policies.iter().filter(|policy| managed(policy).is_none())
    }

    pub fn host_sent(&self, policies: &Policies) -> HostSent {
        if self.headers.iter().any(|header| header == "*" || header.eq_ignore_ascii_case("host")) {
            return HostSent::Viewer;
        }
        let forwards = |policy| managed(policy).or_else(|| policies.get(policy).map(HeaderRule::forwards_host));
        let each: Vec<Option<bool>> = self.policies.iter().map(forwards).collect();
        if each.contains(&Some(true)) {
            HostSent::Viewer
        } else if each.contains(&None) {
            HostSent::Unclear
        } else {
            HostSent::Origin
        }
    }
}

fn managed(policy: &PolicyId) -> Option<bool> {
    MANAGED.iter().find(|(id, _)| *id == policy.id()).map(|(_, forwards)| *forwards)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_VIEWER: &str = "216adef6-5c7f-47e4-b989-5492eafa07d3";
    const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";

    fn rule(behavior: &str, headers: &[&str]) -> HeaderRule {
        HeaderRule { behavior: behavior.to_owned(), headers: headers.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn a_policy_forwards_host_where_it_names_it_or_takes_all() {
        for (rule, forwards) in [
            (rule("allViewer", &[]), true),
            (rule("allViewerAndWhitelistCloudFront", &["CloudFront-Viewer-Country"]), true),
            (rule("whitelist", &["Accept", "HOST"]), true),
            (rule("whitelist", &["Accept"]), false),
            (rule("allExcept", &["Host"]), false),
            (rule("allExcept", &["Accept"]), true),
            (rule("none", &["Host"]), false),
        ] {
            assert_eq!(rule.forwards_host(), forwards, "{rule:?}");
        }
    }

    #[test]
    fn one_setting_that_forwards_host_is_enough() {
        let (cache, origin) =
            (|id: &str| PolicyId::Cache(id.to_owned()), |id: &str| PolicyId::OriginRequest(id.to_owned()));
        let with = |policies: Vec<PolicyId>| Forwarding { policies, headers: Vec::new() };
        let read =
            Policies::from([(cache("mine"), rule("whitelist", &["Host"])), (origin("other"), rule("none", &[]))]);
        for (forwarding, sent) in [
            (with(vec![]), HostSent::Origin),
            (with(vec![cache(CACHING_DISABLED), origin(ALL_VIEWER)]), HostSent::Viewer),
            (with(vec![cache(CACHING_DISABLED)]), HostSent::Origin),
            (with(vec![cache("mine")]), HostSent::Viewer),
            (with(vec![origin("other")]), HostSent::Origin),
            (with(vec![origin("mine")]), HostSent::Unclear),
            (with(vec![origin("unread"), cache("mine")]), HostSent::Viewer),
            (Forwarding { headers: vec!["Host".to_owned()], ..Forwarding::default() }, HostSent::Viewer),
            (Forwarding { headers: vec!["*".to_owned()], ..Forwarding::default() }, HostSent::Viewer),
            (Forwarding { headers: vec!["Accept".to_owned()], ..Forwarding::default() }, HostSent::Origin),
        ] {
            assert_eq!(forwarding.host_sent(&read), sent, "{forwarding:?}");
        }
        let both = with(vec![cache(CACHING_DISABLED), origin("mine")]);
        assert_eq!(both.unknown().collect::<Vec<_>>(), [&origin("mine")]);
        assert_eq!(origin("mine").to_string(), "origin request policy mine");
    }
}
