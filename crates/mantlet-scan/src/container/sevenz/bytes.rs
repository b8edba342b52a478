//! Bytes of a 7z header: numbers of one to nine bytes, bits, and counts that the header must have room for.

use crate::scan::Stop;

/// A position in a header. Offsets of stops are those in the header itself.
pub(super) struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(all: &'a [u8]) -> Self {
        Self { all, at: 0 }
    }

    pub(super) fn left(&self) -> usize {
        self.all.len() - self.at
    }

    pub(super) fn malformed(&self, why: impl Into<String>) -> Stop {
        Stop::malformed(self.at as u64, why)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let cut = Stop::Cut { offset: self.at as u64 };
        let end = self.at.checked_add(count).filter(|end| *end <= self.all.len());
        let part = end.and_then(|end| self.all.get(self.at..end)).ok_or(cut)?;
        self.at += count;
        Ok(part)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Stop> {
        self.take(1).map(|byte| byte.first().copied().unwrap_or(0))
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        match self.byte()? {
            found if found == byte => Ok(()),
            found => Err(self.malformed(format!("{found:#04x} stands where {byte:#04x} is expected"))),
        }
    }

    pub(super) fn u32(&mut self) -> Result<u32, Stop> {
        Ok(self.take(4)?.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// A number: ones at the top of the first byte say how many bytes follow, the lowest first; what is left of the
    /// first is the highest part.
    pub(super) fn number(&mut self) -> Result<u64, Stop> {
        let first = self.byte()?;
        let more = first.leading_ones();
        let low = self.take(more as usize)?;
        let low = low.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let rest = if more >= 7 { 0 } else { u64::from(first) & ((1 << (7 - more)) - 1) };
        Ok(rest.checked_shl(8 * more).unwrap_or(0) | low)
    }

    /// How many things follow, of at least one bit each.
    pub(super) fn count(&mut self) -> Result<usize, Stop> {
        let count = self.number()?;
        let room = (self.left() as u64).saturating_mul(8).saturating_add(8);
        let count = usize::try_from(count).ok().filter(|_| count <= room);
        count.ok_or_else(|| self.malformed("more is announced than the header has room for"))
    }

    /// A bit for each of so many things.
    pub(super) fn bits(&mut self, count: usize) -> Result<Vec<bool>, Stop> {
        let bytes = self.take(count.div_ceil(8))?;
        let bits = bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte & (0x80 >> bit) != 0));
        Ok(bits.take(count).collect())
    }

    /// Which of so many things are defined: all, or those with a bit.
    pub(super) fn defined(&mut self, count: usize) -> Result<Vec<bool>, Stop> {
        match self.byte()? {
            0 => self.bits(count),
            1 => Ok(vec![true; count]),
            _ => Err(self.malformed("neither all nor some are defined")),
        }
    }

    /// Checksums of so many things, where they have one.
    pub(super) fn digests(&mut self, count: usize) -> Result<Vec<Option<u32>>, Stop> {
        let defined = self.defined(count)?;
        defined.into_iter().map(|defined| if defined { self.u32().map(Some) } else { Ok(None) }).collect()
    }
}
