//! How many tokens a text has, at most, without the model's own tokenizer.
//!
//! Tokenizers of language models join frequent sequences of bytes (byte-pair encoding: Sennrich et al., 2016) or pieces with
//! bytes as a last resort (SentencePiece: Kudo and Richardson, 2018). So no text has more tokens than bytes, and ordinary
//! ones have far fewer. This counts, in one pass, what each kind of character takes where it is joined badly: runs of
//! letters three to a token, digits and signs one each, scripts that were seen less two bytes to a token. It is meant to be
//! too high: too much is given back when the answer has ended.

/// What templates put around a message: its role, and tokens at both ends.
pub const MESSAGE_TOKENS: u64 = 8;

/// What stands around a call of a function, or around the description of one.
pub const CALL_TOKENS: u64 = 12;

/// What an image takes with most models at full detail. Some take several times that; what the upstream says takes its
/// place once it has answered.
pub const IMAGE_TOKENS: u64 = 2_000;

/// Tokens of a text, from above; never more than it has bytes.
#[must_use]
pub fn estimate(text: &str) -> u64 {
    let mut counter = Counter::default();
    counter.push(text);
    counter.tokens()
}

/// Counts a text that comes in pieces; however it is cut, the count is the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter {
    tokens: u64,
    letters: u64,
    blank: bool,
    bytes: u64,
}

impl Counter {
    /// Takes more of the text.
    pub fn push(&mut self, text: &str) {
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        text.chars().for_each(|character| self.take(character));
    }

    /// Tokens of all of it.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        // A space that stands alone at the end, or in front of what is no word.
        self.tokens.saturating_add(1).min(self.bytes)
    }

    fn take(&mut self, character: char) {
        if character.is_ascii_alphabetic() {
            // The first of each three; the space before a word belongs to it.
            self.tokens += u64::from(self.letters.is_multiple_of(3));
            self.letters += 1;
            self.blank = false;
            return;
        }
        self.letters = 0;
        if character == ' ' {
            // One before a word is free, more of them are counted in pairs.
            self.tokens += u64::from(self.blank);
            self.blank = !self.blank;
            return;
        }
        self.blank = false;
        self.tokens += match character.len_utf8() {
            1 | 2 => 1,
            3 => 2,
            _ => 4,
        };
    }
}
