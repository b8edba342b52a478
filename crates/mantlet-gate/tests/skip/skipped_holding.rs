// What was judged is not settled: a person may have to decide it first.
use mantlet_gate::{output::Verdict, reviews::Settled};

fn unheld(verdict: Verdict) -> Settled {
    Settled(verdict)
}

fn main() {}
