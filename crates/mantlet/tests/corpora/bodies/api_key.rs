//! API keys, and the places of a request where one is looked for.

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use mantlet::server::credential;
use mantlet_gate::identity::{
    Credential,
    key::{self, KEY_LENGTH, KeyError},
};

/// Where a key's checksum begins.
const CRC_AT: usize = KEY_LENGTH - 6;

/// Text that is or is nearly a key: as it is, with the checksum that it needs, in headers and in a URL.
pub(crate) fn body(data: &[u8]) {
    in_headers(data);
    in_url(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    _ = read(text);
    if let Some(head) = text.get(..CRC_AT) {
        let mended = head.to_owned() + &checksum(head.as_bytes());
        let outcome = read(&mended);
        assert_eq!(outcome, if is_head(head) { Ok(()) } else { Err(KeyError::Form) }, "{head:?}");
    }
}

fn read(text: &str) -> Result<(), KeyError> {
    let presented = key::parse(text)?;
    assert!(text.len() == KEY_LENGTH && is_head(&text[..CRC_AT]));
    assert_eq!(text[CRC_AT..], checksum(&text.as_bytes()[..CRC_AT]));
    assert_eq!(presented.kid.as_str(), &text[9..21]);
    assert_eq!(presented.env.as_str(), &text[4..8]);
    assert!(!format!("{presented:?}").contains(&text[22..CRC_AT]), "a secret is shown");
    Ok(())
}

/// `mtk_(live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}`
fn is_head(text: &str) -> bool {
    let rest = text.strip_prefix("mtk_live_").or_else(|| text.strip_prefix("mtk_test_"));
    let plain = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_alphanumeric());
    rest.and_then(|rest| rest.split_once('_'))
        .is_some_and(|(kid, secret)| plain(kid, 12) && plain(secret, 43))
}

/// CRC-32 bit by bit with the reflected polynomial, in base 62 by division from the front.
fn checksum(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    let crc = u64::from(!crc);
    (0..6).rev().map(|place| char::from(DIGITS[(crc / 62_u64.pow(place) % 62) as usize])).collect()
}

/// Each line is a header: its number chooses the name.
fn in_headers(data: &[u8]) {
    let plain = HeaderName::from_static("x-api-key");
    let trace = HeaderName::from_static("traceparent");
    let names = [header::AUTHORIZATION, plain, trace];
    let mut headers = HeaderMap::new();
    for (line, name) in data.split(|byte| *byte == b'\n').zip(names.iter().cycle()).take(6) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(name, value);
        }
    }
    if let Credential::Bearer(token) = credential::presented(&headers) {
        assert!(!token.is_empty());
        let sent = headers.values().filter_map(|value| value.to_str().ok());
        assert!(sent.into_iter().any(|value| value.contains(token.as_str())), "a credential out of nothing");
    }
    if let Some(trace) = credential::trace_id(&headers) {
        assert!(trace.as_str().len() == 32 && trace.as_str().bytes().all(|b| b.is_ascii_hexdigit()));
    }
}

fn in_url(data: &[u8]) {
    let target = [b"/v1/models?", data].concat();
    let Ok(uri) = Uri::try_from(target) else { return };
    let shown = uri.path_and_query().map_or("", |target| target.as_str());
    match credential::leaked(&uri) {
        Some(Credential::InUrl(keys)) => {
            let plain = |key: &str| key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            assert!(!keys.is_empty() && keys.iter().all(|key| key.starts_with("mtk_") && plain(key)));
        }
        Some(other) => unreachable!("{other:?} in a URL"),
        None => assert!(!shown.contains("mtk_"), "a key in a URL goes unnoticed"),
    }
}
