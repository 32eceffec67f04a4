//! Whatever the bytes are: where they are a distribution, an edit is refused by name, or changes what it names and no more.

use failopen::document::{Behavior, Document, Edit, EditError, NewOrigin, OriginKind, check_edit};
use failopen::id::{Hostname, OriginId, PathPattern};

/// A strange document may hold thousands of behaviours; what holds of some of them holds of all.
const LOOKED_AT: usize = 3;
const ADDED_ORIGIN: &str = "failopen-fuzz";
const ADDED_PATTERN: &str = "/failopen-fuzz/*";

/// Takes the bytes for a distribution.
pub fn check(bytes: &[u8]) {
    let Ok(document) = Document::parse(bytes) else { return };
    assert_eq!(document.bytes(), bytes, "what is read is kept as it is");
    for behavior in some(document.behaviors()) {
        assert!(document.serving(&behavior.path_pattern).path_pattern.is_alike(&behavior.path_pattern));
        assert!(document.content_hash(&behavior.path_pattern).is_some(), "{behavior:?}");
    }
    for origin in document.origins() {
        let names: Vec<String> = document.custom_headers(&origin.id).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, origin.custom_header_names);
    }
    for edit in edits(&document) {
        one(&document, &edit);
    }
}

/// The first few and the last one.
fn some<T>(all: &[T]) -> impl Iterator<Item = &T> {
    let last = all.get(LOOKED_AT..).and_then(<[T]>::last);
    all.iter().take(LOOKED_AT).chain(last)
}

fn edits(document: &Document) -> Vec<Edit> {
    let mut edits = Vec::new();
    let ids: Vec<OriginId> = document.origins().iter().map(|origin| origin.id.clone()).collect();
    for behavior in some(document.behaviors()) {
        let Behavior { path_pattern, target } = behavior.clone();
        for to in some(&ids).chain(document.origin_groups().first()) {
            edits.push(Edit::Retarget { path_pattern: path_pattern.clone(), from: target.clone(), to: to.clone() });
        }
        edits.push(Edit::CloneBehavior {
            serving: path_pattern.clone(),
            path_pattern: PathPattern::new(ADDED_PATTERN),
            target: target.clone(),
        });
        edits.push(Edit::RemoveBehavior { path_pattern });
    }
    for origin in some(document.origins()) {
        let id = origin.id.clone();
        edits.push(Edit::AddOrigin { like: id.clone(), origin: added_origin() });
        edits.push(Edit::SetOriginDomain {
            id: id.clone(),
            from: Hostname::new(origin.domain_name.clone()),
            to: Hostname::new("fuzz.example.com"),
        });
        if let OriginKind::Custom { https_port: from, .. } = origin.kind {
            edits.push(Edit::SetOriginPort { id: id.clone(), from, to: 9443 });
        }
        edits.push(Edit::RemoveOrigin { id });
    }
    edits
}

fn added_origin() -> NewOrigin {
    NewOrigin {
        id: OriginId::new(ADDED_ORIGIN),
        domain_name: Hostname::new("cq-origin-fuzz.example.com"),
        https_port: 8443,
    }
}

fn one(before: &Document, edit: &Edit) {
    let after = match before.edit(std::slice::from_ref(edit)) {
        Ok(after) => after,
        Err(EditError::Unusable(why)) => panic!("{edit:?} made a document that is not one: {why}"),
        Err(EditError::Strayed { at }) => panic!("{edit:?} strayed at {at}"),
        Err(_) => return,
    };
    assert_eq!(check_edit(before, &after, std::slice::from_ref(edit)), Ok(()), "{edit:?}");
    assert_eq!(
        (after.caller_reference(), after.enabled(), after.staging(), after.aliases()),
        (before.caller_reference(), before.enabled(), before.staging(), before.aliases())
    );
    match edit {
        Edit::Retarget { path_pattern, from, to } => {
            differs_in_one_target(before, &after);
            let back = Edit::Retarget { path_pattern: path_pattern.clone(), from: to.clone(), to: from.clone() };
            let back = after.edit(&[back]).expect("what was moved can be moved back");
            assert_eq!(back.behaviors(), before.behaviors());
            assert_eq!(back.origins(), before.origins());
        }
        Edit::AddOrigin { like, origin } => {
            let added = after.origin(&origin.id).expect("the added origin is there");
            assert_eq!(added.domain_name, origin.domain_name.as_str());
            assert!(matches!(added.kind, OriginKind::Custom { https_port, .. } if https_port == origin.https_port));
            let headers = |document: &Document, id| document.custom_headers(id);
            assert!(headers(&after, &origin.id) == headers(before, like), "the application's secrets go along");
            is_undone(before, &after, Edit::RemoveOrigin { id: origin.id.clone() });
        }
        Edit::SetOriginDomain { id, to, .. } => {
            assert_eq!(after.origin(id).map(|origin| origin.domain_name.as_str()), Some(to.as_str()));
            assert_eq!(after.behaviors(), before.behaviors());
        }
        Edit::SetOriginPort { id, to, .. } => {
            let kind = after.origin(id).map(|origin| &origin.kind);
            assert!(matches!(kind, Some(OriginKind::Custom { https_port, .. }) if https_port == to), "{kind:?}");
            assert_eq!(after.behaviors(), before.behaviors());
        }
        Edit::RemoveOrigin { id } => {
            let left: Vec<_> = before.origins().iter().filter(|origin| origin.id != *id).cloned().collect();
            assert_eq!((after.origins(), after.behaviors()), (left.as_slice(), before.behaviors()));
        }
        Edit::CloneBehavior { path_pattern, .. } => {
            assert_eq!(after.behaviors().len(), before.behaviors().len() + 1);
            // An empty list may have lacked what is left behind when the only item is taken out again.
            if before.behaviors().len() > 1 {
                is_undone(before, &after, Edit::RemoveBehavior { path_pattern: path_pattern.clone() });
            }
        }
        Edit::RemoveBehavior { path_pattern } => {
            let left = before.behaviors().iter().filter(|behavior| behavior.path_pattern != *path_pattern);
            assert!(after.behaviors().iter().eq(left) && after.origins() == before.origins());
        }
    }
}

fn is_undone(before: &Document, after: &Document, edit: Edit) {
    let back = after.edit(std::slice::from_ref(&edit)).expect("what was added can be removed");
    assert!(back.bytes() == before.bytes(), "{edit:?} leaves {}", String::from_utf8_lossy(back.bytes()));
}

/// Cut at every mention of the element, two documents that differ in the text of one target differ in one piece at most.
fn differs_in_one_target(before: &Document, after: &Document) {
    let pieces = |document: &Document| -> Vec<String> {
        String::from_utf8_lossy(document.bytes()).split("TargetOriginId").map(str::to_owned).collect()
    };
    let (before, after) = (pieces(before), pieces(after));
    // An id may spell the very name of the element.
    if before.len() == after.len() {
        let different: Vec<usize> = (0..before.len()).filter(|at| before[*at] != after[*at]).collect();
        assert!(different.len() <= 1, "pieces {different:?} differ");
    }
}
