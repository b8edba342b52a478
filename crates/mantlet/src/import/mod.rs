//! Bringing models in: bytes from elsewhere become files, and nothing else happens to them.
//!
//! What is fetched is held against the digest that its user has pinned before anything looks at it. Archives are taken
//! apart in memory by readers of our own ([`unpack`]), which know regular files and nothing else: no link, no mode, no
//! owner, no name that leads anywhere. Nothing is executed, and no library that could is asked.

pub mod fetch;
pub mod tar;
pub mod unpack;
pub mod zip;

use std::{collections::BTreeMap, fmt};

use mantlet_models::package::{FILES_MAX, is_canonical};

/// Bytes of an archive as fetched, and of its files together: the largest package and something beside it.
pub const IMPORT_BYTES_MAX: usize = crate::server::upload::PACKAGE_BYTES_MAX;

/// Relative names to bytes.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Why bytes are no set of files that is taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The archive is cut, contradicts itself, or says something that its format does not.
    #[error("the archive is malformed: {0}")]
    Malformed(&'static str),
    /// An entry that is no regular file and no directory.
    #[error("`{0}` in the archive is a link, a device or something else that is no file")]
    Special(Name),
    /// A name that leads out of the directory, or into another's file.
    #[error("the archive has an entry with a name that is not taken: `{0}`")]
    Name(Name),
    /// Two entries for one place.
    #[error("the archive has `{0}` twice")]
    Twice(Name),
    /// More than is taken in.
    #[error("the archive has more than {FILES_MAX} files, or more than {IMPORT_BYTES_MAX} bytes in them")]
    TooLarge,
    /// A form that these readers do not know.
    #[error("the archive uses what is not read here: {0}")]
    Unknown(&'static str),
    /// Nothing in it.
    #[error("the archive has no file")]
    Empty,
}

/// A name out of an archive, as it can be shown: cut to a length, with everything odd escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        Self(text.chars().take(200).flat_map(char::escape_debug).collect())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Files as they come out of an archive, within their bounds.
#[derive(Default)]
struct Unpacked {
    files: Files,
    /// Bytes in them.
    bytes: usize,
    /// Entries seen, directories included: an archive of a million empty directories is none of ours.
    entries: usize,
}

impl Unpacked {
    /// Bytes that may still come.
    fn room(&self) -> usize {
        IMPORT_BYTES_MAX.saturating_sub(self.bytes)
    }

    /// Counts an entry.
    fn enter(&mut self) -> Result<(), ImportError> {
        self.entries += 1;
        if self.entries > FILES_MAX * 4 { Err(ImportError::TooLarge) } else { Ok(()) }
    }

    /// A directory says nothing that its files do not, but its name is looked at all the same.
    fn directory(&mut self, name: &[u8]) -> Result<(), ImportError> {
        self.enter()?;
        let name = name.strip_suffix(b"/").unwrap_or(name);
        if matches!(name, b"" | b"." | b"./") { Ok(()) } else { canonical(name).map(drop) }
    }

    fn file(&mut self, name: &[u8], content: Vec<u8>) -> Result<(), ImportError> {
        self.enter()?;
        let plain = canonical(name)?;
        if self.files.len() >= FILES_MAX || content.len() > self.room() {
            return Err(ImportError::TooLarge);
        }
        self.bytes += content.len();
        if self.files.insert(plain, content).is_some() {
            return Err(ImportError::Twice(Name::of(name)));
        }
        Ok(())
    }

    /// The files, if none is where another's directory would be.
    fn finish(self) -> Result<Files, ImportError> {
        for name in self.files.keys() {
            for (at, _) in name.match_indices('/') {
                let above = name.get(..at).unwrap_or_default();
                if self.files.contains_key(above) {
                    return Err(ImportError::Twice(Name::of(above.as_bytes())));
                }
            }
        }
        if self.files.is_empty() { Err(ImportError::Empty) } else { Ok(self.files) }
    }
}

/// The name under which an entry is kept: `./` in front means nothing and is common.
fn canonical(name: &[u8]) -> Result<String, ImportError> {
    let wrong = || ImportError::Name(Name::of(name));
    let text = std::str::from_utf8(name).map_err(|_| wrong())?;
    let text = text.strip_prefix("./").unwrap_or(text);
    // A colon begins a drive or a stream on other systems.
    if is_canonical(text) && !text.contains(':') { Ok(text.to_owned()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests;
