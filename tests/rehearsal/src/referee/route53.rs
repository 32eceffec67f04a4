//! What Route 53 refuses although its model allows it (Route 53 API reference, ResourceRecordSet, ChangeBatch and
//! HealthCheckConfig; Developer Guide, "Quotas on ChangeResourceRecordSets").

use std::collections::BTreeSet;

use super::node::{Findings, Node, Rule, join};

/// Members that choose how a record set is answered; a record set has one of them at most.
const POLICIES: [&str; 7] =
    ["Weight", "Region", "GeoLocation", "Failover", "MultiValueAnswer", "CidrRoutingConfig", "GeoProximityLocation"];

/// The only intervals between two requests of one checker, in seconds.
const INTERVALS: [i128; 2] = [10, 30];

/// Most ResourceRecord elements of a batch, and most characters of their values. An UPSERT counts twice.
const MOST_RECORDS: usize = 1_000;
const MOST_CHARACTERS: usize = 32_000;

/// Checks a request to Route 53.
pub(crate) fn check(input: &Node, findings: &mut Findings) {
    batch(input.items_at(&["ChangeBatch", "Changes"]), findings);
    if let Some(config) = input.get("HealthCheckConfig") {
        health_check(config, findings);
    }
}

fn service(words: impl Into<String>) -> Rule {
    Rule::Service(words.into())
}

fn batch(changes: &[Node], findings: &mut Findings) {
    let mut changed = BTreeSet::new();
    let (mut records, mut characters) = (0, 0);
    for (index, change) in changes.iter().enumerate() {
        let path = format!("ChangeBatch.Changes[{index}]");
        let Some(set) = change.get("ResourceRecordSet") else { continue };
        let action = change.text_at(&["Action"]).unwrap_or_default();
        let key = ["Name", "Type", "SetIdentifier"].map(|name| set.text_at(&[name]).unwrap_or_default());
        let normalized = key[0].trim_end_matches('.').to_ascii_lowercase();
        if !changed.insert((action, normalized, key[1], key[2])) {
            findings.add(&path, service("the batch says the same about this record set twice"));
        }
        let values = set.items_at(&["ResourceRecords"]);
        let weight = if action == "UPSERT" { 2 } else { 1 };
        records += weight * values.len();
        characters += weight
            * values
                .iter()
                .filter_map(|value| value.text_at(&["Value"]))
                .map(|text| text.chars().count())
                .sum::<usize>();
        record_set(set, &join(&path, "ResourceRecordSet"), findings);
    }
    if records > MOST_RECORDS || characters > MOST_CHARACTERS {
        let rule = format!(
            "{records} records with {characters} characters, and the most are {MOST_RECORDS} and {MOST_CHARACTERS}"
        );
        findings.add("ChangeBatch.Changes", service(rule));
    }
    one_policy_a_name(changes, findings);
}

/// A failover record and another one cannot have the same name and type.
fn one_policy_a_name(changes: &[Node], findings: &mut Findings) {
    let made = changes.iter().filter(|change| change.text_at(&["Action"]) != Some("DELETE"));
    let sets: Vec<&Node> = made.filter_map(|change| change.get("ResourceRecordSet")).collect();
    let about = |set: &Node| ["Name", "Type"].map(|name| set.text_at(&[name]).unwrap_or_default().to_owned());
    for (index, set) in sets.iter().enumerate() {
        let before = sets[..index].iter().filter(|other| about(other) == about(set));
        for other in before {
            if other.get("Failover").is_some() != set.get("Failover").is_some() {
                findings.add(
                    "ChangeBatch.Changes",
                    service("a failover record set beside another kind of the same name and type"),
                );
            } else if other.text_at(&["Failover"]).is_some()
                && other.text_at(&["Failover"]) == set.text_at(&["Failover"])
            {
                findings.add(
                    "ChangeBatch.Changes",
                    service("two record sets of one name and type with the same part in a failover"),
                );
            }
        }
    }
}

fn record_set(set: &Node, path: &str, findings: &mut Findings) {
    let policies = POLICIES.iter().filter(|policy| set.get(policy).is_some()).count();
    match (policies, set.get("SetIdentifier").is_some()) {
        (0, true) => findings.add(path, service("a SetIdentifier without a routing policy")),
        (1.., false) => findings.add(path, service("a routing policy without a SetIdentifier")),
        _ => {}
    }
    if policies > 1 {
        findings.add(path, service("more than one routing policy"));
    }
    let values = set.items_at(&["ResourceRecords"]).len();
    if set.get("AliasTarget").is_some() {
        if values > 0 || set.get("TTL").is_some() {
            findings.add(path, service("an alias with a TTL or values of its own"));
        }
        return;
    }
    if values == 0 || set.get("TTL").is_none() {
        findings.add(path, service("no alias, and no TTL or no values"));
    }
    if set.text_at(&["Type"]) == Some("CNAME") && values > 1 {
        findings.add(path, service("a CNAME with more than one value"));
    }
    if set.text_at(&["Failover"]) == Some("PRIMARY") && set.get("HealthCheckId").is_none() {
        findings.add(path, service("a primary without a health check, which would never fail over"));
    }
}

fn health_check(config: &Node, findings: &mut Findings) {
    let path = |name: &str| format!("HealthCheckConfig.{name}");
    if let Some(Node::Integer(interval)) = config.get("RequestInterval")
        && !INTERVALS.contains(interval)
    {
        findings.add(&path("RequestInterval"), service("an interval other than 10 or 30 seconds"));
    }
    let kind = config.text_at(&["Type"]).unwrap_or_default();
    let probes = matches!(kind, "HTTP" | "HTTPS" | "HTTP_STR_MATCH" | "HTTPS_STR_MATCH" | "TCP");
    if probes && config.get("IPAddress").is_none() && config.get("FullyQualifiedDomainName").is_none() {
        findings.add(&path("FullyQualifiedDomainName"), service("neither a host name nor an address to probe"));
    }
    if kind == "TCP" && config.get("Port").is_none() {
        findings.add(&path("Port"), service("a TCP check without a port"));
    }
    match (kind.ends_with("_STR_MATCH"), config.get("SearchString").is_some()) {
        (true, false) => findings.add(&path("SearchString"), service("a check for a text without the text")),
        (false, true) if probes => {
            findings.add(&path("SearchString"), service("a text that this kind of check does not search"))
        }
        _ => {}
    }
}
