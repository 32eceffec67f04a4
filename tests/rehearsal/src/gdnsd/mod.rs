//! Another DNS service in the place of Route 53: a real gdnsd on loopback, with health checks of its own.
//!
//! The failover record is an alias of a name in gdnsd's zone, as it is with services that balance load by DNS. Edges and functions
//! find that zone through the rehearsal's name server.

mod configuration;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::task::JoinHandle;

use crate::clock::Scale;
use crate::local_aws::{MARK, free_port};
use crate::narration::{Seen, Step};
use crate::process::{Process, tail};
use crate::route53::NameServer;
use crate::site::{APPLICATION, FAILOVER_RECORD, INSPECTION};
use crate::stage::Stage;
use crate::timeline::{Kind, Timeline};

use configuration::{Place, ZONE};

/// The name that gdnsd fails over.
const BALANCED: &str = "www.gslb.cq-route.com";
/// The same for everything between the two, in seconds; it never changes.
const ALIAS_TTL: u32 = 300;

/// The first round of checks, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Wall time between two looks at what is answered.
const GLANCE: Duration = Duration::from_millis(200);

/// Where Debian puts it, which is in nobody's PATH but root's.
const SYSTEM: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"];
/// The check in gdnsd's configuration is an HTTPS request of this program.
const CURL: &str = "/usr/bin/curl";

/// A running gdnsd. It ends when this is dropped.
pub(crate) struct Gdnsd {
    watch: JoinHandle<()>,
    /// Overrides by people, which gdnsd reads as soon as they are written (gdnsd(8), `admin_state`).
    overrides: PathBuf,
    _process: Process,
}

impl Gdnsd {
    /// Refuses, in a sentence that says what to do, where a program is missing.
    pub(crate) fn is_installed() -> Result<()> {
        match (program(&directories()), Path::new(CURL).is_file()) {
            (Some(_), true) => Ok(()),
            (None, _) => bail!("{}", missing("gdnsd")),
            (Some(_), false) => bail!("{}", missing(CURL)),
        }
    }

    /// Starts it, and returns when it leads to inspection.
    pub(crate) async fn start(stage: &Stage<'_>, step: &Step<'_>) -> Result<Self> {
        let program = program(&directories()).with_context(|| missing("gdnsd"))?;
        let place = Place {
            scale: stage.clock.scale(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?)),
            inspection: stage.origins.inspection.address(),
            roots: stage.roots(),
            directory: stage.workplace.run().join("gdnsd"),
        };
        place.furnish(stage.workplace.repository())?;
        let mut command = Command::new(program);
        command.arg("-c").arg(&place.directory).arg("start").env(MARK, stage.workplace.run());
        let mut process = Process::start("gdnsd", &mut command, &stage.workplace.log("gdnsd"))?;
        stage.name_server.hand_over(ZONE, place.listen)?;
        stage.name_server.point(FAILOVER_RECORD, BALANCED, ALIAS_TTL).await?;
        step.until("gdnsd to lead to inspection", PATIENCE, async || {
            if process.ended()?.is_some() {
                bail!("gdnsd has ended; its last words ({}):\n{}", process.log().display(), tail(process.log(), 10));
            }
            Ok(match stage.name_server.alias_elsewhere(BALANCED).await {
                Ok(Some(target)) if target == INSPECTION => Seen::Done(()),
                Ok(target) => Seen::NotYet(target.unwrap_or_else(|| "no alias".to_owned())),
                Err(error) => Seen::NotYet(format!("{error:#}")),
            })
        })
        .await?;
        let version = version_in(process.log());
        step.did(format!("started {version} at {} with the zone {ZONE}", place.listen));
        step.did(format!("{FAILOVER_RECORD} is an alias of {BALANCED}"));
        step.saw(format!(
            "it asks inspection every {} s of the wall, and leads to {INSPECTION}",
            place.interval().as_secs()
        ));
        let watch = tokio::spawn(watch(stage.name_server.clone(), stage.timeline.clone()));
        Ok(Self { watch, overrides: place.directory.join("state/admin_state"), _process: process })
    }

    /// Takes inspection for dead whatever the check sees, as an operator of this service can; or no longer.
    pub(crate) fn force(&self, forced: bool) -> Result<()> {
        let text = if forced { format!("{INSPECTION}./inspection => DOWN\n") } else { String::new() };
        std::fs::write(&self.overrides, text).with_context(|| format!("{} cannot be written", self.overrides.display()))
    }
}

impl Drop for Gdnsd {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// What of a green play is not AWS and not the world.
pub(crate) fn simulated(scale: Scale) -> String {
    let interval = configuration::interval(scale);
    format!(
        "DNS failover is that of a real gdnsd in the place of Route 53's; its check runs every {} s of the wall, which are {:.0} s \
         here",
        interval.as_secs(),
        scale.modelled(interval).as_secs_f64()
    )
}

/// Tells where gdnsd leads, as it changes.
async fn watch(name_server: Arc<NameServer>, timeline: Arc<Timeline>) {
    let mut known = INSPECTION.to_owned();
    loop {
        tokio::time::sleep(GLANCE).await;
        // An answer that is lost is made good by the next one.
        let Ok(Some(target)) = name_server.alias_elsewhere(BALANCED).await else { continue };
        if target == known {
            continue;
        }
        let kind = if target == APPLICATION { Kind::DnsToApplication } else { Kind::DnsToInspection };
        timeline.tell(kind, format!("gdnsd answers {BALANCED} with {target}"));
        known = target;
    }
}

fn directories() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(SYSTEM.map(PathBuf::from)).collect()
}

fn program(directories: &[PathBuf]) -> Option<PathBuf> {
    directories.iter().map(|directory| directory.join("gdnsd")).find(|program| program.is_file())
}

fn missing(program: &str) -> String {
    format!(
        "this play starts a real gdnsd, and {program} is missing here, so nothing was started. On Debian and Ubuntu, \
         `sudo apt-get install gdnsd curl` installs what it needs; `sudo systemctl disable --now gdnsd` ends the service that the \
         package starts, which the play does not use."
    )
}

/// `gdnsd 3.8.1`, from the first line of its log.
fn version_in(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let version = text.split_once("gdnsd version ").and_then(|(_, rest)| rest.split_whitespace().next());
    version.map_or_else(|| "gdnsd".to_owned(), |version| format!("gdnsd {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_gdnsd_is_told_how_to_get_it() {
        assert_eq!(program(&["/nowhere".into()]), None);
        let told = missing("gdnsd");
        assert!(told.contains("nothing was started") && told.contains("apt-get install gdnsd curl"), "{told}");
    }

    #[test]
    fn the_version_is_that_of_the_log() {
        let log = std::env::temp_dir().join(format!("failopen-gdnsd-{}.log", std::process::id()));
        std::fs::write(&log, "info: gdnsd version 3.8.1 @ pid 2157\ninfo: DNS listeners started\n").unwrap();
        assert_eq!(version_in(&log), "gdnsd 3.8.1");
        std::fs::remove_file(&log).unwrap();
    }
}
