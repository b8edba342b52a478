//! Evaluates one request as the service does (AWS IAM, "Policy evaluation logic"). It shares no matching code with the
//! decision procedure, whose every witness is evaluated here again.

mod matches;

use super::{
    policy::{Document, Effect, Name, Principals, Selection, Statement},
    request::{Policies, Principal, Request},
};

/// What the policies say to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Allowed.
    Allowed,
    /// A statement denies it.
    Denied,
    /// Nothing denies it, and not all who must allow it do.
    NotAllowed,
}

/// How far a policy of a resource goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grant {
    None,
    /// To the account as a whole, which then decides by its own policies.
    Account,
    /// To the role of a session, or to a role itself.
    Role,
    /// To the very principal.
    Direct,
}

/// Evaluates a request.
#[must_use]
pub fn evaluate(policies: &Policies, request: &Request) -> Outcome {
    let limits = [&policies.sessions, &policies.service_controls, &policies.resource_controls];
    let all = limits.into_iter().flatten().chain(&policies.identity).chain(&policies.boundaries);
    if all
        .flat_map(|document| &document.statements)
        .any(|it| it.effect == Effect::Deny && applies(it, request))
    {
        return Outcome::Denied;
    }
    let grant = match resource_grant(policies, request) {
        Ok(grant) => grant,
        Err(outcome) => return outcome,
    };
    let organization = policies.service_controls.iter().chain(&policies.resource_controls);
    let identity = policies.identity.iter().any(|document| allows(document, request));
    let boundary = policies.boundaries.is_empty() || policies.boundaries.iter().any(|it| allows(it, request));
    let session = policies.sessions.iter().all(|document| allows(document, request));
    if organization.into_iter().all(|document| allows(document, request))
        && together(policies, request, grant, identity, boundary, session)
    {
        Outcome::Allowed
    } else {
        Outcome::NotAllowed
    }
}

/// How the policies of who acts and of what is acted on go together.
fn together(
    policies: &Policies,
    request: &Request,
    grant: Grant,
    identity: bool,
    boundary: bool,
    session: bool,
) -> bool {
    let by_identity = identity && boundary && session;
    if policies.other_account {
        return by_identity && grant > Grant::None;
    }
    let principal = policies.principal.as_ref();
    let by_resource = match grant {
        Grant::None | Grant::Account => false,
        Grant::Role => boundary && session,
        Grant::Direct => principal.is_some_and(|it| it.is_user() || it.is_session()) || (boundary && session),
    };
    // A key's policy and a role's trust policy rule alone over who has access.
    let service = request.action.split(':').next().unwrap_or_default();
    let alone = service.eq_ignore_ascii_case("kms")
        || request.action.to_ascii_lowercase().starts_with("sts:assumerole");
    if alone && policies.resource.is_some() {
        return by_resource || (by_identity && grant >= Grant::Account);
    }
    by_resource || by_identity
}

fn resource_grant(policies: &Policies, request: &Request) -> Result<Grant, Outcome> {
    let mut grant = Grant::None;
    let Some(document) = &policies.resource else { return Ok(grant) };
    let principal = policies.principal.as_ref().unwrap_or(&Principal::Anonymous);
    for statement in &document.statements {
        let reach =
            statement.principals.as_ref().map_or(Grant::None, |it| reach(it, principal, statement.effect));
        if reach == Grant::None || !applies(statement, request) {
            continue;
        }
        match statement.effect {
            Effect::Deny => return Err(Outcome::Denied),
            Effect::Allow => grant = grant.max(reach),
        }
    }
    Ok(grant)
}

fn reach(principals: &Principals, principal: &Principal, effect: Effect) -> Grant {
    let named = |(name, _): &(Name, _)| match (name, principal) {
        (Name::Anyone, _) => Grant::Direct,
        (Name::Account(account), it) if it.account() == Some(account) => Grant::Account,
        (Name::Arn(arn), Principal::Arn(own)) if arn == own => {
            if own.contains(":role/") {
                Grant::Role
            } else {
                Grant::Direct
            }
        }
        (Name::Arn(arn), it) if it.role().as_deref() == Some(arn) => Grant::Role,
        (Name::Service(service), Principal::Service(own)) if service == own => Grant::Direct,
        // Fail closed: a denial of somebody unknown may be of this one.
        (Name::Unresolved(_), _) if (effect == Effect::Deny) != principals.negated => Grant::Direct,
        _ => Grant::None,
    };
    let most = principals.names.iter().map(named).max().unwrap_or(Grant::None);
    match principals.negated {
        false => most,
        true if most == Grant::None => Grant::Direct,
        true => Grant::None,
    }
}

fn allows(document: &Document, request: &Request) -> bool {
    document.statements.iter().any(|it| it.effect == Effect::Allow && applies(it, request))
}

/// Whether a statement is about a request, whoever asks.
fn applies(statement: &Statement, request: &Request) -> bool {
    let action = |selection: &Selection| {
        let named = selection.patterns.iter().any(|(pattern, _)| matches::action(pattern, &request.action));
        named != selection.negated
    };
    let resource = |selection: &Selection| {
        let closed = match (statement.effect, selection.negated) {
            (Effect::Allow, false) | (Effect::Deny, true) => false,
            (Effect::Allow, true) | (Effect::Deny, false) => true,
        };
        let named = selection.patterns.iter().any(|(pattern, _)| matches::resource(pattern, request, closed));
        named != selection.negated
    };
    action(&statement.actions)
        && statement.resources.as_ref().is_none_or(resource)
        && statement.conditions.iter().all(|it| matches::condition(it, request, statement.effect))
}
