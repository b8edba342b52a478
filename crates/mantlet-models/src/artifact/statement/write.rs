//! Writing a statement: the specification's own form, and none of the dialects that are read. The same files give the same
//! bytes.

use std::collections::BTreeMap;

use super::{
    StatementError, root_digest,
    wire::{
        PREDICATE_TYPE, Predicate, Resource, STATEMENT_TYPE, Serialization, Subject, SubjectDigest, Wire,
    },
};
use crate::artifact::{
    IGNORED_ALWAYS,
    hash::{Digest, HashType},
};

/// How the files of a manifest are hashed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hashing {
    /// By which hash.
    pub hash: HashType,
    /// In pieces of so many bytes, or each file as a whole.
    pub shard_bytes: Option<std::num::NonZeroU64>,
}

/// The payload to be signed, over the digests of resources by their names: a file's, or a shard's as `path:start:end`.
pub(crate) fn write(
    subject: &str,
    hashing: Hashing,
    resources: &BTreeMap<String, Digest>,
) -> Result<Vec<u8>, StatementError> {
    if resources.is_empty() {
        return Err(StatementError("would cover no file".into()));
    }
    let root = root_digest(resources.values());
    // The specification orders names by code points, as `BTreeMap` orders UTF-8 strings.
    let resources = resources
        .iter()
        .map(|(name, digest)| Resource {
            name: name.clone(),
            algorithm: hashing.hash.name().into(),
            digest: digest.to_string(),
        })
        .collect();
    let wire = Wire {
        kind: STATEMENT_TYPE.into(),
        subject: vec![Subject { name: subject.into(), digest: SubjectDigest { sha256: root } }],
        predicate_type: PREDICATE_TYPE.into(),
        predicate: Predicate {
            serialization: Serialization {
                method: if hashing.shard_bytes.is_some() { "shards" } else { "files" }.into(),
                hash_type: hashing.hash.name().into(),
                allow_symlinks: false,
                shard_size: hashing.shard_bytes.map(|bytes| bytes.get().into()),
                ignore_paths: Some(IGNORED_ALWAYS.iter().map(|name| (*name).into()).collect()),
            },
            resources,
        },
    };
    serde_json::to_vec(&wire).map_err(|cause| StatementError(format!("cannot be written: {cause}")))
}
