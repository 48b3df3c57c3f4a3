// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {IResultReceiver} from "../interfaces/IParties.sol";
import {ContributionStatus, TaskStatus} from "../interfaces/Types.sol";
import {CodeRecord} from "../records/CodeRecord.sol";
import {DealRecord, DealTerms} from "../records/DealRecord.sol";
import {ResultRecord} from "../records/ResultRecord.sol";
import {TaskSlots, TaskState, Vote} from "../records/TaskSlots.sol";
import {Consensus} from "./Consensus.sol";
import {Contributions} from "./Contributions.sol";

/// The two ends of a task, initialize and finalize or claim, and the money that moves at the end.
///
/// In `finalize` the sum of all debits equals the sum of all credits, kitty included: what is seized from
/// the payer, the kitty and the contributors that did not prove their vote is what is paid out.
abstract contract Settlement is Contributions {
    function initialize(bytes32 dealId, uint256 index) external returns (bytes32) {
        return _initialize(dealId, index);
    }

    function initializeArray(bytes32[] calldata dealIds, uint256[] calldata indexes) external returns (bool) {
        _checkLengths(dealIds, indexes);
        for (uint256 i = 0; i < dealIds.length; ++i) {
            _initialize(dealIds[i], indexes[i]);
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

    function claim(bytes32 taskId) external {
        _claim(taskId);
    }

    function claimArray(bytes32[] calldata taskIds) external returns (bool) {
        for (uint256 i = 0; i < taskIds.length; ++i) {
            _claim(taskIds[i]);
        }
        return true;
    }

    function finalize(bytes32 taskId, bytes calldata results, bytes calldata resultsCallback) external {
        TaskState memory task = _loadTask(taskId);
        DealTerms memory deal = _loadRevealingTask(taskId, task);
        bool isRevealOver = task.revealed > 0 && task.revealDeadline <= block.timestamp;
        if (task.revealed != task.winners && !isRevealOver) {
            revert RevealsPending(task.revealed, task.winners);
        }
        _checkCallback(deal, _groups[taskId][task.winningGroup], resultsCallback);

        task.status = TaskStatus.COMPLETED;
        _storeTask(taskId, task);
        if (results.length + resultsCallback.length > 0) {
            CodeRecord.write(taskId, ResultRecord.pack(results, resultsCallback));
        }
        _settlePrices(taskId, deal);
        _settleContributions(taskId, task.contributors, deal);

        emit TaskFinalize(taskId, results);
        _callBack(deal.callback, taskId, resultsCallback);
    }

    function contributeAndFinalize(
        bytes32 taskId,
        bytes32 resultDigest,
        bytes calldata results,
        bytes calldata resultsCallback,
        address enclaveChallenge,
        bytes calldata enclaveSign,
        bytes calldata authorizationSign
    ) external {
        DealTerms memory deal = _admitFast(taskId);
        _checkCallback(deal, resultDigest, resultsCallback);
        _checkAuthorization(taskId, deal, enclaveChallenge, authorizationSign);
        _checkFastEnclave(taskId, resultDigest, enclaveChallenge, enclaveSign);

        _completeFast(taskId, deal);
        CodeRecord.write(
            taskId,
            ResultRecord.packFast(resultDigest, msg.sender, enclaveChallenge, results, resultsCallback)
        );
        _settlePrices(taskId, deal);
        _settleOnlyWorker(taskId, deal);

        _announceFast(taskId, resultDigest);
        emit TaskFinalize(taskId, results);
        _callBack(deal.callback, taskId, resultsCallback);
    }

    /// @dev Whether a task may be done in one call: trust 1, and nobody has contributed.
    function _admitFast(bytes32 taskid) private view returns (DealTerms memory deal) {
        TaskState memory task = _loadTask(taskid);
        deal = _loadOpenTask(taskid, task);
        if (task.contributors != 0) revert TaskHasContributions(taskid);
        if (deal.trust != 1) revert TrustAboveOne(deal.trust);
    }

    function _checkFastEnclave(bytes32 taskid, bytes32 digest, address challenge, bytes calldata enclaveSign)
        private
        view
    {
        _checkEnclave(
            _resultHash(taskid, digest), _resultSeal(msg.sender, taskid, digest), challenge, enclaveSign
        );
    }

    /// @dev As after a consensus of one, revealed; that no contribution is stored marks the task as fast.
    function _completeFast(bytes32 taskid, DealTerms memory deal) private {
        TaskState memory task = _loadTask(taskid);
        task.status = TaskStatus.COMPLETED;
        task.revealDeadline = block.timestamp + deal.timeRef * REVEAL_DEADLINE_RATIO;
        task.winners = 1;
        task.revealed = 1;
        _storeTask(taskid, task);
    }

    function _announceFast(bytes32 taskid, bytes32 digest) private {
        bytes32 resultHash = _resultHash(taskid, digest);
        emit TaskContribute(taskid, msg.sender, resultHash);
        emit TaskConsensus(taskid, resultHash);
        emit TaskReveal(taskid, msg.sender, digest);
    }

    function _initialize(bytes32 dealid, uint256 index) private returns (bytes32 taskid) {
        TaskState memory task;
        task.deal = _recordOf(dealid);
        bytes memory record = task.deal.code;
        if (!DealRecord.isDeal(record)) revert UnknownDeal(dealid);
        DealTerms memory deal = DealRecord.unpack(record);
        if (index < deal.botFirst || index - deal.botFirst >= deal.botSize) {
            revert IndexOutsideDeal(index, deal.botFirst, deal.botSize);
        }
        taskid = _taskId(dealid, index);
        _checkStatus(taskid, _loadTask(taskid), TaskStatus.UNSET);

        task.status = TaskStatus.ACTIVE;
        task.offset = index - deal.botFirst;
        if (task.offset >= TaskSlots.FAR_INDEX) {
            task.offset = TaskSlots.FAR_INDEX;
            _farIndexes[taskid] = index;
        }
        _storeTask(taskid, task);
        emit TaskInitialize(taskid, deal.pool);
    }

    function _claim(bytes32 taskid) private {
        TaskState memory task = _loadTask(taskid);
        if (task.status != TaskStatus.REVEALING) _checkStatus(taskid, task, TaskStatus.ACTIVE);
        DealTerms memory deal = _loadDeal(task.deal);
        uint256 deadline = deal.startTime + deal.timeRef * FINAL_DEADLINE_RATIO;
        if (deadline > block.timestamp) revert TooEarly(deadline, block.timestamp);

        task.status = TaskStatus.FAILED;
        _storeTask(taskid, task);
        _unlock(deal.sponsor, deal.appPrice + deal.datasetPrice + deal.poolPrice);
        // To the kitty, never to the requester: else tasks that nobody can prove would drain pools.
        uint256 poolStake = deal.poolPrice * WORKERPOOL_STAKE_RATIO / 100;
        _seize(deal.poolOwner, poolStake, taskid);
        _addToKitty(poolStake, taskid);
        for (uint256 i = 0; i < task.contributors; ++i) {
            _unlock(_loadVote(taskid, i).worker, deal.workerStake);
        }
        emit TaskClaimed(taskid);
    }

    /// @dev What every success pays, whoever did the work: app, dataset, the pool's stake, a part of the kitty.
    function _settlePrices(bytes32 taskid, DealTerms memory deal) private {
        _seize(deal.sponsor, deal.appPrice + deal.datasetPrice + deal.poolPrice, taskid);
        if (deal.appPrice > 0) _reward(deal.appOwner, deal.appPrice, taskid);
        if (deal.datasetPrice > 0) _reward(deal.datasetOwner, deal.datasetPrice, taskid);
        _unlock(deal.poolOwner, deal.poolPrice * WORKERPOOL_STAKE_RATIO / 100);

        uint256 kitty = _stakes[KITTY_ADDRESS].frozen;
        if (kitty == 0) return;
        uint256 part =
            FixedPointMathLib.min(FixedPointMathLib.max(kitty * KITTY_RATIO / 100, KITTY_MIN), kitty);
        _seize(KITTY_ADDRESS, part, taskid);
        _reward(deal.poolOwner, part, taskid);
    }

    /// @dev Shares the pool's price and the seized stakes out among those who proved their vote, by the
    /// logarithm of their weight; the pool owner gets its ratio and what rounding leaves.
    function _settleContributions(bytes32 taskid, uint256 count, DealTerms memory deal) private {
        Vote[] memory votes = new Vote[](count);
        uint256 sharesTotal = 0;
        uint256 left = deal.poolPrice;
        for (uint256 i = 0; i < count; ++i) {
            votes[i] = _loadVote(taskid, i);
            if (votes[i].status == ContributionStatus.PROVED) {
                sharesTotal += Consensus.logWeight(votes[i].weight);
            } else {
                left += deal.workerStake;
            }
        }
        uint256 workersReward = left * (100 - deal.schedulerRatio) / 100;
        for (uint256 i = 0; i < count; ++i) {
            address worker = votes[i].worker;
            if (votes[i].status == ContributionStatus.PROVED) {
                uint256 reward = workersReward * Consensus.logWeight(votes[i].weight) / sharesTotal;
                left -= reward;
                _unlock(worker, deal.workerStake);
                _reward(worker, reward, taskid);
                if (count > 1) _raiseScore(worker, taskid);
            } else {
                _seize(worker, deal.workerStake, taskid);
                _lowerScore(worker, taskid);
            }
        }
        _reward(deal.poolOwner, left, taskid);
    }

    /// @dev The worker of `contributeAndFinalize`: no stake, no score.
    function _settleOnlyWorker(bytes32 taskid, DealTerms memory deal) private {
        uint256 workerReward = deal.poolPrice * (100 - deal.schedulerRatio) / 100;
        _reward(msg.sender, workerReward, taskid);
        _reward(deal.poolOwner, deal.poolPrice - workerReward, taskid);
    }

    function _raiseScore(address worker, bytes32 taskid) private {
        _stakes[worker].score += 1;
        emit AccurateContribution(worker, taskid);
    }

    function _lowerScore(address worker, bytes32 taskid) private {
        _stakes[worker].score = uint64(uint256(_stakes[worker].score) * 2 / 3);
        emit FaultyContribution(worker, taskid);
    }

    /// @dev The callback bytes are the result if a callback is set; without one they may be left out.
    function _checkCallback(DealTerms memory deal, bytes32 digest, bytes calldata resultsCallback)
        private
        pure
    {
        if (deal.callback == address(0) && resultsCallback.length == 0) return;
        if (keccak256(resultsCallback) != digest) revert CallbackMismatch();
    }

    /// @dev A receiver that fails is ignored, but it must have had its gas: 1/63 of it left afterwards shows
    /// that the call was not starved. Assembly, so that what the receiver returns is never copied.
    function _callBack(address target, bytes32 taskid, bytes calldata resultsCallback) private {
        if (target == address(0)) return;
        bytes memory data = abi.encodeCall(IResultReceiver.receiveResult, (taskid, resultsCallback));
        uint256 gasLimit = _callbackGas;
        assembly ("memory-safe") {
            pop(call(gasLimit, target, 0, add(data, 32), mload(data), 0, 0))
        }
        if (gasleft() <= gasLimit / 63) revert CallbackGasTooLow(gasleft(), gasLimit / 63);
    }

    function _checkLengths(bytes32[] calldata dealIds, uint256[] calldata indexes) private pure {
        if (dealIds.length != indexes.length) revert ArrayLengthsDiffer(dealIds.length, indexes.length);
    }
}
