//! Writing a file whole or not at all: a reader sees the old content or the new, also after a power failure.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// Tells writers of one process apart; the process id tells processes apart.
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// Writes these bytes in the place of what was there.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace_with(path, mode, |file| file.write_all(bytes))
}

/// Has a file written beside the target, forces it to the disk, renames it, and forces the rename to the disk.
pub(crate) fn replace_with<E: From<io::Error>>(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let temporary = directory.join(format!(".mantlet-{}-{serial}.tmp", std::process::id()));
    let written = write_new(&temporary, mode, write).and_then(|()| Ok(fs::rename(&temporary, path)?));
    if written.is_err() {
        // The error that is reported is the first one; a left-over temporary file harms nobody.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    Ok(File::open(directory)?.sync_all()?)
}

fn write_new<E: From<io::Error>>(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    write(&mut file)?;
    Ok(file.sync_all()?)
}
