//! Processes: invocations of the real handlers, polled in the order in which virtual time wakes them.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use failopen::commands::Commands;
use failopen::failure::Failure;
use failopen_tests::stack;
use failopen_tests::world::FLIP_ARN;
use jiff::SignedDuration;
use serde_json::Value;

use crate::agenda::{Due, Moment, SECOND};
use crate::calls::SimCloud;
use crate::clock::SimClock;
use crate::delivery::Delivery;
use crate::removal::Sabotaged;
use crate::step::{Function, Happened, Process, ProcessId};
use crate::world::SimWorld;

/// A handler at work.
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<Value, Failure>>>>;

/// Lambda's time-outs, as the template gives them.
fn time_out(function: Function) -> Moment {
    match function {
        Function::Provision => 900 * SECOND,
        Function::React => 60 * SECOND,
        Function::Flip => 55 * SECOND,
    }
}

/// Starts the function that an event is for.
pub(crate) fn start(world: &Rc<SimWorld>, delivery: &Delivery) -> (ProcessId, Work) {
    let id = ProcessId(world.processes().len());
    let life = time_out(delivery.function);
    // Not every execution environment has the wrong clock.
    let skew = if world.scenario.skew.get() != 0 && world.chance.percent(70) { world.scenario.skew.get() } else { 0 };
    let now = world.agenda.now();
    let process = Process {
        id,
        function: delivery.function,
        cause: delivery.cause.clone(),
        event: delivery.event.clone(),
        began: world.at(now),
        killed_at: world.at(now + life),
        skew: SignedDuration::from_micros(skew),
        stepped: false,
        is_frozen: false,
        has_died: false,
        ended: None,
        calls: 0,
        read: None,
    };
    world.add_process(process, skew);
    world.agenda.at(now + life, Due::Kill(id));
    world.happened(Happened::Began(id));
    // Lambda counts on the same clock that the function reads (assumed).
    let deadline = world.time_of(id) + SignedDuration::from_micros(life);
    let (cloud, clock) = (port(world, id, delivery), SimClock { world: Rc::clone(world), process: id });
    let event = delivery.event.clone();
    let event = match world.removal() {
        Some(removal) => removal.event(event, world.time_of(id)),
        None => event,
    };
    let work: Work =
        match delivery.function {
            Function::React => Box::pin(async move {
                failopen_react::handle(&Commands::new(FLIP_ARN), &cloud, &clock, deadline, event).await
            }),
            Function::Flip => Box::pin(async move {
                failopen_flip::handle(&Commands::new(FLIP_ARN), &cloud, &clock, deadline, event).await
            }),
            Function::Provision => {
                Box::pin(
                    async move { failopen_provision::handle(&stack::engine(), &cloud, &clock, deadline, event).await },
                )
            }
        };
    (id, work)
}

/// AWS as a process sees it.
fn port(world: &Rc<SimWorld>, process: ProcessId, delivery: &Delivery) -> Sabotaged<SimCloud> {
    let cloud = SimCloud { world: Rc::clone(world), process };
    Sabotaged::new(cloud, world.removal(), world.cloud().clone(), delivery.cause.clone(), delivery.event.clone())
}
