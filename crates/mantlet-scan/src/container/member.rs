//! Names of members: where an unpacker would put them.

use crate::{Rule, format::executable, scan::Scan};

/// Names stay below where an archive is unpacked.
pub(crate) static PATH: Rule = Rule {
    id: "archive/path",
    class: "archive-path",
    demands: "members of archives are named by plain relative paths, each once",
};

/// Members are files and folders.
pub(crate) static LINK: Rule = Rule {
    id: "archive/link",
    class: "archive-path",
    demands: "members of archives are files and folders, never links or devices",
};

/// Checks a member's name.
pub(crate) fn check(name: &str, offset: u64, scan: &mut Scan<'_>) {
    let parts = name.strip_suffix('/').unwrap_or(name).split('/');
    if !name.ends_with('/') && executable::is_run_by_name(name) {
        let why = format!("importers and shells run files that are named like `{name}`");
        scan.find(&executable::EXECUTABLE, offset, why);
    }
    // Windows takes `\` for a separator, `C:` for a drive, and `name:stream` for a stream of a file.
    let odd = name.is_empty() || name.contains(['\\', ':', '\u{fffd}']) || name.chars().any(char::is_control);
    let mut parts = parts.skip_while(|part| *part == ".").peekable();
    if odd || parts.any(|part| matches!(part, "" | "." | "..")) {
        scan.find(
            &PATH,
            offset,
            format!("a member is named `{name}`, which leads elsewhere or means several things"),
        );
    }
}
