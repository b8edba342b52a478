//! What the detector has learned: weights of n-grams, and heads that weigh all evidence, one of each per channel.

use serde::Deserialize;

use super::{evidence::NAMES, ngrams::PLACES};
use crate::Channel;

/// Weights of all n-grams for one channel.
#[derive(Debug, Clone)]
pub struct Table {
    weights: Box<[i8]>,
    scale: f32,
    bias: f32,
}

impl Table {
    /// The weight of an n-gram, in units of the scale.
    #[must_use]
    pub fn weight(&self, place: usize) -> i8 {
        self.weights.get(place).copied().unwrap_or_default()
    }

    /// The logit of so many n-grams with this sum of weights.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a text has fewer n-grams than a float has digits to show them"
    )]
    pub fn logit(&self, sum: i64, count: u32) -> f32 {
        self.bias + self.scale * sum as f32 / (count.max(1) as f32).sqrt()
    }
}

/// How evidence becomes a score.
#[derive(Debug, Clone)]
pub struct Head {
    /// A weight for each of [`NAMES`].
    weights: [f32; NAMES.len()],
    bias: f32,
    /// How steep the score is; it is 0.5 where the verdict becomes an attack.
    steepness: f32,
    /// The score from which a text is suspect.
    pub suspect: f32,
}

/// The score from which a text is an attack, by the making of heads.
pub const ATTACK: f32 = 0.5;

impl Head {
    /// The score, 0 to 1.
    #[must_use]
    pub fn score(&self, evidence: &[f32; NAMES.len()]) -> f32 {
        let logit: f32 = self.weights.iter().zip(evidence).map(|(weight, value)| weight * value).sum();
        // A score of exactly 1 would make the worst texts equal.
        let logit = (self.steepness * (logit + self.bias)).clamp(-15.0, 15.0);
        1.0 / (1.0 + (-logit).exp())
    }
}

/// What one channel has learned.
#[derive(Debug, Clone)]
pub struct Learned {
    /// Weights of n-grams.
    pub table: Table,
    /// Weights of evidence.
    pub head: Head,
}

/// All that was learned.
#[derive(Debug, Clone)]
pub struct Model {
    user: Learned,
    document: Learned,
}

/// Why bytes are no model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The table of weights has another size.
    #[error("a table has `{0}` weights, not `{PLACES}`")]
    Places(usize),
    /// The heads are not what was expected.
    #[error("heads cannot be read: {0}")]
    Heads(#[from] serde_json::Error),
    /// A head has another list of evidence.
    #[error("heads weigh other evidence than there is: `{0}`")]
    Evidence(String),
}

/// `heads.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heads {
    user: HeadFile,
    document: HeadFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadFile {
    ngrams_scale: f32,
    ngrams_bias: f32,
    weights: std::collections::BTreeMap<String, f32>,
    bias: f32,
    steepness: f32,
    suspect: f32,
}

impl Model {
    /// Reads a model: a table of weights for texts of users, one for documents and tools, and the heads of both.
    ///
    /// # Errors
    ///
    /// Where a table has not one weight for each place, or heads do not weigh exactly the evidence that there is.
    pub fn read(user: &[u8], document: &[u8], heads: &str) -> Result<Self, ModelError> {
        let heads: Heads = serde_json::from_str(heads)?;
        Ok(Self { user: learned(user, &heads.user)?, document: learned(document, &heads.document)? })
    }

    /// What counts for a channel.
    #[must_use]
    pub fn of(&self, channel: Channel) -> &Learned {
        match channel {
            Channel::User => &self.user,
            Channel::Document | Channel::Tool => &self.document,
        }
    }
}

fn learned(table: &[u8], head: &HeadFile) -> Result<Learned, ModelError> {
    if table.len() != PLACES {
        return Err(ModelError::Places(table.len()));
    }
    if let Some(unknown) = head.weights.keys().find(|name| !NAMES.contains(&name.as_str())) {
        return Err(ModelError::Evidence(unknown.clone()));
    }
    let mut weights = [0.0; NAMES.len()];
    for (weight, name) in weights.iter_mut().zip(NAMES) {
        *weight = *head.weights.get(name).ok_or_else(|| ModelError::Evidence(name.to_owned()))?;
    }
    Ok(Learned {
        table: Table {
            weights: table.iter().map(|byte| byte.cast_signed()).collect(),
            scale: head.ngrams_scale,
            bias: head.ngrams_bias,
        },
        head: Head { weights, bias: head.bias, steepness: head.steepness, suspect: head.suspect },
    })
}
