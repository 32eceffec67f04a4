//! Where the failover record leads, where another DNS service answers it (`Dns: external`).
//!
//! With Route 53 the health of the PRIMARY says what DNS answers. Another service has checks and a hold-down of its own, and an
//! operator may turn it by hand: only its answer says where viewers go.

use std::net::IpAddr;

use serde::Serialize;

use crate::id::Hostname;
use crate::spec::Spec;

/// What a resolver found behind a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    Found {
        /// Every name on the way, beginning with the one that was asked for.
        names: Vec<Hostname>,
        /// IPv4 where there are any, as CloudFront prefers it.
        addresses: Vec<IpAddr>,
    },
    /// There is no such name, or it has no address.
    Nowhere,
    /// Nobody has answered in time, so nothing is known.
    Silent,
}

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

/// What the names of a chain say, without asking for the addresses of the two hosts; `None` where they say nothing.
pub fn by_names(spec: &Spec, record: &Trace) -> Option<Lead> {
    match record {
        Trace::Silent => Some(Lead::Unknown),
        Trace::Nowhere => Some(Lead::Nowhere),
        // The first of the two on the way: what comes behind a host is that host's own affair.
        Trace::Found { names, .. } => names.iter().find_map(|name| match name {
            name if *name == spec.inspection => Some(Lead::Inspection),
            name if *name == spec.application => Some(Lead::Application),
            _ => None,
        }),
    }
}

/// What addresses say about a record that hides the names, as services do that answer with addresses of their own accord. One
/// address in common is enough: a load balancer with many names a few of them in each answer.
pub fn by_addresses(record: &Trace, inspection: &Trace, application: &Trace) -> Lead {
    match (shares(record, inspection), shares(record, application)) {
        (Some(true), Some(false)) => Lead::Inspection,
        (Some(false), Some(true)) => Lead::Application,
        (Some(false), Some(false)) => Lead::Elsewhere,
        // Behind the same addresses, as two sites of one content network are, or with one of them not known.
        (Some(true), Some(true)) | (None, _) | (_, None) => Lead::Unknown,
    }
}

/// Whether two names have an address in common; `None` where one of them could not be asked for.
fn shares(one: &Trace, other: &Trace) -> Option<bool> {
    match (one, other) {
        (Trace::Silent, _) | (_, Trace::Silent) => None,
        (Trace::Nowhere, _) | (_, Trace::Nowhere) => Some(false),
        (Trace::Found { addresses: one, .. }, Trace::Found { addresses: other, .. }) => {
            Some(one.iter().any(|address| other.contains(address)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    const RECORD: &str = "cq-origin-www.cq-route.com";
    const BALANCER: &str = "www.gslb.cq-route.com";
    const INSPECTION: &str = "cq-route.cequence.cloud";
    const APPLICATION: &str = "origin-www.cq-route.com";

    fn found(names: &[&str], addresses: &[[u8; 4]]) -> Trace {
        Trace::Found {
            names: names.iter().map(|name| Hostname::new(*name)).collect(),
            addresses: addresses.iter().map(|address| IpAddr::from(*address)).collect(),
        }
    }

    #[test]
    fn a_chain_leads_to_the_first_of_the_two_hosts_on_it() {
        let lead = |names: &[&str]| by_names(&sample::spec(), &found(names, &[[192, 0, 2, 1]]));
        assert_eq!(lead(&[RECORD, BALANCER, INSPECTION]), Some(Lead::Inspection));
        assert_eq!(lead(&[RECORD, BALANCER, APPLICATION, "elb.example.com"]), Some(Lead::Application));
        assert_eq!(lead(&[RECORD, INSPECTION, APPLICATION]), Some(Lead::Inspection), "inspection's own affair");
        assert_eq!(lead(&[RECORD]), None);
    }

    #[test]
    fn a_name_that_is_gone_leads_nowhere_and_silence_is_no_answer() {
        assert_eq!(by_names(&sample::spec(), &Trace::Nowhere), Some(Lead::Nowhere));
        assert_eq!(by_names(&sample::spec(), &Trace::Silent), Some(Lead::Unknown));
    }

    #[test]
    fn an_answer_with_addresses_alone_is_known_by_one_that_only_one_of_the_two_has() {
        let record = found(&[RECORD], &[[192, 0, 2, 1], [192, 0, 2, 2]]);
        let (same, other) = (found(&["x"], &[[192, 0, 2, 2], [192, 0, 2, 3]]), found(&["y"], &[[192, 0, 2, 9]]));
        for (inspection, application, lead) in [
            (&same, &other, Lead::Inspection),
            (&other, &same, Lead::Application),
            (&other, &other, Lead::Elsewhere),
            (&same, &same, Lead::Unknown),
            (&same, &Trace::Nowhere, Lead::Inspection),
            (&Trace::Nowhere, &same, Lead::Application),
            (&same, &Trace::Silent, Lead::Unknown),
            (&Trace::Silent, &other, Lead::Unknown),
        ] {
            assert_eq!(by_addresses(&record, inspection, application), lead, "{inspection:?}, {application:?}");
        }
        assert_eq!(by_addresses(&Trace::Silent, &same, &other), Lead::Unknown);
    }
}
