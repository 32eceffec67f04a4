//! What is behind a name, with every name on the way.

use std::net::IpAddr;
use std::time::Duration;

use failopen::id::Hostname;
use failopen::lead::Trace;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::time::timeout;

use crate::network::Network;

/// All queries for one name together: half of a probe, because two names are traced one after the other.
const WHOLE: Duration = Duration::from_secs(5);

impl Network {
    /// IPv6 is asked for only where there is no IPv4.
    pub(crate) async fn trace(&self, name: &str) -> Trace {
        let traced = timeout(WHOLE, async {
            match self.ask_resolver(name, RecordType::A).await {
                Trace::Nowhere => self.ask_resolver(name, RecordType::AAAA).await,
                trace @ (Trace::Found { .. } | Trace::Silent) => trace,
            }
        });
        traced.await.unwrap_or(Trace::Silent)
    }

    async fn ask_resolver(&self, name: &str, kind: RecordType) -> Trace {
        let silent = |why: &dyn std::fmt::Display| {
            tracing::warn!(name, %why, "No resolver says where a name leads");
            Trace::Silent
        };
        let resolver = match self.resolver() {
            Ok(resolver) => resolver,
            Err(why) => return silent(&why),
        };
        match resolver.lookup(format!("{name}."), kind).await {
            Ok(found) => follow(name, found.answers()),
            Err(error) if error.is_nx_domain() || error.is_no_records_found() => Trace::Nowhere,
            Err(NetError::Timeout) => silent(&"no answer in time"),
            Err(error) => silent(&error),
        }
    }
}

/// Goes through the aliases of an answer from `name` on, in whichever order they are.
fn follow(name: &str, answers: &[Record]) -> Trace {
    let mut names = vec![Hostname::new(name)];
    while let Some(next) = answers.iter().find_map(|record| match &record.data {
        RData::CNAME(target) if names.last() == Some(&plain(&record.name)) => Some(plain(&target.0)),
        _ => None,
    }) {
        if names.contains(&next) {
            return Trace::Nowhere;
        }
        names.push(next);
    }
    let addresses: Vec<IpAddr> = answers.iter().filter_map(|record| record.data.ip_addr()).collect();
    if addresses.is_empty() { Trace::Nowhere } else { Trace::Found { names, addresses } }
}

/// In lower case, without the dot at the end.
fn plain(name: &Name) -> Hostname {
    Hostname::new(name.to_ascii().trim_end_matches('.').to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
    use std::thread;

    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::rdata::{A, CNAME};

    use super::*;

    const RECORD: &str = "cq-origin-www.example.com";
    const BALANCER: &str = "www.gslb.example.com";
    const HOST: &str = "host.example.net";

    fn name(text: &str) -> Name {
        Name::from_ascii(format!("{text}.")).expect("a name")
    }

    fn alias(from: &str, to: &str) -> Record {
        Record::from_rdata(name(from), 30, RData::CNAME(CNAME(name(to))))
    }

    fn address(host: &str, last: u8) -> Record {
        Record::from_rdata(name(host), 30, RData::A(A(Ipv4Addr::new(192, 0, 2, last))))
    }

    /// A name server that tells what it has about the very name that is asked for, as servers do whose zone ends there.
    fn serving(records: Vec<Record>) -> Network {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let server: SocketAddr = socket.local_addr().expect("bound");
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                let mut answer = Message::from_vec(&buffer[..length]).expect("a question").into_response();
                let (asked, kind) = (answer.queries[0].name().clone(), answer.queries[0].query_type());
                let about: Vec<Record> = records.iter().filter(|record| record.name == asked).cloned().collect();
                if about.is_empty() {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                }
                let suits = |record: &Record| [kind, RecordType::CNAME].contains(&record.record_type());
                answer.insert_answers(about.into_iter().filter(suits).collect());
                let _client_gone = socket.send_to(&answer.to_vec().expect("an answer"), client);
            }
        });
        Network::new(Some(server))
    }

    #[tokio::test]
    async fn every_name_on_the_way_is_told_also_where_each_takes_a_question_of_its_own() {
        let network = serving(vec![alias(RECORD, BALANCER), alias(BALANCER, HOST), address(HOST, 7)]);
        let names = [RECORD, BALANCER, HOST].map(Hostname::from).to_vec();
        let addresses = vec![Ipv4Addr::new(192, 0, 2, 7).into()];
        assert_eq!(network.trace(RECORD).await, Trace::Found { names, addresses });
    }

    #[tokio::test]
    async fn a_name_without_an_address_leads_nowhere() {
        let network = serving(vec![alias(RECORD, HOST)]);
        assert_eq!(network.trace("gone.example.com").await, Trace::Nowhere);
        assert_eq!(network.trace(RECORD).await, Trace::Nowhere);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_says_nothing() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let network = Network::new(socket.local_addr().ok());
        assert_eq!(network.trace(RECORD).await, Trace::Silent);
    }

    #[test]
    fn aliases_are_followed_in_any_order_and_not_in_circles() {
        let answers = [address(HOST, 7), alias(BALANCER, HOST), alias(RECORD, BALANCER)];
        let Trace::Found { names, .. } = follow(RECORD, &answers) else { panic!("an address is found") };
        assert_eq!(names, [RECORD, BALANCER, HOST].map(Hostname::from));
        assert_eq!(follow(RECORD, &[alias(RECORD, BALANCER), alias(BALANCER, RECORD)]), Trace::Nowhere);
        assert_eq!(follow(RECORD, &[]), Trace::Nowhere);
    }
}
