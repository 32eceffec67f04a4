//! Operators: what people ask flip for, at any time and with any fault going on.

use failopen_tests::world;
use serde_json::{Map, Value, json};

use crate::agenda::{Act, Due};
use crate::delivery::Delivery;
use crate::step::{Cause, Function};
use crate::world::SimWorld;

impl SimWorld {
    pub(crate) fn plan_operators(&self) {
        if !self.chance.percent(40) {
            return;
        }
        for _ in 0..1 + self.chance.below(4) {
            self.agenda.at(self.chance.between(0, self.scenario.faulty_for), Due::Act(Act::Operate));
        }
    }

    /// One request of an operator; sometimes a second one at the same time.
    pub(crate) fn operate(&self) {
        if self.is_calm() {
            return;
        }
        let people = if self.chance.percent(20) { 2 } else { 1 };
        for _ in 0..people {
            let delivery = Delivery {
                function: Function::Flip,
                cause: Cause::Operator,
                event: self.request(),
                sent: self.agenda.now(),
                number: 0,
                attempts: 0,
            };
            self.agenda.after(self.chance.between(0, 300_000), Due::Deliver(Box::new(delivery)));
        }
    }

    fn request(&self) -> Value {
        let action = *self.chance.pick(&[
            "bypass",
            "bypass",
            "restore",
            "restore",
            "pin",
            "pin",
            "unpin",
            "unpin",
            "unlatch",
            "status",
            "plan",
            "break-glass",
            "break-glass",
        ]);
        let mut request = Map::new();
        request.insert("action".to_owned(), json!(action));
        request.insert("protection".to_owned(), json!(world::www()));
        match action {
            "bypass" | "restore" | "pin" => {
                request.insert("reason".to_owned(), json!("INC-42"));
                request.insert("requestedBy".to_owned(), json!("sam"));
                let expiry = *self.chance.pick(&["1m", "5m", "20m", "2h", "never"]);
                request.insert("expiresIn".to_owned(), json!(expiry));
            }
            "unlatch" => {
                request.insert("reason".to_owned(), json!("looked at it"));
            }
            "break-glass" => return self.break_glass(),
            _ => {}
        }
        if action == "pin" {
            let posture = *self.chance.pick(&["inspected", "bypassed", "hold"]);
            request.insert("posture".to_owned(), json!(posture));
        }
        if !matches!(action, "status" | "plan") && self.chance.percent(15) {
            request.insert("dryRun".to_owned(), json!(true));
        }
        Value::Object(request)
    }

    fn break_glass(&self) -> Value {
        let (ours, theirs) = (world::inspection_origin(), world::application_origin());
        let (action, from, to) = match self.chance.percent(60) {
            true => ("bypass", ours, theirs),
            false => ("restore", theirs, ours),
        };
        let paths = &self.scenario.traffic;
        json!({
            "action": action, "distribution": self.distribution(), "from": from, "to": to, "paths": paths,
            "reason": "the ledger is gone", "requestedBy": "sam",
        })
    }
}
