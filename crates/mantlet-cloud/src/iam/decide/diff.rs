//! Whether policies allow something that others do not.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::{
    Explored, Question, Reason, assignments, complete,
    find::{self, Found, Setting},
    rules::Rules,
    signs::Assignment,
    variables,
};
use crate::iam::{
    data::Data,
    evaluate::{Outcome, evaluate},
    pattern::Pattern,
    request::{Policies, Request},
};

/// How new policies compare with old ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// They allow nothing that the old ones do not.
    NoMore(Explored),
    /// They allow these beyond the old ones: one request for each kind of action and resource.
    More(Vec<Newly>),
    /// Could not be decided.
    Unknown(Reason),
}

/// Something that new policies allow and old ones do not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Newly {
    /// A request by the first of the actions.
    #[serde(flatten)]
    pub request: Request,
    /// The actions that are newly possible in the same way.
    pub actions: Vec<String>,
}

/// Compares new policies with old ones over all known actions, resources and contexts.
#[must_use]
pub fn diff(old: &Policies, new: &Policies) -> Difference {
    let rules = Rules::beyond(new, old);
    let variables = variables(&rules);
    let fixed = BTreeMap::new();
    let mut more = Vec::new();
    let mut explored = Explored::default();
    let mut undecided = None;
    for actions in classes(&rules) {
        explored.actions += actions.len();
        let Some(action) = actions.first() else { continue };
        let question =
            Question { actions: vec![action.clone()], resource: Pattern::glob("*"), fixed: BTreeMap::new() };
        let mut found = None;
        for assigned in assignments(&variables, &rules, &fixed) {
            let assignment = Assignment::Values(assigned.clone());
            match find::find(&rules, &question, &Setting { fixed: &assigned, assignment: &assignment }) {
                Found::Request(mut request) => {
                    complete(&mut request, &assigned);
                    found = Some(request);
                    break;
                }
                Found::Nothing(of) => {
                    explored.contexts = explored.contexts.max(of.contexts);
                    explored.states += of.states;
                }
                Found::TooLarge => undecided = Some(Reason::TooLarge),
            }
        }
        match found {
            Some(request) if confirmed(old, new, &request) => more.push(Newly { request, actions }),
            Some(_) => undecided = Some(Reason::Unconfirmed),
            None if variables.is_empty() => {}
            None => {
                let setting = Setting { fixed: &fixed, assignment: &Assignment::Lenient };
                if !matches!(find::find(&rules, &question, &setting), Found::Nothing(_)) {
                    undecided = undecided.or(Some(Reason::Unresolved));
                }
            }
        }
    }
    match undecided {
        _ if !more.is_empty() => Difference::More(more),
        Some(reason) => Difference::Unknown(reason),
        None => Difference::NoMore(explored),
    }
}

fn confirmed(old: &Policies, new: &Policies, request: &Request) -> bool {
    evaluate(new, request) == Outcome::Allowed && evaluate(old, request) != Outcome::Allowed
}

/// All actions, those together that no rule tells apart and that have the same kinds of resources.
fn classes(rules: &Rules<'_>) -> Vec<Vec<String>> {
    let data = Data::embedded();
    let mut places: HashMap<(Vec<usize>, Vec<&str>, bool), usize> = HashMap::new();
    let mut classes: Vec<Vec<String>> = Vec::new();
    for action in data.actions() {
        let about = |(index, rule): (usize, &super::rules::Rule<'_>)| {
            find::selects(&rule.statement.actions, &action.name).then_some(index)
        };
        let about: Vec<usize> = rules.rules.iter().enumerate().filter_map(about).collect();
        if !about
            .iter()
            .any(|index| rules.rules.get(*index).is_some_and(|rule| !rule.against && !rule.denies()))
        {
            continue;
        }
        let key = (about, data.shapes(action), find::rules_alone(&action.name));
        let next = classes.len();
        let place = *places.entry(key).or_insert(next);
        if place == next {
            classes.push(Vec::new());
        }
        if let Some(class) = classes.get_mut(place) {
            class.push(action.name.clone());
        }
    }
    classes
}
