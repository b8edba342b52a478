//! `mantlet guard redact`: texts in, texts without personal data and secrets out.

use mantlet_guard::output::{Found, redact};
use serde::{Deserialize, Serialize};

use super::{super::exit::Failure, lines};

/// A line of input. Other members are passed over.
#[derive(Deserialize)]
struct Line {
    text: String,
}

/// A line of output.
#[derive(Serialize)]
struct Cleared {
    text: String,
    found: Vec<Found>,
}

/// Clears each line of standard input.
pub(super) fn run() -> Result<(), Failure> {
    lines::answer(|line: Line| {
        let redacted = redact(&line.text);
        Cleared { text: redacted.text, found: redacted.found }
    })
}
