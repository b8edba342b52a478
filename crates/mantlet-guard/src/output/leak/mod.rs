//! Canaries and system prompts in an answer, however they are written: in any case, spaced, with invisible characters or
//! look-alikes, backwards, rotated by thirteen, in base64 at any alignment or hexadecimal, and two of these at once.
//!
//! Every view of the answer is hashed at every symbol by a rolling hash and looked up among the windows of what must not
//! be said, so it does not matter where in an answer a piece begins. A prompt in other words is not recognized.

mod decode;
mod ear;
mod fold;
mod index;

pub use index::Secrets;

use decode::Decoders;
use ear::Ear;
use fold::Folder;

use super::stream::Stopped;

/// How many bytes are held back while nothing was heard: what a canary takes up, spelled in hexadecimal.
const HELD: usize = 192;

/// How many bytes are held back once a piece of a prompt was heard. With a character more it stays below
/// [`super::HELD_BYTES_MAX`].
const HELD_WARM: usize = 480;

/// What a view has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Heard {
    Nothing,
    /// A piece of a prompt, too little to be a leak.
    Warm,
    /// A leak, and which.
    Leak(&'static str),
}

/// What was heard of the secrets in one answer.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Nothing at all if there is nothing to look for.
    views: Option<Box<Views>>,
    /// How many bytes came.
    count: u64,
    /// How many of them may leave.
    free: u64,
}

#[derive(Debug, Clone)]
struct Views {
    folder: Folder,
    plain: Ear,
    decoded: Decoders,
}

impl Watch {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        let views = || {
            Box::new(Views { folder: Folder::default(), plain: Ear::default(), decoded: Decoders::new(true) })
        };
        Self { views: (!secrets.is_empty()).then(views), count: 0, free: 0 }
    }

    /// Hears a piece. On a leak, how many of its bytes came before the character that completed it.
    pub(crate) fn push(&mut self, secrets: &Secrets, piece: &str) -> Result<(), (Stopped, usize)> {
        let Some(views) = &mut self.views else { return Ok(()) };
        for (index, character) in piece.char_indices() {
            let mut heard = views.decoded.hear(secrets, character);
            let plain = &mut views.plain;
            views.folder.push(character, &mut |symbol| heard = heard.max(plain.hear(secrets, symbol)));
            let held = match heard {
                Heard::Leak(code) => return Err((Stopped { code }, index)),
                Heard::Warm => HELD_WARM,
                Heard::Nothing => HELD,
            };
            self.count += character.len_utf8() as u64;
            // INVARIANT (every cut alike): what may leave is decided at every character, not at the end of a chunk.
            self.free = self.free.max(self.count.saturating_sub(held as u64));
        }
        Ok(())
    }

    /// Hears the end of the answer.
    pub(crate) fn finish(&mut self, secrets: &Secrets) -> Option<Stopped> {
        match self.views.as_ref()?.decoded.ends(secrets) {
            Heard::Leak(code) => Some(Stopped { code }),
            _ => None,
        }
    }

    /// How many of the bytes that were heard must not leave yet.
    pub(crate) fn held_bytes(&self) -> usize {
        if self.views.is_none() { 0 } else { usize::try_from(self.count - self.free).unwrap_or(usize::MAX) }
    }
}

#[cfg(test)]
mod tests;
