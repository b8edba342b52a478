//! One stored object: a header, and the content in chunks that are encrypted one by one.
//!
//! ```text
//!  0  magic, its last byte the format's version
//!  8  chunk size, as a power of two
//!  9  kind, then six zeros
//! 16  length of the content, big-endian
//! 24  data key, wrapped: nonce 12, ciphertext 32, tag 16
//! 84  chunks: ciphertext, then its tag of 16 bytes; all but the last are of the chunk size
//! ```
//!
//! Every object has a random key of its own (AES-256-GCM, NIST SP 800-38D), which the registry's key wraps with the
//! header before it, the kind and the digest as associated data. So an object opens under its own name alone, and
//! neither its length nor its chunk size can be said otherwise. A chunk's nonce is its number and whether it is the
//! last: the construction STREAM of Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its
//! Nonce-Reuse Misuse-Resistance" (CRYPTO 2015), in the form of age (C2SP, `age.md`, Payload) with AES-256-GCM in the
//! place of ChaCha20-Poly1305. Chunks that are moved, left out, repeated or taken from another object do not open, and any
//! range can be read without the rest.

use std::{
    fs::File,
    io::{self, Read, Write},
    ops::Range,
    os::unix::fs::FileExt,
};

use aws_lc_rs::{
    aead::{Aad, LessSafeKey, NONCE_LEN, Nonce},
    digest::{Context, SHA256},
};
use mantlet_types::Sha256;

use super::{
    Kind,
    key::{self, DataKey, RegistryKey, WRAPPED_BYTES},
    whole,
};

/// Says what the file is, and in which version of the format.
const MAGIC: &[u8; 8] = b"MNTLOBJ\x02";

/// The header up to the wrapped key, which is bound to it.
const BOUND_BYTES: usize = 24;

/// The header.
pub(super) const HEADER_BYTES: usize = BOUND_BYTES + WRAPPED_BYTES;

/// After every chunk.
const TAG_BYTES: usize = 16;

/// 64 KiB: small enough to be hashed while it is still in the second-level cache, large enough that tags and nonces cost
/// nothing. The same as age's.
const CHUNK_LOG2: u8 = 16;

/// Chunk sizes that are read: 64 KiB to 1 MiB.
const CHUNK_LOG2S: std::ops::RangeInclusive<u8> = 16..=20;

/// Why an object cannot be had.
#[derive(Debug)]
pub(super) enum ObjectError {
    /// The disk said no.
    Io(io::Error),
    /// Altered, or of another key or name.
    Corrupt,
    /// Longer than the reader allows.
    TooLong,
    /// The cryptographic provider failed.
    Provider,
}

impl From<io::Error> for ObjectError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Corrupt,
            _ => Self::Io(error),
        }
    }
}

impl From<key::Failed> for ObjectError {
    fn from(failed: key::Failed) -> Self {
        match failed {
            key::Failed::Authentication => Self::Corrupt,
            key::Failed::Provider => Self::Provider,
        }
    }
}

/// The part of the header that says how the content lies.
#[derive(Clone, Copy)]
struct Layout {
    chunk_log2: u8,
    length: u64,
}

impl Layout {
    fn encode(self, kind: Kind) -> Result<[u8; BOUND_BYTES], ObjectError> {
        let mut bytes = [0; BOUND_BYTES];
        let mut rest = bytes.as_mut_slice();
        rest.write_all(MAGIC)?;
        rest.write_all(&[self.chunk_log2, kind.code()])?;
        rest.write_all(&[0; 6])?;
        rest.write_all(&self.length.to_be_bytes())?;
        Ok(bytes)
    }

    fn parse(bytes: &[u8; BOUND_BYTES], kind: Kind) -> Option<Self> {
        let (length, chunk_log2) = (u64::from_be_bytes(*bytes.last_chunk()?), *bytes.get(8)?);
        let layout = Self { chunk_log2, length };
        let canonical = CHUNK_LOG2S.contains(&chunk_log2) && layout.encode(kind).ok()? == *bytes;
        canonical.then_some(layout)
    }

    const fn chunk(self) -> u64 {
        1 << self.chunk_log2
    }

    /// Nothing at all is one chunk, too: it has a tag.
    const fn chunks(self) -> u64 {
        let chunks = self.length.div_ceil(self.chunk());
        if chunks == 0 { 1 } else { chunks }
    }

    /// What a file of this layout has, if that can be said.
    fn file_bytes(self) -> Option<u64> {
        let tags = self.chunks().checked_mul(TAG_BYTES as u64)?;
        self.length.checked_add(tags)?.checked_add(HEADER_BYTES as u64)
    }

    /// Where a chunk begins in the file, and how many plain bytes it has.
    fn place(self, number: u64) -> (u64, usize) {
        let before = number * self.chunk();
        let at = HEADER_BYTES as u64 + before + number * TAG_BYTES as u64;
        let bytes = self.length.saturating_sub(before).min(self.chunk());
        // At most a mebibyte.
        (at, usize::try_from(bytes).unwrap_or(0))
    }

    /// Eleven bytes of the chunk's number, and one that says whether it is the last.
    fn nonce(self, number: u64) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        let last = number + 1 == self.chunks();
        if let Some((flag, count)) = nonce.split_last_mut() {
            *flag = u8::from(last);
            count[3..].copy_from_slice(&number.to_be_bytes());
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// What a data key is bound to.
fn bound(header: &[u8; BOUND_BYTES], kind: Kind, digest: Sha256) -> Vec<u8> {
    [header.as_slice(), b"mantlet.object/2 ", kind.directory().as_bytes(), b" ", &digest.0].concat()
}

/// A stored object, opened: its header is authentic, its content is read and checked chunk by chunk.
pub struct Object {
    content: Content,
    /// Whether the newest key has wrapped its key, in the newest form.
    current: bool,
}

enum Content {
    Chunks {
        file: File,
        layout: Layout,
        key: LessSafeKey,
        data_key: DataKey,
    },
    /// In the first form, which can be read only as a whole.
    Whole(Vec<u8>),
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("len", &self.len()).finish()
    }
}

impl Object {
    /// Opens a file as the object of this kind and digest, of this length if that is known.
    pub(super) fn open(
        mut file: File,
        keys: &RegistryKey,
        kind: Kind,
        digest: Sha256,
        bytes: Option<u64>,
    ) -> Result<Self, ObjectError> {
        let mut header = [0; HEADER_BYTES];
        let length = file.metadata()?.len();
        let begins = Read::by_ref(&mut file).take(MAGIC.len() as u64).read(&mut header)?;
        if begins < MAGIC.len() || !header.starts_with(MAGIC) {
            return Self::open_whole(&file, keys, kind, digest, bytes);
        }
        file.read_exact_at(&mut header, 0)?;
        let (header, wrapped) = header.split_first_chunk::<BOUND_BYTES>().ok_or(ObjectError::Corrupt)?;
        let wrapped = <&[u8; WRAPPED_BYTES]>::try_from(wrapped).map_err(|_| ObjectError::Corrupt)?;
        let layout = Layout::parse(header, kind).ok_or(ObjectError::Corrupt)?;
        let (data_key, current) = keys.unwrap(&bound(header, kind, digest), wrapped)?;
        if layout.file_bytes() != Some(length) || bytes.is_some_and(|bytes| bytes != layout.length) {
            return Err(ObjectError::Corrupt);
        }
        if layout.length > kind.bytes_max() {
            return Err(ObjectError::TooLong);
        }
        let key = data_key.cipher()?;
        Ok(Self { content: Content::Chunks { file, layout, key, data_key }, current })
    }

    fn open_whole(
        file: &File,
        keys: &RegistryKey,
        kind: Kind,
        digest: Sha256,
        bytes: Option<u64>,
    ) -> Result<Self, ObjectError> {
        let length = file.metadata()?.len();
        // INVARIANT (bounded-before-authentic): what is read before anything is authenticated is as long as an index says, which
        // was, or short.
        let bytes_max = bytes.unwrap_or(whole::UNSAID_BYTES_MAX).min(kind.bytes_max());
        if length > bytes_max.saturating_add(whole::OVERHEAD) {
            return Err(ObjectError::TooLong);
        }
        let length = usize::try_from(length).map_err(|_| ObjectError::TooLong)?;
        for key in keys.whole() {
            // Read for each key: opening is done in place, and two copies of a large file would be one too many.
            let mut sealed = vec![0; length];
            file.read_exact_at(&mut sealed, 0)?;
            if let Some(plain) = whole::open(&key?, kind, digest, sealed) {
                return Ok(Self { content: Content::Whole(plain), current: false });
            }
        }
        Err(ObjectError::Corrupt)
    }

    /// Bytes of content.
    #[must_use]
    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Chunks { layout, .. } => layout.length,
            Content::Whole(plain) => plain.len() as u64,
        }
    }

    /// Whether it has no content.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is wrapped by the newest key, in the newest form.
    pub(super) const fn is_current(&self) -> bool {
        self.current
    }

    /// A range of the content, cut to where the content ends. Reads and checks the chunks that it touches, and no
    /// others: take large ranges piece by piece. Blocking.
    ///
    /// # Errors
    /// `InvalidData` if any of these chunks was altered; otherwise what the disk says.
    pub fn read_range(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        let bytes = usize::try_from(end - start).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let Content::Chunks { file, layout, key, .. } = &self.content else {
            return Ok(self.whole_range(start, bytes));
        };
        let mut content = Vec::with_capacity(bytes);
        let mut scratch = Vec::new();
        let mut at = start;
        while at < end {
            let number = at >> layout.chunk_log2;
            let chunk = chunk(file, *layout, key, number, &mut scratch)?;
            let (from, to) = (at - number * layout.chunk(), end - number * layout.chunk());
            let to = to.min(chunk.len() as u64);
            let part = usize::try_from(from).ok().zip(usize::try_from(to).ok());
            let part = part.and_then(|(from, to)| chunk.get(from..to)).ok_or(io::ErrorKind::InvalidData)?;
            content.extend_from_slice(part);
            at += part.len() as u64;
        }
        Ok(content)
    }

    fn whole_range(&self, start: u64, bytes: usize) -> Vec<u8> {
        let Content::Whole(plain) = &self.content else { return Vec::new() };
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        plain.get(start..).and_then(|rest| rest.get(..bytes)).unwrap_or_default().to_vec()
    }

    /// All of the content, if it is what its name says: each chunk is read into its place, decrypted there and hashed
    /// while it is in the cache.
    pub(super) fn read_all(self, digest: Sha256) -> Result<Vec<u8>, ObjectError> {
        let (file, layout, key) = match self.content {
            Content::Chunks { file, layout, key, .. } => (file, layout, key),
            Content::Whole(plain) => {
                return if crate::artifact::sha256(&plain) == digest {
                    Ok(plain)
                } else {
                    Err(ObjectError::Corrupt)
                };
            }
        };
        let length = usize::try_from(layout.length).map_err(|_| ObjectError::TooLong)?;
        // The last chunk's tag lies behind the content for a moment; those before it, where the next chunk will be.
        let mut content = vec![0; length.checked_add(TAG_BYTES).ok_or(ObjectError::TooLong)?];
        let mut hash = Context::new(&SHA256);
        let mut rest = content.as_mut_slice();
        for number in 0..layout.chunks() {
            let (at, bytes) = layout.place(number);
            let sealed = rest.get_mut(..bytes + TAG_BYTES).ok_or(ObjectError::Corrupt)?;
            file.read_exact_at(sealed, at)?;
            let opened = key.open_in_place(layout.nonce(number), Aad::empty(), sealed);
            hash.update(opened.map_err(|_| ObjectError::Corrupt)?);
            rest = rest.get_mut(bytes..).ok_or(ObjectError::Corrupt)?;
        }
        content.truncate(length);
        if hash.finish().as_ref() == digest.0 { Ok(content) } else { Err(ObjectError::Corrupt) }
    }

    /// Writes the same content with its key wrapped anew. Chunks are copied as they are; what is in the first form is
    /// encrypted anew.
    pub(super) fn rewrap(
        self,
        to: &mut File,
        keys: &RegistryKey,
        kind: Kind,
        digest: Sha256,
    ) -> Result<(), ObjectError> {
        let (mut file, layout, data_key) = match self.content {
            Content::Chunks { file, layout, data_key, .. } => (file, layout, data_key),
            Content::Whole(plain) => return write(to, keys, kind, digest, &plain),
        };
        begin(to, keys, kind, digest, layout, &data_key)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(HEADER_BYTES as u64))?;
        io::copy(&mut file, to)?;
        Ok(())
    }
}

/// One chunk's plain bytes, in memory that is used again.
fn chunk<'a>(
    file: &File,
    layout: Layout,
    key: &LessSafeKey,
    number: u64,
    scratch: &'a mut Vec<u8>,
) -> io::Result<&'a [u8]> {
    let (at, bytes) = layout.place(number);
    scratch.resize(bytes + TAG_BYTES, 0);
    file.read_exact_at(scratch, at).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => io::ErrorKind::InvalidData.into(),
        _ => error,
    })?;
    let altered = |_| io::Error::new(io::ErrorKind::InvalidData, "a chunk of a stored object was altered");
    key.open_in_place(layout.nonce(number), Aad::empty(), scratch).map(|plain| &*plain).map_err(altered)
}

/// Writes an object: header, then chunk by chunk, of which one is in memory in encrypted form.
pub(super) fn write(
    to: &mut File,
    keys: &RegistryKey,
    kind: Kind,
    digest: Sha256,
    plain: &[u8],
) -> Result<(), ObjectError> {
    let layout = Layout { chunk_log2: CHUNK_LOG2, length: plain.len() as u64 };
    let data_key = DataKey::generate().map_err(|_| ObjectError::Provider)?;
    let key = data_key.cipher().map_err(|_| ObjectError::Provider)?;
    begin(to, keys, kind, digest, layout, &data_key)?;
    let mut sealed = Vec::with_capacity((1 << CHUNK_LOG2) + TAG_BYTES);
    let mut rest = plain;
    for number in 0..layout.chunks() {
        let (_, bytes) = layout.place(number);
        let (plain, after) = rest.split_at_checked(bytes).ok_or(ObjectError::Provider)?;
        rest = after;
        sealed.clear();
        sealed.extend_from_slice(plain);
        key.seal_in_place_append_tag(layout.nonce(number), Aad::empty(), &mut sealed)
            .map_err(|_| ObjectError::Provider)?;
        to.write_all(&sealed)?;
    }
    Ok(())
}

/// Writes the header.
fn begin(
    to: &mut File,
    keys: &RegistryKey,
    kind: Kind,
    digest: Sha256,
    layout: Layout,
    data_key: &DataKey,
) -> Result<(), ObjectError> {
    let header = layout.encode(kind)?;
    let wrapped = keys.wrap(&bound(&header, kind, digest), data_key);
    to.write_all(&header)?;
    to.write_all(&wrapped.map_err(|_| ObjectError::Provider)?)?;
    Ok(())
}
