//! Which of a pair of failover records DNS answers.

use std::collections::BTreeMap;

use aws_sdk_route53::types::{ResourceRecordSet, ResourceRecordSetFailover};

use super::name_server::Alias;

/// Served where a record has no TTL, as an alias record has none (Route 53 Developer Guide, "Values specific for simple alias
/// records": 60 s for a load balancer).
const ALIAS_TTL: u32 = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Primary,
    Secondary,
}

/// What DNS answers a failover name with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) role: Role,
    /// Host and TTL of the record that was chosen.
    pub(crate) alias: Alias,
}

/// The answer for each failover name of a zone; `healthy` holds the health checks that have an opinion.
pub(crate) fn answers(records: &[ResourceRecordSet], healthy: &BTreeMap<String, bool>) -> BTreeMap<String, Answer> {
    let find = |name: &str, role: ResourceRecordSetFailover| {
        records.iter().find(|record| record.name() == name && record.failover() == Some(&role))
    };
    let mut answers = BTreeMap::new();
    for primary in records.iter().filter(|record| record.failover() == Some(&ResourceRecordSetFailover::Primary)) {
        let secondary = find(primary.name(), ResourceRecordSetFailover::Secondary);
        let role = chosen(is_healthy(primary, healthy), secondary.map(|record| is_healthy(record, healthy)));
        let record = match (role, secondary) {
            (Role::Secondary, Some(secondary)) => secondary,
            (Role::Primary, _) | (Role::Secondary, None) => primary,
        };
        if let Some(value) = record.resource_records().first() {
            let target = value.value().trim_end_matches('.').to_owned();
            let ttl = record.ttl().and_then(|ttl| u32::try_from(ttl).ok()).unwrap_or(ALIAS_TTL);
            let name = primary.name().trim_end_matches('.').to_owned();
            answers.insert(name, Answer { role, alias: Alias { target, ttl } });
        }
    }
    answers
}

/// The primary while it is healthy, then a healthy secondary; the primary again where both are unhealthy (Route 53 Developer
/// Guide, "How Amazon Route 53 chooses records when health checking is configured"). `None`: there is no secondary.
fn chosen(primary: bool, secondary: Option<bool>) -> Role {
    match (primary, secondary) {
        (true, _) | (false, None | Some(false)) => Role::Primary,
        (false, Some(true)) => Role::Secondary,
    }
}

/// A record without a health check is always healthy (same page). Assumed: so is one whose check is unknown here, because it is
/// new, deleted or of a kind that is not modelled.
fn is_healthy(record: &ResourceRecordSet, healthy: &BTreeMap<String, bool>) -> bool {
    record.health_check_id().and_then(|check| healthy.get(check)).copied().unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use aws_sdk_route53::types::{ResourceRecord, RrType};

    use super::*;

    fn record(role: ResourceRecordSetFailover, host: &str, ttl: i64, check: Option<&str>) -> ResourceRecordSet {
        let value = ResourceRecord::builder().value(host).build().unwrap();
        ResourceRecordSet::builder()
            .name("cq.example.com.")
            .r#type(RrType::Cname)
            .failover(role)
            .ttl(ttl)
            .set_health_check_id(check.map(str::to_owned))
            .resource_records(value)
            .build()
            .unwrap()
    }

    fn answer(secondary_check: Option<&str>, first: bool, second: bool) -> Answer {
        let records = [
            record(ResourceRecordSetFailover::Secondary, "application.", 20, secondary_check),
            record(ResourceRecordSetFailover::Primary, "inspection.", 30, Some("first")),
        ];
        let healthy = [("first".to_owned(), first), ("second".to_owned(), second)].into();
        answers(&records, &healthy).remove("cq.example.com").unwrap()
    }

    fn inspection() -> Answer {
        Answer { role: Role::Primary, alias: Alias { target: "inspection".to_owned(), ttl: 30 } }
    }

    fn application() -> Answer {
        Answer { role: Role::Secondary, alias: Alias { target: "application".to_owned(), ttl: 20 } }
    }

    #[test]
    fn a_healthy_primary_answers_whatever_the_secondary_is() {
        assert_eq!(answer(Some("second"), true, true), inspection());
        assert_eq!(answer(Some("second"), true, false), inspection());
        assert_eq!(answer(None, true, false), inspection());
    }

    #[test]
    fn an_unhealthy_primary_gives_way_to_a_secondary_that_is_healthy_or_has_no_check() {
        assert_eq!(answer(Some("second"), false, true), application());
        assert_eq!(answer(None, false, false), application());
    }

    #[test]
    fn the_primary_answers_where_both_are_unhealthy() {
        assert_eq!(answer(Some("second"), false, false), inspection());
    }

    #[test]
    fn a_record_whose_check_nobody_knows_is_healthy() {
        let records = [
            record(ResourceRecordSetFailover::Primary, "inspection", 30, Some("gone")),
            record(ResourceRecordSetFailover::Secondary, "application", 20, None),
        ];
        assert_eq!(answers(&records, &BTreeMap::new())["cq.example.com"], inspection());
    }

    #[test]
    fn a_primary_alone_answers_even_when_it_is_unhealthy() {
        let records = [record(ResourceRecordSetFailover::Primary, "inspection", 30, Some("first"))];
        assert_eq!(answers(&records, &[("first".to_owned(), false)].into())["cq.example.com"], inspection());
    }
}
