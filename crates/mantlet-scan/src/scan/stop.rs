//! Why a reader ends before its content does.

use std::io;

/// Why reading some content ended before its end. [`Scan::content`] turns each into a finding of the format that was being read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The content ends before what it announces.
    #[error("the content ends early")]
    Cut {
        /// Where more was expected.
        offset: u64,
    },
    /// The content breaks its format's rules.
    #[error("{why}")]
    Malformed {
        /// Where.
        offset: u64,
        /// How.
        why: String,
    },
    /// A bound of [`Limits`] was met.
    #[error("over the bound of {0}")]
    Over(&'static str),
    /// The disk said no.
    #[error("the file cannot be read: {0}")]
    Io(io::Error),
}

impl Stop {
    /// A breach of the format's rules at `offset`.
    pub(crate) fn malformed(offset: u64, why: impl Into<String>) -> Self {
        Self::Malformed { offset, why: why.into() }
    }
}
