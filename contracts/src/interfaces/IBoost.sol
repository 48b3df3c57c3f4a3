// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {AppOrder, DatasetOrder, DealBoost, RequestOrder, WorkerpoolOrder} from "./Types.sol";

/// The boost lane: deals of trust 0 or 1 whose tasks are not opened; one call by the worker ends each.
/// Refusals are the reference's words, `PocoBoost: …`.
interface IBoost {
    /// @notice A pool has work; all that it needs to run the tasks, of which the chain keeps only what it pays by.
    event SchedulerNoticeBoost(
        address indexed workerpool,
        bytes32 dealId,
        address app,
        address dataset,
        uint256 category,
        bytes32 tag,
        string params,
        address beneficiary
    );
    event DealSponsoredBoost(bytes32 dealId, address sponsor);
    event ResultPushedBoost(bytes32 dealId, uint256 index, bytes results);

    /// @notice A price has more than 96 bits, or a volume or index more than 16.
    error SafeCastOverflowedUintDowncast(uint8 bits, uint256 value);

    /// @notice As `matchOrders`; the tasks are numbered from 0 in every deal.
    function matchOrdersBoost(
        AppOrder calldata appOrder,
        DatasetOrder calldata datasetOrder,
        WorkerpoolOrder calldata workerpoolOrder,
        RequestOrder calldata requestOrder
    ) external returns (bytes32);

    /// @notice As `matchOrdersBoost`, paid by the caller.
    function sponsorMatchOrdersBoost(
        AppOrder calldata appOrder,
        DatasetOrder calldata datasetOrder,
        WorkerpoolOrder calldata workerpoolOrder,
        RequestOrder calldata requestOrder
    ) external returns (bytes32);

    /// @notice Ends a task: pays everybody at once, and calls back. By a worker with the pool owner's
    /// authorization, before the deal's deadline.
    function pushResultBoost(
        bytes32 dealId,
        uint256 index,
        bytes calldata results,
        bytes calldata resultsCallback,
        bytes calldata authorizationSign,
        address enclaveChallenge,
        bytes calldata enclaveSign
    ) external;

    /// @notice Refunds the payer of a task without a result at the deal's deadline.
    function claimBoost(bytes32 dealId, uint256 index) external;

    /// @notice All zeros for what is no deal of this lane.
    function viewDealBoost(bytes32 id) external view returns (DealBoost memory);
}
