// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ContributionStatus, Task, TaskStatus} from "../../src/interfaces/Types.sol";
import {OrderMarks} from "../../src/records/OrderMark.sol";
import {Admission} from "./Admission.sol";

/// What is done to tasks, by those who may and when they may: if no task is ready for an action, the action waits
/// for one, or opens one. What a saboteur answers to a callback never matters.
abstract contract Work is Admission {
    function initialize(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        openOne(seed);
    }

    /// @dev An active task whose contributions are open; one is initialized if there is none.
    function openOne(uint256 seed) private returns (Job memory job, bool found) {
        (job, found) = find(seed, TaskStatus.UNSET, false);
        if (!found) return (job, false);
        assertEq(hub.initialize(job.dealid, job.index), job.taskid);
        readLogs();
        ++count["initialized"];
        return (job, isBefore(job, 7));
    }

    function findActive(uint256 seed) private returns (Job memory job, bool found) {
        for (uint256 i = 0; i < open.length; ++i) {
            job = open[(seed % open.length + i) % open.length];
            if (statusOf[job.taskid] != TaskStatus.ACTIVE || isCommitted[job.taskid]) continue;
            if (isBefore(job, 7)) return (job, true);
        }
        return openOne(seed);
    }

    function isBound(Job memory job) internal pure returns (bool) {
        return job.conditions & OrderMarks.BOUND_RESULTS != 0;
    }

    /// @dev What stands in the results of a task that ends with `value`, if anything may.
    function resultsOf(Job memory job, bytes memory value) internal pure returns (bytes memory) {
        if (!isBound(job)) return "results";
        return job.callback == address(0) ? value : bytes("");
    }

    function isBefore(Job memory job, uint256 ratio) internal view returns (bool) {
        return job.start + ratio * job.clock > time;
    }

    /// @dev Some workers vote, until there is a consensus.
    function vote(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        (Job memory job, bool found) = findActive(seed);
        if (!found) return;
        uint256 votes = 1 + (seed >> 16) % 4;
        uint256 first = (seed >> 24) % workers.length;
        for (uint256 i = 0; i < workers.length && votes > 0; ++i) {
            uint256 which = (first + i) % workers.length;
            if (hasVoted(job.taskid, workers[which]) || !voteIfLetIn(job, which, seed >> 32 + i)) continue;
            --votes;
            ++count[which < HONEST ? "honest vote" : which == COPYCAT ? "copied vote" : "lying vote"];
            readLogs();
            if (statusOf[job.taskid] == TaskStatus.REVEALING) {
                ++count["consensus"];
                return;
            }
        }
    }

    function hasVoted(bytes32 taskid, address worker) internal view returns (bool) {
        return hub.viewContribution(taskid, worker).status != ContributionStatus.UNSET;
    }

    function fast(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        (Job memory job, bool found) = findActive(seed);
        if (!found || job.trust != 1 || heldBy[job.taskid].length > 0) return;
        uint256 enclave = enclaveFor(job, seed >> 8);
        address worker = letInAlone(job, seed >> 16, enclave);
        vm.prank(worker);
        (bool success,) = address(hub).call(fastCall(job, worker, enclave));
        assertTrue(success, "a result in one call was refused");
        ++count["fast"];
        if (job.isTee) ++count["fast with an enclave"];
        countCallback(job);
    }

    /// @dev Some worker that the deal lets vote; those whom it does not are refused.
    function letInAlone(Job memory job, uint256 seed, uint256 enclave) private returns (address chosen) {
        for (uint256 i = 0; i < workers.length; ++i) {
            address worker = workers[(seed % workers.length + i) % workers.length];
            if (isStranger(job, worker)) {
                refuseAs(worker, fastCall(job, worker, enclave), strangerRefusal(worker));
                ++count["stranger refused in one call"];
            } else {
                chosen = worker;
            }
        }
    }

    function fastCall(Job memory job, address worker, uint256 enclave) private view returns (bytes memory) {
        bytes32 digest = keccak256(TRUTH);
        bytes memory auth = authorize(worker, job.taskid, enclaves[enclave]);
        bytes memory results = isBound(job) ? bytes("") : bytes("r");
        bytes memory votes =
            abi.encodePacked(resultHash(job.taskid, digest), resultSeal(worker, job.taskid, digest));
        return abi.encodeCall(
            hub.contributeAndFinalize,
            (job.taskid, digest, results, TRUTH, enclaves[enclave], signAsEnclave(enclave, votes), auth)
        );
    }

    function countCallback(Job memory job) internal {
        if (job.callback == address(reenterer)) ++count["re-entered"];
        else if (job.callback != address(0)) ++count["sabotaged callback"];
    }

    function reveal(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        (Job memory job, bool found) = find(seed, TaskStatus.REVEALING, false);
        if (!found) return;
        Task memory task = hub.viewTask(job.taskid);
        if (task.revealDeadline <= time) return;
        // The guard may have changed its mind since the votes.
        turn(seed >> 64);
        // Mostly all of them, sometimes some.
        bool isAll = seed >> 8 & 3 > 0;
        for (uint256 i = 0; i < task.contributors.length; ++i) {
            if (!isAll && seed >> (16 + i) & 1 == 0) continue;
            revealAs(job.taskid, task, task.contributors[i]);
        }
    }

    function revealAs(bytes32 taskid, Task memory task, address worker) private {
        bool isTrue = task.consensusValue == resultHash(taskid, keccak256(TRUTH));
        bytes32 digest = keccak256(isTrue ? TRUTH : LIE);
        bool isWinner = hub.viewContribution(taskid, worker).resultHash == task.consensusValue
            && hub.viewContribution(taskid, worker).status == ContributionStatus.CONTRIBUTED
            && worker != workers[COPYCAT];
        vm.prank(worker);
        (bool success,) = address(hub).call(abi.encodeCall(hub.reveal, (taskid, digest)));
        assertEq(success, isWinner, "those and only those who voted for the result reveal it");
        ++count[isWinner ? "revealed" : "reveal refused"];
        if (isWinner && isStranger(jobOf[dealOf[taskid]], worker)) ++count["revealed by a stranger of late"];
    }

    /// @dev A task in consensus that can be finalized now, or after its reveal deadline.
    function finalize(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        for (uint256 i = 0; i < open.length; ++i) {
            Job memory job = open[(seed % open.length + i) % open.length];
            if (statusOf[job.taskid] != TaskStatus.REVEALING || !isBefore(job, 10)) continue;
            Task memory task = hub.viewTask(job.taskid);
            if (task.revealCounter == 0) continue;
            if (task.revealCounter < task.winnerCounter) {
                if (!waitUntil(job, task.revealDeadline)) continue;
                ++count["finalized without some"];
            }
            return finalizeNow(job, task);
        }
    }

    /// @dev False if that is too late for this task.
    function waitUntil(Job memory job, uint256 deadline) internal returns (bool) {
        if (deadline >= job.start + 10 * job.clock) return false;
        if (time < deadline) vm.warp(time = deadline);
        return true;
    }

    function finalizeNow(Job memory job, Task memory task) private {
        bytes memory value = task.resultDigest == keccak256(TRUTH) ? TRUTH : LIE;
        uint256 enteredBefore = reenterer.entered();
        bool isForAll = isBound(job) && task.revealDeadline <= time;
        vm.prank(isForAll ? thief : bargains[job.dealid].poolOwner);
        hub.finalize(job.taskid, resultsOf(job, value), job.callback == address(0) ? bytes("") : value);
        ++count["finalized"];
        if (isForAll) ++count["finalized by anyone"];
        if (isGuarded(job)) ++count["finalized under a guard"];
        if (job.isTee) ++count["finalized with enclaves"];
        if (task.resultDigest == keccak256(LIE)) ++count["the liars won"];
        countCallback(job);
        if (job.callback == address(reenterer)) assertEq(reenterer.entered(), enteredBefore + 1);
    }

    function reopen(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        for (uint256 i = 0; i < open.length; ++i) {
            Job memory job = open[(seed % open.length + i) % open.length];
            if (statusOf[job.taskid] != TaskStatus.REVEALING || !isBefore(job, 10)) continue;
            Task memory task = hub.viewTask(job.taskid);
            if (task.revealCounter > 0 || !waitUntil(job, task.revealDeadline)) continue;
            vm.prank(bargains[job.dealid].poolOwner);
            hub.reopen(job.taskid);
            ++count["reopened"];
            return;
        }
    }

    function push(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        for (uint256 i = 0; i < open.length; ++i) {
            Job memory job = open[(seed % open.length + i) % open.length];
            if (!job.isBoost || !isBefore(job, 7)) continue;
            address worker = workers[(seed >> 16) % workers.length];
            uint256 enclave = enclaveFor(job, seed >> 32);
            bytes32 pushed = keccak256(job.callback == address(0) ? bytes("r") : TRUTH);
            bytes memory proof = signAsEnclave(enclave, abi.encodePacked(worker, job.taskid, pushed));
            bytes memory auth = authorize(worker, job.taskid, enclaves[enclave]);
            vm.prank(worker);
            hub.pushResultBoost(job.dealid, job.index, "r", TRUTH, auth, enclaves[enclave], proof);
            ++count["pushed"];
            if (job.isTee) ++count["pushed with an enclave"];
            countCallback(job);
            return;
        }
    }

    /// @dev Whatever has passed its final deadline; sometimes one waits for it.
    function claim(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        if (open.length == 0) return;
        Job memory job = open[seed % open.length];
        uint256 ratio = job.isBoost ? 7 : 10;
        if (isBefore(job, ratio)) {
            if (seed >> 128 & 3 > 0) return;
            vm.warp(time = job.start + ratio * job.clock);
        }
        claimNow(job);
    }

    /// @dev By anyone, and nothing that anyone has done or does can prevent it.
    function claimNow(Job memory job) internal {
        address payer = bargains[job.dealid].payer;
        uint256 before = free(payer);
        if (job.isBoost) {
            hub.claimBoost(job.dealid, job.index);
            ++count["boost claimed"];
        } else if (statusOf[job.taskid] == TaskStatus.UNSET) {
            (bytes32[] memory deals, uint256[] memory indexes) = (new bytes32[](1), new uint256[](1));
            (deals[0], indexes[0]) = (job.dealid, job.index);
            hub.initializeAndClaimArray(deals, indexes);
            ++count["claimed without being opened"];
        } else {
            hub.claim(job.taskid);
            ++count[statusOf[job.taskid] == TaskStatus.ACTIVE ? "claimed active" : "claimed revealing"];
        }
        assertGe(free(payer), before + bargains[job.dealid].price, "the payer did not get all of it back");
    }
}
