//! Giving up what the serving process does not need, before it has any thread: from then on the kernel refuses it to
//! every thread, whatever code runs there, and nothing gives it back.
//!
//! Landlock (`landlock(7)`) takes the right to write anything but the log, the databases, `run/` and `data/`, to start
//! programs, and to read `keys/` and the root key. Landlock knows no "all but": what may be read is listed as everything
//! beside the way to what may not, as it is at start. It does not see changes of mode, owner and attributes, so a filter
//! of system calls (`seccomp(2)`) refuses those.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus,
};

use crate::{config::Config, home::Home};

/// What a kernel must know at least: truncating is a write like others from Linux 6.2 on.
const NEEDED: ABI = ABI::V3;

/// Why the process has what it had.
#[derive(Debug, thiserror::Error)]
pub enum Unconfined {
    /// The kernel has no Landlock, or an old one.
    #[error("the kernel has no Landlock of version 3 (Linux 6.2) or later, or it is switched off")]
    Kernel,
    /// Writing an anchor means writing beside the home.
    #[error("the anchor `{}` lies in a directory around the home", .0.display())]
    Anchor(PathBuf),
    /// Rules cannot be made.
    #[error("{0}")]
    Rules(String),
}

impl Unconfined {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Anchor(_) => Some("keep anchors in a directory of their own"),
            Self::Kernel | Self::Rules(_) => None,
        }
    }
}

impl From<RulesetError> for Unconfined {
    fn from(error: RulesetError) -> Self {
        Self::Rules(error.to_string())
    }
}

impl From<io::Error> for Unconfined {
    fn from(error: io::Error) -> Self {
        Self::Rules(error.to_string())
    }
}

/// Confines the calling thread, which must be the only one, to what serving needs.
///
/// # Errors
/// If the kernel cannot, or the configuration needs what would be given up. Then nothing was given up.
pub fn server(home: &Home, config: &Config) -> Result<(), Unconfined> {
    let mut rules = begin(AccessFs::ReadFile | AccessFs::Execute)?;
    // Links, pipes and devices are nothing that serving makes, and processes that are not confined might follow them.
    let odd = AccessFs::MakeSym | AccessFs::MakeFifo | AccessFs::MakeChar | AccessFs::MakeBlock;
    let everything = (AccessFs::from_write(NEEDED) & !odd) | AccessFs::ReadFile;
    for dir in home.written_dirs() {
        rules = allow(rules, &dir, everything)?;
    }
    for anchor in &config.audit.anchors {
        let dir = fs::canonicalize(anchor.parent().unwrap_or(Path::new("/")))?;
        if home.dir().starts_with(&dir) {
            return Err(Unconfined::Anchor(anchor.clone()));
        }
        rules = allow(rules, &dir, everything)?;
    }
    let in_place = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::ReadFile;
    for file in home.databases()? {
        rules = allow(rules, &file, in_place)?;
    }
    rules = allow(rules, Path::new("/dev/null"), in_place)?;
    let mut hidden = vec![home.keys_dir()];
    for path in config.store.root_key.places() {
        hidden.extend(fs::canonicalize(path));
    }
    for file in home.read_keys() {
        rules = allow(rules, &file, AccessFs::ReadFile.into())?;
    }
    rules = allow_reading(rules, Path::new("/"), &hidden)?;
    // Made before anything is given up: what cannot be made leaves everything as it was.
    let calls = refused_calls()?;
    enforce(rules)?;
    match seccompiler::apply_filter(&calls) {
        Err(error) if !config.server.strict => {
            tracing::warn!(%error, "confined, but not from changing modes, owners and attributes");
            Ok(())
        }
        applied => applied.map_err(|error| Unconfined::Rules(error.to_string())),
    }
}

/// Confines the registrar, likewise, to the registry and the keys' directory.
///
/// # Errors
/// As for the server.
pub fn registrar(home: &Home) -> Result<(), Unconfined> {
    let mut rules = begin(AccessFs::Execute.into())?;
    for dir in [home.registry_dir(), home.keys_dir()] {
        rules = allow(rules, &dir, AccessFs::from_write(NEEDED))?;
    }
    enforce(rules)
}

/// Rules that handle all writing and this besides, and allow nothing yet.
fn begin(besides: BitFlags<AccessFs>) -> Result<RulesetCreated, Unconfined> {
    if !is_known() {
        return Err(Unconfined::Kernel);
    }
    Ok(Ruleset::default().handle_access(AccessFs::from_write(NEEDED) | besides)?.create()?)
}

/// Whether the kernel knows what is needed.
fn is_known() -> bool {
    use landlock::{CompatLevel, Compatible};
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    rules.handle_access(AccessFs::from_all(NEEDED)).is_ok_and(|rules| rules.create().is_ok())
}

/// Allows this on a file or below a directory, if it is there.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, Unconfined> {
    match PathFd::new(path) {
        Ok(place) => Ok(rules.add_rule(PathBeneath::new(place, access))?),
        // What is not there, or has gone since, needs no rule.
        Err(_) => Ok(rules),
    }
}

/// Allows to read everything below a directory but what is hidden.
fn allow_reading(
    mut rules: RulesetCreated,
    dir: &Path,
    hidden: &[PathBuf],
) -> Result<RulesetCreated, Unconfined> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        // What cannot be listed is passed through, to what lies on the way.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let next = |hidden: &PathBuf| Some(dir.join(hidden.strip_prefix(dir).ok()?.components().next()?));
            let ways: BTreeSet<PathBuf> = hidden.iter().filter_map(next).collect();
            for way in ways.into_iter().filter(|way| !hidden.contains(way)) {
                rules = allow_reading(rules, &way, hidden)?;
            }
            return Ok(rules);
        }
        Err(error) => return Err(Unconfined::Rules(format!("`{}`: {error}", dir.display()))),
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        // A link is no place of its own: what it leads to has its own rule, or is hidden.
        if hidden.contains(&path) || entry.file_type()?.is_symlink() {
            continue;
        }
        rules = if hidden.iter().any(|hidden| hidden.starts_with(&path)) {
            allow_reading(rules, &path, hidden)?
        } else {
            allow(rules, &path, AccessFs::ReadFile.into())?
        };
    }
    Ok(rules)
}

fn enforce(rules: RulesetCreated) -> Result<(), Unconfined> {
    match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced => Err(Unconfined::Kernel),
    }
}

/// A filter that refuses what Landlock does not see: changes of mode, owner, times and attributes; rings, by which the same
/// could be asked for; and programs from memory.
fn refused_calls() -> Result<seccompiler::BpfProgram, Unconfined> {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
    let failed = |error: &dyn std::fmt::Display| Unconfined::Rules(error.to_string());
    let refused = [
        libc::SYS_fchmod,
        libc::SYS_fchmodat,
        libc::SYS_fchmodat2,
        libc::SYS_fchown,
        libc::SYS_fchownat,
        libc::SYS_setxattr,
        libc::SYS_lsetxattr,
        libc::SYS_fsetxattr,
        libc::SYS_removexattr,
        libc::SYS_lremovexattr,
        libc::SYS_fremovexattr,
        libc::SYS_io_uring_setup,
        libc::SYS_utimensat,
        libc::SYS_execve,
        libc::SYS_execveat,
        SYS_SETXATTRAT,
        SYS_REMOVEXATTRAT,
        SYS_FILE_SETATTR,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_chmod,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_chown,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_lchown,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_utime,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_utimes,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_futimesat,
    ];
    // The same calls by the numbers of the x32 ABI, which some kernels of x86-64 take as well.
    let aliased = refused.into_iter().map(|call| call | X32).filter(|_| cfg!(target_arch = "x86_64"));
    let rules = refused.into_iter().chain(aliased).map(|call| (call, Vec::new())).collect();
    let refusal = SeccompAction::Errno(libc::EACCES.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().map_err(|error| failed(&error))?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, arch);
    let program = BpfProgram::try_from(filter.map_err(|error| failed(&error))?);
    program.map_err(|error| failed(&error))
}

/// `setxattrat(2)` and `removexattrat(2)`, of Linux 6.13; the same on every architecture.
const SYS_SETXATTRAT: libc::c_long = 463;
const SYS_REMOVEXATTRAT: libc::c_long = 466;

/// `file_setattr(2)`, of Linux 6.17.
const SYS_FILE_SETATTR: libc::c_long = 469;

/// What marks a call of the x32 ABI.
const X32: libc::c_long = 0x4000_0000;
