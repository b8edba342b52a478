//! Parses a template's tokens by Jinja's grammar (`jinja2/parser.py`). Tags that no chat template needs are findings.

mod expression;

use super::{
    ast::{Expr, ExprKind, Macro, Statement, Target},
    lexer::Token,
};
use crate::scan::Stop;

/// Nested expressions and blocks; real templates stay below twenty.
const DEPTH_MAX: usize = 60;

/// What stops a parse besides a syntax error: a tag that is not allowed.
pub(super) struct Refused {
    pub(super) at: u64,
    pub(super) tag: String,
}

/// A parse's result: a template, or the tag that stands in its way.
pub(super) enum Parsed {
    Template(Vec<Statement>),
    Refused(Refused),
}

/// Parses all tokens.
pub(super) fn parse(tokens: &[(usize, Token)], end: usize) -> Result<Parsed, Stop> {
    let mut parser = Parser { tokens, next: 0, end, depth: 0, refused: None };
    match parser.body(&[]) {
        Ok((statements, _)) => Ok(Parsed::Template(statements)),
        Err(stop) => parser.refused.map_or(Err(stop), |refused| Ok(Parsed::Refused(refused))),
    }
}

struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    next: usize,
    end: usize,
    depth: usize,
    refused: Option<Refused>,
}

type Parse<T> = Result<T, Stop>;

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn at(&self) -> u64 {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at) as u64
    }

    fn wrong<T>(&self, why: impl Into<String>) -> Parse<T> {
        Err(Stop::malformed(self.at(), why))
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(next)) if *next == sign);
        self.next += usize::from(found);
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Name(next)) if next == word)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(next)) if *next == sign)
    }

    fn demand(&mut self, sign: &str) -> Parse<()> {
        if self.eat(sign) { Ok(()) } else { self.wrong(format!("`{sign}` is missing")) }
    }

    fn name(&mut self) -> Parse<String> {
        match self.peek() {
            Some(Token::Name(name)) => {
                let name = name.clone();
                self.next += 1;
                Ok(name)
            }
            _ => self.wrong("a name is missing"),
        }
    }

    fn tag_end(&mut self) -> Parse<()> {
        if self.peek() == Some(&Token::End) {
            self.next += 1;
            return Ok(());
        }
        self.wrong("the end of a tag is missing")
    }

    fn deeper<T>(&mut self, inside: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth >= DEPTH_MAX {
            return self.wrong("the template is nested too deeply");
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    /// Statements up to a tag that begins with one of `ends`, which is read with its name but not to its end.
    fn body(&mut self, ends: &[&str]) -> Parse<(Vec<Statement>, String)> {
        self.deeper(|parser| {
            let mut statements = Vec::new();
            loop {
                match parser.peek() {
                    None if ends.is_empty() => return Ok((statements, String::new())),
                    None => return Err(Stop::Cut { offset: parser.end as u64 }),
                    Some(Token::PrintStart) => {
                        parser.next += 1;
                        statements.push(Statement::Print(parser.tuple()?));
                        parser.tag_end()?;
                    }
                    Some(_) => {
                        parser.next += 1;
                        let at = parser.at();
                        let tag = parser.name()?;
                        if ends.contains(&tag.as_str()) {
                            return Ok((statements, tag));
                        }
                        statements.push(parser.statement(at, tag)?);
                    }
                }
            }
        })
    }

    /// A body whose end tag has nothing but its name.
    fn block(&mut self, end: &str) -> Parse<Vec<Statement>> {
        let (body, _) = self.body(&[end])?;
        // `{% endmacro name %}` and `{% endblock name %}` may repeat the name.
        if end == "endmacro" && matches!(self.peek(), Some(Token::Name(_))) {
            self.next += 1;
        }
        self.tag_end()?;
        Ok(body)
    }

    fn statement(&mut self, at: u64, tag: String) -> Parse<Statement> {
        match tag.as_str() {
            "for" => self.for_loop(),
            "if" => self.branches(),
            "set" => self.set(),
            "macro" => {
                let name = self.name()?;
                let parameters = self.parameters()?;
                self.tag_end()?;
                Ok(Statement::Macro(Macro { at, name, parameters, body: self.block("endmacro")? }))
            }
            "call" => {
                let parameters = if self.is_sign("(") { self.parameters()? } else { Vec::new() };
                let call = self.expression()?;
                self.tag_end()?;
                Ok(Statement::CallBlock { parameters, call, body: self.block("endcall")? })
            }
            "filter" => {
                let name = self.name()?;
                let empty = Expr { at, kind: ExprKind::Text(String::new()) };
                let value = self.filtered(empty, name)?;
                let value = self.filters(value)?;
                self.tag_end()?;
                Ok(Statement::FilterBlock { value, body: self.block("endfilter")? })
            }
            "with" => self.with(),
            "generation" => {
                self.tag_end()?;
                Ok(Statement::Block(self.block("endgeneration")?))
            }
            "break" | "continue" => {
                self.tag_end()?;
                Ok(Statement::Jump)
            }
            _ => {
                self.refused = Some(Refused { at, tag });
                self.wrong("a tag is not allowed")
            }
        }
    }

    fn with(&mut self) -> Parse<Statement> {
        let mut statements = Vec::new();
        while self.peek() != Some(&Token::End) {
            let targets = vec![Target::Name(self.name()?)];
            self.demand("=")?;
            statements.push(Statement::Set { targets, value: self.expression()? });
            if !self.eat(",") {
                break;
            }
        }
        self.tag_end()?;
        statements.extend(self.block("endwith")?);
        Ok(Statement::Block(statements))
    }

    fn targets(&mut self) -> Parse<Vec<Target>> {
        let bracket = self.eat("(");
        let mut targets = Vec::new();
        loop {
            let name = self.name()?;
            let member = if self.eat(".") { Some(self.name()?) } else { None };
            targets.push(match member {
                Some(member) => Target::Member(name, member),
                None => Target::Name(name),
            });
            if !self.eat(",") {
                break;
            }
        }
        if bracket {
            self.demand(")")?;
        }
        Ok(targets)
    }

    fn for_loop(&mut self) -> Parse<Statement> {
        let targets = self.targets()?;
        if !self.eat_word("in") {
            return self.wrong("`in` is missing");
        }
        let over = self.tuple_of(|parser| parser.or())?;
        let test = if self.eat_word("if") { Some(self.expression()?) } else { None };
        if self.is_word("recursive") {
            self.refused = Some(Refused { at: self.at(), tag: "for … recursive".to_owned() });
            return self.wrong("a tag is not allowed");
        }
        self.tag_end()?;
        let (mut body, end) = self.body(&["endfor", "else"])?;
        self.tag_end()?;
        if end == "else" {
            body.extend(self.block("endfor")?);
        }
        Ok(Statement::For { targets, over, test, body })
    }

    fn branches(&mut self) -> Parse<Statement> {
        let mut tests = vec![self.tuple()?];
        let mut bodies = Vec::new();
        self.tag_end()?;
        loop {
            let (body, end) = self.body(&["elif", "else", "endif"])?;
            bodies.extend(body);
            if end == "elif" {
                tests.push(self.tuple()?);
                self.tag_end()?;
                continue;
            }
            self.tag_end()?;
            if end == "else" {
                bodies.extend(self.block("endif")?);
            }
            return Ok(Statement::If { tests, bodies });
        }
    }

    fn set(&mut self) -> Parse<Statement> {
        let targets = self.targets()?;
        if self.eat("=") {
            let value = self.tuple()?;
            self.tag_end()?;
            return Ok(Statement::Set { targets, value });
        }
        let Ok([target]) = <[Target; 1]>::try_from(targets) else { return self.wrong("`=` is missing") };
        let empty = Expr { at: self.at(), kind: ExprKind::Text(String::new()) };
        let value = self.filters(empty)?;
        self.tag_end()?;
        let mut body = self.block("endset")?;
        if !matches!(value.kind, ExprKind::Text(_)) {
            body = vec![Statement::FilterBlock { value, body }];
        }
        Ok(Statement::SetBlock { target, body })
    }

    fn parameters(&mut self) -> Parse<Vec<(String, Option<Expr>)>> {
        self.demand("(")?;
        let mut parameters = Vec::new();
        while !self.eat(")") {
            let name = self.name()?;
            let default = if self.eat("=") { Some(self.expression()?) } else { None };
            parameters.push((name, default));
            if !self.is_sign(")") {
                self.demand(",")?;
            }
        }
        Ok(parameters)
    }
}
