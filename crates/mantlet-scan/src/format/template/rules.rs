//! The rules themselves: names, attributes, indices, calls, filters and tests, each against its list.

use super::{
    allowed::{ENGINE, FILTERS, FUNCTIONS, LOOP, METHODS, METHODS_MORE, TESTS, is_interpreters},
    ast::{Arguments, Expr, ExprKind, Statement, Target},
    names::{Names, Source, body, expressions},
};
use crate::Rule;

pub(super) static NAME: Rule = Rule {
    id: "template/name",
    class: "template-code",
    demands: "a chat template names variables of the conversation and its own, not objects of the engine",
};
pub(super) static ATTRIBUTE: Rule = Rule {
    id: "template/attribute",
    class: "template-code",
    demands: "a chat template reads members by plain names without a leading underscore",
};
pub(super) static INDEX: Rule = Rule {
    id: "template/index",
    class: "template-code",
    demands: "a chat template's index is a number, a plain string, or a key of the very object",
};
pub(super) static CALL: Rule = Rule {
    id: "template/call",
    class: "template-code",
    demands: "a chat template calls its own macros, a few functions, and methods of strings, lists and dictionaries",
};
pub(super) static FILTER: Rule = Rule {
    id: "template/filter",
    class: "template-code",
    demands: "a chat template's filters and tests are of the list, and named in plain text",
};

/// A breach: rule, place, and what was found.
pub(super) type Breach = (&'static Rule, u64, String);

/// Whether a string may name a member.
pub(super) fn is_plain(name: &str) -> bool {
    !name.starts_with('_') && !is_interpreters(name)
}

/// Judges a whole template.
pub(super) fn judge(template: &[Statement], names: &Names<'_>) -> Vec<Breach> {
    let mut judge = Judge { names, breaches: Vec::new(), loops: Vec::new() };
    judge.statements(template);
    judge.breaches
}

struct Judge<'t> {
    names: &'t Names<'t>,
    breaches: Vec<Breach>,
    /// Loops that we are in: their variables, and what is looped over.
    loops: Vec<(Vec<String>, String)>,
}

impl Judge<'_> {
    fn breach(&mut self, rule: &'static Rule, at: u64, why: String) {
        self.breaches.push((rule, at, why));
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            for target in targets(statement) {
                let (Target::Name(name) | Target::Member(_, name)) = target;
                if name.starts_with("__") || FUNCTIONS.contains(&name.as_str()) {
                    self.breach(&NAME, 0, format!("the template assigns to `{name}`"));
                }
            }
            for expression in expressions(statement) {
                self.expression(expression);
            }
            match statement {
                Statement::For { targets, over, body, .. } => {
                    let names = targets.iter().map(|target| match target {
                        Target::Name(name) => name.clone(),
                        Target::Member(..) => String::new(),
                    });
                    self.loops.push((names.collect(), shape(keyed(over))));
                    self.statements(body);
                    self.loops.pop();
                }
                Statement::Macro(_) => {
                    let outside = std::mem::take(&mut self.loops);
                    self.statements(body(statement));
                    self.loops = outside;
                }
                _ => self.statements(body(statement)),
            }
        }
    }

    fn expression(&mut self, expression: &Expr) {
        let at = expression.at;
        match &expression.kind {
            ExprKind::Name(name) => {
                let own = self.names.sources.contains_key(name) && !name.starts_with("__");
                let engine = ENGINE.contains(&name.as_str()) || FUNCTIONS.contains(&name.as_str());
                if engine || (name.starts_with('_') && !own) || self.names.macros.contains_key(name.as_str())
                {
                    self.breach(&NAME, at, format!("the template uses `{name}` as a value"));
                }
                return;
            }
            ExprKind::Attribute(of, name) => {
                let of_loop = matches!(&of.kind, ExprKind::Name(of) if of == "loop");
                if !is_plain(name) || (of_loop && !LOOP.contains(&name.as_str())) {
                    self.breach(&ATTRIBUTE, at, format!("the template reads `.{name}`"));
                }
            }
            ExprKind::Item(of, index) => self.index(of, index),
            ExprKind::Call(callee, arguments) => return self.call(callee, arguments),
            ExprKind::Filter(_, name, arguments) => self.filter(at, name, arguments),
            ExprKind::Test(of, name, arguments) => {
                if !TESTS.contains(&name.as_str()) {
                    self.breach(&FILTER, at, format!("the template uses the test `{name}`"));
                }
                // Whether a function exists may be asked of any.
                let asked = matches!(&of.kind, ExprKind::Name(of) if FUNCTIONS.contains(&of.as_str()));
                if asked && ["defined", "undefined", "none", "callable"].contains(&name.as_str()) {
                    return arguments.all().for_each(|argument| self.expression(argument));
                }
            }
            _ => {}
        }
        for part in expression.parts() {
            self.expression(part);
        }
    }

    fn index(&mut self, of: &Expr, index: &Expr) {
        if self.names.is_number(index) || self.names.is_plain_text(index) || self.is_key_of(of, index) {
            return;
        }
        let what = match &index.kind {
            ExprKind::Text(text) => format!("`{text}`"),
            _ => "a string that is made up when it runs".to_owned(),
        };
        self.breach(&INDEX, index.at, format!("the template indexes with {what}"));
    }

    /// Whether `index` is the variable of a loop over the keys of `of`, and neither can have changed since.
    fn is_key_of(&self, of: &Expr, index: &Expr) -> bool {
        let (ExprKind::Name(key), Some(root)) = (&index.kind, root(of)) else { return false };
        let sources = |name: &str| self.names.sources.get(name).map(Vec::as_slice).unwrap_or_default();
        let sets =
            |name: &str| sources(name).iter().filter(|source| matches!(source, Source::Value(_))).count();
        let of_loops = sources(key).iter().all(|source| matches!(source, Source::Items(_)));
        let stable = sets(root) == 0 || sources(root).len() == 1;
        let bound = self
            .loops
            .iter()
            .rposition(|(names, _)| names.contains(key) || names.iter().any(|name| name == root));
        let bound = bound.and_then(|at| self.loops.get(at));
        of_loops
            && stable
            && bound.is_some_and(|(names, over)| names.first() == Some(key) && *over == shape(of))
    }

    fn call(&mut self, callee: &Expr, arguments: &Arguments) {
        match &callee.kind {
            ExprKind::Name(name) => {
                if !FUNCTIONS.contains(&name.as_str()) && !self.names.macros.contains_key(name.as_str()) {
                    self.breach(&CALL, callee.at, format!("the template calls `{name}`"));
                }
            }
            ExprKind::Attribute(of, name) => {
                let of_loop = matches!(&of.kind, ExprKind::Name(of) if of == "loop");
                let known = METHODS.contains(&name.as_str()) || METHODS_MORE.contains(&name.as_str());
                if !(if of_loop { ["cycle", "changed"].contains(&name.as_str()) } else { known }) {
                    self.breach(&CALL, callee.at, format!("the template calls `.{name}()`"));
                }
                self.expression(of);
            }
            _ => {
                self.breach(&CALL, callee.at, "the template calls a computed value".to_owned());
                self.expression(callee);
            }
        }
        if let Some((name, _)) = arguments.named.iter().find(|(name, _)| name.starts_with("__")) {
            self.breach(&NAME, callee.at, format!("the template passes an argument called `{name}`"));
        }
        for argument in arguments.all() {
            self.expression(argument);
        }
    }

    fn filter(&mut self, at: u64, name: &str, arguments: &Arguments) {
        if !FILTERS.contains(&name) {
            return self.breach(&FILTER, at, format!("the template uses the filter `{name}`"));
        }
        let text = |expression: &Expr| match &expression.kind {
            ExprKind::Text(text) => Some(text.clone()),
            _ => None,
        };
        let path = |expression: &Expr| text(expression).is_some_and(|path| path.split('.').all(is_plain));
        let listed = |expression: &Expr, list: &[&str]| {
            text(expression).is_some_and(|name| list.contains(&name.as_str()))
        };
        let attribute = arguments.named.iter().find(|(name, _)| name == "attribute").map(|(_, value)| value);
        let mut plain = arguments.plain.iter();
        let first = plain.next();
        let second = plain.next();
        let fine = match name {
            "map" => first.is_none_or(|filter| listed(filter, &FILTERS) && !is_nesting(filter)),
            "select" | "reject" => first.is_none_or(|test| listed(test, &TESTS)),
            "selectattr" | "rejectattr" => {
                first.is_some_and(path) && second.is_none_or(|test| listed(test, &TESTS))
            }
            "groupby" => first.is_none_or(path),
            "sort" | "unique" | "min" | "max" | "sum" => {
                arguments.plain.iter().all(|value| matches!(value.kind, ExprKind::Other) || path(value))
            }
            _ => true,
        };
        if !fine || !attribute.is_none_or(path) {
            self.breach(
                &FILTER,
                at,
                format!("the filter `{name}` is given a member, filter or test out of the list"),
            );
        }
    }
}

/// Filters that would take further names as arguments when they are mapped.
fn is_nesting(filter: &Expr) -> bool {
    let takes_names = [
        "map",
        "select",
        "reject",
        "selectattr",
        "rejectattr",
        "groupby",
        "sort",
        "unique",
        "min",
        "max",
        "sum",
    ];
    matches!(&filter.kind, ExprKind::Text(name) if takes_names.contains(&name.as_str()))
}

fn targets(statement: &Statement) -> Vec<Target> {
    match statement {
        Statement::Set { targets, .. } | Statement::For { targets, .. } => targets.clone(),
        Statement::SetBlock { target, .. } => vec![target.clone()],
        Statement::Macro(found) => std::iter::once(&found.name)
            .chain(found.parameters.iter().map(|(name, _)| name))
            .map(|name| Target::Name(name.clone()))
            .collect(),
        Statement::CallBlock { parameters, .. } => {
            parameters.iter().map(|(name, _)| Target::Name(name.clone())).collect()
        }
        _ => Vec::new(),
    }
}

/// The dictionary whose keys a loop goes through.
fn keyed(over: &Expr) -> &Expr {
    match &over.kind {
        ExprKind::Call(callee, _) => match &callee.kind {
            ExprKind::Attribute(of, name) if ["keys", "items"].contains(&name.as_str()) => keyed(of),
            _ => over,
        },
        ExprKind::Filter(of, name, _) if ["items", "dictsort", "list", "sort"].contains(&name.as_str()) => {
            keyed(of)
        }
        _ => over,
    }
}

fn root(expression: &Expr) -> Option<&str> {
    match &expression.kind {
        ExprKind::Name(name) => Some(name),
        ExprKind::Attribute(of, _) | ExprKind::Item(of, _) => root(of),
        _ => None,
    }
}

/// An expression without its places, so that two of them can be compared.
fn shape(expression: &Expr) -> String {
    match &expression.kind {
        ExprKind::Name(name) => name.clone(),
        ExprKind::Attribute(of, name) => format!("{}[{name}]", shape(of)),
        ExprKind::Item(of, index) => match &index.kind {
            ExprKind::Text(name) => format!("{}[{name}]", shape(of)),
            _ => format!("{}[{}]", shape(of), shape(index)),
        },
        ExprKind::Whole(Some(number)) => number.to_string(),
        // Anything else is like nothing: no two places are equal.
        _ => format!("?{}", expression.at),
    }
}
