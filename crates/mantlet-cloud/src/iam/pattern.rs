//! Texts of policies: literal characters, the wildcards `*` and `?`, and variables. It knows how they are written and
//! not what they match; the evaluator and the decision procedure each match by themselves.

/// A text of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// As written.
    pub text: String,
    /// In pieces.
    pub pieces: Vec<Piece>,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// This character.
    Char(char),
    /// Any one character.
    One,
    /// Any characters.
    Star,
    /// The value of a key of the request's context, lower-case, and what stands in where it has none.
    Variable(String, Option<String>),
}

/// Encloses the name of what a reader could not resolve. Private use, so that no policy means anything by it.
pub const UNRESOLVED: char = '\u{f8fe}';

/// Which pieces a text may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syntax {
    /// `*` and `?` are wildcards.
    pub wildcards: bool,
    /// `${…}` is a variable, as since version 2012-10-17.
    pub variables: bool,
}

impl Pattern {
    /// Reads a text; every text is one, and an unfinished variable is literal.
    #[must_use]
    pub fn new(text: &str, syntax: Syntax) -> Self {
        let mut pieces = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let after = rest.get(character.len_utf8()..).unwrap_or_default();
            if character == UNRESOLVED
                && let Some((name, behind)) = after.split_once(UNRESOLVED)
            {
                pieces.push(Piece::Variable(format!("{UNRESOLVED}{name}"), None));
                rest = behind;
                continue;
            }
            if syntax.variables
                && let Some((name, behind)) = rest.strip_prefix("${").and_then(|inner| inner.split_once('}'))
            {
                pieces.push(variable(name));
                rest = behind;
                continue;
            }
            pieces.push(match character {
                '*' if syntax.wildcards => Piece::Star,
                '?' if syntax.wildcards => Piece::One,
                character => Piece::Char(character),
            });
            rest = after;
        }
        Self { text: text.to_owned(), pieces }
    }

    /// A literal.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self::new(text, Syntax { wildcards: false, variables: false })
    }

    /// A glob without variables.
    #[must_use]
    pub fn glob(text: &str) -> Self {
        Self::new(text, Syntax { wildcards: true, variables: false })
    }

    /// Whether it has a variable.
    #[must_use]
    pub fn has_variables(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Variable(..)))
    }
}

/// `${*}`, `${?}` and `${$}` are how these characters are written literally.
fn variable(name: &str) -> Piece {
    match name {
        "*" => return Piece::Char('*'),
        "?" => return Piece::Char('?'),
        "$" => return Piece::Char('$'),
        _ => {}
    }
    match name.split_once(',') {
        Some((key, default)) => {
            let default = default.trim();
            let inner =
                default.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(default);
            Piece::Variable(key.trim().to_ascii_lowercase(), Some(inner.to_owned()))
        }
        None => Piece::Variable(name.trim().to_ascii_lowercase(), None),
    }
}
