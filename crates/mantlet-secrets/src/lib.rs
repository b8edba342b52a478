//! Secrets by reference: where one is, never what it is.
//!
//! A configuration names a secret ([`SecretRef`]); [`Providers`] fetch it from where it is; [`Secrets`] keeps it for a while, so
//! that a request does not wait for a disk, and lets it go when it cannot be had any more. What is fetched is a
//! [`Secret`], which nothing shows by accident. Nothing here says a value, and no error repeats one.

mod cache;
mod provider;
mod reference;

pub use mantlet_types::Secret;

pub use self::{
    cache::{Keeping, Secrets},
    provider::{Fault, Fetching, Kept, Provider, Providers, SecretError},
    reference::{NoReference, SecretRef},
};
