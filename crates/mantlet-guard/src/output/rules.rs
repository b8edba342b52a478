//! What a route checks in the answers of its models.

use super::{leak::Secrets, redact::Kinds};

/// What is checked in an answer and taken out of it. [`Rules::new`] checks nothing; every check is added by name.
#[derive(Debug, Clone)]
pub struct Rules {
    pub(crate) kinds: Kinds,
    pub(crate) secrets: Secrets,
}

impl Default for Rules {
    fn default() -> Self {
        Self::new()
    }
}

impl Rules {
    /// Rules that let everything through.
    #[must_use]
    pub fn new() -> Self {
        Self { kinds: Kinds::NONE, secrets: Secrets::default() }
    }

    /// Replaces personal data and secrets of these kinds by labels.
    #[must_use]
    pub fn redact(mut self, kinds: Kinds) -> Self {
        self.kinds = kinds;
        self
    }

    /// Stops an answer that says this canary, in any case, spacing or encoding that [`Secrets`] knows.
    ///
    /// # Errors
    /// If the canary has too few letters and digits to be told from other text, or too many.
    pub fn canary(mut self, canary: &str) -> Result<Self, BadRule> {
        self.secrets.add_canary(canary)?;
        Ok(self)
    }

    /// Stops an answer that repeats this system prompt, as a whole or a good piece of it. A prompt that is too short
    /// to be told from ordinary talk is not looked for.
    #[must_use]
    pub fn prompt(mut self, prompt: &str) -> Self {
        self.secrets.add_prompt(prompt);
        self
    }
}

/// A rule that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    /// A canary is too short or too long.
    #[error("a canary must have 12 to 128 letters and digits")]
    Canary,
}
