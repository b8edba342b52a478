//! `mantlet network decide`: one network in one line of JSON, one answer in another.

use serde::Serialize;

use super::{
    model::Model,
    reach::{Reach, reach},
    read,
};
use crate::{iam::policy::Invalid, json, tree::Node};

/// An answer in one line.
#[derive(Debug, Serialize)]
pub struct Line {
    /// What the network was called.
    pub id: serde_json::Value,
    /// What the internet reaches.
    #[serde(flatten)]
    pub reach: Option<Reach>,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Answers a line.
#[must_use]
pub fn answer(line: &str) -> Line {
    let tree = json::read(line);
    let id = tree.as_ref().ok().and_then(|tree| tree.get("id")).and_then(Node::scalar);
    let id = id.map_or(serde_json::Value::Null, serde_json::Value::from);
    match tree.map_err(Invalid::from).and_then(|tree| case(&tree)) {
        Ok(model) => Line { id, reach: Some(reach(&model)), error: None },
        Err(error) => Line { id, reach: None, error: Some(error.to_string()) },
    }
}

/// Reads a case: an object with a `model`.
///
/// # Errors
///
/// Where something is missing, unknown, or refers to what is not there.
pub fn case(tree: &Node) -> Result<Model, Invalid> {
    if let Some(member) =
        tree.members().iter().find(|it| !["id", "model", "expected"].contains(&it.name.as_str()))
    {
        return Err(Invalid {
            place: member.place,
            why: format!("`{}` is no member of a case", member.name),
        });
    }
    match tree.get("model") {
        Some(node) => read::model(node),
        None => Err(Invalid { place: tree.place, why: "the case has no `model`".to_owned() }),
    }
}
