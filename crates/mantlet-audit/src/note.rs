//! Signed notes (c2sp.org/signed-note) with Ed25519: a text, a blank line, signatures.
//!
//! Knows how to sign and open a note, and how keys are written; not what the text means.

use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
use aws_lc_rs::{
    digest::{SHA256, digest},
    hkdf, rand,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// The algorithm byte of Ed25519 in keys and key ids.
const ED25519_ID: u8 = 1;

/// Signatures looked at in one note: room for a log and its witnesses, and a bound on a verifier's work.
const SIGNATURES_MAX: usize = 100;

/// A key could not be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Key names stand in signature lines between spaces.
    #[error("a key name is not empty and has neither space, `+` nor control characters")]
    Name,
    /// Not `name+hash+key`, or the hash is of another key.
    #[error("a verifier key is written as `name+hash+key`")]
    Encoding,
    /// The system's randomness or the cryptographic library failed.
    #[error("the cryptographic library failed")]
    Crypto,
}

/// Why a note was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is not a signed note.
    #[error("not a signed note")]
    Malformed,
    /// No line is signed by this key.
    #[error("no signature by the expected key")]
    Unsigned,
    /// A line claims to be by this key and is not.
    #[error("invalid signature")]
    Signature,
}

fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// SHA-256(name ‖ newline ‖ algorithm ‖ key), first four bytes.
fn key_id(name: &str, public: &[u8]) -> [u8; 4] {
    let hash = digest(&SHA256, &[name.as_bytes(), b"\n", &[ED25519_ID], public].concat());
    let mut id = [0; 4];
    id.copy_from_slice(&hash.as_ref()[..4]);
    id
}

/// Ends the text of a note: where the blank line before the signatures is.
fn split(note: &str) -> Result<(&str, &str), NoteError> {
    let at = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
    let (text, signatures) = (&note[..=at], &note[at + 2..]);
    // The standard's control characters are those below space: U+007F is none of them.
    let control = note.chars().any(|c| c < ' ' && c != '\n');
    if control || signatures.is_empty() || !signatures.ends_with('\n') {
        return Err(NoteError::Malformed);
    }
    Ok((text, signatures))
}

/// A log's private key with its name, which is the log's origin. Neither printed nor serialized.
pub struct SigningKey {
    name: String,
    pair: Ed25519KeyPair,
    id: [u8; 4],
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.name)
    }
}

impl SigningKey {
    /// From 32 secret bytes.
    ///
    /// # Errors
    /// If the name cannot name a key.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Crypto)?;
        let id = key_id(name, pair.public_key().as_ref());
        Ok(Self { name: name.to_owned(), pair, id })
    }

    /// 32 fresh secret bytes for [`Self::from_seed`]; the caller keeps them and wipes its copy.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn generate_seed() -> Result<[u8; 32], KeyError> {
        let mut seed = [0; 32];
        rand::fill(&mut seed).map_err(|_| KeyError::Crypto)?;
        Ok(seed)
    }

    /// The key's name: the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        let mut public = [0; 32];
        public.copy_from_slice(self.pair.public_key().as_ref());
        VerifierKey { name: self.name.clone(), public, id: self.id }
    }

    /// Signs a text of whole lines.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        let signature = self.pair.sign(text.as_bytes());
        let blob = STANDARD.encode([&self.id, signature.as_ref()].concat());
        format!("{text}\n— {} {blob}\n", self.name)
    }

    /// Another secret for a purpose, by HKDF-SHA256 (RFC 5869) from the seed.
    pub(crate) fn derive(&self, purpose: &str) -> Result<[u8; 32], KeyError> {
        let seed = self
            .pair
            .seed()
            .and_then(|seed| AsBigEndian::<Curve25519SeedBin<'_>>::as_be_bytes(&seed))
            .map_err(|_| KeyError::Crypto)?;
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(seed.as_ref());
        let (info, mut secret) = ([purpose.as_bytes()], [0; 32]);
        let okm = prk.expand(&info, hkdf::HKDF_SHA256).map_err(|_| KeyError::Crypto)?;
        okm.fill(&mut secret).map_err(|_| KeyError::Crypto)?;
        Ok(secret)
    }
}

/// A log's public key with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
    id: [u8; 4],
}

impl VerifierKey {
    /// The key's name: the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of a note signed by this key. Signatures by others, such as witnesses, are passed over.
    ///
    /// # Errors
    /// If the note is malformed, not signed by this key, or wrongly so.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let (text, signatures) = split(note)?;
        let mut opened = Err(NoteError::Unsigned);
        for (number, line) in signatures.lines().enumerate() {
            let (name, blob) =
                line.strip_prefix("— ").and_then(|line| line.split_once(' ')).ok_or(NoteError::Malformed)?;
            let blob = STANDARD.decode(blob).map_err(|_| NoteError::Malformed)?;
            let (id, signature) = blob.split_at_checked(4).ok_or(NoteError::Malformed)?;
            if number >= SIGNATURES_MAX || !is_key_name(name) || signature.is_empty() {
                return Err(NoteError::Malformed);
            }
            if name == self.name && id == self.id {
                let key = UnparsedPublicKey::new(&ED25519, self.public);
                key.verify(text.as_bytes(), signature).map_err(|_| NoteError::Signature)?;
                opened = Ok(text);
            }
        }
        opened
    }
}

impl std::fmt::Display for VerifierKey {
    /// `name+hash+key`, as c2sp.org/signed-note writes keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = STANDARD.encode([&[ED25519_ID][..], &self.public].concat());
        write!(f, "{}+{:08x}+{key}", self.name, u32::from_be_bytes(self.id))
    }
}

impl std::str::FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Encoding);
        };
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        let key = STANDARD.decode(key).map_err(|_| KeyError::Encoding)?;
        let (&[ED25519_ID], Ok(public)) =
            (key.get(..1).unwrap_or_default(), key.get(1..).unwrap_or_default().try_into())
        else {
            return Err(KeyError::Encoding);
        };
        let verifier = Self { name: name.to_owned(), public, id: key_id(name, &key[1..]) };
        if verifier.to_string() == text && hash.len() == 8 { Ok(verifier) } else { Err(KeyError::Encoding) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // From the documentation of golang.org/x/mod/sumdb/note.
    const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn opens_a_foreign_note() {
        let key: VerifierKey = VKEY.parse().unwrap();
        assert_eq!(key.to_string(), VKEY);
        assert!(key.open(NOTE).unwrap().ends_with("your problem is.\n"));
        assert_eq!(key.open(&NOTE.replace("answer", "Answer")), Err(NoteError::Signature));
        assert_eq!(key.open(&NOTE.replace("— Peter", "— Paul")), Err(NoteError::Unsigned));
        assert_eq!(key.open(&NOTE.replace('\n', "\r\n")), Err(NoteError::Malformed));
    }

    #[test]
    fn own_notes_open_with_the_own_key_alone() {
        let key = SigningKey::from_seed("log.example/node-1", &[7; 32]).unwrap();
        let other = SigningKey::from_seed("log.example/node-1", &[8; 32]).unwrap();
        let note = key.sign("a\nb\n");
        assert_eq!(key.verifier().open(&note).unwrap(), "a\nb\n");
        assert_eq!(other.verifier().open(&note), Err(NoteError::Unsigned));
        assert_eq!(key.verifier().to_string().parse(), Ok(key.verifier()));
    }

    #[test]
    fn bad_names_and_keys_are_refused() {
        for name in ["", "a b", "a+b", "a\n"] {
            assert_eq!(SigningKey::from_seed(name, &[0; 32]).unwrap_err(), KeyError::Name);
        }
        for key in ["", "a", "a+b", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"] {
            assert!(key.parse::<VerifierKey>().is_err(), "{key}");
        }
    }
}
