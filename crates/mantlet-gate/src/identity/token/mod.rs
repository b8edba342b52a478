//! Bearer tokens of configured issuers: JSON Web Tokens (RFC 7519), signed (RFC 7515), read as strictly as RFC 8725
//! asks for.
//!
//! A token says by itself who has issued it, under which algorithm and by which key. All three are taken as indices
//! into what the configuration lists, and as nothing else: no key comes out of a token, nothing that it names is ever
//! fetched, and what is not listed is refused. Keys come in from outside through a [`KeyRing`]; this module knows no
//! network.
//!
//! | RFC 8725 | here |
//! |---|---|
//! | 3.1 verify algorithms | [`Rules::algorithms`], a list per issuer; a key fits one kind of algorithm |
//! | 3.2 use appropriate algorithms | five of them, no HMAC, no `none`, RSA from 2,048 bits |
//! | 3.3, 3.4 validate all inputs | nothing nested, nothing compressed, points checked by the provider |
//! | 3.6 no compression | `zip` is refused |
//! | 3.7 UTF-8 | the JSON reader takes nothing else |
//! | 3.8 issuer and subject | `iss` exactly, keys by issuer, `sub` required and mapped exactly |
//! | 3.9 audience | required, exact membership |
//! | 3.10 do not trust received claims | `kid` is an index; `jku`, `x5u`, `jwk`, `x5c`, `crit` are refused |
//! | 3.11, 3.12 explicit typing, exclusive rules | `typ` is compared with what the issuer is listed with |

mod claims;
mod issuer;
mod json;
mod jws;
mod keys;
#[cfg(test)]
mod tests;

pub use issuer::{Issuer, Rules, TokenType};
pub use keys::{Algorithm, KeyRing, KeySet, KeySetError};

pub(crate) use issuer::{Verified, verify};

/// Why a token does not count; for the log. From outside all of them are 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// Longer than [`mantlet_types::limits::TOKEN_BYTES_MAX`].
    Size,
    /// Not three parts of unpadded base64url, or no JSON objects in the first two, or a member twice.
    Form,
    /// A header that asks for what is never done: `crit`, `jwk`, `jku`, `x5u`, `x5c`, `zip`, `enc`, `b64`.
    Header,
    /// An algorithm that the issuer is not listed with.
    Algorithm,
    /// Another kind of token than the issuer is listed with.
    Type,
    /// An issuer that is not listed.
    Issuer,
    /// The rules for the issuer's tokens have changed since it was looked at.
    Rules,
    /// For somebody else.
    Audience,
    /// A claim is missing or is not what it has to be.
    Claims,
    /// Past its end.
    Expired,
    /// Before its beginning, or made in the future.
    NotYet,
    /// Valid for longer than tokens are.
    Lifetime,
    /// The issuer's keys were never fetched, or too long ago.
    KeysStale,
    /// The issuer has no such key.
    KeyUnknown,
    /// The key is not for this algorithm.
    KeyMismatch,
    /// Not signed by that key.
    Signature,
}

impl TokenFault {
    /// The name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Size => "token_size",
            Self::Form => "token_form",
            Self::Header => "token_header",
            Self::Algorithm => "token_algorithm",
            Self::Type => "token_type",
            Self::Issuer => "token_issuer",
            Self::Rules => "token_rules",
            Self::Audience => "token_audience",
            Self::Claims => "token_claims",
            Self::Expired => "token_expired",
            Self::NotYet => "token_not_yet",
            Self::Lifetime => "token_lifetime",
            Self::KeysStale => "issuer_keys_stale",
            Self::KeyUnknown => "token_key_unknown",
            Self::KeyMismatch => "token_key_algorithm",
            Self::Signature => "token_signature",
        }
    }
}

/// Whether a bearer credential is read as a token rather than as a key: keys have no dots, tokens always have.
pub(crate) fn is_token(text: &str) -> bool {
    text.contains('.') && !text.starts_with("mtk_")
}

/// Reads whatever a stranger sends, for those who throw random bytes at it: whether it is a token by its form.
#[must_use]
pub fn reads(text: &str) -> bool {
    jws::Jws::read(text).and_then(|jws| claims::Claims::of(&jws.payload)).is_ok()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut value = [0; 32];
    value.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    value
}
