// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibBit} from "solady/utils/LibBit.sol";

import {IViews} from "../interfaces/IViews.sol";
import {
    Account,
    Category,
    Contribution,
    ContributionStatus,
    Deal,
    Resource,
    Task,
    TaskStatus
} from "../interfaces/Types.sol";
import {BatchRecord} from "../records/BatchRecord.sol";
import {Bytes} from "../records/Bytes.sol";
import {DealHeads} from "../records/DealHead.sol";
import {DealRecord, DealTerms} from "../records/DealRecord.sol";
import {ResultRecord} from "../records/ResultRecord.sol";
import {TaskWord, TaskWords} from "../records/TaskWord.sol";
import {VoteWord} from "../records/VoteWord.sol";
import {Consensus} from "./Consensus.sol";
import {EntryViews} from "./EntryViews.sol";
import {StakeWord} from "../records/StakeWord.sol";
import {ContributionSlots} from "./HubStorage.sol";
import {TaskAccess} from "./TaskAccess.sol";

/// Deals, tasks, contributions and accounts as clients know them, put together from the packed storage.
abstract contract Views is IViews, EntryViews, TaskAccess {
    using Bytes for bytes;

    function viewDeal(bytes32 id) external view returns (Deal memory) {
        return _viewDeal(id);
    }

    function viewTask(bytes32 id) external view returns (Task memory) {
        return _viewTask(id);
    }

    function viewContribution(bytes32 taskid, address worker) external view returns (Contribution memory) {
        return _viewContribution(taskid, worker);
    }

    function resultFor(bytes32 id) external view returns (bytes memory resultsCallback) {
        TaskWord task = _tasks[id];
        require(task.status() == TaskStatus.COMPLETED, "task-pending");
        if (task.isSettled()) return _settledOf(task, _indexOf(id, task)).resultsCallback;
        (, resultsCallback) = ResultRecord.unpack(_recordOf(id).code, task.isFast());
    }

    function viewConsumed(bytes32 id) external view returns (uint256) {
        return _consumedOf(id);
    }

    function viewPresigned(bytes32 id) external view returns (address) {
        return _presigned[id];
    }

    function viewScore(address worker) external view returns (uint256) {
        return _stakes[worker].score();
    }

    function viewEpoch(address account) external view returns (uint256) {
        return _epochs[account];
    }

    function viewDealConditions(bytes32 dealid) external view returns (uint256 conditions, address guard) {
        bytes memory record = _recordOf(dealid).code;
        if (!DealRecord.isDeal(record)) return (0, address(0));
        DealTerms memory terms = DealRecord.unpack(record);
        return (terms.conditions, terms.guard);
    }

    function viewAccount(address account) external view returns (Account memory) {
        return _viewAccount(account);
    }

    function balanceOf(address account) external view returns (uint256) {
        return _viewAccount(account).stake;
    }

    function frozenOf(address account) external view returns (uint256) {
        return _stakes[account].frozen();
    }

    function allowance(address account, address spender) external view returns (uint256) {
        return _allowances[account][spender];
    }

    function totalSupply() external view returns (uint256) {
        return _supply.total;
    }

    function name() external view returns (string memory) {
        return _name;
    }

    function symbol() external view returns (string memory) {
        return _symbol;
    }

    function decimals() external view returns (uint8) {
        return _decimals;
    }

    function viewCategory(uint256 catid) external view returns (Category memory) {
        return _categories[catid];
    }

    function countCategory() external view returns (uint256) {
        return _categories.length;
    }

    /// @dev What is frozen is the hub's own ERC-20 balance, besides what was transferred to its address.
    function _viewAccount(address account) internal view returns (Account memory) {
        StakeWord stake = _stakes[account];
        uint256 free = stake.free();
        if (account == address(this)) free += _supply.frozen;
        return Account(free, stake.frozen());
    }

    function _viewDeal(bytes32 id) internal view returns (Deal memory deal) {
        bytes memory record = _recordOf(id).code;
        if (!DealRecord.isDeal(record)) return deal;
        DealTerms memory terms = DealRecord.unpack(record);
        deal.app = Resource(terms.app, terms.appOwner, terms.appPrice);
        deal.dataset = Resource(terms.dataset, terms.datasetOwner, terms.datasetPrice);
        deal.workerpool = Resource(terms.pool, terms.poolOwner, terms.poolPrice);
        deal.trust = terms.trust;
        deal.category = terms.category;
        deal.tag = terms.tag;
        deal.requester = terms.requester;
        deal.beneficiary = terms.beneficiary;
        deal.callback = terms.callback;
        deal.params = string(record.rest(terms.paramsAt));
        deal.startTime = terms.startTime;
        deal.botFirst = terms.botFirst;
        deal.botSize = terms.botSize;
        deal.workerStake = terms.workerStake;
        deal.schedulerRewardRatio = terms.schedulerRatio;
        deal.sponsor = terms.sponsor;
    }

    function _viewTask(bytes32 id) internal view returns (Task memory view_) {
        TaskWord task = _tasks[id];
        view_.status = task.status();
        // Of a task of the boost lane there is nothing else, of an unknown one nothing.
        if (task.deal() == address(0)) return view_;
        DealTerms memory deal = DealRecord.unpack(task.deal().code);
        view_.dealid = keccak256(abi.encodePacked(deal.requestHash, deal.botFirst));
        view_.idx = _indexOf(id, task);
        view_.timeref = deal.timeRef;
        view_.contributionDeadline = _contributionDeadline(task, DealHeads.load(task.deal()));
        view_.finalDeadline = deal.startTime + deal.timeRef * FINAL_DEADLINE_RATIO;
        if (task.isSettled()) {
            _fillSettled(task, view_);
            return view_;
        }
        view_.contributors = new address[](task.contributors());
        for (uint256 i = 0; i < view_.contributors.length; ++i) {
            view_.contributors[i] = _contributions[id][i].vote.worker();
        }
        // The places of these hold something else while the task is committed.
        if (task.isCommitted()) return view_;
        view_.revealDeadline = task.revealDeadline();
        view_.revealCounter = task.revealed();
        view_.winnerCounter = task.winners();
        if (task.isFast()) {
            _fillFast(id, view_);
            return view_;
        }
        if (task.winners() > 0) view_.consensusValue = _hashOfGroup(id, task, task.winningGroup());
        if (task.revealed() > 0) view_.resultDigest = _groups[id][task.winningGroup()];
        if (view_.status == TaskStatus.COMPLETED) {
            (view_.results, view_.resultsCallback) = ResultRecord.unpack(_recordOf(id).code, false);
        }
    }

    function _viewContribution(bytes32 taskid, address worker)
        internal
        view
        returns (Contribution memory found)
    {
        TaskWord task = _tasks[taskid];
        if (task.isFast()) return _viewOnlyContribution(taskid, worker);
        if (task.isSettled()) return _viewSettledContribution(taskid, task, worker);
        for (uint256 i = 0; i < task.contributors(); ++i) {
            ContributionSlots storage slots = _contributions[taskid][i];
            VoteWord vote = slots.vote;
            if (vote.worker() != worker) continue;
            found.status = _statusOf(slots);
            if (!vote.isSilent()) found.resultHash = _hashOfGroup(taskid, task, vote.group());
            found.resultSeal = found.status == ContributionStatus.PROVED
                ? _resultSeal(worker, taskid, _groups[taskid][vote.group()])
                : ~slots.sealInverted;
            found.enclaveChallenge = slots.enclaveChallenge;
            found.weight = Consensus.logWeight(vote.weight());
            return found;
        }
    }

    /// @dev Once somebody revealed, the winning group holds the digest in the place of its hash.
    function _hashOfGroup(bytes32 taskid, TaskWord task, uint256 group) private view returns (bytes32) {
        bytes32 held = _groups[taskid][group];
        bool isDigest = task.revealed() > 0 && group == task.winningGroup();
        return isDigest ? _resultHash(taskid, held) : held;
    }

    function _indexOf(bytes32 id, TaskWord task) private view returns (uint256) {
        if (task.offset() == TaskWords.FAR_INDEX) return _farIndexes[id];
        return DealHeads.load(task.deal()).botFirst() + task.offset();
    }

    /// @dev The record of the batch that a task was settled in.
    function _batchOf(TaskWord task, uint256 index) private view returns (bytes memory) {
        DealTerms memory deal = DealRecord.unpack(task.deal().code);
        bytes32 dealid = _dealId(deal.requestHash, deal.botFirst);
        return _recordOf(BatchRecord.saltOf(_taskId(dealid, index - task.place()))).code;
    }

    function _settledOf(TaskWord task, uint256 index) private view returns (BatchRecord.Found memory) {
        return BatchRecord.find(_batchOf(task, index), task.place());
    }

    function _fillSettled(TaskWord task, Task memory view_) private view {
        bytes memory batch = _batchOf(task, view_.idx);
        BatchRecord.Found memory found = BatchRecord.find(batch, task.place());
        view_.contributors = new address[](LibBit.popCount(found.present));
        uint256 next = 0;
        for (uint256 i = 0; i < BatchRecord.workersOf(batch); ++i) {
            if (found.present >> i & 1 == 1) view_.contributors[next++] = BatchRecord.worker(batch, i);
        }
        view_.winnerCounter = view_.revealCounter = LibBit.popCount(found.winners);
        view_.resultDigest = found.digest;
        view_.consensusValue = _resultHash(_taskId(view_.dealid, view_.idx), found.digest);
        (view_.results, view_.resultsCallback) = (found.results, found.resultsCallback);
    }

    function _viewSettledContribution(bytes32 taskid, TaskWord task, address worker)
        private
        view
        returns (Contribution memory contribution)
    {
        bytes memory batch = _batchOf(task, _indexOf(taskid, task));
        BatchRecord.Found memory found = BatchRecord.find(batch, task.place());
        uint256 losers = 0;
        for (uint256 i = 0; i < BatchRecord.workersOf(batch); ++i) {
            if (found.present >> i & 1 == 0) continue;
            bool isWinner = found.winners >> i & 1 == 1;
            if (BatchRecord.worker(batch, i) == worker) {
                contribution.weight = BatchRecord.logWeight(batch, i);
                (contribution.resultHash, contribution.resultSeal) = isWinner
                    ? (_resultHash(taskid, found.digest), _resultSeal(worker, taskid, found.digest))
                    : BatchRecord.loser(batch, found, losers);
                contribution.status = isWinner
                    ? ContributionStatus.PROVED
                    : contribution.resultSeal == 0
                        ? ContributionStatus.REJECTED
                        : ContributionStatus.CONTRIBUTED;
                return contribution;
            }
            if (!isWinner) ++losers;
        }
    }

    function _fillFast(bytes32 id, Task memory view_) private view {
        bytes memory record = _recordOf(id).code;
        (bytes32 digest, address worker,) = ResultRecord.unpackFast(record);
        view_.contributors = new address[](1);
        view_.contributors[0] = worker;
        view_.consensusValue = _resultHash(id, digest);
        view_.resultDigest = digest;
        (view_.results, view_.resultsCallback) = ResultRecord.unpack(record, true);
    }

    function _viewOnlyContribution(bytes32 taskid, address worker)
        private
        view
        returns (Contribution memory found)
    {
        (bytes32 digest, address onlyWorker, address challenge) =
            ResultRecord.unpackFast(_recordOf(taskid).code);
        if (worker != onlyWorker) return found;
        found.status = ContributionStatus.PROVED;
        found.resultHash = _resultHash(taskid, digest);
        found.resultSeal = _resultSeal(worker, taskid, digest);
        found.enclaveChallenge = challenge;
    }
}
