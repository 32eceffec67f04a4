//! Documents of JSON and CBOR.

use anyhow::Result;
use ciborium::Value as Cbor;
use serde_json::Value as Json;

use super::model::{Kind, Model};
use super::node::Node;

/// A JSON document; `None` where it is none.
pub(crate) fn json(body: &[u8]) -> Option<Node> {
    serde_json::from_slice(body).ok().map(of_json)
}

fn of_json(value: Json) -> Node {
    match value {
        Json::Null => Node::Null,
        Json::Bool(value) => Node::Boolean(value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Node::Integer(whole.into()),
            None => Node::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Node::Text(text),
        Json::Array(items) => Node::List(items.into_iter().map(of_json).collect()),
        Json::Object(fields) => Node::Fields(fields.into_iter().map(|(name, value)| (name, of_json(value))).collect()),
    }
}

/// A CBOR document; `None` where it is none, or something comes after it.
pub(crate) fn cbor(body: &[u8]) -> Option<Node> {
    let mut rest = body;
    let value: Cbor = ciborium::from_reader(&mut rest).ok()?;
    if rest.is_empty() { of_cbor(value) } else { None }
}

fn of_cbor(value: Cbor) -> Option<Node> {
    Some(match value {
        Cbor::Null => Node::Null,
        Cbor::Bool(value) => Node::Boolean(value),
        Cbor::Integer(number) => Node::Integer(number.into()),
        Cbor::Float(number) => Node::Float(number),
        Cbor::Text(text) => Node::Text(text),
        Cbor::Bytes(bytes) => Node::Blob(bytes.len()),
        Cbor::Array(items) => Node::List(items.into_iter().map(of_cbor).collect::<Option<_>>()?),
        Cbor::Map(entries) => {
            let field = |(name, value): (Cbor, Cbor)| Some((name.into_text().ok()?, of_cbor(value)?));
            Node::Fields(entries.into_iter().map(field).collect::<Option<_>>()?)
        }
        // Tag 1 is the only form of time that the protocol knows.
        Cbor::Tag(1, inner) if matches!(*inner, Cbor::Integer(_) | Cbor::Float(_)) => Node::Timestamp,
        _ => return None,
    })
}

/// The same document with the model's names of members, where the wire has others.
///
/// # Errors
/// A broken model.
pub(crate) fn by_the_models_names(model: &Model, shape: &str, node: Node) -> Result<Node> {
    let shape = model.shape(shape)?;
    Ok(match (shape.kind, node) {
        (Kind::Structure, Node::Fields(fields)) => {
            let mut renamed = Vec::new();
            for (name, node) in fields {
                let member = shape.members.iter().find(|(known, member)| member.wire_name(known) == name);
                renamed.push(match member {
                    Some((known, member)) => (known.clone(), by_the_models_names(model, &member.shape, node)?),
                    None => (name, node),
                });
            }
            Node::Fields(renamed)
        }
        (Kind::List, Node::List(items)) => match &shape.member {
            Some(member) => {
                let items = items.into_iter().map(|item| by_the_models_names(model, &member.shape, item));
                Node::List(items.collect::<Result<_>>()?)
            }
            None => Node::List(items),
        },
        (Kind::Map, Node::Fields(fields)) => match &shape.value {
            Some(value) => {
                let fields =
                    fields.into_iter().map(|(name, node)| Ok((name, by_the_models_names(model, &value.shape, node)?)));
                Node::Fields(fields.collect::<Result<_>>()?)
            }
            None => Node::Fields(fields),
        },
        (_, node) => node,
    })
}
