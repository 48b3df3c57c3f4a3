// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {ITasks} from "../src/interfaces/ITasks.sol";
import {Contribution, ContributionStatus, Task, TaskStatus} from "../src/interfaces/Types.sol";
import {IPool, Market, Orders} from "./support/Market.sol";

/// The ends of a task: reopen, finalize, claim, and what they pay.
contract SettlementTest is Market {
    bytes32 internal constant GOOD = keccak256("good");
    bytes32 internal constant BAD = keccak256("bad");
    bytes internal constant RESULTS = '{"storage":"ipfs","location":"/ipfs/Qm"}';

    function test_the_example_of_the_protocol_pays_to_the_digit() public {
        vm.prank(poolOwner);
        IPool(pool).changePolicy(35, 5);
        setScore(workers[1], 100);
        setScore(workers[2], 300);
        bytes32 taskid = openTask(100);
        contribute(workers[0], taskid, BAD);
        contribute(workers[1], taskid, GOOD);
        contribute(workers[2], taskid, GOOD);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.REVEALING));
        assertEq(hub.viewContribution(taskid, workers[1]).weight, 5);
        assertEq(hub.viewContribution(taskid, workers[2]).weight, 6);
        assertEq(frozen(workers[0]), 7 * RLC);
        reveal(workers[1], taskid, GOOD);
        reveal(workers[2], taskid, GOOD);
        finalize(taskid, RESULTS, "");

        assertEq(free(workers[0]), FUNDS - 7 * RLC);
        assertEq(free(workers[1]), FUNDS + 11_659_090_909);
        assertEq(free(workers[2]), FUNDS + 13_990_909_090);
        assertEq(free(poolOwner), FUNDS + 1_350_000_001);
        assertEq(free(appOwner), 3 * RLC);
        assertEq(free(datasetOwner), 2 * RLC);
        assertEq(free(requester), FUNDS - 25 * RLC);
        assertEq(hub.viewScore(workers[0]), 0);
        assertEq(hub.viewScore(workers[1]), 101);
        assertEq(hub.viewScore(workers[2]), 301);
        assertEq(hub.balanceOf(address(hub)), 0, "something stayed frozen");
        assertConserved();
        Task memory task = hub.viewTask(taskid);
        assertEq(uint8(task.status), uint8(TaskStatus.COMPLETED));
        assertEq(task.results, RESULTS);
        assertEq(task.resultsCallback, "");
        assertEq(task.resultsTimestamp, 0);
        assertEq(hub.resultFor(taskid), "");
    }

    function test_finalize_emits_in_the_order_indexers_know() public {
        bytes32 taskid = openTask(5);
        contribute(workers[0], taskid, BAD);
        for (uint256 i = 1; i < 5; ++i) {
            contribute(workers[i], taskid, GOOD);
        }
        for (uint256 i = 1; i < 5; ++i) {
            reveal(workers[i], taskid, GOOD);
        }
        expectPayment(requester, appOwner, 25 * RLC, 3 * RLC, taskid);
        expectReward(datasetOwner, 2 * RLC, taskid);
        expectUnlock(poolOwner, 6 * RLC);
        emitSeize(workers[0], 6 * RLC, taskid);
        vm.expectEmit(address(hub));
        emit ITasks.FaultyContribution(workers[0], taskid);
        // 26 RLC, 99 % of it, a quarter each.
        for (uint256 i = 1; i < 5; ++i) {
            expectUnlock(workers[i], 6 * RLC);
            expectReward(workers[i], 6_435_000_000, taskid);
            vm.expectEmit(address(hub));
            emit ITasks.AccurateContribution(workers[i], taskid);
        }
        expectReward(poolOwner, 260_000_000, taskid);
        vm.expectEmit(address(hub));
        emit ITasks.TaskFinalize(taskid, RESULTS);
        finalize(taskid, RESULTS, "");
    }

    function test_a_worker_alone_gains_no_score() public {
        bytes32 taskid = openTask(1);
        contribute(workers[0], taskid, GOOD);
        reveal(workers[0], taskid, GOOD);
        finalize(taskid, "", "");
        assertEq(hub.viewScore(workers[0]), 0);
        assertEq(free(workers[0]), FUNDS + 19_800_000_000);
        assertEq(hub.viewTask(taskid).results, "");
    }

    /// Else the pool owner would say what the result is, and take the stakes of all who voted.
    function test_a_task_that_nobody_revealed_cannot_be_finalized() public {
        bytes32 taskid = openTask(3);
        contribute(workers[0], taskid, GOOD);
        contribute(workers[1], taskid, GOOD);
        vm.warp(hub.viewTask(taskid).revealDeadline);
        vm.expectRevert(abi.encodeWithSelector(ITasks.RevealsPending.selector, 0, 2));
        finalize(taskid, RESULTS, "");
    }

    function test_a_weight_beyond_eight_bits_counts_whole() public {
        setScore(workers[0], 3 * 257);
        bytes32 taskid = openTask(2);
        contribute(workers[0], taskid, GOOD);
        assertEq(hub.viewContribution(taskid, workers[0]).weight, 8, "the logarithm of 256");
    }

    function test_a_winner_that_does_not_reveal_is_slashed() public {
        setScore(workers[1], 10);
        bytes32 taskid = openTask(3);
        contribute(workers[0], taskid, GOOD);
        contribute(workers[1], taskid, GOOD);
        reveal(workers[0], taskid, GOOD);
        vm.expectRevert(abi.encodeWithSelector(ITasks.RevealsPending.selector, 1, 2));
        finalize(taskid, RESULTS, "");
        vm.warp(START + 2 * T);
        finalize(taskid, RESULTS, "");
        // 20 + 6 seized, 99 % to the one who revealed.
        assertEq(free(workers[0]), FUNDS + 25_740_000_000);
        assertEq(free(workers[1]), FUNDS - 6 * RLC);
        assertEq(hub.viewScore(workers[0]), 1);
        assertEq(hub.viewScore(workers[1]), 6);
        assertConserved();
    }

    function test_only_the_frozen_pool_owner_finalizes_and_reopens() public {
        bytes32 taskid = openTask(1);
        contribute(workers[0], taskid, GOOD);
        reveal(workers[0], taskid, GOOD);
        address heir = makeAddr("heir");
        vm.prank(poolOwner);
        pools.transferFrom(poolOwner, heir, uint160(pool));
        vm.expectRevert(abi.encodeWithSelector(ITasks.NotThePoolOwner.selector, heir, poolOwner));
        vm.prank(heir);
        hub.finalize(taskid, RESULTS, "");
        vm.expectRevert(abi.encodeWithSelector(ITasks.NotThePoolOwner.selector, heir, poolOwner));
        vm.prank(heir);
        hub.reopen(taskid);
        finalize(taskid, RESULTS, "");
    }

    function test_a_task_cannot_be_finalized_after_ten_T_or_twice() public {
        bytes32 late = openTask(1);
        bytes32 twice = openTask(1);
        contribute(workers[0], twice, GOOD);
        reveal(workers[0], twice, GOOD);
        finalize(twice, RESULTS, "");
        vm.expectRevert(abi.encodeWithSelector(ITasks.WrongTaskStatus.selector, twice, TaskStatus.COMPLETED));
        finalize(twice, RESULTS, "");
        contribute(workers[0], late, GOOD);
        reveal(workers[0], late, GOOD);
        vm.warp(START + 10 * T);
        vm.expectRevert(abi.encodeWithSelector(ITasks.TooLate.selector, START + 10 * T, START + 10 * T));
        finalize(late, RESULTS, "");
    }

    function test_reopen_rejects_the_silent_winners_and_starts_their_group_anew() public {
        bytes32 taskid = openTask(3);
        contribute(workers[0], taskid, GOOD);
        contribute(workers[1], taskid, GOOD);
        vm.warp(START + 2 * T - 1);
        vm.expectRevert(abi.encodeWithSelector(ITasks.TooEarly.selector, START + 2 * T, START + 2 * T - 1));
        vm.prank(poolOwner);
        hub.reopen(taskid);
        vm.warp(START + 2 * T);
        vm.expectEmit(address(hub));
        emit ITasks.TaskReopen(taskid);
        vm.prank(poolOwner);
        hub.reopen(taskid);

        Task memory task = hub.viewTask(taskid);
        assertEq(uint8(task.status), uint8(TaskStatus.ACTIVE));
        assertEq(task.consensusValue, 0);
        assertEq(task.revealDeadline, 0);
        assertEq(task.winnerCounter, 0);
        assertEq(task.contributors.length, 2);
        Contribution memory c = hub.viewContribution(taskid, workers[0]);
        assertEq(uint8(c.status), uint8(ContributionStatus.REJECTED));
        assertEq(frozen(workers[0]), 6 * RLC, "stake stays locked");

        // The same result again: rejected votes weigh nothing, so two more are needed.
        contribute(workers[2], taskid, GOOD);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.ACTIVE));
        contribute(workers[3], taskid, GOOD);
        assertEq(hub.viewTask(taskid).winnerCounter, 2);
        vm.expectRevert(
            abi.encodeWithSelector(
                ITasks.WrongContributionStatus.selector, workers[0], ContributionStatus.REJECTED
            )
        );
        reveal(workers[0], taskid, GOOD);
        reveal(workers[2], taskid, GOOD);
        reveal(workers[3], taskid, GOOD);
        assertEq(hub.viewContribution(taskid, workers[0]).resultSeal, resultSeal(workers[0], taskid, GOOD));
        finalize(taskid, RESULTS, "");
        assertEq(free(workers[0]), FUNDS - 6 * RLC, "a rejected winner is seized");
        // (20 + 2 * 6) * 99 % / 2
        assertEq(free(workers[2]), FUNDS + 15_840_000_000);
        assertConserved();
    }

    function test_a_task_with_a_reveal_cannot_be_reopened() public {
        bytes32 taskid = openTask(3);
        contribute(workers[0], taskid, GOOD);
        contribute(workers[1], taskid, GOOD);
        reveal(workers[0], taskid, GOOD);
        vm.warp(START + 2 * T);
        vm.expectRevert(abi.encodeWithSelector(ITasks.RevealsExist.selector, 1));
        vm.prank(poolOwner);
        hub.reopen(taskid);
    }

    function test_a_claim_refunds_all_but_the_pool_whose_stake_goes_to_the_kitty() public {
        setScore(workers[0], 9);
        bytes32 taskid = openTask(100);
        contribute(workers[0], taskid, GOOD);
        contribute(workers[1], taskid, BAD);
        vm.warp(START + 10 * T - 1);
        vm.expectRevert(abi.encodeWithSelector(ITasks.TooEarly.selector, START + 10 * T, START + 10 * T - 1));
        hub.claim(taskid);
        vm.warp(START + 10 * T);
        expectUnlock(requester, 25 * RLC);
        emitSeize(poolOwner, 6 * RLC, taskid);
        vm.expectEmit(address(hub));
        emit IEscrow.Reward(KITTY, 6 * RLC, taskid);
        vm.expectEmit(address(hub));
        emit IEscrow.Lock(KITTY, 6 * RLC);
        expectUnlock(workers[0], 6 * RLC);
        expectUnlock(workers[1], 6 * RLC);
        vm.expectEmit(address(hub));
        emit ITasks.TaskClaimed(taskid);
        hub.claim(taskid);

        assertEq(free(requester), FUNDS);
        assertEq(free(poolOwner), FUNDS - 6 * RLC);
        assertEq(frozen(KITTY), 6 * RLC);
        assertEq(hub.viewScore(workers[0]), 9);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.FAILED));
        assertConserved();
        vm.expectRevert(abi.encodeWithSelector(ITasks.WrongTaskStatus.selector, taskid, TaskStatus.FAILED));
        hub.claim(taskid);
    }

    function test_a_revealing_task_is_claimed_too() public {
        bytes32 taskid = openTask(1);
        contribute(workers[0], taskid, GOOD);
        reveal(workers[0], taskid, GOOD);
        vm.warp(START + 10 * T);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = taskid;
        assertTrue(hub.claimArray(ids));
        assertEq(free(workers[0]), FUNDS);
        assertEq(hub.viewTask(taskid).resultDigest, GOOD);
        assertEq(hub.viewTask(taskid).consensusValue, resultHash(taskid, GOOD));
    }

    function test_a_success_pays_the_pool_a_tenth_of_the_kitty() public {
        fillKitty(15 * RLC);
        uint256 before = free(poolOwner);
        settleOne();
        assertEq(frozen(KITTY), 13_500_000_000);
        // 1 % of the price besides.
        assertEq(free(poolOwner) - before, 1_700_000_000);
        assertConserved();
    }

    function test_a_success_takes_at_most_a_tenth_of_its_price_from_the_kitty() public {
        fillKitty(300 * RLC);
        settleOne();
        assertEq(frozen(KITTY), 298 * RLC, "30 would be the tenth of the kitty, 2 is that of the price");
        assertConserved();
    }

    /// @dev In the reference twelve such deals empty a kitty of 6 RLC.
    function test_free_deals_do_not_give_a_slashed_pool_its_stake_back() public {
        fillKitty(6 * RLC);
        for (uint256 i = 0; i < 12; ++i) {
            bytes32 taskid = openFreeTask(1);
            contribute(workers[0], taskid, GOOD);
            reveal(workers[0], taskid, GOOD);
            finalize(taskid, RESULTS, "");
        }
        assertEq(frozen(KITTY), 6 * RLC);
        assertConserved();
    }

    /// @dev In the reference both workers would have a score of 1.
    function test_only_stake_at_risk_earns_a_score() public {
        bytes32 taskid = openFreeTask(3);
        for (uint256 i = 0; i < 2; ++i) {
            contribute(workers[i], taskid, GOOD);
        }
        for (uint256 i = 0; i < 2; ++i) {
            reveal(workers[i], taskid, GOOD);
        }
        finalize(taskid, RESULTS, "");
        assertEq(hub.viewScore(workers[0]), 0);
        assertEq(hub.viewScore(workers[1]), 0);
    }

    function openFreeTask(uint256 trust) internal returns (bytes32) {
        Orders memory o = orders();
        o.pool.workerpoolprice = 0;
        o.request.trust = trust;
        o.request.salt = bytes32(vm.randomUint());
        return hub.initialize(makeDeal(o), 0);
    }

    function test_the_part_of_the_kitty_is_at_least_one_rlc_and_at_most_what_it_holds() public {
        fillKitty(2_400_000_000);
        uint256[4] memory left = [uint256(1_400_000_000), 400_000_000, 0, 0];
        for (uint256 i = 0; i < left.length; ++i) {
            settleOne();
            assertEq(frozen(KITTY), left[i]);
        }
        assertConserved();
    }

    function test_tasks_never_initialized_are_claimed_in_one_call() public {
        Orders memory o = orders();
        o.request.volume = 3;
        bytes32 dealid = makeDeal(o);
        vm.warp(START + 10 * T);
        (bytes32[] memory deals, uint256[] memory indexes) = batch(dealid, 3);
        assertTrue(hub.initializeAndClaimArray(deals, indexes));
        assertEq(free(requester), FUNDS);
        assertEq(frozen(KITTY), 18 * RLC);
        assertConserved();
        vm.expectRevert(abi.encodeWithSelector(ITasks.ArrayLengthsDiffer.selector, 3, 0));
        hub.initializeAndClaimArray(deals, new uint256[](0));
    }

    function test_many_tasks_are_initialized_in_one_call() public {
        Orders memory o = orders();
        o.request.volume = 3;
        (bytes32[] memory deals, uint256[] memory indexes) = batch(makeDeal(o), 3);
        assertTrue(hub.initializeArray(deals, indexes));
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 taskid = keccak256(abi.encodePacked(deals[i], i));
            assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.ACTIVE));
        }
        vm.expectRevert(abi.encodeWithSelector(ITasks.ArrayLengthsDiffer.selector, 3, 1));
        hub.initializeArray(deals, new uint256[](1));
    }

    function testFuzz_nothing_is_made_or_lost_when_a_task_is_settled(
        uint64 price,
        uint16 stakeRatio,
        uint8 rewardRatio,
        uint8 revealers,
        uint64[5] memory scores
    ) public {
        rewardRatio = uint8(bound(rewardRatio, 0, 100));
        stakeRatio = uint16(bound(stakeRatio, 0, 300));
        vm.prank(poolOwner);
        IPool(pool).changePolicy(stakeRatio, rewardRatio);
        Orders memory o = orders();
        o.pool.workerpoolprice = bound(price, 0, 10_000 * RLC);
        o.request.workerpoolmaxprice = o.pool.workerpoolprice;
        o.request.trust = 4;
        bytes32 taskid = hub.initialize(makeDeal(o), 0);
        uint256 voters = 0;
        for (; voters < 5 && hub.viewTask(taskid).status == TaskStatus.ACTIVE; ++voters) {
            setScore(workers[voters], uint64(bound(scores[voters], 0, 1000)));
            contribute(workers[voters], taskid, voters == 0 ? BAD : GOOD);
        }
        if (hub.viewTask(taskid).status == TaskStatus.REVEALING) {
            uint256 winners = hub.viewTask(taskid).winnerCounter;
            uint256 first = voters - winners;
            for (uint256 i = first; i < first + bound(revealers, 1, winners); ++i) {
                reveal(workers[i], taskid, first == 0 ? BAD : GOOD);
            }
            vm.warp(START + 2 * T);
            finalize(taskid, RESULTS, "");
        } else {
            vm.warp(START + 10 * T);
            hub.claim(taskid);
        }
        assertConserved();
        assertEq(hub.balanceOf(address(hub)), frozen(KITTY));
    }

    /// @dev Claims a task whose pool stake is `amount`.
    function fillKitty(uint256 amount) internal {
        Orders memory o = orders();
        o.pool.workerpoolprice = amount * 100 / 30;
        o.request.workerpoolmaxprice = o.pool.workerpoolprice;
        bytes32 taskid = hub.initialize(makeDeal(o), 0);
        vm.warp(START + 10 * T);
        hub.claim(taskid);
        assertEq(frozen(KITTY), amount);
        vm.warp(START);
    }

    function settleOne() internal {
        bytes32 taskid = openTask(1);
        contribute(workers[0], taskid, GOOD);
        reveal(workers[0], taskid, GOOD);
        finalize(taskid, "", "");
    }

    function batch(bytes32 dealid, uint256 size)
        internal
        pure
        returns (bytes32[] memory deals, uint256[] memory indexes)
    {
        deals = new bytes32[](size);
        indexes = new uint256[](size);
        for (uint256 i = 0; i < size; ++i) {
            (deals[i], indexes[i]) = (dealid, i);
        }
    }

    function expectPayment(address payer, address to, uint256 price, uint256 amount, bytes32 taskid)
        internal
    {
        emitSeize(payer, price, taskid);
        expectReward(to, amount, taskid);
    }

    function emitSeize(address account, uint256 amount, bytes32 taskid) internal {
        vm.expectEmit(address(hub));
        emit IEscrow.Seize(account, amount, taskid);
    }

    function expectUnlock(address account, uint256 amount) internal {
        vm.expectEmit(address(hub));
        emit IEscrow.Transfer(address(hub), account, amount);
        vm.expectEmit(address(hub));
        emit IEscrow.Unlock(account, amount);
    }

    function expectReward(address account, uint256 amount, bytes32 taskid) internal {
        vm.expectEmit(address(hub));
        emit IEscrow.Transfer(address(hub), account, amount);
        vm.expectEmit(address(hub));
        emit IEscrow.Reward(account, amount, taskid);
    }
}
