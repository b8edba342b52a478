//! Check digits, by the standards that define them. Every function takes ASCII and says no to anything else.

/// The value of an ASCII digit.
fn value(byte: u8) -> Option<u32> {
    byte.is_ascii_digit().then(|| u32::from(byte - b'0'))
}

/// The number that some digits write; at most 18 of them.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, byte| Some(sum * 10 + u64::from(value(*byte)?)))
}

/// The small number that the digits of a range write.
pub(super) fn part(digits: &[u8], start: usize, end: usize) -> Option<u32> {
    let digits = digits.get(start..end)?;
    u32::try_from(number(digits)?).ok()
}

/// The sum of digits times weights, over the shorter of the two.
pub(super) fn weighted(digits: &[u8], weights: &[i32]) -> Option<i32> {
    digits
        .iter()
        .zip(weights)
        .try_fold(0, |sum, (byte, weight)| Some(sum + i32::try_from(value(*byte)?).ok()? * weight))
}

/// Whether all characters are the same: such numbers pass many checks and are nobody's.
pub(super) fn is_uniform(text: &[u8]) -> bool {
    text.windows(2).all(|pair| pair.first() == pair.last())
}

/// The Luhn formula (ISO/IEC 7812-1, annex B).
pub(super) fn luhn(digits: &[u8]) -> bool {
    let mut sum = 0;
    for (index, byte) in digits.iter().rev().enumerate() {
        let Some(digit) = value(*byte) else { return false };
        let doubled = if index % 2 == 1 { digit * 2 } else { digit };
        sum += doubled / 10 + doubled % 10;
    }
    !digits.is_empty() && sum % 10 == 0
}

/// The remainder by 97 of letters and digits read as a number, letters as 10 to 35 (ISO/IEC 7064, MOD 97-10).
pub(super) fn mod_97(text: impl Iterator<Item = u8>) -> Option<u32> {
    let mut rest = 0;
    for byte in text {
        rest = match byte {
            b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
            b'A'..=b'Z' => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
            _ => return None,
        };
    }
    Some(rest)
}

/// ISO/IEC 7064, MOD 11,10: the last digit checks the others.
pub(super) fn mod_11_10(digits: &[u8]) -> bool {
    let mut product = 10;
    let Some((last, body)) = digits.split_last() else { return false };
    for byte in body {
        let Some(digit) = value(*byte) else { return false };
        let sum = match (digit + product) % 10 {
            0 => 10,
            sum => sum,
        };
        product = sum * 2 % 11;
    }
    value(*last) == Some((11 - product) % 10)
}

/// ISO/IEC 7064, MOD 11-2: the last character, a digit or `X` for ten, checks the digits before it.
pub(super) fn mod_11_2(text: &[u8]) -> bool {
    let Some((last, body)) = text.split_last() else { return false };
    let mut sum = 0;
    for byte in body {
        let Some(digit) = value(*byte) else { return false };
        sum = (sum + digit) * 2 % 11;
    }
    let check = match last {
        b'X' => Some(10),
        byte => value(*byte),
    };
    check == Some((12 - sum) % 11)
}

/// The check digit of Verhoeff (J. Verhoeff, "Error Detecting Decimal Codes", 1969), in the dihedral group of order 10.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    const TIMES: [[u8; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    const MOVED: [[u8; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    let mut check = 0_u8;
    for (index, byte) in digits.iter().rev().enumerate() {
        if !byte.is_ascii_digit() {
            return false;
        }
        let moved = MOVED[index % 8][usize::from(byte - b'0')];
        check = TIMES[usize::from(check)][usize::from(moved)];
    }
    !digits.is_empty() && check == 0
}

/// Whether year, month and day are a date of the Gregorian calendar.
pub(super) fn is_date(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Whether month and day are a date in some year of a century that a two-digit year leaves open.
pub(super) fn is_short_date(year: u32, month: u32, day: u32) -> bool {
    is_date(1900 + year, month, day) || is_date(2000 + year, month, day)
}

/// Whether a full date is one at which somebody alive, or whose number is still in use, can have been born.
pub(super) fn is_birth(year: u32, month: u32, day: u32) -> bool {
    (1880..=2035).contains(&year) && is_date(year, month, day)
}
