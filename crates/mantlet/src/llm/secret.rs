//! Keys that upstreams are asked by: fetched from where the configuration says that they are, kept for a while, and fetched
//! again when an upstream refuses one.

use std::sync::{Arc, OnceLock, Weak};

use http::HeaderValue;
use mantlet_gate::Gate;
use mantlet_secrets::{Keeping, Kept, Providers, Secret, SecretRef, Secrets};
use mantlet_types::SecretName;
use zeroize::Zeroizing;

/// The home's own store of secrets, as the gate has it at the moment. Routes are there before their gate is: until then it
/// keeps none.
#[derive(Clone, Default)]
struct Store(Arc<OnceLock<Weak<Gate>>>);

impl Kept for Store {
    fn value(&self, name: &SecretName) -> Option<Arc<Secret>> {
        let gate = self.0.get()?.upgrade()?;
        Some(Arc::clone(&gate.snapshot().directory.secrets.get(name)?.value))
    }
}

/// The keys of all upstreams.
pub(super) struct Keys {
    store: Store,
    secrets: Secrets<Providers<Store>>,
}

impl Default for Keys {
    fn default() -> Self {
        let store = Store::default();
        Self { secrets: Secrets::new(Providers::new(store.clone()), Keeping::default()), store }
    }
}

impl Keys {
    /// Whose secrets the home's are, from now on.
    pub(super) fn attach(&self, gate: &Arc<Gate>) {
        // There is one gate; a second would change nothing.
        let _ = self.store.0.set(Arc::downgrade(gate));
    }

    /// Why a key could not be sent now.
    pub(super) fn lacks(&self, place: &SecretRef) -> Option<String> {
        let secret = Providers::new(self.store.clone()).resolve(place).map_err(|error| error.to_string());
        secret.and_then(|secret| bearer(place, &secret)).err()
    }

    /// A key.
    ///
    /// # Errors
    /// If it cannot be had; for an operator.
    pub(super) async fn get(&self, place: &SecretRef) -> Result<Arc<Secret>, String> {
        self.secrets.get(place).await.map_err(|error| error.to_string())
    }

    /// Another key than the one that was refused, if there is one by now.
    pub(super) async fn after_refusal(
        &self,
        place: &SecretRef,
        refused: &Arc<Secret>,
    ) -> Option<Arc<Secret>> {
        match self.secrets.after_refusal(place, refused).await {
            Ok(other) => other,
            Err(error) => {
                tracing::warn!(%error, "an upstream refuses its key, and there is no other");
                None
            }
        }
    }
}

/// What says a key to an upstream, without white space around it.
///
/// # Errors
/// If no header can carry it; for an operator.
pub(super) fn bearer(place: &SecretRef, secret: &Secret) -> Result<HeaderValue, String> {
    let no_key = || format!("`{place}` holds nothing that can be sent as a key");
    let text = secret.expose_str().map(str::trim).filter(|text| !text.is_empty()).ok_or_else(no_key)?;
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(no_key());
    }
    let header = Zeroizing::new(format!("Bearer {text}"));
    let mut value = HeaderValue::from_str(&header).map_err(|_| no_key())?;
    value.set_sensitive(true); // never shown, nor kept in tables of compressed headers
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_word_and_an_error_does_not_repeat_it() {
        let place: SecretRef = "env:OPENAI_KEY".parse().unwrap();
        let said = |bytes: &[u8]| bearer(&place, &Secret::new(bytes.to_vec()).unwrap());
        let value = said(b" sk-1\t").unwrap();
        assert_eq!((value.to_str().unwrap(), value.is_sensitive()), ("Bearer sk-1", true));
        for bytes in [&b" \n"[..], b"two canaries", b"canary\r\nx: y", "c\u{e4}nary".as_bytes(), &[0xFF]] {
            let error = said(bytes).unwrap_err();
            assert!(error.contains("env:OPENAI_KEY") && !error.contains("nar"), "{error}");
        }
    }

    #[test]
    fn before_there_is_a_gate_the_home_keeps_nothing() {
        assert!(Keys::default().lacks(&"secret:openai".parse().unwrap()).is_some());
    }
}
