//! The version under which verdicts are recorded: a number for the rules in code, and a sum over the rules that are data.

/// Grows with every change of a rule that is code.
const RULES: &str = "3";

/// Changes with every rule: a verdict recorded under another version must be made anew.
pub const SCANNER_VERSION: &str = {
    const TEXT: [u8; RULES.len() + 9] = with_sum(sum_of_data());
    match std::str::from_utf8(&TEXT) {
        Ok(text) => text,
        Err(_) => RULES,
    }
};

/// Everything that is listed rather than written as code.
const DATA: [&str; 4] = [
    include_str!("../data/names.txt"),
    include_str!("format/keras/classes.txt"),
    include_str!("format/onnx/operators.txt"),
    include_str!("format/tensorflow/operators.txt"),
];

/// FNV-1a of 32 bits: it tells lists apart, and nobody is kept from anything by it.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, where an index out of bounds is an error"
)]
const fn sum_of_data() -> u32 {
    let mut sum = 0x811c_9dc5_u32;
    let mut list = 0;
    while list < DATA.len() {
        let bytes = DATA[list].as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            sum = (sum ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
            at += 1;
        }
        list += 1;
    }
    sum
}

/// The number, a dot, and the sum in hexadecimal digits.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, where an index out of bounds is an error"
)]
const fn with_sum(sum: u32) -> [u8; RULES.len() + 9] {
    let mut text = [b'.'; RULES.len() + 9];
    let mut at = 0;
    while at < RULES.len() {
        text[at] = RULES.as_bytes()[at];
        at += 1;
    }
    let mut digit = 0;
    while digit < 8 {
        text[at + 1 + digit] = b"0123456789abcdef"[(sum >> (28 - 4 * digit) & 0xf) as usize];
        digit += 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_has_the_number_and_the_sum_of_the_data() {
        let sum = DATA
            .concat()
            .bytes()
            .fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        assert_eq!(SCANNER_VERSION, format!("{RULES}.{sum:08x}"));
    }
}
