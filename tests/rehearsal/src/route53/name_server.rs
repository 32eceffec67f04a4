//! The DNS server of the rehearsal: the hosts of the story, and the failover records as Route 53 would answer them.
//!
//! It serves the TTLs of the records as they are. They are modelled seconds: whoever keeps an answer divides them by the scale.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use hickory_server::proto::rr::rdata::{A, CNAME, NS, SOA};
use hickory_server::proto::rr::{LowerName, Name, RData, Record, RecordSet, RecordType, RrKey};
use hickory_server::server::Server;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneHandler, ZoneType};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Mutex;

use super::delegation::{Delegating, Delegation};

/// Seconds that an answer "no such name" is good for; short, so that nobody waits for a record that has just been made.
const NEGATIVE_TTL: u32 = 1;

/// Assumed: what a service tells of its own host's address.
const HOST_TTL: u32 = 60;

/// What Route 53 gives the NS record of a new zone (Developer Guide, "NS and SOA records that Amazon Route 53 creates": two days).
const DELEGATION_TTL: u32 = 172_800;

/// The address of a host of the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) address: Ipv4Addr,
    /// Modelled seconds.
    pub(crate) ttl: u32,
}

impl Host {
    /// Where a server listens, with the usual TTL.
    pub(crate) fn at(address: SocketAddr) -> Result<Self> {
        let IpAddr::V4(address) = address.ip() else { bail!("{address} is no IPv4 address") };
        Ok(Self { address, ttl: HOST_TTL })
    }
}

/// What a name is a CNAME of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    pub(crate) target: String,
    /// Modelled seconds.
    pub(crate) ttl: u32,
}

/// A DNS server on loopback, UDP and TCP.
pub(crate) struct NameServer {
    address: SocketAddr,
    zone: Arc<InMemoryZoneHandler>,
    hosts: BTreeMap<String, Host>,
    /// Names that another DNS service than Route 53 answers.
    foreign: Mutex<BTreeMap<String, Alias>>,
    /// The zone that another server answers, if there is one.
    delegation: Arc<OnceLock<Delegation>>,
    _server: Server<Delegating>,
}

impl NameServer {
    /// Starts a server that knows these hosts and no others.
    pub(crate) async fn start(hosts: BTreeMap<String, Host>) -> Result<Self> {
        let root = Name::root();
        let mut records = BTreeMap::new();
        insert(&mut records, authority(root.clone()));
        for (host, Host { address, ttl }) in &hosts {
            insert(&mut records, Record::from_rdata(name(host)?, *ttl, RData::A(A(*address))));
        }
        let zone = InMemoryZoneHandler::new(root.clone(), records, ZoneType::Primary, AxfrPolicy::Deny)
            .map_err(|error| anyhow!("the rehearsal's DNS zone is wrong: {error}"))?;
        let zone = Arc::new(zone);
        let mut catalog = Catalog::new();
        catalog.upsert(LowerName::from(root), vec![zone.clone() as Arc<dyn ZoneHandler>]);
        let delegation = Arc::new(OnceLock::new());
        let mut server = Server::new(Delegating { catalog, zone: zone.clone(), delegation: delegation.clone() });
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = tcp.local_addr()?;
        server.register_socket(UdpSocket::bind(address).await?);
        server.register_listener(tcp, Duration::from_secs(5), 64);
        Ok(Self { address, zone, hosts, foreign: Mutex::default(), delegation, _server: server })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a host of the story, without asking over the network.
    pub(crate) fn host(&self, host: &str) -> Option<IpAddr> {
        self.hosts.get(host).map(|host| IpAddr::V4(host.address))
    }

    /// Tells whoever asks for the name servers of a zone these, as the parent zone and the zone itself do when it is delegated.
    /// What is in the zone is answered here all the same.
    pub(crate) async fn delegate(&self, zone: &str, servers: &[String]) -> Result<()> {
        let zone = name(zone)?;
        let mut set = RecordSet::with_ttl(zone.clone(), RecordType::NS, DELEGATION_TTL);
        for server in servers {
            set.insert(Record::from_rdata(zone.clone(), DELEGATION_TTL, RData::NS(NS(name(server)?))), 0);
        }
        let mut records = self.zone.records_mut().await;
        // Without authority of its own, a zone would be referred to those name servers, and nobody answers there.
        let authority = authority(zone.clone());
        records.insert(RrKey::new(LowerName::from(&zone), RecordType::SOA), Arc::new(RecordSet::from(authority)));
        records.insert(RrKey::new(LowerName::from(&zone), RecordType::NS), Arc::new(set));
        Ok(())
    }

    /// Makes a name of another DNS service than Route 53, which stays as it is. The TTL is in modelled seconds.
    pub(crate) async fn point(&self, alias: &str, target: &str, ttl: u32) -> Result<()> {
        let to = Alias { target: target.to_owned(), ttl };
        let record = record(alias, &to)?;
        self.foreign.lock().await.insert(alias.to_owned(), to);
        let mut records = self.zone.records_mut().await;
        let key = RrKey::new(LowerName::from(record.name.clone()), RecordType::CNAME);
        records.insert(key, Arc::new(RecordSet::from(record)));
        Ok(())
    }

    /// Hands a zone over to another server, once.
    pub(crate) fn hand_over(&self, zone: &str, server: SocketAddr) -> Result<()> {
        let is_new = self.delegation.set(Delegation::of(zone, server)?).is_ok();
        if is_new { Ok(()) } else { bail!("another zone is delegated already, so {zone} was not") }
    }

    /// The host that a name in the delegated zone is an alias of now, as its server says.
    pub(crate) async fn alias_elsewhere(&self, alias: &str) -> Result<Option<String>> {
        let delegation = self.delegation.get().context("no zone is delegated")?;
        let answers = delegation.ask(&LowerName::from(name(alias)?), RecordType::A).await?;
        Ok(answers.first().and_then(alias_of))
    }

    /// Replaces the failover records: each name, and what it is an alias of now.
    pub(crate) async fn fail_over(&self, aliases: &BTreeMap<String, Alias>) -> Result<()> {
        let foreign = self.foreign.lock().await;
        let mut wanted = BTreeMap::new();
        for (alias, to) in aliases.iter().chain(foreign.iter()) {
            insert(&mut wanted, record(alias, to)?);
        }
        let mut records = self.zone.records_mut().await;
        records.retain(|key, _| key.record_type != RecordType::CNAME);
        records.extend(wanted.into_iter().map(|(key, set)| (key, Arc::new(set))));
        Ok(())
    }

    /// The host that a name is an alias of now.
    pub(crate) async fn alias(&self, alias: &str) -> Result<Option<String>> {
        let records = self.zone.records().await;
        let set = records.get(&RrKey::new(LowerName::from(name(alias)?), RecordType::CNAME));
        Ok(set.and_then(|set| set.records_without_rrsigs().next()).and_then(alias_of))
    }
}

fn alias_of(record: &Record) -> Option<String> {
    match &record.data {
        RData::CNAME(target) => Some(target.0.to_utf8().trim_end_matches('.').to_owned()),
        _ => None,
    }
}

fn authority(zone: Name) -> Record {
    let soa = SOA::new(zone.clone(), zone.clone(), 1, 3600, 600, 86_400, NEGATIVE_TTL);
    Record::from_rdata(zone, NEGATIVE_TTL, RData::SOA(soa))
}

fn record(alias: &str, to: &Alias) -> Result<Record> {
    Ok(Record::from_rdata(name(alias)?, to.ttl, RData::CNAME(CNAME(name(&to.target)?))))
}

pub(super) fn name(text: &str) -> Result<Name> {
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
    use hickory_resolver::TokioResolver;
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;

    use super::*;

    const RECORD: &str = "cq.example.com";
    const HOST: &str = "origin.example.com";

    async fn server() -> NameServer {
        let host = Host { address: Ipv4Addr::new(127, 0, 0, 3), ttl: 45 };
        NameServer::start([(HOST.to_owned(), host)].into()).await.unwrap()
    }

    fn resolver(server: &NameServer) -> TokioResolver {
        let mut connection = ConnectionConfig::udp();
        connection.port = server.address().port();
        let upstream = NameServerConfig::new(server.address().ip(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![upstream]);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap()
    }

    fn alias(target: &str, ttl: u32) -> Alias {
        Alias { target: target.to_owned(), ttl }
    }

    #[tokio::test]
    async fn a_failover_record_follows_what_it_is_pointed_at() {
        let server = server().await;
        assert_eq!(server.alias(RECORD).await.unwrap(), None);
        server.fail_over(&[(RECORD.to_owned(), alias(HOST, 30))].into()).await.unwrap();
        assert_eq!(server.alias(RECORD).await.unwrap(), Some(HOST.to_owned()));
        server.fail_over(&BTreeMap::new()).await.unwrap();
        assert_eq!(server.alias(RECORD).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_name_of_another_dns_service_outlives_every_failover() {
        let server = server().await;
        server.point("www.elsewhere.net", HOST, 300).await.unwrap();
        assert_eq!(server.alias("www.elsewhere.net").await.unwrap(), Some(HOST.to_owned()));
        server.fail_over(&BTreeMap::new()).await.unwrap();
        assert_eq!(server.alias("www.elsewhere.net").await.unwrap(), Some(HOST.to_owned()));
    }

    #[tokio::test]
    async fn a_delegated_zone_is_asked_at_its_own_server_and_the_whole_chain_is_told() {
        let other = server().await;
        other.point("www.gslb.example.com", HOST, 20).await.unwrap();
        let server = server().await;
        server.hand_over("gslb.example.com", other.address()).unwrap();
        server.point(RECORD, "www.gslb.example.com", 300).await.unwrap();
        assert_eq!(server.alias_elsewhere("www.gslb.example.com").await.unwrap(), Some(HOST.to_owned()));
        let told = asked(&server, RECORD).await;
        assert_eq!(told, [(RecordType::CNAME, 300), (RecordType::CNAME, 20), (RecordType::A, 45)]);
        assert_eq!(asked(&server, HOST).await, [(RecordType::A, 45)], "everything else is as it was");
        assert!(server.hand_over("gslb.example.com", other.address()).is_err());
    }

    /// Kinds and TTLs of what the server tells about a name.
    async fn asked(server: &NameServer, name: &str) -> Vec<(RecordType, u32)> {
        let answer = resolver(server).lookup(format!("{name}."), RecordType::A).await.unwrap();
        answer.answers().iter().map(|record| (record.record_type(), record.ttl)).collect()
    }

    #[tokio::test]
    async fn an_answer_over_udp_holds_the_alias_and_the_address_each_with_its_own_ttl() {
        let server = server().await;
        server.fail_over(&[(RECORD.to_owned(), alias(HOST, 30))].into()).await.unwrap();
        assert_eq!(asked(&server, RECORD).await, [(RecordType::CNAME, 30), (RecordType::A, 45)]);
    }

    #[tokio::test]
    async fn a_delegated_zone_tells_its_name_servers_and_is_answered_for_here() {
        let server = server().await;
        let servers = ["ns-1.awsdns-1.com".to_owned(), "ns-2.awsdns-2.net".to_owned()];
        server.delegate("example.com", &servers).await.unwrap();
        server.fail_over(&[(RECORD.to_owned(), alias(HOST, 30))].into()).await.unwrap();
        let resolver = resolver(&server);
        let answer = resolver.lookup("example.com.", RecordType::NS).await.unwrap();
        let told: Vec<String> = answer.answers().iter().map(|record| record.data.to_string()).collect();
        assert_eq!(told, ["ns-1.awsdns-1.com.", "ns-2.awsdns-2.net."]);
        let answer = resolver.lookup(format!("{RECORD}."), RecordType::A).await.unwrap();
        assert_eq!(answer.answers().len(), 2, "the alias and the address");
    }
}
