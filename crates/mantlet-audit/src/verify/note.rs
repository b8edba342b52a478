//! Keys and signed checkpoints, read from c2sp.org/signed-note and c2sp.org/tlog-checkpoint.

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ED25519, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// A log's public key and name.
pub(super) struct PublicKey {
    origin: String,
    hash: [u8; 4],
    point: Vec<u8>,
}

impl PublicKey {
    /// Reads `origin+hash+key`.
    pub(super) fn parse(vkey: &str) -> Option<Self> {
        // The key is base64, which may itself contain plus signs; the first two separate.
        let (origin, rest) = vkey.split_once('+')?;
        let (hex, key) = rest.split_once('+')?;
        let key = STANDARD.decode(key).ok()?;
        let (algorithm, point) = key.split_first()?;
        let mut hashed = origin.as_bytes().to_vec();
        hashed.push(b'\n');
        hashed.extend_from_slice(&key);
        let digest = digest(&SHA256, &hashed);
        let hash: [u8; 4] = digest.as_ref().get(..4)?.try_into().ok()?;
        let written: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let named = !origin.is_empty() && !origin.contains(|c: char| c.is_whitespace() || c.is_control());
        let sound = named && *algorithm == 1 && point.len() == 32 && written == hex;
        sound.then(|| Self { origin: origin.to_owned(), hash, point: point.to_vec() })
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether this key signed the text: one of the lines names it, and every line that does holds.
    fn signed(&self, text: &str, signatures: &str) -> Result<(), &'static str> {
        let mut holds = false;
        for line in signatures.split_terminator('\n') {
            let [dash, name, blob] = line.split(' ').collect::<Vec<_>>()[..] else {
                return Err("a signature line is malformed");
            };
            let blob = STANDARD.decode(blob).map_err(|_| "a signature line is malformed")?;
            if dash != "\u{2014}" || blob.len() < 5 {
                return Err("a signature line is malformed");
            }
            if name == self.origin && blob[..4] == self.hash {
                let key = UnparsedPublicKey::new(&ED25519, &self.point);
                key.verify(text.as_bytes(), &blob[4..]).map_err(|_| "invalid signature")?;
                holds = true;
            }
        }
        if holds { Ok(()) } else { Err("not signed by the key") }
    }
}

/// A size and root that the key has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SignedTree {
    pub(super) size: u64,
    pub(super) root: [u8; 32],
}

impl SignedTree {
    pub(super) fn open(note: &[u8], key: &PublicKey) -> Result<Self, &'static str> {
        let note = std::str::from_utf8(note).map_err(|_| "not text")?;
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') || !note.ends_with('\n') {
            return Err("not a signed note");
        }
        let (body, signatures) = note.rsplit_once("\n\n").ok_or("not a signed note")?;
        let text = format!("{body}\n");
        key.signed(&text, signatures)?;
        let mut lines = body.split('\n');
        if lines.next() != Some(&key.origin) {
            return Err("of another origin");
        }
        let size = lines.next().ok_or("without a size")?;
        let root = lines.next().ok_or("without a root")?;
        let digits = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || size.len() > 1 && size.starts_with('0') {
            return Err("without a size");
        }
        let size = size.parse().map_err(|_| "without a size")?;
        let root = STANDARD.decode(root).map_err(|_| "without a root")?;
        Ok(Self { size, root: root.try_into().map_err(|_| "without a root")? })
    }
}
