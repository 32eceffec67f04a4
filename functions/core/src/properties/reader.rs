//! Reads one map of properties and collects what is wrong with it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Problem;
use super::syntax::Wrong;

/// Longest piece of a value that is repeated in a message.
const SHOWN: usize = 80;

pub(super) struct Reader<'a> {
    prefix: &'static str,
    map: &'a Map<String, Value>,
    problems: Vec<Problem>,
}

/// A property as typed: absent, one text, or something that is no text.
enum Typed<'a> {
    Absent,
    Text(String),
    Other(&'a Value),
}

impl<'a> Reader<'a> {
    /// `prefix` goes before every property's name; properties outside `known` are problems.
    pub(super) fn new(prefix: &'static str, map: &'a Map<String, Value>, known: &[&str]) -> Self {
        let mut reader = Self { prefix, map, problems: Vec::new() };
        for name in map.keys().filter(|name| !known.contains(&name.as_str())) {
            let meant = known.iter().find(|candidate| candidate.eq_ignore_ascii_case(name));
            reader.report(
                &shown(name),
                "is not a property of Custom::FailOpenProtection",
                &meant.map_or_else(|| format!("one of {}", known.join(", ")), |meant| (*meant).to_owned()),
            );
        }
        reader
    }

    pub(super) fn report(&mut self, name: &str, fault: impl Into<String>, example: &str) {
        self.problems.push(Problem {
            property: format!("{}{name}", self.prefix),
            fault: fault.into(),
            example: example.to_owned(),
        });
    }

    /// Takes over the problems of a nested map.
    pub(super) fn absorb(&mut self, nested: Reader<'_>) {
        self.problems.extend(nested.problems);
    }

    pub(super) fn finish(self) -> Vec<Problem> {
        self.problems
    }

    /// The value itself, for the properties that are maps.
    pub(super) fn raw(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name)
    }

    /// Whether the property says anything: templates pass an empty string for what is not set.
    pub(super) fn is_given(&self, name: &str) -> bool {
        !matches!(self.typed(name), Typed::Absent)
    }

    pub(super) fn required<T>(
        &mut self,
        name: &str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        if !self.is_given(name) {
            let fault = if self.map.contains_key(name) { "is empty" } else { "is missing" };
            self.report(name, format!("{fault}, and it is required"), example);
            return None;
        }
        self.optional(name, parse)
    }

    pub(super) fn optional<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        self.value(name, parse, shown)
    }

    /// Like [`Reader::optional`], for a value that no message may repeat.
    pub(super) fn optional_secret<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        self.value(name, parse, |_| "(not shown)".to_owned())
    }

    fn value<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
        show: impl FnOnce(&str) -> String,
    ) -> Option<T> {
        match self.typed(name) {
            Typed::Absent => None,
            Typed::Other(value) => {
                self.report(name, format!("is {}: it must be one text", kind(value)), "a plain string");
                None
            }
            Typed::Text(text) => match parse(&text) {
                Ok(value) => Some(value),
                Err(wrong) => {
                    self.report(name, format!("is {}: {}", show(&text), wrong.rule), &wrong.example);
                    None
                }
            },
        }
    }

    /// A list, or the same as one text with commas. Two items with the same `key` are a problem; wrong items are left out.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
        key: impl Fn(&T) -> String,
    ) -> Vec<T> {
        let texts: Vec<String> = match self.map.get(name) {
            Some(Value::Array(items)) => {
                if items.is_empty() {
                    self.report(name, "is an empty list", "leaving the property out");
                }
                if let Some(item) = items.iter().find(|item| text_of(item).is_none()) {
                    self.report(name, format!("holds {}: every item must be a text", kind(item)), "a plain string");
                }
                items.iter().filter_map(text_of).collect()
            }
            _ => match self.typed(name) {
                Typed::Absent => Vec::new(),
                Typed::Text(text) => text.split(',').map(str::to_owned).collect(),
                Typed::Other(value) => {
                    self.report(name, format!("is {}: it must be a list of texts", kind(value)), "[\"*\"]");
                    Vec::new()
                }
            },
        };
        let mut seen = BTreeSet::new();
        let mut items = Vec::new();
        for text in texts.iter().map(|text| text.trim()) {
            match parse(text) {
                Ok(item) if seen.insert(key(&item)) => items.push(item),
                Ok(_) => self.report(name, format!("names {} twice", shown(text)), "each one once"),
                Err(wrong) => self.report(name, format!("holds {}: {}", shown(text), wrong.rule), &wrong.example),
            }
        }
        items
    }

    fn typed(&self, name: &str) -> Typed<'a> {
        match self.map.get(name) {
            None | Some(Value::Null) => Typed::Absent,
            Some(value) => match text_of(value) {
                Some(text) if text.is_empty() => Typed::Absent,
                Some(text) => Typed::Text(text),
                None => Typed::Other(value),
            },
        }
    }
}

/// The one text that a value is; CloudFormation hands numbers and booleans over as texts anyway.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
        Value::Null => "null",
        Value::String(_) | Value::Number(_) | Value::Bool(_) => "one text",
    }
}

/// A value as a message shows it: quoted, without control characters, not endless.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    let more = if text.chars().count() > SHOWN { "…" } else { "" };
    format!("`{start}{more}`")
}
