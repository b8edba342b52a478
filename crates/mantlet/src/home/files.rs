//! Private files: made with mode 0600, read with a bound, refused if others can get at them; and sealed ones.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{HomeError, RootKey, root_key::MAGIC};

/// The largest file read here is a certificate chain.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Makes a directory, mode 0700. Its parent must exist.
pub(super) fn make_dir(path: &Path) -> Result<(), HomeError> {
    fs::DirBuilder::new().mode(0o700).create(path).map_err(|source| HomeError::io(path, source))
}

/// Makes a file, mode 0600, that was not there. On the disk when this returns.
pub(super) fn make(path: &Path, contents: &[u8]) -> Result<(), HomeError> {
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(contents)?;
        file.sync_all()
    };
    write().map_err(|source| HomeError::io(path, source))
}

/// Makes a file, mode 0600, where there is none.
pub(super) fn open_private(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// Makes a file, mode 0600, that was not there: whole and on the disk when this returns, or not there. It is written under
/// a name of its own and then linked to its place, which fails if there is anything, a link that leads nowhere included.
pub(super) fn make_whole(path: &Path, contents: &[u8]) -> Result<(), HomeError> {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| HomeError::Provider)?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{:016x}", u64::from_ne_bytes(random)));
    let beside = PathBuf::from(name);
    let linked = make(&beside, contents)
        .and_then(|()| fs::hard_link(&beside, path).map_err(|source| HomeError::io(path, source)));
    // It must not stay behind in either case: it holds the same as the other.
    let removed = fs::remove_file(&beside).map_err(|source| HomeError::io(&beside, source));
    linked?;
    removed?;
    sync_dir(parent(path))
}

/// Makes the directories above a file that are not there, and what says so in theirs durable.
pub(super) fn make_parents(path: &Path) -> Result<(), HomeError> {
    let parent = parent(path);
    if parent.is_dir() {
        return Ok(());
    }
    make_parents(parent)?;
    match fs::create_dir(parent) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(HomeError::io(parent, error)),
        _ => sync_dir(self::parent(parent)),
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Puts a file in place of another, or where none was: whole, or not at all.
pub(super) fn replace(path: &Path, contents: &[u8]) -> Result<(), HomeError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(HomeError::io(&beside, error)),
        _ => make(&beside, contents)?,
    }
    fs::rename(&beside, path).map_err(|source| HomeError::io(path, source))?;
    sync_dir(parent(path))
}

/// Makes what happened to a directory's entries durable.
pub(super) fn sync_dir(path: &Path) -> Result<(), HomeError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    fs::File::open(path).and_then(|dir| dir.sync_all()).map_err(|source| HomeError::io(path, source))
}

/// Seals a secret into a file. The file's name is authenticated, so that one key cannot be put in another's place.
pub(super) fn replace_sealed(path: &Path, root: &RootKey, secret: &[u8]) -> Result<(), HomeError> {
    let sealed = root.seal(&name(path), secret).ok_or(HomeError::Provider)?;
    replace(path, &sealed)
}

/// Opens what [`replace_sealed`] made.
pub(super) fn read_sealed(path: &Path, root: &RootKey) -> Result<Zeroizing<Vec<u8>>, HomeError> {
    let sealed = read(path)?;
    root.open(&name(path), &sealed).ok_or_else(|| HomeError::Altered { path: path.to_owned() })
}

/// Whether a file is a sealed one.
pub(super) fn is_sealed(path: &Path) -> Result<bool, HomeError> {
    Ok(read(path)?.starts_with(MAGIC))
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A file of ours, wiped from memory when it goes.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, HomeError> {
    read_bounded(path, FILE_BYTES_MAX).map_err(|source| HomeError::io(path, source))
}

/// A regular file of at most so many bytes.
pub(super) fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    let mut contents =
        Zeroizing::new(Vec::with_capacity(usize::try_from(length.min(bytes_max)).unwrap_or(0)));
    file.take(bytes_max + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    Ok(contents)
}

/// Whether a file or directory is this user's alone.
///
/// # Errors
/// If it is not, or is a link.
pub(super) fn check_private(path: &Path) -> Result<(), HomeError> {
    let metadata = fs::symlink_metadata(path).map_err(|source| HomeError::io(path, source))?;
    let path = path.to_owned();
    // Sockets lie in `run/`, whose own mode closes them; everything checked here is a file or a directory.
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(HomeError::Kind { path });
    }
    let uid = metadata.uid();
    if uid != rustix::process::geteuid().as_raw() {
        return Err(HomeError::Owner { path, uid });
    }
    match metadata.mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(HomeError::Open { path, mode }),
        _ => Ok(()),
    }
}
