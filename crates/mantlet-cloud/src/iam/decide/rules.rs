//! Statements of all policies as rules of one kind: which layer they speak for, and whom they concern. Written for
//! decisions alone; the evaluator has its own reading of the same.

use crate::iam::{
    policy::{Document, Effect, Name, Principals, Statement},
    request::{Policies, Principal},
};

/// A statement with the layer that it speaks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule<'p> {
    pub(super) layer: Layer,
    pub(super) statement: &'p Statement,
}

impl Rule<'_> {
    pub(super) fn denies(&self) -> bool {
        self.statement.effect == Effect::Deny
    }
}

/// What an allowing statement speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    Identity,
    Boundary,
    /// Of the resource, to the very principal.
    Direct,
    /// Of the resource, to the principal's role.
    Role,
    /// Of the resource, to the principal's account.
    Account,
    Session(usize),
    Organization(usize),
}

/// The rules, and how many limits there are.
#[derive(Debug)]
pub(super) struct Rules<'p> {
    pub(super) rules: Vec<Rule<'p>>,
    boundary: bool,
    sessions: usize,
    organization: usize,
    other_account: bool,
    /// Which shortcuts around limits the principal has.
    unlimited: bool,
    has_resource: bool,
}

impl<'p> Rules<'p> {
    pub(super) fn of(policies: &'p Policies) -> Self {
        let mut rules = Vec::new();
        let mut add = |document: &'p Document, layer: Layer| {
            rules.extend(document.statements.iter().map(|statement| Rule { layer, statement }));
        };
        policies.identity.iter().for_each(|document| add(document, Layer::Identity));
        policies.boundaries.iter().for_each(|document| add(document, Layer::Boundary));
        policies.sessions.iter().enumerate().for_each(|(at, document)| add(document, Layer::Session(at)));
        let organization = policies.service_controls.iter().chain(&policies.resource_controls);
        organization.enumerate().for_each(|(at, document)| add(document, Layer::Organization(at)));
        let principal = policies.principal.as_ref();
        for statement in policies.resource.iter().flat_map(|document| &document.statements) {
            if let Some(layer) = concerned(statement, principal) {
                rules.push(Rule { layer, statement });
            }
        }
        Self {
            rules,
            boundary: !policies.boundaries.is_empty(),
            sessions: policies.sessions.len(),
            organization: policies.service_controls.len() + policies.resource_controls.len(),
            other_account: policies.other_account,
            unlimited: principal.is_some_and(|it| it.is_user() || it.is_session()),
            has_resource: policies.resource.is_some(),
        }
    }

    /// Whether a request to which exactly these rules apply is allowed; `alone` where the resource's policy rules alone.
    pub(super) fn allow(&self, applying: impl Iterator<Item = usize>, alone: bool) -> bool {
        let mut sessions = vec![false; self.sessions];
        let mut organization = vec![false; self.organization];
        let (mut identity, mut boundary, mut direct, mut role, mut account) =
            (false, !self.boundary, false, false, false);
        for rule in applying.filter_map(|index| self.rules.get(index)) {
            if rule.denies() {
                return false;
            }
            match rule.layer {
                Layer::Identity => identity = true,
                Layer::Boundary => boundary = true,
                Layer::Direct => direct = true,
                Layer::Role => role = true,
                Layer::Account => account = true,
                Layer::Session(at) => sessions.iter_mut().skip(at).take(1).for_each(|it| *it = true),
                Layer::Organization(at) => organization.iter_mut().skip(at).take(1).for_each(|it| *it = true),
            }
        }
        let within = boundary && sessions.into_iter().all(|allows| allows);
        let some = direct || role || account;
        let by_resource = (direct && self.unlimited) || ((direct || role) && within);
        organization.into_iter().all(|allows| allows)
            && match (self.other_account, alone && self.has_resource) {
                (true, _) => identity && within && some,
                (false, true) => by_resource || (identity && within && some),
                (false, false) => by_resource || (identity && within),
            }
    }
}

/// Which layer a statement of a resource's policy speaks for to this principal, if for any.
fn concerned(statement: &Statement, principal: Option<&Principal>) -> Option<Layer> {
    let principals: &Principals = statement.principals.as_ref()?;
    let deny = statement.effect == Effect::Deny;
    let mut layer = None;
    for (name, _) in &principals.names {
        let own = match (name, principal) {
            (Name::Anyone, _) => Some(Layer::Direct),
            (Name::Unresolved(_), _) if deny != principals.negated => Some(Layer::Direct),
            (Name::Service(service), Some(Principal::Service(own))) if service == own => Some(Layer::Direct),
            (Name::Account(account), Some(it)) if it.account() == Some(account.as_str()) => Some(Layer::Account),
            (Name::Arn(arn), Some(it @ Principal::Arn(own))) => {
                let role = it.role();
                if arn == own && !own.contains(":role/") {
                    Some(Layer::Direct)
                } else {
                    (arn == own || role.as_ref() == Some(arn)).then_some(Layer::Role)
                }
            }
            _ => None,
        };
        layer = stronger(layer, own);
    }
    if principals.negated {
        return layer.is_none().then_some(Layer::Direct);
    }
    layer
}

fn stronger(one: Option<Layer>, other: Option<Layer>) -> Option<Layer> {
    let rank = |layer: Option<Layer>| match layer {
        Some(Layer::Direct) => 3,
        Some(Layer::Role) => 2,
        Some(_) => 1,
        None => 0,
    };
    if rank(other) > rank(one) { other } else { one }
}
