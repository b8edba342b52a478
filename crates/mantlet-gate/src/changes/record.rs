//! Proposals as the directory keeps them, and what applying one leaves there.

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use mantlet_types::{PolicyName, ProjectId, Sha256, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::approvals::{Approvers, Item};

/// A change that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// Where.
    pub project: ProjectId,
    /// By whom it was proposed.
    pub proposed_by: UserId,
    /// When.
    pub proposed: Timestamp,
    /// By whom it was approved.
    pub approved_by: Approvers,
    /// After this it is void.
    pub expires: Timestamp,
    /// What it will do.
    pub what: Proposed,
}

/// What a proposal will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Proposed {
    /// Let a person stop models of the project and roll them back, for a quarter of an hour.
    BreakGlass {
        /// The person.
        beneficiary: UserId,
        /// Why.
        reason: Reason,
    },
    /// Put a set of custom policies in force, in the place of the one that has its name; without a text, withdraw it.
    Policy {
        /// The set's name.
        name: PolicyName,
        /// Its Cedar text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Arc<str>>,
    },
}

/// A set of custom policies in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// The Cedar text.
    pub text: Arc<str>,
    /// SHA-256 of the text.
    pub digest: Sha256,
    /// The change that put it in force.
    pub change: u64,
    /// Who proposed it.
    pub proposed_by: UserId,
    /// Whose approval counted when it was put in force.
    pub approved_by: BTreeSet<UserId>,
    /// Who put it in force.
    pub applied_by: UserId,
    /// When.
    pub applied: Timestamp,
}

impl Proposed {
    /// The item that waits, under this number.
    #[must_use]
    pub const fn item(&self, number: u64) -> Item {
        match self {
            Self::BreakGlass { .. } => Item::BreakGlass(number),
            Self::Policy { .. } => Item::Policy(number),
        }
    }

    /// Whom it is for, if it is for somebody.
    #[must_use]
    pub const fn beneficiary(&self) -> Option<&UserId> {
        match self {
            Self::BreakGlass { beneficiary, .. } => Some(beneficiary),
            Self::Policy { .. } => None,
        }
    }

    /// Which command applies it, and whose it is.
    pub(super) fn to_apply(&self, number: u64) -> String {
        match self {
            Self::BreakGlass { .. } => {
                format!("an operator or ML engineer: mantlet --as DIR break-glass begin {number}")
            }
            Self::Policy { .. } => format!("an operator: mantlet policy apply {number}"),
        }
    }
}

/// Why glass is broken: one of a few codes, because the log has no room for a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The model does not answer, or takes others down with it.
    Outage,
    /// The model answers wrongly.
    WrongAnswers,
    /// Somebody attacks the model or through it.
    Attack,
    /// The model must not be used, by law or contract.
    Legal,
    /// Nothing is wrong; this is an exercise.
    Exercise,
}

/// No such reason; the message names those that exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown reason; known reasons: outage, wrong_answers, attack, legal, exercise")]
pub struct UnknownReason;

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Outage, Self::WrongAnswers, Self::Attack, Self::Legal, Self::Exercise];

    /// The reason's code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::WrongAnswers => "wrong_answers",
            Self::Attack => "attack",
            Self::Legal => "legal",
            Self::Exercise => "exercise",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(UnknownReason)
    }
}

/// A person's leave to stop models and to roll them back without the duty for it. Only an applied change gives one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlass {
    /// The change that gave it.
    pub change: u64,
    /// Where.
    pub project: ProjectId,
    /// Why.
    pub reason: Reason,
    /// From here on it is over.
    pub until: Timestamp,
    /// Whose approval counted when it began.
    pub approved_by: BTreeSet<UserId>,
}
