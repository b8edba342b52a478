//! Containers: archives of members and compressed streams. Every member is judged as content of its own.

pub(crate) mod inflate;
pub(crate) mod member;
pub(crate) mod sevenz;
pub(crate) mod stream;
pub(crate) mod tar;
pub(crate) mod zip;
