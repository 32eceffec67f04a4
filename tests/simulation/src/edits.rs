//! Other people: pipelines, consoles and colleagues that change what is ours, or what is next to it.

use std::collections::BTreeMap;

use failopen::document::{Document, Edit as DocumentEdit};
use failopen::id::{OriginId, PathPattern};
use failopen_tests::world;

use crate::agenda::{Act, Due, SECOND};
use crate::chance::Chance;
use crate::fault::Fault;
use crate::scenario::CLONED;
use crate::step::{Author, EditKind};
use crate::world::SimWorld;

/// What can be done to the distribution.
/// A TTL that no template of these schedules asks for: what is as asked is ours.
const EDITED_TTL: u32 = 120;
const OF_DISTRIBUTION: [EditKind; 9] = [
    EditKind::Comment,
    EditKind::ThirdOrigin,
    EditKind::Reverted,
    EditKind::RestoredByHand,
    EditKind::OriginRemoved,
    EditKind::CloneEdited,
    EditKind::Disabled,
    EditKind::Staging,
    EditKind::Churn,
];

const OF_THE_REST: [EditKind; 6] = [
    EditKind::RecordTtl,
    EditKind::RecordsRemoved,
    EditKind::HealthCheckDisabled,
    EditKind::HealthCheckInverted,
    EditKind::AlarmDeleted,
    EditKind::AlarmMuted,
];

/// The kinds of edit that a schedule has: a few of them, because all together leave nothing to protect.
pub(crate) fn draw_kinds(chance: &Chance) -> Vec<EditKind> {
    let mut kinds: Vec<EditKind> = Vec::new();
    if chance.percent(60) {
        kinds.extend(OF_DISTRIBUTION.iter().filter(|_| chance.percent(40)));
    }
    // What is restored by hand was bypassed before.
    if kinds.contains(&EditKind::Reverted) && !kinds.contains(&EditKind::RestoredByHand) {
        kinds.push(EditKind::RestoredByHand);
    }
    if chance.percent(55) {
        kinds.extend(OF_THE_REST.iter().filter(|_| chance.percent(40)));
    }
    kinds
}

impl SimWorld {
    /// Plans the edits of a schedule.
    pub(crate) fn plan_edits(&self) {
        if self.scenario.edits.is_empty() {
            return;
        }
        for _ in 0..2 + self.chance.below(6) {
            self.agenda.at(self.chance.between(0, self.scenario.faulty_for), Due::Act(Act::Edit));
        }
    }

    /// One edit of those that this schedule has.
    pub(crate) fn edit(&self) {
        if self.is_calm() {
            return;
        }
        // Not every edit finds something to change.
        let tried = (0..3).map(|_| *self.chance.pick(&self.scenario.edits)).find(|kind| self.edit_as(*kind));
        if let Some(kind) = tried
            && self.chance.percent(60)
        {
            let later = self.chance.between(20 * SECOND, 900 * SECOND);
            if self.agenda.now() + later < self.scenario.faulty_for {
                self.agenda.after(later, Due::Act(Act::UndoEdit(kind)));
            }
        }
    }

    /// One edit of the distribution, in the moment between a process's calls.
    pub(crate) fn edit_distribution(&self) -> bool {
        let all = || self.scenario.edits.iter().filter(|kind| OF_DISTRIBUTION.contains(kind));
        let harmless = [EditKind::Comment, EditKind::Churn];
        let kinds: Vec<EditKind> = all().copied().chain(harmless).collect();
        self.edit_as(*self.chance.pick(&kinds))
    }

    /// Makes an edit. Returns whether it changed anything.
    fn edit_as(&self, kind: EditKind) -> bool {
        let changed = match kind {
            EditKind::RecordTtl => {
                self.ttls_before_edit.replace(self.failover_ttls());
                self.edit_records(|record| record.ttl = Some(EDITED_TTL))
            }
            // What a Delete has left, because somebody had changed it, is somebody's own.
            EditKind::RecordsRemoved => self.row().is_some() && self.remove_records(),
            EditKind::HealthCheckDisabled => self.edit_health_check(|check| check.disabled = true),
            EditKind::HealthCheckInverted => self.edit_health_check(|check| check.inverted = true),
            EditKind::AlarmDeleted => self.delete_alarm(),
            EditKind::AlarmMuted => self.mute_alarm(true),
            EditKind::Churn => {
                self.cloud().cloudfront().churn(&self.distribution());
                self.note_version(Author::Foreign(kind));
                true
            }
            EditKind::Comment
            | EditKind::ThirdOrigin
            | EditKind::Reverted
            | EditKind::RestoredByHand
            | EditKind::OriginRemoved
            | EditKind::CloneEdited
            | EditKind::Disabled
            | EditKind::Staging => self.write_as_somebody(kind, |document, text| self.edited(kind, document, text)),
        };
        self.settle_edit(kind, changed, false)
    }

    /// Whoever edited takes it back.
    pub(crate) fn undo_edit(&self, kind: EditKind) {
        if self.is_calm() {
            return;
        }
        let changed = match kind {
            // To what each record had, which need not be what the ledger says by now.
            EditKind::RecordTtl => self.edit_records(|record| {
                let before = self.ttls_before_edit.borrow();
                let was = record.set_identifier.as_ref().and_then(|set| before.get(set));
                if let Some(was) = was.filter(|_| record.ttl == Some(EDITED_TTL)) {
                    record.ttl = *was;
                }
            }),
            EditKind::HealthCheckDisabled => self.edit_health_check(|check| check.disabled = false),
            EditKind::HealthCheckInverted => self.edit_health_check(|check| check.inverted = false),
            EditKind::AlarmMuted => self.mute_alarm(false),
            EditKind::ThirdOrigin => self.write_as_somebody(kind, |document, _| {
                let ours = world::inspection_origin();
                let protected = self.protected_now();
                let to = document.origin(&ours).map_or(world::application_origin(), |_| ours);
                retarget_all(document, &protected, |target| *target == world::third_origin(), &to)
            }),
            EditKind::Disabled => self.write_as_somebody(kind, |_, text| swap(text, "Enabled", false, ENABLED)),
            EditKind::Staging => self.write_as_somebody(kind, |_, text| swap(text, "Staging", true, "")),
            EditKind::Comment
            | EditKind::Reverted
            | EditKind::RestoredByHand
            | EditKind::OriginRemoved
            | EditKind::CloneEdited
            | EditKind::Churn
            | EditKind::RecordsRemoved
            | EditKind::AlarmDeleted => false,
        };
        self.settle_edit(kind, changed, true);
    }

    fn settle_edit(&self, kind: EditKind, changed: bool, is_undone: bool) -> bool {
        if changed {
            self.note_edit(kind, is_undone);
            let verb = if is_undone { "somebody takes back" } else { "somebody else" };
            self.story.tell(|| format!("{verb}: {kind}"));
        }
        changed
    }

    /// The configuration after an edit; `None` where there is nothing to edit.
    fn edited(&self, kind: EditKind, document: &Document, text: &str) -> Option<String> {
        let (ours, theirs) = (world::inspection_origin(), world::application_origin());
        let protected = &self.scenario.traffic;
        match kind {
            EditKind::Comment => {
                let (start, end) = (text.find("<Comment>")? + "<Comment>".len(), text.find("</Comment>")?);
                let number = self.edits().len();
                Some(format!("{}edit {number} &amp; on{}", &text[..start], &text[end..]))
            }
            EditKind::ThirdOrigin => {
                let pattern = self.chance.pick(protected);
                retarget_all(document, std::slice::from_ref(pattern), |_| true, &world::third_origin())
            }
            EditKind::Reverted => retarget_all(document, protected, |target| *target == ours, &theirs),
            EditKind::RestoredByHand => {
                document.origin(&ours)?;
                // Whoever does it by hand does it to what is protected now.
                retarget_all(document, &self.protected_now(), |target| *target == theirs, &ours)
            }
            EditKind::OriginRemoved => {
                document.origin(&ours)?;
                let all: Vec<PathPattern> = document.behaviors().iter().map(|one| one.path_pattern.clone()).collect();
                let mut edits = retargets(document, &all, |target| *target == ours, &theirs);
                edits.push(DocumentEdit::RemoveOrigin { id: ours.clone() });
                text_of(&document.edit(&edits).ok()?)
            }
            EditKind::CloneEdited => {
                let at = text.find(&format!("<PathPattern>{CLONED}</PathPattern>"))?;
                let compress = "<Compress>true</Compress>";
                let found = at + text[at..].find(compress)?;
                let is_inside = !text[at..found].contains("</CacheBehavior>");
                is_inside
                    .then(|| format!("{}<Compress>false</Compress>{}", &text[..found], &text[found + compress.len()..]))
            }
            EditKind::Disabled => swap(text, "Enabled", true, ENABLED),
            EditKind::Staging => swap(text, "Staging", false, ""),
            EditKind::Churn
            | EditKind::RecordTtl
            | EditKind::RecordsRemoved
            | EditKind::HealthCheckDisabled
            | EditKind::HealthCheckInverted
            | EditKind::AlarmDeleted
            | EditKind::AlarmMuted => None,
        }
    }

    fn protected_now(&self) -> Vec<PathPattern> {
        let made = self.row().and_then(|row| row.made.distribution);
        made.into_iter().flat_map(|made| made.behaviors).map(|known| known.path_pattern).collect()
    }

    fn write_as_somebody(&self, kind: EditKind, edit: impl FnOnce(&Document, &str) -> Option<String>) -> bool {
        let before = self.in_force().bytes;
        let Ok(document) = Document::parse(&before) else { return false };
        let text = String::from_utf8_lossy(&before);
        let Some(after) = edit(&document, &text).filter(|after| *after != text) else { return false };
        self.cloud().cloudfront().edit(&self.distribution(), self.now(), |_| after);
        self.note_version(Author::Foreign(kind));
        true
    }

    fn edit_records(&self, edit: impl Fn(&mut failopen::port::RecordSet)) -> bool {
        let name = world::failover_record();
        let before = self.cloud().route53().all_records(&world::zone().id).to_vec();
        self.cloud().route53().edit_records(&world::zone().id, &name, edit);
        before != self.cloud().route53().all_records(&world::zone().id)
    }

    /// TTLs of the failover records that somebody has not changed yet.
    fn failover_ttls(&self) -> BTreeMap<String, Option<u32>> {
        let mut ttls = self.ttls_before_edit.borrow().clone();
        let route53 = self.cloud().route53();
        for record in route53.all_records(&world::zone().id).iter().filter(|record| record.ttl != Some(EDITED_TTL)) {
            ttls.extend(record.set_identifier.clone().map(|set| (set, record.ttl)));
        }
        ttls
    }

    fn remove_records(&self) -> bool {
        let before = self.cloud().route53().all_records(&world::zone().id).len();
        self.cloud().route53().remove_records(&world::zone().id, &world::failover_record());
        before != self.cloud().route53().all_records(&world::zone().id).len()
    }

    fn edit_health_check(&self, edit: impl FnOnce(&mut failopen::port::HealthCheckConfig)) -> bool {
        let Some(id) = self.health_check().filter(|id| self.cloud().health().ids().contains(id)) else { return false };
        let mut changed = false;
        self.cloud().health().edit(&id, |config| {
            let before = config.clone();
            edit(config);
            changed = *config != before;
        });
        changed
    }

    fn delete_alarm(&self) -> bool {
        let exists = self.cloud().cloudwatch().names().contains(&world::alarm());
        self.cloud().cloudwatch().remove(&world::alarm());
        exists
    }

    fn mute_alarm(&self, muted: bool) -> bool {
        let exists = self.cloud().cloudwatch().names().contains(&world::alarm());
        let changes = exists && self.cloud().cloudwatch().observe(&world::alarm()).actions_enabled == muted;
        if changes {
            self.cloud().cloudwatch().set_actions_enabled(&world::alarm(), !muted);
        }
        changes
    }

    /// Clocks of functions go wrong, or right again.
    pub(crate) fn step_function_clocks(&self, back: bool) {
        let skew = if back || self.is_calm() {
            0
        } else {
            let minutes = self.chance.between(1, 11) * 60;
            SECOND * if self.chance.percent(50) { minutes } else { -minutes }
        };
        self.scenario.skew.set(skew);
        self.step_clocks(skew);
        if skew != 0 {
            self.count(Fault::ClockStep);
        }
        self.story.tell(|| format!("the clocks of functions are {} s off from here on", skew / SECOND));
        self.happened(crate::step::Happened::ClockStepped);
    }
}

/// What stands before the distribution's own `Enabled`; nested elements have theirs.
const ENABLED: &str = "</PriceClass>";

/// Turns a flag of the distribution round, if it is as expected.
fn swap(text: &str, element: &str, from: bool, before: &str) -> Option<String> {
    let old = format!("{before}<{element}>{from}</{element}>");
    let new = format!("{before}<{element}>{}</{element}>", !from);
    text.contains(&old).then(|| text.replacen(&old, &new, 1))
}

fn retargets(
    document: &Document,
    patterns: &[PathPattern],
    concerns: impl Fn(&OriginId) -> bool,
    to: &OriginId,
) -> Vec<DocumentEdit> {
    let present = patterns.iter().filter_map(|pattern| document.behavior(pattern));
    let concerned = present.filter(|behavior| concerns(&behavior.target) && behavior.target != *to);
    concerned
        .map(|behavior| DocumentEdit::Retarget {
            path_pattern: behavior.path_pattern.clone(),
            from: behavior.target.clone(),
            to: to.clone(),
        })
        .collect()
}

fn retarget_all(
    document: &Document,
    patterns: &[PathPattern],
    concerns: impl Fn(&OriginId) -> bool,
    to: &OriginId,
) -> Option<String> {
    let edits = retargets(document, patterns, concerns, to);
    if edits.is_empty() {
        return None;
    }
    text_of(&document.edit(&edits).ok()?)
}

fn text_of(document: &Document) -> Option<String> {
    String::from_utf8(document.bytes().to_vec()).ok()
}

/// What a broken proxy, a half-done download or a mix-up makes of an answer.
///
/// Another's distribution is not given to a process that has nothing yet to tell it by (`knows_its_own` is false).
pub(crate) fn mangle(bytes: &[u8], chance: &Chance, knows_its_own: bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let enabled = "<Enabled>true</Enabled>";
    let mangled = match chance.below(6) {
        0 => text.replacen(&format!("{ENABLED}{enabled}"), &format!("{ENABLED}{enabled}{enabled}"), 1),
        1 => text.replacen(&format!("{ENABLED}{enabled}"), ENABLED, 1),
        2 => "<html><body>502 Bad Gateway</body></html>".to_owned(),
        3 if knows_its_own => text.replacen("<CallerReference>", "<CallerReference>somebody-elses-", 1),
        4 => text.replace("DistributionConfig", "StreamingDistributionConfig"),
        _ => text.clone(),
    };
    if mangled != text {
        return mangled.into_bytes();
    }
    let cut = usize::try_from(chance.below(u32::try_from(bytes.len()).unwrap_or(u32::MAX))).unwrap_or(0);
    bytes[..cut].to_vec()
}
