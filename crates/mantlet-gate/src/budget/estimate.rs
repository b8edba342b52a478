//! How many tokens a text has, at most, without the model's own tokenizer.
//!
//! Tokenizers of language models join frequent sequences of bytes (byte-pair encoding: Sennrich et al., 2016) or pieces with
//! bytes as a last resort (SentencePiece: Kudo and Richardson, 2018). So no text has more tokens than bytes, and ordinary
//! ones have far fewer. This counts, in one pass, what each kind of character takes where it is joined badly: runs of
//! letters three to a token, digits and signs one each, scripts that were seen less two bytes to a token. It is meant to be
//! too high: too much is given back when the answer has ended.

/// What templates put around a message: its role, and tokens at both ends.
pub const MESSAGE_TOKENS: u64 = 8;

/// Tokens of a text, from above; never more than it has bytes.
#[must_use]
pub fn estimate(text: &str) -> u64 {
    let mut tokens = 0_u64;
    let mut letters = 0_u64;
    let mut blank = false;
    for character in text.chars() {
        if character.is_ascii_alphabetic() {
            // The first of each three; the space before a word belongs to it.
            tokens += u64::from(letters.is_multiple_of(3));
            letters += 1;
            blank = false;
            continue;
        }
        letters = 0;
        if character == ' ' {
            // One before a word is free, more of them are counted in pairs.
            tokens += u64::from(blank);
            blank = !blank;
            continue;
        }
        blank = false;
        tokens += match character.len_utf8() {
            1 => 1,
            2 => 1,
            3 => 2,
            _ => 4,
        };
    }
    // A space that stands alone at the end, or in front of what is no word.
    (tokens + 1).min(text.len() as u64)
}
