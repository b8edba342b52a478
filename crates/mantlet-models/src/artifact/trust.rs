//! Whose signature counts: keys, and authorities whose certificates say who may sign. What signed something is remembered as
//! a [`Signer`], so that it can be asked later whether it counts still.

use std::time::{SystemTime, UNIX_EPOCH};

use mantlet_types::Sha256;

use super::{
    chain::{self, Authority, ChainError, Usage},
    keys::{KeyError, PublicKey},
    sigstore::Identity,
};

/// One thing that is trusted to say that a model is what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedSigner {
    /// The holder of a key.
    Key(PublicKey),
    /// Whoever an authority has given a certificate for signing.
    Authority(Authority),
    /// Somebody with an account, to whom Sigstore's authority has given a certificate for some minutes.
    Identity(Box<Identity>),
}

/// Everything that is trusted. Nobody is, where it is empty.
pub type TrustedSigners = [TrustedSigner];

impl From<PublicKey> for TrustedSigner {
    fn from(key: PublicKey) -> Self {
        Self::Key(key)
    }
}

/// The one who signed something that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// The holder of the key with this fingerprint.
    Key(Sha256),
    /// The holder of the first of these certificates (DER).
    Certificate(Vec<Vec<u8>>),
    /// An account at a provider of identities.
    Identity {
        /// The account.
        identity: String,
        /// The provider.
        issuer: String,
    },
}

impl Signer {
    /// Names the signer in one line: the fingerprint of the key or the certificate, or that of account and provider.
    #[must_use]
    pub fn fingerprint(&self) -> Sha256 {
        match self {
            Self::Key(fingerprint) => *fingerprint,
            Self::Certificate(chain) => super::sha256(chain.first().map_or(&[], Vec::as_slice)),
            Self::Identity { identity, issuer } => {
                super::sha256(format!("{}:{issuer}{identity}", issuer.len()).as_bytes())
            }
        }
    }
}

impl TrustedSigner {
    /// The authority, if it is one.
    #[must_use]
    pub fn authority(&self) -> Option<&Authority> {
        match self {
            Self::Authority(authority) => Some(authority),
            Self::Key(_) | Self::Identity(_) => None,
        }
    }

    /// Reads a file of trust: one public key, or the certificates of authorities.
    ///
    /// # Errors
    /// Neither, or a key that cannot sign models.
    pub fn from_pem(text: &str) -> Result<Vec<Self>, KeyError> {
        if text.contains("-----BEGIN CERTIFICATE-----") {
            return Ok(Authority::from_pem(text)?.into_iter().map(Self::Authority).collect());
        }
        Ok(vec![Self::Key(PublicKey::from_pem(text)?)])
    }
}

/// The authorities among those who are trusted.
pub(crate) fn authorities(trusted: &TrustedSigners) -> Vec<&Authority> {
    trusted.iter().filter_map(TrustedSigner::authority).collect()
}

/// The accounts among those who are trusted.
pub(crate) fn identities(trusted: &TrustedSigners) -> impl Iterator<Item = &Identity> {
    trusted.iter().filter_map(|one| match one {
        TrustedSigner::Identity(identity) => Some(&**identity),
        _ => None,
    })
}

/// Whether the one who signed something is trusted at this moment. A certificate counts as long as it and all above it are
/// valid.
#[must_use]
pub fn vouches(trusted: &TrustedSigners, signer: &Signer) -> bool {
    match signer {
        Signer::Key(fingerprint) => trusted
            .iter()
            .any(|one| matches!(one, TrustedSigner::Key(key) if key.fingerprint() == *fingerprint)),
        Signer::Certificate(chain) => certified(chain, trusted).is_ok(),
        Signer::Identity { identity, issuer } => {
            let mut known = identities(trusted);
            known.any(|known| known.identity == *identity && known.issuer == *issuer)
        }
    }
}

/// The key of a signer whose chain holds now.
pub(crate) fn certified(chain: &[Vec<u8>], trusted: &TrustedSigners) -> Result<PublicKey, ChainError> {
    let verified = chain::verify(chain, &authorities(trusted), now(), Usage::Signing)?;
    Ok(verified.key)
}

/// Seconds since 1970; before that, at no time at which anything is valid.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    since.and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(i64::MIN)
}
