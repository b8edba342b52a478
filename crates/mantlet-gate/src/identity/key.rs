//! API keys: `mtk_<env>_<kid>_<secret><crc>`.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// The secrets that turn a key's secret into what the directory keeps, by version.
#[derive(Default)]
pub struct Peppers {
    /// Version → 32 bytes.
    pub by_version: BTreeMap<u32, Zeroizing<[u8; 32]>>,
}
