//! Which TLS handshakes show that CloudFront will get through to a host, and what was seen in them.
//!
//! CloudFront verifies a certificate against the origin's domain name or, where the viewer's Host is forwarded, against that;
//! one page takes either for enough, a stricter one wants the viewer's (Developer Guide, "Requirements for using SSL/TLS
//! certificates with CloudFront" and "Origin settings"). The name that it sends as SNI is the one that it sends as Host: that
//! is inferred from the Developer Guide's advice on 502s, as no page states it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::document::{Document, Origin, OriginKind};
use crate::forwarding::{HostSent, Policies};
use crate::id::Hostname;
use crate::ledger::MadeDistribution;
use crate::spec::{EdgeFailOpen, Spec};

/// One of the two hosts behind CloudFront.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Inspection,
    Application,
}

impl Side {
    /// Whether `spec` sends traffic to this host that did not go there `before`, or in another way.
    pub fn is_new(self, spec: &Spec, before: Option<&Spec>) -> bool {
        let Some(before) = before else { return true };
        let same_way = before.failover_record == spec.failover_record
            && before.origin_port == spec.origin_port
            && before.distribution == spec.distribution;
        let grows = spec.traffic.iter().any(|pattern| !before.traffic.iter().any(|known| known.is_alike(pattern)));
        let same_host = match self {
            Side::Inspection => before.inspection == spec.inspection,
            Side::Application => before.application == spec.application,
        };
        !(same_way && same_host) || grows
    }
}

/// One handshake to make.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Look {
    pub side: Side,
    /// Whose addresses to connect to.
    pub connect: Hostname,
    pub port: u16,
    /// Sent as SNI and wanted in the certificate.
    pub name: Hostname,
    /// The origin's domain name, which may do in place of `name` where that is the viewer's.
    pub origin_name: Option<Hostname>,
    /// Whether it is certain that this name is asked for. A host stands for a wildcard alias that nobody may use, and which name
    /// it is is not clear where a policy could not be read.
    pub is_certain: bool,
}

/// What a handshake showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// No connection: one line says which of name, port and time it was.
    Unreachable {
        why: String,
    },
    /// Connected, and no common version or cipher of TLS 1.2, the newest that CloudFront is documented to speak to origins.
    WrongVersion {
        why: String,
    },
    /// The server says that it does not know the name.
    NameUnknown,
    /// The handshake failed in another way before a certificate was shown. One line.
    Broken {
        why: String,
    },
    Certificate(Shown),
}

/// A certificate with its chain, judged against the machine's trusted roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub trust: Trust,
    /// Whether the certificate is valid for the name that was sent.
    pub names_it: bool,
    /// Whether it is valid for the look's `origin_name`.
    pub names_origin: bool,
    /// The server asked for a client certificate, even if it goes on without one.
    pub asks_for_client_certificate: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Up to a root, all of it in its time. `until`: when the first of the chain expires, where that is within the horizon
    /// that was looked at.
    Trusted { until: Option<Timestamp> },
    /// Not in its time: expired, or not valid yet. One line says since or until when.
    Expired { why: String },
    /// No chain to a root: self-signed, unknown, incomplete, revoked. One line.
    Untrusted { why: String },
}

/// How far ahead the validity of certificates is looked at, in days: the usual time in which automatic renewal should have
/// happened.
pub const HORIZON_DAYS: i64 = 30;

/// A label to stand for all hosts of a wildcard alias.
const OF_A_WILDCARD: &str = "www";

/// The handshakes for a protection that is wired as `made` says: both hosts answer under the failover record's name (layer 1),
/// and the application also under its origin's own (layer 2), each also under every alias where the viewer's Host is
/// forwarded.
pub fn looks(spec: &Spec, document: &Document, made: &MadeDistribution, policies: &Policies) -> Vec<Look> {
    // Each name, and whether it is certain to be asked for.
    let mut names: BTreeMap<Option<Hostname>, bool> = BTreeMap::new();
    let mut note = |name, is_certain: bool| *names.entry(name).or_default() |= is_certain;
    for behavior in &made.behaviors {
        let sent = document.forwarding(&document.serving(&behavior.path_pattern).path_pattern).host_sent(policies);
        match sent {
            HostSent::Origin => note(None, true),
            HostSent::Viewer => viewers(document).into_iter().for_each(|(name, is_certain)| note(name, is_certain)),
            HostSent::Unclear => {
                note(None, false);
                viewers(document).into_iter().for_each(|(name, _)| note(name, false));
            }
        }
    }
    let look =
        |side, connect: &Hostname, port, origin: &Hostname, (viewer, is_certain): (&Option<Hostname>, &bool)| Look {
            side,
            connect: connect.clone(),
            port,
            name: viewer.as_ref().unwrap_or(origin).clone(),
            origin_name: viewer.as_ref().map(|_| origin.clone()),
            is_certain: *is_certain,
        };
    let speaks_tls = |origin: &Origin| match &origin.kind {
        OriginKind::Custom { https_port, protocol_policy, .. } if protocol_policy != "http-only" => Some(*https_port),
        OriginKind::Custom { .. } | OriginKind::S3 | OriginKind::Vpc => None,
    };
    let application = document.origin(&made.application_origin);
    // Ours is made like the application's.
    let of_record = document.origin(&made.inspection_origin).or(application);
    let mut looks = BTreeSet::new();
    for name in &names {
        if of_record.is_some_and(|origin| speaks_tls(origin).is_some()) {
            let record = &spec.failover_record;
            looks.insert(look(Side::Inspection, &spec.inspection, spec.origin_port, record, name));
            looks.insert(look(Side::Application, &spec.application, spec.origin_port, record, name));
        }
        if spec.automation.edge_fail_open == EdgeFailOpen::Off {
            continue;
        }
        if let Some((origin, https_port)) = application.and_then(|origin| Some((origin, speaks_tls(origin)?))) {
            let domain = Hostname::new(origin.domain_name.clone());
            looks.insert(look(Side::Application, &domain, https_port, &domain, name));
        }
    }
    looks.into_iter().collect()
}

/// The names that viewers use, and whether they certainly do; one host for each wildcard. Without an alias they use CloudFront's own
/// name, for which no origin has a certificate, so that only the origin's can be meant.
fn viewers(document: &Document) -> Vec<(Option<Hostname>, bool)> {
    let aliases = document.aliases();
    if aliases.is_empty() {
        return vec![(None, true)];
    }
    let name = |alias: &String| match alias.strip_prefix("*.") {
        Some(rest) => (Some(Hostname::new(format!("{OF_A_WILDCARD}.{rest}"))), false),
        None => (Some(Hostname::new(alias.clone())), true),
    };
    aliases.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forwarding::{HeaderRule, PolicyId};
    use crate::sample;

    const ALIASES: &str = "<Aliases><Quantity>2</Quantity><Items><CNAME>shop.example.com</CNAME><CNAME>*.example.org</CNAME>\
                           </Items></Aliases>";

    fn document(behavior: &str, aliases: &str) -> String {
        format!(
            "<DistributionConfig><CallerReference>c</CallerReference>{aliases}<Origins><Quantity>1</Quantity><Items>\
             <Origin><Id>app</Id><DomainName>app.internal.example.com</DomainName><CustomOriginConfig><HTTPPort>80</HTTPPort>\
             <HTTPSPort>8443</HTTPSPort><OriginProtocolPolicy>https-only</OriginProtocolPolicy></CustomOriginConfig></Origin>\
             </Items></Origins><DefaultCacheBehavior><TargetOriginId>app</TargetOriginId>{behavior}</DefaultCacheBehavior>\
             <Enabled>true</Enabled></DistributionConfig>"
        )
    }

    #[test]
    fn a_host_is_new_with_any_part_of_the_way_to_it() {
        let before = sample::spec();
        let other = || Hostname::new("other.example.com");
        let elsewhere = crate::id::DistributionId::new("E3SECOND");
        for (what, spec, inspection, application) in [
            ("nothing", before.clone(), false, false),
            ("the record", Spec { failover_record: other(), ..before.clone() }, true, true),
            ("the port", Spec { origin_port: 8443, ..before.clone() }, true, true),
            ("the distribution", Spec { distribution: elsewhere, ..before.clone() }, true, true),
            ("inspection", Spec { inspection: other(), ..before.clone() }, true, false),
            ("the application", Spec { application: other(), ..before.clone() }, false, true),
            ("more traffic", Spec { traffic: vec!["*".into(), "/api/*".into()], ..before.clone() }, true, true),
            ("a longer TTL", Spec { record_ttl: 300, ..before.clone() }, false, false),
        ] {
            let is_new = [Side::Inspection, Side::Application].map(|side| side.is_new(&spec, Some(&before)));
            assert_eq!(is_new, [inspection, application], "{what}");
        }
        assert!(Side::Inspection.is_new(&before, None));
    }

    /// The name and the host of each look, in order.
    fn looked(behavior: &str, aliases: &str, spec: &Spec, policies: &Policies) -> Vec<String> {
        let document = document(behavior, aliases);
        let document = Document::parse(document.as_bytes()).expect("a configuration");
        let wired = crate::wiring::wire(&document, spec, None, &[]).expect("can be wired");
        looks(spec, &document, &wired.made, policies)
            .iter()
            .map(|look| {
                let or = look.origin_name.as_ref().map_or(String::new(), |name| format!(" or {name}"));
                let guessed = if look.is_certain { "" } else { "?" };
                format!("{:?} {}:{} {}{or}{guessed}", look.side, look.connect, look.port, look.name)
            })
            .collect()
    }

    fn spec() -> Spec {
        let mut spec = sample::spec();
        spec.traffic = vec![crate::id::PathPattern::default_behavior()];
        spec
    }

    const RECORD: &str = "cq-origin-www.cq-route.com";

    #[test]
    fn without_the_viewer_s_host_both_hosts_answer_for_the_record_and_the_application_for_itself() {
        assert_eq!(
            looked("", ALIASES, &spec(), &Policies::new()),
            [
                format!("Inspection cq-route.cequence.cloud:443 {RECORD}"),
                "Application app.internal.example.com:8443 app.internal.example.com".to_owned(),
                format!("Application origin-www.cq-route.com:443 {RECORD}"),
            ]
        );
    }

    #[test]
    fn with_the_viewer_s_host_every_alias_is_asked_for_and_a_wildcard_by_one_host() {
        let forwarded = "<OriginRequestPolicyId>216adef6-5c7f-47e4-b989-5492eafa07d3</OriginRequestPolicyId>";
        let mut layer_1_alone = spec();
        layer_1_alone.automation.edge_fail_open = EdgeFailOpen::Off;
        assert_eq!(
            looked(forwarded, ALIASES, &layer_1_alone, &Policies::new()),
            [
                format!("Inspection cq-route.cequence.cloud:443 shop.example.com or {RECORD}"),
                format!("Inspection cq-route.cequence.cloud:443 www.example.org or {RECORD}?"),
                format!("Application origin-www.cq-route.com:443 shop.example.com or {RECORD}"),
                format!("Application origin-www.cq-route.com:443 www.example.org or {RECORD}?"),
            ]
        );
        let without_alias = looked(forwarded, "", &layer_1_alone, &Policies::new());
        assert_eq!(without_alias[0], format!("Inspection cq-route.cequence.cloud:443 {RECORD}"));
    }

    #[test]
    fn nobody_is_asked_for_tls_where_the_origin_speaks_none() {
        let plain = document("", ALIASES).replace("https-only", "http-only");
        let document = Document::parse(plain.as_bytes()).expect("a configuration");
        let wired = crate::wiring::wire(&document, &spec(), None, &[]).expect("can be wired");
        assert_eq!(looks(&spec(), &document, &wired.made, &Policies::new()), []);
    }

    #[test]
    fn what_a_policy_of_the_account_s_own_forwards_is_believed_and_an_unread_one_may_be_either() {
        let own = "<CachePolicyId>own</CachePolicyId>";
        let read = HeaderRule { behavior: "whitelist".to_owned(), headers: vec!["Host".to_owned()] };
        let policies = Policies::from([(PolicyId::Cache("own".to_owned()), read)]);
        assert_eq!(looked(own, ALIASES, &spec(), &policies).len(), 6);
        let unclear = looked(own, ALIASES, &spec(), &Policies::new());
        assert_eq!(unclear.len(), 9);
        assert!(unclear.iter().all(|look| look.ends_with('?')), "{unclear:?}");
    }
}
