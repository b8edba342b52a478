//! Policy documents: what they say, with the places where they say it. Read strictly, since a statement that is
//! skipped changes the meaning of all others: what is not understood is an error.

mod read;

pub use read::{Invalid, read, read_node};

use super::{condition::Condition, pattern::Pattern};
use crate::tree::Place;

/// A policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Where it begins.
    pub place: Place,
    /// What it says.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Where it begins.
    pub place: Place,
    /// Its name, and where that stands.
    pub sid: Option<(String, Place)>,
    /// Allow or deny.
    pub effect: Effect,
    /// For whom; only policies of resources say so.
    pub principals: Option<Principals>,
    /// For which actions.
    pub actions: Selection,
    /// On which resources; a trust policy does not say.
    pub resources: Option<Selection>,
    /// Under which conditions; all must hold.
    pub conditions: Vec<Condition>,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies.
    Deny,
}

/// Those that one of the patterns names, or all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// All others (`NotAction`, `NotResource`).
    pub negated: bool,
    /// Where the element stands.
    pub place: Place,
    /// The patterns.
    pub patterns: Vec<(Pattern, Place)>,
}

/// For whom a statement is, or for whom it is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Principals {
    /// All others (`NotPrincipal`).
    pub negated: bool,
    /// Where the element stands.
    pub place: Place,
    /// Who.
    pub names: Vec<(Name, Place)>,
}

/// A name of a principal in a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// Whoever asks, with or without an account.
    Anyone,
    /// All of an account, by its twelve digits.
    Account(String),
    /// A role, user or session.
    Arn(String),
    /// A service.
    Service(String),
    /// An identity provider.
    Federated(String),
    /// The owner of a bucket in its old form.
    CanonicalUser(String),
    /// What a reader could not resolve.
    Unresolved(String),
}

/// How a policy is put to use, which decides what its statements must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Attached to who acts, or a limit on it: has resources, no principals.
    Identity,
    /// Attached to what is acted on: has principals.
    Resource,
    /// Says who may take on a role: principals, no resources.
    Trust,
}
