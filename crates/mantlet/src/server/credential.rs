//! What a request presents of itself: its credential and its trace.
//!
//! Three headers carry keys because common SDKs send three; everything else that claims an identity
//! (`x-user`, `x-forwarded-user`, `kubeflow-userid` …) is never looked at. Whether a key holds is the gate's business.

use http::{HeaderMap, Uri, header};
use mantlet_gate::identity::Credential;
use mantlet_types::entry::Token;
use zeroize::Zeroizing;

/// How every key begins; enough to notice one where it must not be.
const KEY_PREFIX: &str = "mtk_";

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

/// A key in the request's URL, where proxies, histories and logs would keep it.
#[must_use]
pub fn leaked(uri: &Uri) -> Option<Credential> {
    let target = uri.path_and_query()?.as_str();
    if target.contains('%') {
        return found_in(&percent_decoded(target));
    }
    found_in(target)
}

fn found_in(target: &str) -> Option<Credential> {
    let start = target.get(target.find(KEY_PREFIX)?..)?;
    let key: String = start.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    Some(Credential::InUrl(vec![Zeroizing::new(key)]))
}

/// Escapes resolved once; what is no escape, or no ASCII, cannot be part of a key and becomes a space.
fn percent_decoded(target: &str) -> Zeroizing<String> {
    let mut bytes = target.bytes();
    let mut text = Zeroizing::new(String::with_capacity(target.len()));
    let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
    while let Some(byte) = bytes.next() {
        let plain = match byte {
            b'%' => match (digit(bytes.next()), digit(bytes.next())) {
                (Some(high), Some(low)) => char::from_u32(high << 4 | low),
                _ => None,
            },
            _ => Some(char::from(byte)),
        };
        text.push(plain.filter(char::is_ascii).unwrap_or(' '));
    }
    text
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

    #[test]
    fn keys_in_urls_are_noticed() {
        let find = |uri: &str| match leaked(&uri.parse().unwrap()) {
            Some(Credential::InUrl(keys)) => keys.first().map(|key| key.as_str().to_owned()),
            _ => None,
        };
        assert_eq!(find("/v2?key=mtk_live_a&x=1").as_deref(), Some("mtk_live_a"));
        assert_eq!(find("/v2/mtk_live_a/x").as_deref(), Some("mtk_live_a"));
        assert_eq!(find("/v2?key=%6dtk%5Flive_a").as_deref(), Some("mtk_live_a"));
        assert_eq!(find("/v2?key=%6d%"), None);
        assert_eq!(find("/v2/models/mtk/infer"), None);
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
