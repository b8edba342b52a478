//! Addresses of cryptocurrencies, by their checksums: base58check (Bitcoin, Litecoin, Dogecoin, Tron …, and private
//! keys in wallet import format), bech32 and bech32m (BIP 173, BIP 350), and Ethereum's by their form.

use aws_lc_rs::digest::{SHA256, digest};

use super::{find::Found, kind::Kind};
use crate::output::window::Window;

/// What the word from `start` to `end` is.
pub(super) fn judge(window: &Window<'_>, start: usize, end: usize) -> Option<Found> {
    let text = window.slice(start, end);
    if window.at(end) == b'-' || window.at(end) == b'/' && !matches!(text.len(), 26..=62) {
        return None;
    }
    let kind = match text.len() {
        42 if is_ethereum(text) => Kind::CryptoAddress,
        26..=35 if is_base58_address(text) => Kind::CryptoAddress,
        51 | 52 if is_wallet_key(text) => Kind::PrivateKey,
        42..=90 if is_bech32(text) => Kind::CryptoAddress,
        _ => return None,
    };
    Some(Found::new(start, end, kind))
}

/// `0x` and twenty bytes in hexadecimal.
fn is_ethereum(text: &[u8]) -> bool {
    text.strip_prefix(b"0x").is_some_and(|rest| rest.iter().all(u8::is_ascii_hexdigit))
}

/// A version byte, twenty bytes, and four bytes of the double SHA-256.
fn is_base58_address(text: &[u8]) -> bool {
    // Bitcoin, Litecoin, Dogecoin, Dash, Tron, testnets.
    let known = matches!(
        text.first(),
        Some(b'1' | b'3' | b'L' | b'M' | b'D' | b'X' | b'T' | b'm' | b'n' | b'2' | b'A' | b'9' | b'r')
    );
    known && base58check(text).is_some_and(|length| length == 21)
}

/// A private key of 32 bytes with a version byte and perhaps a mark of compression.
fn is_wallet_key(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'5' | b'K' | b'L' | b'9' | b'c' | b'6' | b'T' | b'Q'))
        && base58check(text).is_some_and(|length| matches!(length, 33 | 34))
}

/// The length of the payload if the checksum is right.
fn base58check(text: &[u8]) -> Option<usize> {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    // 52 characters are at most 39 bytes.
    let mut bytes = [0_u8; 40];
    for byte in text {
        let mut carry = ALPHABET.iter().position(|letter| letter == byte)?;
        for place in bytes.iter_mut().rev() {
            carry += usize::from(*place) * 58;
            *place = (carry & 0xFF) as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return None;
        }
    }
    let zeros = text.iter().take_while(|byte| **byte == b'1').count();
    let first = bytes.iter().position(|byte| *byte != 0)?;
    let raw = bytes.get(first.checked_sub(zeros)?..)?;
    let split = raw.len().checked_sub(4)?;
    let (payload, sum) = raw.split_at(split);
    let hash = digest(&SHA256, digest(&SHA256, payload).as_ref());
    hash.as_ref().starts_with(sum).then_some(payload.len())
}

/// BIP 173 and 350: a known prefix, `1`, and a checksum over both.
fn is_bech32(text: &[u8]) -> bool {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const PREFIXES: &[&[u8]] =
        &[b"bc", b"tb", b"bcrt", b"ltc", b"addr", b"stake", b"cosmos", b"osmo", b"lnbc", b"bnb"];
    let upper = text.iter().any(u8::is_ascii_uppercase);
    if upper && text.iter().any(u8::is_ascii_lowercase) {
        return false;
    }
    let text = text.to_ascii_lowercase();
    let Some(split) = text.iter().rposition(|byte| *byte == b'1') else { return false };
    let (prefix, data) = text.split_at(split);
    if !PREFIXES.contains(&prefix) {
        return false;
    }
    let values = data.iter().skip(1).map(|byte| ALPHABET.iter().position(|letter| letter == byte));
    let spread = prefix.iter().map(|byte| Some(usize::from(byte >> 5)));
    let low = prefix.iter().map(|byte| Some(usize::from(byte & 31)));
    let mut check = 1_usize;
    for value in spread.chain([Some(0)]).chain(low).chain(values) {
        let Some(value) = value else { return false };
        check = polymod(check, value);
    }
    check == 1 || check == 0x2BC8_30A3
}

/// One step of the checksum of BIP 173.
fn polymod(check: usize, value: usize) -> usize {
    const GENERATOR: [usize; 5] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3];
    let top = check >> 25;
    let next = (check & 0x1FF_FFFF) << 5 ^ value;
    GENERATOR
        .iter()
        .enumerate()
        .filter(|(bit, _)| top >> bit & 1 == 1)
        .fold(next, |next, (_, term)| next ^ term)
}
