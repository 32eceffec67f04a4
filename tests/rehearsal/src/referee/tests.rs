//! What AWS would refuse is seen: every kind of rule, on every wire that the product uses, with the real models.

use ciborium::Value as Cbor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::judge::Judge;
use super::message::{Answer, Request};
use super::model::Catalogue;
use super::*;

fn judge() -> Judge {
    let packages = crate::python::packages_for_tests().expect("the pinned packages can be installed");
    Judge::new(Catalogue::of(&packages).expect("botocore's models can be read"), &["Planted"])
}

fn request(service: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let scope = format!("AKIA/20260101/us-east-1/{service}/aws4_request");
    let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let mut all = vec![("authorization".to_owned(), authorization)];
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Request::new(method, target, all, body).expect("the body is not compressed")
}

/// What is wrong with a request, a line each.
fn wrong(judge: &Judge, request: &Request) -> Vec<String> {
    judge.hear(request).violations.iter().map(ToString::to_string).collect()
}

/// Each edit of the good body breaks the one rule that it names, and the good body none.
fn expect_each(judge: &Judge, good: &str, make: impl Fn(&str) -> Request, cases: &[(&str, &str, &str)]) {
    assert_eq!(wrong(judge, &make(good)), Vec::<String>::new());
    for (from, to, expected) in cases {
        assert!(good.contains(from), "{from} is not in the good body");
        let found = wrong(judge, &make(&good.replacen(from, to, 1)));
        assert!(found.iter().any(|line| line.contains(expected)), "{from} -> {to}: expected {expected}, saw {found:?}");
    }
}

const CONFIG: &str = "<DistributionConfig xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">\
    <CallerReference>mine</CallerReference><Origins><Quantity>2</Quantity><Items>\
    <Origin><Id>app</Id><DomainName>a.example.com</DomainName><Planted>x</Planted></Origin>\
    <Origin><Id>spare</Id><DomainName>b.example.com</DomainName></Origin></Items></Origins>\
    <DefaultCacheBehavior><TargetOriginId>app</TargetOriginId>\
    <ViewerProtocolPolicy>https-only</ViewerProtocolPolicy><CachePolicyId>p</CachePolicyId></DefaultCacheBehavior>\
    <Comment/><Enabled>true</Enabled></DistributionConfig>";

#[test]
fn a_distribution_that_cloudfront_would_refuse_is_refused() {
    let judge = judge();
    let create = |body: &str| request("cloudfront", "POST", "/2020-05-31/distribution", &[], body.as_bytes());
    let cases = [
        ("https-only", "sometimes", "DefaultCacheBehavior.ViewerProtocolPolicy: expected one of allow-all, https-only"),
        ("<Quantity>2", "<Quantity>3", "Origins.Quantity: Quantity is 3, and there are 2 Items"),
        ("<Id>spare", "<Id>app", "Origins.Items[1].Id: another origin or group has this id"),
        ("<TargetOriginId>app", "<TargetOriginId>gone", "TargetOriginId: there is no origin or group"),
        ("<CachePolicyId>p</CachePolicyId>", "", "there is neither CachePolicyId nor ForwardedValues"),
        ("<Comment/>", "<Comment/><Surprise/>", "DistributionConfig.Surprise: the model has no such member"),
        ("<Comment/>", "", "DistributionConfig.Comment: the model requires this member"),
        ("<Comment/>", "<Comment/><Enabled>true</Enabled>", "DistributionConfig.Enabled: this member exists once"),
        ("<Enabled>true", "<Enabled>True", "DistributionConfig.Enabled: expected true or false in lower case"),
        ("<Quantity>2", "<Quantity>two", "Origins.Quantity: expected a whole number"),
        ("doc/2020-05-31", "doc/2019-01-01", "the root's namespace is not"),
        ("<Comment/>", "<Comment/>stray text", "expected elements without text"),
        ("</DistributionConfig>", "", "the body is no well-formed XML"),
        ("<Origin><Id>spare", "<origin/><Origin><Id>spare", "expected elements named Origin"),
    ];
    expect_each(&judge, CONFIG, create, &cases);
    let root = CONFIG.replace("DistributionConfig>", "Config>").replace("<DistributionConfig", "<Config");
    assert!(wrong(&judge, &create(&root)).iter().any(|line| line.contains("the root is not DistributionConfig")));
}

#[test]
fn an_update_without_its_fence_or_with_another_caller_reference_is_refused() {
    let judge = judge();
    let target = "/2020-05-31/distribution/E1/config";
    let read = request("cloudfront", "GET", target, &[], b"");
    let headers = vec![("etag".to_owned(), "E2QWRUHAPOMQZL".to_owned())];
    let answer = Answer { status: 200, headers, body: CONFIG.as_bytes().to_vec() };
    let heard = judge.hear(&read);
    assert!(heard.violations.is_empty() && judge.answer(&heard, &read, &answer).is_empty());
    let update = |etag: Option<&str>, body: &str| {
        let headers: Vec<(&str, &str)> = etag.map(|etag| ("if-match", etag)).into_iter().collect();
        wrong(&judge, &request("cloudfront", "PUT", target, &headers, body.as_bytes()))
    };
    assert_eq!(update(Some("E2QWRUHAPOMQZL"), CONFIG), Vec::<String>::new());
    assert!(update(None, CONFIG)[0].contains("If-Match is missing"));
    assert!(update(Some("*"), CONFIG)[0].contains("If-Match is no ETag that was ever answered"));
    let other = CONFIG.replace("<CallerReference>mine", "<CallerReference>other");
    assert!(update(Some("E2QWRUHAPOMQZL"), &other)[0].contains("caller reference of a distribution cannot be changed"));
}

#[test]
fn a_write_on_condition_of_an_old_etag_has_to_be_refused_with_412() {
    let judge = judge();
    let target = "/2020-05-31/distribution/E1/config";
    let answer = |status: u16, etag: &str| {
        let headers = vec![("etag".to_owned(), etag.to_owned())];
        Answer { status, headers, body: CONFIG.as_bytes().to_vec() }
    };
    let read = request("cloudfront", "GET", target, &[], b"");
    let heard = judge.hear(&read);
    for etag in ["E1", "E2"] {
        assert!(judge.answer(&heard, &read, &answer(200, etag)).is_empty());
    }
    // An answer that was overtaken makes no old ETag the newest again.
    assert!(judge.answer(&heard, &read, &answer(200, "E1")).is_empty());
    let verdict = |if_match: &str, status: u16| {
        let update = request("cloudfront", "PUT", target, &[("if-match", if_match)], CONFIG.as_bytes());
        let heard = judge.hear(&update);
        assert!(heard.violations.is_empty() && heard.is_fenced_update(), "{:?}", heard.violations);
        judge.answer(&heard, &update, &answer(status, "E3")).iter().any(|found| found.member == "IfMatch")
    };
    assert!(!verdict("E1", 412), "the local AWS has refused it");
    assert!(verdict("E1", 500), "nobody knows what became of it");
    assert!(!verdict("E2", 200));
    assert!(verdict("E2", 200), "by now it is E3");
    assert!(!verdict("E3", 200));
}

#[test]
fn a_referee_that_was_passed_by_is_no_witness() {
    let report = |operations, fenced_updates| Report {
        requests: 1000,
        operations,
        fenced_updates,
        violations: Vec::new(),
        excused: 0,
        patterns: 1,
        unchecked_patterns: 0,
    };
    assert_eq!(report(20, 1).shortfall(), None);
    assert!(report(0, 0).shortfall().is_some_and(|why| why.contains("0 operations")));
    assert!(report(19, 1).shortfall().is_some_and(|why| why.contains("19 operations")));
    assert!(report(20, 0).shortfall().is_some_and(|why| why.contains("If-Match")));
}

#[test]
fn few_patterns_of_the_models_go_unchecked() {
    let (all, unchecked) = judge().patterns();
    assert!(all > 100 && unchecked * 50 < all, "{unchecked} of {all}");
}

#[test]
fn a_health_check_that_route_53_would_refuse_is_refused() {
    let judge = judge();
    let good = "<CreateHealthCheckRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
        <CallerReference>r</CallerReference><HealthCheckConfig><Port>443</Port><Type>HTTPS</Type><ResourcePath>/</ResourcePath>\
        <FullyQualifiedDomainName>a.example.com</FullyQualifiedDomainName><RequestInterval>10</RequestInterval>\
        <FailureThreshold>3</FailureThreshold><Regions><Region>us-east-1</Region><Region>us-west-1</Region>\
        <Region>eu-west-1</Region></Regions></HealthCheckConfig></CreateHealthCheckRequest>";
    let create = |body: &str| request("route53", "POST", "/2013-04-01/healthcheck", &[], body.as_bytes());
    let long = format!("<CallerReference>{}", "r".repeat(65));
    let cases = [
        (
            "<FailureThreshold>3",
            "<FailureThreshold>11",
            "HealthCheckConfig.FailureThreshold: expected a number from 1 to 10",
        ),
        ("<Port>443", "<Port>70000", "HealthCheckConfig.Port: expected a number from 1 to 65535"),
        ("<Type>HTTPS", "<Type>HTTP3", "HealthCheckConfig.Type: expected one of"),
        ("<RequestInterval>10", "<RequestInterval>20", "an interval other than 10 or 30 seconds"),
        ("<Region>eu-west-1</Region>", "", "HealthCheckConfig.Regions: expected a length from 3 to"),
        ("<Type>HTTPS", "<Type>HTTPS_STR_MATCH", "a check for a text without the text"),
        ("<CallerReference>r", &long, "CallerReference: expected a length from 1 to 64"),
    ];
    expect_each(&judge, good, create, &cases);
}

#[test]
fn a_change_of_records_that_route_53_would_refuse_is_refused() {
    let judge = judge();
    let record = |role: &str, host: &str, check: &str| {
        format!(
            "<Change><Action>CREATE</Action><ResourceRecordSet><Name>o.example.com</Name><Type>CNAME</Type>\
             <SetIdentifier>{role}</SetIdentifier><Failover>{role}</Failover><TTL>30</TTL><ResourceRecords>\
             <ResourceRecord><Value>{host}</Value></ResourceRecord></ResourceRecords>{check}</ResourceRecordSet></Change>"
        )
    };
    let good = format!(
        "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch><Changes>\
         {}{}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>",
        record("PRIMARY", "a.example.com", "<HealthCheckId>h</HealthCheckId>"),
        record("SECONDARY", "b.example.com", "")
    );
    let change = |body: &str| request("route53", "POST", "/2013-04-01/hostedzone/Z1/rrset", &[], body.as_bytes());
    let cases = [
        ("<SetIdentifier>PRIMARY</SetIdentifier>", "", "a routing policy without a SetIdentifier"),
        ("<Failover>PRIMARY</Failover>", "", "a SetIdentifier without a routing policy"),
        ("<Failover>PRIMARY</Failover>", "<Failover>SECONDARY</Failover>", "with the same part in a failover"),
        ("<HealthCheckId>h</HealthCheckId>", "", "a primary without a health check"),
        ("<TTL>30</TTL>", "", "no alias, and no TTL"),
        ("<SetIdentifier>SECONDARY", "<SetIdentifier>PRIMARY", "says the same about this record set twice"),
        (
            "</ResourceRecord>",
            "</ResourceRecord><ResourceRecord><Value>c</Value></ResourceRecord>",
            "a CNAME with more than one value",
        ),
        ("CREATE", "REPLACE", "Changes[0].Action: expected one of CREATE, DELETE, UPSERT"),
    ];
    expect_each(&judge, &good, change, &cases);
}

fn alarm(edits: &[(&str, Option<Cbor>)]) -> Request {
    let mut fields: Vec<(String, Cbor)> = [
        ("AlarmName", Cbor::from("a")),
        ("ComparisonOperator", Cbor::from("LessThanThreshold")),
        ("EvaluationPeriods", Cbor::from(1)),
        ("Period", Cbor::from(60)),
        ("Threshold", Cbor::from(1.0)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (name, value) in edits {
        fields.retain(|(known, _)| known != name);
        fields.extend(value.clone().map(|value| ((*name).to_owned(), value)));
    }
    let mut body = Vec::new();
    let map = fields.into_iter().map(|(name, value)| (Cbor::from(name), value)).collect();
    ciborium::into_writer(&Cbor::Map(map), &mut body).expect("a vector takes it");
    let headers = [("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor")];
    request("monitoring", "POST", "/service/GraniteServiceVersion20100801/operation/PutMetricAlarm", &headers, &body)
}

#[test]
fn an_alarm_over_cbor_that_cloudwatch_would_refuse_is_refused() {
    let judge = judge();
    assert_eq!(wrong(&judge, &alarm(&[])), Vec::<String>::new());
    for (name, value, expected) in [
        ("ComparisonOperator", Some(Cbor::from("Below")), "ComparisonOperator: expected one of"),
        ("Period", Some(Cbor::from(0)), "Period: expected a number of at least 1"),
        ("Period", Some(Cbor::from("60")), "Period: expected a whole number"),
        ("AlarmName", None, "AlarmName: the model requires this member"),
        ("Surprise", Some(Cbor::from(1)), "Surprise: the model has no such member"),
        ("AlarmName", Some(Cbor::from("a".repeat(256))), "AlarmName: expected a length from 1 to 255"),
    ] {
        let found = wrong(&judge, &alarm(&[(name, value)]));
        assert!(found.iter().any(|line| line.contains(expected)), "{name}: expected {expected}, saw {found:?}");
    }
}

#[test]
fn json_forms_and_headers_that_aws_would_refuse_are_refused() {
    let judge = judge();
    let item = |body: &str| {
        let headers = [("x-amz-target", "DynamoDB_20120810.GetItem"), ("content-type", "application/x-amz-json-1.0")];
        request("dynamodb", "POST", "/", &headers, body.as_bytes())
    };
    let cases = [
        ("\"S\"", "\"X\"", "Key.protection.X: the model has no such member"),
        ("\"TableName\": \"t\"", "\"Table\": \"t\"", "TableName: the model requires this member"),
        ("true", "\"true\"", "ConsistentRead: expected true or false"),
        ("{\"TableName\"", "\"TableName\"", "the body is no JSON"),
    ];
    let good = "{\"TableName\": \"t\", \"ConsistentRead\": true, \"Key\": {\"protection\": {\"S\": \"www\"}}}";
    expect_each(&judge, good, item, &cases);

    let invoke = |function: &str, headers: &[(&str, &str)]| {
        let target = format!("/2015-03-31/functions/{function}/invocations");
        wrong(&judge, &request("lambda", "POST", &target, headers, b"{}"))
    };
    assert_eq!(invoke("react", &[("x-amz-invocation-type", "Event")]), Vec::<String>::new());
    assert!(invoke("react", &[("x-amz-invocation-type", "Later")])[0].contains("InvocationType: expected one of"));
    assert!(invoke("react", &[("x-amz-surprise", "1")])[0].contains("header x-amz-surprise: the model has no such"));
    assert!(invoke("react!", &[])[0].contains("FunctionName: expected the pattern"));

    let form = |service: &'static str| {
        move |body: &str| {
            let headers = [("content-type", "application/x-www-form-urlencoded")];
            request(service, "POST", "/", &headers, body.as_bytes())
        }
    };
    let publish = "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns&Subject=s&Message=m&\
        MessageAttributes.entry.1.Name=n&MessageAttributes.entry.1.Value.DataType=String";
    let cases = [
        ("Message=m", "Text=m", "Message: the model requires this member"),
        ("Subject=s", "Surprise=s", "Surprise: the model has no such member"),
        (
            "entry.1.Value.DataType",
            "entry.1.Value.Kind",
            "MessageAttributes.n.DataType: the model requires this member",
        ),
        ("2010-03-31", "2011-01-01", "the version is not 2010-03-31"),
        ("Action=Publish", "Action=Proclaim", "no operation Proclaim"),
    ];
    expect_each(&judge, publish, form("sns"), &cases);
    let assume = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fr&\
        RoleSessionName=failopen&DurationSeconds=900";
    let cases = [
        ("DurationSeconds=900", "DurationSeconds=60", "DurationSeconds: expected a number from 900 to 43200"),
        ("RoleSessionName=failopen", "RoleSessionName=a%20b", "RoleSessionName: expected the pattern"),
        ("RoleArn=arn", "RoleArn=&Other=arn", "RoleArn: expected a length from 20"),
    ];
    expect_each(&judge, assume, form("sts"), &cases);
}

#[test]
fn a_request_that_is_nobodys_is_a_violation() {
    let judge = judge();
    let unsigned = Request::new("GET", "/2013-04-01/healthcheck/h", Vec::new(), b"").expect("it is not compressed");
    assert!(wrong(&judge, &unsigned)[0].contains("no signature with a scope"));
    let nothing = request("route53", "GET", "/2013-04-01/nothing/h", &[], b"");
    assert!(wrong(&judge, &nothing)[0].contains("no operation of route53 is GET /2013-04-01/nothing/h"));
    assert!(wrong(&judge, &request("s3", "GET", "/", &[], b""))[0].contains("no model of the service s3"));
    let parameter = request("route53", "GET", "/2013-04-01/healthcheck?maxitems=1&surprise=1", &[], b"");
    assert_eq!(wrong(&judge, &parameter), ["?surprise: the model has no such member"]);
}

#[test]
fn an_answer_that_aws_would_not_give_is_told() {
    let judge = judge();
    let asked = request("route53", "GET", "/2013-04-01/healthcheck/h/status", &[], b"");
    let heard = judge.hear(&asked);
    let answer = |body: &str| {
        let answer = Answer { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() };
        judge.answer(&heard, &asked, &answer).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let good = "<GetHealthCheckStatusResponse><HealthCheckObservations/></GetHealthCheckStatusResponse>";
    assert_eq!(answer(good), Vec::<String>::new());
    assert!(answer("<GetHealthCheckStatusResponse/>")[0].contains("HealthCheckObservations: the model requires"));
    assert!(answer("<html>").iter().any(|line| line.contains("no well-formed XML")));
}

#[tokio::test]
async fn a_violating_request_through_the_running_proxy_is_recorded_and_no_value_of_it() {
    let upstream = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let port = upstream.local_addr().expect("it is bound").port();
    let answering = tokio::spawn(async move {
        let mut heads = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = upstream.accept().await.expect("the referee connects");
            let mut bytes = vec![0; 64 * 1024];
            let read = stream.read(&mut bytes).await.expect("the referee sends");
            heads.push(String::from_utf8_lossy(&bytes[..read]).into_owned());
            stream
                .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\nx-told: yes\r\n\r\ngone")
                .await
                .expect("it listens");
        }
        heads
    });
    let packages = crate::python::packages_for_tests().expect("the pinned packages can be installed");
    let path = std::env::temp_dir().join(format!("failopen-referee-{}.jsonl", std::process::id()));
    let referee = Referee::start(&packages, &[], port, &path).await.expect("the referee starts");
    let address = referee.endpoint();
    let address = address.strip_prefix("http://").expect("it is http");
    for target in ["/2013-04-01/healthcheck/h", "/2013-04-01/healthcheck/h?canary=canary-value"] {
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("the referee listens");
        let scope = "AKIA/20260101/us-east-1/route53/aws4_request";
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: somewhere.else:1\r\nX-Canary: canary-header\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it is answered");
        assert!(
            answer.starts_with("HTTP/1.1 404") && answer.contains("x-told: yes") && answer.ends_with("gone"),
            "{answer}"
        );
    }
    let heads = answering.await.expect("both arrived");
    assert!(
        heads.iter().all(|head| head.contains("host: somewhere.else:1") && head.contains("x-canary: canary-header"))
    );
    let report = referee.report();
    assert_eq!((report.requests, report.operations, report.violations.len()), (2, 1, 1));
    assert!(report.violations[0].contains("route53 GetHealthCheck, request: ?canary"), "{:?}", report.violations);
    let sums = "2 requests of 1 operations checked against AWS's models, 1 violations; 0 UpdateDistribution with If-Match, 0 \
        faults in answers of the local AWS excused, ";
    assert!(report.to_string().starts_with(sums), "{report}");
    let transcript = std::fs::read_to_string(&path).expect("it was written");
    std::fs::remove_file(&path).expect("it is ours");
    assert_eq!(transcript.lines().count(), 2);
    assert!(!transcript.contains("canary-value") && !transcript.contains("canary-header"), "{transcript}");
}
