//! The Merkle tree of RFC 6962: hashes, roots and the two kinds of proof.
//!
//! Pure arithmetic over a source of hashes. It knows neither files nor entries; the verifier has its own.

use aws_lc_rs::digest::{Context, SHA256};

/// A SHA-256 value in the tree.
pub type Hash = [u8; 32];

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The hash of an entry: SHA-256(0x00 ‖ entry), RFC 6962 §2.1.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    sha256(&[&[0], entry])
}

/// The hash of two neighbors: SHA-256(0x01 ‖ left ‖ right), RFC 6962 §2.1. The prefixes keep a leaf from being
/// passed off as an inner node.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// The hash of a tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_hash() -> Hash {
    sha256(&[])
}

/// The hash over a power of two of hashes, halving each time.
pub(crate) fn perfect_hash(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_hash(),
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            node_hash(&perfect_hash(left), &perfect_hash(right))
        }
    }
}

/// Where the hashes of perfect subtrees come from.
pub trait Subtrees {
    /// What reading one can raise.
    type Error;

    /// The hash over leaves `index << height .. (index + 1) << height`.
    ///
    /// # Errors
    /// If it cannot be read.
    fn subtree(&self, height: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The hash over the leaves `begin..end`, RFC 6962 §2.1; `begin` is a multiple of the largest power of two below
/// the width, as it is wherever proofs look. Recursion is bounded by the 64 bits of `end`.
fn range_hash<S: Subtrees>(source: &S, begin: u64, end: u64) -> Result<Hash, S::Error> {
    let width = end - begin;
    if width == 0 {
        return Ok(empty_hash());
    }
    if width.is_power_of_two() {
        let height = width.trailing_zeros();
        return source.subtree(height, begin >> height);
    }
    let middle = begin + split(width);
    Ok(node_hash(&range_hash(source, begin, middle)?, &range_hash(source, middle, end)?))
}

/// The largest power of two smaller than `width`, which is at least 2.
const fn split(width: u64) -> u64 {
    1 << (63 - (width - 1).leading_zeros())
}

/// The root of the tree's first `size` leaves.
///
/// # Errors
/// If a hash cannot be read.
pub fn root<S: Subtrees>(source: &S, size: u64) -> Result<Hash, S::Error> {
    range_hash(source, 0, size)
}

/// The inclusion proof (audit path) of a leaf, RFC 6962 §2.1.1, nearest neighbor first. `index < size`; otherwise
/// the proof is empty and proves nothing.
///
/// # Errors
/// If a hash cannot be read.
pub fn inclusion_proof<S: Subtrees>(source: &S, index: u64, size: u64) -> Result<Vec<Hash>, S::Error> {
    let (mut begin, mut end, mut proof) = (0, size, Vec::new());
    if index >= size {
        return Ok(proof);
    }
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            proof.push(range_hash(source, middle, end)?);
            end = middle;
        } else {
            proof.push(range_hash(source, begin, middle)?);
            begin = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The consistency proof between the tree's first `old` and first `new` leaves, RFC 6962 §2.1.2. Empty for equal
/// sizes and for `old == 0`, where there is nothing to prove.
///
/// # Errors
/// If a hash cannot be read.
pub fn consistency_proof<S: Subtrees>(source: &S, old: u64, new: u64) -> Result<Vec<Hash>, S::Error> {
    let (mut begin, mut end, mut proof) = (0, new, Vec::new());
    if old == 0 || old >= new {
        return Ok(proof);
    }
    // INVARIANT (old-inside): begin < old <= end.
    while old != end {
        let middle = begin + split(end - begin);
        if old <= middle {
            proof.push(range_hash(source, middle, end)?);
            end = middle;
        } else {
            proof.push(range_hash(source, begin, middle)?);
            begin = middle;
        }
    }
    if begin != 0 {
        proof.push(range_hash(source, begin, end)?);
    }
    proof.reverse();
    Ok(proof)
}

#[cfg(test)]
mod tests;
