//! How a limit stands, as the `RateLimit` headers tell it (draft-ietf-httpapi-ratelimit-headers).

/// What a limit counts: the name of its policy in the headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metered {
    /// Questions to a model, and prompts on a route.
    #[default]
    Predictions,
    /// Prompts on a route in a minute, where the route says how many.
    Requests,
    /// Prompts under way at a time.
    Concurrent,
    /// Tokens in a minute.
    TokensPerMinute,
    /// Tokens in a day.
    TokensPerDay,
    /// Cost in a day, in millionths of the currency.
    CostPerDay,
}

impl Metered {
    /// The policy's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Predictions => "predictions",
            Self::Requests => "requests_per_minute",
            Self::Concurrent => "concurrent",
            Self::TokensPerMinute => "tokens_per_minute",
            Self::TokensPerDay => "tokens_per_day",
            Self::CostPerDay => "cost_per_day",
        }
    }
}

/// One's own share of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What is counted.
    pub of: Metered,
    /// Units per window.
    pub quota: u64,
    /// The window, in seconds.
    pub window_s: u32,
    /// Units left now.
    pub remaining: u64,
    /// Seconds until `remaining` is `quota` again.
    pub reset_s: u32,
}
