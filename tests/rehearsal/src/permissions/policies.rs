//! Policies of the account's own for the distribution, so that there is something to read them for: AWS's own are known.

use anyhow::{Context, Result, ensure};

use crate::site::Site;
use crate::stage::Stage;

/// What the default behaviour has today: CachingDisabled and AllViewer.
const MANAGED: [&str; 2] = ["4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "216adef6-5c7f-47e4-b989-5492eafa07d3"];

const CACHE: &str = "<CachePolicyConfig xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Name>own-cache</Name>\
    <DefaultTTL>0</DefaultTTL><MaxTTL>0</MaxTTL><MinTTL>0</MinTTL></CachePolicyConfig>";
const ORIGIN_REQUEST: &str = "<OriginRequestPolicyConfig xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">\
    <Name>own-request</Name><HeadersConfig><HeaderBehavior>allViewer</HeaderBehavior></HeadersConfig><CookiesConfig>\
    <CookieBehavior>all</CookieBehavior></CookiesConfig><QueryStringsConfig><QueryStringBehavior>all</QueryStringBehavior>\
    </QueryStringsConfig></OriginRequestPolicyConfig>";

/// Makes both policies and gives them to the default behaviour.
pub(super) async fn give_own_policies(stage: &Stage<'_>, site: &Site) -> Result<()> {
    let own =
        [create(stage, "cache-policy", CACHE).await?, create(stage, "origin-request-policy", ORIGIN_REQUEST).await?];
    let present = stage.aws.distribution(&site.distribution_id).await?;
    let mut document = String::from_utf8(present.bytes).context("the configuration is no UTF-8")?;
    let start = document.find("<DefaultCacheBehavior>").context("the configuration has no default behaviour")?;
    let mut default = document.split_off(start);
    for (managed, own) in MANAGED.iter().zip(&own) {
        ensure!(default.contains(managed), "the default behaviour does not have the policy {managed}");
        default = default.replacen(managed, own, 1);
    }
    document.push_str(&default);
    stage.aws.write_distribution(&site.distribution_id, &document).await
}

async fn create(stage: &Stage<'_>, kind: &str, config: &str) -> Result<String> {
    let headers = [("content-type", "application/xml".to_owned())];
    let path = format!("/2020-05-31/{kind}");
    let answer = stage.aws.wire.send("cloudfront", "POST", &path, &headers, config.as_bytes()).await?;
    let location = answer.successful(kind)?.header("location");
    let location = location.with_context(|| format!("creating a {kind} answered without a location"))?;
    Ok(location.rsplit('/').next().unwrap_or_default().to_owned())
}
