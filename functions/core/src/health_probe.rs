//! The health path of a managed check, asked once as Route 53's checkers will ask it.
//!
//! They want a connection within 4 s and a status of 2xx or 3xx within 2 s more; with a search string, the body follows within
//! another 2 s and has the string in its first 5,120 bytes; over TCP a connection within 10 s is all. They verify no
//! certificate (Route 53 Developer Guide, "How Route 53 determines whether a health check is healthy").

use crate::id::Hostname;
use crate::spec::{CheckType, HealthCheckSpec, Spec};

/// One request of a checker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthProbe {
    pub host: Hostname,
    pub port: u16,
    pub protocol: CheckType,
    pub path: String,
    pub search_string: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthProbed {
    /// No answer in the checkers' time, or no connection: one line.
    NoAnswer { why: String },
    /// Over TCP: a connection.
    Connected,
    Answered {
        status: u16,
        /// Where the search string was wanted: whether it was in the first 5,120 bytes.
        found: Option<bool>,
    },
}

/// Bytes of an answer in which the search string has to be.
pub const SEARCHED: usize = 5_120;

impl HealthProbe {
    /// `None` for an adopted check: what it asks is its owner's business.
    pub fn of(spec: &Spec) -> Option<Self> {
        let HealthCheckSpec::Managed(check) = &spec.health_check else { return None };
        Some(Self {
            host: spec.inspection.clone(),
            port: check.port,
            protocol: check.protocol,
            path: check.path.clone(),
            search_string: check.search_string.clone(),
        })
    }
}
