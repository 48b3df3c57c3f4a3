// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibBit} from "solady/utils/LibBit.sol";

import {Batch, OtherVote, Outcome, SkipReason} from "../interfaces/ILane.sol";
import {IConditions} from "../interfaces/IConditions.sol";
import {ITasks} from "../interfaces/ITasks.sol";
import {TaskStatus} from "../interfaces/Types.sol";
import {BatchRecord} from "../records/BatchRecord.sol";
import {Bytes} from "../records/Bytes.sol";
import {DealHead, DealHeads} from "../records/DealHead.sol";
import {OrderMarks} from "../records/OrderMark.sol";
import {TaskWord} from "../records/TaskWord.sol";
import {BatchMoney} from "./BatchMoney.sol";
import {Callback} from "./Callback.sol";
import {Consensus} from "./Consensus.sol";

/// Settlement of commits: what the votes of each task come to.
abstract contract Batches is BatchMoney, Callback {
    using Bytes for bytes;
    using Bytes for uint256;

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
        (address[] calldata workers, Outcome[] calldata outcomes) = (batch.workers, batch.outcomes);
        bytes32[] memory rows = new bytes32[](outcomes.length);
        uint256 from = batch.range.first + batch.range.rowsBefore.length;
        for (uint256 i = 0; i < rows.length; ++i) {
            rows[i] = _settleOutcome(workers, outcomes[i], ledger, i, _taskId(ledger.dealid, from + i));
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
        if (msg.sender != deal.poolOwner()) _checkStranger(batch.outcomes, grace, _isBound(deal));

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
        _prepare(ledger, count);
        (ledger.record, ledger.at) = BatchRecord.open(batch.workers, ledger.weights, batch.outcomes);
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
        uint256 disclosed = ledger.task.disclosed();
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
        return _exceeds(count.product, total, trust);
    }

    /// @dev keccak256(resultHash 32, resultSeal 32, no enclave 20, nonce 16).
    function _blind(bytes32 resultHash, bytes32 resultSeal, uint128 nonce) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(resultHash, resultSeal, address(0), nonce));
    }

    /// @dev Ends a task if its votes allow; returns the hash of its row, which the caller checks.
    function _settleOutcome(
        address[] calldata workers,
        Outcome calldata outcome,
        Ledger memory ledger,
        uint256 position,
        bytes32 taskid
    ) private returns (bytes32) {
        ledger.task = _tasks[taskid];
        uint256 everybody = ledger.everybody;
        bool isUnanimous =
            outcome.present == everybody && outcome.agreeing == everybody && ledger.task.disclosed() == 0;
        return isUnanimous
            ? _settleAgreed(workers, outcome, ledger, position, taskid)
            : _settleDivided(workers, outcome, ledger, position, taskid);
    }

    /// @dev A task in which every worker of the batch voted for the digest: the usual one.
    function _settleAgreed(
        address[] calldata workers,
        Outcome calldata outcome,
        Ledger memory ledger,
        uint256 position,
        bytes32 taskid
    ) private returns (bytes32 row) {
        bytes32 resultHash = _resultHash(taskid, outcome.digest);
        row = _rowOfAll(workers, outcome, ledger.row, taskid, resultHash);
        if (!_isReady(outcome, ledger, taskid)) return row;
        if (!ledger.isReached) {
            emit TaskSkipped(taskid, SkipReason.NO_CONSENSUS);
            return row;
        }
        _emitEqualVotes(workers, outcome.digest, taskid, resultHash);
        _payEqually(workers, ledger, taskid);
        _end(outcome, ledger, position, taskid, ledger.everybody);
    }

    function _settleDivided(
        address[] calldata workers,
        Outcome calldata outcome,
        Ledger memory ledger,
        uint256 position,
        bytes32 taskid
    ) private returns (bytes32) {
        (bytes32 row, Count memory count) = _count(workers, outcome, taskid, ledger);
        if (!_isReady(outcome, ledger, taskid)) return row;
        if (!count.isDisclosed) {
            emit TaskSkipped(taskid, SkipReason.UNDISCLOSED);
        } else if (!_isReached(count, ledger.deal.trust())) {
            emit TaskSkipped(taskid, SkipReason.NO_CONSENSUS);
        } else {
            _emitVotes(workers, outcome, count);
            _payTask(workers, ledger, count);
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
        ledger.at = BatchRecord.put(ledger.at, place, outcome, winners, ledger.scores.length);
        if (_isBound(ledger.deal)) emit IConditions.ResultsBound(taskid, outcome.digest);
        emit ITasks.TaskFinalize(taskid, outcome.results);
    }

    /// @dev The hash of a row in which every worker voted for the digest: the usual one.
    function _rowOfAll(
        address[] calldata workers,
        Outcome calldata outcome,
        uint256 place,
        bytes32 taskid,
        bytes32 resultHash
    ) private pure returns (bytes32) {
        uint128[] calldata nonces = outcome.nonces;
        bytes32 digest = outcome.digest;
        uint256 at = place;
        for (uint256 i = 0; i < workers.length; ++i) {
            if (i >= nonces.length) revert VotesMissing(i);
            address worker = workers[i];
            at = at.put(uint160(worker), 20);
            at = at.put(uint256(_blind(resultHash, _resultSeal(worker, taskid, digest), nonces[i])), 32);
        }
        return _hashOf(place, at);
    }

    function _emitEqualVotes(address[] calldata workers, bytes32 digest, bytes32 taskid, bytes32 resultHash)
        private
    {
        for (uint256 i = 0; i < workers.length; ++i) {
            emit ITasks.TaskContribute(taskid, workers[i], resultHash);
        }
        emit ITasks.TaskConsensus(taskid, resultHash);
        for (uint256 i = 0; i < workers.length; ++i) {
            emit ITasks.TaskReveal(taskid, workers[i], digest);
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
