//! Signing: an offline act of a model's author. A server never holds a key that could do it.

use std::io;

use mantlet_types::Sha256;

use super::{
    StatementError, bundle,
    hash::HashType,
    keys::{KeyError, SigningKey},
    sha256,
    statement::{self, Hashing},
};
use crate::package::{Package, SIGNATURE_FILE, TreeError};

/// Why a directory was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The directory cannot be read, or holds what cannot be signed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is nothing to state.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The signature cannot be written.
    #[error("the signature cannot be written: {0}")]
    Write(io::Error),
}

impl SignError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Key(error) => error.hint(),
            Self::Tree(TreeError::Symlink { name }) => Some(format!(
                "put the file itself in the place of `{name}`: a signature covers files, not links"
            )),
            _ => None,
        }
    }
}

/// Signs a package in memory; the bundle belongs into it as `model.sig`.
///
/// # Errors
/// The provider failed.
pub fn sign(package: &Package, key: &SigningKey) -> Result<Vec<u8>, SignError> {
    Ok(bundle::seal(&payload(package)?, key)?)
}

/// Signs a statement that somebody else has put together.
///
/// # Errors
/// The provider failed.
pub fn sign_payload(payload: &[u8], key: &SigningKey) -> Result<Vec<u8>, SignError> {
    Ok(bundle::seal(payload, key)?)
}

/// The digest that a package would have once it were signed here: SHA-256 of the statement.
///
/// # Errors
/// Never for a package that was read; the statement could not be written.
pub fn statement_digest(package: &Package) -> Result<Sha256, StatementError> {
    Ok(sha256(&payload(package)?))
}

fn payload(package: &Package) -> Result<Vec<u8>, StatementError> {
    let files = package.files().filter(|(name, _)| *name != SIGNATURE_FILE);
    let digests = files.map(|(name, bytes)| (name.to_owned(), HashType::Sha256.of(bytes))).collect();
    statement::write(package.subject(), Hashing::default(), &digests)
}
