//! Permissions: policies read, requests evaluated, questions about all requests decided.

pub mod check;
pub mod closure;
pub mod condition;
pub mod data;
pub mod decide;
pub mod evaluate;
pub mod files;
pub mod lines;
pub mod pattern;
pub mod policy;
pub mod prove;
pub mod request;
pub mod values;
