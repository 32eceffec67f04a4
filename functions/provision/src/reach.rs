//! Asks for the ways from an alarm to a flip.

use failopen::port::{Clock, Fault, Observe};
use failopen::reach::Reach;
use failopen::spec::Spec;
use futures_util::future::join;

use crate::engine::Engine;
use crate::job::persist;

/// What cannot be found out is part of the observation: nothing that is in service hangs on it.
pub(crate) async fn ask<C: Observe, K: Clock>(cloud: &C, clock: &K, engine: &Engine, spec: &Spec) -> Reach {
    let (policy, flip) = join(
        persist(clock, async || cloud.react_policy().await),
        persist(clock, async || cloud.react_reaches_flip().await),
    )
    .await;
    let why = |fault: Fault| fault.to_string();
    Reach {
        account: engine.account.clone(),
        alarm_arn: engine.alarm_arn(&spec.name.alarm()),
        policy: policy.map_err(why),
        flip: flip.map_err(why),
    }
}
