//! Which TLS handshakes show that CloudFront will get through to a host, and what was seen in them.
//!
//! CloudFront verifies a certificate against the origin's domain name or, where the viewer's Host is forwarded, against that;
//! one page takes either for enough, a stricter one wants the viewer's (Developer Guide, "Requirements for using SSL/TLS
//! certificates with CloudFront" and "Origin settings"). The name that it sends as SNI is the one that it sends as Host: that
//! is inferred from the Developer Guide's advice on 502s, as no page states it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::document::{Document, OriginKind};
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
    let mut names = BTreeSet::new();
    for behavior in &made.behaviors {
        match document.forwarding(&document.serving(&behavior.path_pattern).path_pattern).host_sent(policies) {
            HostSent::Origin => {
                names.insert(None);
            }
            HostSent::Viewer => names.extend(viewers(document)),
            // Both are tried; what fails only under the aliases is no more than a warning then.
            HostSent::Unclear => {
                names.insert(None);
                names.extend(viewers(document));
            }
        }
    }
    let look = |side, connect: &Hostname, port, origin: &Hostname, viewer: &Option<Hostname>| Look {
        side,
        connect: connect.clone(),
        port,
        name: viewer.as_ref().unwrap_or(origin).clone(),
        origin_name: viewer.as_ref().map(|_| origin.clone()),
    };
    let mut looks = BTreeSet::new();
    for name in &names {
        let record = &spec.failover_record;
        looks.insert(look(Side::Inspection, &spec.inspection, spec.origin_port, record, name));
        looks.insert(look(Side::Application, &spec.application, spec.origin_port, record, name));
        if spec.automation.edge_fail_open == EdgeFailOpen::Off {
            continue;
        }
        if let Some(origin) = document.origin(&made.application_origin)
            && let OriginKind::Custom { https_port, protocol_policy, .. } = &origin.kind
            && protocol_policy != "http-only"
        {
            let domain = Hostname::new(origin.domain_name.clone());
            looks.insert(look(Side::Application, &domain, *https_port, &domain, name));
        }
    }
    looks.into_iter().collect()
}

/// The names that viewers use; one host for each wildcard. Without an alias they use CloudFront's own name, for which no
/// origin has a certificate, so that only the origin's can be meant.
fn viewers(document: &Document) -> Vec<Option<Hostname>> {
    let aliases = document.aliases();
    if aliases.is_empty() {
        return vec![None];
    }
    let concrete = |alias: &String| match alias.strip_prefix("*.") {
        Some(rest) => format!("{OF_A_WILDCARD}.{rest}"),
        None => alias.clone(),
    };
    aliases.iter().map(|alias| Some(Hostname::new(concrete(alias)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forwarding::{HeaderRule, PolicyId};
    use crate::sample;

    const ALIASES: &str = "<Aliases><Quantity>2</Quantity><Items><CNAME>shop.example.com</CNAME><CNAME>*.example.org</CNAME>\
                           </Items></Aliases>";

    /// The name and the host of each look, in order.
    fn looked(behavior: &str, aliases: &str, spec: &Spec, policies: &Policies) -> Vec<String> {
        let document = format!(
            "<DistributionConfig><CallerReference>c</CallerReference>{aliases}<Origins><Quantity>1</Quantity><Items>\
             <Origin><Id>app</Id><DomainName>app.internal.example.com</DomainName><CustomOriginConfig><HTTPPort>80</HTTPPort>\
             <HTTPSPort>8443</HTTPSPort><OriginProtocolPolicy>https-only</OriginProtocolPolicy></CustomOriginConfig></Origin>\
             </Items></Origins><DefaultCacheBehavior><TargetOriginId>app</TargetOriginId>{behavior}</DefaultCacheBehavior>\
             <Enabled>true</Enabled></DistributionConfig>"
        );
        let document = Document::parse(document.as_bytes()).expect("a configuration");
        let wired = crate::wiring::wire(&document, spec, None, &[]).expect("can be wired");
        looks(spec, &document, &wired.made, policies)
            .iter()
            .map(|look| {
                let or = look.origin_name.as_ref().map_or(String::new(), |name| format!(" or {name}"));
                format!("{:?} {}:{} {}{or}", look.side, look.connect, look.port, look.name)
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
                format!("Inspection cq-route.cequence.cloud:443 www.example.org or {RECORD}"),
                format!("Application origin-www.cq-route.com:443 shop.example.com or {RECORD}"),
                format!("Application origin-www.cq-route.com:443 www.example.org or {RECORD}"),
            ]
        );
        let without_alias = looked(forwarded, "", &layer_1_alone, &Policies::new());
        assert_eq!(without_alias[0], format!("Inspection cq-route.cequence.cloud:443 {RECORD}"));
    }

    #[test]
    fn what_a_policy_of_the_account_s_own_forwards_is_believed_and_an_unread_one_may_be_either() {
        let own = "<CachePolicyId>own</CachePolicyId>";
        let read = HeaderRule { behavior: "whitelist".to_owned(), headers: vec!["Host".to_owned()] };
        let policies = Policies::from([(PolicyId::Cache("own".to_owned()), read)]);
        assert_eq!(looked(own, ALIASES, &spec(), &policies).len(), 6);
        assert_eq!(looked(own, ALIASES, &spec(), &Policies::new()).len(), 9);
    }
}
