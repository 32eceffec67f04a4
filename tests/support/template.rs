//! The templates as data, for tests that hold them against the public interface and the code.

use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value, json};

/// template.yaml.
pub fn template() -> Value {
    load("template.yaml")
}

/// A template with every short form (`!Ref`) spelled out (`{"Ref": …}`).
pub fn load(path: &str) -> Value {
    let text = std::fs::read_to_string(repository().join(path)).expect("the template is there");
    let mut events = Parser::new_from_str(&text)
        .map(|event| event.expect("the template is YAML").0)
        .filter(|event| !matches!(event, Event::Nothing | Event::StreamStart | Event::DocumentStart(_)));
    let first = events.next().expect("the template is not empty");
    node(first, &mut events)
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A map of the template.
pub fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("not a map: {value}"))
}

/// A scalar as CloudFormation hands it over: as text.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The node that begins with this event.
fn node<'a>(event: Event<'a>, events: &mut impl Iterator<Item = Event<'a>>) -> Value {
    match event {
        Event::Scalar(text, style, _, tag) => spelled_out(tag.as_deref(), scalar(&text, style)),
        Event::SequenceStart(_, tag) => {
            let mut items = Vec::new();
            while let Some(event) = events.next().filter(|event| *event != Event::SequenceEnd) {
                items.push(node(event, events));
            }
            spelled_out(tag.as_deref(), items.into())
        }
        Event::MappingStart(_, tag) => {
            let mut entries = Map::new();
            while let Some(event) = events.next().filter(|event| *event != Event::MappingEnd) {
                let key = plain(&node(event, events));
                let value = events.next().map(|event| node(event, events)).expect("a key has a value");
                assert!(entries.insert(key.clone(), value).is_none(), "{key} is there twice");
            }
            spelled_out(tag.as_deref(), entries.into())
        }
        other => panic!("CloudFormation does not take {other:?}"),
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match text {
        "" | "null" | "~" if style == ScalarStyle::Plain => Value::Null,
        "true" | "false" if style == ScalarStyle::Plain => json!(text == "true"),
        _ => match text.parse::<i64>() {
            Ok(number) if style == ScalarStyle::Plain => json!(number),
            Ok(_) | Err(_) => json!(text),
        },
    }
}

fn spelled_out(tag: Option<&Tag>, argument: Value) -> Value {
    let Some(tag) = tag else { return argument };
    match (tag.suffix.as_str(), argument) {
        (name @ ("Ref" | "Condition"), argument) => json!({ name: argument }),
        ("GetAtt", Value::String(text)) => json!({"Fn::GetAtt": text.splitn(2, '.').collect::<Vec<_>>()}),
        (name, argument) => json!({ format!("Fn::{name}"): argument }),
    }
}
