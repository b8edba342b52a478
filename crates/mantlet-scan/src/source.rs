//! What stands beside the file under scan: formats that keep their data in other files are judged with these.

/// A file beside the one under scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// A regular file with one name, of so many bytes.
    File(u64),
    /// A regular file that has other names as well: what it holds can be changed from elsewhere.
    Linked,
    /// A symbolic link stands on the way to it, or is it.
    Symlink,
    /// A folder, a pipe, a device.
    Other,
    /// Nothing of this name.
    Missing,
}

/// The folder of the model under scan, or the files of a package in memory.
pub trait Folder {
    /// What stands under a relative name, without following any link.
    fn look(&self, name: &str) -> Beside;
}
