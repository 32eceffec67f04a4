//! Whatever the properties of a resource are, they are a protection within AWS's limits, or each problem is named.

use failopen::id::Hostname;
use failopen::properties::{name, parse};
use failopen::spec::{ApplicationCheck, Dns, HealthCheckSpec, Spec};
use serde_json::{Map, Value};

/// Takes the bytes for the map of properties.
pub fn check(bytes: &[u8]) {
    let Ok(Value::Object(properties)) = serde_json::from_slice(bytes) else { return };
    match parse(&properties) {
        Ok(spec) => {
            assert_eq!(name(&properties).as_ref(), Some(&spec.name), "Delete finds what Create has read");
            is_within_limits(&spec);
        }
        Err(invalid) => {
            assert!(!invalid.problems.is_empty(), "a refusal says why");
            for problem in &invalid.problems {
                let text = problem.to_string();
                assert!(!text.chars().any(char::is_control), "{text:?}");
                assert!(text.len() < 2_000, "a message of {} bytes", text.len());
            }
            hides_the_external_id(&properties, &invalid.problems);
            if let Some(spec) = &invalid.rest {
                is_within_limits(spec);
            }
        }
    }
}

/// What Route 53, CloudFront and CloudWatch take (contract and their API references).
fn is_within_limits(spec: &Spec) {
    let is_host = |host: &Hostname| {
        let host = host.as_str();
        let form = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        host.len() <= 253 && host.contains('.') && host.chars().all(form) && !host.ends_with('.')
    };
    assert!((1..=32).contains(&spec.name.as_str().len()));
    assert!([&spec.failover_record, &spec.inspection, &spec.application].into_iter().all(is_host), "{spec:?}");
    assert!((1..=300).contains(&spec.record_ttl));
    assert!(matches!(spec.origin_port, 80 | 443 | 1024..), "{}", spec.origin_port);
    assert!(!spec.traffic.is_empty());
    for pattern in &spec.traffic {
        assert!((1..=255).contains(&pattern.as_str().len()), "{pattern}");
        assert_eq!(spec.traffic.iter().filter(|other| other.is_alike(pattern)).count(), 1, "{pattern} is there once");
    }
    if let HealthCheckSpec::Managed(check) = &spec.health_check {
        assert!(matches!(check.interval_seconds, 10 | 30) && (1..=10).contains(&check.failure_threshold));
        assert!(check.path.len() <= 255 && check.search_string.as_ref().is_none_or(|text| text.chars().count() <= 255));
        assert!(check.port > 0);
    }
    if let ApplicationCheck::Probe { path } = &spec.application_check {
        assert!(path.starts_with('/') && !path.contains(char::is_whitespace), "{path}");
    }
    if let Dns::Route53 { zone } = &spec.dns {
        assert!(zone.id.as_str().chars().all(|c| c.is_ascii_alphanumeric()), "{}", zone.id);
    }
    assert!((1..=100).contains(&spec.automation.maximum_flips_per_day));
}

/// An external id is a secret: no message repeats it. Shorter ones may be part of any sentence.
fn hides_the_external_id(properties: &Map<String, Value>, problems: &[failopen::properties::Problem]) {
    let Some(Value::String(secret)) = properties.get("HostedZoneExternalId") else { return };
    let is_elsewhere = properties.iter().any(|(name, value)| {
        name.contains(secret.as_str())
            || (name != "HostedZoneExternalId" && value.to_string().contains(secret.as_str()))
    });
    if secret.len() < 24 || is_elsewhere {
        return;
    }
    assert!(!problems.iter().any(|problem| problem.to_string().contains(secret.as_str())), "the external id is told");
}
