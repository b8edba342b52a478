//! How a limit stands, as the `RateLimit` headers tell it (draft-ietf-httpapi-ratelimit-headers).

/// One's own share of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Units per window.
    pub quota: u32,
    /// The window, in seconds.
    pub window_s: u32,
    /// Units left now.
    pub remaining: u32,
    /// Seconds until `remaining` is `quota` again.
    pub reset_s: u32,
}
