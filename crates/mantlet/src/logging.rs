//! What the operator reads, on standard error. Never a body, a key or a query: those have no field to land in.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Log, LogFormat};

/// Starts logging, once per process.
pub fn start(log: &Log) {
    // Only our own targets: a library's debug output may quote what passes through it.
    let filter = EnvFilter::new(format!(
        "off,mantlet={level},mantlet_gate={level},mantlet_models={level},mantlet_audit={level},mantlet_store={level}",
        level = log.level
    ));
    let as_text = match log.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start, as in a test, keeps the first.
    let _ = if as_text {
        let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        builder.with_ansi(color).try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
}
