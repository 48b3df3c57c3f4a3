// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Deal, Task} from "../interfaces/Types.sol";
import {ResultConsumer} from "./ResultConsumer.sol";

/// A contract that uses the newest result alone: a task counts only if its deal was matched after that of the
/// last one taken, or at the same time and the task has a higher index.
///
/// Otherwise whoever finds an old result to its liking, never taken or long replaced, could put it in place of
/// the newest. The order is that of matches and not of endings, which pools and workers choose. It is strict,
/// so that no task is taken twice.
abstract contract LatestResultConsumer is ResultConsumer {
    /// @notice When the deal of the newest result was matched; 0 before the first.
    uint64 public newestStart;
    /// @notice The index of the newest result's task in its request.
    uint192 public newestIndex;

    error NotNewer(uint256 startTime, uint256 index);
    /// @notice No client has requests of this size; the order keeps 192 bits of an index.
    error IndexTooLarge(uint256 index);

    function _admit(bytes32, Task memory task, Deal memory deal) internal override {
        if (task.idx > type(uint192).max) revert IndexTooLarge(task.idx);
        if (!_isNewer(deal.startTime, task.idx)) revert NotNewer(deal.startTime, task.idx);
        // Block times fit 64 bits.
        (newestStart, newestIndex) = (uint64(deal.startTime), uint192(task.idx));
    }

    function _isNewer(uint256 startTime, uint256 index) private view returns (bool) {
        return startTime > newestStart || (startTime == newestStart && index > newestIndex);
    }
}
