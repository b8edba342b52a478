//! What a signature states: an in-toto Statement v1 whose predicate is a manifest of digests, as in OpenSSF Model
//! Signing 1.0. Reads the dialects that released signers write; writes the specification's own.

mod wire;
mod write;

use std::collections::BTreeMap;

use mantlet_types::Sha256;

use super::{
    IGNORED_ALWAYS,
    hash::{Digest, HashType},
    json, sha256,
};
use crate::package::is_canonical;
use wire::{PREDICATE_TYPE, Predicate, Resource, STATEMENT_TYPE, Serialization, Wire};
pub use write::Hashing;
pub(crate) use write::write;

/// Resources in a manifest: a model of 1 TB in the default shards of 1 GB has a thousand.
const RESOURCES_MAX: usize = 200_000;

/// What model-signing 1.1.1 calls the one file of a model that is no directory; the specification has its name.
pub(crate) const LONE_FILE: &str = ".";

/// Why a signed payload is not a manifest that can be relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signed statement {0}")]
pub struct StatementError(String);

/// What a manifest is to be read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A directory.
    Directory,
    /// One file, which some signers name [`LONE_FILE`].
    File,
}

/// A checked manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// By file name, the digests of its pieces, in order and without gaps.
    pub(crate) files: BTreeMap<String, Pieces>,
    /// What the digests are of.
    pub(crate) hash: HashType,
    /// Paths that the signer left out, with everything under them.
    ignored: Vec<String>,
    /// Whether files are covered in shards; then an empty file has no resource.
    pub(crate) is_sharded: bool,
    /// Whether the signer looked through symbolic links.
    pub(crate) allows_symlinks: bool,
}

/// The digests of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pieces {
    /// One digest over all of it.
    Whole(Digest),
    /// One digest for each run of `shard_bytes`, the last being shorter; and the length of them all.
    Shards { shard_bytes: u64, digests: Vec<Digest>, bytes: u64 },
}

impl Statement {
    /// Checks a payload whose signature holds.
    ///
    /// # Errors
    /// Another kind of statement, or a manifest that covers nothing, names a file in two ways, leaves a gap or does
    /// not add up to its own root digest.
    pub(crate) fn parse(payload: &[u8], shape: Shape) -> Result<Self, StatementError> {
        let wire: Wire =
            json::parse(payload).map_err(|cause| StatementError(format!("is malformed: {cause}")))?;
        let refuse = |message: String| Err(StatementError(message));
        if wire.kind != STATEMENT_TYPE {
            return refuse(format!("is of type {:?}, not `{STATEMENT_TYPE}`", clip(&wire.kind)));
        }
        if wire.predicate_type != PREDICATE_TYPE {
            return refuse(format!(
                "has the predicate {:?}, not `{PREDICATE_TYPE}`",
                clip(&wire.predicate_type)
            ));
        }
        let [subject] = wire.subject.as_slice() else {
            return refuse("does not have exactly one subject".into());
        };
        let Predicate { serialization, resources } = wire.predicate;
        if resources.is_empty() || resources.len() > RESOURCES_MAX {
            return refuse(format!("has no resource, or more than {RESOURCES_MAX}"));
        }
        let method = Method::of(&serialization)?;
        let resources = method.digests(resources)?;
        // In the order listed: released signers sort by path components, the specification by code points.
        if root_digest(resources.iter().map(|(_, digest)| digest)) != subject.digest.sha256 {
            return refuse("has a root digest that is not that of its resources".into());
        }
        let files = method.files(resources, shape)?;
        if shape == Shape::File && files.len() != 1 {
            return refuse("covers more than the one file".into());
        }
        let ignored = serialization.ignore_paths.unwrap_or_default();
        // Paths are exact. A pattern would mean one thing to one reader and another to the next.
        let is_exact = |path: &String| is_canonical(path) && !path.contains(['*', '?']);
        if let Some(path) = ignored.iter().find(|path| !is_exact(path)) {
            return refuse(format!("ignores the path {:?}, which is not canonical", clip(path)));
        }
        let is_sharded = method.shard_bytes.is_some();
        let allows_symlinks = serialization.allow_symlinks;
        Ok(Self { files, hash: method.hash, ignored, is_sharded, allows_symlinks })
    }

    /// Whether the signer left this file out on purpose, or every signer does.
    pub(crate) fn ignores(&self, name: &str) -> bool {
        let under =
            |path: &str| name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        IGNORED_ALWAYS.iter().any(|path| under(path)) || self.ignored.iter().any(|path| under(path))
    }
}

/// How the files were hashed.
struct Method {
    hash: HashType,
    shard_bytes: Option<u64>,
}

impl Method {
    fn of(serialization: &Serialization) -> Result<Self, StatementError> {
        let hash = serialization.hash_type.parse().map_err(|error| {
            let name = clip(&serialization.hash_type);
            StatementError(format!("uses the hash {name:?}: {error}"))
        })?;
        let shard_bytes = match (serialization.method.as_str(), &serialization.shard_size) {
            ("files", None) => None,
            ("shards", Some(size)) => {
                let size = whole(size).filter(|size| *size > 0);
                Some(size.ok_or_else(|| StatementError("has no usable shard size".into()))?)
            }
            (method, _) => return Err(StatementError(format!("covers files by {:?}", clip(method)))),
        };
        Ok(Self { hash, shard_bytes })
    }

    /// Names and digests, each hashed as the manifest says that all are.
    fn digests(&self, resources: Vec<Resource>) -> Result<Vec<(String, Digest)>, StatementError> {
        let hash = self.hash.name();
        let dialect = self.shard_bytes.map(|bytes| format!("{hash}-sharded-{bytes}"));
        let read = |Resource { name, algorithm, digest }: Resource| {
            if algorithm != hash && Some(&algorithm) != dialect.as_ref() {
                let algorithm = clip(&algorithm);
                return Err(StatementError(format!("has a resource hashed by {algorithm:?}")));
            }
            match Digest::parse(self.hash, &digest) {
                Some(digest) => Ok((name, digest)),
                None => {
                    let digits = 2 * self.hash.digest_bytes();
                    Err(StatementError(format!("has a digest that is not {digits} lower-case digits")))
                }
            }
        };
        resources.into_iter().map(read).collect()
    }

    /// Files by name, each named once; shards without gap or overlap, in whatever order they are listed: by code points,
    /// `a:1024:2048` stands behind `a:10240:11264`.
    fn files(
        &self,
        resources: Vec<(String, Digest)>,
        shape: Shape,
    ) -> Result<BTreeMap<String, Pieces>, StatementError> {
        let is_name = |name: &str| is_canonical(name) || shape == Shape::File && name == LONE_FILE;
        let misnamed = |name: &str| {
            StatementError(format!("names {:?}, which is not canonical, or not in its place", clip(name)))
        };
        let Some(shard_bytes) = self.shard_bytes else {
            let mut files = BTreeMap::new();
            for (name, digest) in resources {
                if !is_name(&name) || files.insert(name.clone(), Pieces::Whole(digest)).is_some() {
                    return Err(misnamed(&name));
                }
            }
            return Ok(files);
        };
        let mut files: BTreeMap<String, Shards> = BTreeMap::new();
        for (name, digest) in resources {
            let shard = shard(&name).filter(|(path, ..)| is_name(path));
            let (path, start, end) = shard.ok_or_else(|| misnamed(&name))?;
            if files.entry(path.to_owned()).or_default().insert(start, (end, digest)).is_some() {
                return Err(misnamed(&name));
            }
        }
        let joined = |(name, shards): (String, Shards)| {
            let pieces = joined(&shards, shard_bytes).ok_or_else(|| misnamed(&name))?;
            Ok((name, pieces))
        };
        files.into_iter().map(joined).collect()
    }
}

/// The shards of one file: end and digest by start.
type Shards = BTreeMap<u64, (u64, Digest)>;

/// Takes `path:start:end` apart. The last two fields are the numbers: a path may itself contain colons.
fn shard(name: &str) -> Option<(&str, u64, u64)> {
    let (rest, end) = name.rsplit_once(':')?;
    let (path, start) = rest.rsplit_once(':')?;
    Some((path, offset(start)?, offset(end)?))
}

/// One file of its shards: all of `shard_bytes` but the last, which may be shorter.
fn joined(shards: &Shards, shard_bytes: u64) -> Option<Pieces> {
    let mut bytes = 0;
    let mut digests = Vec::with_capacity(shards.len());
    for (start, (end, digest)) in shards {
        let length = end.checked_sub(*start)?;
        // Starting on a boundary, the one before was whole.
        if *start != bytes || start % shard_bytes != 0 || !(1..=shard_bytes).contains(&length) {
            return None;
        }
        bytes = *end;
        digests.push(*digest);
    }
    Some(Pieces::Shards { shard_bytes, digests, bytes })
}

/// A decimal offset in its one canonical form.
fn offset(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// A whole number, also when a signer wrote `1024.0`.
fn whole(number: &serde_json::Number) -> Option<u64> {
    number.as_u64().or_else(|| {
        let float = number.as_f64()?;
        // 2^53: above, a double no longer tells neighbours apart.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and within 0 to 2^53"
        )]
        (float.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&float)).then_some(float as u64)
    })
}

/// SHA-256 over the raw digests in the order listed, whatever hash they are of.
fn root_digest<'d>(digests: impl Iterator<Item = &'d Digest>) -> Sha256 {
    sha256(&digests.flat_map(Digest::as_bytes).copied().collect::<Vec<u8>>())
}

/// Text from a signed but unchecked place, short enough for a message.
fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A run of bytes in a file, and what it must be.
pub(crate) struct Piece<'s> {
    /// First byte.
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) bytes: u64,
    /// What was signed.
    pub(crate) expected: &'s Digest,
}

impl Pieces {
    /// The pieces of a file of this length; `None` if what was signed has another.
    pub(crate) fn of_length(&self, length: u64) -> Option<Vec<Piece<'_>>> {
        match self {
            Self::Whole(expected) => Some(vec![Piece { start: 0, bytes: length, expected }]),
            Self::Shards { bytes, .. } if *bytes != length => None,
            Self::Shards { shard_bytes, digests, .. } => {
                let piece = |(index, expected)| {
                    let start = shard_bytes.saturating_mul(index);
                    Piece { start, bytes: (*shard_bytes).min(length.saturating_sub(start)), expected }
                };
                Some((0..).zip(digests).map(piece).collect())
            }
        }
    }
}
