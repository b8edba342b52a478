//! The few file operations that the log needs, as a trait.
//!
//! The log's promises rest on the order of writes and syncs, so everything it does to the disk goes through this
//! seam: tests replace it by a disk that fails at the Nth call, or that forgets what was never synced. It knows
//! bytes and paths, never entries.

use std::{
    any::Any,
    fs, io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::{FallocateFlags, FlockOperation};

#[cfg(any(test, feature = "faults"))]
pub mod faulty;
#[cfg(test)]
pub(crate) mod memory;

/// Directories and files, as far as the log needs them. Paths are used as given.
pub trait Disk: Send + Sync {
    /// Makes a directory and its missing parents; it may exist. Not durable before the parent is synced.
    ///
    /// # Errors
    /// As the file system says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes a file of `len` reserved bytes that read as zero, or empties the one that is there.
    ///
    /// # Errors
    /// As the file system says; no space is told here rather than at a later write.
    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file for writing.
    ///
    /// # Errors
    /// As the file system says.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// A whole file.
    ///
    /// # Errors
    /// As the file system says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The names in a directory, in no order.
    ///
    /// # Errors
    /// As the file system says.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Moves a file over another one, atomically.
    ///
    /// # Errors
    /// As the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file, or a directory with all that it holds.
    ///
    /// # Errors
    /// As the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// As the file system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Bytes that may still be written below this path.
    ///
    /// # Errors
    /// As the file system says.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;

    /// Takes the exclusive lock of this path until the value is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if somebody else holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>>;
}

/// A file open for writing.
pub trait DiskFile: Send {
    /// Writes some bytes at an offset and says how many.
    ///
    /// # Errors
    /// As the file system says.
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<usize>;

    /// Makes what was written durable (`fdatasync`). After an error nothing is known of what was written since the
    /// last success, and a second call may lie about it: the file is not to be used again.
    ///
    /// # Errors
    /// As the file system says.
    fn sync(&mut self) -> io::Result<()>;
}

/// Writes everything, over short writes and interruptions.
pub(crate) fn write_all_at(file: &mut dyn DiskFile, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).ok_or(io::ErrorKind::InvalidData)?;
                at += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Replaces a small file as a whole: readers and crashes see the old content or the new.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let mut file = disk.create(&fresh, 0)?;
    write_all_at(file.as_mut(), bytes, 0)?;
    file.sync()?;
    drop(file);
    disk.rename(&fresh, path)?;
    disk.sync_dir(path.parent().unwrap_or(Path::new("")))
}

/// A file that may be absent.
pub(crate) fn read_if_present(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    match disk.read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A directory that may be absent, which then holds nothing.
pub(crate) fn list_if_present(disk: &dyn Disk, path: &Path) -> io::Result<Vec<String>> {
    match disk.list(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => names,
    }
}

/// The operating system's files. Files are readable by their owner alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn DiskFile>> {
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        if len > 0 {
            reserve(&file, len)?;
        }
        Ok(Box::new(OsFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OsFile(fs::OpenOptions::new().write(true).open(path)?)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        fs::File::open(here)?.sync_all()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let volume = rustix::fs::statvfs(path)?;
        Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>> {
        let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(file))
    }
}

/// Reserves blocks; a file system that cannot gets zeros written, so that no later write can run out of space.
fn reserve(file: &fs::File, len: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len) {
        Err(rustix::io::Errno::OPNOTSUPP) => {
            let zeros = vec![0; 64 << 10];
            let mut at = 0;
            while at < len {
                let piece = usize::try_from(len - at).unwrap_or(zeros.len()).min(zeros.len());
                file.write_all_at(&zeros[..piece], at)?;
                at += piece as u64;
            }
        }
        result => result?,
    }
    // The length is metadata that a later fdatasync of overwritten blocks need not carry.
    file.sync_all()
}

struct OsFile(fs::File);

impl DiskFile for OsFile {
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<usize> {
        self.0.write_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
