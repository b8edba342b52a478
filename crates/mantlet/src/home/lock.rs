//! One writer per home.

use std::{
    fs,
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::{FlockOperation, flock};

use super::HomeError;

/// The home is this process's until this goes. The kernel lets go of it even if the process dies, so a lock is never
/// stale.
#[derive(Debug)]
pub struct HomeLock {
    _file: fs::File,
}

impl HomeLock {
    pub(super) fn take(path: &Path) -> Result<Self, HomeError> {
        let io = |source| HomeError::io(path, source);
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            // A link in its place would have its target cut off.
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
            .map_err(io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(in_use_by(file)),
            Err(error) => return Err(io(error.into())),
        }
        let mut write = || {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write().map_err(io)?;
        Ok(Self { _file: file })
    }
}

/// The holder writes its id right after taking the lock; in the moment between there is nothing to read.
fn in_use_by(file: fs::File) -> HomeError {
    let mut text = String::new();
    let read = file.take(32).read_to_string(&mut text);
    match text.trim_end().parse() {
        Ok(pid) if read.is_ok() => HomeError::InUse { pid },
        _ => HomeError::InUseBySomebody,
    }
}
