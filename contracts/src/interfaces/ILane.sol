// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @dev One worker's votes for the tasks from `first` on, in order; zero where it has none. Signed by the worker as
/// EIP-712 `Ballot(bytes32 dealid,uint256 first,bytes32[] entries)`, by a key; without any vote by nobody.
///
/// An entry blinds a vote: `keccak256(resultHash ‖ resultSeal ‖ enclaveChallenge ‖ nonce)`, packed, of 32, 32, 20 and
/// 16 bytes. The challenge is zero: deals with enclaves have the other lanes.
struct Ballot {
    address worker;
    uint256 first;
    bytes32[] entries;
    bytes sign;
}

/// @dev A range of a commit: the deal, the commit's first task, when it was mined, and the hashes of the rows before
/// and after the range.
struct CommitRange {
    bytes32 dealId;
    uint256 first;
    uint256 time;
    bytes32[] rowsBefore;
    bytes32[] rowsAfter;
}

/// @dev A vote that is not for the digest that a task is settled with. If it was not disclosed, only `entry` is
/// set; else `entry` is zero.
struct OtherVote {
    bytes32 resultHash;
    bytes32 resultSeal;
    uint128 nonce;
    bytes32 entry;
}

/// @dev A vote of the row of a task, by its position there.
struct RowVote {
    uint256 position;
    bytes32 resultHash;
    bytes32 resultSeal;
    uint128 nonce;
}

/// @dev What became of a task. `present` says which of the batch's workers are in its row, one bit each, and
/// `agreeing` which of those voted for `digest`; `nonces` are theirs, `others` the votes of the rest, in order.
struct Outcome {
    uint256 present;
    uint256 agreeing;
    bytes32 digest;
    uint128[] nonces;
    OtherVote[] others;
    bytes results;
    bytes resultsCallback;
}

/// @dev The tasks of a range of a commit, in order, and the workers in their rows, ascending.
struct Batch {
    CommitRange range;
    address[] workers;
    Outcome[] outcomes;
}

/// @dev Why a task of a batch was left as it is.
enum SkipReason {
    /// It was never committed, or has ended, or was taken out of the commit.
    NOT_COMMITTED,
    /// Workers outside its row have contributed on chain: it is closed, and goes on as a classic task.
    ON_CHAIN,
    /// Its callback bytes, or bound results, are not what was voted for.
    CALLBACK,
    /// A vote is not disclosed, and there is still time to do it.
    UNDISCLOSED,
    /// The votes for the digest do not reach the trust.
    NO_CONSENSUS,
    /// With it the record of the batch would be longer than 24 576 bytes: it may fit into one of its own.
    RECORD_FULL
}

/// The settlement lane: workers sign, the pool owner sends. Votes are committed blinded, many tasks at once, from
/// stake that the workers have put aside for the pool; disclosed to each other; and settled, many tasks at once.
interface ILane {
    event Bonded(address indexed worker, address indexed pool, uint256 amount);
    event Unbonding(address indexed worker, address indexed pool, uint256 releaseTime);
    event BondWithdrawn(address indexed worker, address indexed pool, uint256 amount);
    /// @notice The tasks from `first` on were committed: `rows` holds their rows, one behind the other, each entry
    /// as worker, 20 bytes, and blinded vote, 32; `lengths` how many entries each row has, one byte each.
    event Committed(bytes32 indexed dealid, uint256 first, bytes lengths, bytes rows);
    /// @notice The task has left its commit and goes on as a classic one.
    event Closed(bytes32 indexed taskid);
    event TaskSkipped(bytes32 indexed taskid, SkipReason reason);

    error BondTooLow(address worker, uint256 unlocked, uint256 needed);
    error BondEnding(address worker, uint256 releaseTime);
    error BondStillNeeded(address worker, uint256 locked, uint256 releaseTime);
    error EnclaveLaneMissing(bytes32 dealid);
    error CommitEmpty(uint256 tasks, uint256 ballots);
    error BallotUnsorted(uint256 ballot);
    error BallotOutsideCommit(uint256 ballot);
    error BallotSignatureInvalid(address worker);
    error RowTooLong(uint256 entries, uint256 most);
    error WorkersUnsorted(uint256 position);
    error VotesMissing(uint256 outcome);
    error CommitMismatch(bytes32 dealid, uint256 first);
    error NotYours(address caller, uint256 time);
    error ResultsUnbound(address caller);
    error CommitExists(bytes32 dealid, uint256 first);
    error TaskNotCommitted(bytes32 taskid);
    error TaskNotClaimed(bytes32 taskid);
    error VoteMismatch(uint256 position);
    error VoteDisclosed(uint256 position);

    /// @notice Freezes free stake of the caller for a pool's commits. A bond that was ending serves again.
    function bond(address pool, uint256 amount) external;
    /// @notice No commit may take the caller any more; in ten clocks of the longest category the bond is free.
    function unbond(address pool) external;
    /// @notice Unfreezes a bond whose time has come and which answers for nothing.
    function withdrawBond(address pool) external;
    function viewBond(address worker, address pool)
        external
        view
        returns (uint256 total, uint256 locked, uint256 releaseTime);

    /// @notice Commits the votes of the tasks `first` to `first + count - 1`; by the pool owner, while contributions
    /// are open. Ballots come by worker, ascending, and of one worker by task.
    function commit(bytes32 dealId, uint256 first, uint256 count, Ballot[] calldata ballots) external;

    /// @notice Ends the tasks of the batches: consensus, reveals, payments, results, callbacks. By the pool owner;
    /// two clocks after the commit by anyone, then without results but the callback's or bound ones.
    function settle(Batch[] calldata batches) external;

    /// @notice Discloses votes of a committed task on chain, where they become contributions as in the classic lane;
    /// by anyone who knows them. `row` is the task's, as in `Committed`; the range ends with the rows around it.
    function disclose(CommitRange calldata range, bytes calldata row, RowVote[] calldata votes) external;

    /// @notice Ends the commit of a task whose votes are all on chain, or had two clocks for it: those that are not
    /// are rejected. The task goes on as a classic one, in consensus if it has one.
    function close(CommitRange calldata range, bytes calldata row) external;

    /// @notice Frees the bonds that answered for tasks which ended in a claim.
    function release(CommitRange calldata range, bytes[] calldata rows) external;
}
