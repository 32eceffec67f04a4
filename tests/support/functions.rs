//! The functions as their callers see them: events in, answers out, and react's requests carried to flip.

use failopen::commands::Commands;
use failopen::failure::Failure;
use failopen::port::{Clock, Converge};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cloud::Run;
use crate::events;
use crate::world::{FLIP_ARN, World};

/// Time-out of both functions in these worlds.
pub const TIME_OUT: SignedDuration = SignedDuration::from_secs(50);

impl World {
    /// Invokes react.
    pub fn react(&self, event: Value) -> Result<Value, Failure> {
        self.try_react(event).finished()
    }

    /// Invokes react, which may crash on the way.
    pub fn try_react(&self, event: Value) -> Run<Result<Value, Failure>> {
        let commands = Commands::new(FLIP_ARN);
        let deadline = self.deadline();
        self.cloud.run(failopen_react::handle(&commands, &self.cloud, &self.clock, deadline, event))
    }

    /// Invokes flip.
    pub fn flip(&self, request: Value) -> Result<Value, Failure> {
        self.try_flip(request).finished()
    }

    /// Invokes flip, which may crash on the way.
    pub fn try_flip(&self, request: Value) -> Run<Result<Value, Failure>> {
        let commands = Commands::new(FLIP_ARN);
        let deadline = self.deadline();
        self.cloud.run(failopen_flip::handle(&commands, &self.cloud, &self.clock, deadline, request))
    }

    /// When an invocation that begins now must have ended. Lambda counts on the same clock that the function reads (assumed).
    pub fn deadline(&self) -> Timestamp {
        self.clock.now() + TIME_OUT
    }

    /// Carries every request of react to flip, in order, and returns flip's answers.
    pub fn deliver(&self) -> Vec<Result<Value, Failure>> {
        let requests = std::mem::take(&mut self.cloud.outbox().converges);
        requests.iter().map(|request| self.flip(converge(request))).collect()
    }

    /// Invokes react and carries what it asked for to flip.
    pub fn react_and_deliver(&self, event: Value) -> Value {
        let answer = self.react(event).expect("react answers every event of a known form");
        self.deliver();
        answer
    }

    /// One tick of the schedule, with what follows from it.
    pub fn tick(&self) -> Value {
        self.react_and_deliver(events::tick())
    }

    /// The schedule for a while: a tick, then a minute, again and again.
    pub fn live(&self, minutes: u32) {
        for _ in 0..minutes {
            self.tick();
            self.pass(SignedDuration::from_mins(1));
        }
    }
}

/// A request of react as flip receives it.
pub fn converge(request: &Converge) -> Value {
    let mut event = serde_json::to_value(request).expect("a request is plain data");
    event["action"] = json!("converge");
    event
}
