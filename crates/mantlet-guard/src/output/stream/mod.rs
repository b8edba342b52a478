//! An answer on its way: text goes in as it comes, what may leave comes out.
//!
//! After any number of characters, what has left, what was decided and what is still held back are a function of these
//! characters alone. So it does not matter how they were cut into chunks. At most [`HELD_BYTES_MAX`] are held back;
//! memory does not grow with the answer.

use std::{collections::BTreeMap, collections::VecDeque, sync::Arc};

use super::{
    leak::Watch,
    redact::Kind,
    rules::Rules,
    scan::{Edit, Scanner, What},
    window::{BEHIND, is_continuation},
};

/// How many bytes of an answer are held back at most.
pub const HELD_BYTES_MAX: usize = 512;

/// What stands in the place of a link or an image that was removed. With its space it is no destination in markdown.
const LINK_REMOVED: &str = "[link removed]";

/// What stands in the place of markup that was removed.
const HTML_REMOVED: &str = "[markup removed]";

/// How many bytes are taken from a chunk at a time, so that memory is bounded for chunks of any size.
const PIECE: usize = 16 * 1024;

/// Why an answer was stopped. Nothing of it may leave any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer was stopped: {code}")]
pub struct Stopped {
    /// What was found: `canary` or `prompt-leak`.
    pub code: &'static str,
}

/// What was taken out of an answer that was not stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many pieces of each kind were replaced.
    pub redacted: BTreeMap<Kind, u32>,
    /// How many links and images were removed.
    pub links_removed: u32,
    /// How many pieces of markup were removed.
    pub html_removed: u32,
}

/// One answer. See the module's words for what it promises.
#[derive(Debug)]
pub struct Stream {
    rules: Arc<Rules>,
    watch: Watch,
    scanner: Scanner,
    /// The text from a little before the first byte that has not left.
    buffer: Vec<u8>,
    /// The first byte of the buffer that has not left.
    left: usize,
    edits: VecDeque<Edit>,
    found: Vec<Edit>,
    summary: Summary,
    stopped: Option<Stopped>,
}

impl Stream {
    /// An answer under these rules.
    #[must_use]
    pub fn new(rules: Arc<Rules>) -> Self {
        Self {
            watch: Watch::new(&rules.secrets),
            rules,
            scanner: Scanner::default(),
            buffer: Vec::new(),
            left: 0,
            edits: VecDeque::new(),
            found: Vec::new(),
            summary: Summary::default(),
            stopped: None,
        }
    }

    /// Takes the next piece of the answer and returns what may leave now.
    ///
    /// What may leave before the character at which an answer is stopped is still returned; the next call, of this or
    /// of [`Stream::finish`], returns the error. A caller who sends nothing before the end calls both and throws
    /// everything away on an error.
    ///
    /// # Errors
    /// If the answer was stopped.
    pub fn push(&mut self, chunk: &str) -> Result<String, Stopped> {
        if let Some(stopped) = self.stopped {
            return Err(stopped);
        }
        let mut output = String::with_capacity(chunk.len());
        let mut rest = chunk;
        while !rest.is_empty() && self.stopped.is_none() {
            let (piece, next) = rest.split_at(floor_boundary(rest, PIECE));
            rest = next;
            self.take(piece, &mut output);
        }
        if output.is_empty()
            && let Some(stopped) = self.stopped
        {
            return Err(stopped);
        }
        Ok(output)
    }

    /// Ends the answer: returns what was held back, and what was taken out of the whole.
    ///
    /// # Errors
    /// If the answer was stopped.
    pub fn finish(mut self) -> Result<(String, Summary), Stopped> {
        if self.stopped.is_none() {
            self.stopped = self.watch.finish(&self.rules.secrets);
        }
        if let Some(stopped) = self.stopped {
            return Err(stopped);
        }
        let mut output = String::with_capacity(self.buffer.len());
        self.scan(true);
        self.release(self.buffer.len(), &mut output);
        Ok((output, self.summary))
    }

    /// Takes a piece of bounded length.
    fn take(&mut self, piece: &str, output: &mut String) {
        let seen = self.watch.push(&self.rules.secrets, piece);
        let piece = match seen {
            Ok(()) => piece,
            Err((stopped, before)) => {
                self.stopped = Some(stopped);
                piece.get(..before).unwrap_or_default()
            }
        };
        self.buffer.extend_from_slice(piece.as_bytes());
        self.scan(false);
        let settled = self.scanner.settled(&self.buffer);
        let mut heard = self.buffer.len().saturating_sub(self.watch.held_bytes());
        while self.buffer.get(heard).is_some_and(|byte| is_continuation(*byte)) {
            heard -= 1;
        }
        self.release(settled.min(heard), output);
        self.forget();
    }

    /// Finds what must be replaced, as far as can be decided.
    fn scan(&mut self, whole: bool) {
        let open = self.scanner.is_open();
        if open {
            self.found.extend(self.edits.pop_back());
        }
        let has_left = open && self.found.is_empty();
        self.scanner.run(&self.rules, &self.buffer, whole, &mut self.found);
        if has_left {
            // The label has left; what went on behind it follows.
            self.left = self.left.max(self.scanner.swallowed());
        }
        self.edits.extend(self.found.drain(..));
    }

    /// Lets everything before `limit` leave, with replacements.
    fn release(&mut self, limit: usize, output: &mut String) {
        while self.edits.front().is_some_and(|edit| edit.start < limit) {
            let Some(edit) = self.edits.pop_front() else { return };
            self.emit(edit.start, output);
            self.replace(&edit, output);
            self.left = self.left.max(edit.end);
        }
        self.emit(limit, output);
    }

    /// Lets the text up to a byte leave as it is.
    fn emit(&mut self, end: usize, output: &mut String) {
        if end > self.left {
            let bytes = self.buffer.get(self.left..end).unwrap_or_default();
            output.push_str(&String::from_utf8_lossy(bytes));
            self.left = end;
        }
    }

    /// Puts what stands in the place of a piece, and counts it.
    fn replace(&mut self, edit: &Edit, output: &mut String) {
        match &edit.what {
            What::Redacted(kind) => {
                *self.summary.redacted.entry(*kind).or_default() += 1;
                output.push_str(kind.label());
            }
            What::Link => {
                self.summary.links_removed += 1;
                output.push_str(LINK_REMOVED);
            }
            What::Html => {
                self.summary.html_removed += 1;
                output.push_str(HTML_REMOVED);
            }
            What::Text(text) => output.push_str(text),
        }
    }

    /// Drops the text that nobody will read again.
    fn forget(&mut self) {
        let edited = self.edits.front().map_or(self.left, |edit| edit.start);
        let count = self.left.min(edited).min(self.scanner.place().saturating_sub(BEHIND));
        if count < PIECE / 4 {
            return;
        }
        self.buffer.drain(..count);
        self.left -= count;
        self.scanner.shift(count);
        for edit in &mut self.edits {
            edit.start -= count;
            edit.end -= count;
        }
    }
}

/// The largest character boundary of a text that is at most `limit`, but after the first character at least.
fn floor_boundary(text: &str, limit: usize) -> usize {
    if text.len() <= limit {
        return text.len();
    }
    (1..=limit).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests;
