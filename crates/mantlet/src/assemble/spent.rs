//! What routes to language models had used today before this process began: the log says it, prompt by prompt.
//!
//! An answer leaves once its entry is durable, and of one that leaves while it comes the intent, which says what was reserved.
//! So no end of a process gives back what of a day's budget was spent. What the log cannot have is prompts that an upstream
//! was asked and nothing of whose answer had left yet.

use mantlet_audit::read::Reader;
use mantlet_gate::Gate;
use mantlet_types::{
    Entry, Timestamp,
    entry::{Event, Phase},
};

use crate::{cli::exit::Failure, home::Home};

const DAY_US: i64 = 86_400_000_000;

/// Only entries of completions have it. Others are not even parsed, since there may be many.
const NEEDLE: &[u8] = br#""event":"completion""#;

/// Counts what today's entries say, and what answers may have taken that were under way when the process before ended.
///
/// # Errors
/// If the log cannot be read: then nobody knows what is left.
pub(super) fn restore(gate: &Gate, home: &Home, open: &[Entry]) -> Result<(), Failure> {
    // Where there is no route now, a reload may bring back those of this morning. A log that nothing was published of yet has
    // seen nothing.
    if !home.audit_dir().join("checkpoint").exists() {
        return Ok(());
    }
    let today = Timestamp::from_micros(gate.now().micros().div_euclid(DAY_US) * DAY_US);
    let told = |error: mantlet_audit::read::ReadError| Failure::new(error.to_string());
    let reader = Reader::open(&home.audit_dir()).map_err(told)?;
    let from = reader.seek(today).map_err(told)?;
    for entry in reader.having(from, NEEDLE) {
        let entry = entry.map_err(told)?;
        if entry.phase != Phase::Intent {
            count(gate, &entry);
        }
    }
    open.iter().filter(|intent| intent.event == Event::Completion).for_each(|intent| count(gate, intent));
    Ok(())
}

fn count(gate: &Gate, entry: &Entry) {
    let (Some(route), Some(principal)) = (&entry.route, &entry.principal) else { return };
    let tokens = entry.input_tokens.unwrap_or(0).saturating_add(entry.output_tokens.unwrap_or(0));
    let cost = entry.cost_micros.unwrap_or(0);
    if tokens > 0 || cost > 0 {
        gate.budgets().restore(route, principal, tokens, cost, entry.ts);
    }
}
