//! From a tree to a policy.

use super::{Document, Effect, Name, Principals, Selection, Statement, Use};
use crate::{
    iam::{
        condition::{Condition, Operator},
        pattern::{Pattern, Syntax, UNRESOLVED},
    },
    json::{self, Malformed},
    tree::{Node, Place, Value},
};

/// Statements in one policy. The longest policy that the service takes has 20,480 characters, room for a few hundred.
const STATEMENTS_MAX: usize = 2_000;
/// Texts in one policy: actions, resources, values, principals.
const TEXTS_MAX: usize = 20_000;
/// Characters in one of them; the longest ARN that the service takes has 2,048.
const TEXT_CHARACTERS_MAX: usize = 4_096;

/// Why a tree is no policy, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why} at line `{}`, column `{}`", place.line, place.column)]
pub struct Invalid {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub why: String,
}

impl From<Malformed> for Invalid {
    fn from(malformed: Malformed) -> Self {
        Self { place: malformed.place, why: malformed.why }
    }
}

fn invalid<T>(place: Place, why: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid { place, why: why.into() })
}

/// Reads a policy from JSON.
///
/// # Errors
///
/// Where it is no JSON or no policy.
pub fn read(text: &str, put_to_use: Use) -> Result<Document, Invalid> {
    read_node(&json::read(text)?, put_to_use)
}

/// Reads a policy from a tree.
///
/// # Errors
///
/// Where it is no policy: an element that is unknown, missing, or there against its `put_to_use`.
pub fn read_node(node: &Node, put_to_use: Use) -> Result<Document, Invalid> {
    let Value::Map(members) = &node.value else {
        return invalid(node.place, "a policy is an object");
    };
    // Before this version, `${…}` is text like any other.
    let mut variables = false;
    let mut statements = None;
    for member in members {
        match member.name.as_str() {
            "Version" => {
                variables = match member.value.text() {
                    Some("2012-10-17") => true,
                    Some("2008-10-17") => false,
                    _ => return invalid(member.value.place, "the version is `2012-10-17` or `2008-10-17`"),
                };
            }
            "Id" => {}
            "Statement" => statements = Some(&member.value),
            other => return invalid(member.place, format!("`{other}` is no element of a policy")),
        }
    }
    let Some(statements) = statements else {
        return invalid(node.place, "the policy has no `Statement`");
    };
    let mut reader = Reader { variables, put_to_use, texts: 0 };
    let nodes = statements.one_or_many();
    if nodes.len() > STATEMENTS_MAX {
        return invalid(statements.place, format!("more than `{STATEMENTS_MAX}` statements"));
    }
    let statements = nodes.iter().map(|node| reader.statement(node)).collect::<Result<_, _>>()?;
    Ok(Document { place: node.place, statements })
}

struct Reader {
    variables: bool,
    put_to_use: Use,
    texts: usize,
}

impl Reader {
    fn statement(&mut self, node: &Node) -> Result<Statement, Invalid> {
        let Value::Map(members) = &node.value else {
            return invalid(node.place, "a statement is an object");
        };
        let (mut sid, mut effect, mut conditions) = (None, None, Vec::new());
        let (mut principals, mut actions, mut resources) = (None, None, None);
        for member in members {
            let value = &member.value;
            match member.name.as_str() {
                "Sid" => sid = value.text().map(|text| (text.to_owned(), member.place)),
                "Effect" => effect = Some(read_effect(value)?),
                "Action" | "NotAction" => {
                    once(&actions, value, "actions")?;
                    actions = Some(self.selection(value, member.name == "NotAction", false)?);
                }
                "Resource" | "NotResource" => {
                    once(&resources, value, "resources")?;
                    resources = Some(self.selection(value, member.name == "NotResource", self.variables)?);
                }
                "Principal" | "NotPrincipal" => {
                    once(&principals, value, "principals")?;
                    principals = Some(self.principals(value, member.name == "NotPrincipal")?);
                }
                "Condition" => conditions = self.conditions(value)?,
                other => return invalid(member.place, format!("`{other}` is no element of a statement")),
            }
        }
        let Some(effect) = effect else {
            return invalid(node.place, "the statement has no `Effect`");
        };
        let Some(actions) = actions else {
            return invalid(node.place, "the statement has no `Action`");
        };
        self.agrees(node.place, principals.is_some(), resources.is_some())?;
        Ok(Statement { place: node.place, sid, effect, principals, actions, resources, conditions })
    }

    fn agrees(&self, place: Place, principals: bool, resources: bool) -> Result<(), Invalid> {
        match self.put_to_use {
            Use::Identity if principals => invalid(place, "a policy of this use names no principals"),
            Use::Resource | Use::Trust if !principals => invalid(place, "the statement has no `Principal`"),
            Use::Identity | Use::Resource if !resources => invalid(place, "the statement has no `Resource`"),
            Use::Trust if resources => invalid(place, "a trust policy names no resources"),
            _ => Ok(()),
        }
    }

    /// Texts of a list or a single one.
    fn texts<'n>(&mut self, node: &'n Node) -> Result<Vec<(String, Place)>, Invalid> {
        let nodes: &'n [Node] = node.one_or_many();
        self.texts = self.texts.saturating_add(nodes.len());
        if self.texts > TEXTS_MAX {
            return invalid(node.place, format!("more than `{TEXTS_MAX}` texts in a policy"));
        }
        let text = |node: &Node| {
            let text = match &node.value {
                Value::Unknown(of) => Some(format!("{UNRESOLVED}{of}{UNRESOLVED}")),
                _ => node.scalar(),
            };
            match text {
                Some(text) if text.len() <= TEXT_CHARACTERS_MAX => Ok((text, node.place)),
                Some(_) => invalid(node.place, format!("more than `{TEXT_CHARACTERS_MAX}` characters")),
                None => invalid(node.place, "expected a text"),
            }
        };
        nodes.iter().map(text).collect()
    }

    fn selection(&mut self, node: &Node, negated: bool, variables: bool) -> Result<Selection, Invalid> {
        let syntax = Syntax { wildcards: true, variables };
        let texts = self.texts(node)?;
        if texts.is_empty() {
            return invalid(node.place, "an empty list selects nothing");
        }
        let patterns = texts.into_iter().map(|(text, place)| (Pattern::new(&text, syntax), place)).collect();
        Ok(Selection { negated, place: node.place, patterns })
    }

    fn principals(&mut self, node: &Node, negated: bool) -> Result<Principals, Invalid> {
        let mut names = Vec::new();
        match &node.value {
            Value::Text(text) if text == "*" => names.push((Name::Anyone, node.place)),
            Value::Unknown(of) => names.push((Name::Unresolved(of.clone()), node.place)),
            Value::Map(members) => {
                for member in members {
                    for (text, place) in self.texts(&member.value)? {
                        names.push((name(&member.name, &text, place)?, place));
                    }
                }
            }
            _ => return invalid(node.place, "a principal is `*` or an object"),
        }
        Ok(Principals { negated, place: node.place, names })
    }

    fn conditions(&mut self, node: &Node) -> Result<Vec<Condition>, Invalid> {
        let Value::Map(operators) = &node.value else {
            return invalid(node.place, "conditions are an object");
        };
        let mut conditions = Vec::new();
        for member in operators {
            let Some(operator) = Operator::named(&member.name) else {
                return invalid(member.place, format!("`{}` is no condition operator", member.name));
            };
            let Value::Map(keys) = &member.value.value else {
                return invalid(member.value.place, "an operator's keys are an object");
            };
            let syntax = Syntax { wildcards: operator.has_wildcards(), variables: self.variables };
            for key in keys {
                let texts = self.texts(&key.value)?;
                let values = texts.iter().map(|(text, _)| Pattern::new(text, syntax)).collect();
                let place = key.place;
                conditions.push(Condition { place, operator, key: key.name.to_ascii_lowercase(), values });
            }
        }
        Ok(conditions)
    }
}

fn once<T>(before: &Option<T>, node: &Node, what: &str) -> Result<(), Invalid> {
    match before {
        None => Ok(()),
        Some(_) => invalid(node.place, format!("the statement says twice which {what} it is about")),
    }
}

fn read_effect(node: &Node) -> Result<Effect, Invalid> {
    match node.text() {
        Some("Allow") => Ok(Effect::Allow),
        Some("Deny") => Ok(Effect::Deny),
        _ => invalid(node.place, "the effect is `Allow` or `Deny`"),
    }
}

fn name(kind: &str, text: &str, place: Place) -> Result<Name, Invalid> {
    if text.contains(UNRESOLVED) {
        return Ok(Name::Unresolved(text.replace(UNRESOLVED, "")));
    }
    Ok(match kind {
        "AWS" if text == "*" => Name::Anyone,
        "AWS" => match account(text) {
            Some(account) => Name::Account(account.to_owned()),
            None if text.starts_with("arn:") && !text.contains(['*', '?']) => Name::Arn(text.to_owned()),
            // A deleted role or user leaves its unique identifier, which nobody has any more.
            None if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Name::Arn(text.to_owned()),
            None => return invalid(place, format!("`{text}` is no principal")),
        },
        "Service" => Name::Service(text.to_owned()),
        "Federated" => Name::Federated(text.to_owned()),
        "CanonicalUser" => Name::CanonicalUser(text.to_owned()),
        other => return invalid(place, format!("`{other}` is no kind of principal")),
    })
}

/// The account that a text stands for as a whole: twelve digits, alone or as its root.
fn account(text: &str) -> Option<&str> {
    let digits = match text.strip_suffix(":root") {
        Some(front) => front.rsplit(':').next()?,
        None => text,
    };
    (digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}
