//! What a chat template may use. Everything is here that formats text out of messages; nothing that reaches further.

/// Functions that may be called by name, besides the template's own macros.
pub(super) const FUNCTIONS: [&str; 6] =
    ["caller", "dict", "namespace", "raise_exception", "range", "strftime_now"];

/// Objects of the engine that no template needs by name.
pub(super) const ENGINE: [&str; 5] = ["self", "super", "cycler", "joiner", "lipsum"];

/// Methods of strings, lists and dictionaries that give a value and change nothing.
pub(super) const METHODS: [&str; 31] = [
    "capitalize",
    "count",
    "endswith",
    "find",
    "get",
    "index",
    "isalnum",
    "isalpha",
    "isdecimal",
    "isdigit",
    "islower",
    "isnumeric",
    "isspace",
    "isupper",
    "items",
    "join",
    "keys",
    "lower",
    "lstrip",
    "replace",
    "removeprefix",
    "removesuffix",
    "rfind",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "title",
    "upper",
];

/// Methods more that are harmless on a dictionary or string.
pub(super) const METHODS_MORE: [&str; 4] = ["copy", "partition", "rpartition", "values"];

/// What a loop's own variable offers.
pub(super) const LOOP: [&str; 13] = [
    "index",
    "index0",
    "revindex",
    "revindex0",
    "first",
    "last",
    "length",
    "previtem",
    "nextitem",
    "depth",
    "depth0",
    "cycle",
    "changed",
];

/// Filters.
pub(super) const FILTERS: [&str; 45] = [
    "abs",
    "batch",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "forceescape",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "striptags",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
];

/// Tests.
pub(super) const TESTS: [&str; 34] = [
    "boolean",
    "callable",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "float",
    "ge",
    "gt",
    "greaterthan",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "string",
    "true",
    "undefined",
    "upper",
    "==",
    "!=",
    ">",
];

/// Members of Python's own objects that need no underscore to lead out of a template: frames, code objects, methods.
pub(super) fn is_interpreters(name: &str) -> bool {
    const PREFIXES: [&str; 7] = ["gi_", "cr_", "ag_", "tb_", "co_", "func_", "im_"];
    const NAMES: [&str; 7] = ["mro", "f_back", "f_builtins", "f_code", "f_globals", "f_locals", "f_trace"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}
