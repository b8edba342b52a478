//! Judges model files by their content, without loading, extracting or executing anything of them.
//!
//! A file is *safe* only if every part of it was recognized and holds nothing but what its format needs to carry data;
//! the rules are allow lists of what a format may contain, never lists of known attacks. Whatever is malformed, cut,
//! over a bound or able to run code is *unsafe*; whatever no reader here recognizes is *unknown*. Neither is served.
//!
//! This crate opens the files it is told to scan and nothing else. It knows no package, no registry and no gate.

mod container;
mod cursor;
mod format;
mod identify;
mod input;
mod limits;
mod numpy;
mod pickle;
mod report;
mod scan;
mod source;
mod text;
mod tree;
mod version;

use input::Input;
pub use limits::Limits;
pub use pickle::origin as allow_list_origin;
pub use report::{Finding, Format, Report, Rule, Verdict};
pub use scan::scan_bytes;
pub use source::{Beside, Folder};
pub use tree::{scan_files, scan_path};

pub use version::SCANNER_VERSION;
