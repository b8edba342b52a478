//! Signed URLs as they are written and read.

use http::request::Parts;
use mantlet_gate::{
    identity::Credential,
    urls::{BroughtUrl, Signature, UrlMethod, UrlTerms},
};
use mantlet_types::Timestamp;

use crate::server::credential;

/// Path and query.
pub(super) fn path_of(terms: &UrlTerms, signature: &Signature) -> String {
    let UrlTerms { model, version, package, file, kid, user, id, network, once, .. } = terms;
    let mut path = format!("/artifacts/v1/{model}/{version}/{package}");
    if let Some(name) = file {
        path.push_str("/files/");
        path.push_str(&encoded(name, b"-._~/"));
    }
    path.push_str(&format!("?expires={}&kid={kid}&by={user}&id={id}", terms.expires_seconds()));
    if let Some(network) = network {
        path.push_str(&format!("&net={}", encoded(&network.to_string(), b"-._~:/")));
    }
    for (said, text) in [(*once, "&use=once"), (file.is_some(), "&scope=file")] {
        path.push_str(if said { text } else { "" });
    }
    path.push_str("&sig=");
    path.push_str(&signature.reveal());
    path
}

fn encoded(text: &str, plain: &[u8]) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// The arguments of a signed URL, as they stand in the query.
#[derive(Default)]
struct Arguments<'a> {
    expires: Option<&'a str>,
    kid: Option<&'a str>,
    by: Option<&'a str>,
    id: Option<&'a str>,
    net: Option<&'a str>,
    uses: Option<&'a str>,
    scope: Option<&'a str>,
    sig: Option<&'a str>,
}

impl<'a> Arguments<'a> {
    /// `None` for an unknown argument, or one that is given twice.
    fn parse(query: &'a str) -> Option<Self> {
        let mut all = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=')?;
            let slot = match name {
                "expires" => &mut all.expires,
                "kid" => &mut all.kid,
                "by" => &mut all.by,
                "id" => &mut all.id,
                "net" => &mut all.net,
                "use" => &mut all.uses,
                "scope" => &mut all.scope,
                "sig" => &mut all.sig,
                _ => return None,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        Some(all)
    }
}

/// What a request at these routes brought: its URL, if that has the form of one. A key beside it leaves open who asks.
pub(in crate::server) fn credential(parts: &Parts, params: &matchit::Params<'_, '_>) -> Credential {
    let alone = matches!(credential::presented(&parts.headers), Credential::Nothing);
    let brought = if alone { brought(parts, params) } else { None };
    Credential::SignedUrl(brought.map(Box::new))
}

fn brought(parts: &Parts, params: &matchit::Params<'_, '_>) -> Option<BroughtUrl> {
    let Arguments { expires, kid, by, id, net, uses, scope, sig } = Arguments::parse(parts.uri.query()?)?;
    let method = match parts.method {
        http::Method::GET => UrlMethod::Get,
        http::Method::HEAD => UrlMethod::Head,
        _ => return None,
    };
    let seconds = expires.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let once = match uses {
        None => false,
        Some("once") => true,
        Some(_) => return None,
    };
    let file = match scope {
        None => None,
        Some("file") => Some(decoded(params.get("file")?)?.into()),
        Some(_) => return None,
    };
    let network = match net {
        Some(text) => Some(decoded(text)?.parse().ok()?),
        None => None,
    };
    let terms = UrlTerms {
        method,
        model: params.get("model")?.parse().ok()?,
        version: params.get("version")?.parse().ok()?,
        package: params.get("package")?.parse().ok()?,
        file,
        expires: Timestamp::from_micros(seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?),
        kid: kid?.parse().ok()?,
        user: by?.parse().ok()?,
        id: id?.parse().ok()?,
        network,
        once,
    };
    Some(BroughtUrl { terms, signature: Signature::parse(sig?)? })
}

/// Resolves percent-encoding; `None` for a broken escape or what is then no UTF-8.
pub(super) fn decoded(text: &str) -> Option<String> {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => u8::try_from(digit(bytes.next())? << 4 | digit(bytes.next())?).ok()?,
            byte => byte,
        });
    }
    String::from_utf8(plain).ok()
}
