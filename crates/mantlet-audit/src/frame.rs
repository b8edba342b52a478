//! Frames: how one entry lies in a write-ahead segment.
//!
//! ```text
//! u32 length | u32 crc | u64 index | u64 durable | entry        (little endian; crc over all but itself)
//! ```
//! `durable` says how many entries were known to be on the disk when the frame was written. It is what tells a torn
//! tail from damage: a broken frame at index k followed by one with `durable > k` had been acknowledged.

use mantlet_types::limits::ENTRY_BYTES_MAX;

/// Bytes before the entry.
pub(crate) const HEADER_BYTES: usize = 24;

/// A frame that holds what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) index: u64,
    pub(crate) durable: u64,
    pub(crate) entry: &'a [u8],
}

impl Frame<'_> {
    pub(crate) const fn bytes(&self) -> usize {
        HEADER_BYTES + self.entry.len()
    }
}

fn checksum(length: [u8; 4], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(rest);
    hasher.finalize()
}

/// Appends a frame whose entry `write` appends; takes everything back if the entry is empty or longer than
/// [`ENTRY_BYTES_MAX`].
pub(crate) fn encode(
    buffer: &mut Vec<u8>,
    index: u64,
    durable: u64,
    write: impl FnOnce(&mut Vec<u8>),
) -> bool {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 8]);
    buffer.extend_from_slice(&index.to_le_bytes());
    buffer.extend_from_slice(&durable.to_le_bytes());
    write(buffer);
    let entry_bytes = buffer.len() - start - HEADER_BYTES;
    match u32::try_from(entry_bytes) {
        Ok(length) if (1..=ENTRY_BYTES_MAX).contains(&entry_bytes) => {
            let crc = checksum(length.to_le_bytes(), &buffer[start + 8..]);
            buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
            buffer[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
            true
        }
        _ => {
            buffer.truncate(start);
            false
        }
    }
}

/// The frame at the start of these bytes, if there is a whole one.
pub(crate) fn decode(bytes: &[u8]) -> Option<Frame<'_>> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let entry_bytes = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if !(1..=ENTRY_BYTES_MAX).contains(&entry_bytes) {
        return None;
    }
    let body = rest.get(..entry_bytes + 16)?;
    if checksum(*length, body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (index, body) = body.split_first_chunk::<8>()?;
    let (durable, entry) = body.split_first_chunk::<8>()?;
    let (index, durable) = (u64::from_le_bytes(*index), u64::from_le_bytes(*durable));
    // No log gets as far, and everybody may count one further.
    (index < u64::MAX).then_some(Frame { index, durable, entry })
}

/// The frames at the start of these bytes whose indices go on from the first one.
pub(crate) fn frames(bytes: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let (mut at, mut expected) = (0, None);
    std::iter::from_fn(move || {
        let frame = decode(bytes.get(at..)?)?;
        if expected.is_some_and(|expected| expected != frame.index) {
            return None;
        }
        at += frame.bytes();
        expected = frame.index.checked_add(1);
        Some(frame)
    })
}

/// These bytes up to the last that is not zero. Spare room is compared a page at a time.
pub(crate) fn without_zeros(bytes: &[u8]) -> &[u8] {
    const ZEROS: [u8; 4_096] = [0; 4_096];
    let blank: usize =
        bytes.rchunks(ZEROS.len()).take_while(|chunk| **chunk == ZEROS[..chunk.len()]).map(<[u8]>::len).sum();
    let bytes = &bytes[..bytes.len() - blank];
    &bytes[..bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
}

/// Whether a frame lies anywhere in these bytes that was written after entry `index` had become durable.
pub(crate) fn proves_durable(bytes: &[u8], index: u64) -> bool {
    (0..bytes.len()).any(|at| decode(&bytes[at..]).is_some_and(|frame| frame.durable > index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(buffer: &mut Vec<u8>, index: u64, entry: &[u8]) -> bool {
        encode(buffer, index, 0, |buffer| buffer.extend_from_slice(entry))
    }

    #[test]
    fn frames_round_trip_and_end_at_damage() {
        let mut buffer = Vec::new();
        assert!(put(&mut buffer, 5, b"five") && put(&mut buffer, 6, b"six") && put(&mut buffer, 8, b"gap"));
        let read: Vec<_> = frames(&buffer).map(|frame| (frame.index, frame.entry.to_vec())).collect();
        assert_eq!(read, [(5, b"five".to_vec()), (6, b"six".to_vec())]);
        for bit in 0..(HEADER_BYTES + 4) * 8 {
            let mut damaged = buffer.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(frames(&damaged).count(), 0, "bit {bit}");
        }
    }

    #[test]
    fn the_last_number_is_no_index() {
        let mut buffer = Vec::new();
        assert!(put(&mut buffer, u64::MAX - 1, b"a") && put(&mut buffer, u64::MAX, b"b"));
        assert_eq!(frames(&buffer).map(|frame| frame.index).collect::<Vec<_>>(), [u64::MAX - 1]);
    }

    #[test]
    fn long_entries_leave_no_trace() {
        let mut buffer = Vec::new();
        assert!(!put(&mut buffer, 0, &vec![b'a'; ENTRY_BYTES_MAX + 1]));
        assert!(!put(&mut buffer, 0, b"") && buffer.is_empty());
        assert!(put(&mut buffer, 0, &vec![b'a'; ENTRY_BYTES_MAX]));
    }

    #[test]
    fn durability_is_found_behind_damage() {
        let mut buffer = vec![0xFF; 13];
        assert!(encode(&mut buffer, 9, 9, |buffer| buffer.push(b'x')));
        assert!(proves_durable(&buffer, 8) && !proves_durable(&buffer, 9));
    }
}
