//! The root key: wraps everything at rest, and exists in memory only as what is derived from it.
//!
//! It opens the home's keys (`ring.rs`), or is the only one. Each purpose has a key of its own, by HKDF-SHA256 (RFC 5869)
//! from the newest of them with the home's id as salt and the purpose as info, so that no key ever serves two uses and no
//! two homes share one. While the root key is being replaced, former keys open what they sealed.

mod source;

use std::{
    ffi::OsString,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
};
use mantlet_models::registry::RegistryKey;
use mantlet_store::{ReviewKey, StoreError, StoreKey};
use zeroize::Zeroizing;

pub use self::source::{RootKeySource, RootKeySourceError};
use super::{
    Home, HomeError, HomeId, files,
    ring::{Ring, Secret},
};
use crate::kms::{self, KeyArn, KmsError};

/// Why there is no root key.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "fields name the file or variable that the sentence is about")]
pub enum RootKeyError {
    /// No file.
    #[error("the root key `{}` cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// Others can read it.
    #[error("the root key's permissions are too wide: {0}")]
    Open(Box<HomeError>),
    /// Not 64 hexadecimal characters.
    #[error("`{place}` does not hold a root key")]
    Malformed { place: String },
    /// Not set.
    #[error("the environment variable `{name}` is not set")]
    NoVariable { name: String },
    /// It is not the one that opens the home's keys.
    #[error(transparent)]
    Ring(Box<HomeError>),
    /// The key management service does not open it.
    #[error("the root key stays wrapped: {0}")]
    Kms(#[from] KmsError),
    /// Not started by systemd, or without the credential.
    #[error("systemd has passed no credentials (`$CREDENTIALS_DIRECTORY` is not set)")]
    NoCredentials,
}

impl RootKeyError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } => {
                Some("without the root key a home cannot be read: restore the key from its backup".into())
            }
            Self::Open(error) | Self::Ring(error) => error.hint(),
            Self::Malformed { .. } => Some("a root key is 64 hexadecimal characters".into()),
            Self::NoVariable { name } => {
                Some(format!("set `{name}` to the 64 hexadecimal characters of the key"))
            }
            Self::Kms(error) => error.hint(),
            Self::NoCredentials => Some("add `LoadCredential=` to the unit, or name a file".into()),
        }
    }
}

/// The keys of one home as its root key opened them, ready to derive from: the newest, and those before it.
pub struct RootKey {
    newest: Prk,
    former: Vec<Prk>,
    replaced: u64,
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(…)")
    }
}

/// A derived key's length.
pub(super) struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

impl RootKey {
    /// From the home's keys, the newest first, and how often the root key has been replaced; `None` if there are none.
    pub(super) fn of(keys: &[Secret], replaced: u64, home: &HomeId) -> Option<Self> {
        let prk = |key: &Secret| Salt::new(HKDF_SHA256, home.as_str().as_bytes()).extract(key.as_slice());
        let (newest, former) = keys.split_first()?;
        Some(Self { newest: prk(newest), former: former.iter().map(prk).collect(), replaced })
    }

    /// How often the root key has been replaced, as the log is to know it: this only grows.
    #[must_use]
    pub const fn replaced(&self) -> u64 {
        self.replaced
    }

    pub(super) fn fetch(
        source: &RootKeySource,
        home: &Home,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, RootKeyError> {
        let ring = Ring::open(home, &secret(source, home, &env)?);
        let content = ring.map_err(|error| RootKeyError::Ring(Box::new(error)))?.content;
        let (keys, replaced) = (content.keys, content.completed);
        // A former key is believed by whoever takes it away and by nobody else: a ring that was put back would bring it
        // back.
        if keys.len() > 1 {
            return Err(RootKeyError::Ring(Box::new(HomeError::Resealing)));
        }
        Self::of(&keys, replaced, home.id())
            .ok_or_else(|| RootKeyError::Malformed { place: source.to_string() })
    }

    /// The key of the store's sealed columns.
    ///
    /// # Errors
    /// If the cryptographic provider fails.
    pub fn store_key(&self) -> Result<StoreKey, StoreError> {
        StoreKey::new(&self.derive("store").ok_or(StoreError::Provider)?)
    }

    /// The keys that the store may be sealed under, the newest first.
    ///
    /// # Errors
    /// If the cryptographic provider fails.
    pub fn store_keys(&self) -> Result<Vec<StoreKey>, StoreError> {
        self.derive_all("store").ok_or(StoreError::Provider)?.iter().map(StoreKey::new).collect()
    }

    /// What the keys that sign URLs are derived from: the newest key's alone, so that a new root key voids what was signed under
    /// the old one. `None` if the cryptographic provider fails.
    #[must_use]
    pub fn url_secret(&self) -> Option<Zeroizing<[u8; 32]>> {
        self.derive("urls")
    }

    /// What pseudonyms of texts and tenants are made with. `None` if the cryptographic provider fails.
    #[must_use]
    pub fn pseudonym_secret(&self) -> Option<Zeroizing<[u8; 32]>> {
        self.derive("pseudonyms")
    }

    /// The key of packages at rest; `None` if the cryptographic provider fails.
    #[must_use]
    pub fn registry_key(&self) -> Option<RegistryKey> {
        let mut keys = self.derive_all("registry")?.into_iter();
        let newest = RegistryKey::new(keys.next()?);
        Some(keys.fold(newest, RegistryKey::after))
    }

    /// The keys that held answers may be sealed under, the newest first.
    ///
    /// # Errors
    /// If the cryptographic provider fails.
    pub fn review_keys(&self) -> Result<Vec<ReviewKey>, StoreError> {
        self.derive_all("reviews").ok_or(StoreError::Provider)?.iter().map(ReviewKey::new).collect()
    }

    /// Seals a small file under its name.
    pub(super) fn seal(&self, name: &str, secret: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).ok()?;
        // In one piece of memory, so that no plain bytes stay behind where it grew.
        let before = MAGIC.len() + NONCE_LEN;
        let mut sealed = Vec::with_capacity(before + secret.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(MAGIC);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(secret);
        let (_, body) = sealed.split_at_mut_checked(before)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = file_key(&self.newest)?.seal_in_place_separate_tag(nonce, Aad::from(name), body).ok()?;
        sealed.extend_from_slice(tag.as_ref());
        Some(sealed)
    }

    /// Opens what was sealed under this name, by the newest key or by one before it.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.strip_prefix(MAGIC)?.split_first_chunk::<NONCE_LEN>()?;
        self.all().find_map(|prk| {
            let mut secret = Zeroizing::new(ciphertext.to_vec());
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let length = file_key(prk)?.open_in_place(nonce, Aad::from(name), &mut secret).ok()?.len();
            secret.truncate(length);
            Some(secret)
        })
    }

    /// The key of this purpose, from the newest key.
    fn derive(&self, purpose: &str) -> Option<Zeroizing<[u8; 32]>> {
        derive(&self.newest, purpose)
    }

    /// The keys of this purpose, the newest first: what is kept for long may be sealed under any of them.
    fn derive_all(&self, purpose: &str) -> Option<Vec<Zeroizing<[u8; 32]>>> {
        self.all().map(|prk| derive(prk, purpose)).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Prk> {
        std::iter::once(&self.newest).chain(&self.former)
    }
}

fn derive(prk: &Prk, purpose: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    let info = ["mantlet/1 ".as_bytes(), purpose.as_bytes()];
    prk.expand(&info, Bytes32).ok()?.fill(key.as_mut_slice()).ok()?;
    Some(key)
}

fn file_key(prk: &Prk) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, derive(prk, "file")?.as_slice()).ok().map(LessSafeKey::new)
}

/// Fetches the root key itself.
pub(super) fn secret(
    source: &RootKeySource,
    home: &Home,
    env: &impl Fn(&str) -> Option<OsString>,
) -> Result<Secret, RootKeyError> {
    let text = match source {
        RootKeySource::Inside => read_private(&home.inside_root_key_path())?,
        RootKeySource::File(path) => read_private(path)?,
        // systemd's own directory: nobody but the service can reach it, whatever its modes say.
        RootKeySource::Credential(name) => {
            let dir = env("CREDENTIALS_DIRECTORY").ok_or(RootKeyError::NoCredentials)?;
            read(&Path::new(&dir).join(name))?
        }
        RootKeySource::AwsKms(key) => return unwrap(key, home, &home.wrapped_root_key_path(key), env),
        RootKeySource::Env(name) => {
            let value = env(name).ok_or_else(|| RootKeyError::NoVariable { name: name.clone() })?;
            Zeroizing::new(value.into_encoded_bytes())
        }
    };
    parse(&text).ok_or_else(|| RootKeyError::Malformed { place: source.to_string() })
}

/// Opens a root key that the key management service has wrapped.
fn unwrap(
    key: &KeyArn,
    home: &Home,
    path: &Path,
    env: &impl Fn(&str) -> Option<OsString>,
) -> Result<Secret, RootKeyError> {
    let text = |name: &str| env(name).and_then(|value| value.into_string().ok());
    Ok(kms::unwrap(key, home.id().as_str(), &read_private(path)?, &text)?)
}

/// Reads a root key that waits in a file until it takes its place.
pub(super) fn read_secret(
    home: &Home,
    source: &RootKeySource,
    path: &Path,
    env: &impl Fn(&str) -> Option<OsString>,
) -> Result<Secret, RootKeyError> {
    if let RootKeySource::AwsKms(key) = source {
        return unwrap(key, home, path, env);
    }
    parse(&read_private(path)?).ok_or_else(|| RootKeyError::Malformed { place: path.display().to_string() })
}

/// Makes a root key, and the file that it is kept in, where there was none: whole and on the disk, or not there.
///
/// # Errors
/// If there is anything of that name, a link that leads nowhere included: it may be the key of something else.
pub(super) fn make_secret(
    home: &Home,
    source: &RootKeySource,
    path: &Path,
    env: &impl Fn(&str) -> Option<OsString>,
) -> Result<Secret, HomeError> {
    let (secret, text) = generate(home, source, env)?;
    files::make_parents(path)?;
    files::make_whole(path, text.as_bytes())?;
    Ok(secret)
}

/// The same in a place that is ours alone, where an earlier attempt may have left something.
pub(super) fn replace_secret(
    home: &Home,
    source: &RootKeySource,
    path: &Path,
    env: &impl Fn(&str) -> Option<OsString>,
) -> Result<Secret, HomeError> {
    let (secret, text) = generate(home, source, env)?;
    files::replace(path, text.as_bytes())?;
    Ok(secret)
}

/// A random key, and the text that holds it where this source keeps it.
fn generate(
    home: &Home,
    source: &RootKeySource,
    env: &impl Fn(&str) -> Option<OsString>,
) -> Result<(Secret, Zeroizing<String>), HomeError> {
    let mut bytes: Secret = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| HomeError::Provider)?;
    if let RootKeySource::AwsKms(key) = source {
        let text = |name: &str| env(name).and_then(|value| value.into_string().ok());
        let wrapped = kms::wrap(key, home.id().as_str(), &bytes, &text).map_err(RootKeyError::from)?;
        return Ok((bytes, Zeroizing::new(wrapped)));
    }
    let mut text = bytes.iter().fold(Zeroizing::new(String::with_capacity(65)), |mut text, byte| {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or_default());
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or_default());
        text
    });
    text.push('\n');
    Ok((bytes, text))
}

/// Begins every sealed file, so that people and scanners see what it is.
pub(super) const MAGIC: &[u8; 17] = b"mantlet-sealed/1\n";

/// 64 hexadecimal characters, with white space around.
fn parse(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let digits = text.trim_ascii();
    let mut bytes = Zeroizing::new([0; 32]);
    if digits.len() != 64 {
        return None;
    }
    for (slot, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *slot = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    Some(bytes)
}

fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, RootKeyError> {
    files::check_private(path).map_err(|error| match error {
        HomeError::Io { path, source } => RootKeyError::Unreadable { path, source },
        error => RootKeyError::Open(Box::new(error)),
    })?;
    read(path)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, RootKeyError> {
    let unreadable = |source| RootKeyError::Unreadable { path: path.to_owned(), source };
    let regular = fs::metadata(path).map_err(unreadable)?.is_file();
    if !regular {
        return Err(unreadable(io::Error::from(io::ErrorKind::InvalidInput)));
    }
    files::read_bounded(path, 4096).map_err(unreadable)
}
