// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IConditions} from "../interfaces/IConditions.sol";
import {TaskStatus} from "../interfaces/Types.sol";
import {CodeRecord} from "../records/CodeRecord.sol";
import {DealHead, DealHeads} from "../records/DealHead.sol";
import {OrderMarks} from "../records/OrderMark.sol";
import {ResultRecord} from "../records/ResultRecord.sol";
import {StakeWord} from "../records/StakeWord.sol";
import {CONTRIBUTORS_MAX, TaskWord} from "../records/TaskWord.sol";
import {VoteWord} from "../records/VoteWord.sol";
import {Callback} from "./Callback.sol";
import {Consensus} from "./Consensus.sol";
import {Contributions} from "./Contributions.sol";
import {ContributionSlots} from "./HubStorage.sol";
import {Payout} from "./Payout.sol";

/// The two ends of a task that succeeds, initialize and finalize, and the money that moves at the end.
///
/// In `finalize` the sum of all debits equals the sum of all credits, kitty included: what is seized from
/// the payer, the kitty and the contributors that did not prove their vote is what is paid out.
abstract contract Settlement is Contributions, Callback {
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

    function finalize(bytes32 taskId, bytes calldata results, bytes calldata resultsCallback) external {
        TaskWord task = _tasks[taskId];
        DealHead deal = _loadRevealingTask(taskId, task, OrderMarks.BOUND_RESULTS);
        if (task.revealed() != task.winners()) {
            bool isRevealOver = task.revealed() > 0 && task.revealDeadline() <= block.timestamp;
            if (!isRevealOver) revert RevealsPending(task.revealed(), task.winners());
        }
        address callback = deal.callback();
        if (callback != address(0) || resultsCallback.length > 0) {
            _checkCallback(_groups[taskId][task.winningGroup()], resultsCallback);
        }
        if (deal.conditions() & OrderMarks.BOUND_RESULTS != 0) {
            _bindResults(taskId, _groups[taskId][task.winningGroup()], results, resultsCallback);
        }

        _tasks[taskId] = task.withStatus(TaskStatus.COMPLETED);
        if (results.length + resultsCallback.length > 0) {
            CodeRecord.write(taskId, ResultRecord.pack(results, resultsCallback));
        }
        (uint256 released, uint256 fromKitty) = _settlePrices(taskId, deal);
        released += _settleContributions(taskId, task, deal, fromKitty);
        _release(released);

        emit TaskFinalize(taskId, results);
        _notify(callback, taskId, resultsCallback);
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
        TaskWord task = _tasks[taskId];
        DealHead deal = _admitFast(taskId, task);
        address callback = deal.callback();
        if (callback != address(0) || resultsCallback.length > 0) {
            _checkCallback(resultDigest, resultsCallback);
        }
        if (deal.conditions() & OrderMarks.BOUND_RESULTS != 0) {
            _bindResults(taskId, resultDigest, results, resultsCallback);
        }
        _checkAuthorization(taskId, deal, enclaveChallenge, authorizationSign);
        _checkFastEnclave(taskId, resultDigest, enclaveChallenge, enclaveSign);

        _tasks[taskId] = task.completedFast(block.timestamp + deal.timeRef() * REVEAL_DEADLINE_RATIO);
        CodeRecord.write(
            taskId,
            ResultRecord.packFast(resultDigest, msg.sender, enclaveChallenge, results, resultsCallback)
        );
        (uint256 released, uint256 fromKitty) = _settlePrices(taskId, deal);
        released += _settleOnlyWorker(taskId, deal, fromKitty);
        _release(released);

        _announceFast(taskId, resultDigest);
        emit TaskFinalize(taskId, results);
        _notify(callback, taskId, resultsCallback);
    }

    /// @dev Whether a task may be done in one call: trust 1, and nobody has contributed.
    function _admitFast(bytes32 taskid, TaskWord task) private view returns (DealHead deal) {
        deal = _loadOpenTask(taskid, task);
        if (task.contributors() != 0) revert TaskHasContributions(taskid);
        if (deal.trust() != 1) revert TrustAboveOne(deal.trust());
    }

    function _checkFastEnclave(bytes32 taskid, bytes32 digest, address challenge, bytes calldata enclaveSign)
        private
        view
    {
        if (challenge == address(0)) return;
        _checkEnclave(
            _resultHash(taskid, digest), _resultSeal(msg.sender, taskid, digest), challenge, enclaveSign
        );
    }

    function _announceFast(bytes32 taskid, bytes32 digest) private {
        bytes32 resultHash = _resultHash(taskid, digest);
        emit TaskContribute(taskid, msg.sender, resultHash);
        emit TaskConsensus(taskid, resultHash);
        emit TaskReveal(taskid, msg.sender, digest);
    }

    /// @dev What every success pays, whoever did the work: app, dataset, the pool's stake, a part of the kitty.
    /// What the pool owner gets is told here, and written by `_payPool`. Returns the sum of what was transferred, and
    /// the kitty's part in it.
    function _settlePrices(bytes32 taskid, DealHead deal)
        private
        returns (uint256 released, uint256 fromKitty)
    {
        _seize(deal.sponsor(), _priceOf(deal), taskid);
        uint256 appPrice = deal.appPrice();
        if (appPrice > 0) _reward(deal.appOwner(), appPrice, taskid);
        (address datasetOwner, uint256 datasetPrice) = deal.datasetOwnerAndPrice();
        if (datasetPrice > 0) _reward(datasetOwner, datasetPrice, taskid);
        address poolOwner = deal.poolOwner();
        uint256 poolStake = _poolStakeOf(deal);
        _emitUnlock(poolOwner, poolStake);
        fromKitty = _seizeFromKitty(deal.poolPrice(), taskid);
        if (fromKitty > 0) _emitReward(poolOwner, fromKitty, taskid);
        released = appPrice + datasetPrice + poolStake + fromKitty;
    }

    /// @dev Writes all that the pool owner gets for the task, once; `rest` is told here.
    function _payPool(bytes32 taskid, DealHead deal, uint256 fromKitty, uint256 rest) private {
        address poolOwner = deal.poolOwner();
        _stakes[poolOwner] = _stakes[poolOwner].unlock(_poolStakeOf(deal)).credit(fromKitty + rest);
        _emitReward(poolOwner, rest, taskid);
    }

    /// @dev Shares the pool's price and the seized stakes out among those who proved their vote, by the
    /// logarithm of their weight; the pool owner gets its ratio and what rounding leaves. Returns the sum of
    /// what was transferred.
    function _settleContributions(bytes32 taskid, TaskWord task, DealHead deal, uint256 fromKitty)
        private
        returns (uint256 released)
    {
        uint256 workerStake = deal.workerStake();
        uint256 left = deal.poolPrice() + workerStake * (task.contributors() - task.revealed());
        uint256 workersPart = Payout.workersPartOf(left, deal.schedulerRatio());
        released = left + workerStake * task.revealed();
        (address[] memory workers, uint256[] memory shares, uint256 sharesTotal) = _sharesOf(taskid, task);
        // Only stake at risk earns a score: else it would be farmed by free deals.
        bool isScored = workers.length > 1 && workerStake > 0;
        for (uint256 i = 0; i < workers.length; ++i) {
            if (shares[i] == 0) {
                _punish(workers[i], workerStake, taskid);
                continue;
            }
            uint256 reward = Payout.rewardOf(workersPart, shares[i], sharesTotal);
            left -= reward;
            _pay(workers[i], workerStake, reward, taskid, isScored);
        }
        _payPool(taskid, deal, fromKitty, left);
    }

    /// @dev The contributors and their shares: the logarithm of the weight, 0 for a vote that was not proved.
    function _sharesOf(bytes32 taskid, TaskWord task)
        private
        view
        returns (address[] memory workers, uint256[] memory shares, uint256 sharesTotal)
    {
        uint256 count = task.contributors();
        bool isUnanimous = task.revealed() == count;
        workers = new address[](count);
        shares = new uint256[](count);
        ContributionSlots[CONTRIBUTORS_MAX] storage contributions = _contributions[taskid];
        for (uint256 i = 0; i < count; ++i) {
            VoteWord vote = contributions[i].vote;
            workers[i] = vote.worker();
            if (isUnanimous || (contributions[i].sealInverted == 0 && !vote.isRejected())) {
                shares[i] = Consensus.logWeight(vote.weight());
                sharesTotal += shares[i];
            }
        }
    }

    /// @dev A proved vote: the stake comes back with the reward.
    function _pay(address worker, uint256 stake, uint256 reward, bytes32 taskid, bool isScored) private {
        StakeWord account = _stakes[worker].unlock(stake).credit(reward);
        if (isScored) account = account.withScore(account.score() + 1);
        _stakes[worker] = account;
        _emitUnlock(worker, stake);
        _emitReward(worker, reward, taskid);
        if (isScored) emit AccurateContribution(worker, taskid);
    }

    /// @dev The worker of `contributeAndFinalize`: no stake, no score. Returns what was transferred.
    function _settleOnlyWorker(bytes32 taskid, DealHead deal, uint256 fromKitty)
        private
        returns (uint256 released)
    {
        released = deal.poolPrice();
        uint256 workerReward = Payout.workersPartOf(released, deal.schedulerRatio());
        _reward(msg.sender, workerReward, taskid);
        _payPool(taskid, deal, fromKitty, released - workerReward);
    }

    /// @dev The callback bytes are the result if a callback is set; without one they may be left out.
    function _checkCallback(bytes32 digest, bytes calldata resultsCallback) private pure {
        if (keccak256(resultsCallback) != digest) revert CallbackMismatch();
    }

    /// @dev What is recorded must be what was voted for: the callback bytes, which were checked, or else the results.
    function _bindResults(
        bytes32 taskid,
        bytes32 digest,
        bytes calldata results,
        bytes calldata resultsCallback
    ) private {
        bool isBound = resultsCallback.length > 0 ? results.length == 0 : keccak256(results) == digest;
        if (!isBound) revert IConditions.ResultsUnlikeDigest(taskid, digest);
        emit IConditions.ResultsBound(taskid, digest);
    }

    function _notify(address target, bytes32 taskid, bytes calldata resultsCallback) private {
        if (target == address(0)) return;
        if (!_callBack(target, taskid, resultsCallback)) {
            revert CallbackGasTooLow(gasleft(), _callbackGas / 63);
        }
    }
}
