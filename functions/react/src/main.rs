//! Wiring of the react function: settings and clients once, then one handler for every event.

use failopen_cloud::{Error, SystemClock, connect, logs, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    logs::start();
    let cloud = connect().await?;
    let commands = cloud.commands();
    run(|event, deadline| failopen_react::handle(&commands, &cloud, &SystemClock, deadline, event)).await
}
