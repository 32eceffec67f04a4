//! Name servers for the tests of this crate, on loopback: a real one with records of the test's own, and ones that misbehave.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, NS, SOA};
use hickory_resolver::proto::rr::{LowerName, Name, RData, Record, RecordSet, RecordType, RrKey};
use hickory_server::server::Server;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneHandler, ZoneType};
use tokio::net::TcpListener;

/// A server that answers for every name that there is, from these records: name, seconds, kind and value. Zones with NS records
/// have an SOA record too, or else the server would refer to those name servers for all that is in them.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    _server: Server<Catalog>,
}

impl NameServer {
    pub(crate) async fn start(records: &[(&str, u32, &str, &str)]) -> Self {
        let mut sets: BTreeMap<RrKey, RecordSet> = BTreeMap::new();
        let mut insert = |record: Record| {
            let key = RrKey::new(LowerName::from(record.name.clone()), record.record_type());
            let set = sets
                .entry(key)
                .or_insert_with(|| RecordSet::with_ttl(record.name.clone(), record.record_type(), record.ttl));
            set.insert(record, 0);
        };
        let authority = |name: Name| {
            let soa = SOA::new(name.clone(), name.clone(), 1, 3600, 600, 86_400, 1);
            Record::from_rdata(name, 1, RData::SOA(soa))
        };
        insert(authority(Name::root()));
        for (owner, ttl, kind, value) in records {
            let data = match *kind {
                "A" => RData::A(A(value.parse().expect("an IPv4 address"))),
                "AAAA" => RData::AAAA(AAAA(value.parse().expect("an IPv6 address"))),
                "CNAME" => RData::CNAME(CNAME(name(value))),
                "NS" => RData::NS(NS(name(value))),
                other => panic!("{other} is no kind that this server knows"),
            };
            if matches!(data, RData::NS(_)) {
                insert(authority(name(owner)));
            }
            insert(Record::from_rdata(name(owner), *ttl, data));
        }
        let root = Name::root();
        let zone: InMemoryZoneHandler =
            InMemoryZoneHandler::new(root.clone(), sets, ZoneType::Primary, AxfrPolicy::Deny).expect("a zone");
        let mut catalog = Catalog::new();
        catalog.upsert(LowerName::from(root), vec![Arc::new(zone) as Arc<dyn ZoneHandler>]);
        let mut server = Server::new(catalog);
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = tcp.local_addr().expect("it is bound");
        server.register_socket(tokio::net::UdpSocket::bind(address).await.expect("the same port"));
        server.register_listener(tcp, Duration::from_secs(5), 64);
        Self { address, _server: server }
    }
}

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{text}.")).expect("a name")
}

/// A server that hears every question and never answers.
pub(crate) fn silent() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    // Closed, it would be unreachable, which is an answer.
    std::mem::forget(socket);
    address
}

/// A server that has these CNAMEs, and fails with every other question, as a resolver does that follows them in a circle.
pub(crate) fn failing(aliases: &'static [(&'static str, u32, &'static str)]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let question = Message::from_vec(&buffer[..length]).expect("a question");
            let answer = answer(question, aliases).to_vec().expect("an answer");
            let _client_gone = socket.send_to(&answer, client);
        }
    });
    address
}

fn answer(question: Message, aliases: &[(&str, u32, &str)]) -> Message {
    let query: Query = question.queries.first().expect("a query").clone();
    let mut answer = question;
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.response_code = ResponseCode::ServFail;
    let known = aliases.iter().find(|(owner, ..)| *query.name() == name(owner));
    if let (RecordType::CNAME, Some((owner, ttl, target))) = (query.query_type(), known) {
        answer.metadata.response_code = ResponseCode::NoError;
        answer.add_answer(Record::from_rdata(name(owner), *ttl, RData::CNAME(CNAME(name(target)))));
    }
    answer
}
