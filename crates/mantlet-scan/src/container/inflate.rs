//! Compressed streams: decompressed once to count and check them, and kept if they are small. Larger ones are decompressed
//! again as they are read, so that memory stays bounded whatever they hold.

use std::{
    cell::{Cell, RefCell},
    io::{self, Read},
    time::Instant,
};

use crate::{
    Input,
    input::Windows,
    scan::{Held, Scan, Stop},
};

/// Decompressed content up to this size is kept in memory.
const KEPT_BYTES: u64 = 16 << 20;
/// Memory that LZMA's dictionary may take, in KiB. Python's default takes 8 MiB.
const LZMA_KIB_MAX: u32 = 40 << 10;
/// Bytes decompressed at once.
const PIECE_BYTES: usize = 64 << 10;

/// A way of compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Raw deflate, as in zip: one stream.
    Deflate,
    /// RFC 1950.
    Zlib,
    /// RFC 1952.
    Gzip,
    /// bzip2.
    Bzip2,
    /// The container of LZMA 2.
    Xz,
    /// LZMA alone, as before xz.
    Lzma,
    /// LZ4's frames.
    Lz4,
}

impl Method {
    fn reader<'a>(self, input: Input<'a>) -> Box<dyn Read + 'a> {
        Box::new(Streams { method: self, input, current: self.decoder(input, 0).map(Some) })
    }

    /// Whether a stream of this kind begins so.
    pub(super) fn begins(self, input: Input<'_>) -> bool {
        let mut piece = [0; 64];
        matches!(self.reader(input).read(&mut piece), Ok(1..))
    }

    fn decoder(self, input: Input<'_>, at: u64) -> io::Result<Decoder<'_>> {
        let bytes = io::BufReader::with_capacity(PIECE_BYTES, Bytes { input, at });
        Ok(match self {
            Self::Deflate => Decoder::Deflate(flate2::bufread::DeflateDecoder::new(bytes)),
            Self::Zlib => Decoder::Zlib(flate2::bufread::ZlibDecoder::new(bytes)),
            Self::Gzip => Decoder::Gzip(flate2::bufread::GzDecoder::new(bytes)),
            Self::Bzip2 => Decoder::Bzip2(bzip2::bufread::BzDecoder::new(bytes)),
            Self::Xz => Decoder::Xz(lzma_rust2::XzReader::new(bytes, false).into()),
            Self::Lzma => {
                Decoder::Lzma(lzma_rust2::LzmaReader::new_mem_limit(bytes, LZMA_KIB_MAX, None)?.into())
            }
            Self::Lz4 => Decoder::Lz4(lz4_flex::frame::FrameDecoder::new(bytes).into()),
        })
    }
}

type Buffered<'a> = io::BufReader<Bytes<'a>>;

/// One stream under decompression.
enum Decoder<'a> {
    Deflate(flate2::bufread::DeflateDecoder<Buffered<'a>>),
    Zlib(flate2::bufread::ZlibDecoder<Buffered<'a>>),
    Gzip(flate2::bufread::GzDecoder<Buffered<'a>>),
    Bzip2(bzip2::bufread::BzDecoder<Buffered<'a>>),
    Xz(Box<lzma_rust2::XzReader<Buffered<'a>>>),
    Lzma(Box<lzma_rust2::LzmaReader<Buffered<'a>>>),
    Lz4(Box<lz4_flex::frame::FrameDecoder<Buffered<'a>>>),
}

impl Decoder<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Deflate(decoder) => decoder.read(into),
            Self::Zlib(decoder) => decoder.read(into),
            Self::Gzip(decoder) => decoder.read(into),
            Self::Bzip2(decoder) => decoder.read(into),
            Self::Xz(decoder) => decoder.read(into),
            Self::Lzma(decoder) => decoder.read(into),
            Self::Lz4(decoder) => decoder.read(into),
        }
    }

    /// Where the stream ended.
    fn end(self) -> u64 {
        let bytes = match self {
            Self::Deflate(decoder) => decoder.into_inner(),
            Self::Zlib(decoder) => decoder.into_inner(),
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Bzip2(decoder) => decoder.into_inner(),
            Self::Xz(decoder) => decoder.into_inner(),
            Self::Lzma(decoder) => decoder.into_inner(),
            Self::Lz4(decoder) => decoder.into_inner(),
        };
        bytes.get_ref().at - bytes.buffer().len() as u64
    }
}

/// Streams one after another, to the end of the content.
struct Streams<'a> {
    method: Method,
    input: Input<'a>,
    current: io::Result<Option<Decoder<'a>>>,
}

impl Read for Streams<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let decoder = match &mut self.current {
                Ok(Some(decoder)) => decoder,
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::new(error.kind(), error.to_string())),
            };
            let count = decoder.read(into)?;
            if count > 0 || into.is_empty() {
                return Ok(count);
            }
            let Ok(Some(decoder)) = std::mem::replace(&mut self.current, Ok(None)) else { return Ok(0) };
            let end = decoder.end();
            if end == self.input.len() {
                return Ok(0);
            }
            if self.method == Method::Deflate {
                return Err(io::Error::other("bytes follow the stream"));
            }
            self.current = self.method.decoder(self.input, end).map(Some);
        }
    }
}

/// Content as a reader.
struct Bytes<'a> {
    input: Input<'a>,
    at: u64,
}

impl Read for Bytes<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = (into.len() as u64).min(self.input.len() - self.at);
        let piece = self.input.read(self.at, count).map_err(|stop| io::Error::other(stop.to_string()))?;
        into.get_mut(..piece.len()).ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(&piece);
        self.at += count;
        Ok(piece.len())
    }
}

/// What a stream decompresses to.
pub(crate) struct Inflated<'a> {
    kept: Option<(Vec<u8>, Held)>,
    stream: Stream<'a>,
    /// CRC-32 of all of it.
    pub(crate) crc: u32,
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

/// Decompresses a stream to its end.
pub(crate) fn inflate<'a>(
    input: Input<'a>,
    method: Method,
    scan: &mut Scan<'_>,
) -> Result<Inflated<'a>, Stop> {
    let mut reader = method.reader(input);
    let mut piece = vec![0; PIECE_BYTES];
    let mut crc = crc32fast::Hasher::new();
    let mut kept = Some((Vec::new(), scan.hold(0)?));
    let mut bytes = 0;
    loop {
        let count = reader.read(&mut piece).map_err(|error| broken(&error))?;
        let Some(new) = piece.get(..count).filter(|new| !new.is_empty()) else { break };
        scan.inflate(count as u64)?;
        bytes += count as u64;
        crc.update(new);
        if bytes > KEPT_BYTES {
            kept = None;
        }
        if let Some((all, held)) = &mut kept {
            all.extend_from_slice(new);
            if all.capacity() as u64 > held.bytes() {
                *held = scan.hold(all.capacity() as u64)?;
            }
        }
    }
    let stream = Stream {
        source: input,
        method,
        bytes,
        state: RefCell::new(State { reader: method.reader(input), at: 0 }),
        spent: Cell::new(0),
        spent_max: scan.limits.inflated_bytes,
        ends: Instant::now() + scan.time_left(),
    };
    Ok(Inflated { kept, stream, crc: crc.finalize() })
}

fn broken(error: &io::Error) -> Stop {
    Stop::malformed(0, format!("the compressed stream is broken: {error}"))
}

/// A stream that is decompressed as it is read, from its beginning again for what lies behind.
struct Stream<'a> {
    source: Input<'a>,
    method: Method,
    bytes: u64,
    state: RefCell<State<'a>>,
    spent: Cell<u64>,
    spent_max: u64,
    ends: Instant,
}

struct State<'a> {
    reader: Box<dyn Read + 'a>,
    at: u64,
}

impl Windows for Stream<'_> {
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Stop> {
        let mut state = self.state.borrow_mut();
        if offset < state.at {
            *state = State { reader: self.method.reader(self.source), at: 0 };
        }
        let mut piece = vec![0; PIECE_BYTES];
        while state.at < offset {
            let skip = usize::try_from(offset - state.at).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let piece = piece.get_mut(..skip).ok_or(Stop::Cut { offset })?;
            self.fill(&mut state, piece)?;
        }
        self.fill(&mut state, into)
    }
}

impl Stream<'_> {
    fn fill(&self, state: &mut State<'_>, into: &mut [u8]) -> Result<(), Stop> {
        let bytes = into.len() as u64;
        self.spent.set(self.spent.get().saturating_add(bytes));
        if self.spent.get() > self.spent_max {
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
