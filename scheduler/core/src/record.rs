//! What is stored: promises, and what neither chain nor workers can tell again.

use crate::input::DealFacts;
use crate::words::{Failure, Lane};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use poco_core::lane::Row;
use poco_core::{Address, B256, Bytes, DealId, ResultDigest, TaskId, Timestamp, U256};
use serde::{Deserialize, Serialize};

/// One entry of the store, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A deal of the pool.
    Deal(Box<DealRecord>),
    /// A task that was made from a deal.
    Task(Box<TaskRecord>),
    /// A commit of the settlement lane.
    Commit(Box<CommitRecord>),
    /// A worker's place.
    Member(MemberRecord),
}

/// A worker's place in the list over which tasks draw their order, until somebody else gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// The worker.
    pub worker: Address,
    /// Its place: one record each.
    pub place: u32,
    /// The latest block when it got the place: it counts for deals of later ones.
    pub since_block: u64,
}

/// Names a commit: tasks are committed once, but ranges may overlap in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommitKey {
    /// The deal.
    pub deal: DealId,
    /// Index of its first task.
    pub first: U256,
    /// Time of its block.
    pub time: Timestamp,
}

/// A commit from its event until the last of its tasks is pruned: its rows are in the event alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitRecord {
    /// Which.
    pub key: CommitKey,
    /// The block that it is in.
    pub block: u64,
    /// The row of each task.
    pub rows: Vec<Row>,
}

/// A deal from its notice until the last of its tasks is pruned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DealRecord {
    /// Its id.
    pub id: DealId,
    /// The block that made it.
    pub block: u64,
    /// That block's hash, from which follows in which order workers are tried.
    pub block_hash: B256,
    /// How many places of workers there were before that block.
    pub places: u32,
    /// What was read about it; `None` until the node answered.
    pub facts: Option<DealFacts>,
    /// Offset of the first task not made yet.
    pub next: u64,
}

/// A task from its making until it is pruned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Its id.
    pub id: TaskId,
    /// Its deal.
    pub deal: DealId,
    /// Its offset from the deal's first index.
    pub offset: u64,
    /// Everyone who was promised an authorization.
    pub replicas: Vec<ReplicaRecord>,
    /// Assignments made so far.
    pub assignments: u32,
    /// Why the task is given up, if it is.
    pub hopeless: Option<String>,
    /// What each contribution weighs for the consensus, from the score when it was first seen.
    pub weights: Vec<(Address, U256)>,
    /// Where its result lies, once stored.
    pub result: Option<StoredResult>,
    /// It goes the classic lane's way, though it may have begun in the settlement lane.
    pub is_classic: bool,
    /// The block in which it left its commit, if it did.
    pub closed: Option<u64>,
}

/// A promise to one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaRecord {
    /// To whom.
    pub worker: Address,
    /// For which lane.
    pub lane: Lane,
    /// What its vote was expected to weigh.
    pub weight: U256,
    /// At which rank of the task's order it was tried; `None` for a worker that came after the
    /// match.
    pub rank: Option<u32>,
    /// Why it gave nothing, if it has ended so.
    pub failure: Option<Failure>,
}

/// A stored result whose digest was computed from the stored bytes: what the votes are for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredResult {
    /// Who brought it.
    pub worker: Address,
    /// What the bytes are worth.
    pub digest: ResultDigest,
    /// `/ipfs/<cid>`.
    pub location: String,
    /// What the deal's callback receives; empty without one.
    pub callback: Bytes,
    /// Size of the stored object.
    pub size_bytes: u64,
}
