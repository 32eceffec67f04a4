//! Reads one map of properties and collects what is wrong with it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Problem;
use super::syntax::Wrong;
use crate::quote::{nearest, quoted};

pub(super) struct Reader<'a> {
    /// What has these properties, as messages name it.
    whose: &'static str,
    prefix: &'static str,
    map: &'a Map<String, Value>,
    known: &'static [&'static str],
    problems: Vec<Problem>,
}

/// A property as typed: absent, one text, or something that is no text.
enum Typed<'a> {
    Absent,
    Text(String),
    Other(&'a Value),
}

impl<'a> Reader<'a> {
    /// Reads the properties of the resource itself; those outside `known` are problems.
    pub(super) fn of_resource(map: &'a Map<String, Value>, known: &'static [&'static str]) -> Self {
        Self { whose: "Custom::FailOpenProtection", prefix: "", map, known, problems: Vec::new() }
    }

    /// Reads those of one of its properties; `prefix` is that property's name and a dot.
    pub(super) fn of_property(
        whose: &'static str,
        prefix: &'static str,
        map: &'a Map<String, Value>,
        known: &'static [&'static str],
    ) -> Self {
        Self { whose, prefix, map, known, problems: Vec::new() }
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
        self.problems.extend(nested.finish());
    }

    /// All problems. Those that are no properties at all come last: whoever has room for a few reads what matters more first.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.unknown();
        self.problems
    }

    fn unknown(&mut self) {
        let known = self.known;
        let unknown = self.map.keys().filter(|name| !known.contains(&name.as_str()));
        let meant: Vec<(&String, Option<&str>)> = unknown.map(|name| (name, nearest(name, known))).collect();
        // The names are many, so they are listed once.
        let last = meant.iter().rposition(|(_, meant)| meant.is_none());
        for (at, (name, meant)) in meant.into_iter().enumerate() {
            let example = match meant {
                Some(meant) => format!("{}{meant}", self.prefix),
                None if Some(at) == last => format!("one of {}", known.join(", ")),
                None => "leaving it out".to_owned(),
            };
            self.report(&quoted(name), format!("is not a property of {}", self.whose), &example);
        }
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
        self.value(name, parse, quoted)
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
                self.report(name, format!("is {}: it must be one text", kind(value)), &example_of(parse));
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
                for item in items.iter().filter(|item| text_of(item).is_none()) {
                    let fault = format!("holds {}: every item must be a text", kind(item));
                    self.report(name, fault, &example_of(&parse));
                }
                items.iter().filter_map(text_of).collect()
            }
            _ => match self.typed(name) {
                Typed::Absent => Vec::new(),
                Typed::Text(text) => text.split(',').map(str::to_owned).collect(),
                Typed::Other(value) => {
                    let fault = format!("is {}: it must be a list of texts", kind(value));
                    self.report(name, fault, &format!("[\"{}\"]", example_of(&parse)));
                    Vec::new()
                }
            },
        };
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        let mut items = Vec::new();
        for text in texts.iter().map(|text| text.trim()) {
            match parse(text) {
                Ok(item) => match seen.insert(key(&item), text) {
                    None => items.push(item),
                    Some(same) if same == text => {
                        self.report(name, format!("names {} twice", quoted(text)), "each one once");
                    }
                    Some(same) => {
                        let fault = format!("names one thing twice, as {} and as {}", quoted(same), quoted(text));
                        self.report(name, fault, "each one once");
                    }
                },
                Err(wrong) if text.is_empty() => {
                    self.report(name, format!("holds an empty item: {}", wrong.rule), &wrong.example);
                }
                Err(wrong) => self.report(name, format!("holds {}: {}", quoted(text), wrong.rule), &wrong.example),
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

/// The example that a form gives for what can be no value of it.
fn example_of<T>(parse: impl FnOnce(&str) -> Result<T, Wrong>) -> String {
    parse("\0").err().map_or_else(|| "a plain string".to_owned(), |wrong| wrong.example)
}
