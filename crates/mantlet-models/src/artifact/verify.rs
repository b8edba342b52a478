//! Verification, in an order where nothing is believed before it is checked: bundle, key, signature, statement,
//! then every file's digest. Whatever is not covered is listed, and nothing uncovered can be loaded.

use std::{
    collections::BTreeSet,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use mantlet_types::Sha256;
use serde::Serialize;

use super::{
    StatementError, bundle,
    bundle::BUNDLE_BYTES_MAX,
    keys::{KeyError, PublicKey, TrustedKeys},
    sha256,
    statement::{Content, Statement},
};
use crate::package::{
    Found, MODEL_FILE, PROFILE_FILE, Package, SETTINGS_FILE, SIGNATURE_FILE, TreeError, walk,
};

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
    /// No trusted key made this signature over this statement.
    #[error("the signature does not verify")]
    Signature,
    /// The statement is not a manifest that can be relied on.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// A file is not the one that was signed.
    #[error("`{name}` is not the file that was signed: expected SHA-256 {expected}, actual {actual}")]
    Mismatch {
        /// The file.
        name: String,
        /// What was signed.
        expected: Sha256,
        /// What is there.
        actual: Sha256,
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
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unsigned => "sign it: mantlet model sign DIR --key PEM --signature DIR/model.sig".into(),
            Self::Untrusted { .. } => {
                "if you trust the signer, put the public key into the home's `keys/trusted` directory and run `mantlet config \
                 reload`"
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
    signer: Sha256,
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

    /// Fingerprint of the key that signed it.
    #[must_use]
    pub fn signer(&self) -> Sha256 {
        self.signer
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
    pub fn verify(self, trusted: &TrustedKeys) -> Result<VerifiedArtifact, VerifyError> {
        let opened = bundle::open(self.signature().ok_or(VerifyError::Unsigned)?, trusted)?;
        let (digest, signer) = (sha256(&opened.payload), opened.signer.fingerprint());
        let statement = Statement::parse(&opened.payload)?;
        let mut check = Check::new(&statement, false);
        for (name, bytes) in self.files().filter(|(name, _)| *name != SIGNATURE_FILE) {
            check.content(name, bytes, bytes.is_empty()).map_err(|error| error.or_io(Path::new(name)))?;
        }
        let uncovered = check.finish()?;
        for name in [MODEL_FILE, SETTINGS_FILE, PROFILE_FILE] {
            if uncovered.iter().any(|file| file == name) {
                return Err(VerifyError::Uncovered { name: name.into() });
            }
        }
        let package = self.without(&uncovered);
        Ok(VerifiedArtifact { package, digest, signer, uncovered })
    }
}

/// The answer about a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Yes or no.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// Files that the signature does not cover.
    pub uncovered: Vec<String>,
    /// What to do about a rejection.
    #[serde(skip)]
    pub hint: Option<String>,
}

/// Whether a directory is what was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is.
    Accept,
    /// It is not, or it cannot be shown.
    Reject,
}

/// Verifies any signed directory, not only a package, hashing files as they stream by.
///
/// # Errors
/// A public key that cannot be used: then the question was wrong. Everything else, unreadable files included, is an
/// answer: reject.
pub fn verify_package(
    directory: &Path,
    signature: &Path,
    public_keys: &[String],
    ignore_unsigned: bool,
) -> Result<Report, KeyError> {
    let trusted = public_keys.iter().map(|pem| PublicKey::from_pem(pem)).collect::<Result<Vec<_>, _>>()?;
    Ok(match verify_directory(directory, signature, &trusted, ignore_unsigned) {
        Ok(uncovered) => Report {
            verdict: Verdict::Accept,
            reason: "the signature and every digest verify".into(),
            uncovered,
            hint: None,
        },
        Err(error) => Report {
            verdict: Verdict::Reject,
            reason: error.to_string(),
            uncovered: Vec::new(),
            hint: error.hint(),
        },
    })
}

fn verify_directory(
    directory: &Path,
    signature: &Path,
    trusted: &TrustedKeys,
    ignore_unsigned: bool,
) -> Result<Vec<String>, VerifyError> {
    let io = |cause| TreeError::Io { path: signature.to_owned(), cause };
    let mut bytes = Vec::new();
    File::open(signature)
        .and_then(|file| file.take(BUNDLE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(io)?;
    let opened = bundle::open(&bytes, trusted)?;
    let statement = Statement::parse(&opened.payload)?;
    let signature_name = relative_name(directory, signature);
    let mut check = Check::new(&statement, ignore_unsigned);
    walk::<VerifyError>(directory, &|_| false, &mut |name, found| {
        let covered = statement.files.contains_key(name);
        if Some(name) == signature_name.as_deref() && !covered {
            return Ok(());
        }
        match found {
            Found::File(file, bytes) => {
                check.content(name, file, bytes == 0).map_err(|error| error.or_io(&directory.join(name)))
            }
            // Left out by the signer and never opened here: only remarked on.
            _ if statement.ignores(name) && !covered => {
                check.uncovered.insert(name.to_owned());
                Ok(())
            }
            other => other.into_file(name).map(drop).map_err(Into::into),
        }
    })?;
    check.finish()
}

/// A file's name within a directory, if it lies there: a signature does not cover itself.
pub(super) fn relative_name(directory: &Path, file: &Path) -> Option<String> {
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let within = parent.canonicalize().ok()?.strip_prefix(directory.canonicalize().ok()?).ok()?.to_owned();
    let path: PathBuf = within.join(file.file_name()?);
    path.to_str().map(ToOwned::to_owned)
}

/// Files as they pass, against the statement.
struct Check<'s> {
    statement: &'s Statement,
    ignore_unsigned: bool,
    seen: BTreeSet<&'s str>,
    uncovered: BTreeSet<String>,
}

enum CheckError {
    Verify(VerifyError),
    Io(std::io::Error),
}

impl CheckError {
    fn or_io(self, path: &Path) -> VerifyError {
        match self {
            Self::Verify(error) => error,
            Self::Io(cause) => TreeError::Io { path: path.to_owned(), cause }.into(),
        }
    }
}

impl<'s> Check<'s> {
    fn new(statement: &'s Statement, ignore_unsigned: bool) -> Self {
        Self { statement, ignore_unsigned, seen: BTreeSet::new(), uncovered: BTreeSet::new() }
    }

    fn content(&mut self, name: &str, reader: impl Read, is_empty: bool) -> Result<(), CheckError> {
        // A covered file is checked even where the statement also ignores its folder.
        let Some((name, pieces)) = self.statement.files.get_key_value(name) else {
            let excused = self.ignore_unsigned
                || self.statement.ignores(name)
                || (self.statement.is_sharded && is_empty);
            if !excused {
                return Err(CheckError::Verify(VerifyError::Uncovered { name: name.to_owned() }));
            }
            self.uncovered.insert(name.to_owned());
            return Ok(());
        };
        self.seen.insert(name);
        let name = || name.clone();
        match pieces.compare(reader).map_err(CheckError::Io)? {
            Content::Same => Ok(()),
            Content::Differs { expected, actual } => {
                Err(CheckError::Verify(VerifyError::Mismatch { name: name(), expected, actual }))
            }
            Content::Length => Err(CheckError::Verify(VerifyError::Length { name: name() })),
        }
    }

    fn finish(self) -> Result<Vec<String>, VerifyError> {
        let missing = self.statement.files.keys().find(|name| !self.seen.contains(name.as_str()));
        match missing {
            Some(name) => Err(VerifyError::Missing { name: name.clone() }),
            None => Ok(self.uncovered.into_iter().collect()),
        }
    }
}
