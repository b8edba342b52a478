//! The compact form of a signed token (RFC 7515, section 7.1): three parts, of which the first two are JSON.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mantlet_types::limits::TOKEN_BYTES_MAX;
use serde_json::{Map, Value};

use super::{TokenFault, json};

/// Longest `kid` that is looked up.
const KID_BYTES_MAX: usize = 256;

/// Headers that say where a key is, that parts of the token are to be understood in a way of their own, or that it is
/// wrapped. A token that needs one of them is none that we take; one that merely has it is not worth the doubt.
const REFUSED: [&str; 8] = ["crit", "jwk", "jku", "x5u", "x5c", "zip", "enc", "b64"];

/// A token taken apart; nothing of it is believed yet.
pub(super) struct Jws<'a> {
    /// The algorithm that it claims.
    pub(super) algorithm: String,
    /// The kind of token that it claims to be.
    pub(super) typ: Option<String>,
    /// Which of the issuer's keys it claims to be signed by.
    pub(super) kid: String,
    /// The claims.
    pub(super) payload: Map<String, Value>,
    /// What the signature is over: the first two parts with the dot between them.
    pub(super) signed: &'a str,
    /// The signature, in base64url.
    pub(super) signature: &'a str,
}

impl<'a> Jws<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, TokenFault> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::Size);
        }
        // An encrypted token (RFC 7516) has five parts, and so is none of ours.
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenFault::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenFault::Form)?;
        decoded(signature)?;
        let mut header = json::object(&decoded(header)?)?;
        if REFUSED.iter().any(|name| header.contains_key(*name)) {
            return Err(TokenFault::Header);
        }
        let algorithm = text_of(header.remove("alg"))?.ok_or(TokenFault::Algorithm)?;
        let typ = text_of(header.remove("typ"))?;
        // Without one we would have to try keys, and a set of keys is an invitation to have one that fits.
        let kid = text_of(header.remove("kid"))?.filter(|kid| (1..=KID_BYTES_MAX).contains(&kid.len()));
        let kid = kid.ok_or(TokenFault::KeyUnknown)?;
        let payload = json::object(&decoded(payload)?)?;
        Ok(Self { algorithm, typ, kid, payload, signed, signature })
    }
}

/// Unpadded base64url without superfluous bits, and hence never a dot.
fn decoded(part: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Form)
}

fn text_of(value: Option<Value>) -> Result<Option<String>, TokenFault> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenFault::Form),
    }
}
