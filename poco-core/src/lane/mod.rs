//! The settlement lane: workers sign, the pool's owner sends.
//!
//! Votes are blinded and signed as ballots, committed many tasks at once, disclosed to all voters
//! of a row, and settled many tasks at once. The module holds what the parties compute and sign
//! ([`Vote`], [`ballot_hash`], [`Row`]), the calls and events of a hub that has the lane
//! ([`LaneCall`], [`LaneEvent`]), what the votes of a row come to ([`leader`], [`Count`]), and
//! what a batch pays ([`settle`]). It follows `contracts/src/interfaces/ILane.sol`. What the calls do
//! to a hub, bonds and the ways back into the classic lane included, is in [`crate::hub`].

mod call;
mod count;
mod event;
mod record;
mod settle;
mod vote;

pub use call::{Ballot, Batch, CommitRange, LaneCall, OtherVote, Outcome, RowVote};
pub use count::{Count, Member, count, leader};
pub use event::{LaneEvent, SkipReason};
pub use record::{head_bytes, most_bytes};
pub(crate) use settle::check_size;
pub use settle::{Books, Committed, Ended, Net, Settlement, SettlementRefusal, WorkerNet, settle};
pub use vote::{
    BlindedVote, Entry, Nonce, NonceSecret, Row, Vote, ballot_hash, commit_hash, nonce_of,
    nonce_secret_hash,
};

/// Most tasks of one commit: their places are numbered in 8 bits.
pub const TASKS_MAX: usize = 256;
/// Most votes of a task: all of them can become contributions.
pub const ROW_MAX: usize = crate::rules::CONTRIBUTIONS_MAX;
/// Most workers of a batch: the hub keeps their bits in 32.
pub const WORKERS_MAX: usize = 32;

/// A worker's bond for a pool, as `viewBond` shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Bond {
    /// All that is put aside.
    pub total: crate::Amount,
    /// What of it answers for committed votes.
    pub locked: crate::Amount,
    /// When it may be taken back; zero while it serves.
    pub release: crate::Timestamp,
}

impl Bond {
    /// Whether it is ending: no commit may take it any more.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.release != crate::Timestamp::default()
    }

    /// What a commit may lock: nothing of a bond that is ending.
    #[must_use]
    pub fn free(&self) -> crate::Amount {
        if self.is_ending() {
            return crate::Amount::ZERO;
        }
        self.total.checked_sub(self.locked).unwrap_or_default()
    }
}
