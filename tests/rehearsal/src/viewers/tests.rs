//! Viewers against small edges on loopback.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::party::GIVE_UP;
use super::*;
use crate::certificates::Authority;
use crate::clock::{Clock, Scale};
use crate::timeline::{Answer, Class};

const SITE: &str = "www.site.test";
const APPLICATION: &str = "app & co";

/// An edge that marks every answer as its test says.
struct Edge {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Edge {
    async fn start(authority: &Authority, marks: &'static [(&'static str, &'static str)]) -> Self {
        let acceptor = TlsAcceptor::from(authority.server(&[SITE]).unwrap());
        let listener = TcpListener::bind("127.0.0.5:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (accepted, received) = (connections.clone(), requests.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, Ordering::Relaxed);
                let (acceptor, received) = (acceptor.clone(), received.clone());
                open.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(|request| {
                        received.fetch_add(1, Ordering::Relaxed);
                        std::future::ready(answer(&request, marks))
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, connections, requests, _task: task }
    }
}

fn answer(
    request: &Request<Incoming>,
    marks: &[(&'static str, &'static str)],
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.headers()["host"], SITE);
    let answer = marks.iter().fold(Response::builder(), |answer, (name, value)| answer.header(*name, *value));
    Ok(answer.body(Full::from("well")).unwrap())
}

/// Viewers of `edges` at 1:60, where they give up after two seconds of wall time.
fn start(authority: &Authority, requests_per_second: f64, edges: Vec<SocketAddr>) -> (Viewers, Arc<Timeline>) {
    let directory = directory_of_its_own();
    let roots = directory.join("root.pem");
    authority.write_root(&roots).unwrap();
    let timeline = Arc::new(Timeline::new(Clock::start(Scale::new(60.0).unwrap())));
    let host = SITE.to_owned();
    let load = Load { requests_per_second, edges, host, roots, application_origin: APPLICATION.to_owned(), seed: 1 };
    let viewers = Viewers::start(load, timeline.clone()).unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    (viewers, timeline)
}

/// A directory that no other test uses.
fn directory_of_its_own() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("failopen-viewers-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

fn answers(timeline: &Timeline) -> Vec<Answer> {
    timeline.look(|record| record.answers.clone())
}

#[tokio::test]
async fn viewers_record_which_way_each_answer_came_and_keep_half_of_their_connections() {
    let authority = Authority::new().unwrap();
    let inspected = Edge::start(&authority, &[("x-inspected-by", "inspection"), ("x-edge-connection", "reused")]).await;
    let bypassed = Edge::start(&authority, &[("x-edge-origin", "app%20%26%20co")]).await;
    let (viewers, timeline) = start(&authority, 100.0, vec![inspected.address, bypassed.address]);
    while answers(&timeline).len() < 80 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    viewers.stop().await;
    let answers = answers(&timeline);
    for answer in &answers {
        let wanted = if answer.edge == 0 { Class::Inspected } else { Class::BypassedEdge };
        assert_eq!((answer.class, answer.status, answer.reused), (wanted, 200, answer.edge == 0), "{answer:?}");
    }
    assert!(answers.iter().any(|answer| answer.method == "POST" && answer.path == "/checkout/pay"));
    let opened = inspected.connections.load(Ordering::Relaxed) + bypassed.connections.load(Ordering::Relaxed);
    let own = answers.iter().filter(|answer| !answer.keep_alive).count();
    let kept = opened - own;
    assert!((2..=answers.len() / 4).contains(&kept), "{kept} kept connections for {} answers", answers.len() - own);
}

#[tokio::test]
async fn requests_go_out_at_their_time_although_none_is_answered_until_viewers_give_up() {
    let authority = Authority::new().unwrap();
    let silent = TcpListener::bind("127.0.0.5:0").await.unwrap();
    let begun = Instant::now();
    let (viewers, timeline) = start(&authority, 100.0, vec![silent.local_addr().unwrap()]);
    tokio::time::sleep(Duration::from_millis(600)).await;
    let due = (begun.elapsed().as_secs_f64() * 100.0) as usize;
    assert_eq!(answers(&timeline).len(), 0);
    viewers.stop().await;
    let answers = answers(&timeline);
    assert!((due / 2..due + 3).contains(&answers.len()), "{} requests, and {due} were due", answers.len());
    for answer in answers {
        assert_eq!((answer.class, answer.status), (Class::Failed, 0));
        assert!(answer.took >= GIVE_UP, "{answer:?}");
    }
}

#[tokio::test]
async fn a_request_beyond_those_that_may_be_on_their_way_fails_at_once() {
    let authority = Authority::new().unwrap();
    let silent = TcpListener::bind("127.0.0.5:0").await.unwrap();
    let (viewers, timeline) = start(&authority, 1000.0, vec![silent.local_addr().unwrap()]);
    let at_once = |answer: &Answer| answer.took < GIVE_UP / 2;
    tokio::time::timeout(Duration::from_secs(20), async {
        while !answers(&timeline).iter().any(at_once) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("no request was turned away");
    assert!(answers(&timeline).iter().all(|answer| (answer.class, answer.status) == (Class::Failed, 0)));
    drop(viewers);
}

#[tokio::test]
async fn an_edge_that_refuses_has_failed() {
    let authority = Authority::new().unwrap();
    let gone = TcpListener::bind("127.0.0.5:0").await.unwrap().local_addr().unwrap();
    let (viewers, timeline) = start(&authority, 100.0, vec![gone]);
    while answers(&timeline).len() < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    viewers.stop().await;
    assert!(answers(&timeline).iter().all(|answer| answer.class == Class::Failed && answer.took < GIVE_UP));
}

#[tokio::test]
async fn dropped_viewers_ask_no_more() {
    let authority = Authority::new().unwrap();
    let edge = Edge::start(&authority, &[]).await;
    let (viewers, _timeline) = start(&authority, 100.0, vec![edge.address]);
    while edge.requests.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(viewers);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let asked = edge.requests.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(edge.requests.load(Ordering::Relaxed), asked);
}
