//! Everything that protections may become in their lives, through CloudFormation: many on one engine, a runbook that somebody has
//! followed by hand, an Update of every property, roll-backs, drift, and what stays with `DeletionPolicy: Retain`.

mod kept;
mod many;
mod picture;
mod rolled_back;
mod stack;
mod updates;
mod vigil;
mod writes;

use anyhow::{Result, ensure};

use crate::deployment::{Deployment, STACK};
use crate::play::{self, by_hand};
use crate::site::{self, Site};
use crate::stage::Stage;

use picture::Picture;

/// The whole life.
pub(crate) async fn play(stage: &Stage<'_>) -> Result<()> {
    let site = Site::create(stage).await?;
    let act = many::deploy(stage, site).await?;
    many::play(stage, &act).await?;
    let act = widen(stage, act).await?;
    let simple = play::Act { site: act.site.clone(), deployment: act.deployment.clone() };
    by_hand::everything(stage, &simple).await?;
    updates::play(stage, &act).await?;
    rolled_back::play(stage, &act).await?;
    kept::play(stage, &act).await?;
    released(stage, &act).await
}

/// What all acts need.
struct Act {
    site: Site,
    deployment: Deployment,
    /// Parameters of the engine.
    parameters: Vec<(String, String)>,
    /// Id of [`site::OTHER_ZONE`], once there is one.
    other_zone: String,
    /// Before the first protection.
    bare: Picture,
}

impl Act {
    async fn picture(&self, stage: &Stage<'_>) -> Result<Picture> {
        Picture::take(stage, &self.site, &self.other_zone).await
    }

    /// Makes sure that the account is as it was, to the byte. `wanted` says what was expected, for a failure.
    async fn is_still(&self, stage: &Stage<'_>, before: &Picture, wanted: &str) -> Result<()> {
        let change = self.picture(stage).await?.since(before);
        ensure!(change.is_empty(), "expected {wanted}, and saw {change}");
        Ok(())
    }
}

/// The same engine, allowed to touch what the updates lead to.
async fn widen(stage: &Stage<'_>, act: Act) -> Result<Act> {
    stage
        .narration
        .step("sam deploy again: the engine may touch another zone and more records", async |step| {
            let other_zone = site::create_zone(stage, site::OTHER_ZONE, step).await?;
            let mut parameters = act.parameters.clone();
            for (name, value) in &mut parameters {
                match name.as_str() {
                    "AllowedHostedZones" => *value = format!("{value},{other_zone}"),
                    "AllowedRecords" => *value = format!("{value},{}", site::OTHER_RECORD),
                    _ => {}
                }
            }
            let given: Vec<(&str, String)> =
                parameters.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            stage.tools.deploy(STACK, &given, step).await?;
            step.did(format!("sam deploy with {}", told(&parameters)));
            let bare = Picture::take(stage, &act.site, &other_zone).await?;
            Ok(Act { parameters, other_zone, bare, ..act })
        })
        .await
}

/// Nothing is left of any of it.
async fn released(stage: &Stage<'_>, act: &Act) -> Result<()> {
    stage
        .narration
        .step("Of all these lives nothing is left", async |step| {
            act.is_still(stage, &act.bare, "the account as it was before the first protection").await?;
            step.saw(
                "both distributions are byte for byte what they were; no record, check, alarm or live row is left",
            );
            Ok(())
        })
        .await
}

fn told(parameters: &[(String, String)]) -> String {
    let told: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    told.join(" ")
}
