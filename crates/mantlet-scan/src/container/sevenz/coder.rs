//! Coders of 7z: what unpacks, and what then turns addresses and differences back.

use std::io::{self, Read};

use lzma_rust2::filter::{bcj::BcjReader, delta::DeltaReader};

use super::bytes::Bytes;
use crate::{
    Input,
    container::inflate::{self, Method, Open, WINDOW_BYTES_MAX, window},
    scan::Stop,
};

/// Longest properties. Those of all coders that are read have up to five bytes.
const PROPERTIES_BYTES_MAX: u64 = 64;

/// One coder of a folder.
pub(super) struct Coder {
    /// Its number, as the header writes them.
    pub(super) place: usize,
    /// Bytes that come out of it.
    pub(super) bytes: u64,
    id: Vec<u8>,
    properties: Vec<u8>,
}

/// What turns bytes back without changing how many they are.
#[derive(Clone, Copy)]
enum Filter {
    Delta(usize),
    X86,
    PowerPc,
    Itanium,
    Arm,
    ArmThumb,
    Sparc,
    Arm64,
    RiscV,
}

impl Coder {
    /// Reads one from a header. `bytes` stands elsewhere.
    pub(super) fn read(header: &mut Bytes<'_>, place: usize) -> Result<Self, Stop> {
        let flags = header.byte()?;
        if flags & 0xc0 != 0 {
            return Err(header.malformed("a coder has alternatives"));
        }
        let id = header.take(usize::from(flags & 0x0f))?.to_vec();
        if flags & 0x10 != 0 && (header.number()?, header.number()?) != (1, 1) {
            return Err(header.malformed("a coder has several inputs or outputs, which is not read here"));
        }
        let bytes = if flags & 0x20 != 0 { header.number()? } else { 0 };
        if bytes > PROPERTIES_BYTES_MAX {
            return Err(header.malformed("the properties of a coder are too long"));
        }
        let properties = header.take(usize::try_from(bytes).unwrap_or(usize::MAX))?.to_vec();
        Ok(Self { place, bytes: 0, id, properties })
    }

    /// How it unpacks; `None` if it is a filter, or only copies.
    fn method(&self) -> Result<Option<Method>, Stop> {
        let dictionary = |bytes: Option<u64>| {
            let bytes = bytes.ok_or_else(|| Stop::malformed(0, "a dictionary has no possible size"))?;
            window(u32::try_from(bytes).unwrap_or(u32::MAX), self.bytes)
        };
        Ok(Some(match (&self.id[..], &self.properties[..]) {
            ([0x21], [size @ 0..=40]) => {
                // 2 or 3, shifted (`xz-file-format.txt`, 5.3.1).
                let bytes = (2 | u64::from(size & 1)) << (size / 2 + 11);
                Method::RawLzma2 { dictionary: dictionary(Some(bytes))? }
            }
            ([3, 1, 1], [properties, size @ ..]) => {
                let size = size.try_into().ok().map(u32::from_le_bytes).map(u64::from);
                Method::RawLzma { properties: *properties, dictionary: dictionary(size)?, bytes: self.bytes }
            }
            ([4, 1, 8], []) => Method::Deflate,
            ([4, 2, 2], []) => Method::Bzip2,
            ([4, 0xf7, 0x11, 1], _) => Method::Zstd,
            ([4, 0xf7, 0x11, 4], _) => Method::Lz4,
            _ => return Ok(None),
        }))
    }

    /// Memory that it takes.
    pub(super) fn window(&self) -> u64 {
        match self.method() {
            Ok(Some(Method::RawLzma { dictionary, .. } | Method::RawLzma2 { dictionary })) => {
                u64::from(dictionary)
            }
            Ok(Some(Method::Zstd)) => WINDOW_BYTES_MAX.min(self.bytes),
            _ => 0,
        }
    }

    fn filter(&self) -> Option<Filter> {
        Some(match (&self.id[..], &self.properties[..]) {
            ([3], [distance]) => Filter::Delta(usize::from(*distance) + 1),
            ([3, 3, 1, 3] | [4], []) => Filter::X86,
            ([3, 3, 2, 5] | [5], []) => Filter::PowerPc,
            ([3, 3, 4, 1] | [6], []) => Filter::Itanium,
            ([3, 3, 5, 1] | [7], []) => Filter::Arm,
            ([3, 3, 7, 1] | [8], []) => Filter::ArmThumb,
            ([3, 3, 8, 5] | [9], []) => Filter::Sparc,
            ([0xa], []) => Filter::Arm64,
            ([0xb], []) => Filter::RiscV,
            _ => return None,
        })
    }

    fn is_copy(&self) -> bool {
        self.id == [0]
    }
}

impl Filter {
    fn over<'a>(self, inner: Box<dyn Read + 'a>) -> Box<dyn Read + 'a> {
        match self {
            Self::Delta(distance) => Box::new(DeltaReader::new(inner, distance)),
            Self::X86 => Box::new(BcjReader::new_x86(inner, 0)),
            Self::PowerPc => Box::new(BcjReader::new_ppc(inner, 0)),
            Self::Itanium => Box::new(BcjReader::new_ia64(inner, 0)),
            Self::Arm => Box::new(BcjReader::new_arm(inner, 0)),
            Self::ArmThumb => Box::new(BcjReader::new_arm_thumb(inner, 0)),
            Self::Sparc => Box::new(BcjReader::new_sparc(inner, 0)),
            Self::Arm64 => Box::new(BcjReader::new_arm64(inner, 0)),
            Self::RiscV => Box::new(BcjReader::new_riscv(inner, 0)),
        }
    }
}

/// How the content of a folder is got out of its packed stream: one way of compression or none, and then filters.
pub(super) fn open<'a>(coders: &[Coder], packed: Input<'a>) -> Result<Open<'a>, Stop> {
    let mut rest = coders.iter().peekable();
    let method = match rest.peek() {
        Some(first) => first.method()?,
        None => None,
    };
    if method.is_some() || rest.peek().is_some_and(|first| first.is_copy()) {
        rest.next();
    }
    let mut filters = Vec::new();
    for coder in rest {
        filters.push(coder.filter().ok_or_else(|| unreadable(coder))?);
    }
    let bytes = coders.last().map_or(0, |coder| coder.bytes);
    Ok(Box::new(move || {
        let unpacked = match method {
            Some(method) => method.stream(packed),
            None => Box::new(inflate::Bytes::new(packed)),
        };
        let whole = filters.iter().fold(unpacked, |inner, filter| filter.over(inner));
        Box::new(Exact { inner: whole, left: bytes })
    }))
}

fn unreadable(coder: &Coder) -> Stop {
    let why = match &coder.id[..] {
        [6, 0xf1, ..] => "the archive is encrypted".to_owned(),
        id => {
            let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("coder {id} is not read here")
        }
    };
    Stop::malformed(0, why)
}

/// As many bytes as are announced, and an error where there are more or fewer.
struct Exact<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
}

impl Read for Exact<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let mut beyond = [0; 1];
        if self.left == 0 && !into.is_empty() {
            return match self.inner.read(&mut beyond)? {
                0 => Ok(0),
                _ => Err(io::Error::other("more comes out than is announced")),
            };
        }
        let count = self.inner.read(into.get_mut(..wanted).unwrap_or_default())?;
        if count == 0 && wanted > 0 {
            return Err(io::Error::other("less comes out than is announced"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}
