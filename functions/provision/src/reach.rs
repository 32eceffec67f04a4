//! Asks for the ways from an alarm to a flip.

use std::cell::RefCell;

use failopen::port::{Clock, Fault, FaultKind, Observe};
use failopen::reach::{FlipReach, Reach};
use failopen::spec::Spec;
use futures_util::future::join;

use crate::engine::Engine;
use crate::job::persist;

/// What cannot be found out is part of the observation: nothing that is in service hangs on it.
pub(crate) async fn ask<C: Observe, K: Clock>(cloud: &C, clock: &K, engine: &Engine, spec: &Spec) -> Reach {
    let denied = RefCell::new(None);
    let (policy, flip) = join(
        persist(clock, async || cloud.react_policy().await),
        persist(clock, async || match cloud.react_reaches_flip().await {
            // As any other denial: a role that was made a moment ago is not known everywhere yet.
            Ok(FlipReach::Denied { why }) => {
                *denied.borrow_mut() = Some(why.clone());
                Err(Fault::new(FaultKind::AccessDenied, "Invoke", why))
            }
            asked => {
                *denied.borrow_mut() = None;
                asked
            }
        }),
    )
    .await;
    let why = |fault: Fault| fault.to_string();
    Reach {
        account: engine.account.clone(),
        alarm_arn: engine.alarm_arn(&spec.name.alarm()),
        policy: policy.map_err(why),
        flip: match denied.into_inner() {
            Some(why) => Ok(FlipReach::Denied { why }),
            None => flip.map_err(why),
        },
    }
}
