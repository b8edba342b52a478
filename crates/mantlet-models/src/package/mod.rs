//! A package: the directory that holds a model and everything said about it.
//!
//! `Package::read` takes every file once into owned memory; whatever is checked afterwards (digests, signature,
//! settings, profile) is checked on these very bytes, and nothing is opened a second time. A package promises
//! nothing about who made it: that is the business of `artifact`.

mod classes;
pub(crate) mod contract;
pub(crate) mod declared;
pub(crate) mod interface;
pub(crate) mod model;
mod plain;
pub mod settings;
mod tree;

use std::{
    collections::BTreeMap,
    io::{self, Read},
    ops::Range,
    path::Path,
};

pub use contract::ContractError;
pub use declared::Declared;
pub use interface::ClassValues;
pub use model::LoadError;
pub use plain::{is_canonical, read_tree};
pub use settings::{ConfidenceRule, RangeRule, Settings, SettingsError};
pub use tree::TreeError;
pub(crate) use tree::{Found, Links, open_lone, walk, walk_with};

use prost::bytes::Bytes;

use crate::profile::{Profile, ProfileError};

/// The model.
pub const MODEL_FILE: &str = "model.onnx";
/// What the author says of it.
pub const SETTINGS_FILE: &str = "mantlet-model.toml";
/// What its reference data say of it; optional.
pub const PROFILE_FILE: &str = "profile.json";
/// The signature over all of it.
pub const SIGNATURE_FILE: &str = "model.sig";

/// A model: larger ones belong behind a V2 server, since this one is held in memory whole.
pub const MODEL_BYTES_MAX: u64 = 1 << 30;
/// Settings, a profile or a signature: the profile of 10,000 features has about 8 MB.
pub const SIDE_BYTES_MAX: u64 = 16 << 20;
/// All files that are neither (a readme, a licence, sample rows) together.
pub const OTHER_BYTES_MAX: u64 = 64 << 20;
/// Files in a package.
pub const FILES_MAX: usize = 1_024;

/// Why a directory is not a package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The directory cannot be walked, or holds what a package may not hold.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A file that every package has is absent.
    #[error("the package has no `{0}`")]
    Missing(&'static str),
    /// A model file beside the statement that the model runs elsewhere.
    #[error("the package says that its model runs elsewhere, and has a `{MODEL_FILE}`")]
    TwoModels,
    /// A file is larger than its bound.
    #[error("`{name}` has more than {bytes_max} bytes")]
    TooLarge {
        /// The file.
        name: String,
        /// Its bound, or that of the files like it together.
        bytes_max: u64,
    },
    /// Too many files.
    #[error("the package has more than {FILES_MAX} files")]
    TooMany,
    /// `mantlet-model.toml` is wrong.
    #[error("`{SETTINGS_FILE}`: {0}")]
    Settings(#[from] SettingsError),
    /// `profile.json` is wrong.
    #[error("`{PROFILE_FILE}`: {0}")]
    Profile(#[from] ProfileError),
    /// The model, what is said of it and its profile do not fit each other.
    #[error(transparent)]
    Contract(#[from] ContractError),
}

impl PackageError {
    /// What to do about it, if there is advice to give.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tree(TreeError::Symlink { name }) => Some(format!(
                "put the file itself in the place of `{name}`: what a link points to can change"
            )),
            Self::Tree(TreeError::Special { name }) => Some(format!("remove `{name}`")),
            Self::Missing(name) if *name == SETTINGS_FILE => {
                Some(format!("one line is enough: echo 'name = \"my-model\"' > {SETTINGS_FILE}"))
            }
            Self::Missing(name) if *name == MODEL_FILE => {
                Some(format!("export the model to ONNX under the name `{MODEL_FILE}`"))
            }
            Self::TwoModels => Some(format!("remove `{MODEL_FILE}`, or `backend = \"v2\"`")),
            Self::TooLarge { .. } | Self::TooMany => {
                Some("keep training data and other models outside the package".into())
            }
            Self::Settings(error) => error.hint.clone(),
            Self::Profile(_) => Some("make it anew with `mantlet model profile`".into()),
            Self::Contract(error) => error.hint(),
            _ => None,
        }
    }

    /// Byte range in `mantlet-model.toml`, where the fault has a place there.
    #[must_use]
    pub fn span(&self) -> Option<Range<usize>> {
        match self {
            Self::Settings(error) => error.span.clone(),
            _ => None,
        }
    }
}

/// A package's files in owned memory, read once.
#[derive(Clone)]
pub struct Package {
    /// Relative name to bytes; ordered by name, as a manifest is.
    files: BTreeMap<String, Bytes>,
    /// Top-level version-control files, which no signature covers and nothing reads.
    skipped: Vec<String>,
    /// What a signature calls the package: the directory's own name.
    subject: String,
}

impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sizes: BTreeMap<_, _> = self.files.iter().map(|(name, bytes)| (name, bytes.len())).collect();
        f.debug_struct("Package").field("subject", &self.subject).field("files", &sizes).finish()
    }
}

impl Package {
    /// Reads a directory into memory. No symbolic link is followed, every size is bounded.
    ///
    /// # Errors
    /// A link, pipe or device anywhere, a file beyond its bound, or no `model.onnx` or `mantlet-model.toml`.
    pub fn read(directory: &Path) -> Result<Self, PackageError> {
        let mut files = Files::default();
        let mut skipped = Vec::new();
        let subject = directory_name(directory);
        let is_skipped = |name: &str| crate::artifact::IGNORED_ALWAYS.contains(&name);
        for name in crate::artifact::IGNORED_ALWAYS {
            if directory.join(name).symlink_metadata().is_ok() {
                skipped.push((*name).to_owned());
            }
        }
        walk::<PackageError>(directory, &is_skipped, &mut |name, found| {
            let (mut file, bytes) = found.into_file(name)?;
            let allowed = files.allow(name, bytes)?;
            let io = |cause: io::Error| TreeError::Io { path: directory.join(name), cause };
            let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
            // One byte more than allowed: a file that grew since it was looked at is refused, not cut.
            Read::by_ref(&mut file).take(allowed + 1).read_to_end(&mut content).map_err(io)?;
            files.insert(name, content.into())
        })?;
        Self::new(files.files, skipped, subject)
    }

    /// A package from bytes that are already in memory, under the same bounds.
    pub fn from_files(content: BTreeMap<String, Vec<u8>>, subject: String) -> Result<Self, PackageError> {
        let mut files = Files::default();
        for (name, bytes) in content {
            if !is_canonical(&name) {
                return Err(TreeError::Name { name }.into());
            }
            files.allow(&name, bytes.len() as u64)?;
            files.insert(&name, bytes.into())?;
        }
        Self::new(files.files, Vec::new(), subject)
    }

    fn new(
        files: BTreeMap<String, Bytes>,
        skipped: Vec<String>,
        subject: String,
    ) -> Result<Self, PackageError> {
        let package = Self { files, skipped, subject };
        let has = |name| package.files.contains_key(name);
        if !(has(MODEL_FILE) || has(SETTINGS_FILE) && package.runs_elsewhere()) {
            return Err(PackageError::Missing(MODEL_FILE));
        }
        if !has(SETTINGS_FILE) {
            return Err(PackageError::Missing(SETTINGS_FILE));
        }
        Ok(package)
    }

    /// Whether its model runs elsewhere, so that there is no file of it here. Settings that cannot be read do not say so.
    #[must_use]
    pub fn runs_elsewhere(&self) -> bool {
        self.settings().is_ok_and(|settings| settings.declared.is_some())
    }

    /// The model's bytes; a handle to them, not a copy. None for a model that runs elsewhere.
    #[must_use]
    pub fn model(&self) -> Bytes {
        self.files.get(MODEL_FILE).cloned().unwrap_or_default()
    }

    /// The settings, parsed.
    ///
    /// # Errors
    /// What [`Settings::parse`] refuses.
    pub fn settings(&self) -> Result<Settings, PackageError> {
        Ok(Settings::parse(self.file(SETTINGS_FILE).unwrap_or_default())?)
    }

    /// The profile, parsed, if the package has one.
    ///
    /// # Errors
    /// What [`Profile::parse`] refuses.
    pub fn profile(&self) -> Result<Option<Profile>, PackageError> {
        Ok(self.file(PROFILE_FILE).map(Profile::parse).transpose()?)
    }

    /// The signature bundle, if the package has one.
    #[must_use]
    pub fn signature(&self) -> Option<&[u8]> {
        self.file(SIGNATURE_FILE)
    }

    /// Text of `mantlet-model.toml`, for showing where a fault is; empty if it is not UTF-8.
    #[must_use]
    pub fn settings_text(&self) -> &str {
        std::str::from_utf8(self.file(SETTINGS_FILE).unwrap_or_default()).unwrap_or_default()
    }

    /// One file's bytes.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(|bytes| &**bytes)
    }

    /// Every file with its bytes, ordered by name; the signature among them.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), &**bytes))
    }

    /// Version-control files beside the package's own: never read, signed or loaded.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// The name of the directory that the package came from.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The same package less these files.
    pub(crate) fn without(mut self, names: &[String]) -> Self {
        for name in names {
            self.files.remove(name);
        }
        self
    }

    /// The same package with one file replaced or added, for signing and profiling.
    #[must_use]
    pub fn with_file(mut self, name: &'static str, bytes: Vec<u8>) -> Self {
        self.files.insert(name.to_owned(), bytes.into());
        self
    }
}

/// Files as they come in, with what their bounds leave.
#[derive(Default)]
struct Files {
    files: BTreeMap<String, Bytes>,
    other_bytes: u64,
}

impl Files {
    /// Most bytes that a file of this name may have, unless it has more.
    fn allow(&self, name: &str, bytes: u64) -> Result<u64, PackageError> {
        if self.files.len() >= FILES_MAX {
            return Err(PackageError::TooMany);
        }
        let (allowed, bytes_max) = match name {
            MODEL_FILE => (MODEL_BYTES_MAX, MODEL_BYTES_MAX),
            SETTINGS_FILE | PROFILE_FILE | SIGNATURE_FILE => (SIDE_BYTES_MAX, SIDE_BYTES_MAX),
            _ => (OTHER_BYTES_MAX.saturating_sub(self.other_bytes), OTHER_BYTES_MAX),
        };
        if bytes > allowed {
            return Err(PackageError::TooLarge { name: name.to_owned(), bytes_max });
        }
        Ok(allowed)
    }

    fn insert(&mut self, name: &str, content: Bytes) -> Result<(), PackageError> {
        self.allow(name, content.len() as u64)?;
        if !matches!(name, MODEL_FILE | SETTINGS_FILE | PROFILE_FILE | SIGNATURE_FILE) {
            self.other_bytes = self.other_bytes.saturating_add(content.len() as u64);
        }
        self.files.insert(name.to_owned(), content);
        Ok(())
    }
}

/// The directory's own name, also where the path ends in `.` or `..`.
pub(crate) fn directory_name(directory: &Path) -> String {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    name(directory)
        .or_else(|| directory.canonicalize().ok().as_deref().and_then(name))
        .unwrap_or_else(|| "model".to_owned())
}

#[cfg(test)]
pub(crate) mod tests;
