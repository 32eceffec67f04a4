//! gdnsd's files: those of the repository, which README.md shows, with as little changed as a machine without a network needs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::clock::Scale;
use crate::site::INSPECTION;

/// Where the files are in the repository.
const DIRECTORY: &str = "tests/rehearsal/gdnsd";
pub(super) const ZONE: &str = "gslb.cq-route.com";

/// What the files say of gdnsd's own address and of time, modelled.
const NAME_SERVER: &str = "192.0.2.53";
const INTERVAL: Duration = Duration::from_secs(10);
/// The shortest interval that gdnsd takes (gdnsd.config(5), `interval`); half of it is left to curl.
const SHORTEST: Duration = Duration::from_secs(2);

/// What is different on this machine.
pub(super) struct Place {
    pub(super) scale: Scale,
    pub(super) listen: SocketAddr,
    pub(super) inspection: SocketAddr,
    pub(super) roots: PathBuf,
    /// gdnsd's own directory.
    pub(super) directory: PathBuf,
}

impl Place {
    /// Time on the wall from one check of inspection to the next.
    pub(super) fn interval(&self) -> Duration {
        interval(self.scale)
    }

    /// Writes both files, and makes the directories for the others.
    pub(super) fn furnish(&self, repository: &Path) -> Result<()> {
        let read = |file: &str| {
            let path = repository.join(DIRECTORY).join(file);
            std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
        };
        let zone = format!("zones/{ZONE}");
        for directory in ["zones", "run", "state"] {
            std::fs::create_dir_all(self.directory.join(directory))?;
        }
        std::fs::write(self.directory.join("config"), self.config(&read("config")?)?)?;
        std::fs::write(self.directory.join(&zone), changed(&read(&zone)?, &[(NAME_SERVER, &own_address())])?)?;
        Ok(())
    }

    fn config(&self, text: &str) -> Result<String> {
        let (run, state) = (self.directory.join("run"), self.directory.join("state"));
        let listen = format!(
            "listen => {}\n  run_dir => \"{}\"\n  state_dir => \"{}\"\n  udp_threads => 1\n  tcp_threads => 1",
            self.listen,
            run.display(),
            state.display()
        );
        let seconds = self.interval().as_secs();
        // gdnsd takes whole seconds, and a check has to end before the next one.
        let (timeout, patience) = ((seconds / 2).max(1), (seconds * 4 / 10).max(1));
        changed(
            text,
            &[
                ("listen => any", &listen),
                ("interval => 10", &format!("interval => {seconds}")),
                ("timeout => 5", &format!("timeout => {timeout}")),
                ("\"--max-time\", \"4\"", &format!("\"--max-time\", \"{patience}\"")),
                (
                    &format!("\"--connect-to\", \"::{INSPECTION}:443\""),
                    &format!("\"--cacert\", \"{}\", \"--connect-to\", \"::{}\"", self.roots.display(), self.inspection),
                ),
            ],
        )
    }
}

/// Time on the wall between two checks at a scale.
pub(crate) fn interval(scale: Scale) -> Duration {
    let seconds = scale.wall(INTERVAL).as_secs_f64().ceil();
    Duration::from_secs_f64(seconds).max(SHORTEST)
}

fn own_address() -> String {
    Ipv4Addr::LOCALHOST.to_string()
}

/// Replaces each text, which has to be there exactly once: a file that somebody has rewritten would be served unchanged.
fn changed(text: &str, changes: &[(&str, &str)]) -> Result<String> {
    let mut text = text.to_owned();
    for (from, to) in changes {
        ensure!(text.matches(from).count() == 1, "the files in {DIRECTORY} do not say `{from}` exactly once");
        text = text.replace(from, to);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = include_str!("../../gdnsd/config");
    const ZONE_FILE: &str = include_str!("../../gdnsd/zones/gslb.cq-route.com");

    fn place(scale: f64) -> Place {
        Place {
            scale: Scale::new(scale).unwrap(),
            listen: "127.0.0.1:5353".parse().unwrap(),
            inspection: "127.0.0.2:8443".parse().unwrap(),
            roots: "/run/root.pem".into(),
            directory: "/run/gdnsd".into(),
        }
    }

    #[test]
    fn the_files_that_people_copy_are_those_that_are_run() {
        let readme = include_str!("../../../../README.md");
        for text in [CONFIG, ZONE_FILE] {
            assert!(readme.contains(text), "README.md does not show\n{text}");
        }
    }

    #[test]
    fn the_machine_s_addresses_and_the_scale_are_all_that_is_different() {
        let config = place(20.0).config(CONFIG).unwrap();
        let old: Vec<&str> = CONFIG.lines().filter(|line| !config.contains(line)).map(str::trim).collect();
        assert_eq!(old.len(), 5, "{old:#?}");
        for line in [
            "  listen => 127.0.0.1:5353\n",
            "  run_dir => \"/run/gdnsd/run\"\n",
            "    interval => 2\n    timeout => 1\n",
            "\"--max-time\", \"1\"",
            "\"--cacert\", \"/run/root.pem\", \"--connect-to\", \"::127.0.0.2:8443\", \"https://cq-origin-www.cq-route.com/health\"",
        ] {
            assert!(config.contains(line), "{line} is missing in\n{config}");
        }
        assert!(changed(ZONE_FILE, &[(NAME_SERVER, &own_address())]).unwrap().contains("ns   300    A     127.0.0.1"));
        assert!(changed("listen => any\n", &[("listen => all", "")]).is_err());
    }

    #[test]
    fn checks_are_as_frequent_as_gdnsd_takes_them() {
        for (scale, seconds) in [(1.0, 10), (3.0, 4), (10.0, 2), (60.0, 2)] {
            assert_eq!(interval(Scale::new(scale).unwrap()), Duration::from_secs(seconds), "1:{scale}");
        }
        let real = place(1.0).config(CONFIG).unwrap();
        assert!(real.contains("interval => 10\n    timeout => 5\n") && real.contains("\"--max-time\", \"4\""));
    }
}
