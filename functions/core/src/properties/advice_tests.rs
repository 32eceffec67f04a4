//! What the messages say to whoever has to mend the properties.

use serde_json::json;

use super::tests::{blamed, problems, request};
use super::*;
use crate::finding::Code;

/// The only problem of a request.
fn only(changes: Value) -> Problem {
    let mut found = problems(changes);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn what_is_no_host_name_is_told_from_the_reason_for_it() {
    let long_label = format!("{}.example.com", "a".repeat(64));
    for (typed, word, example) in [
        ("https://origin-www.example.org/x", "no user, no port and no path", "origin-www.example.org"),
        ("Origin-www.example.org:8443", "no user, no port and no path", "origin-www.example.org"),
        ("me:pass@origin-www.example.org", "no user, no port and no path", "origin-www.example.org"),
        ("https://me:p/a@origin-www.example.org/x", "no user, no port and no path", "origin-www.example.org"),
        ("a.example.org,b.example.org", "it must be one host name", "origin-www.example.com"),
        ("192.0.2.1", "an IP address", "origin-www.example.com"),
        ("192.0.2.1:8443", "an IP address", "origin-www.example.com"),
        ("2001:db8::1", "an IP address", "origin-www.example.com"),
        ("bücher.example", "begins with xn--", "origin-www.example.com"),
        ("*.example.org", "a wildcard stands for many", "origin-www.example.com"),
        ("a_b.example.org", "no underscore", "origin-www.example.com"),
        ("localhost", "with its domain", "origin-www.example.com"),
        (long_label.as_str(), "at most 63", "origin-www.example.com"),
        ("a-.example.org", "hyphen next to a dot", "origin-www.example.com"),
        (" Origin-www.example.org. ", "in lower case", "origin-www.example.org"),
    ] {
        let problem = only(json!({"ApplicationHostname": typed}));
        assert!(problem.fault.contains(word), "{typed}: {problem}");
        assert_eq!(problem.example, example, "{typed}");
    }
    let long = vec!["a".repeat(50); 6].join(".");
    assert!(only(json!({"ApplicationHostname": long})).fault.contains("at most 253"));
    // As long as may be, and wrong in another way.
    let label = format!("{}-.example.org", "a".repeat(62));
    let name = format!("{}c-", "b.".repeat(125) + "b");
    assert_eq!(name.len(), 253);
    for typed in [label, name] {
        let problem = only(json!({"ApplicationHostname": typed}));
        assert!(problem.fault.contains("hyphen next to a dot or at either end"), "{typed}: {problem}");
    }
}

#[test]
fn only_what_yaml_makes_of_off_is_explained_by_yaml() {
    for (property, typed, is_yaml) in
        [("EdgeFailOpen", "false", true), ("EdgeFailOpen", "sometimes", false), ("Dns", "false", false)]
    {
        let fault = only(json!({property: typed})).fault;
        assert_eq!(fault.contains("YAML"), is_yaml, "{fault}");
        assert_eq!(fault.contains("must be one of"), !is_yaml, "{fault}");
    }
}

#[test]
fn an_id_with_something_around_it_is_shown_bare() {
    let zone = only(json!({"HostedZoneId": "arn:aws:route53:::hostedzone/Z1"}));
    assert!(zone.fault.contains("the id alone") && zone.example == "Z1", "{zone}");
    for (typed, word, example) in [
        ("arn:aws:cloudfront::111122223333:distribution/E1", "the id alone", "E1"),
        ("d111111abcdef8.cloudfront.net", "its domain name", "E2EXAMPLE1ABCD"),
        ("nothing like it", "capital letters and digits", "E2EXAMPLE1ABCD"),
    ] {
        let problem = only(json!({"DistributionId": typed}));
        assert!(problem.fault.contains(word) && problem.example == example, "{problem}");
    }
    assert_eq!(distribution_id("E1"), Ok(DistributionId::new("E1")));
    assert_eq!(
        distribution_id("x/distribution/E1"),
        Err("it must be the id alone, without what is before it (for example E1)".to_owned())
    );
}

#[test]
fn a_misspelled_property_is_told_the_one_it_resembles_and_the_list_is_given_once() {
    let found =
        problems(json!({"InspectionHostnam": "x", "healthcheck": {}, "Colour": 1, "Flavour": 2, "Preflight": "x"}));
    let told: Vec<(&str, bool)> =
        found.iter().map(|problem| (problem.property.as_str(), problem.example.starts_with("one of "))).collect();
    let wanted = [
        ("Preflight", false),
        ("`Colour`", false),
        ("`Flavour`", true),
        ("`InspectionHostnam`", false),
        ("`healthcheck`", false),
    ];
    assert_eq!(told, wanted);
    assert_eq!((found[3].example.as_str(), found[4].example.as_str()), ("InspectionHostname", "HealthCheck"));
    let nested = only(json!({"HealthCheck": {"path": "/"}}));
    assert_eq!(
        nested.to_string(),
        "HealthCheck.`path` is not a property of HealthCheck (for example HealthCheck.Path)"
    );
    let long = only(json!({"x".repeat(300): 1}));
    assert!(long.to_string().len() < 800, "{long}");
}

#[test]
fn every_item_that_is_no_text_is_told() {
    let found = problems(json!({"Traffic": ["*", null, {"a": 1}, "/a b"]}));
    let faults: Vec<&str> = found.iter().map(|problem| problem.fault.split(':').next().unwrap_or_default()).collect();
    assert_eq!(faults, ["holds null", "holds a map", "holds `/a b`"]);
    assert!(only(json!({"Traffic": "*,"})).fault.starts_with("holds an empty item: "));
    let twice = only(json!({"Traffic": ["/api/*", "api/*"]}));
    assert!(twice.fault.contains("as `/api/*` and as `api/*`"), "{twice}");
    let twice = only(json!({"Traffic": ["/api/*", "/api/*"]}));
    assert_eq!(twice.fault, "names `/api/*` twice");
    assert_eq!(only(json!({"Traffic": {"a": 1}})).example, "[\"/api/*\"]");
    assert_eq!(only(json!({"ApplicationHostname": ["a"]})).example, "origin-www.example.com");
}

#[test]
fn a_url_is_no_pattern_because_it_would_protect_nothing() {
    for (typed, example) in [("https://www.example.com/api/*", "/api/*"), ("http://www.example.com", "/*")] {
        let problem = only(json!({"Traffic": [typed]}));
        assert!(problem.fault.contains("no scheme and no host") && problem.example == example, "{problem}");
    }
}

#[test]
fn a_wrong_dns_hides_nothing_else() {
    let found = blamed(json!({"Dns": "dns", "HostedZoneId": "z 1", "HostedZoneExternalId": "a b"}));
    assert_eq!(found, ["Dns", "HostedZoneId", "HostedZoneExternalId"]);
}

#[test]
fn what_a_request_touches_is_told_as_far_as_it_can_be() {
    let touched = |changes| parse(&request(changes)).expect_err("wrong").touched;
    let all = touched(json!({"ApplicationHostname": "", "HostedZoneRoleArn": "arn:aws:iam::111122223333:role/x"}));
    assert_eq!(
        *all,
        Touched {
            distribution: Some("E2EXAMPLE".into()),
            record: Some("cq-origin-www.example.com".into()),
            zone: Some("Z0123456789".into()),
            zone_role: Some("arn:aws:iam::111122223333:role/x".to_owned()),
        }
    );
    let external = touched(json!({"ApplicationHostname": "", "Dns": "external", "HostedZoneId": ""}));
    assert_eq!(*external, Touched { distribution: Some("E2EXAMPLE".into()), ..Touched::default() });
    let unsure = touched(json!({"Dns": "dns"}));
    assert_eq!((unsure.record, unsure.zone), (None, Some("Z0123456789".into())));
    assert_eq!(touched(json!({"DistributionId": "e 1"})).distribution, None);
}

#[test]
fn which_behaviours_are_meant_cannot_be_told_from_wrong_patterns_alone() {
    let rest = |traffic| {
        parse(&request(json!({"Traffic": traffic}))).expect_err("wrong").rest.expect("the rest is clear").traffic
    };
    assert_eq!(rest(json!(["/a b"])), []);
    assert_eq!(rest(json!([])), []);
    assert_eq!(rest(json!(["/a b", "/c"])), [PathPattern::new("/c")]);
}

#[test]
fn the_protections_own_alarm_among_the_additional_ones_says_nothing_new() {
    let spec = parse(&request(json!({"AdditionalAlarms": "failopen-www-inspection,their-alarm"}))).expect("both exist");
    assert_eq!(spec.additional_alarms, ["their-alarm".into()]);
}

#[test]
fn a_finding_that_rests_on_a_stand_in_is_a_guess_and_nothing_else_is() {
    let is_guess = |changes, code, property: &str, target| {
        let Invalid { problems, rest, .. } = parse(&request(changes)).expect_err("wrong");
        is_guess(&problems, &rest.expect("the rest is clear"), &Finding::error(code, property, target, "x"))
    };
    let tls = |changes, code, target| {
        let property = if target == Target::Inspection { "InspectionHostname" } else { "ApplicationHostname" };
        is_guess(changes, code, property, target)
    };
    for (changes, inspection, application) in [
        (json!({"OriginPort": "22"}), true, true),
        (json!({"HealthCheck": {"FailureThreshold": "0", "path": "/"}}), false, false),
        (json!({"ApplicationCheckPath": "x"}), false, false),
        (json!({"ApplicationCheck": "x"}), false, false),
        (json!({"RecordTtl": "0"}), false, false),
    ] {
        assert_eq!(tls(changes.clone(), Code::TlsExpired, Target::Inspection), inspection, "{changes}");
        assert_eq!(tls(changes.clone(), Code::TlsExpired, Target::Application), application, "{changes}");
    }
    assert!(tls(json!({"ApplicationCheck": "x"}), Code::TlsUnreachable, Target::Application));
    assert!(!tls(json!({"ApplicationCheck": "x"}), Code::TlsUnreachable, Target::Inspection));
    let health = |changes| is_guess(changes, Code::HttpStatus, "HealthCheck.Path", Target::Inspection);
    assert!(health(json!({"HealthCheck": {"Path": "x"}})) && health(json!({"HealthCheck": {"path": "/"}})));
    assert!(health(json!({"HealthCheck": "x"})) && !health(json!({"HealthCheck": {"FailureThreshold": "0"}})));
    let check = |changes| is_guess(changes, Code::ApplicationCheck, "ApplicationCheck", Target::Application);
    assert!(check(json!({"ApplicationCheckPath": "x"})) && !check(json!({"RecordTtl": "0"})));
    let record = |changes| is_guess(changes, Code::RecordConflict, "FailoverRecord", Target::Zone);
    assert!(record(json!({"HostedZoneRoleArn": "x"})) && !record(json!({"OriginPort": "22"})));
    let behavior = |changes| is_guess(changes, Code::OriginType, "Traffic", Target::Distribution);
    assert!(behavior(json!({"Traffic": "/a b"})) && !behavior(json!({"Traffic": "/a b,/c"})));
    let alarm = json!({"AdditionalAlarms": ["a", "a"]});
    assert!(!is_guess(alarm, Code::HealthCheckNotHealthy, "AdditionalAlarms", Target::Inspection));
    let name = json!({"OriginPort": "22"});
    assert!(!is_guess(name, Code::Permission, "Name", Target::Engine));
}
