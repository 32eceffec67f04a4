//! What react could not do and no later tick will do either. An event that is answered is heard by nobody, so one with such an
//! inability fails: Lambda keeps it as a dead letter, and `FailedEventsAlarm` tells people.

use crate::commands::{BREAK_GLASS, Commands};
use crate::failure::{ErrorType, Failure};
use crate::id::ProtectionName;
use crate::port::{Fault, FaultKind};
use crate::posture::Side;

/// One thing that is left undone until somebody mends what stands against it.
#[derive(Clone, Debug)]
pub struct Inability {
    undone: Undone,
    fault: Fault,
}

#[derive(Clone, Debug)]
enum Undone {
    /// flip was not asked for this.
    Flip(ProtectionName, Side),
    /// The row was not written.
    Row(ProtectionName),
    /// The message with this subject was not sent.
    Message(String),
    /// That neither, and no later event sends it.
    News(String),
}

impl Inability {
    pub fn flip(name: &ProtectionName, side: Side, fault: &Fault) -> Option<Self> {
        Self::new(fault, || Undone::Flip(name.clone(), side))
    }

    pub fn row(name: &ProtectionName, fault: &Fault) -> Option<Self> {
        Self::new(fault, || Undone::Row(name.clone()))
    }

    pub fn message(subject: &str, fault: &Fault) -> Option<Self> {
        Self::new(fault, || Undone::Message(subject.to_owned()))
    }

    /// A message that no later event sends, whatever kept it from being sent.
    pub fn lost(subject: &str, fault: &Fault) -> Self {
        Self { undone: Undone::News(subject.to_owned()), fault: fault.clone() }
    }

    fn new(fault: &Fault, undone: impl FnOnce() -> Undone) -> Option<Self> {
        is_for_good(fault.kind).then(|| Self { undone: undone(), fault: fault.clone() })
    }

    fn side(&self) -> Option<(&ProtectionName, Side)> {
        match &self.undone {
            Undone::Flip(name, side) => Some((name, *side)),
            Undone::Row(_) | Undone::Message(_) | Undone::News(_) => None,
        }
    }

    fn unwritten(&self) -> Option<&ProtectionName> {
        match &self.undone {
            Undone::Row(name) => Some(name),
            Undone::Flip(..) | Undone::Message(_) | Undone::News(_) => None,
        }
    }

    fn unsent(&self) -> Option<&str> {
        match &self.undone {
            Undone::Message(subject) => Some(subject),
            Undone::Flip(..) | Undone::Row(_) | Undone::News(_) => None,
        }
    }

    fn unheard(&self) -> Option<&str> {
        match &self.undone {
            Undone::News(subject) => Some(subject),
            Undone::Flip(..) | Undone::Row(_) | Undone::Message(_) => None,
        }
    }
}

/// Whether the same call fails again a minute later, too.
fn is_for_good(kind: FaultKind) -> bool {
    match kind {
        FaultKind::AccessDenied | FaultKind::Refused | FaultKind::NotFound => true,
        FaultKind::Throttled | FaultKind::Stale | FaultKind::Unknown | FaultKind::Malformed => false,
    }
}

/// The failure of an event for which was done what could be; `None` where nothing is left undone for good.
pub fn failure(commands: &Commands, inabilities: &[Inability]) -> Option<Failure> {
    inabilities.first()?;
    let mut sentences = vec!["What could be done for this event was done.".to_owned()];
    sentences
        .extend([Side::Bypassed, Side::Inspected].into_iter().filter_map(|side| unasked(commands, inabilities, side)));
    sentences.extend(unwritten(commands, inabilities));
    sentences.extend(unsent(commands, inabilities));
    sentences.extend(unheard(commands, inabilities));
    let is_denied = |inability: &Inability| inability.fault.kind == FaultKind::AccessDenied;
    let error_type = if inabilities.iter().any(|inability| inability.unwritten().is_some()) {
        ErrorType::LedgerUnavailable
    } else if inabilities.iter().any(is_denied) {
        ErrorType::AccessDenied
    } else {
        ErrorType::Unavailable
    };
    Some(Failure::new(error_type, sentences.join(" ")))
}

fn unasked(commands: &Commands, inabilities: &[Inability], side: Side) -> Option<String> {
    let of_side = |inability: &&Inability| inability.side().is_some_and(|(_, wanted)| wanted == side);
    let fault = &inabilities.iter().find(of_side)?.fault;
    let names: Vec<&ProtectionName> =
        inabilities.iter().filter(of_side).filter_map(|inability| inability.side().map(|(name, _)| name)).collect();
    let (verb, meaning, command) = match side {
        Side::Bypassed => ("bypass", "CloudFront goes on sending its traffic to inspection", commands.bypass(names[0])),
        Side::Inspected => (
            "restore",
            "CloudFront goes on sending its traffic to the application, uninspected",
            commands.restore(names[0]),
        ),
    };
    Some(format!(
        "flip cannot be asked to {verb} {} ({fault}): {meaning}; DNS failover (layer 1) does not depend on it. Allow \
         lambda:InvokeFunction on flip to react's role (an organisation policy, or deploy the engine again), and meanwhile send \
         yourself, for each of them: {command}",
        listed(names.iter())
    ))
}

fn unwritten(commands: &Commands, inabilities: &[Inability]) -> Option<String> {
    let fault = &inabilities.iter().find(|inability| inability.unwritten().is_some())?.fault;
    let names = inabilities.iter().filter_map(Inability::unwritten);
    Some(format!(
        "The ledger does not take what react has to remember of {} ({fault}): people are told of the same again, by each alarm \
         and once a quarter of an hour. flip writes there before it moves anything, so layer 2 may not act; DNS failover (layer \
         1) does not depend on it. Allow dynamodb:PutItem on the ledger to the functions' roles (an organisation policy, or \
         deploy the engine again). To move traffic now, {BREAK_GLASS}: {}",
        listed(names),
        commands.break_glass()
    ))
}

fn unsent(commands: &Commands, inabilities: &[Inability]) -> Option<String> {
    let fault = &inabilities.iter().find(|inability| inability.unsent().is_some())?.fault;
    let subjects = inabilities.iter().filter_map(Inability::unsent);
    Some(format!(
        "Messages cannot be sent ({fault}): {}. Nothing except FailedEventsAlarm tells people while that lasts. Where it is denied, \
         allow sns:Publish on the topic, and the use of its key, to react's role (an organisation policy, or deploy the engine \
         again), and look meanwhile: {}",
        listed(subjects),
        commands.list()
    ))
}

fn unheard(commands: &Commands, inabilities: &[Inability]) -> Option<String> {
    let fault = &inabilities.iter().find(|inability| inability.unheard().is_some())?.fault;
    let subjects = inabilities.iter().filter_map(Inability::unheard);
    Some(format!(
        "This was to be told and could not be ({fault}), and no later event tells it: {}. Layer 2 does nothing for it; DNS failover \
         (layer 1) does not depend on that. See that viewers are served; to move traffic now, {BREAK_GLASS}: {}",
        listed(subjects),
        commands.break_glass()
    ))
}

/// Each name once, in the order in which they came.
fn listed<T: ToString>(names: impl Iterator<Item = T>) -> String {
    let mut listed: Vec<String> = Vec::new();
    for name in names.map(|name| format!("`{}`", name.to_string())) {
        if !listed.contains(&name) {
            listed.push(name);
        }
    }
    listed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: FaultKind) -> Fault {
        Fault::new(kind, "PutItem", "what AWS said")
    }

    #[test]
    fn only_what_fails_again_a_minute_later_is_an_inability() {
        for (kind, for_good) in [
            (FaultKind::AccessDenied, true),
            (FaultKind::Refused, true),
            (FaultKind::NotFound, true),
            (FaultKind::Throttled, false),
            (FaultKind::Stale, false),
            (FaultKind::Unknown, false),
            (FaultKind::Malformed, false),
        ] {
            assert_eq!(Inability::row(&"www".into(), &fault(kind)).is_some(), for_good, "{kind:?}");
        }
    }

    #[test]
    fn the_kind_of_failure_is_that_of_what_stands_against_it() {
        let commands = Commands::new("failopen-Flip");
        let denied = Inability::message("s", &fault(FaultKind::AccessDenied));
        let refused = Inability::message("s", &fault(FaultKind::Refused));
        let unwritten = Inability::row(&"www".into(), &fault(FaultKind::Refused));
        for (inabilities, error_type) in [
            (vec![denied.clone()], ErrorType::AccessDenied),
            (vec![refused.clone()], ErrorType::Unavailable),
            (vec![refused, denied.clone()], ErrorType::AccessDenied),
            (vec![denied, unwritten], ErrorType::LedgerUnavailable),
        ] {
            let inabilities: Vec<Inability> = inabilities.into_iter().flatten().collect();
            let failure = failure(&commands, &inabilities).expect("something is undone");
            assert_eq!(failure.error_type, error_type, "{inabilities:?}");
        }
    }

    #[test]
    fn nothing_undone_is_no_failure_and_everything_undone_is_named_once() {
        let commands = Commands::new("failopen-Flip");
        assert_eq!(failure(&commands, &[]), None);
        let denied = fault(FaultKind::AccessDenied);
        let inabilities: Vec<Inability> = [
            Inability::flip(&"www".into(), Side::Bypassed, &denied),
            Inability::flip(&"shop".into(), Side::Bypassed, &denied),
            Inability::flip(&"api".into(), Side::Inspected, &denied),
            Inability::row(&"www".into(), &denied),
            Inability::row(&"www".into(), &denied),
            Inability::message("[failopen] www: inspection is down", &denied),
            Some(Inability::lost("[failopen] old: inspection is down", &fault(FaultKind::Throttled))),
        ]
        .into_iter()
        .flatten()
        .collect();
        let failure = failure(&commands, &inabilities).expect("much is undone");
        assert_eq!(failure.error_type, ErrorType::LedgerUnavailable);
        assert!(failure.message.contains("leave `dryRun` out to make the change"), "{failure}");
        for part in [
            "to bypass `www`, `shop` (PutItem: what AWS said)",
            "to restore `api`",
            "remember of `www` (",
            "cannot be sent (PutItem: what AWS said): `[failopen] www: inspection is down`",
            "no later event tells it: `[failopen] old: inspection is down`",
        ] {
            assert_eq!(failure.message.matches(part).count(), 1, "{part} in {failure}");
        }
    }
}
