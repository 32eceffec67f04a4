//! What clients see of each fault, over sockets.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::*;
use crate::certificates::trusting_all;
use crate::clock::Scale;

/// A client that has heard nothing for so long hears nothing.
const SILENCE: Duration = Duration::from_millis(200);
/// By now a client has heard what there is to hear, even on a busy machine.
const SOON: Duration = Duration::from_secs(10);
/// Certificates of both hold this name.
const SITE: &str = "site.test";

/// A modelled minute is a second.
fn origins() -> (Authority, Origins) {
    let authority = Authority::new().unwrap();
    let clock = Clock::start(Scale::new(60.0).unwrap());
    let origins = Origins::start(&authority, clock, "inspection.test", "application.test", &[SITE]).unwrap();
    (authority, origins)
}

fn request(method: &str, path: &str, body: &'static str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(path).header("host", SITE).body(Full::from(body)).unwrap()
}

async fn ask(authority: &Authority, origin: &Origin, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
    Connections::with(origin.address(), SITE, authority.client()?)?.ask_once(request).await
}

async fn status(authority: &Authority, origin: &Origin, path: &str) -> u16 {
    timeout(SOON, ask(authority, origin, request("GET", path, ""))).await.unwrap().unwrap().status().as_u16()
}

/// Why there is no answer.
async fn refusal(authority: &Authority, origin: &Origin) -> String {
    let outcome = timeout(SOON, ask(authority, origin, request("GET", "/", ""))).await.unwrap();
    format!("{:#}", outcome.unwrap_err())
}

async fn connect_error(origin: &Origin) -> ErrorKind {
    timeout(SOON, TcpStream::connect(origin.address())).await.unwrap().unwrap_err().kind()
}

/// An open connection, byte by byte.
struct Line(TlsStream<TcpStream>);

impl Line {
    async fn open(authority: &Authority, origin: &Origin) -> Self {
        let stream = TcpStream::connect(origin.address()).await.unwrap();
        let name = ServerName::try_from(SITE).unwrap();
        Self(authority.client().unwrap().connect(name, stream).await.unwrap())
    }

    /// Asks, and returns what comes within `patience`; nothing where the connection is cut.
    async fn ask(&mut self, patience: Duration) -> Option<String> {
        // A connection that is cut shows that at the next reading.
        let _ = self.0.write_all(b"GET / HTTP/1.1\r\nhost: site.test\r\n\r\n").await;
        let mut buffer = [0; 4096];
        let read = timeout(patience, self.0.read(&mut buffer)).await.ok()?;
        Some(String::from_utf8_lossy(&buffer[..read.unwrap_or(0)]).into_owned())
    }

    async fn is_cut(&mut self) -> bool {
        self.ask(SOON).await.as_deref() == Some("")
    }
}

#[tokio::test]
async fn the_application_answers_every_path_and_says_that_it_did() {
    let (authority, origins) = origins();
    assert_eq!(origins.application.address().port(), origins.inspection.address().port());
    for path in ["/", HEALTH_PATH, "/no/such/page?at=all"] {
        let answer = ask(&authority, &origins.application, request("GET", path, "")).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["x-served-by"], "application");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(!answer.headers().contains_key("x-inspected-by"));
    }
    let answer = ask(&authority, &origins.application, request("POST", "/checkout/pay", "amount=1")).await.unwrap();
    assert_eq!(answer.body(), "application took 8 bytes\n");
}

#[tokio::test]
async fn inspection_passes_requests_on_and_marks_the_answers() {
    let (authority, origins) = origins();
    for (method, body, wanted) in
        [("GET", "", "application is well\n"), ("POST", "12345", "application took 5 bytes\n"), ("HEAD", "", "")]
    {
        let answer = ask(&authority, &origins.inspection, request(method, "/page", body)).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["x-inspected-by"], "inspection");
        assert_eq!(answer.headers()["x-served-by"], "application");
        assert_eq!(answer.body(), wanted);
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let (authority, origins) = origins();
    let mut line = Line::open(&authority, &origins.inspection).await;
    for _ in 0..3 {
        assert!(line.ask(SOON).await.unwrap().starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn inspection_answers_502_for_an_application_that_it_cannot_reach() {
    let (authority, origins) = origins();
    assert_eq!(status(&authority, &origins.inspection, "/").await, 200);
    for fault in [Fault::Refused, Fault::ExpiredCertificate, Fault::WrongName, Fault::Hangs, Fault::Blackhole] {
        origins.application.suffer(fault).await.unwrap();
        let answer = ask(&authority, &origins.inspection, request("GET", HEALTH_PATH, "")).await.unwrap();
        assert_eq!(answer.status(), 502, "{fault:?}");
        assert_eq!(answer.headers()["x-inspected-by"], "inspection");
    }
    origins.application.suffer(Fault::Errors).await.unwrap();
    assert_eq!(status(&authority, &origins.inspection, "/").await, 503);
    origins.application.heal().await.unwrap();
    assert_eq!(status(&authority, &origins.inspection, "/").await, 200);
}

#[tokio::test]
async fn refused_cuts_connections_and_refuses_others() {
    let (authority, origins) = origins();
    let mut line = Line::open(&authority, &origins.inspection).await;
    origins.inspection.suffer(Fault::Refused).await.unwrap();
    assert!(line.is_cut().await);
    assert_eq!(connect_error(&origins.inspection).await, ErrorKind::ConnectionRefused);
    assert_eq!(status(&authority, &origins.application, "/").await, 200);
    origins.inspection.heal().await.unwrap();
    assert_eq!(status(&authority, &origins.inspection, "/").await, 200);
}

#[tokio::test]
async fn a_blackhole_neither_refuses_nor_accepts_and_leaves_open_connections_silent() {
    let (authority, origins) = origins();
    let mut line = Line::open(&authority, &origins.inspection).await;
    assert!(line.ask(SOON).await.unwrap().starts_with("HTTP/1.1 200"));
    origins.inspection.suffer(Fault::Blackhole).await.unwrap();
    for _ in 0..3 {
        assert!(timeout(SILENCE, TcpStream::connect(origins.inspection.address())).await.is_err());
    }
    assert_eq!(line.ask(SILENCE).await, None, "an open connection must be neither answered nor cut");
    origins.inspection.heal().await.unwrap();
    assert!(line.is_cut().await);
    assert_eq!(status(&authority, &origins.inspection, "/").await, 200);
}

#[tokio::test]
async fn a_hanging_origin_accepts_everything_and_answers_nothing() {
    let (authority, origins) = origins();
    let mut before = Line::open(&authority, &origins.inspection).await;
    origins.inspection.suffer(Fault::Hangs).await.unwrap();
    let mut after = Line::open(&authority, &origins.inspection).await;
    assert_eq!(before.ask(SILENCE).await, None);
    assert_eq!(after.ask(SILENCE).await, None);
    origins.inspection.heal().await.unwrap();
    assert!(after.is_cut().await);
    assert_eq!(status(&authority, &origins.inspection, "/").await, 200);
}

#[tokio::test]
async fn errors_are_answered_at_once_by_whoever_has_them() {
    let (authority, origins) = origins();
    let mut line = Line::open(&authority, &origins.inspection).await;
    origins.inspection.suffer(Fault::Errors).await.unwrap();
    let answer = line.ask(SOON).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("x-inspected-by: inspection") && !answer.contains("x-served-by"), "{answer}");
    assert_eq!(status(&authority, &origins.inspection, HEALTH_PATH).await, 503);
}

#[tokio::test]
async fn a_slow_origin_answers_late_and_well() {
    let (authority, origins) = origins();
    origins.application.suffer(Fault::Slow(Duration::from_secs(12))).await.unwrap();
    let asked = Instant::now();
    assert_eq!(status(&authority, &origins.application, "/").await, 200);
    assert!(asked.elapsed() >= Duration::from_millis(200), "12 modelled seconds have not passed");
}

#[tokio::test]
async fn a_wrong_certificate_stops_whoever_verifies_and_nobody_else() {
    let (authority, origins) = origins();
    for (fault, complaint) in
        [(Fault::ExpiredCertificate, "certificate expired"), (Fault::WrongName, "certificate not valid for name")]
    {
        let mut line = Line::open(&authority, &origins.inspection).await;
        origins.inspection.suffer(fault).await.unwrap();
        assert!(line.is_cut().await);
        let refusal = refusal(&authority, &origins.inspection).await;
        assert!(refusal.contains(complaint), "{refusal}");
        // A checker of Route 53 sees nothing of it.
        let careless = Connections::with(origins.inspection.address(), SITE, trusting_all().unwrap()).unwrap();
        assert_eq!(careless.ask_once(request("GET", HEALTH_PATH, "")).await.unwrap().status(), 200);
        origins.inspection.heal().await.unwrap();
        assert_eq!(status(&authority, &origins.inspection, "/").await, 200);
    }
}

#[tokio::test]
async fn broken_traffic_looks_well_on_the_health_path() {
    let (authority, origins) = origins();
    origins.inspection.suffer(Fault::BrokenTraffic).await.unwrap();
    assert_eq!(status(&authority, &origins.inspection, HEALTH_PATH).await, 200);
    assert_eq!(status(&authority, &origins.inspection, "/").await, 503);
}

#[tokio::test]
async fn flapping_is_refused_and_well_in_turn_until_healed() {
    let (authority, origins) = origins();
    let mut turns = origins.inspection.turns();
    origins.inspection.suffer(Fault::Flapping(Duration::from_secs(120))).await.unwrap();
    for _ in 0..2 {
        turns.wait_for(|well| !well).await.unwrap();
        assert_eq!(connect_error(&origins.inspection).await, ErrorKind::ConnectionRefused);
        turns.wait_for(|well| *well).await.unwrap();
        assert_eq!(status(&authority, &origins.inspection, "/").await, 200);
    }
    origins.inspection.heal().await.unwrap();
    turns.mark_unchanged();
    assert!(timeout(Duration::from_millis(1500), turns.changed()).await.is_err(), "it must not flap any more");
    assert_eq!(status(&authority, &origins.inspection, "/").await, 200);
    let no_time = origins.inspection.suffer(Fault::Flapping(Duration::ZERO)).await;
    assert!(no_time.is_err());
}

#[tokio::test]
async fn one_fault_follows_another_without_healing_between() {
    let (authority, origins) = origins();
    let inspection = &origins.inspection;
    inspection.suffer(Fault::Blackhole).await.unwrap();
    inspection.suffer(Fault::Errors).await.unwrap();
    assert_eq!(status(&authority, inspection, "/").await, 503);
    inspection.suffer(Fault::Refused).await.unwrap();
    inspection.suffer(Fault::Blackhole).await.unwrap();
    assert!(timeout(SILENCE, TcpStream::connect(inspection.address())).await.is_err());
    inspection.suffer(Fault::Refused).await.unwrap();
    assert_eq!(connect_error(inspection).await, ErrorKind::ConnectionRefused);
    inspection.suffer(Fault::Flapping(Duration::from_secs(3600))).await.unwrap();
    assert_eq!(connect_error(inspection).await, ErrorKind::ConnectionRefused);
    inspection.suffer(Fault::WrongName).await.unwrap();
    assert!(refusal(&authority, inspection).await.contains("not valid for name"));
    assert!(!*inspection.turns().borrow());
    inspection.suffer(Fault::BrokenTraffic).await.unwrap();
    assert_eq!(status(&authority, inspection, HEALTH_PATH).await, 200);
}

#[tokio::test]
async fn nothing_outlives_the_origins() {
    let (authority, origins) = origins();
    let mut line = Line::open(&authority, &origins.application).await;
    let (inspection, application) = (origins.inspection.address(), origins.application.address());
    origins.inspection.suffer(Fault::Blackhole).await.unwrap();
    drop(origins);
    assert!(line.is_cut().await);
    for address in [inspection, application] {
        let error = timeout(SOON, TcpStream::connect(address)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}

#[tokio::test]
async fn a_connection_that_is_always_busy_ends_all_the_same() {
    let (authority, origins) = origins();
    let stream = TcpStream::connect(origins.application.address()).await.unwrap();
    let tls = authority.client().unwrap();
    let stream = tls.connect(ServerName::try_from(SITE).unwrap(), stream).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut answers = 0;
    while sender.ready().await.is_ok() {
        let answer = sender.send_request(request("GET", "/", "")).await.unwrap();
        http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
        answers += 1;
    }
    assert_eq!(answers, 100);
    timeout(SOON, connection).await.unwrap().unwrap().unwrap();
}
