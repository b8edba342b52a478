//! Checkpoints (c2sp.org/tlog-checkpoint): the size and root of the tree, as a signed note.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    merkle::Hash,
    note::{NoteError, SigningKey, VerifierKey},
};

/// How many entries the log has and what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number of entries.
    pub size: u64,
    /// Root of the Merkle tree over them.
    pub root: Hash,
}

/// Why a text is not a checkpoint of this log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note was not opened.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text in the note is not a checkpoint.
    #[error("not a checkpoint")]
    Malformed,
    /// It is another log's.
    #[error("the checkpoint is of another log")]
    Origin,
}

impl Checkpoint {
    /// The signed note.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        key.sign(&format!("{}\n{}\n{}\n", key.name(), self.size, STANDARD.encode(self.root)))
    }

    /// Opens a signed note; extension lines are passed over.
    ///
    /// # Errors
    /// If the note is not this key's or its text is no checkpoint of this origin.
    pub fn open(note: &[u8], key: &VerifierKey) -> Result<Self, CheckpointError> {
        let note = std::str::from_utf8(note).map_err(|_| CheckpointError::Malformed)?;
        let mut lines = key.open(note)?.lines();
        if lines.next() != Some(key.name()) {
            return Err(CheckpointError::Origin);
        }
        let size = lines.next().and_then(canonical_number).ok_or(CheckpointError::Malformed)?;
        let root = lines.next().and_then(|text| STANDARD.decode(text).ok());
        let root = root.and_then(|root| root.try_into().ok()).ok_or(CheckpointError::Malformed)?;
        Ok(Self { size, root })
    }
}

/// A decimal number without sign or leading zeros.
pub(crate) fn canonical_number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_others() {
        let key = SigningKey::from_seed("log.example/a", &[1; 32]).unwrap();
        let checkpoint = Checkpoint { size: 70_000, root: [9; 32] };
        let note = checkpoint.sign(&key);
        assert_eq!(Checkpoint::open(note.as_bytes(), &key.verifier()), Ok(checkpoint));
        let foreign = key.sign("log.example/b\n0\nAAAA\n");
        assert_eq!(Checkpoint::open(foreign.as_bytes(), &key.verifier()), Err(CheckpointError::Origin));
        for body in ["log.example/a\n01\n", "log.example/a\n1\nAAAA\n", "log.example/a\n"] {
            let note = key.sign(body);
            let opened = Checkpoint::open(note.as_bytes(), &key.verifier());
            assert_eq!(opened, Err(CheckpointError::Malformed), "{body}");
        }
    }
}
