// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {CommitRange, RowVote} from "../interfaces/ILane.sol";
import {ITasks} from "../interfaces/ITasks.sol";
import {TaskStatus} from "../interfaces/Types.sol";
import {DealHead, DealHeads} from "../records/DealHead.sol";
import {CONTRIBUTORS_MAX, TaskWord} from "../records/TaskWord.sol";
import {VoteWord, VoteWords} from "../records/VoteWord.sol";
import {Batches} from "./Batches.sol";
import {Consensus} from "./Consensus.sol";

/// What is left when somebody stops after a commit: votes are disclosed on chain, each becoming a contribution of the
/// classic lane with its stake taken out of the bond; then the task leaves the commit and goes on as a classic one.
abstract contract Disclosures is Batches {
    function disclose(CommitRange calldata range, bytes calldata row, RowVote[] calldata votes) external {
        (bytes32 taskid, TaskWord task, DealHead deal) = _loadCommitted(range, row);
        for (uint256 i = 0; i < votes.length; ++i) {
            task = _disclose(taskid, task, deal, row, votes[i]);
        }
        _tasks[taskid] = task;
    }

    function close(CommitRange calldata range, bytes calldata row) external {
        (bytes32 taskid, TaskWord task, DealHead deal) = _loadCommitted(range, row);
        uint256 length = row.length / ENTRY_SIZE;
        uint256 disclosed = task.disclosed();
        if (disclosed != (1 << length) - 1) {
            uint256 deadline = range.time + deal.timeRef() * REVEAL_DEADLINE_RATIO;
            if (deadline > block.timestamp) revert ITasks.TooEarly(deadline, block.timestamp);
        }
        for (uint256 i = 0; i < length; ++i) {
            if (disclosed >> i & 1 == 1) continue;
            (address worker,) = _entryOf(row, i);
            VoteWord vote = VoteWords.silent(worker, Consensus.weightOf(_stakes[worker].score()));
            task = _addContribution(taskid, task, deal, vote, 0);
        }
        task = task.uncommitted();
        (uint256 group, uint256 winners) = _consensusOf(taskid, task.contributors(), deal.trust());
        if (winners > 0) {
            task = task.withConsensus(_revealDeadline(deal, FINAL_DEADLINE_RATIO), winners, group);
            emit ITasks.TaskConsensus(taskid, _groups[taskid][group]);
        }
        _tasks[taskid] = task;
        emit Closed(taskid);
    }

    function release(CommitRange calldata range, bytes[] calldata rows) external {
        bytes32[] memory hashes = new bytes32[](rows.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            hashes[i] = keccak256(rows[i]);
        }
        _checkRows(range, hashes);
        DealHead deal = DealHeads.load(_recordOf(range.dealId));
        (address pool, uint256 workerStake) = (deal.pool(), deal.workerStake());
        for (uint256 i = 0; i < rows.length; ++i) {
            bytes32 taskid = _taskId(range.dealId, range.first + range.rowsBefore.length + i);
            TaskWord task = _tasks[taskid];
            if (task.status() != TaskStatus.FAILED || !task.isCommitted()) revert TaskNotClaimed(taskid);
            for (uint256 j = 0; j < rows[i].length / ENTRY_SIZE; ++j) {
                if (task.disclosed() >> j & 1 == 1) continue;
                (address worker,) = _entryOf(rows[i], j);
                _bonds[worker][pool] = _bonds[worker][pool].unlock(workerStake);
            }
            _tasks[taskid] = task.uncommitted();
        }
    }

    /// @dev The one task of a range, which must be open and committed.
    function _loadCommitted(CommitRange calldata range, bytes calldata row)
        private
        view
        returns (bytes32 taskid, TaskWord task, DealHead deal)
    {
        bytes32[] memory rows = new bytes32[](1);
        rows[0] = keccak256(row);
        _checkRows(range, rows);
        taskid = _taskId(range.dealId, range.first + range.rowsBefore.length);
        task = _tasks[taskid];
        if (!task.isCommitted() || task.status() != TaskStatus.ACTIVE) revert TaskNotCommitted(taskid);
        deal = DealHeads.load(task.deal());
        uint256 deadline = deal.startTime() + deal.timeRef() * FINAL_DEADLINE_RATIO;
        if (deadline <= block.timestamp) revert ITasks.TooLate(deadline, block.timestamp);
    }

    function _disclose(
        bytes32 taskid,
        TaskWord task,
        DealHead deal,
        bytes calldata row,
        RowVote calldata vote
    ) private returns (TaskWord) {
        if (vote.position >= row.length / ENTRY_SIZE) {
            revert VoteMismatch(vote.position);
        }
        (address worker, bytes32 entry) = _entryOf(row, vote.position);
        if (entry != _blind(vote.resultHash, vote.resultSeal, vote.nonce)) {
            revert VoteMismatch(vote.position);
        }
        if (task.disclosed() >> vote.position & 1 == 1) revert VoteDisclosed(vote.position);
        if (~vote.resultSeal == 0) revert ITasks.DigestMismatch(vote.resultSeal);
        uint256 weight = Consensus.weightOf(_stakes[worker].score());
        uint256 group = _groupOf(taskid, task.contributors(), vote.resultHash);
        emit ITasks.TaskContribute(taskid, worker, vote.resultHash);
        task = _addContribution(taskid, task, deal, VoteWords.pack(worker, weight, group), vote.resultSeal);
        return task.withDisclosed(1 << vote.position);
    }

    /// @dev Stores a vote; its stake leaves the bond and stays frozen, as that of a contribution.
    function _addContribution(bytes32 taskid, TaskWord task, DealHead deal, VoteWord vote, bytes32 resultSeal)
        private
        returns (TaskWord)
    {
        uint256 count = task.contributors();
        if (count == CONTRIBUTORS_MAX) revert ITasks.TooManyContributors(taskid);
        _contributions[taskid][count].vote = vote;
        _contributions[taskid][count].sealInverted = ~resultSeal;
        (address worker, address pool) = (vote.worker(), deal.pool());
        _bonds[worker][pool] = _bonds[worker][pool].spend(deal.workerStake());
        return task.withContribution();
    }

    /// @dev The group of a hash among the contributions, new if nobody voted for it yet.
    function _groupOf(bytes32 taskid, uint256 count, bytes32 resultHash) private returns (uint256 group) {
        uint256 groups = 0;
        for (uint256 i = 0; i < count; ++i) {
            VoteWord vote = _contributions[taskid][i].vote;
            if (!vote.isSilent() && vote.group() >= groups) groups = vote.group() + 1;
        }
        while (group < groups && _groups[taskid][group] != resultHash) ++group;
        if (group == groups) _groups[taskid][group] = resultHash;
    }

    /// @dev The group in consensus and its members, of which there are none without one.
    function _consensusOf(bytes32 taskid, uint256 count, uint256 trust)
        private
        view
        returns (uint256 group, uint256 winners)
    {
        uint256[] memory products = new uint256[](count);
        uint256[] memory members = new uint256[](count);
        uint256 total = 1;
        for (uint256 i = 0; i < count; ++i) {
            VoteWord vote = _contributions[taskid][i].vote;
            if (vote.isRejected()) continue;
            products[vote.group()] = Consensus.join(products[vote.group()], vote.weight());
            members[vote.group()] += 1;
        }
        for (uint256 i = 0; i < count; ++i) {
            total += products[i];
        }
        for (; group < count; ++group) {
            bool isReached = products[group] > 0 && Consensus.isReached(products[group], total, trust);
            if (isReached) return (group, members[group]);
        }
        return (0, 0);
    }

    function _entryOf(bytes calldata row, uint256 position) private pure returns (address, bytes32) {
        uint256 at = position * ENTRY_SIZE;
        return (address(bytes20(row[at:at + 20])), bytes32(row[at + 20:at + 52]));
    }
}
