//! Ways to more permissions: lists of actions, open where all of them are allowed together.

use std::{collections::BTreeMap, sync::LazyLock};

use super::{Found, Holder};
use crate::iam::{
    decide::{Answer, Question, decide, selects},
    pattern::Pattern,
    policy::{Document, Effect},
    request::Policies,
};

/// The ways: their names, and their actions.
static WAYS: LazyLock<Vec<(&str, Vec<&str>)>> = LazyLock::new(|| {
    let lines = include_str!("../../../data/escalation.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.collect()))
        })
        .collect()
});

/// Reports, at each statement that opens one, the first way that is open to a holder.
pub(super) fn check(holder: &Holder, found: &mut Found<'_>) {
    let policies = Policies {
        identity: holder.policies.iter().map(|(_, document)| document.clone()).collect(),
        boundaries: holder.boundary.iter().cloned().collect(),
        ..Policies::default()
    };
    let mut known: BTreeMap<&str, bool> = BTreeMap::new();
    let mut open = |action: &'static str| {
        *known.entry(action).or_insert_with(|| {
            let question = Question {
                actions: vec![action.to_owned()],
                resource: Pattern::glob("*"),
                fixed: BTreeMap::new(),
            };
            matches!(decide(&policies, &question), Answer::Possible(_))
        })
    };
    let ways: Vec<_> = WAYS.iter().filter(|(_, actions)| actions.iter().all(|action| open(action))).collect();
    for (file, document) in &holder.policies {
        report(holder, *file, document, &ways, found);
    }
}

fn report(
    holder: &Holder,
    file: usize,
    document: &Document,
    ways: &[&(&str, Vec<&str>)],
    found: &mut Found<'_>,
) {
    for statement in document.statements.iter().filter(|it| it.effect == Effect::Allow) {
        let first = ways
            .iter()
            .find(|(_, actions)| actions.first().is_some_and(|it| selects(&statement.actions, it)));
        if let Some((name, _)) = first {
            let place = statement.actions.place;
            found.add(
                "MTL-IAM-005",
                file,
                place,
                "proved",
                format!("`{}` can raise its permissions: {name}", holder.name),
            );
        }
    }
}
