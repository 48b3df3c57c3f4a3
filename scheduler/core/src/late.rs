//! What a task has late in its life, or in trouble.
//!
//! Most live tasks are being computed and have none of it, so it lies apart from them.

use crate::clock::Moment;
use crate::few::Few;
use crate::record::{CommitKey, StoredResult};
use alloc::boxed::Box;
use alloc::string::String;
use poco_core::lane::Vote as LaneVote;
use poco_core::{Address, ResultDigest, Timestamp, U256};

/// What a task has once it is voted on or meets trouble.
#[derive(Clone, Debug)]
pub(crate) struct Late {
    /// When contributions end, once the hub said so of the open task.
    pub(crate) contribution_deadline: Option<Timestamp>,
    pub(crate) hopeless: Option<String>,
    pub(crate) result: Option<Box<StoredResult>>,
    /// What votes weigh for the consensus: scores change later, and the hub does not show it.
    pub(crate) weights: Few<Address, U256>,
    /// Why its last transaction failed.
    pub(crate) refusal: String,
    pub(crate) upload: Upload,
    /// Revealers whose upload failed, and when they may be asked again.
    pub(crate) upload_rests: Few<Address, Moment>,
    /// What only tasks of the settlement lane have.
    pub(crate) lane: LaneState,
}

impl Late {
    pub(crate) const NONE: &'static Self = &Self {
        contribution_deadline: None,
        hopeless: None,
        result: None,
        weights: Few::new(),
        refusal: String::new(),
        upload: Upload::None,
        upload_rests: Few::new(),
        lane: LaneState {
            is_classic: false,
            commit: None,
            closed: None,
            ready_since: None,
            settle_since: None,
            told: Few::new(),
            row_told: Few::new(),
        },
    };
}

/// A task in the settlement lane, or out of it.
#[derive(Clone, Debug)]
pub(crate) struct LaneState {
    /// It goes the classic lane's way.
    pub(crate) is_classic: bool,
    /// The commit that it is or was in.
    pub(crate) commit: Option<Box<CommitKey>>,
    /// The block in which it left its commit.
    pub(crate) closed: Option<u64>,
    /// Since when it waits for others to be committed with.
    pub(crate) ready_since: Option<Moment>,
    /// Since when it waits for others to be settled with.
    pub(crate) settle_since: Option<Moment>,
    /// What workers told of their votes; whether it is what they committed, the row says. A
    /// worker tells it again after each reconnect.
    pub(crate) told: Few<Address, (LaneVote, Option<ResultDigest>)>,
    /// What each worker was last told of the row.
    pub(crate) row_told: Few<Address, RowTold>,
}

/// When a worker was told the row, and how many of its votes were known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowTold {
    pub(crate) at: Moment,
    pub(crate) known: usize,
}

/// The storing of the result.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Upload {
    #[default]
    None,
    Asked {
        worker: Address,
        since: Moment,
    },
    Running {
        worker: Address,
        since: Moment,
    },
}
