//! Documents of REST-XML, and the XML answers of the query protocol.

use anyhow::Result;
use roxmltree::{Document, Node as Element};

use super::model::{Kind, Model, Reference};
use super::node::{Findings, Node, Rule, join};
use super::scalar::{Wire, scalar};

/// What the root of a document has to be.
pub(crate) struct Root<'a> {
    /// `None`: any name will do, because the model gives none.
    pub(crate) name: Option<&'a str>,
    pub(crate) namespace: Option<&'a str>,
}

/// Reads a document whose root has the shape of `reference`; nothing where it is no XML at all.
///
/// # Errors
/// A broken model.
pub(crate) fn read(
    model: &Model,
    reference: &Reference,
    root: &Root<'_>,
    body: &[u8],
    path: &str,
    findings: &mut Findings,
) -> Result<Option<Node>> {
    let Some(document) = std::str::from_utf8(body).ok().and_then(|text| Document::parse(text.trim_start()).ok()) else {
        findings.add(path, Rule::Message("the body is no well-formed XML".to_owned()));
        return Ok(None);
    };
    let element = document.root_element();
    if root.name.is_some_and(|name| name != element.tag_name().name()) {
        findings.add(path, Rule::Message(format!("the root is not {}", root.name.unwrap_or_default())));
    }
    if root.namespace.is_some_and(|namespace| Some(namespace) != element.tag_name().namespace()) {
        findings
            .add(path, Rule::Message(format!("the root's namespace is not {}", root.namespace.unwrap_or_default())));
    }
    Reading { model, findings }.value(reference, element, path).map(Some)
}

/// The element below the root in which a query's answer stands; nothing where it is no XML or has no such element.
///
/// # Errors
/// A broken model.
pub(crate) fn read_result(
    model: &Model,
    reference: &Reference,
    body: &[u8],
    findings: &mut Findings,
) -> Result<Option<Node>> {
    let Some(document) = std::str::from_utf8(body).ok().and_then(|text| Document::parse(text.trim_start()).ok()) else {
        findings.add("", Rule::Message("the body is no well-formed XML".to_owned()));
        return Ok(None);
    };
    let root = document.root_element();
    match &reference.result_wrapper {
        None => Reading { model, findings }.value(reference, root, "").map(Some),
        Some(wrapper) => match root.children().find(|child| child.tag_name().name() == wrapper) {
            Some(element) => Reading { model, findings }.value(reference, element, "").map(Some),
            None => {
                findings.add("", Rule::Message(format!("there is no {wrapper}")));
                Ok(None)
            }
        },
    }
}

/// Walks a document along its shapes.
struct Reading<'r> {
    model: &'r Model,
    findings: &'r mut Findings,
}

impl Reading<'_> {
    fn value(&mut self, reference: &Reference, element: Element<'_, '_>, path: &str) -> Result<Node> {
        let shape = self.model.shape(&reference.shape)?;
        match shape.kind {
            Kind::Structure => self.structure(reference, element, path),
            Kind::List => {
                let items: Vec<Element<'_, '_>> = element.children().filter(Element::is_element).collect();
                self.no_text(element, path);
                let Some(member) = &shape.member else { return Ok(Node::List(Vec::new())) };
                self.list(member, member.wire_name("member"), &items, path)
            }
            Kind::Map => {
                let entries: Vec<Element<'_, '_>> = element.children().filter(Element::is_element).collect();
                self.map(reference, &entries, path)
            }
            _ => {
                if element.children().any(|child| child.is_element()) {
                    self.findings.add(path, Rule::Type("a text without elements in it".to_owned()));
                }
                let text: String = element.children().filter_map(|child| child.text()).collect();
                Ok(scalar(shape, reference, &text, Wire::Xml, path, self.findings))
            }
        }
    }

    fn structure(&mut self, reference: &Reference, element: Element<'_, '_>, path: &str) -> Result<Node> {
        self.no_text(element, path);
        let shape = self.model.shape(&reference.shape)?;
        let children: Vec<Element<'_, '_>> = element.children().filter(Element::is_element).collect();
        let mut fields = Vec::new();
        let mut taken = vec![false; children.len()];
        let in_body = |member: &Reference| member.location.is_none() && !member.xml_attribute;
        for (name, member) in shape.members.iter().filter(|(_, member)| in_body(member)) {
            let path = join(path, name);
            let target = self.model.shape(&member.shape)?;
            let flattened = member.flattened || target.flattened;
            let wire_name = match (&target.member, flattened) {
                (Some(inner), true) => {
                    member.location_name.as_deref().or(inner.location_name.as_deref()).unwrap_or(name)
                }
                _ => member.wire_name(name),
            };
            let found: Vec<Element<'_, '_>> = children
                .iter()
                .zip(&mut taken)
                .filter(|(child, _)| child.tag_name().name() == wire_name)
                .map(|(child, taken)| {
                    *taken = true;
                    *child
                })
                .collect();
            match (found.as_slice(), target.kind) {
                ([], _) => {}
                (items, Kind::List) if flattened => {
                    if let Some(inner) = &target.member {
                        fields.push((name.clone(), self.list(inner, wire_name, items, &path)?));
                    }
                }
                (entries, Kind::Map) if flattened => {
                    fields.push((name.clone(), self.map(member, entries, &path)?));
                }
                ([first, others @ ..], _) => {
                    if !others.is_empty() {
                        self.findings.add(&path, Rule::Duplicate);
                    }
                    fields.push((name.clone(), self.value(member, *first, &path)?));
                }
            }
        }
        for (child, _) in children.iter().zip(&taken).filter(|(_, taken)| !**taken) {
            self.findings.add(&join(path, child.tag_name().name()), Rule::Unknown);
        }
        for (name, member) in shape.members.iter().filter(|(_, member)| member.xml_attribute) {
            let local = member.wire_name(name).rsplit(':').next().unwrap_or_default();
            if let Some(attribute) = element.attributes().find(|attribute| attribute.name() == local) {
                fields.push((name.clone(), Node::Text(attribute.value().to_owned())));
            }
        }
        Ok(Node::Fields(fields))
    }

    fn list(&mut self, member: &Reference, wire_name: &str, items: &[Element<'_, '_>], path: &str) -> Result<Node> {
        let mut nodes = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if item.tag_name().name() == wire_name {
                nodes.push(self.value(member, *item, &path)?);
            } else {
                self.findings.add(&path, Rule::Type(format!("elements named {wire_name}")));
            }
        }
        Ok(Node::List(nodes))
    }

    fn map(&mut self, reference: &Reference, entries: &[Element<'_, '_>], path: &str) -> Result<Node> {
        let shape = self.model.shape(&reference.shape)?;
        let (Some(key), Some(item)) = (&shape.key, &shape.value) else { return Ok(Node::Fields(Vec::new())) };
        let mut fields = Vec::new();
        for entry in entries {
            let child = |name: &str| entry.children().find(|child| child.tag_name().name() == name);
            match (child(key.wire_name("key")), child(item.wire_name("value"))) {
                (Some(name), Some(element)) => {
                    let name = name.text().unwrap_or_default().to_owned();
                    let path = join(path, &name);
                    fields.push((name, self.value(item, element, &path)?));
                }
                _ => self.findings.add(path, Rule::Type("entries of a key and a value".to_owned())),
            }
        }
        Ok(Node::Fields(fields))
    }

    fn no_text(&mut self, element: Element<'_, '_>, path: &str) {
        if element.children().any(|child| child.is_text() && !child.text().unwrap_or_default().trim().is_empty()) {
            self.findings.add(path, Rule::Type("elements without text between them".to_owned()));
        }
    }
}
