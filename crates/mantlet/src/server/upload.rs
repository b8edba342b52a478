//! A package on the wire: a JSON index, then the files' bytes in the index's order.
//!
//! ```text
//! u32 big-endian length of the index | {"subject": …, "files": [{"name": …, "bytes": …}, …]} | file | file | …
//! ```
//!
//! An archive format would bring links, modes, paths and compression along, all of which a package refuses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The content type of this form.
pub const CONTENT_TYPE: &str = "application/vnd.mantlet.package";

/// An index of the most files that a package may have.
const INDEX_BYTES_MAX: usize = 8 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    subject: String,
    files: Vec<File>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    bytes: u64,
}

/// Why bytes are not a package on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// The index is missing, too long or not what it should be.
    #[error("the upload has no readable index")]
    Index,
    /// A name stands twice.
    #[error("the upload names a file twice")]
    Duplicate,
    /// The files' lengths do not add up to what was sent.
    #[error("the upload is not as long as its index says")]
    Length,
}

/// Writes files in order.
pub fn encode<'a>(subject: &str, files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let files: Vec<(&str, &[u8])> = files.collect();
    let entries =
        files.iter().map(|(name, bytes)| File { name: (*name).to_owned(), bytes: bytes.len() as u64 });
    let index = Index { subject: subject.to_owned(), files: entries.collect() };
    // Strings and numbers always serialize.
    let index = serde_json::to_vec(&index).unwrap_or_default();
    let mut out = u32::try_from(index.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    out.extend_from_slice(&index);
    for (_, bytes) in files {
        out.extend_from_slice(bytes);
    }
    out
}

/// Reads subject and files.
///
/// # Errors
/// If the bytes are anything else than what [`encode`] writes; nothing is allocated beyond what was sent.
pub fn decode(bytes: &[u8]) -> Result<(String, BTreeMap<String, Vec<u8>>), UploadError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(UploadError::Index)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| UploadError::Index)?;
    if length > INDEX_BYTES_MAX {
        return Err(UploadError::Index);
    }
    let (index, mut rest) = rest.split_at_checked(length).ok_or(UploadError::Index)?;
    let index: Index = serde_json::from_slice(index).map_err(|_| UploadError::Index)?;
    let mut files = BTreeMap::new();
    for file in index.files {
        let length = usize::try_from(file.bytes).map_err(|_| UploadError::Length)?;
        let (content, after) = rest.split_at_checked(length).ok_or(UploadError::Length)?;
        if files.insert(file.name, content.to_vec()).is_some() {
            return Err(UploadError::Duplicate);
        }
        rest = after;
    }
    if rest.is_empty() { Ok((index.subject, files)) } else { Err(UploadError::Length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: UploadError) {
        assert_eq!(decode(bytes).unwrap_err(), expect);
    }

    #[test]
    fn round_trips() {
        let files = [("a", b"1".as_slice()), ("b/c", b"".as_slice()), ("d", b"234".as_slice())];
        let (subject, back) = decode(&encode("model", files.into_iter())).unwrap();
        assert_eq!(subject, "model");
        assert_eq!(back.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect::<Vec<_>>(), files);
    }

    #[test]
    fn lies_are_refused() {
        let good = encode("m", [("a", b"12".as_slice())].into_iter());
        check(b"", UploadError::Index);
        check(&[0xFF; 8], UploadError::Index);
        check(&good[..good.len() - 1], UploadError::Length);
        check(&[good.clone(), vec![0]].concat(), UploadError::Length);
        check(
            &encode("m", [("a", b"".as_slice()), ("a", b"".as_slice())].into_iter()),
            UploadError::Duplicate,
        );
    }
}
