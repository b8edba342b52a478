//! The name of an answer that waits for a person.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{RequestId, id::IdError};

/// One held row, as a [ULID](https://github.com/ulid/spec) of its own: it tells when the row was held, and neither
/// whose request it is of nor how many others there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReviewId(RequestId);

impl ReviewId {
    /// From a fresh ULID, which nothing else has.
    #[must_use]
    pub const fn new(fresh: RequestId) -> Self {
        Self(fresh)
    }
}

impl FromStr for ReviewId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad =
            IdError { noun: "held item", form: "has 26 digits and capitals, as `review list` shows it" };
        text.parse().map(Self).map_err(|_| bad)
    }
}

impl fmt::Display for ReviewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
