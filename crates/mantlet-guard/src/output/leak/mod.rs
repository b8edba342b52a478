//! Canaries and system prompts in an answer, however they are written.

use super::{rules::BadRule, stream::Stopped};

/// What must not be said. Only hashes and folded canaries are kept.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    canaries: Vec<Vec<u8>>,
}

impl Secrets {
    pub(crate) fn add_canary(&mut self, canary: &str) -> Result<(), BadRule> {
        let folded: Vec<u8> = canary.chars().filter_map(fold).collect();
        if !(12..=128).contains(&folded.len()) {
            return Err(BadRule::Canary);
        }
        self.canaries.push(folded);
        Ok(())
    }

    pub(crate) fn add_prompt(&mut self, prompt: &str) {
        let folded: Vec<u8> = prompt.chars().filter_map(fold).collect();
        if folded.len() >= 32 {
            self.canaries.push(folded);
        }
    }
}

/// Lower case of letters and digits of ASCII.
fn fold(character: char) -> Option<u8> {
    let byte = u8::try_from(character).ok()?;
    byte.is_ascii_alphanumeric().then(|| byte.to_ascii_lowercase())
}

/// What was heard of the secrets in one answer.
#[derive(Debug)]
pub(crate) struct Watch {
    tail: Vec<u8>,
    length: usize,
    held: usize,
}

impl Watch {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        let length = secrets.canaries.iter().map(Vec::len).max().unwrap_or_default();
        Self { tail: Vec::new(), length, held: if length == 0 { 0 } else { 192 } }
    }

    /// Hears a piece. On a leak, how many of its bytes came before the character that completed it.
    pub(crate) fn push(&mut self, secrets: &Secrets, piece: &str) -> Result<(), (Stopped, usize)> {
        if self.length == 0 {
            return Ok(());
        }
        for (index, character) in piece.char_indices() {
            let Some(byte) = fold(character) else { continue };
            self.tail.push(byte);
            if secrets.canaries.iter().any(|canary| self.tail.ends_with(canary)) {
                return Err((Stopped { code: "canary" }, index));
            }
            if self.tail.len() > 2 * self.length {
                self.tail.drain(..self.length);
            }
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, _secrets: &Secrets) -> Option<Stopped> {
        None
    }

    /// How many of the bytes that were heard must not leave yet.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held
    }
}
