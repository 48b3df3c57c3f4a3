// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// What marked orders add to the market: see `OrderMark` for how an order says it.
interface IConditions {
    /// @notice The deal keeps conditions beyond those of every deal; `guard` is zero if none of them asks for one.
    event DealConditions(bytes32 indexed dealid, uint256 conditions, address guard);
    /// @notice What was recorded for the task, results or callback bytes, is what its workers voted for.
    event ResultsBound(bytes32 indexed taskid, bytes32 digest);
    /// @notice All marked orders of the account's epochs before this one are cancelled.
    event EpochRaised(address indexed account, uint256 epoch);

    error OrderExpired(address signer, uint256 expiry);
    error OrderOfOtherEpoch(address signer, uint256 epoch, uint256 current);
    error EpochsSpent(address signer);
    error ConditionsUnknown(address signer, uint256 conditions);
    error ConditionsNotOffered(uint256 asked, uint256 offered);
    error GuardsDiffer(address asked, address offered);
    error SponsorMissing(address requester);
    error ConditionsWithoutLane(uint256 conditions);
    error WorkerNotKnown(address worker, address guard);
    error EnclaveNotKnown(address enclaveChallenge, address guard);
    error ResultsUnlikeDigest(bytes32 taskid, bytes32 digest);

    /// @notice Cancels every marked order that the caller has signed before.
    function raiseEpoch() external returns (uint256 epoch);
}
