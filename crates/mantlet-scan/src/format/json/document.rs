//! JSON documents of a model's folder: which keys make a loader run something, and which hold something to be judged.

use super::{Event, Kind, Reader, Value, parse};
use crate::{
    Input, Rule,
    format::{keras, skops, template, window::shown},
    scan::{Scan, Stop},
};

/// The document is strict JSON.
pub(crate) static SYNTAX: Rule = Rule {
    id: "json/syntax",
    class: "config-malformed",
    demands: "a JSON document is strict: unique keys, bounded depth, nothing after the value",
};

/// Code from the repository or elsewhere.
pub(crate) static CUSTOM_CODE: Rule = Rule {
    id: "config/custom-code",
    class: "custom-code",
    demands: "no configuration makes a loader run code of the repository",
};

/// Objects by name.
pub(crate) static TARGET: Rule = Rule {
    id: "config/target",
    class: "config-code",
    demands: "no configuration names Python objects to be imported and called",
};

/// Notebooks.
pub(crate) static NOTEBOOK: Rule = Rule {
    id: "config/notebook",
    class: "custom-code",
    demands: "a model's folder has no notebooks: they are programs",
};

/// Keys that must be looked at in their place; any other document is only checked for its syntax.
const KEYS: [&str; 17] = [
    "auto_map",
    "auto_mapping",
    "custom_pipelines",
    "custom_generate",
    "trust_remote_code",
    "class_name",
    "__class__",
    "__module__",
    "__loader__",
    "_class_name",
    "_target_",
    "loader_module",
    "nbformat",
    "lc",
    "type",
    "__reduce__",
    "code_paths",
];

/// Whether content begins like a JSON object or list.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    let head = input.head(4_096)?;
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
    let mut bytes = head.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    let whole = input.len() <= 4_096;
    Ok(match (bytes.next(), bytes.next()) {
        (Some(b'{'), Some(b'"')) | (Some(b'['), Some(b'{' | b'[' | b'"')) => true,
        (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')) => whole,
        (Some(b'['), Some(b'-' | b'0'..=b'9')) => numbers(head),
        _ => false,
    })
}

/// Whether text begins like a list of numbers, rather than a section of an INI file or a date.
fn numbers(head: &[u8]) -> bool {
    let mut rest = head.iter().skip_while(|byte| **byte != b'[').skip(1);
    let end = rest.find(|byte| {
        !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') && !byte.is_ascii_whitespace()
    });
    matches!(end, Some(b',' | b']'))
}

/// Judges a document, or several on lines of their own.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let bytes = input.read(0, input.len())?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| Stop::malformed(error.valid_up_to() as u64, "the document is not UTF-8"))?;
    judge(text, scan)
}

fn judge(text: &str, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut from = 0;
    loop {
        let rest = text.get(from..).unwrap_or_default();
        let (length, interesting) =
            survey(rest, scan).map_err(|stop| crate::format::window::shifted(stop, from as u64))?;
        if interesting {
            let document = rest.get(..length).unwrap_or_default();
            let value = parse(document, true, scan)?;
            self::value(&value, from as u64, scan)?;
        }
        let after = rest.get(length..).unwrap_or_default();
        if after.trim().is_empty() {
            return Ok(());
        }
        // JSON lines: one value a line.
        if !after.trim_start_matches([' ', '\t', '\r']).starts_with('\n') {
            return Err(Stop::malformed((from + length) as u64, "something stands after the value"));
        }
        from += length;
    }
}

/// Reads one value for its syntax alone: where it ends, and whether some key asks for more.
fn survey(text: &str, scan: &mut Scan<'_>) -> Result<(usize, bool), Stop> {
    let mut reader = Reader::new(text, true);
    let mut interesting = false;
    let mut events = 0_u64;
    while let Some((_, event)) = reader.next()? {
        events += 1;
        if events.is_multiple_of(1024) {
            scan.charge(1024)?;
        }
        if let Event::Key(key) = &event {
            interesting |= KEYS.contains(&key.as_ref()) || key.contains("template") || key.starts_with("py/");
        }
    }
    Ok((reader.at(), interesting))
}

/// Judges a document that has keys of interest.
fn value(root: &Value<'_>, offset: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
    if root.get("__loader__").is_some() || root.get("_skops_version").is_some() {
        return skops::judge(root, offset, scan);
    }
    if root.get("nbformat").is_some() && root.get("cells").is_some() {
        scan.find(&NOTEBOOK, offset, "the document is a notebook");
    }
    let mut open = vec![(root, 0_usize)];
    while let Some((value, depth)) = open.pop() {
        scan.charge(1)?;
        if keras::is_object(value) {
            keras::judge(value, offset, scan)?;
            continue;
        }
        object(value, depth, offset, scan)?;
        open.extend(value.members().iter().map(|(_, member)| (member, depth + 1)));
        open.extend(value.items().iter().map(|item| (item, depth + 1)));
    }
    Ok(())
}

fn object(value: &Value<'_>, depth: usize, offset: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
    for (key, member) in value.members() {
        let at = offset + member.at;
        let empty = matches!(&member.kind, Kind::Null | Kind::Bool(false))
            || matches!(&member.kind, Kind::Object(members) if members.is_empty())
            || matches!(&member.kind, Kind::List(items) if items.is_empty());
        match key.as_ref() {
            "auto_map" | "custom_pipelines" | "custom_generate" | "trust_remote_code" | "code_paths"
                if !empty =>
            {
                scan.find(&CUSTOM_CODE, at, format!("`{key}` makes loaders run code of the repository"));
            }
            "auto_mapping" if !empty => library(member.get("parent_library"), at, scan),
            "_target_" | "__reduce__" => {
                scan.find(&TARGET, at, format!("`{key}` names an object to be called"));
            }
            "loader_module" if !member.text().is_some_and(|module| module.starts_with("mlflow.")) => {
                scan.find(&CUSTOM_CODE, at, "`loader_module` names a module that is not MLflow's");
            }
            "lc" if value.get("id").is_some() && value.get("type").is_some() => {
                scan.find(&TARGET, at, "the document is a serialized LangChain object");
            }
            "type" if !module_type(value, member) => {
                scan.find(
                    &TARGET,
                    at,
                    format!("`type` names `{}`", shown(member.text().unwrap_or_default())),
                );
            }
            "_class_name" if depth == 0 => pipeline(value, offset, scan),
            key if key.starts_with("py/") => {
                scan.find(&TARGET, at, format!("`{key}` makes jsonpickle build an object"));
            }
            key if key.contains("template") => templates(member, offset, scan)?,
            _ => {}
        }
    }
    Ok(())
}

/// PEFT imports the library that it finds the base model's class in.
fn library(parent: Option<&Value<'_>>, at: u64, scan: &mut Scan<'_>) {
    let known = |name: &str| name == "transformers" || name.starts_with("transformers.models.");
    if !parent.and_then(Value::text).is_some_and(known) {
        scan.find(&CUSTOM_CODE, at, "`auto_mapping` names a library that is not transformers");
    }
}

/// Sentence Transformers imports what the `type` of a module in `modules.json` says.
fn module_type(value: &Value<'_>, kind: &Value<'_>) -> bool {
    let of_modules = ["idx", "name", "path"].iter().all(|key| value.get(key).is_some());
    !of_modules
        || kind.text().is_some_and(|name| {
            name.starts_with("sentence_transformers.models.")
                || name.starts_with("sentence_transformers.base.")
        })
}

/// Diffusers imports each component of a pipeline from the library that stands beside its class.
fn pipeline(root: &Value<'_>, offset: u64, scan: &mut Scan<'_>) {
    const LIBRARIES: [&str; 5] =
        ["diffusers", "transformers", "onnxruntime", "stable_diffusion", "tokenizers"];
    if root.get("_class_name").is_none_or(|class| class.text().is_none()) {
        scan.find(&CUSTOM_CODE, offset + root.at, "`_class_name` names a class of the repository");
    }
    for (key, member) in root.members() {
        let [library, class] = member.items() else { continue };
        let known = match &library.kind {
            Kind::Null => true,
            Kind::Text(name) => LIBRARIES.contains(&name.as_ref()) || class.text().is_none(),
            _ => true,
        };
        if !known {
            let why = format!(
                "the component `{}` is of `{}`",
                shown(key),
                shown(library.text().unwrap_or_default())
            );
            scan.find(&CUSTOM_CODE, offset + member.at, why);
        }
    }
}

/// Templates, wherever they stand below a key that says so.
fn templates(value: &Value<'_>, offset: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        scan.charge(1)?;
        if let Some(text) = value.text().filter(|text| template::has_tags(text)) {
            template::judge(text, offset + value.at, scan)?;
        }
        open.extend(value.members().iter().map(|(_, member)| member));
        open.extend(value.items());
    }
    Ok(())
}
