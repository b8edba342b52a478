//! What an approver signs: `mantlet.approval/1`.
//!
//! The statement is one canonical JSON object (RFC 8785) whose members are all strings, so there is one text for one
//! meaning. What is signed is its pre-authentication encoding by DSSE (<https://github.com/secure-systems-lab/dsse>,
//! protocol.md) under a payload type of our own: the type is part of what is signed, so neither a handshake by the same
//! key nor another kind of document can be taken for an approval.

use mantlet_types::{ProjectId, Sha256, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::Item;

/// The statement's format and version.
pub const FORMAT: &str = "mantlet.approval/1";

/// The DSSE payload type.
pub const PAYLOAD_TYPE: &str = "application/vnd.mantlet.approval+json";

/// A statement is a handful of names and digests: longer texts are none.
const BYTES_MAX: usize = 1_024;

/// An approval in words. Members are declared in the order of their names, which makes the text canonical.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Who approves.
    pub approver: UserId,
    /// Digest of exactly what is approved.
    pub digest: Sha256,
    /// From here on the approval is void.
    pub expires: Timestamp,
    /// [`FORMAT`].
    pub format: Box<str>,
    /// What kind of thing is approved.
    pub kind: Box<str>,
    /// Where.
    pub project: ProjectId,
    /// Which of its kind.
    pub target: Box<str>,
}

impl Statement {
    /// The statement of this approver about this item.
    #[must_use]
    pub fn new(
        item: &Item,
        digest: Sha256,
        project: ProjectId,
        approver: UserId,
        expires: Timestamp,
    ) -> Self {
        Self {
            approver,
            digest,
            expires,
            format: FORMAT.into(),
            kind: item.kind().as_str().into(),
            project,
            target: item.target().into(),
        }
    }

    /// Reads a statement; `None` for whatever is not one, or is one in another spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > BYTES_MAX {
            return None;
        }
        let statement: Self = serde_json::from_str(text).ok()?;
        (*statement.format == *FORMAT && statement.text()? == text).then_some(statement)
    }

    /// The statement as text; `None` for an end that no calendar has.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

/// The bytes that are signed for a statement: `PAE(type, body)` of DSSE version 1.
#[must_use]
pub fn signed_bytes(statement: &str) -> Vec<u8> {
    let (kind, length) = (PAYLOAD_TYPE, statement.len());
    format!("DSSEv1 {} {kind} {length} {statement}", kind.len()).into_bytes()
}

/// The SHA-256 digest of these bytes (FIPS 180-4).
pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut value = [0; 32];
    value.copy_from_slice(digest.as_ref());
    Sha256(value)
}
