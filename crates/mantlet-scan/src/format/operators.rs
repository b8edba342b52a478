//! Lists of operators that ship with the program: names separated by white space, in sections, with comments.

use std::collections::HashMap;

/// Operators by name, each with its section.
pub(crate) struct Operators(HashMap<&'static str, Vec<&'static str>>);

impl Operators {
    /// Reads a list; names before the first section belong to the empty one.
    pub(crate) fn of(list: &'static str) -> Self {
        let mut operators: HashMap<_, Vec<_>> = HashMap::new();
        let mut section = "";
        for line in list.lines().filter(|line| !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = name;
            } else {
                for name in line.split_whitespace() {
                    operators.entry(name).or_default().push(section);
                }
            }
        }
        Self(operators)
    }

    /// Whether a section has a name.
    pub(crate) fn has(&self, section: &str, name: &str) -> bool {
        self.0.get(name).is_some_and(|sections| sections.contains(&section))
    }
}
