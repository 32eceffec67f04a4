//! A part of the name space that is delegated to another server, and chains of names that lead into it, followed as a resolver
//! follows them.

use std::iter::empty;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use hickory_resolver::net::client::{Client, ClientHandle};
use hickory_resolver::net::runtime::{Time, TokioRuntimeProvider};
use hickory_resolver::net::udp::UdpClientStream;
use hickory_server::proto::op::{Metadata, ResponseCode};
use hickory_server::proto::rr::{DNSClass, LowerName, RData, Record, RecordType, RrKey};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{Catalog, MessageResponseBuilder};
use tokio::task::JoinSet;

use super::name_server::name;

/// Wall time: the other server is on this machine.
const QUERY: Duration = Duration::from_secs(2);

/// Most names on the way to an address.
const STEPS: usize = 8;

/// A zone, and the server that answers it.
pub(super) struct Delegation {
    zone: LowerName,
    client: Client<TokioRuntimeProvider>,
    /// Speaks with the server until dropped.
    _exchange: JoinSet<()>,
}

impl Delegation {
    pub(super) fn of(zone: &str, server: SocketAddr) -> Result<Self> {
        let stream = UdpClientStream::builder(server, TokioRuntimeProvider::default())
            .with_timeout(Some(QUERY))
            .with_bind_addr(Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)))
            .build();
        let (client, exchange) = Client::from_sender(stream);
        let mut exchanges = JoinSet::new();
        exchanges.spawn(exchange);
        Ok(Self { zone: LowerName::from(name(zone)?), client, _exchange: exchanges })
    }

    fn holds(&self, name: &LowerName) -> bool {
        self.zone.zone_of(name)
    }

    pub(super) async fn ask(&self, asked: &LowerName, kind: RecordType) -> Result<Vec<Record>> {
        let answer = self.client.clone().query(asked.clone().into(), DNSClass::IN, kind).await;
        Ok(answer.with_context(|| format!("the server of {} says nothing about {asked}", self.zone))?.answers.clone())
    }
}

/// Answers from its own zone, and follows what leads into the delegated one.
pub(super) struct Delegating {
    pub(super) catalog: Catalog,
    pub(super) zone: Arc<InMemoryZoneHandler>,
    pub(super) delegation: Arc<OnceLock<Delegation>>,
}

impl Delegating {
    /// Everything on the way from `asked` on; `None` where it does not lead into the delegated zone.
    async fn follow(&self, asked: &LowerName, kind: RecordType) -> Result<Option<Vec<Record>>> {
        let Some(delegation) = self.delegation.get() else { return Ok(None) };
        let (mut at, mut way, mut is_delegated) = (asked.clone(), Vec::new(), false);
        for _ in 0..STEPS {
            let found = if delegation.holds(&at) {
                is_delegated = true;
                delegation.ask(&at, kind).await?
            } else {
                self.own(&at, kind).await
            };
            let alias = found.iter().rev().find_map(|record| match &record.data {
                RData::CNAME(target) => Some(LowerName::from(target.0.clone())),
                _ => None,
            });
            let is_complete = found.iter().any(|record| record.record_type() == kind);
            way.extend(found);
            match alias {
                Some(target) if !is_complete => at = target,
                Some(_) | None => break,
            }
        }
        Ok(is_delegated.then_some(way))
    }

    async fn own(&self, at: &LowerName, kind: RecordType) -> Vec<Record> {
        let records = self.zone.records().await;
        let set = [RecordType::CNAME, kind].into_iter().find_map(|kind| records.get(&RrKey::new(at.clone(), kind)));
        set.into_iter().flat_map(|set| set.records_without_rrsigs().cloned()).collect()
    }
}

#[async_trait]
impl RequestHandler for Delegating {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        let followed = match request.request_info() {
            Ok(info) => self.follow(info.query.name(), info.query.query_type()).await,
            Err(_) => Ok(None),
        };
        let response = MessageResponseBuilder::from_message_request(request);
        let sent = match &followed {
            Ok(None) => return self.catalog.handle_request::<R, T>(request, response_handle).await,
            Ok(Some(records)) => {
                let metadata = Metadata::response_from_request(&request.metadata);
                let response = response.build(metadata, records, empty(), empty(), empty());
                response_handle.send_response(response).await
            }
            Err(_) => {
                response_handle.send_response(response.error_msg(&request.metadata, ResponseCode::ServFail)).await
            }
        };
        // Whoever asked may be gone; then nobody reads what is returned either.
        sent.unwrap_or_else(|_| {
            let mut metadata = Metadata::response_from_request(&request.metadata);
            metadata.response_code = ResponseCode::ServFail;
            hickory_server::proto::op::Header { metadata, counts: Default::default() }.into()
        })
    }
}
