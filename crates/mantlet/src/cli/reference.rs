//! What describes the command line itself: version, completions, manual pages.

use std::{fs, io, path::Path};

use clap::CommandFactory;
use serde_json::json;

use super::{args::Cli, exit::Failure, print};

/// `mantlet version`.
pub fn version(as_json: bool) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if !as_json {
        return print::line(format!("mantlet {version}"));
    }
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    print::json(&json!({
        "version": version,
        "build": { "profile": profile, "target": std::env::consts::ARCH, "os": std::env::consts::OS },
        "data": { "scanner_names": mantlet_scan::allow_list_origin().0 },
        "formats": {
            "audit_entry": "mantlet.audit/1", "home": "mantlet-home/1", "package": "mantlet.package/1",
            "scanner": mantlet_scan::SCANNER_VERSION, "log": "c2sp.org/tlog-tiles", "signature": "OpenSSF Model Signing 1.0",
        },
    }))
}

/// `mantlet completions`.
pub fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mantlet", &mut script);
    print::line(String::from_utf8_lossy(&script).trim_end())
}

/// `mantlet man`.
pub fn man(out: Option<&Path>) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new(format!("cannot write the manual: {error}"));
    match out {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(failed)?;
            print::line(String::from_utf8_lossy(&page).trim_end())
        }
        Some(dir) => {
            fs::create_dir_all(dir).map_err(failed)?;
            clap_mangen::generate_to(Cli::command(), dir).map_err(failed)?;
            print::line(format!("wrote manual pages to {}", dir.display()))
        }
    }
}
