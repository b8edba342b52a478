//! Giving an approval: the one deed by which anything that waits is approved.

use mantlet_types::{
    Code, PrincipalId, Rejection, Sha256, Timestamp, UserId,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};

use super::{
    APPROVAL_SECONDS, Approval, Item, Unverified, Waiting, keep, standing, statement::sha256, waiting,
};
use crate::{
    administer::{Claims, Deed, Done, Office},
    changes,
    deployments::{self, Stage},
    directory::{Change, Directory},
    identity::Principal,
    people::roles,
    policy::Target,
};

/// Characters of a statement's digest that name it in the log: no two of one home share them by chance.
const DIGEST_CHARS: usize = 32;

/// A signed statement, as approvers send it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedApproval {
    /// The statement.
    pub statement: Box<str>,
    /// The signature over [`super::signed_bytes`], in Base64: ECDSA on P-256 with SHA-256, in ASN.1.
    pub signature: Box<str>,
    /// The certificate whose key signed, in Base64 of its DER form.
    pub certificate: Box<str>,
}

/// Approves something that waits.
///
/// In a team's home this takes a signature, by the key of the certificate that was shown as the second factor with this
/// very request: one that the home's authority issued, that is listed as the approver's, and that has not ended.
#[derive(Clone, Debug)]
pub struct Approve {
    /// What.
    pub item: Item,
    /// The signed statement; without one only in a one-person home.
    pub signed: Option<SignedApproval>,
}

/// An approval as stored.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Approved {
    /// Of a grant.
    Grant(roles::Approved),
    /// Of a deployment.
    Deployment(Stage),
    /// Of a change.
    Change(changes::Stage),
}

impl Deed for Approve {
    type Reply = Approved;

    fn event(&self) -> Event {
        self.item.event()
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        let item = self.item.token();
        let Some(signed) = &self.signed else { return Some(item) };
        // By its digest a statement that is kept, or was copied, is found again from the log.
        let digest = sha256(signed.statement.as_bytes()).to_string();
        let short: String = digest.chars().take(DIGEST_CHARS).collect();
        Some(Token::of(&format!("{}/{short}", item.as_str())))
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        let Item::Deployment(model, version) = &self.item else {
            let claim = waiting(directory, &self.item).map(|waits| self.item.claim(waits.project));
            return Ok(Claims::All(vec![claim.unwrap_or((self.item.action(), Target::Unknown))]));
        };
        // Also where nobody has requested it: whoever may know of the version learns that.
        let way = deployments::Way { model: model.clone(), version: *version };
        Ok(way.approval_claims(caller, directory))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Approved>, Rejection> {
        let Self { item, signed } = self;
        match item {
            Item::Grant(number) => map(roles::approve(office, number, signed)?, Approved::Grant),
            Item::Deployment(model, version) => {
                let way = deployments::Way { model, version };
                map(deployments::approve(office, &way, signed)?, Approved::Deployment)
            }
            Item::BreakGlass(number) | Item::Policy(number) => {
                map(changes::approve(office, number, signed)?, Approved::Change)
            }
        }
    }
}

fn map<R>(done: Done<R>, reply: impl FnOnce(R) -> Approved) -> Result<Done<Approved>, Rejection> {
    Ok(Done::changed(reply(done.reply), done.changes))
}

/// An approval that was just verified.
pub(crate) struct Fresh {
    /// Who gave it.
    pub(crate) approver: UserId,
    /// The digest of the statement, if it is signed.
    pub(crate) statement: Option<Sha256>,
    /// From here on it is void.
    pub(crate) ends: Timestamp,
    /// What keeps it.
    pub(crate) changes: Vec<Change>,
}

/// The last moment at which an approval given now may end.
pub(super) fn latest_end(waiting: &Waiting<'_>, now: Timestamp) -> Timestamp {
    let approval = now.plus_seconds(APPROVAL_SECONDS);
    match waiting.item {
        // A request's end and an approval's are two: whoever deploys has three days from the approval on.
        Item::Deployment(..) => approval,
        Item::Grant(_) | Item::BreakGlass(_) | Item::Policy(_) => waiting.ends.min(approval),
    }
}

/// Takes the caller's approval of what waits, once policy has said that the caller may give one.
///
/// # Errors
/// 409 if it is given already; 403 if it is not signed, or the signature does not make it this approval.
pub(crate) fn give(
    office: &Office<'_>,
    waiting: &Waiting<'_>,
    signed: Option<SignedApproval>,
) -> Result<Fresh, Rejection> {
    let PrincipalId::User(approver) = office.caller.id() else { return Err(Code::Forbidden.into()) };
    let (directory, now) = (&office.snapshot.directory, office.gate.now());
    let single_person = office.snapshot.settings.single_person;
    if standing(directory, waiting, single_person).any(|id| id == approver) {
        return Err(Rejection::new(Code::Conflict)
            .detailed(format!("`{approver}` has approved {} already", waiting.item)));
    }
    let latest = latest_end(waiting, now);
    let Some(signed) = signed else {
        if !single_person {
            return Err(refused(
                "it is not signed: sign it as yourself with `mantlet --as DIR approve sign`",
            ));
        }
        return Ok(Fresh { approver: approver.clone(), statement: None, ends: latest, changes: Vec::new() });
    };
    let user = directory.users.get(approver).ok_or(Code::Forbidden)?;
    let SignedApproval { statement, signature, certificate } = signed;
    let subject = waiting.subject().into();
    let approval = Approval { statement, subject, signature, certificate, given: now };
    let held = approval.holds(waiting, approver, user).map_err(|flaw| refused(&flaw.to_string()))?;
    let (statement, certificate) = held;
    // The handshake has checked who issued the one that was shown.
    if office.caller.certificate().is_none_or(|shown| shown.digest != certificate.digest) {
        return Err(refused("its certificate is not the one that was shown as the second factor"));
    }
    if !(now < statement.expires && statement.expires <= latest.min(certificate.expires)) {
        return Err(refused(&Unverified::Ends.to_string()));
    }
    Ok(Fresh {
        approver: approver.clone(),
        statement: Some(approval.digest()),
        ends: statement.expires,
        changes: keep::keep(directory, approval),
    })
}

fn refused(why: &str) -> Rejection {
    Rejection::new(Code::Forbidden).detailed(format!("the approval does not count: {why}"))
}
