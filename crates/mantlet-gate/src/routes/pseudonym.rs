//! Names for texts and tenants where neither may be told: HMAC-SHA256 under a key of the home's.
//!
//! A plain digest of a short text is as good as the text to whoever can guess it; and what one tenant calls its users must
//! not meet what another calls its own at an upstream that both share one credential for.

use aws_lc_rs::hmac;
use mantlet_guard::structure::TenantKey;
use mantlet_types::{PrincipalId, Sha256};

/// Makes pseudonyms.
pub struct Pseudonyms(hmac::Key);

impl Pseudonyms {
    /// Under this key, which nothing else is derived from.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The name of a digest.
    pub(crate) fn digest(&self, of: &Sha256) -> Sha256 {
        Self::named(&self.sign(&[b"text", &of.0]))
    }

    /// What an upstream is told in the place of a tenant's own word for something.
    pub(crate) fn word(&self, tenant: &PrincipalId, kind: &str, word: &str) -> String {
        let tag = self.sign(&[b"word", tenant.to_string().as_bytes(), kind.as_bytes(), word.as_bytes()]);
        tag.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// What the boundaries in a tenant's prompts are made with: nobody else's are the same.
    pub(crate) fn tenant(&self, tenant: &PrincipalId) -> Option<TenantKey> {
        TenantKey::new(self.sign(&[b"boundary", tenant.to_string().as_bytes()]).as_ref()).ok()
    }

    /// INVARIANT (no ambiguity): each part has its length before it, so that no two lists of parts are one text.
    fn sign(&self, parts: &[&[u8]]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        context.sign()
    }

    fn named(tag: &hmac::Tag) -> Sha256 {
        let mut digest = [0; 32];
        digest.iter_mut().zip(tag.as_ref()).for_each(|(byte, tag)| *byte = *tag);
        Sha256(digest)
    }
}
