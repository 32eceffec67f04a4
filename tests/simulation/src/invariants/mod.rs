//! What must hold after every step and at rest.
//!
//! None of it asks the product what is right: the configuration is read by a reader of its own, what is wanted is worked out
//! from the public contract, and what happened is what the world knows, not what the ledger says. Where an invariant cannot
//! be decided from outside in full, its check says which weaker form it is.
//!
//! - `writes`: I1, I2, I3, I5, I7, I8, I15, and the distribution's part of I17 and I20
//! - `decisions`: I4, I9, I10, I11, I14, and automation's part of I12, I17 and I18
//! - `damping`: I12 and I13
//! - `provisioning`: I17, I18 and I20
//! - `protection`: what I18 asks of a protection that is deployed
//! - `channel`: I16, I19 and I21
//! - `convergence`: I6, and the messages of I11 and I12

mod channel;
mod configuration;
mod convergence;
mod damping;
mod decisions;
mod past;
mod protection;
mod provisioning;
mod writes;

use crate::step::{Called, Function, Happened, Step};
use crate::world::SimWorld;

use channel::Channel;
use damping::Damping;
use decisions::Automatic;
use past::{Past, converge_of};
use provisioning::Provisioning;
use writes::Writes;

/// Something that must never be, and was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// `I1` to `I21`.
    pub invariant: &'static str,
    /// One sentence.
    pub what: String,
}

impl Violation {
    pub(crate) fn new(invariant: &'static str, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }
}

/// Everything that is watched, with its memory.
#[derive(Debug)]
pub struct Invariants {
    past: Past,
    writes: Writes,
    damping: Damping,
    provisioning: Provisioning,
    channel: Channel,
}

impl Invariants {
    pub fn begin(world: &SimWorld) -> Self {
        let past = Past::begin(world);
        let writes = Writes::begin(world, &past);
        let provisioning = Provisioning::begin(world);
        Self { past, writes, damping: Damping::default(), provisioning, channel: Channel::default() }
    }

    /// Looks at one step. The world may be a little ahead of it, never by another call.
    pub fn after_step(&mut self, world: &SimWorld, step: &Step) -> Vec<Violation> {
        let mut found = Vec::new();
        if let Happened::Called(called) = &step.happened {
            found.extend(self.before_it_is_past(world, called));
        }
        self.past.take_in(world, step);
        match &step.happened {
            Happened::Called(called) => {
                found.extend(self.provisioning.called(world, called));
                found.extend(self.channel.called(world, &self.past, called));
                if self.past.row.is_none() {
                    self.damping.forget();
                }
            }
            Happened::Edited(kind) => self.provisioning.edited(world, *kind),
            Happened::Ended { process, ending } => {
                found.extend(self.damping.ended(world, *process, ending));
                found.extend(self.channel.ended(world, *process, ending));
            }
            Happened::Began(_)
            | Happened::Turned
            | Happened::AlarmChanged
            | Happened::Requested(_)
            | Happened::GaveUp(_)
            | Happened::ClockStepped
            | Happened::Calm => {}
        }
        found
    }

    /// What a call is judged by is what was before it.
    fn before_it_is_past(&mut self, world: &SimWorld, called: &Called) -> Vec<Violation> {
        let mut found = self.damping.called(world, &self.past, called);
        let puts = world.puts();
        let Some(put) = called.put.and_then(|number| puts.get(number)) else { return found };
        found.extend(self.writes.check(world, &self.past, put));
        found.extend(self.provisioning.put(world, &self.past, put));
        let process = world.process(called.process);
        let flip = converge_of(&process.cause).filter(|_| process.function == Function::Flip);
        if let Some(request) = flip {
            let flip = Automatic { process: called.process, request, now: world.time_of(called.process) };
            found.extend(flip.check(world, &self.past));
            if put.applied && !flip.may_be_pinned(&self.past) {
                found.extend(self.damping.flipped(world, &self.past, &flip, put.told.is_ok()));
            }
        }
        found
    }

    /// Looks at a world in which nothing moves any more.
    pub fn at_rest(&mut self, world: &SimWorld) -> Vec<Violation> {
        let mut found = convergence::at_rest(world, &self.past);
        found.extend(self.provisioning.at_rest(world, &self.past));
        found.extend(self.channel.at_rest(world));
        found
    }
}
