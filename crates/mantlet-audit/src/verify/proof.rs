//! Proofs, verified offline by the algorithms of RFC 9162 §2.1.3.2 and §2.1.4.2.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    VerifyError,
    note::{PublicKey, SignedTree},
    tree::{Hash, inner, leaf},
};

/// What a proof has proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The entry's index.
    pub index: u64,
    /// The entry.
    pub entry: Vec<u8>,
    /// Entries under the checkpoint.
    pub size: u64,
}

/// A tree of 2^64 leaves is 64 high.
const HASHES_MAX: usize = 64;

fn decode(line: &str) -> Result<Hash, VerifyError> {
    let bytes = STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(VerifyError::Proof("a hash does not read"))
}

/// Verifies a tlog-proof (c2sp.org/tlog-proof@v1) that carries its entry in the `extra` line.
///
/// # Errors
/// If the text is malformed, the checkpoint not signed by the key, or the entry not in the tree.
pub fn verify_proof(text: &str, vkey: &str) -> Result<Proven, VerifyError> {
    let key = PublicKey::parse(vkey).ok_or(VerifyError::Key)?;
    let (head, checkpoint) = text.split_once("\n\n").ok_or(VerifyError::Proof("no checkpoint"))?;
    let mut lines = head.split('\n');
    if lines.next() != Some("c2sp.org/tlog-proof@v1") {
        return Err(VerifyError::Proof("not a proof of version 1"));
    }
    let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
    let entry = extra.and_then(|extra| STANDARD.decode(extra).ok()).ok_or(VerifyError::Proof("no entry"))?;
    let number =
        lines.next().and_then(|line| line.strip_prefix("index ")).ok_or(VerifyError::Proof("no index"))?;
    let index: u64 = number.parse().map_err(|_| VerifyError::Proof("no index"))?;
    if index.to_string() != number {
        return Err(VerifyError::Proof("no index"));
    }
    let path: Vec<Hash> = lines.take(HASHES_MAX + 1).map(decode).collect::<Result<_, _>>()?;
    let tree = SignedTree::open(checkpoint.as_bytes(), &key).map_err(VerifyError::Proof)?;
    if index >= tree.size || path.len() > HASHES_MAX {
        return Err(VerifyError::Proof("the entry is not in the tree"));
    }
    let (mut node, mut last, mut hash) = (index, tree.size - 1, leaf(&entry));
    for sibling in &path {
        if last == 0 {
            return Err(VerifyError::Proof("too many hashes"));
        }
        if node & 1 == 1 || node == last {
            hash = inner(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = inner(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 || hash != tree.root {
        return Err(VerifyError::Proof("the entry is not in the tree"));
    }
    Ok(Proven { index, entry, size: tree.size })
}

/// Verifies that the tree of checkpoint `old` is the beginning of that of `new`, both signed notes of one log.
///
/// # Errors
/// If a checkpoint is not signed by the key, or the proof does not hold.
pub fn verify_consistency(old: &str, new: &str, proof: &[[u8; 32]], vkey: &str) -> Result<(), VerifyError> {
    let key = PublicKey::parse(vkey).ok_or(VerifyError::Key)?;
    let old = SignedTree::open(old.as_bytes(), &key).map_err(VerifyError::Proof)?;
    let new = SignedTree::open(new.as_bytes(), &key).map_err(VerifyError::Proof)?;
    let inconsistent = VerifyError::Proof("the trees are not consistent");
    if old.size > new.size {
        return Err(VerifyError::Proof("the log was rolled back"));
    }
    if old.size == new.size || old.size == 0 {
        let same = old.size == 0 || old.root == new.root;
        return if same && proof.is_empty() { Ok(()) } else { Err(inconsistent) };
    }
    // The old root is itself the first hash if its tree is perfect.
    let mut path = Vec::new();
    if old.size.is_power_of_two() {
        path.push(old.root);
    }
    path.extend_from_slice(proof);
    let Some((first, rest)) = path.split_first() else { return Err(inconsistent) };
    let (mut node, mut last) = (old.size - 1, new.size - 1);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let (mut from_old, mut from_new) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(inconsistent);
        }
        if node & 1 == 1 || node == last {
            (from_old, from_new) = (inner(sibling, &from_old), inner(sibling, &from_new));
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            from_new = inner(&from_new, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last == 0 && from_old == old.root && from_new == new.root { Ok(()) } else { Err(inconsistent) }
}
