// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Batch} from "../../src/interfaces/ILane.sol";
import {TaskStatus} from "../../src/interfaces/Types.sol";
import {LaneMarket} from "./LaneMarket.sol";
import {Orders} from "./Market.sol";

/// @dev A call that ends a task, or brings it nearer to its end: who makes it, from when on, and what the task is then.
struct End {
    string name;
    uint256 time;
    address caller;
    bytes call;
    bytes32 taskid;
    TaskStatus status;
}

/// One task for each way in which tasks end, in whichever lane, so far that the next call is the one.
abstract contract Ends is LaneMarket {
    /// @dev What a call gets where a saboteur may burn it: a small part of a block.
    uint256 internal constant GAS = 3_000_000;
    uint256 internal constant BOND = 100 * RLC;
    /// @dev The ends of `everyEnd` that ask the pool owner for its word.
    uint256 internal constant FAST = 0;
    uint256 internal constant PUSH = 1;

    /// @dev The deal whose task is to be pushed.
    bytes32 internal pushedDeal;

    /// @dev By time. The tasks of the first four end with a result.
    function everyEnd() internal returns (End[] memory ends) {
        bondAll(BOND);
        ends = new End[](10);
        ends[FAST] = fastEnd();
        ends[PUSH] = pushEnd();
        ends[2] = finalizeEnd();
        ends[3] = settleEnd();
        (ends[4], ends[6]) = closeEnds();
        ends[5] = claimBoostOf(boostDeal());
        ends[7] = claimOf(voted(openTask(3)));
        (ends[8], ends[9]) = releaseEnds();
    }

    function sendEnd(End memory end) internal returns (bool success, bytes memory answer) {
        if (vm.getBlockTimestamp() < end.time) vm.warp(end.time);
        vm.prank(end.caller);
        return address(hub).call{gas: GAS}(end.call);
    }

    function checkEnd(End memory end) internal {
        (bool success,) = sendEnd(end);
        assertTrue(success, string.concat(end.name, " was held up"));
        assertEq(uint8(hub.viewTask(end.taskid).status), uint8(end.status), end.name);
    }

    function fastEnd() private returns (End memory) {
        bytes32 taskid = openTask(1);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        bytes memory call =
            abi.encodeCall(hub.contributeAndFinalize, (taskid, GOOD, RESULTS, "", address(0), "", auth));
        return End("contributeAndFinalize", START, workers[0], call, taskid, TaskStatus.COMPLETED);
    }

    function boostDeal() private returns (bytes32) {
        Orders memory o = orders();
        o.request.salt = bytes32(vm.randomUint());
        signAll(o);
        return hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
    }

    function pushEnd() private returns (End memory) {
        bytes32 dealid = pushedDeal = boostDeal();
        bytes32 taskid = idOf(dealid, 0);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        bytes memory call =
            abi.encodeCall(hub.pushResultBoost, (dealid, 0, RESULTS, "", auth, address(0), ""));
        return End("pushResultBoost", START, workers[0], call, taskid, TaskStatus.COMPLETED);
    }

    function claimBoostOf(bytes32 dealid) internal view returns (End memory) {
        bytes memory call = abi.encodeCall(hub.claimBoost, (dealid, 0));
        return End("claimBoost", START + 7 * T, address(this), call, idOf(dealid, 0), TaskStatus.FAILED);
    }

    function voted(bytes32 taskid) private returns (bytes32) {
        contribute(workers[1], taskid, GOOD);
        return taskid;
    }

    function finalizeEnd() private returns (End memory) {
        bytes32 taskid = voted(openTask(1));
        reveal(workers[1], taskid, GOOD);
        bytes memory call = abi.encodeCall(hub.finalize, (taskid, RESULTS, ""));
        return End("finalize", START, poolOwner, call, taskid, TaskStatus.COMPLETED);
    }

    function settleEnd() private returns (End memory) {
        bytes32 dealid = laneDeal(3, 1);
        commitAs(dealid, 0, 1, all(2, GOOD));
        Batch[] memory batches = batchOf(dealid, 0, 1, START, all(2, GOOD), GOOD);
        bytes memory call = abi.encodeCall(hub.settle, (batches));
        return End("settle", START, poolOwner, call, idOf(dealid, 0), TaskStatus.COMPLETED);
    }

    /// @dev One of two votes is disclosed; the other is late. It ends in a claim.
    function closeEnds() private returns (End memory close, End memory claim) {
        bytes32 dealid = laneDeal(3, 1);
        bytes32 taskid = idOf(dealid, 0);
        commitAs(dealid, 0, 1, all(2, GOOD));
        bytes memory row = rowOf(taskid, all(2, GOOD));
        hub.disclose(wholeRange(dealid, 0, START), row, votesOf(taskid, 0, GOOD));
        bytes memory call = abi.encodeCall(hub.close, (wholeRange(dealid, 0, START), row));
        close = End("close", START + 2 * T, address(this), call, taskid, TaskStatus.ACTIVE);
        claim = claimOf(taskid);
    }

    function claimOf(bytes32 taskid) internal view returns (End memory) {
        bytes memory call = abi.encodeCall(hub.claim, (taskid));
        return End("claim", START + 10 * T, address(this), call, taskid, TaskStatus.FAILED);
    }

    /// @dev Committed, and left.
    function releaseEnds() private returns (End memory claim, End memory release) {
        bytes32 dealid = laneDeal(3, 1);
        commitAs(dealid, 0, 1, all(2, GOOD));
        bytes[] memory rows = new bytes[](1);
        rows[0] = rowOf(idOf(dealid, 0), all(2, GOOD));
        bytes memory call = abi.encodeCall(hub.release, (wholeRange(dealid, 0, START), rows));
        claim = claimOf(idOf(dealid, 0));
        release = End("release", START + 10 * T, address(this), call, claim.taskid, TaskStatus.FAILED);
    }

    /// @dev When all ends are reached: the requester has paid for the tasks with a result, and nothing is locked but
    /// bonds, which answer for nothing, and the kitty's.
    function checkAllEnded(uint256 paid) internal {
        assertEq(free(requester), FUNDS - paid * 25 * RLC, "the requester's money");
        assertEq(frozen(requester), 0);
        assertEq(frozen(poolOwner), 0);
        assertEq(free(appOwner), paid * 3 * RLC, "the app's owner");
        assertEq(free(datasetOwner), paid * 2 * RLC, "the dataset's owner");
        for (uint256 i = 0; i < 2; ++i) {
            (uint256 total, uint256 locked,) = bonded(i);
            assertEq(locked, 0, "a bond is still locked");
            assertEq(frozen(workers[i]), total);
        }
        assertConserved();
    }
}
