//! All scenarios that there are: the files in `tests/rehearsal/scenarios`, read when they are needed, so that a new one
//! needs no new program.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::command::Script;
use super::file::{Problem, Problems, scripts};
use super::spelling::nearest;

/// Where the files are in the repository.
const DIRECTORY: &str = "tests/rehearsal/scenarios";

/// Names that mean something else on the command line.
const TAKEN: [&str; 7] = ["all", "compare", "default", "list", "permissions", "permissions-in-brief", "provisioning"];

/// Every script of every file, in the order of the files' names, and within a file in that of its layers.
#[derive(Debug)]
pub(crate) struct Library {
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    /// Without directory and ending.
    name: String,
    scripts: Vec<Script>,
}

impl Library {
    /// Reads the files of a repository.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub(crate) fn read(repository: &Path) -> Result<Self> {
        let directory = repository.join(DIRECTORY);
        let cannot = || format!("the scenarios in {} cannot be read", directory.display());
        let mut texts = Vec::new();
        for entry in fs::read_dir(&directory).with_context(cannot)? {
            let path = entry.with_context(cannot)?.path();
            if path.extension().is_some_and(|ending| ending == "txt") {
                let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                texts.push((name, text));
            }
        }
        if texts.is_empty() {
            bail!("{} holds no scenario, a file whose name ends in .txt", directory.display());
        }
        texts.sort();
        Self::of(&texts)
    }

    /// The library of these files, names first.
    fn of(texts: &[(String, String)]) -> Result<Self> {
        let mut files: Vec<File> = Vec::new();
        let mut problems: Vec<Problem> = Vec::new();
        for (name, text) in texts {
            match scripts(&format!("{DIRECTORY}/{name}.txt"), text) {
                Ok(scripts) => files.push(File { name: name.clone(), scripts }),
                Err(found) => problems.extend(found),
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems).into());
        }
        let library = Self { files };
        library.names_are_unique()?;
        Ok(library)
    }

    fn names_are_unique(&self) -> Result<()> {
        let mut names: Vec<&str> = TAKEN.to_vec();
        for script in self.scripts() {
            if names.contains(&script.name.as_str()) {
                bail!("`{}` is the name of two things; rename a file in {DIRECTORY}", script.name);
            }
            names.push(&script.name);
        }
        Ok(())
    }

    pub(crate) fn scripts(&self) -> impl Iterator<Item = &Script> {
        self.files.iter().flat_map(|file| &file.scripts)
    }

    /// The script of this name.
    ///
    /// # Errors
    /// There is none: with the name that may be meant, and all of them. `others` are what can be played beside the scripts,
    /// each with its summary.
    pub(crate) fn find(&self, name: &str, others: &[(&str, &str)]) -> Result<&Script> {
        if let Some(script) = self.scripts().find(|script| script.name == name) {
            return Ok(script);
        }
        let scripts = self.scripts().map(|script| (script.name.as_str(), script.summary.as_str()));
        let playable: Vec<(&str, &str)> = others.iter().copied().chain(scripts).collect();
        let meant = match self.files.iter().find(|file| file.name == name) {
            // A file with several layers has no run of its own name.
            Some(file) => file.scripts.iter().map(|script| script.name.as_str()).collect(),
            None => Vec::from_iter(nearest(name, playable.iter().map(|(name, _)| *name))),
        };
        let meant = match meant.as_slice() {
            [] => String::new(),
            names => format!(" Did you mean `{}`?", names.join("`, `")),
        };
        bail!("these are here:\n{}\nThere is no scenario `{name}`, so nothing was played.{meant}", list(&playable))
    }

    /// The scripts of one file, one for each of its layers; none where there is no such file.
    pub(crate) fn of_file(&self, name: &str) -> &[Script] {
        self.files.iter().find(|file| file.name == name).map_or(&[], |file| &file.scripts)
    }
}

/// `name  summary`, one a line.
pub(crate) fn list(playable: &[(&str, &str)]) -> String {
    let width = playable.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines = playable.iter().map(|(name, summary)| format!("{name:<width$}  {summary}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::command::{Command, Fault, Host, Layers, Line};
    use super::*;

    fn repository() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    fn library(files: &[(&str, &str)]) -> Result<Library> {
        let texts = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Library::of(&texts.collect::<Vec<_>>())
    }

    const ONE: &str = "summary: one\nlayers: both\nexpect viewers inspected\n";
    const TWO: &str = "summary: two\nlayers: layer-1, both\nexpect viewers inspected\n";

    #[test]
    fn a_script_is_found_by_its_name_and_listed_with_its_summary() {
        let library = library(&[("alarm-lost", ONE), ("hangs", TWO)]).unwrap();
        assert_eq!(library.find("hangs-layer-1", &[]).unwrap().layers, Layers::Layer1);
        assert_eq!(library.of_file("hangs").len(), 2);
        assert_eq!(library.of_file("brownout"), []);
    }

    #[test]
    fn an_unknown_name_is_answered_with_what_may_be_meant_and_the_list() {
        let library = library(&[("alarm-lost", ONE), ("hangs", TWO)]).unwrap();
        let find = |name| library.find(name, &[("provisioning", "three")]);
        let near = find("alarm-lots").unwrap_err().to_string();
        assert!(near.contains("Did you mean `alarm-lost`?"), "{near}");
        let list = "provisioning   three\nalarm-lost     one\nhangs-layer-1  two\nhangs-both     two\n";
        assert!(near.contains(list), "{near}");
        let built_in = find("provisionning").unwrap_err().to_string();
        assert!(built_in.contains("Did you mean `provisioning`?"), "{built_in}");
        let file = find("hangs").unwrap_err().to_string();
        assert!(file.contains("Did you mean `hangs-layer-1`, `hangs-both`?"), "{file}");
        let far = find("brownout").unwrap_err().to_string();
        assert!(!far.contains("Did you mean") && far.contains("alarm-lost"), "{far}");
    }

    #[test]
    fn no_name_is_given_twice() {
        for clash in [[("hangs", TWO), ("hangs-both", ONE)], [("alarm-lost", ONE), ("list", ONE)]] {
            assert!(library(&clash).unwrap_err().to_string().contains("two things"));
        }
    }

    #[test]
    fn the_problems_of_all_files_are_said_together() {
        let error = library(&[("a", "layers: both\nwait\n"), ("b", ONE), ("c", "brake\n")]).unwrap_err().to_string();
        for beginning in ["a.txt:1: ", "a.txt:2: ", "c.txt:1: "] {
            assert!(error.contains(&format!("{DIRECTORY}/{beginning}")), "{error}");
        }
    }

    #[test]
    fn every_scenario_of_the_repository_is_understood() {
        let library = Library::read(repository()).unwrap_or_else(|error| panic!("{error:#}"));
        for name in [
            "alarm-lost",
            "alarm-lost-one-in-three",
            "alarm-doubled",
            "alarm-late",
            "operator-takes-over",
            "delete-while-bypassed",
            "terraform-reverses",
            "functions-removed",
            "comment-edited",
        ] {
            library.find(name, &[]).unwrap();
        }
        let compared: Vec<Layers> = library.of_file("compare").iter().map(|script| script.layers).collect();
        assert_eq!(compared, Layers::ALL);
        assert!(!library.of_file("both-origins-dead").is_empty() && !library.of_file("throttled").is_empty());
    }

    #[test]
    fn every_fault_is_played_with_layer_1_alone_layer_2_alone_and_both() {
        /// A name for every way to be dead, so that a new one is missed here until it has a scenario.
        fn file(host: Host, fault: Fault) -> &'static str {
            match (host, fault) {
                (Host::Application, _) => "application-dead",
                (Host::Inspection, Fault::Refused) => "refused",
                (Host::Inspection, Fault::Blackhole) => "blackhole",
                (Host::Inspection, Fault::Hangs) => "hangs",
                (Host::Inspection, Fault::Errors) => "errors",
                (Host::Inspection, Fault::Slow(_)) => "slow",
                (Host::Inspection, Fault::ExpiredCertificate) => "expired-certificate",
                (Host::Inspection, Fault::WrongName) => "wrong-name",
                (Host::Inspection, Fault::BrokenTraffic) => "broken-traffic",
                (Host::Inspection, Fault::Flapping(_)) => "flapping",
            }
        }
        let library = Library::read(repository()).unwrap_or_else(|error| panic!("{error:#}"));
        let mut played = BTreeSet::new();
        for script in library.scripts() {
            let broken = |line: &Line| {
                if let Command::Break(host, fault) = line.command { Some(file(host, fault)) } else { None }
            };
            let first = script.lines.iter().find_map(broken);
            played.extend(first.map(|file| format!("{file}-{}", script.layers)).filter(|name| *name == script.name));
        }
        let faults = [
            "refused",
            "blackhole",
            "hangs",
            "errors",
            "slow",
            "expired-certificate",
            "wrong-name",
            "broken-traffic",
            "flapping",
            "application-dead",
        ];
        for fault in faults {
            for layers in [Layers::Layer1, Layers::Layer2, Layers::Both] {
                assert!(played.contains(&format!("{fault}-{layers}")), "no scenario plays {fault} with {layers}");
            }
        }
    }
}
