//! API keys: `mtk_<env>_<kid>_<secret><crc>`.
//!
//! The key id finds the key and may be logged. The secret has 256 bits, so what is kept of it needs no slow hash:
//! HMAC-SHA256 under a pepper that the store does not hold in the clear. The checksum is no security; it lets
//! scanners and the gate tell a key from noise without asking anybody. A secret is shown once, when it is made;
//! its type has neither `Debug` nor `Serialize`, so that no log line and no reply can carry it by accident.

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::{hmac, rand};
use mantlet_types::Kid;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Length of a key's secret in characters: 43 × log2(62) ≥ 256 bits.
const SECRET_LENGTH: usize = 43;

/// Length of a key's id in characters.
const KID_LENGTH: usize = 12;

/// Length of the checksum in characters: 62^6 > 2^32.
const CRC_LENGTH: usize = 6;

/// Where the parts of a key begin; both environments have names of four letters, so all keys are equally long.
const KID_AT: usize = "mtk_live_".len();
const SECRET_AT: usize = KID_AT + KID_LENGTH + "_".len();
const CRC_AT: usize = SECRET_AT + SECRET_LENGTH;

/// Length of a key in bytes.
pub const KEY_LENGTH: usize = CRC_AT + CRC_LENGTH;

/// Digits in the order of their values.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a key is for, for the eyes of people and scanners. It has no influence on what the key may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Env {
    /// Real use.
    #[default]
    Live,
    /// Demonstrations and tests.
    Test,
}

impl Env {
    /// `live` or `test`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// The text is not an API key. The text is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It does not look like one.
    #[error("not an api key")]
    Form,
    /// It looks like one, but its checksum says that a character is wrong.
    #[error("the api key's checksum is wrong")]
    Checksum,
}

/// A well-formed key as somebody presented it. Whether it is anybody's key is another question.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// What it says it is for.
    pub env: Env,
    /// Its id.
    pub kid: Kid,
    secret: &'a [u8],
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Reads a key. Allocates nothing, and looks at no text of another length than a key's.
///
/// # Errors
/// If the text is not exactly a key.
pub fn parse(text: &str) -> Result<Presented<'_>, KeyError> {
    let bytes: &[u8; KEY_LENGTH] = text.as_bytes().try_into().map_err(|_| KeyError::Form)?;
    let env = match &bytes[..KID_AT] {
        b"mtk_live_" => Env::Live,
        b"mtk_test_" => Env::Test,
        _ => return Err(KeyError::Form),
    };
    let secret = &bytes[SECRET_AT..CRC_AT];
    let plain = bytes[SECRET_AT - 1] == b'_' && bytes[SECRET_AT..].iter().all(u8::is_ascii_alphanumeric);
    if !plain {
        return Err(KeyError::Form);
    }
    // The separator and everything after it are ASCII, so the id ends at a character's boundary or is none.
    let kid = text.get(KID_AT..KID_AT + KID_LENGTH).ok_or(KeyError::Form)?;
    let kid = kid.parse().map_err(|_| KeyError::Form)?;
    if bytes[CRC_AT..] != checksum(&bytes[..CRC_AT]) {
        return Err(KeyError::Checksum);
    }
    Ok(Presented { env, kid, secret })
}

/// CRC-32 (IEEE 802.3) in base 62, most significant digit first, padded with zeros.
fn checksum(bytes: &[u8]) -> [u8; CRC_LENGTH] {
    let mut rest = crc32fast::hash(bytes) as usize;
    let mut digits = [0; CRC_LENGTH];
    for slot in digits.iter_mut().rev() {
        *slot = BASE62[rest % BASE62.len()];
        rest /= BASE62.len();
    }
    digits
}

/// A key as its owner gets it, once. Wiped from memory when it goes.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Gives the text away, for the one reply that shows it.
    #[must_use]
    pub fn reveal(mut self) -> Zeroizing<String> {
        Zeroizing::new(std::mem::take(&mut self.0))
    }
}

/// A new key: what its owner gets, and what is kept of it.
pub struct Minted {
    /// The key's id.
    pub kid: Kid,
    /// What the owner gets.
    pub secret: Secret,
    /// HMAC-SHA256(pepper, secret).
    pub hmac: [u8; 32],
    /// Which pepper.
    pub pepper_version: u32,
}

/// A key could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The system gave no random bytes.
    #[error("the system's random number generator failed")]
    Entropy,
    /// There is nothing to hash the secret with.
    #[error("there is no pepper")]
    Pepper,
}

/// Draws a key's id.
///
/// # Errors
/// If there is no randomness.
pub fn new_kid() -> Result<Kid, MintError> {
    let mut text = String::with_capacity(KID_LENGTH);
    push_random(&mut text, KID_LENGTH)?;
    text.parse().map_err(|_| MintError::Entropy)
}

/// Makes a key under the current pepper.
///
/// # Errors
/// If there is no randomness or no pepper.
pub fn mint(env: Env, peppers: &Peppers) -> Result<Minted, MintError> {
    mint_as(new_kid()?, env, peppers)
}

/// Makes a key of an id drawn before, so that the intent to make it could name it.
///
/// # Errors
/// If there is no randomness or no pepper.
pub fn mint_as(kid: Kid, env: Env, peppers: &Peppers) -> Result<Minted, MintError> {
    // As large as it will get: growing would leave copies of the secret behind.
    let mut text = String::with_capacity(KEY_LENGTH);
    for part in ["mtk_", env.as_str(), "_", kid.as_str(), "_"] {
        text.push_str(part);
    }
    push_random(&mut text, SECRET_LENGTH)?;
    for digit in checksum(text.as_bytes()) {
        text.push(char::from(digit));
    }
    let secret = Secret(text);
    let presented = parse(&secret.0).map_err(|_| MintError::Entropy)?;
    let (pepper_version, hmac) = peppers.hash(&presented).ok_or(MintError::Pepper)?;
    Ok(Minted { kid, secret, hmac, pepper_version })
}

/// Appends uniformly random base 62 digits. 256 is no multiple of 62, so bytes from 4 × 62 on are thrown away:
/// reducing them too would favor the first digits.
fn push_random(text: &mut String, length: usize) -> Result<(), MintError> {
    const FAIR: u8 = 4 * 62;
    let end = text.len() + length;
    let mut bytes = Zeroizing::new([0_u8; 64]);
    while text.len() < end {
        rand::fill(bytes.as_mut_slice()).map_err(|_| MintError::Entropy)?;
        let digits = bytes.iter().filter(|byte| **byte < FAIR).map(|byte| BASE62[usize::from(byte % 62)]);
        text.extend(digits.take(end - text.len()).map(char::from));
    }
    Ok(())
}

/// The secrets that turn a key's secret into what the directory keeps, by version. The newest one is for new keys,
/// older ones verify the keys that were made under them.
#[derive(Default)]
pub struct Peppers {
    // Kept as prepared HMAC keys: each check saves the two compressions that the padded key costs.
    by_version: BTreeMap<u32, hmac::Key>,
}

impl Peppers {
    /// Peppers with a first one.
    #[must_use]
    pub fn new(version: u32, bytes: &[u8; 32]) -> Self {
        let mut peppers = Self::default();
        peppers.add(version, bytes);
        peppers
    }

    /// Adds a pepper, or replaces the one of the same version. The bytes are the caller's to wipe.
    pub fn add(&mut self, version: u32, bytes: &[u8; 32]) {
        self.by_version.insert(version, hmac::Key::new(hmac::HMAC_SHA256, bytes));
    }

    /// The version that new keys are made under; `None` without any pepper.
    #[must_use]
    pub fn current(&self) -> Option<u32> {
        self.by_version.last_key_value().map(|(version, _)| *version)
    }

    /// What is kept of a key under the current pepper.
    fn hash(&self, presented: &Presented<'_>) -> Option<(u32, [u8; 32])> {
        let (version, pepper) = self.by_version.last_key_value()?;
        let tag = hmac::sign(pepper, presented.secret);
        Some((*version, tag.as_ref().try_into().ok()?))
    }

    /// Whether a presented secret is the one that is kept as `(pepper version, hmac)`. For a key that nobody knows
    /// (`None`) or whose pepper is gone, the same work is done and the answer is no: how long an answer takes does
    /// not tell which ids exist.
    #[must_use]
    pub fn verify(&self, presented: &Presented<'_>, kept: Option<(u32, &[u8; 32])>) -> bool {
        const NOBODY: [u8; 32] = [0; 32];
        let known = kept.and_then(|(version, hmac)| Some((self.by_version.get(&version)?, hmac)));
        let dummy = || self.by_version.last_key_value().map(|(_, pepper)| (pepper, &NOBODY));
        let Some((pepper, hmac)) = known.or_else(dummy) else { return false };
        let equal = hmac::verify(pepper, presented.secret, hmac).is_ok(); // compares in constant time
        equal && known.is_some()
    }
}

impl fmt::Debug for Peppers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_version.keys()).finish()
    }
}

#[cfg(test)]
mod tests;
