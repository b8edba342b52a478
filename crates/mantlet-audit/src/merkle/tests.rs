use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

/// RFC 6962 §2.1, word for word over a list of leaves: the oracle.
fn oracle(leaves: &[Hash]) -> Hash {
    match leaves.len() {
        0 => empty_hash(),
        1 => leaves[0],
        n => {
            let mut k = 1;
            while k * 2 < n {
                k *= 2;
            }
            node_hash(&oracle(&leaves[..k]), &oracle(&leaves[k..]))
        }
    }
}

/// RFC 6962 §2.1.1 PATH(m, D[n]).
fn oracle_path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    let n = leaves.len();
    if n == 1 {
        return Vec::new();
    }
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    let (mut path, sibling) = if m < k {
        (oracle_path(m, &leaves[..k]), oracle(&leaves[k..]))
    } else {
        (oracle_path(m - k, &leaves[k..]), oracle(&leaves[..k]))
    };
    path.push(sibling);
    path
}

/// RFC 6962 §2.1.2 SUBPROOF(m, D[n], b).
fn oracle_subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    let n = leaves.len();
    if m == n {
        return if whole { Vec::new() } else { vec![oracle(leaves)] };
    }
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    let (mut proof, sibling) = if m <= k {
        (oracle_subproof(m, &leaves[..k], whole), oracle(&leaves[k..]))
    } else {
        (oracle_subproof(m - k, &leaves[k..], false), oracle(&leaves[..k]))
    };
    proof.push(sibling);
    proof
}

struct Leaves(Vec<Hash>);

impl Subtrees for Leaves {
    type Error = Infallible;
    fn subtree(&self, height: u32, index: u64) -> Result<Hash, Infallible> {
        let (begin, end) = ((index << height) as usize, ((index + 1) << height) as usize);
        Ok(perfect_hash(&self.0[begin..end]))
    }
}

fn leaves(n: usize) -> Leaves {
    Leaves((0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_the_standard(n in 1_usize..600, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let source = leaves(n);
        prop_assert_eq!(root(&source, n as u64).unwrap(), oracle(&source.0));
        let index = a.index(n);
        prop_assert_eq!(inclusion_proof(&source, index as u64, n as u64).unwrap(), oracle_path(index, &source.0));
        let old = 1 + b.index(n);
        prop_assert_eq!(
            consistency_proof(&source, old as u64, n as u64).unwrap(),
            oracle_subproof(old, &source.0, true)
        );
    }
}

#[test]
fn known_roots() {
    let hex = |hash: Hash| mantlet_types::Sha256(hash).to_string();
    assert_eq!(hex(empty_hash()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    // The empty leaf of Certificate Transparency's test vectors.
    assert_eq!(hex(leaf_hash(b"")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
}
