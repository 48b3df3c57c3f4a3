//! Why the hub refuses a call of the settlement lane: one variant per reason.

/// Why the hub refuses a call of the settlement lane. What it refuses as in the classic lane (a deal
/// that is unknown, a time that is over, a vote that is there already) is a [`super::super::Refusal`].
///
/// The contracts have one more, `CommitExists`, which cannot happen: no task is committed twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LaneRefusal {
    /// The bond does not cover the votes.
    #[error("a worker's bond is lower than the stake of its votes")]
    BondTooLow,
    /// Who ends its bond is in no commit.
    #[error("a worker's bond is ending")]
    BondEnding,
    /// It was not ended, or its time has not come, or it answers for votes.
    #[error("the bond is still needed")]
    BondStillNeeded,
    /// Deals with enclaves have the other lanes.
    #[error("the deal asks for enclaves, which this lane does not have")]
    EnclaveLaneMissing,
    /// No tasks or too many, or nobody's ballot; in a settlement no tasks or too many.
    #[error("there are no tasks or ballots, or more tasks than a commit holds")]
    CommitEmpty,
    /// Ballots come by worker, ascending, and of one worker by task.
    #[error("the ballots are not in their order")]
    BallotUnsorted,
    /// A ballot names tasks behind those of the commit.
    #[error("a ballot goes beyond the commit")]
    BallotOutsideCommit,
    /// The worker did not sign its votes.
    #[error("a worker did not sign its ballot")]
    BallotSignatureInvalid,
    /// More votes of a task, or workers of a batch, than their bits can tell apart.
    #[error("there are more votes or workers than a row holds")]
    RowTooLong,
    /// Workers of a batch are not ascending.
    #[error("the workers are not ascending")]
    WorkersUnsorted,
    /// An outcome has fewer votes than its bits say.
    #[error("an outcome lacks votes")]
    VotesMissing,
    /// The rows are not those that were committed.
    #[error("the rows are not those of the commit")]
    CommitMismatch,
    /// Only the pool's owner may, until two clocks after the commit.
    #[error("only the pool's owner may settle yet")]
    NotYours,
    /// Only the pool's owner says where results lie that are bound to nothing.
    #[error("only the pool's owner says where results lie")]
    ResultsUnbound,
    /// The task is in no commit, or has ended.
    #[error("the task is not committed")]
    TaskNotCommitted,
    /// Only what was claimed is released.
    #[error("the task was not claimed, or was released")]
    TaskNotClaimed,
    /// The vote does not open the entry at its place.
    #[error("the vote is not the one in the row")]
    VoteMismatch,
    /// A vote is disclosed on chain once.
    #[error("the vote is on chain already")]
    VoteDisclosed,
}
