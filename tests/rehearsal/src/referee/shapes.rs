//! A value against a shape of the model: members, types, enums, ranges, lengths and patterns.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::Result;
use fancy_regex::Regex;

use super::model::{Kind, Model, Shape};
use super::node::{Findings, Node, Rule, join};

/// Walks `node` along the shape `name`.
///
/// # Errors
/// A broken model.
pub(crate) fn inspect(model: &Model, name: &str, node: &Node, path: &str, findings: &mut Findings) -> Result<()> {
    let shape = model.shape(name)?;
    match (shape.kind, node) {
        (Kind::Structure, Node::Fields(fields)) => structure(model, shape, fields, path, findings),
        (Kind::List, Node::List(items)) => {
            size("elements", items.len(), shape, path, findings);
            let Some(member) = &shape.member else { return Ok(()) };
            items.iter().enumerate().try_for_each(|(index, item)| {
                inspect(model, &member.shape, item, &format!("{path}[{index}]"), findings)
            })
        }
        (Kind::Map, Node::Fields(fields)) => {
            size("entries", fields.len(), shape, path, findings);
            let (Some(key), Some(value)) = (&shape.key, &shape.value) else { return Ok(()) };
            fields.iter().try_for_each(|(name, node)| {
                let path = join(path, name);
                inspect(model, &key.shape, &Node::Text(name.clone()), &path, findings)?;
                inspect(model, &value.shape, node, &path, findings)
            })
        }
        (Kind::String | Kind::Character, Node::Text(text)) => {
            string(shape, text, path, findings);
            Ok(())
        }
        (Kind::Integer | Kind::Long, Node::Integer(number)) => {
            integer(shape, *number, path, findings);
            Ok(())
        }
        (Kind::Float | Kind::Double, Node::Float(number)) => {
            range(shape, *number, path, findings);
            Ok(())
        }
        // JSON and CBOR write whole numbers without a point.
        (Kind::Float | Kind::Double, Node::Integer(number)) => {
            range(shape, *number as f64, path, findings);
            Ok(())
        }
        (Kind::Boolean, Node::Boolean(_)) | (Kind::Timestamp, Node::Timestamp) => Ok(()),
        // JSON: seconds since 1970.
        (Kind::Timestamp, Node::Integer(_) | Node::Float(_)) => Ok(()),
        (Kind::Blob, Node::Blob(length)) => {
            size("bytes", *length, shape, path, findings);
            Ok(())
        }
        // JSON: Base64.
        (Kind::Blob, Node::Text(text)) if is_base64(text) => Ok(()),
        (kind, _) => {
            findings.add(path, Rule::Type(words(kind).to_owned()));
            Ok(())
        }
    }
}

fn structure(
    model: &Model,
    shape: &Shape,
    fields: &[(String, Node)],
    path: &str,
    findings: &mut Findings,
) -> Result<()> {
    let present = |name: &str| fields.iter().any(|(found, node)| found == name && *node != Node::Null);
    for required in shape.required.iter().filter(|name| !present(name)) {
        findings.add(&join(path, required), Rule::Missing);
    }
    for (index, (name, node)) in fields.iter().enumerate() {
        let path = join(path, name);
        if fields[..index].iter().any(|(earlier, _)| earlier == name) {
            findings.add(&path, Rule::Duplicate);
        }
        match shape.members.get(name) {
            // A null member is an absent one.
            Some(_) if *node == Node::Null => {}
            Some(member) => inspect(model, &member.shape, node, &path, findings)?,
            None => findings.add(&path, Rule::Unknown),
        }
    }
    Ok(())
}

fn string(shape: &Shape, text: &str, path: &str, findings: &mut Findings) {
    if !shape.values.is_empty() && !shape.values.iter().any(|value| value == text) {
        findings.add(path, Rule::Enum(shape.values.clone()));
    }
    size("characters", text.chars().count(), shape, path, findings);
    if let Some(pattern) = &shape.pattern
        && let Some(regex) = compiled(pattern)
        && matches!(regex.is_match(text), Ok(false))
    {
        findings.add(path, Rule::Pattern(pattern.clone()));
    }
}

fn integer(shape: &Shape, number: i128, path: &str, findings: &mut Findings) {
    let fits = match shape.kind {
        Kind::Long => i64::try_from(number).is_ok(),
        _ => i32::try_from(number).is_ok(),
    };
    if fits {
        range(shape, number as f64, path, findings);
    } else {
        findings.add(path, Rule::Type(words(shape.kind).to_owned()));
    }
}

fn range(shape: &Shape, number: f64, path: &str, findings: &mut Findings) {
    if shape.min.is_some_and(|min| number < min) || shape.max.is_some_and(|max| number > max) {
        findings.add(path, Rule::Range(limits(shape)));
    }
}

fn size(of: &str, length: usize, shape: &Shape, path: &str, findings: &mut Findings) {
    let length = length as f64;
    if shape.min.is_some_and(|min| length < min) || shape.max.is_some_and(|max| length > max) {
        findings.add(path, Rule::Length(format!("{} {of}", limits(shape))));
    }
}

fn limits(shape: &Shape) -> String {
    match (shape.min, shape.max) {
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("of at least {min}"),
        (None, Some(max)) => format!("of at most {max}"),
        (None, None) => String::new(),
    }
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Structure => "a structure",
        Kind::List => "a list",
        Kind::Map => "a map",
        Kind::String | Kind::Character => "a text",
        Kind::Integer => "a whole number of 32 bits",
        Kind::Long => "a whole number of 64 bits",
        Kind::Float | Kind::Double => "a number",
        Kind::Boolean => "true or false",
        Kind::Timestamp => "a time in the form of this wire",
        Kind::Blob => "bytes in the form of this wire",
    }
}

pub(crate) fn is_base64(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - data.len() <= 2
        && data.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

/// Whether texts are held against this pattern.
pub(crate) fn is_checked(pattern: &str) -> bool {
    compiled(pattern).is_some()
}

/// The pattern as a regular expression for a whole text. A few patterns are written for another dialect (surrogates, named
/// blocks of Java); those are `None` and go unchecked.
fn compiled(pattern: &str) -> Option<Rc<Regex>> {
    thread_local! {
        static KNOWN: RefCell<BTreeMap<String, Option<Rc<Regex>>>> = const { RefCell::new(BTreeMap::new()) };
    }
    KNOWN.with_borrow_mut(|known| {
        if let Some(regex) = known.get(pattern) {
            return regex.clone();
        }
        let regex = Regex::new(&format!("^(?:{})$", in_our_dialect(pattern))).ok().map(Rc::new);
        known.insert(pattern.to_owned(), regex.clone());
        regex
    })
}

/// `\u0020` is `\u{0020}` here.
fn in_our_dialect(pattern: &str) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find("\\u") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        text.push_str(before);
        match after.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            Some(digits) => {
                text.push_str(&format!("\\u{{{digits}}}"));
                rest = &after[4..];
            }
            None => {
                text.push_str("\\u");
                rest = after;
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_describes_the_whole_text_in_either_dialect() {
        let matches = |pattern: &str, text: &str| compiled(pattern).unwrap().is_match(text).unwrap();
        assert!(matches("[a-z]+", "abc") && !matches("[a-z]+", "abc1"));
        assert!(matches("[\\u0020-\\u007E]*", "a b") && !matches("[\\u0020-\\u007E]*", "é"));
        assert!(matches("(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "a1") && !matches("(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "11"));
        assert!(compiled("[\\uD800\\uDC00-\\uDBFF]").is_none());
    }

    #[test]
    fn base64_is_told_by_its_alphabet_and_padding() {
        assert!(is_base64("") && is_base64("YQ==") && is_base64("YWJj"));
        assert!(!is_base64("YQ") && !is_base64("Y===") && !is_base64("a b="));
    }
}
