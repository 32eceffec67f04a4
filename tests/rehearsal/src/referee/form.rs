//! Requests of the query protocol: one flat form, `Member.member.1.Name=value`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::model::{Kind, Model, Reference};
use super::node::{Findings, Node, Rule, join};
use super::scalar::{Wire, scalar};
use super::uri;

/// Parameters that belong to the protocol and to no input.
const OF_THE_PROTOCOL: [&str; 2] = ["Action", "Version"];

/// The fields of a form, and which of them have been read.
struct Form {
    fields: BTreeMap<String, String>,
    read: RefCell<BTreeSet<String>>,
}

impl Form {
    fn take(&self, name: &str) -> Option<&str> {
        let value = self.fields.get(name)?;
        self.read.borrow_mut().insert(name.to_owned());
        Some(value)
    }

    fn has_below(&self, prefix: &str) -> bool {
        self.fields.keys().any(|name| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.')))
    }
}

/// The value of one field of a form.
pub(crate) fn field(body: &[u8], name: &str) -> Option<String> {
    fields(body).into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
}

fn fields(body: &[u8]) -> Vec<(String, String)> {
    uri::pairs(&String::from_utf8_lossy(body))
        .into_iter()
        .map(|(name, value)| (name, value.unwrap_or_default()))
        .collect()
}

/// Reads a form as the structure that an operation takes.
///
/// # Errors
/// A broken model.
pub(crate) fn read(model: &Model, input: &Reference, body: &[u8], findings: &mut Findings) -> Result<Node> {
    let mut map = BTreeMap::new();
    for (name, value) in fields(body) {
        if map.insert(name.clone(), value).is_some() {
            findings.add(&name, Rule::Duplicate);
        }
    }
    if map.get("Version") != Some(&model.metadata.api_version) {
        findings.add("Version", Rule::Message(format!("the version is not {}", model.metadata.api_version)));
    }
    let form = Form { fields: map, read: RefCell::default() };
    let node = structure(model, &input.shape, "", "", &form, findings)?;
    let read = form.read.into_inner();
    for name in form.fields.keys().filter(|name| !read.contains(*name) && !OF_THE_PROTOCOL.contains(&name.as_str())) {
        findings.add(name, Rule::Unknown);
    }
    Ok(node)
}

fn structure(
    model: &Model,
    shape: &str,
    prefix: &str,
    path: &str,
    form: &Form,
    findings: &mut Findings,
) -> Result<Node> {
    let mut fields = Vec::new();
    for (name, member) in &model.shape(shape)?.members {
        let key = join(prefix, member.wire_name(name));
        if let Some(node) = value(model, member, &key, &join(path, name), form, findings)? {
            fields.push((name.clone(), node));
        }
    }
    Ok(Node::Fields(fields))
}

/// The value at `key`, if the form says anything about it.
fn value(
    model: &Model,
    reference: &Reference,
    key: &str,
    path: &str,
    form: &Form,
    findings: &mut Findings,
) -> Result<Option<Node>> {
    let shape = model.shape(&reference.shape)?;
    let flattened = reference.flattened || shape.flattened;
    match shape.kind {
        Kind::Structure => match form.has_below(key) {
            true => structure(model, &reference.shape, key, path, form, findings).map(Some),
            false => Ok(None),
        },
        Kind::List => {
            // An empty list is the bare name.
            let empty = form.take(key).is_some();
            let Some(member) = &shape.member else { return Ok(None) };
            let prefix = if flattened { key.to_owned() } else { join(key, member.wire_name("member")) };
            let mut items = Vec::new();
            for number in 1.. {
                let path = format!("{path}[{}]", number - 1);
                match value(model, member, &format!("{prefix}.{number}"), &path, form, findings)? {
                    Some(item) => items.push(item),
                    None => break,
                }
            }
            Ok((empty || !items.is_empty()).then_some(Node::List(items)))
        }
        Kind::Map => {
            let (Some(name), Some(item)) = (&shape.key, &shape.value) else { return Ok(None) };
            let prefix = if flattened { key.to_owned() } else { join(key, "entry") };
            let mut entries = Vec::new();
            for number in 1.. {
                let entry = format!("{prefix}.{number}");
                let Some(text) = form.take(&join(&entry, name.wire_name("key"))) else { break };
                let path = join(path, text);
                let node = value(model, item, &join(&entry, item.wire_name("value")), &path, form, findings)?;
                entries.push((text.to_owned(), node.unwrap_or(Node::Null)));
            }
            Ok((!entries.is_empty()).then_some(Node::Fields(entries)))
        }
        _ => Ok(form.take(key).map(|text| scalar(shape, reference, text, Wire::Form, path, findings))),
    }
}
