//! Reads what may be an identifier: digits and capital letters in groups, with single separators between them.

use crate::output::window::{Window, is_continuation};

/// The most characters that are read; the longest identifier is an IBAN of 34.
const CHARACTERS: usize = 36;

/// The most groups that are read: digits that stand apart one by one, up to a card's 19.
const GROUPS: usize = 20;

/// Where a group ends in the text and how many characters were read with it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Group {
    /// The separator before the group, `0` for the first; two characters such as `) ` count as the first of them.
    pub(super) separator: u8,
    /// One past the last byte.
    pub(super) end: usize,
    /// How many characters were read up to and with this group.
    pub(super) through: usize,
}

/// Characters in groups.
pub(super) struct Code {
    characters: [u8; CHARACTERS],
    groups: [Group; GROUPS],
    count: usize,
}

/// A number of a code's groups, from the first on.
pub(super) struct Cut<'a> {
    /// The characters without separators; letters are capital.
    pub(super) text: &'a [u8],
    /// The groups.
    pub(super) groups: &'a [Group],
    /// One past the last byte.
    pub(super) end: usize,
}

/// What one step of reading found.
enum Read {
    Character(u8, usize),
    Ignored(usize),
    Other,
}

impl Code {
    /// Reads from a byte on.
    pub(super) fn read(window: &Window<'_>, start: usize) -> Self {
        let mut code = Self { characters: [0; CHARACTERS], groups: [Group::default(); GROUPS], count: 0 };
        let mut index = start;
        let mut separator = 0;
        let mut length = 0;
        while code.count < GROUPS {
            let before = length;
            loop {
                match character(window, index) {
                    Read::Character(byte, size) => {
                        // Lower case is read in the first group alone: prose ends a code.
                        let lower = byte.is_ascii_lowercase();
                        if length == CHARACTERS || lower && (code.count > 0 || is_extended(window, index)) {
                            break;
                        }
                        if let Some(place) = code.characters.get_mut(length) {
                            *place = byte.to_ascii_uppercase();
                        }
                        length += 1;
                        index += size;
                    }
                    Read::Ignored(size) => index += size,
                    Read::Other => break,
                }
            }
            // A group that goes on in lower case or beyond what is read is none.
            let goes_on =
                matches!(character(window, index), Read::Character(..)) && !is_extended(window, index);
            if length == before || goes_on && code.count > 0 {
                break;
            }
            if let Some(group) = code.groups.get_mut(code.count) {
                *group = Group { separator, end: index, through: length };
            }
            code.count += 1;
            if goes_on || is_extended(window, index) {
                break;
            }
            let Some((byte, next)) = between(window, index) else { break };
            separator = byte;
            index = next;
        }
        code
    }

    /// The cuts, from the longest to the shortest.
    pub(super) fn cuts(&self) -> impl Iterator<Item = Cut<'_>> {
        (1..=self.count).rev().filter_map(|count| {
            let groups = self.groups.get(..count)?;
            let last = groups.last()?;
            let text = self.characters.get(..last.through)?;
            Some(Cut { text, groups, end: last.end })
        })
    }
}

impl Cut<'_> {
    /// Whether the cut, which begins at `start`, stands apart from other groups of digits: it is no piece of a row of numbers.
    pub(super) fn is_isolated(&self, window: &Window<'_>, start: usize) -> bool {
        let before = window.before(start) == b' ' && window.before(start.saturating_sub(1)).is_ascii_digit();
        let after = window.at(self.end) == b' ' && window.at(self.end + 1).is_ascii_digit();
        !before && !after
    }

    /// Whether every character is a digit.
    pub(super) fn is_number(&self) -> bool {
        self.text.iter().all(u8::is_ascii_digit)
    }

    /// How many characters group `index` has.
    pub(super) fn length(&self, index: usize) -> usize {
        let through = self.groups.get(index).map_or(0, |group| group.through);
        let before =
            index.checked_sub(1).and_then(|index| self.groups.get(index)).map_or(0, |group| group.through);
        through.saturating_sub(before)
    }

    /// Whether the groups have the lengths and separators of a shape such as `3-2-4`. `~` stands for a space or a
    /// hyphen, the same throughout.
    pub(super) fn has_shape(&self, shape: &str) -> bool {
        let mut index = 0;
        let mut length = 0_usize;
        let mut any = 0;
        for byte in shape.bytes() {
            if byte.is_ascii_digit() {
                length = length * 10 + usize::from(byte - b'0');
                continue;
            }
            let Some(next) = self.groups.get(index + 1) else { return false };
            let fits = if byte == b'~' {
                let first = any == 0;
                any = if first { next.separator } else { any };
                matches!(next.separator, b' ' | b'-') && (first || any == next.separator)
            } else {
                next.separator == byte
            };
            if !fits || self.length(index) != length {
                return false;
            }
            index += 1;
            length = 0;
        }
        self.groups.len() == index + 1 && self.length(index) == length
    }

    /// Whether all separators are the same.
    pub(super) fn is_even(&self) -> bool {
        let mut separators = self.groups.iter().skip(1).map(|group| group.separator);
        let first = separators.next();
        separators.all(|separator| Some(separator) == first)
    }
}

/// Whether the extension of a telephone number begins at an index, right behind its digits: `4567x89`.
fn is_extended(window: &Window<'_>, index: usize) -> bool {
    window.at(index) == b'x'
        && window.before(index).is_ascii_digit()
        && window.before(index - 1).is_ascii_digit()
        && window.at(index + 1).is_ascii_digit()
}

/// Reads a letter or a digit, of ASCII or wide.
fn character(window: &Window<'_>, index: usize) -> Read {
    let byte = window.at(index);
    if byte.is_ascii_alphanumeric() {
        return Read::Character(byte, 1);
    }
    if byte < 0x80 {
        return Read::Other;
    }
    match (wide_digit(window, index), byte) {
        (Some((digit, size)), _) => Read::Character(digit, size),
        // Zero-width space, joiners and the word joiner; the soft hyphen.
        (None, 0xE2) if window.at(index + 1) == 0x80 && matches!(window.at(index + 2), 0x8B..=0x8D) => {
            Read::Ignored(3)
        }
        (None, 0xE2) if window.at(index + 1) == 0x81 && window.at(index + 2) == 0xA0 => Read::Ignored(3),
        (None, 0xC2) if window.at(index + 1) == 0xAD => Read::Ignored(2),
        _ => Read::Other,
    }
}

/// The value of a decimal digit outside ASCII, as ASCII, and its length: full-width, Arabic, Persian and the first
/// scripts of India (Unicode 16, general category `Nd`).
pub(super) fn wide_digit(window: &Window<'_>, index: usize) -> Option<(u8, usize)> {
    let third = || window.at(index + 2);
    match (window.at(index), window.at(index + 1)) {
        (0xEF, 0xBC) if matches!(third(), 0x90..=0x99) => Some((third() - 0x90 + b'0', 3)),
        (0xD9, byte @ 0xA0..=0xA9) => Some((byte - 0xA0 + b'0', 2)),
        (0xDB, byte @ 0xB0..=0xB9) => Some((byte - 0xB0 + b'0', 2)),
        (0xE0, 0xA5 | 0xA7 | 0xA9 | 0xAB | 0xAF) if matches!(third(), 0xA6..=0xAF) => {
            Some((third() - 0xA6 + b'0', 3))
        }
        _ => None,
    }
}

/// What stands between two groups: one separator, or a parenthesis and one beside it. Returns it in ASCII and the
/// index of what follows, which must be the start of a group.
fn between(window: &Window<'_>, index: usize) -> Option<(u8, usize)> {
    let (byte, size) = separator(window, index)?;
    let mut next = index + size;
    if let Some((second, more)) = separator(window, next) {
        // `) `, ` (`, `)-`, but not two spaces, two hyphens or the ` - ` of arithmetic.
        if byte != b')' && second != b'(' {
            return None;
        }
        next += more;
    }
    matches!(character(window, next), Read::Character(..)).then_some((byte, next))
}

/// One separator as ASCII and its length.
fn separator(window: &Window<'_>, index: usize) -> Option<(u8, usize)> {
    match window.at(index) {
        byte @ (b' ' | b'-' | b'.' | b'/' | b'(' | b')') => Some((byte, 1)),
        b'+' => Some((b'+', 1)),
        b'\t' => Some((b' ', 1)),
        // No-break space.
        0xC2 if window.at(index + 1) == 0xA0 => Some((b' ', 2)),
        0xE2 => match (window.at(index + 1), window.at(index + 2)) {
            // Spaces of typography; hyphens and dashes; the minus sign.
            (0x80, 0x80..=0x8A | 0xAF) => Some((b' ', 3)),
            (0x80, 0x90..=0x95) | (0x88, 0x92) => Some((b'-', 3)),
            _ => None,
        },
        // Ideographic space; full-width hyphen.
        0xE3 if window.at(index + 1) == 0x80 && window.at(index + 2) == 0x80 => Some((b' ', 3)),
        0xEF if window.at(index + 1) == 0xBC && window.at(index + 2) == 0x8D => Some((b'-', 3)),
        _ => None,
    }
}

/// Whether an identifier may begin at an index: what stands before does not make it a part of something longer.
pub(super) fn may_begin(window: &Window<'_>, start: usize) -> bool {
    let last = window.before(start);
    let before = window.before(start.saturating_sub(1));
    match last {
        // An escape of JSON or a programming language (`\n4111…`) is no letter.
        b'n' | b't' | b'r' => before == b'\\',
        b'_' | b'$' | b'%' | b'\\' | b'~' | b'^' => false,
        b'-' | b'.' => !before.is_ascii_alphanumeric() && before != last,
        b'/' | b',' | b'+' => !before.is_ascii_digit(),
        byte if byte.is_ascii_alphanumeric() => false,
        // £ and ¥ (C2 A3, C2 A5) and € (E2 82 AC) stand before amounts.
        0xA3 | 0xA5 => before != 0xC2,
        0xAC => before != 0x82,
        _ => true,
    }
}

/// Whether an identifier may end before an index.
pub(super) fn may_end(window: &Window<'_>, end: usize) -> bool {
    let after = window.at(end + 1);
    match window.at(end) {
        b'_' | b'%' | b'@' => false,
        b'-' | b'/' | b'\\' => !after.is_ascii_alphanumeric() || window.at(end) == b'\\',
        b'.' | b',' => !after.is_ascii_digit(),
        byte if byte.is_ascii_alphanumeric() => false,
        byte if is_continuation(byte) => false,
        _ => true,
    }
}
