//! Walking a directory that somebody else may be changing: every component is opened relative to its parent with
//! `O_NOFOLLOW`, so no symbolic link is ever followed below the directory that was named, and the file that is
//! looked at is the file that is read. Knows nothing of what the files mean.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, open, openat, statat},
    io::Errno,
    process::geteuid,
};

/// Deepest nesting of folders. Exported models have two or three levels; each takes an open descriptor.
const DEPTH_MAX: usize = 64;

/// Most entries in one tree, folders included.
const ENTRIES_MAX: usize = 100_000;

/// Longest name of a file relative to the tree's root, in bytes: the limit of Linux for a path.
const NAME_BYTES_MAX: usize = 4_096;

/// Why a directory could not be walked, or was refused while walking.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The operating system said no.
    #[error("`{}` cannot be read: {cause}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A symbolic link: what it points to could change between check and use.
    #[error("`{name}` is a symbolic link")]
    Symlink {
        /// Relative to the directory.
        name: String,
    },
    /// A pipe, socket or device.
    #[error("`{name}` is neither a regular file nor a directory")]
    Special {
        /// Relative to the directory.
        name: String,
    },
    /// A file of somebody else with another name besides: who placed it here may not have been who could read it.
    #[error("`{name}` is a hard link to a file of another user")]
    HardLink {
        /// Relative to the directory.
        name: String,
    },
    /// Written to while it was read.
    #[error("`{name}` changed while it was read")]
    Changed {
        /// Relative to the directory.
        name: String,
    },
    /// A name that cannot be written into a manifest without ambiguity.
    #[error("the file name {name:?} is not canonical (UTF-8 without `\\`, control characters, `.` or `..`)")]
    Name {
        /// Relative to the directory, as far as it can be shown.
        name: String,
    },
    /// More than the walk's bounds.
    #[error("the directory has {what}")]
    TooMany {
        /// Which bound was met.
        what: String,
    },
}

/// What becomes of symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// They are found, and not followed.
    Refuse,
    /// Links to files are followed wherever they lead; links to folders are found, since they can lead in circles.
    Follow,
}

/// What stands under a name.
pub(crate) enum Found {
    /// A regular file, open for reading, and its size in bytes when it was opened.
    File(File, u64),
    /// A symbolic link, not followed.
    Symlink,
    /// A pipe, socket or device, not opened.
    Special,
}

impl Found {
    /// The file, or the refusal of whatever else it is.
    pub(crate) fn into_file(self, name: &str) -> Result<(File, u64), TreeError> {
        match self {
            Self::File(file, bytes) => Ok((file, bytes)),
            Self::Symlink => Err(TreeError::Symlink { name: name.to_owned() }),
            Self::Special => Err(TreeError::Special { name: name.to_owned() }),
        }
    }
}

/// Whether a name may stand in a manifest: relative, `/` between non-empty parts, no `.` or `..`, no backslash and
/// no control character. Checked before any file is opened under it.
pub(crate) fn is_canonical(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && !name.contains(|c: char| c == '\\' || c.is_control())
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Calls `visit` with the name of every file, relative to `root`, in no particular order. Top-level names for which
/// `skip` holds are not entered. The first error of `visit` ends the walk.
pub(crate) fn walk<E: From<TreeError>>(
    root: &Path,
    skip: &dyn Fn(&str) -> bool,
    visit: &mut dyn FnMut(&str, Found) -> Result<(), E>,
) -> Result<(), E> {
    walk_with(root, Links::Refuse, skip, visit)
}

/// [`walk`] by a rule for symbolic links.
pub(crate) fn walk_with<E: From<TreeError>>(
    root: &Path,
    links: Links,
    skip: &dyn Fn(&str) -> bool,
    visit: &mut dyn FnMut(&str, Found) -> Result<(), E>,
) -> Result<(), E> {
    // The root is the operator's word and may itself be reached through links; nothing below it may.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = open(root, flags, Mode::empty())
        .map_err(|cause| TreeError::Io { path: root.to_owned(), cause: cause.into() })?;
    let mut walk = Walk { root, links, skip, entries: 0 };
    walk.enter(&directory, "", 0, visit)
}

/// Opens one file that is a model by itself.
pub(crate) fn open_lone(path: &Path, links: Links) -> Result<Found, TreeError> {
    let root = path.parent().unwrap_or(path);
    let walk = Walk { root, links, skip: &|_| false, entries: 0 };
    let name = super::directory_name(path);
    match walk.look(rustix::fs::CWD, path.as_os_str().as_bytes(), &name)? {
        Look::Directory(_) => Err(TreeError::Special { name }),
        Look::Other(found) => Ok(found),
    }
}

struct Walk<'a> {
    root: &'a Path,
    links: Links,
    skip: &'a dyn Fn(&str) -> bool,
    entries: usize,
}

impl Walk<'_> {
    fn enter<E: From<TreeError>>(
        &mut self,
        directory: &OwnedFd,
        prefix: &str,
        depth: usize,
        visit: &mut dyn FnMut(&str, Found) -> Result<(), E>,
    ) -> Result<(), E> {
        if depth > DEPTH_MAX {
            return Err(TreeError::TooMany { what: format!("more than {DEPTH_MAX} levels") }.into());
        }
        for entry in Dir::read_from(directory).map_err(|errno| self.io(prefix, errno))? {
            let entry = entry.map_err(|errno| self.io(prefix, errno))?;
            let bytes = entry.file_name().to_bytes();
            if matches!(bytes, b"." | b"..") {
                continue;
            }
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return Err(TreeError::TooMany { what: format!("more than {ENTRIES_MAX} entries") }.into());
            }
            let name = join(prefix, bytes)?;
            if depth == 0 && (self.skip)(&name) {
                continue;
            }
            match self.look(directory.as_fd(), bytes, &name)? {
                Look::Directory(inner) => self.enter(&inner, &name, depth + 1, visit)?,
                Look::Other(found) => visit(&name, found)?,
            }
        }
        Ok(())
    }

    fn look(&self, directory: BorrowedFd<'_>, file_name: &[u8], name: &str) -> Result<Look, TreeError> {
        // Looked at before it is opened: opening a device can do something.
        let look = |flags| statat(directory, file_name, flags).map_err(|errno| self.io(name, errno));
        let mut kind = FileType::from_raw_mode(look(AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
        // NONBLOCK: should a pipe have taken the file's place meanwhile, opening it must not wait for a writer.
        let mut flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if kind == FileType::Symlink && self.links == Links::Follow {
            kind = FileType::from_raw_mode(look(AtFlags::empty())?.st_mode);
            if kind == FileType::Directory {
                return Ok(Look::Other(Found::Symlink));
            }
            flags = flags.difference(OFlags::NOFOLLOW);
        }
        match kind {
            FileType::Symlink => return Ok(Look::Other(Found::Symlink)),
            FileType::RegularFile | FileType::Directory => {}
            _ => return Ok(Look::Other(Found::Special)),
        }
        let opened = match openat(directory, file_name, flags, Mode::empty()) {
            Ok(opened) => opened,
            Err(Errno::LOOP) => return Ok(Look::Other(Found::Symlink)),
            Err(errno) => return Err(self.io(name, errno)),
        };
        let stat = fstat(&opened).map_err(|errno| self.io(name, errno))?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Look::Directory(opened),
            FileType::RegularFile => {
                if stat.st_nlink > 1 && stat.st_uid != geteuid().as_raw() {
                    return Err(TreeError::HardLink { name: name.to_owned() });
                }
                Look::Other(Found::File(opened.into(), u64::try_from(stat.st_size).unwrap_or(0)))
            }
            _ => Look::Other(Found::Special),
        })
    }

    fn io(&self, name: &str, errno: Errno) -> TreeError {
        TreeError::Io { path: self.root.join(name), cause: errno.into() }
    }
}

enum Look {
    Directory(OwnedFd),
    Other(Found),
}

fn join(prefix: &str, file_name: &[u8]) -> Result<String, TreeError> {
    let shown = || String::from_utf8_lossy(file_name).into_owned();
    let part = std::str::from_utf8(file_name).map_err(|_| TreeError::Name { name: shown() })?;
    let name = if prefix.is_empty() { part.to_owned() } else { format!("{prefix}/{part}") };
    if is_canonical(&name) { Ok(name) } else { Err(TreeError::Name { name }) }
}
