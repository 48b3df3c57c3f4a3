// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Ballot, Batch, CommitRange, RowVote} from "../../src/interfaces/ILane.sol";
import {Task, TaskStatus} from "../../src/interfaces/Types.sol";
import {Refusals} from "../support/Refusals.sol";

/// Bonds, commits and what becomes of them, whoever acts and whenever.
/// forge-config: default.fuzz.runs = 64
contract LaneFuzzTest is Refusals {
    uint256 private constant VOLUME = 5;
    uint256 private constant BOND = 100 * RLC;
    /// @dev Ten clocks of the longest category.
    uint256 private constant RELEASE = 12_000;

    function testFuzz_a_bond_is_free_when_its_time_is_over(
        uint256 amount,
        uint256 more,
        bool isAgain,
        uint16 seconds_
    ) public {
        (amount, more) = (bound(amount, 0, 2 * FUNDS), bound(more, 0, FUNDS));
        (bool isTaken,) = attempt(workers[0], abi.encodeCall(hub.bond, (pool, amount)));
        assertEq(isTaken, amount <= FUNDS);
        if (!isTaken) amount = 0;
        assertEq(frozen(workers[0]), amount);
        (isTaken,) = attempt(workers[0], abi.encodeCall(hub.unbond, (pool)));
        assertTrue(isTaken);
        if (isAgain) {
            // A bond that was ending serves again.
            (bool isRaised,) = attempt(workers[0], abi.encodeCall(hub.bond, (pool, more)));
            assertEq(isRaised, amount + more <= FUNDS);
            isAgain = isRaised;
            if (isRaised) amount += more;
        }
        (uint256 total,, uint256 release) = bonded(0);
        assertEq(total, amount);
        assertEq(release, isAgain ? 0 : START + RELEASE);
        vm.warp(START + seconds_);
        (isTaken,) = attempt(workers[0], abi.encodeCall(hub.withdrawBond, (pool)));
        assertEq(isTaken, !isAgain && seconds_ >= RELEASE);
        assertEq(free(workers[0]), isTaken ? FUNDS : FUNDS - amount);
        (total,,) = bonded(0);
        assertEq(total, isTaken ? 0 : amount);
    }

    function testFuzz_a_commit_locks_each_vote_or_nothing(
        uint8 first,
        uint8 count,
        uint8 voters,
        uint8 fault,
        uint16 seconds_
    ) public {
        (first, count, voters, fault) = (first % 6, count % 7, voters % 4, fault % 6);
        bytes32 dealid = laneDeal(8, VOLUME);
        bondAll(fault == 1 ? STAKE * count : BOND);
        if (fault == 1) unbondOne();
        Ballot[] memory ballots = ballotsOf(dealid, first, count, all(voters, GOOD));
        if (fault == 2 && voters > 0) ballots[0].sign = sign(keys[5], keccak256("another"));
        if (seconds_ % 4 != 0) seconds_ %= uint16(7 * T);
        vm.warp(START + seconds_);
        (bool isTaken,) = attempt(
            fault == 3 ? requester : poolOwner, abi.encodeCall(hub.commit, (dealid, first, count, ballots))
        );
        bool isInside = count > 0 && first + count <= VOLUME && voters > 0 && seconds_ < 7 * T;
        assertEq(isTaken, isInside && (fault == 0 || fault > 3));
        for (uint256 i = 0; i < 4; ++i) {
            (, uint256 locked,) = bonded(i);
            assertEq(locked, isTaken && i < voters ? STAKE * count : 0);
        }
        for (uint256 i = 0; i < VOLUME; ++i) {
            bool isOpen = isTaken && i >= first && i < first + count;
            assertEq(statusOf(dealid, i), uint8(isOpen ? TaskStatus.ACTIVE : TaskStatus.UNSET));
        }
        if (!isTaken) return;
        (isTaken,) = attempt(poolOwner, abi.encodeCall(hub.commit, (dealid, first, count, ballots)));
        assertFalse(isTaken, "a task was committed twice");
    }

    function unbondOne() private {
        vm.prank(workers[0]);
        hub.unbond(pool);
    }

    function statusOf(bytes32 dealid, uint256 index) private view returns (uint8) {
        return uint8(hub.viewTask(idOf(dealid, index)).status);
    }

    /// @dev What three workers say of each of two tasks: the digest, a lie, or nothing.
    function votes(uint256 seed) private pure returns (bytes32[] memory said) {
        said = new bytes32[](3);
        for (uint256 i = 0; i < 3; ++i) {
            said[i] = (seed >> 8 * i) % 5 == 0 ? BAD : GOOD;
        }
    }

    function testFuzz_a_batch_ends_its_tasks_or_leaves_them(
        uint256 seed,
        uint256 told,
        bool isPool,
        bool isTrue,
        uint16 seconds_
    ) public {
        bytes32 dealid = laneDeal(2, 2);
        bondAll(BOND);
        bytes32[] memory said = votes(seed);
        commitAs(dealid, 0, 2, said);
        Batch[] memory batches = batchOf(dealid, 0, 2, START, isTrue ? said : votes(told), GOOD);
        vm.warp(START + seconds_ % (11 * T));
        bool isTaken = settleWhole(batches, isPool);
        bool isInTime = seconds_ % (11 * T) < 10 * T;
        // A stranger says nowhere where results lie.
        bool isMade = keccak256(abi.encode(said)) == keccak256(abi.encode(isTrue ? said : votes(told)));
        assertEq(isTaken, isInTime && isMade && isPool);
        uint256 agreeing = 0;
        for (uint256 i = 0; i < 3; ++i) {
            if (said[i] == GOOD) ++agreeing;
        }
        bool isEnded = isTaken && agreeing > 1;
        for (uint256 i = 0; i < 2; ++i) {
            assertEq(statusOf(dealid, i), uint8(isEnded ? TaskStatus.COMPLETED : TaskStatus.ACTIVE));
        }
        for (uint256 i = 0; i < 3; ++i) {
            (uint256 total, uint256 locked,) = bonded(i);
            assertEq(locked, isEnded ? 0 : 2 * STAKE);
            assertEq(total, isEnded && said[i] == BAD ? BOND - 2 * STAKE : BOND);
        }
    }

    function settleWhole(Batch[] memory batches, bool isPool) private returns (bool isTaken) {
        (isTaken,) = attempt(isPool ? poolOwner : requester, abi.encodeCall(hub.settle, (batches)));
    }

    /// @dev A task of three votes that are committed, one of them a lie.
    function committed() private returns (bytes32 dealid, bytes32[] memory said) {
        dealid = laneDeal(2, 1);
        bondAll(BOND);
        said = all(3, GOOD);
        said[2] = BAD;
        commitAs(dealid, 0, 1, said);
    }

    function testFuzz_a_vote_is_disclosed_as_it_was_cast(
        uint8 position,
        bytes32 hash,
        bytes32 seal,
        uint8 fault,
        uint16 seconds_
    ) public {
        (bytes32 dealid, bytes32[] memory said) = committed();
        (position, fault) = (position % 3, fault % 5);
        bytes32 taskid = idOf(dealid, 0);
        RowVote[] memory told = votesOf(taskid, position, said[position]);
        if (fault == 1) told[0].resultHash = hash;
        if (fault == 2) told[0].resultSeal = seal;
        if (fault == 3) told[0].position = uint256(seal);
        vm.warp(START + seconds_ % (11 * T));
        bytes memory call =
            abi.encodeCall(hub.disclose, (wholeRange(dealid, 0, START), rowOf(taskid, said), told));
        (bool isTaken,) = attempt(requester, call);
        assertEq(isTaken, (fault == 0 || fault == 4) && seconds_ % (11 * T) < 10 * T);
        assertEq(hub.viewTask(taskid).contributors.length, isTaken ? 1 : 0);
        (uint256 total, uint256 locked,) = bonded(position);
        assertEq(locked, isTaken ? 0 : STAKE);
        // Its stake answers for the vote on chain now.
        assertEq(total, isTaken ? BOND - STAKE : BOND);
        if (!isTaken) return;
        (isTaken,) = attempt(requester, call);
        assertFalse(isTaken, "a vote was disclosed twice");
    }

    function testFuzz_a_task_is_closed_with_all_its_votes_or_late(
        uint8 disclosed,
        uint16 seconds_,
        bool isRow
    ) public {
        (bytes32 dealid, bytes32[] memory said) = committed();
        bytes32 taskid = idOf(dealid, 0);
        bytes memory row = rowOf(taskid, said);
        uint256 told = 0;
        for (uint256 i = 0; i < 3; ++i) {
            if (disclosed >> i & 1 == 0) continue;
            hub.disclose(wholeRange(dealid, 0, START), row, votesOf(taskid, i, said[i]));
            ++told;
        }
        uint256 at = seconds_ % (11 * T);
        vm.warp(START + at);
        // Half a row is none.
        bytes memory given = isRow ? row : bytes.concat(row, hex"00");
        (bool isTaken,) = attempt(requester, abi.encodeCall(hub.close, (wholeRange(dealid, 0, START), given)));
        assertEq(isTaken, isRow && at < 10 * T && (told == 3 || at >= 2 * T));
        Task memory task = hub.viewTask(taskid);
        assertEq(task.contributors.length, isTaken ? 3 : told);
        // The two who agree are enough, if both have said so, and so is one whom nobody contradicts.
        bool isAgreed = isTaken && (disclosed & 3 == 3 || told == 1);
        assertEq(uint8(task.status), uint8(isAgreed ? TaskStatus.REVEALING : TaskStatus.ACTIVE));
    }

    function testFuzz_bonds_are_released_after_a_claim_alone(bool isClaimed, uint8 disclosed, bool isRow)
        public
    {
        (bytes32 dealid, bytes32[] memory said) = committed();
        bytes32 taskid = idOf(dealid, 0);
        bytes[] memory rows = new bytes[](1);
        rows[0] = rowOf(taskid, said);
        for (uint256 i = 0; i < 3; ++i) {
            if (disclosed >> i & 1 == 0) continue;
            hub.disclose(wholeRange(dealid, 0, START), rows[0], votesOf(taskid, i, said[i]));
        }
        vm.warp(START + 10 * T);
        if (isClaimed) hub.claim(taskid);
        if (!isRow) rows[0] = bytes.concat(rows[0], hex"00");
        bytes memory call = abi.encodeCall(hub.release, (wholeRange(dealid, 0, START), rows));
        (bool isTaken,) = attempt(requester, call);
        assertEq(isTaken, isClaimed && isRow);
        for (uint256 i = 0; i < 3; ++i) {
            (, uint256 locked,) = bonded(i);
            bool isTold = disclosed >> i & 1 == 1;
            assertEq(locked, isTaken || isTold ? 0 : STAKE);
        }
        if (!isTaken) return;
        (isTaken,) = attempt(requester, call);
        assertFalse(isTaken, "bonds were released twice");
    }
}
