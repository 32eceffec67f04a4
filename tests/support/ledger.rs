//! The ledger table: rows as JSON text, as DynamoDB would keep them, and conditional writes.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use failopen::id::ProtectionName;
use failopen::ledger::{Row, Versioned};
use failopen::port::{Fault, FaultKind};
use failopen::rows::{Rows, UnreadableRow};
use failopen::tombstone::{Buried, Slot, Tombstone};

use crate::refusal::Refusal;

/// All rows. They are kept as text, so that what a row cannot carry through its JSON is lost here as it would be there.
///
/// DynamoDB removes an item some time after its TTL, "within a few days" (DynamoDB developer guide, TTL); here tombstones
/// stay, the longest that they may.
#[derive(Debug, Default)]
pub struct Ledger {
    items: BTreeMap<ProtectionName, Item>,
    /// Of which content of an unreadable row people were told.
    told: BTreeMap<ProtectionName, String>,
}

#[derive(Debug)]
struct Item {
    document: Document,
    version: u64,
}

#[derive(Debug)]
enum Document {
    /// The text, and what it says: it is read much oftener than written.
    Row(String, OnceCell<Box<Row>>),
    Tombstones(String),
}

impl Ledger {
    /// A put on condition of absence or of the version that was read; a lost condition is
    /// `ConditionalCheckFailedException` (DynamoDB API reference, PutItem).
    pub(crate) fn put(&mut self, row: &Row, expected: Option<u64>) -> Result<u64, Refusal> {
        self.check(&row.name, expected)?;
        Ok(self.write(row))
    }

    pub(crate) fn bury(
        &mut self,
        name: &ProtectionName,
        tombstones: &[Tombstone],
        expected: Option<u64>,
    ) -> Result<(), Refusal> {
        self.check(name, expected)?;
        self.replace(name, Document::Tombstones(serde_json::to_string(tombstones).expect("plain data")));
        Ok(())
    }

    fn check(&self, name: &ProtectionName, expected: Option<u64>) -> Result<(), Refusal> {
        let current = self.items.get(name).map(|item| item.version);
        if current == expected {
            return Ok(());
        }
        let detail = format!("ConditionalCheckFailedException: {name} is at {current:?}, not {expected:?}");
        Err(Refusal::new(FaultKind::Stale, detail))
    }

    fn replace(&mut self, name: &ProtectionName, document: Document) -> u64 {
        let version = self.items.get(name).map_or(1, |item| item.version + 1);
        self.items.insert(name.clone(), Item { document, version });
        version
    }

    pub(crate) fn slot(&self, name: &ProtectionName) -> Result<Slot, Refusal> {
        self.items.get(name).map_or(Ok(Slot::Free), |item| item.read(name))
    }

    pub(crate) fn rows(&self) -> Rows {
        let mut rows = Rows::default();
        for (name, item) in &self.items {
            match item.read(name) {
                Ok(Slot::Taken(found)) => rows.readable.push(found),
                Ok(Slot::Free | Slot::Buried(_)) => {}
                Err(refusal) => {
                    let digest = format!("version {}", item.version);
                    let told = self.told.get(name) == Some(&digest);
                    let fault = Fault::new(refusal.kind, "Scan", refusal.detail);
                    rows.unreadable.push(UnreadableRow { name: name.clone(), fault, digest, told });
                }
            }
        }
        rows
    }

    pub(crate) fn note_told(&mut self, row: &UnreadableRow) {
        self.told.insert(row.name.clone(), row.digest.clone());
    }

    /// Another version of the functions, or a person, writes what this one cannot read.
    pub fn garble(&mut self, name: &ProtectionName) {
        self.replace(name, Document::of_row("{\"name\": 5}".to_owned()));
    }

    pub fn get(&self, name: &ProtectionName) -> Option<Versioned> {
        match self.slot(name).expect("a row can be read") {
            Slot::Taken(found) => Some(found),
            Slot::Free | Slot::Buried(_) => None,
        }
    }

    pub fn all(&self) -> Vec<Versioned> {
        self.items.keys().filter_map(|name| self.get(name)).collect()
    }

    /// Writes without a condition: the world before the test, or a second writer.
    pub fn write(&mut self, row: &Row) -> u64 {
        self.replace(&row.name, Document::of_row(serde_json::to_string(row).expect("a row is plain data")))
    }

    /// Somebody removes a row.
    pub fn remove(&mut self, name: &ProtectionName) {
        self.items.remove(name);
    }

    /// Changes a row behind everybody's back.
    pub fn edit(&mut self, name: &ProtectionName, edit: impl FnOnce(&mut Row)) {
        let mut row = self.get(name).expect("the test names a row that it wrote").row;
        edit(&mut row);
        self.write(&row);
    }
}

impl Document {
    fn of_row(text: String) -> Self {
        Self::Row(text, OnceCell::new())
    }
}

impl Item {
    fn read(&self, name: &ProtectionName) -> Result<Slot, Refusal> {
        let version = self.version;
        let unreadable =
            |_| Refusal::new(FaultKind::Malformed, format!("the ledger's row of protection {name} does not parse"));
        match &self.document {
            Document::Row(text, read) => {
                let row = match read.get() {
                    Some(row) => Row::clone(row),
                    None => {
                        let row = serde_json::from_str(text).map_err(unreadable)?;
                        Row::clone(read.get_or_init(|| Box::new(row)))
                    }
                };
                Ok(Slot::Taken(Versioned { row, version }))
            }
            Document::Tombstones(text) => {
                let tombstones = serde_json::from_str(text).map_err(unreadable)?;
                Ok(Slot::Buried(Buried { tombstones, version }))
            }
        }
    }
}
