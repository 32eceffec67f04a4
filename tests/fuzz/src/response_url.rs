//! What the allow-list of answers lets through is, in the eyes of another URL parser, a place of CloudFormation's.

use failopen::response_url::{Allowed, check as is_allowed, is_loopback_origin};
use url::{Host, Url};

/// Partition, Region and the end of every host name there.
const DEPLOYMENTS: [(&str, &str, &str); 4] = [
    ("aws", "us-east-1", "amazonaws.com"),
    ("aws", "eu-west-1", "amazonaws.com"),
    ("aws-cn", "cn-north-1", "amazonaws.com.cn"),
    ("aws-us-gov", "us-gov-west-1", "amazonaws.com"),
];

const REHEARSALS: [&str; 3] = ["http://localhost:4566", "https://127.0.0.1", "http://[::1]:80"];

/// Takes the bytes for a URL, and for the origin of a rehearsal.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for (partition, region, suffix) in DEPLOYMENTS {
        let is_allowed = is_allowed(text, Allowed { partition, region, extra_origin: None }).is_ok();
        let parsed = Url::parse(text).ok();
        let is_cloudformations = parsed.as_ref().is_some_and(|url| is_cloudformations(url, region, suffix));
        if is_allowed {
            assert!(is_cloudformations, "{text} is allowed in {region}, and is {parsed:?}");
        }
        // The other way round only where the text is in the one spelling that a URL parser writes itself.
        let is_canonical = parsed.is_some_and(|url| url.as_str() == text && url.fragment().is_none());
        let is_plain = text.chars().all(|c| c.is_ascii_graphic()) && !text.contains('\\');
        if is_cloudformations && is_canonical && is_plain {
            assert!(is_allowed, "{text} is refused in {region}");
        }
    }
    for origin in REHEARSALS {
        let allowed = Allowed { partition: "aws", region: "us-east-1", extra_origin: Some(origin) };
        let without = Allowed { extra_origin: None, ..allowed };
        if is_allowed(text, allowed).is_ok() && is_allowed(text, without).is_err() {
            let (url, origin) = (Url::parse(text).expect("a URL"), Url::parse(origin).expect("a URL"));
            assert_eq!(url.origin(), origin.origin(), "{text}");
            assert!(has_no_credentials(&url), "{text}");
        }
    }
    is_on_this_machine(text);
}

/// A text that is taken for a loopback origin leads nowhere else, and to what lies below it only.
fn is_on_this_machine(text: &str) {
    if !is_loopback_origin(text) {
        return;
    }
    let allowed = Allowed { partition: "aws", region: "us-east-1", extra_origin: Some(text) };
    let below = format!("{text}/answer");
    assert!(is_allowed(&below, allowed).is_ok(), "{below}");
    let url = Url::parse(&below).expect("an origin is a URL");
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    assert!(is_loopback && has_no_credentials(&url) && url.path() == "/answer", "{text} leads to {url}");
}

/// Both spellings of the bucket, and all three of S3's host names: the global one serves us-east-1 only.
fn is_cloudformations(url: &Url, region: &str, suffix: &str) -> bool {
    let Some(bucket) = url.host_str().and_then(|host| host.strip_prefix("cloudformation-custom-resource-response-"))
    else {
        return false;
    };
    let bare = region.replace('-', "");
    let Some(rest) = bucket.strip_prefix(region).or_else(|| bucket.strip_prefix(bare.as_str())) else { return false };
    let hosts = [format!(".s3.{region}.{suffix}"), format!(".s3-{region}.{suffix}")];
    let is_host = hosts.iter().any(|host| host == rest) || (region == "us-east-1" && rest == ".s3.amazonaws.com");
    is_host && url.scheme() == "https" && url.port_or_known_default() == Some(443) && has_no_credentials(url)
}

fn has_no_credentials(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}
