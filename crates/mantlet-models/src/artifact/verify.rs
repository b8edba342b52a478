//! Verification of a package in memory, in an order where nothing is believed before it is checked: bundle, signer, signature,
//! statement, then every file's digest. Whatever is not covered is listed, and nothing uncovered can be loaded.

use std::collections::{BTreeMap, BTreeSet};

use mantlet_types::Sha256;

use super::{
    StatementError, bundle,
    chain::ChainError,
    hash::Digest,
    sha256,
    sigstore::SigstoreError,
    statement::{Pieces, Shape, Statement},
    trust::{Signer, TrustedSigners},
};
use crate::package::{MODEL_FILE, PROFILE_FILE, Package, SETTINGS_FILE, SIGNATURE_FILE, TreeError};

/// Why an artifact is not what a trusted signer signed. The text is for the operator; callers of a model never see it.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no `model.sig`.
    #[error("the package is not signed")]
    Unsigned,
    /// The bundle is not one that can be checked.
    #[error("the signature bundle {0}")]
    Bundle(String),
    /// None of the trusted keys is the one that the bundle names.
    #[error("the signature is by {}, which is not trusted", key(hint.as_deref()))]
    Untrusted {
        /// The fingerprint that the bundle gives.
        hint: Option<String>,
    },
    /// The certificate that came with the signature proves nothing.
    #[error(transparent)]
    Certificate(#[from] ChainError),
    /// What Sigstore's authorities and logs say does not make this a trusted account's signature.
    #[error(transparent)]
    Sigstore(#[from] SigstoreError),
    /// No trusted key made this signature over this statement.
    #[error("the signature does not verify")]
    Signature,
    /// The statement is not a manifest that can be relied on.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// A file is not the one that was signed.
    #[error("`{name}` is not the file that was signed: expected {expected:?}, actual {actual:?}")]
    Mismatch {
        /// The file.
        name: String,
        /// What was signed.
        expected: Box<Digest>,
        /// What is there.
        actual: Box<Digest>,
    },
    /// A file covered in shards has another length.
    #[error("`{name}` does not have the length that was signed")]
    Length {
        /// The file.
        name: String,
    },
    /// A signed file is absent.
    #[error("`{name}` was signed, but is missing")]
    Missing {
        /// The file.
        name: String,
    },
    /// A file that nobody signed.
    #[error("`{name}` is not covered by the signature")]
    Uncovered {
        /// The file.
        name: String,
    },
    /// A link, pipe or device, or the directory cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

fn key(hint: Option<&str>) -> String {
    hint.map_or_else(|| "an unnamed key".into(), |hint| format!("the key `{hint}`"))
}

impl VerifyError {
    pub(super) fn mismatch(name: &str, expected: Digest, actual: Digest) -> Self {
        Self::Mismatch { name: name.to_owned(), expected: Box::new(expected), actual: Box::new(actual) }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unsigned => "sign it: mantlet model sign DIR --key PEM --signature DIR/model.sig".into(),
            Self::Untrusted { .. } | Self::Certificate(_) => {
                "if you trust the signer, put the public key, or the certificate of the authority, into the home's `keys/trusted` \
                 directory and run `mantlet config reload`"
                    .into()
            }
            Self::Mismatch { name, .. } | Self::Length { name } | Self::Missing { name } => {
                format!("restore `{name}` as its author released it, or have the author sign the new state")
            }
            Self::Uncovered { name } => format!("remove `{name}`, or have the author sign it as well"),
            Self::Tree(TreeError::Symlink { name }) => {
                format!("put the file itself in the place of `{name}`: what a link points to can change")
            }
            _ => return None,
        })
    }
}

/// A package whose model, settings and profile are the bytes that a trusted signer signed.
///
/// INVARIANT (verified): [`Package::verify`] is the only constructor, and the bytes cannot be changed afterwards.
pub struct VerifiedArtifact {
    package: Package,
    digest: Sha256,
    signer: Signer,
    uncovered: Vec<String>,
}

impl std::fmt::Debug for VerifiedArtifact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedArtifact")
            .field("digest", &self.digest)
            .field("signer", &self.signer)
            .finish()
    }
}

impl VerifiedArtifact {
    /// SHA-256 of the signed statement: names the package in contracts and audit entries.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        self.digest
    }

    /// Who signed it.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Files beside it that no signature covers. They were dropped and cannot be loaded.
    #[must_use]
    pub fn uncovered(&self) -> &[String] {
        &self.uncovered
    }

    /// The covered files, signature and all.
    #[must_use]
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// The covered files, for those who take them away.
    pub(crate) fn into_package(self) -> Package {
        self.package
    }
}

impl Package {
    /// Checks the signature and every digest, on the bytes in memory.
    ///
    /// # Errors
    /// Unsigned, not by a trusted key, or any file that is missing, different or unsigned.
    pub fn verify(self, trusted: &TrustedSigners) -> Result<VerifiedArtifact, VerifyError> {
        let opened = bundle::open(self.signature().ok_or(VerifyError::Unsigned)?, trusted)?;
        let digest = sha256(&opened.payload);
        let statement = Statement::parse(&opened.payload, Shape::Directory)?;
        let mut cover = Cover::new(&statement, false);
        for (name, bytes) in self.files().filter(|(name, _)| *name != SIGNATURE_FILE) {
            if let Some((name, pieces)) = cover.file(name, bytes.is_empty())? {
                compare(name, pieces, bytes)?;
            }
        }
        let uncovered = cover.finish()?;
        for name in [MODEL_FILE, SETTINGS_FILE, PROFILE_FILE] {
            if uncovered.iter().any(|file| file == name) {
                return Err(VerifyError::Uncovered { name: name.into() });
            }
        }
        let package = self.without(&uncovered);
        Ok(VerifiedArtifact { package, digest, signer: opened.signer, uncovered })
    }
}

/// Whether bytes in memory are those that were signed.
fn compare(name: &str, pieces: &Pieces, bytes: &[u8]) -> Result<(), VerifyError> {
    let length = || VerifyError::Length { name: name.to_owned() };
    for piece in pieces.of_length(bytes.len() as u64).ok_or_else(length)? {
        let range = usize::try_from(piece.start).ok().zip(usize::try_from(piece.bytes).ok());
        let content = range.and_then(|(start, bytes_there)| bytes.get(start..)?.get(..bytes_there));
        let actual = piece.expected.hash().of(content.ok_or_else(length)?);
        if actual != *piece.expected {
            return Err(VerifyError::mismatch(name, *piece.expected, actual));
        }
    }
    Ok(())
}

/// The files that are there, against those that were signed.
pub(super) struct Cover<'s> {
    statement: &'s Statement,
    ignore_unsigned: bool,
    left: BTreeMap<&'s str, &'s Pieces>,
    uncovered: BTreeSet<String>,
}

impl<'s> Cover<'s> {
    pub(super) fn new(statement: &'s Statement, ignore_unsigned: bool) -> Self {
        let left = statement.files.iter().map(|(name, pieces)| (name.as_str(), pieces)).collect();
        Self { statement, ignore_unsigned, left, uncovered: BTreeSet::new() }
    }

    /// What was signed of this file; none if it is not covered and need not be.
    pub(super) fn file(
        &mut self,
        name: &str,
        is_empty: bool,
    ) -> Result<Option<(&'s str, &'s Pieces)>, VerifyError> {
        // A covered file is checked even where the statement also ignores its folder.
        if let Some(covered) = self.left.remove_entry(name) {
            return Ok(Some(covered));
        }
        let excused =
            self.ignore_unsigned || self.statement.ignores(name) || (self.statement.is_sharded && is_empty);
        if !excused {
            return Err(VerifyError::Uncovered { name: name.to_owned() });
        }
        self.remark(name);
        Ok(None)
    }

    /// Remarks on a file that is not covered.
    pub(super) fn remark(&mut self, name: &str) {
        self.uncovered.insert(name.to_owned());
    }

    /// The files that are not covered, if every covered one was there.
    pub(super) fn finish(self) -> Result<Vec<String>, VerifyError> {
        match self.left.keys().next() {
            Some(name) => Err(VerifyError::Missing { name: (*name).to_owned() }),
            None => Ok(self.uncovered.into_iter().collect()),
        }
    }
}
