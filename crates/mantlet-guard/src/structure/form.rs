//! What a text is by its form, because marks between words would break some.

use serde::{Deserialize, Serialize};

/// Lines that are looked at to tell code from prose.
const LINES_MAX: usize = 400;
/// Lines that are not empty, below which nothing is taken for code.
const LINES_MIN: usize = 3;

/// The form of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Words with spaces: marked between them.
    Prose,
    /// One JSON document: enclosed, not marked.
    Json,
    /// A program or a configuration: enclosed, not marked.
    Code,
}

impl Form {
    /// What this text is. A text that only pretends escapes the marks, never the boundary, and few instructions to a model
    /// survive being written as a program.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if is_json(text) {
            Self::Json
        } else if is_code(text) {
            Self::Code
        } else {
            Self::Prose
        }
    }
}

/// An object or an array and nothing else. A string or a number alone is prose.
fn is_json(text: &str) -> bool {
    let text = text.trim_start();
    (text.starts_with('{') || text.starts_with('['))
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Four lines in five end or begin as a program's do.
fn is_code(text: &str) -> bool {
    let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).take(LINES_MAX);
    let (mut all, mut code) = (0_usize, 0_usize);
    for line in lines {
        all += 1;
        code += usize::from(is_code_line(line));
    }
    all >= LINES_MIN && code * 5 >= all * 4
}

fn is_code_line(line: &str) -> bool {
    const STARTS: [&str; 12] = [
        "def ", "class ", "import ", "from ", "return ", "fn ", "let ", "const ", "var ", "func ",
        "#include", "pub ",
    ];
    let words = line.split_whitespace().count();
    // A sentence is no line of code, however it ends.
    if words > 14 {
        return false;
    }
    let body = line.trim_start();
    let closed =
        line.ends_with([';', '{', '}', ')', ']', ',']) && line.contains(['=', '(', ')', '{', '}', ';']);
    let block = line.ends_with(':') && line.contains(['(', '=']);
    let assigned = body.contains(" = ") || body.contains(" := ");
    closed || block || assigned || STARTS.iter().any(|start| body.starts_with(start) && words <= 6)
}
