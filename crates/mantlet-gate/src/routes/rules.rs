//! What is allowed on a route.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use mantlet_guard::{
    Channel,
    output::{self, BadRule, Html, Kind, Kinds},
};

use crate::budget::RouteLimits;

/// What a route's prompts and answers may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Options that callers may set, by their names in the protocol.
    pub options: BTreeSet<Box<str>>,
    /// Who writes the system prompt.
    pub system: System,
    /// What is done with what the guard finds.
    pub guard: Guard,
    /// Hosts whose URLs may stand in prompts, for the upstream to fetch.
    pub remote_hosts: BTreeSet<Box<str>>,
    /// Tools that the upstream may run by itself, by type.
    pub hosted_tools: BTreeSet<Box<str>>,
    /// What is checked in answers.
    pub output: Output,
    /// Longest body of a request, in bytes.
    pub request_bytes_max: usize,
    /// Most text of an answer, in bytes.
    pub answer_bytes_max: usize,
    /// Most turns of a conversation, or texts in one request.
    pub messages_max: usize,
    /// Most answers to one prompt.
    pub choices_max: u32,
    /// From the first piece of an answer to the last.
    pub stream_time_max: Duration,
    /// What may be used.
    pub limits: RouteLimits,
    /// When answers wait for a person.
    pub hold: HoldAnswers,
}

/// When answers wait for a person. Where any may, all come whole, whatever their callers have asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum HoldAnswers {
    /// Never.
    #[default]
    Never,
    /// Where the guard has found anything in the prompt, or something was taken out of the answer.
    Flagged,
    /// This share of all, 0 to 1; which these are depends on what is asked alone.
    Sampled(f64),
    /// Always.
    Always,
}

/// Who writes the system prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum System {
    /// The application behind the key.
    Caller,
    /// The configuration: this one, and callers bring none.
    Route(String),
}

/// What is done with findings, by channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// What users type.
    pub user: Mode,
    /// Retrieved texts.
    pub document: Mode,
    /// What tools answer, and what the caller says of its tools.
    pub tool: Mode,
}

impl Guard {
    /// The mode of a channel.
    #[must_use]
    pub const fn of(&self, channel: Channel) -> Mode {
        match channel {
            Channel::User => self.user,
            Channel::Document => self.document,
            Channel::Tool => self.tool,
        }
    }
}

/// What is done with a finding, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Nobody looks. A danger.
    Off,
    /// It is written down.
    Annotate,
    /// It is taken out.
    Sanitize,
    /// The prompt is rejected.
    Block,
}

impl Mode {
    /// Every choice, as written in the configuration.
    pub const WORDS: &[&str] = &["off", "annotate", "sanitize", "block"];

    /// As written in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Annotate => "annotate",
            Self::Sanitize => "sanitize",
            Self::Block => "block",
        }
    }

    /// What a word of the configuration means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Off, Self::Annotate, Self::Sanitize, Self::Block]
            .into_iter()
            .find(|mode| mode.as_str() == word)
    }
}

/// What is checked in answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Texts that must never leave.
    pub canaries: Vec<String>,
    /// Whether the system prompt must not leave.
    pub keep_system: bool,
    /// Hosts that links and images may lead to; `None` lets all pass.
    pub link_hosts: Option<BTreeSet<Box<str>>>,
    /// What is redacted, by the guard's names of kinds.
    pub redact: BTreeSet<Box<str>>,
    /// Whether markup is made harmless.
    pub html: bool,
}

/// The guard's rules for one answer.
#[derive(Clone, Debug)]
pub struct Checks {
    /// For what is said.
    pub text: Arc<output::Rules>,
    /// For arguments of calls: nobody shows them as markup.
    pub arguments: Arc<output::Rules>,
    /// Only what must not be said at all.
    pub leaks: Arc<output::Rules>,
}

/// A rule for answers that cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOutput {
    /// Of canaries or hosts.
    #[error(transparent)]
    Rule(#[from] BadRule),
    /// Nothing of this kind is redacted.
    #[error("nothing of this kind is redacted")]
    Kind,
}

impl Output {
    /// The rules for the answer to a prompt with this system prompt.
    ///
    /// # Errors
    /// If one cannot be kept; the configuration has been asked before.
    pub fn checks(&self, system: &str) -> Result<Checks, BadOutput> {
        let mut leaks = output::Rules::new();
        for canary in &self.canaries {
            leaks = leaks.canary(canary)?;
        }
        if self.keep_system {
            leaks = leaks.prompt(system);
        }
        let mut kinds = Kinds::NONE;
        for name in &self.redact {
            kinds = kinds.with(name.parse::<Kind>().map_err(|_| BadOutput::Kind)?);
        }
        let mut arguments = leaks.clone().redact(kinds);
        if let Some(hosts) = &self.link_hosts {
            arguments = arguments.links(hosts.iter().map(AsRef::as_ref))?;
        }
        let html = if self.html { Html::Clean } else { Html::Keep };
        let text = arguments.clone().html(html);
        Ok(Checks { text: Arc::new(text), arguments: Arc::new(arguments), leaks: Arc::new(leaks) })
    }
}
