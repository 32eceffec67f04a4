//! Every command in all its forms, as people are told them.

/// A form of a command, and an example of it. Capitals stand for what changes: D for a duration, L and N for numbers; bars
/// part words of which one is written, and what is in brackets may be left out.
pub(super) struct Form {
    pub(super) form: &'static str,
    pub(super) example: &'static str,
}

const fn form(form: &'static str, example: &'static str) -> Form {
    Form { form, example }
}

pub(super) const FORMS: [Form; 46] = [
    form("wait D", "wait 2m"),
    form("break inspection|application refused", "break inspection refused"),
    form("break inspection|application blackhole", "break inspection blackhole"),
    form("break inspection|application hangs", "break inspection hangs"),
    form("break inspection|application errors", "break application errors"),
    form("break inspection|application slow D", "break inspection slow 8s"),
    form("break inspection|application expired-certificate", "break inspection expired-certificate"),
    form("break inspection|application wrong-name", "break inspection wrong-name"),
    form("break inspection|application broken-traffic", "break inspection broken-traffic"),
    form("break inspection|application flapping every D", "break inspection flapping every 10m"),
    form("heal inspection|application", "heal inspection"),
    form("lose L in N alarm events", "lose 1 in 3 alarm events"),
    form("lose all alarm events", "lose all alarm events"),
    form("deliver alarm events N times", "deliver alarm events 5 times"),
    form("deliver alarm events D late", "deliver alarm events 10m late"),
    form("deliver alarm events as usual", "deliver alarm events as usual"),
    form("stop ticks", "stop ticks"),
    form("start ticks", "start ticks"),
    form("throttle cloudfront D", "throttle cloudfront 10m"),
    form("edit distribution comment TEXT", "edit distribution comment Edited in the console"),
    form("revert distribution every D", "revert distribution every 5m"),
    form("stop reverting", "stop reverting"),
    form("force dns to application", "force dns to application"),
    form("release dns", "release dns"),
    form("ring own alarm", "ring own alarm"),
    form("silence own alarm", "silence own alarm"),
    form("pin www inspected|bypassed|hold [for D]", "pin www bypassed for 2h"),
    form("unpin www", "unpin www"),
    form("unlatch www", "unlatch www"),
    form("bypass www [for D]", "bypass www for 1h"),
    form("restore www [for D]", "restore www"),
    form("remove functions", "remove functions"),
    form("delete stack", "delete stack"),
    form("expect traffic inspected|bypassed-dns|bypassed-edge|unknown", "expect traffic bypassed-dns"),
    form("expect posture inspected|bypassed|mixed|foreign", "expect posture bypassed within 20m"),
    form("expect viewers inspected|bypassed|served|failed", "expect viewers bypassed"),
    form("expect alarm ALARM|OK|INSUFFICIENT_DATA", "expect alarm OK"),
    form("expect reason REASON", "expect reason Latched"),
    form("expect traffic|posture|viewers|alarm|reason stays WORD for D", "expect traffic stays inspected for 10m"),
    form("expect exactly|at most|at least N flips", "expect at most 6 flips"),
    form("expect route 53 sees nothing", "expect route 53 sees nothing"),
    form("expect inspected after hold-down", "expect inspected after hold-down"),
    form("expect distribution as before", "expect distribution as before"),
    form("expect comment kept", "expect comment kept"),
    form("expect saved by layer 1|layer 2|nobody", "expect saved by layer 1"),
    form("expect … within D", "expect viewers served within 5m"),
];

/// The forms, one a line.
pub(super) fn list() -> String {
    let width = FORMS.iter().map(|form| form.form.chars().count()).max().unwrap_or_default();
    let lines = FORMS.iter().map(|Form { form, example }| format!("    {form:<width$}  {example}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::command::{Command, Wanted};
    use super::super::command_grammar::command;
    use super::*;

    /// A number for every kind of command, so that a new one is missed here until it has a form.
    fn kind(command: &Command) -> usize {
        match command {
            Command::Wait(_) => 0,
            Command::Break(..) => 1,
            Command::Heal(_) => 2,
            Command::AlarmEvents(_) => 3,
            Command::Ticks(_) => 4,
            Command::ThrottleCloudFront(_) => 5,
            Command::EditComment(_) => 6,
            Command::RevertEvery(_) => 7,
            Command::StopReverting => 8,
            Command::Pin(..) => 9,
            Command::Unpin => 10,
            Command::Unlatch => 11,
            Command::Bypass(_) => 12,
            Command::Restore(_) => 13,
            Command::RemoveFunctions => 14,
            Command::DeleteStack => 15,
            Command::Expect(expectation) => match expectation.wanted {
                Wanted::Traffic(_) => 16,
                Wanted::Posture(_) => 17,
                Wanted::Viewers(_) => 18,
                Wanted::Alarm(_) => 19,
                Wanted::Reason(_) => 20,
                Wanted::Flips(..) => 21,
                Wanted::Undetected => 22,
                Wanted::InspectedAfterHoldDown => 23,
                Wanted::DistributionAsBefore => 24,
                Wanted::CommentKept => 25,
                Wanted::SavedBy(_) => 26,
            },
            Command::ForceDns(_) => 27,
            Command::OwnAlarm(_) => 28,
        }
    }

    #[test]
    fn every_example_is_understood_and_every_command_has_one() {
        let kinds: BTreeSet<usize> =
            FORMS.iter().map(|form| kind(&command(form.example).expect(form.example))).collect();
        assert_eq!(kinds, (0..=28).collect());
    }

    #[test]
    fn the_page_for_authors_shows_every_form_with_its_example() {
        let page = include_str!("../../../../docs/scenarios.md");
        for Form { form, example } in FORMS {
            // A bar ends a cell of a table, so it is escaped there.
            assert!(
                page.contains(&format!("| `{}` |", form.replace('|', "\\|"))),
                "docs/scenarios.md lacks the form `{form}`"
            );
            assert!(page.contains(&format!("`{example}`")), "docs/scenarios.md lacks the example `{example}`");
        }
    }
}
