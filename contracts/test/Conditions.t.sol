// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Group} from "../src/Group.sol";
import {IConditions} from "../src/interfaces/IConditions.sol";
import {ILane, SkipReason, Batch, Ballot} from "../src/interfaces/ILane.sol";
import {IOrders} from "../src/interfaces/IOrders.sol";
import {ITasks} from "../src/interfaces/ITasks.sol";
import {ContributionStatus, DatasetOrder, Task, TaskStatus} from "../src/interfaces/Types.sol";
import {LaneMarket} from "./support/LaneMarket.sol";
import {Orders} from "./support/Market.sol";
import {Receiver} from "./support/Parties.sol";

/// Marked orders: what their salts ask for, at the match and during the tasks.
contract ConditionsTest is LaneMarket {
    uint256 internal constant SPONSOR_ONLY = 1;
    uint256 internal constant BOUND = 2;
    uint256 internal constant STRICT = 4;
    uint256 internal constant WORKERS = 8;
    uint256 internal constant ENCLAVES = 16;
    /// @dev Half a word: bytes that a mark without guard may fill as it likes.
    address internal constant NOISE = address(uint160(uint256(keccak256("noise"))));

    Group internal guard;

    function setUp() public override {
        super.setUp();
        guard = new Group(address(this));
        bondAll(1000 * RLC);
    }

    /// @dev Orders of which the request asks for conditions that the pool offers.
    function asking(uint256 conditions, uint256 trust, address tail) internal view returns (Orders memory o) {
        o = orders();
        o.request.trust = trust;
        o.pool.salt = mark(conditions & ~SPONSOR_ONLY, 0, 0, tail);
        o.request.salt = mark(conditions, 0, 0, tail);
    }

    function openUnder(uint256 conditions, uint256 trust, address tail) internal returns (bytes32 taskid) {
        return hub.initialize(makeDeal(asking(conditions, trust, tail)), 0);
    }

    function refuseMatch(Orders memory o, bytes memory reason) internal {
        o = signAll(o);
        vm.expectRevert(reason);
        matchSigned(o);
    }

    // Expiry and epochs.

    function test_a_marked_order_matches_until_it_expires() public {
        bytes32 salt = mark(0, START + 100, 0, NOISE);
        for (uint256 i = 0; i < 4; ++i) {
            Orders memory o = orders();
            address signer = [appOwner, datasetOwner, poolOwner, requester][i];
            if (i == 0) o.app.salt = salt;
            if (i == 1) o.dataset.salt = salt;
            if (i == 2) o.pool.salt = salt;
            if (i == 3) o.request.salt = salt;
            o.request.volume = 1 + i;
            vm.warp(START + 100);
            refuseMatch(o, abi.encodeWithSelector(IConditions.OrderExpired.selector, signer, START + 100));
            vm.warp(START + 99);
            makeDeal(o);
        }
    }

    function test_raising_an_epoch_cancels_all_marked_orders_before() public {
        Orders memory o = orders();
        o.app.salt = mark(0, 0, 0, NOISE);
        makeDeal(o);
        vm.prank(appOwner);
        vm.expectEmit(address(hub));
        emit IConditions.EpochRaised(appOwner, 1);
        assertEq(hub.raiseEpoch(), 1);
        assertEq(hub.viewEpoch(appOwner), 1);
        o.request.volume = 2;
        refuseMatch(o, abi.encodeWithSelector(IConditions.OrderOfOtherEpoch.selector, appOwner, 0, 1));
        o.app.salt = mark(0, 0, 2, NOISE);
        refuseMatch(o, abi.encodeWithSelector(IConditions.OrderOfOtherEpoch.selector, appOwner, 2, 1));
        o.app.salt = mark(0, 0, 1, NOISE);
        makeDeal(o);
        // Plain orders have no epoch.
        o.app.salt = "plain";
        o.request.volume = 3;
        makeDeal(o);
    }

    function test_epochs_end_where_a_mark_has_no_more_bits() public {
        vm.store(
            address(hub), keccak256(abi.encode(appOwner, EPOCHS_SLOT)), bytes32(uint256(type(uint16).max))
        );
        assertEq(hub.viewEpoch(appOwner), type(uint16).max, "the slot of epochs has moved");
        vm.prank(appOwner);
        vm.expectRevert(abi.encodeWithSelector(IConditions.EpochsSpent.selector, appOwner));
        hub.raiseEpoch();
    }

    /// @dev Where `_epochs` lies in the storage of the hub.
    uint256 internal constant EPOCHS_SLOT = 26;

    function test_a_cancelled_dataset_order_is_compatible_with_no_deal() public {
        Orders memory o = orders();
        DatasetOrder memory order = o.dataset;
        order.salt = mark(0, START + 100, 0, NOISE);
        order.sign = sign(datasetKey, typed(hub.eip712domain_separator(), hashOf(order)));
        delete o.dataset;
        o.request.dataset = address(0);
        bytes32 dealid = makeDeal(o);
        hub.assertDatasetDealCompatibility(order, dealid);
        vm.warp(START + 100);
        vm.expectRevert(abi.encodeWithSelector(IConditions.OrderExpired.selector, datasetOwner, START + 100));
        hub.assertDatasetDealCompatibility(order, dealid);
        vm.warp(START);
        vm.prank(datasetOwner);
        hub.raiseEpoch();
        vm.expectRevert(abi.encodeWithSelector(IConditions.OrderOfOtherEpoch.selector, datasetOwner, 0, 1));
        hub.assertDatasetDealCompatibility(order, dealid);
    }

    function testFuzz_a_salt_without_the_prefix_says_nothing(bytes32 salt) public {
        vm.assume(uint256(salt) >> 224 != 0x706f636f);
        Orders memory o = orders();
        (o.app.salt, o.dataset.salt, o.pool.salt, o.request.salt) = (salt, salt, salt, salt);
        bytes32 dealid = makeDeal(o);
        (uint256 conditions, address found) = hub.viewDealConditions(dealid);
        assertEq(conditions, 0);
        assertEq(found, address(0));
    }

    // What orders may ask for.

    function test_unknown_conditions_are_refused() public {
        Orders memory o = orders();
        o.app.salt = mark(SPONSOR_ONLY, 0, 0, NOISE);
        refuseMatch(o, abi.encodeWithSelector(IConditions.ConditionsUnknown.selector, appOwner, 1));
        o = orders();
        o.dataset.salt = mark(BOUND, 0, 0, NOISE);
        refuseMatch(o, abi.encodeWithSelector(IConditions.ConditionsUnknown.selector, datasetOwner, 2));
        o = orders();
        o.pool.salt = mark(32, 0, 0, NOISE);
        refuseMatch(o, abi.encodeWithSelector(IConditions.ConditionsUnknown.selector, poolOwner, 32));
        o = orders();
        o.request.salt = mark(128, 0, 0, NOISE);
        refuseMatch(o, abi.encodeWithSelector(IConditions.ConditionsUnknown.selector, requester, 128));
    }

    function test_a_pool_must_offer_what_is_asked_for() public {
        Orders memory o = orders();
        o.request.salt = mark(BOUND | STRICT, 0, 0, NOISE);
        refuseMatch(o, abi.encodeWithSelector(IConditions.ConditionsNotOffered.selector, BOUND | STRICT, 0));
        o.pool.salt = mark(STRICT, 0, 0, NOISE);
        refuseMatch(
            o, abi.encodeWithSelector(IConditions.ConditionsNotOffered.selector, BOUND | STRICT, STRICT)
        );
        // The app asks for one, the request for the other; what the pool offers besides has no effect.
        o.app.salt = mark(BOUND, 0, 0, NOISE);
        o.request.salt = mark(STRICT, 0, 0, NOISE);
        o.pool.salt = mark(BOUND | STRICT | WORKERS, 0, 0, address(guard));
        o = signAll(o);
        vm.expectEmit(false, false, false, true, address(hub));
        emit IConditions.DealConditions(0, BOUND | STRICT, address(0));
        bytes32 dealid = matchSigned(o);
        (uint256 conditions, address found) = hub.viewDealConditions(dealid);
        assertEq(conditions, BOUND | STRICT);
        assertEq(found, address(0));
    }

    function test_whoever_asks_for_a_guard_names_that_of_the_pool() public {
        Orders memory o = asking(WORKERS, 1, address(guard));
        o.pool.salt = mark(WORKERS, 0, 0, NOISE);
        bytes memory reason = abi.encodeWithSelector(IConditions.GuardsDiffer.selector, guard, NOISE);
        refuseMatch(o, reason);
        o.request.salt = 0;
        o.app.salt = mark(WORKERS, 0, 0, address(guard));
        refuseMatch(o, reason);
        o.pool.salt = mark(WORKERS, 0, 0, address(guard));
        (uint256 conditions, address found) = hub.viewDealConditions(makeDeal(o));
        assertEq(conditions, WORKERS);
        assertEq(found, address(guard));
    }

    function test_conditions_lie_behind_all_that_is_optional() public {
        Orders memory o = asking(WORKERS | BOUND, 1, address(guard));
        o.request.beneficiary = makeAddr("beneficiary");
        o.request.callback = address(new Receiver());
        o.request.params = "params";
        o = signAll(o);
        vm.startPrank(poolOwner);
        bytes32 dealid = hub.sponsorMatchOrders(o.app, o.dataset, o.pool, o.request);
        vm.stopPrank();
        (uint256 conditions, address found) = hub.viewDealConditions(dealid);
        assertEq(conditions, WORKERS | BOUND);
        assertEq(found, address(guard));
        assertEq(hub.viewDeal(dealid).params, "params");
        assertEq(hub.viewDeal(dealid).sponsor, poolOwner);
        assertEq(hub.viewDeal(dealid).callback, o.request.callback);
    }

    function test_a_request_for_a_sponsor_is_never_paid_by_the_requester() public {
        Orders memory o = signAll(asking(SPONSOR_ONLY, 1, NOISE));
        bytes memory reason = abi.encodeWithSelector(IConditions.SponsorMissing.selector, requester);
        vm.expectRevert(reason);
        matchSigned(o);
        vm.expectRevert(reason);
        vm.prank(requester);
        hub.sponsorMatchOrders(o.app, o.dataset, o.pool, o.request);
        vm.expectRevert(reason);
        hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
        vm.prank(poolOwner);
        bytes32 dealid = hub.sponsorMatchOrders(o.app, o.dataset, o.pool, o.request);
        assertEq(hub.viewDeal(dealid).sponsor, poolOwner);
        assertEq(frozen(requester), 0);
    }

    function test_the_boost_lane_keeps_no_conditions_but_heeds_expiry() public {
        Orders memory o = signAll(asking(STRICT, 1, NOISE));
        vm.expectRevert(abi.encodeWithSelector(IConditions.ConditionsWithoutLane.selector, STRICT));
        hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
        o = orders();
        o.request.salt = mark(0, START, 0, NOISE);
        o = signAll(o);
        vm.expectRevert(abi.encodeWithSelector(IConditions.OrderExpired.selector, requester, START));
        hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
    }

    // Bound results.

    function test_bound_results_are_those_that_were_voted_for() public {
        bytes32 digest = keccak256(RESULTS);
        bytes32 taskid = openUnder(BOUND, 2, NOISE);
        contribute(workers[0], taskid, digest);
        reveal(workers[0], taskid, digest);
        vm.startPrank(poolOwner);
        bytes memory reason = abi.encodeWithSelector(IConditions.ResultsUnlikeDigest.selector, taskid, digest);
        vm.expectRevert(reason);
        hub.finalize(taskid, "other results", "");
        vm.expectRevert(reason);
        hub.finalize(taskid, "", "");
        // Callback bytes may be recorded in the place of results, not beside them.
        vm.expectRevert(reason);
        hub.finalize(taskid, RESULTS, RESULTS);
        vm.expectEmit(address(hub));
        emit IConditions.ResultsBound(taskid, digest);
        hub.finalize(taskid, RESULTS, "");
        vm.stopPrank();
        assertEq(hub.viewTask(taskid).results, RESULTS);
    }

    function test_a_bound_callback_stands_alone() public {
        Orders memory o = asking(BOUND, 1, NOISE);
        Receiver receiver = new Receiver();
        o.request.callback = address(receiver);
        bytes32 taskid = hub.initialize(makeDeal(o), 0);
        bytes32 digest = keccak256("answer");
        contribute(workers[0], taskid, digest);
        reveal(workers[0], taskid, digest);
        vm.startPrank(poolOwner);
        vm.expectRevert(abi.encodeWithSelector(IConditions.ResultsUnlikeDigest.selector, taskid, digest));
        hub.finalize(taskid, "anywhere", "answer");
        hub.finalize(taskid, "", "answer");
        vm.stopPrank();
        assertEq(receiver.received(), "answer");
    }

    function test_bound_results_of_the_fast_lane() public {
        bytes32 taskid = openUnder(BOUND, 1, NOISE);
        bytes32 digest = keccak256(RESULTS);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.startPrank(workers[0]);
        vm.expectRevert(abi.encodeWithSelector(IConditions.ResultsUnlikeDigest.selector, taskid, digest));
        hub.contributeAndFinalize(taskid, digest, "other", "", address(0), "", auth);
        hub.contributeAndFinalize(taskid, digest, RESULTS, "", address(0), "", auth);
        vm.stopPrank();
    }

    function test_anyone_finalizes_bound_results_when_the_time_for_reveals_is_over() public {
        bytes32 digest = keccak256(RESULTS);
        bytes32 plain = openTask(2);
        bytes32 bound = openUnder(BOUND, 2, NOISE);
        contribute(workers[0], plain, digest);
        reveal(workers[0], plain, digest);
        contribute(workers[0], bound, digest);
        reveal(workers[0], bound, digest);
        bytes memory reason =
            abi.encodeWithSelector(ITasks.NotThePoolOwner.selector, address(this), poolOwner);
        vm.warp(START + 2 * T - 1);
        vm.expectRevert(reason);
        hub.finalize(bound, RESULTS, "");
        vm.warp(START + 2 * T);
        vm.expectRevert(reason);
        hub.finalize(plain, RESULTS, "");
        hub.finalize(bound, RESULTS, "");
        assertEq(uint8(hub.viewTask(bound).status), uint8(TaskStatus.COMPLETED));
        assertEq(free(poolOwner), FUNDS - 6 * RLC + 200_000_000);
    }

    function test_the_settlement_lane_binds_results_too() public {
        bytes32 digest = keccak256(RESULTS);
        bytes32 dealid = makeDeal(asking(BOUND, 2, NOISE));
        commitAs(dealid, 0, 1, all(2, digest));
        Batch[] memory batches = batchOf(dealid, 0, 1, START, all(2, digest), digest);
        batches[0].outcomes[0].results = "other";
        vm.expectEmit(address(hub));
        emit ILane.TaskSkipped(idOf(dealid, 0), SkipReason.CALLBACK);
        settleAs(poolOwner, batches);
        // Bound results may be told by anyone, when the pool had its time.
        batches[0].outcomes[0].results = RESULTS;
        vm.warp(START + 2 * T);
        vm.expectEmit(address(hub));
        emit IConditions.ResultsBound(idOf(dealid, 0), digest);
        settleAs(requester, batches);
        assertEq(hub.viewTask(idOf(dealid, 0)).results, RESULTS);
    }

    // Strict reveals.

    function test_who_withholds_a_reveal_pays_though_the_task_is_claimed() public {
        bytes32 plain = openTask(4);
        bytes32 strict = openUnder(STRICT, 4, NOISE);
        for (uint256 i = 0; i < 2; ++i) {
            setScore(workers[i], 9);
            contribute(workers[i], plain, GOOD);
            contribute(workers[i], strict, GOOD);
        }
        reveal(workers[0], strict, GOOD);
        vm.warp(START + 10 * T);
        hub.claim(plain);
        assertEq(free(workers[1]) + 1000 * RLC, FUNDS - 6 * RLC);
        hub.claim(strict);
        assertEq(free(workers[0]) + 1000 * RLC, FUNDS);
        assertEq(hub.viewScore(workers[0]), 9);
        assertEq(free(workers[1]) + 1000 * RLC, FUNDS - 6 * RLC);
        assertEq(hub.viewScore(workers[1]), 6);
        // Two pool stakes, and the worker's.
        assertEq(frozen(KITTY), 18 * RLC);
        assertConserved();
    }

    /// Who voted otherwise had nothing to reveal.
    function test_a_dissenter_withholds_nothing() public {
        setScore(workers[1], 30);
        bytes32 taskid = openUnder(STRICT, 3, NOISE);
        contribute(workers[0], taskid, BAD);
        contribute(workers[1], taskid, GOOD);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.REVEALING));
        vm.warp(START + 10 * T);
        hub.claim(taskid);
        assertEq(free(workers[0]) + 1000 * RLC, FUNDS);
        assertEq(free(workers[1]) + 1000 * RLC, FUNDS - 6 * RLC);
        assertEq(hub.viewScore(workers[1]), 20);
        assertConserved();
    }

    function test_a_strict_task_that_was_reopened_has_time_for_new_votes() public {
        bytes32 plain = openTask(2);
        bytes32 strict = openUnder(STRICT, 2, NOISE);
        vm.warp(START + 7 * T - 1);
        contribute(workers[0], plain, GOOD);
        contribute(workers[0], strict, GOOD);
        assertEq(hub.viewTask(strict).contributionDeadline, START + 7 * T);
        // Who votes anew has a whole clock for it, however late the consensus was.
        assertEq(hub.viewTask(plain).revealDeadline, START + 9 * T - 1);
        assertEq(hub.viewTask(strict).revealDeadline, START + 8 * T);
        vm.warp(START + 8 * T);
        vm.prank(poolOwner);
        hub.reopen(strict);
        vm.warp(START + 9 * T - 1);
        vm.prank(poolOwner);
        hub.reopen(plain);
        assertEq(hub.viewTask(plain).contributionDeadline, START + 7 * T);
        assertEq(hub.viewTask(strict).contributionDeadline, START + 9 * T);
        bytes memory auth = authorization(workers[1], plain, address(0));
        vm.expectRevert(abi.encodeWithSelector(ITasks.TooLate.selector, START + 7 * T, START + 9 * T - 1));
        vm.prank(workers[1]);
        hub.contribute(plain, "hash", "seal", address(0), "", auth);

        contribute(workers[1], strict, GOOD);
        // The time for reveals ends with the task.
        assertEq(hub.viewTask(strict).revealDeadline, START + 10 * T);
        reveal(workers[1], strict, GOOD);
        finalize(strict, RESULTS, "");
        assertEq(uint8(hub.viewContribution(strict, workers[0]).status), uint8(ContributionStatus.REJECTED));
        assertEq(uint8(hub.viewTask(strict).status), uint8(TaskStatus.COMPLETED));
    }

    function test_who_made_a_strict_task_reopen_pays_at_the_claim() public {
        bytes32 taskid = openUnder(STRICT, 2, NOISE);
        contribute(workers[0], taskid, GOOD);
        vm.warp(START + 2 * T);
        vm.prank(poolOwner);
        hub.reopen(taskid);
        uint256 reopened = vm.snapshotState();
        contribute(workers[1], taskid, GOOD);
        reveal(workers[1], taskid, GOOD);
        vm.warp(START + 10 * T);
        hub.claim(taskid);
        assertEq(free(workers[0]) + 1000 * RLC, FUNDS - 6 * RLC);
        assertEq(free(workers[1]) + 1000 * RLC, FUNDS);
        assertConserved();
        vm.revertToState(reopened); // And where nobody votes again.
        vm.warp(START + 10 * T);
        hub.claim(taskid);
        assertEq(free(workers[0]) + 1000 * RLC, FUNDS - 6 * RLC);
        assertConserved();
    }

    // Guards.

    function test_only_workers_of_the_guard_vote() public {
        address[] memory members = new address[](1);
        members[0] = workers[0];
        guard.addKeys(members, 4);
        bytes32 taskid = openUnder(WORKERS, 2, address(guard));
        bytes memory auth = authorization(workers[1], taskid, address(0));
        bytes memory reason = abi.encodeWithSelector(IConditions.WorkerNotKnown.selector, workers[1], guard);
        vm.prank(workers[1]);
        vm.expectRevert(reason);
        hub.contribute(taskid, "hash", "seal", address(0), "", auth);
        contribute(workers[0], taskid, GOOD);

        Orders memory o = asking(WORKERS, 1, address(guard));
        o.request.volume = 2;
        bytes32 dealid = makeDeal(o);
        taskid = hub.initialize(dealid, 0);
        auth = authorization(workers[1], taskid, address(0));
        vm.prank(workers[1]);
        vm.expectRevert(reason);
        hub.contributeAndFinalize(taskid, GOOD, "", "", address(0), "", auth);

        Ballot[] memory ballots = ballotsOf(dealid, 0, 2, all(2, GOOD));
        vm.prank(poolOwner);
        vm.expectRevert(reason);
        hub.commit(dealid, 0, 2, ballots);
        commitAs(dealid, 0, 2, all(1, GOOD));
    }

    function test_only_enclaves_of_the_guard_count() public {
        (address enclave, uint256 enclaveKey) = makeAddrAndKey("enclave");
        bytes32 taskid = openUnder(ENCLAVES, 2, address(guard));
        bytes32 hash = resultHash(taskid, GOOD);
        bytes32 seal = resultSeal(workers[0], taskid, GOOD);
        bytes memory auth = authorization(workers[0], taskid, enclave);
        bytes memory proof = sign(enclaveKey, ethSigned(keccak256(abi.encodePacked(hash, seal))));
        vm.startPrank(workers[0]);
        vm.expectRevert(abi.encodeWithSelector(IConditions.EnclaveNotKnown.selector, enclave, guard));
        hub.contribute(taskid, hash, seal, enclave, proof, auth);
        vm.stopPrank();
        address[] memory keys = new address[](1);
        keys[0] = enclave;
        guard.addKeys(keys, 5);
        vm.prank(workers[0]);
        hub.contribute(taskid, hash, seal, enclave, proof, auth);
        // Without an enclave, where the tag asks for none, there is nothing to vouch for.
        taskid = openUnder(ENCLAVES | STRICT, 2, address(guard));
        contribute(workers[0], taskid, GOOD);
    }

    function test_a_guard_that_is_no_group_knows_nobody() public {
        bytes32 taskid = openUnder(WORKERS, 2, NOISE);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.prank(workers[0]);
        vm.expectRevert(abi.encodeWithSelector(IConditions.WorkerNotKnown.selector, workers[0], NOISE));
        hub.contribute(taskid, "hash", "seal", address(0), "", auth);
    }

    function test_a_group_is_its_owners() public {
        address[] memory keys = new address[](1);
        keys[0] = workers[0];
        bytes32 key = bytes32(uint256(uint160(workers[0])));
        vm.prank(requester);
        vm.expectRevert(abi.encodeWithSelector(Group.NotTheOwner.selector, requester, address(this)));
        guard.addKeys(keys, 4);
        vm.expectEmit(address(guard));
        emit Group.KeyAdded(key, 4);
        guard.addKeys(keys, 4);
        assertTrue(guard.keyHasPurpose(key, 4));
        assertFalse(guard.keyHasPurpose(key, 5));
        vm.expectEmit(address(guard));
        emit Group.KeyRemoved(key, 4);
        guard.removeKeys(keys, 4);
        assertFalse(guard.keyHasPurpose(key, 4));
        vm.expectRevert(Group.OwnerMissing.selector);
        guard.transferOwnership(address(0));
        guard.transferOwnership(requester);
        vm.expectRevert(abi.encodeWithSelector(Group.NotTheOwner.selector, address(this), requester));
        guard.removeKeys(keys, 4);
    }
}
