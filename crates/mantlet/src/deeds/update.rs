//! Whether a comparison that somebody brings along is one that this server has made: the log says so.
//!
//! The server keeps no comparisons. Whoever asked for one has its document and the receipt of the answer that it was; the
//! entry that the receipt names has the document's digest. So nothing has to be believed, and nothing kept that might be lost.

use std::{path::PathBuf, sync::Arc};

use mantlet_audit::{Log, read::Reader};
use mantlet_gate::{
    administer::Office,
    deployments::{Way, update::Exhibit},
    directory::Attached,
    mediate::COMPARISON,
};
use mantlet_models::evaluate::compare::Comparison;
use mantlet_types::{
    Code, Entry, Rejection, Sha256,
    entry::{Event, Token},
};
use serde::Deserialize;

/// A comparison as a request brings it along.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brought {
    /// The document, byte for byte as it was answered.
    pub comparison: String,
    /// The receipt that came with it.
    pub receipt: String,
    /// At most this share of the rows may have changed.
    #[serde(default)]
    pub max_changed: Option<f64>,
}

/// A comparison, and where it can be looked up.
pub struct Evidence {
    /// What was brought along.
    pub brought: Brought,
    /// The open log.
    pub log: Arc<Log>,
    /// Where it lies.
    pub dir: PathBuf,
}

/// The entry of a receipt, if it is of an answer of this version, and the answer was this document; with the document's
/// digest. `prefix` is how the entry's subject begins.
pub(super) async fn vouched(
    (document, prefix): (&str, &str),
    receipt: String,
    way: &Way,
    (log, dir): (Arc<Log>, PathBuf),
) -> Result<(Option<Entry>, Sha256), Rejection> {
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, document.as_bytes());
    let sum = <[u8; 32]>::try_from(sum.as_ref());
    let digest = Sha256(sum.map_err(|_| Rejection::unavailable("a digest of another length"))?);
    let read = tokio::task::spawn_blocking(move || entry(&log, &dir, &receipt)).await;
    let entry = read.map_err(|error| Rejection::unavailable(error.to_string()))??;
    let entry = entry.filter(|entry| {
        let subject = entry.subject.as_ref().map(Token::as_str);
        entry.event == Event::Inference
            && entry.status == Some(200)
            && entry.model.as_ref() == Some(&way.model)
            && entry.model_version == Some(way.version)
            && subject.is_some_and(|subject| subject == format!("{prefix}{digest}"))
    });
    Ok((entry, digest))
}

impl Exhibit for Evidence {
    async fn attested(self, office: &Office<'_>, way: &Way) -> Result<Attached, Rejection> {
        let Self { brought: Brought { comparison: document, receipt, max_changed }, log, dir } = self;
        let (entry, digest) = vouched((&document, COMPARISON), receipt, way, (log, dir)).await?;
        if entry.is_none() {
            return Err(Rejection::argument("the receipt is not of this comparison of this version"));
        }
        // What the entry vouches for, this server has written.
        let comparison: Comparison = serde_json::from_str(&document)
            .map_err(|_| Rejection::argument("the comparison is of another format"))?;
        check_artifacts(office, way, &comparison)?;
        if let Some(most) = max_changed {
            check_changed(&comparison, most)?;
        }
        Ok(Attached { digest, with: comparison.live.version, document: document.into() })
    }
}

/// The entry of a receipt; receipts of other logs and made-up ones have none.
fn entry(log: &Log, dir: &std::path::Path, receipt: &str) -> Result<Option<Entry>, Rejection> {
    let Some(index) = log.resolve_receipt(receipt) else { return Ok(None) };
    let reader = Reader::open(dir).map_err(|error| Rejection::unavailable(error.to_string()))?;
    reader.entry(index).map_err(|error| Rejection::unavailable(error.to_string()))
}

/// Both versions must be the artifacts that were compared, whatever their numbers.
fn check_artifacts(office: &Office<'_>, way: &Way, comparison: &Comparison) -> Result<(), Rejection> {
    let model = office.snapshot.directory.models.get(&way.model).ok_or(Code::NotFound)?;
    let same = [&comparison.live, &comparison.candidate]
        .into_iter()
        .all(|party| model.versions.get(&party.version).is_some_and(|record| record.digest == party.digest));
    if same && comparison.candidate.version == way.version {
        return Ok(());
    }
    Err(Rejection::new(Code::Conflict).detailed("the comparison is of other artifacts; compare again"))
}

fn check_changed(comparison: &Comparison, most: f64) -> Result<(), Rejection> {
    if !(0.0..=1.0).contains(&most) {
        return Err(Rejection::argument("`max_changed` is a share from 0 to 1"));
    }
    let changed = comparison.changed.share.value;
    if changed <= most {
        return Ok(());
    }
    let detail =
        format!("{changed:.4} of the rows would be answered differently, and `{most}` is accepted at most");
    Err(Rejection::new(Code::Conflict).detailed(detail))
}
