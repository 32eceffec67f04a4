//! All figures of a play, from its record alone.

use serde::Serialize;

use super::agreement::{Agreement, agreement};
use super::outage::{Outage, outages};
use super::totals::Totals;
use crate::clock::Moment;
use crate::script::Layers;
use crate::timeline::Record;

/// What is worth knowing of a play. All times and durations are modelled ones.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// In their order; there may be none.
    pub(crate) outages: Vec<Outage>,
    pub(crate) totals: Totals,
    /// `status`, held against what viewers got.
    pub(crate) agreement: Agreement,
}

impl Figures {
    pub(crate) fn of(record: &Record, layers: Layers, ended: Moment) -> Self {
        let outages = outages(record, layers, ended);
        Self { totals: Totals::of(record, &outages, ended), agreement: agreement(record), outages }
    }
}
