//! Signing: an offline act of a model's author. A server never holds a key that could do it.

use std::{collections::BTreeMap, io, path::Path};

use mantlet_types::Sha256;

use super::{
    StatementError, bundle,
    keys::{KeyError, SigningKey},
    sha256, statement,
    verify::relative_name,
};
use crate::{
    package::{Package, SIGNATURE_FILE, TreeError, walk},
    write::write_atomic,
};

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

/// Signs every file of a directory but the signature itself and version control, and writes the bundle to `out`,
/// whole or not at all.
///
/// # Errors
/// A link, pipe or device among the files, an unusable key, or nothing to sign.
pub fn sign_package(directory: &Path, key_pem: &str, out: &Path) -> Result<(), SignError> {
    let key = SigningKey::from_pem(key_pem)?;
    let signature_name = relative_name(directory, out);
    let mut files = BTreeMap::new();
    let skip = |name: &str| super::IGNORED_ALWAYS.contains(&name);
    walk::<SignError>(directory, &skip, &mut |name, found| {
        if Some(name) == signature_name.as_deref() {
            return Ok(());
        }
        let (file, _) = found.into_file(name)?;
        let io = |cause| TreeError::Io { path: directory.join(name), cause };
        let (digest, _) = statement::hash(file).map_err(io)?;
        files.insert(name.to_owned(), digest);
        Ok(())
    })?;
    let payload = statement::write(&crate::package::directory_name(directory), &files)?;
    let bundle = bundle::seal(&payload, &key)?;
    write_atomic(out, &bundle, 0o644).map_err(SignError::Write)
}

/// Signs a package in memory; the bundle belongs into it as `model.sig`.
///
/// # Errors
/// The provider failed.
pub fn sign(package: &Package, key: &SigningKey) -> Result<Vec<u8>, SignError> {
    Ok(bundle::seal(&payload(package)?, key)?)
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
    let digests = files.map(|(name, bytes)| (name.to_owned(), sha256(bytes))).collect();
    statement::write(package.subject(), &digests)
}
