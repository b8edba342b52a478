//! Which values grow by going round: those that are made of themselves, and macros that call themselves.

use super::{LOOKS_MAX, Sizes};
use crate::format::template::{
    ast::{Expr, ExprKind, Macro},
    names::{Names, Source},
};

impl Sizes<'_> {
    /// How often a value contains the variable that it is assigned to, itself or through others.
    pub(super) fn grows(&mut self, value: &Expr, name: &str) -> usize {
        self.occurrences(value, name, &mut Vec::new())
    }

    pub(super) fn occurrences(&mut self, value: &Expr, name: &str, within: &mut Vec<String>) -> usize {
        self.looks += 1;
        if self.looks > LOOKS_MAX || within.len() > 16 {
            return 0;
        }
        match &value.kind {
            ExprKind::Name(_) | ExprKind::Attribute(..) => {
                let names = self.names;
                let Some((found, sources)) = names.sources_of(value) else { return 0 };
                if found == name {
                    return 1;
                }
                if within.contains(&found) {
                    return 0;
                }
                within.push(found);
                let most = sources.iter().map(|source| match source {
                    Source::Value(value) | Source::Argument(value) => self.occurrences(value, name, within),
                    _ => 0,
                });
                let most = most.max().unwrap_or_default();
                within.pop();
                most
            }
            ExprKind::Choice(then, _, otherwise) => {
                let otherwise =
                    otherwise.as_ref().map_or(0, |otherwise| self.occurrences(otherwise, name, within));
                self.occurrences(then, name, within).max(otherwise)
            }
            ExprKind::Binary("+" | "~", left, right) => {
                self.occurrences(left, name, within) + self.occurrences(right, name, within)
            }
            ExprKind::Binary("*", left, right) => {
                // Both sides may be the variable, and either may be a number that makes it grow.
                2 * (self.occurrences(left, name, within) + self.occurrences(right, name, within))
            }
            ExprKind::Binary(..) | ExprKind::Test(..) => 0,
            ExprKind::Item(of, _) | ExprKind::Slice(of, _) => self.occurrences(of, name, within),
            ExprKind::Call(callee, arguments) => {
                let of = match &callee.kind {
                    ExprKind::Attribute(of, _) => self.occurrences(of, name, within),
                    _ => 0,
                };
                of + arguments.all().map(|argument| self.occurrences(argument, name, within)).sum::<usize>()
            }
            _ => value.parts().into_iter().map(|part| self.occurrences(part, name, within)).sum(),
        }
    }
}

/// Whether an argument is a part of one of the macro's own parameters, or of something that it loops over.
pub(super) fn goes_down(argument: &Expr, called: &Macro, names: &Names<'_>) -> bool {
    match &argument.kind {
        ExprKind::Attribute(of, _) | ExprKind::Item(of, _) => is_of_parameter(of, called, names, 0),
        ExprKind::Name(name) => is_item(name, called, names, 0),
        // Items of a list, one by one, in the place of the list.
        ExprKind::Dictionary(members) => members
            .iter()
            .skip(1)
            .step_by(2)
            .all(|value| matches!(&value.kind, ExprKind::Name(name) if is_item(name, called, names, 0))),
        _ => false,
    }
}

/// Whether a variable is bound by a loop, within the macro, over something of a parameter.
fn is_item(name: &str, called: &Macro, names: &Names<'_>, depth: usize) -> bool {
    if depth > 8 || called.parameters.iter().any(|(parameter, _)| parameter == name) {
        return false;
    }
    names.sources.get(name).is_some_and(|sources| {
        sources.iter().any(|source| match source {
            Source::Items(over) => is_of_parameter(over, called, names, depth + 1),
            _ => false,
        })
    })
}

fn is_of_parameter(expression: &Expr, called: &Macro, names: &Names<'_>, depth: usize) -> bool {
    match &expression.kind {
        _ if !names.may_look() => false,
        ExprKind::Name(name) => {
            called.parameters.iter().any(|(parameter, _)| parameter == name)
                || is_item(name, called, names, depth)
        }
        ExprKind::Attribute(of, _)
        | ExprKind::Item(of, _)
        | ExprKind::Slice(of, _)
        | ExprKind::Filter(of, ..) => is_of_parameter(of, called, names, depth),
        ExprKind::Call(callee, _) => match &callee.kind {
            ExprKind::Attribute(of, _) => is_of_parameter(of, called, names, depth),
            _ => false,
        },
        _ => false,
    }
}
