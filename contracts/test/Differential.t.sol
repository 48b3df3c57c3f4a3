// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {TaskStatus} from "../src/interfaces/Types.sol";
import {Orders} from "./support/Market.sol";
import {Twins} from "./support/Twins.sol";

/// The same transactions on the reference's bytecode and on our hub: every log must be equal in order, topics and
/// data, and every view byte for byte.
contract DifferentialTest is Twins {
    bytes32 internal constant GOOD = keccak256("good");
    bytes32 internal constant BAD = keccak256("bad");

    uint256 internal constant REOPENED = 1;
    uint256 internal constant FINALIZED = 2;
    uint256 internal constant CLAIMED = 4;
    uint256 internal constant SLASHED = 8;
    uint256 internal constant FAST = 16;
    uint256 internal constant NEVER_OPENED = 32;
    uint256 internal constant SPONSORED = 64;
    uint256 internal constant NO_DATASET = 128;
    uint256 internal constant ALL = 255;

    function noteState(bytes32 dealid, bytes32 taskid) private {
        noteView(abi.encodeCall(hub.viewDeal, (dealid)));
        noteView(abi.encodeCall(hub.viewDealABILegacy_pt1, (dealid)));
        noteView(abi.encodeCall(hub.viewDealABILegacy_pt2, (dealid)));
        noteView(abi.encodeCall(hub.viewConfigABILegacy, (dealid)));
        noteView(abi.encodeCall(hub.viewTask, (taskid)));
        noteView(abi.encodeCall(hub.viewTaskABILegacy, (taskid)));
        noteView(abi.encodeCall(hub.resultFor, (taskid)));
        for (uint256 i = 0; i < workers.length; ++i) {
            noteView(abi.encodeCall(hub.viewContribution, (taskid, workers[i])));
            noteView(abi.encodeCall(hub.viewScore, (workers[i])));
            noteView(abi.encodeCall(hub.viewAccount, (workers[i])));
        }
        address[6] memory accounts = [requester, poolOwner, appOwner, datasetOwner, KITTY, AT];
        for (uint256 i = 0; i < accounts.length; ++i) {
            noteView(abi.encodeCall(hub.viewAccount, (accounts[i])));
            noteView(abi.encodeCall(hub.balanceOf, (accounts[i])));
        }
        noteView(abi.encodeCall(hub.totalSupply, ()));
    }

    /// @dev A random deal of two tasks; the first goes through votes, reveals, perhaps a reopening, and ends
    /// in finalize or claim; the second is claimed without having been opened, or done in one call.
    function play(uint256 seed) internal override {
        vm.recordLogs();
        Orders memory o = orders();
        o.request.volume = 2;
        o.request.trust = [uint256(0), 1, 2, 3, 5, 9][seed % 6];
        o.request.params = seed & 64 == 0 ? "plain" : "";
        o.request.beneficiary = seed & 128 == 0 ? address(0) : workers[7];
        // Never free: then ours gives no score. A stake of 0 would do the same.
        o.pool.workerpoolprice = 100 + (seed >> 32) % (20 * RLC);
        o.app.appprice = seed & 256 == 0 ? 0 : RLC;
        if (seed & 512 != 0) {
            (o.dataset.dataset, o.dataset.datasetprice, o.request.dataset) = (address(0), 0, address(0));
        }
        signAll(o);
        if (seed & 512 != 0) reached |= NO_DATASET;
        if (seed & 1024 != 0) reached |= SPONSORED;
        if (seed & 1024 != 0) vm.prank(workers[6]);
        bytes32 dealid =
            seed & 1024 != 0 ? hub.sponsorMatchOrders(o.app, o.dataset, o.pool, o.request) : matchSigned(o);
        bytes32 taskid = hub.initialize(dealid, 0);
        noteState(dealid, taskid);
        vote(taskid, seed >> 64);
        noteState(dealid, taskid);
        if (seed & 2048 != 0 && hub.viewTask(taskid).status == TaskStatus.REVEALING) {
            vm.warp(START + 2 * T);
            vm.prank(poolOwner);
            hub.reopen(taskid);
            reached |= REOPENED;
            noteState(dealid, taskid);
            vote(taskid, seed >> 96);
            noteState(dealid, taskid);
        }
        end(taskid, seed >> 128);
        noteState(dealid, taskid);
        endSecond(dealid, seed);
        noteLogs();
    }

    function vote(bytes32 taskid, uint256 seed) private {
        for (uint256 i = 0; i < 6 && hub.viewTask(taskid).status == TaskStatus.ACTIVE; ++i) {
            if (uint8(hub.viewContribution(taskid, workers[i]).status) != 0) continue;
            contribute(workers[i], taskid, seed >> i & 1 == 0 ? GOOD : BAD);
        }
    }

    function end(bytes32 taskid, uint256 seed) private {
        if (hub.viewTask(taskid).status == TaskStatus.REVEALING && seed % 5 != 0) {
            bytes32 digest = hub.viewTask(taskid).consensusValue == resultHash(taskid, GOOD) ? GOOD : BAD;
            bool isFirst = true;
            for (uint256 i = 0; i < 6; ++i) {
                bytes memory call = abi.encodeCall(hub.reveal, (taskid, digest));
                if (!isFirst && seed >> (8 + i) & 1 == 0) continue;
                vm.prank(workers[i]);
                (bool success,) = AT.call(call);
                note(success ? bytes32(uint256(1)) : bytes32(0));
                if (success) isFirst = false;
            }
            vm.warp(START + 4 * T);
            finalize(taskid, '{"storage":"ipfs"}', "");
            reached |= FINALIZED;
            if (hub.viewTask(taskid).contributors.length > hub.viewTask(taskid).revealCounter) {
                reached |= SLASHED;
            }
        } else {
            vm.warp(START + 10 * T);
            hub.claim(taskid);
            reached |= CLAIMED;
        }
    }

    function endSecond(bytes32 dealid, uint256 seed) private {
        bytes32 second = keccak256(abi.encodePacked(dealid, uint256(1)));
        // With something in the kitty ours and the reference pay the pool by different rules.
        bool isKittyEmpty = frozen(KITTY) == 0;
        if (hub.viewDeal(dealid).trust == 1 && seed & 4096 != 0 && isKittyEmpty) {
            vm.warp(START + 5 * T);
            hub.initialize(dealid, 1);
            bytes memory auth = authorization(workers[5], second, address(0));
            vm.prank(workers[5]);
            hub.contributeAndFinalize(second, keccak256("value"), "r", "value", address(0), "", auth);
            reached |= FAST;
        } else {
            vm.warp(START + 10 * T);
            (bytes32[] memory deals, uint256[] memory indexes) = (new bytes32[](1), new uint256[](1));
            (deals[0], indexes[0]) = (dealid, 1);
            hub.initializeAndClaimArray(deals, indexes);
            reached |= NEVER_OPENED;
        }
        noteState(dealid, second);
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_the_reference_and_ours_say_the_same(uint256 seed) public {
        compare(seed);
    }

    /// @dev Proves that the plays come through every state, so that the comparison above is of something.
    function test_the_reference_and_ours_say_the_same_in_every_state() public {
        uint256 states = 0;
        for (uint256 i = 0; i < 24; ++i) {
            states |= compare(uint256(keccak256(abi.encode(i))));
        }
        assertEq(states, ALL, "a state was never reached");
    }
}
