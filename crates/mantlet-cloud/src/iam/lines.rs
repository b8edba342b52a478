//! `mantlet iam decide`: one question in one line of JSON, one answer in another.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    decide::{Answer, Explored, Question, decide},
    pattern::Pattern,
    policy::{Document, Invalid, Use, read_node},
    request::{Policies, Principal, Request},
};
use crate::{
    json,
    tree::{Node, Place, Value},
};

/// An answer in one line.
#[derive(Debug, Serialize)]
pub struct Line {
    /// What the question was called.
    pub id: serde_json::Value,
    /// `true`, `false` or `unknown`.
    pub possible: serde_json::Value,
    /// A request that is allowed.
    pub witness: Option<Request>,
    /// Why it could not be decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explored: Option<Explored>,
}

/// A case: policies, and a question about them.
#[derive(Debug)]
pub struct Case {
    /// What it is called.
    pub id: serde_json::Value,
    /// The policies.
    pub policies: Policies,
    /// The question.
    pub question: Question,
}

/// Answers a line. What cannot be read is `unknown` with the reason.
#[must_use]
pub fn answer(line: &str) -> Line {
    let tree = json::read(line);
    let id = tree.as_ref().ok().and_then(|tree| tree.get("id")).map_or(serde_json::Value::Null, named);
    match tree.map_err(Invalid::from).and_then(|tree| case(&tree)) {
        Ok(case) => told(id, decide(&case.policies, &case.question)),
        Err(error) => unknown(id, &error),
    }
}

fn named(node: &Node) -> serde_json::Value {
    node.scalar().map_or(serde_json::Value::Null, serde_json::Value::from)
}

fn unknown(id: serde_json::Value, why: &dyn std::fmt::Display) -> Line {
    Line { id, possible: "unknown".into(), witness: None, why: Some(why.to_string()), explored: None }
}

fn told(id: serde_json::Value, answer: Answer) -> Line {
    match answer {
        Answer::Possible(request) => {
            Line { id, possible: true.into(), witness: Some(request), why: None, explored: None }
        }
        Answer::Impossible(explored) => {
            Line { id, possible: false.into(), witness: None, why: None, explored: Some(explored) }
        }
        Answer::Unknown(reason) => unknown(id, &reason),
    }
}

fn invalid<T>(place: Place, why: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid { place, why: why.into() })
}

/// Reads a case.
///
/// # Errors
///
/// Where something is missing, unknown or no policy.
pub fn case(tree: &Node) -> Result<Case, Invalid> {
    let mut policies = Policies::default();
    let (mut id, mut asked) = (serde_json::Value::Null, None);
    for member in tree.members() {
        let value = &member.value;
        match member.name.as_str() {
            "id" => id = named(value),
            "expected" => {}
            "identity_policies" => policies.identity = documents(value)?,
            "permissions_boundary" => policies.boundaries = documents(value)?,
            "session_policies" => policies.sessions = documents(value)?,
            "service_control_policies" => policies.service_controls = documents(value)?,
            "resource_control_policies" => policies.resource_controls = organization(value)?,
            "resource_policy" => policies.resource = Some(read_node(value, Use::Resource)?),
            "principal" => policies.principal = Some(principal(value)?),
            "cross_account" => policies.other_account = value.boolean().unwrap_or(true),
            "question" => asked = Some(question(value)?),
            other => return invalid(member.place, format!("`{other}` is no member of a case")),
        }
    }
    match asked {
        Some(question) => Ok(Case { id, policies, question }),
        None => invalid(tree.place, "the case has no `question`"),
    }
}

fn documents(node: &Node) -> Result<Vec<Document>, Invalid> {
    match &node.value {
        Value::Null => Ok(Vec::new()),
        _ => node.one_or_many().iter().map(|node| read_node(node, Use::Identity)).collect(),
    }
}

/// Policies of the organization for resources name everybody as their principal.
fn organization(node: &Node) -> Result<Vec<Document>, Invalid> {
    node.one_or_many().iter().map(|node| read_node(node, Use::Resource)).collect()
}

fn principal(node: &Node) -> Result<Principal, Invalid> {
    match node.text() {
        Some("anonymous") => Ok(Principal::Anonymous),
        Some(text) if text.starts_with("arn:") => Ok(Principal::Arn(text.to_owned())),
        Some(text) if text.ends_with(".amazonaws.com") => Ok(Principal::Service(text.to_owned())),
        _ => invalid(node.place, "a principal is an ARN, a service or `anonymous`"),
    }
}

fn question(node: &Node) -> Result<Question, Invalid> {
    let (mut actions, mut resource, mut fixed) = (Vec::new(), None, BTreeMap::new());
    for member in node.members() {
        let value = &member.value;
        match member.name.as_str() {
            // What the actions are called together.
            "any_of" => {}
            "actions" => {
                for item in value.one_or_many() {
                    match item.text() {
                        Some(text) => actions.push(text.to_owned()),
                        None => return invalid(item.place, "an action is a text"),
                    }
                }
            }
            "resource_pattern" => resource = value.text().map(Pattern::glob),
            "context" => fixed = context(value)?,
            other => return invalid(member.place, format!("`{other}` is no member of a question")),
        }
    }
    match resource {
        Some(resource) if !actions.is_empty() => Ok(Question { actions, resource, fixed }),
        _ => invalid(node.place, "a question has `actions` and a `resource_pattern`"),
    }
}

/// `"any"`, or values of some keys: a text, several, or `null` for a key that is absent.
fn context(node: &Node) -> Result<BTreeMap<String, Vec<String>>, Invalid> {
    let mut fixed = BTreeMap::new();
    match &node.value {
        Value::Text(text) if text == "any" => {}
        Value::Map(members) => {
            for member in members {
                let values: Option<Vec<String>> = match &member.value.value {
                    Value::Null => Some(Vec::new()),
                    _ => member.value.one_or_many().iter().map(Node::scalar).collect(),
                };
                match values {
                    Some(values) => fixed.insert(member.name.to_ascii_lowercase(), values),
                    None => return invalid(member.place, "a value is a text"),
                };
            }
        }
        _ => return invalid(node.place, "a context is `any` or an object"),
    }
    Ok(fixed)
}
