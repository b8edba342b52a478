//! The list of names that a pickle may use, and what it may do with each.
//!
//! `data/names.txt` is made from released wheels (`cargo xtask allow-list`) and is searched as it is: sorted lines of
//! `module name rights`, compared bytewise. What is not on it, to the last letter, is refused.

/// The list as text.
static TEXT: &str = include_str!("../../data/names.txt");

/// Modules that attacks import from. They are refused like any other that is not listed; that somebody names them tells a
/// pickle from text.
const TELLING: [&str; 40] = [
    "__builtin__",
    "__main__",
    "_codecs",
    "_io",
    "_pickle",
    "_posixsubprocess",
    "asyncio",
    "bdb",
    "builtins",
    "cloudpickle",
    "code",
    "codeop",
    "commands",
    "copy_reg",
    "copyreg",
    "ctypes",
    "dill",
    "functools",
    "importlib",
    "imp",
    "io",
    "joblib",
    "marshal",
    "nt",
    "operator",
    "os",
    "pickle",
    "pip",
    "platform",
    "popen2",
    "posix",
    "pty",
    "runpy",
    "shutil",
    "socket",
    "subprocess",
    "sys",
    "timeit",
    "types",
    "webbrowser",
];

/// Whether naming this module tells a pickle from text.
pub(crate) fn is_telling(module: &str) -> bool {
    TELLING.contains(&module.split('.').next().unwrap_or_default())
}

/// A line of the list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Name(u32);

/// What a pickle may do with a listed name, beyond holding it as a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Right {
    /// Make an object by the class's `__new__`, without its `__init__`.
    New,
    /// Call it with arguments.
    Call,
    /// Give state to what it made (`BUILD`).
    State,
    /// A function whose first argument is a class: makes an object of that class, which must have [`Right::New`].
    OfClass,
    /// A class of arrays, made empty by NumPy's `_reconstruct`.
    Array,
    /// Append to what it made.
    Append,
    /// Set items of what it made.
    SetItem,
}

impl Right {
    const fn letter(self) -> char {
        match self {
            Self::New => 'n',
            Self::Call => 'c',
            Self::State => 's',
            Self::OfClass => 'k',
            Self::Array => 'a',
            Self::Append => 'l',
            Self::SetItem => 'd',
        }
    }
}

impl Name {
    /// Looks a name up. Python 3 maps two module names of Python 2 by itself.
    pub(crate) fn find(module: &str, name: &str) -> Option<Self> {
        let (module, name) = match (module, name) {
            ("copy_reg", name) => ("copyreg", name),
            ("__builtin__", "xrange") => ("builtins", "range"),
            ("__builtin__", name) => ("builtins", name),
            other => other,
        };
        if module.contains([' ', '\n']) || name.contains([' ', '\n']) {
            return None;
        }
        find_in(TEXT, module, name).and_then(|at| u32::try_from(at).ok()).map(Self)
    }

    fn line(self) -> (&'static str, &'static str, &'static str) {
        let rest = usize::try_from(self.0).ok().and_then(|at| TEXT.get(at..)).unwrap_or_default();
        split(rest.split('\n').next().unwrap_or_default())
    }

    /// Whether a pickle may do this with it.
    pub(crate) fn may(self, right: Right) -> bool {
        self.line().2.contains(right.letter())
    }

    /// Whether it is this name.
    pub(crate) fn is(self, module: &str, name: &str) -> bool {
        let line = self.line();
        line.0 == module && line.1 == name
    }

    /// Module.
    pub(crate) fn module(self) -> &'static str {
        self.line().0
    }

    /// Qualified name within the module.
    pub(crate) fn name(self) -> &'static str {
        self.line().1
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.module(), self.name())
    }
}

/// The day on which the list was made, and from which wheels.
#[must_use]
pub fn origin() -> (&'static str, Vec<&'static str>) {
    let mut words = TEXT.lines().next().unwrap_or_default().trim_start_matches("# ").split(' ');
    (words.next().unwrap_or_default(), words.collect())
}

fn split(line: &str) -> (&str, &str, &str) {
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_default();
    (word(), word(), word())
}

/// Where the line of a name begins, by binary search over lines.
fn find_in(text: &str, module: &str, name: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut low, mut high) = (0, bytes.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = bytes.get(low..middle)?.iter().rposition(|b| *b == b'\n').map_or(low, |at| low + at + 1);
        let end = bytes.get(middle..)?.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| middle + at);
        let line = split(text.get(start..end)?);
        match (line.0, line.1).cmp(&(module, name)) {
            std::cmp::Ordering::Equal => return Some(start),
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}
