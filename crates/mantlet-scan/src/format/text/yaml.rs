//! YAML, judged by its events: tags that make Python build objects, aliases that multiply, and keys that name code.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, Tag};

use super::template;
use crate::{
    Rule,
    format::json::document::{CUSTOM_CODE, TARGET},
    scan::{Scan, Stop},
};

/// The text is YAML.
pub(crate) static SYNTAX: Rule =
    Rule { id: "yaml/syntax", class: "config-malformed", demands: "a YAML document can be parsed" };

static TAG: Rule = Rule {
    id: "yaml/tag",
    class: "config-code",
    demands: "YAML has no tags but the core schema's: others build objects",
};

static ALIAS: Rule = Rule {
    id: "yaml/alias",
    class: "resource",
    demands: "YAML's aliases do not multiply a document beyond its size",
};

/// Nodes of a document with all its aliases expanded.
const NODES_MAX: u64 = 2_000_000;
/// Levels of nesting.
const DEPTH_MAX: usize = 200;

/// Whether text begins like YAML: its first line of content is a key, an item, or a document's mark.
pub(crate) fn looks_like(text: &str) -> bool {
    let mut lines = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && !line.trim_start().starts_with('#'));
    let Some(first) = lines.next() else { return false };
    first == "---"
        || first.starts_with("--- ")
        || first.starts_with("%YAML")
        || first.starts_with("- ")
        || is_key(first)
}

/// Whether a line is a key with or without a value.
fn is_key(line: &str) -> bool {
    let Some((key, value)) = line.split_once(':') else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '"' | '\'');
    !key.is_empty() && key.chars().all(plain) && (value.is_empty() || value.starts_with(' '))
}

/// A collection that is open.
struct Open {
    anchor: usize,
    nodes: u64,
    mapping: bool,
    /// The key that has been read, if a value comes next.
    key: Option<String>,
}

struct Judge<'s, 'l> {
    scan: &'s mut Scan<'l>,
    open: Vec<Open>,
    sizes: HashMap<usize, u64>,
    /// Whether anything was seen that makes the text YAML rather than prose.
    collection: bool,
    tags: Vec<(u64, String)>,
}

/// Judges text that may be YAML. What cannot be parsed is not held against text, but tags before that place are.
pub(super) fn judge(text: &str, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let marks =
        text.contains('!') || text.contains('*') || text.contains("_target_") || text.contains("_module");
    let keys =
        ["trust_remote_code", "auto_map", "custom_pipelines", "template", "code_paths", "__reduce__", "py/"];
    if !marks && !keys.iter().any(|key| text.contains(key)) {
        return Ok(());
    }
    let mut judge =
        Judge { scan, open: Vec::new(), sizes: HashMap::new(), collection: false, tags: Vec::new() };
    let mut whole = true;
    for next in Parser::new_from_str(text) {
        let Ok((event, span)) = next else {
            whole = false;
            break;
        };
        judge.scan.charge(1)?;
        judge.event(&event, span.start.index() as u64)?;
    }
    let Judge { scan, tags, collection, .. } = judge;
    for (at, tag) in tags {
        // In text that is no YAML after all, an exclamation mark is only that.
        if (whole && collection) || tag.starts_with("tag:") || looks_like(text) {
            scan.find(&TAG, at, format!("the document has the tag `{tag}`"));
        }
    }
    Ok(())
}

impl Judge<'_, '_> {
    fn event(&mut self, event: &Event<'_>, at: u64) -> Result<(), Stop> {
        match event {
            Event::Scalar(text, _, anchor, tag) => {
                self.tag(tag.as_deref(), at);
                if *anchor > 0 {
                    self.sizes.insert(*anchor, 1);
                }
                self.node(1, Some(text), at)?;
            }
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                self.tag(tag.as_deref(), at);
                if self.open.len() >= DEPTH_MAX {
                    self.scan.find(&SYNTAX, at, "collections are nested too deeply");
                    return Err(Stop::Over("depth of a YAML document"));
                }
                let mapping = matches!(event, Event::MappingStart(..));
                self.collection |= mapping || !self.open.is_empty();
                self.open.push(Open { anchor: *anchor, nodes: 1, mapping, key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    if open.anchor > 0 {
                        self.sizes.insert(open.anchor, open.nodes);
                    }
                    self.node(open.nodes, None, at)?;
                }
            }
            Event::Alias(anchor) => {
                let size = self.sizes.get(anchor).copied();
                if size.is_none() && self.open.iter().any(|open| open.anchor == *anchor) {
                    self.scan.find(&ALIAS, at, "an alias stands within what it refers to");
                }
                self.node(size.unwrap_or(1), None, at)?;
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn tag(&mut self, tag: Option<&Tag>, at: u64) {
        let Some(tag) = tag else { return };
        const CORE: [&str; 14] = [
            "str",
            "int",
            "float",
            "bool",
            "null",
            "map",
            "seq",
            "set",
            "omap",
            "pairs",
            "binary",
            "timestamp",
            "merge",
            "value",
        ];
        let name = format!("{}{}", tag.handle, tag.suffix);
        let core =
            name.strip_prefix("tag:yaml.org,2002:").is_some_and(|name| CORE.contains(&name)) || name == "!";
        if !core && self.tags.len() < 64 {
            self.tags.push((at, name));
        }
    }

    /// Counts a node, and looks at a scalar in its place.
    fn node(&mut self, nodes: u64, text: Option<&str>, at: u64) -> Result<(), Stop> {
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        open.nodes = open.nodes.saturating_add(nodes);
        if open.nodes > NODES_MAX {
            self.scan.find(&ALIAS, at, "aliases multiply the document beyond bounds");
            return Err(Stop::Over("nodes of a YAML document"));
        }
        if !open.mapping {
            return Ok(());
        }
        if open.key.is_none() {
            open.key = Some(text.unwrap_or_default().to_owned());
            return Ok(());
        }
        let key = open.key.take().unwrap_or_default();
        self.member(&key, text, at)
    }

    fn member(&mut self, key: &str, value: Option<&str>, at: u64) -> Result<(), Stop> {
        let empty = value.is_some_and(|value| {
            matches!(value.to_ascii_lowercase().as_str(), "" | "~" | "null" | "false" | "no" | "off")
        });
        match key {
            "_target_" | "__reduce__" => {
                self.scan.find(&TARGET, at, format!("`{key}` names an object to be called"));
            }
            "auto_map" | "custom_pipelines" | "trust_remote_code" | "code_paths" if !empty => {
                self.scan.find(&CUSTOM_CODE, at, format!("`{key}` makes loaders run code of the repository"));
            }
            "loader_module" if !value.is_some_and(|module| module.starts_with("mlflow.")) => {
                self.scan.find(&CUSTOM_CODE, at, "`loader_module` names a module that is not MLflow's");
            }
            key if key.starts_with("py/") => {
                self.scan.find(&TARGET, at, format!("`{key}` makes jsonpickle build an object"));
            }
            key if key.contains("template") => {
                if let Some(text) = value.filter(|text| template::has_tags(text)) {
                    template::judge(text, at, self.scan)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
