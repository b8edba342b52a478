//! What a package says of itself: its settings and its profile.

use mantlet_models::{package::Settings, profile::Profile};

/// `mantlet-model.toml`: what is wrong lies within it.
pub(super) fn settings(data: &[u8]) {
    if let Err(error) = Settings::parse(data) {
        assert!(!error.message.is_empty());
        assert!(error.span.is_none_or(|span| data.get(span).is_some()));
    }
}

/// `profile.json`: what is taken is written as what is read again.
pub(super) fn profile(data: &[u8]) {
    let Ok(profile) = Profile::parse(data) else { return };
    let again = Profile::parse(&profile.to_json().unwrap()).unwrap();
    assert_eq!(again, profile);
}
