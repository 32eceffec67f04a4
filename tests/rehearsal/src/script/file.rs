//! A scenario's file: a head of `summary:`, `layers:` and `set:`, then a command a line. One file gives a script for each
//! of its layers.

use std::fmt;
use std::path::Path;

use super::command::{Dns, Layers, Line, Script};
use super::command_grammar::command;
use super::plausibility;
use super::spelling::alternatives;
use super::words::{Words, Wrong};

/// Something in a file that is not right, in a sentence that says what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {wrong}")]
pub(super) struct Problem {
    file: String,
    /// From 1.
    line: usize,
    wrong: Wrong,
}

/// Values that a parameter of the stack takes.
#[derive(Clone, Copy)]
enum Values {
    Number,
    Words(&'static [&'static str]),
}

/// Parameters of the stack that a scenario may set. The others follow from the layers and from the stage.
const SETTINGS: [(&str, Values); 6] = [
    ("EdgeFailOpen", Values::Words(&["off", "notify", "automatic"])),
    ("FailBack", Values::Words(&["automatic", "manual"])),
    ("HoldDownSeconds", Values::Number),
    ("MinimumDwellSeconds", Values::Number),
    ("MaximumFlipsPerDay", Values::Number),
    ("ApplicationCheck", Values::Words(&["probe", "none"])),
];

/// What may stand above the commands.
#[derive(Clone, Copy)]
enum Head {
    Summary,
    Layers,
    Dns,
    Alarm,
    Set,
}

const HEADS: [(&str, Head); 5] = [
    ("summary:", Head::Summary),
    ("layers:", Head::Layers),
    ("dns:", Head::Dns),
    ("alarm:", Head::Alarm),
    ("set:", Head::Set),
];

/// A command, and in which runs it is given.
struct Step {
    line: Line,
    /// `None`: in all of them.
    only: Option<Vec<Layers>>,
}

/// What has been read of a file.
#[derive(Default)]
struct Reading {
    summary: Option<String>,
    layers: Option<Vec<Layers>>,
    dns: Option<Dns>,
    has_own_alarm: bool,
    settings: Vec<(String, String)>,
    steps: Vec<Step>,
    wrongs: Vec<(usize, Wrong)>,
}

/// The scripts of a file, or everything that is wrong with it. The scripts are named after the file.
pub(super) fn scripts(file: &str, text: &str) -> Result<Vec<Script>, Vec<Problem>> {
    let mut reading = Reading::default();
    for (index, line) in text.lines().enumerate() {
        if let Err(wrong) = reading.line(index + 1, line) {
            reading.wrongs.push((index + 1, wrong));
        }
    }
    let name = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
    let scripts = reading.scripts(&name);
    if reading.wrongs.is_empty() {
        return Ok(scripts);
    }
    reading.wrongs.sort_by_key(|(line, _)| *line);
    // What is wrong in the runs with several layers is said once.
    reading.wrongs.dedup();
    Err(reading.wrongs.into_iter().map(|(line, wrong)| Problem { file: file.to_owned(), line, wrong }).collect())
}

impl Reading {
    fn line(&mut self, number: usize, line: &str) -> Result<(), Wrong> {
        let line = without_remark(line);
        let mut words = Words::of(line);
        match words.peek() {
            None => Ok(()),
            Some(first) if first.ends_with(':') => {
                let head = words.choice("head", &HEADS)?;
                if !self.steps.is_empty() {
                    return Err(format!("`{first}` stands below a command, and belongs above the first one"));
                }
                self.head(head, &mut words)
            }
            Some(_) => {
                let (only, text) = layers_in_brackets(line)?;
                let command = command(text)?;
                self.steps.push(Step { line: Line { number, text: text.to_owned(), command }, only });
                Ok(())
            }
        }
    }

    fn head(&mut self, head: Head, words: &mut Words<'_>) -> Result<(), Wrong> {
        match head {
            Head::Summary => match (words.take_rest(), &self.summary) {
                (_, Some(_)) => Err("there is a summary already; a scenario has one".to_owned()),
                ("", None) => Err("the summary is empty; say in a line what happens".to_owned()),
                (summary, None) => {
                    self.summary = Some(summary.to_owned());
                    Ok(())
                }
            },
            Head::Layers if self.layers.is_some() => {
                Err("there are layers already; write all of them in one line".to_owned())
            }
            Head::Layers => {
                let list = layers(words.take_rest());
                // A list that cannot be read is one wrong thing, and not a list that is missing too.
                self.layers = Some(list.clone().unwrap_or_default());
                list.map(drop)
            }
            Head::Dns if self.dns.is_some() => Err("there is a dns already; a scenario has one".to_owned()),
            Head::Dns => {
                self.dns = Some(words.choice("dns", &[("route53", Dns::Route53), ("gdnsd", Dns::Gdnsd)])?);
                words.end()
            }
            Head::Alarm => {
                self.has_own_alarm = true;
                words.literally(&["own"])?;
                words.end()
            }
            Head::Set => {
                let (name, value) = setting(words)?;
                if self.settings.iter().any(|(set, _)| *set == name) {
                    return Err(format!("{name} is set already; set it once"));
                }
                self.settings.push((name, value));
                Ok(())
            }
        }
    }

    /// What was read, for each of the layers; notes what is wrong with it as a whole.
    fn scripts(&mut self, name: &str) -> Vec<Script> {
        if !is_name(name) {
            self.wrong(
                1,
                "the file's name is that of the scenario: small letters, digits and hyphens, such as alarm-lost.txt",
            );
        }
        if self.summary.is_none() {
            self.wrong(1, "there is no summary; write `summary: ` and in a line what happens");
        }
        let Some(layers) = self.layers.clone() else {
            self.wrong(1, format!("there are no layers; write `layers: ` and some of {}", layer_words()));
            return Vec::new();
        };
        let foreign = self.steps.iter().flat_map(|step| {
            let outside = step.only.iter().flatten().filter(|only| !layers.is_empty() && !layers.contains(only));
            outside.map(|only| {
                (step.line.number, format!("the scenario has no run with {only}; name it under `layers:` too"))
            })
        });
        self.wrongs.extend(foreign.collect::<Vec<_>>());
        // What a line that was not understood would have done is missing, and would be found missing line by line.
        let is_understood = self.wrongs.is_empty();
        let scripts: Vec<Script> = layers.iter().map(|own| self.script(name, *own, layers.len() > 1)).collect();
        if is_understood {
            self.wrongs = scripts.iter().flat_map(plausibility::wrongs).collect();
        }
        scripts
    }

    fn script(&self, name: &str, layers: Layers, one_of_several: bool) -> Script {
        let given = |step: &&Step| step.only.as_ref().is_none_or(|only| only.contains(&layers));
        Script {
            name: if one_of_several { format!("{name}-{layers}") } else { name.to_owned() },
            summary: self.summary.clone().unwrap_or_default(),
            layers,
            dns: self.dns.unwrap_or_default(),
            has_own_alarm: self.has_own_alarm,
            settings: self.settings.clone(),
            lines: self.steps.iter().filter(given).map(|step| step.line.clone()).collect(),
        }
    }

    fn wrong(&mut self, line: usize, wrong: impl Into<Wrong>) {
        self.wrongs.push((line, wrong.into()));
    }
}

/// A remark begins with `#`, at the beginning of a line or after a blank.
fn without_remark(line: &str) -> &str {
    let is_remark = |at: &usize| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    let remark = line.match_indices('#').map(|(at, _)| at).find(is_remark);
    line[..remark.unwrap_or(line.len())].trim()
}

/// `[layer-1, both] command`, or a command alone.
fn layers_in_brackets(line: &str) -> Result<(Option<Vec<Layers>>, &str), Wrong> {
    let Some(inside) = line.strip_prefix('[') else {
        return Ok((None, line));
    };
    let (inside, command) = inside.split_once(']').ok_or("`[` is not closed; write `[layer-1, both] command`")?;
    Ok((Some(layers(inside)?), command.trim()))
}

/// Words of layers with commas between them, each once.
fn layers(list: &str) -> Result<Vec<Layers>, Wrong> {
    let mut layers = Vec::new();
    for word in list.split(',') {
        let mut words = Words::of(word);
        let layer = words.choice("layer", &Layers::ALL.map(|layers| (layers.name(), layers)))?;
        words.end().map_err(|_| format!("`{}` is no layer; write commas between layers", word.trim()))?;
        if layers.contains(&layer) {
            return Err(format!("{layer} is there twice; once is enough"));
        }
        layers.push(layer);
    }
    Ok(layers)
}

fn layer_words() -> String {
    alternatives(&Layers::ALL.map(Layers::name))
}

/// `MaximumFlipsPerDay 6`.
fn setting(words: &mut Words<'_>) -> Result<(String, String), Wrong> {
    let known = SETTINGS.map(|(name, values)| (name, (name, values)));
    let (name, values) = words.choice("parameter to set", &known)?;
    let value = match values {
        Values::Number => words.number()?.to_string(),
        Values::Words(known) => words.one_of("value", known)?,
    };
    words.end()?;
    Ok((name.to_owned(), value))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
}

/// Problems, one a line.
#[derive(Debug, thiserror::Error)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::command::{Command, Fault, Host, Seen, Timing, Wanted};
    use super::*;

    const GOOD: &str = "\
# Inspection is cut off.
summary: packets to inspection are dropped
layers: layer-1, both
set: MaximumFlipsPerDay 6            # as ever

wait 2m
break inspection blackhole           # now
[layer-1] expect traffic bypassed-dns
[layer-1, both] expect viewers bypassed
";

    fn problems(text: &str) -> Vec<String> {
        scripts("x.txt", text).expect_err(text).iter().map(Problem::to_string).collect()
    }

    #[test]
    fn a_file_becomes_a_script_for_each_of_its_layers() {
        let scripts = scripts("some/where/blackhole.txt", GOOD).unwrap();
        let names: Vec<&str> = scripts.iter().map(|script| script.name.as_str()).collect();
        assert_eq!(names, ["blackhole-layer-1", "blackhole-both"]);
        let [first, second] = scripts.as_slice() else { panic!("two scripts") };
        assert_eq!(first.summary, "packets to inspection are dropped");
        assert_eq!(first.layers, Layers::Layer1);
        assert_eq!(first.settings, [("MaximumFlipsPerDay".to_owned(), "6".to_owned())]);
        assert_eq!(first.lines.len(), 4);
        assert_eq!(second.lines.len(), 3, "a line for layer 1 is not in the run with both");
        let broken = Command::Break(Host::Inspection, Fault::Blackhole);
        assert_eq!(first.lines[1], Line { number: 7, text: "break inspection blackhole".to_owned(), command: broken });
        assert_eq!(first.lines[0].command, Command::Wait(Duration::from_secs(120)));
        let Command::Expect(last) = &second.lines[2].command else { panic!("an expectation") };
        assert_eq!((&last.wanted, last.timing), (&Wanted::Viewers(Seen::Bypassed), Timing::Eventually(None)));
        assert_eq!(second.lines[2].text, "expect viewers bypassed");
    }

    #[test]
    fn a_file_with_one_choice_of_layers_gives_its_name_to_the_script() {
        let scripts = scripts("alarm-lost.txt", "summary: s\nlayers: both\nexpect viewers inspected\n").unwrap();
        assert_eq!(scripts[0].name, "alarm-lost");
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let text = "summary: s\nlayers: layer-1, layer-3\nset: HoldDownSecond 5\nbrake inspection\n\
                    [layer-2 expect viewers served\nbreak inspection blackhol\nexpect viewers served\nlayers: both\n";
        let problems = problems(text);
        let beginnings = [
            "x.txt:2: there is no layer `layer-3`. Did you mean `layer-1`?",
            "x.txt:3: there is no parameter to set `HoldDownSecond`. Did you mean `HoldDownSeconds`?",
            "x.txt:4: there is no command `brake`. Did you mean `break`?",
            "x.txt:5: `[` is not closed",
            "x.txt:6: there is no fault `blackhol`. Did you mean `blackhole`?",
            "x.txt:8: `layers:` stands below a command",
        ];
        assert_eq!(problems.len(), beginnings.len(), "{problems:#?}");
        for (problem, beginning) in problems.iter().zip(beginnings) {
            assert!(problem.starts_with(beginning), "{problem}");
        }
    }

    #[test]
    fn a_head_is_complete_and_says_each_thing_once() {
        assert_eq!(
            problems("expect viewers served\n"),
            [
                "x.txt:1: there is no summary; write `summary: ` and in a line what happens",
                "x.txt:1: there are no layers; write `layers: ` and some of nothing, by-hand, layer-1, layer-2 or both"
            ]
        );
        let twice = "summary: s\nsummary: t\nlayers: both, both\nlayers: both\nset: FailBack manual\n\
                     set: FailBack automatic\nset: FailBack never\nset: HoldDownSeconds long\nexpect viewers served\n";
        let problems = problems(twice);
        let wanted = [
            "2: there is a summary",
            "3: both is there twice",
            "4: there are layers",
            "6: FailBack is set already",
            "7: there is no value `never`",
            "8: `long` stands where a number has to",
        ];
        assert_eq!(problems.len(), wanted.len(), "{problems:#?}");
        for (problem, wanted) in problems.iter().zip(wanted) {
            assert!(problem.starts_with(&format!("x.txt:{wanted}")), "{problem}");
        }
    }

    #[test]
    fn a_line_is_for_layers_that_the_scenario_has() {
        let text = "summary: s\nlayers: both\nexpect viewers served\n[layer-1] wait 2m\n";
        assert_eq!(problems(text), ["x.txt:4: the scenario has no run with layer-1; name it under `layers:` too"]);
        assert!(problems(&text.replace("[layer-1]", "[layer-1 both]"))[0].contains("commas"));
    }

    #[test]
    fn what_is_wrong_in_several_runs_is_said_once() {
        let text = "summary: s\nlayers: layer-1, both\nheal inspection\nexpect viewers served\n";
        assert_eq!(problems(text).len(), 1);
    }

    #[test]
    fn another_dns_service_and_an_own_alarm_are_named_in_the_head() {
        let text = "summary: s\nlayers: both\ndns: gdnsd\nalarm: own\nexpect viewers served\n";
        let script = &scripts("x.txt", text).unwrap()[0];
        assert_eq!((script.dns, script.has_own_alarm), (Dns::Gdnsd, true));
        let script = &scripts("x.txt", &text.replace("dns: gdnsd\nalarm: own\n", "")).unwrap()[0];
        assert_eq!((script.dns, script.has_own_alarm), (Dns::Route53, false));
        assert!(problems(&text.replace("gdnsd", "powerdns"))[0].contains("It is route53 or gdnsd"));
        assert!(problems(&text.replace("alarm: own", "dns: gdnsd"))[0].contains("a scenario has one"));
        assert!(problems(&text.replace("alarm: own", "alarm: mine"))[0].contains("`mine` stands where `own` has to"));
    }

    #[test]
    fn a_file_is_named_as_a_scenario() {
        let problems = scripts("Alarm lost.txt", "summary: s\nlayers: both\nexpect viewers served\n").unwrap_err();
        assert!(problems[0].to_string().contains("small letters"), "{problems:?}");
    }

    #[test]
    fn remarks_begin_after_a_blank() {
        assert_eq!(without_remark("# all"), "");
        assert_eq!(without_remark(" wait 2m # why"), "wait 2m");
        assert_eq!(without_remark("edit distribution comment ticket#4 é#x"), "edit distribution comment ticket#4 é#x");
    }

    #[test]
    fn every_setting_is_a_parameter_of_the_template() {
        let template = include_str!("../../../../template.yaml");
        for (name, _) in SETTINGS {
            assert!(template.contains(&format!("\n  {name}:\n    Type: ")), "the template has no parameter {name}");
        }
    }
}
