//! What a request or an answer says, whatever wire it came over, and what is wrong with it.

use std::fmt;

use serde::{Serialize, Serializer};

/// A value, by the names of the model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Text(String),
    Integer(i128),
    Float(f64),
    Boolean(bool),
    /// A moment that had the form which its wire wants.
    Timestamp,
    /// Number of bytes; their content is nobody's business.
    Blob(usize),
    List(Vec<Node>),
    /// A structure or a map.
    Fields(Vec<(String, Node)>),
}

impl Node {
    /// A member of a structure.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        match self {
            Node::Fields(fields) => fields.iter().find(|(found, _)| found == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// A member of a member of a structure, and so on.
    pub(crate) fn at(&self, names: &[&str]) -> Option<&Node> {
        names.iter().try_fold(self, |node, name| node.get(name))
    }

    /// A text below this one.
    pub(crate) fn text_at(&self, names: &[&str]) -> Option<&str> {
        match self.at(names) {
            Some(Node::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list below this one; none where there is no list.
    pub(crate) fn items_at(&self, names: &[&str]) -> &[Node] {
        match self.at(names) {
            Some(Node::List(items)) => items,
            _ => &[],
        }
    }
}

/// What of the model, or of the service beyond it, is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The model has no such member.
    Unknown,
    /// The model requires the member.
    Missing,
    /// A member that exists once is there twice.
    Duplicate,
    /// Another type, or another form of it on this wire.
    Type(String),
    /// None of the values that the model lists.
    Enum(Vec<String>),
    /// A number outside the model's limits.
    Range(String),
    /// A text, list or map that is too short or too long.
    Length(String),
    /// A text that the model's pattern does not describe.
    Pattern(String),
    /// Something about the message as a whole: its operation, signature, root or encoding.
    Message(String),
    /// What the service refuses although its model allows it.
    Service(String),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Unknown => f.write_str("the model has no such member"),
            Rule::Missing => f.write_str("the model requires this member, and it is missing"),
            Rule::Duplicate => f.write_str("this member exists once, and is here twice"),
            Rule::Type(wanted) => write!(f, "expected {wanted}"),
            Rule::Enum(values) => write!(f, "expected one of {}", values.join(", ")),
            Rule::Range(limits) => write!(f, "expected a number {limits}"),
            Rule::Length(limits) => write!(f, "expected a length {limits}"),
            Rule::Pattern(pattern) => write!(f, "expected the pattern {pattern}"),
            Rule::Message(words) | Rule::Service(words) => f.write_str(words),
        }
    }
}

/// A broken rule and where. It holds no value of the message, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Violation {
    pub(crate) member: String,
    pub(crate) rule: Rule,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.member, self.rule)
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The violations of one message, in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) violations: Vec<Violation>,
}

impl Findings {
    pub(crate) fn add(&mut self, member: &str, rule: Rule) {
        self.violations.push(Violation { member: member.to_owned(), rule });
    }
}

/// The path of a member: `DistributionConfig.Origins.Items[2].Id`.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
