//! Approvals as they are kept: statement, signature and certificate, so that anybody can verify them later.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use mantlet_types::{Sha256, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::{
    Statement, Waiting,
    certificate::{UserCertificate, user_certificate},
    statement::{sha256, signed_bytes},
};
use crate::directory::{Change, Directory, User};

/// Approvals kept in one home: years of them. The oldest go first.
pub(super) const APPROVALS_MAX: usize = 4_096;

/// A signed approval as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The statement, letter for letter.
    pub statement: Box<str>,
    /// What the statement's digest is of.
    pub subject: Box<str>,
    /// The signature over [`super::signed_bytes`], in Base64.
    pub signature: Box<str>,
    /// The certificate whose key signed, in Base64 of its DER form.
    pub certificate: Box<str>,
    /// When it was given.
    pub given: Timestamp,
}

/// Why an approval does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// The text is not a statement in its canonical form.
    #[error("the statement is not one of `mantlet.approval/1`")]
    Statement,
    /// It is about something else, or about what this was before.
    #[error("the statement is not about this, as it is now")]
    Other,
    /// Somebody else's.
    #[error("the statement is another person's")]
    Approver,
    /// It is over, ends before what it approves, or lasts longer than an approval may.
    #[error("the statement's end is not one that it may have")]
    Ends,
    /// The certificate cannot be read or names somebody else.
    #[error("the certificate is not one of the approver's")]
    Certificate,
    /// The signature is not by the certificate's key, or not over this statement.
    #[error("the signature does not verify")]
    Signature,
}

impl Approval {
    /// The digest by which it is known.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        sha256(self.statement.as_bytes())
    }

    /// Verifies it by itself: the certificate names the approver, its key signed the statement, and the subject is what
    /// the statement's digest is of. Who issued the certificate, and whether it counted, others have to say.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self) -> Result<(Statement, UserCertificate), Unverified> {
        let statement = Statement::parse(&self.statement).ok_or(Unverified::Statement)?;
        let der = BASE64.decode(&*self.certificate).map_err(|_| Unverified::Certificate)?;
        let certificate = user_certificate(&der).ok_or(Unverified::Certificate)?;
        if certificate.user != statement.approver {
            return Err(Unverified::Certificate);
        }
        let signature = BASE64.decode(&*self.signature).map_err(|_| Unverified::Signature)?;
        if !certificate.signed(&signed_bytes(&self.statement), &signature) {
            return Err(Unverified::Signature);
        }
        if sha256(self.subject.as_bytes()) != statement.digest {
            return Err(Unverified::Other);
        }
        Ok((statement, certificate))
    }

    /// Verifies it as this person's approval of what waits, by a certificate that is listed as theirs now.
    pub(super) fn holds(
        &self,
        waiting: &Waiting<'_>,
        approver: &UserId,
        user: &User,
    ) -> Result<(Statement, UserCertificate), Unverified> {
        let (statement, certificate) = self.verify()?;
        let about = (&*statement.kind, &*statement.target, &statement.project, statement.digest);
        let Waiting { item, project, .. } = waiting;
        if about != (item.kind().as_str(), item.target().as_str(), project, waiting.digest()) {
            return Err(Unverified::Other);
        }
        if statement.approver != *approver {
            return Err(Unverified::Approver);
        }
        if !user.certificates.contains(&certificate.digest) {
            return Err(Unverified::Certificate);
        }
        Ok((statement, certificate))
    }
}

/// The change that keeps another approval, and the one by which the oldest goes if there are too many.
pub(super) fn keep(directory: &Directory, approval: Approval) -> Vec<Change> {
    let oldest = || directory.approvals.iter().min_by_key(|(_, kept)| kept.given).map(|(digest, _)| *digest);
    let over = directory.approvals.len() >= APPROVALS_MAX;
    let gone = over.then(oldest).flatten().map(Change::RemoveApproval);
    let kept = Change::PutApproval(approval.digest(), approval.into());
    gone.into_iter().chain([kept]).collect()
}
