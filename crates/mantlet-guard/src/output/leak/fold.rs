//! Reduces text to what stays the same when somebody writes it differently: letters and digits, without case, accents,
//! spaces, punctuation, invisible characters, look-alikes, and the escapes of addresses and of JSON.

use unicode_normalization::char::{canonical_combining_class, decompose_compatible};

use crate::normalize::ascii_like;

/// Folds characters one after another. A symbol is a lower-case letter or a digit of ASCII, or a byte from 128 on that
/// stands for a letter of another script.
#[derive(Debug, Default, Clone)]
pub(super) struct Folder {
    state: State,
}

/// What may be a part of an escape.
#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Plain,
    /// After `%`.
    Percent,
    /// After `%` and a hexadecimal digit.
    Half(char),
    /// After a backslash.
    Backslash,
    /// After `\u` and some hexadecimal digits: how many are missing, and the value.
    Unicode(u8, u32),
}

impl Folder {
    /// Takes a character and hands out what it folds to.
    pub(super) fn push(&mut self, character: char, out: &mut impl FnMut(u8)) {
        let state = std::mem::take(&mut self.state);
        match (state, character) {
            (State::Percent, digit) if digit.is_ascii_hexdigit() => self.state = State::Half(digit),
            (State::Half(first), second) => match byte(first, second) {
                Some(byte) if byte.is_ascii() => fold(char::from(byte), out),
                Some(_) => {}
                None => {
                    fold(first, out);
                    self.push(second, out);
                }
            },
            (State::Backslash, 'n' | 't' | 'r') => {}
            (State::Backslash, 'u') => self.state = State::Unicode(4, 0),
            (State::Unicode(missing, value), digit) => match digit.to_digit(16) {
                Some(digit) if missing > 1 => self.state = State::Unicode(missing - 1, value << 4 | digit),
                Some(digit) => {
                    char::from_u32(value << 4 | digit).into_iter().for_each(|found| fold(found, out));
                }
                None => self.push(character, out),
            },
            (_, '%') => self.state = State::Percent,
            (_, '\\') => self.state = State::Backslash,
            (_, character) => fold(character, out),
        }
    }
}

/// The byte that two hexadecimal digits write.
fn byte(first: char, second: char) -> Option<u8> {
    u8::try_from(first.to_digit(16)? << 4 | second.to_digit(16)?).ok()
}

/// Hands out what one character folds to.
fn fold(character: char, out: &mut impl FnMut(u8)) {
    if character.is_ascii() {
        if character.is_ascii_alphanumeric() {
            out(character.to_ascii_lowercase() as u8);
        }
        return;
    }
    decompose_compatible(character, |part| {
        if part.is_ascii() {
            if part.is_ascii_alphanumeric() {
                out(part.to_ascii_lowercase() as u8);
            }
        } else if canonical_combining_class(part) == 0 && part.is_alphanumeric() {
            part.to_lowercase().for_each(|part| fold_letter(part, out));
        }
    });
}

/// Hands out the letter of ASCII that a letter looks like, or a symbol of its own.
fn fold_letter(letter: char, out: &mut impl FnMut(u8)) {
    match ascii_like(letter) {
        Some(like) => out(like.to_ascii_lowercase() as u8),
        // 128 symbols for all the rest: windows of many letters tell texts apart all the same.
        None => out(0x80 | (u32::from(letter).wrapping_mul(0x9E37_79B1) >> 25) as u8),
    }
}

/// A whole text folded.
pub(super) fn folded(text: &str) -> Vec<u8> {
    let mut symbols = Vec::with_capacity(text.len());
    let mut folder = Folder::default();
    text.chars().for_each(|character| folder.push(character, &mut |symbol| symbols.push(symbol)));
    symbols
}

/// A letter of ASCII thirteen places on; anything else as it is.
pub(super) const fn rotated(byte: u8) -> u8 {
    match byte {
        b'a'..=b'm' | b'A'..=b'M' => byte + 13,
        b'n'..=b'z' | b'N'..=b'Z' => byte - 13,
        _ => byte,
    }
}
