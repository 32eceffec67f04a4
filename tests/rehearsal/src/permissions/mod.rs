//! IAM by running: each function has what its role allows and needs all of it.
//!
//! The engine is deployed alone, and a protection is made, flipped and removed by invocations of the functions. Before each
//! piece of work one action is taken out of the deployed role; the work must then fail, saying so by name, without any harm,
//! and it must succeed as soon as the action is back. An Allow that nobody misses fails the rehearsal: either the role is
//! wider than it has to be, or this rehearsal is too small.

mod policies;
mod roles;
mod trials;
mod work;
mod zone_role;

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::deployment::{Deployment, STACK, describe, engine_alone};
use crate::narration::Step;
use crate::site::Site;
use crate::stage::Stage;

use roles::{Grant, grants};
use trials::{TRIALS, UNTRIED, Work, is_brief};
use work::{Crew, Sound};

/// How often, and with which pause, the log is looked at for words about a refusal.
const LISTENS: u32 = 25;
const PAUSE: Duration = Duration::from_millis(200);

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Everything,
    /// What takes about two minutes.
    Brief,
}

/// Takes every Allow of every role away once, as far as the extent goes.
pub(crate) async fn play(stage: &Stage<'_>, extent: Extent) -> Result<()> {
    let mut site = Site::create(stage).await?;
    stage
        .narration
        .step("The default behaviour gets policies of the account's own", async |step| {
            policies::give_own_policies(stage, &site).await?;
            site.original = stage.aws.distribution(&site.distribution_id).await?;
            step.did("created a cache policy and an origin request policy, and edited the distribution");
            Ok(())
        })
        .await?;
    let zone_role = zone_role::deploy(stage, &site).await?;
    let mut parameters = engine_alone(stage, &site);
    parameters.push(("AllowedHostedZoneRoles", zone_role.clone()));
    let deployment = Deployment::create(stage, parameters).await?;
    let stack_id = described(stage)?;
    let crew = Crew { stage, site, deployment, stack_id, removals: Cell::new(0), updates: Cell::new(0) };
    let grants = stage
        .narration
        .step("What the deployed roles allow", async |step| {
            let grants = grants(stage)?;
            for function in ["provision", "react", "flip"] {
                let count = grants.iter().filter(|grant| grant.function == function).count();
                step.saw(format!("{function}: {count} actions"));
            }
            every_grant_has_its_trial(&grants)?;
            Ok(grants)
        })
        .await?;
    stage
        .narration
        .step("Each action is taken away once, and the work that needs it is done", async |step| {
            let mut table = Table::default();
            for (function, action, work) in TRIALS {
                if extent == Extent::Brief && !is_brief(function, action) {
                    table.left_out += 1;
                    continue;
                }
                let needed = |grant: &&Grant| {
                    grant.function == function && grant.action == action && work.needs(&grant.statement)
                };
                for grant in grants.iter().filter(needed) {
                    table.tried += 1;
                    let verdict = tried(&crew, grant, work, step).await?;
                    step.saw(format!("{function:<9} {:<24} {action:<38} {verdict}", grant.statement));
                    if verdict.is_finding() {
                        table.findings.push(format!("{function} without {action} of {}: {verdict}", grant.statement));
                    }
                }
            }
            for grant in &grants {
                if let Some((_, action, why)) = UNTRIED.iter().find(|entry| is_untried(entry, grant)) {
                    table.untried += 1;
                    step.saw(format!("{:<9} {:<24} {action:<38} not tried: {why}", grant.function, grant.statement));
                }
            }
            step.saw(format!(
                "{} Allows: {} tried, {} missed by nobody or in silence, {} not tried for the reasons above, {} \
                 left to `cargo rehearse permissions`",
                grants.len(),
                table.tried,
                table.findings.len(),
                table.untried,
                table.left_out
            ));
            ensure!(table.findings.is_empty(), "{}", table.findings.join("; "));
            Ok(())
        })
        .await?;
    crew.leaves_nothing_behind().await?;
    zone_role::prove(&crew, &grants, &zone_role).await
}

/// The id of the stack, which provision accepts requests from.
fn described(stage: &Stage<'_>) -> Result<String> {
    let stack = describe(stage, STACK)?.context("there is no stack")?;
    stack["StackId"].as_str().map(str::to_owned).context("the stack has no id")
}

/// What the trials came to.
#[derive(Default)]
struct Table {
    tried: usize,
    untried: usize,
    left_out: usize,
    findings: Vec<String>,
}

/// What became of one piece of work without one action.
enum Verdict {
    /// It failed or held, and said why.
    Refused(Sound),
    /// AWS refused a call, and nobody was told.
    Silent,
    /// No call was refused.
    Unnoticed,
}

impl Verdict {
    fn is_finding(&self) -> bool {
        match self {
            Verdict::Refused(_) => false,
            Verdict::Silent | Verdict::Unnoticed => true,
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Verdict::Refused(Sound::Failed) => "failed, by name",
            Verdict::Refused(Sound::Held) => "held, by name",
            Verdict::Refused(Sound::Logged) => "went on, and logged it by name",
            Verdict::Silent => "AWS refused a call, and nobody was told",
            Verdict::Unnoticed => "no call was refused",
        })
    }
}

/// Does the work without the action, then puts the action back.
async fn tried(crew: &Crew<'_>, grant: &Grant, work: Work, step: &Step<'_>) -> Result<Verdict> {
    step.waiting(&format!("{} without {}", grant.function, grant.action));
    crew.prepare(work).await?;
    let before = crew.document().await?;
    let refused = crew.stage.referee.refusals(operation(&grant.action));
    let told = crew.stage.own_log()?.lines.len();
    grant.take_away(crew.stage).await?;
    let heard = crew.do_it(work).await;
    grant.put_back(crew.stage).await?;
    let mut heard = heard?;
    let refused = crew.stage.referee.refusals(operation(&grant.action)) > refused;
    let after = crew.document().await?;
    if work.is_fenced() && after != before && !work.moves_traffic_without(&grant.action) {
        bail!("{} without {} has changed the distribution before it failed", grant.function, grant.action);
    }
    // An answer may overtake the last lines of its log; the local AWS has them a moment later.
    for _ in 0..LISTENS {
        if !refused || heard.sound(&grant.action).is_some() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        heard.log = crew.stage.own_log()?.lines.split_off(told).join("\n");
    }
    crew.tidy(work, &heard).await?;
    Ok(match heard.sound(&grant.action) {
        Some(sound) => Verdict::Refused(sound),
        None if refused => Verdict::Silent,
        None => Verdict::Unnoticed,
    })
}

/// The operation that an action allows; they differ in one name among ours.
fn operation(action: &str) -> &str {
    match action.split_once(':') {
        Some(("lambda", "InvokeFunction")) => "Invoke",
        Some((_, operation)) => operation,
        None => action,
    }
}

/// Every action of the roles is tried, or not for a reason, and nothing is tried that no role allows.
fn every_grant_has_its_trial(grants: &[Grant]) -> Result<()> {
    for grant in grants {
        let is_tried =
            TRIALS.iter().any(|(function, action, _)| *function == grant.function && *action == grant.action);
        if !is_tried && !UNTRIED.iter().any(|entry| is_untried(entry, grant)) {
            bail!(
                "the role of {} allows {}, and no trial needs it; add one to permissions/trials.rs, or take the action out of \
                 template.yaml",
                grant.function,
                grant.action
            );
        }
    }
    for (function, action, _) in TRIALS {
        ensure!(
            grants.iter().any(|grant| grant.function == function && grant.action == action),
            "permissions/trials.rs tries {function} without {action}, which its role does not allow anyway"
        );
    }
    Ok(())
}

fn is_untried(entry: &(&str, &str, &str), grant: &Grant) -> bool {
    let (function, action, _) = *entry;
    (function.is_empty() || function == grant.function) && action == grant.action
}
