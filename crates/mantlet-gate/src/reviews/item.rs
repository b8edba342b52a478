//! What is known of a held row without opening it: whose it is, how far it is, when it ends.
//!
//! Steps from one state to the next are pure: they say what the item is afterwards, or why it cannot be.

use std::str::FromStr;

use mantlet_types::{
    Code, ModelName, PrincipalId, ProjectId, Rejection, RequestId, ReviewId, RouteName, Sha256, Timestamp,
    UserId, Version,
};
use serde::{Deserialize, Serialize};

/// How far a held row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has taken it on.
    Pending,
    /// Somebody has.
    Assigned,
    /// Somebody has decided.
    Decided,
    /// Its time was over; what it held is forgotten.
    Expired,
    /// Somebody had it forgotten.
    Erased,
}

/// No such status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of pending, assigned, decided, expired, erased")]
pub struct UnknownStatus;

impl FromStr for Status {
    type Err = UnknownStatus;
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        let all = [Self::Pending, Self::Assigned, Self::Decided, Self::Expired, Self::Erased];
        all.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

impl Status {
    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Assigned => "assigned",
            Self::Decided => "decided",
            Self::Expired => "expired",
            Self::Erased => "erased",
        }
    }

    /// Whether a person is still to decide.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Assigned)
    }

    /// Whether what was asked is still there.
    #[must_use]
    pub const fn is_kept(self) -> bool {
        matches!(self, Self::Pending | Self::Assigned | Self::Decided)
    }
}

/// A held row from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its name.
    #[serde(rename = "item")]
    pub id: ReviewId,
    /// The model's project, whose reviewers may look.
    pub project: ProjectId,
    /// The model that was asked; none where it is a route's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
    /// The version that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The version's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Sha256>,
    /// The route to a language model that was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteName>,
    /// The request.
    pub request_id: RequestId,
    /// Which row of the request, from 0.
    pub row: u32,
    /// Who asked.
    pub requester: PrincipalId,
    /// When it was held.
    pub held: Timestamp,
    /// From here on it is forgotten.
    pub ends: Timestamp,
    /// How far it is, as far as anybody has done something. [`Item::at`] says how it stands.
    pub status: Status,
    /// Who has taken it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<UserId>,
    /// Who has decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<UserId>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Timestamp>,
}

impl Item {
    /// Whether it is of the model or the route of this name: callers come back by the name of either.
    #[must_use]
    pub fn is_of(&self, name: &str) -> bool {
        let model = self.model.as_ref().map(ModelName::as_str);
        model == Some(name) || self.route.as_ref().map(RouteName::as_str) == Some(name)
    }

    /// What items are listed by: the oldest first, and those of one request in the order of its rows. Names made within
    /// one millisecond are in no order.
    #[must_use]
    pub fn place(&self) -> (Timestamp, RequestId, u32) {
        (self.held, self.request_id, self.row)
    }

    /// The item as it stands at this moment: what has ended is expired, whether or not anybody has cleared up yet.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        if self.status.is_kept() && now >= self.ends { self.ended(Status::Expired) } else { self }
    }

    /// The item with nothing left in it.
    #[must_use]
    pub fn ended(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// The item in somebody's hands.
    ///
    /// # Errors
    /// 409 if it is decided or gone, or somebody else's and not taken over explicitly.
    pub fn assigned(self, to: UserId, take_over: bool) -> Result<Self, Rejection> {
        self.check_open()?;
        match &self.assigned_to {
            Some(other) if *other != to && !take_over => Err(taken(other)),
            _ => Ok(Self { status: Status::Assigned, assigned_to: Some(to), ..self }),
        }
    }

    /// The item decided.
    ///
    /// # Errors
    /// 409 if it is decided already or gone, or assigned to somebody else.
    pub fn decided(self, by: UserId, now: Timestamp) -> Result<Self, Rejection> {
        self.check_open()?;
        match &self.assigned_to {
            Some(other) if *other != by => Err(taken(other)),
            _ => Ok(Self { status: Status::Decided, decided_by: Some(by), decided: Some(now), ..self }),
        }
    }

    /// The item with what it held forgotten, decided or not: whom the row is about may ask for that at any time, and it
    /// must not depend on who has decided being there. What somebody is still at is theirs, as for deciding.
    ///
    /// # Errors
    /// 409 if there is nothing left to forget, or it is open and somebody else's.
    pub fn erased(self, by: &UserId) -> Result<Self, Rejection> {
        if !self.status.is_kept() {
            return Err(conflict(format!("it is {} already", self.status.as_str())));
        }
        match &self.assigned_to {
            Some(other) if other != by && self.status.is_open() => Err(taken(other)),
            _ => Ok(self.ended(Status::Erased)),
        }
    }

    fn check_open(&self) -> Result<(), Rejection> {
        match self.status.is_open() {
            true => Ok(()),
            false => Err(conflict(format!("it is {} already", self.status.as_str()))),
        }
    }
}

fn taken(other: &UserId) -> Rejection {
    conflict(format!("it is assigned to `{other}`; whoever goes on with it takes it over first"))
}

pub(super) fn conflict(detail: impl Into<std::borrow::Cow<'static, str>>) -> Rejection {
    Rejection::new(Code::Conflict).detailed(detail)
}
