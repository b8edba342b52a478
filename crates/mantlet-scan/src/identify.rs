//! Recognizes content by what it is, never by its name.

use crate::{Format, Input, format, scan::Stop};

/// The format of some content. Readers of the format find out whether it keeps to its rules.
pub(crate) fn identify(input: &Input<'_>) -> Result<Format, Stop> {
    if format::safetensors::recognizes(input)? {
        return Ok(Format::Safetensors);
    }
    Ok(Format::Unrecognized)
}
