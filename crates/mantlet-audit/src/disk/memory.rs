//! A disk in memory that remembers every call, and what it would hold had the power failed at any of them.
//!
//! The model is harsher than common file systems: bytes are durable only after the file's sync and names only after
//! their directory's; whatever is not may be there or not, sector by sector of 512 bytes, names in order.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use super::{Disk, DiskFile};

const SECTOR: usize = 512;

/// What is at every path: a file's bytes, or nothing for a directory.
pub(crate) type Image = BTreeMap<PathBuf, Option<Vec<u8>>>;

#[derive(Clone, Debug)]
enum Name {
    Make(PathBuf, Option<usize>),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Name {
    fn dir(&self) -> &Path {
        let (Self::Make(path, _) | Self::Rename(path, _) | Self::Remove(path)) = self;
        path.parent().unwrap()
    }
}

#[derive(Clone, Debug)]
enum Op {
    Name(Name),
    Truncate(usize),
    Write(usize, usize, Vec<u8>),
    Sync(usize),
    SyncDir(PathBuf),
}

type Names = BTreeMap<PathBuf, Option<usize>>;

fn apply_name(names: &mut Names, name: &Name) {
    match name {
        Name::Make(path, file) => drop(names.insert(path.clone(), *file)),
        Name::Rename(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Name::Remove(path) => names.retain(|name, _| !name.starts_with(path)),
    }
}

fn apply_write(data: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    data.resize(data.len().max(at + bytes.len()), 0);
    data[at..at + bytes.len()].copy_from_slice(bytes);
}

#[derive(Default)]
struct Memory {
    start: Image,
    names: Names,
    files: Vec<Vec<u8>>,
    trace: Vec<Op>,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct MemoryDisk(Arc<Mutex<Memory>>);

/// What becomes of bytes and names that were not synced.
pub(crate) enum Unsynced<'a> {
    /// They are there: the process died, the machine did not.
    Kept,
    /// They are gone.
    Dropped,
    /// Each sector by itself.
    Torn(&'a mut dyn FnMut() -> bool),
}

impl Unsynced<'_> {
    fn keeps(&mut self) -> bool {
        match self {
            Self::Kept => true,
            Self::Dropped => false,
            Self::Torn(coin) => coin(),
        }
    }
}

impl MemoryDisk {
    /// A disk that holds what is given, all of it durable.
    pub(crate) fn from_image(image: Image) -> Self {
        let mut memory = Memory::default();
        for (path, content) in &image {
            let file = content.as_ref().map(|bytes| {
                memory.files.push(bytes.clone());
                memory.files.len() - 1
            });
            memory.names.insert(path.clone(), file);
        }
        memory.start = image;
        Self(Arc::new(Mutex::new(memory)))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap()
    }

    /// Calls so far that change anything.
    pub(crate) fn calls(&self) -> usize {
        self.memory().trace.len()
    }

    /// What the disk holds after a crash that came after so many calls.
    pub(crate) fn crash(&self, calls: usize, mut unsynced: Unsynced<'_>) -> Image {
        let memory = self.memory();
        let fresh = Self::from_image(memory.start.clone());
        let fresh = fresh.memory();
        let (mut names, mut durable) = (fresh.names.clone(), fresh.files.clone());
        let mut pending_names: Vec<Name> = Vec::new();
        let mut pending: BTreeMap<usize, Vec<&Op>> = BTreeMap::new();
        for op in &memory.trace[..calls] {
            match op {
                Op::Name(name) => pending_names.push(name.clone()),
                Op::Truncate(file) | Op::Write(file, ..) => pending.entry(*file).or_default().push(op),
                Op::Sync(file) => {
                    durable.resize(durable.len().max(file + 1), Vec::new());
                    for op in pending.remove(file).unwrap_or_default() {
                        write_through(&mut durable[*file], op, &mut |_| true);
                    }
                }
                Op::SyncDir(dir) => {
                    pending_names
                        .iter()
                        .filter(|name| name.dir() == dir)
                        .for_each(|name| apply_name(&mut names, name));
                    pending_names.retain(|name| name.dir() != dir);
                }
            }
        }
        let mut ended = BTreeSet::new();
        for name in &pending_names {
            // Names of one directory reach the disk in order: after one that did not, none did.
            if !ended.contains(name.dir()) && unsynced.keeps() {
                apply_name(&mut names, name);
            } else {
                ended.insert(name.dir().to_owned());
            }
        }
        durable.resize(memory.files.len(), Vec::new());
        for (file, ops) in pending {
            for op in ops {
                write_through(&mut durable[file], op, &mut |_| unsynced.keeps());
            }
        }
        let there =
            |path: &&PathBuf| path.ancestors().skip(1).all(|dir| names.get(dir).is_none_or(Option::is_none));
        let rooted = |path: &&PathBuf| {
            path.parent().is_some_and(|dir| names.contains_key(dir) || dir == Path::new("/"))
        };
        let paths = names.keys().filter(there).filter(rooted);
        paths.map(|path| (path.clone(), names[path].map(|file| durable[file].clone()))).collect()
    }
}

fn write_through(data: &mut Vec<u8>, op: &Op, keeps: &mut dyn FnMut(usize) -> bool) {
    match op {
        Op::Truncate(_) if keeps(0) => data.clear(),
        Op::Write(_, at, bytes) => {
            let mut done = 0;
            while done < bytes.len() {
                let sector_end = ((at + done) / SECTOR + 1) * SECTOR;
                let end = bytes.len().min(sector_end - at);
                if keeps(at + done) {
                    apply_write(data, at + done, &bytes[done..end]);
                }
                done = end;
            }
        }
        _ => {}
    }
}

/// Writes an image below a real directory, for what reads real files.
pub(crate) fn materialize(image: &Image, root: &Path) {
    for (path, content) in image {
        let path = root.join(path.strip_prefix("/").unwrap());
        match content {
            None => std::fs::create_dir_all(path).unwrap(),
            Some(bytes) => std::fs::write(path, bytes).unwrap(),
        }
    }
}

impl Disk for MemoryDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut memory = self.memory();
        let missing: Vec<_> = path
            .ancestors()
            .filter(|dir| *dir != Path::new("/") && !memory.names.contains_key(*dir))
            .map(Path::to_owned)
            .collect();
        for dir in missing.into_iter().rev() {
            memory.names.insert(dir.clone(), None);
            memory.trace.push(Op::Name(Name::Make(dir, None)));
        }
        Ok(())
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn DiskFile>> {
        let mut memory = self.memory();
        let file = match memory.names.get(path) {
            Some(Some(file)) => {
                let file = *file;
                memory.files[file].clear();
                memory.trace.push(Op::Truncate(file));
                file
            }
            Some(None) => return Err(io::ErrorKind::IsADirectory.into()),
            None => {
                memory.files.push(Vec::new());
                let file = memory.files.len() - 1;
                memory.names.insert(path.to_owned(), Some(file));
                memory.trace.push(Op::Name(Name::Make(path.to_owned(), Some(file))));
                file
            }
        };
        let mut opened = MemoryFile { disk: self.clone(), file };
        drop(memory);
        if len > 0 {
            opened.write_at(&vec![0; usize::try_from(len).unwrap()], 0)?;
            opened.sync()?;
        }
        Ok(Box::new(opened))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        match self.memory().names.get(path) {
            Some(Some(file)) => Ok(Box::new(MemoryFile { disk: self.clone(), file: *file })),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let memory = self.memory();
        match memory.names.get(path) {
            Some(Some(file)) => Ok(memory.files[*file].clone()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let memory = self.memory();
        if !memory.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = memory.names.keys().filter(|name| name.parent() == Some(path));
        Ok(inside.map(|name| name.file_name().unwrap().to_str().unwrap().to_owned()).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut memory = self.memory();
        let name = Name::Rename(from.to_owned(), to.to_owned());
        apply_name(&mut memory.names, &name);
        memory.trace.push(Op::Name(name));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut memory = self.memory();
        if !memory.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let name = Name::Remove(path.to_owned());
        apply_name(&mut memory.names, &name);
        memory.trace.push(Op::Name(name));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.memory().trace.push(Op::SyncDir(path.to_owned()));
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn lock(&self, _path: &Path) -> io::Result<Box<dyn Any + Send>> {
        Ok(Box::new(()))
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    file: usize,
}

impl DiskFile for MemoryFile {
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<usize> {
        let at = usize::try_from(at).unwrap();
        let mut memory = self.disk.memory();
        apply_write(&mut memory.files[self.file], at, bytes);
        memory.trace.push(Op::Write(self.file, at, bytes.to_vec()));
        Ok(bytes.len())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.memory().trace.push(Op::Sync(self.file));
        Ok(())
    }
}
