//! The seam to a database: tables of rows, read whole and written all or nothing.
//!
//! A backend knows neither what a record means nor how it is sealed.

use std::fmt;

use crate::StoreError;

/// The tables. All have the same three columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// What is true of the store as a whole.
    Meta,
    /// Secrets that turn an API key's secret into what is kept of it.
    Peppers,
    /// Projects.
    Projects,
    /// People.
    Users,
    /// Applications.
    Consumers,
    /// API keys.
    Keys,
    /// Models with their versions.
    Models,
    /// Grants that wait for a second person.
    Grants,
    /// Changes that wait for a second person.
    Proposals,
    /// Custom policies in force.
    Policies,
    /// Signed approvals, also those that have been used.
    Approvals,
    /// Keys that sign URLs, as far as anything was done about them.
    UrlKeys,
    /// Signed URLs for one use that were used.
    UrlUses,
    /// Secrets of other people's services.
    Secrets,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 14] = [
        Self::Meta,
        Self::Peppers,
        Self::Projects,
        Self::Users,
        Self::Consumers,
        Self::Keys,
        Self::Models,
        Self::Grants,
        Self::Proposals,
        Self::Policies,
        Self::Approvals,
        Self::UrlKeys,
        Self::UrlUses,
        Self::Secrets,
    ];

    /// The table's name in the database, also part of what a row's tag authenticates.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Peppers => "peppers",
            Self::Projects => "projects",
            Self::Users => "users",
            Self::Consumers => "consumers",
            Self::Keys => "keys",
            Self::Models => "models",
            Self::Grants => "grants",
            Self::Proposals => "proposals",
            Self::Policies => "policies",
            Self::Approvals => "approvals",
            Self::UrlKeys => "url_keys",
            Self::UrlUses => "url_uses",
            Self::Secrets => "secrets",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One record as a database keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The record's name, unique in its table.
    pub id: String,
    /// The record as JSON, without its secret.
    pub body: String,
    /// Nonce, encrypted secret (often empty) and tag.
    pub sealed: Vec<u8>,
}

/// One change to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// The row is as stated, whether it was there or not.
    Put(Table, Row),
    /// The row is gone, whether it was there or not.
    Remove(Table, String),
}

/// A database.
pub trait Rows: Send + Sync {
    /// All rows of a table, in no order.
    ///
    /// # Errors
    /// If the database fails or is damaged.
    fn read(&self, table: Table) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// Makes all changes durable, in order, or none of them. When it returns, a power loss does not undo them.
    ///
    /// # Errors
    /// If the database did not take them; then it took none.
    fn write(&self, writes: &[Write]) -> impl Future<Output = Result<(), StoreError>> + Send;
}
