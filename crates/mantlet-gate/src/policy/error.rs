//! Why a policy set is not taken: which policy, where, and by which rule.

use mantlet_types::Action;

use super::custom::Place;

/// Why a policy set is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The schema does not hold together.
    #[error("the policy schema is not valid: {0}")]
    Schema(String),
    /// The text is not Cedar.
    #[error("the policies cannot be read{}: {reason}", at(*place))]
    Syntax {
        /// Where.
        place: Option<Place>,
        /// What the parser says.
        reason: String,
    },
    /// Decisions name the policies behind them, so each needs a name that an audit entry can carry.
    #[error("the policy at place {place} needs an annotation `@id(\"…\")` of letters, digits, `_` and `-`")]
    Unnamed {
        /// Counted from 1 in the text.
        place: usize,
    },
    /// Names of policies say whose they are.
    #[error("policy id `{0}` is reserved: ids of custom policies begin with `X_`")]
    Reserved(String),
    /// Two policies have this name; a custom one cannot take the place of another.
    #[error("policy id `{0}` is taken")]
    Duplicate(String),
    /// A template decides nothing until somebody links it, and nobody does.
    #[error("policy templates are not supported")]
    Template,
    /// The policy does not fit the schema strictly, or looks further than level 1.
    #[error("policy `{policy}` is not valid{}: {reason}", at(*place))]
    Invalid {
        /// Its id.
        policy: String,
        /// Where.
        place: Option<Place>,
        /// What the validator says.
        reason: String,
    },
    /// A set that is too long.
    #[error("a set of policies has at most {bytes_max} bytes")]
    TooLong {
        /// The bound.
        bytes_max: usize,
    },
    /// A set with no policy or too many.
    #[error("a set has 1 to {policies_max} policies")]
    Count {
        /// The bound.
        policies_max: usize,
    },
    /// More sets than a home takes.
    #[error("a home has at most {sets_max} sets of policies")]
    Sets {
        /// The bound.
        sets_max: usize,
    },
    /// A policy that is too deep to be evaluated safely.
    #[error(
        "the policy is too large at {place}: it may have {signs_max} operators, brackets and steps, and nest {depth_max} deep"
    )]
    Nested {
        /// Where.
        place: Place,
        /// The bound of its length.
        signs_max: usize,
        /// The bound of its depth.
        depth_max: usize,
    },
    /// A character that may look like another.
    #[error("only printable ASCII may stand in policies, also in comments: {place}")]
    Foreign {
        /// Where.
        place: Place,
    },
    /// Arithmetic, by which a policy could err.
    #[error("a custom policy has no arithmetic, which could fail and so deny everything: {place}")]
    Arithmetic {
        /// Where.
        place: Place,
    },
    /// A permit of what only the embedded policies give.
    #[error(
        "policy `{policy}` would permit `{action}`, which only the embedded policies give ({keeps}); a custom permit \
         names `predict`, `explain`, `evaluate`, `inspect_features` or `monitor`, by `==` or in `[…]`"
    )]
    Permits {
        /// Its id.
        policy: String,
        /// The first such action.
        action: Action,
        /// The invariants that rest on this.
        keeps: &'static str,
    },
    /// A forbid that is never asked.
    #[error(
        "policy `{policy}` speaks only of how policies are changed or the log is read, of which no custom policy is asked"
    )]
    Pointless {
        /// Its id.
        policy: String,
    },
}

fn at(place: Option<Place>) -> String {
    place.map(|place| format!(" at {place}")).unwrap_or_default()
}
