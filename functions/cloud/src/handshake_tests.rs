use failopen::handshake::Side;
use rcgen::{CertificateParams, date_time_ymd};

use super::*;
use crate::tls::Tls;
use crate::wire::{ClosedPort, Reply, TlsServer};

/// A look at the server under one name, with another that may do in its place.
fn look(port: u16, name: &str, origin_name: Option<&str>) -> Look {
    Look {
        side: Side::Inspection,
        connect: "127.0.0.1".into(),
        port,
        name: name.into(),
        origin_name: origin_name.map(Hostname::from),
        is_certain: true,
    }
}

async fn seen(server: &TlsServer, name: &str, origin_name: Option<&str>) -> Seen {
    let mut network = Network::new(None);
    network.tls = Tls::trusting_only(server.root.clone());
    let seen = network.handshakes(&[look(server.address.port(), name, origin_name)]).await;
    assert!(server.requests().is_empty(), "nothing is sent after the handshake");
    seen.into_iter().next().expect("one answer for one question")
}

async fn shown(certificate: CertificateParams, name: &str, origin_name: Option<&str>) -> Shown {
    let server = TlsServer::start(certificate, false, |_, _| Reply::new(200, ""));
    match seen(&server, name, origin_name).await {
        Seen::Certificate(shown) => shown,
        other => panic!("{other:?}"),
    }
}

/// A certificate for `www.example.com` that expires this many days from now.
fn expiring_in(days: i64) -> CertificateParams {
    let mut certificate = TlsServer::certificate();
    certificate.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_the_epoch(days);
    certificate
}

fn since_the_epoch(days: i64) -> Duration {
    Duration::from_secs(UnixTime::now().as_secs()) + Duration::from_secs(days.unsigned_abs() * 86_400)
}

#[tokio::test]
async fn a_good_certificate_is_seen_to_be_good_in_every_respect() {
    let good = shown(TlsServer::certificate(), "www.example.com", None).await;
    let expected = Shown {
        trust: Trust::Trusted { until: None },
        names_it: true,
        names_origin: false,
        asks_for_client_certificate: false,
    };
    assert_eq!(good, expected);
}

#[tokio::test]
async fn an_expired_certificate_for_another_name_is_both() {
    let mut certificate = TlsServer::certificate();
    certificate.not_after = date_time_ymd(2020, 1, 1);
    let shown = shown(certificate, "shop.example.com", Some("www.example.com")).await;
    assert_eq!((shown.names_it, shown.names_origin), (false, true));
    let Trust::Expired { why } = shown.trust else { panic!("{:?}", shown.trust) };
    assert!(why.contains("2020-01-01"), "{why}");
    let neither = super::tests::shown(TlsServer::certificate(), "shop.example.com", Some("other.example.com")).await;
    assert_eq!((neither.names_it, neither.names_origin), (false, false));
}

#[tokio::test]
async fn a_certificate_that_expires_within_the_horizon_says_when() {
    let soon = shown(expiring_in(HORIZON_DAYS - 10), "www.example.com", None).await;
    let Trust::Trusted { until: Some(until) } = soon.trust else { panic!("{:?}", soon.trust) };
    let days = until.duration_since(Timestamp::now()).as_hours() / 24;
    assert!((19..=20).contains(&days), "in {days} days");
    let later = shown(expiring_in(HORIZON_DAYS + 10), "www.example.com", None).await;
    assert_eq!(later.trust, Trust::Trusted { until: None });
}

#[tokio::test]
async fn a_certificate_is_not_valid_before_its_time() {
    let mut certificate = TlsServer::certificate();
    certificate.not_before = date_time_ymd(2099, 1, 1);
    certificate.not_after = date_time_ymd(2100, 1, 1);
    let early = shown(certificate, "www.example.com", None).await;
    let Trust::Expired { why } = early.trust else { panic!("{:?}", early.trust) };
    assert!(why.contains("not valid before 2099-01-01"), "{why}");
}

#[tokio::test]
async fn an_authority_that_nobody_knows_is_not_trusted_and_the_name_is_judged_all_the_same() {
    let mut server = TlsServer::start(TlsServer::certificate(), false, |_, _| Reply::new(200, ""));
    let other = TlsServer::start(TlsServer::certificate(), false, |_, _| Reply::new(200, ""));
    server.root = other.root.clone();
    let Seen::Certificate(shown) = seen(&server, "www.example.com", None).await else {
        panic!("a certificate is shown")
    };
    assert!(matches!(&shown.trust, Trust::Untrusted { why } if why.contains("trusted authority")), "{shown:?}");
    assert!(shown.names_it);
}

#[tokio::test]
async fn a_demand_for_a_client_certificate_is_seen_beside_the_server_s_own() {
    let server = TlsServer::start(TlsServer::certificate(), true, |_, _| Reply::new(200, ""));
    let Seen::Certificate(shown) = seen(&server, "www.example.com", None).await else {
        panic!("a certificate is shown")
    };
    assert!(shown.asks_for_client_certificate && shown.names_it, "{shown:?}");
    assert_eq!(shown.trust, Trust::Trusted { until: None });
}

#[tokio::test]
async fn a_server_of_tls_1_3_alone_speaks_the_wrong_version() {
    let server = TlsServer::speaking(TlsServer::certificate(), &[&version::TLS13]);
    let seen = seen(&server, "www.example.com", None).await;
    assert!(matches!(&seen, Seen::WrongVersion { why } if why.contains("TLS 1.2")), "{seen:?}");
}

#[tokio::test]
async fn a_name_that_the_server_does_not_know_is_told_by_its_alert() {
    let server = TlsServer::knowing_only_its_name(TlsServer::certificate());
    assert!(matches!(seen(&server, "www.example.com", None).await, Seen::Certificate(_)));
    let unknown = seen(&server, "shop.example.com", None).await;
    assert_eq!(unknown, Seen::NameUnknown);
}

#[tokio::test]
async fn a_closed_port_cannot_be_reached_and_one_that_speaks_no_tls_is_broken() {
    let closed = ClosedPort::reserved();
    let plain = crate::wire::Server::start(|_, _| Reply::new(400, "this is HTTP"));
    let looks =
        [look(closed.address.port(), "www.example.com", None), look(plain.address.port(), "www.example.com", None)];
    let mut network = Network::new(None);
    network.tls =
        Tls::trusting_only(TlsServer::start(TlsServer::certificate(), false, |_, _| Reply::new(200, "")).root);
    let seen = network.handshakes(&looks).await;
    assert!(matches!(&seen[0], Seen::Unreachable { why } if why.contains("does not accept")), "{seen:?}");
    assert!(matches!(&seen[1], Seen::Broken { .. }), "{seen:?}");
}
