//! infra/protections.py: what it makes of a good file is what provision accepts, and of a bad one it makes nothing and names
//! every problem.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use failopen::id::{AlarmName, HealthCheckId, Hostname, PathPattern};
use failopen::properties;
use failopen::spec::{Dns, EdgeFailOpen, HealthCheckSpec, Spec};
use failopen_tests::template::{load, object, plain, repository};
use serde_json::{Value, json};

const EXAMPLE: &str = "infra/examples/many.csv";
const REQUIRED: &str = "Name,DistributionId,FailoverRecord,InspectionHostname,ApplicationHostname,HostedZoneId";

#[test]
fn every_protection_of_the_example_is_one_that_provision_accepts() {
    let template = generated(&example());
    let specs = specs(&template);
    assert_eq!(specs.keys().collect::<Vec<_>>(), ["shop", "shop-preview", "www", "www-api", "www-login"]);
    let www = &specs["www"];
    assert_eq!(www.distribution.as_str(), "E2EXAMPLE1ABCD");
    assert_eq!(www.failover_record, Hostname::new("cq-origin-www.example.com"));
    assert_eq!(www.automation.edge_fail_open, EdgeFailOpen::Automatic);
    assert_eq!(www.priority, 10);
    let HealthCheckSpec::Managed(check) = &www.health_check else { panic!("a check of its own") };
    assert_eq!((check.path.as_str(), check.regions.len()), ("/healthz", 3));
    let api = &specs["www-api"];
    assert_eq!(api.traffic, [PathPattern::new("/api/*"), PathPattern::new("/v2/*")]);
    assert_eq!(api.additional_alarms, [AlarmName::new("api-5xx"), AlarmName::new("api-latency")]);
    assert_eq!(specs["shop-preview"].dns, Dns::External);
    // What the file leaves empty is left to the defaults.
    assert_eq!(specs["shop"].traffic, [PathPattern::default_behavior()]);
    assert_eq!(specs["shop"].automation.edge_fail_open, EdgeFailOpen::Notify);
}

#[test]
fn each_protection_is_declared_as_infra_protection_yaml_declares_one() {
    let template = generated(&example());
    let single = load("infra/protection.yaml");
    let single = &single["Resources"]["Protection"];
    for (id, resource) in object(&template["Resources"]) {
        assert_eq!(resource["Type"], single["Type"], "{id}");
        let properties = &resource["Properties"];
        assert_eq!(properties["ServiceTimeout"], single["Properties"]["ServiceTimeout"], "{id}");
        assert_eq!(properties["ServiceToken"], json!({"Fn::ImportValue": "failopen-ProvisionFunctionArn"}), "{id}");
        for name in object(properties).keys() {
            assert!(single["Properties"].get(name).is_some(), "{id} has {name}, which infra/protection.yaml has not");
        }
    }
    let elsewhere = generated(&run(&["--engine-stack", "engine-2", "-"], &example_text()));
    let token = &elsewhere["Resources"]["Protectionwww"]["Properties"]["ServiceToken"];
    assert_eq!(token, &json!({"Fn::ImportValue": "engine-2-ProvisionFunctionArn"}));
}

#[test]
fn the_columns_are_the_parameters_of_infra_protection_yaml() {
    let help = text(&run(&["--help"], "").stdout);
    let columns: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("columns, in any order"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let single = load("infra/protection.yaml");
    // The stack is an option, and the secret a parameter of the template.
    let mut expected: Vec<&str> = object(&single["Parameters"])
        .keys()
        .map(String::as_str)
        .filter(|name| !["EngineStackName", "HostedZoneExternalId"].contains(name))
        .collect();
    expected.sort_unstable();
    let mut sorted = columns.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
}

#[test]
fn protections_of_one_distribution_wait_for_each_other_and_those_that_share_a_record_for_its_owner() {
    let template = generated(&example());
    let depends_on: BTreeMap<&str, Vec<String>> = object(&template["Resources"])
        .iter()
        .map(|(id, resource)| {
            let others = resource["DependsOn"].as_array().map(Vec::as_slice).unwrap_or_default();
            (id.as_str(), others.iter().map(plain).collect())
        })
        .collect();
    let expected: BTreeMap<&str, Vec<String>> = [
        ("Protectionshop", vec![]),
        ("ProtectionshopDashpreview", vec!["Protectionshop".to_owned()]),
        // The default behaviour is the last of its distribution.
        ("ProtectionwwwDashapi", vec![]),
        ("ProtectionwwwDashlogin", vec!["ProtectionwwwDashapi".to_owned()]),
        ("Protectionwww", vec!["ProtectionwwwDashlogin".to_owned()]),
    ]
    .into_iter()
    .collect();
    assert_eq!(depends_on, expected);
}

#[test]
fn moving_lines_changes_nothing_and_names_alone_make_logical_ids() {
    let text = example_text();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    let moved = run(&["-"], &lines.join("\n"));
    assert_eq!(moved.stdout, example().stdout);

    // These four are easily mapped to one id: hyphens are not allowed in one.
    let rows = ["a-b", "ab", "a--b", "a-dashb"].map(|name| row(name, &format!("E{}", name.len()), name));
    let template = generated(&run(&["-"], &file(REQUIRED, &rows)));
    let ids: Vec<&String> = object(&template["Resources"]).keys().collect();
    assert_eq!(ids, ["ProtectionaDashDashb", "ProtectionaDashb", "ProtectionaDashdashb", "Protectionab"]);
}

#[test]
fn a_circle_of_dependencies_cannot_come_of_records_that_are_shared_both_ways() {
    let header = format!("{REQUIRED},Dns,Traffic");
    // On either distribution the first name shares the record that the second name of the other one owns.
    let rows = [
        "a1,E1,r2.example.com,i.example.net,o.example.com,,external,/x",
        "a2,E1,r1.example.com,i.example.net,o.example.com,Z1,,/y",
        "b1,E2,r1.example.com,i.example.net,o.example.com,,external,/x",
        "b2,E2,r2.example.com,i.example.net,o.example.com,Z1,,/y",
    ]
    .map(str::to_owned);
    let template = generated(&run(&["-"], &file(&header, &rows)));
    let depends_on = |id: &str| template["Resources"][id]["DependsOn"].clone();
    assert_eq!(depends_on("Protectiona1"), json!(["Protectiona2", "Protectionb2"]));
    assert_eq!(depends_on("Protectionb1"), json!(["Protectiona2", "Protectionb2"]));
    assert_eq!((depends_on("Protectiona2"), depends_on("Protectionb2")), (Value::Null, Value::Null));
}

#[test]
fn the_external_id_is_asked_for_and_never_written_into_the_template() {
    let template = generated(&example());
    let parameter = &template["Parameters"]["HostedZoneExternalId"];
    assert_eq!((&parameter["NoEcho"], &parameter["Default"]), (&json!(true), &json!("")));
    let given = |id: &str| template["Resources"][id]["Properties"].get("HostedZoneExternalId").cloned();
    assert_eq!(given("Protectionshop"), Some(json!({"Ref": "HostedZoneExternalId"})));
    assert_eq!(given("Protectionwww"), None);
    let without = generated(&run(&["-"], &file(REQUIRED, &[row("www", "E1", "r")])));
    assert_eq!(without.get("Parameters"), None);
}

#[test]
fn the_allow_lists_name_what_the_protections_touch_and_nothing_else() {
    let output = run(&["--allow-lists", EXAMPLE], "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stdout),
        "AllowedDistributions=E2EXAMPLE1ABCD,E3EXAMPLE2EFGH,E4EXAMPLE3JKLM\n\
         AllowedHostedZones=Z0123456789ABCDEFGHIJ,Z9876543210ABCDEFGHIJ\n\
         AllowedRecords=cq-origin-api.example.com,cq-origin-login.example.com,cq-origin-shop.example.org,\
         cq-origin-www.example.com\n\
         AllowedHostedZoneRoles=arn:aws:iam::444455556666:role/failopen-zone-access\n"
    );
    assert_eq!(text(&output.stderr), "");
    let one = run(&["--allow-lists", "-"], &file(REQUIRED, &[row("www", "E1", "r")]));
    let lists = text(&one.stdout);
    assert!(lists.ends_with("AllowedHostedZoneRoles=\"\"\n"), "as sam deploy --parameter-overrides takes it: {lists}");
}

#[test]
fn every_column_reaches_the_property_of_its_name() {
    let header = format!(
        "{REQUIRED},RecordTtl,HealthCheckPort,HealthCheckType,HealthCheckIntervalSeconds,HealthCheckFailureThreshold,\
         SecondaryHealthCheck,AlarmEvaluationPeriods,FailBack,HoldDownSeconds,MinimumDwellSeconds,MaximumFlipsPerDay,\
         ApplicationCheck,ApplicationCheckPath,Preflight,OriginPort,HealthCheckSearchString,HealthCheckPath"
    );
    let set = format!(
        "{},60,8080,HTTP,30,3,h-2,2,manual,60,61,7,none,/ready,warn,8443,\" all, well\",/up",
        row("www", "E1", "r")
    );
    let template = generated(&run(&["-"], &file(&header, &[set])));
    let typed = json!({
        "ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:provision", "Name": "www", "DistributionId": "E1",
        "FailoverRecord": "r.example.com", "InspectionHostname": "i.example.net", "ApplicationHostname": "o.example.com",
        "HostedZoneId": "Z1", "RecordTtl": 60, "SecondaryHealthCheck": "h-2", "AlarmEvaluationPeriods": 2,
        "FailBack": "manual", "HoldDownSeconds": 60, "MinimumDwellSeconds": 61, "MaximumFlipsPerDay": 7,
        "ApplicationCheck": "none", "ApplicationCheckPath": "/ready", "Preflight": "warn", "OriginPort": 8443,
        "HealthCheck": {"Port": 8080, "Type": "HTTP", "IntervalSeconds": 30, "FailureThreshold": 3, "Path": "/up",
            "SearchString": " all, well"},
    });
    let typed = properties::parse(object(&typed)).expect("the same, typed by hand");
    assert_eq!(specs(&template)["www"], typed);

    let adopting = format!("{},h-1", row("www", "E1", "r"));
    let template = generated(&run(&["-"], &file(&format!("{REQUIRED},HealthCheckId"), &[adopting])));
    assert_eq!(specs(&template)["www"].health_check, HealthCheckSpec::Adopted { id: HealthCheckId::new("h-1") });
}

/// What either side takes, the other one takes as well: a file that passes is deployed, and one that could be deployed passes.
#[test]
fn the_generator_and_provision_agree_on_every_value() {
    let many = |text: &str, count: usize| text.repeat(count);
    let columns: [(&str, Vec<String>); 21] = [
        ("Name", vec![many("a", 32), many("a", 33), "a_b".into(), "A".into(), "-".into()]),
        ("DistributionId", vec![many("E", 32), many("E", 33), "e1".into(), "E 1".into()]),
        ("HostedZoneId", vec!["/hostedzone/Z1".into(), "z1".into(), many("Z", 32), many("Z", 33)]),
        (
            "FailoverRecord",
            vec![
                "x.example.com.".into(),
                "X.example.com".into(),
                "localhost".into(),
                "a.10".into(),
                "-a.example.com".into(),
                "a-.example.com".into(),
                "a..example.com".into(),
                "a_b.example.com".into(),
                format!("{}.example.com", many("a", 63)),
                format!("{}.example.com", many("a", 64)),
                format!("{}com", many(&format!("{}.", many("a", 49)), 5)),
                format!("{}abcd", many(&format!("{}.", many("a", 49)), 5)),
                "i.example.net".into(),
            ],
        ),
        (
            "HostedZoneRoleArn",
            vec!["arn:aws-cn:iam::111122223333:role/a/b".into(), "arn:aws:iam::1:role/a".into(), "x".into()],
        ),
        ("Dns", vec!["route53".into(), "cloudflare".into()]),
        (
            "Traffic",
            vec!["/a/*,*".into(), "/a,a".into(), "/a b".into(), "/a,,/b".into(), many("/", 255), many("/", 256)],
        ),
        ("RecordTtl", vec!["0".into(), "1".into(), "300".into(), "301".into(), "+1".into(), "1.5".into()]),
        ("HealthCheckPath", vec!["x".into(), "/a#b".into(), "/a?b=c".into(), format!("/{}", many("x", 255))]),
        ("HealthCheckPort", vec!["0".into(), "65535".into(), "65536".into()]),
        ("HealthCheckType", vec!["TCP".into(), "https".into()]),
        ("HealthCheckIntervalSeconds", vec!["10".into(), "20".into()]),
        ("HealthCheckFailureThreshold", vec!["10".into(), "11".into()]),
        (
            "HealthCheckRegions",
            vec![
                "us-east-1,us-west-2".into(),
                "us-east-1,us-west-2,eu-west-1".into(),
                "us-east-1,us-east-1,us-west-2,eu-west-1".into(),
                "us-east-1,us-west-2,mars".into(),
            ],
        ),
        ("SecondaryHealthCheck", vec!["none".into(), "h 2".into()]),
        ("Priority", vec!["-1".into(), "2147483648".into(), "1.5".into()]),
        ("AdditionalAlarms", vec!["two words,b".into(), "a,a".into(), many("x", 256)]),
        ("EdgeFailOpen", vec!["off".into(), "on".into()]),
        ("HoldDownSeconds", vec!["86400".into(), "86401".into()]),
        ("MaximumFlipsPerDay", vec!["0".into(), "100".into(), "101".into()]),
        ("OriginPort", vec!["80".into(), "81".into(), "1023".into(), "1024".into()]),
    ];
    for (column, values) in columns {
        for value in values {
            let mut properties = json!({
                "ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:provision", "Name": "www",
                "DistributionId": "E1", "FailoverRecord": "r.example.com", "InspectionHostname": "i.example.net",
                "ApplicationHostname": "o.example.com", "HostedZoneId": "Z1",
            });
            match column.strip_prefix("HealthCheck") {
                Some(nested) => properties["HealthCheck"] = json!({ nested: value }),
                None => properties[column] = json!(value),
            }
            let mut cells: BTreeMap<&str, &str> = [
                ("Name", "www"),
                ("DistributionId", "E1"),
                ("FailoverRecord", "r.example.com"),
                ("InspectionHostname", "i.example.net"),
                ("ApplicationHostname", "o.example.com"),
                ("HostedZoneId", "Z1"),
            ]
            .into();
            cells.insert(column, &value);
            let header: Vec<&str> = cells.keys().copied().collect();
            let quoted: Vec<String> = cells.values().map(|cell| format!("\"{cell}\"")).collect();
            let output = run(&["-"], &file(&header.join(","), &[quoted.join(",")]));
            let accepted = properties::parse(object(&properties)).is_ok();
            assert_eq!(
                output.status.code(),
                Some(i32::from(!accepted)),
                "{column} `{value}`: {}",
                text(&output.stderr)
            );
        }
    }
}

#[test]
fn every_problem_of_a_file_is_reported_at_once_with_its_line_and_column() {
    let header = format!("{REQUIRED},RecordTtl,Traffic,HealthCheckPath");
    let rows = [
        // Line 2 is well, and the others are held against it.
        "www,E1,r.example.com,i.example.net,o.example.com,Z1,,/api/*,",
        "www,E2,r.example.com,i.example.net,o.example.com,Z1,301,,",
        "WWW,e3,r3.example.com,r3.example.com,,,,,healthz",
        "api,E1,r4.example.com,i.example.net,o.example.com,Z1,,\"api/*,/x y\",",
        "short,E5",
    ]
    .map(str::to_owned);
    let output = run(&["-"], &file(&header, &rows));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "", "no half a template");
    let said = text(&output.stderr);
    let blamed: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("-:")).map(place).collect();
    assert_eq!(
        blamed,
        [
            "3: RecordTtl",
            "3: Name",
            "3: FailoverRecord",
            "4: Name",
            "4: DistributionId",
            "4: ApplicationHostname",
            "4: HealthCheckPath",
            "4: InspectionHostname",
            "4: HostedZoneId",
            "5: Traffic",
            "5: Traffic",
            "6"
        ],
        "{said}"
    );
    assert!(
        said.contains("-:3: RecordTtl: is `301`: it must be a whole number from 1 to 300 (for example 30)"),
        "{said}"
    );
    assert!(said.contains("-:3: Name: is `www`, as on line 2: one name has one owner"), "{said}");
    assert!(said.contains("which line 2 protects already"), "{said}");
    assert!(said.ends_with("12 problems; no template was made, and nothing has changed.\n"), "{said}");
}

#[test]
fn a_header_that_is_wrong_is_refused_by_the_name_of_each_column() {
    let header = "Name,Colour,failoverrecord,HostedZoneExternalId,Name,ServiceToken";
    let said = text(&run(&["-"], &file(header, &[])).stderr);
    let blamed: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("-:")).map(place).collect();
    assert_eq!(
        blamed,
        [
            "1: `Colour`",
            "1: `failoverrecord`",
            "1: HostedZoneExternalId",
            "1: ServiceToken",
            "1: Name",
            "1: DistributionId",
            "1: FailoverRecord",
            "1: InspectionHostname",
            "1: ApplicationHostname"
        ],
        "{said}"
    );
    assert!(said.contains("did you mean FailoverRecord?"), "{said}");
    assert!(said.contains("it is a secret"), "{said}");
}

#[test]
fn what_is_no_such_file_at_all_is_refused_in_words() {
    let one = row("www", "E1", "r");
    for (input, expected) in [
        (Vec::new(), "-:1: the file is empty"),
        (file(REQUIRED, &[]).into_bytes(), "-:1: there is no application below"),
        (REQUIRED.replace(',', ";").into_bytes(), "-:1: the columns are not separated by commas"),
        (file(REQUIRED, &[one.clone() + "\"x"]).into_bytes(), "-:2:"),
        (file(REQUIRED, &["\"www".to_owned()]).into_bytes(), "-:2: is no CSV"),
        ([REQUIRED.as_bytes(), &b"\nw\xffw"[..]].concat(), "-:2: is not UTF-8"),
    ] {
        let output = run_on(&["-"], &input);
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""), "{said}");
        assert!(said.starts_with(expected), "{said}");
    }
    let said = text(&run(&["no/such/file.csv"], "").stderr);
    assert!(said.starts_with("no/such/file.csv cannot be read: No such file"), "{said}");
    assert_eq!(run(&["--engine-stack", "a b", "-"], &file(REQUIRED, &[one])).status.code(), Some(2));
}

#[test]
fn what_spreadsheets_write_is_read() {
    let plain = file(REQUIRED, &[row("www", "E1", "r")]);
    let expected = run(&["-"], &plain).stdout;
    // A byte order mark, lines that end as on Windows, blanks around cells, empty lines.
    let theirs = format!("\u{feff}{}\r\n,,,,,\r\n", plain.replace(',', " , ").replace('\n', "\r\n"));
    assert_eq!(text(&run(&["-"], &theirs).stdout), text(&expected));
}

#[test]
fn a_record_is_shared_only_with_dns_external_and_on_another_distribution() {
    let header = format!("{REQUIRED},Dns,Traffic");
    let owner = "www,E1,r.example.com,i.example.net,o.example.com,Z1,,*".to_owned();
    let shared =
        |distribution: &str| format!("two,{distribution},r.example.com,i.example.net,o.example.com,,external,/x");
    assert!(run(&["-"], &file(&header, &[owner.clone(), shared("E2")])).status.success());
    let said = text(&run(&["-"], &file(&header, &[owner, shared("E1")])).stderr);
    assert!(said.contains("-:3: FailoverRecord: is `r.example.com`, as on line 2 for the same distribution"), "{said}");
}

#[test]
fn a_template_holds_as_many_as_cloudformation_takes_and_says_what_else_is_in_the_way() {
    let rows: Vec<String> = (0..501).map(|at| row(&format!("a{at}"), &format!("E{at}"), &format!("r{at}"))).collect();
    let said = text(&run(&["-"], &file(REQUIRED, &rows)).stderr);
    assert!(said.starts_with("-:502: is application 501 of 501, and CloudFormation takes 500"), "{said}");
    let output = run(&["-"], &file(REQUIRED, &rows[..500]));
    assert_eq!(object(&generated(&output)["Resources"]).len(), 500);
    let said = text(&output.stderr);
    assert!(said.contains("note: what the engine has to be allowed comes to"), "{said}");
    assert!(said.contains("--s3-bucket"), "{said}");
}

/// `line: column` of a problem.
fn place(problem: &str) -> &str {
    let (line, rest) = problem.split_once(':').expect("a line");
    let column = rest.trim_start().split(':').next().filter(|column| !column.contains(' ')).unwrap_or_default();
    &problem[..line.len() + if column.is_empty() { 0 } else { 2 + column.len() }]
}

/// A line with the required cells.
fn row(name: &str, distribution: &str, record: &str) -> String {
    format!("{name},{distribution},{record}.example.com,i.example.net,o.example.com,Z1")
}

fn file(header: &str, rows: &[String]) -> String {
    let lines: Vec<&str> = std::iter::once(header).chain(rows.iter().map(String::as_str)).collect();
    lines.join("\n")
}

fn example_text() -> String {
    std::fs::read_to_string(repository().join(EXAMPLE)).expect("the example is there")
}

fn example() -> Output {
    run(&[EXAMPLE], "")
}

/// What was made, where it was.
fn generated(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the template is JSON")
}

/// What provision reads of every protection of a template, by name.
fn specs(template: &Value) -> BTreeMap<String, Spec> {
    object(&template["Resources"])
        .values()
        .map(|resource| {
            let mut properties = object(&resource["Properties"]).clone();
            properties["ServiceToken"] = json!("arn:aws:lambda:us-east-1:111122223333:function:provision");
            if let Some(external_id) = properties.get_mut("HostedZoneExternalId") {
                *external_id = json!("0123456789abcdef");
            }
            let spec = properties::parse(&properties).unwrap_or_else(|invalid| panic!("{properties:?}: {invalid:?}"));
            (spec.name.to_string(), spec)
        })
        .collect()
}

fn run(arguments: &[&str], input: &str) -> Output {
    run_on(arguments, input.as_bytes())
}

fn run_on(arguments: &[&str], input: &[u8]) -> Output {
    let mut process = Command::new("python3")
        .arg("infra/protections.py")
        .args(arguments)
        .current_dir(repository())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let mut sink = process.stdin.take().expect("its input is a pipe");
    // Where it needs no input, it may be gone by now, and that is no fault.
    let _gone = sink.write_all(input);
    drop(sink);
    process.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it writes UTF-8")
}
