//! `{"action": "plan"}`: what provisioning would do. Reads only.

use failopen::failure::{ErrorType, Failure};
use failopen::finding::{Finding, worst_first};
use failopen::id::OwnerMark;
use failopen::plan::{Plan, plan};
use failopen::port::{Clock, Observe};
use failopen::preflight::{Observed, Occasion, findings};
use failopen::properties::Problem;
use failopen::spec::Spec;
use serde_json::{Map, Value};

use crate::declared::{Declared, certain};
use crate::engine::Engine;
use crate::observation::{neighbors, observe};

/// Stands for the mark of a resource that does not exist yet.
const NOBODY: &str = "planned";

/// Answers with the plan.
///
/// # Errors
/// `InvalidRequest` with every problem of the properties, and with what else would stand against the protection; otherwise that of
/// a read.
pub(crate) async fn preview<C: Observe, K: Clock>(
    engine: &Engine,
    cloud: &C,
    clock: &K,
    properties: &Map<String, Value>,
) -> Result<Value, Failure> {
    let Declared { spec, problems, refused } = Declared::by(properties, &engine.allowed);
    let spec = match spec {
        Some(spec) if refused.is_empty() => spec,
        Some(_) if problems.is_empty() => {
            let texts: Vec<String> = refused.iter().map(|finding| format!("! {finding}\n")).collect();
            return answer(&Plan { plan: Vec::new(), findings: refused, text: texts.concat() });
        }
        Some(_) | None => return Err(not_those_of_a_protection(&problems, &refused)),
    };
    let planned = look(engine, cloud, clock, &spec).await;
    if problems.is_empty() {
        let (owner, observed) = planned?;
        return answer(&plan(&spec, &owner, &observed, &engine.react_function));
    }
    // Whatever else cannot be read just now, the problems are known.
    let found = planned.map(|(owner, observed)| findings(&spec, &owner, &observed)).unwrap_or_default();
    Err(not_those_of_a_protection(&problems, &certain(&problems, &spec, found)))
}

async fn look<C: Observe, K: Clock>(
    engine: &Engine,
    cloud: &C,
    clock: &K,
    spec: &Spec,
) -> Result<(OwnerMark, Observed), Failure> {
    let neighbors = neighbors(cloud, clock).await?;
    // Who asks is no resource of a stack, so what exists under this name is taken for what is meant.
    let present = neighbors.rows.iter().find(|row| row.name == spec.name).map(|row| row.owner.clone());
    let owner = present.unwrap_or_else(|| OwnerMark::new(NOBODY));
    let observed = observe(cloud, clock, engine, spec, &owner, neighbors, Occasion::Plan).await?;
    Ok((owner, observed))
}

/// A plan of what nobody means would mislead, but whoever mends the properties wants to hear of the rest now.
fn not_those_of_a_protection(problems: &[Problem], findings: &[Finding]) -> Failure {
    let listed: Vec<String> = problems.iter().map(Problem::to_string).collect();
    let beside: Vec<String> = worst_first(findings).iter().map(|finding| format!(" {finding}.")).collect();
    let beside = if beside.is_empty() { String::new() } else { format!(" Beside that:{}", beside.concat()) };
    Failure::invalid(format!("The properties are not those of a protection: {}.{beside}", listed.join("; ")))
}

fn answer(plan: &Plan) -> Result<Value, Failure> {
    serde_json::to_value(plan).map_err(|error| {
        Failure::new(ErrorType::Unavailable, format!("The plan has no JSON form ({error}); report this."))
    })
}
