//! Edges over real sockets, between viewers and small origins.

use std::path::PathBuf;
use std::time::Duration;

use hyper::Method;
use serde_json::json;

use crate::clock::Scale;
use crate::timeline::{Event, Kind};

use super::trial::{ControlPlane, Manners, NameServer, ORIGIN, Origin, VIEWED, Viewer, distribution, host};
use super::*;

const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// An edge with its configuration, and all that is around it.
struct Scene {
    authority: Authority,
    names: NameServer,
    clock: Clock,
    roots: PathBuf,
    _directory: Directory,
}

/// A directory that is removed with the scene.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Scene {
    /// `ORIGIN` is an address with a time to live of 10 s.
    async fn at_scale(scale: f64) -> Self {
        let authority = Authority::new().unwrap();
        let path = std::env::temp_dir().join(format!("failopen-edges-{}-{:x}", std::process::id(), fastrand::u64(..)));
        std::fs::create_dir(&path).unwrap();
        let roots = path.join("root.pem");
        authority.write_root(&roots).unwrap();
        let names = NameServer::start([host(ORIGIN, HERE, 10)]).await;
        let clock = Clock::start(Scale::new(scale).unwrap());
        Self { authority, names, clock, roots, _directory: Directory(path) }
    }

    /// An origin with a certificate for `names`.
    async fn origin(&self, names: &[&str], manners: Manners) -> Origin {
        Origin::start("here", (HERE, 0).into(), self.authority.server(names).unwrap(), manners).await
    }

    async fn edges(&self, configuration: Configuration) -> Edges {
        let surroundings = Surroundings {
            names: self.names.address(),
            authority: &self.authority,
            roots: &self.roots,
            clock: self.clock,
        };
        Edges::serving(1, Arc::new(configuration), &surroundings).await.unwrap()
    }

    /// A viewer of the one edge with this configuration; the edge lives as long as what comes with the viewer.
    async fn viewer(&self, configuration: Configuration) -> (Viewer, Edges) {
        let edges = self.edges(configuration).await;
        (Viewer::of(edges.addresses()[0]).await, edges)
    }
}

/// A port of `HERE` on which nobody listens.
fn unused_port() -> u16 {
    std::net::TcpListener::bind((HERE, 0)).unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_request_reaches_the_origin_and_its_answer_the_viewer() {
    let scene = Scene::at_scale(10.0).await;
    let origin = scene.origin(&[ORIGIN], Manners::Well).await;
    let (mut viewer, _edges) = scene.viewer(distribution(origin.port(), false)).await;
    let got = viewer.post("/a?b=c", "hello").await;
    assert_eq!(got.body, format!("here heard POST /base/a?b=c for {ORIGIN} with b\"hello\""));
    assert_eq!((got.status, got.header("x-cache")), (200, "Miss from cloudfront"));
    assert_eq!((got.header("x-edge-origin"), got.header("x-edge-connection")), ("the origin", "new"));
    assert_eq!(viewer.get("/").await.header("x-edge-connection"), "reused");
}

#[tokio::test]
async fn a_certificate_for_the_forwarded_host_is_enough() {
    let scene = Scene::at_scale(10.0).await;
    let origin = scene.origin(&[VIEWED], Manners::Well).await;
    let (mut viewer, _edges) = scene.viewer(distribution(origin.port(), true)).await;
    let got = viewer.get("/").await;
    assert_eq!((got.status, got.body), (200, format!("here heard GET /base/ for {VIEWED} with b\"\"")));
}

#[tokio::test]
async fn a_certificate_for_the_origins_own_name_is_enough_too_when_the_host_is_forwarded() {
    let scene = Scene::at_scale(10.0).await;
    let origin = scene.origin(&[ORIGIN], Manners::Well).await;
    let (mut viewer, _edges) = scene.viewer(distribution(origin.port(), true)).await;
    assert_eq!(viewer.get("/").await.status, 200);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_a_502() {
    let scene = Scene::at_scale(10.0).await;
    let origin = scene.origin(&["other.example.com", VIEWED], Manners::Well).await;
    let (mut viewer, _edges) = scene.viewer(distribution(origin.port(), false)).await;
    let got = viewer.get("/").await;
    assert_eq!((got.status, got.header("x-edge-connection")), (502, "none"));
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn a_certificate_under_another_root_is_a_502() {
    let scene = Scene::at_scale(10.0).await;
    let stranger = Authority::new().unwrap().server(&[ORIGIN]).unwrap();
    let origin = Origin::start("here", (HERE, 0).into(), stranger, Manners::Well).await;
    let (mut viewer, _edges) = scene.viewer(distribution(origin.port(), false)).await;
    assert_eq!(viewer.get("/").await.status, 502);
}

#[tokio::test]
async fn a_refused_connection_and_an_unknown_name_are_a_502() {
    let scene = Scene::at_scale(10.0).await;
    let (mut viewer, _edges) = scene.viewer(distribution(unused_port(), false)).await;
    let got = viewer.get("/live/a").await;
    assert_eq!((got.status, got.header("x-cache")), (502, "Error from cloudfront"));
    assert!(got.body.contains("refuses connections"), "{}", got.body);
    scene.names.replace([]);
    scene.clock.sleep(Duration::from_secs(11)).await;
    let got = viewer.get("/live/a").await;
    assert!(got.status == 502 && got.body.contains("name"), "{}", got.body);
}

#[tokio::test]
async fn an_origin_that_hangs_is_a_504_after_all_attempts_of_a_get_and_one_of_a_post() {
    let scene = Scene::at_scale(60.0).await;
    let origin = scene.origin(&[ORIGIN], Manners::Hangs).await;
    let (mut viewer, _edges) = scene.viewer(distribution(origin.port(), false)).await;
    let begun = scene.clock.now();
    assert_eq!(viewer.get("/live/a").await.status, 504);
    assert_eq!(origin.requests(), 2);
    assert!(scene.clock.now() - begun >= Duration::from_secs(40));
    assert_eq!(viewer.post("/live/a", "hello").await.status, 504);
    assert_eq!(origin.requests(), 3);
}

#[tokio::test]
async fn an_origin_that_takes_no_connection_is_a_504_after_all_attempts() {
    let scene = Scene::at_scale(60.0).await;
    // Accepted by the kernel and by nobody else, so the handshake is never answered.
    let silent = std::net::TcpListener::bind((HERE, 0)).unwrap();
    let (mut viewer, _edges) = scene.viewer(distribution(silent.local_addr().unwrap().port(), false)).await;
    let begun = scene.clock.now();
    let got = viewer.get("/").await;
    assert_eq!((got.status, got.header("x-edge-connection")), (504, "none"));
    assert!(scene.clock.now() - begun >= Duration::from_secs(20));
}

#[tokio::test]
async fn a_kept_connection_goes_on_to_the_old_address_after_dns_has_moved() {
    let scene = Scene::at_scale(6.0).await;
    let origin = scene.origin(&[ORIGIN], Manners::Well).await;
    let tls = scene.authority.server(&[ORIGIN]).unwrap();
    let _other = Origin::start("there", (THERE, origin.port()).into(), tls, Manners::Well).await;
    let (mut viewer, _edges) = scene.viewer(distribution(origin.port(), false)).await;
    assert!(viewer.get("/").await.body.starts_with("here"));
    scene.names.replace([host(ORIGIN, THERE, 10)]);
    // Each request comes before the idle time of 5 s is over, and the last one after the time to live.
    for _ in 0..5 {
        scene.clock.sleep(Duration::from_millis(2500)).await;
        let got = viewer.get("/").await;
        assert_eq!((got.body.starts_with("here"), got.header("x-edge-connection")), (true, "reused"));
    }
    // After it, a new connection goes where DNS leads to by now.
    scene.clock.sleep(Duration::from_secs(6)).await;
    let got = viewer.get("/").await;
    assert_eq!((got.body.starts_with("there"), got.header("x-edge-connection")), (true, "new"));
}

#[tokio::test]
async fn a_kept_connection_that_is_cut_costs_a_post_its_answer_and_a_get_a_new_connection() {
    let scene = Scene::at_scale(1.0).await;
    let origin = scene.origin(&[ORIGIN], Manners::CutsAtSecond).await;
    let (mut viewer, _edges) = scene.viewer(distribution(origin.port(), false)).await;
    assert_eq!(viewer.get("/").await.status, 200);
    let got = viewer.get("/").await;
    assert_eq!((got.status, got.header("x-edge-connection")), (200, "new"));
    assert_eq!(origin.requests(), 3);
    let got = viewer.post("/", "hello").await;
    assert_eq!((got.status, got.header("x-edge-connection")), (502, "reused"));
    assert_eq!(origin.requests(), 4);
}

#[tokio::test]
async fn an_error_is_served_again_for_its_time_to_gets_only() {
    let scene = Scene::at_scale(10.0).await;
    let origin = scene.origin(&[ORIGIN], Manners::Errors).await;
    let (mut viewer, _edges) = scene.viewer(distribution(origin.port(), false)).await;
    let got = viewer.get("/a").await;
    assert_eq!((got.status, got.header("x-edge-cache"), got.header("x-cache")), (503, "", "Error from cloudfront"));
    let again = viewer.get("/a").await;
    assert_eq!((again.status, again.header("x-edge-cache"), again.header("x-edge-connection")), (503, "error", "none"));
    assert_eq!((&again.body, again.header("x-edge-origin")), (&got.body, "the origin"));
    assert_eq!(origin.requests(), 1);
    viewer.post("/a", "").await;
    viewer.get("/b").await;
    assert_eq!(origin.requests(), 3);
    scene.clock.sleep(Duration::from_secs(11)).await;
    assert_eq!(viewer.get("/a").await.header("x-edge-cache"), "");
    assert_eq!(origin.requests(), 4);
}

#[tokio::test]
async fn no_error_is_kept_where_caching_is_disabled() {
    let scene = Scene::at_scale(10.0).await;
    let origin = scene.origin(&[ORIGIN], Manners::Errors).await;
    let (mut viewer, _edges) = scene.viewer(distribution(origin.port(), false)).await;
    for asked in 1..=2 {
        assert_eq!(viewer.get("/live/a").await.status, 503);
        assert_eq!(origin.requests(), asked);
    }
}

#[tokio::test]
async fn unknown_hosts_methods_and_disabled_distributions_are_forbidden_and_buckets_a_502() {
    let scene = Scene::at_scale(10.0).await;
    let (mut viewer, edges) = scene.viewer(distribution(unused_port(), false)).await;
    let stranger = viewer.ask(Method::GET, "other.example.com", "/", "").await;
    assert_eq!((stranger.status, stranger.header("x-edge-origin")), (403, ""));
    let deleting = viewer.ask(Method::DELETE, VIEWED, "/", "").await;
    assert_eq!((deleting.status, deleting.header("x-edge-connection")), (403, "none"));
    let bucket = viewer.get("/bucket/a").await;
    assert_eq!((bucket.status, bucket.header("x-edge-origin")), (502, "the bucket"));
    let mut disabled = distribution(443, false);
    disabled.enabled = false;
    edges.edges[0].take_over(Arc::new(disabled));
    assert_eq!(viewer.get("/").await.status, 403);
}

#[tokio::test]
async fn a_new_configuration_is_in_force_at_once_on_connections_that_are_open() {
    let scene = Scene::at_scale(10.0).await;
    let origin = scene.origin(&[ORIGIN], Manners::Well).await;
    let (mut viewer, edges) = scene.viewer(distribution(unused_port(), false)).await;
    assert_eq!(viewer.get("/live/a").await.status, 502);
    edges.edges[0].take_over(Arc::new(distribution(origin.port(), false)));
    assert_eq!(viewer.get("/live/a").await.status, 200);
}

/// With it, both of two edges have each of two changes between 200 and 260 s after it was written.
const SLOW_SEED: u64 = 1359;

/// Waits until the timeline holds so many events of a kind, and returns them.
async fn events(timeline: &Timeline, kind: Kind, number: usize) -> Vec<Event> {
    let mut news = timeline.news();
    let found = || -> Vec<Event> {
        timeline.look(|record| record.events.iter().filter(|event| event.kind == kind).cloned().collect())
    };
    let enough = news.wait_for(|_| found().len() >= number);
    tokio::time::timeout(Duration::from_secs(30), enough).await.expect("the events should have come").unwrap();
    found()
}

/// Two edges at scale 60 that follow this control plane.
async fn following(scene: &Scene, control: &ControlPlane, timeline: &Arc<Timeline>) -> Edges {
    let settings = Settings { edges: 2, distribution: "D1".to_owned(), seed: SLOW_SEED };
    let names = scene.names.address();
    Edges::start(settings, control.wire(), names, &scene.authority, &scene.roots, timeline.clone()).await.unwrap()
}

#[tokio::test]
async fn a_change_reaches_every_edge_in_its_time_and_is_reported_when_all_have_it() {
    let scene = Scene::at_scale(60.0).await;
    let origin = scene.origin(&[ORIGIN], Manners::Well).await;
    let other =
        Origin::start("moved", (HERE, 0).into(), scene.authority.server(&[ORIGIN]).unwrap(), Manners::Well).await;
    let control = ControlPlane::start("E1", origin.port()).await;
    let timeline = Arc::new(Timeline::new(scene.clock));
    let edges = following(&scene, &control, &timeline).await;
    assert_eq!(control.reports(), [json!({"status": "Deployed", "held": true})]);
    let changed = scene.clock.now();
    control.update("E2", other.port());
    for edge in edges.addresses() {
        assert!(Viewer::of(*edge).await.get("/").await.body.starts_with("here"));
    }
    events(&timeline, Kind::Deployed, 1).await;
    let updates = events(&timeline, Kind::EdgeUpdated, 2).await;
    assert!(updates.iter().all(|update| update.at - changed >= Duration::from_secs(200)), "{updates:?}");
    assert_eq!(control.reports()[1..], [json!({"status": "Deployed"})]);
    for edge in edges.addresses() {
        assert!(Viewer::of(*edge).await.get("/").await.body.starts_with("moved"));
    }
    assert_eq!(edges.trouble(), None);
}

#[tokio::test]
async fn a_change_that_another_one_follows_is_never_reported_as_deployed() {
    let scene = Scene::at_scale(60.0).await;
    let control = ControlPlane::start("E1", 443).await;
    let timeline = Arc::new(Timeline::new(scene.clock));
    let _edges = following(&scene, &control, &timeline).await;
    control.update("E2", 444);
    scene.clock.sleep(Duration::from_secs(30)).await;
    control.update("E3", 445);
    let deployed = events(&timeline, Kind::Deployed, 1).await;
    assert_eq!(deployed[0].text, "all 2 edges have configuration E3");
    assert_eq!(events(&timeline, Kind::EdgeUpdated, 4).await.len(), 4);
    assert_eq!(control.reports().len(), 2);
}

#[tokio::test]
async fn a_control_plane_that_is_gone_is_named_as_trouble_and_viewers_are_served_on() {
    let scene = Scene::at_scale(60.0).await;
    let origin = scene.origin(&[ORIGIN], Manners::Well).await;
    let control = ControlPlane::start("E1", origin.port()).await;
    let timeline = Arc::new(Timeline::new(scene.clock));
    let edges = following(&scene, &control, &timeline).await;
    drop(control);
    while edges.trouble().is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(Viewer::of(edges.addresses()[1]).await.get("/").await.status, 200);
}
