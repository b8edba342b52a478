//! Files that a command writes for somebody else's names: a package that was exported, an archive that was imported.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    path::Path,
};

/// Writes every file anew, below a directory that must not be there yet.
///
/// INVARIANT (canonical-names): names are relative, without `..` and such; whoever made the list takes no others. The
/// directory is ours and new, so none leads anywhere else.
///
/// # Errors
/// The disk says no, or the directory is there.
pub fn write_anew<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for (name, bytes) in files {
        let path = to.join(name);
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).create(parent)?;
        }
        let mut file = File::create_new(&path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    Ok(())
}
