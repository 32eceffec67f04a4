//! Scenarios as people write them: plain commands in a file, a line each.
//!
//! [`file`] takes a file apart, [`words`] and the two grammars turn a line into a [`Command`], [`plausibility`] refuses what
//! can never come true, and [`library`] knows all the files. Nothing here plays anything. People read `docs/scenarios.md`.

mod command;
mod command_grammar;
mod expectation_grammar;
mod file;
mod forms;
mod library;
mod plausibility;
mod spelling;
mod words;

pub(crate) use command::*;
pub(crate) use library::{Library, list};
