//! Decides questions about all requests at once: may any of some actions be done on any resource of a pattern, in any
//! context? Exact (cf. J. Backes et al., "Semantic-based automated reasoning for AWS access policies using SMT", FMCAD 2018,
//! whose solver is replaced by enumeration here): actions are finite, contexts fall into finitely many classes, and
//! resources are searched as the product of the automata of all patterns. It answers `unknown` where that is too large or
//! turns on what nobody said; and every request that it finds possible, the evaluator has to allow as well.

pub mod automaton;
mod bits;
mod classes;
mod contexts;
pub mod diff;
mod find;
mod rules;
mod signs;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use self::{
    find::{Found, Setting},
    rules::Rules,
    signs::Assignment,
};
use super::{
    evaluate::{Outcome, evaluate},
    pattern::{Pattern, Piece, UNRESOLVED},
    request::{Policies, Principal, Request},
};

/// Ways in which values are tried for variables that nobody said the value of.
const ASSIGNMENTS_MAX: usize = 64;

/// A question about all requests.
#[derive(Clone, Debug)]
pub struct Question {
    /// Any of these actions, as `s3:PutObject`.
    pub actions: Vec<String>,
    /// On any resource of this pattern.
    pub resource: Pattern,
    /// In any context with these values; an empty list is a key that is absent.
    pub fixed: BTreeMap<String, Vec<String>>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// This request is allowed; there is none with a shorter resource.
    Possible(Request),
    /// No request is allowed.
    Impossible(Explored),
    /// Could not be decided.
    Unknown(Reason),
}

/// What was looked at to see that nothing is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Explored {
    /// Actions.
    pub actions: usize,
    /// Contexts that conditions tell apart.
    pub contexts: usize,
    /// States of the product of all resource patterns.
    pub states: usize,
}

/// Why a question could not be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The product or the contexts have too many states.
    #[error("too many states to look at")]
    TooLarge,
    /// A variable or a reference has no known value, and the answer depends on it.
    #[error("it depends on a value that the policies do not say")]
    Unresolved,
    /// Evaluator and procedure disagree: a mistake of ours.
    #[error("the evaluator does not confirm it")]
    Unconfirmed,
}

/// Decides a question.
#[must_use]
pub fn decide(policies: &Policies, question: &Question) -> Answer {
    let mut fixed = question.fixed.clone();
    if let Some(principal @ Principal::Arn(_)) = &policies.principal {
        let mut fix = |key: &str, value: Option<String>| {
            fixed.entry(key.to_owned()).or_insert_with(|| value.into_iter().collect());
        };
        fix("aws:principalarn", principal.role());
        fix("aws:principalaccount", principal.account().map(str::to_owned));
    }
    let rules = Rules::of(policies);
    let variables = variables(&rules);
    let mut incomplete = None;
    for assigned in assignments(&variables, &rules, &fixed) {
        let mut fixed = fixed.clone();
        fixed.extend(assigned.iter().map(|(key, values)| (key.clone(), values.clone())));
        let assignment = Assignment::Values(fixed.clone());
        match find::find(&rules, question, &Setting { fixed: &fixed, assignment: &assignment }) {
            Found::Request(mut request) => {
                complete(&mut request, &assigned);
                return confirmed(policies, request);
            }
            Found::Nothing(explored) if variables.is_empty() => return Answer::Impossible(explored),
            Found::Nothing(_) => {}
            Found::TooLarge => incomplete = Some(Reason::TooLarge),
        }
    }
    if variables.is_empty() {
        return Answer::Unknown(incomplete.unwrap_or(Reason::TooLarge));
    }
    match find::find(&rules, question, &Setting { fixed: &fixed, assignment: &Assignment::Lenient }) {
        Found::Nothing(explored) => Answer::Impossible(explored),
        Found::Request(_) => Answer::Unknown(Reason::Unresolved),
        Found::TooLarge => Answer::Unknown(Reason::TooLarge),
    }
}

/// A found request says all that it was found with.
fn complete(request: &mut Request, assigned: &BTreeMap<String, Vec<String>>) {
    for (key, values) in assigned.iter().filter(|(_, values)| !values.is_empty()) {
        request.context.insert(key.clone(), values.clone());
    }
}

fn confirmed(policies: &Policies, request: Request) -> Answer {
    match evaluate(policies, &request) {
        Outcome::Allowed => Answer::Possible(request),
        _ => Answer::Unknown(Reason::Unconfirmed),
    }
}

/// Variables of all rules.
fn variables(rules: &Rules<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for rule in &rules.rules {
        let resources =
            rule.statement.resources.iter().flat_map(|it| &it.patterns).map(|(pattern, _)| pattern);
        let values = rule.statement.conditions.iter().flat_map(|condition| &condition.values);
        for piece in resources.chain(values).flat_map(|pattern| &pattern.pieces) {
            if let Piece::Variable(name, _) = piece {
                names.insert(name.clone());
            }
        }
    }
    names
}

/// Values to try for variables: what is fixed, what their key is compared with, something that nobody named, and none.
fn assignments(
    variables: &BTreeSet<String>,
    rules: &Rules<'_>,
    fixed: &BTreeMap<String, Vec<String>>,
) -> Vec<BTreeMap<String, Vec<String>>> {
    let mut all = vec![BTreeMap::new()];
    for name in variables.iter().filter(|name| !name.starts_with(UNRESOLVED) && !fixed.contains_key(*name)) {
        let mut values = vec![vec!["someone".to_owned()], Vec::new()];
        let conditions = rules.rules.iter().flat_map(|rule| &rule.statement.conditions);
        for value in conditions.filter(|it| it.key == *name).flat_map(|it| &it.values) {
            let plain = value.text.replace(['*', '?'], "x");
            if !value.has_variables() && !values.contains(&vec![plain.clone()]) {
                values.push(vec![plain]);
            }
        }
        all = all
            .iter()
            .flat_map(|assigned| {
                values.iter().map(|value| {
                    let mut assigned = assigned.clone();
                    assigned.insert(name.clone(), value.clone());
                    assigned
                })
            })
            .take(ASSIGNMENTS_MAX)
            .collect();
    }
    all
}

/// The shape of an ARN of the embedded data as a pattern.
pub(crate) fn shape(shape: &str) -> Vec<automaton::Sign> {
    signs::arn_shape(shape)
}

/// Whether a selection of actions includes one.
pub(crate) fn selects(selection: &super::policy::Selection, action: &str) -> bool {
    find::selects(selection, action)
}
