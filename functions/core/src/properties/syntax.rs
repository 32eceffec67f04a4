//! The form that each kind of value must have, as AWS takes it.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::id::{AlarmName, DistributionId, HealthCheckId, HostedZoneId, Hostname, PathPattern, ProtectionName};

/// Why a text is not a value of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// What the value must be.
    pub(super) rule: String,
    /// A value that would be accepted: the given one corrected, where that is possible.
    pub(super) example: String,
}

fn wrong<T>(rule: impl Into<String>, example: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { rule: rule.into(), example: example.into() })
}

pub(super) fn name(text: &str) -> Result<ProtectionName, Wrong> {
    let form = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=32).contains(&text.len()) && text.chars().all(form) {
        Ok(ProtectionName::new(text))
    } else {
        wrong("it must be 1 to 32 characters of a-z, 0-9 and -", "www")
    }
}

pub(super) fn distribution_id(text: &str) -> Result<DistributionId, Wrong> {
    let bare = text.rsplit_once("distribution/").map_or(text, |(_, id)| id);
    if is_aws_id(text) {
        Ok(DistributionId::new(text))
    } else if is_aws_id(bare) {
        wrong("it must be the id alone, without what is before it", bare)
    } else if text.ends_with(".cloudfront.net") {
        wrong("it must be the id of the distribution, and this is its domain name", "E2EXAMPLE1ABCD")
    } else {
        wrong("it must be the id of a CloudFront distribution, 1 to 32 capital letters and digits", "E2EXAMPLE1ABCD")
    }
}

pub(super) fn hosted_zone_id(text: &str) -> Result<HostedZoneId, Wrong> {
    let bare = text.rsplit_once("hostedzone/").map_or(text, |(_, id)| id).trim_start_matches('/');
    if is_aws_id(text) {
        Ok(HostedZoneId::new(text))
    } else if is_aws_id(bare) {
        wrong("it must be the id alone, without what is before it", bare)
    } else {
        wrong(
            "it must be the id of a Route 53 hosted zone, 1 to 32 capital letters and digits",
            "Z0123456789ABCDEFGHIJ",
        )
    }
}

fn is_aws_id(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

/// A host name as Route 53 and CloudFront take it, in the one spelling that compares equal everywhere.
pub(super) fn hostname(text: &str) -> Result<Hostname, Wrong> {
    let corrected = text.trim().trim_end_matches('.').to_ascii_lowercase();
    if !is_hostname(&corrected) {
        return Err(no_hostname(&corrected));
    }
    if corrected == text {
        Ok(Hostname::new(text))
    } else {
        wrong("it must be in lower case, without a dot at the end and without blanks", corrected)
    }
}

/// Longest host name, and longest part between two dots (RFC 1035, section 2.3.4).
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// What is wrong with a text that is no host name.
fn no_hostname(text: &str) -> Wrong {
    let bare = host_of(text);
    let rule = if bare != text && is_hostname(bare) {
        return Wrong {
            rule: "it must be the host name alone: no scheme, no user, no port and no path".to_owned(),
            example: bare.to_owned(),
        };
    } else if text.contains([',', ';', ' ']) {
        "it must be one host name"
    } else if [text, bare].into_iter().any(|host| host.parse::<IpAddr>().is_ok() || ends_in_a_number(host)) {
        "it is an IP address, which can be neither the value of a CNAME record nor the domain of an origin: name a host that has it"
    } else if !text.is_ascii() {
        "letters beyond ASCII must be in their ASCII form, which begins with xn--"
    } else if text.contains('*') {
        "it must be one host, and a wildcard stands for many"
    } else if text.contains('_') {
        "it must have no underscore: no certificate is issued for such a name"
    } else if !text.contains('.') {
        "it must be a full host name, with its domain"
    } else if text.len() > LONGEST_NAME {
        "it must have at most 253 characters"
    } else if text.split('.').any(|label| label.len() > LONGEST_LABEL) {
        "it must have at most 63 characters between two dots"
    } else {
        "it must be letters, digits and hyphens between single dots, with no hyphen next to a dot or at either end"
    };
    Wrong { rule: rule.to_owned(), example: "origin-www.example.com".to_owned() }
}

/// The host of a text that looks like a URL, or like a part of one.
fn host_of(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    // A password may hold anything: what is before the last `@` is not looked into.
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    host.split(['/', ':', '?', '#']).next().unwrap_or_default()
}

fn ends_in_a_number(text: &str) -> bool {
    text.rsplit('.').next().is_some_and(|last| !last.is_empty() && last.chars().all(|c| c.is_ascii_digit()))
}

fn is_hostname(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= LONGEST_NAME && text.contains('.') && text.split('.').all(is_label) && !ends_in_a_number(text)
}

/// Characters of a CloudFront path pattern (`DistributionConfig`, CacheBehavior PathPattern), at most 255.
pub(super) fn path_pattern(text: &str) -> Result<PathPattern, Wrong> {
    let form = |c: char| c.is_ascii_alphanumeric() || "_-.*$/~\"'@:+&?".contains(c);
    // CloudFront takes a URL, too, and no request would ever match it: the protection would protect nothing.
    if let Some((_, rest)) = text.split_once("://") {
        let path = rest.find('/').map_or("/*", |at| &rest[at..]);
        return wrong("it must be the path alone: no scheme and no host", path);
    }
    if (1..=255).contains(&text.len()) && text.chars().all(form) {
        Ok(PathPattern::new(text))
    } else {
        wrong("it must be a CloudFront path pattern: 1 to 255 of A-Z a-z 0-9 _ - . * ? $ / ~ \" ' @ : + &", "/api/*")
    }
}

/// A path of a URL with its query, as Route 53 takes a ResourcePath (at most 255 characters).
pub(super) fn url_path(text: &str) -> Result<String, Wrong> {
    if text.starts_with('/') && text.len() <= 255 && text.chars().all(|c| c.is_ascii_graphic() && c != '#') {
        Ok(text.to_owned())
    } else {
        wrong(
            "it must be a path that begins with /: at most 255 printable ASCII characters, no blank and no #",
            "/healthz",
        )
    }
}

pub(super) fn search_string(text: &str) -> Result<String, Wrong> {
    if text.chars().count() <= 255 && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        wrong("it must be at most 255 characters, without control characters", "ok")
    }
}

pub(super) fn port(text: &str) -> Result<u16, Wrong> {
    whole(1..=65_535, "443")(text).and_then(|port| u16::try_from(port).or_else(|_| wrong("it must be a port", "443")))
}

/// Ports that CloudFront connects to (`CustomOriginConfig.HTTPSPort`).
pub(super) fn origin_port(text: &str) -> Result<u16, Wrong> {
    match port(text) {
        Ok(port) if port == 80 || port == 443 || port >= 1024 => Ok(port),
        Ok(_) | Err(_) => wrong("it must be a port that CloudFront connects to: 80, 443 or 1024 to 65535", "443"),
    }
}

pub(super) fn health_check_id(text: &str) -> Result<HealthCheckId, Wrong> {
    if (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        Ok(HealthCheckId::new(text))
    } else {
        wrong("it must be the id of a Route 53 health check", "11111111-2222-3333-4444-555555555555")
    }
}

/// `none`, or the id of a check.
pub(super) fn secondary_health_check(text: &str) -> Result<Option<HealthCheckId>, Wrong> {
    if text == "none" {
        return Ok(None);
    }
    let rule = "it must be `none` or the id of a Route 53 health check";
    if text.eq_ignore_ascii_case("none") {
        return wrong(rule, "none");
    }
    health_check_id(text).map(Some).or_else(|_| wrong(rule, "none"))
}

/// Regions that Route 53 checks from (`HealthCheckRegion`).
pub(super) fn checker_region(text: &str) -> Result<String, Wrong> {
    const REGIONS: [&str; 8] = [
        "us-east-1",
        "us-west-1",
        "us-west-2",
        "eu-west-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ap-northeast-1",
        "sa-east-1",
    ];
    if REGIONS.contains(&text) {
        Ok(text.to_owned())
    } else {
        wrong(format!("it must be a Region that Route 53 checks from: {}", REGIONS.join(", ")), "us-east-1")
    }
}

pub(super) fn alarm_name(text: &str) -> Result<AlarmName, Wrong> {
    if (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(AlarmName::new(text))
    } else {
        wrong("it must be the name of a CloudWatch alarm, 1 to 255 characters", "inspection-5xx")
    }
}

/// IAM limits an ARN to this (`AssumeRole`, RoleArn).
const LONGEST_ARN: usize = 2048;

pub(super) fn role_arn(text: &str) -> Result<String, Wrong> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let is_role = text.len() <= LONGEST_ARN
        && matches!(
            parts.as_slice(),
            ["arn", partition, "iam", "", account, resource]
                if partition.starts_with("aws")
                    && account.len() == 12
                    && account.chars().all(|c| c.is_ascii_digit())
                    && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty())
                    && resource.chars().all(|c| c.is_ascii_graphic())
        );
    if is_role {
        Ok(text.to_owned())
    } else {
        wrong("it must be the ARN of an IAM role", "arn:aws:iam::111122223333:role/failopen-zone-access")
    }
}

/// `ExternalId` of AssumeRole.
pub(super) fn external_id(text: &str) -> Result<String, Wrong> {
    let form = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
    if (2..=1224).contains(&text.len()) && text.chars().all(form) {
        Ok(text.to_owned())
    } else {
        wrong("it must be 2 to 1224 characters of A-Z a-z 0-9 _ + = , . @ : / -", "failopen-zone")
    }
}

pub(super) fn priority(text: &str) -> Result<i32, Wrong> {
    let rule = || format!("it must be a whole number from {} to {}; lower ones come first", i32::MIN, i32::MAX);
    text.parse().or_else(|_| wrong(rule(), "100"))
}

/// A whole number within `range`.
pub(super) fn whole(range: RangeInclusive<u32>, example: &'static str) -> impl Fn(&str) -> Result<u32, Wrong> {
    move |text| {
        let number = text.parse::<u32>().ok().filter(|_| text.chars().all(|c| c.is_ascii_digit()));
        number.filter(|number| range.contains(number)).map_or_else(
            || wrong(format!("it must be a whole number from {} to {}", range.start(), range.end()), example),
            Ok,
        )
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(words: &[(&'static str, T)]) -> impl Fn(&str) -> Result<T, Wrong> {
    let words: Vec<(&'static str, T)> = words.to_vec();
    move |text| {
        words.iter().find(|(word, _)| *word == text).map_or_else(
            || {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                if text == "false" && known.contains(&"off") {
                    return wrong("YAML takes off without quotes for false, so write it in quotes", "\"off\"");
                }
                wrong(format!("it must be one of {}", known.join(", ")), known.first().copied().unwrap_or_default())
            },
            |(_, value)| Ok(*value),
        )
    }
}
