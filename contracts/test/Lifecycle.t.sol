// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ITasks} from "../src/interfaces/ITasks.sol";
import {Contribution, ContributionStatus, Task, TaskStatus} from "../src/interfaces/Types.sol";
import {Market, Orders} from "./support/Market.sol";

/// The states of a task and the guards between them.
contract LifecycleTest is Market {
    bytes32 internal constant GOOD = keccak256("good");
    bytes32 internal constant BAD = keccak256("bad");

    function test_an_initialized_task_has_the_deadlines_of_its_deal() public {
        bytes32 dealid = makeDeal(orders());
        vm.warp(START + 100);
        bytes32 taskid = keccak256(abi.encodePacked(dealid, uint256(0)));
        vm.expectEmit(address(hub));
        emit ITasks.TaskInitialize(taskid, pool);
        assertEq(hub.initialize(dealid, 0), taskid);

        Task memory task = hub.viewTask(taskid);
        assertEq(uint8(task.status), uint8(TaskStatus.ACTIVE));
        assertEq(task.dealid, dealid);
        assertEq(task.idx, 0);
        assertEq(task.timeref, T);
        assertEq(task.contributionDeadline, START + 7 * T);
        assertEq(task.finalDeadline, START + 10 * T);
        assertEq(task.revealDeadline, 0);
        assertEq(task.consensusValue, 0);
        assertEq(task.contributors.length, 0);
    }

    function test_a_task_is_initialized_once() public {
        bytes32 dealid = makeDeal(orders());
        bytes32 taskid = hub.initialize(dealid, 0);
        vm.expectRevert(abi.encodeWithSelector(ITasks.WrongTaskStatus.selector, taskid, TaskStatus.ACTIVE));
        hub.initialize(dealid, 0);
    }

    function test_an_index_outside_the_deal_is_refused() public {
        Orders memory o = orders();
        o.request.volume = 5;
        o.pool.volume = 3;
        bytes32 first = makeDeal(o);
        vm.expectRevert(abi.encodeWithSelector(ITasks.IndexOutsideDeal.selector, 3, 0, 3));
        hub.initialize(first, 3);

        o.pool.salt = bytes32(uint256(1));
        bytes32 second = makeDeal(o);
        assertEq(hub.viewDeal(second).botFirst, 3);
        vm.expectRevert(abi.encodeWithSelector(ITasks.IndexOutsideDeal.selector, 2, 3, 2));
        hub.initialize(second, 2);
        assertEq(hub.viewTask(hub.initialize(second, 4)).idx, 4);
        vm.expectRevert(abi.encodeWithSelector(ITasks.IndexOutsideDeal.selector, 5, 3, 2));
        hub.initialize(second, 5);
    }

    function test_an_unknown_deal_has_no_tasks() public {
        vm.expectRevert(abi.encodeWithSelector(ITasks.UnknownDeal.selector, GOOD));
        hub.initialize(GOOD, 0);
    }

    function test_an_index_far_into_a_huge_deal_is_kept() public {
        Orders memory o = orders();
        (o.app.appprice, o.dataset.datasetprice, o.pool.workerpoolprice) = (0, 0, 0);
        (o.app.volume, o.dataset.volume) = (type(uint256).max, type(uint256).max);
        (o.pool.volume, o.request.volume) = (type(uint256).max, type(uint256).max);
        bytes32 dealid = makeDeal(o);
        assertEq(hub.viewDeal(dealid).botSize, type(uint256).max);
        uint256[4] memory indexes = [uint256(65_534), 65_535, 65_536, type(uint256).max - 1];
        for (uint256 i = 0; i < indexes.length; ++i) {
            assertEq(hub.viewTask(hub.initialize(dealid, indexes[i])).idx, indexes[i]);
        }
    }

    function test_trust_one_needs_one_contribution() public {
        bytes32 taskid = openTask(1);
        contribute(workers[0], taskid, GOOD);
        Task memory task = hub.viewTask(taskid);
        assertEq(uint8(task.status), uint8(TaskStatus.REVEALING));
        assertEq(task.consensusValue, resultHash(taskid, GOOD));
        assertEq(task.revealDeadline, START + 2 * T);
        assertEq(task.winnerCounter, 1);
    }

    function test_contributions_after_seven_T_are_too_late() public {
        bytes32 taskid = openTask(1);
        uint256 deadline = START + 7 * T;
        vm.warp(deadline);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.expectRevert(abi.encodeWithSelector(ITasks.TooLate.selector, deadline, deadline));
        vm.prank(workers[0]);
        hub.contribute(taskid, GOOD, GOOD, address(0), "", auth);
        vm.warp(deadline - 1);
        contribute(workers[0], taskid, GOOD);
    }

    function test_a_wallet_contributes_once() public {
        bytes32 taskid = openTask(100);
        contribute(workers[0], taskid, GOOD);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.expectRevert(abi.encodeWithSelector(ITasks.AlreadyContributed.selector, taskid, workers[0]));
        vm.prank(workers[0]);
        hub.contribute(taskid, BAD, BAD, address(0), "", auth);
    }

    function test_an_authorization_is_for_one_worker_one_task_and_one_enclave() public {
        bytes32 taskid = openTask(1);
        bytes32 other = openTask(1);
        bytes[4] memory wrong = [
            authorization(workers[1], taskid, address(0)),
            authorization(workers[0], other, address(0)),
            authorization(workers[0], taskid, address(7)),
            sign(requesterKey, ethSigned(keccak256(abi.encodePacked(workers[0], taskid, address(0)))))
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(ITasks.AuthorizationInvalid.selector, workers[0], taskid, address(0))
            );
            vm.prank(workers[0]);
            hub.contribute(taskid, GOOD, GOOD, address(0), "", wrong[i]);
        }
    }

    function test_a_contribution_locks_the_workers_stake() public {
        bytes32 taskid = openTask(100);
        contribute(workers[0], taskid, GOOD);
        assertEq(frozen(workers[0]), 6 * RLC);
        assertEq(free(workers[0]), FUNDS - 6 * RLC);
        address poor = makeAddr("poor");
        bytes memory auth = authorization(poor, taskid, address(0));
        vm.expectRevert("IexecEscrow: Transfer amount exceeds balance");
        vm.prank(poor);
        hub.contribute(taskid, GOOD, GOOD, address(0), "", auth);
    }

    /// The slot of such a seal would be empty, as that of a vote that was proved.
    function test_a_seal_of_all_ones_is_refused() public {
        bytes32 taskid = openTask(1);
        bytes32 ones = bytes32(type(uint256).max);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.expectRevert(abi.encodeWithSelector(ITasks.DigestMismatch.selector, ones));
        vm.prank(workers[0]);
        hub.contribute(taskid, GOOD, ones, address(0), "", auth);
    }

    function test_a_copied_contribution_cannot_be_revealed() public {
        bytes32 taskid = openTask(3);
        contribute(workers[0], taskid, GOOD);
        bytes memory auth = authorization(workers[1], taskid, address(0));
        bytes32 copiedSeal = resultSeal(workers[0], taskid, GOOD);
        vm.prank(workers[1]);
        hub.contribute(taskid, resultHash(taskid, GOOD), copiedSeal, address(0), "", auth);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.REVEALING));

        vm.expectRevert(abi.encodeWithSelector(ITasks.DigestMismatch.selector, GOOD));
        reveal(workers[1], taskid, GOOD);
        reveal(workers[0], taskid, GOOD);
        vm.expectRevert(abi.encodeWithSelector(ITasks.DigestMismatch.selector, GOOD));
        reveal(workers[1], taskid, GOOD);
    }

    function test_only_a_winner_with_the_digest_reveals_and_once() public {
        bytes32 taskid = openTask(5);
        contribute(workers[0], taskid, BAD);
        contribute(workers[1], taskid, GOOD);
        contribute(workers[2], taskid, GOOD);
        vm.expectRevert(abi.encodeWithSelector(ITasks.WrongTaskStatus.selector, taskid, TaskStatus.ACTIVE));
        reveal(workers[1], taskid, GOOD);
        contribute(workers[3], taskid, GOOD);
        assertEq(
            uint8(hub.viewTask(taskid).status), uint8(TaskStatus.ACTIVE), "three fresh votes are too few"
        );
        contribute(workers[4], taskid, GOOD);
        assertEq(hub.viewTask(taskid).winnerCounter, 4);

        vm.expectRevert(abi.encodeWithSelector(ITasks.NotAWinner.selector, workers[0]));
        reveal(workers[0], taskid, BAD);
        vm.expectRevert(abi.encodeWithSelector(ITasks.NoContribution.selector, taskid, workers[6]));
        reveal(workers[6], taskid, GOOD);
        vm.expectRevert(abi.encodeWithSelector(ITasks.DigestMismatch.selector, BAD));
        reveal(workers[1], taskid, BAD);
        reveal(workers[1], taskid, GOOD);
        vm.expectRevert(
            abi.encodeWithSelector(
                ITasks.WrongContributionStatus.selector, workers[1], ContributionStatus.PROVED
            )
        );
        reveal(workers[1], taskid, GOOD);
        assertEq(hub.viewTask(taskid).revealCounter, 1);
    }

    function test_a_reveal_at_the_deadline_is_too_late() public {
        bytes32 taskid = openTask(1);
        contribute(workers[0], taskid, GOOD);
        uint256 deadline = START + 2 * T;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(ITasks.TooLate.selector, deadline, deadline));
        reveal(workers[0], taskid, GOOD);
    }

    function test_views_are_the_same_before_and_after_a_reveal() public {
        bytes32 taskid = openTask(5);
        contribute(workers[0], taskid, BAD);
        for (uint256 i = 1; i < 5; ++i) {
            contribute(workers[i], taskid, GOOD);
        }
        reveal(workers[1], taskid, GOOD);
        assertEq(hub.viewTask(taskid).consensusValue, resultHash(taskid, GOOD));
        assertEq(hub.viewTask(taskid).resultDigest, GOOD);
        for (uint256 i = 0; i < 5; ++i) {
            bytes32 digest = i == 0 ? BAD : GOOD;
            Contribution memory c = hub.viewContribution(taskid, workers[i]);
            ContributionStatus status = i == 1 ? ContributionStatus.PROVED : ContributionStatus.CONTRIBUTED;
            assertEq(uint8(c.status), uint8(status));
            assertEq(c.resultHash, resultHash(taskid, digest));
            assertEq(c.resultSeal, resultSeal(workers[i], taskid, digest));
            assertEq(c.weight, 1);
            assertEq(c.enclaveChallenge, address(0));
        }
    }

    function test_unknown_ids_are_zeroed_structs() public view {
        assertEq(uint8(hub.viewTask(GOOD).status), 0);
        assertEq(hub.viewTask(GOOD).finalDeadline, 0);
        assertEq(hub.viewDeal(GOOD).requester, address(0));
        assertEq(hub.viewDeal(GOOD).startTime, 0);
        assertEq(uint8(hub.viewContribution(GOOD, workers[0]).status), 0);
    }
}
