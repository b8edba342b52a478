//! What workloads show: tokens, SPIFFE ids, certificates.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mantlet::server::trust;
use mantlet_gate::identity::token::{KeySet, reads};
use mantlet_types::workload::SpiffeId;
use serde_json::Value;

/// A token as it was sent; the same bytes as a token's claims, as its header, and as a key set.
pub(crate) fn token(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(!reads(text) || is_token(text), "{text:?}");
    }
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let wrapped = |header: &[u8], payload: &[u8]| {
        let text = format!("{}.{}.{}", part(header), part(payload), part(&[7; 64]));
        assert!(!reads(&text) || is_token(&text), "{text:?}");
    };
    wrapped(br#"{"alg":"ES256","typ":"at+jwt","kid":"one"}"#, data);
    wrapped(data, br#"{"iss":"https://a","sub":"b","aud":"c","exp":2,"iat":1}"#);
    if let Ok(keys) = KeySet::parse(data) {
        let document: Value = serde_json::from_slice(data).unwrap_or_default();
        let listed = document["keys"].as_array().map_or(0, Vec::len);
        assert!((1..=listed).contains(&keys.len()) && listed <= 64);
    }
}

/// What a token has at least, by a reader that takes the last of two members.
fn is_token(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else { return false };
    let read =
        |part: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
    let (Some(header), Some(payload)) = (read(header), read(payload)) else { return false };
    let refused = ["crit", "jwk", "jku", "x5u", "x5c", "zip", "enc", "b64"];
    let subject = payload["sub"].as_str().unwrap_or_default();
    text.len() <= 8_192
        && URL_SAFE_NO_PAD.decode(signature).is_ok()
        && header["alg"].is_string()
        && header["kid"].as_str().is_some_and(|kid| !kid.is_empty())
        && refused.iter().all(|name| header.get(name).is_none())
        && payload["iss"].is_string()
        && (1..=255).contains(&subject.len())
        && subject.chars().all(|c| c.is_ascii() && !c.is_ascii_control())
        && (payload["aud"].is_string() || payload["aud"].is_array())
        && payload["exp"].is_number()
        && payload["iat"].is_number()
}

/// A name, read by another reader: what is left when all that may be in it is taken away.
pub(crate) fn spiffe_id(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parsed = text.parse::<SpiffeId>();
    assert_eq!(parsed.is_ok(), is_spiffe_id(text), "{text:?}");
    if let Ok(id) = parsed {
        assert_eq!(id.as_str(), text);
        assert!(text[9..].starts_with(id.trust_domain()));
        assert_eq!(text.as_bytes()[9 + id.trust_domain().len()], b'/');
    }
}

fn is_spiffe_id(text: &str) -> bool {
    let segments: Vec<&str> = text.split('/').collect();
    let ["spiffe:", "", domain, path @ ..] = segments.as_slice() else { return false };
    let letters = |text: &str, upper: bool| {
        text.chars()
            .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-') || upper && c.is_ascii_uppercase())
    };
    text.len() <= 2_048
        && (1..=255).contains(&domain.len())
        && letters(domain, false)
        && !path.is_empty()
        && path.iter().all(|segment| !["", ".", ".."].contains(segment) && letters(segment, true))
}

/// A certificate as a client shows it.
pub(crate) fn svid(data: &[u8]) {
    if let Ok(Some((id, expires))) = trust::svid(data) {
        // The name stands in it, in full; and it ends when something in it says.
        let name = id.as_str().as_bytes();
        assert!(data.windows(name.len()).any(|window| window == name));
        assert_eq!(expires.micros() % 1_000_000, 0);
    }
}
