//! The hashes that a manifest may be made of, and reading a file through one of them.
//!
//! OpenSSF Model Signing 1.0, algorithm registry: `sha256`, `blake2b` (512 bits) and `blake3` (256 bits). What is read is
//! held in one buffer for each thread, whatever the size of the file.

use std::{fmt, fs::File, io, os::unix::fs::FileExt, str::FromStr};

use aws_lc_rs::digest::{Context, SHA256};
use mantlet_types::Sha256;

/// Read at once: large enough that the system call costs nothing beside the hash, small enough for a core's cache.
pub const BUFFER_BYTES: usize = 256 << 10;

/// Longest digest, that of BLAKE2b.
const DIGEST_BYTES_MAX: usize = 64;

/// A hash by the name that manifests give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashType {
    /// SHA-256 (FIPS 180-4), which every verifier knows.
    #[default]
    Sha256,
    /// BLAKE2b with 512 bits (RFC 7693).
    Blake2b,
    /// BLAKE3 with 256 bits.
    Blake3,
}

impl HashType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Blake2b, Self::Blake3];

    /// As manifests name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Blake2b => "blake2b",
            Self::Blake3 => "blake3",
        }
    }

    /// Length of its digests in bytes.
    pub(crate) const fn digest_bytes(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 32,
            Self::Blake2b => 64,
        }
    }

    /// Digest of bytes in memory.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(self);
        hasher.update(bytes);
        hasher.finish()
    }
}

/// No hash of this name may be in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the hash is `sha256`, `blake2b` or `blake3`")]
pub struct UnknownHash;

impl FromStr for HashType {
    type Err = UnknownHash;

    fn from_str(name: &str) -> Result<Self, UnknownHash> {
        Self::ALL.into_iter().find(|hash| hash.name() == name).ok_or(UnknownHash)
    }
}

/// What a hash gives; written in lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    hash: HashType,
    /// Zero beyond the hash's length.
    bytes: [u8; DIGEST_BYTES_MAX],
}

impl Digest {
    fn new(hash: HashType, value: &[u8]) -> Self {
        let mut bytes = [0; DIGEST_BYTES_MAX];
        bytes[..value.len()].copy_from_slice(value);
        Self { hash, bytes }
    }

    /// Reads the one form of it: lower-case digits, exactly as many as the hash has.
    pub(crate) fn parse(hash: HashType, text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        if text.len() != 2 * hash.digest_bytes() {
            return None;
        }
        let mut bytes = [0; DIGEST_BYTES_MAX];
        for (slot, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *slot = (digit(pair[0])? << 4) | digit(pair[1])?;
        }
        Some(Self { hash, bytes })
    }

    /// What it is a digest by.
    pub(crate) fn hash(&self) -> HashType {
        self.hash
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.hash.digest_bytes()]
    }
}

impl From<Sha256> for Digest {
    fn from(digest: Sha256) -> Self {
        Self::new(HashType::Sha256, &digest.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{self}", self.hash.name())
    }
}

/// A hash at work.
enum Hasher {
    Sha256(Context),
    Blake2b(Box<blake2b_simd::State>),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    fn new(hash: HashType) -> Self {
        match hash {
            HashType::Sha256 => Self::Sha256(Context::new(&SHA256)),
            HashType::Blake2b => Self::Blake2b(Box::new(blake2b_simd::State::new())),
            HashType::Blake3 => Self::Blake3(Box::new(blake3::Hasher::new())),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(context) => context.update(bytes),
            Self::Blake2b(state) => {
                state.update(bytes);
            }
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    fn finish(self) -> Digest {
        match self {
            Self::Sha256(context) => Digest::new(HashType::Sha256, context.finish().as_ref()),
            Self::Blake2b(state) => Digest::new(HashType::Blake2b, state.finalize().as_bytes()),
            Self::Blake3(hasher) => Digest::new(HashType::Blake3, hasher.finalize().as_bytes()),
        }
    }
}

/// Hashes `length` bytes of a file from `start`, telling how many at a time.
///
/// # Errors
/// The disk's, and [`io::ErrorKind::UnexpectedEof`] for a file that has become shorter.
pub(crate) fn hash_range(
    file: &File,
    (start, length): (u64, u64),
    hash: HashType,
    buffer: &mut [u8],
    hashed: &mut dyn FnMut(u64) -> bool,
) -> io::Result<Digest> {
    let mut hasher = Hasher::new(hash);
    let (mut at, mut left) = (start, length);
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = match file.read_at(&mut buffer[..most], at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => return Err(cause),
        };
        hasher.update(&buffer[..count]);
        at += count as u64;
        left -= count as u64;
        if !hashed(count as u64) {
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The registries' own examples: FIPS 180-4 (`abc`), RFC 7693 appendix A, and BLAKE3's test vectors (no input).
    #[test]
    fn hashes_are_those_of_their_standards() {
        let check = |hash: HashType, input: &str, expected: &str| {
            let digest = hash.of(input.as_bytes());
            assert_eq!(digest.to_string(), expected);
            assert_eq!(Digest::parse(hash, expected), Some(digest));
        };
        check(HashType::Sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check(
            HashType::Blake2b,
            "abc",
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
             7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
        );
        check(HashType::Blake3, "", "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    }

    #[test]
    fn digests_have_one_form() {
        let text = HashType::Sha256.of(b"").to_string();
        for wrong in [&text[..62], &format!("{text}00"), &text.to_uppercase(), "", &"0".repeat(63)] {
            assert_eq!(Digest::parse(HashType::Sha256, wrong), None, "{wrong}");
        }
        assert_eq!(Digest::parse(HashType::Blake2b, &text), None);
    }
}
