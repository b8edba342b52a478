//! Tells Python source from other text by its grammar, line by logical line.
//!
//! Prose, tables, vocabularies and configuration files fail as Python within a line or two, or contain nothing that acts.
//! Text counts as Python if all of it can be parsed and something in it acts (a call, an import, a definition), or if most
//! of it can and it both imports or defines something more than once.

/// What a logical line is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Line {
    /// No Python.
    Invalid,
    /// Python that does nothing: a name, a number, an assignment of constants.
    Inert,
    /// Calls something, or steers.
    Acts,
    /// An import or a definition.
    Strong,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Piece<'a> {
    Name(&'a str),
    Number,
    Text,
    Sign(&'a str),
    Open(char),
    Close(char),
    Other,
}

/// Where the first acting line is and what it says, if the text is Python.
pub(super) fn find(text: &str) -> Option<(usize, &str)> {
    let mut lines = Vec::new();
    let mut rest = Lines { text, at: 0, fenced: false };
    while let Some((at, line, pieces)) = rest.next() {
        lines.push((at, line, pieces.map_or(Line::Invalid, |pieces| judge(&pieces))));
        if lines.len() > 200_000 {
            break;
        }
    }
    if is_table(&lines) {
        return None;
    }
    let count = |wanted: Line| lines.iter().filter(|(_, _, line)| *line == wanted).count();
    let (invalid, strong) = (count(Line::Invalid), count(Line::Strong));
    let acts = count(Line::Acts) + strong;
    let whole = invalid == 0 && acts > 0;
    let mostly = strong >= 2 && invalid * 4 <= lines.len();
    let first = lines.iter().find(|(_, _, line)| matches!(line, Line::Acts | Line::Strong))?;
    (whole || mostly).then(|| (first.0, first.1.trim()))
}

/// Lines with the same number of commas each are rows of a table, whatever the columns are called.
fn is_table(lines: &[(usize, &str, Line)]) -> bool {
    let commas = |line: &str| line.matches(',').count();
    let Some((_, first, _)) = lines.first() else { return false };
    let columns = commas(first);
    lines.len() > 1
        && columns > 0
        && lines
            .iter()
            .skip(1)
            .all(|(_, line, kind)| commas(line) == columns && matches!(kind, Line::Inert | Line::Invalid))
}

/// Logical lines: what brackets and backslashes join is one; blank lines and comments are none.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    fenced: bool,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<(usize, &'a str, Option<Vec<Piece<'a>>>)> {
        loop {
            let rest = self.text.get(self.at..)?;
            if rest.is_empty() {
                return None;
            }
            let physical = rest.split('\n').next().unwrap_or_default();
            let trimmed = physical.trim();
            // What stands in a fence of Markdown is quoted, and the fence itself is no Python.
            if trimmed.starts_with("```") || self.fenced {
                let start = self.at;
                self.at += physical.len() + 1;
                if trimmed.starts_with("```") {
                    self.fenced = !self.fenced;
                    return Some((start, physical, None));
                }
                continue;
            }
            if trimmed.is_empty() || trimmed.starts_with('#') {
                self.at += physical.len() + 1;
                continue;
            }
            let start = self.at;
            let (pieces, length) = pieces(rest);
            // A line that cannot be read is taken off alone, so that one stray bracket does not hide the rest.
            let length = if pieces.is_some() { length } else { physical.len() };
            self.at += length + 1;
            return Some((start, rest.get(..length).unwrap_or_default(), pieces));
        }
    }
}

/// The pieces of the logical line at the beginning of `text`, and its length.
fn pieces(text: &str) -> (Option<Vec<Piece<'_>>>, usize) {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let mut open = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if pieces.len() > 20_000 {
            return (None, at);
        }
        let rest = text.get(at..).unwrap_or_default();
        match byte {
            b'\n' if open.is_empty() => return (Some(pieces), at),
            b' ' | b'\t' | b'\r' | b'\n' | 0x0c => at += 1,
            b'#' => at += rest.find('\n').unwrap_or(rest.len()),
            b'\\' if rest.trim_start_matches('\\').trim_start_matches('\r').starts_with('\n') => {
                at += rest.find('\n').unwrap_or(0) + 1;
            }
            b'"' | b'\'' => match string(rest) {
                Some(length) => {
                    pieces.push(Piece::Text);
                    at += length;
                }
                None => return (None, at),
            },
            b'(' | b'[' | b'{' => {
                open.push(byte);
                pieces.push(Piece::Open(char::from(byte)));
                at += 1;
            }
            b')' | b']' | b'}' => {
                let matching = matches!(
                    (open.pop(), byte),
                    (Some(b'('), b')') | (Some(b'['), b']') | (Some(b'{'), b'}')
                );
                if !matching {
                    return (None, at);
                }
                pieces.push(Piece::Close(char::from(byte)));
                at += 1;
            }
            b'0'..=b'9' => {
                let length = rest
                    .find(|c: char| c != '_' && c != '.' && !c.is_ascii_alphanumeric())
                    .unwrap_or(rest.len());
                let mut number = rest.get(..length).unwrap_or_default();
                if number.ends_with(['e', 'E'])
                    && rest.get(length..).is_some_and(|rest| rest.starts_with(['-', '+']))
                {
                    let digits = rest.get(length + 1..).unwrap_or_default();
                    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
                    number = rest.get(..length + 1 + end).unwrap_or(number);
                }
                pieces.push(if is_number(number) { Piece::Number } else { Piece::Other });
                at += number.len();
            }
            _ => {
                let name = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
                if name > 0 {
                    let word = rest.get(..name).unwrap_or_default();
                    at += name;
                    let prefix = matches!(
                        word.to_ascii_lowercase().as_str(),
                        "r" | "b" | "f" | "u" | "rb" | "br" | "fr" | "rf"
                    );
                    if !(prefix && matches!(bytes.get(at), Some(b'"' | b'\''))) {
                        pieces.push(Piece::Name(word));
                    }
                    continue;
                }
                const SIGNS: [&str; 36] = [
                    "**=", "//=", ">>=", "<<=", "...", "!=", "==", "<=", ">=", "->", ":=", "+=", "-=", "*=",
                    "/=", "%=", "&=", "|=", "^=", "@=", "**", "//", ">>", "<<", "+", "-", "*", "/", "%", "@",
                    "&", "|", "^", "~", "<", ">",
                ];
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign)).copied();
                let sign = sign
                    .or_else(|| [".", ",", ":", "=", ";"].into_iter().find(|sign| rest.starts_with(sign)));
                let Some(sign) = sign else { return (None, at) };
                pieces.push(Piece::Sign(sign));
                at += sign.len();
            }
        }
    }
    (open.is_empty().then_some(pieces), at)
}

fn is_number(number: &str) -> bool {
    let lower = number.to_ascii_lowercase();
    let decimal = |text: &str| text.trim_end_matches('j').replace('_', "").parse::<f64>().is_ok();
    ["0x", "0b", "0o"].iter().any(|prefix| lower.starts_with(prefix)) || decimal(&lower)
}

/// Length of the string literal at the beginning.
fn string(text: &str) -> Option<usize> {
    let quote = text.get(..1)?;
    let triple = text.get(..3).filter(|start| *start == quote.repeat(3));
    let end = triple.unwrap_or(quote);
    let mut at = end.len();
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with(end) {
            return Some(at + end.len());
        }
        let character = rest.chars().next()?;
        if character == '\n' && triple.is_none() {
            return None;
        }
        at += character.len_utf8();
        if character == '\\' {
            at += text.get(at..)?.chars().next()?.len_utf8();
        }
    }
}

const KEYWORDS: [&str; 34] = [
    "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else",
    "except", "exec", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "print_", "raise", "return", "try", "while", "with", "yield",
];

fn judge(pieces: &[Piece<'_>]) -> Line {
    // Statements on one line.
    let mut worst = Line::Inert;
    for statement in split(pieces) {
        match statement_of(statement) {
            Line::Invalid => return Line::Invalid,
            Line::Strong => worst = Line::Strong,
            Line::Acts if worst != Line::Strong => worst = Line::Acts,
            _ => {}
        }
    }
    worst
}

/// Splits at semicolons; a bracket cannot hold one.
fn split<'a, 'b>(pieces: &'b [Piece<'a>]) -> impl Iterator<Item = &'b [Piece<'a>]> {
    pieces.split(|piece| *piece == Piece::Sign(";")).filter(|statement| !statement.is_empty())
}

fn statement_of(pieces: &[Piece<'_>]) -> Line {
    let Some((first, rest)) = pieces.split_first() else { return Line::Inert };
    let word = if let Piece::Name(word) = first { *word } else { "" };
    let names = |pieces: &[Piece<'_>]| {
        !pieces.is_empty()
            && pieces.iter().all(|piece| {
                matches!(
                    piece,
                    Piece::Name(_)
                        | Piece::Sign("." | "," | "*" | "...")
                        | Piece::Open('(')
                        | Piece::Close(')')
                )
            })
            && !adjacent_names(pieces)
    };
    match word {
        "import" if names(rest) => Line::Strong,
        "from" => {
            let import = rest.iter().position(|piece| *piece == Piece::Name("import"));
            let found = import.filter(|at| {
                let (module, imported) = rest.split_at(*at);
                names(module) && imported.get(1..).is_some_and(names)
            });
            if found.is_some() { Line::Strong } else { Line::Invalid }
        }
        "async" | "def" | "class" => match (word, rest) {
            ("async", _) => compound(rest, Line::Strong),
            (_, [Piece::Name(_), rest @ ..]) => compound(rest, Line::Strong),
            _ => Line::Invalid,
        },
        "if" | "elif" | "while" | "for" | "with" | "except" | "else" | "try" | "finally" => {
            compound(rest, Line::Acts)
        }
        // Keywords at the beginning of a statement only.
        "match" | "case"
            if matches!(
                rest.first(),
                Some(Piece::Name(_) | Piece::Number | Piece::Text | Piece::Open(_) | Piece::Sign("-" | "*"))
            ) && compound(rest, Line::Inert) != Line::Invalid =>
        {
            let colon = rest.iter().rposition(|piece| *piece == Piece::Sign(":")).unwrap_or(rest.len());
            statement_of(rest.get(colon + 1..).unwrap_or_default())
        }
        "type"
            if matches!(rest, [Piece::Name(_), Piece::Sign("=") | Piece::Open('['), ..])
                && is_expression(rest) =>
        {
            if has_call(rest) {
                Line::Acts
            } else {
                Line::Inert
            }
        }
        "return" | "raise" | "assert" | "del" | "yield" | "exec" if is_expression(rest) => Line::Acts,
        "pass" | "break" | "continue" if rest.is_empty() => Line::Inert,
        "global" | "nonlocal" if names(rest) => Line::Inert,
        "print" if matches!(rest.first(), Some(Piece::Text)) && is_expression(rest) => Line::Acts,
        _ if *first == Piece::Sign("@") && is_expression(rest) => Line::Strong,
        _ if is_expression(pieces) => {
            if has_call(pieces) {
                Line::Acts
            } else {
                Line::Inert
            }
        }
        _ => Line::Invalid,
    }
}

fn adjacent_names(pieces: &[Piece<'_>]) -> bool {
    let word = |piece: &Piece<'_>| matches!(piece, Piece::Name(name) if *name != "as" && *name != "import");
    pieces.windows(2).any(|pair| matches!(pair, [a, b] if word(a) && word(b)))
}

/// A header that ends in a colon, perhaps with statements after it.
fn compound(pieces: &[Piece<'_>], found: Line) -> Line {
    let mut depth = 0_usize;
    let colon = pieces.iter().position(|piece| {
        match piece {
            Piece::Open(_) => depth += 1,
            Piece::Close(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && *piece == Piece::Sign(":")
    });
    let Some(colon) = colon else { return Line::Invalid };
    let (header, body) = pieces.split_at(colon);
    let body = body.get(1..).unwrap_or_default();
    let header: Vec<Piece<'_>> = header
        .iter()
        .map(|piece| if *piece == Piece::Sign("->") { Piece::Sign("+") } else { *piece })
        .collect();
    let fine = header.is_empty() || is_expression(&header);
    if fine && (body.is_empty() || statement_of(body) != Line::Invalid) { found } else { Line::Invalid }
}

/// Whether operands and operators take turns.
fn is_expression(pieces: &[Piece<'_>]) -> bool {
    let mut operand = false;
    for piece in pieces {
        match piece {
            Piece::Other => return false,
            Piece::Name("not" | "await" | "yield" | "lambda" | "async") => operand = false,
            Piece::Name(word) if KEYWORDS.contains(word) => operand = false,
            Piece::Name(_) | Piece::Number => {
                if operand {
                    return false;
                }
                operand = true;
            }
            Piece::Text => operand = true,
            Piece::Open('(' | '[') => operand = false,
            Piece::Open(_) => {
                if operand {
                    return false;
                }
            }
            Piece::Close(_) => operand = true,
            Piece::Sign("...") => operand = true,
            Piece::Sign(",") => operand = false,
            Piece::Sign("-" | "+" | "~" | "*" | "**" | ":") => operand = false,
            Piece::Sign(_) => {
                if !operand {
                    return false;
                }
                operand = false;
            }
        }
    }
    operand || matches!(pieces.last(), None | Some(Piece::Sign("," | ":")))
}

/// Whether something is called.
fn has_call(pieces: &[Piece<'_>]) -> bool {
    pieces.windows(2).any(|pair| match pair {
        [Piece::Name(name), Piece::Open('(')] => !KEYWORDS.contains(name),
        [Piece::Close(_), Piece::Open('(')] => true,
        _ => false,
    })
}

/// The encoding that the first two lines announce (PEP 263), if it is not one in which the text says what it seems to.
pub(super) fn other_encoding(text: &str) -> Option<&str> {
    const KNOWN: [&str; 9] =
        ["utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii", "latin-1", "latin1", "iso-8859-1", "iso-latin-1"];
    text.split(['\n', '\r']).filter(|line| !line.is_empty()).take(2).find_map(|line| {
        let comment = line.trim_start_matches([' ', '\t', '\x0c']).strip_prefix('#')?;
        let rest = comment.split("coding").skip(1).find_map(|rest| rest.strip_prefix([':', '=']))?;
        let name = rest.trim_start_matches([' ', '\t']);
        let end = name.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).unwrap_or(name.len());
        let name = name.get(..end).filter(|name| !name.is_empty())?;
        let plain = name.to_ascii_lowercase().replace('_', "-");
        // Any word may follow in prose. Of codecs with such names only these do not keep ASCII as it is.
        let word = plain.bytes().all(|byte| byte.is_ascii_lowercase())
            && !["hz", "hzgb", "punycode", "idna", "mbcs", "oem"].contains(&plain.as_str());
        (!word && !KNOWN.contains(&plain.as_str())).then_some(name)
    })
}
