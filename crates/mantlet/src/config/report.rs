//! The configuration for people and programs: every setting, what it is, where that comes from, and why the default
//! is what it is.

use std::fmt::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::{Config, Overlay, settings::SETTINGS};

/// What `mantlet config check` prints: as JSON by serde, as text by `Display`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// All settings.
    pub settings: Vec<Row>,
    /// Switches under `[danger]` that are on.
    pub danger: Vec<&'static str>,
}

/// One setting.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `section.name`.
    pub setting: &'static str,
    /// What it is.
    pub value: Value,
    /// `default`, `line 3`, `env MANTLET_LISTEN`, `flag --listen`.
    pub source: String,
    /// What it would be if nothing were said.
    pub default: Value,
    /// Why the default is what it is.
    pub reason: &'static str,
    /// Whether a running server takes a change.
    pub reloadable: bool,
}

impl Config {
    /// Every setting with its value, source and reason.
    #[must_use]
    pub fn report(&self) -> Report {
        // INVARIANT (empty-is-valid): an empty configuration resolves; a test holds it.
        let defaults = Self::load("", Overlay::default()).ok();
        let rows = SETTINGS.iter().map(|setting| Row {
            setting: setting.key,
            value: (setting.value)(self),
            source: self.given.get(setting.key).cloned().unwrap_or_else(|| "default".to_owned()),
            default: defaults.as_ref().map_or(Value::Null, setting.value),
            reason: setting.reason,
            reloadable: setting.restart.is_none(),
        });
        Report { settings: rows.collect(), danger: self.dangers() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.settings {
            writeln!(f, "{} = {}  ({})", row.setting, row.value, row.source)?;
            writeln!(f, "    {}", row.reason)?;
        }
        match self.danger.as_slice() {
            [] => writeln!(f, "\nno danger is switched on"),
            dangers => writeln!(f, "\ndanger: {}", dangers.join(", ")),
        }
    }
}

/// The page `docs/explanation/defaults.md`.
#[must_use]
pub fn defaults_page(report: &Report) -> String {
    let mut page = String::from(
        "# Defaults and their reasons\n\n\
         An empty `mantlet.toml` is the strictest configuration. This page is made from the table that the program \
         itself reads; `mantlet config check` shows the same for your configuration, with where each value comes \
         from.\n",
    );
    let mut section = "";
    for row in &report.settings {
        let (of, name) = row.setting.split_once('.').unwrap_or((row.setting, ""));
        if of != section {
            section = of;
            let heading = if name.is_empty() { format!("[[{of}]]") } else { format!("[{of}]") };
            let head = "| setting | default | why | a change takes effect |\n|---|---|---|---|";
            // Writing into a string cannot fail.
            let _ = writeln!(page, "\n## `{heading}`\n\n{head}");
        }
        let name = if name.is_empty() { of } else { name };
        let default = match &row.default {
            Value::Null => "—".to_owned(),
            value => format!("`{value}`"),
        };
        let effect = if row.reloadable { "on reload" } else { "on restart" };
        let _ = writeln!(page, "| `{name}` | {default} | {} | {effect} |", row.reason);
    }
    page
}
