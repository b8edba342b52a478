//! What must survive a restart: people, keys, bindings, models and the peppers of API keys.
//!
//! Layers, each ignorant of the next: [`records`] turn changes into rows, [`seal`] makes a row's secret unreadable and the
//! row unforgeable without the root key, the [`tally`] shows that none is missing or old, and a [`Rows`] backend keeps
//! rows in tables, all or nothing. SQLite is the embedded backend; another database needs only another [`Rows`], and the same suite of
//! tests runs over it. Nothing here decides anything: changes come from door 2, with its warrant.
//!
//! Held answers are kept apart from all that, in a file of their own: see [`ReviewStore`].

mod error;
mod records;
mod reviews;
mod rows;
mod seal;
mod sqlite;
mod store;
mod tally;

pub use error::StoreError;
pub use reviews::{ReviewKey, ReviewStore};
pub use rows::{Row, Rows, Table, Write};
pub use seal::StoreKey;
pub use sqlite::SqliteRows;
pub use store::{DirectoryStore, SqliteStore};

#[cfg(test)]
mod tests;
