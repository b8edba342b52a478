//! Keras configurations: the JSON inside a `.keras` archive, an HDF5 file or a SavedModel, from which a loader builds objects.
//!
//! A configuration names classes by module and name, and the loader imports them: any importable function of the machine
//! where nothing holds it back (CVE-2025-1550, CVE-2025-8747, CVE-2025-9905, CVE-2025-9906). Every object is held against
//! the exact list of Keras' own classes; those that carry code or read files are not in it.

use std::sync::LazyLock;

use super::{
    json::{self, Kind, Value},
    operators::Operators,
    window::shifted,
};
use crate::{
    Rule,
    scan::{Scan, Stop},
};

/// Classes.
pub(crate) static CLASS: Rule = Rule {
    id: "keras/class",
    class: "keras-code",
    demands: "every object of a Keras configuration is of Keras' own classes, by exact module and name",
};

/// Functions.
pub(crate) static FUNCTION: Rule = Rule {
    id: "keras/function",
    class: "keras-code",
    demands: "every function of a Keras configuration is a built-in activation, loss or metric",
};

/// Files.
pub(crate) static FILE: Rule = Rule {
    id: "keras/file",
    class: "keras-file",
    demands: "no object of a Keras configuration reads a file or an address when it is built (CVE-2025-12058)",
};

/// The text is a Keras configuration.
pub(crate) static SYNTAX: Rule =
    Rule { id: "keras/config", class: "keras-malformed", demands: "a Keras configuration is strict JSON" };

static CLASSES: LazyLock<Operators> = LazyLock::new(|| Operators::of(include_str!("classes.txt")));

/// Classes that Keras 2 names without a module.
const OF_KERAS_2: [&str; 12] = [
    "CuDNNGRU",
    "CuDNNLSTM",
    "InputSpec",
    "LocallyConnected1D",
    "LocallyConnected2D",
    "SyncBatchNormalization",
    "ThresholdedReLU",
    "Policy",
    "TensorShape",
    "TruncatedNormalV2",
    "VarianceScalingV2",
    "ZerosV2",
];

/// Marks of values that are no classes: tensors, tuples, bytes.
const MARKS: [&str; 8] = [
    "__keras_tensor__",
    "__tensor__",
    "__numpy__",
    "__tuple__",
    "__bytes__",
    "__ellipsis__",
    "__slice__",
    "__variable__",
];

/// Types of inputs that Keras 2 writes into SavedModels; a loader looks them up among TensorFlow's own.
const TYPE_SPECS: [&str; 3] = ["tf.TensorSpec", "tf.RaggedTensorSpec", "tf.SparseTensorSpec"];

/// Members whose strings name something outside the model.
const FILES: [&str; 9] =
    ["vocabulary", "filename", "file_path", "filepath", "file", "path", "url", "origin", "idf_weights"];

/// Judges a configuration given as text that begins at `offset` of the content.
pub(crate) fn judge_text(text: &str, offset: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
    match json::parse(text, true, scan) {
        Ok(value) => judge(&value, offset, scan),
        Err(stop) => {
            scan.stopped(&SYNTAX, shifted(stop, offset));
            Ok(())
        }
    }
}

/// Whether an object is one that a loader would build.
pub(crate) fn is_object(value: &Value<'_>) -> bool {
    value.get("class_name").is_some() && (value.get("config").is_some() || value.get("module").is_some())
}

/// Judges every object of a configuration.
pub(crate) fn judge(root: &Value<'_>, offset: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut open = vec![root];
    while let Some(value) = open.pop() {
        scan.charge(1)?;
        if value.get("class_name").is_some() {
            object(value, offset, scan);
        }
        for (key, member) in value.members() {
            if FILES.contains(&key.as_ref()) && member.text().is_some_and(|text| !text.is_empty()) {
                scan.find(
                    &FILE,
                    offset + member.at,
                    format!("`{key}` names `{}`", member.text().unwrap_or_default()),
                );
            }
            if key.ends_with("activation")
                && member.text().is_some_and(|name| !CLASSES.has("functions", name))
            {
                let why = format!("`{key}` is `{}`", member.text().unwrap_or_default());
                scan.find(&FUNCTION, offset + member.at, why);
            }
            open.push(member);
        }
        open.extend(value.items());
        // A configuration may hold another one as text.
        if let Some(text) =
            value.text().filter(|text| text.trim_start().starts_with('{') && text.contains("class_name"))
        {
            scan.find(&CLASS, offset + value.at, format!("a string holds another configuration, `{text}`"));
        }
    }
    Ok(())
}

fn object(value: &Value<'_>, offset: u64, scan: &mut Scan<'_>) {
    let at = offset + value.at;
    let Some(class) = value.get("class_name").and_then(Value::text) else {
        return scan.find(&CLASS, at, "`class_name` is not a string");
    };
    let module = match value.get("module").map(|module| &module.kind) {
        None | Some(Kind::Null) => None,
        Some(Kind::Text(module)) => Some(module.as_ref()),
        Some(_) => return scan.find(&CLASS, at, "`module` is not a string"),
    };
    if MARKS.contains(&class) && module.is_none_or(|module| module == "builtins") {
        return;
    }
    if class == "TypeSpec" && module.is_none() {
        let spec = value.get("type_spec").and_then(Value::text).unwrap_or_default();
        if !TYPE_SPECS.contains(&spec) {
            scan.find(&CLASS, at, format!("the configuration names the type `{spec}`"));
        }
        return;
    }
    if class == "function" {
        let function = value.get("config").and_then(Value::text).unwrap_or("something else than a name");
        let of = module.unwrap_or("builtins");
        let known = ["builtins", "keras.activations", "keras.losses", "keras.metrics"].contains(&of)
            || ["keras.src.activations.", "keras.src.losses.", "keras.src.metrics."]
                .iter()
                .any(|start| of.starts_with(start));
        let registered = value.get("registered_name").and_then(Value::text);
        let own = registered.is_none_or(|name| name == "function" || name == function);
        if !(known && own && CLASSES.has("functions", function)) {
            scan.find(&FUNCTION, at, format!("the configuration names the function `{of}.{function}`"));
        }
        return;
    }
    let known = match module {
        Some(module) => CLASSES.has(&current(module), class),
        None => is_known_anywhere(class),
    };
    if !known {
        let of = module.map(|module| format!("{module}.")).unwrap_or_default();
        return scan.find(&CLASS, at, format!("the configuration names the class `{of}{class}`"));
    }
    let registered = value.get("registered_name").and_then(Value::text);
    if registered.is_some_and(|name| name != class && name.strip_prefix("keras>") != Some(class)) {
        let why = format!(
            "the class `{class}` is replaced by one registered as `{}`",
            registered.unwrap_or_default()
        );
        scan.find(&CLASS, at, why);
    }
}

/// The module's name today: `tf_keras` and `tensorflow.keras` have the same public classes.
fn current(module: &str) -> String {
    let public = ["tensorflow.keras", "tf.keras", "tf_keras", "keras.api"];
    let rest = public.iter().find_map(|prefix| module.strip_prefix(prefix));
    match rest {
        Some(rest) if rest.is_empty() || rest.starts_with('.') => format!("keras{rest}"),
        _ => module.to_owned(),
    }
}

fn is_known_anywhere(class: &str) -> bool {
    const PUBLIC: [&str; 9] = [
        "keras",
        "keras.layers",
        "keras.initializers",
        "keras.regularizers",
        "keras.constraints",
        "keras.optimizers",
        "keras.optimizers.schedules",
        "keras.losses",
        "keras.metrics",
    ];
    // Keras 2 registers its optimizers as if they were somebody's own.
    let optimizer = class.strip_prefix("Custom>").is_some_and(|name| CLASSES.has("keras.optimizers", name));
    optimizer || PUBLIC.iter().any(|module| CLASSES.has(module, class)) || OF_KERAS_2.contains(&class)
}
