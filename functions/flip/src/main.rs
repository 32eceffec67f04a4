//! Wiring of the flip function: settings and clients once, then one handler for every event.

use failopen::commands::Commands;
use failopen_cloud::{Error, SystemClock, connect, logs, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    logs::start();
    let cloud = connect().await?;
    let commands = Commands::new(cloud.flip_function());
    run(|event, deadline| failopen_flip::handle(&commands, &cloud, &SystemClock, deadline, event)).await
}
