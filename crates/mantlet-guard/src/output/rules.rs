//! What a route checks in the answers of its models.

use std::sync::Arc;

use super::{leak::Secrets, links::Links, pseudonym::Pseudonyms, redact::Kinds};

/// What is checked in an answer and taken out of it. [`Rules::new`] checks nothing; every check is added by name.
#[derive(Debug, Clone)]
pub struct Rules {
    pub(crate) kinds: Kinds,
    pub(crate) secrets: Secrets,
    pub(crate) links: Option<Links>,
    pub(crate) html: Html,
    pub(crate) pseudonyms: Option<Arc<Pseudonyms>>,
}

/// What becomes of markup in an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Html {
    /// It leaves as it came: the answer is never shown as markup.
    #[default]
    Keep,
    /// Formatting stays; scripts, frames, forms, comments and the like are removed with a note, attributes are cleaned,
    /// and what is no known tag is shown as text.
    Clean,
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
        Self {
            kinds: Kinds::NONE,
            secrets: Secrets::default(),
            links: None,
            html: Html::Keep,
            pseudonyms: None,
        }
    }

    /// Replaces personal data and secrets of these kinds by labels.
    #[must_use]
    pub fn redact(mut self, kinds: Kinds) -> Self {
        self.kinds = kinds;
        self
    }

    /// Removes links and images that lead elsewhere than to these hosts: `docs.example.org`, `*.example.org` for all
    /// below it, with `:port` where it is not the scheme's own. Without any host, all links are removed but relative ones.
    ///
    /// # Errors
    /// If a line is no host.
    pub fn links<'a>(mut self, hosts: impl IntoIterator<Item = &'a str>) -> Result<Self, BadRule> {
        self.links = Some(Links::new(hosts)?);
        Ok(self)
    }

    /// What becomes of markup.
    #[must_use]
    pub fn html(mut self, html: Html) -> Self {
        self.html = html;
        self
    }

    /// Turns the names of this conversation back into what they stand for.
    #[must_use]
    pub fn restore(mut self, pseudonyms: Arc<Pseudonyms>) -> Self {
        self.pseudonyms = Some(pseudonyms);
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
    /// A line of the list of hosts is no host.
    #[error("no host, such as `docs.example.org` or `*.example.org`")]
    Host,
}
