//! The ledger table: rows as JSON text, as DynamoDB would keep them, and conditional writes.

use std::collections::BTreeMap;

use failopen::id::ProtectionName;
use failopen::ledger::{Row, Versioned};
use failopen::port::FaultKind;

use crate::refusal::Refusal;

/// All rows. They are kept as text, so that what a row cannot carry through its JSON is lost here as it would be there.
#[derive(Debug, Default)]
pub struct Ledger {
    items: BTreeMap<ProtectionName, Item>,
}

#[derive(Debug)]
struct Item {
    document: String,
    version: u64,
}

impl Ledger {
    /// A put on condition of absence or of the version that was read; a lost condition is
    /// `ConditionalCheckFailedException` (DynamoDB API reference, PutItem).
    pub(crate) fn put(&mut self, row: &Row, expected: Option<u64>) -> Result<u64, Refusal> {
        let current = self.items.get(&row.name).map(|item| item.version);
        if current != expected {
            return Err(Refusal::new(
                FaultKind::Stale,
                format!("ConditionalCheckFailedException: {} is at {current:?}, not {expected:?}", row.name),
            ));
        }
        Ok(self.write(row))
    }

    pub(crate) fn delete(&mut self, name: &ProtectionName, expected: u64) -> Result<(), Refusal> {
        if self.items.get(name).map(|item| item.version) != Some(expected) {
            return Err(Refusal::new(FaultKind::Stale, format!("ConditionalCheckFailedException: {name}")));
        }
        self.items.remove(name);
        Ok(())
    }

    pub fn get(&self, name: &ProtectionName) -> Option<Versioned> {
        self.items.get(name).map(Item::read)
    }

    pub fn all(&self) -> Vec<Versioned> {
        self.items.values().map(Item::read).collect()
    }

    /// Writes without a condition: the world before the test, or a second writer.
    pub fn write(&mut self, row: &Row) -> u64 {
        let version = self.items.get(&row.name).map_or(1, |item| item.version + 1);
        let document = serde_json::to_string(row).expect("a row is plain data");
        self.items.insert(row.name.clone(), Item { document, version });
        version
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

impl Item {
    fn read(&self) -> Versioned {
        let row = serde_json::from_str(&self.document).expect("a row that was written can be read");
        Versioned { row, version: self.version }
    }
}
