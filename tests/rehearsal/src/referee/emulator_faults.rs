//! Where the local AWS answers something that AWS would not. Each line was looked at; none is about a request.

use super::node::{Rule, Violation};

/// Operation, member without indexes, and the name of the broken rule.
const KNOWN: [(&str, &str, &str); 4] = [
    // The address of what was made is left out; its id is in the body.
    ("CreateHealthCheck", "Location", "missing"),
    ("CreateHostedZone", "Location", "missing"),
    // A reason that there is none is an empty text instead of nothing.
    ("UpdateFunctionConfiguration", "LastUpdateStatusReasonCode", "enum"),
    ("UpdateFunctionConfiguration", "StateReasonCode", "enum"),
];

/// Whether this violation of an answer is one of the known ones.
pub(crate) fn is_known(operation: &str, violation: &Violation) -> bool {
    let member = without_indexes(&violation.member);
    KNOWN.iter().any(|(known_operation, known_member, rule)| {
        *known_operation == operation && *known_member == member && name(&violation.rule) == *rule
    })
}

fn name(rule: &Rule) -> &'static str {
    match rule {
        Rule::Unknown => "unknown",
        Rule::Missing => "missing",
        Rule::Duplicate => "duplicate",
        Rule::Type(_) => "type",
        Rule::Enum(_) => "enum",
        Rule::Range(_) => "range",
        Rule::Length(_) => "length",
        Rule::Pattern(_) => "pattern",
        Rule::Message(_) => "message",
        Rule::Service(_) => "service",
    }
}

fn without_indexes(member: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for character in member.chars() {
        match character {
            '[' => inside = true,
            ']' => inside = false,
            _ if !inside => text.push(character),
            _ => {}
        }
    }
    text
}
