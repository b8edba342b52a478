//! Chat templates: Jinja, judged without being rendered.
//!
//! A template is text of a model's author that runs in the server, once per request, in an engine that offers far more
//! than formatting (CVE-2024-34359). It is parsed by Jinja's grammar and every construct is held against a list of what
//! formatting a conversation needs. Sandboxes of engines are not relied on.

mod allowed;
mod ast;
mod lexer;
mod names;
mod parser;
mod rules;
mod size;

use self::parser::Parsed;
use super::window::shifted;
use crate::{
    Rule,
    scan::{Scan, Stop},
};

/// A template is Jinja.
pub(crate) static SYNTAX: Rule =
    Rule { id: "template/syntax", class: "template-code", demands: "a chat template can be parsed as Jinja" };

static TAG: Rule = Rule {
    id: "template/tag",
    class: "template-code",
    demands: "a chat template has no tags that load, extend or execute something else",
};

/// The longest templates known have some 20 kB.
const TEMPLATE_BYTES_MAX: usize = 1 << 20;

/// Judges a template that stands at `offset` of the content.
pub(crate) fn judge(text: &str, offset: u64, scan: &mut Scan<'_>) -> Result<(), Stop> {
    if text.len() > TEMPLATE_BYTES_MAX {
        scan.find(&size::SIZE, offset, "the template is too long");
        return Ok(());
    }
    match breaches(text) {
        Ok(breaches) => {
            scan.charge(text.len() as u64)?;
            for (rule, at, why) in breaches {
                scan.find(rule, offset.saturating_add(at), why);
            }
        }
        Err(stop) => scan.stopped(&SYNTAX, shifted(stop, offset)),
    }
    Ok(())
}

fn breaches(text: &str) -> Result<Vec<rules::Breach>, Stop> {
    let tokens = lexer::tokens(text)?;
    let template = match parser::parse(&tokens, text.len())? {
        Parsed::Template(template) => template,
        Parsed::Refused(refused) => {
            return Ok(vec![(&TAG, refused.at, format!("the template has the tag `{}`", refused.tag))]);
        }
    };
    let names = names::Names::of(&template);
    let mut breaches = rules::judge(&template, &names);
    breaches.extend(size::judge(&template, &names));
    Ok(breaches)
}

/// Whether text has tags of a template at all.
pub(crate) fn has_tags(text: &str) -> bool {
    let between = |open: &str, close: &str| {
        text.find(open).is_some_and(|at| text.get(at..).is_some_and(|rest| rest.contains(close)))
    };
    between("{{", "}}") || between("{%", "%}")
}

#[cfg(test)]
mod tests;
