//! Checks of permissions around machine learning. What turns on all requests is proved; the rest is matched.

mod escalation;
mod statements;

use std::path::PathBuf;

use serde::Serialize;

use super::{
    closure,
    decide::{Answer, Question, decide},
    files::{Holder, Permissions, permissions},
    pattern::Pattern,
    policy::{Document, Effect, Invalid, Name, Statement, Use, read},
    request::Policies,
};
use crate::{
    terraform::{Configuration, Resource},
    tree::Place,
};

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// The check's identifier.
    pub check: &'static str,
    /// `high`, `medium` or `low`.
    pub severity: &'static str,
    /// `proved`, `matched` or `unknown`.
    pub basis: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: &'static str,
}

/// The checks: identifier, severity, what it demands, what to do.
pub const CHECKS: [(&str, &str, &str, &str); 12] = [
    (
        "MTL-IAM-001",
        "high",
        "an action that can be scoped is not granted on every resource",
        "name the resources",
    ),
    ("MTL-IAM-002", "high", "no wildcard of actions, no administrator's policy", "name the actions"),
    (
        "MTL-IAM-003",
        "high",
        "who serves models cannot write them",
        "deny what is not reading, or take the action away",
    ),
    ("MTL-IAM-004", "medium", "one role for one phase", "make a role for each phase"),
    ("MTL-IAM-005", "high", "no way to more permissions", "take one of the actions away, or scope it"),
    (
        "MTL-IAM-006",
        "medium",
        "training is bound to instance types",
        "add a condition on `sagemaker:InstanceTypes`",
    ),
    ("MTL-IAM-007", "high", "only named roles are passed on", "name the roles, or add `iam:PassedToService`"),
    (
        "MTL-IAM-008",
        "high",
        "a role is taken on by those alone who need it",
        "name the principals, and bind the subject",
    ),
    ("MTL-IAM-009", "high", "no allowance by exception", "say what is allowed instead of what is not"),
    ("MTL-IAM-012", "medium", "statements are valid and have an effect", "correct the statement"),
    ("MTL-IAM-013", "high", "secrets and data are read where they are named", "name the resources"),
    ("MTL-IAM-014", "high", "nobody has long-lived keys", "let workloads take on roles instead"),
];

/// One file to check.
#[derive(Debug)]
pub struct Source {
    /// Its path; `.tf` is Terraform, anything else a policy in JSON.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// What was found so far.
struct Found<'s> {
    sources: Vec<&'s Source>,
    findings: Vec<Finding>,
}

impl Found<'_> {
    fn add(
        &mut self,
        check: &'static str,
        file: usize,
        place: Place,
        basis: &'static str,
        message: impl Into<String>,
    ) {
        let known = CHECKS.iter().find(|(id, ..)| *id == check);
        let Some((check, severity, _, fix)) = known else { return };
        let file = self.sources.get(file).map(|source| source.path.clone()).unwrap_or_default();
        let Place { line, column } = place;
        self.findings.push(Finding {
            file,
            line,
            column,
            check,
            severity,
            basis,
            message: message.into(),
            fix,
        });
    }
}

/// Checks files; those of Terraform are taken for one configuration each directory.
#[must_use]
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut directories: std::collections::BTreeMap<PathBuf, Vec<&Source>> =
        std::collections::BTreeMap::new();
    for source in sources {
        if source.path.extension().is_some_and(|it| it == "tf") {
            let directory = source.path.parent().map(PathBuf::from).unwrap_or_default();
            directories.entry(directory).or_default().push(source);
        } else {
            findings.extend(policy_file(source));
        }
    }
    for files in directories.into_values() {
        findings.extend(configuration(files));
    }
    findings.sort();
    findings.dedup();
    findings
}

fn policy_file(source: &Source) -> Vec<Finding> {
    let mut found = Found { sources: vec![source], findings: Vec::new() };
    match read(&source.text, Use::Identity)
        .or_else(|_| read(&source.text, Use::Trust))
        .or_else(|_| read(&source.text, Use::Resource))
    {
        Ok(document) => document.statements.iter().for_each(|it| statements::check(it, 0, &mut found)),
        Err(invalid) => unread(&invalid, 0, &mut found),
    }
    found.findings
}

fn unread(invalid: &Invalid, file: usize, found: &mut Found<'_>) {
    found.add("MTL-IAM-012", file, invalid.place, "unknown", invalid.why.clone());
}

fn configuration(files: Vec<&Source>) -> Vec<Finding> {
    let mut found = Found { sources: Vec::new(), findings: Vec::new() };
    let mut configuration = Configuration::default();
    for source in files {
        found.sources.push(source);
        if let Err(malformed) = configuration.add(&source.text) {
            let at = found.sources.len() - 1;
            unread(&malformed.into(), at, &mut found);
            found.sources.pop();
        }
    }
    let resources = configuration.resources();
    let permissions = permissions(&resources);
    for unreadable in &permissions.unread {
        unread(&unreadable.invalid, unreadable.file, &mut found);
    }
    for (address, holder) in &permissions.holders {
        holder_checks(address, holder, &resources, &mut found);
    }
    managed(&permissions, &resources, &mut found);
    found.findings
}

fn holder_checks(address: &str, holder: &Holder, resources: &[Resource], found: &mut Found<'_>) {
    for (file, document) in &holder.policies {
        document.statements.iter().for_each(|it| statements::check(it, *file, found));
    }
    if let Some(trust) = &holder.trust {
        trust.statements.iter().for_each(|it| trusted(it, holder.file, found));
        shared(address, holder, trust, resources, found);
    }
    if ["infer", "serv", "predict"].iter().any(|phase| holder.name.to_lowercase().contains(phase)) {
        writes(holder, found);
    }
    escalation::check(holder, found);
}

/// Each statement by which a role that serves models could write them, all denials counted.
fn writes(holder: &Holder, found: &mut Found<'_>) {
    if holder.partly {
        let message =
            format!("whether `{}` can write models is not known: not all of its policies are", holder.name);
        found.add("MTL-IAM-003", holder.file, holder.place, "unknown", message);
    }
    for (file, document) in &holder.policies {
        for statement in document.statements.iter().filter(|it| it.effect == Effect::Allow) {
            let policies = only(holder, statement);
            for part in closure::write("arn:aws:s3:::*/*") {
                let question = Question {
                    actions: part.actions,
                    resource: Pattern::glob(&part.resource),
                    fixed: std::collections::BTreeMap::new(),
                };
                let place = statement.resources.as_ref().map_or(statement.place, |it| it.place);
                match decide(&policies, &question) {
                    Answer::Possible(request) => {
                        let message =
                            format!("`{}` can `{}` on `{}`", holder.name, request.action, request.resource);
                        found.add("MTL-IAM-003", *file, place, "proved", message);
                        break;
                    }
                    Answer::Unknown(reason) => {
                        let message =
                            format!("whether `{}` can write models is not known: {reason}", holder.name);
                        found.add("MTL-IAM-003", *file, place, "unknown", message);
                        break;
                    }
                    Answer::Impossible(_) => {}
                }
            }
        }
    }
}

/// One allowing statement of a holder with everything that denies or limits.
fn only(holder: &Holder, statement: &Statement) -> Policies {
    let denials = holder.policies.iter().flat_map(|(_, document)| &document.statements);
    let mut statements: Vec<Statement> = denials.filter(|it| it.effect == Effect::Deny).cloned().collect();
    statements.push(statement.clone());
    Policies {
        identity: vec![Document { place: statement.place, statements }],
        boundaries: holder.boundary.iter().cloned().collect(),
        ..Policies::default()
    }
}

/// Who may take a role on.
fn trusted(statement: &Statement, file: usize, found: &mut Found<'_>) {
    let Some(principals) = statement.principals.as_ref().filter(|_| statement.effect == Effect::Allow) else {
        return;
    };
    if principals.negated {
        found.add("MTL-IAM-009", file, principals.place, "matched", "all but some may take the role on");
    }
    for (name, place) in &principals.names {
        let bound = |keys: &[&str]| {
            statement.conditions.iter().any(|it| {
                !it.operator.negated && !it.operator.if_exists && keys.iter().any(|key| it.key.ends_with(key))
            })
        };
        match name {
            Name::Anyone
                if !bound(&[
                    "aws:principalorgid",
                    "aws:principalarn",
                    "aws:principalaccount",
                    "sts:externalid",
                ]) =>
            {
                found.add("MTL-IAM-008", file, *place, "matched", "anybody may take the role on");
            }
            Name::Federated(provider) if provider.contains("oidc-provider/") => {
                subject(statement, provider, *place, file, found);
            }
            _ => {}
        }
    }
}

/// Identity providers for many vouch for everybody: the subject has to be bound.
fn subject(statement: &Statement, provider: &str, place: Place, file: usize, found: &mut Found<'_>) {
    let subjects: Vec<_> = statement.conditions.iter().filter(|it| it.key.ends_with(":sub")).collect();
    let wide =
        |text: &str| text == "*" || text == "repo:*" || text.starts_with("repo:*/") || text.starts_with('*');
    match subjects.iter().find(|it| it.values.iter().any(|value| wide(&value.text))) {
        Some(condition) => {
            found.add(
                "MTL-IAM-008",
                file,
                condition.place,
                "matched",
                format!("whoever `{provider}` vouches for may take the role on"),
            );
        }
        None if subjects.is_empty() => {
            found.add(
                "MTL-IAM-008",
                file,
                place,
                "matched",
                format!("no subject of `{provider}` is asked for"),
            );
        }
        None => {}
    }
}

/// A role of several phases: trusted by the services of several, and used in several.
fn shared(address: &str, holder: &Holder, trust: &Document, resources: &[Resource], found: &mut Found<'_>) {
    const PHASES: [&str; 5] = ["sagemaker.", "ecs-tasks.", "states.", "lambda.", "ec2."];
    let principals = trust.statements.iter().filter_map(|it| it.principals.as_ref());
    for principals in principals {
        let phase = |name: &Name| match name {
            Name::Service(service) => PHASES.iter().position(|phase| service.starts_with(phase)),
            _ => None,
        };
        let phases: std::collections::BTreeSet<usize> =
            principals.names.iter().filter_map(|(name, _)| phase(name)).collect();
        if phases.len() < 2 {
            continue;
        }
        found.add(
            "MTL-IAM-004",
            holder.file,
            principals.place,
            "matched",
            format!("`{}` is a role of several phases", holder.name),
        );
        for resource in resources.iter().filter(|it| !it.data && !it.kind.starts_with("aws_iam_")) {
            for (attribute, (kind, name)) in &resource.references {
                if format!("{kind}.{name}") == *address
                    && let Some(node) = resource.body.get(attribute)
                {
                    found.add(
                        "MTL-IAM-004",
                        resource.file,
                        node.place,
                        "matched",
                        format!("uses `{}`, as other phases do", holder.name),
                    );
                }
            }
        }
    }
}

/// Policies of the cloud's own, and keys that do not end.
fn managed(permissions: &Permissions, resources: &[Resource], found: &mut Found<'_>) {
    for (name, place, file) in &permissions.managed {
        if name == "AdministratorAccess" || name == "PowerUserAccess" || name.ends_with("FullAccess") {
            found.add("MTL-IAM-002", *file, *place, "matched", format!("`{name}` is attached"));
        }
    }
    for resource in resources.iter().filter(|it| !it.data && it.kind == "aws_iam_access_key") {
        found.add(
            "MTL-IAM-014",
            resource.file,
            resource.body.place,
            "matched",
            "a user has a key that does not end",
        );
    }
}
