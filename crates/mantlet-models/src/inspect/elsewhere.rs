//! Leave to make a URL of a bucket's own for a version's package, with the entry that says what it gives.
//!
//! Such a URL is made with the bucket's credential and not here, so all that this can do is to decide, to say which bytes
//! they are, and to write down what was asked for: at whose service, for what and for how long. Once made, nobody here can take
//! it back.

use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    directory::Directory,
    identity::Principal,
    urls::UrlMethod,
};
use mantlet_types::{
    ModelName, Rejection, Sha256, Version,
    entry::{Event, Token},
    limits::PRESIGNED_SECONDS_MAX,
};
use serde::{Deserialize, Serialize};

use super::{
    Which,
    url::{Measure, lending, measured},
};
use crate::register::Shelf;

/// Whose bucket it is, by the scheme of places in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Elsewhere {
    /// Amazon's, or another that speaks its protocol.
    S3,
    /// Google's.
    Gs,
    /// Azure's.
    Az,
}

impl Elsewhere {
    /// The scheme.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
        }
    }
}

/// Asks for leave to have a bucket give a version's package to whoever brings a URL.
pub struct Lend {
    /// Of which model.
    pub which: Which,
    /// Whose bucket.
    pub at: Elsewhere,
    /// The one method that the URL answers.
    pub method: UrlMethod,
    /// For how long, in seconds.
    pub seconds: u32,
    /// What measures the package.
    pub measure: Measure,
    /// Where packages are.
    pub shelf: Shelf,
}

/// What is lent.
#[derive(Debug)]
pub struct Lent {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// Digest of the package's signed manifest: what audit entries name.
    pub digest: Sha256,
    /// How long the package is on the wire, in bytes.
    pub bytes: u64,
    /// SHA-256 of it.
    pub sha256: Sha256,
}

impl Deed for Lend {
    type Reply = Lent;

    fn event(&self) -> Event {
        Event::UrlSign
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(lending(&self.which, caller, directory))
    }

    /// `s3:GET:900s`: where, what and how long.
    fn subject(&self) -> Option<Token> {
        let Self { at, method, seconds, .. } = self;
        Some(Token::of(&format!("{}:{}:{seconds}s", at.as_str(), method.as_str())))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Lent>, Rejection> {
        let Self { which, seconds, measure, shelf, .. } = self;
        if !(1..=PRESIGNED_SECONDS_MAX).contains(&seconds) {
            let most = PRESIGNED_SECONDS_MAX / 86_400;
            return Err(Rejection::argument(format!("a bucket's URL lives for 1 second to {most} days")));
        }
        let opened = which.package(&shelf, &office.snapshot.directory).await?;
        let version = opened.version;
        let (digest, bytes, sha256) = measured(opened, measure, None).await?;
        Ok(Done::read(Lent { model: which.model, version, digest, bytes, sha256 }))
    }
}
