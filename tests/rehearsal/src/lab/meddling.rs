//! Everybody else who writes the distribution: the console, an infrastructure tool, and people who have no product for it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::task::JoinHandle;

use crate::aws::{Aws, RawDocument};
use crate::site::{APPLICATION_ORIGIN, INSPECTION, TRAFFIC};
use crate::timeline::{Kind, Timeline};

/// Origin of inspection where no failover record exists: what the site had before this product.
pub(super) const DIRECT_ORIGIN: &str = "inspection-direct";

/// People who move the distribution by hand. Assumed: a page after five minutes of errors, ten minutes until somebody has
/// understood that it is inspection, five in the console.
pub(super) const UNTIL_BYPASSED_BY_HAND: Duration = Duration::from_secs(20 * 60);

/// Assumed: ten minutes until inspection is trusted again, five in the console.
pub(super) const UNTIL_RESTORED_BY_HAND: Duration = Duration::from_secs(15 * 60);

/// A write that lost the race for the ETag is made again, as a person in the console would.
const TRIES: usize = 5;

/// Writes the distribution as somebody else would, past the referee: none of these calls is the product's.
#[derive(Clone)]
pub(super) struct Meddler {
    pub(super) insides: Aws,
    pub(super) distribution: String,
    pub(super) timeline: Arc<Timeline>,
}

impl Meddler {
    /// Changes the comment, and nothing else.
    pub(super) async fn edit_comment(&self, comment: &str) -> Result<()> {
        self.edit(|document| with_comment(document, comment)).await?;
        self.timeline
            .tell(Kind::Operator, format!("somebody edits the distribution's comment in the console: {comment}"));
        Ok(())
    }

    /// Writes the configuration as it was, like a tool that knows no other state: with whatever ETag is in force.
    pub(super) async fn put_back(&self, document: &RawDocument) -> Result<()> {
        self.edit(|_| Ok(String::from_utf8(document.bytes.clone())?)).await?;
        self.timeline
            .tell(Kind::WrittenInspected, "somebody's infrastructure as code writes the distribution as it was");
        Ok(())
    }

    /// Adds inspection as an origin of its own and sends the protected behaviours there: the site before this product.
    pub(super) async fn send_to_inspection(&self) -> Result<()> {
        self.edit(|document| {
            let document = with_direct_origin(document)?;
            retargeted(&document, APPLICATION_ORIGIN, DIRECT_ORIGIN)
        })
        .await
    }

    /// What a person does in the console in the middle of an outage.
    pub(super) async fn bypass_by_hand(&self) -> Result<()> {
        self.edit(|document| retargeted(document, DIRECT_ORIGIN, APPLICATION_ORIGIN)).await?;
        self.timeline.tell(Kind::WrittenBypassed, "people have moved the behaviours to the application in the console");
        Ok(())
    }

    /// And after it.
    pub(super) async fn restore_by_hand(&self) -> Result<()> {
        self.edit(|document| retargeted(document, APPLICATION_ORIGIN, DIRECT_ORIGIN)).await?;
        self.timeline
            .tell(Kind::WrittenInspected, "people have moved the behaviours back to inspection in the console");
        Ok(())
    }

    async fn edit(&self, edit: impl Fn(&str) -> Result<String>) -> Result<()> {
        let path = format!("/2020-05-31/distribution/{}/config", self.distribution);
        for _ in 0..TRIES {
            let read = self.insides.distribution(&self.distribution).await?;
            let edited = edit(std::str::from_utf8(&read.bytes).context("the configuration is no UTF-8")?)?;
            let headers = [("if-match", read.etag.clone()), ("content-type", "text/xml".to_owned())];
            let answer = self.insides.wire.send("cloudfront", "PUT", &path, &headers, edited.as_bytes()).await?;
            if answer.status != 412 {
                return answer.successful("UpdateDistribution by somebody else").map(drop);
            }
        }
        bail!("somebody else's edit of the distribution lost the race {TRIES} times")
    }
}

/// Something that goes on until it is dropped.
pub(super) struct Habit(JoinHandle<()>);

impl Habit {
    /// Writes the distribution as it is wanted, again and again.
    pub(super) fn of_reverting(meddler: Meddler, wanted: RawDocument, period: Duration) -> Self {
        Self(tokio::spawn(async move {
            let clock = meddler.timeline.clock();
            loop {
                clock.sleep(period).await;
                let differs = meddler.insides.distribution(&meddler.distribution).await;
                // A tool that finds what it wants writes nothing, and one that fails tries again at its next run.
                if differs.is_ok_and(|found| found.bytes != wanted.bytes) {
                    let _ = meddler.put_back(&wanted).await;
                }
            }
        }))
    }

    /// One write by hand after a while.
    pub(super) fn by_hand(meddler: Meddler, bypass: bool) -> Self {
        Self(tokio::spawn(async move {
            let clock = meddler.timeline.clock();
            clock.sleep(if bypass { UNTIL_BYPASSED_BY_HAND } else { UNTIL_RESTORED_BY_HAND }).await;
            let written = if bypass { meddler.bypass_by_hand().await } else { meddler.restore_by_hand().await };
            if let Err(error) = written {
                meddler.timeline.tell(Kind::Operator, format!("people failed to write the distribution: {error:#}"));
            }
        }))
    }
}

impl Drop for Habit {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn with_comment(document: &str, comment: &str) -> Result<String> {
    let (before, rest) = document.split_once("<Comment>").context("the configuration has no comment")?;
    let (_, after) = rest.split_once("</Comment>").context("the comment does not end")?;
    Ok(format!("{before}<Comment>{}</Comment>{after}", escaped(comment)))
}

/// The application's origin once more, with inspection's host.
fn with_direct_origin(document: &str) -> Result<String> {
    let id = format!("<Id>{}</Id>", escaped(APPLICATION_ORIGIN));
    let at = document.find(&id).context("the application's origin is not there")?;
    let begin = document[..at].rfind("<Origin>").context("an origin without a beginning")?;
    let end = at + document[at..].find("</Origin>").context("an origin without an end")? + "</Origin>".len();
    let host = document[at..end].split("<DomainName>").nth(1).and_then(|rest| rest.split('<').next());
    let origin = document[begin..end].replacen(&id, &format!("<Id>{DIRECT_ORIGIN}</Id>"), 1).replacen(
        host.context("an origin without a host")?,
        INSPECTION,
        1,
    );
    let (list, _) = document[..begin].rsplit_once("<Quantity>").context("origins without a quantity")?;
    let quantity: usize =
        document[list.len()..].trim_start_matches("<Quantity>").split('<').next().unwrap_or_default().parse()?;
    let counted = document[list.len()..begin].replacen(&quantity.to_string(), &(quantity + 1).to_string(), 1);
    Ok(format!("{list}{counted}{origin}{}", &document[begin..]))
}

/// The protected behaviours that target `from` target `to`.
fn retargeted(document: &str, from: &str, to: &str) -> Result<String> {
    let element = |origin: &str| format!("<TargetOriginId>{}</TargetOriginId>", escaped(origin));
    let (from, to) = (element(from), element(to));
    let mut edited = document.to_owned();
    for pattern in TRAFFIC {
        let at = match pattern {
            "*" => edited.find("<DefaultCacheBehavior>"),
            // Without a behaviour of its own a path is served by another one.
            _ => edited.find(&format!("<PathPattern>{pattern}</PathPattern>")),
        };
        let target = at.and_then(|at| edited[at..].find("<TargetOriginId>").map(|offset| at + offset));
        if let Some(target) = target.filter(|target| edited[*target..].starts_with(&from)) {
            edited.replace_range(target..target + from.len(), &to);
        }
    }
    if edited == document {
        bail!("no protected behaviour targets {from}");
    }
    Ok(edited)
}

/// As a text in XML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::targets_in;

    fn rich() -> String {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/distribution-rich.xml");
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn the_site_before_this_product_targets_inspection_itself() {
        let document = retargeted(&with_direct_origin(&rich()).unwrap(), APPLICATION_ORIGIN, DIRECT_ORIGIN).unwrap();
        let targets = targets_in(document.as_bytes()).unwrap();
        assert!(targets.values().all(|target| target == DIRECT_ORIGIN), "{targets:?}");
        assert!(targets.contains_key("*"));
        assert_eq!(document.matches("<Origin>").count(), rich().matches("<Origin>").count() + 1);
        let origins = document.split("<Origins>").nth(1).unwrap();
        let quantity: usize = origins.split("<Quantity>").nth(1).unwrap().split('<').next().unwrap().parse().unwrap();
        assert_eq!(quantity, document.matches("<Origin>").count());
        assert!(document.contains(&format!("<DomainName>{INSPECTION}</DomainName>")));
    }

    #[test]
    fn by_hand_and_back_is_where_it_began() {
        let before = retargeted(&with_direct_origin(&rich()).unwrap(), APPLICATION_ORIGIN, DIRECT_ORIGIN).unwrap();
        let bypassed = retargeted(&before, DIRECT_ORIGIN, APPLICATION_ORIGIN).unwrap();
        assert_ne!(bypassed, before);
        assert_eq!(retargeted(&bypassed, APPLICATION_ORIGIN, DIRECT_ORIGIN).unwrap(), before);
        assert!(retargeted(&bypassed, "nobody", APPLICATION_ORIGIN).is_err());
    }

    #[test]
    fn an_edited_comment_is_escaped_and_all_that_changes() {
        let edited = with_comment(&rich(), "a < b & c").unwrap();
        assert!(edited.contains("<Comment>a &lt; b &amp; c</Comment>"));
        assert_eq!(edited.lines().count(), rich().lines().count());
    }
}
