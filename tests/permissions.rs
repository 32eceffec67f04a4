//! The roles of template.yaml against the code: each function may do what it calls, where it has to, and nothing else.

use std::collections::BTreeSet;

use failopen_tests::template::{load, object, repository, template};
use serde_json::{Value, json};

/// What a call of the adapters needs in IAM: the SDK's method, our port's method, the action.
const CALLS: [(&str, &str, &str); 27] = [
    ("get_distribution_config", "distribution", "cloudfront:GetDistributionConfig"),
    ("get_distribution", "distribution_status", "cloudfront:GetDistribution"),
    ("get_cache_policy", "policy", "cloudfront:GetCachePolicy"),
    ("get_origin_request_policy", "policy", "cloudfront:GetOriginRequestPolicy"),
    ("update_distribution", "put_distribution", "cloudfront:UpdateDistribution"),
    ("get_hosted_zone", "zone", "route53:GetHostedZone"),
    ("list_resource_record_sets", "records", "route53:ListResourceRecordSets"),
    ("change_resource_record_sets", "change_records", "route53:ChangeResourceRecordSets"),
    ("get_change", "change_is_insync", "route53:GetChange"),
    ("get_health_check", "health_check", "route53:GetHealthCheck"),
    ("list_health_checks", "health_check_by_reference", "route53:ListHealthChecks"),
    ("get_health_check_status", "checkers", "route53:GetHealthCheckStatus"),
    ("get_metric_statistics", "reported_health", "cloudwatch:GetMetricStatistics"),
    ("create_health_check", "create_health_check", "route53:CreateHealthCheck"),
    ("change_tags_for_resource", "tag_health_check", "route53:ChangeTagsForResource"),
    ("update_health_check", "update_health_check", "route53:UpdateHealthCheck"),
    ("delete_health_check", "delete_health_check", "route53:DeleteHealthCheck"),
    ("describe_alarms", "alarms", "cloudwatch:DescribeAlarms"),
    ("list_tags_for_resource", "alarm_owner", "cloudwatch:ListTagsForResource"),
    ("put_metric_alarm", "put_alarm", "cloudwatch:PutMetricAlarm"),
    ("delete_alarms", "delete_alarm", "cloudwatch:DeleteAlarms"),
    ("put_metric_data", "put_metrics", "cloudwatch:PutMetricData"),
    ("scan", "rows", "dynamodb:Scan"),
    ("get_item", "row", "dynamodb:GetItem"),
    ("get_item", "slot", "dynamodb:GetItem"),
    ("put_item", "put_row", "dynamodb:PutItem"),
    ("put_item", "bury", "dynamodb:PutItem"),
];

/// As [`CALLS`], for methods that are not one port method each.
const SIGNALS: [(&str, &str, &str); 6] = [
    ("publish", "notify", "sns:Publish"),
    ("invoke", "request_converge", "lambda:InvokeFunction"),
    ("invoke", "invoke_again", "lambda:InvokeFunction"),
    ("get_policy", "react_policy", "lambda:GetPolicy"),
    ("invoke", "react_reaches_flip", "lambda:InvokeFunction"),
    ("invoke", "flip_may_be_invoked", "lambda:InvokeFunction"),
];

/// What a role may do although no code calls it: Lambda and the SDK do it on the function's behalf.
const ON_BEHALF: [&str; 6] = [
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:SendMessage",
    "sts:AssumeRole",
    // CloudFront looks whether who writes a distribution may read its web ACL.
    "wafv2:GetWebACL",
    // PutMetricAlarm with tags asks for it.
    "cloudwatch:TagResource",
];

const FUNCTIONS: [(&str, &str); 3] = [("provision", "Provision"), ("react", "React"), ("flip", "Flip")];

#[test]
fn every_call_of_the_adapters_is_known_here() {
    let known: BTreeSet<&str> = CALLS.iter().chain(&SIGNALS).map(|(method, _, _)| *method).collect();
    let source = sources("functions/cloud/src");
    let mut called = BTreeSet::new();
    for client in ["client", "sns", "lambda", "cloudwatch"] {
        for (at, matched) in source.match_indices(&format!("{client}.")) {
            let rest = &source[at + matched.len()..];
            let method: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if rest[method.len()..].starts_with("()") && method != "clone" {
                called.insert(method);
            }
        }
    }
    assert_eq!(called.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
}

#[test]
fn each_role_allows_what_its_function_calls_and_nothing_else() {
    let template = template();
    for (function, resource) in FUNCTIONS {
        let mut source = sources(&format!("functions/{function}/src"));
        // Sequences of calls that several functions make live in the core.
        for shared in ["amend", "observe"] {
            if source.contains(&format!("failopen::{shared}::")) {
                source += &sources(&format!("functions/core/src/{shared}.rs"));
            }
        }
        let called: BTreeSet<&str> = CALLS
            .iter()
            .chain(&SIGNALS)
            .filter(|(_, port, _)| source.contains(&format!("cloud.{port}(")))
            .map(|(_, _, action)| *action)
            .collect();
        let allowed: BTreeSet<String> =
            statements(&template, resource).iter().flat_map(|(statement, _)| texts(&statement["Action"])).collect();
        let allowed: BTreeSet<&str> =
            allowed.iter().map(String::as_str).filter(|action| !ON_BEHALF.contains(action)).collect();
        assert_eq!(allowed, called, "{function}: allowed on the left, called on the right");
    }
}

#[test]
fn only_what_cannot_be_limited_is_granted_on_everything() {
    let template = template();
    let mut unlimited = BTreeSet::new();
    for (_, resource) in FUNCTIONS {
        for (statement, _) in statements(&template, resource) {
            assert_eq!(statement["Effect"], "Allow");
            for action in texts(&statement["Action"]) {
                assert!(!action.contains('*'), "{resource}: {action}");
                if texts(&statement["Resource"]).contains(&"*".to_owned()) {
                    if action == "cloudwatch:PutMetricData" {
                        assert_eq!(
                            statement["Condition"],
                            json!({"StringEquals": {"cloudwatch:namespace": "FailOpen"}})
                        );
                    }
                    unlimited.insert(action);
                }
            }
        }
    }
    let expected = [
        "cloudwatch:DescribeAlarms",
        "cloudwatch:GetMetricStatistics",
        "cloudwatch:PutMetricData",
        "route53:CreateHealthCheck",
        "route53:ListHealthChecks",
    ];
    assert_eq!(unlimited, expected.map(str::to_owned).into());
}

#[test]
fn statements_about_lists_disappear_with_their_list() {
    let template = template();
    let lists = [
        ("cloudfront:", "AnyDistribution"),
        ("wafv2:", "AnyDistribution"),
        ("route53:GetHostedZone", "AnyHostedZone"),
        ("route53:ListResourceRecordSets", "AnyHostedZone"),
        ("route53:ChangeResourceRecordSets", "AnyRecordInAnyZone"),
        ("sts:AssumeRole", "AnyHostedZoneRole"),
    ];
    for (_, resource) in FUNCTIONS {
        for (statement, condition) in statements(&template, resource) {
            for action in texts(&statement["Action"]) {
                let expected =
                    lists.iter().find(|(prefix, _)| action.starts_with(prefix)).map(|(_, condition)| *condition);
                assert_eq!(condition.as_deref(), expected, "{resource}: {action}");
            }
        }
    }
}

#[test]
fn records_are_changed_by_name_type_and_action_and_never_without_them() {
    let template = template();
    let (statement, _) = statements(&template, "Provision")
        .into_iter()
        .find(|(statement, _)| statement["Action"] == "route53:ChangeResourceRecordSets")
        .expect("provision changes records");
    let limits = object(&statement["Condition"]["ForAllValues:StringEquals"]);
    assert_eq!(limits["route53:ChangeResourceRecordSetsRecordTypes"], json!(["CNAME"]));
    assert_eq!(limits["route53:ChangeResourceRecordSetsActions"], json!(["CREATE", "DELETE"]));
    assert!(limits["route53:ChangeResourceRecordSetsNormalizedRecordNames"].to_string().contains("AllowedRecords"));
    // ForAllValues is true for a key that is absent.
    let required = object(&statement["Condition"]["Null"]);
    assert_eq!(required.keys().collect::<Vec<_>>(), limits.keys().collect::<Vec<_>>());
    assert!(required.values().all(|value| value == "false"));
}

/// Roles may differ in where they act, not in what they may do there.
#[test]
fn the_role_in_the_zone_s_own_account_allows_there_what_provision_may_do_here() {
    let zone_access = load("infra/hosted-zone-access.yaml");
    let there = &zone_access["Resources"]["HostedZoneAccess"]["Properties"];
    let allowed = there["Policies"][0]["PolicyDocument"]["Statement"].as_array().expect("statements");
    let calls_of_zones = ["zone", "records", "change_records", "change_is_insync"];
    let wanted: BTreeSet<&str> =
        CALLS.iter().filter(|(_, method, _)| calls_of_zones.contains(method)).map(|(_, _, action)| *action).collect();
    let found: BTreeSet<String> = allowed.iter().flat_map(|statement| texts(&statement["Action"])).collect();
    assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), wanted);
    let changes = |statement: &&Value| statement["Action"] == "route53:ChangeResourceRecordSets";
    let theirs = allowed.iter().find(changes).expect("it changes records");
    let (mut ours, _) = (statements(&template(), "Provision").into_iter())
        .find(|(statement, _)| changes(&statement))
        .expect("provision changes records");
    let names = "route53:ChangeResourceRecordSetsNormalizedRecordNames";
    ours["Condition"]["ForAllValues:StringEquals"][names] = json!({"Ref": "Records"});
    assert_eq!(theirs["Condition"], ours["Condition"]);
    for statement in allowed {
        let place = statement["Resource"]["Fn::Sub"].as_str().expect("a place");
        let is_zone = place.ends_with(":hostedzone/${HostedZoneId}");
        assert!(is_zone || statement["Action"] == "route53:GetChange", "{statement}");
    }
    let trust = &there["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(trust["Condition"]["StringEquals"]["sts:ExternalId"], json!({"Ref": "ExternalId"}));
    let callers = trust["Condition"]["ArnLike"]["aws:PrincipalArn"].to_string();
    for (_, function) in FUNCTIONS {
        assert!(callers.contains(&format!(":role/${{EngineStackName}}-{function}Role-*")), "{function}");
    }
}

#[test]
fn only_our_alarms_invoke_react() {
    let permission = &template()["Resources"]["AlarmsInvokeReact"]["Properties"];
    assert_eq!(permission["Principal"], "lambda.alarms.cloudwatch.amazonaws.com");
    assert_eq!(permission["SourceAccount"], json!({"Ref": "AWS::AccountId"}));
    assert!(permission["SourceArn"]["Fn::Sub"].as_str().is_some_and(|arn| arn.ends_with(":alarm:failopen-*")));
}

/// The statements of a function's role and of the policies beside it, each with the condition that it stands under.
fn statements(template: &Value, function: &str) -> Vec<(Value, Option<String>)> {
    let resources = object(&template["Resources"]);
    let role = format!("{function}Role");
    let inline = resources[&role]["Properties"]["Policies"].as_array().expect("the role has policies");
    let beside = resources.values().filter(|resource| {
        resource["Type"] == "AWS::IAM::Policy" && resource["Properties"]["Roles"] == json!([{"Ref": role}])
    });
    let documents = inline.iter().chain(beside.map(|policy| &policy["Properties"]));
    documents
        .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().expect("a policy has statements"))
        .map(|statement| match statement.get("Fn::If") {
            None => (statement.clone(), None),
            Some(choice) => {
                assert_eq!(choice[2], json!({"Ref": "AWS::NoValue"}));
                (choice[1].clone(), choice[0].as_str().map(str::to_owned))
            }
        })
        .collect()
}

/// One text or a list of them; functions of CloudFormation are left out.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// The product code below this path without any blank, and without its tests.
fn sources(path: &str) -> String {
    let mut code = String::new();
    let mut waiting = vec![repository().join(path)];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("the sources are there");
            waiting.extend(entries.map(|entry| entry.expect("it can be read").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("it can be read");
            let product = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            code.extend(
                product.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(str::split_whitespace),
            );
        }
    }
    code
}
