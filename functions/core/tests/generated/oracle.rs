//! What an edit must make of a text, worked out a second time: with another XML reader and by cutting strings, without the
//! product's own.

use std::ops::Range;

use failopen::document::{Edit, NewOrigin};
use roxmltree::{Document, Node};

/// The behaviours and origins of a text as another reader sees them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) caller_reference: String,
    pub(crate) aliases: Vec<String>,
    /// Id and host name, in document order.
    pub(crate) origins: Vec<(String, String)>,
    /// Pattern and target, in order of precedence.
    pub(crate) behaviors: Vec<(String, String)>,
}

pub(crate) fn read(text: &str) -> Reading {
    let document = Document::parse(text).expect("another reader takes it, too");
    let root = document.root_element();
    let pair = |node, one, other| (value(child(node, one)), value(child(node, other)));
    let mut behaviors: Vec<_> =
        items(root, "CacheBehaviors").map(|behavior| pair(behavior, "PathPattern", "TargetOriginId")).collect();
    behaviors.push(("*".to_owned(), value(child(child(root, "DefaultCacheBehavior"), "TargetOriginId"))));
    Reading {
        caller_reference: value(child(root, "CallerReference")),
        aliases: items(root, "Aliases").map(value).collect(),
        origins: items(root, "Origins").map(|origin| pair(origin, "Id", "DomainName")).collect(),
        behaviors,
    }
}

/// The text with one edit made.
pub(crate) fn edited(text: &str, edit: &Edit) -> String {
    let document = Document::parse(text).expect("another reader takes it, too");
    let page = Page { text, root: document.root_element() };
    let replacements = match edit {
        Edit::Retarget { path_pattern, to, .. } => {
            let target = child(page.behavior(path_pattern.as_str()), "TargetOriginId");
            vec![page.fill(target, &page.spelling(to.as_str()))]
        }
        Edit::SetOriginDomain { id, to, .. } => {
            vec![page.fill(child(page.origin(id.as_str()), "DomainName"), to.as_str())]
        }
        Edit::SetOriginPort { id, to, .. } => {
            let config = child(page.origin(id.as_str()), "CustomOriginConfig");
            vec![page.fill(child(config, "HTTPSPort"), &to.to_string())]
        }
        Edit::AddOrigin { like, origin } => page.added_origin(like.as_str(), origin),
        Edit::RemoveOrigin { id } => vec![page.removal(page.origin(id.as_str())), page.count("Origins", -1)],
        Edit::CloneBehavior { serving, path_pattern, target } => {
            page.cloned(serving.as_str(), &escaped(path_pattern.as_str()), &page.spelling(target.as_str()))
        }
        Edit::RemoveBehavior { path_pattern } => {
            let behavior = page.behavior(path_pattern.as_str());
            let items = behavior.parent_element().expect("a list");
            let says_more = text[page.start_tag(items)].contains('=');
            let is_last = !says_more
                && items.children().all(|node| {
                    node == behavior || node.is_text() && node.text().is_some_and(|text| text.trim().is_empty())
                });
            vec![page.removal(if is_last { items } else { behavior }), page.count("CacheBehaviors", -1)]
        }
    };
    replaced(text, 0..text.len(), replacements)
}

type Replacement = (Range<usize>, String);

/// A text and its root.
struct Page<'t, 'd> {
    text: &'t str,
    root: Node<'d, 'd>,
}

impl<'d> Page<'_, 'd> {
    fn behavior(&self, pattern: &str) -> Node<'d, 'd> {
        if pattern == "*" {
            return child(self.root, "DefaultCacheBehavior");
        }
        let mut behaviors = items(self.root, "CacheBehaviors");
        behaviors.find(|behavior| value(child(*behavior, "PathPattern")) == pattern).expect("there is such a behaviour")
    }

    fn origin(&self, id: &str) -> Node<'d, 'd> {
        let mut origins = items(self.root, "Origins");
        origins.find(|origin| value(child(*origin, "Id")) == id).expect("there is such an origin")
    }

    /// How the text writes an id.
    fn spelling(&self, id: &str) -> String {
        let written = child(self.origin(id), "Id");
        match written.children().any(|node| node.is_comment() || node.is_pi()) {
            true => escaped(id),
            false => self.text[self.inside(written)].to_owned(),
        }
    }

    /// The end of a start tag: the first `>` that is not quoted.
    fn start_tag(&self, node: Node<'_, '_>) -> Range<usize> {
        let start = node.range().start;
        let mut quote = None;
        let end = self.text[start..].char_indices().find(|(_, character)| match (quote, character) {
            (None, '"' | '\'') => {
                quote = Some(*character);
                false
            }
            (Some(open), character) if open == *character => {
                quote = None;
                false
            }
            (None, '>') => true,
            _ => false,
        });
        start..start + end.expect("a tag ends").0 + 1
    }

    fn inside(&self, node: Node<'_, '_>) -> Range<usize> {
        let (tag, whole) = (self.start_tag(node), node.range());
        match tag.end == whole.end {
            true => whole.end..whole.end,
            false => tag.end..whole.start + self.text[whole].rfind("</").expect("an end tag"),
        }
    }

    /// The name with its prefix.
    fn name(&self, node: Node<'_, '_>) -> &str {
        let start = node.range().start + 1;
        let rest = &self.text[start..];
        &rest[..rest.find([' ', '\t', '\r', '\n', '/', '>']).expect("a tag ends")]
    }

    fn named_like(&self, node: Node<'_, '_>, name: &str) -> String {
        self.name(node).split_once(':').map_or(name.to_owned(), |(prefix, _)| format!("{prefix}:{name}"))
    }

    fn fill(&self, node: Node<'_, '_>, content: &str) -> Replacement {
        let tag = self.start_tag(node);
        match tag.end == node.range().end {
            true => {
                let open = &self.text[tag.start..tag.end - 2];
                (tag, format!("{open}>{content}</{}>", self.name(node)))
            }
            false => (self.inside(node), content.to_owned()),
        }
    }

    /// White space before an element.
    fn indent(&self, node: Node<'_, '_>) -> &str {
        let before = &self.text[..node.range().start];
        &before[before.trim_end_matches([' ', '\t', '\r', '\n']).len()..]
    }

    fn removal(&self, node: Node<'_, '_>) -> Replacement {
        (node.range().start - self.indent(node).len()..node.range().end, String::new())
    }

    fn count(&self, list: &str, change: isize) -> Replacement {
        let quantity = child(child(self.root, list), "Quantity");
        let inside = self.inside(quantity);
        let digits = self.text[inside.clone()].trim();
        let start = inside.start + self.text[inside].find(digits).expect("its digits");
        let count = digits.parse::<isize>().expect("a number") + change;
        (start..start + digits.len(), count.to_string())
    }

    fn added_origin(&self, like: &str, origin: &NewOrigin) -> Vec<Replacement> {
        let model = self.origin(like);
        let config = child(model, "CustomOriginConfig");
        let mut changes = vec![
            self.fill(child(model, "Id"), &escaped(origin.id.as_str())),
            self.fill(child(model, "DomainName"), origin.domain_name.as_str()),
            self.fill(child(config, "HTTPSPort"), &origin.https_port.to_string()),
        ];
        if let Some(keepalive) = optional(config, "OriginKeepaliveTimeout")
            && value(keepalive).trim().parse::<u32>().is_ok_and(|seconds| seconds > 5)
        {
            changes.push(self.fill(keepalive, "5"));
        }
        let mut place = config;
        for (name, number) in [("ConnectionAttempts", "2"), ("ConnectionTimeout", "3")] {
            match optional(model, name) {
                Some(present) => {
                    changes.push(self.fill(present, number));
                    place = present;
                }
                None => {
                    let tag = self.named_like(config, name);
                    let end = place.range().end;
                    changes.push((end..end, format!("{}<{tag}>{number}</{tag}>", self.indent(config))));
                }
            }
        }
        let last = items(self.root, "Origins").last().expect("there is an origin");
        let added = self.indent(last).to_owned() + &replaced(self.text, model.range(), changes);
        vec![(last.range().end..last.range().end, added), self.count("Origins", 1)]
    }

    fn cloned(&self, serving: &str, pattern: &str, target: &str) -> Vec<Replacement> {
        let model = self.behavior(serving);
        let mut changes = vec![self.fill(child(model, "TargetOriginId"), target)];
        if serving != "*" {
            changes.push(self.fill(child(model, "PathPattern"), pattern));
            let clone = replaced(self.text, model.range(), changes) + self.indent(model);
            return vec![(model.range().start..model.range().start, clone), self.count("CacheBehaviors", 1)];
        }
        let first = model.first_element_child().expect("its target at least");
        let tag = self.named_like(model, "PathPattern");
        let start = first.range().start;
        changes.push((start..start, format!("<{tag}>{pattern}</{tag}>{}", self.indent(first))));
        let other_name = self.named_like(model, "CacheBehavior");
        let (open, close) = (model.range().start + 1, self.inside(model).end + 2);
        let length = self.name(model).len();
        changes.extend([open, close].map(|at| (at..at + length, other_name.clone())));
        self.appended(model, replaced(self.text, model.range(), changes))
    }

    /// A behaviour below all others, in a list that may be there, be empty or be absent.
    fn appended(&self, default: Node<'d, 'd>, clone: String) -> Vec<Replacement> {
        let wrap = |node, name: &str, content: String| {
            let tag = self.named_like(node, name);
            format!("<{tag}>{content}</{tag}>")
        };
        let insert = |at: usize, text: String| (at..at, text);
        let Some(list) = optional(self.root, "CacheBehaviors") else {
            let content = wrap(default, "Quantity", "1".to_owned()) + &wrap(default, "Items", clone);
            let list = self.indent(default).to_owned() + &wrap(default, "CacheBehaviors", content);
            return vec![insert(default.range().end, list)];
        };
        let placed = match (optional(list, "Items"), items(self.root, "CacheBehaviors").last()) {
            (_, Some(last)) => insert(last.range().end, self.indent(last).to_owned() + &clone),
            (Some(items), None) if self.inside(items).start == items.range().end => self.fill(items, &clone),
            (Some(items), None) => insert(self.inside(items).start, clone),
            (None, None) => {
                let quantity = child(list, "Quantity");
                insert(quantity.range().end, self.indent(quantity).to_owned() + &wrap(list, "Items", clone))
            }
        };
        vec![placed, self.count("CacheBehaviors", 1)]
    }
}

fn optional<'d>(node: Node<'d, 'd>, name: &str) -> Option<Node<'d, 'd>> {
    node.children().find(|child| child.is_element() && child.tag_name().name() == name)
}

fn child<'d>(node: Node<'d, 'd>, name: &str) -> Node<'d, 'd> {
    optional(node, name).unwrap_or_else(|| panic!("there is no {name}"))
}

fn items<'d>(root: Node<'d, 'd>, list: &str) -> impl Iterator<Item = Node<'d, 'd>> {
    let items = optional(root, list).and_then(|list| optional(list, "Items"));
    items.into_iter().flat_map(|items| items.children().filter(Node::is_element))
}

/// The text of an element, comments and instructions left out.
fn value(node: Node<'_, '_>) -> String {
    node.children().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A range of a text with parts of it replaced.
fn replaced(text: &str, range: Range<usize>, mut parts: Vec<Replacement>) -> String {
    parts.sort_by_key(|(part, _)| part.start);
    let (mut at, mut result) = (range.start, String::new());
    for (part, new) in parts {
        result += &text[at..part.start];
        result += &new;
        at = part.end;
    }
    result + &text[at..range.end]
}
