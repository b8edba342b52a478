//! From registered to retired: what is known of a version, what it must be to go live, and what it is called.
//!
//! ```text
//! registered → scanned → signed → evaluated → requested → approved → live → retired
//! ```
//!
//! [`crate::deployments`] has the steps that change what is live. Here is what surrounds them: the [`facts`] that were
//! recorded of a version and who took which step, each with the audit entry that says so; the [`conditions`] that the
//! operator has set for going live; [`alias`]es, which are names and give no right; and [`retire`], after which a version
//! answers nobody.

pub mod alias;
pub mod attach;
pub mod conditions;
pub mod facts;
pub mod retire;

#[cfg(test)]
mod tests;
