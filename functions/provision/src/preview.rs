//! `{"action": "plan"}`: what provisioning would do. Reads only.

use failopen::failure::{ErrorType, Failure};
use failopen::id::OwnerMark;
use failopen::plan::{Plan, plan};
use failopen::port::{Clock, Observe};
use failopen::preflight::Occasion;
use failopen::properties::{self, Problem};
use serde_json::{Map, Value};

use crate::engine::Engine;
use crate::observation::{neighbors, observe};

/// Stands for the mark of a resource that does not exist yet.
const NOBODY: &str = "planned";

/// Answers with the plan.
///
/// # Errors
/// `InvalidRequest` with every problem of the properties; otherwise that of a read.
pub(crate) async fn preview<C: Observe, K: Clock>(
    engine: &Engine,
    cloud: &C,
    clock: &K,
    properties: &Map<String, Value>,
) -> Result<Value, Failure> {
    let spec = properties::parse(properties).map_err(|invalid| {
        let problems: Vec<String> = invalid.problems.iter().map(Problem::to_string).collect();
        Failure::invalid(format!("The properties are not those of a protection: {}.", problems.join("; ")))
    })?;
    let refused = engine.allowed.refusals(&spec);
    if !refused.is_empty() {
        let texts: Vec<String> = refused.iter().map(|finding| format!("! {finding}\n")).collect();
        return answer(&Plan { plan: Vec::new(), findings: refused, text: texts.concat() });
    }
    let neighbors = neighbors(cloud, clock).await?;
    // Who asks is no resource of a stack, so what exists under this name is taken for what is meant.
    let present = neighbors.rows.iter().find(|row| row.name == spec.name).map(|row| row.owner.clone());
    let owner = present.unwrap_or_else(|| OwnerMark::new(NOBODY));
    let observed = observe(cloud, clock, engine, &spec, &owner, neighbors, Occasion::Plan).await?;
    answer(&plan(&spec, &owner, &observed, &engine.react_function))
}

fn answer(plan: &Plan) -> Result<Value, Failure> {
    serde_json::to_value(plan).map_err(|error| {
        Failure::new(ErrorType::Unavailable, format!("The plan has no JSON form ({error}); report this."))
    })
}
