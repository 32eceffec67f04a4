//! Questions to DNS about a host, link by link, and about a zone.
//!
//! hickory's resolver follows CNAMEs itself, and where it has to ask again it tells for each link the shortest time of all
//! before it. So the answers of the name servers are read here as they are, and followed here.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use failopen::id::Hostname;
use failopen::limits::RESOLUTION;
use failopen::resolution::{Delegation, Ending, Link, Resolution};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer, RetryDnsHandle};
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::{DnsRequestOptions, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};
use tokio::time::timeout;

use crate::fault::one_line;
use crate::network::{Network, settings};

/// A whole question, with all that has to be asked for it.
const WHOLE: Duration = RESOLUTION.unsigned_abs();
/// Repetitions of one query that was not answered, or not well.
const REPETITIONS: usize = 1;
/// CNAMEs after which the way is given up. Assumed: no resolver in use follows more.
const MOST_LINKS: usize = 16;

impl Network {
    /// Follows a name to its addresses. Bounded by [`RESOLUTION`]; what was found by then is kept.
    pub(crate) async fn resolve(&self, name: &Hostname) -> Resolution {
        let mut chain = Vec::new();
        let ending = match self.name_servers() {
            Ok(servers) => match timeout(WHOLE, servers.follow(name, &mut chain)).await {
                Ok(ending) => ending,
                Err(_elapsed) => Ending::NoAnswer { why: too_late(name) },
            },
            Err(why) => Ending::NoAnswer { why },
        };
        Resolution { chain, ending }
    }

    /// The NS records of a zone's name. Bounded by [`RESOLUTION`].
    pub(crate) async fn delegation(&self, zone: &Hostname) -> Delegation {
        let unknown = |why| Delegation::Unknown { why };
        let servers = match self.name_servers() {
            Ok(servers) => servers,
            Err(why) => return unknown(why),
        };
        match timeout(WHOLE, servers.ask(zone, RecordType::NS)).await {
            Ok(Ok(answer)) => {
                let found = answer.of(zone, |data| match data {
                    RData::NS(server) => Some(host(&server.0)),
                    _ => None,
                });
                let found: BTreeSet<Hostname> = found.map(|(server, _)| server).collect();
                if found.is_empty() { Delegation::Nowhere } else { Delegation::To(found) }
            }
            Ok(Err(Trouble::Fails(why) | Trouble::Silent(why))) => unknown(why),
            Err(_elapsed) => unknown(too_late(zone)),
        }
    }

    fn name_servers(&self) -> Result<&NameServers, String> {
        self.names.get_or_init(|| NameServers::new(self)).as_ref().map_err(Clone::clone)
    }
}

/// The name servers, asked without anything in between.
pub(crate) struct NameServers(RetryDnsHandle<NameServerPool<TokioRuntimeProvider>>);

impl NameServers {
    fn new(network: &Network) -> Result<Self, String> {
        let (config, options) = settings(network.name_server)?;
        let tls = TlsConfig::new().map_err(|error| format!("the resolver could not be built: {error}"))?;
        let context = Arc::new(PoolContext::new(options, tls));
        let pool = NameServerPool::from_config(config.name_servers, context, TokioRuntimeProvider::default());
        Ok(Self(RetryDnsHandle::new(pool, REPETITIONS)))
    }

    /// Adds every link to `chain` as soon as it is known.
    async fn follow(&self, name: &Hostname, chain: &mut Vec<Link>) -> Ending {
        let mut here = name.clone();
        loop {
            let answer = match self.ask(&here, RecordType::A).await {
                Ok(answer) => answer,
                // A resolver that follows CNAMEs itself fails on a circle. Asked for the CNAME alone, it does not follow.
                Err(Trouble::Fails(why)) => match self.ask(&here, RecordType::CNAME).await {
                    Ok(answer) if answer.alias(&here).is_some() => answer,
                    Ok(_) | Err(_) => return Ending::NoAnswer { why },
                },
                Err(Trouble::Silent(why)) => return Ending::NoAnswer { why },
            };
            let known = chain.len();
            while let Some((target, ttl)) = answer.alias(&here) {
                let is_circle = target == *name || chain.iter().any(|link| link.target == target);
                chain.push(Link { name: std::mem::replace(&mut here, target.clone()), target, ttl });
                if is_circle {
                    return Ending::Circle;
                }
                if chain.len() > MOST_LINKS {
                    return Ending::TooLong;
                }
            }
            if let Some(found) = answer.addresses(&here) {
                return found;
            }
            // With CNAMEs, this is about the last of their targets (RFC 6604).
            if !answer.exists {
                return Ending::NoSuchName;
            }
            // Only now is it certain that the resolver was asked about this very name.
            if chain.len() == known {
                return match self.ask(&here, RecordType::AAAA).await {
                    Ok(answer) => answer.addresses(&here).unwrap_or(Ending::NoAddress),
                    Err(Trouble::Fails(why) | Trouble::Silent(why)) => Ending::NoAnswer { why },
                };
            }
        }
    }

    async fn ask(&self, name: &Hostname, kind: RecordType) -> Result<Answer, Trouble> {
        // The final dot keeps search domains out.
        let query = Name::from_ascii(format!("{name}.")).map(|name| Query::query(name, kind));
        let query = query.map_err(|error| Trouble::Silent(format!("{name} cannot be asked for: {error}")))?;
        match self.0.lookup(query, DnsRequestOptions::default()).first_answer().await {
            Ok(response) => Ok(Answer {
                exists: response.response_code != ResponseCode::NXDomain,
                records: response.into_message().answers,
            }),
            Err(NetError::Dns(DnsError::NoRecordsFound(NoRecords { response_code, .. }))) => {
                Ok(Answer { exists: response_code != ResponseCode::NXDomain, records: Vec::new() })
            }
            Err(NetError::Dns(DnsError::ResponseCode(code))) => {
                Err(Trouble::Fails(format!("the resolver answers for {name} with an error, {code}")))
            }
            Err(NetError::Timeout) => Err(Trouble::Silent(too_late(name))),
            Err(error) => {
                let why = format!("the resolver could not be asked for {name}: {error}");
                Err(Trouble::Silent(one_line(&why)))
            }
        }
    }
}

fn too_late(name: &Hostname) -> String {
    format!("no resolver answered for {name} in time")
}

/// What a name server answered.
struct Answer {
    /// Whether the name, or the last one that its CNAMEs lead to, exists.
    exists: bool,
    records: Vec<Record>,
}

impl Answer {
    /// The records of a name with their times, as far as `read` takes them.
    fn of<'a, T>(
        &'a self,
        name: &'a Hostname,
        read: impl Fn(&RData) -> Option<T> + 'a,
    ) -> impl Iterator<Item = (T, u32)> + 'a {
        let own = self.records.iter().filter(move |record| host(&record.name) == *name);
        own.filter_map(move |record| Some((read(&record.data)?, record.ttl)))
    }

    /// What the name is a CNAME of.
    fn alias(&self, name: &Hostname) -> Option<(Hostname, u32)> {
        let mut found = self.of(name, |data| match data {
            RData::CNAME(target) => Some(host(&target.0)),
            _ => None,
        });
        found.next()
    }

    /// The name's addresses, if it has any.
    fn addresses(&self, name: &Hostname) -> Option<Ending> {
        let found = self.of(name, RData::ip_addr);
        let (addresses, times): (Vec<IpAddr>, Vec<u32>) = found.unzip();
        times.into_iter().max().map(|ttl| Ending::Addresses { ttl, addresses })
    }
}

/// Why there is no answer.
enum Trouble {
    /// A name server answered that it cannot.
    Fails(String),
    /// None answered, or none could be asked.
    Silent(String),
}

fn host(name: &Name) -> Hostname {
    Hostname::new(name.to_ascii().trim_end_matches('.').to_ascii_lowercase())
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
