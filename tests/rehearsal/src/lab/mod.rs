//! The outage lab: viewers, edges, DNS and alarms go on as they do in AWS, while a scenario breaks inspection, and what the
//! viewers got is recorded, expected and drawn.
//!
//! The functions, their template and the calls that they make are the real ones; AWS's data planes are models (`cloudfront`,
//! `route53`, `cloudwatch`) that read what the functions wrote to the local AWS.

mod commands;
mod expectations;
mod meddling;
mod observer;
pub(crate) mod own_alarm;
mod parameters;
mod schedule;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::task::JoinSet;

use crate::aws::RawDocument;
use crate::clock::Moment;
use crate::cloudfront::{self, Edges};
use crate::deployment::Deployment;
use crate::gdnsd::Gdnsd;
use crate::report::Checked;
use crate::report::screen::{Progress, Screen};
use crate::script::{Command, Dns, Layers, Script};
use crate::site::{self, Site};
use crate::stage::Stage;
use crate::timeline::Kind;
use crate::viewers::{Load, Viewers};

use meddling::{Habit, Meddler};
use observer::Observer;
use schedule::Schedule;

/// Requests a modelled second of all viewers together, at every scale: enough for a picture.
const REQUESTS_PER_MODELLED_SECOND: f64 = 1.5;

/// More a second on the wall than two cores can carry beside everything else.
const MOST_REQUESTS_PER_SECOND: f64 = 45.0;

/// Seconds for which the other DNS service's answer may be kept: what a record of ours has, so that the layers compare.
const RECORD_TTL: u32 = 30;

/// How long the load runs before the first line of a script: a picture wants to show what was before.
const BASELINE: Duration = Duration::from_secs(60);

/// A running play.
pub(crate) struct Lab<'a> {
    stage: &'a Stage<'a>,
    script: &'a Script,
    site: Site,
    /// The distribution as it was when the play began, inspected: what somebody's infrastructure as code knows.
    before_outage: RawDocument,
    deployment: Option<Deployment>,
    /// The other DNS service, where a real one is played with.
    gdnsd: Option<Gdnsd>,
    meddler: Meddler,
    schedule: Option<Schedule>,
    observer: Observer,
    edges: Edges,
    viewers: Viewers,
    /// Tells the turns of an inspection that flaps.
    turns: RefCell<JoinSet<()>>,
    /// What somebody does again and again, or will do.
    habit: RefCell<Option<Habit>>,
    /// What somebody has written into the distribution's comment.
    comment: RefCell<Option<String>>,
    /// When an operator last gave back to automation, from which hold-down starts anew.
    unpinned: Cell<Option<Moment>>,
    /// Whether the stack was told to go.
    is_deleted: Cell<bool>,
}

/// Plays a script on a set stage. What was checked is in `checked`, also where an expectation fails.
pub(crate) async fn play(stage: &Stage<'_>, script: &Script, seed: u64, checked: &RefCell<Vec<Checked>>) -> Result<()> {
    let lab = Lab::open(stage, script, seed).await?;
    let mut screen = Screen::open(stage.narration);
    let progress = RefCell::new(Progress { of: script.lines.len(), ..Progress::default() });
    let played = tokio::select! {
        played = lab.follow(&progress, checked) => played,
        () = screen.watch(&stage.timeline, || progress.borrow().clone()) => Err(anyhow!("nothing more can be recorded, so the play was given up")),
    };
    screen.show(&stage.timeline, &progress.borrow());
    drop(screen);
    lab.viewers.stop().await;
    played
}

impl<'a> Lab<'a> {
    async fn open(stage: &'a Stage<'a>, script: &'a Script, seed: u64) -> Result<Self> {
        let site = Site::create(stage).await?;
        let meddler = Meddler {
            insides: stage.insides.clone(),
            distribution: site.distribution_id.clone(),
            timeline: stage.timeline.clone(),
        };
        let gdnsd = match script.dns {
            Dns::Route53 => None,
            Dns::Gdnsd => {
                let title = "Another DNS service: a real gdnsd, with a health check of its own";
                Some(stage.narration.step(title, async |step| Gdnsd::start(stage, step).await).await?)
            }
        };
        if script.has_own_alarm {
            own_alarm::create(stage).await?;
        }
        let deployment = match script.layers {
            Layers::Nothing | Layers::ByHand => {
                let title = "The site before this product: the behaviours target inspection's own host";
                stage.narration.step(title, async |_| meddler.send_to_inspection().await).await?;
                None
            }
            Layers::Layer1 | Layers::Layer2 | Layers::Both => {
                if script.layers == Layers::Layer2 {
                    // The other DNS service's name; here it knows no health.
                    stage.name_server.point(site::FAILOVER_RECORD, site::INSPECTION, RECORD_TTL).await?;
                }
                let parameters = parameters::of(stage, &site, script);
                Some(match script.has_own_alarm {
                    false => Deployment::create(stage, parameters).await?,
                    // Only a protection that is declared by itself names alarms of the user's.
                    true => Deployment::in_two(stage, parameters).await?,
                })
            }
        };
        let title = "Edges of CloudFront, and viewers";
        let (edges, viewers) = stage
            .narration
            .step(title, async |step| {
                let settings =
                    cloudfront::Settings { edges: cloudfront::EDGES, distribution: site.distribution_id.clone(), seed };
                let wire = stage.insides.wire.clone();
                let roots = stage.roots();
                let names = stage.name_server.address();
                let edges =
                    Edges::start(settings, wire, names, &stage.authority, &roots, stage.timeline.clone()).await?;
                step.did(format!("started {} edges, seed {seed}", cloudfront::EDGES));
                let scale = stage.clock.scale().factor();
                let requests_per_second = (REQUESTS_PER_MODELLED_SECOND * scale).min(MOST_REQUESTS_PER_SECOND);
                let load = Load {
                    requests_per_second,
                    edges: edges.addresses().to_vec(),
                    host: site::SITE.to_owned(),
                    roots,
                    application_origin: site::APPLICATION_ORIGIN.to_owned(),
                    seed,
                };
                let viewers = Viewers::start(load, stage.timeline.clone())?;
                step.did(format!("started viewers: {:.1} requests a modelled second", requests_per_second / scale));
                Ok((edges, viewers))
            })
            .await?;
        if deployment.is_some() {
            schedule::switch_off_the_local_aws_s_own(stage)?;
        }
        let observer = Observer::start(stage, &site.distribution_id);
        let schedule = deployment.as_ref().map(|deployment| {
            Schedule::start(
                stage.insides.clone(),
                deployment.react.clone(),
                deployment.flip.clone(),
                stage.timeline.clone(),
            )
        });
        stage.timeline.open();
        stage.clock.sleep(BASELINE).await;
        let before_outage = stage.insides.distribution(&site.distribution_id).await?;
        let (habit, comment) = (RefCell::default(), RefCell::default());
        Ok(Self {
            stage,
            script,
            site,
            before_outage,
            deployment,
            gdnsd,
            meddler,
            schedule,
            observer,
            edges,
            viewers,
            turns: RefCell::default(),
            habit,
            comment,
            unpinned: Cell::default(),
            is_deleted: Cell::default(),
        })
    }

    /// Line by line, until the first expectation that is not met.
    async fn follow(&self, progress: &RefCell<Progress>, checked: &RefCell<Vec<Checked>>) -> Result<()> {
        for (index, line) in self.script.lines.iter().enumerate() {
            progress.replace(Progress { command: index + 1, of: self.script.lines.len(), text: line.text.clone() });
            let outcome = self.obey(&line.command).await;
            if let Command::Expect(_) = line.command {
                let (met, seen) = match &outcome {
                    Ok(seen) => (true, seen.clone().unwrap_or_default()),
                    Err(error) => (false, format!("{error:#}")),
                };
                let kind = if met { Kind::ExpectationMet } else { Kind::ExpectationFailed };
                self.stage.timeline.tell(kind, format!("{}: {seen}", line.text));
                let at = Moment::at(self.stage.clock.now() - self.stage.timeline.opened());
                checked.borrow_mut().push(Checked { line: line.number, text: line.text.clone(), met, at, seen });
            }
            outcome.with_context(|| {
                format!("line {} of {}, `{}`{}", line.number, self.script.name, line.text, self.troubles())
            })?;
        }
        Ok(())
    }

    /// What keeps the models from working, if anything does: then a failure says nothing about the product.
    fn troubles(&self) -> String {
        let troubles = [
            ("the edges", self.edges.trouble()),
            ("the health checkers", self.stage.route53.trouble()),
            ("the alarms", self.stage.cloudwatch.trouble()),
        ];
        let told = troubles
            .iter()
            .filter_map(|(who, trouble)| Some(format!(" ({who} are in trouble: {})", trouble.as_ref()?)));
        told.collect()
    }

    /// Accepted writes of the distribution by the functions since the play began.
    fn flips(&self) -> usize {
        self.observer.flips()
    }
}
