//! Datasets: where their bytes are, how they are filtered, and whether their shape can be true.

use super::{
    EXTERNAL, FILTER, UNDEFINED, attribute,
    header::{self, Message},
};
use crate::{
    format::window::Window,
    scan::{Scan, Stop},
};

/// Filters that HDF5 and h5py have built in: deflate, shuffle, fletcher32, szip, n-bit, scale-offset, LZF.
const FILTERS: [u64; 7] = [1, 2, 3, 4, 5, 6, 32_000];
/// What a dataset may claim beyond what its file can hold: empty ones are allocated by whoever reads them.
const CLAIM_BYTES_MAX: u64 = 64 << 20;
/// Bytes that one stored byte can stand for: the most that deflate reaches.
const INFLATION_MAX: u64 = 1_032;

/// What is known of a dataset.
#[derive(Default)]
pub(super) struct Dataset {
    elements: Option<u64>,
    size: Option<u64>,
    chunked: bool,
    filtered: bool,
    stored: Option<u64>,
}

impl Dataset {
    /// Takes in a message of the object's header.
    pub(super) fn message(
        &mut self,
        window: &mut Window<'_>,
        message: &Message,
        scan: &mut Scan<'_>,
    ) -> Result<(), Stop> {
        match message.kind {
            header::DATASPACE => {
                let elements = attribute::elements(window, message.at, message.bytes)?;
                self.elements = Some(elements.ok_or_else(|| too_large(message.at))?);
            }
            header::DATATYPE => self.size = Some(window.little(message.at + 4, 4)?),
            header::LAYOUT => self.layout(window, message, scan)?,
            _ => self.filters(window, message, scan)?,
        }
        Ok(())
    }

    fn layout(
        &mut self,
        window: &mut Window<'_>,
        message: &Message,
        scan: &mut Scan<'_>,
    ) -> Result<(), Stop> {
        let at = message.at;
        let version = window.byte(at)?;
        let class = match version {
            1 | 2 => window.byte(at + 2)?,
            3..=5 => window.byte(at + 1)?,
            _ => return Err(Stop::malformed(at, "a layout's version is unknown")),
        };
        match class {
            // Within the header.
            0 => self.stored = Some(message.bytes),
            1 => {
                let address = window.little(if version < 3 { at + 8 } else { at + 2 }, 8)?;
                self.stored = Some(0);
                if address != UNDEFINED {
                    let bytes = if version < 3 { 0 } else { window.little(at + 10, 8)? };
                    if address.checked_add(bytes).is_none_or(|end| end > window.len()) {
                        return Err(Stop::malformed(at, "a dataset ends after the file"));
                    }
                    self.stored = Some(if version < 3 { window.len() } else { bytes });
                }
            }
            2 => self.chunked = true,
            3 => scan.find(&EXTERNAL, at, "a virtual dataset takes its data from other files"),
            _ => return Err(Stop::malformed(at, "a layout is unknown")),
        }
        Ok(())
    }

    fn filters(
        &mut self,
        window: &mut Window<'_>,
        message: &Message,
        scan: &mut Scan<'_>,
    ) -> Result<(), Stop> {
        let version = window.byte(message.at)?;
        let count = window.byte(message.at + 1)?;
        let mut at = message.at + if version == 1 { 8 } else { 2 };
        if !(1..=2).contains(&version) || count > 32 {
            return Err(Stop::malformed(message.at, "a filter pipeline cannot be followed"));
        }
        self.filtered = count > 0;
        for _ in 0..count {
            let id = window.little(at, 2)?;
            let named = version == 1 || id >= 256;
            let name = if named { window.little(at + 2, 2)? } else { 0 };
            let after = at + if named { 4 } else { 2 };
            let values = window.little(after + 2, 2)?;
            let name = if version == 1 { name.next_multiple_of(8) } else { name };
            let odd = if version == 1 && values % 2 == 1 { 4 } else { 0 };
            at = after + 4 + name + values * 4 + odd;
            if at > message.at + message.bytes {
                return Err(Stop::malformed(message.at, "a filter pipeline is cut"));
            }
            if !FILTERS.contains(&id) {
                scan.find(&FILTER, message.at, format!("a dataset needs the filter {id}"));
            }
        }
        Ok(())
    }

    /// Holds the shape against what is stored.
    pub(super) fn judge(&self, at: u64, file_bytes: u64) -> Result<(), Stop> {
        let (Some(elements), Some(size)) = (self.elements, self.size) else { return Ok(()) };
        let bytes = elements.checked_mul(size).ok_or_else(|| too_large(at))?;
        let inflation = if self.filtered { INFLATION_MAX } else { 1 };
        let most = match self.stored {
            Some(stored) => stored.max(CLAIM_BYTES_MAX),
            None if self.chunked => file_bytes.saturating_mul(inflation).saturating_add(CLAIM_BYTES_MAX),
            None => CLAIM_BYTES_MAX,
        };
        if bytes > most { Err(too_large(at)) } else { Ok(()) }
    }
}

fn too_large(at: u64) -> Stop {
    Stop::malformed(at, "a dataset claims more bytes than its file can hold")
}
