//! What exists because of us: nothing of anybody else's is removed, no name is left without a record while an edge may ask
//! for it, and in the end everything is there or nothing is (I17, I18, I20).

use std::collections::BTreeMap;

use failopen::id::{HealthCheckId, Hostname};
use failopen::ledger::Lifecycle;
use failopen::port::RecordSet;
use failopen_tests::{Operation, world};
use jiff::{SignedDuration, Timestamp};

use super::Violation;
use super::configuration::Configuration;
use super::past::{Past, protected};
use super::protection;
use super::writes::is_break_glass;
use crate::stack::{RequestKind, RequestState};
use crate::step::{Author, Called, Cause, EditKind, Function, ProcessId, Put};
use crate::world::SimWorld;

/// The zone as it was after the last step, and what we wrote into it.
#[derive(Debug)]
pub(crate) struct Provisioning {
    records: Vec<RecordSet>,
    written: Vec<RecordSet>,
    /// Since when each name that has records has had them without a break.
    since: BTreeMap<Hostname, Timestamp>,
    /// Records of ours that somebody had changed and then put back.
    put_back: Vec<RecordSet>,
    /// The zone as a Delete that was at work read it last.
    seen_by_delete: Option<Vec<RecordSet>>,
    /// Records that somebody had changed when a process looked that was to remove them: they stay, and so do their health checks.
    passed_over: Vec<RecordSet>,
    /// Health checks of those of them that somebody removed later: nothing names these checks any more.
    abandoned: Vec<HealthCheckId>,
    /// The last records of a name were removed by somebody else.
    emptied_by_others: bool,
    /// Health checks that a Create made when its Delete was at work or had ended already, and who made them.
    late_checks: Vec<(HealthCheckId, ProcessId)>,
    /// Behaviours that break-glass, which asks no ledger, pointed at our origin while no row claimed them.
    pointed_by_glass: Vec<String>,
}

impl Provisioning {
    pub(crate) fn begin(world: &SimWorld) -> Self {
        let records = records(world);
        let written = records.iter().filter(|record| record.set_identifier.is_some()).cloned().collect();
        let since = records.iter().map(|record| (record.name.clone(), Timestamp::MIN)).collect();
        Self {
            records,
            written,
            since,
            put_back: Vec::new(),
            seen_by_delete: None,
            passed_over: Vec::new(),
            abandoned: Vec::new(),
            emptied_by_others: false,
            late_checks: Vec::new(),
            pointed_by_glass: Vec::new(),
        }
    }

    /// Somebody else changed something.
    pub(crate) fn edited(&mut self, world: &SimWorld, kind: EditKind) {
        let present = records(world);
        let gone = self.passed_over.iter().filter(|record| self.records.contains(record) && !present.contains(record));
        self.abandoned.extend(gone.filter_map(|record| record.health_check.clone()));
        let put_back = present.iter().filter(|record| !self.records.contains(record) && self.written.contains(record));
        self.put_back.extend(put_back.cloned());
        self.now_present(world, present);
        self.emptied_by_others |= kind == EditKind::RecordsRemoved;
    }

    pub(crate) fn called(&mut self, world: &SimWorld, called: &Called) -> Vec<Violation> {
        let is_over = || world.row().is_none_or(|row| row.lifecycle == Lifecycle::Deleting);
        if called.operation == Operation::CreateHealthCheck && called.applied && is_over() {
            let newest = world.cloud().health().ids().last().cloned();
            self.late_checks.extend(newest.map(|id| (id, called.process)));
        }
        let is_deleting = world.row().is_some_and(|row| row.lifecycle == Lifecycle::Deleting);
        let is_delete = match world.process(called.process).cause {
            Cause::Request(number) => world.requests()[number].kind == RequestKind::Delete,
            Cause::Tick | Cause::Alarm { .. } | Cause::Converge(_) | Cause::Operator => false,
        };
        let looks = called.operation == Operation::ListResourceRecordSets && called.told.is_ok();
        if looks && world.process(called.process).function == Function::Provision && is_over() {
            self.passed_over.extend(self.records.iter().filter(|record| !self.written.contains(record)).cloned());
        }
        if looks && is_delete && is_deleting {
            self.seen_by_delete = Some(self.records.clone());
        }
        if called.operation != Operation::ChangeResourceRecordSets || !called.applied {
            return Vec::new();
        }
        let mut found = Vec::new();
        let present = records(world);
        let removed: Vec<RecordSet> = self.records.iter().filter(|record| !present.contains(record)).cloned().collect();
        for record in removed.iter().filter(|record| !self.written.contains(record)) {
            let what = format!("a record of {} was removed that is not as we wrote it", record.name);
            found.push(Violation::new("I17", what));
        }
        let made: Vec<RecordSet> = present.iter().filter(|record| !self.records.contains(record)).cloned().collect();
        self.put_back.retain(|record| !made.contains(record));
        self.written.extend(made);
        let since = self.since.clone();
        self.now_present(world, present);
        self.emptied_by_others = false;
        for record in &removed {
            if !self.has_records(&record.name) {
                let since = since.get(&record.name).copied().unwrap_or(Timestamp::MIN);
                found.extend(still_asked_for(world, called, record, since));
            }
        }
        found
    }

    fn now_present(&mut self, world: &SimWorld, present: Vec<RecordSet>) {
        self.records = present;
        self.since.retain(|name, _| self.records.iter().any(|record| record.name == *name));
        for record in &self.records {
            self.since.entry(record.name.clone()).or_insert(world.now());
        }
    }

    /// Whether a record that is left was somebody else's for the Delete: it had been changed when that looked, and was put back
    /// afterwards, when nothing was known of it any more.
    fn was_somebody_elses(&self, record: &RecordSet) -> bool {
        let was_seen = self.seen_by_delete.as_ref().is_none_or(|seen| seen.contains(record));
        self.put_back.contains(record) && !was_seen
    }

    fn has_records(&self, name: &Hostname) -> bool {
        self.records.iter().any(|record| record.name == *name)
    }

    /// A write that lets edges ask for our name: there have to be records by then.
    pub(crate) fn put(&mut self, world: &SimWorld, past: &Past, put: &Put) -> Option<Violation> {
        let is_wiring = world.process(put.process).function == Function::Provision;
        let (before, sent) = (Configuration::read(&put.before)?, Configuration::read(&put.sent)?);
        if put.applied && is_break_glass(world, put.process) {
            let claimed: Vec<String> = past.row.iter().flat_map(|row| protected(row)).collect();
            let leads_here = |of: &Configuration, pattern: &str| {
                of.behavior(pattern).is_some_and(|behavior| behavior.target == past.inspection)
            };
            let patterns = sent.behaviors.iter().map(|behavior| &behavior.pattern);
            let pointed = patterns.filter(|pattern| leads_here(&sent, pattern) && !leads_here(&before, pattern));
            self.pointed_by_glass.extend(pointed.filter(|pattern| !claimed.contains(pattern)).cloned());
        }
        let begins = !before.uses(&past.inspection) && sent.uses(&past.inspection);
        if !put.applied || !is_wiring || !begins || self.emptied_by_others {
            return None;
        }
        let domain = Hostname::new(sent.origin(&past.inspection)?.domain.clone());
        (!self.has_records(&domain))
            .then(|| Violation::new("I20", format!("behaviours were pointed at {domain}, which has no record")))
    }

    /// Whether the behaviour that a Delete names was pointed at our origin by break-glass alone.
    fn is_pointed_by_glass(&self, reason: &str) -> bool {
        self.pointed_by_glass.iter().any(|pattern| reason.contains(&format!("behaviour `{pattern}`")))
    }

    pub(crate) fn at_rest(&self, world: &SimWorld, past: &Past) -> Vec<Violation> {
        let last = world.requests().last().map(|request| (request.kind, request.state.clone()));
        match last {
            Some((RequestKind::Delete, RequestState::Succeeded)) => self.left_over(world, past),
            // It names the behaviour that somebody else points at our origin, and waits for people to undo that.
            Some((RequestKind::Delete, RequestState::Failed(reason)))
                if reason.contains("is still used by")
                    && (was_pointed_at_us(world) || self.is_pointed_by_glass(&reason)) =>
            {
                Vec::new()
            }
            Some((RequestKind::Delete, state)) => {
                vec![Violation::new(
                    "I18",
                    format!("the protection cannot be deleted although nothing fails: {state:?}"),
                )]
            }
            // After a failed Update the protection is what the last write made of it, until somebody repairs the template.
            Some((RequestKind::Update | RequestKind::Create, RequestState::Succeeded)) | None
                if world.is_declared() =>
            {
                protection::at_rest(world, past, &self.records, &self.excused_checks(world))
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Health checks of a protection that was deleted which may be left, in the next life of the protection too: those that its
    /// Delete kept for a record that somebody had changed, and, which is weaker than the invariant, that of a Create that overran
    /// its Delete, and takes its check back unless it dies first.
    fn excused_checks(&self, world: &SimWorld) -> Vec<HealthCheckId> {
        let late = self.late_checks.iter().filter(|(_, process)| world.process(*process).has_died);
        self.abandoned.iter().chain(late.map(|(id, _)| id)).cloned().collect()
    }

    /// After a Delete nothing of ours is left, and behaviours target what they targeted before.
    fn left_over(&self, world: &SimWorld, past: &Past) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut left =
            |what: String| found.push(Violation::new("I18", format!("after the Delete there is still {what}")));
        if past.row.is_some() {
            left("the ledger row".to_owned());
        }
        let ours =
            self.records.iter().filter(|record| self.written.contains(record) && record.set_identifier.is_some());
        for record in ours.filter(|record| !self.was_somebody_elses(record)) {
            left(format!("our record of {}", record.name));
        }
        // A record that somebody changed stays, and with it the check that it names.
        let named = |id| self.records.iter().any(|record| record.health_check.as_ref() == Some(id));
        let excused = self.excused_checks(world);
        for id in world.cloud().health().ids().iter().filter(|id| !named(id) && !excused.contains(id)) {
            left(format!("health check {id}"));
        }
        if world.cloud().cloudwatch().names().contains(&world::alarm()) {
            left("the alarm".to_owned());
        }
        let versions = world.versions();
        let (original, last) = (Configuration::read(world.original().as_bytes()), versions.last());
        let Some((original, last)) = original.zip(last.and_then(|last| Configuration::read(&last.bytes))) else {
            return found;
        };
        if last.origin(&past.inspection).is_some() {
            left("our origin".to_owned());
        }
        let edited = |kind: EditKind| world.edits().iter().any(|edit| edit.kind == kind);
        for behavior in &last.behaviors {
            match original.behavior(&behavior.pattern) {
                Some(before) if before.target == behavior.target || edited(EditKind::ThirdOrigin) => {}
                Some(before) => {
                    left(format!("behaviour {} at {} instead of {}", behavior.pattern, behavior.target, before.target));
                }
                None if edited(EditKind::CloneEdited) || edited(EditKind::ThirdOrigin) => {}
                None => left(format!("behaviour {}, which we added", behavior.pattern)),
            }
        }
        found
    }
}

fn records(world: &SimWorld) -> Vec<RecordSet> {
    world.cloud().route53().all_records(&world::zone().id).to_vec()
}

/// Whether an edge may still ask for a name whose last record has just been removed.
///
/// An edge has a configuration until the next one has reached it, and an answer for the record's TTL. Where it stopped asking
/// before the name had records again (`since`), it has no answer of these, and those before were judged when they were removed.
/// What others wrote after the process's last look cannot be known to it and does not count.
fn still_asked_for(world: &SimWorld, called: &Called, removed: &RecordSet, since: Timestamp) -> Option<Violation> {
    let versions = world.versions();
    let read = world.process(called.process).read.clone();
    let seen = read.and_then(|read| versions.iter().rposition(|version| version.etag == read.etag));
    let deploy_time = world.cloud().cloudfront().deploy_time;
    let ttl = SignedDuration::from_secs(i64::from(removed.ttl.unwrap_or(0)));
    versions.iter().enumerate().find_map(|(number, version)| {
        let is_unseen = seen.is_none_or(|seen| number > seen) && matches!(version.author, Author::Foreign(_));
        let next = versions.get(number + 1);
        let has_left = next.is_some_and(|next| {
            let asked_last = next.at + deploy_time;
            asked_last + ttl <= world.now() || asked_last <= since
        });
        if is_unseen || has_left {
            return None;
        }
        let configuration = Configuration::read(&version.bytes)?;
        let mut leading = configuration.origins.iter().filter(|origin| origin.domain == removed.name.as_str());
        let asks = leading.any(|origin| configuration.uses(&origin.id));
        let what = || format!("the last record of {} was removed while edges may still ask for it", removed.name);
        asks.then(|| Violation::new("I20", what()))
    })
}

/// Whether somebody else has ever pointed a behaviour at our origin.
fn was_pointed_at_us(world: &SimWorld) -> bool {
    world.edits().iter().any(|edit| match edit.kind {
        EditKind::RestoredByHand => true,
        EditKind::ThirdOrigin => edit.is_undone,
        _ => false,
    })
}
