// The limit takes a permit, not a principal.
use mantlet_gate::{Gate, identity::Principal, perimeter};

fn unauthorized(gate: &Gate, principal: Principal) {
    let _ = perimeter::limit(gate, principal);
}

fn main() {}
