//! Signing and verifying what is on disk: any directory of any size, or one file. Nothing is held in memory but names, digests
//! and a buffer for each core; a file is looked at, hashed and asked whether it changed meanwhile through one descriptor.
//!
//! What is said here holds of the bytes that were read. Whoever serves a model verifies the bytes that it has in memory
//! (`Package::verify`), and not a directory.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::fs::{Stat, fstat};
use serde::Serialize;

use super::{
    IGNORED_ALWAYS, SignError, VerifyError,
    bundle::{self, BUNDLE_BYTES_MAX},
    hash::Digest,
    keys::SigningKey,
    pool::{Job, Progress, Queue, hash_all},
    statement::{self, Hashing, LONE_FILE, Shape, Statement},
    trust::TrustedSigners,
    verify::Cover,
};
use crate::{
    package::{Found, Links, TreeError, directory_name, open_lone, walk_with},
    write::write_atomic,
};

/// The answer about a directory or file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Yes or no.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// Files that the signature does not cover.
    pub uncovered: Vec<String>,
    /// What to do about a rejection.
    #[serde(skip)]
    pub hint: Option<String>,
}

impl Report {
    /// The answer no.
    #[must_use]
    pub fn no(reason: impl Into<String>, hint: Option<String>) -> Self {
        Self { verdict: Verdict::Reject, reason: reason.into(), uncovered: Vec::new(), hint }
    }
}

/// Whether a directory is what was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is.
    Accept,
    /// It is not, or it cannot be shown.
    Reject,
}

/// What may be let pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct Leniency {
    /// Files that nobody signed; they are listed.
    pub unsigned_files: bool,
    /// Symbolic links to files, where the signer has looked through links as well.
    pub symlinks: bool,
}

/// Verifies a directory or one file against a signature beside it.
///
/// # Errors
/// The signature or the model is not there or cannot be opened: then there is nothing to answer about. Everything else is an
/// answer; what cannot be decided is rejected.
pub fn verify_path(
    path: &Path,
    signature: &Path,
    trusted: &TrustedSigners,
    leniency: Leniency,
    progress: &dyn Progress,
) -> Result<Report, TreeError> {
    fs::metadata(path).map_err(|cause| TreeError::Io { path: path.to_owned(), cause })?;
    let bundle =
        read_bundle(signature).map_err(|cause| TreeError::Io { path: signature.to_owned(), cause })?;
    Ok(match uncovered(path, signature, &bundle, trusted, leniency, progress) {
        Ok(uncovered) => Report {
            verdict: Verdict::Accept,
            reason: "the signature and every digest verify".into(),
            uncovered,
            hint: None,
        },
        Err(error) => Report::no(error.to_string(), error.hint()),
    })
}

fn read_bundle(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed: what is too long is refused, not cut.
    File::open(path)?.take(BUNDLE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn uncovered(
    path: &Path,
    signature: &Path,
    bundle: &[u8],
    trusted: &TrustedSigners,
    leniency: Leniency,
    progress: &dyn Progress,
) -> Result<Vec<String>, VerifyError> {
    let opened = bundle::open(bundle, trusted)?;
    let shape = if path.is_dir() { Shape::Directory } else { Shape::File };
    let statement = Statement::parse(&opened.payload, shape)?;
    let links = if leniency.symlinks && statement.allows_symlinks { Links::Follow } else { Links::Refuse };
    let mut cover = Cover::new(&statement, leniency.unsigned_files);
    let signature_name = relative_name(path, signature);
    let mut visit = |queue: &Queue<'_, _>, name: &str, found: Found| {
        let is_covered = statement.files.contains_key(name);
        if Some(name) == signature_name.as_deref() && !is_covered {
            return Ok(());
        }
        // Left out by the signer and never opened here: only remarked on.
        if !matches!(found, Found::File(..)) && statement.ignores(name) && !is_covered {
            cover.remark(name);
            return Ok(());
        }
        let (file, length) = found.into_file(name)?;
        let Some((name, pieces)) = cover.file(name, length == 0)? else { return Ok(()) };
        let pieces = pieces.of_length(length).ok_or_else(|| VerifyError::Length { name: name.to_owned() })?;
        let file = Arc::new(file);
        let source = Arc::new(Source::new(name, path, Arc::clone(&file))?);
        for piece in pieces {
            let tag = Piece { expected: piece.expected, source: Arc::clone(&source) };
            queue.push(Job { file: Arc::clone(&file), range: (piece.start, piece.bytes), tag });
        }
        Ok(())
    };
    let walk = |queue: &Queue<'_, _>| match shape {
        Shape::Directory => walk_with(path, links, &|_| false, &mut |name, found| visit(queue, name, found)),
        Shape::File => {
            let own = directory_name(path);
            let name = if statement.files.contains_key(LONE_FILE) { LONE_FILE } else { &own };
            visit(queue, name, open_lone(path, links)?)
        }
    };
    hash_all(statement.hash, progress, walk, |piece: Piece<'_>, digest| {
        let actual = piece.source.unchanged(digest)?;
        if actual == *piece.expected {
            return Ok(());
        }
        Err(VerifyError::mismatch(&piece.source.name, *piece.expected, actual))
    })?;
    cover.finish()
}

/// A piece of a file on its way through a hash, and what it must be.
struct Piece<'s> {
    expected: &'s Digest,
    source: Arc<Source>,
}

/// An open file as it was found.
struct Source {
    name: String,
    path: PathBuf,
    file: Arc<File>,
    found: Stat,
}

impl Source {
    fn new(name: &str, root: &Path, file: Arc<File>) -> Result<Self, TreeError> {
        let path = root.join(name);
        match fstat(&file) {
            Ok(found) => Ok(Self { name: name.to_owned(), path, file, found }),
            Err(errno) => Err(TreeError::Io { path, cause: errno.into() }),
        }
    }

    /// The digest, unless the file was changed while it was read: then it is of bytes that never were together.
    fn unchanged(&self, digest: io::Result<Digest>) -> Result<Digest, TreeError> {
        let io = |cause| TreeError::Io { path: self.path.clone(), cause };
        let changed = || TreeError::Changed { name: self.name.clone() };
        let digest = match digest {
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => return Err(changed()),
            digest => digest.map_err(io)?,
        };
        let now = fstat(&self.file).map_err(|errno| io(errno.into()))?;
        let state = |stat: &Stat| {
            (stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec)
        };
        if state(&now) == state(&self.found) { Ok(digest) } else { Err(changed()) }
    }
}

/// Signs every file of a directory but the signature itself and version control, or one file, and writes the bundle to
/// `out`, whole or not at all.
///
/// # Errors
/// A link, pipe or device among the files, a file that changes meanwhile, or nothing to sign.
pub fn sign_path(
    path: &Path,
    key: &SigningKey,
    hashing: Hashing,
    out: &Path,
    progress: &dyn Progress,
) -> Result<(), SignError> {
    let signature_name = relative_name(path, out);
    let resources = Mutex::new(BTreeMap::new());
    let visit = |queue: &Queue<'_, (String, Arc<Source>)>, name: &str, found: Found| {
        if Some(name) == signature_name.as_deref() {
            return Ok(());
        }
        let (file, length) = found.into_file(name)?;
        let file = Arc::new(file);
        let source = Arc::new(Source::new(name, path, Arc::clone(&file))?);
        for (resource, range) in ranges(name, length, hashing) {
            queue.push(Job { file: Arc::clone(&file), range, tag: (resource, Arc::clone(&source)) });
        }
        Ok::<_, SignError>(())
    };
    let walk = |queue: &Queue<'_, (String, Arc<Source>)>| {
        if path.is_dir() {
            let skip = |name: &str| IGNORED_ALWAYS.contains(&name);
            walk_with(path, Links::Refuse, &skip, &mut |name, found| visit(queue, name, found))
        } else {
            visit(queue, &directory_name(path), open_lone(path, Links::Refuse)?)
        }
    };
    hash_all(hashing.hash, progress, walk, |(resource, source), digest| {
        let digest = source.unchanged(digest)?;
        resources.lock().unwrap_or_else(PoisonError::into_inner).insert(resource, digest);
        Ok(())
    })?;
    let resources = resources.into_inner().unwrap_or_else(PoisonError::into_inner);
    let payload = statement::write(&directory_name(path), hashing, &resources)?;
    let bundle = bundle::seal(&payload, key)?;
    write_atomic(out, &bundle, 0o644).map_err(SignError::Write)
}

/// The resources of a file, and the bytes that each covers.
fn ranges(name: &str, length: u64, hashing: Hashing) -> Vec<(String, (u64, u64))> {
    let Some(most) = hashing.shard_bytes.map(std::num::NonZeroU64::get) else {
        return vec![(name.to_owned(), (0, length))];
    };
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < length {
        let end = start.saturating_add(most).min(length);
        ranges.push((format!("{name}:{start}:{end}"), (start, end - start)));
        start = end;
    }
    ranges
}

/// A file's name within a directory, if it lies there: a signature does not cover itself.
fn relative_name(directory: &Path, file: &Path) -> Option<String> {
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let within = parent.canonicalize().ok()?.strip_prefix(directory.canonicalize().ok()?).ok()?.to_owned();
    let path: PathBuf = within.join(file.file_name()?);
    path.to_str().map(ToOwned::to_owned)
}
