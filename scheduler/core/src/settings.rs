//! What the operator decides once, at the start.

use poco_core::{Address, Amount};

/// Settings of a pool's scheduler.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The pool.
    pub workerpool: Address,
    /// Whose key signs for it: deals frozen under another owner are not ours.
    pub owner: Address,
    /// Whether tasks at trust 1 take the fast lane.
    pub fast_lane: bool,
    /// Whether the hub has the settlement lane and it is to be used: replicated and many tasks take
    /// it then.
    pub settlement: bool,
    /// Tasks opened and not decided at a time.
    pub tasks_live_max: usize,
    /// Workers on which a task may fail by its own fault before it is given up; where fewer are
    /// connected, it is given up once it failed on all of them.
    pub attempts_max: usize,
    /// How long a worker may be away before its replicas are replaced.
    pub lost_after_millis: u64,
    /// The same after the scheduler's own start, when every worker has to come back first.
    pub start_grace_millis: u64,
    /// Blocks on top of a task's end after which no reorg is expected to undo it.
    pub prune_depth_blocks: u64,
    /// How long the result of an ended task is kept.
    pub result_seconds: u64,
    /// Gas that the owner must be able to pay at the present price: below, no task is opened.
    pub floor_gas: u64,
    /// Free stake below which the pool's orders can hardly be matched.
    pub floor_stake: Amount,
    /// Bytes of results for which there must be room: below, no task is opened.
    pub floor_room_bytes: u64,
}

impl Settings {
    /// Usual values for `workerpool`, led by `owner`.
    #[must_use]
    pub fn new(workerpool: Address, owner: Address) -> Self {
        Self {
            workerpool,
            owner,
            fast_lane: true,
            settlement: false,
            tasks_live_max: 1000,
            attempts_max: 3,
            lost_after_millis: 5_000,
            start_grace_millis: 30_000,
            prune_depth_blocks: 64,
            result_seconds: 30 * 24 * 3600,
            // What is open can still be ended: a dozen finalizations, or one full batch.
            floor_gas: 5_000_000,
            floor_stake: Amount::ZERO,
            floor_room_bytes: 1 << 30,
        }
    }
}
