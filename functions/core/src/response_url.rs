//! Where the answer of a custom resource may go.
//!
//! Whoever may invoke the function chooses the ResponseURL, and the function would send its PUT there: to a metadata
//! service, into a private network, to a collector. So the authority of the URL must be, letter for letter, one that
//! CloudFormation uses in this Region. Comparing whole authorities leaves no room for user info, ports or odd spellings.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The deployment that an answer may leave from.
#[derive(Clone, Copy, Debug)]
pub struct Allowed<'a> {
    /// `aws`, `aws-cn`, …
    pub partition: &'a str,
    pub region: &'a str,
    /// For rehearsals only: an extra origin such as `http://localhost:4566`, used only where it is a loopback name.
    pub extra_origin: Option<&'a str>,
}

/// The URL is no place for an answer. Which URL it was is not said: it may be a bearer token all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ResponseURL is not one that CloudFormation uses in this Region")]
pub struct Forbidden;

/// Whether the answer may be sent to `url`.
///
/// # Errors
/// [`Forbidden`]; then nothing must be sent at all.
pub fn check(url: &str, allowed: Allowed<'_>) -> Result<(), Forbidden> {
    let is_plain = url.chars().all(|c| c.is_ascii_graphic()) && !url.contains(['\\', '#']);
    if !is_plain {
        return Err(Forbidden);
    }
    if let Some(origin) = allowed.extra_origin
        && is_loopback_origin(origin)
        && url.strip_prefix(origin).is_some_and(|rest| rest.starts_with('/'))
    {
        return Ok(());
    }
    let authority = url.strip_prefix("https://").and_then(|rest| rest.split(['/', '?']).next()).ok_or(Forbidden)?;
    let host = authority.strip_suffix(":443").unwrap_or(authority);
    if hosts(allowed.partition, allowed.region).iter().any(|known| known == host) { Ok(()) } else { Err(Forbidden) }
}

/// The hosts of the bucket that CloudFormation reads answers from (seen in AWS's own libraries and in public issues).
fn hosts(partition: &str, region: &str) -> Vec<String> {
    let suffix = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let mut hosts = Vec::new();
    for spelled in [region.replace('-', ""), region.to_owned()] {
        let bucket = format!("cloudformation-custom-resource-response-{spelled}");
        hosts.push(format!("{bucket}.s3-{region}.{suffix}"));
        hosts.push(format!("{bucket}.s3.{region}.{suffix}"));
        if region == "us-east-1" {
            hosts.push(format!("{bucket}.s3.{suffix}"));
        }
    }
    hosts
}

/// `http://` or `https://`, a loopback host, perhaps a port, and nothing else.
pub fn is_loopback_origin(origin: &str) -> bool {
    let Some(authority) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) else {
        return false;
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_is_fine = port.is_none_or(|port| port.parse::<u16>().is_ok());
    let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    port_is_fine
        && (host == "localhost"
            || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || in_brackets.is_some_and(|host| host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKET: &str = "cloudformation-custom-resource-response-useast1";

    fn allowed(extra_origin: Option<&str>) -> Allowed<'_> {
        Allowed { partition: "aws", region: "us-east-1", extra_origin }
    }

    #[test]
    fn cloudformations_own_hosts_of_this_region_are_allowed() {
        for url in [
            format!("https://{BUCKET}.s3.amazonaws.com/arn%3Aaws?X-Amz-Signature=1"),
            format!("https://{BUCKET}.s3-us-east-1.amazonaws.com/x"),
            format!("https://{BUCKET}.s3.us-east-1.amazonaws.com:443/x"),
            "https://cloudformation-custom-resource-response-us-east-1.s3.us-east-1.amazonaws.com/x".to_owned(),
        ] {
            assert_eq!(check(&url, allowed(None)), Ok(()), "{url}");
        }
        let china = Allowed { partition: "aws-cn", region: "cn-north-1", extra_origin: None };
        let url = "https://cloudformation-custom-resource-response-cnnorth1.s3.cn-north-1.amazonaws.com.cn/x";
        assert_eq!(check(url, china), Ok(()));
    }

    #[test]
    fn every_other_place_is_refused() {
        for url in [
            "http://169.254.169.254/latest/meta-data",
            "https://169.254.169.254/",
            "https://example.com/x",
            &format!("http://{BUCKET}.s3.amazonaws.com/x"),
            &format!("https://{BUCKET}.s3.amazonaws.com:8443/x"),
            &format!("https://{BUCKET}.s3.amazonaws.com.evil.example/x"),
            &format!("https://{BUCKET}.s3.amazonaws.com@evil.example/x"),
            &format!("https://user@{BUCKET}.s3.amazonaws.com/x"),
            &format!("https://evil.example\\@{BUCKET}.s3.amazonaws.com/x"),
            &format!("https://evil.example/#{BUCKET}.s3.amazonaws.com/x"),
            &format!("https://evil.example/?{BUCKET}.s3.amazonaws.com/x"),
            &format!("HTTPS://{BUCKET}.s3.amazonaws.com/x"),
            &format!("https://{BUCKET}.s3-eu-west-1.amazonaws.com/x"),
            "https://cloudformation-custom-resource-response-euwest1.s3-eu-west-1.amazonaws.com/x",
            "",
            "https://",
            "file:///etc/passwd",
            "http://localhost:4566/x",
            // Odd spellings of the host.
            &format!("https://{BUCKET}.s3.amazonaws.com./x"),
            &format!("https://{}.s3.amazonaws.com/x", BUCKET.to_uppercase()),
            &format!("https://{BUCKET}.S3.amazonaws.com/x"),
            &format!("https://{BUCKET}.s3%2Eamazonaws.com/x"),
            &format!("https://{BUCKET}.s3.amazonaws.com%2Fevil.example/x"),
            &format!("https://{BUCKET}.s3.amazonaws。com/x"),
            &format!("https://{BUCKET}.s3.аmazonaws.com/x"),
            &format!("https://xn--{BUCKET}.s3.amazonaws.com/x"),
            // Look-alikes.
            &format!("https://{BUCKET}x.s3.amazonaws.com/x"),
            &format!("https://x{BUCKET}.s3.amazonaws.com/x"),
            &format!("https://x.{BUCKET}.s3.amazonaws.com/x"),
            &format!("https://{BUCKET}.s3.amazonaws.com.cn/x"),
            &format!("https://{BUCKET}.s3.evil-amazonaws.com/x"),
            &format!("https://{BUCKET}.s3-us-east-1.amazonaws.com.evil.example/x"),
            &format!("https://{BUCKET}.s3-website-us-east-1.amazonaws.com/x"),
            &format!("https://{BUCKET}.s3-accelerate.amazonaws.com/x"),
            &format!("https://s3.amazonaws.com/{BUCKET}/x"),
            "https://cloudformation-custom-resource-response-.s3.amazonaws.com/x",
            // User info, ports, and what parsers read differently.
            &format!("https://:@{BUCKET}.s3.amazonaws.com/x"),
            &format!("https://user:password@{BUCKET}.s3.amazonaws.com/x"),
            &format!("https://{BUCKET}.s3.amazonaws.com:/x"),
            &format!("https://{BUCKET}.s3.amazonaws.com:0443/x"),
            &format!("https://{BUCKET}.s3.amazonaws.com:443:443/x"),
            &format!("https://{BUCKET}.s3.amazonaws.com:443@evil.example/x"),
            &format!("https:/{BUCKET}.s3.amazonaws.com/x"),
            &format!("https:///{BUCKET}.s3.amazonaws.com/x"),
            &format!("https:\\\\{BUCKET}.s3.amazonaws.com/x"),
            &format!(" https://{BUCKET}.s3.amazonaws.com/x"),
            &format!("https://{BUCKET}.s3.amazonaws.com\t/x"),
            &format!("https://{BUCKET}.s3.amazonaws.com/x\r\nhost: evil.example"),
            &format!("ht\ntps://{BUCKET}.s3.amazonaws.com/x"),
            // Addresses, however they are written.
            "https://127.0.0.1/x",
            "https://2130706433/x",
            "https://0x7f.1/x",
            "https://[::1]/x",
            "https://[::ffff:169.254.169.254]/x",
        ] {
            assert_eq!(check(url, allowed(None)), Err(Forbidden), "{url}");
        }
    }

    #[test]
    fn an_extra_origin_counts_only_where_it_is_loopback_and_the_same_origin() {
        let origin = Some("http://localhost:4566");
        assert_eq!(check("http://localhost:4566/_ministack/cfn-response/1", allowed(origin)), Ok(()));
        assert_eq!(check("http://localhost:45661/x", allowed(origin)), Err(Forbidden));
        assert_eq!(check("http://localhost:4566@evil.example/x", allowed(origin)), Err(Forbidden));
        assert_eq!(check("http://evil.example/x", allowed(Some("http://evil.example"))), Err(Forbidden));
        assert_eq!(check("http://127.evil.example/x", allowed(Some("http://127.evil.example"))), Err(Forbidden));
    }

    #[test]
    fn loopback_origins_are_told_from_others() {
        for origin in
            ["http://localhost", "https://localhost:4566", "http://127.0.0.1:80", "http://[::1]:80", "http://[::1]"]
        {
            assert!(is_loopback_origin(origin), "{origin}");
        }
        for origin in [
            "localhost:4566",
            "http://10.0.0.1",
            "http://localhost:4566/",
            "http://localhost:x",
            "http://[::2]",
            "http://",
        ] {
            assert!(!is_loopback_origin(origin), "{origin}");
        }
    }
}
