//! Skops: the schema of an archive, a tree of nodes of which each names a type and how it is made.

use super::json::{Kind, Value};
use crate::{
    Rule,
    pickle::{Name, Right},
    scan::{Scan, Stop},
};

/// Types.
pub(crate) static TYPE: Rule = Rule {
    id: "skops/type",
    class: "skops-code",
    demands: "every type of a skops file is of the exact list of names that a scikit-learn model needs",
};

/// Loaders.
pub(crate) static LOADER: Rule = Rule {
    id: "skops/loader",
    class: "skops-code",
    demands: "every node of a skops file is made by a loader that stores data; methods, partials and operators are not",
};

const LOADERS: [&str; 22] = [
    "BytearrayNode",
    "BytesNode",
    "CachedNode",
    "DTypeNode",
    "DefaultDictNode",
    "DictNode",
    "FunctionNode",
    "JsonNode",
    "ListNode",
    "LossNode",
    "MaskedArrayNode",
    "NdArrayNode",
    "ObjectNode",
    "RandomGeneratorNode",
    "RandomStateNode",
    "ReduceNode",
    "SetNode",
    "SliceNode",
    "SparseMatrixNode",
    "TreeNode",
    "TupleNode",
    "TypeNode",
];

/// Judges a schema.
pub(crate) fn judge(root: &Value<'_>, offset: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let mut open = vec![root];
    while let Some(value) = open.pop() {
        scan.charge(1)?;
        if value.get("__class__").is_some()
            || value.get("__loader__").is_some()
            || value.get("__module__").is_some()
        {
            node(value, offset, scan);
        }
        open.extend(value.members().iter().map(|(_, member)| member));
        open.extend(value.items());
    }
    Ok(())
}

fn node(value: &Value<'_>, offset: u64, scan: &mut Scan<'_>) {
    let at = offset + value.at;
    let text = |key: &str| value.get(key).and_then(Value::text);
    let (Some(module), Some(class), Some(loader)) =
        (text("__module__"), text("__class__"), text("__loader__"))
    else {
        // A map of JSON inside a node may be called anything, but not like a node.
        return scan.find(&LOADER, at, "a node lacks its module, class or loader");
    };
    if !LOADERS.contains(&loader) {
        scan.find(&LOADER, at, format!("a node is made by `{loader}`"));
    }
    if !is_listed(module, class, loader) {
        scan.find(&TYPE, at, format!("a node names `{module}.{class}`"));
    }
    if let Some(Kind::Text(file)) = value.get("file").map(|file| &file.kind)
        && file.contains(['/', '\\', ':'])
    {
        scan.find(&LOADER, at, format!("a node keeps its data in `{file}`"));
    }
}

/// Whether a type may be made, or a function stored.
fn is_listed(module: &str, class: &str, loader: &str) -> bool {
    const BUILTINS: [&str; 14] = [
        "NoneType",
        "bool",
        "bytearray",
        "bytes",
        "complex",
        "dict",
        "float",
        "frozenset",
        "int",
        "list",
        "set",
        "slice",
        "str",
        "tuple",
    ];
    // Their state is an array and a few numbers; pickles make them through a function instead.
    const RANDOM: [(&str, &str); 2] =
        [("numpy.random.mtrand", "RandomState"), ("numpy.random._generator", "Generator")];
    let of_builtins =
        (module == "builtins" && BUILTINS.contains(&class)) || RANDOM.contains(&(module, class));
    let Some(name) = Name::find(module, class) else { return of_builtins };
    match loader {
        "LossNode" | "ObjectNode" | "ReduceNode" | "TreeNode" => {
            [Right::New, Right::Call, Right::Array].iter().any(|right| name.may(*right))
        }
        // Held as a value: a type, a function that the model calls itself, an element type.
        _ => true,
    }
}
