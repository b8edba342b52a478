//! The decoders themselves: one stream after another, each to its end.

use std::io::{self, Read};

use super::{PIECE_BYTES, WINDOW_BYTES_MAX};
use crate::Input;

/// Memory that LZMA's dictionary may take, in KiB.
const LZMA_KIB_MAX: u32 = (WINDOW_BYTES_MAX >> 10) as u32;

/// Longest mark of the end, with what the range coder holds back.
const MARK_BYTES_MAX: u64 = 24;

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
    /// RFC 8878.
    Zstd,
    /// LZMA without a header of its own, as in zip and 7z.
    RawLzma {
        /// Its three parameters in one byte.
        properties: u8,
        /// Bytes of its dictionary.
        dictionary: u32,
        /// Bytes that come out; `u64::MAX` where a mark says the end.
        bytes: u64,
    },
    /// LZMA 2 without a container, as in 7z.
    RawLzma2 {
        /// Bytes of its dictionary.
        dictionary: u32,
    },
}

impl Method {
    /// One stream, or several one after another, up to the end of the content.
    pub(super) fn streams<'a>(self, input: Input<'a>) -> Box<dyn Read + 'a> {
        Box::new(Streams { method: self, input, alone: false, current: self.decoder(input, 0).map(Some) })
    }

    /// One stream, with which the content ends.
    pub(crate) fn stream<'a>(self, input: Input<'a>) -> Box<dyn Read + 'a> {
        Box::new(Streams { method: self, input, alone: true, current: self.decoder(input, 0).map(Some) })
    }

    /// Whether a stream of this kind begins so.
    pub(crate) fn begins(self, input: Input<'_>) -> bool {
        let mut piece = [0; 64];
        matches!(self.streams(input).read(&mut piece), Ok(1..))
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
            Self::Zstd => Decoder::Zstd(Frame::new(bytes)?.into()),
            Self::RawLzma { properties, dictionary, bytes: count } => Decoder::Lzma(
                lzma_rust2::LzmaReader::new_with_props(bytes, count, properties, dictionary, None)?.into(),
            ),
            Self::RawLzma2 { dictionary } => {
                Decoder::Lzma2(lzma_rust2::Lzma2Reader::new(bytes, dictionary, None).into())
            }
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
    Lzma2(Box<lzma_rust2::Lzma2Reader<Buffered<'a>>>),
    Lz4(Box<lz4_flex::frame::FrameDecoder<Buffered<'a>>>),
    Zstd(Box<Frame<'a>>),
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
            Self::Lzma2(decoder) => decoder.read(into),
            Self::Lz4(decoder) => decoder.read(into),
            Self::Zstd(decoder) => decoder.read(into),
        }
    }

    /// Where the stream ended.
    fn end(self) -> u64 {
        let mut unread = 0;
        let bytes = match self {
            Self::Deflate(decoder) => decoder.into_inner(),
            Self::Zlib(decoder) => decoder.into_inner(),
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Bzip2(decoder) => decoder.into_inner(),
            Self::Xz(decoder) => decoder.into_inner(),
            Self::Lzma(decoder) => {
                let (bytes, ahead) = decoder.into_parts();
                unread = ahead.len() as u64;
                bytes
            }
            Self::Lzma2(decoder) => decoder.into_inner(),
            Self::Lz4(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.decoder.into_inner(),
        };
        (bytes.get_ref().at - bytes.buffer().len() as u64).saturating_sub(unread)
    }
}

/// A frame of Zstandard: what its header and its end say of it must be so. One that needs a dictionary is refused.
struct Frame<'a> {
    decoder: ruzstd::decoding::StreamingDecoder<Buffered<'a>, ruzstd::decoding::FrameDecoder>,
    bytes: u64,
}

impl<'a> Frame<'a> {
    fn new(bytes: Buffered<'a>) -> io::Result<Self> {
        let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(bytes, WINDOW_BYTES_MAX);
        Ok(Self { decoder: decoder.map_err(|error| io::Error::other(error.to_string()))?, bytes: 0 })
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(into)?;
        self.bytes += count as u64;
        let frame = &self.decoder.decoder;
        if count == 0 && !into.is_empty() {
            if !matches!(frame.content_size(), 0) && frame.content_size() != self.bytes {
                return Err(io::Error::other("a frame is not as long as it says"));
            }
            if frame.get_checksum_from_data().is_some_and(|sum| Some(sum) != frame.get_calculated_checksum())
            {
                return Err(io::Error::other("the checksum of a frame is wrong"));
            }
        }
        Ok(count)
    }
}

/// Streams one after another, to the end of the content.
struct Streams<'a> {
    method: Method,
    input: Input<'a>,
    /// Nothing may follow the first.
    alone: bool,
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
            // A mark of the end may stand behind as many bytes as were announced, and is not read.
            let marked = matches!(self.method, Method::RawLzma { bytes, .. } if bytes != u64::MAX);
            if self.alone && marked && self.input.len() - end <= MARK_BYTES_MAX {
                return Ok(0);
            }
            if self.alone {
                return Err(io::Error::other("bytes follow the stream"));
            }
            self.current = self.method.decoder(self.input, end).map(Some);
        }
    }
}

/// Content as a reader.
pub(crate) struct Bytes<'a> {
    input: Input<'a>,
    at: u64,
}

impl<'a> Bytes<'a> {
    /// All of some content.
    pub(crate) fn new(input: Input<'a>) -> Self {
        Self { input, at: 0 }
    }
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
