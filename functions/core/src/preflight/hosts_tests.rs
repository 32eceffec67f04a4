//! Findings about what inspection and the application answer.

use super::tests::{blameless, found, observed, owner, with_text};
use super::*;
use crate::document::{Edit, NewOrigin};
use crate::handshake::{Shown, Side, Trust};
use crate::id::{Hostname, OriginId};
use crate::ledger::Lifecycle;
use crate::sample;
use crate::spec::{ApplicationCheck, CheckType};

fn look(side: Side, name: &str, origin_name: Option<&str>) -> Look {
    let connect = match side {
        Side::Inspection => "cq-route.cequence.cloud",
        Side::Application => "origin-www.cq-route.com",
    };
    let origin_name = origin_name.map(Hostname::from);
    Look { side, connect: connect.into(), port: 443, name: name.into(), origin_name, is_certain: true }
}

fn good() -> Shown {
    Shown {
        trust: Trust::Trusted { until: None },
        names_it: true,
        names_origin: false,
        asks_for_client_certificate: false,
    }
}

fn at() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().expect("a time")
}

fn with(handshakes: Vec<(Look, Seen)>) -> Observed {
    let hosts = Hosts { at: at(), policies: Policies::new(), handshakes, health: None, unread: Vec::new() };
    Observed { hosts: Some(hosts), ..observed() }
}

fn one(look: Look, seen: Seen) -> Vec<Finding> {
    findings(&sample::spec(), &owner(), &with(vec![(look, seen)]))
}

const RECORD: &str = "cq-origin-www.cq-route.com";

#[test]
fn where_cloudfront_has_a_client_certificate_a_host_that_asks_for_one_is_a_warning() {
    let plain = "<IpAddressType>ipv4</IpAddressType></CustomOriginConfig>";
    let arn = "arn:aws:acm:us-east-1:111122223333:certificate/m";
    let mutual = format!(
        "<IpAddressType>ipv4</IpAddressType><OriginMtlsConfig><ClientCertificateArn>{arn}</ClientCertificateArn>\
         </OriginMtlsConfig></CustomOriginConfig>"
    );
    let distribution = with_text(plain, &mutual).distribution;
    for side in [Side::Inspection, Side::Application] {
        let asks = Seen::Certificate(Shown { asks_for_client_certificate: true, ..good() });
        let observed = Observed { distribution: distribution.clone(), ..with(vec![(look(side, RECORD, None), asks)]) };
        let found = findings(&sample::spec(), &owner(), &observed);
        let [finding] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((finding.code, finding.severity), (Code::TlsClientCertificate, Severity::Warning));
        assert!(finding.message.contains(arn), "{finding}");
    }
    let quiet = with(vec![(look(Side::Application, RECORD, None), Seen::Certificate(good()))]);
    assert_eq!(findings(&sample::spec(), &owner(), &Observed { distribution, ..quiet }), []);
}

#[test]
fn which_certificate_is_shown_follows_from_the_origin_by_which_cloudfront_comes() {
    let spec = sample::spec();
    let id = OriginId::new("by-hand");
    let add = Edit::AddOrigin {
        like: "app & co".into(),
        origin: NewOrigin { id: id.clone(), domain_name: spec.failover_record.clone(), https_port: 443 },
    };
    let to_it = Edit::Retarget { path_pattern: "*".into(), from: "app & co".into(), to: id };
    let document = blameless().edit(&[add, to_it]).expect("the edits fit");
    // Only the origin at the record has a client certificate.
    let text = String::from_utf8(document.bytes().to_vec()).expect("text");
    let (before, origin) = text.split_at(text.find("<Id>by-hand</Id>").expect("the origin"));
    let mutual =
        "<OriginMtlsConfig><ClientCertificateArn>arn:c</ClientCertificateArn></OriginMtlsConfig></CustomOriginConfig>";
    let text = format!("{before}{}", origin.replacen("</CustomOriginConfig>", mutual, 1));
    let distribution = Some(Document::parse(text.as_bytes()).expect("a configuration"));
    let asks = || Seen::Certificate(Shown { asks_for_client_certificate: true, ..good() });
    let direct = spec.application.clone();
    for (asked, severity) in [
        (look(Side::Application, RECORD, None), Severity::Warning),
        (look(Side::Application, direct.as_str(), None), Severity::Error),
        (look(Side::Application, "www.cq-route.com", Some(RECORD)), Severity::Warning),
        (look(Side::Application, "www.cq-route.com", Some(direct.as_str())), Severity::Error),
    ] {
        let told = format!("{asked:?}");
        let observed = Observed { distribution: distribution.clone(), ..with(vec![(asked, asks())]) };
        let found = findings(&spec, &owner(), &observed);
        let found = found.iter().find(|finding| finding.code == Code::TlsClientCertificate);
        assert_eq!(found.map(|finding| finding.severity), Some(severity), "{told}");
    }
}

#[test]
fn what_a_request_does_not_bring_about_or_nobody_is_certain_of_is_a_warning() {
    let (document, row) = sample::provisioned();
    let with_row = |lifecycle, is_certain| {
        let rows = vec![Row { lifecycle, ..row.clone() }];
        let asked = Look { is_certain, ..look(Side::Inspection, RECORD, None) };
        let seen = with(vec![(asked, Seen::Unreachable { why: "x".to_owned() })]);
        let observed = Observed { distribution: Some(document.clone()), rows, ..seen };
        let severity_of = |spec: &Spec| {
            let found = findings(spec, &row.owner, &observed);
            let found = found.iter().find(|finding| finding.code == Code::TlsUnreachable);
            found.map(|finding| finding.severity).expect("a finding")
        };
        let moved = Spec { origin_port: 8443, ..row.spec.clone() };
        [severity_of(&row.spec), severity_of(&moved)]
    };
    assert_eq!(with_row(Lifecycle::Active, true), [Severity::Warning, Severity::Error]);
    assert_eq!(with_row(Lifecycle::Active, false), [Severity::Warning; 2]);
    assert_eq!(with_row(Lifecycle::Creating, true), [Severity::Error; 2]);
}

#[test]
fn each_fault_of_a_handshake_has_its_finding_on_the_host_that_has_it() {
    let why = || "x".to_owned();
    let until = at() + jiff::SignedDuration::from_hours(24 * 9);
    for (seen, code, severity) in [
        (Seen::Unreachable { why: why() }, Code::TlsUnreachable, Severity::Error),
        (Seen::Broken { why: why() }, Code::TlsUnreachable, Severity::Error),
        (Seen::WrongVersion { why: why() }, Code::TlsVersion, Severity::Error),
        (Seen::NameUnknown, Code::TlsNameMismatch, Severity::Error),
        (
            Seen::Certificate(Shown { trust: Trust::Expired { why: why() }, ..good() }),
            Code::TlsExpired,
            Severity::Error,
        ),
        (
            Seen::Certificate(Shown { trust: Trust::Untrusted { why: why() }, ..good() }),
            Code::TlsUntrusted,
            Severity::Error,
        ),
        (
            Seen::Certificate(Shown { trust: Trust::Trusted { until: Some(until) }, ..good() }),
            Code::TlsExpiresSoon,
            Severity::Warning,
        ),
        (Seen::Certificate(Shown { names_it: false, ..good() }), Code::TlsNameMismatch, Severity::Error),
        (
            Seen::Certificate(Shown { asks_for_client_certificate: true, ..good() }),
            Code::TlsClientCertificate,
            Severity::Error,
        ),
    ] {
        for (side, property, target) in [
            (Side::Inspection, "InspectionHostname", Target::Inspection),
            (Side::Application, "ApplicationHostname", Target::Application),
        ] {
            let found = one(look(side, RECORD, None), seen.clone());
            let [finding] = found.as_slice() else { panic!("{seen:?}: {found:?}") };
            assert_eq!((finding.code, finding.severity), (code, severity), "{finding}");
            assert_eq!((finding.property.as_str(), finding.target), (property, target));
            assert!(finding.message.contains(RECORD), "{finding}");
            assert_eq!(finding.weight, Weight::Advisory);
        }
    }
    assert_eq!(one(look(Side::Inspection, RECORD, None), Seen::Certificate(good())), []);
}

#[test]
fn the_days_that_are_left_are_counted() {
    let until = at() + jiff::SignedDuration::from_hours(24 * 9 + 5);
    let shown = Shown { trust: Trust::Trusted { until: Some(until) }, ..good() };
    let found = one(look(Side::Inspection, RECORD, None), Seen::Certificate(shown));
    assert!(found[0].message.contains("expires in 9 days, at 2026-12-05T17:00:00Z"), "{}", found[0]);
}

#[test]
fn a_certificate_for_the_origin_s_name_alone_is_a_warning_where_the_viewer_s_host_is_forwarded() {
    let shown = |names_origin| Seen::Certificate(Shown { names_it: false, names_origin, ..good() });
    let forwarded = |names_origin| one(look(Side::Inspection, "www.cq-route.com", Some(RECORD)), shown(names_origin));
    assert_eq!(forwarded(true)[0].severity, Severity::Warning);
    assert!(forwarded(true)[0].message.contains(RECORD), "{}", forwarded(true)[0]);
    assert_eq!(forwarded(false)[0].severity, Severity::Error);
}

#[test]
fn the_same_fault_under_several_names_is_told_once_with_all_of_them() {
    let shown = || Seen::Certificate(Shown { names_it: false, ..good() });
    let both = with(vec![
        (look(Side::Inspection, "shop.cq-route.com", Some(RECORD)), shown()),
        (look(Side::Inspection, "www.cq-route.com", Some(RECORD)), shown()),
        (look(Side::Application, "www.cq-route.com", Some(RECORD)), Seen::Certificate(good())),
    ]);
    let found = findings(&sample::spec(), &owner(), &both);
    assert_eq!(found.len(), 1);
    assert!(found[0].message.contains("asked for shop.cq-route.com, www.cq-route.com, shows"), "{}", found[0]);
}

#[test]
fn an_application_that_nobody_wants_checked_may_be_out_of_our_reach() {
    let why = || "x".to_owned();
    let unchecked = Spec { application_check: ApplicationCheck::None, ..sample::spec() };
    // One refuses the connection, the other one takes it and resets it.
    for seen in [Seen::Unreachable { why: why() }, Seen::Broken { why: why() }] {
        let severity = |side| {
            let observed = with(vec![(look(side, RECORD, None), seen.clone())]);
            findings(&unchecked, &owner(), &observed)[0].severity
        };
        assert_eq!((severity(Side::Application), severity(Side::Inspection)), (Severity::Warning, Severity::Error));
    }
}

#[test]
fn each_fault_of_the_health_path_has_its_finding() {
    let probe = HealthProbe {
        host: "cq-route.cequence.cloud".into(),
        port: 443,
        protocol: CheckType::Https,
        path: "/healthz".to_owned(),
        search_string: Some("alive".to_owned()),
    };
    let found = |probed: HealthProbed| {
        let hosts = Hosts {
            at: at(),
            policies: Policies::new(),
            handshakes: Vec::new(),
            health: Some((probe.clone(), probed)),
            unread: Vec::new(),
        };
        found(&sample::spec(), &Observed { hosts: Some(hosts), ..observed() })
    };
    let answered = |status, found| HealthProbed::Answered { status, found };
    let (path, string) = ("HealthCheck.Path".to_owned(), "HealthCheck.SearchString".to_owned());
    for (probed, expected) in [
        (HealthProbed::NoAnswer { why: "x".to_owned() }, vec![(Code::HttpTimeout, path.clone())]),
        (answered(302, None), vec![(Code::HttpRedirect, path.clone())]),
        (answered(399, Some(true)), vec![(Code::HttpRedirect, path.clone())]),
        (answered(400, Some(true)), vec![(Code::HttpStatus, path.clone())]),
        (answered(199, None), vec![(Code::HttpStatus, path.clone())]),
        (answered(503, None), vec![(Code::HttpStatus, path)]),
        (answered(200, Some(false)), vec![(Code::HttpSearchString, string)]),
        (answered(200, Some(true)), vec![]),
        (answered(299, None), vec![]),
        (HealthProbed::Connected, vec![]),
    ] {
        assert_eq!(found(probed.clone()), expected, "{probed:?}");
    }
}

#[test]
fn a_redirect_is_said_to_hide_outages_and_anything_else_to_be_unhealthy_at_once() {
    let said = |status| {
        let probe = HealthProbe::of(&sample::spec()).expect("a managed check");
        let health = Some((probe, HealthProbed::Answered { status, found: None }));
        let hosts = Hosts { at: at(), policies: Policies::new(), handshakes: Vec::new(), health, unread: Vec::new() };
        findings(&sample::spec(), &owner(), &Observed { hosts: Some(hosts), ..observed() })[0].message.clone()
    };
    assert!(said(301).contains("would stay green"), "{}", said(301));
    assert!(said(500).contains("unhealthy from the start"), "{}", said(500));
}

#[test]
fn a_check_on_a_port_of_its_own_that_gets_no_answer_is_blamed_on_the_port() {
    let blamed = |port| {
        let health = HealthProbe { port, ..HealthProbe::of(&sample::spec()).expect("a managed check") };
        let health = Some((health, HealthProbed::NoAnswer { why: "connection refused".to_owned() }));
        let hosts = Hosts { at: at(), policies: Policies::new(), handshakes: Vec::new(), health, unread: Vec::new() };
        let found = findings(&sample::spec(), &owner(), &Observed { hosts: Some(hosts), ..observed() });
        (found[0].property.clone(), found[0].message.contains("name the port"))
    };
    assert_eq!(blamed(443), ("HealthCheck.Path".to_owned(), false));
    assert_eq!(blamed(8080), ("HealthCheck.Port".to_owned(), true));
}

/// One finding of each kind, as people read it.
pub(super) fn examples() -> Vec<Finding> {
    let probe = || HealthProbe::of(&sample::spec()).expect("a managed check");
    let (inspection, application) = (look(Side::Inspection, RECORD, None), look(Side::Application, RECORD, None));
    let viewer = look(Side::Inspection, "www.cq-route.com", Some(RECORD));
    let why = |text: &str| text.to_owned();
    let until = at() + jiff::SignedDuration::from_hours(24 * 9);
    let shown = |shown: Shown| Seen::Certificate(shown);
    let handshakes = [
        (
            inspection.clone(),
            Seen::Unreachable { why: why("cq-route.cequence.cloud does not accept a connection on port 443: refused") },
        ),
        (
            application.clone(),
            Seen::WrongVersion {
                why: why("cq-origin-www.cq-route.com does not speak TLS 1.2 or newer with a cipher in common"),
            },
        ),
        (
            application.clone(),
            shown(Shown {
                trust: Trust::Untrusted {
                    why: why(
                        "the certificate of cq-origin-www.cq-route.com is not signed by a trusted authority, or its \
                              chain is incomplete",
                    ),
                },
                ..good()
            }),
        ),
        (
            inspection.clone(),
            shown(Shown {
                trust: Trust::Expired {
                    why: why(
                        "shows a certificate (or a part of its chain) that has expired since 2026-11-01T00:00:00Z",
                    ),
                },
                ..good()
            }),
        ),
        (inspection.clone(), shown(Shown { trust: Trust::Trusted { until: Some(until) }, ..good() })),
        (viewer, shown(Shown { names_it: false, ..good() })),
        (application, shown(Shown { asks_for_client_certificate: true, ..good() })),
    ];
    let answered = |status, found| HealthProbed::Answered { status, found };
    let health = [
        HealthProbed::NoAnswer { why: why("connected, and no whole answer within 2 s") },
        answered(403, None),
        answered(302, None),
        answered(200, Some(false)),
    ];
    let with_string = |probed: &HealthProbed| match probed {
        HealthProbed::Answered { found: Some(_), .. } => HealthProbe { search_string: Some("alive".into()), ..probe() },
        _ => probe(),
    };
    let of_tls = handshakes.into_iter().flat_map(|(look, seen)| one(look, seen));
    let of_http = health.into_iter().flat_map(|probed| {
        let health = Some((with_string(&probed), probed));
        let hosts = Hosts { at: at(), policies: Policies::new(), handshakes: Vec::new(), health, unread: Vec::new() };
        findings(&sample::spec(), &owner(), &Observed { hosts: Some(hosts), ..observed() })
    });
    of_tls.chain(of_http).collect()
}

#[test]
fn a_policy_that_could_not_be_read_is_a_warning_that_names_it() {
    let unread = vec![(PolicyId::Cache("p-1".to_owned()), "AccessDenied".to_owned())];
    let hosts = Hosts { at: at(), policies: Policies::new(), handshakes: Vec::new(), health: None, unread };
    let found = findings(&sample::spec(), &owner(), &Observed { hosts: Some(hosts), ..observed() });
    assert_eq!((found[0].code, found[0].severity), (Code::Permission, Severity::Warning));
    assert!(found[0].message.contains("cache policy p-1"), "{}", found[0]);
}

#[test]
fn what_a_checker_asks_is_what_the_check_says_and_an_adopted_one_is_not_asked() {
    let mut spec = sample::spec();
    let HealthCheckSpec::Managed(check) = &mut spec.health_check else { panic!("a check of our own") };
    (check.port, check.path, check.search_string) = (8443, "/up".to_owned(), Some("yes".to_owned()));
    let probe = HealthProbe::of(&spec).expect("a managed check is asked");
    assert_eq!((probe.host.as_str(), probe.port, probe.path.as_str()), ("cq-route.cequence.cloud", 8443, "/up"));
    assert_eq!(probe.search_string.as_deref(), Some("yes"));
    spec.health_check = HealthCheckSpec::Adopted { id: "h-1".into() };
    assert_eq!(HealthProbe::of(&spec), None);
}
