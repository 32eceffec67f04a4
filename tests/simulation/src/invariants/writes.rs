//! Every distribution write: what it changes, what it is fenced with, and what it came from (I1, I2, I3, I5, I7, I15 and the
//! distribution's part of I17 and I20).

use std::rc::Rc;

use super::Violation;
use super::configuration::{Behavior, Configuration};
use super::past::Past;
use crate::step::{Cause, Function, ProcessId, Put};
use crate::world::SimWorld;

/// What processes of ours have put into the distribution.
#[derive(Debug)]
pub(crate) struct Writes {
    caller_reference: String,
    /// Content, apart from the target, of every behaviour that was added.
    added: Vec<Vec<u8>>,
    /// Our origin was added.
    has_origin: bool,
}

impl Writes {
    pub(crate) fn begin(world: &SimWorld, past: &Past) -> Self {
        let original = Configuration::read(world.original().as_bytes()).expect("the world begins with a readable one");
        let mut writes =
            Self { caller_reference: original.caller_reference.clone(), added: Vec::new(), has_origin: false };
        if let Some(first) = world.versions().first()
            && let Some(first) = Configuration::read(&first.bytes)
        {
            writes.note_added(past, &original, &first);
        }
        writes
    }

    fn note_added(&mut self, past: &Past, before: &Configuration, after: &Configuration) {
        self.has_origin |= before.origin(&past.inspection).is_none() && after.origin(&past.inspection).is_some();
        for behavior in after.behaviors.iter().filter(|behavior| before.behavior(&behavior.pattern).is_none()) {
            self.added.push(after.content(behavior));
        }
    }

    pub(crate) fn check(&mut self, world: &SimWorld, past: &Past, put: &Put) -> Vec<Violation> {
        let mut found = fencing(past, put);
        let Some(read) = put.read.as_ref() else {
            found.push(Violation::new("I15", "a write of a distribution that the process never read"));
            return found;
        };
        let process = world.process(put.process);
        // Break-glass works without the ledger, so it knows no CallerReference to compare: CloudFront does that.
        let glass = break_glass(&process.event).filter(|_| process.cause == Cause::Operator);
        let is_this = |read: &Rc<Configuration>| glass.is_some() || read.caller_reference == self.caller_reference;
        let Some(read) = Configuration::read(&read.bytes).filter(is_this) else {
            found.push(Violation::new(
                "I15",
                "a write that came from a reading which is incomplete or not this distribution's",
            ));
            return found;
        };
        let Some(sent) = Configuration::read(&put.sent) else {
            found.push(Violation::new("I15", "a write of something that is not a complete configuration"));
            return found;
        };
        if let Some(behavior) = sent.dangling() {
            let what =
                format!("behaviour {} is written to target {}, which is absent", behavior.pattern, behavior.target);
            found.push(Violation::new("I20", what));
        }
        match process.function {
            Function::Flip => {
                let (patterns, moved, set) = match glass {
                    Some((paths, set)) => (paths.clone(), paths, set),
                    None => {
                        let moved = past.recorded_throughout(put.process);
                        (past.recorded(put.process), moved, closed_set(past))
                    }
                };
                found.extend(flip(&read, &sent, &patterns, &set));
                found.extend(hands_on(&read, &moved, &set));
                if put.applied {
                    found.extend(lost_by_flip(put, &read, &sent, &patterns));
                }
            }
            Function::Provision => {
                let patterns = past.declared(world);
                found.extend(self.wiring(past, &read, &sent, &patterns));
                self.note_added(past, &read, &sent);
                if put.applied {
                    found.extend(self.lost_by_wiring(past, put, &sent, &patterns));
                }
            }
            Function::React => found.push(Violation::new("I2", "react wrote the distribution")),
        }
        found
    }

    /// What provision writes: everybody else's is as it was, and what is taken out is what was put in.
    fn wiring(&self, past: &Past, read: &Configuration, sent: &Configuration, patterns: &[String]) -> Vec<Violation> {
        let mut found = Vec::new();
        if self.of_others(past, read, read, patterns) != self.of_others(past, sent, read, patterns) {
            found.push(Violation::new(
                "I1",
                "provision's write differs from what was read in something that is not its own",
            ));
        }
        match (read.origin(&past.inspection), sent.origin(&past.inspection)) {
            (Some(_), None) if !self.has_origin => {
                found.push(Violation::new("I17", "an origin was removed that nobody of ours added"));
            }
            (Some(before), Some(after)) if read.settings(before) != sent.settings(after) => {
                found.push(Violation::new(
                    "I1",
                    "our origin's settings were changed by a write that has nothing to do with them",
                ));
            }
            _ => {}
        }
        for added in sent.behaviors.iter().filter(|behavior| read.behavior(&behavior.pattern).is_none()) {
            if !patterns.contains(&added.pattern) {
                let what = format!("behaviour {} was added, which nobody asked to protect", added.pattern);
                found.push(Violation::new("I17", what));
            }
        }
        found.extend(outside_closed_set(read, sent, patterns, &closed_set(past)));
        found
    }

    /// What belongs to others in `of`; a behaviour that `former` does not have is one that is being added.
    fn of_others(&self, past: &Past, of: &Configuration, former: &Configuration, patterns: &[String]) -> Vec<u8> {
        let is_ours = |behavior: &Behavior| {
            let is_new = former.behavior(&behavior.pattern).is_none() && patterns.contains(&behavior.pattern);
            is_new || self.added.contains(&of.content(behavior))
        };
        of.of_others(patterns, |origin| origin.id == past.inspection, is_ours)
    }

    fn lost_by_wiring(&self, past: &Past, put: &Put, sent: &Configuration, patterns: &[String]) -> Option<Violation> {
        let before = Configuration::read(&put.before)?;
        let was_kept =
            self.of_others(past, &before, &before, patterns) == self.of_others(past, sent, &before, patterns);
        (!was_kept).then(|| Violation::new("I5", "provision's write took back what somebody else had changed"))
    }
}

/// I3 and I7.
fn fencing(past: &Past, put: &Put) -> Vec<Violation> {
    let mut found = Vec::new();
    let notes = past.notes(put.process);
    let condition = put.if_match.as_str();
    if condition.is_empty() || condition == "*" {
        found.push(Violation::new("I3", "a write without a real If-Match"));
    }
    if put.read.as_ref().is_none_or(|read| read.etag != put.if_match) {
        let what = format!("a write on condition of {condition}, which is not the ETag of the bytes that were edited");
        found.push(Violation::new("I3", what));
    }
    if !notes.has_reread {
        let (invariant, what) = match notes.was_accepted {
            true => ("I3", "a second write on the strength of one reading"),
            false => ("I7", "a write of unclear outcome was followed by another write instead of a read"),
        };
        found.push(Violation::new(invariant, what));
    }
    found
}

/// I1 and I2 for a flip.
fn flip(read: &Configuration, sent: &Configuration, patterns: &[String], set: &[String; 2]) -> Vec<Violation> {
    let mut found = outside_closed_set(read, sent, patterns, set);
    if read.without_targets(patterns) != sent.without_targets(patterns) {
        found
            .push(Violation::new("I1", "a flip's write differs from what was read in more than the protected targets"));
    }
    let moved: Vec<&str> = moved(read, sent, patterns).map(|(_, to)| to).collect();
    if moved.is_empty() {
        found.push(Violation::new("I8", "a flip was written that changes nothing"));
    }
    if moved.windows(2).any(|pair| pair[0] != pair[1]) {
        found.push(Violation::new("I2", "one flip moves behaviours in both directions"));
    }
    found
}

/// I2: where a behaviour that is to be moved targets a third origin, nothing is written.
fn hands_on(read: &Configuration, moved: &[String], set: &[String; 2]) -> Option<Violation> {
    let mut behaviors = moved.iter().filter_map(|pattern| read.behavior(pattern));
    let stranger = behaviors.find(|behavior| !set.contains(&behavior.target))?;
    let what = format!("a flip was written although behaviour {} targets {}", stranger.pattern, stranger.target);
    Some(Violation::new("I2", what))
}

fn outside_closed_set(
    read: &Configuration,
    sent: &Configuration,
    patterns: &[String],
    set: &[String; 2],
) -> Vec<Violation> {
    let is_in = |id: &str| set.iter().any(|one| one == id);
    let outside = moved(read, sent, patterns).filter(|(from, to)| !is_in(from) || !is_in(to));
    outside.map(|(from, to)| Violation::new("I2", format!("a behaviour was moved from {from} to {to}"))).collect()
}

/// Former and new target of every behaviour that is pointed elsewhere.
fn moved<'c>(
    read: &'c Configuration,
    sent: &'c Configuration,
    patterns: &'c [String],
) -> impl Iterator<Item = (&'c str, &'c str)> {
    patterns.iter().filter_map(|pattern| {
        let (before, after) = (read.behavior(pattern)?, sent.behavior(pattern)?);
        (before.target != after.target).then_some((before.target.as_str(), after.target.as_str()))
    })
}

/// I5 for a flip: what was in force right before it, apart from the targets that it moves, still is.
fn lost_by_flip(put: &Put, read: &Configuration, sent: &Configuration, patterns: &[String]) -> Option<Violation> {
    let before = Configuration::read(&put.before)?;
    if before.without_targets(patterns) != sent.without_targets(patterns) {
        return Some(Violation::new("I5", "a flip took back what somebody else had changed"));
    }
    let target = |of: &Configuration, pattern: &String| of.behavior(pattern).map(|one| one.target.clone());
    let lost = patterns.iter().find(|pattern| {
        let present = target(&before, pattern);
        present != target(read, pattern) && present != target(sent, pattern)
    })?;
    Some(Violation::new("I5", format!("a flip took back where somebody else had pointed {lost}")))
}

fn closed_set(past: &Past) -> [String; 2] {
    [past.inspection.clone(), past.application.clone()]
}

/// Whether a process is an operator's flip that asks no ledger, and tells none.
pub(super) fn is_break_glass(world: &SimWorld, process: ProcessId) -> bool {
    let process = world.process(process);
    process.cause == Cause::Operator && break_glass(&process.event).is_some()
}

/// Paths and the two origins of a break-glass request.
fn break_glass(event: &serde_json::Value) -> Option<(Vec<String>, [String; 2])> {
    let text = |name: &str| event[name].as_str().map(str::to_owned);
    let set = [text("from")?, text("to")?];
    let paths = event["paths"].as_array().map(|paths| paths.iter().filter_map(|path| path.as_str()).collect());
    let paths: Vec<&str> = paths.unwrap_or_else(|| vec!["*"]);
    Some((paths.into_iter().map(str::to_owned).collect(), set))
}
