//! Taking a protection out of a distribution: restore what was moved, remove what was added, leave the rest alone.

use super::Ours;
use crate::document::{Document, Edit, EditError};
use crate::id::{Hostname, OriginId};
use crate::ledger::ProtectedBehavior;

/// A distribution write that takes a protection out.
#[derive(Clone, Debug)]
#[must_use]
pub struct Unwiring {
    /// Empty: nothing of ours is in the distribution any more.
    pub edits: Vec<Edit>,
    pub after: Document,
    /// Who still uses our origin afterwards, so that it stays.
    pub in_use: Vec<String>,
    /// What is no longer as we left it and therefore stays as it is.
    pub left: Vec<String>,
}

/// Plans the write that takes everything out that is provably ours.
///
/// # Errors
/// [`EditError`] where the document is another distribution's or cannot be edited safely.
pub fn unwire(document: &Document, ours: &Ours) -> Result<Unwiring, EditError> {
    let mut plan = Unwiring { edits: Vec::new(), after: document.clone(), in_use: Vec::new(), left: Vec::new() };
    // CloudFront never changes it: the answer is about another distribution, and ours may still lead to our records.
    if document.caller_reference() != ours.caller_reference {
        return Err(EditError::NotAsExpected {
            what: "its CallerReference".to_owned(),
            expected: ours.caller_reference.clone(),
            found: document.caller_reference().to_owned(),
        });
    }
    for claim in &ours.behaviors {
        let restored = restore(&plan.after, ours, &claim.behavior);
        if let Some(edit) = restored.edit {
            plan.make(edit)?;
        }
        plan.left.extend(restored.left);
    }
    let id = &ours.inspection_origin;
    if let Some(origin) = plan.after.origin(id) {
        if ours.origin_adopted {
            plan.left.push(format!("origin {id}: it was adopted, so it stays"));
        } else if ours.domains.iter().any(|domain| domain.as_str() == origin.domain_name) {
            match plan.make(Edit::RemoveOrigin { id: id.clone() }) {
                Ok(()) => {}
                Err(in_use @ EditError::OriginInUse { .. }) => plan.in_use.push(in_use.to_string()),
                Err(error) => return Err(error),
            }
        } else {
            plan.left.push(format!("origin {id}: it leads to {} now, which is not ours", origin.domain_name));
        }
    }
    Ok(plan)
}

/// Who uses the origins that lead to these names, whoever made them: one user of each. While there is any, the records of these
/// names must stay, or its requests would end in an error.
pub fn uses(document: &Document, names: &[Hostname]) -> Vec<String> {
    let leading = document.origins().iter().filter(|origin| names.iter().any(|name| origin.leads_to(name)));
    let in_use = leading.filter_map(|origin| document.edit(&[Edit::RemoveOrigin { id: origin.id.clone() }]).err());
    in_use.filter(|error| matches!(error, EditError::OriginInUse { .. })).map(|error| error.to_string()).collect()
}

impl Unwiring {
    fn make(&mut self, edit: Edit) -> Result<(), EditError> {
        self.after = self.after.edit(std::slice::from_ref(&edit))?;
        self.edits.push(edit);
        Ok(())
    }
}

/// How one behaviour goes back to what it was.
pub(super) struct Restored {
    pub(super) edit: Option<Edit>,
    pub(super) left: Option<String>,
}

pub(super) fn restore(document: &Document, ours: &Ours, known: &ProtectedBehavior) -> Restored {
    let untouched = Restored { edit: None, left: None };
    let Some(present) = document.behavior(&known.path_pattern) else { return untouched };
    let path_pattern = present.path_pattern.clone();
    if !ours.is_one_of_two(&present.target) {
        let left = format!("behaviour `{path_pattern}`: it targets {}, which is not ours to change", present.target);
        return Restored { edit: None, left: Some(left) };
    }
    let mut left = None;
    if let Some(as_written) = &known.cloned {
        if document.content_hash(&path_pattern).as_ref() == Some(as_written) {
            return Restored { edit: Some(Edit::RemoveBehavior { path_pattern }), left: None };
        }
        left = Some(format!("behaviour `{path_pattern}`: it was edited after we added it, so it stays"));
    }
    // One that was at an adopted origin before us goes back there from either side; any other one that has failed open is where
    // it was.
    let inspection = &ours.inspection_origin;
    if present.target != *inspection && known.original_target != *inspection {
        return Restored { edit: None, left };
    }
    let is_usable = |id: &OriginId| {
        let exists = document.origin(id).is_some() || document.origin_groups().contains(id);
        // Nothing may be left at an origin whose name is about to be removed.
        let is_doomed = *id == *inspection && document.origin(id).is_some_and(|origin| ours.is_doomed(origin));
        exists && !is_doomed
    };
    let back = [&known.original_target, &ours.application_origin].into_iter().find(|id| is_usable(id));
    let edit = back.filter(|to| **to != present.target).map(|to| Edit::Retarget {
        path_pattern,
        from: present.target.clone(),
        to: to.clone(),
    });
    Restored { edit, left }
}
