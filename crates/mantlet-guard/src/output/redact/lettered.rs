//! Numbers that have letters in them: bank accounts, national numbers and documents.

use super::{
    checks::{self, is_birth, is_short_date, mod_11_2, mod_97, number, part, weighted},
    code::Cut,
    context::Told,
    kind::Kind,
};

/// Words before an Irish PPS number.
pub(super) const PPSN: &[&str] = &["pps", "ppsn", "pps number"];

/// The kind of a cut that has letters, if it is one. `lower` says that the first group was written in lower case.
pub(super) fn judge(cut: &Cut<'_>, context: &Told<'_>) -> Option<Kind> {
    if is_iban(cut) {
        return Some(Kind::Iban);
    }
    let compact = cut.groups.len() == 1;
    let text = cut.text;
    let national = match text.len() {
        8 => {
            (compact || cut.has_shape("7-1"))
                && (is_ppsn(text) && context.get().says(PPSN) || is_hkid(text) && !context.get().denies())
        }
        9 => {
            is_nino(cut)
                || (compact || cut.has_shape("8~1") || cut.has_shape("1~7~1") || cut.has_shape("2.3.3-1"))
                    && (is_dni(text) || compact && is_nric(text))
                    && !context.get().denies()
                || compact && is_ppsn(text) && context.get().says(PPSN)
        }
        10 => compact && (is_pan(text) || is_twid(text) && !context.get().denies()),
        11 => compact && is_hetu(text, 6),
        15 => is_nir_of_corsica(cut),
        16 => is_codice_fiscale(text) && (compact || cut.has_shape("3 3 5 5") || cut.has_shape("6 5 5")),
        18 => {
            (compact || cut.has_shape("6 8 4") || cut.has_shape("6-8-4")) && (is_ric(text) || is_curp(text))
        }
        _ => false,
    };
    if national || cut.has_shape("6-4") && is_hetu_with_sign(cut) || is_rut(cut) {
        return Some(Kind::NationalId);
    }
    None
}

/// IBAN (ISO 13616): length by country, MOD 97-10; written together or in groups of four.
fn is_iban(cut: &Cut<'_>) -> bool {
    let text = cut.text;
    let Some(country) = text.get(..2) else { return false };
    if iban_length(country) != Some(text.len()) || !text.iter().skip(2).take(2).all(u8::is_ascii_digit) {
        return false;
    }
    let last = cut.groups.len() - 1;
    let fours = cut.is_even() && (0..last).all(|index| cut.length(index) == 4) && cut.length(last) <= 4;
    if last > 0 && !fours {
        return false;
    }
    mod_97(text.iter().skip(4).chain(text.iter().take(4)).copied()) == Some(1)
}

/// Lengths by country from the IBAN registry of SWIFT, then those of countries that use the form without being in it
/// (both as schwifty 2026.10.1 publishes them, against which `conformance/test_redact.py` holds this table).
fn iban_length(country: &[u8]) -> Option<usize> {
    const LENGTHS: &[(usize, &[u8])] = &[
        (15, b"NO"),
        (16, b"BE"),
        (18, b"AXDKFIFKFOGLNLSD"),
        (19, b"MKSI"),
        (20, b"ATBAEEKZLTLUMNXK"),
        (21, b"CHHRLILV"),
        (22, b"BGBHCRDEGBGEGGIEIMJEMERSVA"),
        (23, b"AEGIILIQOMSOTL"),
        (24, b"ADCZESMDPKROSASESKTNVG"),
        (25, b"LYPTST"),
        (26, b"ISTR"),
        (27, b"BIBLDJFRGFGPGRITMCMFMQMRNCPFPMRESMTFWFYT"),
        (28, b"ALAZBYCYDOGTHNHULBNIPLSV"),
        (29, b"BREGPSQAUA"),
        (30, b"JOKWMUYE"),
        (31, b"MTSC"),
        (32, b"LC"),
        (33, b"RU"),
        (25, b"AOCVGWMZ"),
        (26, b"DZIR"),
        (27, b"CFCGCMGAGQKMMGTD"),
        (28, b"BFBJCIMAMLNESNTG"),
    ];
    LENGTHS
        .iter()
        .find(|(_, countries)| countries.chunks(2).any(|name| name == country))
        .map(|(length, _)| *length)
}

/// UK National Insurance number (HMRC, NIM39110).
fn is_nino(cut: &Cut<'_>) -> bool {
    let text = cut.text;
    let shapes = ["2 2 2 2 1", "2 6 1", "3 6", "2-2-2-2-1", "2-6-1", "8 1"];
    let written = cut.groups.len() == 1 || shapes.iter().any(|shape| cut.has_shape(shape));
    let (Some([first, second]), Some(digits), Some(suffix)) = (text.get(..2), text.get(2..8), text.get(8))
    else {
        return false;
    };
    written
        && first.is_ascii_uppercase()
        && second.is_ascii_uppercase()
        && !b"DFIQUV".contains(first)
        && !b"DFIQUVO".contains(second)
        && !matches!(&[*first, *second], b"BG" | b"GB" | b"NK" | b"KN" | b"TN" | b"NT" | b"ZZ")
        && digits.iter().all(u8::is_ascii_digit)
        && matches!(suffix, b'A'..=b'D')
}

/// Spanish DNI and NIE: the number modulo 23 chooses the letter.
fn is_dni(text: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let Some((last, body)) = text.split_last() else { return false };
    let value = match body.split_first() {
        Some((b'X', rest)) => number(rest),
        Some((b'Y', rest)) => number(rest).map(|value| value + 10_000_000),
        Some((b'Z', rest)) => number(rest).map(|value| value + 20_000_000),
        _ => number(body),
    };
    let letter = value.and_then(|value| LETTERS.get(usize::try_from(value % 23).ok()?));
    letter == Some(last)
}

/// Indian PAN: three letters, the kind of holder, a letter, four digits, a letter.
fn is_pan(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(index, byte)| match index {
        3 => b"ABCFGHJLPT".contains(byte),
        5..=8 => byte.is_ascii_digit(),
        _ => byte.is_ascii_uppercase(),
    })
}

/// Italian codice fiscale, also with letters for digits where two persons would share one (DM 12 March 1974).
fn is_codice_fiscale(text: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let Some((last, body)) = text.split_last() else { return false };
    let mut sum = 0;
    for (index, byte) in body.iter().enumerate() {
        let numeric = matches!(index, 6 | 7 | 9 | 10 | 12 | 13 | 14);
        let fits = match (numeric, index) {
            (true, _) => byte.is_ascii_digit() || b"LMNPQRSTUV".contains(byte),
            (false, 8) => b"ABCDEHLMPRST".contains(byte),
            (false, _) => byte.is_ascii_uppercase(),
        };
        if !fits {
            return false;
        }
        let value = if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' };
        sum += if index % 2 == 0 { ODD[usize::from(value)] } else { u32::from(value) };
    }
    u32::from(*last) == u32::from(b'A') + sum % 26
}

/// The check character of a Finnish personal identity code, of nine digits.
fn hetu_check(digits: &[u8]) -> Option<u8> {
    const CHECK: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    CHECK.get(usize::try_from(number(digits)? % 31).ok()?).copied()
}

/// Finnish personal identity code with a letter for the century.
fn is_hetu(text: &[u8], sign: usize) -> bool {
    let century = text.get(sign).is_some_and(|byte| b"ABCDEFUVWXY".contains(byte));
    let digits: Vec<u8> =
        text.iter().enumerate().filter(|(index, _)| *index != sign).map(|(_, byte)| *byte).collect();
    century && is_hetu_of(&digits)
}

/// Finnish personal identity code with a sign for the century: `131052-308T`.
fn is_hetu_with_sign(cut: &Cut<'_>) -> bool {
    is_hetu_of(cut.text)
}

/// Finnish personal identity code without the sign of its century.
pub(super) fn is_hetu_of(text: &[u8]) -> bool {
    let birth = || Some((part(text, 4, 6)?, part(text, 2, 4)?, part(text, 0, 2)?));
    birth().is_some_and(|(year, month, day)| is_short_date(year, month, day))
        && text.len() == 10
        && text.get(..9).and_then(hetu_check) == text.last().copied()
}

/// French NIR of a person born in Corsica: `2A` counts as 19, `2B` as 18.
fn is_nir_of_corsica(cut: &Cut<'_>) -> bool {
    let text = cut.text;
    let written = cut.groups.len() == 1 || cut.has_shape("1 2 2 2 3 3 2") || cut.has_shape("13 2");
    let place = match text.get(5..7) {
        Some(b"2A") => b"19",
        Some(b"2B") => b"18",
        _ => return false,
    };
    let digits: Vec<u8> =
        [text.get(..5).unwrap_or_default(), place, text.get(7..).unwrap_or_default()].concat();
    let rest = digits.get(..13).and_then(|rest| mod_97(rest.iter().copied()));
    written
        && digits.iter().all(u8::is_ascii_digit)
        && rest.is_some_and(|rest| Some(97 - rest) == part(&digits, 13, 15))
}

/// Chinese resident identity number that ends in `X`.
fn is_ric(text: &[u8]) -> bool {
    let birth = || Some((part(text, 6, 10)?, part(text, 10, 12)?, part(text, 12, 14)?));
    part(text, 0, 2).is_some_and(|province| (11..=91).contains(&province))
        && birth().is_some_and(|(year, month, day)| is_birth(year, month, day))
        && mod_11_2(text)
}

/// Mexican CURP: letters of the name, a date, sex, state, and a check digit.
fn is_curp(text: &[u8]) -> bool {
    let letters = |start: usize, end: usize| {
        text.get(start..end).is_some_and(|part| part.iter().all(u8::is_ascii_uppercase))
    };
    let birth = || Some((part(text, 4, 6)?, part(text, 6, 8)?, part(text, 8, 10)?));
    let mut sum = 0;
    for (index, byte) in text.iter().take(17).enumerate() {
        // The alphabet has Ñ after N, so O to Z are one more.
        let value = match byte {
            b'0'..=b'9' => usize::from(byte - b'0'),
            b'A'..=b'N' => usize::from(byte - b'A') + 10,
            b'O'..=b'Z' => usize::from(byte - b'A') + 11,
            _ => return false,
        };
        sum += value * (18 - index);
    }
    letters(0, 4)
        && letters(10, 16)
        && matches!(text.get(10), Some(b'H' | b'M' | b'X'))
        && birth().is_some_and(|(year, month, day)| is_short_date(year, month, day))
        && part(text, 17, 18)
            .is_some_and(|check| usize::try_from(check).is_ok_and(|check| (10 - sum % 10) % 10 == check))
}

/// Singapore NRIC and FIN.
fn is_nric(text: &[u8]) -> bool {
    let (Some(first), Some(digits), Some(last)) = (text.first(), text.get(1..8), text.get(8)) else {
        return false;
    };
    let Some(sum) = weighted(digits, &[2, 7, 6, 5, 4, 3, 2]) else { return false };
    let (offset, letters): (i32, &[u8; 11]) = match first {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => (3, b"XWUTRQPNJLK"),
        _ => return false,
    };
    let place = usize::try_from((sum + offset) % 11).unwrap_or_default();
    let place = if *first == b'M' { 10 - place } else { place };
    letters.get(place) == Some(last)
}

/// Taiwanese identity number: a letter for the place, sex, and a weighted sum.
fn is_twid(text: &[u8]) -> bool {
    const PLACES: &[u8; 26] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let Some((first, digits)) = text.split_first() else { return false };
    let Some(place) = PLACES.iter().position(|byte| byte == first) else { return false };
    let place = i32::try_from(place).unwrap_or_default() + 10;
    matches!(digits.first(), Some(b'1' | b'2' | b'8' | b'9'))
        && weighted(digits, &[8, 7, 6, 5, 4, 3, 2, 1, 1])
            .is_some_and(|sum| (place / 10 + place % 10 * 9 + sum) % 10 == 0)
}

/// Hong Kong identity card: one letter, six digits, and a check digit, mostly in parentheses.
fn is_hkid(text: &[u8]) -> bool {
    let Some((first, digits)) = text.split_first() else { return false };
    if !first.is_ascii_uppercase() {
        return false;
    }
    let (Some(body), Some(last)) = (digits.get(..6), digits.get(6)) else { return false };
    let check = match last {
        b'A' => 10,
        byte if byte.is_ascii_digit() => i32::from(byte - b'0'),
        _ => return false,
    };
    // A space before a single letter counts as 36.
    let sum =
        weighted(body, &[7, 6, 5, 4, 3, 2]).map(|sum| sum + 36 * 9 + (i32::from(*first - b'A') + 10) * 8);
    sum.is_some_and(|sum| (sum + check) % 11 == 0)
}

/// Irish PPS number: seven digits, a check letter, and perhaps a second letter.
fn is_ppsn(text: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"WABCDEFGHIJKLMNOPQRSTUV";
    let Some(sum) = text.get(..7).and_then(|digits| weighted(digits, &[8, 7, 6, 5, 4, 3, 2])) else {
        return false;
    };
    let extra = match text.get(8) {
        None | Some(b'W') => 0,
        Some(byte @ b'A'..=b'I') => i32::from(byte - b'A') + 1,
        Some(_) => return false,
    };
    let place = usize::try_from((sum + extra * 9) % 23).unwrap_or_default();
    text.get(7) == LETTERS.get(place)
}

/// Chilean RUT that ends in `K` or a digit, written `12.345.678-5`.
pub(super) fn is_rut(cut: &Cut<'_>) -> bool {
    let shapes = ["2.3.3-1", "1.3.3-1", "3.3-1", "8-1", "7-1"];
    if !shapes.iter().any(|shape| cut.has_shape(shape)) {
        return false;
    }
    let Some((last, body)) = cut.text.split_last() else { return false };
    let mut sum = 0;
    for (index, byte) in body.iter().rev().enumerate() {
        if !byte.is_ascii_digit() {
            return false;
        }
        sum += u32::from(byte - b'0') * (u32::try_from(index % 6).unwrap_or_default() + 2);
    }
    let check = match 11 - sum % 11 {
        11 => b'0',
        10 => b'K',
        check => b'0' + u8::try_from(check).unwrap_or_default(),
    };
    *last == check && !checks::is_uniform(body)
}
