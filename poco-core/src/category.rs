//! Categories and the deadlines that follow from them.

use crate::types::Timestamp;
use alloc::string::String;

/// Contributions are taken until the match plus this many times the category's time.
pub const CONTRIBUTION_DEADLINE_RATIO: u64 = 7;
/// A task of a deal with strict reveals that was reopened takes contributions until the match plus
/// this many times the category's time.
pub const REOPENED_DEADLINE_RATIO: u64 = 9;
/// Reveals are taken until the consensus plus this many times the category's time.
pub const REVEAL_DEADLINE_RATIO: u64 = 2;
/// When the reveals of a strict deal end at the latest, unless the task was reopened: whoever votes
/// anew then has a whole clock for it.
pub const STRICT_REVEALS_END_RATIO: u64 = 8;
/// A task ends at the match plus this many times the category's time.
pub const FINAL_DEADLINE_RATIO: u64 = 10;

/// A class of tasks by how long one run may take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Category {
    /// Short name, for instance `XS`.
    pub name: String,
    /// What the hub's owner says about it.
    pub description: String,
    /// T: the longest a run may take, and the unit of all deadlines, in seconds.
    pub work_clock_time_ref_seconds: u64,
}

/// The categories a hub starts with: name and T in seconds.
pub const INITIAL: [(&str, u64); 5] =
    [("XS", 300), ("S", 1200), ("M", 3600), ("L", 10800), ("XL", 36000)];

/// When the acts of a deal's tasks must have happened. Clocks start at the match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// No contribution from this time on.
    pub contribution: Timestamp,
    /// No reopening or finalizing from this time on; claims are possible.
    pub last: Timestamp,
}

impl Deadlines {
    /// Deadlines of a deal matched at `start` in a category of `work_clock_time_ref_seconds`.
    #[must_use]
    pub fn of_deal(start: Timestamp, work_clock_time_ref_seconds: u64) -> Self {
        let ahead = |ratio: u64| start.after(work_clock_time_ref_seconds.saturating_mul(ratio));
        Self { contribution: ahead(CONTRIBUTION_DEADLINE_RATIO), last: ahead(FINAL_DEADLINE_RATIO) }
    }

    /// Deadline of the reveals after a consensus at `consensus`.
    #[must_use]
    pub fn reveal(consensus: Timestamp, work_clock_time_ref_seconds: u64) -> Timestamp {
        consensus.after(work_clock_time_ref_seconds.saturating_mul(REVEAL_DEADLINE_RATIO))
    }
}
