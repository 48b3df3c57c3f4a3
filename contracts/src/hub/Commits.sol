// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Ballot, CommitRange, ILane} from "../interfaces/ILane.sol";
import {ITasks} from "../interfaces/ITasks.sol";
import {TaskStatus} from "../interfaces/Types.sol";
import {Bytes} from "../records/Bytes.sol";
import {DealHead, DealHeads} from "../records/DealHead.sol";
import {TaskWord} from "../records/TaskWord.sol";
import {Bonds} from "./Bonds.sol";
import {Guards} from "./Guards.sol";
import {TaskAccess} from "./TaskAccess.sol";

/// Commits of blinded votes. Of each task a row is kept, its workers and their entries, in the order of the ballots;
/// of a commit only the hash over the hashes of its rows. The rows are in the event, so that nobody can
/// hold them back.
abstract contract Commits is Bonds, Guards, TaskAccess {
    using Bytes for bytes;
    using Bytes for uint256;

    bytes32 internal constant BALLOT_TYPE =
        keccak256("Ballot(bytes32 dealid,uint256 first,bytes32[] entries)");

    /// @dev As many as a place of eight bits can tell apart.
    uint256 internal constant TASKS_MAX = 256;
    /// @dev Entries of a task, and workers of a batch: their bits are kept in 32.
    uint256 internal constant ROW_MAX = 32;
    /// @dev Bytes of an entry in a row: worker and blinded vote.
    uint256 internal constant ENTRY_SIZE = 52;

    bytes32 private constant TEE_BIT_OF_DEAL = bytes32(uint256(0x01));

    function commit(bytes32 dealId, uint256 first, uint256 count, Ballot[] calldata ballots) external {
        DealHead deal = _openTasks(dealId, first, count);
        uint256 entries = _checkBallots(dealId, first, count, ballots, deal);
        bytes memory rows = new bytes(entries * ENTRY_SIZE + 32);
        bytes memory lengths = new bytes(count);
        bytes32[] memory hashes = new bytes32[](count);
        uint256 at = rows.start();
        for (uint256 i = 0; i < count; ++i) {
            uint256 start = at;
            at = _putRow(ballots, first + i, at);
            hashes[i] = _hashOf(start, at);
            uint256 length = (at - start) / ENTRY_SIZE;
            if (length > ROW_MAX) revert RowTooLong(length, ROW_MAX);
            lengths[i] = bytes1(uint8(length));
            if (length > 0) _refuseContributors(_taskId(dealId, first + i), start, length);
        }
        rows.truncate(at);
        bytes32 key = _commitKey(dealId, first, block.timestamp);
        if (_commits[key] != 0) revert CommitExists(dealId, first);
        _commits[key] = keccak256(abi.encodePacked(hashes));
        emit Committed(dealId, first, lengths, rows);
    }

    /// @dev Checks that the rows between those of `range` are those of the commit.
    function _checkRows(CommitRange calldata range, bytes32[] memory rows) internal view {
        bytes32 found = keccak256(abi.encodePacked(range.rowsBefore, rows, range.rowsAfter));
        if (found != _commits[_commitKey(range.dealId, range.first, range.time)]) {
            revert CommitMismatch(range.dealId, range.first);
        }
    }

    /// @dev Commits have their time in their key: a task may be committed again, and no commit may take the place
    /// of another whose bonds are locked.
    function _commitKey(bytes32 dealid, uint256 first, uint256 time) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(dealid, first, time));
    }

    /// @dev The hash of the bytes between two places in memory.
    function _hashOf(uint256 start, uint256 end) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(start, sub(end, start))
        }
    }

    /// @dev Opens those tasks that nobody has opened, and marks all as committed.
    function _openTasks(bytes32 dealid, uint256 first, uint256 count) private returns (DealHead deal) {
        address record = _recordOf(dealid);
        deal = DealHeads.load(record);
        if (!deal.isDeal()) revert ITasks.UnknownDeal(dealid);
        if (msg.sender != deal.poolOwner()) revert ITasks.NotThePoolOwner(msg.sender, deal.poolOwner());
        if (deal.tag() & TEE_BIT_OF_DEAL != 0) revert EnclaveLaneMissing(dealid);
        uint256 deadline = deal.startTime() + deal.timeRef() * CONTRIBUTION_DEADLINE_RATIO;
        if (deadline <= block.timestamp) revert ITasks.TooLate(deadline, block.timestamp);
        (uint256 botFirst, uint256 botSize) = (deal.botFirst(), deal.botSize());
        if (first < botFirst || first - botFirst >= botSize || count > botSize - (first - botFirst)) {
            revert ITasks.IndexOutsideDeal(first, botFirst, botSize);
        }
        for (uint256 i = 0; i < count; ++i) {
            bytes32 taskid = _taskId(dealid, first + i);
            TaskWord task = _tasks[taskid];
            if (task.status() == TaskStatus.UNSET) {
                task = _opened(record, taskid, first + i, botFirst);
                emit ITasks.TaskInitialize(taskid, deal.pool());
            } else if (task.status() != TaskStatus.ACTIVE) {
                revert ITasks.WrongTaskStatus(taskid, task.status());
            } else if (task.wasCommitted()) {
                revert ITasks.TaskCommitted(taskid);
            }
            _tasks[taskid] = task.committed(i);
        }
    }

    /// @dev Checks order, range and signature of each ballot and locks the bonds; returns how many entries there are.
    function _checkBallots(
        bytes32 dealid,
        uint256 first,
        uint256 count,
        Ballot[] calldata ballots,
        DealHead deal
    ) private returns (uint256 entries) {
        if (count == 0 || count > TASKS_MAX || ballots.length == 0) {
            revert CommitEmpty(count, ballots.length);
        }
        address worker = address(0);
        uint256 from = 0;
        uint256 own = 0;
        for (uint256 i = 0; i < ballots.length; ++i) {
            Ballot calldata ballot = ballots[i];
            if (ballot.worker != worker) {
                if (ballot.worker < worker) revert BallotUnsorted(i);
                _lockVotes(deal, worker, own);
                (worker, from, own) = (ballot.worker, first, 0);
                _checkGuard(deal, worker, address(0));
            }
            if (ballot.first < from) revert BallotUnsorted(i);
            uint256 votes = _checkBallot(dealid, ballot);
            from = ballot.first + ballot.entries.length;
            if (from > first + count) revert BallotOutsideCommit(i);
            own += votes;
            entries += votes;
        }
        _lockVotes(deal, worker, own);
    }

    function _lockVotes(DealHead deal, address worker, uint256 votes) private {
        if (votes > 0) _lockBond(worker, deal.pool(), votes * deal.workerStake());
    }

    /// @dev How many votes a ballot has; its worker must have signed if there are any.
    function _checkBallot(bytes32 dealid, Ballot calldata ballot) private view returns (uint256 votes) {
        for (uint256 i = 0; i < ballot.entries.length; ++i) {
            if (ballot.entries[i] != 0) ++votes;
        }
        if (votes == 0) return 0;
        bytes32 structHash = keccak256(
            abi.encode(BALLOT_TYPE, dealid, ballot.first, keccak256(abi.encodePacked(ballot.entries)))
        );
        if (!_isSignedByKey(ballot.worker, _typedDataHash(structHash), ballot.sign)) {
            revert BallotSignatureInvalid(ballot.worker);
        }
    }

    /// @dev Writes the row of a task at a place in memory; returns where it ends.
    function _putRow(Ballot[] calldata ballots, uint256 index, uint256 at) private pure returns (uint256) {
        for (uint256 i = 0; i < ballots.length; ++i) {
            Ballot calldata ballot = ballots[i];
            if (index < ballot.first) continue;
            uint256 offset = index - ballot.first;
            if (offset >= ballot.entries.length) continue;
            bytes32 entry = ballot.entries[offset];
            if (entry == 0) continue;
            at = at.put(uint160(ballot.worker), 20);
            at = at.put(uint256(entry), 32);
        }
        return at;
    }

    /// @dev A worker has one vote in a task, on chain or in the row.
    function _refuseContributors(bytes32 taskid, uint256 row, uint256 length) private view {
        uint256 count = _tasks[taskid].contributors();
        for (uint256 i = 0; i < count; ++i) {
            address worker = _contributions[taskid][i].vote.worker();
            for (uint256 j = 0; j < length; ++j) {
                if (address(uint160(row.read(j * ENTRY_SIZE, 20))) == worker) {
                    revert ITasks.AlreadyContributed(taskid, worker);
                }
            }
        }
    }
}
