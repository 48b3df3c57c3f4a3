// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {ILane, SkipReason} from "../../src/interfaces/ILane.sol";
import {ITasks} from "../../src/interfaces/ITasks.sol";
import {TaskStatus} from "../../src/interfaces/Types.sol";
import {Bytes} from "../../src/records/Bytes.sol";
import {Ledger} from "./Ledger.sol";

/// The books of the settlement lane, from events too: bonds, the rows of commits, and what of the bonds answers for
/// them. A bond explains frozen stake of its worker until it is withdrawn, its vote is disclosed on chain, or the vote
/// costs it. Only `release` says nothing: who calls it notes it.
abstract contract BondLedger is Ledger {
    using Bytes for bytes;

    /// @dev A commit, as its event tells it.
    struct Posted {
        bytes32 dealid;
        uint256 first;
        uint256 tasks;
        uint256 time;
    }

    struct Bond {
        uint256 total;
        uint256 locked;
        uint256 releaseTime;
    }

    struct Entry {
        address worker;
        bytes32 vote;
    }

    /// @dev Bytes of an entry in a row.
    uint256 private constant ENTRY_SIZE = 52;

    /// @dev Commits that still answer for something, until somebody forgets the others.
    Posted[] internal posted;
    mapping(bytes32 taskid => Posted) internal postedOf;
    mapping(address worker => mapping(address pool => Bond)) internal bonds;
    /// @dev The pools that a worker ever bonded for.
    mapping(address worker => address[]) internal bondPools;
    mapping(bytes32 taskid => Entry[]) internal rows;
    /// @dev Bits of the entries of a row that were disclosed on chain.
    mapping(bytes32 taskid => uint256) internal disclosed;
    /// @dev Whether a row answers for a task, and whether it ever did.
    mapping(bytes32 taskid => bool) internal isCommitted;
    mapping(bytes32 taskid => bool) internal wasCommitted;

    function readLane(bytes32 kind, Vm.Log[] memory logs, uint256 at) internal override returns (bool) {
        Vm.Log memory log = logs[at];
        if (kind == ITasks.TaskContribute.selector) {
            if (!isCommitted[log.topics[1]]) return false;
            // Within a batch the votes of a task are told together, and then its consensus.
            if (!isBatch(logs, at)) noteDisclosed(log.topics[1], asAddress(log.topics[2]));
        } else if (kind == ILane.Bonded.selector) {
            noteBonded(asAddress(log.topics[1]), asAddress(log.topics[2]), abi.decode(log.data, (uint256)));
        } else if (kind == ILane.Unbonding.selector) {
            Bond storage bond = bonds[asAddress(log.topics[1])][asAddress(log.topics[2])];
            bond.releaseTime = abi.decode(log.data, (uint256));
        } else if (kind == ILane.BondWithdrawn.selector) {
            noteWithdrawn(asAddress(log.topics[1]), asAddress(log.topics[2]), abi.decode(log.data, (uint256)));
        } else if (kind == ILane.Committed.selector) {
            noteCommitted(log.topics[1], log.data);
        } else if (kind == ILane.Closed.selector) {
            noteClosed(log.topics[1]);
        } else if (kind == ILane.TaskSkipped.selector) {
            noteSkipped(abi.decode(log.data, (SkipReason)));
        } else {
            return false;
        }
        return true;
    }

    function isBatch(Vm.Log[] memory logs, uint256 at) private pure returns (bool) {
        bytes32 taskid = logs[at].topics[1];
        while (at < logs.length && logs[at].topics[0] == ITasks.TaskContribute.selector) ++at;
        return at < logs.length && logs[at].topics[0] == ITasks.TaskConsensus.selector
            && logs[at].topics[1] == taskid;
    }

    function noteBonded(address worker, address pool_, uint256 amount) private {
        Bond storage bond = bonds[worker][pool_];
        if (bond.total + bond.locked + bond.releaseTime == 0) bondPools[worker].push(pool_);
        if (bond.releaseTime > 0) ++count["bond serves again"];
        (bond.total, bond.releaseTime) = (bond.total + amount, 0);
        explained[worker] += amount;
    }

    function noteWithdrawn(address worker, address pool_, uint256 amount) private {
        Bond storage bond = bonds[worker][pool_];
        assertEq(bond.locked, 0, "a bond was withdrawn that answers for votes");
        assertEq(bond.total, amount, "a bond is withdrawn whole");
        (bond.total, bond.releaseTime) = (0, 0);
        explained[worker] -= amount;
    }

    function noteCommitted(bytes32 dealid, bytes memory data) private {
        (uint256 first, bytes memory lengths, bytes memory all_) = abi.decode(data, (uint256, bytes, bytes));
        posted.push(Posted(dealid, first, lengths.length, vm.getBlockTimestamp()));
        uint256 at = 0;
        for (uint256 i = 0; i < lengths.length; ++i) {
            bytes32 taskid = idOf(dealid, first + i);
            assertFalse(wasCommitted[taskid], "a task was committed twice");
            (isCommitted[taskid], wasCommitted[taskid]) = (true, true);
            postedOf[taskid] = posted[posted.length - 1];
            for (uint256 k = 0; k < uint8(lengths[i]); ++k) {
                address worker = all_.takeAddress(at);
                rows[taskid].push(Entry(worker, bytes32(all_.take(at + 20, 32))));
                at += ENTRY_SIZE;
                Bond storage bond = bondOf(taskid, worker);
                bond.locked += stakeOf(taskid);
                assertEq(bond.releaseTime, 0, "a worker that leaves was committed");
                assertLe(bond.locked, bond.total, "a commit locked more than was bonded");
            }
        }
        assertEq(at, all_.length, "rows and their lengths differ");
    }

    function noteDisclosed(bytes32 taskid, address worker) private {
        uint256 k = positionIn(taskid, worker);
        assertEq(disclosed[taskid] >> k & 1, 0, "a vote was disclosed twice");
        disclosed[taskid] |= 1 << k;
        hold(taskid, worker);
        ++count["disclosed"];
    }

    /// @dev The stake of a vote leaves the bond and is held as that of a contribution.
    function hold(bytes32 taskid, address worker) private {
        uint256 stake = stakeOf(taskid);
        Bond storage bond = bondOf(taskid, worker);
        (bond.total, bond.locked) = (bond.total - stake, bond.locked - stake);
        heldBy[taskid].push(Held(worker, stake));
    }

    function noteClosed(bytes32 taskid) private {
        assertTrue(isCommitted[taskid], "closed without a commit");
        isCommitted[taskid] = false;
        for (uint256 k = 0; k < rows[taskid].length; ++k) {
            if (disclosed[taskid] >> k & 1 == 0) hold(taskid, rows[taskid][k].worker);
        }
        ++count["closed task"];
    }

    function noteSkipped(SkipReason reason) private {
        ++count[string.concat("skipped ", vm.toString(uint256(reason)))];
        ++count["skipped"];
    }

    /// @dev A batch ends what bonds answered for; a claim leaves it to `release`.
    function endRow(bytes32 taskid, TaskStatus status) internal override {
        if (!isCommitted[taskid] || status == TaskStatus.FAILED) return;
        isCommitted[taskid] = false;
        uint256 stake = stakeOf(taskid);
        for (uint256 k = 0; k < rows[taskid].length; ++k) {
            address worker = rows[taskid][k].worker;
            if (isFaulty[taskid][worker]) ++count["slashed in a batch"];
            if (disclosed[taskid] >> k & 1 == 1) continue;
            Bond storage bond = bondOf(taskid, worker);
            bond.locked -= stake;
            if (!isFaulty[taskid][worker]) continue;
            bond.total -= stake;
            explained[worker] -= stake;
        }
        if (disclosed[taskid] != 0) ++count["settled with votes on chain"];
        ++count["settled"];
    }

    /// @dev Of a task that was claimed.
    function noteReleased(bytes32 taskid) internal {
        isCommitted[taskid] = false;
        for (uint256 k = 0; k < rows[taskid].length; ++k) {
            if (disclosed[taskid] >> k & 1 == 1) continue;
            bondOf(taskid, rows[taskid][k].worker).locked -= stakeOf(taskid);
        }
        ++count["released"];
    }

    function checkBooks() public view override {
        super.checkBooks();
        for (uint256 i = 0; i < workers.length; ++i) {
            address worker = workers[i];
            for (uint256 k = 0; k < bondPools[worker].length; ++k) {
                address pool_ = bondPools[worker][k];
                Bond storage bond = bonds[worker][pool_];
                (uint256 total, uint256 locked, uint256 releaseTime) = hub.viewBond(worker, pool_);
                assertEq(total, bond.total, "events give another bond");
                assertEq(locked, bond.locked, "locked stake of a bond that no row explains");
                assertEq(releaseTime, bond.releaseTime, "events give another release time");
            }
        }
    }

    function bondOf(bytes32 taskid, address worker) internal view returns (Bond storage) {
        return bonds[worker][bargains[dealOf[taskid]].pool];
    }

    function stakeOf(bytes32 taskid) internal view returns (uint256) {
        return bargains[dealOf[taskid]].workerStake;
    }

    /// @dev The row as the hub wants to see it.
    function rowBytes(bytes32 taskid) internal view returns (bytes memory row) {
        for (uint256 k = 0; k < rows[taskid].length; ++k) {
            row = abi.encodePacked(row, rows[taskid][k].worker, rows[taskid][k].vote);
        }
    }

    /// @dev Where a worker's entry lies in a row; behind all if it has none.
    function placeIn(bytes32 taskid, address worker) internal view returns (uint256 k) {
        while (k < rows[taskid].length && rows[taskid][k].worker != worker) ++k;
    }

    function positionIn(bytes32 taskid, address worker) private view returns (uint256 k) {
        k = placeIn(taskid, worker);
        assertLt(k, rows[taskid].length, "disclosed by a worker outside the row");
    }
}
