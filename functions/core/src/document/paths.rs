//! Which elements of one document are not in another: what a model that reads and writes documents has dropped.

use std::collections::BTreeMap;

use super::malformed::Malformed;
use super::tree::{ElementId, ROOT, Tree};

/// Paths named at most; a model that loses more is known to be wrong by these.
const MOST: usize = 20;

/// Paths of elements, such as `Origins/Items/Origin/OriginShield`, that occur more often in `before` than in `after`, in
/// order, at most 20. Of an element that is lost with all it holds only its own path is named. Paths hold no values.
///
/// # Errors
/// [`Malformed`] where one of the two is not well-formed XML.
pub fn lost_paths(before: &[u8], after: &[u8]) -> Result<Vec<String>, Malformed> {
    let (before, after) = (counts(before)?, counts(after)?);
    let is_lost = |path: &str| before.get(path) > after.get(path);
    let mut lost: Vec<String> = Vec::new();
    for path in before.keys().filter(|path| is_lost(path)) {
        let is_part_of_one =
            |outer: &String| path.strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if lost.len() < MOST && !lost.iter().any(is_part_of_one) {
            lost.push(path.clone());
        }
    }
    Ok(lost)
}

/// How often each path occurs.
fn counts(bytes: &[u8]) -> Result<BTreeMap<String, usize>, Malformed> {
    let tree = Tree::parse(bytes)?;
    let mut counts = BTreeMap::new();
    let mut open: Vec<(ElementId, String)> = vec![(ROOT, String::new())];
    while let Some((element, path)) = open.pop() {
        for child in tree.children(element) {
            let name = tree.local_name(*child);
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            *counts.entry(path.clone()).or_default() += 1;
            open.push((*child, path));
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(before: &str, after: &str) -> Vec<String> {
        lost_paths(before.as_bytes(), after.as_bytes()).expect("well-formed")
    }

    #[test]
    fn what_is_missing_or_rarer_is_named_once_and_without_what_it_holds() {
        let before = "<r><a><b/><b/></a><c><d>secret</d><d/></c><c2/></r>";
        assert_eq!(lost(before, before), [""; 0]);
        assert_eq!(lost(before, "<r><a><b/><b/></a><x/></r>"), ["c", "c2"]);
        assert_eq!(lost(before, "<p:r xmlns:p='x'><p:c2/><p:c><p:d/><p:d/></p:c><p:a><p:b/></p:a></p:r>"), ["a/b"]);
    }

    #[test]
    fn a_list_of_losses_has_an_end() {
        let many: String = (100..200).map(|n| format!("<a{n}/>")).collect();
        assert_eq!(lost(&format!("<r>{many}</r>"), "<r/>").len(), MOST);
        assert!(lost_paths(b"<r>", b"<r/>").is_err());
    }
}
