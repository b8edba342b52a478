//! How much a template can make: loops, calls and strings are bounded by what a conversation's size can explain.

mod growth;

use std::collections::HashMap;

use growth::goes_down;

use super::{
    ast::{Expr, ExprKind, Statement},
    names::{Names, Source, body, expressions, is_range},
    rules::Breach,
};
use crate::Rule;

pub(super) static SIZE: Rule = Rule {
    id: "template/size",
    class: "template-dos",
    demands: "a chat template's work and output are bounded by the conversation, not by its own numbers",
};

/// Rounds that one loop over a range may take.
const ROUNDS_MAX: f64 = 100_000.0;
/// Rounds that a loop over the conversation is taken to have: what matters is how deeply such loops are nested.
const DATA_ROUNDS: f64 = 8.0;
/// Statements of one rendering, by these measures; the longest template known comes to some thousands.
const WORK_MAX: f64 = 1e8;
/// What a string of the conversation is taken to be long.
const DATA_LENGTH: f64 = 1e3;
/// Characters of one string, by these measures.
const LENGTH_MAX: f64 = 1e9;
/// Expressions and statements looked at in one judgment, so that a template cannot make the judge work without end.
const LOOKS_MAX: usize = 100_000;

/// Judges a whole template.
pub(super) fn judge(template: &[Statement], names: &Names<'_>) -> Vec<Breach> {
    let mut sizes =
        Sizes { names, breaches: Vec::new(), macros: HashMap::new(), lengths: HashMap::new(), looks: 0 };
    sizes.expressions_of(template);
    let work = sizes.work(template);
    if work > WORK_MAX {
        sizes.breach(0, "the template's loops and macros multiply beyond any conversation".to_owned());
    }
    if sizes.looks > LOOKS_MAX {
        sizes.breach(0, "the template is too entangled to be judged".to_owned());
    }
    sizes.breaches
}

struct Sizes<'t> {
    names: &'t Names<'t>,
    breaches: Vec<Breach>,
    /// Work of each macro; `None` while it is being computed.
    macros: HashMap<String, Option<f64>>,
    /// Length of each variable; `None` while it is being computed.
    lengths: HashMap<String, Option<f64>>,
    looks: usize,
}

impl Sizes<'_> {
    fn breach(&mut self, at: u64, why: String) {
        self.breaches.push((&SIZE, at, why));
    }

    fn expressions_of(&mut self, statements: &[Statement]) {
        for statement in statements {
            for expression in expressions(statement) {
                self.expression(expression);
                if self.length(expression) > LENGTH_MAX {
                    self.breach(expression.at, "a string grows beyond any conversation".to_owned());
                }
            }
            self.expressions_of(body(statement));
        }
    }

    fn expression(&mut self, expression: &Expr) {
        let at = expression.at;
        match &expression.kind {
            ExprKind::Whole(number) if number.is_none_or(|number| number.unsigned_abs() > 1 << 53) => {
                self.breach(at, "a number is too large".to_owned());
            }
            ExprKind::Binary("**", ..) if self.most(expression).is_none_or(|most| most > 1e12) => {
                self.breach(at, "a power is too large".to_owned());
            }
            ExprKind::Binary("*", left, right) => {
                let numbers = self.names.is_number(left) && self.names.is_number(right);
                let times =
                    [left, right].iter().filter_map(|side| self.most(side)).fold(f64::INFINITY, f64::min);
                if !numbers && times > 1_000.0 {
                    self.breach(at, "something is repeated too often".to_owned());
                }
            }
            ExprKind::Binary("%", left, _) if !self.is_plain_format(left) => {
                self.breach(at, "a format may pad without bound".to_owned());
            }
            ExprKind::Call(_, arguments) if is_range(expression) => {
                for argument in &arguments.plain {
                    if self.most(argument).is_none_or(|most| most.abs() > ROUNDS_MAX) {
                        self.breach(at, "a range is too long, or its length unknown".to_owned());
                    }
                }
            }
            ExprKind::Filter(_, name, arguments)
                if ["indent", "batch", "slice", "round", "tojson", "truncate"].contains(&name.as_str()) =>
            {
                let large = |value: &Expr| matches!(value.kind, ExprKind::Whole(number) if number.is_none_or(|n| n.unsigned_abs() > 10_000));
                if arguments.all().any(large) {
                    self.breach(at, format!("the filter `{name}` is given too large a number"));
                }
            }
            _ => {}
        }
        for part in expression.parts() {
            self.expression(part);
        }
    }

    /// Whether the left side of `%` is a number, or a format that only inserts.
    fn is_plain_format(&self, left: &Expr) -> bool {
        let plain = |text: &str| {
            text.split('%')
                .skip(1)
                .all(|rest| matches!(rest.chars().next(), None | Some('s' | 'd' | 'r' | 'i' | ' ')))
        };
        match &left.kind {
            ExprKind::Text(text) => plain(text),
            ExprKind::Name(_) | ExprKind::Attribute(..) | ExprKind::Item(..) => {
                self.names.sources_of(left).is_none_or(|(_, sources)| {
                    sources.iter().all(|source| match source {
                        Source::Value(Expr { kind: ExprKind::Text(text), .. })
                        | Source::Argument(Expr { kind: ExprKind::Text(text), .. }) => plain(text),
                        Source::Value(value) | Source::Argument(value) => {
                            matches!(
                                value.kind,
                                ExprKind::Name(_) | ExprKind::Item(..) | ExprKind::Attribute(..)
                            ) || self.names.is_number(value)
                        }
                        Source::Items(_) | Source::Outside => true,
                        Source::Printed => false,
                    })
                })
            }
            _ => self.names.is_number(left),
        }
    }

    /// The most that a number can be; `None` if that is not known.
    fn most(&self, expression: &Expr) -> Option<f64> {
        self.most_within(expression, &mut Vec::new())
    }

    fn most_within(&self, expression: &Expr, within: &mut Vec<String>) -> Option<f64> {
        if within.len() > 32 || !self.names.may_look() {
            return None;
        }
        match &expression.kind {
            #[expect(clippy::cast_precision_loss, reason = "a bound")]
            ExprKind::Whole(number) => number.map(|number| (number as f64).abs()),
            ExprKind::Unary("-" | "+", of) => self.most_within(of, within),
            ExprKind::Binary(operator, left, right) => {
                let (left, right) = (self.most_within(left, within)?, self.most_within(right, within)?);
                match *operator {
                    "+" | "-" => Some(left + right),
                    "*" => Some(left * right),
                    "/" | "//" => Some(left),
                    "%" => Some(right),
                    "**" => Some(left.powf(right)),
                    _ => None,
                }
            }
            ExprKind::Choice(then, _, Some(otherwise)) => {
                Some(self.most_within(then, within)?.max(self.most_within(otherwise, within)?))
            }
            ExprKind::Filter(_, name, _) if matches!(name.as_str(), "length" | "count" | "wordcount") => {
                Some(DATA_LENGTH)
            }
            ExprKind::Attribute(of, _) if matches!(&of.kind, ExprKind::Name(of) if of == "loop") => {
                Some(DATA_LENGTH)
            }
            ExprKind::Name(_) | ExprKind::Attribute(..) => {
                let (name, sources) = self.names.sources_of(expression)?;
                if within.contains(&name) {
                    // Counted up or down: bounded by the rounds of the loop.
                    return Some(DATA_LENGTH);
                }
                within.push(name);
                let most = sources.iter().try_fold(0.0, |most: f64, source| match source {
                    Source::Value(value) | Source::Argument(value) => {
                        Some(most.max(self.most_within(value, within)?))
                    }
                    Source::Items(over) if is_range(over) => match &over.kind {
                        ExprKind::Call(_, arguments) => arguments
                            .plain
                            .iter()
                            .try_fold(most, |most, value| Some(most.max(self.most_within(value, within)?))),
                        _ => None,
                    },
                    Source::Items(_) | Source::Printed => None,
                    Source::Outside => Some(most),
                });
                within.pop();
                most
            }
            _ => None,
        }
    }

    fn work(&mut self, statements: &[Statement]) -> f64 {
        let mut work = 0.0;
        for statement in statements {
            let own: f64 = expressions(statement).into_iter().map(|expression| self.calls(expression)).sum();
            work += 1.0 + own;
            work += match statement {
                Statement::Macro(_) => 0.0,
                Statement::For { over, body, .. } => self.rounds(over) * self.work(body),
                _ => self.work(body(statement)),
            };
        }
        work
    }

    /// Work of the macros that an expression calls.
    fn calls(&mut self, expression: &Expr) -> f64 {
        self.looks += 1;
        if self.looks > LOOKS_MAX {
            return 0.0;
        }
        let parts = expression.parts();
        let mut work: f64 = parts.into_iter().map(|part| self.calls(part)).sum();
        if let ExprKind::Call(callee, arguments) = &expression.kind
            && let ExprKind::Name(name) = &callee.kind
            && let Some(called) = self.names.macros.get(name.as_str()).copied()
        {
            match self.macros.get(name) {
                Some(Some(known)) => work += known,
                Some(None) => {
                    // Recursion must go down into the conversation.
                    if !arguments.all().any(|argument| goes_down(argument, called, self.names)) {
                        self.breach(expression.at, format!("the macro `{name}` calls itself without an end"));
                    }
                    work += DATA_ROUNDS;
                }
                None => {
                    self.macros.insert(name.clone(), None);
                    let own = self.work(&called.body);
                    self.macros.insert(name.clone(), Some(own));
                    work += own;
                }
            }
        }
        work
    }

    fn rounds(&self, over: &Expr) -> f64 {
        match &over.kind {
            #[expect(clippy::cast_precision_loss, reason = "a bound")]
            ExprKind::List(items) | ExprKind::Dictionary(items) => items.len() as f64,
            #[expect(clippy::cast_precision_loss, reason = "a bound")]
            ExprKind::Text(text) => text.len() as f64,
            ExprKind::Binary(_, left, right) => self.rounds(left) + self.rounds(right),
            ExprKind::Call(_, arguments) if is_range(over) => {
                let known = arguments.plain.iter().all(|value| matches!(value.kind, ExprKind::Whole(_)));
                let most = arguments.plain.iter().filter_map(|value| self.most(value)).fold(0.0, f64::max);
                if known || most > DATA_LENGTH * 4.0 { most } else { DATA_ROUNDS }
            }
            ExprKind::Name(_) => {
                let sources = self.names.sources_of(over).map(|(_, sources)| sources).unwrap_or_default();
                sources.iter().fold(DATA_ROUNDS, |rounds, source| match source {
                    Source::Value(value) | Source::Argument(value)
                        if matches!(value.kind, ExprKind::List(_) | ExprKind::Text(_)) =>
                    {
                        rounds.max(self.rounds(value))
                    }
                    _ => rounds,
                })
            }
            _ => DATA_ROUNDS,
        }
    }

    /// How long a string or list can become.
    fn length(&mut self, expression: &Expr) -> f64 {
        self.looks += 1;
        if self.looks > LOOKS_MAX {
            return 0.0;
        }
        match &expression.kind {
            #[expect(clippy::cast_precision_loss, reason = "a bound")]
            ExprKind::Text(text) => text.len() as f64,
            ExprKind::Whole(_) | ExprKind::Other | ExprKind::Test(..) | ExprKind::Unary(..) => 8.0,
            ExprKind::Binary("+" | "~", left, right) => self.length(left) + self.length(right),
            ExprKind::Binary("*", left, right) => {
                let times =
                    [left, right].iter().filter_map(|side| self.most(side)).fold(f64::INFINITY, f64::min);
                if times.is_finite() { self.length(left).max(self.length(right)) * times } else { 8.0 }
            }
            ExprKind::Binary(..) => 8.0,
            ExprKind::Choice(then, _, otherwise) => {
                let otherwise = otherwise.as_ref().map_or(0.0, |otherwise| self.length(otherwise));
                self.length(then).max(otherwise)
            }
            ExprKind::Slice(of, _) => self.length(of),
            ExprKind::List(items) | ExprKind::Dictionary(items) => {
                items.iter().map(|item| self.length(item)).sum()
            }
            ExprKind::Filter(of, name, arguments)
                if matches!(name.as_str(), "replace" | "join" | "indent") =>
            {
                self.product(of, arguments.plain.iter())
            }
            ExprKind::Filter(of, _, arguments) => {
                let rest: f64 = arguments.plain.iter().map(|argument| self.length(argument)).sum();
                self.length(of) + rest
            }
            ExprKind::Call(callee, arguments) => match &callee.kind {
                ExprKind::Attribute(of, name) if matches!(name.as_str(), "replace" | "join") => {
                    self.product(of, arguments.plain.iter())
                }
                ExprKind::Attribute(of, _) => self.length(of),
                ExprKind::Name(name) if name == "raise_exception" => 8.0,
                _ => arguments.all().map(|argument| self.length(argument)).sum::<f64>() + DATA_LENGTH,
            },
            ExprKind::Name(_) | ExprKind::Attribute(..) => self.variable(expression),
            ExprKind::Item(of, _) => self.length(of).max(DATA_LENGTH),
        }
    }

    fn product<'e>(&mut self, of: &Expr, arguments: impl Iterator<Item = &'e Expr>) -> f64 {
        let longest = arguments.map(|argument| self.length(argument)).fold(1.0, f64::max);
        let of = self.length(of);
        if longest <= DATA_LENGTH && of <= DATA_LENGTH { of.max(longest) * 8.0 } else { of * longest }
    }

    fn variable(&mut self, expression: &Expr) -> f64 {
        let names = self.names;
        let Some((name, sources)) = names.sources_of(expression) else { return DATA_LENGTH };
        match self.lengths.get(&name) {
            Some(Some(length)) => return *length,
            Some(None) => return 0.0,
            None => {}
        }
        self.lengths.insert(name.clone(), None);
        let mut longest = 1.0_f64;
        for source in sources {
            let length = match source {
                Source::Value(value) | Source::Argument(value) => {
                    if self.grows(value, &name) > 1 {
                        self.breach(value.at, format!("`{name}` doubles whenever it is assigned"));
                    }
                    self.length(value)
                }
                Source::Items(over) => self.length(over),
                Source::Printed | Source::Outside => DATA_LENGTH,
            };
            longest = longest.max(length);
        }
        self.lengths.insert(name, Some(longest));
        longest
    }
}
