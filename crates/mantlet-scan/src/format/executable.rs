//! Native code and bytecode: a model's folder has none.

use crate::{
    Input, Rule,
    scan::{Scan, Stop},
};

/// Native code.
pub(crate) static EXECUTABLE: Rule = Rule {
    id: "executable/code",
    class: "executable",
    demands: "a model's folder has no native code, libraries or bytecode",
};

/// What content is, by its signature.
fn kind(head: &[u8]) -> Option<&'static str> {
    let magic = head.get(..4)?;
    let word = u32::from_be_bytes(magic.try_into().ok()?);
    let portable = || {
        let at = head.get(0x3c..0x40).and_then(|at| at.try_into().ok()).map(u32::from_le_bytes)?;
        let at = usize::try_from(at).ok()?;
        head.get(at..at + 4).filter(|magic| *magic == b"PE\0\0")
    };
    // Python marks bytecode with a number that grows, and a line end that text transfers would spoil.
    let bytecode = head.get(2..4) == Some(b"\r\n")
        && head.len() >= 16
        && head.get(1).is_some_and(|high| matches!(high, 0x0a..=0x0f | 0xf2..=0xf4));
    match word {
        0x7f45_4c46 => Some("an ELF file"),
        0xfeed_face | 0xfeed_facf | 0xcefa_edfe | 0xcffa_edfe => Some("a Mach-O file"),
        0xcafe_babe | 0xbeba_feca | 0xcafe_babf => Some("a Java class or a universal Mach-O file"),
        0x0061_736d => Some("a WebAssembly module"),
        0x6465_780a => Some("an Android executable"),
        0x2143_3c61 => Some("an archive of objects"),
        _ if head.starts_with(b"!<arch>\n") => Some("an archive of objects"),
        _ if head.starts_with(b"BC\xc0\xde") => Some("LLVM bitcode"),
        _ if head.starts_with(b"\x1bLua") || head.starts_with(b"\x1bLJ") => Some("Lua bytecode"),
        _ if head.starts_with(b"#!") && head.get(2).is_some_and(|next| *next == b'/' || *next == b' ') => {
            Some("a script")
        }
        _ if head.starts_with(b"MZ") && (portable().is_some() || head.len() >= 64) => {
            Some("a Windows program")
        }
        _ if bytecode => Some("Python bytecode"),
        _ => None,
    }
}

/// Ends of names by which importers and shells choose what to run.
const RUN_BY_NAME: [&str; 14] =
    ["py", "pyc", "pyo", "pyw", "pyd", "pth", "sh", "so", "dll", "dylib", "bat", "cmd", "ps1", "exe"];

/// Whether a file of this name is run whatever it holds. Libraries carry their version behind the end: `libm.so.6`.
pub(crate) fn is_run_by_name(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    // Windows leaves dots and spaces at the end out.
    let name = name.trim_end_matches(['.', ' ']);
    let versioned = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let end = |name: &str| name.rsplit_once('.').map(|(_, end)| end.to_owned());
    end(name).is_some_and(|end| RUN_BY_NAME.contains(&end.as_str()))
        || end(versioned).as_deref() == Some("so")
}

/// Whether content has the signature of code.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    Ok(kind(&input.head(1 << 10)?).is_some())
}

/// Refuses it.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    if let Some(kind) = kind(&input.head(1 << 10)?) {
        scan.find(&EXECUTABLE, 0, format!("the file is {kind}"));
    }
    Ok(())
}
