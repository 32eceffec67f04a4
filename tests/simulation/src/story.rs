//! The readable story of a schedule, kept only where somebody wants to read it.

use std::cell::{Cell, RefCell};
use std::fmt::Write;

use jiff::Timestamp;

use crate::fault::Fault;

/// Lines with virtual time in front. A story that nobody wants costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Story {
    lines: Option<RefCell<String>>,
    now: Cell<Option<Timestamp>>,
    /// Faults since the last line, told with the next one.
    faults: RefCell<Vec<Fault>>,
}

impl Story {
    pub(crate) fn untold() -> Self {
        Self::default()
    }

    pub(crate) fn told() -> Self {
        Self { lines: Some(RefCell::default()), ..Self::default() }
    }

    pub(crate) fn set_now(&self, now: Timestamp) {
        if self.lines.is_some() {
            self.now.set(Some(now));
        }
    }

    pub(crate) fn note_fault(&self, fault: Fault) {
        if self.lines.is_some() {
            self.faults.borrow_mut().push(fault);
        }
    }

    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        let Some(lines) = &self.lines else { return };
        let mut lines = lines.borrow_mut();
        let time = self.now.get().map(|now| now.strftime("%H:%M:%S%.3f").to_string()).unwrap_or_default();
        let faults = std::mem::take(&mut *self.faults.borrow_mut());
        let faults: Vec<String> = faults.iter().map(|fault| format!(" [{fault}]")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{time}{} {}", faults.concat(), line());
    }

    pub(crate) fn text(&self) -> String {
        self.lines.as_ref().map(|lines| lines.borrow().clone()).unwrap_or_default()
    }
}
