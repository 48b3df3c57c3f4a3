// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Ballot, Batch, CommitRange, ILane, SkipReason} from "../src/interfaces/ILane.sol";
import {ITasks} from "../src/interfaces/ITasks.sol";
import {Contribution, ContributionStatus, Task, TaskStatus} from "../src/interfaces/Types.sol";
import {LaneMarket} from "./support/LaneMarket.sol";
import {Orders} from "./support/Market.sol";
import {Vm} from "forge-std/Vm.sol";

/// The settlement lane when somebody stops after a commit: silence, disclosure on chain, closing, claims.
contract LaneStopsTest is LaneMarket {
    /// @dev A task of three workers, committed, and a batch that says of the third that it disclosed nothing.
    function commitWithOneSilent() private returns (bytes32 taskid, Batch[] memory batches) {
        bondAll(10 * RLC);
        bytes32 dealid = laneDeal(3, 1);
        taskid = idOf(dealid, 0);
        bytes32[] memory said = all(3, GOOD);
        said[2] = BAD;
        commitAs(dealid, 0, 1, said);
        batches = batchOf(dealid, 0, 1, START, said, GOOD);
        batches[0].outcomes[0].others[0].entry = entryOf(2, taskid, BAD);
    }

    function test_a_silent_worker_is_slashed_when_its_time_is_over() public {
        (bytes32 taskid, Batch[] memory batches) = commitWithOneSilent();
        expectSkip(taskid, SkipReason.UNDISCLOSED);
        settleAs(poolOwner, batches);
        vm.warp(START + 2 * T);
        settleAs(poolOwner, batches);
        (uint256 total,,) = bonded(2);
        assertEq(total, 4 * RLC);
        assertEq(uint8(hub.viewContribution(taskid, workers[2]).status), uint8(ContributionStatus.REJECTED));
        assertEq(hub.viewContribution(taskid, workers[2]).resultHash, 0);
        assertConserved();
    }

    /// @dev What stands beside the entry of a vote that was not disclosed is the pool owner's word.
    function test_nobody_says_what_a_silent_worker_voted_for() public {
        (, Batch[] memory batches) = commitWithOneSilent();
        vm.warp(START + 2 * T);
        vm.recordLogs();
        settleAs(poolOwner, batches);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 told = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != ITasks.TaskContribute.selector) continue;
            assertTrue(logs[i].topics[2] != bytes32(uint256(uint160(workers[2]))));
            ++told;
        }
        assertEq(told, 2);
    }

    function test_a_vote_disclosed_on_chain_cannot_be_called_silent() public {
        bondAll(10 * RLC);
        bytes32 dealid = laneDeal(3, 1);
        bytes32 taskid = idOf(dealid, 0);
        bytes32[] memory said = all(3, GOOD);
        commitAs(dealid, 0, 1, said);
        hub.disclose(wholeRange(dealid, 0, START), rowOf(taskid, said), votesOf(taskid, 2, GOOD));
        vm.warp(START + 2 * T);
        bytes32[] memory twisted = all(3, GOOD);
        twisted[2] = BAD;
        Batch[] memory batches = batchOf(dealid, 0, 1, START, twisted, GOOD);
        batches[0].outcomes[0].others[0].entry = entryOf(2, taskid, GOOD);
        expectSkip(taskid, SkipReason.UNDISCLOSED);
        settleAs(poolOwner, batches);
        settleAs(poolOwner, batchOf(dealid, 0, 1, START, said, GOOD));
        (uint256 total, uint256 locked,) = bonded(2);
        assertEq(total, 4 * RLC, "the stake of a vote on chain has left the bond");
        assertEq(locked, 0);
        assertEq(frozen(workers[2]), 4 * RLC);
        assertEq(free(workers[2]), FUNDS - 4 * RLC + 6_600_000_000);
        assertConserved();
    }

    function test_a_pool_that_stops_is_gone_without() public {
        bondAll(10 * RLC);
        bytes32 dealid = laneDeal(3, 1);
        commitAs(dealid, 0, 1, all(2, GOOD));
        Batch[] memory batches = batchOf(dealid, 0, 1, START, all(2, GOOD), GOOD);
        vm.expectRevert(abi.encodeWithSelector(ILane.NotYours.selector, workers[0], START + 2 * T));
        settleAs(workers[0], batches);
        vm.warp(START + 2 * T);
        vm.expectRevert(abi.encodeWithSelector(ILane.ResultsUnbound.selector, workers[0]));
        settleAs(workers[0], batches);
        batches[0].outcomes[0].results = "";
        settleAs(workers[0], batches);
        assertEq(hub.viewTask(idOf(dealid, 0)).resultDigest, GOOD);
        assertConserved();
    }

    /// @dev Row, nonces and digest are all that it takes. The workers are paid and so is the pool, by the requester;
    /// where the result lies nobody says any more.
    function test_late_a_stranger_settles_what_is_unbound_without_a_place() public {
        bondAll(10 * RLC);
        bytes32 dealid = laneDeal(3, 1);
        bytes32 taskid = idOf(dealid, 0);
        commitAs(dealid, 0, 1, all(2, GOOD));
        Batch[] memory batches = batchOf(dealid, 0, 1, START, all(2, GOOD), GOOD);
        batches[0].outcomes[0].results = "";
        address stranger = makeAddr("stranger");
        vm.warp(START + 2 * T - 1);
        vm.expectRevert(abi.encodeWithSelector(ILane.NotYours.selector, stranger, START + 2 * T));
        settleAs(stranger, batches);
        vm.warp(START + 2 * T);
        settleAs(stranger, batches);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.COMPLETED));
        assertEq(hub.viewTask(taskid).resultDigest, GOOD);
        assertEq(hub.viewTask(taskid).results, "");
        assertEq(free(requester), FUNDS - 25 * RLC);
        assertEq(frozen(requester), 0);
        assertEq(free(workers[0]), FUNDS - 10 * RLC + 9_900_000_000);
        assertEq(free(poolOwner), FUNDS + 200_000_000);
        assertEq(free(stranger), 0);
        // The pool comes too late with its own words.
        batches[0].outcomes[0].results = RESULTS;
        vm.expectRevert(abi.encodeWithSelector(ILane.CommitMismatch.selector, dealid, 0));
        settleAs(poolOwner, batches);
        assertConserved();
    }

    /// @dev Bound results are told by whoever settles, or the task is not settled.
    function test_late_a_stranger_settles_bound_results_whole_or_not_at_all() public {
        bondAll(10 * RLC);
        Orders memory o = orders();
        o.request.trust = 2;
        (o.pool.salt, o.request.salt) = (mark(2, 0, 0, address(1)), mark(2, 0, 0, address(2)));
        bytes32 dealid = makeDeal(o);
        bytes32 digest = keccak256(RESULTS);
        commitAs(dealid, 0, 1, all(2, digest));
        Batch[] memory batches = batchOf(dealid, 0, 1, START, all(2, digest), digest);
        batches[0].outcomes[0].results = "";
        vm.warp(START + 2 * T);
        expectSkip(idOf(dealid, 0), SkipReason.CALLBACK);
        settleAs(workers[5], batches);
        assertEq(uint8(hub.viewTask(idOf(dealid, 0)).status), uint8(TaskStatus.ACTIVE));
        batches[0].outcomes[0].results = RESULTS;
        settleAs(workers[5], batches);
        assertEq(hub.viewTask(idOf(dealid, 0)).results, RESULTS);
    }

    function test_votes_on_chain_close_into_a_classic_task() public {
        bondAll(10 * RLC);
        bytes32 dealid = laneDeal(3, 1);
        bytes32 taskid = idOf(dealid, 0);
        bytes32[] memory said = all(3, GOOD);
        commitAs(dealid, 0, 1, said);
        CommitRange memory range = wholeRange(dealid, 0, START);
        bytes memory row = rowOf(taskid, said);
        for (uint256 i = 0; i < 2; ++i) {
            hub.disclose(range, row, votesOf(taskid, i, GOOD));
        }
        vm.expectRevert(abi.encodeWithSelector(ILane.VoteDisclosed.selector, 0));
        hub.disclose(range, row, votesOf(taskid, 0, GOOD));
        vm.expectRevert(abi.encodeWithSelector(ILane.VoteMismatch.selector, 2));
        hub.disclose(range, row, votesOf(taskid, 2, BAD));
        vm.warp(START + 2 * T - 1);
        vm.expectRevert(abi.encodeWithSelector(ITasks.TooEarly.selector, START + 2 * T, START + 2 * T - 1));
        hub.close(range, row);
        vm.warp(START + 2 * T);
        hub.close(range, row);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.REVEALING));
        reveal(workers[0], taskid, GOOD);
        reveal(workers[1], taskid, GOOD);
        finalize(taskid, RESULTS, "");
        assertEq(frozen(workers[2]), 4 * RLC, "the silent one is slashed");
        assertEq(free(workers[0]), FUNDS - 10 * RLC + STAKE + 12_870_000_000);
        assertEq(uint8(hub.viewContribution(taskid, workers[2]).status), uint8(ContributionStatus.REJECTED));
        assertConserved();
        vm.expectRevert(abi.encodeWithSelector(ILane.TaskNotCommitted.selector, taskid));
        hub.close(range, row);
    }

    function test_a_closed_task_without_consensus_takes_classic_contributions() public {
        bondAll(10 * RLC);
        bytes32 dealid = laneDeal(8, 1);
        bytes32 taskid = idOf(dealid, 0);
        bytes32[] memory said = all(2, GOOD);
        commitAs(dealid, 0, 1, said);
        bytes memory auth = authorization(workers[4], taskid, address(0));
        vm.expectRevert(abi.encodeWithSelector(ITasks.TaskCommitted.selector, taskid));
        vm.prank(workers[4]);
        hub.contribute(taskid, bytes32(uint256(1)), bytes32(uint256(2)), address(0), "", auth);
        CommitRange memory range = wholeRange(dealid, 0, START);
        bytes memory row = rowOf(taskid, said);
        for (uint256 i = 0; i < 2; ++i) {
            hub.disclose(range, row, votesOf(taskid, i, GOOD));
        }
        hub.close(range, row);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.ACTIVE));
        contribute(workers[4], taskid, GOOD);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.REVEALING));
        assertEq(hub.viewTask(taskid).winnerCounter, 3);
        Ballot[] memory ballots = ballotsOf(dealid, 0, 1, all(1, GOOD));
        vm.expectRevert(abi.encodeWithSelector(ITasks.WrongTaskStatus.selector, taskid, TaskStatus.REVEALING));
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
    }

    /// @dev The row is slashed at the end, and shares nothing; others do the work.
    function test_a_task_whose_row_said_nothing_is_done_by_others() public {
        bondAll(10 * RLC);
        bytes32 dealid = laneDeal(3, 1);
        bytes32 taskid = idOf(dealid, 0);
        bytes32[] memory said = all(2, GOOD);
        commitAs(dealid, 0, 1, said);
        vm.warp(START + 2 * T);
        hub.close(wholeRange(dealid, 0, START), rowOf(taskid, said));
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.ACTIVE));
        // Who was silent has had its vote.
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.expectRevert(abi.encodeWithSelector(ITasks.AlreadyContributed.selector, taskid, workers[0]));
        vm.prank(workers[0]);
        hub.contribute(taskid, GOOD, GOOD, address(0), "", auth);
        contribute(workers[2], taskid, GOOD);
        contribute(workers[3], taskid, GOOD);
        assertEq(hub.viewTask(taskid).winnerCounter, 2);
        reveal(workers[2], taskid, GOOD);
        reveal(workers[3], taskid, GOOD);
        finalize(taskid, RESULTS, "");
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.COMPLETED));
        // 99 % of 20 + 2 * 6 RLC, in two parts.
        assertEq(free(workers[2]), FUNDS - 10 * RLC + 15_840_000_000);
        for (uint256 i = 0; i < 2; ++i) {
            (uint256 total, uint256 locked,) = bonded(i);
            assertEq(total, 4 * RLC);
            assertEq(locked, 0);
            assertEq(frozen(workers[i]), 4 * RLC);
        }
        assertConserved();
    }

    function test_a_task_is_committed_once() public {
        bondAll(20 * RLC);
        bytes32 dealid = laneDeal(8, 2);
        bytes32 taskid = idOf(dealid, 0);
        bytes32[] memory said = all(1, GOOD);
        commitAs(dealid, 0, 1, said);
        Ballot[] memory ballots = ballotsOf(dealid, 0, 2, said);
        vm.expectRevert(abi.encodeWithSelector(ITasks.TaskCommitted.selector, taskid));
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 2, ballots);
        hub.disclose(wholeRange(dealid, 0, START), rowOf(taskid, said), votesOf(taskid, 0, GOOD));
        hub.close(wholeRange(dealid, 0, START), rowOf(taskid, said));
        vm.expectRevert(abi.encodeWithSelector(ITasks.TaskCommitted.selector, taskid));
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 2, ballots);
    }

    function test_a_claim_frees_the_bonds_that_answered_for_the_task() public {
        bondAll(20 * RLC);
        bytes32 dealid = laneDeal(3, 2);
        bytes32[] memory said = all(2, GOOD);
        commitAs(dealid, 0, 2, said);
        (, uint256 locked,) = bonded(1);
        assertEq(locked, 2 * STAKE);
        hub.disclose(
            rangeOfSecond(dealid, said), rowOf(idOf(dealid, 1), said), votesOf(idOf(dealid, 1), 0, GOOD)
        );
        bytes[] memory rows = new bytes[](2);
        (rows[0], rows[1]) = (rowOf(idOf(dealid, 0), said), rowOf(idOf(dealid, 1), said));
        CommitRange memory range = wholeRange(dealid, 0, START);
        vm.expectRevert(abi.encodeWithSelector(ILane.TaskNotClaimed.selector, idOf(dealid, 0)));
        hub.release(range, rows);
        vm.warp(START + 10 * T);
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (idOf(dealid, 0), idOf(dealid, 1));
        hub.claimArray(ids);
        assertEq(free(requester), FUNDS);
        hub.release(range, rows);
        (uint256 total, uint256 left,) = bonded(0);
        assertEq(total, 14 * RLC);
        assertEq(left, 0);
        assertEq(free(workers[0]), FUNDS - 14 * RLC);
        (total, left,) = bonded(1);
        assertEq(total, 20 * RLC);
        assertEq(left, 0);
        assertConserved();
        vm.expectRevert(abi.encodeWithSelector(ILane.TaskNotClaimed.selector, idOf(dealid, 0)));
        hub.release(range, rows);
    }

    /// @dev Of a commit of two tasks.
    function rangeOfSecond(bytes32 dealid, bytes32[] memory said)
        internal
        view
        returns (CommitRange memory range)
    {
        range = wholeRange(dealid, 0, START);
        range.rowsBefore = new bytes32[](1);
        range.rowsBefore[0] = keccak256(rowOf(idOf(dealid, 0), said));
    }
}
