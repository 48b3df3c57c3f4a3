// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IClaims, ITasks} from "../interfaces/ITasks.sol";
import {TaskStatus} from "../interfaces/Types.sol";
import {DealHead, DealHeads} from "../records/DealHead.sol";
import {TaskWord} from "../records/TaskWord.sol";
import {VoteWord} from "../records/VoteWord.sol";
import {ContributionSlots} from "./HubStorage.sol";
import {Money} from "./Money.sol";
import {TaskSteps} from "./TaskSteps.sol";

/// What becomes of tasks that fail: opened again while there is time, claimed when there is none.
abstract contract Claims is IClaims, Money, TaskSteps {
    function reopen(bytes32 taskId) external {
        TaskWord task = _tasks[taskId];
        _loadRevealingTask(taskId, task);
        if (task.revealDeadline() > block.timestamp) {
            revert ITasks.TooEarly(task.revealDeadline(), block.timestamp);
        }
        if (task.revealed() != 0) revert ITasks.RevealsExist(task.revealed());

        for (uint256 i = 0; i < task.contributors(); ++i) {
            ContributionSlots storage slots = _contributions[taskId][i];
            VoteWord vote = slots.vote;
            if (vote.group() == task.winningGroup()) slots.vote = vote.rejected();
        }
        _tasks[taskId] = task.reopened();

        emit ITasks.TaskReopen(taskId);
    }

    function claim(bytes32 taskId) external {
        _claim(taskId);
    }

    function claimArray(bytes32[] calldata taskIds) external returns (bool) {
        for (uint256 i = 0; i < taskIds.length; ++i) {
            _claim(taskIds[i]);
        }
        return true;
    }

    function initializeAndClaimArray(bytes32[] calldata dealIds, uint256[] calldata indexes)
        external
        returns (bool)
    {
        _checkLengths(dealIds, indexes);
        for (uint256 i = 0; i < dealIds.length; ++i) {
            _claim(_initialize(dealIds[i], indexes[i]));
        }
        return true;
    }

    function _claim(bytes32 taskid) private {
        TaskWord task = _tasks[taskid];
        if (task.status() != TaskStatus.REVEALING) _checkStatus(taskid, task, TaskStatus.ACTIVE);
        DealHead deal = DealHeads.load(task.deal());
        uint256 deadline = deal.startTime() + deal.timeRef() * FINAL_DEADLINE_RATIO;
        if (deadline > block.timestamp) revert ITasks.TooEarly(deadline, block.timestamp);

        _tasks[taskid] = task.withStatus(TaskStatus.FAILED);
        uint256 released = _priceOf(deal);
        _unlock(deal.sponsor(), released);
        // To the kitty, never to the requester: else tasks that nobody can prove would drain pools.
        uint256 poolStake = _poolStakeOf(deal);
        _seize(deal.poolOwner(), poolStake, taskid);
        _addToKitty(poolStake, taskid);
        uint256 workerStake = deal.workerStake();
        for (uint256 i = 0; i < task.contributors(); ++i) {
            _unlock(_contributions[taskid][i].vote.worker(), workerStake);
            released += workerStake;
        }
        _release(released);
        emit ITasks.TaskClaimed(taskid);
    }
}
