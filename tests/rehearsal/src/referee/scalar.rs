//! Texts that stand for numbers, booleans, times and bytes, on the wires where everything is a text.

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::model::{Kind, Reference, Shape, TimestampFormat};
use super::node::{Findings, Node, Rule};
use super::shapes::is_base64;

/// Which text it is: times look different in headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Xml,
    Form,
    Path,
    QueryString,
    Header,
}

/// Reads `text` as the shape wants it. A text that has another form is told, and `Null`.
pub(crate) fn scalar(
    shape: &Shape,
    reference: &Reference,
    text: &str,
    wire: Wire,
    path: &str,
    findings: &mut Findings,
) -> Node {
    let (node, wanted) = match shape.kind {
        Kind::String | Kind::Character => (Some(Node::Text(text.to_owned())), "a text"),
        Kind::Integer | Kind::Long => (text.parse().ok().map(Node::Integer), "a whole number"),
        Kind::Float | Kind::Double => (text.parse().ok().map(Node::Float), "a number"),
        Kind::Boolean => match text {
            "true" => (Some(Node::Boolean(true)), ""),
            "false" => (Some(Node::Boolean(false)), ""),
            _ => (None, "true or false in lower case"),
        },
        Kind::Timestamp => {
            let format = reference.timestamp_format.or(shape.timestamp_format).unwrap_or(match wire {
                Wire::Header => TimestampFormat::Rfc822,
                Wire::Xml | Wire::Form | Wire::Path | Wire::QueryString => TimestampFormat::Iso8601,
            });
            match format {
                TimestampFormat::Iso8601 => {
                    (text.parse::<Timestamp>().ok().map(|_| Node::Timestamp), "a time as ISO 8601 writes it")
                }
                TimestampFormat::Rfc822 => {
                    let parsed = rfc2822::DateTimeParser::new().parse_timestamp(text);
                    (parsed.ok().map(|_| Node::Timestamp), "a time as RFC 822 writes it")
                }
                TimestampFormat::UnixTimestamp => {
                    (text.parse::<f64>().ok().map(|_| Node::Timestamp), "a time in seconds since 1970")
                }
            }
        }
        Kind::Blob => (is_base64(text).then(|| Node::Blob(text.len() / 4 * 3)), "bytes as Base64"),
        Kind::Structure | Kind::List | Kind::Map => (None, "more than a text"),
    };
    node.unwrap_or_else(|| {
        findings.add(path, Rule::Type(wanted.to_owned()));
        Node::Null
    })
}
