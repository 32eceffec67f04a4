//! How an edge finds an origin's addresses: it asks the name server and keeps each record for its time to live, "CloudFront
//! honors the origin DNS TTL" (AWS blog, "Three advanced design patterns for high available applications using Amazon
//! CloudFront").

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hickory_resolver::net::client::{Client, ClientHandle};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType};
use tokio::task::JoinSet;

use crate::clock::{Clock, Moment};

/// Wall time, as it is no part of a model: the lab's name server always answers, and nobody waits for one that has ended.
const QUERY: Duration = Duration::from_secs(2);

/// Longest chain of aliases that is followed, and most questions for one name. Assumed.
const STEPS: usize = 8;

/// The names that one edge knows.
pub(crate) struct Names {
    clock: Clock,
    client: Client<TokioRuntimeProvider>,
    known: Mutex<Known>,
    /// Speaks with the name server until dropped.
    _exchange: JoinSet<()>,
}

impl Names {
    pub(crate) fn asking(server: SocketAddr, clock: Clock) -> Self {
        let stream = UdpClientStream::builder(server, TokioRuntimeProvider::default())
            .with_timeout(Some(QUERY))
            .with_bind_addr(Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)))
            .build();
        let (client, exchange) = Client::from_sender(stream);
        let mut exchanges = JoinSet::new();
        exchanges.spawn(exchange);
        Self { clock, client, known: Mutex::default(), _exchange: exchanges }
    }

    /// The addresses of a host, at least one.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<Ipv4Addr>> {
        // One moment for all of it, so that a record that may not be kept still counts for this once.
        let now = self.clock.now();
        for _ in 0..STEPS {
            let step = self.known().follow(host, now);
            match step {
                Step::Found(addresses) => return Ok(addresses),
                Step::Ask(name) => {
                    let answers = self.ask(&name).await?;
                    if !self.known().learn(&name, &answers, now) {
                        bail!("{name} has no address");
                    }
                }
            }
        }
        bail!("{host} is an alias of too many others")
    }

    async fn ask(&self, name: &str) -> Result<Vec<Record>> {
        let question = Name::from_ascii(format!("{name}.")).with_context(|| format!("{name} is no name"))?;
        let answer = self.client.clone().query(question, DNSClass::IN, RecordType::A).await;
        Ok(answer.with_context(|| format!("nobody knows {name}"))?.answers.clone())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to do next to find a host's addresses.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Found(Vec<Ipv4Addr>),
    /// The host, or the name at the end of the aliases that are known.
    Ask(String),
}

/// Records in their time. An alias and the addresses behind it are kept apart, since each has a time to live of its own.
#[derive(Debug, Default)]
struct Known {
    aliases: HashMap<String, Kept<String>>,
    addresses: HashMap<String, Kept<Vec<Ipv4Addr>>>,
}

#[derive(Debug)]
struct Kept<T> {
    /// The last moment at which it may be used.
    until: Moment,
    value: T,
}

impl Known {
    fn follow(&self, host: &str, now: Moment) -> Step {
        let mut name = host;
        for _ in 0..STEPS {
            match self.aliases.get(name) {
                Some(alias) if now <= alias.until => name = &alias.value,
                Some(_) | None => break,
            }
        }
        match self.addresses.get(name) {
            Some(kept) if now <= kept.until => Step::Found(kept.value.clone()),
            Some(_) | None => Step::Ask(name.to_owned()),
        }
    }

    /// Keeps the records that an answer has about `asked`, and says whether there were any. Times to live are modelled ones.
    fn learn(&mut self, asked: &str, answers: &[Record], now: Moment) -> bool {
        let mut name = asked.to_owned();
        let mut learned = false;
        // A name that was an alias may have become a host, and the other way round.
        self.aliases.remove(asked);
        self.addresses.remove(asked);
        for _ in 0..STEPS {
            let about = |record: &&Record| plain(&record.name) == name;
            let alias = answers.iter().filter(about).find_map(|record| match &record.data {
                RData::CNAME(target) => Some(Kept { until: until(record, now), value: plain(&target.0) }),
                _ => None,
            });
            let Some(alias) = alias else {
                break;
            };
            let target = alias.value.clone();
            self.aliases.insert(std::mem::replace(&mut name, target), alias);
            learned = true;
        }
        let hosts =
            answers.iter().filter(|record| plain(&record.name) == name).filter_map(|record| match record.data {
                RData::A(address) => Some((until(record, now), address.0)),
                _ => None,
            });
        let (ends, addresses): (Vec<Moment>, Vec<Ipv4Addr>) = hosts.unzip();
        if let Some(until) = ends.into_iter().min() {
            self.addresses.insert(name, Kept { until, value: addresses });
            learned = true;
        }
        learned
    }
}

fn until(record: &Record, now: Moment) -> Moment {
    now + Duration::from_secs(record.ttl.into())
}

/// As names stand in a distribution: in lower case, without the dot at the end.
fn plain(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Scale;
    use crate::cloudfront::trial::{NameServer, alias, host};

    const RECORD: &str = "record.example.com";
    const HOST: &str = "host.example.com";
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    #[test]
    fn an_alias_and_its_host_are_each_kept_for_their_own_time() {
        let mut known = Known::default();
        assert!(known.learn(RECORD, &[alias(RECORD, HOST, 60), host(HOST, ADDRESS, 300)], at(0)));
        assert_eq!(known.follow(RECORD, at(60)), Step::Found(vec![ADDRESS]));
        assert_eq!(known.follow(RECORD, at(61)), Step::Ask(RECORD.to_owned()));
        assert_eq!(known.follow(HOST, at(300)), Step::Found(vec![ADDRESS]));
        assert_eq!(known.follow(HOST, at(301)), Step::Ask(HOST.to_owned()));
    }

    #[test]
    fn an_alias_without_its_host_leads_to_the_next_question() {
        let mut known = Known::default();
        assert!(known.learn(RECORD, &[alias(RECORD, HOST, 60)], at(0)));
        assert_eq!(known.follow(RECORD, at(1)), Step::Ask(HOST.to_owned()));
    }

    #[test]
    fn of_several_addresses_the_shortest_time_counts() {
        let other = Ipv4Addr::new(127, 0, 0, 3);
        let mut known = Known::default();
        known.learn(HOST, &[host(HOST, ADDRESS, 60), host(HOST, other, 10)], at(0));
        assert_eq!(known.follow(HOST, at(10)), Step::Found(vec![ADDRESS, other]));
        assert_eq!(known.follow(HOST, at(11)), Step::Ask(HOST.to_owned()));
    }

    #[test]
    fn records_about_other_names_teach_nothing() {
        let mut known = Known::default();
        assert!(!known.learn(RECORD, &[host(HOST, ADDRESS, 60)], at(0)));
        assert_eq!(known.follow(HOST, at(0)), Step::Ask(HOST.to_owned()));
    }

    #[tokio::test]
    async fn an_answer_is_used_for_its_time_to_live_and_not_longer() {
        let clock = Clock::start(Scale::new(60.0).unwrap());
        let server = NameServer::start([host(HOST, ADDRESS, 120)]).await;
        let names = Names::asking(server.address(), clock);
        assert_eq!(names.addresses(HOST).await.unwrap(), [ADDRESS]);
        let moved = Ipv4Addr::new(127, 0, 0, 3);
        server.replace([host(HOST, moved, 120)]);
        assert_eq!(names.addresses(HOST).await.unwrap(), [ADDRESS]);
        clock.sleep(Duration::from_secs(121)).await;
        assert_eq!(names.addresses(HOST).await.unwrap(), [moved]);
    }

    #[tokio::test]
    async fn aliases_are_followed_and_unknown_names_are_an_error() {
        let server = NameServer::start([alias(RECORD, HOST, 0), host(HOST, ADDRESS, 0)]).await;
        let names = Names::asking(server.address(), Clock::start(Scale::DEFAULT));
        assert_eq!(names.addresses(RECORD).await.unwrap(), [ADDRESS]);
        assert_eq!(
            names.addresses("gone.example.com").await.unwrap_err().to_string(),
            "gone.example.com has no address"
        );
        server.replace([alias(RECORD, RECORD, 60)]);
        assert!(names.addresses(RECORD).await.is_err());
    }
}
