// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibBit} from "solady/utils/LibBit.sol";

import {IEscrow} from "../interfaces/IEscrow.sol";
import {Batch, OtherVote, Outcome, SkipReason} from "../interfaces/ILane.sol";
import {ITasks} from "../interfaces/ITasks.sol";
import {TaskStatus} from "../interfaces/Types.sol";
import {BatchRecord} from "../records/BatchRecord.sol";
import {Bytes} from "../records/Bytes.sol";
import {CodeRecord} from "../records/CodeRecord.sol";
import {DealHead, DealHeads} from "../records/DealHead.sol";
import {StakeWord} from "../records/StakeWord.sol";
import {TaskWord} from "../records/TaskWord.sol";
import {Callback} from "./Callback.sol";
import {Commits} from "./Commits.sol";
import {Consensus} from "./Consensus.sol";

/// Settlement of commits. What moves is added up in memory and written once for each account; what is told of each
/// task is told as in the classic lane.
///
/// Weights are those of the scores before the batch; scores move task by task.
abstract contract Batches is Commits, Callback {
    using Bytes for bytes;
    using Bytes for uint256;

    /// @dev One batch while it is worked on. Arrays have an item for each worker of the batch.
    struct Ledger {
        DealHead deal;
        bytes32 dealid;
        uint256 workerStake;
        uint256 price;
        bool isRevealOver;
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

    function settle(Batch[] calldata batches) external {
        uint256[] memory settled = new uint256[](batches.length);
        for (uint256 i = 0; i < batches.length; ++i) {
            settled[i] = _settle(batches[i]);
        }
        for (uint256 i = 0; i < batches.length; ++i) {
            if (settled[i] != 0) _callBackAll(batches[i], settled[i]);
        }
    }

    function _settle(Batch calldata batch) private returns (uint256) {
        Ledger memory ledger = _openLedger(batch);
        bytes32[] memory rows = new bytes32[](batch.outcomes.length);
        uint256 from = batch.range.first + batch.range.rowsBefore.length;
        for (uint256 i = 0; i < rows.length; ++i) {
            bytes32 taskid = _taskId(ledger.dealid, from + i);
            Count memory count;
            (rows[i], count) = _count(batch.workers, batch.outcomes[i], taskid, ledger);
            _settleOutcome(batch, i, ledger, count);
        }
        _checkRows(batch.range, rows);
        if (ledger.tasks > 0) _write(batch, ledger, from);
        // A commit that is settled whole has done its work.
        bool isWhole = ledger.tasks == rows.length && batch.range.rowsBefore.length == 0
            && batch.range.rowsAfter.length == 0;
        if (isWhole) delete _commits[_commitKey(ledger.dealid, batch.range.first, batch.range.time)];
        return ledger.settled;
    }

    function _openLedger(Batch calldata batch) private view returns (Ledger memory ledger) {
        uint256 count = batch.workers.length;
        if (count > ROW_MAX) revert RowTooLong(count, ROW_MAX);
        if (batch.outcomes.length == 0 || batch.outcomes.length > TASKS_MAX) {
            revert CommitEmpty(batch.outcomes.length, count);
        }
        ledger.dealid = batch.range.dealId;
        DealHead deal = DealHeads.load(_recordOf(ledger.dealid));
        if (!deal.isDeal()) revert ITasks.UnknownDeal(ledger.dealid);
        uint256 deadline = deal.startTime() + deal.timeRef() * FINAL_DEADLINE_RATIO;
        if (deadline <= block.timestamp) revert ITasks.TooLate(deadline, block.timestamp);
        uint256 grace = batch.range.time + deal.timeRef() * REVEAL_DEADLINE_RATIO;
        ledger.isRevealOver = grace <= block.timestamp;
        if (msg.sender != deal.poolOwner()) _checkStranger(batch.outcomes, grace);

        (, uint256 datasetPrice) = deal.datasetOwnerAndPrice();
        ledger.deal = deal;
        ledger.price = deal.appPrice() + datasetPrice + deal.poolPrice();
        ledger.workerStake = deal.workerStake();
        ledger.kittyLeft = _stakes[KITTY_ADDRESS].frozen();
        ledger.scores = new uint256[](count);
        ledger.weights = new uint256[](count);
        ledger.rewards = new uint256[](count);
        ledger.kept = new uint256[](count);
        ledger.lost = new uint256[](count);
        ledger.keptOnChain = new uint256[](count);
        ledger.lostOnChain = new uint256[](count);
        ledger.row = (new bytes(count * ENTRY_SIZE + 32)).start();
        for (uint256 i = 0; i < count; ++i) {
            if (i > 0 && batch.workers[i] <= batch.workers[i - 1]) revert WorkersUnsorted(i);
            ledger.scores[i] = _stakes[batch.workers[i]].score();
            ledger.weights[i] = Consensus.weightOf(ledger.scores[i]);
        }
        (ledger.record, ledger.at) = BatchRecord.open(batch.workers, ledger.weights, batch.outcomes);
    }

    /// @dev Anyone may settle when the pool owner has had its time, but only the pool owner says where results lie.
    function _checkStranger(Outcome[] calldata outcomes, uint256 grace) private view {
        if (grace > block.timestamp) revert NotYours(msg.sender, grace);
        for (uint256 i = 0; i < outcomes.length; ++i) {
            if (outcomes[i].results.length > 0) revert ResultsUnbound(msg.sender);
        }
    }

    /// @dev Reads the votes of a task: the hash of its row, and what they come to.
    function _count(
        address[] calldata workers,
        Outcome calldata outcome,
        bytes32 taskid,
        Ledger memory ledger
    ) private view returns (bytes32 row, Count memory count) {
        count.taskid = taskid;
        count.resultHash = _resultHash(taskid, outcome.digest);
        count.product = 1;
        count.isDisclosed = true;
        uint256 disclosed = _tasks[taskid].disclosed();
        count.hashes = new bytes32[](outcome.others.length);
        count.products = new uint256[](outcome.others.length);
        uint256 at = ledger.row;
        for (uint256 i = 0; i < workers.length; ++i) {
            if (outcome.present >> i & 1 == 0) continue;
            if (disclosed & 1 == 1) count.onChain |= 1 << i;
            disclosed >>= 1;
            bytes32 entry = outcome.agreeing >> i & 1 == 1
                ? _countAgreeing(workers[i], i, outcome, ledger, count)
                : _countOther(workers[i], i, outcome, ledger, count);
            at = at.put(uint160(workers[i]), 20);
            at = at.put(uint256(entry), 32);
        }
        row = _hashOf(ledger.row, at);
    }

    /// @dev A vote for the digest: only its nonce has to be told.
    function _countAgreeing(
        address worker,
        uint256 position,
        Outcome calldata outcome,
        Ledger memory ledger,
        Count memory count
    ) private pure returns (bytes32) {
        uint256 next = count.agreeing++;
        if (next >= outcome.nonces.length) revert VotesMissing(next);
        _addWinner(count, ledger, position);
        bytes32 seal = _resultSeal(worker, count.taskid, outcome.digest);
        return _blind(count.resultHash, seal, outcome.nonces[next]);
    }

    /// @dev Any other vote. One that is for the digest after all counts for it; one with its hash and another seal
    /// was copied, and has no weight.
    function _countOther(
        address worker,
        uint256 position,
        Outcome calldata outcome,
        Ledger memory ledger,
        Count memory count
    ) private pure returns (bytes32) {
        uint256 next = count.others++;
        if (next >= outcome.others.length) revert VotesMissing(next);
        OtherVote calldata vote = outcome.others[next];
        if (vote.entry != 0) {
            bool isSilent = ledger.isRevealOver && count.onChain >> position & 1 == 0;
            count.isDisclosed = count.isDisclosed && isSilent;
            count.losers |= 1 << position;
            return vote.entry;
        }
        if (vote.resultHash != count.resultHash) {
            _addOther(count, next, vote.resultHash, ledger.weights[position]);
            count.losers |= 1 << position;
        } else if (vote.resultSeal == _resultSeal(worker, count.taskid, outcome.digest)) {
            _addWinner(count, ledger, position);
        } else {
            count.losers |= 1 << position;
        }
        return _blind(vote.resultHash, vote.resultSeal, vote.nonce);
    }

    /// @dev Sums saturate: no vote can make a batch revert, and saturated sums reach no consensus.
    function _addWinner(Count memory count, Ledger memory ledger, uint256 position) private pure {
        count.winners |= 1 << position;
        count.product = FixedPointMathLib.saturatingMul(count.product, ledger.weights[position]);
        count.shares += Consensus.logWeight(ledger.weights[position]);
    }

    /// @dev Groups of other hashes; `last` is the place of this vote among the others.
    function _addOther(Count memory count, uint256 last, bytes32 hash, uint256 weight) private pure {
        uint256 group = 0;
        while (group < last && count.hashes[group] != hash) ++group;
        count.hashes[group] = hash;
        uint256 product = FixedPointMathLib.max(count.products[group], 1);
        count.products[group] = FixedPointMathLib.saturatingMul(product, weight);
    }

    function _isReached(Count memory count, uint256 trust) private pure returns (bool) {
        if (count.winners == 0) return false;
        uint256 total = FixedPointMathLib.saturatingAdd(count.product, 1);
        for (uint256 i = 0; i < count.products.length; ++i) {
            total = FixedPointMathLib.saturatingAdd(total, count.products[i]);
        }
        return FixedPointMathLib.saturatingMul(count.product, trust)
            > FixedPointMathLib.saturatingMul(total, trust - 1);
    }

    /// @dev keccak256(resultHash 32, resultSeal 32, no enclave 20, nonce 16).
    function _blind(bytes32 resultHash, bytes32 resultSeal, uint128 nonce) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(resultHash, resultSeal, address(0), nonce));
    }

    function _settleOutcome(Batch calldata batch, uint256 position, Ledger memory ledger, Count memory count)
        private
    {
        Outcome calldata outcome = batch.outcomes[position];
        TaskWord task = _tasks[count.taskid];
        if (!task.isCommitted() || task.status() != TaskStatus.ACTIVE) {
            emit TaskSkipped(count.taskid, SkipReason.NOT_COMMITTED);
        } else if (task.contributors() > LibBit.popCount(task.disclosed())) {
            emit TaskSkipped(count.taskid, SkipReason.ON_CHAIN);
        } else if (!_isCallback(ledger.deal, outcome)) {
            emit TaskSkipped(count.taskid, SkipReason.CALLBACK);
        } else if (!count.isDisclosed) {
            emit TaskSkipped(count.taskid, SkipReason.UNDISCLOSED);
        } else if (!_isReached(count, ledger.deal.trust())) {
            emit TaskSkipped(count.taskid, SkipReason.NO_CONSENSUS);
        } else {
            if (ledger.tasks == 0) ledger.firstSettled = position;
            ledger.tasks += 1;
            ledger.settled |= 1 << position;
            uint256 place = position - ledger.firstSettled;
            _tasks[count.taskid] = task.settled(place);
            _emitVotes(batch.workers, outcome, count);
            _payTask(batch.workers, ledger, count);
            ledger.at = BatchRecord.put(ledger.at, place, outcome, count.winners, batch.workers.length);
            emit ITasks.TaskFinalize(count.taskid, outcome.results);
        }
    }

    function _isCallback(DealHead deal, Outcome calldata outcome) private pure returns (bool) {
        if (deal.callback() == address(0) && outcome.resultsCallback.length == 0) return true;
        return keccak256(outcome.resultsCallback) == outcome.digest;
    }

    function _emitVotes(address[] calldata workers, Outcome calldata outcome, Count memory count) private {
        uint256 others = 0;
        for (uint256 i = 0; i < workers.length; ++i) {
            if (outcome.present >> i & 1 == 0) continue;
            bytes32 hash = count.resultHash;
            if (outcome.agreeing >> i & 1 == 0) hash = outcome.others[others++].resultHash;
            if (hash != 0) emit ITasks.TaskContribute(count.taskid, workers[i], hash);
        }
        emit ITasks.TaskConsensus(count.taskid, count.resultHash);
        for (uint256 i = 0; i < workers.length; ++i) {
            if (count.winners >> i & 1 == 1) {
                emit ITasks.TaskReveal(count.taskid, workers[i], outcome.digest);
            }
        }
    }

    /// @dev As `finalize`, into the ledger.
    function _payTask(address[] calldata workers, Ledger memory ledger, Count memory count) private {
        DealHead deal = ledger.deal;
        bytes32 taskid = count.taskid;
        emit IEscrow.Seize(deal.sponsor(), ledger.price, taskid);
        if (deal.appPrice() > 0) emit IEscrow.Reward(deal.appOwner(), deal.appPrice(), taskid);
        (address datasetOwner, uint256 datasetPrice) = deal.datasetOwnerAndPrice();
        if (datasetPrice > 0) emit IEscrow.Reward(datasetOwner, datasetPrice, taskid);
        _takeFromKitty(ledger, taskid);

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
    function _write(Batch calldata batch, Ledger memory ledger, uint256 from) private {
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

    /// @dev After everything is written: whoever is called may call back.
    function _callBackAll(Batch calldata batch, uint256 settled) private {
        address target = DealHeads.load(_recordOf(batch.range.dealId)).callback();
        if (target == address(0)) return;
        uint256 from = batch.range.first + batch.range.rowsBefore.length;
        for (uint256 i = 0; i < batch.outcomes.length; ++i) {
            if (settled >> i & 1 == 0) continue;
            bytes32 taskid = _taskId(batch.range.dealId, from + i);
            if (!_callBack(target, taskid, batch.outcomes[i].resultsCallback)) {
                revert ITasks.CallbackGasTooLow(gasleft(), _callbackGas / 63);
            }
        }
    }
}
