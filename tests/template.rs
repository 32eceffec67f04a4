//! template.yaml and infra/ against the public interface: parameters, outputs, environment, what is kept.

use std::collections::{BTreeMap, BTreeSet};

use failopen::properties;
use failopen_tests::template::{load, object, plain, repository, template};
use serde_json::{Map, Value, json};

/// Every stack parameter with its default.
const PARAMETERS: [(&str, &str); 24] = [
    ("ProtectionName", ""),
    ("DistributionId", ""),
    ("FailoverRecord", ""),
    ("InspectionHostname", ""),
    ("ApplicationHostname", ""),
    ("HostedZoneId", ""),
    ("AllowedDistributions", ""),
    ("AllowedHostedZones", ""),
    ("AllowedRecords", ""),
    ("AllowedHostedZoneRoles", ""),
    ("Dns", "route53"),
    ("Traffic", "*"),
    ("EdgeFailOpen", "notify"),
    ("FailBack", "automatic"),
    ("HoldDownSeconds", "900"),
    ("MinimumDwellSeconds", "300"),
    ("MaximumFlipsPerDay", "6"),
    ("HealthCheckPath", "/"),
    ("OriginPort", "443"),
    ("Preflight", "enforce"),
    ("ApplicationCheck", "probe"),
    ("ApplicationCheckPath", "/"),
    ("NotificationEmail", ""),
    ("ReserveConcurrency", "false"),
];

/// Every property of `Custom::FailOpenProtection`.
const PROPERTIES: [&str; 26] = [
    "AdditionalAlarms",
    "AlarmEvaluationPeriods",
    "ApplicationCheck",
    "ApplicationCheckPath",
    "ApplicationHostname",
    "DistributionId",
    "Dns",
    "EdgeFailOpen",
    "FailBack",
    "FailoverRecord",
    "HealthCheck",
    "HoldDownSeconds",
    "HostedZoneExternalId",
    "HostedZoneId",
    "HostedZoneRoleArn",
    "InspectionHostname",
    "MaximumFlipsPerDay",
    "MinimumDwellSeconds",
    "Name",
    "OriginPort",
    "Preflight",
    "Priority",
    "RecordTtl",
    "SecondaryHealthCheck",
    "ServiceToken",
    "Traffic",
];

#[test]
fn the_parameters_are_the_published_ones() {
    let template = template();
    let mut expected: BTreeMap<String, String> =
        PARAMETERS.iter().map(|(name, default)| ((*name).to_owned(), (*default).to_owned())).collect();
    expected.insert("CustomResourceResponseOrigin".to_owned(), String::new());
    let found: BTreeMap<String, String> = object(&template["Parameters"])
        .iter()
        .map(|(name, parameter)| (name.clone(), plain(&parameter["Default"])))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn every_parameter_is_explained_and_every_refusal_has_words() {
    for template in [template(), load("infra/protection.yaml")] {
        for (name, parameter) in object(&template["Parameters"]) {
            assert!(parameter["Description"].as_str().is_some_and(|text| text.len() > 20), "{name} is not explained");
            if parameter.get("AllowedPattern").is_some() && name != "HealthCheckPort" {
                let words = parameter["ConstraintDescription"].as_str().unwrap_or_default();
                assert!(words.starts_with(name.as_str()), "a refused {name} would show a regular expression");
            }
        }
    }
}

#[test]
fn the_outputs_are_the_published_ones() {
    let template = template();
    let names: Vec<&String> = object(&template["Outputs"]).keys().collect();
    let mut expected = [
        "DashboardUrl",
        "FlipFunctionArn",
        "LedgerTableName",
        "NotificationTopicArn",
        "ProvisionFunctionArn",
        "ReactFunctionArn",
    ];
    expected.sort_unstable();
    assert_eq!(names, expected);
    let export = &template["Outputs"]["ProvisionFunctionArn"]["Export"]["Name"];
    assert_eq!(export, &json!({"Fn::Sub": "${AWS::StackName}-ProvisionFunctionArn"}));
}

#[test]
fn a_region_without_health_check_metrics_is_refused_with_the_reason() {
    let rule = &template()["Rules"]["RegionHasHealthCheckMetrics"]["Assertions"][0];
    assert_eq!(rule["Assert"], json!({"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}));
    assert!(rule["AssertDescription"].as_str().is_some_and(|text| text.contains("health checks exist only there")));
}

#[test]
fn the_protection_of_the_stack_is_one_that_provision_accepts() {
    let template = template();
    let typed = typed_properties(&template, "Protection");
    let spec = properties::parse(&typed).expect("the defaults and a complete set of answers are a protection");
    assert_eq!(spec.name.as_str(), "www");
    let passed: BTreeSet<&str> =
        object(&template["Resources"]["Protection"]["Properties"]).keys().map(String::as_str).collect();
    let of_the_engine = [
        "AllowedDistributions",
        "AllowedHostedZones",
        "AllowedRecords",
        "AllowedHostedZoneRoles",
        "NotificationEmail",
        "ReserveConcurrency",
    ];
    for (parameter, _) in PARAMETERS.iter().filter(|(name, _)| !of_the_engine.contains(name)) {
        let property = match *parameter {
            "ProtectionName" => "Name",
            "HealthCheckPath" => "HealthCheck",
            same => same,
        };
        assert!(passed.contains(property), "{parameter} is asked for and not passed on");
    }
}

#[test]
fn a_protection_of_another_stack_can_say_everything() {
    let template = load("infra/protection.yaml");
    let protection = object(&template["Resources"]["Protection"]["Properties"]);
    let passed: BTreeSet<&str> =
        protection.keys().map(String::as_str).filter(|name| *name != "ServiceTimeout").collect();
    assert_eq!(passed, BTreeSet::from(PROPERTIES));
    assert_eq!(
        protection["ServiceToken"],
        json!({"Fn::ImportValue": {"Fn::Sub": "${EngineStackName}-ProvisionFunctionArn"}})
    );
    properties::parse(&typed_properties(&template, "Protection")).expect("its defaults are a protection");
}

#[test]
fn the_examples_for_other_peoples_code_declare_protections_that_there_can_be() {
    let distribution = load("infra/examples/cloudformation/distribution.yaml");
    let mut declared = object(&distribution["Resources"]["Protection"]["Properties"]).clone();
    for (name, value) in [
        ("ServiceToken", "arn:aws:lambda:us-east-1:111122223333:function:provision"),
        ("DistributionId", "E2EXAMPLE1ABCD"),
        ("HostedZoneId", "Z0123456789ABCDEFGHIJ"),
    ] {
        assert!(declared.insert(name.to_owned(), json!(value)).is_some(), "{name} is not declared");
    }
    properties::parse(&declared).expect("what CloudFormation would send is a protection");

    let known = load("infra/protection.yaml");
    for example in ["ignored", "declared"] {
        let path = repository().join(format!("infra/examples/terraform/{example}/main.tf"));
        let text = std::fs::read_to_string(path).expect("the example is there");
        let (_, after) = text.split_once("parameters = {").expect("it sets the stack's parameters");
        let (parameters, _) = after.split_once('}').expect("and ends somewhere");
        let names: Vec<&str> =
            parameters.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.trim()).collect();
        assert!(names.contains(&"Name") && names.contains(&"FailoverRecord"), "{names:?}");
        for name in names {
            assert!(
                known["Parameters"].get(name).is_some(),
                "{example}: infra/protection.yaml has no parameter {name}"
            );
        }
    }
}

#[test]
fn each_function_knows_what_it_needs_and_is_built_from_its_own_binary() {
    let template = template();
    assert_eq!(
        object(&template["Globals"]["Function"]["Environment"]["Variables"]).keys().collect::<Vec<_>>(),
        ["FAILOPEN_LEDGER_TABLE"]
    );
    let expected: [(&str, &[&str]); 3] = [
        (
            "Provision",
            &[
                "FAILOPEN_ALLOWED_DISTRIBUTIONS",
                "FAILOPEN_ALLOWED_HOSTED_ZONES",
                "FAILOPEN_ALLOWED_HOSTED_ZONE_ROLES",
                "FAILOPEN_ALLOWED_RECORDS",
                "FAILOPEN_FLIP_FUNCTION",
                "FAILOPEN_REACT_FUNCTION",
                "FAILOPEN_RESPONSE_ORIGIN",
            ],
        ),
        ("React", &["FAILOPEN_FLIP_FUNCTION", "FAILOPEN_NOTIFICATION_TOPIC"]),
        // Flip is its own FAILOPEN_FLIP_FUNCTION: Lambda tells it its name.
        ("Flip", &[]),
    ];
    for (resource, variables) in expected {
        let function = &template["Resources"][format!("{resource}Function")];
        let found = function["Properties"].pointer("/Environment/Variables").map(object);
        let found: BTreeSet<&str> = found.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        assert_eq!(found, variables.iter().copied().collect(), "{resource}");
        assert_eq!(
            function["Metadata"],
            json!({"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": resource.to_lowercase()}})
        );
    }
}

#[test]
fn an_event_that_failed_is_kept_but_never_with_a_response_url() {
    let resources = &template()["Resources"];
    for name in ["ReactFunction", "FlipFunction"] {
        let asynchronous = &resources[name]["Properties"]["EventInvokeConfig"];
        assert!(
            asynchronous["MaximumEventAgeInSeconds"].as_u64().is_some_and(|age| (60..=300).contains(&age)),
            "{name}"
        );
        assert!(asynchronous["MaximumRetryAttempts"].as_u64().is_some_and(|retries| retries <= 1), "{name}");
        let destination = &asynchronous["DestinationConfig"]["OnFailure"];
        assert_eq!(
            destination,
            &json!({"Type": "SQS", "Destination": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}),
            "{name}"
        );
    }
    let provision = &resources["ProvisionFunction"]["Properties"]["EventInvokeConfig"];
    assert_eq!(provision.get("DestinationConfig"), None, "the record of a failed event holds the event");
    assert_eq!(resources["DeadLetters"]["Properties"]["SqsManagedSseEnabled"], json!(true));
}

#[test]
fn the_ledger_outlives_the_stack_and_alarms_can_publish() {
    let resources = &template()["Resources"];
    let ledger = &resources["Ledger"];
    assert_eq!(ledger["DeletionPolicy"], "RetainExceptOnCreate");
    assert_eq!(ledger["UpdateReplacePolicy"], "Retain");
    assert_eq!(ledger["Properties"].get("TableName"), None, "a kept table would be in the way of the next stack");
    assert_eq!(ledger["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], json!(true));
    // CloudWatch cannot publish to a topic that is encrypted with the key alias/aws/sns.
    assert_eq!(resources["Notifications"]["Properties"].get("KmsMasterKeyId"), None);
}

/// What provision would receive with every parameter at its default, and the required ones answered.
fn typed_properties(template: &Value, resource: &str) -> Map<String, Value> {
    let answers = [
        ("Name", "www"),
        ("ProtectionName", "www"),
        ("DistributionId", "E2EXAMPLE1ABCD"),
        ("FailoverRecord", "cq-origin-www.example.com"),
        ("InspectionHostname", "www.inspection.example.net"),
        ("ApplicationHostname", "origin-www.example.com"),
        ("HostedZoneId", "Z0123456789ABCDEFGHIJ"),
    ];
    let value_of = |name: &str| {
        let answer = answers.iter().find(|(parameter, _)| *parameter == name).map(|(_, value)| json!(value));
        let parameter = &template["Parameters"][name];
        let value = answer.unwrap_or_else(|| json!(plain(&parameter["Default"])));
        if parameter["Type"] == "CommaDelimitedList" { json!([value]) } else { value }
    };
    // Of a choice, the branch for an unset parameter is the last one.
    fn resolve(value: &Value, value_of: &dyn Fn(&str) -> Value) -> Value {
        if let Some(name) = value.get("Ref").and_then(Value::as_str) {
            return if name == "AWS::NoValue" { Value::Null } else { value_of(name) };
        }
        if let Some(choice) = value.get("Fn::If").and_then(Value::as_array) {
            let branch = if choice[0] == "ChecksPath" { 1 } else { 2 };
            return resolve(&choice[branch], value_of);
        }
        match value {
            Value::Object(map) => {
                let resolved = map.iter().map(|(name, value)| (name.clone(), resolve(value, value_of)));
                Value::Object(resolved.filter(|(_, value)| !value.is_null()).collect())
            }
            other => other.clone(),
        }
    }
    let mut properties = object(&template["Resources"][resource]["Properties"]).clone();
    properties["ServiceToken"] = json!("arn:aws:lambda:us-east-1:111122223333:function:provision");
    object(&resolve(&Value::Object(properties), &value_of)).clone()
}
