//! Numbers on their way between JSON text and the data types of the Open Inference Protocol.

/// An element type that a JSON number can become.
pub trait Element: Sized {
    /// The element that this number's text stands for; `None` if it is out of range or has a fraction that the type
    /// cannot have. INVARIANT (json-number): the text follows the JSON grammar, which is narrower than Rust's.
    fn parse(text: &str) -> Option<Self>;
}

macro_rules! integers {
    ($($type:ty),*) => { $(impl Element for $type {
        fn parse(text: &str) -> Option<Self> { text.parse().ok() }
    })* };
}

integers!(u8, u16, u32, u64, i8, i16, i32, i64);

impl Element for f32 {
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|value: &Self| value.is_finite())
    }
}

impl Element for f64 {
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|value: &Self| value.is_finite())
    }
}

/// Powers of ten that doubles represent exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// The short decimal number at the start of these bytes, with its length; `None` says nothing but that the long way
/// is to be taken. Digits that make an integer below 2^53, over a power of ten that is exact, need one division, which
/// IEEE 754 rounds correctly (Clinger, "How to Read Floating Point Numbers Accurately", 1990). Features look like that.
pub(super) fn short(bytes: &[u8]) -> Option<(f64, usize)> {
    let negative = bytes.first() == Some(&b'-');
    let begin = usize::from(negative);
    let (mut mantissa, mut at, mut point) = (0_u64, begin, None);
    loop {
        match bytes.get(at) {
            // Fifteen digits stay below 2^53; one more byte is the point.
            Some(digit @ b'0'..=b'9') if at - begin < 16 => {
                mantissa = mantissa * 10 + u64::from(digit - b'0');
            }
            Some(b'.') if point.is_none() && at > begin => point = Some(at),
            Some(b',' | b']' | b'}') => break,
            _ => return None,
        }
        at += 1;
    }
    let whole = point.unwrap_or(at) - begin;
    let decimals = point.map_or(0, |point| at - point - 1);
    let leading_zero = bytes.get(begin) == Some(&b'0') && whole > 1;
    if whole == 0 || leading_zero || point.is_some() && decimals == 0 || mantissa >= 1 << 53 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "integers below 2^53 are doubles")]
    let magnitude = mantissa as f64 / POWERS.get(decimals)?;
    Some((if negative { -magnitude } else { magnitude }, at))
}

/// The length of the number at the start of these bytes, by RFC 8259 section 6.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    at += match bytes.get(at)? {
        b'0' => 1,
        b'1'..=b'9' => digits(at),
        _ => return None,
    };
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    // `01` and `1x` are not numbers followed by something: they are no numbers.
    match bytes.get(at) {
        Some(b) if b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'_') => None,
        _ => Some(at),
    }
}

/// The IEEE 754 binary16 pattern nearest to a value, ties to even; `None` if it rounds beyond the largest one.
#[must_use]
pub fn half_from(value: f64) -> Option<u16> {
    let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
    let magnitude = value.abs();
    if !magnitude.is_finite() {
        return None;
    }
    // The spacing of halves at this magnitude: 2^-24 below the smallest normal, else ten bits below the exponent.
    let exponent = if magnitude < 2.0_f64.powi(-14) { -14 } else { exponent_of(magnitude) };
    let units = (magnitude * 2.0_f64.powi(10 - exponent)).round_ties_even();
    // `units` of a normal carry the implicit bit, 1024: added to the exponent field they count it up by one, and
    // rounding up to 2048 carries into the next exponent as it should.
    let pattern = units + f64::from(exponent + 14) * 1024.0;
    if pattern >= 31_744.0 { None } else { Some(sign | to_u16(pattern)) }
}

fn exponent_of(magnitude: f64) -> i32 {
    let biased = (magnitude.to_bits() >> 52) & 0x7FF;
    i32::try_from(biased).unwrap_or(0) - 1023
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be an integer below 31,744"
)]
fn to_u16(value: f64) -> u16 {
    value as u16
}

/// The value of an IEEE 754 binary16 pattern.
#[must_use]
pub fn half_to(pattern: u16) -> f32 {
    let sign = if pattern & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f32::from(pattern & 0x3FF);
    let magnitude = match (pattern >> 10) & 0x1F {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1024.0 + fraction) * 2.0_f32.powi(i32::from(exponent) - 25),
    };
    sign * magnitude
}
