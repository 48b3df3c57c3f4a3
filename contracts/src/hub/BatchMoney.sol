// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibBit} from "solady/utils/LibBit.sol";

import {IEscrow} from "../interfaces/IEscrow.sol";
import {Batch} from "../interfaces/ILane.sol";
import {ITasks} from "../interfaces/ITasks.sol";
import {BatchRecord} from "../records/BatchRecord.sol";
import {CodeRecord} from "../records/CodeRecord.sol";
import {DealHead} from "../records/DealHead.sol";
import {StakeWord} from "../records/StakeWord.sol";
import {TaskWord} from "../records/TaskWord.sol";
import {Commits} from "./Commits.sol";
import {Consensus} from "./Consensus.sol";

/// The money of batches. What moves is added up in memory and written once for each account; what is told of each
/// task is told as in the classic lane.
///
/// Weights are those of the scores before the batch; scores move task by task.
abstract contract BatchMoney is Commits {
    /// @dev One batch while it is worked on. Arrays have an item for each worker of the batch.
    struct Ledger {
        DealHead deal;
        bytes32 dealid;
        uint256 workerStake;
        uint256 price;
        bool isRevealOver;
        /// The task that is looked at.
        TaskWord task;
        /// Where in memory rows are put together.
        uint256 row;
        uint256[] scores;
        uint256[] weights;
        uint256[] rewards;
        /// Entries whose stake comes free, and those that cost it: of the bond, and of votes disclosed on chain.
        uint256[] kept;
        uint256[] lost;
        uint256[] keptOnChain;
        uint256[] lostOnChain;
        /// What a task comes to in which every worker of the batch voted for the digest: the same each time.
        uint256 everybody;
        uint256 shares;
        bool isReached;
        uint256[] equalRewards;
        uint256 equalRest;
        /// Such tasks, not yet in the sums.
        uint256 pending;
        uint256 tasks;
        uint256 poolReward;
        uint256 kittyLeft;
        uint256 kittyPaid;
        /// Bits of the outcomes that were settled, and the first of them.
        uint256 settled;
        uint256 firstSettled;
        /// The record being written, and where its next byte goes.
        bytes record;
        uint256 at;
    }

    /// @dev The votes of a task, counted.
    struct Count {
        bytes32 taskid;
        bytes32 resultHash;
        /// Bits of the workers who voted for the digest, and of those who lose their stake.
        uint256 winners;
        uint256 losers;
        /// Bits of those whose vote is on chain too.
        uint256 onChain;
        /// Of the weights of the winners; the sum of their logarithms.
        uint256 product;
        uint256 shares;
        /// The other hashes voted for, and the products of their groups.
        bytes32[] hashes;
        uint256[] products;
        bool isDisclosed;
        /// Votes read so far.
        uint256 agreeing;
        uint256 others;
    }

    /// @dev What each task comes to in which all workers voted for the digest.
    function _prepare(Ledger memory ledger, uint256 count) internal pure {
        DealHead deal = ledger.deal;
        ledger.everybody = (1 << count) - 1;
        ledger.equalRewards = new uint256[](count);
        uint256 product = 1;
        for (uint256 i = 0; i < count; ++i) {
            product = FixedPointMathLib.saturatingMul(product, ledger.weights[i]);
            ledger.shares += Consensus.logWeight(ledger.weights[i]);
        }
        ledger.isReached =
            count > 0 && _exceeds(product, FixedPointMathLib.saturatingAdd(product, 1), deal.trust());
        uint256 price = deal.poolPrice();
        uint256 workersReward = price * (100 - deal.schedulerRatio()) / 100;
        ledger.equalRest = price;
        for (uint256 i = 0; i < count; ++i) {
            uint256 share = Consensus.logWeight(ledger.weights[i]);
            ledger.equalRewards[i] = workersReward * share / ledger.shares;
            ledger.equalRest -= ledger.equalRewards[i];
        }
    }

    /// @dev The test of consensus; saturated sums reach none.
    function _exceeds(uint256 product, uint256 total, uint256 trust) internal pure returns (bool) {
        return
            FixedPointMathLib.saturatingMul(product, trust)
                > FixedPointMathLib.saturatingMul(total, trust - 1);
    }

    /// @dev A task in which all workers voted for the digest: told now, summed up later.
    function _payEqually(address[] calldata workers, Ledger memory ledger, bytes32 taskid) internal {
        _payPrices(ledger, taskid);
        bool isScored = workers.length > 1 && ledger.workerStake > 0;
        for (uint256 i = 0; i < workers.length; ++i) {
            emit IEscrow.Reward(workers[i], ledger.equalRewards[i], taskid);
            if (isScored) emit ITasks.AccurateContribution(workers[i], taskid);
        }
        ledger.pending += 1;
        emit IEscrow.Reward(ledger.deal.poolOwner(), ledger.equalRest, taskid);
    }

    /// @dev Adds up what is pending: before scores move otherwise, and at the end.
    function _addPending(Ledger memory ledger) private pure {
        uint256 tasks = ledger.pending;
        if (tasks == 0) return;
        ledger.pending = 0;
        uint256 count = ledger.scores.length;
        bool isScored = count > 1 && ledger.workerStake > 0;
        for (uint256 i = 0; i < count; ++i) {
            ledger.rewards[i] += tasks * ledger.equalRewards[i];
            ledger.kept[i] += tasks;
            if (isScored) ledger.scores[i] += tasks;
        }
        ledger.poolReward += tasks * ledger.equalRest;
    }

    function _payPrices(Ledger memory ledger, bytes32 taskid) private {
        DealHead deal = ledger.deal;
        emit IEscrow.Seize(deal.sponsor(), ledger.price, taskid);
        uint256 appPrice = deal.appPrice();
        if (appPrice > 0) emit IEscrow.Reward(deal.appOwner(), appPrice, taskid);
        (address datasetOwner, uint256 datasetPrice) = deal.datasetOwnerAndPrice();
        if (datasetPrice > 0) emit IEscrow.Reward(datasetOwner, datasetPrice, taskid);
        _takeFromKitty(ledger, taskid);
    }

    /// @dev As `finalize`, into the ledger.
    function _payTask(address[] calldata workers, Ledger memory ledger, Count memory count) internal {
        _addPending(ledger);
        DealHead deal = ledger.deal;
        bytes32 taskid = count.taskid;
        _payPrices(ledger, taskid);
        uint256 losers = LibBit.popCount(count.losers);
        bool isScored = losers + LibBit.popCount(count.winners) > 1 && ledger.workerStake > 0;
        uint256 left = deal.poolPrice() + ledger.workerStake * losers;
        uint256 workersReward = left * (100 - deal.schedulerRatio()) / 100;
        for (uint256 i = 0; i < workers.length; ++i) {
            if (count.winners >> i & 1 == 1) {
                uint256 share = Consensus.logWeight(ledger.weights[i]);
                uint256 reward = workersReward * share / count.shares;
                left -= reward;
                ledger.rewards[i] += reward;
                (count.onChain >> i & 1 == 0 ? ledger.kept : ledger.keptOnChain)[i] += 1;
                emit IEscrow.Reward(workers[i], reward, taskid);
                if (isScored) {
                    ledger.scores[i] += 1;
                    emit ITasks.AccurateContribution(workers[i], taskid);
                }
            } else if (count.losers >> i & 1 == 1) {
                ledger.scores[i] = ledger.scores[i] * 2 / 3;
                (count.onChain >> i & 1 == 0 ? ledger.lost : ledger.lostOnChain)[i] += 1;
                emit IEscrow.Seize(workers[i], ledger.workerStake, taskid);
                emit ITasks.FaultyContribution(workers[i], taskid);
            }
        }
        ledger.poolReward += left;
        emit IEscrow.Reward(deal.poolOwner(), left, taskid);
    }

    function _takeFromKitty(Ledger memory ledger, bytes32 taskid) private {
        uint256 part = _kittyPart(ledger.kittyLeft, ledger.deal.poolPrice());
        if (part == 0) return;
        ledger.kittyLeft -= part;
        ledger.kittyPaid += part;
        emit IEscrow.Seize(KITTY_ADDRESS, part, taskid);
        emit IEscrow.Reward(ledger.deal.poolOwner(), part, taskid);
    }

    /// @dev Writes what the ledger has added up, and the record.
    function _write(Batch calldata batch, Ledger memory ledger, uint256 from) internal {
        _addPending(ledger);
        DealHead deal = ledger.deal;
        uint256 tasks = ledger.tasks;
        address payer = deal.sponsor();
        _stakes[payer] = _stakes[payer].seize(ledger.price * tasks);
        if (ledger.kittyPaid > 0) _stakes[KITTY_ADDRESS] = _stakes[KITTY_ADDRESS].seize(ledger.kittyPaid);
        uint256 released = _pay(deal.appOwner(), deal.appPrice() * tasks);
        (address datasetOwner, uint256 datasetPrice) = deal.datasetOwnerAndPrice();
        released += _pay(datasetOwner, datasetPrice * tasks);
        uint256 poolStake = deal.poolPrice() * WORKERPOOL_STAKE_RATIO / 100 * tasks;
        _unlock(deal.poolOwner(), poolStake);
        released += poolStake + _pay(deal.poolOwner(), ledger.poolReward + ledger.kittyPaid);
        for (uint256 i = 0; i < batch.workers.length; ++i) {
            released += _payWorker(batch.workers[i], ledger, i);
        }
        _release(released);
        BatchRecord.truncate(ledger.record, ledger.at);
        bytes32 firstTask = _taskId(ledger.dealid, from + ledger.firstSettled);
        CodeRecord.write(BatchRecord.saltOf(firstTask), ledger.record);
    }

    function _pay(address account, uint256 amount) private returns (uint256) {
        if (amount == 0) return 0;
        _stakes[account] = _stakes[account].credit(amount);
        emit IEscrow.Transfer(address(this), account, amount);
        return amount;
    }

    /// @dev Rewards are paid out. The stake of votes on chain comes back as in the classic lane; that of the others
    /// stays in the bond. Returns what was transferred.
    function _payWorker(address worker, Ledger memory ledger, uint256 position) private returns (uint256) {
        uint256 stake = ledger.workerStake;
        uint256 kept = ledger.kept[position] * stake;
        uint256 lost = ledger.lost[position] * stake;
        uint256 keptOnChain = ledger.keptOnChain[position] * stake;
        uint256 lostInAll = lost + ledger.lostOnChain[position] * stake;
        uint256 reward = ledger.rewards[position];
        if (kept + lost > 0) {
            address pool = ledger.deal.pool();
            _bonds[worker][pool] = _bonds[worker][pool].unlock(kept).spend(lost);
        }
        StakeWord account = _stakes[worker].seize(lostInAll).unlock(keptOnChain).credit(reward);
        _stakes[worker] = account.withScore(ledger.scores[position]);
        if (keptOnChain > 0) _emitUnlock(worker, keptOnChain);
        if (reward > 0) emit IEscrow.Transfer(address(this), worker, reward);
        return keptOnChain + reward;
    }
}
