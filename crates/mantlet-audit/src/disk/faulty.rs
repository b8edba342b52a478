//! A disk that fails on purpose, to show that the log keeps its promises when disks do not. For tests only.

use std::{
    any::Any,
    io,
    path::Path,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::io::Errno;

use super::{Disk, DiskFile};

/// What a call does to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Writes bytes.
    Write,
    /// Syncs a file or a directory.
    Sync,
    /// Anything else.
    Other,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No space is left.
    NoSpace,
    /// The device fails.
    Io,
    /// A signal came in between; for writes this is no error, but to be tried again.
    Interrupted,
    /// Half of a write is done; also no error. Other calls succeed.
    ShortWrite,
}

/// Which call fails, and how. As text: `sync:5:io`, or `write:1:nospace+` for that call and all later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    /// The kind of call that is counted; all, if absent.
    pub only: Option<Call>,
    /// The call that fails, from 1.
    pub nth: u64,
    /// How.
    pub fault: Fault,
    /// Whether the later ones fail too.
    pub lasting: bool,
}

/// The text is not a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fault is written as in `sync:5:io` or `write:1:nospace+`")]
pub struct FaultPlanError;

impl FromStr for FaultPlan {
    type Err = FaultPlanError;

    fn from_str(text: &str) -> Result<Self, FaultPlanError> {
        let (text, lasting) = text.strip_suffix('+').map_or((text, false), |text| (text, true));
        let [only, nth, fault] = text.split(':').collect::<Vec<_>>()[..] else { return Err(FaultPlanError) };
        let only = match only {
            "any" => None,
            "write" => Some(Call::Write),
            "sync" => Some(Call::Sync),
            "other" => Some(Call::Other),
            _ => return Err(FaultPlanError),
        };
        let fault = match fault {
            "nospace" => Fault::NoSpace,
            "io" => Fault::Io,
            "interrupted" => Fault::Interrupted,
            "short" => Fault::ShortWrite,
            _ => return Err(FaultPlanError),
        };
        Ok(Self { only, nth: nth.parse().map_err(|_| FaultPlanError)?, fault, lasting })
    }
}

#[derive(Default)]
struct State {
    plan: Option<FaultPlan>,
    calls: u64,
}

/// What happens to a call.
enum Fate {
    Succeeds,
    Halved,
}

impl State {
    fn meet(&mut self, call: Call) -> io::Result<Fate> {
        let counted = self.plan.is_none_or(|plan| plan.only.is_none_or(|only| only == call));
        self.calls += u64::from(counted);
        let hit =
            |plan: &FaultPlan| counted && (self.calls == plan.nth || plan.lasting && self.calls > plan.nth);
        match self.plan.filter(hit).map(|plan| plan.fault) {
            Some(Fault::NoSpace) => Err(Errno::NOSPC.into()),
            Some(Fault::Io) => Err(Errno::IO.into()),
            Some(Fault::Interrupted) => Err(Errno::INTR.into()),
            Some(Fault::ShortWrite) => Ok(Fate::Halved),
            None => Ok(Fate::Succeeds),
        }
    }
}

/// A disk around another one. Clones share the plan.
#[derive(Clone)]
pub struct FaultyDisk {
    inner: Arc<dyn Disk>,
    state: Arc<Mutex<State>>,
}

impl FaultyDisk {
    /// Around a disk, without a fault so far.
    #[must_use]
    pub fn new(inner: Arc<dyn Disk>) -> Self {
        Self { inner, state: Arc::default() }
    }

    /// From now on: counts calls from zero and fails as planned.
    pub fn arm(&self, plan: Option<FaultPlan>) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State { plan, calls: 0 };
    }

    /// Calls counted since the disk was armed.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).calls
    }

    fn meet(&self, call: Call) -> io::Result<Fate> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).meet(call)
    }

    fn file(&self, inner: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultyFile { inner, disk: self.clone() })
    }
}

impl Disk for FaultyDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.meet(Call::Other)?;
        self.inner.create_dir(path)
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn DiskFile>> {
        self.meet(Call::Other)?;
        Ok(self.file(self.inner.create(path, len)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.meet(Call::Other)?;
        Ok(self.file(self.inner.open(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.meet(Call::Other)?;
        self.inner.read(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.meet(Call::Other)?;
        self.inner.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.meet(Call::Other)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.meet(Call::Other)?;
        self.inner.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.meet(Call::Sync)?;
        self.inner.sync_dir(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.meet(Call::Other)?;
        self.inner.free_bytes(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>> {
        self.inner.lock(path)
    }
}

struct FaultyFile {
    inner: Box<dyn DiskFile>,
    disk: FaultyDisk,
}

impl DiskFile for FaultyFile {
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<usize> {
        match self.disk.meet(Call::Write)? {
            Fate::Succeeds => self.inner.write_at(bytes, at),
            Fate::Halved => self.inner.write_at(&bytes[..bytes.len().div_ceil(2)], at),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.meet(Call::Sync)?;
        self.inner.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_read() {
        let plan = FaultPlan { only: Some(Call::Sync), nth: 5, fault: Fault::Io, lasting: false };
        assert_eq!("sync:5:io".parse(), Ok(plan));
        assert!("write:1:nospace+".parse::<FaultPlan>().unwrap().lasting);
        for bad in ["", "sync", "sync:x:io", "sync:1:io:2", "fsync:1:io"] {
            assert_eq!(bad.parse::<FaultPlan>(), Err(FaultPlanError), "{bad}");
        }
    }
}
