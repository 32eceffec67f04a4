//! The two failover records: what they must be, and which batch makes or removes them without touching anybody else's.

mod adoption;

pub use adoption::AdoptedSets;

use crate::finding::{Code, Finding, Target};
use crate::id::{HealthCheckId, OwnerMark, ProtectionName};
use crate::ledger::{MadeRecords, Replaced, Row};
use crate::mark::is_marked;
use crate::port::{ChangeAction, FailoverRole, RecordChange, RecordSet};
use crate::spec::{Spec, Zone};

impl MadeRecords {
    /// The records that `spec` wants, with `health_check` on the PRIMARY. `None` where another service answers the name.
    pub fn wanted(spec: &Spec, health_check: &HealthCheckId) -> Option<Self> {
        let zone = spec.dns.zone()?;
        Some(Self {
            zone: zone.id.clone(),
            role: zone.role.clone(),
            name: spec.failover_record.clone(),
            ttl: spec.record_ttl,
            primary: spec.inspection.clone(),
            primary_health_check: health_check.clone(),
            secondary: spec.application.clone(),
            secondary_health_check: spec.secondary_health_check.clone(),
            adopted: None,
        })
    }

    /// The zone that they are in.
    pub fn zone(&self) -> Zone {
        Zone { id: self.zone.clone(), role: self.role.clone() }
    }

    /// Whether both are record sets of the same name in the same zone, so that one batch can replace one by the other.
    pub fn is_same_place(&self, other: &MadeRecords) -> bool {
        self.zone == other.zone && self.name == other.name
    }

    /// For people: why adopted records are still there when the protection has left them.
    pub fn stay(&self) -> String {
        format!("the records of {} were adopted, so they stay", self.name)
    }

    /// The health checks that the pair rests on.
    pub fn checks(&self) -> impl Iterator<Item = &HealthCheckId> {
        [&self.primary_health_check].into_iter().chain(&self.secondary_health_check)
    }

    /// PRIMARY and SECONDARY as Route 53 holds them.
    pub fn pair(&self, owner: &OwnerMark, name: &ProtectionName) -> [RecordSet; 2] {
        let identifier = |role| match (&self.adopted, role) {
            (None, role) => owner.set_identifier(name, role),
            (Some(theirs), FailoverRole::Primary) => theirs.primary.clone(),
            (Some(theirs), FailoverRole::Secondary) => theirs.secondary.clone(),
        };
        let record = |role, value: &str, health_check| RecordSet {
            name: self.name.clone(),
            record_type: "CNAME".to_owned(),
            set_identifier: Some(identifier(role)),
            failover: Some(role),
            ttl: Some(self.ttl),
            values: vec![value.to_owned()],
            health_check,
            routing: "failover".to_owned(),
        };
        [
            record(FailoverRole::Primary, self.primary.as_str(), Some(self.primary_health_check.clone())),
            record(FailoverRole::Secondary, self.secondary.as_str(), self.secondary_health_check.clone()),
        ]
    }
}

/// The record pairs that a row claims, the present one first.
pub fn claimed(row: &Row) -> impl Iterator<Item = &MadeRecords> {
    let replaced = row.made.replaced.iter().filter_map(|replaced| match replaced {
        Replaced::Records(made) => Some(made),
        Replaced::Distribution(_) | Replaced::HealthCheck(_) => None,
    });
    row.made.records.iter().chain(replaced)
}

/// The pairs that a row claims and that we made: what a Delete removes.
pub fn removable(row: &Row) -> impl Iterator<Item = &MadeRecords> {
    claimed(row).filter(|made| made.adopted.is_none())
}

/// The pairs that a row claims and that were there before us, as they are told to people when they stay.
pub fn staying(row: &Row) -> impl Iterator<Item = String> {
    claimed(row).filter(|made| made.adopted.is_some()).map(MadeRecords::stay)
}

/// How the wanted pair comes to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Establishing {
    /// What the ledger has to remember: the wanted pair, or somebody's that is as wanted.
    pub made: MadeRecords,
    /// The one batch that turns what is in the zone into the pair; empty where it is there already.
    pub changes: Vec<RecordChange>,
}

/// What turns what is in the zone into the wanted pair. Old values and new ones change hands in the same transaction, so the
/// name is never without an answer.
///
/// `claimed` are the pairs that the ledger knows: only records equal to one of them that we made are replaced.
///
/// # Errors
/// A finding that names the record which stands in the way.
pub fn establish<'m>(
    wanted: &MadeRecords,
    claimed: impl Iterator<Item = &'m MadeRecords>,
    owner: &OwnerMark,
    spec: &Spec,
    present: &[RecordSet],
) -> Result<Establishing, Finding> {
    if let Some(made) = adoption::adopted(wanted, owner, spec, present) {
        return Ok(Establishing { made, changes: Vec::new() });
    }
    let name = &spec.name;
    let pair = wanted.pair(owner, name);
    let (adopted, made): (Vec<_>, Vec<_>) =
        claimed.filter(|made| made.is_same_place(wanted)).partition(|made| made.adopted.is_some());
    let known: Vec<RecordSet> = made.iter().flat_map(|made| made.pair(owner, name)).collect();
    let conflict = |record| {
        let near_miss = adoption::near_miss(wanted, !adopted.is_empty(), spec, present);
        near_miss.unwrap_or_else(|| conflict(wanted, record))
    };
    let mut changes = Vec::new();
    for record in present {
        if pair.iter().any(|wanted| is_same(wanted, record)) {
            continue;
        }
        if !known.iter().any(|known| is_same(known, record)) {
            return Err(conflict(record));
        }
        changes.push(RecordChange { action: ChangeAction::Delete, record: record.clone() });
    }
    let missing = pair.into_iter().filter(|wanted| !present.iter().any(|record| is_same(wanted, record)));
    changes.extend(missing.map(|record| RecordChange { action: ChangeAction::Create, record }));
    Ok(Establishing { made: wanted.clone(), changes })
}

fn conflict(wanted: &MadeRecords, record: &RecordSet) -> Finding {
    let which = match &record.set_identifier {
        Some(set) => format!("{} {} record with the identifier {set}", article(&record.routing), record.record_type),
        None => format!("{} {} record", article(&record.routing), record.record_type),
    };
    let is_a_protections = record.set_identifier.as_deref().is_some_and(is_marked);
    let remedy = match is_a_protections {
        true => "choose another name, and do not remove that record: it is a protection's, whose viewers need it",
        false => "choose another name, or remove that record first",
    };
    Finding::structural(
        Code::RecordConflict,
        "FailoverRecord",
        Target::Zone,
        format!(
            "{} in zone {} is already {which} -> {}, which this resource did not make or somebody changed; it is left as it \
             is; {remedy}",
            wanted.name,
            wanted.zone,
            record.values.join(", ")
        ),
    )
}

fn article(routing: &str) -> String {
    let article = if routing.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {routing}")
}

/// The batch that removes what is ours, and what is left because it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    pub changes: Vec<RecordChange>,
    /// Records under our identifiers whose values somebody changed.
    pub left: Vec<RecordSet>,
}

/// Plans the removal of the pairs in `claimed`, which are all in one place, from what is `present` there. Adopted ones stay.
pub fn remove(claimed: &[&MadeRecords], owner: &OwnerMark, name: &ProtectionName, present: &[RecordSet]) -> Removal {
    let made = claimed.iter().filter(|made| made.adopted.is_none());
    let known: Vec<RecordSet> = made.flat_map(|made| made.pair(owner, name)).collect();
    let mut removal = Removal { changes: Vec::new(), left: Vec::new() };
    for record in present {
        if known.iter().any(|known| is_same(known, record)) {
            removal.changes.push(RecordChange { action: ChangeAction::Delete, record: record.clone() });
        } else if known.iter().any(|known| known.set_identifier == record.set_identifier) {
            removal.left.push(record.clone());
        }
    }
    removal
}

/// Everything but `routing`, which is a word for people.
fn is_same(one: &RecordSet, other: &RecordSet) -> bool {
    let key = |record: &RecordSet| {
        let RecordSet { name, record_type, set_identifier, failover, ttl, values, health_check, routing: _ } = record;
        (
            name.clone(),
            record_type.clone(),
            set_identifier.clone(),
            *failover,
            *ttl,
            values.clone(),
            health_check.clone(),
        )
    };
    key(one) == key(other)
}

/// One line for people: `PRIMARY CNAME www.inspection.example.net, TTL 30, health check h-1`.
pub fn describe(record: &RecordSet) -> String {
    let role = match record.failover {
        Some(FailoverRole::Primary) => "PRIMARY ",
        Some(FailoverRole::Secondary) => "SECONDARY ",
        None => "",
    };
    let ttl = record.ttl.map_or_else(String::new, |ttl| format!(", TTL {ttl}"));
    let check = record
        .health_check
        .as_ref()
        .map_or_else(|| ", no health check".to_owned(), |id| format!(", health check {id}"));
    format!("{role}{} {}{ttl}{check}", record.record_type, record.values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{HostedZoneId, Hostname};

    fn made(ttl: u32) -> MadeRecords {
        MadeRecords {
            zone: HostedZoneId::new("Z1"),
            role: None,
            name: Hostname::new("cq.example.com"),
            ttl,
            primary: Hostname::new("inspection.example.net"),
            primary_health_check: HealthCheckId::new("h-1"),
            secondary: Hostname::new("app.example.com"),
            secondary_health_check: None,
            adopted: None,
        }
    }

    fn owner() -> OwnerMark {
        OwnerMark::new("0123456789ab")
    }

    fn spec() -> Spec {
        crate::sample::spec()
    }

    fn name() -> ProtectionName {
        ProtectionName::new("www")
    }

    fn actions(changes: &[RecordChange]) -> Vec<(ChangeAction, Option<FailoverRole>)> {
        changes.iter().map(|change| (change.action, change.record.failover)).collect()
    }

    #[test]
    fn two_records_that_are_there_already_need_no_batch() {
        let present = made(30).pair(&owner(), &name());
        assert_eq!(
            establish(&made(30), std::iter::empty(), &owner(), &spec(), &present),
            Ok(Establishing { made: made(30), changes: vec![] })
        );
    }

    #[test]
    fn an_empty_name_gets_both_in_one_batch_and_only_the_primary_has_a_check() {
        let changes =
            establish(&made(30), std::iter::empty(), &owner(), &spec(), &[]).expect("nothing in the way").changes;
        assert_eq!(
            actions(&changes),
            [
                (ChangeAction::Create, Some(FailoverRole::Primary)),
                (ChangeAction::Create, Some(FailoverRole::Secondary))
            ]
        );
        assert_eq!(changes[0].record.health_check, Some(HealthCheckId::new("h-1")));
        assert_eq!(changes[1].record.health_check, None);
    }

    #[test]
    fn old_values_that_the_ledger_knows_are_replaced_in_the_same_batch() {
        let present = made(30).pair(&owner(), &name());
        let changes = establish(&made(60), [&made(30)].into_iter(), &owner(), &spec(), &present).expect("ours").changes;
        assert_eq!(changes.iter().filter(|change| change.action == ChangeAction::Delete).count(), 2);
        assert_eq!(changes.iter().filter(|change| change.action == ChangeAction::Create).count(), 2);
    }

    #[test]
    fn a_record_that_is_not_ours_is_named_and_stands_in_the_way() {
        let plain = RecordSet {
            set_identifier: None,
            failover: None,
            health_check: None,
            routing: "simple".to_owned(),
            values: vec!["elsewhere.example.com".to_owned()],
            ..made(30).pair(&owner(), &name())[0].clone()
        };
        let finding = establish(&made(30), std::iter::empty(), &owner(), &spec(), &[plain]).expect_err("a conflict");
        assert_eq!((finding.code, finding.property.as_str()), (Code::RecordConflict, "FailoverRecord"));
        assert!(finding.message.contains("a simple CNAME record -> elsewhere.example.com"), "{}", finding.message);
    }

    #[test]
    fn a_record_under_our_identifier_that_somebody_changed_is_not_ours_to_replace_or_remove() {
        let mut present = made(30).pair(&owner(), &name());
        present[0].values = vec!["elsewhere.example.com".to_owned()];
        assert!(establish(&made(60), [&made(30)].into_iter(), &owner(), &spec(), &present).is_err());
        let removal = remove(&[&made(30)], &owner(), &name(), &present);
        assert_eq!(actions(&removal.changes), [(ChangeAction::Delete, Some(FailoverRole::Secondary))]);
        assert_eq!(removal.left, [present[0].clone()]);
    }

    #[test]
    fn a_line_about_a_record_says_what_it_answers() {
        let [primary, secondary] = made(30).pair(&owner(), &name());
        assert_eq!(describe(&primary), "PRIMARY CNAME inspection.example.net, TTL 30, health check h-1");
        assert_eq!(describe(&secondary), "SECONDARY CNAME app.example.com, TTL 30, no health check");
        let alias = RecordSet { failover: None, ttl: None, ..secondary };
        assert_eq!(describe(&alias), "CNAME app.example.com, no health check");
    }

    #[test]
    fn the_same_place_is_the_same_name_in_the_same_zone() {
        let other_zone = MadeRecords { zone: HostedZoneId::new("Z2"), ..made(30) };
        let other_name = MadeRecords { name: Hostname::new("other.example.com"), ..made(30) };
        assert!(made(30).is_same_place(&made(60)));
        assert!(!made(30).is_same_place(&other_zone) && !made(30).is_same_place(&other_name));
        assert_eq!(other_zone.zone().id, HostedZoneId::new("Z2"));
    }

    #[test]
    fn a_row_claims_its_present_pair_and_those_it_replaced() {
        let mut row = crate::sample::row();
        row.made.replaced.push(Replaced::Records(made(60)));
        let present = row.made.records.clone().expect("records");
        assert_eq!(claimed(&row).cloned().collect::<Vec<_>>(), [present, made(60)]);
    }

    #[test]
    fn the_kind_of_a_record_in_the_way_has_its_article() {
        assert_eq!((article("alias"), article("simple")), ("an alias".to_owned(), "a simple".to_owned()));
    }

    #[test]
    fn removal_of_what_is_gone_is_empty_and_other_protections_are_not_touched() {
        let others = made(30).pair(&OwnerMark::new("ba9876543210"), &name());
        let removal = remove(&[&made(30)], &owner(), &name(), &others);
        assert_eq!(removal, Removal { changes: vec![], left: vec![] });
    }
}
