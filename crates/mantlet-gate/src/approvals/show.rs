//! One thing that waits, to the letter: what an approver looks at before signing, and an auditor afterwards.

use std::sync::Arc;

use mantlet_types::{
    Code, PrincipalId, Rejection, UserId,
    entry::{Event, Token},
};
use serde::Serialize;

use super::{Approval, Item, Part, Statement, Waiting, Waits, give::latest_end, waiting};
use crate::{
    administer::{Claims, Deed, Done, Office},
    changes::{self, Proposed},
    directory::Directory,
    identity::Principal,
    policy::Difference,
};

/// Shows one thing that waits.
#[derive(Clone, Debug)]
pub struct ShowApproval {
    /// Which.
    pub item: Item,
}

/// What waits, what is digested of it, and what the caller would sign.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// What the list says of it.
    #[serde(flatten)]
    pub waits: Waits,
    /// Exactly what is approved, as canonical JSON.
    pub subject: String,
    /// The statement for the caller to sign, if the caller may approve. It ends as late as it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// For a change of policy: the text that is to be in force; none if a set is to be withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Arc<str>>,
    /// For a change of policy: what it would change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Difference>,
    /// The approvals that were given, whether or not they count today.
    pub approvals: Vec<Given>,
}

/// An approval that was given.
#[derive(Clone, Debug, Serialize)]
pub struct Given {
    /// By whom.
    pub approver: UserId,
    /// Whether it counts today.
    pub counts: bool,
    /// The signed statement; absent in a one-person home.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<Approval>,
}

impl Deed for ShowApproval {
    type Reply = Shown;

    fn event(&self) -> Event {
        Event::ApprovalRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn subject(&self) -> Option<Token> {
        Some(self.item.token())
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Shown>, Rejection> {
        let directory = &office.snapshot.directory;
        let waiting = waiting(directory, &self.item).ok_or(Code::NotFound)?;
        let waits = Waits::seen(office, &waiting).ok_or(Code::NotFound)?;
        let approvals = waiting.approved_by.iter().map(|(approver, digest)| Given {
            approver: approver.clone(),
            counts: waits.approved_by.contains(approver),
            signed: digest.and_then(|digest| directory.approvals.get(digest)).map(|kept| (**kept).clone()),
        });
        let approvals = approvals.collect();
        let statement = statement(office, &waiting, &waits);
        let subject = waiting.subject();
        let (text, changes) = policy(office, &self.item).await?;
        Ok(Done::read(Shown { subject, statement, text, changes, approvals, waits }))
    }
}

/// What a change of policy says and does.
async fn policy(
    office: &Office<'_>,
    item: &Item,
) -> Result<(Option<Arc<str>>, Option<Difference>), Rejection> {
    let Item::Policy(number) = item else { return Ok((None, None)) };
    let proposal = office.snapshot.directory.proposals.get(number).ok_or(Code::NotFound)?;
    let Proposed::Policy { name, text } = &proposal.what else { return Ok((None, None)) };
    // What fits no more with what is in force by now cannot be put in force either: applying it says why.
    let changes = changes::difference(office, name.clone(), text.clone(), None, None).await.ok();
    Ok((text.clone(), changes))
}

/// What the caller would sign.
fn statement(office: &Office<'_>, waiting: &Waiting<'_>, waits: &Waits) -> Option<String> {
    let PrincipalId::User(approver) = office.caller.id() else { return None };
    if waits.you != Part::MayApprove {
        return None;
    }
    let latest = latest_end(waiting, office.gate.now());
    let ends = office.caller.certificate().map_or(latest, |shown| latest.min(shown.expires));
    Statement::new(&waiting.item, waiting.digest(), waiting.project.clone(), approver.clone(), ends).text()
}
