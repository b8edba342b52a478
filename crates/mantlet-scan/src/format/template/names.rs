//! Where a template's variables get their values from: enough to know numbers from strings.

use std::{cell::Cell, collections::HashMap};

use super::ast::{Expr, ExprKind, Macro, Statement, Target};

/// One way in which a variable gets a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'t> {
    /// `set`.
    Value(&'t Expr),
    /// A parameter's default, or the argument of a call.
    Argument(&'t Expr),
    /// The items of a loop.
    Items(&'t Expr),
    /// What a block prints.
    Printed,
    /// A caller that is not seen here.
    Outside,
}

/// Everything assigned anywhere in a template, whatever the order: a variable may have any of its sources' values.
#[derive(Default)]
pub(super) struct Names<'t> {
    pub(super) macros: HashMap<&'t str, &'t Macro>,
    pub(super) sources: HashMap<String, Vec<Source<'t>>>,
    looks: Cell<usize>,
}

/// Expressions looked at to find out what a template's numbers are; beyond that nothing counts as a number.
const LOOKS_MAX: usize = 100_000;

/// How a namespace's member is called in [`Names::sources`].
pub(super) fn member(namespace: &str, name: &str) -> String {
    format!("{namespace}.{name}")
}

impl<'t> Names<'t> {
    /// Collects from a whole template.
    pub(super) fn of(template: &'t [Statement]) -> Self {
        let mut names = Names::default();
        names.find_macros(template);
        names.find_sources(template);
        names
    }

    fn find_macros(&mut self, statements: &'t [Statement]) {
        for statement in statements {
            if let Statement::Macro(found) = statement {
                self.macros.insert(&found.name, found);
            }
            self.find_macros(body(statement));
        }
    }

    fn add(&mut self, name: String, source: Source<'t>) {
        self.sources.entry(name).or_default().push(source);
    }

    fn assign(&mut self, target: &Target, source: Source<'t>) {
        match target {
            Target::Name(name) => self.add(name.clone(), source),
            Target::Member(of, name) => self.add(member(of, name), source),
        }
    }

    fn find_sources(&mut self, statements: &'t [Statement]) {
        for statement in statements {
            match statement {
                Statement::Set { targets, value } => {
                    for target in targets {
                        let source =
                            if targets.len() == 1 { Source::Value(value) } else { Source::Items(value) };
                        self.assign(target, source);
                    }
                    if let (ExprKind::Call(callee, arguments), [Target::Name(name)]) =
                        (&value.kind, targets.as_slice())
                        && matches!(&callee.kind, ExprKind::Name(callee) if callee == "namespace")
                    {
                        for (field, value) in &arguments.named {
                            self.add(member(name, field), Source::Value(value));
                        }
                    }
                }
                Statement::SetBlock { target, .. } => self.assign(target, Source::Printed),
                Statement::For { targets, over, .. } => {
                    for target in targets {
                        self.assign(target, Source::Items(over));
                    }
                }
                Statement::Macro(found) => {
                    for (name, default) in &found.parameters {
                        self.add(name.clone(), default.as_ref().map_or(Source::Outside, Source::Argument));
                    }
                }
                Statement::CallBlock { parameters, .. } => {
                    for (name, _) in parameters {
                        self.add(name.clone(), Source::Outside);
                    }
                }
                _ => {}
            }
            for expression in expressions(statement) {
                self.find_calls(expression);
            }
            self.find_sources(body(statement));
        }
    }

    /// Arguments of calls are the parameters' values.
    fn find_calls(&mut self, expression: &'t Expr) {
        if let ExprKind::Call(callee, arguments) = &expression.kind
            && let ExprKind::Name(name) = &callee.kind
            && let Some(called) = self.macros.get(name.as_str()).copied()
        {
            for ((parameter, _), value) in called.parameters.iter().zip(&arguments.plain) {
                self.add(parameter.clone(), Source::Argument(value));
            }
            for (parameter, value) in &arguments.named {
                self.add(parameter.clone(), Source::Argument(value));
            }
        }
        for part in expression.parts() {
            self.find_calls(part);
        }
    }

    /// The sources of what an expression names, if it names a variable or a namespace's member.
    pub(super) fn sources_of(&self, expression: &Expr) -> Option<(String, &[Source<'t>])> {
        let name = match &expression.kind {
            ExprKind::Name(name) => name.clone(),
            ExprKind::Attribute(of, name) => match &of.kind {
                ExprKind::Name(of) => member(of, name),
                _ => return None,
            },
            _ => return None,
        };
        self.sources.get(&name).map(|sources| (name, sources.as_slice()))
    }

    /// Pays for a look at an expression; `false` once there have been too many.
    pub(super) fn may_look(&self) -> bool {
        self.looks.set(self.looks.get().saturating_add(1));
        self.looks.get() <= LOOKS_MAX
    }

    /// Whether an expression can only be a number. A variable that depends on itself is one if all else says so.
    pub(super) fn is_number(&self, expression: &Expr) -> bool {
        self.number(expression, &mut Vec::new())
    }

    fn number(&self, expression: &Expr, within: &mut Vec<String>) -> bool {
        if !self.may_look() {
            return false;
        }
        match &expression.kind {
            ExprKind::Whole(_) => true,
            ExprKind::Unary("-" | "+", of) => self.number(of, within),
            ExprKind::Binary("+" | "-" | "*" | "/" | "//" | "%" | "**", left, right) => {
                self.number(left, within) && self.number(right, within)
            }
            ExprKind::Choice(then, _, Some(otherwise)) => {
                self.number(then, within) && self.number(otherwise, within)
            }
            ExprKind::Filter(_, name, _) => {
                matches!(name.as_str(), "length" | "count" | "int" | "float" | "wordcount")
            }
            ExprKind::Attribute(of, name) if matches!(&of.kind, ExprKind::Name(of) if of == "loop") => {
                matches!(
                    name.as_str(),
                    "index" | "index0" | "revindex" | "revindex0" | "length" | "depth" | "depth0"
                )
            }
            ExprKind::Call(callee, _) => {
                matches!(&callee.kind, ExprKind::Attribute(_, name) if matches!(name.as_str(), "index" | "find" | "rfind" | "count"))
            }
            ExprKind::Name(_) | ExprKind::Attribute(..) => {
                let Some((name, sources)) = self.sources_of(expression) else { return false };
                if within.contains(&name) {
                    return true;
                }
                within.push(name);
                let all = sources.iter().all(|source| match source {
                    Source::Value(value) | Source::Argument(value) => self.number(value, within),
                    Source::Items(over) => is_range(over),
                    Source::Printed | Source::Outside => false,
                });
                within.pop();
                all
            }
            _ => false,
        }
    }

    /// Whether an expression can only be one of the template's own plain strings.
    pub(super) fn is_plain_text(&self, expression: &Expr) -> bool {
        match &expression.kind {
            ExprKind::Text(text) => super::rules::is_plain(text),
            ExprKind::Choice(then, _, Some(otherwise)) => {
                self.is_plain_text(then) && self.is_plain_text(otherwise)
            }
            ExprKind::Name(_) => self.sources_of(expression).is_some_and(|(_, sources)| {
                sources.iter().all(|source| {
                    matches!(source, Source::Value(Expr { kind: ExprKind::Text(text), .. }) | Source::Argument(Expr { kind: ExprKind::Text(text), .. }) if super::rules::is_plain(text))
                })
            }),
            _ => false,
        }
    }
}

/// Whether an expression is a call of `range`.
pub(super) fn is_range(expression: &Expr) -> bool {
    matches!(&expression.kind, ExprKind::Call(callee, _) if matches!(&callee.kind, ExprKind::Name(name) if name == "range"))
}

/// The statements within a statement.
pub(super) fn body(statement: &Statement) -> &[Statement] {
    match statement {
        Statement::For { body, .. }
        | Statement::If { bodies: body, .. }
        | Statement::SetBlock { body, .. }
        | Statement::Macro(Macro { body, .. })
        | Statement::CallBlock { body, .. }
        | Statement::FilterBlock { body, .. }
        | Statement::Block(body) => body,
        Statement::Print(_) | Statement::Set { .. } | Statement::Jump => &[],
    }
}

/// The expressions that stand in a statement itself.
pub(super) fn expressions(statement: &Statement) -> Vec<&Expr> {
    match statement {
        Statement::Print(value)
        | Statement::Set { value, .. }
        | Statement::CallBlock { call: value, .. }
        | Statement::FilterBlock { value, .. } => vec![value],
        Statement::For { over, test, .. } => std::iter::once(over).chain(test).collect(),
        Statement::If { tests, .. } => tests.iter().collect(),
        Statement::Macro(found) => {
            found.parameters.iter().filter_map(|(_, default)| default.as_ref()).collect()
        }
        Statement::SetBlock { .. } | Statement::Block(_) | Statement::Jump => Vec::new(),
    }
}
