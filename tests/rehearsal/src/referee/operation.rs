//! Which operation a request asks for, and over which wire.

use super::message::Request;
use super::model::{Catalogue, Model, Operation};
use super::rest::Language;
use super::{form, uri};

/// How an operation's input and output are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Cbor,
    Json,
    Query,
    Rest(Language),
}

/// An operation that was found in a model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identified<'m> {
    pub(crate) service: &'m str,
    pub(crate) model: &'m Model,
    pub(crate) name: &'m str,
    pub(crate) operation: &'m Operation,
    pub(crate) protocol: Protocol,
}

/// Finds the operation: by the signature's scope the service, then by the CBOR path, `X-Amz-Target`, the field `Action`, or
/// the method and path that fit best.
///
/// # Errors
/// A sentence that says what is missing.
pub(crate) fn identify<'m>(catalogue: &'m Catalogue, request: &'m Request) -> Result<Identified<'m>, String> {
    let service = request.scope().ok_or("the request has no signature with a scope")?;
    let model = catalogue.model(service).ok_or_else(|| format!("there is no model of the service {service}"))?;
    let found = |name: &str, protocol| {
        let (name, operation) = model
            .operations
            .get_key_value(name)
            .ok_or_else(|| format!("the service {service} has no operation {name}"))?;
        Ok(Identified { service, model, name, operation, protocol })
    };
    if let ["service", target, "operation", name] =
        request.target.segments().iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        if model.metadata.target_prefix.as_deref() != Some(target) {
            return Err(format!("the service {service} is not named {target}"));
        }
        return found(name, Protocol::Cbor);
    }
    if let Some(target) = request.header("x-amz-target") {
        let (prefix, name) = target.rsplit_once('.').ok_or("X-Amz-Target has no dot")?;
        if model.metadata.target_prefix.as_deref() != Some(prefix) {
            return Err(format!("the service {service} is not named {prefix}"));
        }
        return found(name, Protocol::Json);
    }
    let language = match model.metadata.protocol.as_str() {
        "rest-xml" => Language::Xml,
        "rest-json" => Language::Json,
        _ => {
            let name = form::field(&request.body, "Action").ok_or("the form has no field Action")?;
            return found(&name, Protocol::Query);
        }
    };
    let fitting = model.operations.iter().filter(|(_, operation)| operation.http.method == request.method);
    let best = fitting
        .filter_map(|(name, operation)| {
            Some((uri::labels(&operation.http.request_uri, &request.target)?.0, name, operation))
        })
        .max_by_key(|(fit, _, _)| *fit);
    match best {
        Some((_, name, operation)) => {
            Ok(Identified { service, model, name, operation, protocol: Protocol::Rest(language) })
        }
        None => Err(format!("no operation of {service} is {} {}", request.method, request.target.path())),
    }
}
