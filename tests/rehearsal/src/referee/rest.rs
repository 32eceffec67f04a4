//! The REST protocols: members in the path, the query string, headers and the body.

use anyhow::Result;

use super::documents;
use super::message::{Answer, Request};
use super::model::{Kind, Location, Model, Operation, Reference, Shape};
use super::node::{Findings, Node, Rule};
use super::scalar::{Wire, scalar};
use super::uri;
use super::xml::{self, Root};

/// Headers of every signed request; any other `x-amz-` header has to be in the model.
const OF_EVERY_REQUEST: [&str; 5] =
    ["x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "x-amz-user-agent", "x-amz-target"];

/// Which language the bodies are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Xml,
    Json,
}

/// Reads a request as the structure that the operation takes.
///
/// # Errors
/// A broken model.
pub(crate) fn read_request(
    model: &Model,
    operation: &Operation,
    language: Language,
    request: &Request,
    findings: &mut Findings,
) -> Result<Node> {
    let labels =
        uri::labels(&operation.http.request_uri, &request.target).map(|(_, labels)| labels).unwrap_or_default();
    let constants = uri::constants(&operation.http.request_uri);
    let mut query: Vec<_> = request.target.query.iter().filter(|(name, _)| !constants.contains(name)).collect();
    let mut fields = Vec::new();
    let input = operation.input.as_ref().map(|input| model.shape(&input.shape)).transpose()?;
    let mut headers = Vec::new();
    for (name, member) in input.iter().flat_map(|input| &input.members) {
        let wire_name = member.wire_name(name);
        let shape = model.shape(&member.shape)?;
        let mut push = |text: &str, wire| {
            fields.push((name.clone(), scalar(shape, member, text, wire, name, findings)));
        };
        match member.location {
            Some(Location::Uri) => {
                if let Some(label) = labels.get(wire_name) {
                    push(label, Wire::Path);
                }
            }
            Some(Location::Header) => {
                headers.push(wire_name.to_ascii_lowercase());
                if let Some(value) = request.header(wire_name) {
                    push(value, Wire::Header);
                }
            }
            Some(Location::Querystring) => {
                let (found, others): (Vec<_>, Vec<_>) = query.into_iter().partition(|(found, _)| found == wire_name);
                query = others;
                let texts = found.iter().map(|(_, value)| value.as_deref().unwrap_or_default());
                if shape.kind == Kind::List {
                    let items = texts.map(|text| Node::Text(text.to_owned())).collect::<Vec<_>>();
                    if !items.is_empty() {
                        fields.push((name.clone(), Node::List(items)));
                    }
                } else {
                    texts.for_each(|text| push(text, Wire::QueryString));
                }
            }
            Some(Location::Headers | Location::StatusCode) | None => {}
        }
    }
    for (name, _) in query {
        findings.add(&format!("?{name}"), Rule::Unknown);
    }
    let strange = |name: &str| name.starts_with("x-amz-") && !OF_EVERY_REQUEST.contains(&name);
    for (name, _) in request.headers.iter().filter(|(name, _)| strange(name) && !headers.contains(name)) {
        findings.add(&format!("header {name}"), Rule::Unknown);
    }
    match (&operation.input, input) {
        (Some(reference), Some(shape)) => {
            let root = RootOf::Request(reference);
            fields.extend(body(model, shape, reference, &root, language, &request.body, findings)?);
        }
        _ if !request.body.is_empty() => {
            findings.add("", Rule::Message("the operation takes no body, and there is one".to_owned()));
        }
        _ => {}
    }
    Ok(Node::Fields(fields))
}

/// Reads an answer as the structure that the operation gives.
///
/// # Errors
/// A broken model.
pub(crate) fn read_answer(
    model: &Model,
    output: &Reference,
    language: Language,
    answer: &Answer,
    findings: &mut Findings,
) -> Result<Node> {
    let shape = model.shape(&output.shape)?;
    let mut fields = Vec::new();
    for (name, member) in &shape.members {
        match member.location {
            Some(Location::Header) => {
                if let Some(text) = answer.header(member.wire_name(name)) {
                    let shape = model.shape(&member.shape)?;
                    fields.push((name.clone(), scalar(shape, member, text, Wire::Header, name, findings)));
                }
            }
            Some(Location::StatusCode) => fields.push((name.clone(), Node::Integer(answer.status.into()))),
            Some(Location::Uri | Location::Querystring | Location::Headers) | None => {}
        }
    }
    fields.extend(body(model, shape, output, &RootOf::Answer, language, &answer.body, findings)?);
    Ok(Node::Fields(fields))
}

/// What is known about the root of an XML body.
enum RootOf<'a> {
    Request(&'a Reference),
    /// The model names the root of no answer.
    Answer,
}

/// The members that travel in the body.
fn body(
    model: &Model,
    shape: &Shape,
    reference: &Reference,
    root: &RootOf<'_>,
    language: Language,
    body: &[u8],
    findings: &mut Findings,
) -> Result<Vec<(String, Node)>> {
    if let Some(payload) = &shape.payload {
        let Some(member) = shape.members.get(payload) else { return Ok(Vec::new()) };
        if body.is_empty() {
            return Ok(Vec::new());
        }
        if matches!(model.shape(&member.shape)?.kind, Kind::Blob | Kind::String) {
            return Ok(vec![(payload.clone(), Node::Blob(body.len()))]);
        }
        let node = match language {
            Language::Xml => {
                let root = match root {
                    RootOf::Request(_) => Root { name: Some(member.wire_name(payload)), namespace: namespace(member) },
                    RootOf::Answer => Root { name: None, namespace: None },
                };
                xml::read(model, member, &root, body, payload, findings)?
            }
            Language::Json => json(model, &member.shape, body, payload, findings)?,
        };
        return Ok(node.map(|node| (payload.clone(), node)).into_iter().collect());
    }
    if shape.members.values().all(|member| member.location.is_some()) {
        if matches!(root, RootOf::Request(_)) && !body.is_empty() && body != b"{}" {
            findings.add("", Rule::Message("the operation takes no body, and there is one".to_owned()));
        }
        return Ok(Vec::new());
    }
    let node = match language {
        Language::Xml => {
            let root = match root {
                RootOf::Request(input) => Root { name: input.location_name.as_deref(), namespace: namespace(input) },
                RootOf::Answer => Root { name: None, namespace: None },
            };
            xml::read(model, reference, &root, body, "", findings)?
        }
        Language::Json if body.is_empty() => None,
        Language::Json => json(model, &reference.shape, body, "", findings)?,
    };
    match node {
        Some(Node::Fields(fields)) => Ok(fields),
        _ => Ok(Vec::new()),
    }
}

fn namespace(reference: &Reference) -> Option<&str> {
    reference.xml_namespace.as_ref().map(|namespace| namespace.uri.as_str())
}

fn json(model: &Model, shape: &str, body: &[u8], path: &str, findings: &mut Findings) -> Result<Option<Node>> {
    match documents::json(body) {
        Some(node) => documents::by_the_models_names(model, shape, node).map(Some),
        None => {
            findings.add(path, Rule::Message("the body is no JSON".to_owned()));
            Ok(None)
        }
    }
}
