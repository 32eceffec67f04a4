//! Hosted zones and their records, in this account or through a role of the zone's own.

use std::cell::RefCell;
use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_sdk_route53::Client;
use aws_sdk_route53::config::http::HttpResponse;
use aws_sdk_route53::error::SdkError;
use aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsError;
use aws_sdk_route53::types::{
    Change, ChangeAction as SdkAction, ChangeBatch, ChangeStatus, ResourceRecord, ResourceRecordSet,
    ResourceRecordSetFailover, RrType,
};
use failopen::id::{ChangeId, HealthCheckId, Hostname};
use failopen::port::{ChangeAction, FailoverRole, Fault, FaultKind, ObservedZone, RecordChange, RecordSet};
use failopen::spec::{Zone, ZoneRole};

use crate::fault::{fault, fault_about, one_line, whole};

const GET_ZONE: &str = "GetHostedZone";
const LIST: &str = "ListResourceRecordSets";
const CHANGE: &str = "ChangeResourceRecordSets";
const GET_CHANGE: &str = "GetChange";

/// Name of the role session, as the zone's owner sees it in CloudTrail.
const SESSION_NAME: &str = "failopen";

/// Route 53's hosted zones.
pub(crate) struct Zones {
    own: Client,
    sdk: SdkConfig,
    /// Clients of roles in other accounts, built on first use and kept with their credentials. Keyed by the external id
    /// too: a client must not serve a protection that does not know it.
    assumed: RefCell<BTreeMap<(String, Option<String>), Client>>,
}

impl Zones {
    pub(crate) fn new(own: Client, sdk: SdkConfig) -> Self {
        Self { own, sdk, assumed: RefCell::default() }
    }

    pub(crate) async fn read(&self, zone: &Zone) -> Result<ObservedZone, Fault> {
        let client = self.client(zone).await;
        let output = client.get_hosted_zone().id(zone.id.as_str()).send().await;
        let output = output.map_err(|error| fault(GET_ZONE, error))?;
        let name_servers = output.delegation_set.into_iter().flat_map(|set| set.name_servers);
        let found =
            output.hosted_zone.ok_or_else(|| Fault::new(FaultKind::Malformed, GET_ZONE, "the answer holds no zone"))?;
        Ok(ObservedZone {
            name: host_name(&found.name),
            private: found.config.is_some_and(|config| config.private_zone),
            name_servers: name_servers.map(|server| host_name(&server)).collect(),
        })
    }

    pub(crate) async fn records(&self, zone: &Zone, name: &Hostname) -> Result<Vec<RecordSet>, Fault> {
        let client = self.client(zone).await;
        let mut found = Vec::new();
        let mut request = client.list_resource_record_sets().start_record_name(name.as_str());
        loop {
            let page = request.hosted_zone_id(zone.id.as_str()).send().await.map_err(|error| fault(LIST, error))?;
            found.extend(page.resource_record_sets.iter().map(observed).filter(|record| record.name == *name));
            // Record sets are sorted by name, so a page that continues with another name was the last of this one.
            let next = page.next_record_name.filter(|next| page.is_truncated && host_name(next) == *name);
            let Some(next) = next else { return Ok(found) };
            request = client
                .list_resource_record_sets()
                .start_record_name(next)
                .set_start_record_type(page.next_record_type)
                .set_start_record_identifier(page.next_record_identifier);
        }
    }

    pub(crate) async fn is_insync(&self, zone: &Zone, change: &ChangeId) -> Result<bool, Fault> {
        let client = self.client(zone).await;
        let output = client.get_change().id(change.as_str()).send().await.map_err(|error| fault(GET_CHANGE, error))?;
        let info = output.change_info;
        let info = info.ok_or_else(|| Fault::new(FaultKind::Malformed, GET_CHANGE, "the answer holds no change"))?;
        Ok(info.status == ChangeStatus::Insync)
    }

    pub(crate) async fn change(&self, zone: &Zone, changes: &[RecordChange]) -> Result<ChangeId, Fault> {
        let client = self.client(zone).await;
        let refused = |error: aws_sdk_route53::error::BuildError| {
            Fault::new(FaultKind::Refused, CHANGE, one_line(&error.to_string()))
        };
        let changes = changes.iter().map(wanted).collect::<Result<_, _>>().map_err(refused)?;
        let batch = ChangeBatch::builder().set_changes(Some(changes)).build().map_err(refused)?;
        let output = client
            .change_resource_record_sets()
            .hosted_zone_id(zone.id.as_str())
            .change_batch(batch)
            .send()
            .await
            .map_err(|error| {
                let messages = refusal_messages(&error);
                let fault = fault_about(CHANGE, "NoSuchHostedZone", error, whole);
                match messages {
                    Some(messages) => Fault { detail: one_line(&format!("InvalidChangeBatch: {messages}")), ..fault },
                    None => fault,
                }
            })?;
        let info = output.change_info.ok_or_else(|| {
            Fault::new(FaultKind::Unknown, CHANGE, "the batch was accepted but its answer holds no change id")
        })?;
        Ok(ChangeId::new(info.id.trim_start_matches("/change/")))
    }

    async fn client(&self, zone: &Zone) -> Client {
        let Some(role) = &zone.role else {
            return self.own.clone();
        };
        let key = (role.arn.clone(), role.external_id.as_ref().map(|id| id.expose().clone()));
        if let Some(client) = self.assumed.borrow().get(&key) {
            return client.clone();
        }
        let client = self.assume(role).await;
        self.assumed.borrow_mut().insert(key, client.clone());
        client
    }

    /// Builds the client; the role is assumed by its first call and again whenever its credentials expire.
    async fn assume(&self, role: &ZoneRole) -> Client {
        let mut provider = AssumeRoleProvider::builder(&role.arn).session_name(SESSION_NAME).configure(&self.sdk);
        if let Some(id) = &role.external_id {
            provider = provider.external_id(id.expose());
        }
        let config = aws_sdk_route53::config::Builder::from(&self.sdk).credentials_provider(provider.build().await);
        Client::from_conf(config.build())
    }
}

/// The reasons in an `InvalidChangeBatch`. Route 53 sends it in two shapes (API reference, ChangeResourceRecordSets): as
/// any other error, and as a root element of its own, which the SDK does not understand.
fn refusal_messages(error: &SdkError<ChangeResourceRecordSetsError, HttpResponse>) -> Option<String> {
    if let Some(ChangeResourceRecordSetsError::InvalidChangeBatch(invalid)) = error.as_service_error() {
        return (!invalid.messages().is_empty()).then(|| invalid.messages().join(" "));
    }
    let body = std::str::from_utf8(error.raw_response()?.body().bytes()?).ok()?;
    let (_, batch) = body.split_once("<InvalidChangeBatch")?;
    let messages = batch.split("<Message>").skip(1).filter_map(|rest| rest.split("</Message>").next());
    Some(messages.collect::<Vec<_>>().join(" "))
}

fn observed(record: &ResourceRecordSet) -> RecordSet {
    let is_cname = record.r#type == RrType::Cname;
    let values = record.resource_records().iter().map(|value| match is_cname {
        true => host_name(&value.value).as_str().to_owned(),
        false => value.value.clone(),
    });
    RecordSet {
        name: host_name(&record.name),
        record_type: record.r#type.as_str().to_owned(),
        set_identifier: record.set_identifier.clone(),
        failover: match record.failover {
            Some(ResourceRecordSetFailover::Primary) => Some(FailoverRole::Primary),
            Some(ResourceRecordSetFailover::Secondary) => Some(FailoverRole::Secondary),
            _ => None,
        },
        ttl: record.ttl.and_then(|ttl| u32::try_from(ttl).ok()),
        values: values.collect(),
        health_check: record.health_check_id.as_deref().map(HealthCheckId::new),
        routing: routing(record).to_owned(),
    }
}

/// How Route 53 chooses the record set, in the words of its console.
fn routing(record: &ResourceRecordSet) -> &'static str {
    if record.failover.is_some() {
        "failover"
    } else if record.weight.is_some() {
        "weighted"
    } else if record.region.is_some() {
        "latency"
    } else if record.geo_location.is_some() {
        "geolocation"
    } else if record.geo_proximity_location.is_some() {
        "geoproximity"
    } else if record.cidr_routing_config.is_some() {
        "ip-based"
    } else if record.multi_value_answer == Some(true) {
        "multivalue"
    } else if record.alias_target.is_some() {
        "alias"
    } else {
        "simple"
    }
}

fn wanted(change: &RecordChange) -> Result<Change, aws_sdk_route53::error::BuildError> {
    let record = &change.record;
    let mut values = Vec::with_capacity(record.values.len());
    for value in &record.values {
        values.push(ResourceRecord::builder().value(value).build()?);
    }
    let set = ResourceRecordSet::builder()
        .name(record.name.as_str())
        .r#type(RrType::from(record.record_type.as_str()))
        .set_set_identifier(record.set_identifier.clone())
        .set_failover(record.failover.map(|role| match role {
            FailoverRole::Primary => ResourceRecordSetFailover::Primary,
            FailoverRole::Secondary => ResourceRecordSetFailover::Secondary,
        }))
        .set_ttl(record.ttl.map(i64::from))
        .set_resource_records(Some(values))
        .set_health_check_id(record.health_check.as_ref().map(|id| id.as_str().to_owned()))
        .build()?;
    let action = match change.action {
        ChangeAction::Create => SdkAction::Create,
        ChangeAction::Delete => SdkAction::Delete,
    };
    Change::builder().action(action).resource_record_set(set).build()
}

/// A name as Route 53 writes it (trailing dot, `\052` for `*`) as we write it.
fn host_name(name: &str) -> Hostname {
    Hostname::new(unescape(name.trim_end_matches('.')).to_ascii_lowercase())
}

/// Replaces each `\ooo`, three octal digits, by the character it stands for.
fn unescape(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                text.push(char::from(code));
                rest = &rest[at + 4..];
            }
            None => {
                text.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Reply, Server};

    async fn zones(server: &Server) -> Zones {
        let sdk = server.sdk().await;
        Zones::new(Client::new(&sdk), sdk)
    }

    fn zone() -> Zone {
        Zone { id: "Z1".into(), role: None }
    }

    fn page(records: &str, more: &str) -> Reply {
        let body = format!(
            "<ListResourceRecordSetsResponse><ResourceRecordSets>{records}</ResourceRecordSets>{more}\
             <MaxItems>2</MaxItems></ListResourceRecordSetsResponse>"
        );
        Reply::new(200, body)
    }

    fn a_record(name: &str, identifier: &str, value: &str) -> String {
        format!(
            "<ResourceRecordSet><Name>{name}</Name><Type>CNAME</Type><SetIdentifier>{identifier}</SetIdentifier>\
             <Failover>PRIMARY</Failover><TTL>30</TTL><ResourceRecords><ResourceRecord><Value>{value}</Value>\
             </ResourceRecord></ResourceRecords></ResourceRecordSet>"
        )
    }

    #[tokio::test]
    async fn only_records_of_exactly_the_name_are_found_on_as_many_pages_as_it_has() {
        let server = Server::start(|_, before| match before {
            0 => page(
                &a_record("\\052.example.com.", "one", "Inspection.Example.NET."),
                "<IsTruncated>true</IsTruncated><NextRecordName>\\052.example.com.</NextRecordName>\
                 <NextRecordType>CNAME</NextRecordType><NextRecordIdentifier>two</NextRecordIdentifier>",
            ),
            _ => page(
                &(a_record("\\052.example.com.", "two", "b") + &a_record("a.example.com.", "three", "c")),
                "<IsTruncated>true</IsTruncated><NextRecordName>b.example.com.</NextRecordName>\
                 <NextRecordType>A</NextRecordType>",
            ),
        });
        let records = zones(&server).await.records(&zone(), &"*.example.com".into()).await.expect("readable");
        let identifiers: Vec<_> = records.iter().filter_map(|record| record.set_identifier.as_deref()).collect();
        assert_eq!(identifiers, ["one", "two"]);
        assert_eq!(records[0].values, ["inspection.example.net"]);
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        assert!(requests[1].line.contains("identifier=two"), "{}", requests[1].line);
    }

    #[tokio::test]
    async fn a_refused_batch_says_what_route_53_said() {
        let body = "<InvalidChangeBatch xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Messages><Message>\
                    Tried to create www.example.com. but it already exists</Message></Messages></InvalidChangeBatch>";
        let server = Server::start(move |_, _| Reply::new(400, body));
        let fault = zones(&server).await.change(&zone(), &[]).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused);
        assert!(fault.detail.contains("already exists"), "{fault}");
    }

    #[tokio::test]
    async fn a_zone_of_another_account_is_reached_with_its_role_and_its_external_id() {
        let server = Server::start(|request, _| match request.line.as_str() {
            "POST /" => Reply::new(
                200,
                "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>assumed</AccessKeyId>\
                 <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
                 <Expiration>2126-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser>\
                 <AssumedRoleId>i</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/failopen</Arn></AssumedRoleUser>\
                 </AssumeRoleResult></AssumeRoleResponse>",
            ),
            _ => Reply::new(
                200,
                "<GetHostedZoneResponse><HostedZone><Id>/hostedzone/Z1</Id><Name>Example.com.</Name>\
                 <CallerReference>r</CallerReference><Config><PrivateZone>false</PrivateZone></Config></HostedZone>\
                 <DelegationSet><NameServers><NameServer>NS-1.awsdns-1.com.</NameServer>\
                 <NameServer>ns-2.awsdns-2.net</NameServer></NameServers></DelegationSet></GetHostedZoneResponse>",
            ),
        });
        let external_id = Some(failopen::secret::Secret::new("shared".to_owned()));
        let role = ZoneRole { arn: "arn:aws:iam::1:role/dns".to_owned(), external_id };
        let zone = Zone { id: "Z1".into(), role: Some(role) };
        let zones = zones(&server).await;
        for _ in 0..2 {
            let seen = zones.read(&zone).await;
            let name_servers = ["ns-1.awsdns-1.com".into(), "ns-2.awsdns-2.net".into()].into();
            assert_eq!(seen, Ok(ObservedZone { name: "example.com".into(), private: false, name_servers }));
        }
        let requests = server.requests();
        assert_eq!(requests.len(), 3, "the role is assumed once");
        let assume = String::from_utf8_lossy(&requests[0].body).into_owned();
        assert!(assume.contains("ExternalId=shared") && assume.contains("RoleSessionName=failopen"), "{assume}");
        assert!(requests[2].header("authorization").is_some_and(|header| header.contains("Credential=assumed/")));
    }

    #[tokio::test]
    async fn a_private_zone_is_told_as_such_and_has_no_name_servers() {
        let server = Server::start(|_, _| {
            Reply::new(
                200,
                "<GetHostedZoneResponse><HostedZone><Id>/hostedzone/Z1</Id><Name>example.com.</Name><CallerReference>r\
                 </CallerReference><Config><PrivateZone>true</PrivateZone></Config></HostedZone></GetHostedZoneResponse>",
            )
        });
        let seen = zones(&server).await.read(&zone()).await;
        let name_servers = std::collections::BTreeSet::new();
        assert_eq!(seen, Ok(ObservedZone { name: "example.com".into(), private: true, name_servers }));
    }

    #[tokio::test]
    async fn a_role_that_may_not_be_assumed_is_a_denial() {
        let server = Server::start(|_, _| Reply::xml_error(403, "AccessDenied"));
        let role = ZoneRole { arn: "arn:aws:iam::1:role/dns".to_owned(), external_id: None };
        let fault = zones(&server).await.read(&Zone { id: "Z1".into(), role: Some(role) }).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::AccessDenied, "{fault}");
    }

    fn record() -> aws_sdk_route53::types::builders::ResourceRecordSetBuilder {
        ResourceRecordSet::builder().name("www.example.com.").r#type(RrType::Cname)
    }

    #[test]
    fn names_lose_their_dot_their_escapes_and_their_case() {
        assert_eq!(host_name("WWW.Example.com."), "www.example.com".into());
        assert_eq!(host_name("\\052.example.com."), "*.example.com".into());
        assert_eq!(host_name("a\\9.example.com"), "a\\9.example.com".into());
        assert_eq!(host_name("end\\"), "end\\".into());
    }

    #[test]
    fn a_failover_record_comes_back_as_it_was_asked_for() {
        let asked = RecordSet {
            name: "www.example.com".into(),
            record_type: "CNAME".to_owned(),
            set_identifier: Some("failopen-www-abc-primary".to_owned()),
            failover: Some(FailoverRole::Primary),
            ttl: Some(30),
            values: vec!["inspection.example.net".to_owned()],
            health_check: Some("1111".into()),
            routing: "failover".to_owned(),
        };
        let change = wanted(&RecordChange { action: ChangeAction::Create, record: asked.clone() }).expect("complete");
        assert_eq!(observed(change.resource_record_set().expect("a record")), asked);
    }

    #[test]
    fn every_routing_policy_has_its_name() {
        let build = |set: aws_sdk_route53::types::builders::ResourceRecordSetBuilder| set.build().expect("complete");
        assert_eq!(routing(&build(record())), "simple");
        assert_eq!(routing(&build(record().weight(1))), "weighted");
        assert_eq!(routing(&build(record().region("us-east-1".into()))), "latency");
        assert_eq!(routing(&build(record().multi_value_answer(true))), "multivalue");
        let alias = aws_sdk_route53::types::AliasTarget::builder()
            .hosted_zone_id("Z")
            .dns_name("d1.cloudfront.net.")
            .evaluate_target_health(false)
            .build()
            .expect("complete");
        let set = build(record().alias_target(alias));
        assert_eq!(routing(&set), "alias");
        assert_eq!(observed(&set).ttl, None);
    }
}
