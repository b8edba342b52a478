//! Configuration files.

use mantlet::{
    config::{Config, ConfigErrors, Overlay},
    home::{RootKeySource, RootKeySourceError},
};
use mantlet_types::limits::BODY_BYTES_MAX;
use miette::{GraphicalReportHandler, GraphicalTheme};

/// A configuration that resolves keeps every bound and every promise of `[danger]`; one that does not says where and
/// why, and never repeats a root key that somebody typed into it.
pub(crate) fn body(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::load(text, Overlay::default()) {
        Ok(config) => sound(&config),
        Err(errors) => explained(text, &errors),
    }
}

fn sound(config: &Config) {
    let (server, danger) = (&config.server, &config.danger);
    assert!((1..=65_536).contains(&server.connections_max) && server.body_bytes_max <= BODY_BYTES_MAX);
    assert!(server.listen.ip().is_loopback() || !danger.plaintext, "plain HTTP beyond this machine");
    assert!(server.trusted_proxies.iter().all(|network| network.prefix_len() > 0), "everybody is a proxy");
    assert!(config.store.root_key != RootKeySource::Inside || danger.single_person);
    assert!(config.audit.durability.as_str() != "os" || danger.audit_os);
    assert!((1..=365).contains(&config.identity.key_days) && config.limits.rate_per_minute > 0);
    let thresholds = config.models.values().filter_map(|model| model.threshold);
    assert!(thresholds.into_iter().all(|threshold| threshold > 0.0 && threshold <= 1.0));
    let report = config.report();
    assert_eq!(report.danger, config.dangers());
    assert!(!report.to_string().is_empty() && serde_json::to_string(&report).is_ok());
}

fn explained(text: &str, errors: &ConfigErrors) {
    assert!(!errors.0.is_empty());
    for error in &errors.0 {
        let inside = error.span().is_none_or(|span| text.get(span).is_some());
        assert!(inside && !error.to_string().is_empty(), "{error:?}");
    }
    let mut shown = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_links(false);
    assert!(handler.render_report(&mut shown, errors).is_ok());
    for key in parsed_root_key(text).into_iter().chain(root_keys_in_lines(text)) {
        // What is short, or stands elsewhere as well, may be shown for another reason.
        let telling = key.len() >= 8 && text.matches(&key).count() <= 1;
        let is_key = key.parse::<RootKeySource>() == Err(RootKeySourceError::Literal);
        assert!(!(telling && is_key && shown.contains(&key)), "a root key is shown");
    }
}

/// What stands where the place of the root key should.
fn parsed_root_key(text: &str) -> Option<String> {
    let document: toml::Table = text.parse().ok()?;
    Some(document.get("store")?.get("root_key")?.as_str()?.to_owned())
}

/// The same of a text that cannot be parsed: what a line has between quotes.
fn root_keys_in_lines(text: &str) -> impl Iterator<Item = String> {
    let value = |line: &str| {
        let value = line.trim().strip_prefix("root_key")?.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|first| "\"'".contains(*first))?;
        Some(value[1..].split(quote).next()?.to_owned())
    };
    text.lines().filter_map(value)
}
