//! A package on the wire: a JSON index, then the files' bytes in the index's order.
//!
//! ```text
//! u32 big-endian length of the index | {"subject": …, "files": [{"name": …, "bytes": …}, …]} | file | file | …
//! ```
//!
//! An archive format would bring links, modes, paths and compression along, all of which a package refuses. Packages
//! are large, so what arrives goes straight into the file that it belongs to: nothing is ever there twice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mantlet_types::{Code, Rejection};
use serde::{Deserialize, Serialize};

use super::body::{Media, Parcel};

/// The content type of this form.
pub const CONTENT_TYPE: &str = "application/vnd.mantlet.package";

/// Longest package on the wire: the largest model and everything beside it.
pub const PACKAGE_BYTES_MAX: usize = (1 << 30) + (128 << 20);

/// An index of the most files that a package may have.
const INDEX_BYTES_MAX: usize = 8 << 20;

/// Length of the length of the index.
const PREFIX_BYTES: usize = 4;

/// A package's own name and its files.
pub type Files = (String, BTreeMap<String, Vec<u8>>);

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

impl From<UploadError> for Rejection {
    fn from(error: UploadError) -> Self {
        Self::argument(error.to_string())
    }
}

/// What comes before the files' bytes.
pub fn head<'a>(subject: &str, files: impl Iterator<Item = (&'a str, u64)>) -> Vec<u8> {
    let entries = files.map(|(name, bytes)| File { name: name.to_owned(), bytes });
    let index = Index { subject: subject.to_owned(), files: entries.collect() };
    // Strings and numbers always serialize.
    let index = serde_json::to_vec(&index).unwrap_or_default();
    let mut out = u32::try_from(index.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    out.extend_from_slice(&index);
    out
}

/// Writes files in order.
pub fn encode<'a>(subject: &str, files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let files: Vec<(&str, &[u8])> = files.collect();
    let mut out = head(subject, files.iter().map(|(name, bytes)| (*name, bytes.len() as u64)));
    for (_, bytes) in files {
        out.extend_from_slice(bytes);
    }
    out
}

/// Receives subject and files.
///
/// # Errors
/// 415 for another content type or a packed body; 413 over `bytes_max`; 408 if it takes too long; 400 if it is
/// anything else than what [`encode`] writes.
pub async fn receive(parcel: Parcel, bytes_max: usize) -> Result<Files, Rejection> {
    if parcel.media != Ok(Media::Package) {
        return Err(Code::UnsupportedMedia.into());
    }
    let mut unpacking = Unpacking::default();
    parcel.read_pieces(bytes_max, |piece| Ok(unpacking.push(piece)?)).await?;
    Ok(unpacking.finish()?)
}

/// Reads subject and files.
///
/// # Errors
/// If the bytes are anything else than what [`encode`] writes; nothing is allocated beyond what was sent.
pub fn decode(bytes: &[u8]) -> Result<Files, UploadError> {
    let mut unpacking = Unpacking::default();
    unpacking.push(bytes)?;
    unpacking.finish()
}

/// An upload of which a part has arrived.
#[derive(Default)]
struct Unpacking {
    /// The index with its length, as far as it is there.
    head: Vec<u8>,
    /// Everything behind it, once it is read.
    contents: Option<Contents>,
}

struct Contents {
    subject: String,
    /// Files that are not there in full, with the bytes that they still lack; the first is being filled.
    lacking: VecDeque<(String, usize)>,
    filling: Vec<u8>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Unpacking {
    fn push(&mut self, mut bytes: &[u8]) -> Result<(), UploadError> {
        while !bytes.is_empty() {
            bytes = match &mut self.contents {
                Some(contents) => contents.fill(bytes)?,
                None => self.extend_head(bytes)?,
            };
        }
        Ok(())
    }

    /// Takes what belongs to the index and gives back the rest.
    fn extend_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], UploadError> {
        let missing = self.head_length()? - self.head.len();
        let (piece, rest) = bytes.split_at(missing.min(bytes.len()));
        self.head.extend_from_slice(piece);
        let index = self.head.get(PREFIX_BYTES..).unwrap_or_default();
        if !index.is_empty() && self.head.len() == self.head_length()? {
            self.contents = Some(Contents::expected(index)?);
            self.head = Vec::new();
        }
        Ok(rest)
    }

    /// How long the head is, as far as it is known.
    fn head_length(&self) -> Result<usize, UploadError> {
        let Some(length) = self.head.first_chunk::<PREFIX_BYTES>() else { return Ok(PREFIX_BYTES) };
        match usize::try_from(u32::from_be_bytes(*length)) {
            Ok(length) if (1..=INDEX_BYTES_MAX).contains(&length) => Ok(PREFIX_BYTES + length),
            _ => Err(UploadError::Index),
        }
    }

    fn finish(self) -> Result<Files, UploadError> {
        let contents = self.contents.ok_or(UploadError::Index)?;
        if contents.lacking.is_empty() {
            Ok((contents.subject, contents.files))
        } else {
            Err(UploadError::Length)
        }
    }
}

impl Contents {
    fn expected(index: &[u8]) -> Result<Self, UploadError> {
        let Index { subject, files } = serde_json::from_slice(index).map_err(|_| UploadError::Index)?;
        let names: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
        if names.len() < files.len() {
            return Err(UploadError::Duplicate);
        }
        let lacking = files
            .into_iter()
            .map(|file| Ok((file.name, usize::try_from(file.bytes).map_err(|_| UploadError::Length)?)))
            .collect::<Result<_, _>>()?;
        let mut contents = Self { subject, lacking, filling: Vec::new(), files: BTreeMap::new() };
        contents.put_away();
        Ok(contents)
    }

    /// Takes what belongs to the next file and gives back the rest.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], UploadError> {
        let (_, lacks) = self.lacking.front_mut().ok_or(UploadError::Length)?;
        let (piece, rest) = bytes.split_at(bytes.len().min(*lacks));
        self.filling.extend_from_slice(piece);
        *lacks -= piece.len();
        self.put_away();
        Ok(rest)
    }

    /// Puts away what is complete: the file being filled, and empty ones behind it.
    fn put_away(&mut self) {
        while let Some((name, _)) = self.lacking.pop_front_if(|(_, lacks)| *lacks == 0) {
            self.files.insert(name, std::mem::take(&mut self.filling));
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::{super::body::Body, *};

    fn check(bytes: &[u8], expect: UploadError) {
        assert_eq!(decode(bytes).unwrap_err(), expect);
    }

    #[test]
    fn round_trips_in_pieces_of_any_length() {
        let files = [
            ("a", b"1".as_slice()),
            ("b/c", b"".as_slice()),
            ("d", b"234".as_slice()),
            ("e", b"".as_slice()),
        ];
        let sent = encode("model", files.into_iter());
        for length in 1..=sent.len() {
            let mut unpacking = Unpacking::default();
            for piece in sent.chunks(length) {
                unpacking.push(piece).unwrap();
            }
            let (subject, back) = unpacking.finish().unwrap();
            assert_eq!(subject, "model");
            assert_eq!(back.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect::<Vec<_>>(), files);
        }
        assert_eq!(decode(&encode("m", [].into_iter())), Ok(("m".to_owned(), BTreeMap::new())));
    }

    #[test]
    fn lies_are_refused() {
        let good = encode("m", [("a", b"12".as_slice())].into_iter());
        check(b"", UploadError::Index);
        check(&[0; 4], UploadError::Index);
        check(&[0xFF; 8], UploadError::Index);
        check(&good[..10], UploadError::Index);
        check(&good[..good.len() - 1], UploadError::Length);
        check(&[good.clone(), vec![0]].concat(), UploadError::Length);
        check(
            &encode("m", [("a", b"".as_slice()), ("a", b"".as_slice())].into_iter()),
            UploadError::Duplicate,
        );
    }

    #[tokio::test]
    async fn a_small_packed_upload_buys_no_large_package() {
        let send = |headers: &[(header::HeaderName, &'static str)]| {
            let headers: HeaderMap =
                headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            receive(Parcel::new(&headers, Body::Whole(encode("m", [].into_iter()).into())), 1 << 20)
        };
        let package = (header::CONTENT_TYPE, CONTENT_TYPE);
        assert!(send(std::slice::from_ref(&package)).await.is_ok());
        for coding in ["gzip", "deflate"] {
            let packed = send(&[package.clone(), (header::CONTENT_ENCODING, coding)]).await;
            assert_eq!(packed.unwrap_err().code, Code::UnsupportedMedia);
        }
        assert_eq!(send(&[]).await.unwrap_err().code, Code::UnsupportedMedia);
    }
}
