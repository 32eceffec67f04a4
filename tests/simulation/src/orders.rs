//! What people do to the stack, in their order.

use std::collections::VecDeque;

use crate::agenda::{MINUTE, Moment, SECOND};
use crate::chance::Chance;
use crate::scenario::Scenario;

/// One thing that people do to the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Create,
    Update,
    Delete,
    /// Cancels what is going on.
    Cancel,
}

/// Orders with the pause before each.
pub(crate) type Orders = VecDeque<(Moment, Order)>;

pub(crate) fn draw_orders(chance: &Chance, scenario: &Scenario) -> Orders {
    let mut orders = VecDeque::new();
    let later = || chance.between(30 * SECOND, 8 * MINUTE);
    if !scenario.is_provisioned {
        orders.push_back((chance.between(0, 60 * SECOND), Order::Create));
        if chance.percent(40) {
            orders.push_back(draw_cancel(chance));
        }
    }
    if scenario.lives.are_several() {
        orders.extend(draw_lives(chance));
        return orders;
    }
    if scenario.is_provisioned && chance.percent(55) {
        return orders;
    }
    for _ in 0..chance.below(3) {
        orders.push_back((later(), Order::Update));
    }
    if chance.percent(50) {
        orders.push_back((later(), Order::Delete));
        if chance.percent(40) {
            orders.push_back((later(), Order::Create));
            if chance.percent(30) {
                orders.push_back((later(), Order::Delete));
            }
        }
    }
    orders
}

/// The resource is deleted and made anew at once, again and again.
fn draw_lives(chance: &Chance) -> Orders {
    let mut orders = VecDeque::new();
    let soon = || chance.between(2 * SECOND, 40 * SECOND);
    for _ in 0..1 + chance.below(3) {
        if chance.percent(30) {
            orders.push_back((soon(), Order::Update));
            if chance.percent(30) {
                orders.push_back(draw_cancel(chance));
            }
        }
        orders.push_back((soon(), Order::Delete));
        orders.push_back((soon(), Order::Create));
        if chance.percent(30) {
            orders.push_back(draw_cancel(chance));
            // CloudFormation deletes by itself what was cancelled.
            orders.push_back((soon(), Order::Create));
        }
    }
    if chance.percent(40) {
        orders.push_back((soon(), Order::Delete));
    }
    orders
}

fn draw_cancel(chance: &Chance) -> (Moment, Order) {
    let most = *chance.pick(&[2 * SECOND, 20 * SECOND, 120 * SECOND]);
    (chance.between(100_000, most), Order::Cancel)
}
