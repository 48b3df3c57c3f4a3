// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ITasks} from "../src/interfaces/ITasks.sol";
import {OrderOperation, RequestOrderOperation, TaskStatus} from "../src/interfaces/Types.sol";
import {Market, Orders} from "./support/Market.sol";
import {Reenterer, Saboteur, Sabotage} from "./support/Saboteurs.sol";

/// Nobody can hold up the end of a task: no receiver, wallet or group, whether it reverts, burns its gas, returns
/// much or calls the hub again. Where one is asked, its failing is a refusal with a name.
contract SaboteursTest is Market {
    bytes internal constant VALUE = "the truth";
    bytes32 internal constant GOOD = keccak256(VALUE);
    /// @dev What a call gets where a saboteur may burn it: a small part of a block.
    uint256 internal constant GAS = 3_000_000;
    uint256 internal constant WAYS = 4;

    /// @dev With the gas of a real transaction, so that what is burnt is missed.
    function callWith(address caller, bytes memory call)
        internal
        returns (bool success, bytes memory answer)
    {
        vm.prank(caller);
        return address(hub).call{gas: GAS}(call);
    }

    function requestWith(address callback, uint256 salt) internal view returns (Orders memory o) {
        o = orders();
        o.request.callback = callback;
        o.request.salt = bytes32(salt);
        signAll(o);
    }

    function test_no_receiver_holds_up_an_end_in_any_lane() public {
        for (uint256 i = 0; i < WAYS; ++i) {
            address target = address(new Saboteur(Sabotage(i)));
            bytes32 taskid = hub.initialize(matchSigned(requestWith(target, 3 * i)), 0);
            contribute(workers[0], taskid, GOOD);
            reveal(workers[0], taskid, GOOD);
            (bool success,) = callWith(poolOwner, abi.encodeCall(hub.finalize, (taskid, "r", VALUE)));
            assertTrue(success, "finalize was held up");
            assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.COMPLETED));

            taskid = hub.initialize(matchSigned(requestWith(target, 3 * i + 1)), 0);
            bytes memory auth = authorization(workers[0], taskid, address(0));
            (success,) = callWith(
                workers[0],
                abi.encodeCall(hub.contributeAndFinalize, (taskid, GOOD, "r", VALUE, address(0), "", auth))
            );
            assertTrue(success, "contributeAndFinalize was held up");

            Orders memory o = requestWith(target, 3 * i + 2);
            bytes32 dealid = hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
            auth = authorization(workers[0], keccak256(abi.encodePacked(dealid, uint256(0))), address(0));
            (success,) = callWith(
                workers[0], abi.encodeCall(hub.pushResultBoost, (dealid, 0, "r", VALUE, auth, address(0), ""))
            );
            assertTrue(success, "pushResultBoost was held up");
        }
        assertConserved();
    }

    function test_a_receiver_that_calls_back_finds_the_task_ended() public {
        Reenterer receiver = new Reenterer(address(hub));
        bytes32 taskid = hub.initialize(matchSigned(requestWith(address(receiver), 0)), 0);
        vm.prank(poolOwner);
        pools.transferFrom(poolOwner, address(receiver), uint160(pool));
        bytes memory auth = authorization(workers[0], taskid, address(0));
        receiver.prepare(abi.encodeCall(hub.finalize, (taskid, "", VALUE)));
        receiver.prepare(abi.encodeCall(hub.claim, (taskid)));
        receiver.prepare(abi.encodeCall(hub.reopen, (taskid)));
        receiver.prepare(abi.encodeCall(hub.withdraw, (1)));
        receiver.prepare(abi.encodeCall(hub.initialize, (hub.viewTask(taskid).dealid, 0)));
        vm.prank(workers[0]);
        hub.contributeAndFinalize(taskid, GOOD, "r", VALUE, address(0), "", auth);
        assertEq(receiver.entered(), 1);
        assertEq(receiver.succeeded(), 0, "a task was ended again from within its end");
        assertEq(free(workers[0]), FUNDS + 19_800_000_000);
        assertConserved();
    }

    /// @dev A deal all of whose parties are contracts, which agreed when it was made, and a task of it in consensus.
    function saboteursDeal(Sabotage way) private returns (Saboteur[5] memory parties, bytes32 taskid) {
        for (uint256 i = 0; i < parties.length; ++i) {
            parties[i] = new Saboteur(Sabotage.ACCEPT);
        }
        vm.prank(appOwner);
        apps.transferFrom(appOwner, address(parties[0]), uint160(app));
        vm.prank(datasetOwner);
        datasets.transferFrom(datasetOwner, address(parties[1]), uint160(dataset));
        vm.prank(poolOwner);
        pools.transferFrom(poolOwner, address(parties[2]), uint160(pool));
        for (uint256 i = 2; i < parties.length; ++i) {
            fund(address(parties[i]));
        }
        Orders memory o = orders();
        o.request.requester = address(parties[3]);
        o.app.requesterrestrict = o.dataset.workerpoolrestrict = o.pool.apprestrict = address(parties[0]);
        o.request.trust = 3;
        bytes memory any = new bytes(65);
        (o.app.sign, o.dataset.sign, o.pool.sign, o.request.sign) = (any, any, any, any);
        taskid = hub.initialize(matchSigned(o), 0);
        // The saboteur that owns the pool authorizes whoever asks.
        voteAs(address(parties[4]), taskid, any);
        voteAs(workers[0], taskid, any);
        reveal(address(parties[4]), taskid, GOOD);
        reveal(workers[0], taskid, GOOD);
        for (uint256 i = 0; i < parties.length; ++i) {
            parties[i].turn(way);
        }
    }

    function voteAs(address worker, bytes32 taskid, bytes memory auth) private {
        vm.prank(worker);
        hub.contribute(
            taskid, resultHash(taskid, GOOD), resultSeal(worker, taskid, GOOD), address(0), "", auth
        );
    }

    function test_no_party_that_is_a_contract_holds_up_finalize_or_claim() public {
        for (uint256 i = 0; i < WAYS; ++i) {
            uint256 clean = vm.snapshotState();
            (Saboteur[5] memory parties, bytes32 taskid) = saboteursDeal(Sabotage(i));
            (bool success,) = callWith(address(parties[2]), abi.encodeCall(hub.finalize, (taskid, "r", "")));
            assertTrue(success, "finalize was held up");
            assertEq(free(address(parties[0])), 3 * RLC, "the app's owner was paid");
            assertEq(hub.balanceOf(address(hub)), 0);
            vm.revertToState(clean);

            (parties, taskid) = saboteursDeal(Sabotage(i));
            vm.warp(START + 10 * T);
            (success,) = callWith(requester, abi.encodeCall(hub.claim, (taskid)));
            assertTrue(success, "claim was held up");
            assertEq(free(address(parties[3])), FUNDS, "the requester did not get its money back");
            assertEq(frozen(address(parties[4])), 0);
            vm.revertToState(clean);
        }
    }

    function test_a_wallet_that_does_not_answer_has_not_signed() public {
        for (uint256 i = 0; i < WAYS; ++i) {
            Saboteur wallet = new Saboteur(Sabotage(i));
            fund(address(wallet));
            Orders memory o = signAll(orders());
            o.request.requester = address(wallet);
            expectRefusal(o, "iExecV5-matchOrders-0x50");
            vm.prank(address(wallet));
            hub.manageRequestOrder(RequestOrderOperation(o.request, OrderOperation.SIGN, ""));
            matchSigned(o);
        }
    }

    function test_a_pool_that_is_a_contract_and_does_not_answer_authorizes_nobody() public {
        Saboteur owner = new Saboteur(Sabotage.ACCEPT);
        vm.prank(poolOwner);
        pools.transferFrom(poolOwner, address(owner), uint160(pool));
        fund(address(owner));
        Orders memory o = signAll(orders());
        bytes32 taskid = hub.initialize(matchSigned(o), 0);
        for (uint256 i = 0; i < WAYS; ++i) {
            owner.turn(Sabotage(i));
            (bool success, bytes memory answer) = callWith(
                workers[0],
                abi.encodeCall(hub.contribute, (taskid, GOOD, GOOD, address(0), "", new bytes(65)))
            );
            assertFalse(success);
            assertEq(
                answer,
                abi.encodeWithSelector(ITasks.AuthorizationInvalid.selector, workers[0], taskid, address(0))
            );
        }
    }

    function test_a_group_that_does_not_answer_has_no_members() public {
        for (uint256 i = 0; i < WAYS; ++i) {
            Saboteur group = new Saboteur(Sabotage(i));
            Orders memory o = orders();
            o.request.workerpool = address(group);
            expectRefusal(signAll(o), "iExecV5-matchOrders-0x12");
        }
    }

    function expectRefusal(Orders memory o, string memory words) private {
        (bool success, bytes memory answer) =
            callWith(requester, abi.encodeCall(hub.matchOrders, (o.app, o.dataset, o.pool, o.request)));
        assertFalse(success);
        assertEq(answer, abi.encodeWithSignature("Error(string)", words));
    }
}
