//! The ledger: one DynamoDB item a protection, written only on condition of the version that was read.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use failopen::id::ProtectionName;
use failopen::ledger::{Lifecycle, Row, Versioned};
use failopen::port::{Fault, FaultKind};
use failopen::rows::{Rows, UnreadableRow};
use failopen::tombstone::{Buried, Slot, Tombstone};
use serde::de::DeserializeOwned;

use crate::fault::{fault, fault_quoting, one_line};

const SCAN: &str = "Scan";
const GET: &str = "GetItem";
const PUT: &str = "PutItem";

/// Partition key: the protection's name.
const PROTECTION: &str = "protection";
/// Sort key; the row itself is the entry [`STATE`].
const ENTRY: &str = "entry";
const STATE: &str = "state";
/// The entry beside a row that could not be understood, once people were told of it.
const TOLD: &str = "told";
/// Of which content of the row they were told.
const DIGEST: &str = "digest";
/// Counts writes, from 1.
const VERSION: &str = "version";
/// JSON of [`Row`].
const DOCUMENT: &str = "document";
/// JSON of [`Tombstone`]s, in an item that has no row.
const TOMBSTONES: &str = "tombstones";
/// Seconds since 1970 after which DynamoDB may remove the item. Never in an item that has a row.
const EXPIRES_AT: &str = "expires_at";
/// For people who look at the table.
const LIFECYCLE: &str = "lifecycle";
/// Mark of the one call that wrote the item, by which a retried write recognises its own success.
const WRITE: &str = "write";

type Item = HashMap<String, AttributeValue>;

/// The table of rows.
pub(crate) struct Ledger {
    client: Client,
    table: Option<String>,
}

impl Ledger {
    pub(crate) fn new(client: Client, table: Option<String>) -> Self {
        Self { client, table }
    }

    /// A row that cannot be understood is named beside the others: it must not take them down.
    pub(crate) async fn rows(&self) -> Result<Rows, Fault> {
        let mut pages = self
            .client
            .scan()
            .table_name(self.table(SCAN)?)
            .consistent_read(true)
            .filter_expression("#entry IN (:state, :told) AND attribute_not_exists(#tombstones)")
            .expression_attribute_names("#entry", ENTRY)
            .expression_attribute_names("#tombstones", TOMBSTONES)
            .expression_attribute_values(":state", AttributeValue::S(STATE.to_owned()))
            .expression_attribute_values(":told", AttributeValue::S(TOLD.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut rows = Rows::default();
        let mut told: BTreeSet<(String, String)> = BTreeSet::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| fault(SCAN, error))?;
            let name = text(&item, PROTECTION).unwrap_or_default();
            if text(&item, ENTRY) == Some(TOLD) {
                told.insert((name.to_owned(), text(&item, DIGEST).unwrap_or_default().to_owned()));
                continue;
            }
            match parse(SCAN, &item) {
                Ok(versioned) => rows.readable.push(versioned),
                Err(fault) => {
                    let name = ProtectionName::new(name);
                    rows.unreadable.push(UnreadableRow { name, fault, digest: digest(&item), told: false });
                }
            }
        }
        for row in &mut rows.unreadable {
            row.told = told.contains(&(row.name.to_string(), row.digest.clone()));
        }
        rows.readable.sort_by(|one, other| one.row.name.cmp(&other.row.name));
        rows.unreadable.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(rows)
    }

    /// Written without a condition: whoever comes last has told people too.
    pub(crate) async fn note_told(&self, row: &UnreadableRow) -> Result<(), Fault> {
        self.client
            .put_item()
            .table_name(self.table(PUT)?)
            .item(PROTECTION, AttributeValue::S(row.name.to_string()))
            .item(ENTRY, AttributeValue::S(TOLD.to_owned()))
            .item(DIGEST, AttributeValue::S(row.digest.clone()))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| fault(PUT, error))
    }

    pub(crate) async fn slot(&self, name: &ProtectionName) -> Result<Slot, Fault> {
        let output = self
            .client
            .get_item()
            .table_name(self.table(GET)?)
            .set_key(Some(key(name)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| fault(GET, error))?;
        match output.item {
            None => Ok(Slot::Free),
            Some(item) if item.contains_key(TOMBSTONES) => buried(&item).map(Slot::Buried),
            Some(item) => parse(GET, &item).map(Slot::Taken),
        }
    }

    pub(crate) async fn put(&self, row: &Row, expected: Option<u64>) -> Result<u64, Fault> {
        self.write(&row.name, item(row)?, expected).await
    }

    /// The item of a name that no protection has. DynamoDB removes it some time after its last tombstone has expired.
    pub(crate) async fn bury(
        &self,
        name: &ProtectionName,
        tombstones: &[Tombstone],
        expected: Option<u64>,
    ) -> Result<(), Fault> {
        let document = serde_json::to_string(tombstones)
            .map_err(|error| Fault::new(FaultKind::Refused, PUT, one_line(&error.to_string())))?;
        let expires_at = tombstones.iter().map(|tombstone| tombstone.expires_at.as_second()).max().unwrap_or_default();
        let item = HashMap::from([
            (TOMBSTONES.to_owned(), AttributeValue::S(document)),
            (EXPIRES_AT.to_owned(), AttributeValue::N(expires_at.to_string())),
            (LIFECYCLE.to_owned(), AttributeValue::S("deleted".to_owned())),
        ]);
        self.write(name, item, expected).await.map(|_| ())
    }

    async fn write(&self, name: &ProtectionName, item: Item, expected: Option<u64>) -> Result<u64, Fault> {
        let version = expected.unwrap_or_default() + 1;
        let write = format!("{:032x}", fastrand::u128(..));
        let mut item = item;
        item.extend(key(name));
        item.insert(VERSION.to_owned(), AttributeValue::N(version.to_string()));
        item.insert(WRITE.to_owned(), AttributeValue::S(write.clone()));
        let request = self
            .client
            .put_item()
            .table_name(self.table(PUT)?)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let request = match expected {
            None => request
                .condition_expression("attribute_not_exists(#protection)")
                .expression_attribute_names("#protection", PROTECTION),
            Some(expected) => request
                .condition_expression("#version = :expected")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":expected", AttributeValue::N(expected.to_string())),
        };
        match request.send().await {
            Ok(_) => Ok(version),
            // The SDK retried a write whose answer was lost, and met its own item.
            Err(error) if writer(&error) == Some(write.as_str()) => Ok(version),
            // The row may hold the external id of a role.
            Err(error) => Err(fault_quoting(PUT, error, |_| None)),
        }
    }

    fn table(&self, operation: &'static str) -> Result<&str, Fault> {
        self.table.as_deref().ok_or_else(|| {
            Fault::new(FaultKind::Refused, operation, "FAILOPEN_LEDGER_TABLE is not set, so there is no ledger to use")
        })
    }
}

/// The mark of whoever wrote the item that a conditional write met.
fn writer<R>(error: &SdkError<PutItemError, R>) -> Option<&str> {
    match error.as_service_error()? {
        PutItemError::ConditionalCheckFailedException(met) => {
            Some(met.item.as_ref()?.get(WRITE)?.as_s().ok()?.as_str())
        }
        _ => None,
    }
}

fn key(name: &ProtectionName) -> Item {
    HashMap::from([
        (PROTECTION.to_owned(), AttributeValue::S(name.as_str().to_owned())),
        (ENTRY.to_owned(), AttributeValue::S(STATE.to_owned())),
    ])
}

/// Owner and lifecycle are repeated beside the document for people who look at the table.
fn item(row: &Row) -> Result<Item, Fault> {
    let document = serde_json::to_string(row)
        .map_err(|error| Fault::new(FaultKind::Refused, PUT, one_line(&error.to_string())))?;
    let lifecycle = match row.lifecycle {
        Lifecycle::Creating => "creating",
        Lifecycle::Active => "active",
        Lifecycle::Updating => "updating",
        Lifecycle::Deleting => "deleting",
    };
    Ok(HashMap::from([
        (DOCUMENT.to_owned(), AttributeValue::S(document)),
        ("owner".to_owned(), AttributeValue::S(row.owner.as_str().to_owned())),
        (LIFECYCLE.to_owned(), AttributeValue::S(lifecycle.to_owned())),
    ]))
}

fn parse(operation: &'static str, item: &Item) -> Result<Versioned, Fault> {
    let (row, version): (Row, u64) = read(operation, item, DOCUMENT)?;
    if Some(row.name.as_str()) != text(item, PROTECTION) {
        return Err(malformed(operation, item, "holds another protection's document"));
    }
    Ok(Versioned { row, version })
}

fn buried(item: &Item) -> Result<Buried, Fault> {
    let (tombstones, version) = read(GET, item, TOMBSTONES)?;
    Ok(Buried { tombstones, version })
}

/// The version of an item, and what one of its attributes holds as JSON.
fn read<T: DeserializeOwned>(operation: &'static str, item: &Item, attribute: &str) -> Result<(T, u64), Fault> {
    let version = item.get(VERSION).and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok());
    let version = version.ok_or_else(|| malformed(operation, item, "has no version"))?;
    let document = text(item, attribute).ok_or_else(|| malformed(operation, item, "has no document"))?;
    // Only the place is told: a parser's message may quote a value.
    let value = serde_json::from_str(document).map_err(|error| {
        let why = format!("does not parse (line {}, column {})", error.line(), error.column());
        malformed(operation, item, &why)
    })?;
    Ok((value, version))
}

/// Tells one content of an item from another; it holds nothing of it.
fn digest(item: &Item) -> String {
    let mut hasher = DefaultHasher::new();
    for attribute in [VERSION, DOCUMENT, WRITE] {
        // A value of a type that is not expected differs from the expected one, and that is all it has to do.
        let value = item.get(attribute).map(|value| value.as_s().or_else(|_| value.as_n()).map(String::as_str));
        value.map(|value| value.unwrap_or("?")).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

fn text<'i>(item: &'i Item, attribute: &str) -> Option<&'i str> {
    item.get(attribute).and_then(|value| value.as_s().ok()).map(String::as_str)
}

fn malformed(operation: &'static str, item: &Item, why: &str) -> Fault {
    let name = text(item, PROTECTION).unwrap_or("(without a name)");
    let detail = format!(
        "the ledger's row of protection {name} {why}; it was written by another version or by hand, so restore it from the \
         table's point-in-time recovery"
    );
    Fault::new(FaultKind::Malformed, operation, one_line(&detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    use crate::wire::{Received, Reply, Server};
    use serde_json::json;

    fn row() -> Row {
        serde_json::from_value(json!({
            "name": "www", "owner": "0123456789ab", "stack_id": "stack", "logical_id": "Protection",
            "lifecycle": "active", "made": {},
            "spec": {
                "name": "www", "distribution": "E2EXAMPLE", "failover_record": "cq.example.com",
                "inspection": "inspection.example.net", "application": "app.example.com", "dns": {"kind": "external"},
                "traffic": ["*"], "record_ttl": 30, "origin_port": 443,
                "health_check": {"kind": "adopted", "id": "1111"}, "secondary_health_check": null,
                "alarm_evaluation_periods": 1, "priority": 100, "additional_alarms": [],
                "automation": {
                    "edge_fail_open": "notify", "fail_back": "automatic", "hold_down_seconds": 900,
                    "minimum_dwell_seconds": 300, "maximum_flips_per_day": 6
                },
                "application_check": {"kind": "none"}, "preflight": "enforce"
            }
        }))
        .expect("the ledger's own shape")
    }

    fn stored(version: u64) -> Item {
        let mut item = item(&row()).expect("serialises");
        item.extend(key(&row().name));
        item.insert(VERSION.to_owned(), AttributeValue::N(version.to_string()));
        item
    }

    #[test]
    fn a_row_comes_back_as_it_was_written() {
        let item = stored(7);
        assert_eq!(item["lifecycle"].as_s().map(String::as_str), Ok("active"));
        assert_eq!(parse(GET, &item), Ok(Versioned { row: row(), version: 7 }));
    }

    #[test]
    fn a_row_that_does_not_parse_is_named_and_its_values_are_not() {
        let mut item = stored(7);
        item.insert(DOCUMENT.to_owned(), AttributeValue::S(r#"{"name": 5, "owner": "confidential"}"#.to_owned()));
        let fault = parse(SCAN, &item).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Malformed);
        assert!(fault.detail.contains("protection www"), "{fault}");
        assert!(!fault.detail.contains("confidential"), "{fault}");
    }

    #[test]
    fn a_row_under_another_name_is_malformed() {
        let mut item = stored(7);
        item.insert(PROTECTION.to_owned(), AttributeValue::S("api".to_owned()));
        assert_eq!(parse(GET, &item).map_err(|fault| fault.kind), Err(FaultKind::Malformed));
    }

    async fn ledger(server: &Server) -> Ledger {
        Ledger::new(Client::new(&server.sdk().await), Some("ledger".to_owned()))
    }

    fn refusal(code: &str, item: serde_json::Value) -> Reply {
        let body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "no", "Item": item});
        Reply::new(400, body.to_string())
    }

    fn conditional(item: serde_json::Value) -> Reply {
        refusal("ConditionalCheckFailedException", item)
    }

    fn the_row_written(request: &Received) -> serde_json::Value {
        request.json()["Item"].clone()
    }

    #[tokio::test]
    async fn the_first_write_demands_absence_and_a_later_one_the_version_read() {
        let server = Server::start(|_, _| Reply::new(200, "{}"));
        assert_eq!(ledger(&server).await.put(&row(), None).await, Ok(1));
        assert_eq!(ledger(&server).await.put(&row(), Some(7)).await, Ok(8));
        let requests: Vec<_> = server.requests().iter().map(Received::json).collect();
        assert_eq!(requests[0]["ConditionExpression"], "attribute_not_exists(#protection)");
        assert_eq!(requests[0]["Item"]["version"], json!({"N": "1"}));
        assert_eq!(requests[0]["Item"]["entry"], json!({"S": "state"}));
        assert_eq!(requests[1]["ConditionExpression"], "#version = :expected");
        assert_eq!(requests[1]["ExpressionAttributeValues"], json!({":expected": {"N": "7"}}));
    }

    #[tokio::test]
    async fn a_row_written_by_another_is_stale() {
        let other = json!({"version": {"N": "8"}, "write": {"S": "another's"}});
        let server = Server::start(move |_, _| conditional(other.clone()));
        assert_eq!(ledger(&server).await.put(&row(), Some(7)).await.map_err(|fault| fault.kind), Err(FaultKind::Stale));
    }

    #[tokio::test]
    async fn a_retry_that_meets_its_own_write_has_succeeded() {
        let applied = std::sync::Mutex::new(serde_json::Value::Null);
        let server = Server::start(move |request, before| {
            let mut applied = applied.lock().expect("not poisoned");
            if before == 0 {
                *applied = the_row_written(request);
                return Reply::new(500, r#"{"__type": "InternalServerError"}"#);
            }
            conditional(applied.clone())
        });
        assert_eq!(ledger(&server).await.put(&row(), Some(7)).await, Ok(8));
        assert_eq!(server.requests().len(), 2);
    }

    #[tokio::test]
    async fn a_burial_is_conditional_on_the_version_and_what_it_leaves_expires_and_is_no_row() {
        let noon: jiff::Timestamp = "2026-11-22T12:00:00Z".parse().expect("a timestamp");
        let tombstone = Tombstone {
            owner: "0123456789ab".into(),
            ended: vec!["request-1".to_owned()],
            sent_at: None,
            expires_at: noon,
        };
        let server = Server::start(|request, _| {
            let item = request.json()["Item"].clone();
            Reply::new(200, if item.is_null() { json!({"Item": buried_item()}) } else { json!({}) }.to_string())
        });
        let ledger = ledger(&server).await;
        assert_eq!(ledger.bury(&"www".into(), std::slice::from_ref(&tombstone), Some(7)).await, Ok(()));
        let request = server.requests()[0].json();
        assert_eq!(request["ConditionExpression"], "#version = :expected");
        assert_eq!(request["Item"]["expires_at"], json!({"N": "1795348800"}));
        assert_eq!(request["Item"]["version"], json!({"N": "8"}));
        assert!(request["Item"]["document"].is_null());
        let buried = Buried { tombstones: vec![tombstone], version: 8 };
        assert_eq!(ledger.slot(&"www".into()).await, Ok(Slot::Buried(buried)));
    }

    fn buried_item() -> serde_json::Value {
        let tombstones =
            r#"[{"owner":"0123456789ab","ended":["request-1"],"sent_at":null,"expires_at":"2026-11-22T12:00:00Z"}]"#;
        json!({"protection": {"S": "www"}, "entry": {"S": "state"}, "version": {"N": "8"}, "tombstones": {"S": tombstones}})
    }

    #[tokio::test]
    async fn reads_are_consistent_and_a_missing_table_is_not_an_empty_ledger() {
        let server = Server::start(|_, _| Reply::new(200, "{}"));
        assert_eq!(ledger(&server).await.slot(&"www".into()).await, Ok(Slot::Free));
        assert_eq!(server.requests()[0].json()["ConsistentRead"], true);

        let server = Server::start(|_, _| refusal("ResourceNotFoundException", serde_json::Value::Null));
        for fault in [
            ledger(&server).await.rows().await.unwrap_err(),
            ledger(&server).await.slot(&"www".into()).await.unwrap_err(),
        ] {
            assert_eq!(fault.kind, FaultKind::NotFound);
        }
    }

    #[tokio::test]
    async fn all_pages_of_the_table_are_read() {
        let stored = |name: &str| {
            let row = Row { name: name.into(), ..row() };
            let document = serde_json::to_string(&row).expect("serialises");
            json!({"protection": {"S": name}, "entry": {"S": "state"}, "version": {"N": "3"}, "document": {"S": document}})
        };
        let (www, api) = (stored("www"), stored("api"));
        let server = Server::start(move |_, before| {
            Reply::new(200, match before {
                0 => json!({"Items": [www], "LastEvaluatedKey": {"protection": {"S": "www"}, "entry": {"S": "state"}}}),
                _ => json!({"Items": [api]}),
            }.to_string())
        });
        let rows = ledger(&server).await.rows().await.expect("readable");
        assert_eq!(rows.unreadable, []);
        let rows = rows.readable;
        let names: Vec<_> = rows.iter().map(|found| (found.row.name.as_str(), found.version)).collect();
        assert_eq!(names, [("api", 3), ("www", 3)]);
        assert_eq!(server.requests()[0].json()["ConsistentRead"], true);
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_understood_is_named_beside_the_others_and_told_of_once() {
        let item = |name: &str, document: &str| json!({"protection": {"S": name}, "entry": {"S": "state"}, "version": {"N": "3"}, "document": {"S": document}});
        let whole = item("www", &serde_json::to_string(&row()).expect("serialises"));
        let broken = item("api", r#"{"name": "confidential"}"#);
        let told = Arc::new(Mutex::new(serde_json::Value::Null));
        let memory = Arc::clone(&told);
        let server = Server::start(move |request, _| {
            let request = request.json();
            let mut told = memory.lock().expect("not poisoned");
            if request["Item"].is_object() {
                *told = request["Item"].clone();
                return Reply::new(200, "{}");
            }
            let items: Vec<_> =
                [whole.clone(), broken.clone(), told.clone()].into_iter().filter(|i| i.is_object()).collect();
            Reply::new(200, json!({"Items": items}).to_string())
        });
        let ledger = ledger(&server).await;
        let first = ledger.rows().await.expect("readable");
        assert_eq!(first.names(), [&"api".into(), &"www".into()] as [&ProtectionName; 2]);
        let [unreadable] = first.unreadable.as_slice() else { panic!("{first:?}") };
        assert_eq!((unreadable.name.as_str(), unreadable.told), ("api", false));
        assert!(!format!("{unreadable:?}").contains("confidential"));
        ledger.note_told(unreadable).await.expect("noted");
        let written = told.lock().expect("not poisoned").clone();
        assert_eq!(written["entry"], json!({"S": "told"}), "the row itself is not touched");
        let second = ledger.rows().await.expect("readable");
        assert_eq!(second.readable, first.readable);
        assert!(second.unreadable[0].told);
    }
}
