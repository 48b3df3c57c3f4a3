// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EfficientHashLib} from "solady/utils/EfficientHashLib.sol";

import {Ballot, CommitRange, ILane} from "../interfaces/ILane.sol";
import {ITasks} from "../interfaces/ITasks.sol";
import {TaskStatus} from "../interfaces/Types.sol";
import {Bytes} from "../records/Bytes.sol";
import {DealHead, DealHeads} from "../records/DealHead.sol";
import {CONTRIBUTORS_MAX, TaskWord} from "../records/TaskWord.sol";
import {MemoryWords, Words} from "../records/Words.sol";
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
    /// @dev Entries of a task: all of them can become contributions.
    uint256 internal constant ROW_MAX = CONTRIBUTORS_MAX;
    /// @dev Bytes of an entry in a row: worker and blinded vote.
    uint256 internal constant ENTRY_SIZE = 52;

    bytes32 private constant TEE_BIT_OF_DEAL = bytes32(uint256(0x01));

    /// @dev Ballots while they are written into rows: of each its worker, its first task, where in the call's data its
    /// entries lie, and how many there are.
    struct Ballots {
        uint256 count;
        Words workers;
        Words firsts;
        Words places;
        Words sizes;
        /// Of all ballots, those that are votes.
        uint256 votes;
    }

    function commit(bytes32 dealId, uint256 first, uint256 count, Ballot[] calldata ballots) external {
        (DealHead deal, uint256 contributed) = _openTasks(dealId, first, count);
        Ballots memory read = _checkBallots(dealId, first, count, ballots, deal);
        bytes memory rows = new bytes(read.votes * ENTRY_SIZE + 32);
        bytes memory lengths = new bytes(count);
        bytes32[] memory hashes = new bytes32[](count);
        uint256 at = rows.start();
        for (uint256 i = 0; i < count; ++i) {
            uint256 start = at;
            at = _putRow(read, first + i, at);
            hashes[i] = _hashOf(start, at);
            uint256 length = (at - start) / ENTRY_SIZE;
            if (length > ROW_MAX) revert RowTooLong(length, ROW_MAX);
            lengths[i] = bytes1(uint8(length));
            if (contributed >> i & 1 == 1) _refuseContributors(_taskId(dealId, first + i), start, length);
        }
        rows.truncate(at);
        bytes32 key = _commitKey(dealId, first, block.timestamp);
        if (_commits[key] != 0) revert CommitExists(dealId, first);
        _commits[key] = EfficientHashLib.hash(hashes);
        emit Committed(dealId, first, lengths, rows);
    }

    /// @dev Checks that the rows between those of `range` are those of the commit, whose key is returned.
    function _checkRows(CommitRange calldata range, bytes32[] memory rows)
        internal
        view
        returns (bytes32 key)
    {
        bool isWhole = range.rowsBefore.length == 0 && range.rowsAfter.length == 0;
        bytes32 found = isWhole
            ? EfficientHashLib.hash(rows)
            : keccak256(abi.encodePacked(range.rowsBefore, rows, range.rowsAfter));
        key = _commitKey(range.dealId, range.first, range.time);
        if (found != _commits[key]) revert CommitMismatch(range.dealId, range.first);
    }

    /// @dev Commits have their time in their key: a task may be committed again, and no commit may take the place
    /// of another whose bonds are locked.
    function _commitKey(bytes32 dealid, uint256 first, uint256 time) internal pure returns (bytes32) {
        return EfficientHashLib.hash(dealid, bytes32(first), bytes32(time));
    }

    /// @dev The hash of the bytes between two places in memory.
    function _hashOf(uint256 start, uint256 end) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(start, sub(end, start))
        }
    }

    /// @dev Opens those tasks that nobody has opened, and marks all as committed. `contributed` has a bit for each
    /// that has contributions.
    function _openTasks(bytes32 dealid, uint256 first, uint256 count)
        private
        returns (DealHead deal, uint256 contributed)
    {
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
            } else if (task.contributors() > 0) {
                contributed |= 1 << i;
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
    ) private returns (Ballots memory read) {
        if (count == 0 || count > TASKS_MAX || ballots.length == 0) {
            revert CommitEmpty(count, ballots.length);
        }
        read.count = ballots.length;
        read.workers = MemoryWords.reserve(ballots.length);
        read.firsts = MemoryWords.reserve(ballots.length);
        read.places = MemoryWords.reserve(ballots.length);
        read.sizes = MemoryWords.reserve(ballots.length);
        address worker = address(0);
        uint256 from = 0;
        uint256 own = 0;
        for (uint256 i = 0; i < ballots.length; ++i) {
            Ballot calldata ballot = ballots[i];
            (address voter, uint256 start, bytes32[] calldata entries) =
                (ballot.worker, ballot.first, ballot.entries);
            if (voter != worker) {
                if (voter < worker) revert BallotUnsorted(i);
                _lockVotes(deal, worker, own);
                (worker, from, own) = (voter, first, 0);
                _checkGuard(deal, worker, address(0));
            }
            if (start < from) revert BallotUnsorted(i);
            (uint256 votes, bytes32 entriesHash) = _votesOf(entries);
            if (votes > 0) {
                bytes32 structHash = EfficientHashLib.hash(BALLOT_TYPE, dealid, bytes32(start), entriesHash);
                if (!_isSignedByKey(voter, _typedDataHash(structHash), ballot.sign)) {
                    revert BallotSignatureInvalid(voter);
                }
            }
            from = start + entries.length;
            if (from > first + count) revert BallotOutsideCommit(i);
            own += votes;
            read.votes += votes;
            read.workers.set(i, uint160(voter));
            read.firsts.set(i, start);
            read.places.set(i, _placeOf(entries));
            read.sizes.set(i, entries.length);
        }
        _lockVotes(deal, worker, own);
    }

    function _lockVotes(DealHead deal, address worker, uint256 votes) private {
        if (votes > 0) _lockBond(worker, deal.pool(), votes * deal.workerStake());
    }

    /// @dev Where in the call's data the first entry lies.
    function _placeOf(bytes32[] calldata entries) private pure returns (uint256 place) {
        assembly ("memory-safe") {
            place := entries.offset
        }
    }

    /// @dev How many entries are votes, and the hash of all. Assembly: a large ballot is hashed where it is copied to,
    /// without memory of its own, and its entries are read without a check of their places.
    function _votesOf(bytes32[] calldata entries) private pure returns (uint256 votes, bytes32 hash) {
        assembly ("memory-safe") {
            let copy := mload(0x40)
            let size := shl(5, entries.length)
            calldatacopy(copy, entries.offset, size)
            hash := keccak256(copy, size)
            for { let at := 0 } lt(at, size) { at := add(at, 32) } {
                votes := add(votes, iszero(iszero(mload(add(copy, at)))))
            }
        }
    }

    /// @dev Writes the row of a task at a place in memory; returns where it ends.
    function _putRow(Ballots memory read, uint256 index, uint256 at) private pure returns (uint256) {
        (uint256 count, Words firsts, Words places, Words sizes) =
            (read.count, read.firsts, read.places, read.sizes);
        for (uint256 i = 0; i < count; ++i) {
            uint256 offset;
            // A task before the ballot's first wraps around, past every size.
            unchecked {
                offset = index - firsts.get(i);
            }
            if (offset >= sizes.get(i)) continue;
            uint256 entry = _wordAt(places.get(i), offset);
            if (entry == 0) continue;
            at = at.put(read.workers.get(i), 20);
            at = at.put(entry, 32);
        }
        return at;
    }

    /// @dev The word at `index` behind a place in the call's data.
    function _wordAt(uint256 place, uint256 index) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(place, shl(5, index)))
        }
    }

    /// @dev A worker has one vote in a task, on chain or in the row, and all of them fit on chain.
    function _refuseContributors(bytes32 taskid, uint256 row, uint256 length) private view {
        uint256 count = _tasks[taskid].contributors();
        if (count + length > ROW_MAX) revert RowTooLong(count + length, ROW_MAX);
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
