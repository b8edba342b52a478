//! Expressions, from the loosest operator to the tightest, and what follows a value: attributes, calls, filters, tests.

use super::{DEPTH_MAX, Parse, Parser};
use crate::format::template::{
    ast::{Arguments, Expr, ExprKind},
    lexer::Token,
};

impl Parser<'_> {
    /// One expression, or several with commas between them: a tuple without brackets.
    pub(super) fn tuple(&mut self) -> Parse<Expr> {
        self.tuple_of(Self::expression)
    }

    pub(super) fn tuple_of(&mut self, item: impl Fn(&mut Self) -> Parse<Expr>) -> Parse<Expr> {
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

    pub(super) fn expression(&mut self) -> Parse<Expr> {
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

    pub(super) fn or(&mut self) -> Parse<Expr> {
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

    pub(super) fn primary(&mut self) -> Parse<Expr> {
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

    pub(super) fn arguments(&mut self) -> Parse<Arguments> {
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
    pub(super) fn filters(&mut self, mut value: Expr) -> Parse<Expr> {
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

    pub(super) fn filtered(&mut self, value: Expr, mut name: String) -> Parse<Expr> {
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
