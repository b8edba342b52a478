//! Parses a template's tokens by Jinja's grammar (`jinja2/parser.py`). Tags that no chat template needs are findings.

use super::{
    ast::{Arguments, Expr, ExprKind, Macro, Statement, Target},
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

    /// One expression, or several with commas between them: a tuple without brackets.
    fn tuple(&mut self) -> Parse<Expr> {
        self.tuple_of(Self::expression)
    }

    fn tuple_of(&mut self, item: impl Fn(&mut Self) -> Parse<Expr>) -> Parse<Expr> {
        let at = self.at();
        let first = item(self)?;
        if !self.is_sign(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.eat(",") {
            if matches!(self.peek(), Some(Token::End)) || self.is_sign(")") || self.is_word("if") {
                break;
            }
            items.push(item(self)?);
        }
        Ok(Expr { at, kind: ExprKind::List(items) })
    }

    fn expression(&mut self) -> Parse<Expr> {
        self.deeper(|parser| {
            let at = parser.at();
            let mut value = parser.or()?;
            while parser.eat_word("if") {
                let test = Box::new(parser.or()?);
                let otherwise =
                    if parser.eat_word("else") { Some(Box::new(parser.expression()?)) } else { None };
                value = Expr { at, kind: ExprKind::Choice(Box::new(value), test, otherwise) };
            }
            Ok(value)
        })
    }

    fn binary(
        &mut self,
        signs: &[&'static str],
        words: &[&'static str],
        operand: impl Fn(&mut Self) -> Parse<Expr>,
    ) -> Parse<Expr> {
        let at = self.at();
        let mut value = operand(self)?;
        let mut operators = 0;
        loop {
            let sign = signs.iter().copied().find(|sign| self.is_sign(sign));
            let Some(operator) = sign.or_else(|| words.iter().copied().find(|word| self.is_word(word)))
            else {
                return Ok(value);
            };
            operators += 1;
            if operators > 500 {
                return self.wrong("an expression is too long");
            }
            self.next += 1;
            let right = Box::new(operand(self)?);
            value = Expr { at, kind: ExprKind::Binary(operator, Box::new(value), right) };
        }
    }

    fn or(&mut self) -> Parse<Expr> {
        self.binary(&[], &["or"], |parser| parser.binary(&[], &["and"], Self::not))
    }

    fn not(&mut self) -> Parse<Expr> {
        let at = self.at();
        if self.eat_word("not") {
            let value = Box::new(self.deeper(Self::not)?);
            return Ok(Expr { at, kind: ExprKind::Unary("not", value) });
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Parse<Expr> {
        let at = self.at();
        let mut value = self.sum()?;
        loop {
            let sign = ["==", "!=", "<=", ">=", "<", ">"].into_iter().find(|sign| self.is_sign(sign));
            if sign.is_some() || self.is_word("in") {
                self.next += 1;
            } else if self.is_word("not")
                && matches!(self.tokens.get(self.next + 1), Some((_, Token::Name(word))) if word == "in")
            {
                self.next += 2;
            } else {
                return Ok(value);
            }
            let right = Box::new(self.sum()?);
            value = Expr { at, kind: ExprKind::Binary(sign.unwrap_or("in"), Box::new(value), right) };
        }
    }

    fn sum(&mut self) -> Parse<Expr> {
        self.binary(&["+", "-"], &[], |parser| {
            parser.binary(&["~"], &[], |parser| {
                parser.binary(&["*", "//", "/", "%"], &[], |parser| parser.binary(&["**"], &[], Self::unary))
            })
        })
    }

    fn unary(&mut self) -> Parse<Expr> {
        let at = self.at();
        for sign in ["-", "+"] {
            if self.eat(sign) {
                let value = Box::new(self.deeper(Self::unary)?);
                return Ok(Expr { at, kind: ExprKind::Unary(sign, value) });
            }
        }
        let value = self.primary()?;
        let value = self.postfix(value)?;
        self.filters(value)
    }

    fn primary(&mut self) -> Parse<Expr> {
        let at = self.at();
        let token = self.peek().cloned();
        self.next += 1;
        let kind = match token {
            Some(Token::Text(mut text)) => {
                while let Some(Token::Text(more)) = self.peek() {
                    text.push_str(more);
                    self.next += 1;
                }
                ExprKind::Text(text)
            }
            Some(Token::Whole(number)) => ExprKind::Whole(number),
            Some(Token::Fraction) => ExprKind::Other,
            Some(Token::Name(name)) => match name.as_str() {
                "true" | "True" | "false" | "False" | "none" | "None" => ExprKind::Other,
                _ => ExprKind::Name(name),
            },
            Some(Token::Sign("(")) => {
                if self.eat(")") {
                    ExprKind::List(Vec::new())
                } else {
                    let inner = self.tuple()?;
                    self.demand(")")?;
                    return Ok(inner);
                }
            }
            Some(Token::Sign("[")) => ExprKind::List(self.list("]", false)?),
            Some(Token::Sign("{")) => ExprKind::Dictionary(self.list("}", true)?),
            _ => {
                self.next -= 1;
                return self.wrong("an expression is missing");
            }
        };
        Ok(Expr { at, kind })
    }

    fn list(&mut self, end: &str, pairs: bool) -> Parse<Vec<Expr>> {
        let mut items = Vec::new();
        while !self.eat(end) {
            items.push(self.expression()?);
            if pairs {
                self.demand(":")?;
                items.push(self.expression()?);
            }
            if !self.is_sign(end) {
                self.demand(",")?;
            }
        }
        Ok(items)
    }

    fn postfix(&mut self, mut value: Expr) -> Parse<Expr> {
        let mut steps = 0;
        loop {
            steps += 1;
            if steps > DEPTH_MAX {
                return self.wrong("an expression is too long");
            }
            let at = value.at;
            let kind = if self.eat(".") {
                match self.peek() {
                    Some(Token::Whole(number)) => {
                        let index = Expr { at: self.at(), kind: ExprKind::Whole(*number) };
                        self.next += 1;
                        ExprKind::Item(Box::new(value), Box::new(index))
                    }
                    _ => ExprKind::Attribute(Box::new(value), self.name()?),
                }
            } else if self.eat("[") {
                self.subscript(value)?
            } else if self.is_sign("(") {
                ExprKind::Call(Box::new(value), self.arguments()?)
            } else {
                return Ok(value);
            };
            value = Expr { at, kind };
        }
    }

    fn subscript(&mut self, value: Expr) -> Parse<ExprKind> {
        let mut bounds = Vec::new();
        let mut slice = false;
        while !self.eat("]") {
            if self.eat(":") {
                slice = true;
            } else {
                bounds.push(self.expression()?);
                if self.is_sign(",") {
                    return self.wrong("an index of several parts is not allowed");
                }
            }
        }
        if slice {
            return Ok(ExprKind::Slice(Box::new(value), bounds));
        }
        match <[Expr; 1]>::try_from(bounds) {
            Ok([index]) => Ok(ExprKind::Item(Box::new(value), Box::new(index))),
            Err(_) => self.wrong("an index is malformed"),
        }
    }

    fn arguments(&mut self) -> Parse<Arguments> {
        self.demand("(")?;
        let mut arguments = Arguments::default();
        while !self.eat(")") {
            let named = matches!(self.tokens.get(self.next + 1), Some((_, Token::Sign("="))));
            if let (true, Some(Token::Name(name))) = (named, self.peek().cloned()) {
                self.next += 2;
                arguments.named.push((name, self.expression()?));
            } else {
                arguments.plain.push(self.expression()?);
            }
            if !self.is_sign(")") {
                self.demand(",")?;
            }
        }
        Ok(arguments)
    }

    /// Filters and tests after a value, in any order.
    fn filters(&mut self, mut value: Expr) -> Parse<Expr> {
        let mut steps = 0;
        loop {
            steps += 1;
            if steps > DEPTH_MAX {
                return self.wrong("an expression is too long");
            }
            if self.eat("|") {
                let name = self.name()?;
                value = self.filtered(value, name)?;
            } else if self.is_word("is") {
                self.next += 1;
                value = self.test(value)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn filtered(&mut self, value: Expr, mut name: String) -> Parse<Expr> {
        while self.eat(".") {
            name = format!("{name}.{}", self.name()?);
        }
        let arguments = if self.is_sign("(") { self.arguments()? } else { Arguments::default() };
        let at = value.at;
        let filtered = Expr { at, kind: ExprKind::Filter(Box::new(value), name, arguments) };
        self.postfix(filtered)
    }

    fn test(&mut self, value: Expr) -> Parse<Expr> {
        let at = value.at;
        let negated = self.eat_word("not");
        let mut name = self.name()?;
        while self.eat(".") {
            name = format!("{name}.{}", self.name()?);
        }
        let mut arguments = Arguments::default();
        if self.is_sign("(") {
            arguments = self.arguments()?;
        } else {
            let word = |word: &str| ["else", "or", "and", "is", "if", "in", "not"].contains(&word);
            let operand = match self.peek() {
                Some(Token::Name(name)) => !word(name),
                Some(Token::Text(_) | Token::Whole(_) | Token::Fraction) => true,
                Some(Token::Sign(sign)) => ["[", "{"].contains(sign),
                _ => false,
            };
            if operand {
                let operand = self.primary()?;
                arguments.plain.push(self.postfix(operand)?);
            }
        }
        let test = Expr { at, kind: ExprKind::Test(Box::new(value), name, arguments) };
        Ok(if negated { Expr { at, kind: ExprKind::Unary("not", Box::new(test)) } } else { test })
    }
}
