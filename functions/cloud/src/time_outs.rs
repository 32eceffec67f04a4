//! Every time-out over real sockets: what does not connect, hangs or drips is given up when [`failopen::limits`] says so.
//!
//! The limits are the real ones, and the waits run side by side. Bounds are generous above, because machines are slow, and
//! exact below: giving up early would be a defect of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use failopen::limits::{ANSWER, ATTEMPT, CALL, CONNECT, PROBE};
use failopen::port::{Apply, Converge, Fault, FaultKind, Message, Metric, Observe, Probe, ProbeOutcome, Respond};
use failopen::posture::Side;
use failopen::secret::Secret;
use failopen::spec::Zone;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpSocket;

use crate::cloud::Cloud;
use crate::connect::{Settings, cloud};
use crate::network::Network;
use crate::wire::Server;

/// What a slow machine may take on top of a limit.
const SLACK: Duration = Duration::from_secs(4);

/// A server that takes every connection and is never heard of again.
fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    // The kernel completes connections as long as the socket lives, and nobody accepts them.
    std::mem::forget(listener);
    address
}

/// A server whose answer comes at one byte a second.
fn dripping() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                // An answer before its question is an error of its own.
                if stream.read(&mut [0; 1024]).is_err() {
                    return;
                }
                for byte in b"HTTP/1.1 200 OK\r\nx-slow: ".iter().chain(std::iter::repeat_n(&b'x', 600)) {
                    if stream.write_all(&[*byte]).is_err() {
                        return;
                    }
                    thread::sleep(Duration::from_secs(1));
                }
            });
        }
    });
    address
}

/// A server whose queue is full, so that the kernel drops what would begin a connection. The sockets keep it so.
fn black_hole() -> (SocketAddr, TcpSocketQueue) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let listener = socket.listen(1).expect("it listens");
    let address = listener.local_addr().expect("it is bound");
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queue.push(stream);
    }
    (address, TcpSocketQueue { _listener: listener, _queue: queue })
}

struct TcpSocketQueue {
    _listener: tokio::net::TcpListener,
    _queue: Vec<TcpStream>,
}

/// Clients as the functions have them, all of which take `address` for AWS.
async fn clients(address: SocketAddr, attempts: u32) -> Cloud {
    let server = Server::start(|_, _| unreachable!("only its settings are used"));
    let sdk = server.sdk().await.into_builder();
    let sdk = sdk
        .endpoint_url(format!("http://{address}"))
        .retry_config(RetryConfig::standard().with_max_attempts(attempts))
        .build();
    let text = |text: &str| Some(text.to_owned());
    let settings = Settings {
        ledger_table: text("ledger"),
        notification_topic: text("arn:aws:sns:us-east-1:111122223333:failopen"),
        flip_function: text("flip"),
        react_function: text("react"),
        function_name: text("provision"),
        resolver: None,
    };
    cloud(&sdk, settings)
}

/// One call of every client: CloudFront, Route 53, CloudWatch, DynamoDB, SNS and Lambda, each with how long it took.
async fn one_call_each(cloud: &Cloud) -> Vec<(&'static str, Option<Fault>, Duration)> {
    let zone = Zone { id: "Z1".into(), role: None };
    let converge = Converge {
        protection: "www".into(),
        posture: Side::Bypassed,
        reason: "AlarmActive".to_owned(),
        because: String::new(),
        decided_at: Timestamp::UNIX_EPOCH,
    };
    let message = Message { subject: "subject".to_owned(), body: "body".to_owned() };
    let metric = Metric { name: "Flips", protection: "www".into(), value: 1 };
    let event = Secret::new("{}".to_owned());
    let (id, name, etag) = ("E1".into(), "www".into(), "E2".into());
    let names = ["alarm".into()];
    let metrics = [metric];
    let calls = tokio::join!(
        timed("GetDistributionConfig", cloud.distribution(&id)),
        timed("UpdateDistribution", cloud.put_distribution(&id, b"<DistributionConfig/>", &etag)),
        timed("GetHostedZone", cloud.zone(&zone)),
        timed("DescribeAlarms", cloud.alarms(&names)),
        timed("GetItem", cloud.row(&name)),
        timed("Publish", cloud.notify(&message)),
        timed("Invoke", cloud.request_converge(&converge)),
        timed("Invoke(self)", cloud.invoke_again(&event)),
        timed("PutMetricData", cloud.put_metrics(&metrics)),
    );
    Vec::from(<[_; 9]>::from(calls))
}

async fn timed<T>(
    call: &'static str,
    answer: impl Future<Output = Result<T, Fault>>,
) -> (&'static str, Option<Fault>, Duration) {
    let began = Instant::now();
    let fault = answer.await.err();
    (call, fault, began.elapsed())
}

/// Every call was given up, with an unknown outcome, after `least` at the earliest and not long after `most`.
fn all_given_up(calls: &[(&'static str, Option<Fault>, Duration)], least: SignedDuration, most: SignedDuration) {
    for (call, fault, took) in calls {
        assert_eq!(fault.as_ref().map(|fault| fault.kind), Some(FaultKind::Unknown), "{call}: {fault:?}");
        assert!(*took >= least.unsigned_abs() && *took <= most.unsigned_abs() + SLACK, "{call} took {took:?}");
    }
}

#[tokio::test]
async fn an_attempt_that_hangs_or_drips_is_given_up_by_every_client() {
    for address in [silent(), dripping()] {
        let calls = one_call_each(&clients(address, 1).await).await;
        all_given_up(&calls, ATTEMPT, ATTEMPT);
    }
}

#[tokio::test]
async fn a_call_whose_every_attempt_hangs_is_given_up_by_every_client() {
    let calls = one_call_each(&clients(silent(), 3).await).await;
    all_given_up(&calls, ATTEMPT.saturating_mul(2), CALL);
}

#[tokio::test]
async fn an_address_where_nothing_answers_is_given_up_by_every_client() {
    let (address, _full) = black_hole();
    let calls = one_call_each(&clients(address, 1).await).await;
    all_given_up(&calls, CONNECT, CONNECT);
}

fn probe(address: SocketAddr) -> Probe {
    Probe {
        connect: address.ip().to_string().as_str().into(),
        port: address.port(),
        server_name: "www.example.com".into(),
        host: "www.example.com".into(),
        path: "/".to_owned(),
        headers: Vec::new(),
    }
}

#[tokio::test]
async fn a_probe_of_what_hangs_drips_or_is_not_there_is_given_up_in_time() {
    let (hole, _full) = black_hole();
    for address in [silent(), dripping(), hole] {
        let network = Network::new(None);
        let began = Instant::now();
        let outcome = network.probe(&probe(address)).await;
        let took = began.elapsed();
        assert!(matches!(outcome, ProbeOutcome::Failed { .. }), "{outcome:?}");
        assert!(took <= PROBE.unsigned_abs() + SLACK, "{took:?}");
    }
}

#[tokio::test]
async fn a_name_server_that_is_never_heard_of_does_not_hold_a_probe_up() {
    let name_server = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let network = Network::new(Some(name_server.local_addr().expect("it is bound")));
    let began = Instant::now();
    let outcome = network.probe(&Probe { connect: "www.example.com".into(), ..probe(silent()) }).await;
    let took = began.elapsed();
    assert!(matches!(outcome, ProbeOutcome::Failed { .. }), "{outcome:?}");
    assert!(took >= Duration::from_secs(1) && took <= PROBE.unsigned_abs() + SLACK, "{took:?}");
}

#[tokio::test]
async fn an_answer_to_what_hangs_drips_or_is_not_there_is_given_up_in_time() {
    let (hole, _full) = black_hole();
    let attempts = [silent(), dripping(), hole].map(|address| async move {
        let url = Secret::new(format!("http://{address}/answers/1"));
        timed("answer", Network::new(None).answer(&url, "{}")).await
    });
    let [silent, dripping, hole] = attempts;
    let (silent, dripping, hole) = tokio::join!(silent, dripping, hole);
    all_given_up(&[silent, dripping], ANSWER, ANSWER);
    all_given_up(&[hole], CONNECT, ANSWER);
}
