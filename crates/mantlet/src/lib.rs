//! One binary: a mediated model server and the workbench around it. Wiring and faces, no decisions.
//!
//! It is a library only so that fuzz targets and benches can reach its parsers; nothing here is an interface for
//! other programs.

pub mod assemble;
pub mod bucket;
pub mod cli;
pub mod config;
pub mod confine;
pub mod deeds;
pub mod demo;
pub mod egress;
pub mod faults;
pub mod home;
pub mod import;
pub mod issuers;
pub mod kms;
pub mod ledger;
pub mod llm;
pub mod logging;
pub mod registrar;
pub mod server;
pub mod sigv4;
pub mod upstream;
