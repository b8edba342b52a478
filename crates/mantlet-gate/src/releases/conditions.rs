//! What a version must be to go live, as the operator has set it for its model.
//!
//! Conditions are looked at when a deployment is asked for and again when it is activated. Those in force when it was asked
//! for are kept with it and are part of what the approver signs, so whoever may write the configuration cannot lower them
//! for what is under way; and those in force at the end count as well. A version has to meet both.
//!
//! A rollback meets none: it goes to what met those of its time, and is what one does in a hurry.

use std::collections::{BTreeMap, BTreeSet};

use mantlet_types::{Code, ModelName, Rejection, Sha256, Version};
use serde::{Deserialize, Serialize};

use super::facts::{Evaluated, Figure, ScanVerdict};
use crate::{administer::Office, directory::VersionRecord};

/// What a version of a model must be to go live. The default asks for nothing beyond what every version has to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// Its package was scanned, and found to be data and nothing that would run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub scan_clean: bool,
    /// One of these keys has signed it, by fingerprint; any trusted one if empty.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub signed_by: BTreeSet<Sha256>,
    /// It was evaluated on the table with this digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluated_on: Option<Sha256>,
    /// There, these figures are at least this.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub at_least: BTreeMap<Box<str>, Figure>,
    /// There, these figures are at most this.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub at_most: BTreeMap<Box<str>, Figure>,
}

impl Conditions {
    /// Whether they ask for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each in one line, as statements and listings have it.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        if self.scan_clean {
            told.push("scan = clean".to_owned());
        }
        if !self.signed_by.is_empty() {
            let keys: Vec<String> = self.signed_by.iter().map(ToString::to_string).collect();
            told.push(format!("signed_by = {}", keys.join(" or ")));
        }
        told.extend(self.evaluated_on.map(|data| format!("evaluated_on = {data}")));
        told.extend(self.at_least.iter().map(|(name, bound)| format!("{name} >= {bound}")));
        told.extend(self.at_most.iter().map(|(name, bound)| format!("{name} <= {bound}")));
        told
    }

    /// Those that a version does not meet, each in a sentence for those who take part.
    #[must_use]
    pub fn unmet(&self, record: &VersionRecord) -> Vec<String> {
        let facts = &record.facts;
        let mut unmet = Vec::new();
        if self.scan_clean {
            match &facts.scan {
                Some(scan) if scan.verdict == ScanVerdict::Safe => {}
                Some(scan) => unmet.push(format!("`scan`: the package was found {}", scan.verdict.as_str())),
                None => unmet.push("`scan`: no scan of the package is recorded".to_owned()),
            }
        }
        if !self.signed_by.is_empty() && !facts.signer.is_some_and(|signer| self.signed_by.contains(&signer))
        {
            let signer = facts.signer.map_or("nobody known".to_owned(), |signer| format!("`{signer}`"));
            unmet.push(format!("`signed_by`: it was signed by {signer}"));
        }
        if let Some(data) = self.evaluated_on {
            unmet.extend(self.unmet_on(data, &facts.evaluations));
        }
        unmet
    }

    /// One and the same evaluation has to meet all bounds.
    fn unmet_on(&self, data: Sha256, evaluations: &[Evaluated]) -> Vec<String> {
        let of_data = evaluations.iter().filter(|evaluated| evaluated.data == data);
        let latest = of_data.map(|evaluated| self.out_of_bounds(evaluated)).reduce(|best, other| {
            // What is told is what the best of them lacks, the latest of several.
            if other.len() <= best.len() { other } else { best }
        });
        latest.unwrap_or_else(|| vec![format!("`evaluated_on`: no evaluation on `{data}` is attached")])
    }

    fn out_of_bounds(&self, evaluated: &Evaluated) -> Vec<String> {
        let figure = |name: &str| evaluated.figures.get(name).copied();
        let mut out = Vec::new();
        for (name, bound) in &self.at_least {
            match figure(name) {
                Some(found) if found >= *bound => {}
                Some(found) => {
                    out.push(format!("`at_least`: {name} is {found} and has to be {bound} or more"));
                }
                None => out.push(format!("`at_least`: the evaluation has no {name}")),
            }
        }
        for (name, bound) in &self.at_most {
            match figure(name) {
                Some(found) if found <= *bound => {}
                Some(found) => {
                    out.push(format!("`at_most`: {name} is {found} and has to be {bound} or less"));
                }
                None => out.push(format!("`at_most`: the evaluation has no {name}")),
            }
        }
        out
    }
}

/// The conditions in force for a model.
#[must_use]
pub fn in_force(office: &Office<'_>, model: &ModelName) -> Conditions {
    office.snapshot.settings.conditions.get(model).cloned().unwrap_or_default()
}

/// Holds a version against the conditions in force, and those that its deployment was asked for under.
///
/// # Errors
/// 409 naming every condition that it does not meet.
pub fn check(
    office: &Office<'_>,
    (model, version): (&ModelName, Version),
    record: &VersionRecord,
) -> Result<(), Rejection> {
    let mut unmet = in_force(office, model).unmet(record);
    let kept = record.promotion.as_ref().filter(|way| way.digest == record.digest);
    for more in kept.into_iter().flat_map(|way| way.conditions.unmet(record)) {
        if !unmet.contains(&more) {
            unmet.push(more);
        }
    }
    if unmet.is_empty() {
        return Ok(());
    }
    let detail = format!("version {version} of `{model}` does not meet its conditions: {}", unmet.join("; "));
    Err(Rejection::new(Code::Conflict).detailed(detail))
}
