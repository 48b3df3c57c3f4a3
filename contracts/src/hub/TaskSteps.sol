// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {ITasks} from "../interfaces/ITasks.sol";
import {TaskStatus} from "../interfaces/Types.sol";
import {DealHead, DealHeads} from "../records/DealHead.sol";
import {StakeWord} from "../records/StakeWord.sol";
import {TaskWord} from "../records/TaskWord.sol";
import {Payout} from "./Payout.sol";
import {TaskAccess} from "./TaskAccess.sol";

/// What the calls of tasks share, whether they succeed or fail.
abstract contract TaskSteps is TaskAccess {
    function _initialize(bytes32 dealid, uint256 index) internal returns (bytes32 taskid) {
        address record = _recordOf(dealid);
        DealHead deal = DealHeads.load(record);
        if (!deal.isDeal()) revert ITasks.UnknownDeal(dealid);
        (uint256 first, uint256 size) = (deal.botFirst(), deal.botSize());
        if (index < first || index - first >= size) revert ITasks.IndexOutsideDeal(index, first, size);
        taskid = _taskId(dealid, index);
        _checkStatus(taskid, _tasks[taskid], TaskStatus.UNSET);

        _tasks[taskid] = _opened(record, taskid, index, first);
        emit ITasks.TaskInitialize(taskid, deal.pool());
    }

    /// @dev What reopen and finalize share: the pool owner acts on a task in consensus, before its end. In
    /// a deal with one of the conditions `forAll` anyone does, once the time for reveals is over.
    function _loadRevealingTask(bytes32 taskid, TaskWord task, uint256 forAll)
        internal
        view
        returns (DealHead deal)
    {
        _checkStatus(taskid, task, TaskStatus.REVEALING);
        deal = DealHeads.load(task.deal());
        if (msg.sender != deal.poolOwner()) {
            bool isForAll = deal.conditions() & forAll != 0 && task.revealDeadline() <= block.timestamp;
            if (!isForAll) revert ITasks.NotThePoolOwner(msg.sender, deal.poolOwner());
        }
        uint256 deadline = deal.startTime() + deal.timeRef() * FINAL_DEADLINE_RATIO;
        if (deadline <= block.timestamp) revert ITasks.TooLate(deadline, block.timestamp);
    }

    function _checkStatus(bytes32 taskid, TaskWord task, TaskStatus wanted) internal pure {
        if (task.status() != wanted) revert ITasks.WrongTaskStatus(taskid, task.status());
    }

    function _checkLengths(bytes32[] calldata dealIds, uint256[] calldata indexes) internal pure {
        if (dealIds.length != indexes.length) {
            revert ITasks.ArrayLengthsDiffer(dealIds.length, indexes.length);
        }
    }

    /// @dev A vote that was not proved: the stake is lost, and a third of the score. The caller says to whom.
    function _punish(address worker, uint256 stake, bytes32 taskid) internal {
        StakeWord account = _stakes[worker].seize(stake);
        _stakes[worker] = account.withScore(account.score() * 2 / 3);
        emit IEscrow.Seize(worker, stake, taskid);
        emit ITasks.FaultyContribution(worker, taskid);
    }

    /// @dev What the payer locked for one task.
    function _priceOf(DealHead deal) internal pure returns (uint256) {
        (, uint256 datasetPrice) = deal.datasetOwnerAndPrice();
        return deal.appPrice() + datasetPrice + deal.poolPrice();
    }

    /// @dev What the pool owner locked for one task.
    function _poolStakeOf(DealHead deal) internal pure returns (uint256) {
        return Payout.poolStakeOf(deal.poolPrice());
    }
}
