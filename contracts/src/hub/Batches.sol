// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibBit} from "solady/utils/LibBit.sol";

import {Batch, CommitRange, OtherVote, Outcome, SkipReason} from "../interfaces/ILane.sol";
import {IConditions} from "../interfaces/IConditions.sol";
import {ITasks} from "../interfaces/ITasks.sol";
import {TaskStatus} from "../interfaces/Types.sol";
import {BatchRecord} from "../records/BatchRecord.sol";
import {Bytes} from "../records/Bytes.sol";
import {DealHead, DealHeads} from "../records/DealHead.sol";
import {OrderMarks} from "../records/OrderMark.sol";
import {TaskWord} from "../records/TaskWord.sol";
import {MemoryWords, Words} from "../records/Words.sol";
import {BatchMoney} from "./BatchMoney.sol";
import {Callback} from "./Callback.sol";
import {Consensus} from "./Consensus.sol";

/// Settlement of commits: what the votes of each task come to.
abstract contract Batches is BatchMoney, Callback {
    using Bytes for bytes;
    using Bytes for uint256;

    /// @dev Workers of a batch: their bits are kept in 32.
    uint256 private constant WORKERS_MAX = 32;

    function settle(Batch[] calldata batches) external {
        uint256 count = batches.length;
        if (count == 0) revert CommitEmpty(0, 0);
        Words settled = MemoryWords.reserve(count);
        for (uint256 i = 0; i < count; ++i) {
            settled.set(i, _settle(batches[i]));
        }
        for (uint256 i = 0; i < count; ++i) {
            if (settled.get(i) != 0) _callBackAll(batches[i], settled.get(i));
        }
    }

    /// @dev Returns the bits of the outcomes that call back.
    function _settle(Batch calldata batch) private returns (uint256) {
        Ledger memory ledger = _openLedger(batch);
        (CommitRange calldata range, Outcome[] calldata outcomes) = (batch.range, batch.outcomes);
        bytes32[] memory rows = new bytes32[](outcomes.length);
        uint256 from = range.first + range.rowsBefore.length;
        for (uint256 i = 0; i < rows.length; ++i) {
            rows[i] = _settleOutcome(outcomes[i], ledger, i, _taskId(ledger.dealid, from + i));
        }
        bytes32 key = _checkRows(range, rows);
        if (ledger.tasks > 0) _write(ledger, from);
        // A commit that is settled whole has done its work.
        bool isWhole =
            ledger.tasks == rows.length && range.rowsBefore.length == 0 && range.rowsAfter.length == 0;
        if (isWhole) delete _commits[key];
        return ledger.deal.callback() == address(0) ? 0 : ledger.settled;
    }

    function _openLedger(Batch calldata batch) private view returns (Ledger memory ledger) {
        (CommitRange calldata range, Outcome[] calldata outcomes) = (batch.range, batch.outcomes);
        uint256 count = batch.workers.length;
        if (count > WORKERS_MAX) revert RowTooLong(count, WORKERS_MAX);
        if (outcomes.length == 0 || outcomes.length > TASKS_MAX) {
            revert CommitEmpty(outcomes.length, count);
        }
        ledger.dealid = range.dealId;
        DealHead deal = DealHeads.load(_recordOf(ledger.dealid));
        if (!deal.isDeal()) revert ITasks.UnknownDeal(ledger.dealid);
        uint256 deadline = deal.startTime() + deal.timeRef() * FINAL_DEADLINE_RATIO;
        if (deadline <= block.timestamp) revert ITasks.TooLate(deadline, block.timestamp);
        uint256 grace = range.time + deal.timeRef() * REVEAL_DEADLINE_RATIO;
        ledger.isRevealOver = grace <= block.timestamp;
        if (msg.sender != deal.poolOwner()) _checkStranger(outcomes, grace, _isBound(deal));

        (, uint256 datasetPrice) = deal.datasetOwnerAndPrice();
        ledger.deal = deal;
        ledger.price = deal.appPrice() + datasetPrice + deal.poolPrice();
        ledger.workerStake = deal.workerStake();
        ledger.kittyLeft = _stakes[KITTY_ADDRESS].frozen();
        ledger.rewards = MemoryWords.reserve(count);
        ledger.kept = MemoryWords.reserve(count);
        ledger.lost = MemoryWords.reserve(count);
        ledger.keptOnChain = MemoryWords.reserve(count);
        ledger.lostOnChain = MemoryWords.reserve(count);
        ledger.row = (new bytes(count * ENTRY_SIZE + 32)).start();
        _loadWorkers(ledger, batch.workers);
        _prepare(ledger);
        (ledger.record, ledger.at) = BatchRecord.open(ledger.workers, ledger.weights, count, outcomes);
    }

    /// @dev The workers, who must ascend, with their scores and weights.
    function _loadWorkers(Ledger memory ledger, address[] calldata workers) private view {
        uint256 count = workers.length;
        ledger.count = count;
        ledger.workers = MemoryWords.reserve(count);
        ledger.scores = MemoryWords.reserve(count);
        ledger.weights = MemoryWords.reserve(count);
        address last = address(0);
        for (uint256 i = 0; i < count; ++i) {
            address worker = workers[i];
            if (i > 0 && worker <= last) revert WorkersUnsorted(i);
            last = worker;
            uint256 score = _stakes[worker].score();
            ledger.workers.set(i, uint160(worker));
            ledger.scores.set(i, score);
            ledger.weights.set(i, Consensus.weightOf(score));
        }
    }

    /// @dev Anyone may settle when the pool owner has had its time, but only the pool owner says where results lie
    /// that are bound to nothing.
    function _checkStranger(Outcome[] calldata outcomes, uint256 grace, bool isBound) private view {
        if (grace > block.timestamp) revert NotYours(msg.sender, grace);
        if (isBound) return;
        for (uint256 i = 0; i < outcomes.length; ++i) {
            if (outcomes[i].results.length > 0) revert ResultsUnbound(msg.sender);
        }
    }

    /// @dev Reads the votes of a task: the hash of its row, and what they come to.
    function _count(Outcome calldata outcome, bytes32 taskid, Ledger memory ledger)
        private
        view
        returns (bytes32 row, Count memory count)
    {
        count.taskid = taskid;
        count.resultHash = _resultHash(taskid, outcome.digest);
        count.product = 1;
        count.isDisclosed = true;
        uint256 disclosed = ledger.task.disclosed();
        count.hashes = new bytes32[](outcome.others.length);
        count.products = new uint256[](outcome.others.length);
        uint256 at = ledger.row;
        for (uint256 i = 0; i < ledger.count; ++i) {
            if (outcome.present >> i & 1 == 0) continue;
            if (disclosed & 1 == 1) count.onChain |= 1 << i;
            disclosed >>= 1;
            address worker = ledger.workers.account(i);
            bytes32 entry = outcome.agreeing >> i & 1 == 1
                ? _countAgreeing(worker, i, outcome, ledger, count)
                : _countOther(worker, i, outcome, ledger, count);
            at = at.put(uint160(worker), 20);
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
            _addOther(count, next, vote.resultHash, ledger.weights.get(position));
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
        count.product = FixedPointMathLib.saturatingMul(count.product, ledger.weights.get(position));
        count.shares += Consensus.logWeight(ledger.weights.get(position));
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
        return _exceeds(count.product, total, trust);
    }

    /// @dev keccak256(resultHash 32, resultSeal 32, no enclave 20, nonce 16). Assembly, as for seals.
    function _blind(bytes32 resultHash, bytes32 resultSeal, uint128 nonce)
        internal
        pure
        returns (bytes32 entry)
    {
        assembly ("memory-safe") {
            let place := mload(0x40)
            mstore(place, resultHash)
            mstore(add(place, 32), resultSeal)
            mstore(add(place, 64), 0)
            mstore(add(place, 84), shl(128, nonce))
            entry := keccak256(place, 100)
        }
    }

    /// @dev Ends a task if its votes allow; returns the hash of its row, which the caller checks.
    function _settleOutcome(Outcome calldata outcome, Ledger memory ledger, uint256 position, bytes32 taskid)
        private
        returns (bytes32)
    {
        ledger.task = _tasks[taskid];
        uint256 everybody = ledger.everybody;
        bool isUnanimous =
            outcome.present == everybody && outcome.agreeing == everybody && ledger.task.disclosed() == 0;
        return isUnanimous
            ? _settleAgreed(outcome, ledger, position, taskid)
            : _settleDivided(outcome, ledger, position, taskid);
    }

    /// @dev A task in which every worker of the batch voted for the digest: the usual one.
    function _settleAgreed(Outcome calldata outcome, Ledger memory ledger, uint256 position, bytes32 taskid)
        private
        returns (bytes32 row)
    {
        bytes32 resultHash = _resultHash(taskid, outcome.digest);
        row = _rowOfAll(outcome, ledger, taskid, resultHash);
        if (!_isReady(outcome, ledger, taskid)) return row;
        if (!ledger.isReached) {
            emit TaskSkipped(taskid, SkipReason.NO_CONSENSUS);
            return row;
        }
        _emitEqualVotes(ledger, outcome.digest, taskid, resultHash);
        _payEqually(ledger, taskid);
        _end(outcome, ledger, position, taskid, ledger.everybody);
    }

    function _settleDivided(Outcome calldata outcome, Ledger memory ledger, uint256 position, bytes32 taskid)
        private
        returns (bytes32)
    {
        (bytes32 row, Count memory count) = _count(outcome, taskid, ledger);
        if (!_isReady(outcome, ledger, taskid)) return row;
        if (!count.isDisclosed) {
            emit TaskSkipped(taskid, SkipReason.UNDISCLOSED);
        } else if (!_isReached(count, ledger.deal.trust())) {
            emit TaskSkipped(taskid, SkipReason.NO_CONSENSUS);
        } else {
            _emitVotes(ledger, outcome, count);
            _payTask(ledger, count);
            _end(outcome, ledger, position, taskid, count.winners);
        }
        return row;
    }

    /// @dev Whether a task can be settled, whatever its votes; says why if not.
    function _isReady(Outcome calldata outcome, Ledger memory ledger, bytes32 taskid) private returns (bool) {
        TaskWord task = ledger.task;
        if (!task.isCommitted() || task.status() != TaskStatus.ACTIVE) {
            emit TaskSkipped(taskid, SkipReason.NOT_COMMITTED);
        } else if (task.contributors() > LibBit.popCount(task.disclosed())) {
            emit TaskSkipped(taskid, SkipReason.ON_CHAIN);
        } else if (!_isVotedFor(ledger.deal, outcome)) {
            emit TaskSkipped(taskid, SkipReason.CALLBACK);
        } else if (!BatchRecord.hasRoom(ledger.record, ledger.at, outcome)) {
            emit TaskSkipped(taskid, SkipReason.RECORD_FULL);
        } else {
            return true;
        }
        return false;
    }

    /// @dev Marks a task that was paid for as settled, and records its result.
    function _end(
        Outcome calldata outcome,
        Ledger memory ledger,
        uint256 position,
        bytes32 taskid,
        uint256 winners
    ) private {
        if (ledger.tasks == 0) ledger.firstSettled = position;
        ledger.tasks += 1;
        ledger.settled |= 1 << position;
        uint256 place = position - ledger.firstSettled;
        _tasks[taskid] = ledger.task.settled(place);
        ledger.at = BatchRecord.put(ledger.at, place, outcome, winners, ledger.count);
        if (_isBound(ledger.deal)) emit IConditions.ResultsBound(taskid, outcome.digest);
        emit ITasks.TaskFinalize(taskid, outcome.results);
    }

    /// @dev The hash of a row in which every worker voted for the digest: the usual one.
    function _rowOfAll(Outcome calldata outcome, Ledger memory ledger, bytes32 taskid, bytes32 resultHash)
        private
        pure
        returns (bytes32)
    {
        uint128[] calldata nonces = outcome.nonces;
        (bytes32 digest, uint256 count, Words workers) = (outcome.digest, ledger.count, ledger.workers);
        if (nonces.length < count) revert VotesMissing(nonces.length);
        uint256 at = ledger.row;
        for (uint256 i = 0; i < count; ++i) {
            address worker = workers.account(i);
            at = at.put(uint160(worker), 20);
            at = at.put(uint256(_blind(resultHash, _resultSeal(worker, taskid, digest), nonces[i])), 32);
        }
        return _hashOf(ledger.row, at);
    }

    function _emitEqualVotes(Ledger memory ledger, bytes32 digest, bytes32 taskid, bytes32 resultHash)
        private
    {
        (uint256 count, Words workers) = (ledger.count, ledger.workers);
        for (uint256 i = 0; i < count; ++i) {
            emit ITasks.TaskContribute(taskid, workers.account(i), resultHash);
        }
        emit ITasks.TaskConsensus(taskid, resultHash);
        for (uint256 i = 0; i < count; ++i) {
            emit ITasks.TaskReveal(taskid, workers.account(i), digest);
        }
    }

    /// @dev Whether callback bytes, and bound results, are what was voted for; others are bound to nothing.
    function _isVotedFor(DealHead deal, Outcome calldata outcome) private pure returns (bool) {
        bool hasCallback = deal.callback() != address(0) || outcome.resultsCallback.length > 0;
        if (hasCallback && keccak256(outcome.resultsCallback) != outcome.digest) return false;
        if (!_isBound(deal)) return true;
        if (outcome.resultsCallback.length > 0) return outcome.results.length == 0;
        return keccak256(outcome.results) == outcome.digest;
    }

    function _isBound(DealHead deal) private pure returns (bool) {
        return deal.conditions() & OrderMarks.BOUND_RESULTS != 0;
    }

    function _emitVotes(Ledger memory ledger, Outcome calldata outcome, Count memory count) private {
        (uint256 size, Words workers) = (ledger.count, ledger.workers);
        uint256 others = 0;
        for (uint256 i = 0; i < size; ++i) {
            if (outcome.present >> i & 1 == 0) continue;
            bytes32 hash = count.resultHash;
            if (outcome.agreeing >> i & 1 == 0) {
                OtherVote calldata vote = outcome.others[others++];
                // Of a vote that was not disclosed nobody may say what it was for.
                hash = vote.entry == 0 ? vote.resultHash : bytes32(0);
            }
            if (hash != 0) emit ITasks.TaskContribute(count.taskid, workers.account(i), hash);
        }
        emit ITasks.TaskConsensus(count.taskid, count.resultHash);
        for (uint256 i = 0; i < size; ++i) {
            if (count.winners >> i & 1 == 1) {
                emit ITasks.TaskReveal(count.taskid, workers.account(i), outcome.digest);
            }
        }
    }

    /// @dev After everything is written: whoever is called may call back.
    function _callBackAll(Batch calldata batch, uint256 settled) private {
        address target = DealHeads.load(_recordOf(batch.range.dealId)).callback();
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
