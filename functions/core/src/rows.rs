//! The ledger as one reading found it: a row that cannot be read takes down nobody but its own protection.

use crate::id::ProtectionName;
use crate::ledger::Versioned;
use crate::port::Fault;

/// All rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Sorted by name.
    pub readable: Vec<Versioned>,
    /// Sorted by name. Whoever asks which names are taken has to count these.
    pub unreadable: Vec<UnreadableRow>,
}

/// A row that is there and cannot be understood: another version wrote it, or a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRow {
    pub name: ProtectionName,
    /// What is wrong, without a word of what the row holds.
    pub fault: Fault,
    /// A digest of what is there. No function writes over such a row, so as long as this stays the same it is one episode.
    pub digest: String,
    /// Whether people were told of it as it is now.
    pub told: bool,
}

impl Rows {
    /// All names that are taken, sorted.
    pub fn names(&self) -> Vec<&ProtectionName> {
        let readable = self.readable.iter().map(|versioned| &versioned.row.name);
        let mut names: Vec<_> = readable.chain(self.unreadable.iter().map(|row| &row.name)).collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::FaultKind;
    use crate::sample;

    #[test]
    fn a_row_that_cannot_be_understood_still_takes_its_name() {
        let fault = Fault::new(FaultKind::Malformed, "Scan", "field `spec` is missing");
        let unreadable = UnreadableRow { name: "api".into(), fault, digest: "0".to_owned(), told: false };
        let readable = Versioned { row: sample::row(), version: 1 };
        let rows = Rows { readable: vec![readable], unreadable: vec![unreadable] };
        assert_eq!(rows.names(), [&ProtectionName::new("api"), &ProtectionName::new("www")]);
    }
}
