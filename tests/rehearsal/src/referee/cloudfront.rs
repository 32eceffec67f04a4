//! What CloudFront refuses although its model allows it (CloudFront API reference, DistributionConfig and UpdateDistribution).

use std::collections::{BTreeMap, BTreeSet};

use super::node::{Findings, Node, Rule, join};

/// The operation that writes a configuration over another one.
pub(crate) const UPDATE: &str = "UpdateDistribution";

/// What the referee has seen of each distribution, by its id.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    distributions: BTreeMap<String, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    caller_reference: Option<String>,
    etags: BTreeSet<String>,
    newest: String,
}

impl Memory {
    /// Remembers what an answer says about a distribution. Of two answers that overlap, the one that read may be the older
    /// one: an ETag that is known already is only by a write the newest.
    pub(crate) fn learn(&mut self, operation: &str, request: &Node, answer: &Node) {
        let id = request.text_at(&["Id"]).or_else(|| answer.text_at(&["Distribution", "Id"]));
        let (Some(id), Some(etag)) = (id, answer.text_at(&["ETag"])) else { return };
        let seen = self.distributions.entry(id.to_owned()).or_default();
        let is_new = seen.etags.insert(etag.to_owned());
        if is_new || operation == UPDATE {
            etag.clone_into(&mut seen.newest);
        }
        let reference = answer
            .text_at(&["DistributionConfig", "CallerReference"])
            .or_else(|| answer.text_at(&["Distribution", "DistributionConfig", "CallerReference"]));
        if let (None, Some(reference)) = (&seen.caller_reference, reference) {
            seen.caller_reference = Some(reference.to_owned());
        }
    }

    /// Checks a request to CloudFront.
    pub(crate) fn check(&self, operation: &str, input: &Node, findings: &mut Findings) {
        quantities(input, "", findings);
        for config in [&["DistributionConfig"][..], &["DistributionConfigWithTags", "DistributionConfig"]] {
            if let Some(node) = input.at(config) {
                wiring(node, &config.join("."), findings);
            }
        }
        if is_fenced(operation) {
            self.fence(input, findings);
        }
    }

    /// Whether a write is conditional on another ETag than the newest one that was answered. Only a refusal fits that.
    pub(crate) fn is_stale(&self, operation: &str, input: &Node) -> bool {
        let seen = input.text_at(&["Id"]).and_then(|id| self.distributions.get(id));
        let sent = input.text_at(&["IfMatch"]);
        is_fenced(operation) && seen.zip(sent).is_some_and(|(seen, sent)| seen.newest != sent)
    }

    /// The ETag of what was read, and the one member that never changes.
    fn fence(&self, input: &Node, findings: &mut Findings) {
        let seen = input.text_at(&["Id"]).and_then(|id| self.distributions.get(id));
        match input.text_at(&["IfMatch"]) {
            None => findings.add("IfMatch", service("If-Match is missing, so any other writer's change would be lost")),
            Some(etag) if seen.is_none_or(|seen| !seen.etags.contains(etag)) => {
                findings.add("IfMatch", service("If-Match is no ETag that was ever answered for this distribution"));
            }
            Some(_) => {}
        }
        let known = seen.and_then(|seen| seen.caller_reference.as_deref());
        let sent = input.text_at(&["DistributionConfig", "CallerReference"]);
        if let (Some(known), Some(sent)) = (known, sent)
            && known != sent
        {
            let path = "DistributionConfig.CallerReference";
            findings.add(path, service("the caller reference of a distribution cannot be changed"));
        }
    }
}

fn is_fenced(operation: &str) -> bool {
    matches!(operation, UPDATE | "DeleteDistribution")
}

pub(crate) fn service(words: &str) -> Rule {
    Rule::Service(words.to_owned())
}

/// Every list of CloudFront's says how long it is.
fn quantities(node: &Node, path: &str, findings: &mut Findings) {
    match node {
        Node::Fields(fields) => {
            if let Some(Node::Integer(quantity)) = node.get("Quantity") {
                let items = node.items_at(&["Items"]).len();
                if usize::try_from(*quantity) != Ok(items) {
                    let rule = format!("Quantity is {quantity}, and there are {items} Items");
                    findings.add(&join(path, "Quantity"), Rule::Service(rule));
                }
            }
            fields.iter().for_each(|(name, node)| quantities(node, &join(path, name), findings));
        }
        Node::List(items) => {
            items.iter().enumerate().for_each(|(index, item)| quantities(item, &format!("{path}[{index}]"), findings));
        }
        _ => {}
    }
}

/// Origins, groups and behaviours have to fit together.
fn wiring(config: &Node, path: &str, findings: &mut Findings) {
    let mut targets = BTreeSet::new();
    let mut unique = |node: &Node, path: &str, findings: &mut Findings| {
        if let Some(id) = node.text_at(&["Id"])
            && !targets.insert(id.to_owned())
        {
            findings.add(&join(path, "Id"), service("another origin or group has this id"));
        }
    };
    let path_of = |list: &str, index: usize| format!("{path}.{list}.Items[{index}]");
    for (index, origin) in config.items_at(&["Origins", "Items"]).iter().enumerate() {
        unique(origin, &path_of("Origins", index), findings);
    }
    let origins: BTreeSet<&str> =
        config.items_at(&["Origins", "Items"]).iter().filter_map(|origin| origin.text_at(&["Id"])).collect();
    for (index, group) in config.items_at(&["OriginGroups", "Items"]).iter().enumerate() {
        let path = path_of("OriginGroups", index);
        unique(group, &path, findings);
        for (number, member) in group.items_at(&["Members", "Items"]).iter().enumerate() {
            if member.text_at(&["OriginId"]).is_some_and(|id| !origins.contains(id)) {
                let path = format!("{path}.Members.Items[{number}].OriginId");
                findings.add(&path, service("there is no origin with this id"));
            }
        }
    }
    let mut patterns = BTreeSet::new();
    let default = config.get("DefaultCacheBehavior").map(|node| (join(path, "DefaultCacheBehavior"), node));
    let others = config.items_at(&["CacheBehaviors", "Items"]).iter().enumerate();
    let others = others.map(|(index, node)| (path_of("CacheBehaviors", index), node));
    for (path, behavior) in default.into_iter().chain(others) {
        if behavior.text_at(&["TargetOriginId"]).is_some_and(|id| !targets.contains(id)) {
            findings.add(&join(&path, "TargetOriginId"), service("there is no origin or group with this id"));
        }
        match (behavior.get("CachePolicyId"), behavior.get("ForwardedValues")) {
            (None, None) => findings.add(&path, service("there is neither CachePolicyId nor ForwardedValues")),
            (Some(_), Some(_)) => findings.add(&path, service("there are both CachePolicyId and ForwardedValues")),
            _ => {}
        }
        if let Some(pattern) = behavior.text_at(&["PathPattern"])
            && !patterns.insert(pattern.to_owned())
        {
            findings.add(&join(&path, "PathPattern"), service("another behaviour has this path pattern"));
        }
    }
}
