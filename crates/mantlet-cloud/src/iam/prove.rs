//! Claims of the kind `role/inference cannot write arn:aws:s3:::models/*`, proved over all requests or refuted by one.

use serde::Serialize;

use super::{
    closure::{self, Part},
    data::Data,
    decide::{Answer, Explored, Question, decide},
    pattern::Pattern,
    request::{Policies, Request},
};

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose policies it is about.
    pub who: String,
    /// What they cannot do: an action, a pattern of actions, `write` or `read`.
    pub what: String,
    /// On what.
    pub resource: String,
}

/// Why a text is no claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoClaim {
    /// Not of the form.
    #[error(
        "a claim is `WHO cannot ACTION RESOURCE`, as `role/inference cannot write arn:aws:s3:::models/*`"
    )]
    Form,
    /// No known action is meant.
    #[error("`{0}` is no action that is known; `write` and `read` stand for all that do so")]
    Action(String),
    /// Nothing of the kind can be done to such a resource.
    #[error("no known action `{0}` is granted on `{1}`")]
    Nothing(String, String),
}

/// What became of a claim.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It holds over all requests.
    Proved {
        /// What was looked at.
        parts: Vec<Proved>,
    },
    /// It does not: this request is allowed.
    Refuted {
        /// Which part of the claim it refutes.
        part: &'static str,
        /// The request.
        counterexample: Request,
    },
    /// Could not be decided.
    Unknown {
        /// Which part of the claim.
        part: &'static str,
        /// Why.
        why: String,
    },
}

/// A part of a claim that was proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proved {
    /// Which.
    pub part: &'static str,
    /// The actions.
    pub actions: Vec<String>,
    /// The resources.
    pub resource: String,
    /// What was looked at.
    pub explored: Explored,
}

impl std::str::FromStr for Claim {
    type Err = NoClaim;

    fn from_str(text: &str) -> Result<Self, NoClaim> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [who, "cannot", what, resource] => Ok(Self {
                who: (*who).to_owned(),
                what: (*what).to_owned(),
                resource: (*resource).to_owned(),
            }),
            _ => Err(NoClaim::Form),
        }
    }
}

impl Claim {
    /// The parts that all have to hold.
    ///
    /// # Errors
    ///
    /// Where it speaks of no known action, so that it would hold for nothing.
    pub fn parts(&self) -> Result<Vec<Part>, NoClaim> {
        let parts = match self.what.as_str() {
            "write" => closure::write(&self.resource),
            "read" => closure::read(&self.resource),
            pattern => {
                let actions = matching(pattern);
                if actions.is_empty() {
                    return Err(NoClaim::Action(pattern.to_owned()));
                }
                // What has no resources is granted on `*` alone.
                let (free, bound): (Vec<_>, Vec<_>) = actions.into_iter().partition(|action| {
                    Data::embedded().action(action).is_some_and(|known| known.resources.is_empty())
                });
                let part =
                    |actions, resource: &str| Part { name: "action", actions, resource: resource.to_owned() };
                let mut parts = vec![part(bound, &self.resource), part(free, "*")];
                parts.retain(|part| !part.actions.is_empty());
                parts
            }
        };
        match parts.is_empty() {
            true => Err(NoClaim::Nothing(self.what.clone(), self.resource.clone())),
            false => Ok(parts),
        }
    }
}

/// Known actions of a pattern.
#[must_use]
pub fn matching(pattern: &str) -> Vec<String> {
    let glob = super::policy::Selection {
        negated: false,
        place: crate::tree::Place::default(),
        patterns: vec![(Pattern::glob(pattern), crate::tree::Place::default())],
    };
    let actions = Data::embedded().actions().map(|action| &action.name);
    actions.filter(|name| super::decide::selects(&glob, name)).cloned().collect()
}

/// Proves a claim about policies, or refutes it.
///
/// # Errors
///
/// Where it speaks of no known action.
pub fn prove(claim: &Claim, policies: &Policies) -> Result<Verdict, NoClaim> {
    let mut proved = Vec::new();
    let mut unknown = None;
    for part in claim.parts()? {
        let question = Question {
            actions: part.actions.clone(),
            resource: Pattern::glob(&part.resource),
            fixed: std::collections::BTreeMap::new(),
        };
        match decide(policies, &question) {
            // A counterexample is worth more than a doubt elsewhere.
            Answer::Possible(counterexample) => {
                return Ok(Verdict::Refuted { part: part.name, counterexample });
            }
            Answer::Unknown(reason) => {
                unknown = unknown.or(Some(Verdict::Unknown { part: part.name, why: reason.to_string() }));
            }
            Answer::Impossible(explored) => proved.push(Proved {
                part: part.name,
                actions: part.actions,
                resource: part.resource,
                explored,
            }),
        }
    }
    Ok(unknown.unwrap_or(Verdict::Proved { parts: proved }))
}
