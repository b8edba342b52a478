//! The second person: what waits for one, what they sign, and when it counts.
//!
//! An approval is its giver's signed [`Statement`] over the kind, target and digest of exactly what is approved, the
//! project, the giver and an end. It is verified when it is given and again whenever it would count: the giver must be
//! enabled, still hold the right to approve, and the certificate whose key signed must still be one of theirs. Only in a
//! one-person home does an approval without a signature count, since there it says nothing that its giver could deny.
//!
//! Grants, deployments, policy changes and break-glass all come through here. What an approval sets in motion is the
//! business of those; who may give one is policy's.

mod certificate;
mod give;
mod item;
mod keep;
mod list;
mod show;
mod statement;

use std::collections::{BTreeMap, BTreeSet};

use mantlet_types::{Role, Sha256, UserId};
use serde::{Deserialize, Serialize};

pub use self::{
    certificate::{USER_URI, UserCertificate, user_certificate},
    give::{Approve, Approved, SignedApproval},
    item::{Item, ItemError, Kind},
    keep::{Approval, Unverified},
    list::{ExportApprovals, ListApprovals, Listed, Part, Waits},
    show::{Given, ShowApproval, Shown},
    statement::{FORMAT, PAYLOAD_TYPE, Statement, signed_bytes},
};
pub(crate) use self::{
    give::give,
    item::{Waiting, waiting},
    statement::sha256,
};
use crate::directory::Directory;

/// A request that nobody approves within three days is void, and so is an approval that nobody uses.
pub const APPROVAL_SECONDS: i64 = 72 * 3_600;

/// Who approved something, each with the digest of the statement that they signed; without one in a one-person home.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Recorded", into = "BTreeMap<UserId, Option<Sha256>>")]
pub struct Approvers(BTreeMap<UserId, Option<Sha256>>);

/// How approvers are read: records from before approvals were signed have names alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Recorded {
    Names(BTreeSet<UserId>),
    Signed(BTreeMap<UserId, Option<Sha256>>),
}

impl From<Recorded> for Approvers {
    fn from(recorded: Recorded) -> Self {
        match recorded {
            Recorded::Names(names) => names.into_iter().collect(),
            Recorded::Signed(signed) => Self(signed),
        }
    }
}

impl From<Approvers> for BTreeMap<UserId, Option<Sha256>> {
    fn from(approvers: Approvers) -> Self {
        approvers.0
    }
}

impl FromIterator<UserId> for Approvers {
    /// Approvers without signatures.
    fn from_iter<I: IntoIterator<Item = UserId>>(names: I) -> Self {
        Self(names.into_iter().map(|name| (name, None)).collect())
    }
}

impl Approvers {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nobody has approved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who has approved, whether or not it still counts.
    #[must_use]
    pub fn names(&self) -> BTreeSet<UserId> {
        self.0.keys().cloned().collect()
    }

    /// Each with the digest of their statement.
    pub fn iter(&self) -> impl Iterator<Item = (&UserId, Option<&Sha256>)> {
        self.0.iter().map(|(name, digest)| (name, digest.as_ref()))
    }

    /// Adds one; an earlier approval of the same person goes.
    pub fn insert(&mut self, approver: UserId, statement: Option<Sha256>) {
        self.0.insert(approver, statement);
    }
}

/// Those whose approval of this counts today.
///
/// A right that was lost since takes its approvals along, and so does a certificate that was withdrawn: whoever found
/// its key could have signed. In a team's home an approval without a signature is none.
pub(crate) fn standing<'a>(
    directory: &'a Directory,
    waiting: &'a Waiting<'a>,
    single_person: bool,
) -> impl Iterator<Item = &'a UserId> + 'a {
    let counts = move |(id, statement): &(&UserId, Option<&Sha256>)| {
        let Some(user) = directory.users.get(*id).filter(|user| !user.disabled) else { return false };
        let may = waiting.item.approvers().iter().any(|role| user.is_bound(*role, waiting.project));
        let signed = || {
            let kept = statement.and_then(|digest| directory.approvals.get(digest));
            let holds = kept.and_then(|approval| approval.holds(waiting, id, user).ok());
            // What is approved never outlasts the statement.
            holds.is_some_and(|(statement, _)| waiting.ends <= statement.expires)
        };
        may && (single_person || signed())
    };
    waiting.approved_by.iter().filter(counts).map(|(id, _)| id)
}

/// Whether somebody's approval of this counts today.
#[must_use]
pub fn counts(directory: &Directory, item: &Item, single_person: bool) -> bool {
    waiting(directory, item)
        .is_some_and(|waiting| standing(directory, &waiting, single_person).next().is_some())
}

/// The roles that approve changes: duties of oversight.
const OVERSEERS: [Role; 1] = [Role::Security];

/// The roles that approve deployments.
const DEPLOYERS: [Role; 2] = [Role::MlEngineer, Role::Security];

#[cfg(test)]
mod tests;
