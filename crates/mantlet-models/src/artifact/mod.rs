//! Artifacts: packages whose signature holds. Signs and verifies in the form of OpenSSF Model Signing 1.0, so that
//! other people's tools check what is signed here and the reverse: any directory or file on disk, and packages in memory.
//!
//! [`VerifiedArtifact`] has one way into existence: [`Package::verify`], which checks the signature and then every
//! digest on the very bytes in memory that are parsed afterwards. Nothing here knows of requests or of the gate.

mod bundle;
mod chain;
mod der;
mod directory;
mod hash;
pub(crate) mod json;
pub mod keys;
mod load;
mod pool;
mod scanned;
mod sign;
mod sigstore;
mod statement;
mod trust;
mod verify;

use aws_lc_rs::digest;
use mantlet_types::Sha256;

pub use chain::{Authority, ChainError};
pub use directory::{Leniency, Report, Verdict, sign_path, verify_path};
pub use hash::{BUFFER_BYTES, Digest, HashType, UnknownHash};
pub use keys::{KeyError, PublicKey, SigningKey, generate_signing_key};
pub use load::{LoadedModel, load};
pub use pool::Progress;
pub use scanned::ScanError;
pub use sign::{SignError, sign, sign_payload, statement_digest};
pub use sigstore::{Identity, SigstoreError, TrustRoot, TrustRootError};
pub use statement::{Hashing, StatementError};
pub use trust::{Signer, TrustedSigner, TrustedSigners, vouches};
pub use verify::{VerifiedArtifact, VerifyError};

#[cfg(doc)]
use crate::package::Package;

/// Top-level names of version control, which OpenSSF Model Signing never covers.
pub(crate) const IGNORED_ALWAYS: &[&str] = &[".git", ".gitattributes", ".github", ".gitignore"];

/// SHA-256 of bytes in memory.
pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    let digest = digest::digest(&digest::SHA256, bytes);
    let mut value = [0; 32];
    value.copy_from_slice(digest.as_ref());
    Sha256(value)
}

#[cfg(test)]
mod tests;
