//! Statements of all policies as rules of one kind: which layer they speak for, and whom they concern. Written for
//! decisions alone; the evaluator has its own reading of the same.

use crate::iam::{
    policy::{Effect, Name, Principals, Statement},
    request::{Policies, Principal},
};

/// A statement with the layer that it speaks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule<'p> {
    pub(super) layer: Layer,
    pub(super) statement: &'p Statement,
    /// Of the policies that must not allow what the others do.
    pub(super) against: bool,
}

impl Rule<'_> {
    pub(super) fn denies(&self) -> bool {
        self.statement.effect == Effect::Deny
    }

    /// Whether more is found where it applies to more: what a lenient reading makes of it.
    pub(super) fn widens(&self) -> bool {
        self.denies() == self.against
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

/// The rules of one or two sets of policies, and what each set as a whole demands.
#[derive(Debug)]
pub(super) struct Rules<'p> {
    pub(super) rules: Vec<Rule<'p>>,
    demands: Demands,
    against: Option<Demands>,
}

/// Who must agree.
#[derive(Clone, Copy, Debug)]
struct Demands {
    boundary: bool,
    sessions: usize,
    organization: usize,
    other_account: bool,
    /// Which shortcuts around limits the principal has.
    unlimited: bool,
    has_resource: bool,
}

impl<'p> Rules<'p> {
    /// Rules under which is allowed what the policies allow.
    pub(super) fn of(policies: &'p Policies) -> Self {
        Self { rules: rules(policies, false), demands: Demands::of(policies), against: None }
    }

    /// Rules under which is allowed what the one allow and the other do not.
    pub(super) fn beyond(policies: &'p Policies, others: &'p Policies) -> Self {
        let mut all = rules(policies, false);
        all.extend(rules(others, true));
        Self { rules: all, demands: Demands::of(policies), against: Some(Demands::of(others)) }
    }

    /// Whether a request to which exactly these rules apply is allowed; `alone` where the resource's policy rules alone.
    pub(super) fn allow(&self, applying: impl Iterator<Item = usize> + Clone, alone: bool) -> bool {
        let rules = applying.filter_map(|index| self.rules.get(index));
        self.demands.met(rules.clone().filter(|rule| !rule.against), alone)
            && self.against.is_none_or(|others| !others.met(rules.filter(|rule| rule.against), alone))
    }

    /// Whether it can be allowed, whichever of the denying rules among these turn out not to apply.
    pub(super) fn may_allow(&self, applying: impl Iterator<Item = usize>, alone: bool) -> bool {
        let rules = applying.filter_map(|index| self.rules.get(index));
        self.demands.met(rules.filter(|rule| !rule.against && !rule.denies()), alone)
    }
}

/// The statements of policies as rules.
fn rules(policies: &Policies, against: bool) -> Vec<Rule<'_>> {
    let organization = policies.service_controls.iter().chain(&policies.resource_controls);
    let identity = policies.identity.iter().map(|document| (document, Layer::Identity));
    let boundaries = policies.boundaries.iter().map(|document| (document, Layer::Boundary));
    let sessions = policies.sessions.iter().enumerate().map(|(at, document)| (document, Layer::Session(at)));
    let organization = organization.enumerate().map(|(at, document)| (document, Layer::Organization(at)));
    let documents = identity.chain(boundaries).chain(sessions).chain(organization);
    let principal = policies.principal.as_ref();
    let of_resource = policies.resource.iter().flat_map(|document| &document.statements);
    let of_resource = of_resource.filter_map(|it| concerned(it, principal).map(|layer| (it, layer)));
    let mut rules = Vec::new();
    for (document, layer) in documents {
        rules.extend(document.statements.iter().map(|statement| Rule { layer, statement, against }));
    }
    rules.extend(of_resource.map(|(statement, layer)| Rule { layer, statement, against }));
    rules
}

impl Demands {
    fn of(policies: &Policies) -> Self {
        let principal = policies.principal.as_ref();
        Self {
            boundary: !policies.boundaries.is_empty(),
            sessions: policies.sessions.len(),
            organization: policies.service_controls.len() + policies.resource_controls.len(),
            other_account: policies.other_account,
            unlimited: principal.is_some_and(|it| it.is_user() || it.is_session()),
            has_resource: policies.resource.is_some(),
        }
    }

    /// Whether all who must agree do, and nobody denies, where exactly these rules apply.
    fn met<'r>(self, applying: impl Iterator<Item = &'r Rule<'r>>, alone: bool) -> bool {
        let mut sessions = vec![false; self.sessions];
        let mut organization = vec![false; self.organization];
        let (mut identity, mut boundary, mut direct, mut role, mut account) =
            (false, !self.boundary, false, false, false);
        for rule in applying {
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
            (Name::Account(account), Some(it)) if it.account() == Some(account.as_str()) => {
                Some(Layer::Account)
            }
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
