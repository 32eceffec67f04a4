//! The DNS of the rehearsal: the hosts of the story, and the failover records as Route 53 would answer them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use hickory_server::proto::rr::rdata::{A, CNAME, SOA};
use hickory_server::proto::rr::{LowerName, Name, RData, Record, RecordSet, RecordType, RrKey};
use hickory_server::server::Server;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneHandler, ZoneType};
use tokio::net::{TcpListener, UdpSocket};

/// Seconds; short, so that nothing remembers an answer for long.
const TTL: u32 = 1;

/// A DNS server on loopback, UDP and TCP.
pub(crate) struct Resolver {
    address: SocketAddr,
    zone: Arc<InMemoryZoneHandler>,
    hosts: BTreeMap<String, IpAddr>,
    _server: Server<Catalog>,
}

impl Resolver {
    /// Starts a server that knows these hosts and no others.
    pub(crate) async fn start(hosts: BTreeMap<String, IpAddr>) -> Result<Self> {
        let root = Name::root();
        let soa = SOA::new(root.clone(), root.clone(), 1, 3600, 600, 86_400, TTL);
        let mut records = BTreeMap::new();
        insert(&mut records, Record::from_rdata(root.clone(), TTL, RData::SOA(soa)));
        for (host, address) in &hosts {
            if let IpAddr::V4(address) = address {
                insert(&mut records, Record::from_rdata(name(host)?, TTL, RData::A(A(*address))));
            }
        }
        let zone = InMemoryZoneHandler::new(root.clone(), records, ZoneType::Primary, AxfrPolicy::Deny)
            .map_err(|error| anyhow!("the rehearsal's DNS zone is wrong: {error}"))?;
        let zone = Arc::new(zone);
        let mut catalog = Catalog::new();
        catalog.upsert(LowerName::from(root), vec![zone.clone() as Arc<dyn ZoneHandler>]);
        let mut server = Server::new(catalog);
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = tcp.local_addr()?;
        server.register_socket(UdpSocket::bind(address).await?);
        server.register_listener(tcp, Duration::from_secs(5), 64);
        Ok(Self { address, zone, hosts, _server: server })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a host of the story.
    pub(crate) fn host(&self, host: &str) -> Option<IpAddr> {
        self.hosts.get(host).copied()
    }

    /// Replaces the failover records: each name, and the host that it is an alias of now.
    pub(crate) async fn fail_over(&self, aliases: &BTreeMap<String, String>) -> Result<()> {
        let mut wanted = BTreeMap::new();
        for (alias, host) in aliases {
            insert(&mut wanted, Record::from_rdata(name(alias)?, TTL, RData::CNAME(CNAME(name(host)?))));
        }
        let mut records = self.zone.records_mut().await;
        records.retain(|key, _| key.record_type != RecordType::CNAME);
        records.extend(wanted.into_iter().map(|(key, set)| (key, Arc::new(set))));
        Ok(())
    }

    /// What a failover record is an alias of now.
    pub(crate) async fn alias(&self, alias: &str) -> Result<Option<String>> {
        let records = self.zone.records().await;
        let set = records.get(&RrKey::new(LowerName::from(name(alias)?), RecordType::CNAME));
        Ok(set.and_then(|set| set.records_without_rrsigs().next()).and_then(|record| match &record.data {
            RData::CNAME(target) => Some(target.0.to_utf8().trim_end_matches('.').to_owned()),
            _ => None,
        }))
    }
}

fn name(text: &str) -> Result<Name> {
    let mut name = Name::from_utf8(text)?;
    name.set_fqdn(true);
    Ok(name)
}

fn insert(records: &mut BTreeMap<RrKey, RecordSet>, record: Record) {
    let key = RrKey::new(LowerName::from(record.name.clone()), record.record_type());
    records.insert(key, RecordSet::from(record));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failover_record_follows_what_it_is_pointed_at() {
        let host = "origin.example.com".to_owned();
        let resolver = Resolver::start([(host.clone(), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3)))].into()).await.unwrap();
        assert_eq!(resolver.alias("cq.example.com").await.unwrap(), None);
        resolver.fail_over(&[("cq.example.com".to_owned(), host.clone())].into()).await.unwrap();
        assert_eq!(resolver.alias("cq.example.com").await.unwrap(), Some(host));
        resolver.fail_over(&BTreeMap::new()).await.unwrap();
        assert_eq!(resolver.alias("cq.example.com").await.unwrap(), None);
    }
}
