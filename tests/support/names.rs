//! Public DNS as a resolver of ours sees it.

use std::collections::{BTreeMap, BTreeSet};

use failopen::id::Hostname;
use failopen::port::{Delegation, Resolution};

/// Those of every hosted zone of the fake.
const NAME_SERVERS: [&str; 4] = ["ns-1.awsdns-1.com", "ns-2.awsdns-2.net", "ns-3.awsdns-3.org", "ns-4.awsdns-4.co.uk"];

/// What is answered for each name.
#[derive(Debug, Default)]
pub struct Names {
    hosts: BTreeMap<Hostname, Resolution>,
    zones: BTreeMap<Hostname, Delegation>,
}

impl Names {
    /// A host without a script has an address, always the same.
    pub(crate) fn resolve(&self, host: &Hostname) -> Resolution {
        self.hosts.get(host).cloned().unwrap_or(Resolution::address(60, [192, 0, 2, 1]))
    }

    /// A zone without a script is delegated to the name servers of the fake's zones.
    pub(crate) fn delegation(&self, zone: &Hostname) -> Delegation {
        self.zones.get(zone).cloned().unwrap_or_else(|| Delegation::To(name_servers()))
    }

    pub fn script(&mut self, host: &Hostname, resolution: Resolution) {
        self.hosts.insert(host.clone(), resolution);
    }

    pub fn unscript(&mut self, host: &Hostname) {
        self.hosts.remove(host);
    }

    pub fn delegate(&mut self, zone: &Hostname, delegation: Delegation) {
        self.zones.insert(zone.clone(), delegation);
    }
}

/// What GetHostedZone says of every public zone.
pub(crate) fn name_servers() -> BTreeSet<Hostname> {
    NAME_SERVERS.map(Hostname::from).into()
}
