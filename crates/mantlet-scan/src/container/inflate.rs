//! Compressed streams: decompressed once to count and check them, and kept if there is room. Larger ones are decompressed
//! again as they are read, so that memory stays bounded whatever they hold; what that takes is bounded by the file's length.

mod decoder;

use std::{
    cell::{Cell, RefCell},
    io::{self, Read},
    rc::Rc,
    time::Instant,
};

pub(crate) use decoder::{Bytes, Method};

use crate::{
    Input,
    input::Windows,
    scan::{Held, Scan, Stop},
};

/// Decompressed content up to this size is kept in memory.
const KEPT_BYTES: u64 = 16 << 20;
/// The same where a header says beforehand how much will come, so that room for no more is made.
const KEPT_KNOWN_BYTES: u64 = 48 << 20;
/// Memory that a decoder may take for what it refers back to. Python's LZMA takes 8 MiB, and so should all Zstandard.
pub(crate) const WINDOW_BYTES_MAX: u64 = 40 << 20;
/// Bytes decompressed at once.
const PIECE_BYTES: usize = 64 << 10;

/// How much of a dictionary can be in use where so many bytes come out in all.
pub(crate) fn window(dictionary: u32, bytes: u64) -> Result<u32, Stop> {
    let window = dictionary.min(u32::try_from(bytes).unwrap_or(u32::MAX)).max(4 << 10);
    if u64::from(window) > WINDOW_BYTES_MAX { Err(Stop::Over("memory")) } else { Ok(window) }
}

/// Begins to decompress anew.
pub(crate) type Open<'a> = Box<dyn Fn() -> Box<dyn Read + 'a> + 'a>;

/// What a stream decompresses to.
pub(crate) struct Inflated<'a> {
    kept: Option<(Vec<u8>, Held)>,
    stream: Stream<'a>,
    /// CRC-32 of all of it.
    pub(crate) crc: u32,
    /// CRC-32 of the parts that were asked for.
    pub(crate) crcs: Vec<u32>,
}

impl Inflated<'_> {
    /// The decompressed content.
    pub(crate) fn input(&self) -> Input<'_> {
        match &self.kept {
            Some((bytes, _)) => Input::Memory(bytes),
            None => Input::Stream { stream: &self.stream, start: 0, bytes: self.stream.bytes },
        }
    }
}

/// Decompresses streams to the end of the content.
pub(crate) fn inflate<'a>(
    input: Input<'a>,
    method: Method,
    scan: &mut Scan<'_>,
) -> Result<Inflated<'a>, Stop> {
    inflate_by(Box::new(move || method.streams(input)), None, &[], scan)
}

/// Decompresses to the end what `open` begins, which is said to be `expected` bytes; `parts` are the lengths of those whose
/// checksums are wanted.
pub(crate) fn inflate_by<'a>(
    open: Open<'a>,
    expected: Option<u64>,
    parts: &[u64],
    scan: &mut Scan<'_>,
) -> Result<Inflated<'a>, Stop> {
    let mut reader = open();
    let mut piece = vec![0; PIECE_BYTES];
    let mut crc = crc32fast::Hasher::new();
    let mut sums = Sums::new(parts);
    let mut kept = Some(room(expected, scan)?);
    let kept_max = kept.as_ref().map_or(0, |(_, held)| held.bytes()).max(KEPT_BYTES);
    let mut bytes = 0;
    loop {
        let count = reader.read(&mut piece).map_err(|error| broken(&error))?;
        let Some(new) = piece.get(..count).filter(|new| !new.is_empty()) else { break };
        scan.inflate(count as u64)?;
        bytes += count as u64;
        crc.update(new);
        sums.update(new);
        if bytes > kept_max {
            kept = None;
        }
        if let Some((all, held)) = &mut kept {
            all.extend_from_slice(new);
            if all.capacity() as u64 > held.bytes() {
                *held = scan.hold(all.capacity() as u64)?;
            }
        }
    }
    drop(reader);
    let stream = Stream {
        open,
        bytes,
        state: RefCell::default(),
        again: scan.again(),
        again_max: scan.again_max(),
        ends: Instant::now() + scan.time_left(),
    };
    Ok(Inflated { kept, stream, crc: crc.finalize(), crcs: sums.done })
}

/// Room for what comes, if it is known and there is as much; else room is made as it comes.
fn room(expected: Option<u64>, scan: &mut Scan<'_>) -> Result<(Vec<u8>, Held), Stop> {
    if let Some(bytes @ ..=KEPT_KNOWN_BYTES) = expected
        && let (Ok(held), Ok(capacity)) = (scan.hold(bytes), usize::try_from(bytes))
    {
        return Ok((Vec::with_capacity(capacity), held));
    }
    Ok((Vec::new(), scan.hold(0)?))
}

/// Checksums of parts that follow each other.
struct Sums<'p> {
    parts: &'p [u64],
    current: crc32fast::Hasher,
    filled: u64,
    done: Vec<u32>,
}

impl<'p> Sums<'p> {
    fn new(parts: &'p [u64]) -> Self {
        let mut sums = Self { parts, current: crc32fast::Hasher::new(), filled: 0, done: Vec::new() };
        sums.update(&[]);
        sums
    }

    fn update(&mut self, mut new: &[u8]) {
        while let Some(part) = self.parts.get(self.done.len()) {
            let missing = usize::try_from(part.saturating_sub(self.filled)).unwrap_or(usize::MAX);
            let (mine, rest) = new.split_at(missing.min(new.len()));
            self.current.update(mine);
            self.filled += mine.len() as u64;
            if self.filled < *part {
                return;
            }
            self.done.push(std::mem::take(&mut self.current).finalize());
            self.filled = 0;
            new = rest;
        }
    }
}

fn broken(error: &io::Error) -> Stop {
    Stop::malformed(0, format!("the compressed stream is broken: {error}"))
}

/// A stream that is decompressed as it is read, from its beginning again for what lies behind.
struct Stream<'a> {
    open: Open<'a>,
    bytes: u64,
    state: RefCell<Option<State<'a>>>,
    /// Bytes that all streams of the scan decompressed again, and may.
    again: Rc<Cell<u64>>,
    again_max: u64,
    ends: Instant,
}

struct State<'a> {
    reader: Box<dyn Read + 'a>,
    at: u64,
}

impl Windows for Stream<'_> {
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Stop> {
        let mut state = self.state.borrow_mut();
        // The one before is dropped first: two would take twice the memory.
        if state.as_ref().is_some_and(|state| offset < state.at) {
            *state = None;
        }
        let state = state.get_or_insert_with(|| State { reader: (self.open)(), at: 0 });
        let mut piece = vec![0; PIECE_BYTES];
        while state.at < offset {
            let skip = usize::try_from(offset - state.at).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let piece = piece.get_mut(..skip).ok_or(Stop::Cut { offset })?;
            self.fill(state, piece)?;
        }
        self.fill(state, into)
    }
}

impl Stream<'_> {
    fn fill(&self, state: &mut State<'_>, into: &mut [u8]) -> Result<(), Stop> {
        let bytes = into.len() as u64;
        self.again.set(self.again.get().saturating_add(bytes));
        if self.again.get() > self.again_max {
            return Err(Stop::Over("inflated bytes"));
        }
        if Instant::now() > self.ends {
            return Err(Stop::Over("time"));
        }
        state.reader.read_exact(into).map_err(|error| broken(&error))?;
        state.at += bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::Limits;

    /// A stream of zeros that counts what is read of it.
    fn zeros<'a>(bytes: u64, read: &'a AtomicU64) -> Open<'a> {
        struct Counted<'a>(io::Take<io::Repeat>, &'a AtomicU64);
        impl Read for Counted<'_> {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let count = self.0.read(into)?;
                self.1.fetch_add(count as u64, Ordering::Relaxed);
                Ok(count)
            }
        }
        Box::new(move || Box::new(Counted(io::repeat(0).take(bytes), read)))
    }

    #[test]
    fn what_is_known_to_have_room_is_decompressed_once() {
        let limits = Limits { inflated_free: 40 << 20, ..Limits::default() };
        let mut scan = Scan::new(None, &limits);
        let read = AtomicU64::new(0);
        let bytes = KEPT_BYTES + 1;
        let inflated = inflate_by(zeros(bytes, &read), Some(bytes), &[], &mut scan).unwrap();
        assert_eq!(inflated.input().read(0, bytes).unwrap().len() as u64, bytes);
        assert_eq!(read.load(Ordering::Relaxed), bytes);
        drop(inflated);
        // More than was said is not kept, and no memory stays taken for it.
        let inflated = inflate_by(zeros(bytes, &read), Some(16), &[], &mut scan).unwrap();
        assert!(matches!(inflated.input(), Input::Stream { .. }));
        assert_eq!(scan.hold(limits.held_bytes).map(|held| held.bytes()).ok(), Some(limits.held_bytes));
    }

    #[test]
    fn reading_backwards_is_bounded_by_the_file() {
        let limits = Limits { inflated_free: 20 << 20, ..Limits::default() };
        let mut scan = Scan::new(None, &limits);
        let read = AtomicU64::new(0);
        let bytes = KEPT_BYTES + 1;
        let inflated = inflate_by(zeros(bytes, &read), None, &[], &mut scan).unwrap();
        let input = inflated.input();
        // Each look at the end begins anew, because the one before was at the end.
        let looks = (0..100).take_while(|_| input.read(bytes - 1, 1).is_ok()).count();
        assert_eq!(looks as u64, scan.again_max() / bytes);
        assert!(read.load(Ordering::Relaxed) <= scan.again_max() + 2 * bytes);
    }
}
