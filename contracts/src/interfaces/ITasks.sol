// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ContributionStatus, TaskStatus} from "./Types.sol";

/// The life of a task, from `initialize` to `finalize` or `claim`.
interface ITasks {
    event TaskInitialize(bytes32 indexed taskid, address indexed workerpool);
    event TaskContribute(bytes32 indexed taskid, address indexed worker, bytes32 hash);
    event TaskConsensus(bytes32 indexed taskid, bytes32 consensus);
    event TaskReveal(bytes32 indexed taskid, address indexed worker, bytes32 digest);
    event TaskFinalize(bytes32 indexed taskid, bytes results);
    event TaskClaimed(bytes32 indexed taskid);
    event TaskReopen(bytes32 indexed taskid);
    event AccurateContribution(address indexed worker, bytes32 indexed taskid);
    event FaultyContribution(address indexed worker, bytes32 indexed taskid);

    error UnknownDeal(bytes32 dealid);
    error IndexOutsideDeal(uint256 index, uint256 first, uint256 size);
    error WrongTaskStatus(bytes32 taskid, TaskStatus status);
    error TooLate(uint256 deadline, uint256 time);
    error TooEarly(uint256 deadline, uint256 time);
    error AlreadyContributed(bytes32 taskid, address worker);
    error NoContribution(bytes32 taskid, address worker);
    error TooManyContributors(bytes32 taskid);
    error EnclaveChallengeMissing(bytes32 taskid);
    error AuthorizationInvalid(address worker, bytes32 taskid, address challenge);
    error EnclaveSignatureInvalid(address challenge);
    error WrongContributionStatus(address worker, ContributionStatus status);
    error NotAWinner(address worker);
    error DigestMismatch(bytes32 digest);
    error NotThePoolOwner(address caller, address poolOwner);
    error RevealsPending(uint256 revealed, uint256 winners);
    error RevealsExist(uint256 revealed);
    error CallbackMismatch();
    /// @dev The pool owner has committed the task's contributions: from then on it takes no other.
    error TaskCommitted(bytes32 taskid);
    error TrustAboveOne(uint256 trust);
    error TaskHasContributions(bytes32 taskid);
    error CallbackGasTooLow(uint256 left, uint256 needed);
    error ArrayLengthsDiffer(uint256 dealIds, uint256 indexes);

    /// @notice Opens task `index` of a deal for contributions.
    function initialize(bytes32 dealId, uint256 index) external returns (bytes32);
    function initializeArray(bytes32[] calldata dealIds, uint256[] calldata indexes) external returns (bool);

    /// @notice Votes for a result: `resultHash` is the vote, `resultSeal` binds it to the caller.
    function contribute(
        bytes32 taskId,
        bytes32 resultHash,
        bytes32 resultSeal,
        address enclaveChallenge,
        bytes calldata enclaveSign,
        bytes calldata authorizationSign
    ) external;

    /// @notice Discloses the digest behind a winning vote.
    function reveal(bytes32 taskId, bytes32 resultDigest) external;

    /// @notice Records the results, pays, and calls back; by the pool owner.
    function finalize(bytes32 taskId, bytes calldata results, bytes calldata resultsCallback) external;

    /// @notice The whole life of a task of trust 1 in one call, by its only worker.
    function contributeAndFinalize(
        bytes32 taskId,
        bytes32 resultDigest,
        bytes calldata results,
        bytes calldata resultsCallback,
        address enclaveChallenge,
        bytes calldata enclaveSign,
        bytes calldata authorizationSign
    ) external;
}

/// What becomes of tasks that fail.
interface IClaims {
    /// @notice Opens a task again whose winners all failed to reveal; by the pool owner.
    function reopen(bytes32 taskId) external;

    /// @notice Refunds the payer of a task that was not finalized in time.
    function claim(bytes32 taskId) external;
    function claimArray(bytes32[] calldata taskIds) external returns (bool);

    /// @notice Opens and claims tasks that nobody opened before their final deadline.
    function initializeAndClaimArray(bytes32[] calldata dealIds, uint256[] calldata indexes)
        external
        returns (bool);
}
