// A principal alone is no permit.
use std::sync::Arc;

use mantlet_gate::{identity::Principal, policy::Permit, ports::Model};

fn unasked(principal: Principal, model: Arc<dyn Model>) -> Permit {
    Permit { principal, model, candidate: false }
}

fn main() {}
