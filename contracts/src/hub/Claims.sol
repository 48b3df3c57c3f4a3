// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IClaims, ITasks} from "../interfaces/ITasks.sol";
import {TaskStatus} from "../interfaces/Types.sol";
import {DealHead, DealHeads} from "../records/DealHead.sol";
import {OrderMarks} from "../records/OrderMark.sol";
import {TaskWord} from "../records/TaskWord.sol";
import {VoteWord} from "../records/VoteWord.sol";
import {ContributionSlots} from "./HubStorage.sol";
import {Money} from "./Money.sol";
import {TaskSteps} from "./TaskSteps.sol";

/// What becomes of tasks that fail: opened again while there is time, claimed when there is none.
abstract contract Claims is IClaims, Money, TaskSteps {
    function reopen(bytes32 taskId) external {
        TaskWord task = _tasks[taskId];
        _loadRevealingTask(taskId, task, 0);
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
        _release(released + _freeContributors(taskid, task, deal));
        emit ITasks.TaskClaimed(taskid);
    }

    /// @dev Contributors get their stake back; in a strict deal not those who withheld a reveal. Returns what was
    /// transferred.
    function _freeContributors(bytes32 taskid, TaskWord task, DealHead deal)
        private
        returns (uint256 released)
    {
        uint256 workerStake = deal.workerStake();
        bool isStrict = deal.conditions() & OrderMarks.STRICT_REVEALS != 0;
        for (uint256 i = 0; i < task.contributors(); ++i) {
            ContributionSlots storage slots = _contributions[taskid][i];
            address worker = slots.vote.worker();
            if (isStrict && _isWithheld(slots, task)) {
                _punish(worker, workerStake, taskid);
                _addToKitty(workerStake, taskid);
            } else {
                _unlock(worker, workerStake);
                released += workerStake;
            }
        }
    }

    /// @dev Whether a vote came to consensus, at the end or before the task was reopened, and was not revealed. The
    /// time for reveals ends with the task.
    function _isWithheld(ContributionSlots storage slots, TaskWord task) private view returns (bool) {
        VoteWord vote = slots.vote;
        if (vote.isRejected()) return true;
        if (task.status() != TaskStatus.REVEALING || vote.group() != task.winningGroup()) return false;
        return slots.sealInverted != 0;
    }
}
