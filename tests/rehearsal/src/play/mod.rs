//! The default scenario, act by act.

pub(crate) mod by_hand;
mod operator;
mod outage;
mod provisioned;
mod refusals;
mod refused;
mod removal;
mod repeated;
mod second;

use anyhow::Result;

use crate::deployment::{Deployment, with_protection};
use crate::site::Site;
use crate::stage::Stage;

/// The runbook from deployment to removal.
pub(crate) async fn default(stage: &Stage<'_>) -> Result<()> {
    let site = Site::create(stage).await?;
    let deployment = Deployment::create(stage, with_protection(stage, &site)).await?;
    let act = Act { site, deployment };
    provisioned::show(stage, &act).await?;
    repeated::play(stage, &act).await?;
    outage::play(stage, &act).await?;
    operator::play(stage, &act).await?;
    refused::play(stage, &act).await?;
    refusals::play(stage, &act).await?;
    second::play(stage, &act).await?;
    by_hand::origin(stage, &act).await?;
    removal::play(stage, &act).await
}

/// What all acts need.
pub(crate) struct Act {
    pub(crate) site: Site,
    pub(crate) deployment: Deployment,
}
