//! What may be used, and what it costs.

use std::collections::BTreeMap;

use mantlet_types::entry::Token;
use serde::{Deserialize, Serialize};

/// Tokens of a prompt and of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of the prompt.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
}

impl Tokens {
    /// Both together.
    #[must_use]
    pub const fn sum(self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// These and others.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
        }
    }
}

/// Tokens that prices are of.
const PRICED: u128 = 1_000_000;

/// What a million tokens cost, in millionths of the currency that the operator thinks in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// A million tokens of prompts.
    pub input: u64,
    /// A million tokens of answers.
    pub output: u64,
}

impl Price {
    /// What so many tokens cost, in millionths, rounded up.
    #[must_use]
    pub fn of(self, tokens: Tokens) -> u64 {
        let part = |price: u64, count: u64| u128::from(price) * u128::from(count);
        let cost = part(self.input, tokens.input).saturating_add(part(self.output, tokens.output));
        u64::try_from(cost.div_ceil(PRICED)).unwrap_or(u64::MAX)
    }

    /// How long an answer to a prompt of so many tokens may be that costs no more than this with it.
    pub(super) fn output_within(self, cost: u64, input: u64) -> u64 {
        let left = (u128::from(cost) * PRICED).saturating_sub(u128::from(self.input) * u128::from(input));
        left.checked_div(self.output.into())
            .map_or(u64::MAX, |tokens| u64::try_from(tokens).unwrap_or(u64::MAX))
    }
}

/// The most that may be used; what is not said is not bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Prompts in any 60 seconds.
    pub requests_per_minute: Option<u64>,
    /// Prompts under way at a time.
    pub concurrent: Option<u64>,
    /// Tokens, both ways, in any 60 seconds.
    pub tokens_per_minute: Option<u64>,
    /// Tokens, both ways, of one day in UTC.
    pub tokens_per_day: Option<u64>,
    /// Cost of one day in UTC, in millionths of the currency.
    pub cost_per_day: Option<u64>,
}

/// What an application may use on all routes together, as it is granted. A grant can only make less of what routes allow:
/// every budget has to have room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Tokens, both ways, in any 60 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Tokens, both ways, of one day in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    /// Cost of one day in UTC, in millionths of the currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_per_day_micros: Option<u64>,
}

impl Budget {
    /// The most that a bound can be: what the headers can say (RFC 9651, section 3.3.1).
    pub const MOST: u64 = 999_999_999_999_999;

    /// Whether nothing is bounded.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Whether each bound is one that can be kept and told.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let bounds = [self.tokens_per_minute, self.tokens_per_day, self.cost_per_day_micros];
        bounds.into_iter().flatten().all(|bound| (1..=Self::MOST).contains(&bound))
    }

    /// This budget with the bounds that another states in the place of its own.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            tokens_per_minute: other.tokens_per_minute.or(self.tokens_per_minute),
            tokens_per_day: other.tokens_per_day.or(self.tokens_per_day),
            cost_per_day_micros: other.cost_per_day_micros.or(self.cost_per_day_micros),
        }
    }

    /// The same as an allowance.
    #[must_use]
    pub fn allowance(self) -> Allowance {
        let Self { tokens_per_minute, tokens_per_day, cost_per_day_micros } = self;
        Allowance {
            tokens_per_minute,
            tokens_per_day,
            cost_per_day: cost_per_day_micros,
            ..Allowance::default()
        }
    }
}

/// What may be used on a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteLimits {
    /// By each caller.
    pub each: Allowance,
    /// By all together.
    pub total: Allowance,
    /// What its models cost; a model without a price fits into no budget of cost.
    pub prices: BTreeMap<Token, Price>,
    /// Tokens that are reserved for an answer whose caller does not say how long it may be.
    pub answer_tokens: u64,
}

impl RouteLimits {
    /// As long as answers of most models are unless they are asked for more.
    pub const ANSWER_TOKENS: u64 = 4_096;
}

impl Default for RouteLimits {
    fn default() -> Self {
        Self {
            each: Allowance::default(),
            total: Allowance::default(),
            prices: BTreeMap::new(),
            answer_tokens: Self::ANSWER_TOKENS,
        }
    }
}
