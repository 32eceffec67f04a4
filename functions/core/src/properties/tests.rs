use serde_json::json;

use super::*;
use crate::id::HealthCheckId;
use crate::spec::{CheckType, HealthCheckSpec};

pub(super) fn request(changes: Value) -> Map<String, Value> {
    let mut properties = json!({
        "ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:provision",
        "Name": "www",
        "DistributionId": "E2EXAMPLE",
        "FailoverRecord": "cq-origin-www.example.com",
        "InspectionHostname": "www.inspection.example.net",
        "ApplicationHostname": "origin-www.example.com",
        "HostedZoneId": "Z0123456789",
    });
    let map = properties.as_object_mut().expect("a map");
    for (name, value) in changes.as_object().expect("a map of changes") {
        if *value == json!("absent") {
            map.remove(name);
        } else {
            map.insert(name.clone(), value.clone());
        }
    }
    map.clone()
}

pub(super) fn problems(changes: Value) -> Vec<Problem> {
    parse(&request(changes)).expect_err("the request is wrong").problems
}

pub(super) fn blamed(changes: Value) -> Vec<String> {
    problems(changes).into_iter().map(|problem| problem.property).collect()
}

#[test]
fn a_wrong_dns_is_one_problem_and_no_guess_about_the_zone() {
    assert_eq!(blamed(json!({"Dns": "External", "HostedZoneId": ""})), ["Dns"]);
    assert_eq!(blamed(json!({"Dns": "", "HostedZoneId": ""})), ["HostedZoneId"]);
}

#[test]
fn both_records_on_one_health_check_would_never_fail_over() {
    let (one, two) = ("11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000");
    let found = problems(json!({"HealthCheck": {"HealthCheckId": one}, "SecondaryHealthCheck": one}));
    let [problem] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((problem.property.as_str(), problem.example.as_str()), ("SecondaryHealthCheck", "none"));
    assert!(problem.fault.contains("DNS would never fail over"), "{problem}");
    for fine in [
        json!({"HealthCheck": {"HealthCheckId": one}, "SecondaryHealthCheck": two}),
        json!({"SecondaryHealthCheck": one}),
    ] {
        parse(&request(fine)).expect("two checks");
    }
}

#[test]
fn messages_say_what_would_do() {
    let yaml = &problems(json!({"EdgeFailOpen": false}))[0];
    assert_eq!(
        yaml.to_string(),
        "EdgeFailOpen is `false`: YAML takes off without quotes for false, so write it in quotes (for example \"off\")"
    );
    let priority = &problems(json!({"Priority": "9999999999"}))[0];
    assert!(
        priority.fault.ends_with("a whole number from -2147483648 to 2147483647; lower ones come first"),
        "{priority}"
    );
    assert_eq!(blamed(json!({"HealthCheck": {"SearchString": "o\u{1}k"}})), ["HealthCheck.SearchString"]);
}

#[test]
fn defaults_are_the_contracts() {
    let spec = parse(&request(json!({}))).expect("the smallest request");
    assert_eq!(spec.traffic, [PathPattern::default_behavior()]);
    assert_eq!((spec.record_ttl, spec.origin_port, spec.alarm_evaluation_periods, spec.priority), (30, 443, 1, 100));
    assert_eq!(spec.secondary_health_check, None);
    assert_eq!(spec.application_check, ApplicationCheck::Probe { path: "/".to_owned() });
    assert_eq!(spec.preflight, Preflight::Enforce);
    assert_eq!(
        spec.automation,
        Automation {
            edge_fail_open: EdgeFailOpen::Notify,
            fail_back: FailBack::Automatic,
            hold_down_seconds: 900,
            minimum_dwell_seconds: 300,
            maximum_flips_per_day: 6
        }
    );
    let HealthCheckSpec::Managed(check) = spec.health_check else { panic!("a check of our own") };
    assert_eq!((check.path.as_str(), check.port, check.protocol), ("/", 443, CheckType::Https));
    assert_eq!((check.interval_seconds, check.failure_threshold), (10, 2));
    assert_eq!((check.search_string, check.regions), (None, vec![]));
}

#[test]
fn every_value_may_arrive_as_a_string() {
    let typed = json!({"RecordTtl": 60, "OriginPort": 8443, "Priority": -1, "Traffic": ["/api/*", "*"],
        "HealthCheck": {"FailureThreshold": 3, "Regions": ["us-east-1", "us-west-2", "eu-west-1"]}});
    let texts = json!({"RecordTtl": "60", "OriginPort": "8443", "Priority": "-1", "Traffic": "/api/*, *",
        "HealthCheck": {"FailureThreshold": "3", "Regions": "us-east-1,us-west-2,eu-west-1"}});
    let spec = parse(&request(typed)).expect("typed values");
    assert_eq!(spec, parse(&request(texts)).expect("the same as strings"));
    let HealthCheckSpec::Managed(check) = spec.health_check else { panic!("a check of our own") };
    assert_eq!(check.port, 8443, "the check's port follows OriginPort");
}

#[test]
fn an_empty_string_stands_for_an_optional_property_that_is_not_set() {
    let empty = json!({"Dns": "", "Traffic": "", "RecordTtl": "", "HealthCheck": "", "SecondaryHealthCheck": "",
        "AdditionalAlarms": "", "EdgeFailOpen": "", "HostedZoneRoleArn": "", "HostedZoneExternalId": ""});
    assert_eq!(parse(&request(empty)), parse(&request(json!({}))));
}

#[test]
fn all_problems_are_reported_together() {
    let wrong = json!({"Name": "WWW", "DistributionId": "", "InspectionHostname": "absent", "RecordTtl": "0",
        "HealthCheck": {"FailureThreshold": "0", "Typo": 1}, "Traffic": ["*", "*"], "Preflight": "maybe", "Colour": "red"});
    assert_eq!(
        blamed(wrong),
        [
            "Name",
            "DistributionId",
            "InspectionHostname",
            "Traffic",
            "RecordTtl",
            "HealthCheck.FailureThreshold",
            "HealthCheck.`Typo`",
            "Preflight",
            "`Colour`"
        ]
    );
}

#[test]
fn every_problem_says_what_is_wrong_and_shows_a_good_value() {
    let found = problems(json!({"RecordTtl": "301"}));
    assert_eq!(found[0].to_string(), "RecordTtl is `301`: it must be a whole number from 1 to 300 (for example 30)");
}

#[test]
fn each_bad_value_is_blamed_on_its_property() {
    for (changes, property) in [
        (json!({"Name": ""}), "Name"),
        (json!({"Name": "a".repeat(33)}), "Name"),
        (json!({"Name": ["www"]}), "Name"),
        (json!({"DistributionId": "e2 example"}), "DistributionId"),
        (json!({"FailoverRecord": "CQ-origin-www.example.com"}), "FailoverRecord"),
        (json!({"FailoverRecord": "cq-origin-www.example.com."}), "FailoverRecord"),
        (json!({"ApplicationHostname": "10.0.0.1"}), "ApplicationHostname"),
        (json!({"ApplicationHostname": "localhost"}), "ApplicationHostname"),
        (json!({"ApplicationHostname": "-a.example.com"}), "ApplicationHostname"),
        (json!({"InspectionHostname": "cq-origin-www.example.com"}), "InspectionHostname"),
        (json!({"ApplicationHostname": "cq-origin-www.example.com"}), "ApplicationHostname"),
        (json!({"ApplicationHostname": "www.inspection.example.net"}), "ApplicationHostname"),
        (json!({"HostedZoneId": ""}), "HostedZoneId"),
        (json!({"HostedZoneId": "/hostedzone/Z1"}), "HostedZoneId"),
        (json!({"Dns": "external"}), "HostedZoneId"),
        (json!({"Dns": "cloudflare"}), "Dns"),
        (json!({"HostedZoneRoleArn": "role/x"}), "HostedZoneRoleArn"),
        (json!({"HostedZoneExternalId": "xx-yy"}), "HostedZoneExternalId"),
        (json!({"Traffic": []}), "Traffic"),
        (json!({"Traffic": ["/a", ""]}), "Traffic"),
        (json!({"Traffic": ["/a/*", "a/*"]}), "Traffic"),
        (json!({"Traffic": "/a b"}), "Traffic"),
        (json!({"Traffic": {"a": 1}}), "Traffic"),
        (json!({"RecordTtl": "99999999999999999999"}), "RecordTtl"),
        (json!({"RecordTtl": 30.5}), "RecordTtl"),
        (json!({"RecordTtl": "+30"}), "RecordTtl"),
        (json!({"OriginPort": "22"}), "OriginPort"),
        (json!({"OriginPort": "70000"}), "OriginPort"),
        (json!({"HealthCheck": {"IntervalSeconds": "20"}}), "HealthCheck.IntervalSeconds"),
        (json!({"HealthCheck": {"FailureThreshold": 11}}), "HealthCheck.FailureThreshold"),
        (json!({"HealthCheck": {"Path": "healthz"}}), "HealthCheck.Path"),
        (json!({"HealthCheck": {"Regions": ["us-east-1", "us-west-2"]}}), "HealthCheck.Regions"),
        (
            json!({"HealthCheck": {"Regions": ["us-east-1", "us-east-1", "us-west-2", "eu-west-1"]}}),
            "HealthCheck.Regions",
        ),
        (json!({"HealthCheck": {"Type": "TCP", "SearchString": "ok"}}), "HealthCheck.SearchString"),
        (json!({"HealthCheck": {"HealthCheckId": "h-1", "Path": "/"}}), "HealthCheck.Path"),
        (json!({"HealthCheck": "yes"}), "HealthCheck"),
        (json!({"AlarmEvaluationPeriods": "0"}), "AlarmEvaluationPeriods"),
        (json!({"MaximumFlipsPerDay": "0"}), "MaximumFlipsPerDay"),
        (json!({"EdgeFailOpen": "on"}), "EdgeFailOpen"),
        (json!({"ApplicationCheckPath": "x"}), "ApplicationCheckPath"),
        (json!({"AdditionalAlarms": ["a", "a"]}), "AdditionalAlarms"),
        (json!({"SecondaryHealthCheck": "None"}), "SecondaryHealthCheck"),
    ] {
        assert_eq!(blamed(changes.clone()), [property], "for {changes}");
    }
}

#[test]
fn a_name_in_the_wrong_spelling_is_shown_corrected() {
    assert_eq!(problems(json!({"FailoverRecord": "CQ.Example.com."}))[0].example, "cq.example.com");
    assert_eq!(problems(json!({"HostedZoneId": "/hostedzone/Z1"}))[0].example, "Z1");
    assert_eq!(problems(json!({"healthcheck": {}}))[0].example, "HealthCheck");
}

#[test]
fn an_adopted_check_and_an_external_zone_are_read() {
    let spec = parse(&request(json!({"Dns": "external", "HostedZoneId": "",
        "HealthCheck": {"HealthCheckId": "h-1"}, "SecondaryHealthCheck": "h-2"})))
    .expect("a second distribution that shares the record");
    assert_eq!(spec.dns, Dns::External);
    assert_eq!(spec.health_check, HealthCheckSpec::Adopted { id: HealthCheckId::new("h-1") });
    assert_eq!(spec.secondary_health_check, Some(HealthCheckId::new("h-2")));
}

#[test]
fn wrong_optional_properties_leave_enough_to_look_at_the_distribution() {
    let invalid = parse(&request(json!({"RecordTtl": "0", "Traffic": ["/a", "/a"]}))).expect_err("two problems");
    assert_eq!(invalid.problems.len(), 2);
    assert_eq!(invalid.rest.expect("the rest is clear").traffic, [PathPattern::new("/a")]);
    let invalid = parse(&request(json!({"DistributionId": ""}))).expect_err("one problem");
    assert_eq!(invalid.rest, None);
}

#[test]
fn no_message_repeats_a_secret_or_a_control_character() {
    let found = problems(json!({"HostedZoneRoleArn": "arn:aws:iam::111122223333:role/x",
        "HostedZoneExternalId": "canary value", "Preflight": "a\nb"}));
    let text = found.iter().map(Problem::to_string).collect::<String>();
    assert!(!text.contains("canary") && !text.contains('\n'), "{text}");
}

#[test]
fn the_name_alone_survives_everything_else_being_wrong() {
    assert_eq!(name(&request(json!({"RecordTtl": "0"}))), Some(ProtectionName::new("www")));
    assert_eq!(name(&request(json!({"Name": 7}))), Some(ProtectionName::new("7")), "as Create reads it");
    assert_eq!(name(&request(json!({"Name": "W W"}))), None);
}

/// A number of `x`, or of any other text.
fn many(text: &str, count: usize) -> String {
    text.repeat(count)
}

/// A host name of this length, each label as long as DNS allows.
fn host(length: usize) -> String {
    let mut name = format!("{}.", many("a", 63)).repeat(length / 64 + 1);
    name.truncate(length - 4);
    format!("{}.com", name.trim_end_matches('.').to_owned() + if name.ends_with('.') { "a" } else { "" })
}

#[test]
fn the_longest_and_the_largest_that_aws_takes_are_taken() {
    for changes in [
        json!({"Name": many("a", 32)}),
        json!({"Name": "a-0"}),
        json!({"DistributionId": many("E", 32)}),
        json!({"HostedZoneId": many("Z", 32)}),
        json!({"InspectionHostname": host(253)}),
        json!({"InspectionHostname": format!("{}.example.com", many("a", 63))}),
        json!({"Traffic": [many("/", 255), "A9_-.*$/~\"'@:+&?"]}),
        json!({"RecordTtl": 1}),
        json!({"RecordTtl": 300}),
        json!({"OriginPort": 80}),
        json!({"OriginPort": 1024}),
        json!({"OriginPort": 65_535}),
        json!({"HealthCheck": {"Port": 1}}),
        json!({"HealthCheck": {"Path": format!("/{}", many("x", 254))}}),
        json!({"HealthCheck": {"SearchString": many("é", 255)}}),
        json!({"HealthCheck": {"HealthCheckId": many("a", 64)}}),
        json!({"HealthCheck": {"HealthCheckId": "a-1"}}),
        json!({"AdditionalAlarms": [many("é", 255), "two words"]}),
        json!({"AlarmEvaluationPeriods": 1440}),
        json!({"HoldDownSeconds": 0, "MinimumDwellSeconds": 86_400, "MaximumFlipsPerDay": 100}),
        json!({"HostedZoneRoleArn": "arn:aws-cn:iam::111122223333:role/path/x", "HostedZoneExternalId": "ab"}),
        json!({"HostedZoneRoleArn": "arn:aws:iam::111122223333:role/x", "HostedZoneExternalId": many("_", 1224)}),
        json!({"HostedZoneRoleArn": format!("arn:aws:iam::111122223333:role/{}", many("x", 2017))}),
    ] {
        let read = parse(&request(changes.clone()));
        assert!(read.is_ok(), "{changes}: {:?}", read.err().map(|invalid| invalid.problems));
    }
}

#[test]
fn one_more_than_aws_takes_is_refused() {
    for (changes, property) in [
        (json!({"Name": "a_b"}), "Name"),
        (json!({"DistributionId": many("E", 33)}), "DistributionId"),
        (json!({"HostedZoneId": many("Z", 33)}), "HostedZoneId"),
        (json!({"InspectionHostname": host(254)}), "InspectionHostname"),
        (json!({"InspectionHostname": format!("{}.example.com", many("a", 64))}), "InspectionHostname"),
        (json!({"InspectionHostname": "a-.example.com"}), "InspectionHostname"),
        (json!({"InspectionHostname": "a..example.com"}), "InspectionHostname"),
        (json!({"InspectionHostname": "a_b.example.com"}), "InspectionHostname"),
        (json!({"Traffic": many("/", 256)}), "Traffic"),
        (json!({"OriginPort": 81}), "OriginPort"),
        (json!({"OriginPort": 1023}), "OriginPort"),
        (json!({"HealthCheck": {"Port": 0}}), "HealthCheck.Port"),
        (json!({"HealthCheck": {"Path": format!("/{}", many("x", 255))}}), "HealthCheck.Path"),
        (json!({"HealthCheck": {"Path": "/a b"}}), "HealthCheck.Path"),
        (json!({"HealthCheck": {"Path": "/a#b"}}), "HealthCheck.Path"),
        (json!({"HealthCheck": {"SearchString": many("x", 256)}}), "HealthCheck.SearchString"),
        (json!({"HealthCheck": {"HealthCheckId": many("a", 65)}}), "HealthCheck.HealthCheckId"),
        (json!({"HealthCheck": {"HealthCheckId": "a b"}}), "HealthCheck.HealthCheckId"),
        (json!({"AdditionalAlarms": [many("x", 256)]}), "AdditionalAlarms"),
        (json!({"AdditionalAlarms": ["a\tb"]}), "AdditionalAlarms"),
        (json!({"AlarmEvaluationPeriods": 1441}), "AlarmEvaluationPeriods"),
        (json!({"HoldDownSeconds": 86_401}), "HoldDownSeconds"),
        (json!({"MaximumFlipsPerDay": 101}), "MaximumFlipsPerDay"),
        (json!({"HostedZoneRoleArn": "arn:gcp:iam::111122223333:role/x"}), "HostedZoneRoleArn"),
        (json!({"HostedZoneRoleArn": "arn:aws:iam::11112222333:role/x"}), "HostedZoneRoleArn"),
        (json!({"HostedZoneRoleArn": "arn:aws:iam::11112222333x:role/x"}), "HostedZoneRoleArn"),
        (json!({"HostedZoneRoleArn": "arn:aws:iam::111122223333:role/"}), "HostedZoneRoleArn"),
        (json!({"HostedZoneRoleArn": "arn:aws:iam::111122223333:user/x"}), "HostedZoneRoleArn"),
        (json!({"HostedZoneRoleArn": "arn:aws:iam::111122223333:role/x y"}), "HostedZoneRoleArn"),
        (
            json!({"HostedZoneRoleArn": format!("arn:aws:iam::111122223333:role/{}", many("x", 2018))}),
            "HostedZoneRoleArn",
        ),
    ] {
        assert_eq!(blamed(changes.clone()), [property], "for {changes}");
    }
    let role = json!({"HostedZoneRoleArn": "arn:aws:iam::111122223333:role/x"});
    for id in ["a".to_owned(), many("a", 1225), "a b".to_owned()] {
        let mut changes = role.clone();
        changes["HostedZoneExternalId"] = json!(id);
        assert_eq!(blamed(changes), ["HostedZoneExternalId"], "{id}");
    }
}

#[test]
fn a_long_value_is_shown_by_its_beginning_and_a_short_one_as_a_whole() {
    let shown = |preflight: &str| problems(json!({"Preflight": preflight}))[0].fault.clone();
    assert!(shown(&many("x", 80)).contains(&format!("`{}`", many("x", 80))));
    assert!(shown(&many("x", 81)).contains(&format!("`{}…`", many("x", 80))));
}

#[test]
fn a_host_that_is_named_twice_comes_with_an_example_of_its_own_kind() {
    for (property, twin, example) in [
        ("InspectionHostname", "cq-origin-www.example.com", "www.inspection.example.net"),
        ("ApplicationHostname", "cq-origin-www.example.com", "origin-www.example.com"),
        ("ApplicationHostname", "www.inspection.example.net", "origin-www.example.com"),
    ] {
        let found = problems(json!({property: twin}));
        assert_eq!((found[0].property.as_str(), found[0].example.as_str()), (property, example), "{twin}");
    }
}

#[test]
fn a_health_check_may_arrive_as_the_text_of_a_map_and_anything_else_is_told_from_broken_json() {
    let text =
        parse(&request(json!({"HealthCheck": " {\"FailureThreshold\": 3}"}))).expect("a parameter holds text only");
    let HealthCheckSpec::Managed(check) = text.health_check else { panic!("a check of our own") };
    assert_eq!(check.failure_threshold, 3);
    for (value, fault) in [("{\"Path\"", "is not JSON: "), ("yes", "must be a map")] {
        let found = problems(json!({"HealthCheck": value}));
        assert!(found.len() == 1 && found[0].fault.starts_with(fault), "{found:?}");
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_told_by_its_kind() {
    for (changes, fault) in [
        (json!({"Name": ["www"]}), "is a list: it must be one text"),
        (json!({"Name": {"a": 1}}), "is a map: it must be one text"),
        (json!({"Traffic": ["*", null]}), "holds null: every item must be a text"),
    ] {
        assert_eq!(problems(changes)[0].fault, fault);
    }
}

#[test]
fn a_priority_is_any_whole_number_and_lower_ones_may_be_negative() {
    for (typed, priority) in [("7", 7), ("0", 0), ("-3", -3)] {
        assert_eq!(parse(&request(json!({"Priority": typed}))).expect("a number").priority, priority);
    }
    assert_eq!(blamed(json!({"Priority": "high"})), ["Priority"]);
}
