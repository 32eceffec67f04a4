//! Why the fake said no, before it is known which call it was.

use failopen::port::FaultKind;

/// What a service answers instead of doing what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: FaultKind,
    /// The service's error code and message.
    pub detail: String,
}

impl Refusal {
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    pub fn refused(detail: impl Into<String>) -> Self {
        Self::new(FaultKind::Refused, detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(FaultKind::NotFound, detail)
    }
}
