//! Values that must never be printed.

use serde::{Deserialize, Serialize};

/// A value that has no `Debug`, no `Display` and no way into a log line, except through [`Secret::expose`], which is easy
/// to search for. Used for pre-signed URLs, origin custom header values and external ids.
///
/// It can be stored (`Serialize`) because an external id has to be remembered in the ledger; it is never part of an answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: for handing it to the one place that needs it, never for formatting.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> std::fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}
