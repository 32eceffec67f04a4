//! The way back to CloudFormation over real sockets: the real program, started as Lambda starts it, with its own client.
//!
//! What CloudFormation's URL does to the answer is done here by a server on this machine, which the function takes for a
//! rehearsal's (`FAILOPEN_RESPONSE_ORIGIN`). Times are real ones, so bounds are generous.

use std::time::Duration;

use failopen_tests::events;
use failopen_tests::lambda::{Ended, Function, Invocation};
use failopen_tests::loopback::{Loopback, Manner};
use serde_json::{Value, json};

const PROVISION: &str = env!("CARGO_BIN_EXE_provision-bootstrap");
const DEFECTIVE: &str = env!("CARGO_BIN_EXE_defective-bootstrap");

/// Time that Lambda gives where it is not what the test is about.
const PLENTY: Duration = Duration::from_secs(90);

/// A server that takes every call for AWS and understands none: what is refused before any call never meets it.
fn no_aws() -> Loopback {
    Loopback::always(Manner::answer(400, "{}"))
}

/// A request that is refused for its properties alone, so that nothing but its answer leaves the function.
fn refused(url: &str) -> Value {
    let mut event = events::cloudformation_create();
    event["ResponseURL"] = json!(url);
    event["ResourceProperties"]["Name"] = json!("No Name");
    event
}

fn url(server: &Loopback) -> String {
    format!("{}/answers/1?X-Amz-Signature=canary-url", server.origin())
}

/// Lets provision answer a refused request at this server.
fn answer_at(server: &Loopback, time_out: Duration) -> Invocation {
    let provision = Function::new(PROVISION, &no_aws()).with("FAILOPEN_RESPONSE_ORIGIN", &server.origin());
    provision.invoke(&refused(&url(server)), time_out)
}

/// The one body that all attempts carried.
fn body(server: &Loopback) -> Value {
    let requests = server.requests();
    let first = requests.first().expect("an attempt");
    assert!(
        requests.iter().all(|request| request.line.starts_with("PUT ") && request.body == first.body),
        "{requests:?}"
    );
    assert!(first.body.len() <= 4096);
    serde_json::from_slice(&first.body).expect("the answer is JSON")
}

fn error_type(invocation: &Invocation) -> &Value {
    match &invocation.ended {
        Ended::Error(error) => &error["errorType"],
        other => panic!("{other:?}: {}", invocation.output),
    }
}

fn answered(invocation: &Invocation) -> &Value {
    match &invocation.ended {
        Ended::Answer(answer) => answer,
        other => panic!("{other:?}: {}", invocation.output),
    }
}

#[test]
fn a_server_in_trouble_gets_the_same_bytes_until_it_takes_them() {
    let server = Loopback::start(|_, before| match before {
        0 => Manner::answer(500, ""),
        1 => Manner::Close,
        2 => Manner::answer(503, "slow down"),
        _ => Manner::answer(200, ""),
    });
    let invocation = answer_at(&server, PLENTY);
    assert_eq!(answered(&invocation)["outcome"], "FAILED");
    assert_eq!(server.requests().len(), 4);
    assert!(body(&server)["Reason"].as_str().is_some_and(|reason| reason.contains("Name")));
}

#[test]
fn a_server_that_refuses_at_first_is_asked_again() {
    let server = Loopback::start(|_, before| Manner::answer(if before == 0 { 403 } else { 200 }, ""));
    let invocation = answer_at(&server, PLENTY);
    assert_eq!(answered(&invocation)["outcome"], "FAILED");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_server_that_keeps_refusing_is_given_up_and_lambda_is_told() {
    let server = Loopback::always(Manner::answer(403, "<Error><Code>AccessDenied</Code></Error>"));
    let invocation = answer_at(&server, PLENTY);
    assert_eq!(error_type(&invocation), "Unavailable");
    assert_eq!(server.requests().len(), 5);
    assert!(invocation.took < PLENTY - Duration::from_secs(5), "{:?}", invocation.took);
}

#[test]
fn a_server_that_hangs_or_drips_costs_one_attempt() {
    for manner in [Manner::Hang, Manner::Drip] {
        let first = manner.clone();
        let server =
            Loopback::start(move |_, before| if before == 0 { first.clone() } else { Manner::answer(200, "") });
        let invocation = answer_at(&server, PLENTY);
        assert_eq!(answered(&invocation)["outcome"], "FAILED");
        assert_eq!(server.requests().len(), 2, "{manner:?}");
        assert!(invocation.took < Duration::from_secs(30), "{manner:?}: {:?}", invocation.took);
        body(&server);
    }
}

#[test]
fn a_server_that_never_answers_is_tried_until_the_deadline_and_no_longer() {
    let server = Loopback::always(Manner::Hang);
    let time_out = Duration::from_secs(45);
    let invocation = answer_at(&server, time_out);
    assert_eq!(error_type(&invocation), "Unavailable");
    assert!(server.requests().len() >= 2, "{} attempts", server.requests().len());
    assert!(invocation.took < time_out - Duration::from_secs(4), "{:?}", invocation.took);
    body(&server);
}

#[test]
fn a_huge_answer_is_taken_for_what_its_status_says_and_not_read() {
    let server = Loopback::always(Manner::HugeBody);
    let invocation = answer_at(&server, PLENTY);
    assert_eq!(answered(&invocation)["outcome"], "FAILED");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_redirect_is_never_followed() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Loopback::always(Manner::answer(200, ""));
        let target = url(&elsewhere);
        let server = Loopback::start(move |_, before| match before {
            0 => Manner::answer(status, "").with("location", target.clone()),
            _ => Manner::answer(200, ""),
        });
        let invocation = answer_at(&server, PLENTY);
        assert_eq!(answered(&invocation)["outcome"], "FAILED");
        assert_eq!(elsewhere.connections(), 0, "{status}");
        assert_eq!(server.requests().len(), 2, "{status}");
    }
}

#[test]
fn a_url_that_is_not_cloudformations_gets_not_one_byte() {
    let listening = Loopback::always(Manner::answer(200, ""));
    let aws = no_aws();
    let port = listening.address.port();
    for url in [
        format!("http://127.0.0.1:{port}/x"),
        format!("https://127.0.0.1:{port}/x"),
        format!("http://localhost:{port}@127.0.0.1:{port}/x"),
        format!("http://localhost:4566@127.0.0.1:{port}/x"),
        format!("https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com@127.0.0.1:{port}/x"),
        format!("http://127.0.0.1:{port}\\@localhost:4566/x"),
        format!("http://127.0.0.1:{port}#localhost:4566/x"),
        format!("http://LOCALHOST:{port}/x"),
        format!("http://localhost:{port}/x"),
        format!("http://0x7f.1:{port}/x"),
        format!("http://2130706433:{port}/x"),
        format!("http://[::ffff:127.0.0.1]:{port}/x"),
        format!("http://%6cocalhost:{port}/x"),
        format!("http://localhost.:{port}/x"),
    ] {
        let provision = Function::new(PROVISION, &aws).with("FAILOPEN_RESPONSE_ORIGIN", "http://localhost:4566");
        let invocation = provision.invoke(&refused(&url), PLENTY);
        assert_eq!(error_type(&invocation), "InvalidRequest", "{url}");
        assert!(!invocation.output.contains(&url), "{}", invocation.output);
    }
    assert_eq!(listening.connections() + aws.connections(), 0);
}

#[test]
fn work_that_hangs_is_answered_before_lambda_ends_the_process() {
    let aws = Loopback::always(Manner::Hang);
    let server = Loopback::always(Manner::answer(200, ""));
    let mut event = events::cloudformation_create();
    event["ResponseURL"] = json!(url(&server));
    let time_out = Duration::from_secs(45);
    let provision = Function::new(PROVISION, &aws).with("FAILOPEN_RESPONSE_ORIGIN", &server.origin());
    let invocation = provision.invoke(&event, time_out);
    assert_eq!(answered(&invocation)["outcome"], "FAILED");
    assert!(invocation.took < time_out - Duration::from_secs(5), "{:?}", invocation.took);
    assert!(!aws.requests().is_empty());
    let body = body(&server);
    assert!(body["Reason"].as_str().is_some_and(|reason| reason.contains("time is up")), "{body}");
}

#[test]
fn a_panic_in_the_middle_of_the_work_is_answered_by_the_same_process() {
    // Lambda's own throttling code, at which the function waits before it asks again.
    let throttled = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}"#;
    let aws = Loopback::always(Manner::answer(400, throttled).with("content-type", "application/x-amz-json-1.0"));
    let server = Loopback::always(Manner::answer(200, ""));
    let mut event = events::cloudformation_create();
    event["ResponseURL"] = json!(url(&server));
    let provision = Function::new(DEFECTIVE, &aws).with("FAILOPEN_RESPONSE_ORIGIN", &server.origin());
    let invocation = provision.invoke(&event, PLENTY);
    assert_eq!(answered(&invocation)["outcome"], "FAILED");
    let body = body(&server);
    assert!(body["Reason"].as_str().is_some_and(|reason| reason.contains("defect of its own")), "{body}");
    assert!(invocation.output.contains("defective.rs"), "where it was is told: {}", invocation.output);
    assert!(!invocation.output.contains("canary-in-a-panic"), "what it held is not: {}", invocation.output);
}
