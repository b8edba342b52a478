//! The home: one directory that holds everything a node keeps.
//!
//! ```text
//! home.id                 says that this is a home, and which one
//! mantlet.toml            configuration
//! ca.pem                  our certificate authority, and the server's certificate that stands alone, for clients to trust
//! keys/                   sealed: authority, server and audit keys; ring: the home's own; trusted/: signers of models
//! store.db                people, keys, bindings, models
//! reviews.db              answers that wait for a person; may be absent
//! audit/ registry/ data/  the log, the packages, the datasets
//! run/                    the lock and the control socket
//! ```
//!
//! Whoever else can read or write here can be everybody, so a home is its owner's alone and is refused otherwise.
//! What lies in it is the business of those who keep it there.

mod authority;
mod error;
mod files;
mod init;
mod lock;
mod lone;
mod ring;
mod root_key;
mod rotation;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

pub use authority::{
    Authority, AuthorityError, RENEWAL_DAYS, ServerIdentity, USER_DAYS, UserCertificate, user_certificate,
};
pub use error::HomeError;
pub use init::{InitOptions, NewHome, prepare};
pub use lock::HomeLock;
pub use lone::LoneIdentity;
use mantlet_types::UserId;
pub use root_key::{RootKey, RootKeyError, RootKeySource, RootKeySourceError};
pub use rotation::{Rotation, RotationError};
use zeroize::Zeroizing;

use crate::{config::env_vars, kms::KeyArn};

/// Where a home is if nobody says otherwise.
pub const DEFAULT_DIR: &str = "mantlet-home";

/// First word of `home.id`: the layout's version.
const LAYOUT: &str = "mantlet-home/1";

/// A home's own name: 26 random characters of lower-case base 32. Names the key file of a team's home and ties every
/// derived key to one home.
#[derive(Clone, PartialEq, Eq)]
pub struct HomeId(String);

impl HomeId {
    fn generate() -> Result<Self, HomeError> {
        const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut random = [0; 26];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| HomeError::Provider)?;
        Ok(Self(random.iter().map(|byte| char::from(DIGITS[usize::from(byte & 31)])).collect()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HomeId {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b));
        if text.len() == 26 && plain { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

impl fmt::Display for HomeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HomeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HomeId({self})")
    }
}

/// How far a change of the root key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootKeyState {
    /// None is under way.
    Settled,
    /// The present root key opens the home, and the next one does.
    Either,
    /// The new root key alone opens the home, and not everything is sealed under the home's new key.
    Resealing,
}

/// An existing home whose permissions have been checked.
#[derive(Clone, Debug)]
pub struct Home {
    dir: PathBuf,
    id: HomeId,
}

impl Home {
    /// Where the home is: as given (`--home`), else `$MANTLET_HOME`, else `./mantlet-home`. Says nothing of whether
    /// there is one.
    #[must_use]
    pub fn find(given: Option<&Path>, env: impl Fn(&str) -> Option<OsString>) -> PathBuf {
        given
            .map(Path::to_owned)
            .or_else(|| env(env_vars::HOME.name).filter(|value| !value.is_empty()).map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from(DEFAULT_DIR))
    }

    /// Opens a home and checks that it is nobody else's.
    ///
    /// # Errors
    /// If there is none, or others can read or write what they must not.
    pub fn open(dir: &Path) -> Result<Self, HomeError> {
        let dir = fs::canonicalize(dir).map_err(|_| HomeError::Missing { dir: dir.to_owned() })?;
        let id = read_id(&dir)?;
        let home = Self { dir, id };
        home.check_permissions()?;
        Ok(home)
    }

    /// Whether a directory says that it is a home.
    #[must_use]
    pub fn is_home(dir: &Path) -> bool {
        read_id(dir).is_ok()
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The home's own name.
    #[must_use]
    pub fn id(&self) -> &HomeId {
        &self.id
    }

    /// The configuration.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.dir.join("mantlet.toml")
    }

    /// The certificate that clients trust.
    #[must_use]
    pub fn ca_path(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// The certificate that clients of gRPC trust, and they alone.
    #[must_use]
    pub fn grpc_path(&self) -> PathBuf {
        self.dir.join("grpc.pem")
    }

    /// The store's database.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.dir.join("store.db")
    }

    /// The held answers' database.
    #[must_use]
    pub fn reviews_path(&self) -> PathBuf {
        self.dir.join("reviews.db")
    }

    /// The audit log.
    #[must_use]
    pub fn audit_dir(&self) -> PathBuf {
        self.dir.join("audit")
    }

    /// Packages.
    #[must_use]
    pub fn registry_dir(&self) -> PathBuf {
        self.dir.join("registry")
    }

    /// The control socket.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.run_dir().join("control.sock")
    }

    /// Where a running server wrote down at which address it listens.
    #[must_use]
    pub fn address_path(&self) -> PathBuf {
        self.run_dir().join("address")
    }

    /// The demonstration's key, kept so that `mantlet env` can hand it on. Only a demo home has it.
    #[must_use]
    pub fn demo_key_path(&self) -> PathBuf {
        self.keys_dir().join("demo.key")
    }

    /// What each of the first people acts by, to be handed over.
    #[must_use]
    pub fn people_dir(&self) -> PathBuf {
        self.keys_dir().join("people")
    }

    /// What one of the first people acts by.
    #[must_use]
    pub fn person_dir(&self, user: &UserId) -> PathBuf {
        self.people_dir().join(user.as_str())
    }

    /// The system's certificate authorities and this home's, for clients that take one bundle.
    #[must_use]
    pub fn ca_bundle_path(&self) -> PathBuf {
        self.run_dir().join("ca-bundle.pem")
    }

    /// Public keys of the people whose models may be served, one PEM file each.
    #[must_use]
    pub fn trusted_signers_dir(&self) -> PathBuf {
        self.keys_dir().join("trusted")
    }

    /// The author's private key of a one-person home (PKCS#8 PEM); a team's authors keep theirs.
    #[must_use]
    pub fn author_key_path(&self) -> PathBuf {
        self.keys_dir().join("author.key")
    }

    /// Takes the home for this process.
    ///
    /// # Errors
    /// If another process has it.
    pub fn lock(&self) -> Result<HomeLock, HomeError> {
        HomeLock::take(&self.run_dir().join("lock"))
    }

    /// Fetches the root key from where the configuration says it is.
    ///
    /// # Errors
    /// If it is not there, not a key, or not its owner's alone.
    pub fn root_key(
        &self,
        source: &RootKeySource,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<RootKey, RootKeyError> {
        RootKey::fetch(source, self, env)
    }

    /// Whether the root key is being replaced, and how far that is.
    ///
    /// # Errors
    /// If the root key is not there, or opens nothing.
    pub fn root_key_state(
        &self,
        source: &RootKeySource,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<RootKeyState, HomeError> {
        let ring = ring::Ring::open(self, &root_key::secret(source, self, &env)?)?;
        Ok(match (ring.content.keys.len(), ring.roots) {
            (1, 0 | 1) => RootKeyState::Settled,
            (1, _) => RootKeyState::Either,
            _ => RootKeyState::Resealing,
        })
    }

    /// The 32 secret bytes of the audit log's signing key.
    ///
    /// # Errors
    /// If the file is missing, was altered or was sealed under another root key.
    pub fn audit_seed(&self, root: &RootKey) -> Result<Zeroizing<[u8; 32]>, HomeError> {
        let path = self.audit_key_path();
        let seed = files::read_sealed(&path, root)?;
        let seed = <[u8; 32]>::try_from(seed.as_slice()).map_err(|_| HomeError::Altered { path })?;
        Ok(Zeroizing::new(seed))
    }

    /// The authority's certificate, which clients trust, in DER.
    ///
    /// # Errors
    /// If the file is not there or no certificate.
    pub fn ca_certificate(&self) -> Result<rustls_pki_types::CertificateDer<'static>, AuthorityError> {
        authority::certificate(self)
    }

    /// Directories that a server writes below.
    #[must_use]
    pub fn written_dirs(&self) -> [PathBuf; 3] {
        [self.audit_dir(), self.run_dir(), self.data_dir()]
    }

    /// Files that a server writes in place: its databases, each with its write-ahead log and that log's index, which are
    /// made empty where they are not there yet. Whoever adds a database adds it here.
    ///
    /// # Errors
    /// If one cannot be made.
    pub fn databases(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for path in [self.store_path(), self.reviews_path()] {
            for ending in ["", "-wal", "-shm"] {
                let mut name = path.clone().into_os_string();
                name.push(ending);
                let file = PathBuf::from(name);
                files::open_private(&file)?;
                files.push(file);
            }
        }
        Ok(files)
    }

    /// What a server reads in `keys/`: who is trusted to sign models, and the log's own key.
    #[must_use]
    pub fn read_keys(&self) -> [PathBuf; 2] {
        [self.trusted_signers_dir(), self.audit_key_path()]
    }

    /// The home's certificate authority.
    #[must_use]
    pub fn authority<'a>(&'a self, root: &'a RootKey) -> Authority<'a> {
        Authority::new(self, root)
    }

    /// Private keys, but for `trusted/`.
    #[must_use]
    pub fn keys_dir(&self) -> PathBuf {
        self.dir.join("keys")
    }

    fn run_dir(&self) -> PathBuf {
        self.dir.join("run")
    }

    fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn audit_key_path(&self) -> PathBuf {
        self.keys_dir().join("audit.key")
    }

    fn ring_path(&self) -> PathBuf {
        self.keys_dir().join("ring")
    }

    /// The file of a root key that is kept in one.
    fn root_key_path(&self, source: &RootKeySource) -> Option<PathBuf> {
        match source {
            RootKeySource::Inside => Some(self.inside_root_key_path()),
            RootKeySource::File(path) => Some(path.clone()),
            RootKeySource::AwsKms(key) => Some(self.wrapped_root_key_path(key)),
            RootKeySource::Credential(_) | RootKeySource::Env(_) => None,
        }
    }

    /// The file of a root key that this key of the key management service has wrapped.
    fn wrapped_root_key_path(&self, key: &KeyArn) -> PathBuf {
        self.keys_dir().join(key.file_name())
    }

    fn inside_root_key_path(&self) -> PathBuf {
        self.keys_dir().join("root.key")
    }

    /// The home, its parts and every key: this user's, and no bit for group or others. A closed home directory would
    /// do, but permissions are lost one `chmod -R` or one careless copy at a time.
    fn check_permissions(&self) -> Result<(), HomeError> {
        let parts =
            [self.dir.clone(), self.keys_dir(), self.run_dir(), self.audit_dir(), self.registry_dir()];
        for dir in parts.iter().chain([&self.data_dir()]) {
            files::check_private(dir)?;
        }
        for path in [self.store_path(), self.reviews_path(), self.config_path()] {
            match files::check_private(&path) {
                Err(HomeError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                checked => checked?,
            }
        }
        let keys = self.keys_dir();
        let entries = fs::read_dir(&keys).map_err(|source| HomeError::io(&keys, source))?;
        for entry in entries {
            files::check_private(&entry.map_err(|source| HomeError::io(&keys, source))?.path())?;
        }
        Ok(())
    }
}

fn read_id(dir: &Path) -> Result<HomeId, HomeError> {
    let missing = || HomeError::Missing { dir: dir.to_owned() };
    let text = files::read_bounded(&dir.join("home.id"), 128).map_err(|_| missing())?;
    let text = std::str::from_utf8(&text).map_err(|_| missing())?;
    match text.trim_end().split_once(' ') {
        Some((LAYOUT, id)) => id.parse().map_err(|()| missing()),
        Some((layout, _)) if layout.starts_with("mantlet-home/") => {
            Err(HomeError::Newer { dir: dir.to_owned() })
        }
        _ => Err(missing()),
    }
}
