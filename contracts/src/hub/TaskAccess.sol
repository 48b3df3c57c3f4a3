// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EfficientHashLib} from "solady/utils/EfficientHashLib.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {ContributionStatus} from "../interfaces/Types.sol";
import {BoostRecord} from "../records/BoostRecord.sol";
import {CodeRecord} from "../records/CodeRecord.sol";
import {DealHead, DealHeads} from "../records/DealHead.sol";
import {OrderMarks} from "../records/OrderMark.sol";
import {TaskWord, TaskWords} from "../records/TaskWord.sol";
import {ContributionSlots, HubStorage} from "./HubStorage.sol";

/// How the ids and messages of deals and tasks are made, and what follows from their slots, for calls and
/// views alike.
abstract contract TaskAccess is HubStorage {
    function _recordOf(bytes32 id) internal view returns (address) {
        return CodeRecord.addressOf(address(this), id);
    }

    function _dealId(bytes32 requestHash, uint256 botFirst) internal pure returns (bytes32) {
        return EfficientHashLib.hash(requestHash, bytes32(botFirst));
    }

    /// @dev How much of an order is spent. A request that one deal used up has no slot: its deal is the proof.
    function _consumedOf(bytes32 orderHash) internal view returns (uint256 consumed) {
        consumed = _consumed[orderHash];
        if (consumed > 0) return consumed;
        address record = _recordOf(_dealId(orderHash, 0));
        DealHead deal = DealHeads.load(record);
        if (deal.isDeal()) return deal.botSize();
        return BoostRecord.load(record).botSize;
    }

    /// @dev A new task of the deal at `record`, whose first index is `first`.
    function _opened(address record, bytes32 taskid, uint256 index, uint256 first)
        internal
        returns (TaskWord)
    {
        uint256 offset = index - first;
        if (offset >= TaskWords.FAR_INDEX) {
            offset = TaskWords.FAR_INDEX;
            _farIndexes[taskid] = index;
        }
        return TaskWords.opened(record, offset);
    }

    function _statusOf(ContributionSlots storage slots) internal view returns (ContributionStatus) {
        if (slots.vote.isRejected()) return ContributionStatus.REJECTED;
        return slots.sealInverted == 0 ? ContributionStatus.PROVED : ContributionStatus.CONTRIBUTED;
    }

    /// @dev When the reveals of a consensus of this moment end: never after `last` clocks of the deal.
    function _revealDeadline(DealHead deal, uint256 last) internal view returns (uint256) {
        return FixedPointMathLib.min(
            block.timestamp + deal.timeRef() * REVEAL_DEADLINE_RATIO, deal.startTime() + deal.timeRef() * last
        );
    }

    /// @dev A task that was reopened late would have no time for others' votes; strict deals give it more.
    function _contributionDeadline(TaskWord task, DealHead deal) internal pure returns (uint256) {
        bool isLonger = task.wasReopened() && _isStrict(deal);
        uint256 ratio = isLonger ? REOPENED_DEADLINE_RATIO : CONTRIBUTION_DEADLINE_RATIO;
        return deal.startTime() + deal.timeRef() * ratio;
    }

    function _isStrict(DealHead deal) internal pure returns (bool) {
        return deal.conditions() & OrderMarks.STRICT_REVEALS != 0;
    }

    function _taskId(bytes32 dealid, uint256 index) internal pure returns (bytes32) {
        return EfficientHashLib.hash(dealid, bytes32(index));
    }

    function _resultHash(bytes32 taskid, bytes32 digest) internal pure returns (bytes32) {
        return EfficientHashLib.hash(taskid, digest);
    }

    /// @dev keccak256(worker 20, taskid 32, challenge 20): what authorizes a worker. Assembly, as below.
    function _authorization(address worker, bytes32 taskid, address challenge)
        internal
        pure
        returns (bytes32 hash)
    {
        assembly ("memory-safe") {
            let place := mload(0x40)
            mstore(place, shl(96, worker))
            mstore(add(place, 20), taskid)
            mstore(add(place, 52), shl(96, challenge))
            hash := keccak256(place, 72)
        }
    }

    /// @dev keccak256(worker 20, taskid 32, digest 32). Assembly, because `abi.encodePacked` takes memory for good and
    /// costs three times as much; each vote is sealed once.
    function _resultSeal(address worker, bytes32 taskid, bytes32 digest)
        internal
        pure
        returns (bytes32 seal)
    {
        assembly ("memory-safe") {
            let place := mload(0x40)
            mstore(place, shl(96, worker))
            mstore(add(place, 20), taskid)
            mstore(add(place, 52), digest)
            seal := keccak256(place, 84)
        }
    }
}
