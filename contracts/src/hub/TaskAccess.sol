// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {CodeRecord} from "../records/CodeRecord.sol";
import {DealRecord, DealTerms} from "../records/DealRecord.sol";
import {TaskSlots, TaskState, Vote} from "../records/TaskSlots.sol";
import {HubStorage} from "./HubStorage.sol";

/// Loading and storing of deals, tasks and contributions, for calls and views alike.
abstract contract TaskAccess is HubStorage {
    function _loadTask(bytes32 taskid) internal view returns (TaskState memory) {
        return TaskSlots.unpackTask(_tasks[taskid]);
    }

    function _storeTask(bytes32 taskid, TaskState memory task) internal {
        _tasks[taskid] = TaskSlots.packTask(task);
    }

    function _loadVote(bytes32 taskid, uint256 index) internal view returns (Vote memory) {
        return TaskSlots.unpackVote(_contributions[taskid][index].vote);
    }

    /// @dev The terms in the record at `record`, which must have been written.
    function _loadDeal(address record) internal view returns (DealTerms memory) {
        return DealRecord.unpack(record.code);
    }

    function _recordOf(bytes32 id) internal view returns (address) {
        return CodeRecord.addressOf(address(this), id);
    }

    function _taskId(bytes32 dealid, uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(dealid, index));
    }

    function _resultHash(bytes32 taskid, bytes32 digest) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(taskid, digest));
    }

    function _resultSeal(address worker, bytes32 taskid, bytes32 digest) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(worker, taskid, digest));
    }
}
