//! The one table of what can go wrong on the wire.
//!
//! A caller learns a code, a sentence that is safe for anybody, at most the name of a field that it sent itself,
//! and the request id. The cause stays inside: it goes to the log and, as a code, to the audit entry.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

/// Who has to act for the request to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The caller: the same request will be rejected again.
    Caller,
    /// The caller, by waiting.
    Pace,
    /// The operator of this server.
    Server,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $http:literal, $grpc:literal, $blame:ident, $sentence:literal;)*) => {
        /// What went wrong, as callers may know it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable name: `code` in bodies, `error_code` in audit entries.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $name,)* } }

            /// The HTTP status.
            #[must_use]
            pub const fn http(self) -> u16 { match self { $(Self::$variant => $http,)* } }

            /// The gRPC status.
            #[must_use]
            pub const fn grpc(self) -> i32 { match self { $(Self::$variant => $grpc,)* } }

            /// Who has to act.
            #[must_use]
            pub const fn blame(self) -> Blame { match self { $(Self::$variant => Blame::$blame,)* } }

            /// What anybody may read.
            #[must_use]
            pub const fn sentence(self) -> &'static str { match self { $(Self::$variant => $sentence,)* } }
        }
    };
}

codes! {
    /// The request is not what the route takes.
    InvalidInput = "invalid_input", 400, 3, Caller, "invalid input format";
    /// An API key was sent where URLs are logged.
    KeyInUrl = "key_in_url", 400, 3, Caller, "an API key must not be sent in a URL; send it as `Authorization: Bearer`";
    /// The guard took the prompt for an attack.
    Blocked = "blocked", 400, 3, Caller, "the guard does not let this pass";
    /// The answer had something in it that must not leave.
    Withheld = "withheld", 400, 3, Caller, "the answer is withheld";
    /// An argument of an administrative request is wrong; the detail says which.
    InvalidArgument = "invalid_argument", 400, 3, Caller, "invalid argument";
    /// No credential, or one that does not hold; which of these is not said.
    Unauthenticated = "unauthenticated", 401, 16, Caller, "authentication required";
    /// The principal sees the resource, but may not do this to it.
    Forbidden = "forbidden", 403, 7, Caller, "action not permitted";
    /// The answer waits for a person; the request's id is what it is asked for by.
    Held = "held_for_review", 403, 7, Caller, "the answer waits for a person";
    /// No such thing, or none that this principal may know of.
    NotFound = "not_found", 404, 5, Caller, "not found";
    /// The route exists, the method does not.
    MethodNotAllowed = "method_not_allowed", 405, 12, Caller, "method not allowed";
    /// The body or headers did not arrive in time.
    RequestTimeout = "request_timeout", 408, 4, Caller, "request not received in time";
    /// The caller said how long it would wait, and that was not enough.
    DeadlineExceeded = "deadline_exceeded", 408, 4, Caller, "the request's own deadline has passed";
    /// Whoever asked waits no more; nobody is told.
    Cancelled = "cancelled", 408, 1, Caller, "nobody waits for the answer";
    /// The state of things does not allow this now.
    Conflict = "conflict", 409, 9, Caller, "conflict with the current state";
    /// The body, plain or decompressed, is over its bound.
    TooLarge = "too_large", 413, 3, Caller, "request too large";
    /// The content type or encoding is not taken here.
    UnsupportedMedia = "unsupported_media_type", 415, 12, Caller, "unsupported content type or encoding";
    /// The limit of this principal for this resource is used up.
    RateLimited = "rate_limited", 429, 8, Pace, "rate limit exceeded";
    /// The budget of this principal, or of all together, is spent for its time.
    BudgetSpent = "insufficient_quota", 429, 8, Pace, "the budget is used up";
    /// Headers over their bound.
    HeadersTooLarge = "headers_too_large", 431, 3, Caller, "request headers too large";
    /// The server cannot answer; whatever the cause.
    Unavailable = "unavailable", 503, 14, Server, "service temporarily unavailable";
    /// The audit log cannot take the entry, so nothing is answered.
    AuditUnavailable = "audit_unavailable", 503, 14, Server, "service temporarily unavailable";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request that is not answered, and why.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// What the caller is told.
    pub code: Code,
    /// The offending field, if the contract or the protocol names it: never a string that only the caller made up.
    pub field: Option<Arc<str>>,
    /// For authenticated administrators: what exactly, made of our own words and checked identifiers.
    pub detail: Option<Cow<'static, str>>,
    /// How the caller's limit stands, where a limit was asked.
    pub standing: Option<crate::quota::Standing>,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
    /// Inside only: for the log under the request id. It may name files and causes, never an input's value.
    pub cause: Option<Cow<'static, str>>,
}

impl Rejection {
    /// A rejection with nothing but its code.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self { code, field: None, detail: None, standing: None, retry_after: None, cause: None }
    }

    /// `invalid input format`, naming the field.
    #[must_use]
    pub fn invalid(field: impl Into<Arc<str>>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Code::InvalidInput) }
    }

    /// A wrong argument of an administrative request.
    #[must_use]
    pub fn argument(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(Code::InvalidArgument) }
    }

    /// 503, with the cause for the log.
    #[must_use]
    pub fn unavailable(cause: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unavailable).because(cause)
    }

    /// Adds what an authenticated administrator may read.
    #[must_use]
    pub fn detailed(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the internal cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Cow<'static, str>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds when to try again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl From<Code> for Rejection {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail.as_deref().unwrap_or(self.code.sentence()))?;
        if let Some(field) = &self.field {
            write!(f, ": `{field}`")?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}
