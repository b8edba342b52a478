//! What a signature states: an in-toto Statement v1 whose predicate is a manifest of SHA-256 digests, as in OpenSSF
//! Model Signing 1.0. Reads the dialects that released signers write; writes the specification's own.

use std::{collections::BTreeMap, io::Read};

use aws_lc_rs::digest::{Context, SHA256};
use mantlet_types::Sha256;
use serde::{Deserialize, Serialize};

use super::{IGNORED_ALWAYS, json, sha256};
use crate::package::is_canonical;

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "https://model_signing/signature/v1.0";

/// Resources in a manifest: a model of 1 TB in the default shards of 1 GB has a thousand.
const RESOURCES_MAX: usize = 200_000;

/// Why a signed payload is not a manifest that can be relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signed statement {0}")]
pub struct StatementError(String);

/// A checked manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// By file name, the digests of its pieces, in order and without gaps.
    pub(crate) files: BTreeMap<String, Pieces>,
    /// Paths that the signer left out, with everything under them.
    ignored: Vec<String>,
    /// Whether files are covered in shards; then an empty file has no resource.
    pub(crate) is_sharded: bool,
}

/// The digests of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pieces {
    /// One digest over all of it.
    Whole(Sha256),
    /// One digest for each run of `shard_bytes`, the last being shorter; and the length of them all.
    Shards { shard_bytes: u64, digests: Vec<Sha256>, bytes: u64 },
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Serialize, Deserialize)]
struct Subject {
    name: String,
    digest: SubjectDigest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubjectDigest {
    sha256: Sha256,
}

#[derive(Serialize, Deserialize)]
struct Predicate {
    serialization: Serialization,
    resources: Vec<Resource>,
}

#[derive(Serialize, Deserialize)]
struct Serialization {
    method: String,
    hash_type: String,
    #[serde(default)]
    allow_symlinks: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shard_size: Option<serde_json::Number>,
    #[serde(default)]
    ignore_paths: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Resource {
    name: String,
    algorithm: String,
    digest: Sha256,
}

/// The payload to be signed over whole-file digests; the same files give the same bytes.
pub(crate) fn write(subject: &str, files: &BTreeMap<String, Sha256>) -> Result<Vec<u8>, StatementError> {
    if files.is_empty() {
        return Err(StatementError("would cover no file".into()));
    }
    // The specification orders names by code points, as `BTreeMap` orders UTF-8 strings.
    let resources: Vec<_> = files
        .iter()
        .map(|(name, digest)| Resource { name: name.clone(), algorithm: "sha256".into(), digest: *digest })
        .collect();
    let root = root_digest(resources.iter().map(|resource| resource.digest));
    let wire = Wire {
        kind: STATEMENT_TYPE.into(),
        subject: vec![Subject { name: subject.into(), digest: SubjectDigest { sha256: root } }],
        predicate_type: PREDICATE_TYPE.into(),
        predicate: Predicate {
            serialization: Serialization {
                method: "files".into(),
                hash_type: "sha256".into(),
                allow_symlinks: false,
                shard_size: None,
                ignore_paths: IGNORED_ALWAYS.iter().map(|name| (*name).into()).collect(),
            },
            resources,
        },
    };
    serde_json::to_vec(&wire).map_err(|cause| StatementError(format!("cannot be written: {cause}")))
}

impl Statement {
    /// Checks a payload whose signature holds.
    ///
    /// # Errors
    /// Another kind of statement, or a manifest that covers nothing, names a file in two ways, leaves a gap or does
    /// not add up to its own root digest.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, StatementError> {
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
        // In the order listed: released signers sort by path components, the specification by code points.
        if root_digest(resources.iter().map(|resource| resource.digest)) != subject.digest.sha256 {
            return refuse("has a root digest that is not that of its resources".into());
        }
        let method = Method::of(&serialization)?;
        let files = method.files(resources)?;
        let ignored = serialization.ignore_paths;
        if let Some(path) = ignored.iter().find(|path| !is_canonical(path)) {
            return refuse(format!("ignores the path {:?}, which is not canonical", clip(path)));
        }
        Ok(Self { files, ignored, is_sharded: matches!(method, Method::Shards { .. }) })
    }

    /// Whether the signer left this file out on purpose, or every signer does.
    pub(crate) fn ignores(&self, name: &str) -> bool {
        let under =
            |path: &str| name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        IGNORED_ALWAYS.iter().any(|path| under(path)) || self.ignored.iter().any(|path| under(path))
    }
}

enum Method {
    Files,
    Shards { shard_bytes: u64, dialect: String },
}

impl Method {
    fn of(serialization: &Serialization) -> Result<Self, StatementError> {
        if serialization.hash_type != "sha256" {
            let hash = clip(&serialization.hash_type);
            return Err(StatementError(format!("uses the hash {hash:?}; only `sha256` is read")));
        }
        match (serialization.method.as_str(), &serialization.shard_size) {
            ("files", None) => Ok(Self::Files),
            ("shards", Some(size)) => {
                let shard_bytes = whole(size).filter(|size| *size > 0);
                let shard_bytes =
                    shard_bytes.ok_or_else(|| StatementError("has no usable shard size".into()))?;
                Ok(Self::Shards { shard_bytes, dialect: format!("sha256-sharded-{shard_bytes}") })
            }
            (method, _) => Err(StatementError(format!("covers files by {:?}", clip(method)))),
        }
    }

    fn files(&self, resources: Vec<Resource>) -> Result<BTreeMap<String, Pieces>, StatementError> {
        let mut files = BTreeMap::new();
        for Resource { name, algorithm, digest } in resources {
            let admits = |dialect: &str| algorithm == "sha256" || algorithm == dialect;
            let admitted = match self {
                Self::Files => admits("sha256"),
                Self::Shards { dialect, .. } => admits(dialect),
            };
            if !admitted {
                let algorithm = clip(&algorithm);
                return Err(StatementError(format!("has a resource hashed by {algorithm:?}")));
            }
            let added = match self {
                Self::Files => {
                    is_canonical(&name) && files.insert(name.clone(), Pieces::Whole(digest)).is_none()
                }
                Self::Shards { shard_bytes, .. } => {
                    add_shard(&mut files, &name, *shard_bytes, digest).is_some()
                }
            };
            if !added {
                let name = clip(&name);
                return Err(StatementError(format!(
                    "names {name:?}, which is not canonical, or not in its place"
                )));
            }
        }
        Ok(files)
    }
}

/// Adds `path:start:end`; `None` unless it continues the path without gap or overlap.
fn add_shard(
    files: &mut BTreeMap<String, Pieces>,
    name: &str,
    shard_bytes: u64,
    digest: Sha256,
) -> Option<()> {
    // The last two fields: a path may itself contain colons.
    let (rest, end) = name.rsplit_once(':')?;
    let (path, start) = rest.rsplit_once(':')?;
    let (start, end) = (offset(start)?, offset(end)?);
    let length = end.checked_sub(start).filter(|length| (1..=shard_bytes).contains(length))?;
    if !is_canonical(path) {
        return None;
    }
    let empty = Pieces::Shards { shard_bytes, digests: Vec::new(), bytes: 0 };
    let Pieces::Shards { digests, bytes, .. } = files.entry(path.to_owned()).or_insert(empty) else {
        return None;
    };
    // Only the last piece may be short, so the one before must have ended on a boundary.
    let continues = start == *bytes && start % shard_bytes == 0 && length > 0;
    continues.then(|| {
        digests.push(digest);
        *bytes = end;
    })
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

/// SHA-256 over the raw digests in the order listed.
fn root_digest(digests: impl Iterator<Item = Sha256>) -> Sha256 {
    sha256(&digests.flat_map(|digest| digest.0).collect::<Vec<u8>>())
}

/// Text from a signed but unchecked place, short enough for a message.
fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

/// What a file's content says against its manifest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Every digest holds.
    Same,
    /// The first digest that does not hold.
    Differs { expected: Sha256, actual: Sha256 },
    /// Longer or shorter than its shards.
    Length,
}

impl Pieces {
    /// Hashes a file once, piece by piece, and compares.
    pub(crate) fn compare(&self, mut reader: impl Read) -> std::io::Result<Content> {
        let (shard_bytes, digests) = match self {
            Self::Whole(digest) => (u64::MAX, std::slice::from_ref(digest)),
            Self::Shards { shard_bytes, digests, .. } => (*shard_bytes, digests.as_slice()),
        };
        let mut total = 0;
        for expected in digests {
            let (actual, bytes) = hash(reader.by_ref().take(shard_bytes))?;
            total += bytes;
            if actual != *expected {
                return Ok(Content::Differs { expected: *expected, actual });
            }
        }
        Ok(match self {
            Self::Shards { bytes, .. } if total != *bytes || reader.read(&mut [0])? != 0 => Content::Length,
            _ => Content::Same,
        })
    }
}

/// SHA-256 and length of everything that a reader gives.
pub(crate) fn hash(mut reader: impl Read) -> std::io::Result<(Sha256, u64)> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                context.update(&buffer[..count]);
                bytes += count as u64;
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Ok((Sha256(digest), bytes))
}
