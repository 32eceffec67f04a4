//! Where the failover record leads, where another DNS service answers it (`Dns: external`).
//!
//! With Route 53 the health of the PRIMARY says what DNS answers. Another service has checks and a hold-down of its own, and an
//! operator may turn it by hand: only its answer says where viewers go.

use serde::Serialize;

use crate::resolution::{Ending, Resolution};
use crate::spec::Spec;

/// Where the failover record leads now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lead {
    Inspection,
    Application,
    /// To neither of the two.
    Elsewhere,
    /// It has no address: CloudFront cannot use it.
    Nowhere,
    /// The resolver is silent, or both hosts have the same addresses.
    Unknown,
}

/// What the names on the record's way say, or else its addresses.
pub fn lead(spec: &Spec, record: &Resolution, inspection: &Resolution, application: &Resolution) -> Lead {
    match &record.ending {
        Ending::NoAnswer { .. } => Lead::Unknown,
        Ending::NoSuchName | Ending::NoAddress | Ending::Circle | Ending::TooLong => Lead::Nowhere,
        Ending::Addresses { .. } => {
            by_names(spec, record).unwrap_or_else(|| by_addresses(record, inspection, application))
        }
    }
}

/// The first of the two hosts on the way: what comes behind a host is that host's own affair.
fn by_names(spec: &Spec, record: &Resolution) -> Option<Lead> {
    record.chain.iter().find_map(|link| match &link.target {
        name if *name == spec.inspection => Some(Lead::Inspection),
        name if *name == spec.application => Some(Lead::Application),
        _ => None,
    })
}

/// What addresses say about a record that hides the names, as services do that answer with addresses of their own accord. One
/// address in common is enough: a load balancer with many names a few of them in each answer.
fn by_addresses(record: &Resolution, inspection: &Resolution, application: &Resolution) -> Lead {
    match (shares(record, inspection), shares(record, application)) {
        (Some(true), Some(false)) => Lead::Inspection,
        (Some(false), Some(true)) => Lead::Application,
        // Without a name of its own on the way, it may be a load balancer that names others of its many addresses each time.
        (Some(false), Some(false)) if record.chain.is_empty() => Lead::Unknown,
        (Some(false), Some(false)) => Lead::Elsewhere,
        // Behind the same addresses, as two sites of one content network are, or with one of them not known.
        (Some(true), Some(true)) | (None, _) | (_, None) => Lead::Unknown,
    }
}

/// Whether two names have an address in common; `None` where one of them could not be asked for.
fn shares(one: &Resolution, other: &Resolution) -> Option<bool> {
    match (&one.ending, &other.ending) {
        (Ending::NoAnswer { .. }, _) | (_, Ending::NoAnswer { .. }) => None,
        (Ending::Addresses { addresses: one, .. }, Ending::Addresses { addresses: other, .. }) => {
            Some(one.iter().any(|address| other.contains(address)))
        }
        (_, _) => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolution::Link;
    use crate::sample;

    const RECORD: &str = "cq-origin-www.cq-route.com";
    const BALANCER: &str = "www.gslb.cq-route.com";
    const INSPECTION: &str = "cq-route.cequence.cloud";
    const APPLICATION: &str = "origin-www.cq-route.com";

    /// A way over these names, the first of which was asked for, to these addresses.
    fn found(names: &[&str], addresses: &[[u8; 4]]) -> Resolution {
        let link = |pair: &[&str]| Link { name: pair[0].into(), target: pair[1].into(), ttl: 30 };
        let addresses = addresses.iter().map(|address| (*address).into()).collect();
        Resolution { chain: names.windows(2).map(link).collect(), ending: Ending::Addresses { ttl: 30, addresses } }
    }

    fn ending(ending: Ending) -> Resolution {
        Resolution { chain: Vec::new(), ending }
    }

    fn silence() -> Resolution {
        ending(Ending::NoAnswer { why: "x".to_owned() })
    }

    #[test]
    fn a_chain_leads_to_the_first_of_the_two_hosts_on_it() {
        let led = |names: &[&str]| lead(&sample::spec(), &found(names, &[[192, 0, 2, 1]]), &silence(), &silence());
        assert_eq!(led(&[RECORD, BALANCER, INSPECTION]), Lead::Inspection);
        assert_eq!(led(&[RECORD, BALANCER, APPLICATION, "elb.example.com"]), Lead::Application);
        assert_eq!(led(&[RECORD, INSPECTION, APPLICATION]), Lead::Inspection, "inspection's own affair");
        assert_eq!(led(&[RECORD]), Lead::Unknown);
    }

    #[test]
    fn a_name_that_is_gone_leads_nowhere_and_silence_is_no_answer() {
        let hosts = found(&["x"], &[[192, 0, 2, 1]]);
        let led = |record: &Resolution| lead(&sample::spec(), record, &hosts, &hosts);
        for gone in [Ending::NoSuchName, Ending::NoAddress, Ending::Circle, Ending::TooLong] {
            assert_eq!(led(&ending(gone)), Lead::Nowhere);
        }
        assert_eq!(led(&silence()), Lead::Unknown);
    }

    #[test]
    fn an_answer_with_addresses_alone_is_known_by_one_that_only_one_of_the_two_has() {
        let record = found(&[RECORD], &[[192, 0, 2, 1], [192, 0, 2, 2]]);
        let (same, other) = (found(&["x"], &[[192, 0, 2, 2], [192, 0, 2, 3]]), found(&["y"], &[[192, 0, 2, 9]]));
        let (gone, silent) = (ending(Ending::NoSuchName), silence());
        for (inspection, application, expected) in [
            (&same, &other, Lead::Inspection),
            (&other, &same, Lead::Application),
            (&other, &other, Lead::Unknown),
            (&same, &same, Lead::Unknown),
            (&same, &gone, Lead::Inspection),
            (&gone, &same, Lead::Application),
            (&same, &silent, Lead::Unknown),
            (&silent, &other, Lead::Unknown),
        ] {
            let led = lead(&sample::spec(), &record, inspection, application);
            assert_eq!(led, expected, "{inspection:?}, {application:?}");
        }
        let named = found(&[RECORD, BALANCER], &[[192, 0, 2, 1]]);
        assert_eq!(lead(&sample::spec(), &named, &other, &other), Lead::Elsewhere);
    }
}
