//! Asks DNS about the names that a protection rests on, all together.

use std::future::Future;

use failopen::port::{Delegation, Observe};
use failopen::preflight::{Names, Observed, Questions};
use failopen::spec::{Dns, Spec};
use futures_util::future::{OptionFuture, join4};

/// What DNS says about inspection, the application, another DNS service's failover record and the zone.
pub(crate) async fn names<C: Observe>(cloud: &C, spec: &Spec, observed: &Observed, questions: &Questions) -> Names {
    if !questions.names {
        return Names::default();
    }
    // A record of ours may still have to be made; a resolver that is asked before remembers that there was none.
    let record = matches!(spec.dns, Dns::External).then_some(&spec.failover_record);
    let zone = observed.zone.as_ref().filter(|zone| !zone.name_servers.is_empty());
    let (inspection, application, failover_record, delegation) = join4(
        cloud.resolve(&spec.inspection),
        cloud.resolve(&spec.application),
        maybe(record.map(|record| cloud.resolve(record))),
        maybe(zone.map(|zone| cloud.delegation(&zone.name))),
    )
    .await;
    if let Some(Delegation::Unknown { why }) = &delegation {
        tracing::warn!(
            protection = %spec.name,
            step = "preflight",
            because = why,
            "whether public DNS leads to the zone is not known"
        );
    }
    Names { inspection: Some(inspection), application: Some(application), failover_record, delegation }
}

fn maybe<F: Future>(question: Option<F>) -> OptionFuture<F> {
    question.into()
}
