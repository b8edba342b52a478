//! Bounds of a scan. A file over any of them is refused: whoever opens it would meet the same sizes.

use std::time::Duration;

/// Bounds of one scan, containers and all their members together.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes that compressed members may have after decompression.
    pub inflated_bytes: u64,
    /// Bytes that may come out of decompressors for each byte of the file, beyond [`Limits::inflated_free`]. Runs of zeros
    /// compress 1,000 to one; weights hardly at all, and trees ten to one.
    pub inflation: u64,
    /// Bytes that may come out of decompressors whatever the file's length: small files of little content.
    pub inflated_free: u64,
    /// Members of containers.
    pub members: u64,
    /// Containers within containers.
    pub depth: u32,
    /// Elementary steps: pickle opcodes, keys, nodes, events.
    pub steps: u64,
    /// Bytes that may be held in memory at once beyond as many as the file has.
    pub held_bytes: u64,
    /// Findings that are kept; a file full of them is unsafe by the first.
    pub findings: usize,
    /// Wall time.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inflated_bytes: 16 << 30,
            inflation: 100,
            inflated_free: 32 << 20,
            members: 100_000,
            depth: 8,
            steps: 200_000_000,
            held_bytes: 64 << 20,
            findings: 64,
            time: Duration::from_secs(60),
        }
    }
}
