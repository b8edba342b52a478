//! Text in codes for bytes: base64, base32, hexadecimal, binary, octal, decimal, Morse.

use std::ops::Range;

use super::{super::Mapped, as_text};

/// Characters of one unbroken code that are worth decoding.
const RUN_BYTES_MIN: usize = 12;
/// Numbers that stand side by side to be codes of characters.
const NUMBERS_MIN: usize = 6;

type Found = Vec<(&'static str, Mapped)>;

/// One view for each code that the text has.
pub(super) fn find(source: &Mapped) -> Found {
    let mut found = Vec::new();
    runs(source, &mut found);
    numbers(source, &mut found);
    found
}

fn add(found: &mut Found, kind: &'static str, text: &str, source: &Mapped, range: Range<usize>) {
    let span = source.origin(range);
    let index = found.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
        found.push((kind, Mapped::default()));
        found.len() - 1
    });
    if let Some((_, view)) = found.get_mut(index) {
        view.push(text, span);
        view.push("\n", span);
    }
}

/// Characters of base64 and of its kin for URLs; base32 and hexadecimal have some of these.
fn in_alphabet(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Decodes unbroken runs, and those that go on over line ends.
fn runs(source: &Mapped, found: &mut Found) {
    let bytes = source.text().as_bytes();
    let mut place = 0;
    while place < bytes.len() {
        let end = run_end(bytes, place);
        if end - place < RUN_BYTES_MIN {
            place = end.max(place) + 1;
            continue;
        }
        // Lines of one code: what follows a line end directly and is a run again.
        let mut whole: Vec<_> = std::iter::once(place..end).collect();
        let mut last = end;
        while let Some(next) = next_line(bytes, last) {
            let next_end = run_end(bytes, next);
            if next_end - next < 4 {
                break;
            }
            whole.push(next..next_end);
            last = next_end;
        }
        let joined: Vec<u8> =
            whole.iter().flat_map(|range| bytes.get(range.clone()).unwrap_or(&[])).copied().collect();
        // A code that was turned around begins with its padding.
        let turned = place > 0 && bytes.get(place - 1) == Some(&b'=');
        if let Some((kind, text)) = decode(&joined, turned) {
            add(found, kind, &text, source, place..last);
        } else if whole.len() > 1 {
            for range in whole {
                if let Some((kind, text)) = bytes.get(range.clone()).and_then(|run| decode(run, turned)) {
                    add(found, kind, &text, source, range);
                }
            }
        }
        place = last + 1;
    }
}

fn run_end(bytes: &[u8], start: usize) -> usize {
    let run = bytes.get(start..).unwrap_or(&[]);
    start + run.iter().position(|byte| !in_alphabet(*byte)).unwrap_or(run.len())
}

/// Where the next line begins, if a line ends here; quoting marks and indentation are passed over.
fn next_line(bytes: &[u8], end: usize) -> Option<usize> {
    let rest = bytes.get(end..)?;
    let ends = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    if ends == 0 || ends > 2 {
        return None;
    }
    let indent =
        rest.iter().skip(ends).take(8).take_while(|byte| matches!(byte, b' ' | b'\t' | b'>')).count();
    Some(end + ends + indent)
}

/// What an unbroken run stands for.
fn decode(run: &[u8], turned: bool) -> Option<(&'static str, String)> {
    if run.len() < RUN_BYTES_MIN {
        return None;
    }
    if turned {
        let run: Vec<u8> = run.iter().rev().copied().collect();
        return as_text(radix(&run, 6, sextet)?).map(|text| ("base64", text));
    }
    if run.iter().all(|byte| matches!(byte, b'0' | b'1')) && run.len() >= 32 {
        return as_text(radix(run, 1, |byte| Some(byte - b'0'))?).map(|text| ("binary", text));
    }
    if run.iter().all(u8::is_ascii_hexdigit) && run.len().is_multiple_of(2) {
        let text = radix(run, 4, |byte| u8::try_from(char::from(byte).to_digit(16)?).ok()).and_then(as_text);
        if let Some(text) = text {
            return Some(("hex", text));
        }
    }
    // RFC 4648 §6, in either case.
    let quintet = |byte: u8| match byte.to_ascii_uppercase() {
        letter @ b'A'..=b'Z' => Some(letter - b'A'),
        digit @ b'2'..=b'7' => Some(digit - b'2' + 26),
        _ => None,
    };
    let upper = run.iter().all(|byte| !byte.is_ascii_lowercase());
    let lower = run.iter().all(|byte| !byte.is_ascii_uppercase());
    if (upper || lower)
        && run.len() >= 16
        && let Some(text) = radix(run, 5, quintet).and_then(as_text)
    {
        return Some(("base32", text));
    }
    as_text(radix(run, 6, sextet)?).map(|text| ("base64", text))
}

/// RFC 4648 §4 and §5.
fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Bytes of digits of so many bits each, the highest first. Bits beyond the last whole byte are padding. Text in UTF-16 is
/// given as its low bytes.
fn radix(digits: &[u8], width: u32, value: impl Fn(u8) -> Option<u8>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(digits.len());
    let (mut buffer, mut bits) = (0_u32, 0);
    for digit in digits {
        buffer = (buffer << width | u32::from(value(*digit)?)) & 0xffff;
        bits += width;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(buffer >> bits & 0xff).ok()?);
        }
    }
    if out.len() >= 8 && out.iter().skip(1).step_by(2).all(|byte| *byte == 0) {
        out = out.into_iter().step_by(2).collect();
    }
    Some(out)
}

/// How a token may be read.
const BINARY: u8 = 1;
const DECIMAL: u8 = 2;
const OCTAL: u8 = 4;
const HEX: u8 = 8;
const MORSE: u8 = 16;

/// Decodes sequences of numbers and of Morse signs.
fn numbers(source: &Mapped, found: &mut Found) {
    let text = source.text();
    let mut run: Vec<Range<usize>> = Vec::new();
    let mut kinds = 0;
    let mut close = |run: &mut Vec<Range<usize>>, kinds: u8| {
        if run.len() >= NUMBERS_MIN
            && let (Some(first), Some(last)) = (run.first(), run.last())
            && let Some((kind, decoded)) = read(text, run, kinds)
        {
            add(found, kind, &decoded, source, first.start..last.end);
        }
        run.clear();
    };
    for token in tokens(text) {
        let of = text.get(token.clone()).map_or(0, kinds_of);
        let both = if run.is_empty() { of } else { kinds & of };
        if both == 0 {
            close(&mut run, kinds);
            kinds = of;
        } else {
            kinds = both;
        }
        if kinds != 0 {
            run.push(token);
        }
    }
    close(&mut run, kinds);
}

/// What stands between white space, commas and the like. `/` and `|` between words of Morse are tokens of their own.
fn tokens(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let between = |byte: &u8| {
        matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | b';' | b':' | b'[' | b']' | b'(' | b')')
    };
    let bytes = text.as_bytes();
    let mut place = 0;
    std::iter::from_fn(move || {
        let start = place + bytes.get(place..)?.iter().position(|byte| !between(byte))?;
        let rest = bytes.get(start..)?;
        place = start + rest.iter().position(between).unwrap_or(rest.len());
        Some(start..place)
    })
}

fn bare(token: &str) -> &str {
    token.strip_prefix("0x").or_else(|| token.strip_prefix("0b")).unwrap_or(token)
}

fn kinds_of(token: &str) -> u8 {
    if token.len() > 10 {
        return 0;
    }
    let digits = bare(token).as_bytes();
    let all = |test: fn(&u8) -> bool| !digits.is_empty() && digits.iter().all(test);
    let mut kinds = 0;
    if (7..=8).contains(&digits.len()) && all(|byte| matches!(byte, b'0' | b'1')) {
        kinds |= BINARY;
    }
    if digits.len() <= 3 && all(u8::is_ascii_digit) {
        kinds |= DECIMAL;
    }
    if digits.len() == 3 && all(|byte| matches!(byte, b'0'..=b'7')) {
        kinds |= OCTAL;
    }
    if digits.len() == 2 && all(u8::is_ascii_hexdigit) {
        kinds |= HEX;
    }
    if token == "/"
        || token == "|"
        || token.len() <= 7 && token.chars().all(|c| matches!(c, '.' | '-' | '_' | '·'))
    {
        kinds |= MORSE;
    }
    kinds
}

/// Reads a run of numbers in the first of its ways that gives text.
fn read(text: &str, run: &[Range<usize>], kinds: u8) -> Option<(&'static str, String)> {
    if kinds & MORSE != 0 {
        return morse(text, run).map(|text| ("morse", text));
    }
    let bytes = |radix: u32| -> Option<String> {
        let bytes: Option<Vec<u8>> =
            run.iter().map(|range| u8::from_str_radix(bare(text.get(range.clone())?), radix).ok()).collect();
        as_text(bytes?)
    };
    [(BINARY, 2, "binary"), (HEX, 16, "hex"), (DECIMAL, 10, "decimal"), (OCTAL, 8, "octal")]
        .into_iter()
        .filter(|(kind, ..)| kinds & kind != 0)
        .filter_map(|(_, radix, name)| Some((name, bytes(radix)?)))
        .find(|(_, text)| {
            text.chars().filter(|c| c.is_alphabetic() || *c == ' ').count() * 4 >= text.len() * 3
        })
}

/// International Morse code (ITU-R M.1677-1), letters and digits.
fn morse(text: &str, run: &[Range<usize>]) -> Option<String> {
    const SIGNS: [(&str, char); 41] = [
        (".-", 'a'),
        ("-...", 'b'),
        ("-.-.", 'c'),
        ("-..", 'd'),
        (".", 'e'),
        ("..-.", 'f'),
        ("--.", 'g'),
        ("....", 'h'),
        ("..", 'i'),
        (".---", 'j'),
        ("-.-", 'k'),
        (".-..", 'l'),
        ("--", 'm'),
        ("-.", 'n'),
        ("---", 'o'),
        (".--.", 'p'),
        ("--.-", 'q'),
        (".-.", 'r'),
        ("...", 's'),
        ("-", 't'),
        ("..-", 'u'),
        ("...-", 'v'),
        (".--", 'w'),
        ("-..-", 'x'),
        ("-.--", 'y'),
        ("--..", 'z'),
        ("-----", '0'),
        (".----", '1'),
        ("..---", '2'),
        ("...--", '3'),
        ("....-", '4'),
        (".....", '5'),
        ("-....", '6'),
        ("--...", '7'),
        ("---..", '8'),
        ("----.", '9'),
        (".-.-.-", '.'),
        ("--..--", ','),
        ("..--..", '?'),
        ("---...", ':'),
        ("-....-", '-'),
    ];
    let mut out = String::new();
    let mut last_end = run.first()?.start;
    let mut letters = 0;
    for range in run {
        // Two spaces or more part words too.
        if text.get(last_end..range.start).is_some_and(|gap| gap.len() > 1) && !out.ends_with(' ') {
            out.push(' ');
        }
        last_end = range.end;
        let token = text.get(range.clone())?.replace('_', "-").replace('·', ".");
        if token == "/" || token == "|" {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else if let Some((_, letter)) = SIGNS.iter().find(|(sign, _)| *sign == token) {
            out.push(*letter);
            letters += 1;
        } else {
            out.push('?');
        }
    }
    (letters * 4 >= run.len() * 2 && letters >= NUMBERS_MIN).then_some(out)
}
