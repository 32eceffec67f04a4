//! No secret leaves: the real programs at TRACE, against an AWS that repeats in its errors whatever it was sent, and every
//! byte that comes out of them searched for canaries.
//!
//! A secret goes where it has to go: header values back into the distribution, the external id to STS and into the ledger,
//! the pre-signed URL to where it points and to this very function. Anywhere else is a leak.

use std::time::Duration;

use failopen::secret::Secret;
use failopen::spec::{ApplicationCheck, Dns, Zone, ZoneRole};
use failopen_tests::events;
use failopen_tests::lambda::{Ended, Function, Invocation};
use failopen_tests::loopback::{Loopback, Manner, Received};
use failopen_tests::working_aws::{Present, amazon_json};
use failopen_tests::world::{CANARY, RICH_DISTRIBUTION, World, alarm, zone};
use serde_json::{Value, json};

const PROVISION: &str = env!("CARGO_BIN_EXE_provision-bootstrap");
const REACT: &str = env!("CARGO_BIN_EXE_react-bootstrap");
const FLIP: &str = env!("CARGO_BIN_EXE_flip-bootstrap");

const TIME_OUT: Duration = Duration::from_secs(90);
const ROLE: &str = "arn:aws:iam::444455556666:role/dns";
const EXTERNAL_ID: &str = "canary-external-id";
const URL: &str = "canary-url";
const SECRET_KEY: &str = "canary-secret-key";
const SESSION_TOKEN: &str = "canary-session-token";
/// Credentials of the role in the zone's account.
const ROLE_SECRET_KEY: &str = "canary-role-key";
const ROLE_SESSION_TOKEN: &str = "canary-role-token";
const CANARIES: [&str; 7] = [CANARY, EXTERNAL_ID, URL, SECRET_KEY, SESSION_TOKEN, ROLE_SECRET_KEY, ROLE_SESSION_TOKEN];

/// What CloudFront says when it is asked for the configuration.
#[derive(Clone, Copy, Debug)]
enum Configuration {
    Whole,
    Truncated,
    Page,
    Error,
    /// Nobody can compute this signature, and the service says what it had expected.
    WrongSignature,
}

impl Configuration {
    const ALL: [Configuration; 5] = [Self::Whole, Self::Truncated, Self::Page, Self::Error, Self::WrongSignature];

    fn answer(self) -> Manner {
        let truncated = &RICH_DISTRIBUTION[..RICH_DISTRIBUTION.len() / 2];
        match self {
            Self::Whole => Manner::answer(200, RICH_DISTRIBUTION).with("etag", "E1"),
            Self::Truncated => Manner::answer(200, truncated).with("etag", "E1"),
            Self::Page => Manner::answer(200, format!("<html><body>{CANARY}</body></html>")).with("etag", "E1"),
            Self::Error => Manner::answer(400, truncated),
            Self::WrongSignature => xml_error(
                "SignatureDoesNotMatch",
                &format!("The Canonical String should have been 'GET x-amz-security-token:{SESSION_TOKEN}'"),
            ),
        }
    }
}

fn xml_error(code: &str, message: &str) -> Manner {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    let error = format!("<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>");
    Manner::answer(400, format!("<ErrorResponse><Error>{error}</Error></ErrorResponse>"))
}

/// AWS, as far as a canary gets: a ledger with one protection or none, one distribution, and errors that quote the request.
fn aws(configuration: Configuration, protection: Option<String>) -> Loopback {
    Loopback::start(move |request, _| {
        let quoted = String::from_utf8_lossy(&request.body).into_owned();
        let target = request.header("x-amz-target").unwrap_or_default();
        let item = protection.as_ref().map(|row| {
            json!({"protection": {"S": "www"}, "entry": {"S": "state"}, "version": {"N": "1"}, "document": {"S": row}})
        });
        match target.rsplit('.').next().unwrap_or_default() {
            "Scan" => {
                amazon_json(200, &json!({"Items": item.iter().collect::<Vec<_>>(), "Count": 1, "ScannedCount": 1}))
            }
            "GetItem" => amazon_json(200, &item.map_or(json!({}), |item| json!({"Item": item}))),
            "PutItem" => {
                amazon_json(400, &json!({"__type": "com.amazon.coral#ValidationException", "message": quoted}))
            }
            _ if request.line == "GET /2020-05-31/distribution/E2EXAMPLE/config" => configuration.answer(),
            _ if request.line.contains("/functions/") => amazon_json(400, &json!({"Type": "User", "message": quoted})),
            _ => xml_error("InvalidArgument", &quoted),
        }
    })
}

/// A row whose zone is in another account, as the ledger keeps it. Nothing answers a probe here, so none is asked for.
fn row() -> String {
    let world = World::with(|spec| spec.application_check = ApplicationCheck::None);
    let mut row = world.row();
    let role = ZoneRole { arn: ROLE.to_owned(), external_id: Some(Secret::new(EXTERNAL_ID.to_owned())) };
    row.spec.dns = Dns::Route53 { zone: Zone { id: zone().id, role: Some(role) } };
    serde_json::to_string(&row).expect("a row has a JSON form")
}

/// A function as verbose as an operator can make it.
fn verbose(program: &str, aws: &Loopback) -> Function {
    Function::new(program, aws)
        .with("AWS_LAMBDA_LOG_LEVEL", "TRACE")
        .with("RUST_LOG", "trace")
        .with("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .with("AWS_SESSION_TOKEN", SESSION_TOKEN)
        .with("FAILOPEN_ALLOWED_HOSTED_ZONE_ROLES", ROLE)
        .with("RUST_BACKTRACE", "full")
}

/// Nothing that came out holds a canary, except what went where it has to go.
fn no_leak(context: &str, invocation: &Invocation, aws: &Loopback, answers: Option<&Loopback>) {
    let mut texts = vec![invocation.output.clone(), format!("{:?}", invocation.ended)];
    texts.extend(answers.iter().flat_map(|server| server.requests()).map(|request| text(&request.body)));
    texts.extend(
        aws.requests().iter().filter(|request| !is_home_of_secrets(request)).map(|request| text(&request.body)),
    );
    for text in &texts {
        for canary in CANARIES {
            assert!(!text.contains(canary), "{context}: {canary} in {text}");
        }
    }
    // The ledger holds the external id, and nothing else of that kind.
    for request in aws.requests().iter().filter(|request| request.header("x-amz-target").is_some()) {
        for canary in CANARIES.into_iter().filter(|canary| *canary != EXTERNAL_ID) {
            assert!(!text(&request.body).contains(canary), "{context}: {canary} in the ledger");
        }
    }
    let is_signed = |request: &Received| request.header("x-amz-security-token") == Some(SESSION_TOKEN);
    assert!(aws.requests().iter().any(is_signed), "{context}: the canaries were in the function's hands");
    assert_ne!(invocation.ended, Ended::Nothing, "{context}: {}", invocation.output);
}

/// The distribution itself, STS, the ledger, and this very function invoked again.
fn is_home_of_secrets(request: &Received) -> bool {
    let is_assume = text(&request.body).contains("Action=AssumeRole");
    let is_again = request.line.contains("/functions/failopen-function/");
    request.line.ends_with("/config") || is_assume || is_again || request.header("x-amz-target").is_some()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn provision_lets_no_secret_out() {
    for configuration in Configuration::ALL {
        for kind in ["Create", "Update", "Delete"] {
            let context = format!("{configuration:?}, {kind}");
            let answers = Loopback::always(Manner::answer(200, ""));
            let aws = aws(configuration, (kind != "Create").then(row));
            let mut event = events::cloudformation_create();
            event["RequestType"] = json!(kind);
            event["ResponseURL"] = json!(format!("{}/x?X-Amz-Signature={URL}", answers.origin()));
            event["ResourceProperties"]["HostedZoneRoleArn"] = json!(ROLE);
            event["ResourceProperties"]["HostedZoneExternalId"] = json!(EXTERNAL_ID);
            let provision = verbose(PROVISION, &aws).with("FAILOPEN_RESPONSE_ORIGIN", &answers.origin());
            let invocation = provision.invoke(&event, TIME_OUT);
            no_leak(&context, &invocation, &aws, Some(&answers));
            assert_eq!(answers.requests().len(), 1, "{context}");
        }
    }
}

#[test]
fn a_request_that_is_not_answered_is_not_told_either() {
    let aws = aws(Configuration::Whole, None);
    let mut event = events::cloudformation_create();
    event["ResponseURL"] = json!(format!("https://example.com/x?X-Amz-Signature={URL}"));
    let invocation = verbose(PROVISION, &aws).invoke(&event, TIME_OUT);
    assert!(matches!(&invocation.ended, Ended::Error(error) if error["errorType"] == "InvalidRequest"));
    let everything = format!("{}{:?}", invocation.output, invocation.ended);
    assert!(!everything.contains(URL), "{everything}");
    assert_eq!(aws.connections(), 0);
}

#[test]
fn react_lets_no_secret_out() {
    for configuration in Configuration::ALL {
        for event in [events::tick(), events::alarm_metric()] {
            let aws = aws(configuration, Some(row()));
            let invocation = verbose(REACT, &aws).invoke(&event, TIME_OUT);
            no_leak(&format!("{configuration:?}"), &invocation, &aws, None);
        }
    }
}

#[test]
fn flip_lets_no_secret_out() {
    let break_glass = json!({"action": "bypass", "distribution": "E2EXAMPLE", "from": "app & co", "to": "api-eu",
        "reason": "INC-42"});
    for configuration in Configuration::ALL {
        for event in [json!({"action": "status", "protection": "www"}), break_glass.clone()] {
            let aws = aws(configuration, Some(row()));
            let invocation = verbose(FLIP, &aws).invoke(&event, TIME_OUT);
            no_leak(&format!("{configuration:?}, {event}"), &invocation, &aws, None);
            let is_written = aws.requests().iter().any(|request| text(&request.body).contains(CANARY));
            let is_asked = matches!(configuration, Configuration::Whole) && event["action"] == "bypass";
            assert_eq!(is_written, is_asked, "{configuration:?}, {event}: {}", invocation.output);
        }
    }
}

/// An AWS that carries out what it is asked.
fn working_aws(configuration: String, row: Option<String>, alarm: Option<String>) -> Loopback {
    let (secret_key, session_token) = (ROLE_SECRET_KEY.to_owned(), ROLE_SESSION_TOKEN.to_owned());
    Present { configuration, row, alarm, secret_key, session_token }.start()
}

/// A configuration that goes back to CloudFront has its header values.
fn writes_with_the_canary(aws: &Loopback) -> usize {
    let is_write = |request: &&Received| request.line == "PUT /2020-05-31/distribution/E2EXAMPLE/config";
    aws.requests().iter().filter(is_write).filter(|request| text(&request.body).contains(CANARY)).count()
}

#[test]
fn a_protection_that_is_made_lets_no_secret_out() {
    let answers = Loopback::always(Manner::answer(200, ""));
    let aws = working_aws(RICH_DISTRIBUTION.to_owned(), None, None);
    let mut event = events::cloudformation_create();
    event["ResponseURL"] = json!(format!("{}/x?X-Amz-Signature={URL}", answers.origin()));
    let properties = &mut event["ResourceProperties"];
    properties["HostedZoneRoleArn"] = json!(ROLE);
    properties["HostedZoneExternalId"] = json!(EXTERNAL_ID);
    // Nothing answers a probe or a checker here, and that must not be what ends it.
    properties["Preflight"] = json!("warn");
    let invocation =
        verbose(PROVISION, &aws).with("FAILOPEN_RESPONSE_ORIGIN", &answers.origin()).invoke(&event, TIME_OUT);
    let requests = aws.requests();
    let has = |part: &str| requests.iter().any(|request| request.line.contains(part));
    for step in ["POST /2013-04-01/healthcheck", "POST /2013-04-01/hostedzone/Z0EXAMPLE/rrset", "/PutMetricAlarm"] {
        assert!(has(step), "{step} is missing: {}", invocation.output);
    }
    assert_eq!(writes_with_the_canary(&aws), 1, "{}", invocation.output);
    assert_eq!(answers.requests().len(), 1);
    let answer: Value = serde_json::from_slice(&answers.requests()[0].body).expect("the answer is JSON");
    assert_eq!(answer["Status"], "SUCCESS", "{answer}: {}", invocation.output);
    let is_of_the_role = |request: &Received| request.header("x-amz-security-token") == Some(ROLE_SESSION_TOKEN);
    assert!(requests.iter().any(is_of_the_role), "the role's credentials were in the function's hands");
    no_leak("Create", &invocation, &aws, Some(&answers));
}

#[test]
fn flips_that_are_carried_out_let_no_secret_out() {
    let aws = working_aws(World::standard().configuration(), Some(row()), None);
    let break_glass = json!({"action": "bypass", "distribution": "E2EXAMPLE", "from": "failopen-www", "to": "app & co",
        "reason": "INC-42"});
    let requests = [
        json!({"action": "bypass", "protection": "www", "reason": "INC-42"}),
        json!({"action": "restore", "protection": "www", "reason": "INC-42"}),
        break_glass,
    ];
    for (before, request) in requests.into_iter().enumerate() {
        let invocation = verbose(FLIP, &aws).invoke(&request, TIME_OUT);
        let Ended::Answer(answer) = &invocation.ended else { panic!("{request}: {invocation:?}") };
        assert_eq!(answer["outcome"], "changed", "{request}: {answer}");
        assert!(!answer["because"].to_string().contains("could not be"), "{answer}");
        assert_eq!(writes_with_the_canary(&aws), before + 1, "{request}");
        no_leak(&request.to_string(), &invocation, &aws, None);
    }
}

#[test]
fn a_decision_that_is_carried_out_lets_no_secret_out() {
    let aws = working_aws(World::standard().configuration(), Some(row()), Some(alarm().to_string()));
    let invocation = verbose(REACT, &aws).invoke(&events::tick(), TIME_OUT);
    let Ended::Answer(answer) = &invocation.ended else { panic!("{invocation:?}") };
    assert_eq!(answer["decisions"][0]["decision"], "bypass", "{answer}: {}", invocation.output);
    no_leak("decided", &invocation, &aws, None);
    let requests = aws.requests();
    let asked = requests.iter().find(|request| request.line.contains("/functions/"));
    let asked = asked.unwrap_or_else(|| panic!("react asks flip: {}", invocation.output));
    let request: Value = serde_json::from_slice(&asked.body).expect("the request is JSON");
    let invocation = verbose(FLIP, &aws).invoke(&request, TIME_OUT);
    let Ended::Answer(answer) = &invocation.ended else { panic!("{invocation:?}") };
    assert_eq!(answer["outcome"], "changed", "{answer}");
    assert_eq!(writes_with_the_canary(&aws), 1);
    no_leak("carried out", &invocation, &aws, None);
}
