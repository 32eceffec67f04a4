//! Wiring of the provision function: settings and clients once, then one handler for every event.

use failopen::preflight::AllowLists;
use failopen_cloud::{Environment, Error, SystemClock, connect, environment, logs, run};
use failopen_provision::{Engine, NotAnArn, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    logs::start();
    let engine = engine(environment()?)?;
    let cloud = connect().await?;
    run(|event, deadline| handle(&engine, &cloud, &SystemClock, deadline, event)).await
}

fn engine(environment: Environment) -> Result<Engine, NotAnArn> {
    let allowed = AllowLists {
        distributions: environment.allowed_distributions.into_iter().collect(),
        zones: environment.allowed_hosted_zones.into_iter().collect(),
        records: environment.allowed_records.into_iter().collect(),
        zone_roles: environment.allowed_hosted_zone_roles.into_iter().collect(),
    };
    Engine::new(&environment.react_function, &environment.log_group, allowed, environment.response_origin)
}
