//! Commands that are well written and make no sense where they stand: what they need is not there, so that the run would
//! only find out after minutes.

use super::command::{Command, Dns, Expectation, Host, Layers, Script, Wanted};
use super::words::Wrong;

/// What a command takes for granted, beside the site and its viewers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    /// The stack: alarm, health check, what flip has written.
    Stack,
    /// The stack with its functions alive.
    Functions,
    /// The same, and a layer 2 that acts.
    Layer2,
}

fn need(command: &Command) -> Need {
    match command {
        Command::Wait(_)
        | Command::Break(..)
        | Command::Heal(_)
        | Command::ThrottleCloudFront(_)
        | Command::EditComment(_)
        | Command::RevertEvery(_)
        | Command::ForceDns(_)
        | Command::StopReverting => Need::Nothing,
        Command::AlarmEvents(_) | Command::Ticks(_) | Command::OwnAlarm(_) => Need::Stack,
        Command::Pin(..)
        | Command::Unpin
        | Command::Unlatch
        | Command::Bypass(_)
        | Command::Restore(_)
        | Command::RemoveFunctions
        | Command::DeleteStack => Need::Functions,
        Command::Expect(Expectation { wanted, .. }) => match wanted {
            Wanted::Viewers(_)
            | Wanted::Flips(..)
            | Wanted::Undetected
            | Wanted::DistributionAsBefore
            | Wanted::CommentKept
            | Wanted::SavedBy(_) => Need::Nothing,
            Wanted::Alarm(_) => Need::Stack,
            Wanted::Traffic(_) | Wanted::Posture(_) | Wanted::Reason(_) => Need::Functions,
            Wanted::InspectedAfterHoldDown => Need::Layer2,
        },
    }
}

/// What has happened before a line.
#[derive(Default)]
struct Before {
    broken: Vec<Host>,
    inspection_was_broken: bool,
    edited: bool,
    reverting: bool,
    functions_removed: bool,
    stack_deleted: bool,
}

/// What is wrong in one run, with the numbers of the lines.
pub(super) fn wrongs(script: &Script) -> Vec<(usize, Wrong)> {
    let Script { layers, lines, .. } = script;
    let layers = *layers;
    let mut before = Before::default();
    let mut wrongs: Vec<(usize, Wrong)> = beside_the_point(script).map(|wrong| (1, wrong)).into_iter().collect();
    for line in lines {
        let wrong = before.lacks(layers, &line.command).or_else(|| before.misses(&line.command));
        let wrong = wrong.or_else(|| not_in_the_head(script, &line.command));
        wrongs.extend(wrong.map(|wrong| (line.number, wrong)));
        before.then(&line.command);
    }
    if !lines.iter().any(|line| matches!(line.command, Command::Expect(_))) {
        wrongs.push((
            1,
            format!("the run with {layers} expects nothing, so it could not fail; write an `expect` for it"),
        ));
    }
    wrongs
}

/// A head that the run makes no use of.
fn beside_the_point(script: &Script) -> Option<Wrong> {
    let layers = script.layers;
    let (fails_over, listens) = match layers {
        Layers::Nothing | Layers::ByHand => (false, false),
        Layers::Layer1 => (true, false),
        Layers::Layer2 => (false, true),
        Layers::Both => (true, true),
    };
    if script.dns == Dns::Gdnsd && !fails_over {
        return Some(format!(
            "with {layers} DNS does not fail over, and gdnsd does nothing else; leave out `dns:`, or write layer-1 or both"
        ));
    }
    let is_unheard = script.has_own_alarm && !listens;
    is_unheard.then(|| format!("with {layers} nobody listens to an alarm; leave out `alarm:`"))
}

/// Something that the head has to promise.
fn not_in_the_head(script: &Script, command: &Command) -> Option<Wrong> {
    match command {
        Command::ForceDns(_) if script.dns != Dns::Gdnsd => {
            Some("nobody forces Route 53; write `dns: gdnsd` above the commands".to_owned())
        }
        Command::OwnAlarm(_) if !script.has_own_alarm => {
            Some("the protection names no alarm of the user's; write `alarm: own` above the commands".to_owned())
        }
        _ => None,
    }
}

impl Before {
    /// A need that is not met.
    fn lacks(&self, layers: Layers, command: &Command) -> Option<Wrong> {
        let need = need(command);
        if need == Need::Nothing {
            return None;
        }
        match layers {
            Layers::Nothing | Layers::ByHand => {
                return Some(format!(
                    "the run with {layers} has no stack, which this needs; put the layers that it is for in front, such as \
                     `[layer-1, both]`"
                ));
            }
            Layers::Layer1 if need == Need::Layer2 => {
                return Some(
                    "the run with layer-1 has no hold-down, which is layer 2's; write `expect traffic inspected`"
                        .to_owned(),
                );
            }
            Layers::Layer1 | Layers::Layer2 | Layers::Both => {}
        }
        if self.stack_deleted {
            return Some("the stack is deleted above, and this needs it; put it before `delete stack`".to_owned());
        }
        (self.functions_removed && need != Need::Stack).then(|| {
            "the functions are removed above, and this needs them; put it before `remove functions`".to_owned()
        })
    }

    /// Something that has to come first, and did not.
    fn misses(&self, command: &Command) -> Option<Wrong> {
        let wanted = if let Command::Expect(Expectation { wanted, .. }) = command { Some(wanted) } else { None };
        let wrong = if matches!(command, Command::Heal(host) if !self.broken.contains(host)) {
            "there is nothing to heal, because it is not broken here; write a `break` above"
        } else if *command == Command::StopReverting && !self.reverting {
            "nobody reverts anything here; write `revert distribution every D` above"
        } else if wanted == Some(&Wanted::CommentKept) && !self.edited {
            "nobody has edited the comment; write `edit distribution comment TEXT` above"
        } else if wanted == Some(&Wanted::DistributionAsBefore) && !self.stack_deleted {
            "the protection is in the distribution until `delete stack`; write that above"
        } else if matches!(wanted, Some(Wanted::SavedBy(_))) && !self.inspection_was_broken {
            "there is nothing to be saved from; write `break inspection` above"
        } else {
            return None;
        };
        Some(wrong.to_owned())
    }

    fn then(&mut self, command: &Command) {
        if let Command::Break(host, _) = command {
            self.broken.push(*host);
            self.inspection_was_broken |= *host == Host::Inspection;
        }
        if let Command::Heal(host) = command {
            self.broken.retain(|broken| broken != host);
        }
        self.edited |= matches!(command, Command::EditComment(_));
        self.reverting |= matches!(command, Command::RevertEvery(_));
        self.reverting &= *command != Command::StopReverting;
        self.functions_removed |= *command == Command::RemoveFunctions;
        self.stack_deleted |= *command == Command::DeleteStack;
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Line;
    use super::super::command_grammar::command;
    use super::*;

    fn wrongs_of(layers: Layers, text: &str) -> Vec<(usize, Wrong)> {
        wrongs(&script(layers, text))
    }

    fn script(layers: Layers, text: &str) -> Script {
        let line = |(index, text): (usize, &str)| Line {
            number: index + 1,
            text: text.to_owned(),
            command: command(text).expect(text),
        };
        Script {
            name: "x".to_owned(),
            summary: "s".to_owned(),
            layers,
            dns: Dns::Route53,
            has_own_alarm: false,
            settings: Vec::new(),
            lines: text.split("; ").enumerate().map(line).collect(),
        }
    }

    #[track_caller]
    fn refused(layers: Layers, text: &str, number: usize, because: &str) {
        let wrongs = wrongs_of(layers, text);
        let [(line, wrong)] = wrongs.as_slice() else { panic!("expected one wrong in {text}, and saw {wrongs:?}") };
        assert_eq!(*line, number, "{wrong}");
        assert!(wrong.contains(because), "{wrong}");
    }

    #[track_caller]
    fn accepted(layers: Layers, text: &str) {
        assert_eq!(wrongs_of(layers, text), []);
    }

    #[test]
    fn a_run_without_the_product_asks_nothing_of_it() {
        for layers in [Layers::Nothing, Layers::ByHand] {
            refused(layers, "expect viewers served; expect traffic inspected", 2, "has no stack");
            refused(layers, "expect viewers served; expect alarm OK", 2, "has no stack");
            refused(layers, "bypass www; expect viewers served", 1, "has no stack");
            accepted(
                layers,
                "break inspection refused; expect viewers failed; heal inspection; expect viewers inspected",
            );
        }
    }

    #[test]
    fn layer_1_has_no_hold_down() {
        let text = "break inspection refused; heal inspection; expect inspected after hold-down";
        refused(Layers::Layer1, text, 3, "no hold-down");
        accepted(Layers::Both, text);
    }

    #[test]
    fn what_is_gone_is_not_asked() {
        refused(Layers::Both, "remove functions; expect reason AlreadyThere", 2, "functions are removed");
        accepted(Layers::Both, "remove functions; expect alarm OK; expect viewers inspected");
        refused(Layers::Both, "delete stack; expect alarm OK", 2, "stack is deleted");
        accepted(Layers::Both, "delete stack; expect distribution as before; expect viewers served");
    }

    #[test]
    fn what_is_healed_stopped_or_expected_has_been_there() {
        refused(Layers::Both, "break application errors; heal inspection; expect viewers served", 2, "nothing to heal");
        refused(
            Layers::Both,
            "break inspection hangs; heal inspection; heal inspection; expect viewers served",
            3,
            "heal",
        );
        refused(Layers::Both, "stop reverting; expect viewers served", 1, "nobody reverts");
        accepted(Layers::Both, "revert distribution every 5m; stop reverting; expect viewers served");
        refused(Layers::Both, "expect comment kept", 1, "edited");
        accepted(Layers::Both, "edit distribution comment new; expect comment kept");
        refused(Layers::Both, "expect distribution as before", 1, "delete stack");
        refused(Layers::Both, "break application refused; expect saved by nobody", 2, "break inspection");
    }

    #[test]
    fn the_head_promises_what_the_commands_use() {
        refused(Layers::Both, "force dns to application; expect viewers served", 1, "`dns: gdnsd`");
        refused(Layers::Both, "ring own alarm; expect viewers served", 1, "`alarm: own`");
        let text = "force dns to application; ring own alarm; silence own alarm; expect viewers served";
        let promised = Script { dns: Dns::Gdnsd, has_own_alarm: true, ..script(Layers::Both, text) };
        assert_eq!(wrongs(&promised), []);
        for layers in [Layers::Nothing, Layers::ByHand, Layers::Layer2] {
            let script = Script { dns: Dns::Gdnsd, ..script(layers, "expect viewers served") };
            assert!(wrongs(&script)[0].1.contains("leave out `dns:`"), "{layers}");
        }
        let script = Script { has_own_alarm: true, ..script(Layers::Layer1, "expect viewers served") };
        assert!(wrongs(&script)[0].1.contains("leave out `alarm:`"));
    }

    #[test]
    fn a_run_that_expects_nothing_could_not_fail() {
        refused(Layers::Both, "wait 2m", 1, "expects nothing");
    }
}
