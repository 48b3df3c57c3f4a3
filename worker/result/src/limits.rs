//! How much of a result is looked at before it is refused.

/// Limits on an out directory or a result zip, which come from strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most files and directories together.
    pub entries_max: u64,
    /// Most bytes of file content together, uncompressed.
    pub bytes_max: u64,
}

impl Default for Limits {
    /// 100 000 entries keep a listing below some 50 MB of memory, and 16 GiB is more than a pool
    /// serves by default.
    fn default() -> Self {
        Self { entries_max: 100_000, bytes_max: 16 << 30 }
    }
}
