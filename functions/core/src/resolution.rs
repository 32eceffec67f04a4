//! What DNS answers for a name, link by link, and which name servers it leads to for a zone.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::id::Hostname;

/// What a resolver said about one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The CNAMEs on the way, in order; the first one is of the host itself.
    pub chain: Vec<Link>,
    pub ending: Ending,
}

/// One CNAME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub name: Hostname,
    pub target: Hostname,
    /// Seconds. A resolver that has the record already tells what is left of them, so the record's own time may be longer.
    pub ttl: u32,
}

/// What is found at the end of the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// At least one address, of either kind; IPv4 where there are any.
    Addresses {
        /// Seconds, as [`Link::ttl`].
        ttl: u32,
        addresses: Vec<IpAddr>,
    },
    NoSuchName,
    /// The name exists and has no address.
    NoAddress,
    /// The last CNAME leads back to a name on the way.
    Circle,
    /// More CNAMEs than anybody follows: the way was given up.
    TooLong,
    /// No resolver said anything definite in time.
    NoAnswer {
        /// One line for people.
        why: String,
    },
}

impl Resolution {
    /// A host with an address of its own.
    pub fn address(ttl: u32, address: impl Into<IpAddr>) -> Self {
        Self { chain: Vec::new(), ending: Ending::Addresses { ttl, addresses: vec![address.into()] } }
    }

    /// The host that the way ends at; `host` is the one that was asked for.
    pub fn end<'a>(&'a self, host: &'a Hostname) -> &'a Hostname {
        self.chain.last().map_or(host, |link| &link.target)
    }

    pub fn leads_through(&self, name: &Hostname) -> bool {
        self.chain.iter().any(|link| link.target == *name)
    }

    /// `a -> b -> c`.
    pub fn path(&self, host: &Hostname) -> String {
        let names = std::iter::once(host).chain(self.chain.iter().map(|link| &link.target));
        names.map(Hostname::as_str).collect::<Vec<_>>().join(" -> ")
    }
}

/// The name servers to which public DNS leads for a zone's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delegation {
    To(BTreeSet<Hostname>),
    /// Resolvers know none.
    Nowhere,
    /// No resolver said anything definite in time.
    Unknown {
        /// One line for people.
        why: String,
    },
}
