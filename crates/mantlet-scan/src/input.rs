//! Random access to the content under scan, so that a header of a few kilobytes is read out of a file of gigabytes.

use std::{borrow::Cow, fs::File, os::unix::fs::FileExt};

use crate::scan::Stop;

/// Content that is made as it is read.
pub(crate) trait Windows {
    /// Fills `into` with the bytes from `offset` on.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Stop>;
}

/// Bytes under scan: in memory, or a range of an open file.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    /// Content in memory.
    Memory(&'a [u8]),
    /// `bytes` of a file from `start` on.
    File {
        /// Open for reading.
        file: &'a File,
        /// First byte.
        start: u64,
        /// Length in bytes.
        bytes: u64,
    },
    /// `bytes` of what a compressed stream holds, from `start` on.
    Stream {
        /// The stream.
        stream: &'a dyn Windows,
        /// First byte.
        start: u64,
        /// Length in bytes.
        bytes: u64,
    },
}

impl<'a> Input<'a> {
    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { bytes, .. } | Self::Stream { bytes, .. } => *bytes,
        }
    }

    /// `count` bytes from `offset` on. Nothing is allocated for bytes that are not there.
    pub(crate) fn read(&self, offset: u64, count: u64) -> Result<Cow<'a, [u8]>, Stop> {
        let end = offset.checked_add(count).filter(|end| *end <= self.len()).ok_or(Stop::Cut { offset })?;
        match self {
            Self::Memory(bytes) => {
                let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
                let part = range.and_then(|(from, to)| bytes.get(from..to)).ok_or(Stop::Cut { offset })?;
                Ok(Cow::Borrowed(part))
            }
            Self::File { file, start, .. } => {
                let mut part = vec![0; usize::try_from(count).map_err(|_| Stop::Cut { offset })?];
                let at = start.checked_add(offset).ok_or(Stop::Cut { offset })?;
                file.read_exact_at(&mut part, at).map_err(Stop::Io)?;
                Ok(Cow::Owned(part))
            }
            Self::Stream { stream, start, .. } => {
                let mut part = vec![0; usize::try_from(count).map_err(|_| Stop::Cut { offset })?];
                stream.read(start.checked_add(offset).ok_or(Stop::Cut { offset })?, &mut part)?;
                Ok(Cow::Owned(part))
            }
        }
    }

    /// Up to `count` bytes from the beginning.
    pub(crate) fn head(&self, count: u64) -> Result<Cow<'a, [u8]>, Stop> {
        self.read(0, count.min(self.len()))
    }

    /// The part from `offset` on with `count` bytes, as content of its own.
    pub(crate) fn part(&self, offset: u64, count: u64) -> Result<Self, Stop> {
        let end = offset.checked_add(count).filter(|end| *end <= self.len()).ok_or(Stop::Cut { offset })?;
        match *self {
            Self::Memory(bytes) => {
                let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
                let part = range.and_then(|(from, to)| bytes.get(from..to)).ok_or(Stop::Cut { offset })?;
                Ok(Self::Memory(part))
            }
            Self::File { file, start, .. } => {
                let start = start.checked_add(offset).ok_or(Stop::Cut { offset })?;
                Ok(Self::File { file, start, bytes: count })
            }
            Self::Stream { stream, start, .. } => {
                let start = start.checked_add(offset).ok_or(Stop::Cut { offset })?;
                Ok(Self::Stream { stream, start, bytes: count })
            }
        }
    }
}
