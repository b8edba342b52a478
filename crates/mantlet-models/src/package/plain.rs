//! The files of a directory that is no package yet: read as a package's are, and nothing asked of what they are.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::Path,
};

use super::{FILES_MAX, PackageError, tree::TreeError, tree::walk};

/// Whether a name may stand in a package: relative, `/` between non-empty parts, no `.` or `..`, no backslash and no control
/// character.
#[must_use]
pub fn is_canonical(name: &str) -> bool {
    super::tree::is_canonical(name)
}

/// Reads every file below a directory, by its name relative to it. No symbolic link is followed; at most [`FILES_MAX`] files
/// and so many bytes in all.
///
/// # Errors
/// A link, pipe or device anywhere, or more files or bytes than that.
pub fn read_tree(directory: &Path, bytes_max: u64) -> Result<BTreeMap<String, Vec<u8>>, PackageError> {
    let mut files = BTreeMap::new();
    let mut left = bytes_max;
    walk::<PackageError>(directory, &|_| false, &mut |name, found| {
        let (mut file, bytes) = found.into_file(name)?;
        if files.len() >= FILES_MAX {
            return Err(PackageError::TooMany);
        }
        let io = |cause: io::Error| TreeError::Io { path: directory.join(name), cause };
        let mut content = Vec::with_capacity(usize::try_from(bytes.min(left)).unwrap_or(0));
        // One byte more than is left: a file that grew since it was looked at is refused, not cut.
        Read::by_ref(&mut file).take(left.saturating_add(1)).read_to_end(&mut content).map_err(io)?;
        let too_large = || PackageError::TooLarge { name: name.to_owned(), bytes_max };
        left = left.checked_sub(content.len() as u64).ok_or_else(too_large)?;
        files.insert(name.to_owned(), content);
        Ok(())
    })?;
    Ok(files)
}
