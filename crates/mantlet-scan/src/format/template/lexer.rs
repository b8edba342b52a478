//! Cuts a Jinja template into text and the tokens of its tags, as Jinja's own lexer does with its default delimiters.

use crate::scan::Stop;

/// A token of a tag.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// An identifier or keyword.
    Name(String),
    /// A string, decoded.
    Text(String),
    /// A whole number; `None` if it is too large to compute with.
    Whole(Option<i128>),
    /// A number with a fraction or an exponent.
    Fraction,
    /// An operator or a bracket.
    Sign(&'static str),
    /// `{{`
    PrintStart,
    /// `{%`
    TagStart,
    /// `}}` or `%}`
    End,
}

const SIGNS: [&str; 27] = [
    "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", ".", ",", ":", "|", "(",
    ")", "[", "]", "{", "}", ";", "!",
];

/// All tokens with their places. Text between tags is left out: it is printed as it is.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Stop> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new() };
    while lexer.outside()? {}
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<(usize, Token)>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong<T>(&self, why: impl Into<String>) -> Result<T, Stop> {
        Err(Stop::malformed(self.at as u64, why))
    }

    /// Reads up to and including the next tag; `false` at the end of the template.
    fn outside(&mut self) -> Result<bool, Stop> {
        let rest = self.rest();
        let next = ["{{", "{%", "{#"].iter().filter_map(|sign| rest.find(sign).map(|at| (at, *sign))).min();
        let Some((found, sign)) = next else { return Ok(false) };
        self.at += found;
        let start = self.at;
        self.at += 2;
        if sign == "{#" {
            let Some(end) = self.rest().find("#}") else { return self.wrong("a comment has no end") };
            self.at += end + 2;
            return Ok(true);
        }
        if matches!(self.rest().as_bytes().first(), Some(b'-' | b'+')) {
            self.at += 1;
        }
        if sign == "{%" && self.raw()? {
            return Ok(true);
        }
        let closing = if sign == "{{" { "}}" } else { "%}" };
        self.tokens.push((start, if sign == "{{" { Token::PrintStart } else { Token::TagStart }));
        self.inside(closing)?;
        Ok(true)
    }

    /// Skips a raw block, whose text no one interprets.
    fn raw(&mut self) -> Result<bool, Stop> {
        let Some(after) = self.rest().trim_start().strip_prefix("raw") else { return Ok(false) };
        let after = after.trim_start();
        let Some(body) = after
            .strip_prefix("-%}")
            .or_else(|| after.strip_prefix("+%}"))
            .or_else(|| after.strip_prefix("%}"))
        else {
            return Ok(false);
        };
        let mut rest = body;
        while let Some(at) = rest.find("{%") {
            rest = rest.get(at + 2..).unwrap_or_default();
            let tag = rest.strip_prefix(['-', '+']).unwrap_or(rest).trim_start();
            if let Some(end) = tag.strip_prefix("endraw") {
                let end = end.trim_start();
                if let Some(after) = end.strip_prefix(['-', '+']).unwrap_or(end).strip_prefix("%}") {
                    self.at = self.text.len() - after.len();
                    return Ok(true);
                }
            }
        }
        self.wrong("a raw block has no end")
    }

    fn inside(&mut self, closing: &str) -> Result<(), Stop> {
        let mut open: Vec<&'static str> = Vec::new();
        loop {
            self.at += self.rest().len() - self.rest().trim_start().len();
            let rest = self.rest();
            let start = self.at;
            let Some(first) = rest.chars().next() else { return Err(Stop::Cut { offset: start as u64 }) };
            if open.is_empty() {
                let trimmed = rest.strip_prefix('-').or_else(|| rest.strip_prefix('+')).unwrap_or(rest);
                let end = if rest.starts_with(closing) { rest } else { trimmed };
                if let Some(after) = end.strip_prefix(closing) {
                    self.at = self.text.len() - after.len();
                    self.tokens.push((start, Token::End));
                    return Ok(());
                }
            }
            let token = if first == '"' || first == '\'' {
                Token::Text(self.string(first)?)
            } else if first.is_ascii_digit() {
                self.number()
            } else if first == '_' || first.is_alphabetic() {
                let end = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
                self.at += end;
                Token::Name(rest.get(..end).unwrap_or_default().to_owned())
            } else {
                let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) else {
                    return self.wrong(format!("`{first}` stands in a tag"));
                };
                self.at += sign.len();
                balance(&mut open, sign, start)?;
                Token::Sign(sign)
            };
            self.tokens.push((start, token));
        }
    }

    fn number(&mut self) -> Token {
        let bytes = self.rest().as_bytes();
        let run = |from: usize, radix: u32| {
            let digit = |byte: &&u8| **byte == b'_' || char::from(**byte).is_digit(radix);
            bytes.get(from..).unwrap_or_default().iter().take_while(digit).count()
        };
        let radix = match bytes.get(1).map(u8::to_ascii_lowercase) {
            Some(b'x') if bytes.first() == Some(&b'0') => 16,
            Some(b'o') if bytes.first() == Some(&b'0') => 8,
            Some(b'b') if bytes.first() == Some(&b'0') => 2,
            _ => 10,
        };
        let prefix = if radix == 10 { 0 } else { 2 };
        let mut end = prefix + run(prefix, radix);
        let digits = self.rest().get(prefix..end).unwrap_or_default().replace('_', "");
        let mut fraction = false;
        if radix == 10 {
            if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
                fraction = true;
                end += 1 + run(end + 1, 10);
            }
            if matches!(bytes.get(end), Some(b'e' | b'E')) {
                let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
                let exponent = run(end + 1 + sign, 10);
                if exponent > 0 {
                    fraction = true;
                    end += 1 + sign + exponent;
                }
            }
        }
        self.at += end;
        if fraction { Token::Fraction } else { Token::Whole(i128::from_str_radix(&digits, radix).ok()) }
    }

    /// A string with Python's escape sequences decoded, so that `'\x5f'` is the underscore that it will be.
    fn string(&mut self, quote: char) -> Result<String, Stop> {
        let mut decoded = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            if character == quote {
                self.at += at + 1;
                return Ok(decoded);
            }
            if character != '\\' {
                decoded.push(character);
                continue;
            }
            let Some((_, letter)) = characters.next() else { break };
            let digits = match letter {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                'N' => return self.wrong("a string names a character"),
                '0'..='7' => {
                    let mut code = letter.to_digit(8).unwrap_or_default();
                    let mut ahead = characters.clone();
                    while let Some(digit) =
                        ahead.next().and_then(|(_, c)| c.to_digit(8)).filter(|_| code < 0o100)
                    {
                        code = code * 8 + digit;
                        characters = ahead.clone();
                    }
                    decoded.extend(char::from_u32(code));
                    continue;
                }
                'n' | 'r' | 't' | 'a' | 'b' | 'f' | 'v' | '\n' => {
                    decoded.push(' ');
                    continue;
                }
                '\\' | '\'' | '"' => {
                    decoded.push(letter);
                    continue;
                }
                other => {
                    decoded.extend(['\\', other]);
                    continue;
                }
            };
            let code: String = characters.by_ref().take(digits).map(|(_, c)| c).collect();
            let character = u32::from_str_radix(&code, 16).ok().filter(|_| code.len() == digits);
            match character {
                Some(code) => decoded.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)),
                None => return self.wrong("an escape sequence is malformed"),
            }
        }
        self.wrong("a string has no end")
    }
}

/// Keeps track of brackets: within them, `}}` closes two of them rather than the tag.
fn balance(open: &mut Vec<&'static str>, sign: &str, at: usize) -> Result<(), Stop> {
    let closing = match sign {
        "(" => ")",
        "[" => "]",
        "{" => "}",
        ")" | "]" | "}" => {
            if open.pop() == Some(sign) {
                return Ok(());
            }
            return Err(Stop::malformed(at as u64, "brackets do not match"));
        }
        _ => return Ok(()),
    };
    open.push(closing);
    Ok(())
}
