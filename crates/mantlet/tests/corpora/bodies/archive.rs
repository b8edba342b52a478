//! Archives that are imported.

use mantlet::import::{IMPORT_BYTES_MAX, unpack::unpack};
use mantlet_models::package::{FILES_MAX, is_canonical};

/// What is taken stays within the directory and within its bounds, and no file stands where another's directory is.
pub(crate) fn body(data: &[u8]) {
    let Ok(files) = unpack(data.to_vec(), "model") else { return };
    assert!((1..=FILES_MAX).contains(&files.len()), "{} files", files.len());
    assert!(files.values().map(Vec::len).sum::<usize>() <= IMPORT_BYTES_MAX);
    for name in files.keys() {
        assert!(is_canonical(name) && !name.starts_with('/'), "{name:?}");
        for (at, _) in name.match_indices('/') {
            assert!(!files.contains_key(&name[..at]), "{name:?} is below a file");
        }
    }
}
