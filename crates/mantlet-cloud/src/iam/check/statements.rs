//! What one statement says, whoever has it.

use super::Found;
use crate::iam::{
    data::{Action, Data, Level},
    decide::selects,
    pattern::Piece,
    policy::{Effect, Selection, Statement},
    prove::matching,
};

/// Reads of secrets and data.
const SENSITIVE: [&str; 6] = [
    "s3:GetObject",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "ssm:GetParameters",
    "ssm:GetParametersByPath",
    "kms:Decrypt",
];

/// What trains or computes on instances of a type.
const COMPUTE: [&str; 4] = [
    "sagemaker:CreateTrainingJob",
    "sagemaker:CreateProcessingJob",
    "sagemaker:CreateHyperParameterTuningJob",
    "sagemaker:CreateTransformJob",
];

/// Checks an allowing statement; denials take nothing but away.
pub(super) fn check(statement: &Statement, file: usize, found: &mut Found<'_>) {
    effective(statement, file, found);
    if statement.effect == Effect::Deny {
        return;
    }
    exceptions(statement, file, found);
    if statement.actions.negated {
        return;
    }
    wildcard_actions(&statement.actions, file, found);
    let Some(resources) = statement.resources.as_ref().filter(|it| !it.negated) else { return };
    let everything =
        resources.patterns.iter().find(|(pattern, _)| pattern.pieces.iter().all(|it| *it == Piece::Star));
    if let Some((_, place)) = everything.filter(|_| statement.conditions.is_empty()) {
        let scopable = |name: &String| Data::embedded().action(name).is_some_and(is_scopable);
        let named = statement.actions.patterns.iter().flat_map(|(pattern, _)| matching(&pattern.text));
        if let Some(action) = named.into_iter().find(scopable) {
            found.add(
                "MTL-IAM-001",
                file,
                *place,
                "matched",
                format!("`{action}` and what else is named here is allowed on every resource"),
            );
        }
        if let Some(action) = SENSITIVE.iter().find(|action| selects(&statement.actions, action)) {
            found.add(
                "MTL-IAM-013",
                file,
                *place,
                "matched",
                format!("`{action}` is allowed on every resource"),
            );
        }
    }
    compute(statement, file, found);
    passing(statement, resources, file, found);
}

/// Whether an action should name its resources. Lists and descriptions of what there is are asked for without knowing it.
fn is_scopable(action: &Action) -> bool {
    let name = action.name.split(':').nth(1).unwrap_or_default();
    let required = action.resources.iter().any(|(_, required)| *required);
    (required || action.level != Level::Read)
        && !action.resources.is_empty()
        && action.level != Level::List
        && !name.starts_with("Describe")
        && !name.starts_with("List")
}

/// Actions that there are none of.
fn effective(statement: &Statement, file: usize, found: &mut Found<'_>) {
    for (pattern, place) in &statement.actions.patterns {
        if pattern.text != "*" && !pattern.has_variables() && matching(&pattern.text).is_empty() {
            let message = format!("`{}` is no action known on {}", pattern.text, Data::embedded().date());
            found.add("MTL-IAM-012", file, *place, "matched", message);
        }
    }
}

fn exceptions(statement: &Statement, file: usize, found: &mut Found<'_>) {
    if statement.actions.negated {
        // What has a name is found by it.
        let place = statement.sid.as_ref().map_or(statement.actions.place, |(_, place)| *place);
        found.add("MTL-IAM-009", file, place, "matched", "every action but some is allowed");
    }
    if let Some(resources) = statement.resources.as_ref().filter(|it| it.negated) {
        found.add("MTL-IAM-009", file, resources.place, "matched", "every resource but some is allowed");
    }
}

fn wildcard_actions(actions: &Selection, file: usize, found: &mut Found<'_>) {
    for (pattern, place) in &actions.patterns {
        if pattern.text == "*" || pattern.text.ends_with(":*") {
            found.add(
                "MTL-IAM-002",
                file,
                *place,
                "matched",
                format!("`{}` allows every action of its kind", pattern.text),
            );
        }
    }
}

fn compute(statement: &Statement, file: usize, found: &mut Found<'_>) {
    let bound =
        statement.conditions.iter().any(|it| it.key == "sagemaker:instancetypes" && !it.operator.if_exists);
    for (pattern, place) in &statement.actions.patterns {
        let own = pattern.text.to_ascii_lowercase().starts_with("sagemaker:");
        let one = Selection { negated: false, place: *place, patterns: vec![(pattern.clone(), *place)] };
        if own
            && !bound
            && let Some(action) = COMPUTE.iter().find(|action| selects(&one, action))
        {
            found.add("MTL-IAM-006", file, *place, "matched", format!("`{action}` on instances of any type"));
            return;
        }
    }
}

fn passing(statement: &Statement, resources: &Selection, file: usize, found: &mut Found<'_>) {
    let bound =
        statement.conditions.iter().any(|it| it.key == "iam:passedtoservice" && !it.operator.if_exists);
    let wide = |text: &str| text == "*" || (text.ends_with(":role/*") && text.starts_with("arn:"));
    let named = statement
        .actions
        .patterns
        .iter()
        .any(|(pattern, _)| pattern.text.to_ascii_lowercase().starts_with("iam:"));
    if let Some((pattern, place)) = resources.patterns.iter().find(|(pattern, _)| wide(&pattern.text))
        && named
        && !bound
        && selects(&statement.actions, "iam:PassRole")
    {
        found.add(
            "MTL-IAM-007",
            file,
            *place,
            "matched",
            format!("any role of `{}` can be passed on", pattern.text),
        );
    }
}
