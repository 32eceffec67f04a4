//! The ledger: one DynamoDB item a protection, written only on condition of the version that was read.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use failopen::id::ProtectionName;
use failopen::ledger::{Lifecycle, Row, Versioned};
use failopen::port::{Fault, FaultKind};

use crate::fault::{fault, one_line};

const SCAN: &str = "Scan";
const GET: &str = "GetItem";
const PUT: &str = "PutItem";
const DELETE: &str = "DeleteItem";

/// Partition key: the protection's name.
const PROTECTION: &str = "protection";
/// Sort key; the row itself is the entry [`STATE`].
const ENTRY: &str = "entry";
const STATE: &str = "state";
/// Counts writes, from 1.
const VERSION: &str = "version";
/// JSON of [`Row`].
const DOCUMENT: &str = "document";
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

    pub(crate) async fn rows(&self) -> Result<Vec<Versioned>, Fault> {
        let mut pages = self
            .client
            .scan()
            .table_name(self.table(SCAN)?)
            .consistent_read(true)
            .filter_expression("#entry = :state")
            .expression_attribute_names("#entry", ENTRY)
            .expression_attribute_values(":state", AttributeValue::S(STATE.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut rows = Vec::new();
        while let Some(item) = pages.next().await {
            rows.push(parse(SCAN, &item.map_err(|error| fault(SCAN, error))?)?);
        }
        rows.sort_by(|one, other| one.row.name.cmp(&other.row.name));
        Ok(rows)
    }

    pub(crate) async fn row(&self, name: &ProtectionName) -> Result<Option<Versioned>, Fault> {
        let output = self
            .client
            .get_item()
            .table_name(self.table(GET)?)
            .set_key(Some(key(name)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| fault(GET, error))?;
        output.item.map(|item| parse(GET, &item)).transpose()
    }

    pub(crate) async fn put(&self, row: &Row, expected: Option<u64>) -> Result<u64, Fault> {
        let version = expected.unwrap_or_default() + 1;
        let write = format!("{:032x}", fastrand::u128(..));
        let request = self
            .client
            .put_item()
            .table_name(self.table(PUT)?)
            .set_item(Some(item(row, version, &write)?))
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
            Err(error) => Err(fault(PUT, error)),
        }
    }

    /// Deleting what is gone succeeds: a retry whose first answer was lost finds nothing.
    pub(crate) async fn delete(&self, name: &ProtectionName, expected: u64) -> Result<(), Fault> {
        self.client
            .delete_item()
            .table_name(self.table(DELETE)?)
            .set_key(Some(key(name)))
            .condition_expression("attribute_not_exists(#protection) OR #version = :expected")
            .expression_attribute_names("#protection", PROTECTION)
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_values(":expected", AttributeValue::N(expected.to_string()))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| fault(DELETE, error))
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
fn item(row: &Row, version: u64, write: &str) -> Result<Item, Fault> {
    let document = serde_json::to_string(row)
        .map_err(|error| Fault::new(FaultKind::Refused, PUT, one_line(&error.to_string())))?;
    let lifecycle = match row.lifecycle {
        Lifecycle::Creating => "creating",
        Lifecycle::Active => "active",
        Lifecycle::Updating => "updating",
        Lifecycle::Deleting => "deleting",
    };
    let mut item = key(&row.name);
    item.insert(VERSION.to_owned(), AttributeValue::N(version.to_string()));
    item.insert(DOCUMENT.to_owned(), AttributeValue::S(document));
    item.insert(WRITE.to_owned(), AttributeValue::S(write.to_owned()));
    item.insert("owner".to_owned(), AttributeValue::S(row.owner.as_str().to_owned()));
    item.insert("lifecycle".to_owned(), AttributeValue::S(lifecycle.to_owned()));
    Ok(item)
}

fn parse(operation: &'static str, item: &Item) -> Result<Versioned, Fault> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str);
    let name = text(PROTECTION).unwrap_or("(without a name)");
    let malformed = |why: &str| {
        let detail = format!(
            "the ledger's row of protection {name} {why}; it was written by another version or by hand, so restore it \
             from the table's point-in-time recovery"
        );
        Fault::new(FaultKind::Malformed, operation, one_line(&detail))
    };
    let version = item.get(VERSION).and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok());
    let version = version.ok_or_else(|| malformed("has no version"))?;
    let document = text(DOCUMENT).ok_or_else(|| malformed("has no document"))?;
    // Only the place is told: a parser's message may quote a value.
    let row: Row = serde_json::from_str(document)
        .map_err(|error| malformed(&format!("does not parse (line {}, column {})", error.line(), error.column())))?;
    if row.name.as_str() != name {
        return Err(malformed("holds another protection's document"));
    }
    Ok(Versioned { row, version })
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn a_row_comes_back_as_it_was_written() {
        let item = item(&row(), 7, "mark").expect("serialises");
        assert_eq!(item["lifecycle"].as_s().map(String::as_str), Ok("active"));
        assert_eq!(parse(GET, &item), Ok(Versioned { row: row(), version: 7 }));
    }

    #[test]
    fn a_row_that_does_not_parse_is_named_and_its_values_are_not() {
        let mut item = item(&row(), 7, "mark").expect("serialises");
        item.insert(DOCUMENT.to_owned(), AttributeValue::S(r#"{"name": 5, "owner": "confidential"}"#.to_owned()));
        let fault = parse(SCAN, &item).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Malformed);
        assert!(fault.detail.contains("protection www"), "{fault}");
        assert!(!fault.detail.contains("confidential"), "{fault}");
    }

    #[test]
    fn a_row_under_another_name_is_malformed() {
        let mut item = item(&row(), 7, "mark").expect("serialises");
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
    async fn a_deletion_is_conditional_on_the_version_and_absence_is_success() {
        let server = Server::start(|_, _| Reply::new(200, "{}"));
        assert_eq!(ledger(&server).await.delete(&"www".into(), 7).await, Ok(()));
        let request = server.requests()[0].json();
        assert_eq!(request["ConditionExpression"], "attribute_not_exists(#protection) OR #version = :expected");
        let server = Server::start(|_, _| conditional(serde_json::Value::Null));
        let deleted = ledger(&server).await.delete(&"www".into(), 7).await;
        assert_eq!(deleted.map_err(|fault| fault.kind), Err(FaultKind::Stale));
    }

    #[tokio::test]
    async fn reads_are_consistent_and_a_missing_table_is_not_an_empty_ledger() {
        let server = Server::start(|_, _| Reply::new(200, "{}"));
        assert_eq!(ledger(&server).await.row(&"www".into()).await, Ok(None));
        assert_eq!(server.requests()[0].json()["ConsistentRead"], true);

        let server = Server::start(|_, _| refusal("ResourceNotFoundException", serde_json::Value::Null));
        for fault in [
            ledger(&server).await.rows().await.unwrap_err(),
            ledger(&server).await.row(&"www".into()).await.unwrap_err(),
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
        let names: Vec<_> = rows.iter().map(|found| (found.row.name.as_str(), found.version)).collect();
        assert_eq!(names, [("api", 3), ("www", 3)]);
        assert_eq!(server.requests()[0].json()["ConsistentRead"], true);
    }
}
