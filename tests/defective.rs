//! provision with a defect, as a program that Lambda could start: its clock panics as soon as somebody sleeps on it, which
//! is in the middle of the work. Everything else, the client that sends the answer included, is the function's own.

use failopen::port::Clock;
use failopen::preflight::AllowLists;
use failopen_cloud::{Environment, Error, SystemClock, connect, environment, logs, run};
use failopen_provision::{Engine, handle};
use jiff::{SignedDuration, Timestamp};

struct Defective;

impl Clock for Defective {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn sleep(&self, duration: SignedDuration) {
        panic!("{duration:?} of canary-in-a-panic");
    }

    async fn passed(&self, moment: Timestamp) {
        SystemClock.passed(moment).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    logs::start();
    let Environment { react_function, log_group, response_origin, allowed_distributions, .. } = environment()?;
    let allowed = AllowLists {
        distributions: allowed_distributions.into_iter().collect(),
        ..failopen_tests::stack::engine().allowed
    };
    let engine = Engine::new(&react_function, &log_group, allowed, response_origin)?;
    let cloud = connect().await?;
    run(|event, deadline| handle(&engine, &cloud, &Defective, deadline, event)).await
}
