// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Batch, CommitRange} from "../src/interfaces/ILane.sol";
import {IConditions} from "../src/interfaces/IConditions.sol";
import {TaskStatus} from "../src/interfaces/Types.sol";
import {Orders} from "./support/Market.sol";
import {Refusals} from "./support/Refusals.sol";
import {Saboteur, Sabotage} from "./support/Saboteurs.sol";

/// A guard that turns hostile once its deals are made. It is asked at a vote and nowhere else: whoever votes pays for
/// the question and is told no; who has voted, and all other tasks, go on as if nothing were.
contract GuardsTest is Refusals {
    uint256 private constant WORKERS = 8;
    /// @dev What a vote gets: a small part of a block.
    uint256 private constant GAS = 3_000_000;
    uint256 private constant BOND = 100 * RLC;
    /// @dev The ways not to answer, and one to answer with nothing.
    Sabotage[5] private ways = [
        Sabotage.REVERT,
        Sabotage.REVERT_LOUDLY,
        Sabotage.BURN_ALL_GAS,
        Sabotage.RETURN_MUCH,
        Sabotage.KEEP_MUCH
    ];

    Saboteur private guard;

    function setUp() public override {
        super.setUp();
        guard = new Saboteur(Sabotage.ACCEPT);
        bondAll(BOND);
    }

    function guardedDeal(uint256 trust) private returns (bytes32) {
        Orders memory o = orders();
        o.request.trust = trust;
        // The salt is taken: requests differ in what they ask the app.
        o.request.params = vm.toString(vm.randomUint());
        o.pool.salt = o.request.salt = mark(WORKERS, 0, 0, address(guard));
        return makeDeal(o);
    }

    function contributeCall(address worker, bytes32 taskid) private view returns (bytes memory) {
        bytes memory auth = authorization(worker, taskid, address(0));
        bytes32 seal = resultSeal(worker, taskid, GOOD);
        return abi.encodeCall(hub.contribute, (taskid, resultHash(taskid, GOOD), seal, address(0), "", auth));
    }

    function fastCall(address worker, bytes32 taskid) private view returns (bytes memory) {
        bytes memory auth = authorization(worker, taskid, address(0));
        return abi.encodeCall(hub.contributeAndFinalize, (taskid, GOOD, RESULTS, "", address(0), "", auth));
    }

    function commitCall(bytes32 dealid) private view returns (bytes memory) {
        return abi.encodeCall(hub.commit, (dealid, 0, 1, ballotsOf(dealid, 0, 1, all(2, GOOD))));
    }

    /// @dev The call is refused in every way in which the guard does not answer, and taken when it answers again.
    function checkAsked(address caller, bytes memory call, address worker) private {
        bytes memory reason = abi.encodeWithSelector(IConditions.WorkerNotKnown.selector, worker, guard);
        for (uint256 i = 0; i < ways.length; ++i) {
            guard.turn(ways[i]);
            uint256 before = gasleft();
            refuseWithin(GAS, caller, call, reason);
            if (ways[i] == Sabotage.BURN_ALL_GAS) {
                assertGt(before - gasleft(), GAS * 9 / 10, "what it may burn");
            }
        }
        uint256 clean = vm.snapshotState();
        guard.turn(Sabotage.ACCEPT);
        vm.prank(caller);
        (bool success,) = address(hub).call{gas: GAS}(call);
        assertTrue(success, "it was not the guard");
        vm.revertToState(clean);
    }

    function test_a_guard_that_does_not_answer_knows_nobody_at_any_vote() public {
        bytes32 taskid = hub.initialize(guardedDeal(3), 0);
        checkAsked(workers[0], contributeCall(workers[0], taskid), workers[0]);
        bytes32 fast = hub.initialize(guardedDeal(1), 0);
        checkAsked(workers[0], fastCall(workers[0], fast), workers[0]);
        bytes32 dealid = guardedDeal(3);
        checkAsked(poolOwner, commitCall(dealid), workers[0]);
        // Nobody voted: all three are claimed, and cost nobody but the pool.
        vm.warp(START + 10 * T);
        hub.claim(taskid);
        hub.claim(fast);
        hub.claim(hub.initialize(dealid, 0));
        assertEq(free(requester), FUNDS);
        assertEq(free(workers[0]), FUNDS - BOND);
        assertEq(frozen(KITTY), 18 * RLC);
        assertConserved();
    }

    /// @dev With less gas than the copy of its answer takes, nobody hears the refusal either; nothing stays of the vote.
    function test_a_guard_that_answers_at_length_takes_the_gas_of_its_vote_and_no_more() public {
        bytes32 taskid = hub.initialize(guardedDeal(3), 0);
        guard.turn(Sabotage.RETURN_MUCH);
        refuseWithin(300_000, workers[0], contributeCall(workers[0], taskid), "");
        assertEq(hub.viewTask(taskid).contributors.length, 0);
        assertEq(free(workers[0]), FUNDS - BOND);
    }

    /// @dev What was voted before the guard turned is revealed, finalized, settled, disclosed, closed and claimed.
    function test_a_guard_that_turns_leaves_those_who_voted_alone() public {
        bytes32 revealing = votedTask(1);
        bytes32 waiting = votedTask(3);
        bytes32 settled = committedDeal();
        bytes32 closed = committedDeal();
        bytes32 left = committedDeal();
        Batch[] memory batches = batchOf(settled, 0, 1, START, all(2, GOOD), GOOD);
        for (uint256 i = 0; i < ways.length; ++i) {
            uint256 clean = vm.snapshotState();
            guard.turn(ways[i]);
            endGood(revealing, batches);
            closeAndClaim(waiting, closed, left);
            assertEq(free(requester), FUNDS - 50 * RLC, "two tasks were done");
            assertEq(frozen(requester) + frozen(poolOwner), 0);
            for (uint256 k = 0; k < 2; ++k) {
                (uint256 total, uint256 locked,) = bonded(k);
                assertEq(locked, 0);
                assertEq(frozen(workers[k]), total);
            }
            assertConserved();
            vm.revertToState(clean);
        }
    }

    function votedTask(uint256 trust) private returns (bytes32 taskid) {
        taskid = hub.initialize(guardedDeal(trust), 0);
        contribute(workers[0], taskid, GOOD);
    }

    function committedDeal() private returns (bytes32 dealid) {
        dealid = guardedDeal(3);
        commitAs(dealid, 0, 1, all(2, GOOD));
    }

    function endGood(bytes32 revealing, Batch[] memory batches) private {
        reveal(workers[0], revealing, GOOD);
        finalize(revealing, RESULTS, "");
        settleAs(poolOwner, batches);
        assertEq(uint8(hub.viewTask(revealing).status), uint8(TaskStatus.COMPLETED));
        bytes32 taskid = idOf(batches[0].range.dealId, 0);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.COMPLETED));
    }

    function closeAndClaim(bytes32 waiting, bytes32 closed, bytes32 left) private {
        CommitRange memory range = wholeRange(closed, 0, START);
        bytes32 taskid = idOf(closed, 0);
        bytes memory row = rowOf(taskid, all(2, GOOD));
        hub.disclose(range, row, votesOf(taskid, 0, GOOD));
        vm.warp(START + 2 * T);
        hub.close(range, row);
        vm.warp(START + 10 * T);
        bytes32[] memory ids = new bytes32[](3);
        (ids[0], ids[1], ids[2]) = (waiting, taskid, idOf(left, 0));
        hub.claimArray(ids);
        bytes[] memory rows = new bytes[](1);
        rows[0] = rowOf(idOf(left, 0), all(2, GOOD));
        hub.release(wholeRange(left, 0, START), rows);
    }

    /// @dev One that asks for no guard is done while the guard of the others burns what it gets.
    function test_deals_without_a_guard_do_not_notice_one_that_turns() public {
        bytes32 guarded = hub.initialize(guardedDeal(1), 0);
        bytes32 plain = openTask(1);
        guard.turn(Sabotage.BURN_ALL_GAS);
        (bool success,) = callAs(workers[0], fastCall(workers[0], guarded));
        assertFalse(success);
        (success,) = callAs(workers[0], fastCall(workers[0], plain));
        assertTrue(success);
        assertEq(uint8(hub.viewTask(plain).status), uint8(TaskStatus.COMPLETED));
    }

    function callAs(address caller, bytes memory call) private returns (bool, bytes memory) {
        vm.prank(caller);
        return address(hub).call{gas: GAS}(call);
    }
}
