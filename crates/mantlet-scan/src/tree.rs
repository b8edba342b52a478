//! Scanning what stands on a disk: a file, or a directory that holds one model.
//!
//! Somebody else may be changing the directory: every component is opened relative to its parent with `O_NOFOLLOW`, so
//! no link is followed below what was named, and the file that was looked at is the file that is read.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, open, openat, statat},
    io::Errno,
};

use crate::{
    Beside, Folder, Format, Input, Limits, Report, Rule,
    scan::{Scan, Stop},
};

/// Deepest nesting of folders in a model. Exported models have two or three levels.
const LEVELS_MAX: u32 = 16;

/// A model's directory holds regular files only.
static LINK: Rule = Rule {
    id: "folder/link",
    class: "symlink",
    demands: "a model's directory holds neither symbolic nor hard links: what they lead to changes from elsewhere",
};

/// A model's directory holds regular files only.
static SPECIAL: Rule = Rule {
    id: "folder/special",
    class: "symlink",
    demands: "a model's directory holds no pipes, sockets or devices",
};

/// Names can be written down without ambiguity.
static NAME: Rule = Rule {
    id: "folder/name",
    class: "archive-path",
    demands: "a model's directory is at most 16 levels deep and names its files in UTF-8",
};

/// Scans one file, or a directory as one model whose files may refer to each other.
///
/// # Errors
/// The path cannot be opened, is neither file nor directory, or is a directory with nothing in it. Whatever goes wrong later is a finding.
pub fn scan_path(path: &Path, limits: &Limits) -> io::Result<Report> {
    // What is named is the operator's word and may be reached through links. NONBLOCK: a pipe must not make us wait.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = open(path, flags, Mode::empty())?;
    let stat = fstat(&opened)?;
    match FileType::from_raw_mode(stat.st_mode) {
        // A model that did not arrive is no safe one.
        FileType::Directory if path.read_dir()?.next().is_none() => {
            Err(io::Error::other("there is nothing in this directory"))
        }
        FileType::Directory => Ok(scan_directory(&opened, limits)),
        FileType::RegularFile => {
            let bytes = u64::try_from(stat.st_size).unwrap_or(0);
            let beside = path
                .parent()
                .map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
            let folder = beside.and_then(|parent| {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                open(parent, flags, Mode::empty()).ok().map(Opened)
            });
            let mut scan = Scan::new(folder.as_ref().map(|folder| folder as &dyn Folder), limits);
            let file = File::from(opened);
            let format = scan.content(&Input::File { file: &file, start: 0, bytes });
            Ok(scan.report(format))
        }
        _ => Err(io::Error::other("neither a regular file nor a directory")),
    }
}

/// Scans files of one model that are in memory: relative names and contents.
#[must_use]
pub fn scan_files(files: &[(&str, &[u8])], limits: &Limits) -> Report {
    let folder = InMemory(files);
    let mut scan = Scan::new(Some(&folder), limits);
    for (name, bytes) in files {
        scan.file(name, &Input::Memory(bytes));
    }
    scan.report(Format::Folder)
}

fn scan_directory(directory: &OwnedFd, limits: &Limits) -> Report {
    let folder = directory.try_clone().ok().map(Opened);
    let mut scan = Scan::new(folder.as_ref().map(|folder| folder as &dyn Folder), limits);
    if let Err(stop) = walk(directory, "", 0, &mut scan) {
        scan.stopped(&NAME, stop);
    }
    scan.report(Format::Folder)
}

fn walk(directory: &OwnedFd, prefix: &str, level: u32, scan: &mut Scan<'_>) -> Result<(), Stop> {
    if level > LEVELS_MAX {
        return Err(Stop::malformed(0, format!("`{prefix}` is deeper than {LEVELS_MAX} levels")));
    }
    let mut names = Vec::new();
    for entry in Dir::read_from(directory).map_err(disk)? {
        scan.charge(1)?;
        let entry = entry.map_err(disk)?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(name.to_vec());
        }
    }
    // In the same order on every file system.
    names.sort_unstable();
    for bytes in names {
        let Ok(part) = std::str::from_utf8(&bytes) else {
            let shown = String::from_utf8_lossy(&bytes);
            scan.find(&NAME, None, format!("the file name `{shown}` in `{prefix}` is not UTF-8"));
            continue;
        };
        let name = if prefix.is_empty() { part.to_owned() } else { format!("{prefix}/{part}") };
        match look(directory.as_fd(), OsStr::from_bytes(&bytes)).map_err(disk)? {
            Look::Directory(inner) => walk(&inner, &name, level + 1, scan)?,
            Look::File(file, bytes, links) => {
                if links > 1 {
                    scan.find(&LINK, None, format!("`{name}` has {links} names"));
                }
                scan.file(&name, &Input::File { file: &file, start: 0, bytes });
            }
            Look::Symlink => scan.find(&LINK, None, format!("`{name}` is a symbolic link")),
            Look::Special => scan.find(&SPECIAL, None, format!("`{name}` is neither a file nor a directory")),
        }
    }
    Ok(())
}

fn disk(errno: Errno) -> Stop {
    Stop::Io(errno.into())
}

enum Look {
    Directory(OwnedFd),
    File(File, u64, u64),
    Symlink,
    Special,
}

fn look(directory: BorrowedFd<'_>, name: &OsStr) -> Result<Look, Errno> {
    // Looked at before it is opened: opening a device can do something.
    let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => return Ok(Look::Symlink),
        FileType::RegularFile | FileType::Directory => {}
        _ => return Ok(Look::Special),
    }
    // NONBLOCK: should a pipe have taken the file's place meanwhile, opening it must not wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = match openat(directory, name, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::LOOP) => return Ok(Look::Symlink),
        Err(errno) => return Err(errno),
    };
    let stat = fstat(&opened)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Look::Directory(opened),
        FileType::RegularFile => {
            #[expect(clippy::useless_conversion, reason = "the type differs between architectures")]
            let links = u64::from(stat.st_nlink);
            Look::File(opened.into(), u64::try_from(stat.st_size).unwrap_or(0), links)
        }
        _ => Look::Special,
    })
}

/// An open directory, into which nothing is followed.
struct Opened(OwnedFd);

impl Folder for Opened {
    fn look(&self, name: &str) -> Beside {
        let mut parts = name.split('/').peekable();
        let mut inner: Option<OwnedFd> = None;
        while let Some(part) = parts.next() {
            if matches!(part, "" | "." | "..") {
                return Beside::Other;
            }
            let directory = inner.as_ref().unwrap_or(&self.0);
            let found = match look(directory.as_fd(), OsStr::new(part)) {
                Ok(found) => found,
                Err(Errno::NOENT) => return Beside::Missing,
                Err(_) => return Beside::Other,
            };
            match (found, parts.peek()) {
                (Look::Directory(next), Some(_)) => inner = Some(next),
                (Look::File(_, bytes, 1), None) => return Beside::File(bytes),
                (Look::File(..), None) => return Beside::Linked,
                (Look::Symlink, _) => return Beside::Symlink,
                _ => return Beside::Other,
            }
        }
        Beside::Missing
    }
}

struct InMemory<'a>(&'a [(&'a str, &'a [u8])]);

impl Folder for InMemory<'_> {
    fn look(&self, name: &str) -> Beside {
        let found = self.0.iter().find(|(other, _)| *other == name);
        found.map_or(Beside::Missing, |(_, bytes)| Beside::File(bytes.len() as u64))
    }
}
