//! Views of an answer through base64 and hexadecimal, at every alignment, forwards and backwards, as it is and rotated
//! by thirteen, and through one of the two inside the other.
//!
//! Everything that is no character of the code is skipped, so spaces and invisible characters hide nothing. Ordinary
//! prose decodes to bytes that are no text, at which a view pauses.

use super::{
    Heard,
    ear::Ear,
    fold::{Folder, rotated},
    index::Secrets,
};

/// One decoded view.
#[derive(Debug, Clone, Default)]
struct View {
    ear: Ear,
    folder: Folder,
    /// Bytes of a character that is not complete.
    partial: Vec<u8>,
    backward: bool,
    /// What the view says, decoded once more.
    inner: Option<Box<Decoders>>,
    /// How many groups of base64 in a row may be text.
    streak: u8,
    /// Whether the groups are heard: so many in a row may be text that a canary can be among them.
    awake: bool,
}

impl View {
    /// Hears a decoded byte.
    fn hear(&mut self, secrets: &Secrets, byte: u8) -> Heard {
        let Some(character) = self.assemble(byte) else { return Heard::Nothing };
        if character.is_control() && !matches!(character, '\n' | '\r' | '\t') {
            // Here a code inside this one ends.
            let heard = self.inner.as_ref().map_or(Heard::Nothing, |inner| inner.ends(secrets));
            self.pause();
            return heard;
        }
        let mut heard = Heard::Nothing;
        let ear = &mut self.ear;
        self.folder.push(character, &mut |symbol| heard = heard.max(ear.hear(secrets, symbol)));
        if let Some(inner) = &mut self.inner {
            heard = heard.max(inner.hear(secrets, character));
        }
        heard
    }

    fn pause(&mut self) {
        self.ear.pause();
        self.partial.clear();
    }

    /// The character that a byte completes (RFC 3629), also when its bytes come backwards.
    fn assemble(&mut self, byte: u8) -> Option<char> {
        if byte.is_ascii() {
            if !self.partial.is_empty() {
                self.pause();
            }
            return Some(char::from(byte));
        }
        let continues = byte & 0xC0 == 0x80;
        if !self.backward && !continues && !self.partial.is_empty() {
            self.pause();
        }
        self.partial.push(byte);
        let lead = if self.backward { byte } else { *self.partial.first()? };
        let expected = match lead {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            // Backwards, the bytes that continue a character come before the one that begins it; of more than three,
            // the first belong to nothing.
            0x80..=0xBF if self.backward => {
                let excess = self.partial.len().saturating_sub(3);
                self.partial.drain(..excess);
                return None;
            }
            _ => 0,
        };
        if self.partial.len() < expected && !self.backward {
            return None;
        }
        if self.backward {
            let excess = self.partial.len().saturating_sub(expected);
            self.partial.drain(..excess);
            self.partial.reverse();
        }
        let character = std::str::from_utf8(&self.partial).ok().and_then(|text| text.chars().next());
        self.partial.clear();
        if character.is_none() {
            self.pause();
        }
        character
    }
}

/// Groups in a row that may be text, at which a view begins to be heard. The shortest canary fills three at every
/// alignment; the group before them is heard too, so nothing is missed.
const AWAKE: u8 = 3;

/// Sextets that are kept: the groups that are heard when a view awakes.
const KEPT: usize = 4 * (AWAKE as usize + 1);

/// The views through one code, as it is or rotated.
#[derive(Debug, Clone)]
struct Code {
    rotated: bool,
    /// The last sextets, in a ring, or the last nibble.
    last: [u8; KEPT],
    count: usize,
    /// The last character was the `x` of a prefix.
    prefixed: bool,
    /// A view for each alignment: four or two forwards, and as many backwards if they are asked for.
    views: Vec<View>,
}

impl Code {
    fn new(alignments: usize, rotated: bool, outer: bool) -> Self {
        let inner = || (outer && !rotated).then(|| Box::new(Decoders::new(false)));
        let forward = (0..alignments).map(|_| View { inner: inner(), ..View::default() });
        let backward =
            (0..if outer { alignments } else { 0 }).map(|_| View { backward: true, ..View::default() });
        Self { rotated, last: [0; KEPT], count: 0, prefixed: false, views: forward.chain(backward).collect() }
    }

    /// Hears the value of a character of base64.
    fn sextet(&mut self, secrets: &Secrets, value: u8) -> Heard {
        // Before the first character there are zeros, which is what padding is read as.
        if let Some(place) = self.last.get_mut(self.count % KEPT) {
            *place = value;
        }
        self.count += 1;
        let phase = self.count % 4;
        self.group(secrets, phase, false).max(self.group(secrets, phase + 4, true))
    }

    /// Hears the group that the last sextet completes, if the view is awake or awakes.
    fn group(&mut self, secrets: &Secrets, index: usize, backward: bool) -> Heard {
        let bytes = self.bytes(0, backward);
        let text = may_be_text(bytes);
        let Some(view) = self.views.get_mut(index) else { return Heard::Nothing };
        view.streak = if text { view.streak.saturating_add(1) } else { 0 };
        if view.awake {
            view.awake = text;
            return hear_all(view, secrets, bytes, backward);
        }
        if view.streak < AWAKE {
            return Heard::Nothing;
        }
        let groups = [3, 2, 1, 0].map(|back| self.bytes(back, backward));
        let Some(view) = self.views.get_mut(index) else { return Heard::Nothing };
        view.awake = true;
        view.pause();
        view.folder = Folder::default();
        groups
            .iter()
            .fold(Heard::Nothing, |heard, bytes| heard.max(hear_all(view, secrets, *bytes, backward)))
    }

    /// The sextet that came so many ago.
    fn back(&self, sextets: usize) -> u8 {
        self.last.get(self.count.wrapping_sub(sextets + 1) % KEPT).copied().unwrap_or_default()
    }

    /// The bytes of a group that came so many groups ago, in the order of the text.
    fn bytes(&self, groups: usize, backward: bool) -> [u8; 3] {
        let [a, b, c, d] = [3, 2, 1, 0].map(|sextet| self.back(groups * 4 + sextet));
        if backward { quantum(d, c, b, a) } else { quantum(a, b, c, d) }
    }

    /// What would be heard if the code ended here without padding. Changes nothing.
    fn ends(&self, secrets: &Secrets) -> Heard {
        let [a, b, c] = [2, 1, 0].map(|sextet| self.back(sextet));
        let mut heard = Heard::Nothing;
        for missing in [1_usize, 2] {
            // The group that the last 4 - missing characters begin would be complete after `missing` more.
            let Some(view) = self.views.get((self.count + missing) % 4) else { continue };
            if !view.awake || view.ear.since() < 8 {
                continue;
            }
            let bytes = if missing == 1 { quantum(a, b, c, 0) } else { quantum(b, c, 0, 0) };
            let mut view = view.clone();
            heard = bytes
                .iter()
                .take(3 - missing)
                .fold(heard, |heard, byte| heard.max(view.hear(secrets, *byte)));
            heard = heard.max(view.inner.map_or(Heard::Nothing, |inner| inner.ends(secrets)));
        }
        heard.max(self.inner_ends(secrets))
    }

    /// What would be heard if the codes inside this one ended here.
    fn inner_ends(&self, secrets: &Secrets) -> Heard {
        let heard = self.views.iter().filter(|view| view.ear.since() > 0);
        let inner = heard.filter_map(|view| view.inner.as_ref());
        inner.map(|inner| inner.ends(secrets)).max().unwrap_or(Heard::Nothing)
    }

    /// Hears a character of hexadecimal, or one between.
    fn digit(&mut self, secrets: &Secrets, byte: u8) -> Heard {
        let before = std::mem::take(&mut self.prefixed);
        match byte {
            // The zero of `0x41` when it comes backwards.
            b'0' if before => Heard::Nothing,
            b'0'..=b'9' => self.nibble(secrets, byte - b'0'),
            b'a'..=b'f' => self.nibble(secrets, byte - b'a' + 10),
            b'A'..=b'F' => self.nibble(secrets, byte - b'A' + 10),
            b'x' | b'X' => {
                // `0x41` and `\x41`: the zero before is no digit. No text has a byte whose first digit is 0.
                let [last, ..] = self.last;
                self.prefixed = last != 0;
                self.count = self.count.saturating_sub(usize::from(last == 0));
                Heard::Nothing
            }
            byte if byte.is_ascii_alphabetic() => {
                self.pause();
                Heard::Nothing
            }
            _ => self.inner_ends(secrets),
        }
    }

    /// Hears a hexadecimal digit.
    fn nibble(&mut self, secrets: &Secrets, value: u8) -> Heard {
        let [before, ..] = self.last;
        self.last = [value; KEPT];
        self.count += 1;
        if self.count < 2 {
            return Heard::Nothing;
        }
        let phase = self.count % 2;
        let mut heard = Heard::Nothing;
        if let Some(view) = self.views.get_mut(phase) {
            heard = heard.max(view.hear(secrets, before << 4 | value));
        }
        if let Some(view) = self.views.get_mut(phase + 2) {
            heard = heard.max(view.hear(secrets, value << 4 | before));
        }
        heard
    }

    fn pause(&mut self) {
        if self.count == 0 {
            return;
        }
        self.count = 0;
        self.views.iter_mut().for_each(View::pause);
    }
}

/// Hears a group in the order in which its view reads.
fn hear_all(view: &mut View, secrets: &Secrets, bytes: [u8; 3], backward: bool) -> Heard {
    let mut bytes = bytes;
    if backward {
        bytes.reverse();
    }
    bytes.iter().fold(Heard::Nothing, |heard, byte| heard.max(view.hear(secrets, *byte)))
}

/// Whether three bytes in a row can be a piece of text in UTF-8: ordinary prose read as base64 hardly ever is.
fn may_be_text([a, b, c]: [u8; 3]) -> bool {
    let sound = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=0x7E | 0x80..=0xBF | 0xC2..=0xF4);
    let follows = |first: u8, second: u8| match first {
        0x80..=0xBF => true,
        0xC2..=0xF4 => matches!(second, 0x80..=0xBF),
        _ => !matches!(second, 0x80..=0xBF),
    };
    sound(a) && sound(b) && sound(c) && follows(a, b) && follows(b, c)
}

/// The three bytes that four sextets write.
fn quantum(a: u8, b: u8, c: u8, d: u8) -> [u8; 3] {
    [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]
}

/// All decoded views of one text.
#[derive(Debug, Clone)]
pub(super) struct Decoders {
    base64: Vec<Code>,
    hex: Vec<Code>,
}

impl Decoders {
    /// The views of a text; of the `outer` one also backwards and rotated, and what they say decoded once more.
    pub(super) fn new(outer: bool) -> Self {
        let ways: &[bool] = if outer { &[false, true] } else { &[false] };
        Self {
            base64: ways.iter().map(|rotated| Code::new(4, *rotated, outer)).collect(),
            hex: ways.iter().map(|rotated| Code::new(2, *rotated, outer)).collect(),
        }
    }

    /// Hears a character of the text.
    pub(super) fn hear(&mut self, secrets: &Secrets, character: char) -> Heard {
        let Ok(byte) = u8::try_from(character) else { return Heard::Nothing };
        let mut heard = Heard::Nothing;
        for code in &mut self.base64 {
            let byte = if code.rotated { rotated(byte) } else { byte };
            heard = heard.max(match sextet(byte) {
                Some(value) => code.sextet(secrets, value),
                None => code.ends(secrets),
            });
        }
        for code in &mut self.hex {
            let byte = if code.rotated { rotated(byte) } else { byte };
            heard = heard.max(code.digit(secrets, byte));
        }
        heard
    }

    /// What would be heard if the text ended here.
    pub(super) fn ends(&self, secrets: &Secrets) -> Heard {
        let base64 = self.base64.iter().map(|code| code.ends(secrets));
        base64.chain(self.hex.iter().map(|code| code.inner_ends(secrets))).max().unwrap_or(Heard::Nothing)
    }
}

/// The value of a character of base64 in either alphabet (RFC 4648); padding counts as nothing.
fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        b'=' => Some(0),
        _ => None,
    }
}
