// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ITasks} from "../src/interfaces/ITasks.sol";
import {Contribution, ContributionStatus, Task, TaskStatus} from "../src/interfaces/Types.sol";
import {Market, Orders} from "./support/Market.sol";
import {ContractWallet, FailingReceiver, GreedyReceiver, Receiver} from "./support/Parties.sol";

/// `contributeAndFinalize`, callbacks and enclaves.
contract FastTest is Market {
    bytes internal constant VALUE = abi.encode(uint256(42));
    bytes32 internal constant GOOD = keccak256("good");

    function fast(bytes32 taskid, bytes32 digest, bytes memory callback) internal {
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.prank(workers[0]);
        hub.contributeAndFinalize(taskid, digest, "results", callback, address(0), "", auth);
    }

    function openWithCallback(address callback) internal returns (bytes32 taskid) {
        Orders memory o = orders();
        o.request.callback = callback;
        o.request.salt = bytes32(vm.randomUint());
        return hub.initialize(makeDeal(o), 0);
    }

    function test_one_call_does_the_whole_task() public {
        bytes32 taskid = openTask(1);
        bytes32 hash = resultHash(taskid, GOOD);
        vm.expectEmit(address(hub));
        emit ITasks.TaskContribute(taskid, workers[0], hash);
        vm.expectEmit(address(hub));
        emit ITasks.TaskConsensus(taskid, hash);
        vm.expectEmit(address(hub));
        emit ITasks.TaskReveal(taskid, workers[0], GOOD);
        vm.expectEmit(address(hub));
        emit ITasks.TaskFinalize(taskid, "results");
        fast(taskid, GOOD, "");

        assertEq(free(workers[0]), FUNDS + 19_800_000_000);
        assertEq(free(poolOwner), FUNDS + 200_000_000);
        assertEq(hub.viewScore(workers[0]), 0);
        assertConserved();
        Task memory task = hub.viewTask(taskid);
        assertEq(uint8(task.status), uint8(TaskStatus.COMPLETED));
        assertEq(task.consensusValue, hash);
        assertEq(task.resultDigest, GOOD);
        assertEq(task.revealDeadline, START + 2 * T);
        assertEq(task.revealCounter, 1);
        assertEq(task.winnerCounter, 1);
        assertEq(task.contributors.length, 1);
        assertEq(task.contributors[0], workers[0]);
        assertEq(task.results, "results");
        Contribution memory c = hub.viewContribution(taskid, workers[0]);
        assertEq(uint8(c.status), uint8(ContributionStatus.PROVED));
        assertEq(c.resultHash, hash);
        assertEq(c.resultSeal, resultSeal(workers[0], taskid, GOOD));
        assertEq(c.weight, 0);
        assertEq(uint8(hub.viewContribution(taskid, workers[1]).status), 0);
    }

    function test_only_trust_one_is_fast() public {
        bytes32 taskid = openTask(2);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.expectRevert(abi.encodeWithSelector(ITasks.TrustAboveOne.selector, 2));
        vm.prank(workers[0]);
        hub.contributeAndFinalize(taskid, GOOD, "", "", address(0), "", auth);
        fast(openTask(0), GOOD, "");
    }

    function test_a_task_with_a_contribution_cannot_be_fast() public {
        bytes32 taskid = openTask(1);
        contribute(workers[1], taskid, GOOD);
        vm.warp(START + 2 * T);
        vm.prank(poolOwner);
        hub.reopen(taskid);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.expectRevert(abi.encodeWithSelector(ITasks.TaskHasContributions.selector, taskid));
        vm.prank(workers[0]);
        hub.contributeAndFinalize(taskid, GOOD, "", "", address(0), "", auth);
    }

    function test_fast_needs_authorization_and_time() public {
        bytes32 taskid = openTask(1);
        bytes memory auth = authorization(workers[1], taskid, address(0));
        vm.expectRevert(
            abi.encodeWithSelector(ITasks.AuthorizationInvalid.selector, workers[0], taskid, address(0))
        );
        vm.prank(workers[0]);
        hub.contributeAndFinalize(taskid, GOOD, "", "", address(0), "", auth);
        vm.warp(START + 7 * T);
        auth = authorization(workers[0], taskid, address(0));
        vm.expectRevert(abi.encodeWithSelector(ITasks.TooLate.selector, START + 7 * T, START + 7 * T));
        vm.prank(workers[0]);
        hub.contributeAndFinalize(taskid, GOOD, "", "", address(0), "", auth);
    }

    function test_a_callback_gets_the_bytes_that_were_agreed_on() public {
        Receiver receiver = new Receiver();
        bytes32 taskid = openWithCallback(address(receiver));
        contribute(workers[0], taskid, keccak256(VALUE));
        reveal(workers[0], taskid, keccak256(VALUE));
        vm.expectRevert(ITasks.CallbackMismatch.selector);
        finalize(taskid, "results", "");
        vm.expectRevert(ITasks.CallbackMismatch.selector);
        finalize(taskid, "results", "other");
        finalize(taskid, "results", VALUE);
        assertEq(receiver.taskid(), taskid);
        assertEq(receiver.received(), VALUE);
        assertLe(receiver.gasGiven(), 200_000);
        assertEq(hub.resultFor(taskid), VALUE);
        assertEq(hub.viewTask(taskid).resultsCallback, VALUE);
        assertEq(hub.viewTask(taskid).results, "results");
    }

    function test_without_a_callback_the_bytes_may_be_left_out_but_not_be_wrong() public {
        bytes32 taskid = openTask(1);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.expectRevert(ITasks.CallbackMismatch.selector);
        vm.prank(workers[0]);
        hub.contributeAndFinalize(taskid, GOOD, "", "other", address(0), "", auth);
        fast(taskid, keccak256(VALUE), VALUE);
        assertEq(hub.resultFor(taskid), VALUE);
    }

    function test_the_result_of_an_unfinished_task_is_pending() public {
        bytes32 taskid = openTask(1);
        vm.expectRevert("task-pending");
        hub.resultFor(taskid);
    }

    function test_a_failing_callback_is_ignored() public {
        address[3] memory targets =
            [address(new FailingReceiver()), address(new GreedyReceiver()), makeAddr("no contract")];
        for (uint256 i = 0; i < targets.length; ++i) {
            bytes32 taskid = openWithCallback(targets[i]);
            fast(taskid, keccak256(VALUE), VALUE);
            assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.COMPLETED));
        }
    }

    function test_a_callback_is_never_starved_of_its_gas() public {
        hub.setCallbackGas(20_000_000);
        bytes32 taskid = openWithCallback(address(new GreedyReceiver()));
        bytes memory auth = authorization(workers[0], taskid, address(0));
        bytes memory call = abi.encodeCall(
            hub.contributeAndFinalize, (taskid, keccak256(VALUE), "results", VALUE, address(0), "", auth)
        );
        vm.prank(workers[0]);
        (bool success,) = address(hub).call{gas: 10_000_000}(call);
        assertFalse(success, "the callback got less gas than promised");
        vm.prank(workers[0]);
        (success,) = address(hub).call{gas: 25_000_000}(call);
        assertTrue(success);
    }

    function openTee() internal returns (bytes32) {
        Orders memory o = orders();
        (o.app.tag, o.pool.tag) = (bytes32(uint256(1)), bytes32(uint256(1)));
        o.request.salt = bytes32(vm.randomUint());
        return hub.initialize(makeDeal(o), 0);
    }

    function test_a_tee_task_needs_an_enclave_and_its_signature() public {
        (address enclave, uint256 enclaveKey) = makeAddrAndKey("enclave");
        bytes32 taskid = openTee();
        bytes32 hash = resultHash(taskid, GOOD);
        bytes32 seal = resultSeal(workers[0], taskid, GOOD);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.expectRevert(abi.encodeWithSelector(ITasks.EnclaveChallengeMissing.selector, taskid));
        vm.prank(workers[0]);
        hub.contribute(taskid, hash, seal, address(0), "", auth);

        auth = authorization(workers[0], taskid, enclave);
        bytes memory proof = sign(poolKey, ethSigned(keccak256(abi.encodePacked(hash, seal))));
        vm.expectRevert(abi.encodeWithSelector(ITasks.EnclaveSignatureInvalid.selector, enclave));
        vm.prank(workers[0]);
        hub.contribute(taskid, hash, seal, enclave, proof, auth);

        proof = sign(enclaveKey, ethSigned(keccak256(abi.encodePacked(hash, seal))));
        vm.prank(workers[0]);
        hub.contribute(taskid, hash, seal, enclave, proof, auth);
        assertEq(hub.viewContribution(taskid, workers[0]).enclaveChallenge, enclave);

        bytes32 quick = openTee();
        hash = resultHash(quick, GOOD);
        proof = sign(
            enclaveKey, ethSigned(keccak256(abi.encodePacked(hash, resultSeal(workers[0], quick, GOOD))))
        );
        auth = authorization(workers[0], quick, enclave);
        vm.prank(workers[0]);
        hub.contributeAndFinalize(quick, GOOD, "", "", enclave, proof, auth);
        assertEq(hub.viewContribution(quick, workers[0]).enclaveChallenge, enclave);
    }

    function test_a_broker_authorizes_enclaves_and_nothing_else() public {
        (address broker, uint256 brokerKey) = makeAddrAndKey("broker");
        (address enclave, uint256 enclaveKey) = makeAddrAndKey("enclave");
        hub.setTeeBroker(broker);
        bytes32 taskid = openTee();
        bytes32 hash = resultHash(taskid, GOOD);
        bytes32 seal = resultSeal(workers[0], taskid, GOOD);
        bytes memory proof = sign(enclaveKey, ethSigned(keccak256(abi.encodePacked(hash, seal))));
        bytes memory auth = authorization(workers[0], taskid, enclave);
        vm.expectRevert(
            abi.encodeWithSelector(ITasks.AuthorizationInvalid.selector, workers[0], taskid, enclave)
        );
        vm.prank(workers[0]);
        hub.contribute(taskid, hash, seal, enclave, proof, auth);
        auth = sign(brokerKey, ethSigned(keccak256(abi.encodePacked(workers[0], taskid, enclave))));
        vm.prank(workers[0]);
        hub.contribute(taskid, hash, seal, enclave, proof, auth);
        contribute(workers[1], openTask(1), GOOD);
    }

    function test_a_result_cannot_be_passed_off_as_a_deal() public {
        bytes32 taskid = openTask(1);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        bytes memory forged = new bytes(600);
        for (uint256 i = 0; i < forged.length; ++i) {
            forged[i] = 0xff;
        }
        vm.prank(workers[0]);
        hub.contributeAndFinalize(taskid, bytes32(type(uint256).max), forged, "", address(0), "", auth);
        assertEq(hub.viewDeal(taskid).requester, address(0));
        vm.expectRevert(abi.encodeWithSelector(ITasks.UnknownDeal.selector, taskid));
        hub.initialize(taskid, 0);
    }

    function test_contract_wallets_may_own_pools_and_be_enclaves() public {
        ContractWallet wallet = new ContractWallet();
        bytes32 taskid = openTask(1);
        bytes32 hash = resultHash(taskid, GOOD);
        bytes32 seal = resultSeal(workers[0], taskid, GOOD);
        wallet.accept(ethSigned(keccak256(abi.encodePacked(hash, seal))));
        bytes memory auth = authorization(workers[0], taskid, address(wallet));
        vm.prank(workers[0]);
        hub.contribute(taskid, hash, seal, address(wallet), "any", auth);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.REVEALING));
    }
}
