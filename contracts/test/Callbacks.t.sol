// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {Batch, Outcome} from "../src/interfaces/ILane.sol";
import {ITasks} from "../src/interfaces/ITasks.sol";
import {TaskStatus} from "../src/interfaces/Types.sol";
import {LaneMarket} from "./support/LaneMarket.sol";
import {Orders} from "./support/Market.sol";
import {GreedyReceiver} from "./support/Parties.sol";
import {Reenterer, Saboteur, Sabotage} from "./support/Saboteurs.sol";

/// Receivers of callbacks in the settlement lane, where one could hold up the tasks of others; and in every lane, that
/// what a receiver returns costs nobody anything.
contract CallbacksTest is LaneMarket {
    bytes internal constant VALUE = "the truth";
    bytes32 internal constant TRUE = keccak256(VALUE);
    uint256 internal constant WAYS = 4;
    /// @dev What a call gets where a saboteur may burn it: a small part of a block.
    uint256 internal constant GAS = 3_000_000;
    /// @dev What two workers get for a task, each.
    uint256 internal constant REWARD = 9_900_000_000;

    function setUp() public override {
        super.setUp();
        bondAll(100 * RLC);
    }

    function requestWith(address callback, uint256 volume) private returns (Orders memory o) {
        o = orders();
        o.request.callback = callback;
        o.request.volume = volume;
        o.request.salt = bytes32(vm.randomUint());
        signAll(o);
    }

    /// @dev A deal whose tasks are all committed, and the batch that settles them, which late in them anyone may send.
    function committed(address callback, uint256 volume) private returns (Batch[] memory batches) {
        bytes32 dealid = matchSigned(requestWith(callback, volume));
        commitAs(dealid, 0, volume, all(2, TRUE));
        batches = batchOf(dealid, 0, volume, START, all(2, TRUE), TRUE);
        for (uint256 i = 0; i < volume; ++i) {
            (batches[0].outcomes[i].results, batches[0].outcomes[i].resultsCallback) = ("", VALUE);
        }
    }

    /// @dev The first task of a batch alone.
    function firstOf(Batch memory batch) private view returns (Batch[] memory batches) {
        bytes32 dealid = batch.range.dealId;
        batches = new Batch[](1);
        (batches[0].range, batches[0].workers) = (wholeRange(dealid, 0, START), batch.workers);
        batches[0].outcomes = new Outcome[](1);
        batches[0].outcomes[0] = batch.outcomes[0];
        batches[0].range.rowsAfter = new bytes32[](batch.outcomes.length - 1);
        for (uint256 i = 1; i < batch.outcomes.length; ++i) {
            batches[0].range.rowsAfter[i - 1] = keccak256(rowOf(idOf(dealid, i), all(2, TRUE)));
        }
    }

    function settleWith(uint256 gas, Batch[] memory batches)
        private
        returns (bool success, bytes memory answer)
    {
        vm.prank(poolOwner);
        return address(hub).call{gas: gas}(abi.encodeCall(hub.settle, (batches)));
    }

    function assertStatus(Batch memory batch, TaskStatus status) private view {
        for (uint256 i = 0; i < batch.outcomes.length; ++i) {
            assertEq(uint8(hub.viewTask(idOf(batch.range.dealId, i)).status), uint8(status));
        }
    }

    function test_no_receiver_holds_up_a_batch() public {
        for (uint256 i = 0; i < WAYS; ++i) {
            Batch[] memory batches = committed(address(new Saboteur(Sabotage(i))), 3);
            (bool success,) = settleWith(GAS, batches);
            assertTrue(success, "settle was held up");
            assertStatus(batches[0], TaskStatus.COMPLETED);
        }
        assertEq(hub.viewScore(workers[0]), 3 * WAYS);
        assertConserved();
    }

    /// @dev Late, when anyone may settle.
    function reentererOf(uint256 volume) private returns (Reenterer receiver, Batch[] memory batches) {
        hub.setCallbackGas(10_000_000);
        receiver = new Reenterer(address(hub));
        batches = committed(address(receiver), volume);
        receiver.prepare(abi.encodeCall(hub.settle, (batches)));
        vm.warp(START + 2 * T);
        vm.recordLogs();
    }

    function test_a_receiver_that_calls_back_finds_its_batch_settled() public {
        (Reenterer receiver, Batch[] memory batches) = reentererOf(3);
        for (uint256 i = 0; i < 3; ++i) {
            receiver.prepare(abi.encodeCall(hub.claim, (idOf(batches[0].range.dealId, i))));
        }
        receiver.prepare(abi.encodeCall(hub.withdraw, (1)));
        settleAs(workers[5], batches);
        assertEq(receiver.entered(), 3);
        assertEq(receiver.succeeded(), 0, "something worked from within a batch");
        checkPaidOnce(3);
    }

    /// @dev Of a commit that is settled in part the rest may be settled from within.
    function test_a_receiver_that_settles_the_rest_is_paid_for_once() public {
        (Reenterer receiver, Batch[] memory batches) = reentererOf(3);
        settleAs(workers[5], firstOf(batches[0]));
        assertStatus(batches[0], TaskStatus.COMPLETED);
        assertEq(receiver.entered(), 3);
        checkPaidOnce(3);
    }

    function checkPaidOnce(uint256 tasks) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 finalized = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == ITasks.TaskFinalize.selector) ++finalized;
        }
        assertEq(finalized, tasks);
        assertEq(free(workers[0]), FUNDS - 100 * RLC + tasks * REWARD);
        assertConserved();
    }

    /// @dev A batch is ended with all its callbacks or not at all: the second would have too little gas.
    function test_no_callback_of_a_batch_is_starved() public {
        hub.setCallbackGas(20_000_000);
        Batch[] memory batches = committed(address(new GreedyReceiver()), 2);
        uint256[2] memory tooLittle = [uint256(10_000_000), 35_000_000];
        for (uint256 i = 0; i < tooLittle.length; ++i) {
            (bool refused, bytes memory answer) = settleWith(tooLittle[i], batches);
            assertFalse(refused, "a callback got less gas than promised");
            assertEq(bytes4(answer), ITasks.CallbackGasTooLow.selector);
            assertStatus(batches[0], TaskStatus.ACTIVE);
        }
        (bool success,) = settleWith(45_000_000, batches);
        assertTrue(success);
        assertStatus(batches[0], TaskStatus.COMPLETED);
    }

    function gasOf(Saboteur receiver, Sabotage way, address caller, bytes memory call)
        private
        returns (uint256 used)
    {
        uint256 clean = vm.snapshotState();
        receiver.turn(way);
        vm.prank(caller);
        (bool success,) = address(hub).call(call);
        used = vm.lastCallGas().gasTotalUsed;
        assertTrue(success);
        vm.revertToState(clean);
    }

    /// @dev A receiver that fills 256 KiB of memory costs the same whether it returns them or not.
    function checkNotCopied(Saboteur receiver, address caller, bytes memory call) private {
        gasOf(receiver, Sabotage.KEEP_MUCH, caller, call);
        uint256 kept = gasOf(receiver, Sabotage.KEEP_MUCH, caller, call);
        assertGt(kept, 155_000, "the receiver did not get as far as its memory");
        uint256 returned = gasOf(receiver, Sabotage.RETURN_MUCH, caller, call);
        uint256 reverted = gasOf(receiver, Sabotage.REVERT_LOUDLY, caller, call);
        assertApproxEqAbs(returned, kept, 1000, "what a receiver returns is copied");
        assertApproxEqAbs(reverted, kept, 1000, "what a receiver reverts with is copied");
    }

    function test_what_a_receiver_returns_is_never_copied() public {
        Saboteur receiver = new Saboteur(Sabotage.ACCEPT);
        bytes32 taskid = hub.initialize(matchSigned(requestWith(address(receiver), 1)), 0);
        contribute(workers[0], taskid, TRUE);
        reveal(workers[0], taskid, TRUE);
        checkNotCopied(receiver, poolOwner, abi.encodeCall(hub.finalize, (taskid, "r", VALUE)));

        taskid = hub.initialize(matchSigned(requestWith(address(receiver), 1)), 0);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        checkNotCopied(
            receiver,
            workers[0],
            abi.encodeCall(hub.contributeAndFinalize, (taskid, TRUE, "r", VALUE, address(0), "", auth))
        );

        Orders memory o = requestWith(address(receiver), 1);
        bytes32 dealid = hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
        auth = authorization(workers[0], idOf(dealid, 0), address(0));
        checkNotCopied(
            receiver,
            workers[0],
            abi.encodeCall(hub.pushResultBoost, (dealid, 0, "r", VALUE, auth, address(0), ""))
        );

        Batch[] memory batches = committed(address(receiver), 1);
        checkNotCopied(receiver, poolOwner, abi.encodeCall(hub.settle, (batches)));
    }
}
