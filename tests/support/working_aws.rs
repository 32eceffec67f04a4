//! AWS on a loopback socket as it is on a good day: it carries out what the functions ask, and remembers the ledger's row and
//! the distribution, on condition of what was read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ciborium::Value as Cbor;
use serde_json::{Value, json};

use crate::loopback::{Loopback, Manner, Received};

/// The only distribution, zone and health check that there are.
const CONFIGURATION: &str = "/2020-05-31/distribution/E2EXAMPLE/config";
const DISTRIBUTION: &str = "/2020-05-31/distribution/E2EXAMPLE";
const ZONE: &str = "/2013-04-01/hostedzone/Z0EXAMPLE";
const HEALTH_CHECK: &str = "11112222-3333-4444-5555-666677778888";

/// What is there before the functions are.
#[derive(Clone, Debug)]
pub struct Present {
    pub configuration: String,
    /// The row of the protection `www`, as the ledger keeps it.
    pub row: Option<String>,
    /// The name of the only alarm, which is in ALARM.
    pub alarm: Option<String>,
    /// Credentials of every role that is assumed.
    pub secret_key: String,
    pub session_token: String,
}

/// Its part that changes.
#[derive(Debug)]
struct State {
    present: Present,
    version: u64,
    item: Option<Value>,
}

impl Present {
    /// Starts it.
    pub fn start(self) -> Loopback {
        let item = self.row.as_ref().map(|row| {
            json!({"protection": {"S": "www"}, "entry": {"S": "state"}, "version": {"N": "1"}, "document": {"S": row}})
        });
        let state = Arc::new(Mutex::new(State { present: self, version: 1, item }));
        Loopback::start(move |request, _| lock(&state).answer(request))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn answer(&mut self, request: &Received) -> Manner {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if let Some(target) = request.header("x-amz-target") {
            return self.ledger(target, &body);
        }
        let (method, target) = request.line.split_once(' ').unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        match (method, path) {
            ("GET", CONFIGURATION) => Manner::answer(200, self.present.configuration.clone()).with("etag", self.etag()),
            ("PUT", CONFIGURATION) if request.header("if-match") == Some(self.etag().as_str()) => {
                self.present.configuration = body;
                self.version += 1;
                Manner::answer(200, distribution("InProgress")).with("etag", self.etag())
            }
            ("PUT", CONFIGURATION) => xml_error(412, "PreconditionFailed"),
            ("GET", DISTRIBUTION) => Manner::answer(200, distribution("Deployed")).with("etag", self.etag()),
            ("POST", "/") if body.contains("Action=AssumeRole") => self.credentials(),
            ("POST", "/") => Manner::answer(200, "<PublishResponse><PublishResult/></PublishResponse>"),
            (_, path) if path.starts_with("/2013-04-01/") => route53(method, path, &body),
            (_, path) if path.ends_with("/operation/DescribeAlarms") => cbor(self.alarms()),
            (_, path) if path.starts_with("/service/GraniteServiceVersion20100801/") => cbor(Cbor::Map(Vec::new())),
            ("POST", path) if path.contains("/functions/") => Manner::answer(202, ""),
            _ => xml_error(400, "InvalidArgument"),
        }
    }

    fn etag(&self) -> String {
        format!("E{}", self.version)
    }

    fn ledger(&mut self, target: &str, body: &str) -> Manner {
        let asked: Value = serde_json::from_str(body).unwrap_or_default();
        match target.rsplit('.').next().unwrap_or_default() {
            "Scan" => {
                let items: Vec<&Value> = self.item.iter().collect();
                amazon_json(200, &json!({"Items": items, "Count": items.len(), "ScannedCount": items.len()}))
            }
            "GetItem" => amazon_json(200, &self.item.as_ref().map_or(json!({}), |item| json!({"Item": item}))),
            "PutItem" if asked["Item"]["entry"]["S"] != "state" => amazon_json(200, &json!({})),
            "PutItem" => {
                let version = self.item.as_ref().map(|item| item["version"]["N"].clone());
                let expected = asked["ExpressionAttributeValues"].get(":expected").map(|value| value["N"].clone());
                if version != expected {
                    let error = json!({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"});
                    return amazon_json(400, &error);
                }
                self.item = Some(asked["Item"].clone());
                amazon_json(200, &json!({}))
            }
            _ => amazon_json(400, &json!({"__type": "com.amazon.coral#ValidationException"})),
        }
    }

    fn alarms(&self) -> Cbor {
        let alarm = |name: &String| {
            map(&[
                ("AlarmName", Cbor::from(name.as_str())),
                ("AlarmArn", Cbor::from(format!("arn:aws:cloudwatch:us-east-1:111122223333:alarm:{name}"))),
                ("ActionsEnabled", Cbor::from(true)),
                ("StateValue", Cbor::from("ALARM")),
                ("StateUpdatedTimestamp", Cbor::Tag(1, Box::new(Cbor::from(1_767_225_600)))),
            ])
        };
        map(&[("MetricAlarms", Cbor::Array(self.present.alarm.iter().map(alarm).collect()))])
    }

    fn credentials(&self) -> Manner {
        let Present { secret_key, session_token, .. } = &self.present;
        let body = format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAASSUMED</AccessKeyId>\
             <SecretAccessKey>{secret_key}</SecretAccessKey><SessionToken>{session_token}</SessionToken>\
             <Expiration>2126-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser>\
             <AssumedRoleId>AROA:failopen</AssumedRoleId><Arn>arn:aws:sts::444455556666:assumed-role/dns/failopen</Arn>\
             </AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
        );
        Manner::answer(200, body)
    }
}

fn distribution(status: &str) -> String {
    format!(
        "<Distribution><Id>E2EXAMPLE</Id><Status>{status}</Status><DomainName>d111111abcdef8.cloudfront.net</DomainName>\
         </Distribution>"
    )
}

/// An empty zone that takes every change at once.
fn route53(method: &str, path: &str, body: &str) -> Manner {
    let inner = |text: &str, start: &str, end: &str| {
        let rest = text.split_once(start).map(|(_, rest)| rest).unwrap_or_default();
        rest.split_once(end).map(|(inner, _)| inner.to_owned()).unwrap_or_default()
    };
    match (method, path.trim_end_matches('/').strip_prefix("/2013-04-01").unwrap_or_default()) {
        ("POST", "/healthcheck") => {
            let reference = inner(body, "<CallerReference>", "</CallerReference>");
            let config = inner(body, "<HealthCheckConfig>", "</HealthCheckConfig>");
            let check = format!(
                "<CreateHealthCheckResponse><HealthCheck><Id>{HEALTH_CHECK}</Id>\
                 <CallerReference>{reference}</CallerReference><HealthCheckConfig>{config}</HealthCheckConfig>\
                 <HealthCheckVersion>1</HealthCheckVersion></HealthCheck></CreateHealthCheckResponse>"
            );
            let location = format!("https://route53.amazonaws.com/2013-04-01/healthcheck/{HEALTH_CHECK}");
            Manner::answer(201, check).with("location", location)
        }
        ("GET", "/healthcheck") => Manner::answer(
            200,
            "<ListHealthChecksResponse><HealthChecks/><Marker/><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems>\
             </ListHealthChecksResponse>",
        ),
        ("POST", tags) if tags.starts_with("/tags/") => Manner::answer(200, "<ChangeTagsForResourceResponse/>"),
        ("GET", change) if change.starts_with("/change/") => Manner::answer(200, change_info("GetChangeResponse")),
        (method, _) => match (method, path.strip_prefix(ZONE).unwrap_or("elsewhere").trim_end_matches('/')) {
            ("GET", "") => Manner::answer(
                200,
                "<GetHostedZoneResponse><HostedZone><Id>/hostedzone/Z0EXAMPLE</Id><Name>cq-route.com.</Name>\
                 <CallerReference>r</CallerReference><Config><PrivateZone>false</PrivateZone></Config></HostedZone>\
                 </GetHostedZoneResponse>",
            ),
            ("GET", "/rrset") => Manner::answer(
                200,
                "<ListResourceRecordSetsResponse><ResourceRecordSets/><IsTruncated>false</IsTruncated>\
                 <MaxItems>300</MaxItems></ListResourceRecordSetsResponse>",
            ),
            ("POST", "/rrset") => Manner::answer(200, change_info("ChangeResourceRecordSetsResponse")),
            _ => xml_error(404, "NoSuchHealthCheck"),
        },
    }
}

fn change_info(root: &str) -> String {
    format!(
        "<{root}><ChangeInfo><Id>/change/C1</Id><Status>INSYNC</Status><SubmittedAt>2026-11-22T12:00:00Z</SubmittedAt>\
         </ChangeInfo></{root}>"
    )
}

fn map(fields: &[(&str, Cbor)]) -> Cbor {
    Cbor::Map(fields.iter().map(|(name, value)| (Cbor::from(*name), value.clone())).collect())
}

fn cbor(value: Cbor) -> Manner {
    let mut body = Vec::new();
    ciborium::into_writer(&value, &mut body).expect("a vector takes it");
    Manner::answer(200, body).with("smithy-protocol", "rpc-v2-cbor").with("content-type", "application/cbor")
}

fn xml_error(status: u16, code: &str) -> Manner {
    let error = format!("<Type>Sender</Type><Code>{code}</Code><Message>no</Message>");
    Manner::answer(status, format!("<ErrorResponse><Error>{error}</Error></ErrorResponse>"))
}

/// An answer as DynamoDB sends it.
pub fn amazon_json(status: u16, body: &Value) -> Manner {
    Manner::answer(status, body.to_string()).with("content-type", "application/x-amz-json-1.0")
}
