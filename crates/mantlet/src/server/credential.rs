//! What a request presents of itself: its credential and its trace.
//!
//! Three headers carry keys because common SDKs send three; everything else that claims an identity
//! (`x-user`, `x-forwarded-user`, `kubeflow-userid` …) is never looked at. Whether a key holds is the gate's business.

use http::{HeaderMap, Uri, header};
use mantlet_gate::identity::{
    Credential, LEAKED_MAX,
    key::{self, KEY_LENGTH},
};
use mantlet_types::entry::Token;
use zeroize::Zeroizing;

/// How every key begins; enough to notice one where it must not be.
const KEY_PREFIX: &str = "mtk_";

/// Layers of percent-encoding that are looked through. Each relay may add one; nobody has more in earnest.
const ENCODINGS_MAX: usize = 3;

/// The credential among the headers.
#[must_use]
pub fn presented(headers: &HeaderMap) -> Credential {
    let mut found: Option<&str> = None;
    let bearers = headers.get_all(header::AUTHORIZATION).iter().map(|value| bearer(value.to_str().ok()?));
    let plain = ["api-key", "x-api-key"].into_iter().flat_map(|name| headers.get_all(name));
    for token in bearers.chain(plain.map(|value| value.to_str().ok())) {
        // Two different credentials leave open who asks; the same one twice does not.
        match (token, found) {
            (None | Some(""), _) => return Credential::Malformed,
            (Some(token), Some(before)) if token != before => return Credential::Malformed,
            (Some(token), _) => found = Some(token),
        }
    }
    found.map_or(Credential::Nothing, |token| Credential::Bearer(Zeroizing::new(token.to_owned())))
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Keys in the request's URL, where proxies, histories and logs would keep them: as they stand there, and behind up to
/// three layers of percent-encoding, as careless clients and relays wrap them.
#[must_use]
pub fn leaked(uri: &Uri) -> Option<Credential> {
    let target = uri.path_and_query()?.as_str();
    if !target.contains(KEY_PREFIX) && !target.contains('%') {
        return None; // as nearly all are
    }
    let mut target = Zeroizing::new(target.to_owned());
    let mut keys = Vec::new();
    let mut decoy = None;
    for _ in 0..=ENCODINGS_MAX {
        collect(&target, &mut keys, &mut decoy);
        let Some(decoded) = percent_decoded(&target) else { break };
        target = decoded;
    }
    // What only looks like a key is refused all the same: it may be a real one with a slip of the pen.
    if keys.is_empty() {
        keys.extend(decoy);
    }
    if keys.is_empty() { None } else { Some(Credential::InUrl(keys)) }
}

/// Adds every well-formed key in the text, whatever stands around it, and the first text that merely begins like one.
fn collect(text: &str, keys: &mut Vec<Zeroizing<String>>, decoy: &mut Option<Zeroizing<String>>) {
    for (at, _) in text.match_indices(KEY_PREFIX) {
        let whole = text.get(at..at + KEY_LENGTH).filter(|whole| key::parse(whole).is_ok());
        match whole {
            Some(whole) if keys.len() < LEAKED_MAX && !keys.iter().any(|known| known.as_str() == whole) => {
                keys.push(Zeroizing::new(whole.to_owned()));
            }
            Some(_) => {}
            None => {
                let run = text[at..].bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
                decoy.get_or_insert_with(|| Zeroizing::new(run.map(char::from).collect()));
            }
        }
    }
}

/// Escapes resolved once, if there are any; what is then no ASCII cannot be part of a key and becomes a space.
fn percent_decoded(target: &str) -> Option<Zeroizing<String>> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = target.as_bytes();
    let mut text = Zeroizing::new(String::with_capacity(target.len()));
    let (mut at, mut resolved) = (0, false);
    while let Some(byte) = bytes.get(at) {
        let escaped = match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => char::from_u32(high << 4 | low),
            _ => None,
        };
        resolved |= escaped.is_some();
        at += if escaped.is_some() { 3 } else { 1 };
        text.push(escaped.or(Some(char::from(*byte))).filter(char::is_ascii).unwrap_or(' '));
    }
    resolved.then_some(text)
}

/// The trace id of a valid W3C `traceparent`; an invalid one is ignored, as the recommendation demands.
#[must_use]
pub fn trace_id(headers: &HeaderMap) -> Option<Token> {
    let mut values = headers.get_all("traceparent").iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let mut parts = value.split('-');
    let version = hex(parts.next()?, 2)?;
    let trace = hex(parts.next()?, 32)?;
    let parent = hex(parts.next()?, 16)?;
    hex(parts.next()?, 2)?;
    let zero = |text: &str| text.bytes().all(|b| b == b'0');
    // Version 00 has exactly four fields; later versions may append some.
    let valid =
        version != "ff" && (version != "00" || parts.next().is_none()) && !zero(trace) && !zero(parent);
    if valid { Token::new(trace).ok() } else { None }
}

fn hex(text: &str, length: usize) -> Option<&str> {
    let fits = text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    fits.then_some(text)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn check(pairs: &[(&str, &str)], expect: &str) {
        let shown = match presented(&headers(pairs)) {
            Credential::Bearer(token) => format!("Bearer {}", token.as_str()),
            other => format!("{other:?}"),
        };
        assert_eq!(shown, expect, "{pairs:?}");
    }

    #[test]
    fn three_headers_carry_keys() {
        check(&[], "Nothing");
        check(&[("authorization", "Bearer k")], "Bearer k");
        check(&[("authorization", "bearer k")], "Bearer k");
        check(&[("api-key", "k")], "Bearer k");
        check(&[("x-api-key", "k")], "Bearer k");
        check(&[("x-api-key", "k"), ("authorization", "Bearer k")], "Bearer k");
    }

    #[test]
    fn two_different_ones_are_none() {
        check(&[("x-api-key", "k"), ("authorization", "Bearer j")], "Malformed");
        check(&[("x-api-key", "k"), ("x-api-key", "j")], "Malformed");
        check(&[("authorization", "Basic dTpw")], "Malformed");
        check(&[("authorization", "Bearer k"), ("authorization", "Basic dTpw")], "Malformed");
        check(&[("authorization", "Bearer")], "Malformed");
        check(&[("authorization", "Bearer ")], "Malformed");
        check(&[("api-key", "")], "Malformed");
    }

    #[test]
    fn identity_headers_have_no_influence() {
        check(&[("x-user", "admin"), ("x-forwarded-user", "admin"), ("kubeflow-userid", "admin")], "Nothing");
    }

    fn found(uri: &str) -> Vec<String> {
        match leaked(&uri.parse().unwrap()) {
            Some(Credential::InUrl(keys)) => keys.iter().map(|key| key.as_str().to_owned()).collect(),
            _ => Vec::new(),
        }
    }

    fn minted() -> String {
        key::mint(key::Env::Live, &key::Peppers::new(1, &[7; 32])).unwrap().secret.reveal().to_string()
    }

    #[test]
    fn what_looks_like_a_key_in_a_url_is_noticed() {
        assert_eq!(found("/v2?key=mtk_live_a&x=1"), ["mtk_live_a"]);
        assert_eq!(found("/v2/mtk_live_a/x"), ["mtk_live_a"]);
        assert_eq!(found("/v2?key=%6dtk%5Flive_a"), ["mtk_live_a"]);
        assert_eq!(found("/v2?key=%6d%").len(), 0);
        assert_eq!(found("/v2/models/mtk/infer").len(), 0);
    }

    #[test]
    fn a_leaked_key_is_found_behind_decoys() {
        let (one, other) = (minted(), minted());
        assert_eq!(found(&format!("/v2?a=mtk_x&key={one}")), [one.as_str()]);
        assert_eq!(found(&format!("/mtk_mtk_{one}{other}x?k={one}")), [one.as_str(), other.as_str()]);
        assert_eq!(found(&format!("/v2?a=%mtk_live_&b={one}")), [one.as_str()]);
        let many: Vec<String> = (0..LEAKED_MAX + 2).map(|_| minted()).collect();
        assert_eq!(found(&format!("/v2?{}", many.join("&"))).len(), LEAKED_MAX);
    }

    #[test]
    fn a_leaked_key_is_found_behind_several_encodings() {
        let key = minted();
        let mut wrapped = key.replacen("mtk", "%6dtk", 1);
        for _ in 0..ENCODINGS_MAX {
            assert_eq!(found(&format!("/v2?key={wrapped}")), [key.as_str()], "{wrapped}");
            wrapped = wrapped.replace('%', "%25");
        }
        assert_eq!(found(&format!("/v2?key=%zz%{}", key.replace('_', "%5f"))), [key.as_str()]);
    }

    #[test]
    fn invalid_traces_are_ignored() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        let trace =
            |value: &str| trace_id(&headers(&[("traceparent", value)])).map(|t| t.as_str().to_owned());
        assert_eq!(trace(&format!("00-{id}-b7ad6b7169203331-01")).as_deref(), Some(id));
        assert_eq!(trace(&format!("cc-{id}-b7ad6b7169203331-01-more")).as_deref(), Some(id));
        for bad in [
            format!("ff-{id}-b7ad6b7169203331-01"),
            format!("00-{id}-b7ad6b7169203331-01-more"),
            format!("00-{}-b7ad6b7169203331-01", id.to_uppercase()),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{id}-0000000000000000-01"),
            format!("00-{id}"),
            String::new(),
        ] {
            assert_eq!(trace(&bad), None, "{bad}");
        }
    }
}
