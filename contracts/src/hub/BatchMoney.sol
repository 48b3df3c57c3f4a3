// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibBit} from "solady/utils/LibBit.sol";

import {IEscrow} from "../interfaces/IEscrow.sol";
import {ITasks} from "../interfaces/ITasks.sol";
import {BatchRecord} from "../records/BatchRecord.sol";
import {CodeRecord} from "../records/CodeRecord.sol";
import {DealHead} from "../records/DealHead.sol";
import {StakeWord} from "../records/StakeWord.sol";
import {TaskWord} from "../records/TaskWord.sol";
import {MemoryWords, Words} from "../records/Words.sol";
import {Commits} from "./Commits.sol";
import {Consensus} from "./Consensus.sol";
import {Payout} from "./Payout.sol";

/// The money of batches. What moves is added up in memory and written once for each account; what is told of each
/// task is told as in the classic lane.
///
/// Weights are those of the scores before the batch; scores move task by task.
abstract contract BatchMoney is Commits {
    /// @dev One batch while it is worked on. Words have an item for each worker of the batch.
    struct Ledger {
        DealHead deal;
        bytes32 dealid;
        uint256 count;
        Words workers;
        uint256 workerStake;
        uint256 price;
        bool isRevealOver;
        /// The task that is looked at.
        TaskWord task;
        /// Where in memory rows are put together.
        uint256 row;
        Words scores;
        Words weights;
        Words rewards;
        /// Entries whose stake comes free, and those that cost it: of the bond, and of votes disclosed on chain.
        Words kept;
        Words lost;
        Words keptOnChain;
        Words lostOnChain;
        /// What a task comes to in which every worker of the batch voted for the digest: the same each time.
        uint256 everybody;
        bool isReached;
        Words equalRewards;
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
    function _prepare(Ledger memory ledger) internal pure {
        (DealHead deal, uint256 count, Words weights) = (ledger.deal, ledger.count, ledger.weights);
        uint256 product = 1;
        uint256 shares = 0;
        Words rewards = MemoryWords.reserve(count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 weight = weights.get(i);
            uint256 share = Consensus.logWeight(weight);
            product = FixedPointMathLib.saturatingMul(product, weight);
            rewards.set(i, share);
            // Logarithms: less than 256 each.
            unchecked {
                shares += share;
            }
        }
        ledger.everybody = (1 << count) - 1;
        ledger.isReached =
            count > 0 && _exceeds(product, FixedPointMathLib.saturatingAdd(product, 1), deal.trust());
        uint256 rest = deal.poolPrice();
        uint256 workersPart = Payout.workersPartOf(rest, deal.schedulerRatio());
        // Prices fit 96 bits, and the rewards are parts of one.
        unchecked {
            for (uint256 i = 0; i < count; ++i) {
                uint256 reward = Payout.rewardOf(workersPart, rewards.get(i), shares);
                rewards.set(i, reward);
                rest -= reward;
            }
        }
        (ledger.equalRewards, ledger.equalRest) = (rewards, rest);
    }

    /// @dev The test of consensus; saturated sums reach none.
    function _exceeds(uint256 product, uint256 total, uint256 trust) internal pure returns (bool) {
        return
            FixedPointMathLib.saturatingMul(product, trust)
                > FixedPointMathLib.saturatingMul(total, trust - 1);
    }

    /// @dev A task in which all workers voted for the digest: told now, summed up later.
    function _payEqually(Ledger memory ledger, bytes32 taskid) internal {
        _payPrices(ledger, taskid);
        (uint256 count, Words workers, Words rewards) = (ledger.count, ledger.workers, ledger.equalRewards);
        bool isScored = count > 1 && ledger.workerStake > 0;
        for (uint256 i = 0; i < count; ++i) {
            emit IEscrow.Reward(workers.account(i), rewards.get(i), taskid);
            if (isScored) emit ITasks.AccurateContribution(workers.account(i), taskid);
        }
        ++ledger.pending;
        emit IEscrow.Reward(ledger.deal.poolOwner(), ledger.equalRest, taskid);
    }

    /// @dev Adds up what is pending: before scores move otherwise, and at the end.
    function _addPending(Ledger memory ledger) private pure {
        uint256 tasks = ledger.pending;
        if (tasks == 0) return;
        ledger.pending = 0;
        uint256 count = ledger.count;
        uint256 points = count > 1 && ledger.workerStake > 0 ? tasks : 0;
        // At most 256 tasks, of amounts that fit 96 bits.
        unchecked {
            for (uint256 i = 0; i < count; ++i) {
                ledger.rewards.add(i, tasks * ledger.equalRewards.get(i));
                ledger.kept.add(i, tasks);
                ledger.scores.add(i, points);
            }
            ledger.poolReward += tasks * ledger.equalRest;
        }
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
    function _payTask(Ledger memory ledger, Count memory count) internal {
        _addPending(ledger);
        DealHead deal = ledger.deal;
        bytes32 taskid = count.taskid;
        _payPrices(ledger, taskid);
        uint256 losers = LibBit.popCount(count.losers);
        bool isScored = losers + LibBit.popCount(count.winners) > 1 && ledger.workerStake > 0;
        uint256 left = deal.poolPrice() + ledger.workerStake * losers;
        uint256 workersPart = Payout.workersPartOf(left, deal.schedulerRatio());
        for (uint256 i = 0; i < ledger.count; ++i) {
            address worker = ledger.workers.account(i);
            if (count.winners >> i & 1 == 1) {
                uint256 share = Consensus.logWeight(ledger.weights.get(i));
                uint256 reward = Payout.rewardOf(workersPart, share, count.shares);
                left -= reward;
                ledger.rewards.add(i, reward);
                (count.onChain >> i & 1 == 0 ? ledger.kept : ledger.keptOnChain).add(i, 1);
                emit IEscrow.Reward(worker, reward, taskid);
                if (isScored) {
                    ledger.scores.add(i, 1);
                    emit ITasks.AccurateContribution(worker, taskid);
                }
            } else if (count.losers >> i & 1 == 1) {
                ledger.scores.set(i, ledger.scores.get(i) * 2 / 3);
                (count.onChain >> i & 1 == 0 ? ledger.lost : ledger.lostOnChain).add(i, 1);
                emit IEscrow.Seize(worker, ledger.workerStake, taskid);
                emit ITasks.FaultyContribution(worker, taskid);
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
    function _write(Ledger memory ledger, uint256 from) internal {
        _addPending(ledger);
        DealHead deal = ledger.deal;
        uint256 tasks = ledger.tasks;
        address payer = deal.sponsor();
        _stakes[payer] = _stakes[payer].seize(ledger.price * tasks);
        if (ledger.kittyPaid > 0) _stakes[KITTY_ADDRESS] = _stakes[KITTY_ADDRESS].seize(ledger.kittyPaid);
        uint256 released = _pay(deal.appOwner(), deal.appPrice() * tasks);
        (address datasetOwner, uint256 datasetPrice) = deal.datasetOwnerAndPrice();
        released += _pay(datasetOwner, datasetPrice * tasks);
        uint256 poolStake = Payout.poolStakeOf(deal.poolPrice()) * tasks;
        _unlock(deal.poolOwner(), poolStake);
        released += poolStake + _pay(deal.poolOwner(), ledger.poolReward + ledger.kittyPaid);
        for (uint256 i = 0; i < ledger.count; ++i) {
            released += _payWorker(ledger, i);
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
    function _payWorker(Ledger memory ledger, uint256 position) private returns (uint256) {
        address worker = ledger.workers.account(position);
        uint256 stake = ledger.workerStake;
        // At most 256 entries, each of a stake that was locked: 96 bits.
        unchecked {
            uint256 kept = ledger.kept.get(position) * stake;
            uint256 lost = ledger.lost.get(position) * stake;
            uint256 keptOnChain = ledger.keptOnChain.get(position) * stake;
            uint256 lostOnChain = ledger.lostOnChain.get(position) * stake;
            uint256 reward = ledger.rewards.get(position);
            if (kept + lost > 0) {
                address pool = ledger.deal.pool();
                _bonds[worker][pool] = _bonds[worker][pool].unlock(kept).spend(lost);
            }
            StakeWord account = _stakes[worker].seize(lost + lostOnChain).unlock(keptOnChain).credit(reward);
            _stakes[worker] = account.withScore(ledger.scores.get(position));
            if (keptOnChain > 0) _emitUnlock(worker, keptOnChain);
            if (reward > 0) emit IEscrow.Transfer(address(this), worker, reward);
            return keptOnChain + reward;
        }
    }
}
