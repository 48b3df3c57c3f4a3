// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ITasks} from "../../src/interfaces/ITasks.sol";
import {Contribution, Task, TaskStatus} from "../../src/interfaces/Types.sol";
import {Orders} from "../support/Market.sol";
import {Refusals} from "../support/Refusals.sol";

/// The steps of classic tasks, whoever makes them and whenever.
/// forge-config: default.fuzz.runs = 64
contract TasksFuzzTest is Refusals {
    uint256 private constant VOLUME = 5;

    function deal(uint256 trust) private returns (bytes32) {
        return laneDeal(trust, VOLUME);
    }

    function two(bytes32 dealid, uint256 first, uint256 second)
        private
        pure
        returns (bytes32[] memory deals, uint256[] memory indexes)
    {
        (deals, indexes) = (new bytes32[](2), new uint256[](2));
        (deals[0], deals[1]) = (dealid, dealid);
        (indexes[0], indexes[1]) = (first, second);
    }

    function testFuzz_tasks_are_opened_once_and_within_their_deal(
        uint256 index,
        uint256 second,
        bool isNear,
        bool isArray
    ) public {
        if (isNear) (index, second) = (index % 8, second % 8);
        bytes32 dealid = deal(1);
        (bytes32[] memory deals, uint256[] memory indexes) = two(dealid, index, second);
        bytes memory call = isArray
            ? abi.encodeCall(hub.initializeArray, (deals, indexes))
            : abi.encodeCall(hub.initialize, (dealid, index));
        (bool isTaken,) = attempt(workers[0], call);
        bool isInside = index < VOLUME && (!isArray || second < VOLUME && second != index);
        assertEq(isTaken, isInside);
        for (uint256 i = 0; i < VOLUME; ++i) {
            Task memory task = hub.viewTask(idOf(dealid, i));
            bool isOpen = isTaken && (i == index || isArray && i == second);
            assertEq(uint8(task.status), uint8(isOpen ? TaskStatus.ACTIVE : TaskStatus.UNSET));
            if (isOpen) assertEq(task.idx, i);
        }
        if (isTaken) {
            bytes32 taskid = idOf(dealid, index);
            refuse(
                workers[0],
                abi.encodeCall(hub.initialize, (dealid, index)),
                abi.encodeWithSelector(ITasks.WrongTaskStatus.selector, taskid, TaskStatus.ACTIVE)
            );
        }
    }

    function testFuzz_a_vote_is_taken_from_whom_the_pool_authorized(
        uint8 voter,
        uint8 authorized,
        bytes32 hash,
        bytes32 seal,
        uint16 seconds_
    ) public {
        (voter, authorized) = (voter % 8, authorized % 4 == 0 ? authorized % 8 : voter % 8);
        bytes32 taskid = hub.initialize(deal(8), 0);
        if (seconds_ % 4 != 0) seconds_ %= uint16(7 * T);
        vm.warp(START + seconds_);
        bytes memory word = authorization(workers[authorized], taskid, address(0));
        bytes memory call = abi.encodeCall(hub.contribute, (taskid, hash, seal, address(0), "", word));
        uint256 before = free(workers[voter]);
        (bool isTaken,) = attempt(workers[voter], call);
        assertEq(isTaken, voter == authorized && seconds_ < 7 * T && ~seal != 0);
        assertEq(free(workers[voter]), isTaken ? before - STAKE : before);
        assertEq(frozen(workers[voter]), isTaken ? STAKE : 0);
        assertEq(hub.viewTask(taskid).contributors.length, isTaken ? 1 : 0);
        if (!isTaken) return;
        Contribution memory vote = hub.viewContribution(taskid, workers[voter]);
        assertEq(abi.encode(vote.resultHash, vote.resultSeal), abi.encode(hash, seal));
        (isTaken,) = attempt(workers[voter], call);
        assertFalse(isTaken, "a wallet voted twice");
    }

    /// @dev A task of two votes for one digest, in consensus.
    function agreed(bytes32 digest) private returns (bytes32 taskid) {
        taskid = hub.initialize(deal(4), 0);
        contribute(workers[0], taskid, digest);
        contribute(workers[1], taskid, digest);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.REVEALING));
    }

    function testFuzz_a_vote_is_revealed_by_its_digest_and_its_worker(
        bytes32 digest,
        bytes32 other,
        bool isKnown,
        uint8 voter,
        uint16 seconds_
    ) public {
        bytes32 taskid = agreed(digest);
        bytes32 said = isKnown ? digest : other;
        voter %= 3;
        if (seconds_ % 4 != 0) seconds_ %= uint16(2 * T);
        vm.warp(START + seconds_);
        (bool isTaken,) = attempt(workers[voter], abi.encodeCall(hub.reveal, (taskid, said)));
        assertEq(isTaken, said == digest && voter < 2 && seconds_ < 2 * T);
        Task memory task = hub.viewTask(taskid);
        assertEq(task.revealCounter, isTaken ? 1 : 0);
        assertEq(task.resultDigest, isTaken ? digest : bytes32(0));
    }

    function testFuzz_a_task_without_a_reveal_is_reopened(
        bool isPool,
        bool isRevealed,
        uint16 seconds_,
        bool isBetween
    ) public {
        bytes32 taskid = agreed(GOOD);
        if (isRevealed) reveal(workers[0], taskid, GOOD);
        uint256 at = isBetween ? bound(seconds_, 2 * T, 10 * T - 1) : seconds_ % (12 * T);
        vm.warp(START + at);
        address caller = isPool ? poolOwner : requester;
        (bool isTaken,) = attempt(caller, abi.encodeCall(hub.reopen, (taskid)));
        assertEq(isTaken, isPool && !isRevealed && at >= 2 * T && at < 10 * T);
        TaskStatus wanted = isTaken ? TaskStatus.ACTIVE : TaskStatus.REVEALING;
        assertEq(uint8(hub.viewTask(taskid).status), uint8(wanted));
    }

    function testFuzz_a_proved_task_is_finalized_by_its_pool(
        bytes memory results,
        bytes memory callback,
        bool isPool,
        uint8 reveals,
        uint16 seconds_
    ) public {
        bytes32 taskid = agreed(GOOD);
        reveals %= 3;
        for (uint256 i = 0; i < reveals; ++i) {
            reveal(workers[i], taskid, GOOD);
        }
        uint256 at = seconds_ % (11 * T);
        vm.warp(START + at);
        bool isCalled = seconds_ % 5 == 0 && callback.length > 0;
        bytes memory call = abi.encodeCall(hub.finalize, (taskid, results, isCalled ? callback : bytes("")));
        (bool isTaken,) = attempt(isPool ? poolOwner : requester, call);
        bool isProved = reveals == 2 || reveals == 1 && at >= 2 * T;
        // Nobody voted for the callback's bytes.
        assertEq(isTaken, isPool && isProved && at < 10 * T && !isCalled);
        Task memory task = hub.viewTask(taskid);
        assertEq(uint8(task.status), uint8(isTaken ? TaskStatus.COMPLETED : TaskStatus.REVEALING));
        assertEq(task.results, isTaken ? results : bytes(""));
        assertEq(frozen(workers[0]) + frozen(workers[1]), isTaken ? 0 : 2 * STAKE);
        // One of the deal's tasks is paid for.
        assertEq(frozen(requester), 25 * RLC * (isTaken ? VOLUME - 1 : VOLUME));
        assertEq(frozen(poolOwner), 6 * RLC * (isTaken ? VOLUME - 1 : VOLUME));
    }

    function testFuzz_a_task_of_trust_one_is_done_in_one_call(
        bytes32 digest,
        bytes memory results,
        bool isAuthorized,
        uint8 trust,
        uint16 seconds_
    ) public {
        trust = uint8(bound(trust, 0, 2));
        bytes32 taskid = hub.initialize(deal(trust), 0);
        if (seconds_ % 4 != 0) seconds_ %= uint16(7 * T);
        vm.warp(START + seconds_);
        bytes memory word = authorization(workers[isAuthorized ? 0 : 1], taskid, address(0));
        bytes memory call =
            abi.encodeCall(hub.contributeAndFinalize, (taskid, digest, results, "", address(0), "", word));
        (bool isTaken,) = attempt(workers[0], call);
        assertEq(isTaken, isAuthorized && trust < 2 && seconds_ < 7 * T);
        Task memory task = hub.viewTask(taskid);
        assertEq(uint8(task.status), uint8(isTaken ? TaskStatus.COMPLETED : TaskStatus.ACTIVE));
        assertEq(task.resultDigest, isTaken ? digest : bytes32(0));
        assertEq(task.results, isTaken ? results : bytes(""));
        // 99 % of the pool's price.
        assertEq(free(workers[0]), isTaken ? FUNDS + 20 * RLC * 99 / 100 : FUNDS);
    }

    function testFuzz_a_task_is_claimed_when_its_time_is_over(uint8 kind, uint8 state, uint16 seconds_)
        public
    {
        (kind, state) = (kind % 3, state % 3);
        bytes32 dealid = deal(8);
        (bytes32[] memory deals, uint256[] memory indexes) = two(dealid, 0, 1);
        bytes32[] memory tasks = new bytes32[](2);
        (tasks[0], tasks[1]) = (idOf(dealid, 0), idOf(dealid, 1));
        // None is open for the call that opens them; else they are, with one vote or with two and consensus.
        if (kind < 2) hub.initializeArray(deals, indexes);
        for (uint256 i = 0; kind < 2 && i < state; ++i) {
            contribute(workers[i], tasks[0], GOOD);
        }
        vm.warp(START + seconds_ % (12 * T));
        bytes memory call = abi.encodeCall(hub.claim, (tasks[0]));
        if (kind == 1) call = abi.encodeCall(hub.claimArray, (tasks));
        if (kind == 2) call = abi.encodeCall(hub.initializeAndClaimArray, (deals, indexes));
        (bool isTaken,) = attempt(workers[7], call);
        assertEq(isTaken, seconds_ % (12 * T) >= 10 * T);
        uint256 count = isTaken ? (kind == 0 ? 1 : 2) : 0;
        assertEq(frozen(requester), 25 * RLC * (VOLUME - count));
        assertEq(frozen(poolOwner), 6 * RLC * (VOLUME - count));
        assertEq(frozen(KITTY), 6 * RLC * count);
        if (isTaken) assertEq(frozen(workers[0]) + frozen(workers[1]), 0);
        if (isTaken) assertEq(uint8(hub.viewTask(tasks[0]).status), uint8(TaskStatus.FAILED));
    }
}
