// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IBoost} from "../src/interfaces/IBoost.sol";
import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {ITasks} from "../src/interfaces/ITasks.sol";
import {DealBoost, TaskStatus} from "../src/interfaces/Types.sol";
import {Market, Orders} from "./support/Market.sol";
import {FailingReceiver, GreedyReceiver, Receiver} from "./support/Parties.sol";
import {Twins} from "./support/Twins.sol";

/// The boost lane where it differs from the reference, and its money.
contract BoostTest is Market {
    bytes internal constant VALUE = abi.encode(uint256(42));

    function matchBoost(Orders memory o) internal returns (bytes32) {
        signAll(o);
        return hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
    }

    function idOf(bytes32 dealid, uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(dealid, index));
    }

    function push(bytes32 dealid, uint256 index, bytes memory callback) internal {
        bytes memory auth = authorization(workers[0], idOf(dealid, index), address(0));
        vm.prank(workers[0]);
        hub.pushResultBoost(dealid, index, "results", callback, auth, address(0), "");
    }

    function test_a_pushed_task_pays_everybody_and_keeps_its_status_alone() public {
        bytes32 dealid = matchBoost(orders());
        vm.expectEmit(address(hub));
        emit IBoost.ResultPushedBoost(dealid, 0, "results");
        push(dealid, 0, "");

        assertEq(free(workers[0]), FUNDS + 19_800_000_000);
        assertEq(free(poolOwner), FUNDS + 200_000_000);
        assertEq(free(appOwner), 3 * RLC);
        assertEq(free(datasetOwner), 2 * RLC);
        assertEq(free(requester), FUNDS - 25 * RLC);
        assertConserved();
        bytes32 taskid = idOf(dealid, 0);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.COMPLETED));
        assertEq(hub.viewTask(taskid).dealid, 0);
        assertEq(hub.viewTask(taskid).contributors.length, 0);
        assertEq(uint8(hub.viewContribution(taskid, workers[0]).status), 0);
        assertEq(hub.resultFor(taskid), "");
    }

    function test_a_sponsor_pays_and_the_requester_does_not() public {
        Orders memory o = signAll(orders());
        bytes32 requestHash = typed(hub.eip712domain_separator(), hashOf(o.request));
        vm.expectEmit(address(hub));
        emit IBoost.DealSponsoredBoost(keccak256(abi.encodePacked(requestHash, uint256(0))), workers[7]);
        vm.prank(workers[7]);
        bytes32 dealid = hub.sponsorMatchOrdersBoost(o.app, o.dataset, o.pool, o.request);
        assertEq(frozen(workers[7]), 25 * RLC);
        vm.expectEmit(address(hub));
        emit IEscrow.Seize(workers[7], 25 * RLC, idOf(dealid, 0));
        push(dealid, 0, "");
        assertEq(frozen(workers[7]), 0);
        assertEq(free(workers[7]), FUNDS - 25 * RLC);
        assertEq(free(requester), FUNDS);
        assertConserved();
    }

    function test_a_claim_refunds_the_payer_and_fills_the_kitty() public {
        bytes32 dealid = matchBoost(orders());
        vm.expectRevert("PocoBoost: Deadline not reached");
        hub.claimBoost(dealid, 0);
        vm.warp(START + 7 * T);
        vm.expectEmit(address(hub));
        emit ITasks.TaskClaimed(idOf(dealid, 0));
        hub.claimBoost(dealid, 0);
        assertEq(free(requester), FUNDS);
        assertEq(frozen(KITTY), 6 * RLC);
        assertEq(free(poolOwner), FUNDS - 6 * RLC);
        assertConserved();
        vm.expectRevert("PocoBoost: Task status not unset");
        hub.claimBoost(dealid, 0);
    }

    function test_a_result_at_the_deadline_is_too_late() public {
        bytes32 dealid = matchBoost(orders());
        bytes memory auth = authorization(workers[0], idOf(dealid, 0), address(0));
        vm.warp(START + 7 * T);
        vm.expectRevert("PocoBoost: Deadline reached");
        vm.prank(workers[0]);
        hub.pushResultBoost(dealid, 0, "results", "", auth, address(0), "");
        vm.warp(START + 7 * T - 1);
        push(dealid, 0, "");
    }

    function test_a_success_takes_from_the_kitty() public {
        Orders memory o = orders();
        o.request.volume = 2;
        bytes32 dealid = matchBoost(o);
        vm.warp(START + 7 * T);
        hub.claimBoost(dealid, 0);
        o = orders();
        o.request.salt = bytes32(uint256(1));
        push(matchBoost(o), 0, "");
        assertEq(frozen(KITTY), 5 * RLC);
        assertEq(free(poolOwner), FUNDS - 12 * RLC + 200_000_000 + RLC);
        assertConserved();
    }

    /// @dev Nobody signed it: its price, tag and restrictions are nobody's.
    function test_a_null_dataset_order_has_no_effect_in_this_lane() public {
        Orders memory o = orders();
        (o.dataset.dataset, o.request.dataset) = (address(0), address(0));
        o.dataset.tag = bytes32(uint256(0x100));
        o.dataset.volume = 0;
        (o.dataset.apprestrict, o.dataset.workerpoolrestrict) = (pool, app);
        o.dataset.requesterrestrict = app;
        bytes32 dealid = matchBoost(o);
        assertEq(frozen(requester), 23 * RLC, "the price of a null order was locked");
        assertEq(hub.viewDealBoost(dealid).datasetPrice, 0);
        assertEq(hub.viewDealBoost(dealid).shortTag, bytes3(0));
        push(dealid, 0, "");
        assertEq(free(requester), FUNDS - 23 * RLC);
        assertEq(frozen(requester), 0);
        assertConserved();
    }

    function test_either_lane_knows_only_its_own_deals() public {
        bytes32 boosted = matchBoost(orders());
        assertEq(hub.viewDeal(boosted).requester, address(0));
        vm.expectRevert(abi.encodeWithSelector(ITasks.UnknownDeal.selector, boosted));
        hub.initialize(boosted, 0);
        Orders memory o = orders();
        o.request.salt = bytes32(uint256(1));
        bytes32 classic = makeDeal(o);
        assertEq(hub.viewDealBoost(classic).requester, address(0));
        vm.expectRevert("PocoBoost: Unknown task");
        hub.claimBoost(classic, 0);
        vm.expectRevert("PocoBoost: Unknown task");
        push(classic, 0, "");
    }

    function test_both_lanes_spend_the_same_orders() public {
        Orders memory o = orders();
        o.request.volume = 3;
        o.app.volume = 2;
        bytes32 first = matchBoost(o);
        assertEq(hub.viewDealBoost(first).botSize, 2);
        o.app.salt = bytes32(uint256(1));
        bytes32 second = makeDeal(o);
        assertEq(hub.viewDeal(second).botFirst, 2);
        assertEq(hub.viewDeal(second).botSize, 1);
        bytes32 requestHash = typed(hub.eip712domain_separator(), hashOf(o.request));
        assertEq(hub.viewConsumed(requestHash), 3);
        o.app.salt = bytes32(uint256(2));
        signAll(o);
        vm.expectRevert("PocoBoost: One or more orders consumed");
        hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
    }

    function test_a_request_spent_by_one_boosted_deal_is_spent() public {
        Orders memory o = signAll(orders());
        matchBoost(o);
        assertEq(hub.viewConsumed(typed(hub.eip712domain_separator(), hashOf(o.request))), 1);
        assertEq(hub.computeDealVolume(o.app, o.dataset, o.pool, o.request), 0);
        vm.expectRevert("PocoBoost: One or more orders consumed");
        hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
        vm.expectRevert("iExecV5-matchOrders-0x60");
        matchSigned(o);
    }

    function test_numbers_too_large_for_the_lane_are_refused_by_name() public {
        Orders memory o = orders();
        o.request.volume = o.app.volume = o.dataset.volume = o.pool.volume = 65_536;
        signAll(o);
        vm.expectRevert(abi.encodeWithSelector(IBoost.SafeCastOverflowedUintDowncast.selector, 16, 65_536));
        hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
        o = orders();
        o.app.appprice = o.request.appmaxprice = 2 ** 96;
        signAll(o);
        vm.expectRevert(abi.encodeWithSelector(IBoost.SafeCastOverflowedUintDowncast.selector, 96, 2 ** 96));
        hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
    }

    function test_the_deal_is_kept_whole() public {
        Orders memory o = orders();
        o.request.callback = workers[6];
        (o.app.tag, o.pool.tag) = (bytes32(uint256(0x010203)), bytes32(uint256(0x010203)));
        signAll(o);
        vm.prank(workers[7]);
        bytes32 dealid = hub.sponsorMatchOrdersBoost(o.app, o.dataset, o.pool, o.request);
        DealBoost memory deal = hub.viewDealBoost(dealid);
        assertEq(deal.appOwner, appOwner);
        assertEq(deal.appPrice, 3 * RLC);
        assertEq(deal.datasetOwner, datasetOwner);
        assertEq(deal.datasetPrice, 2 * RLC);
        assertEq(deal.workerpoolOwner, poolOwner);
        assertEq(deal.workerpoolPrice, 20 * RLC);
        assertEq(deal.requester, requester);
        assertEq(deal.workerReward, 19_800_000_000);
        assertEq(deal.callback, workers[6]);
        assertEq(deal.deadline, START + 7 * T);
        assertEq(deal.botFirst, 0);
        assertEq(deal.botSize, 1);
        assertEq(deal.shortTag, bytes3(0x010203));
        assertEq(deal.sponsor, workers[7]);
    }

    function callbackDeal(address target) internal returns (bytes32) {
        Orders memory o = orders();
        o.request.callback = target;
        o.request.salt = bytes32(vm.randomUint());
        return matchBoost(o);
    }

    function test_callbacks_are_called_ignored_if_they_fail_and_never_starved() public {
        Receiver receiver = new Receiver();
        bytes32 dealid = callbackDeal(address(receiver));
        bytes memory auth = authorization(workers[0], idOf(dealid, 0), address(0));
        vm.expectRevert("PocoBoost: Callback requires data");
        vm.prank(workers[0]);
        hub.pushResultBoost(dealid, 0, "results", "", auth, address(0), "");
        push(dealid, 0, VALUE);
        assertEq(receiver.received(), VALUE);
        assertEq(receiver.taskid(), idOf(dealid, 0));
        push(callbackDeal(address(new FailingReceiver())), 0, VALUE);
        push(callbackDeal(makeAddr("no contract")), 0, VALUE);

        hub.setCallbackGas(20_000_000);
        dealid = callbackDeal(address(new GreedyReceiver()));
        auth = authorization(workers[0], idOf(dealid, 0), address(0));
        bytes memory call =
            abi.encodeCall(hub.pushResultBoost, (dealid, 0, "results", VALUE, auth, address(0), ""));
        vm.prank(workers[0]);
        (bool success, bytes memory answer) = address(hub).call{gas: 10_000_000}(call);
        assertFalse(success, "the callback got less gas than promised");
        assertEq(answer, abi.encodeWithSignature("Error(string)", "PocoBoost: Not enough gas after callback"));
        vm.prank(workers[0]);
        (success,) = address(hub).call{gas: 25_000_000}(call);
        assertTrue(success);
    }
}

/// The boost lane on the reference's bytecode and on ours: every refusal, log and view.
contract BoostDifferentialTest is Twins {
    uint256 internal constant FAULTS = 32;
    uint256 internal constant PUSHED = 1;
    uint256 internal constant CLAIMED = 2;
    uint256 internal constant SPONSORED = 4;
    uint256 internal constant NO_DATASET = 8;
    uint256 internal constant CALLED_BACK = 16;
    uint256 internal constant ENCLAVE = 32;
    uint256 internal constant REFUSED = 64;
    uint256 internal constant ALL = 127;

    function play(uint256 seed) internal override {
        vm.recordLogs();
        Orders memory o = orders();
        o.request.volume = 3;
        o.request.trust = seed >> 8 & 1;
        o.pool.trust = 0;
        o.request.params = "plain";
        o.pool.workerpoolprice = (seed >> 32) % (20 * RLC);
        o.app.appprice = seed >> 9 & 1 == 0 ? 0 : RLC;
        if (seed >> 10 & 1 == 1) {
            (o.dataset.dataset, o.dataset.datasetprice, o.request.dataset) = (address(0), 0, address(0));
            reached |= NO_DATASET;
        }
        if (seed >> 11 & 1 == 1) {
            o.request.callback = address(0xCA11);
            reached |= CALLED_BACK;
        }
        if (seed >> 12 & 1 == 1) {
            (o.app.tag, o.pool.tag) = (bytes32(uint256(1)), bytes32(uint256(1)));
            reached |= ENCLAVE;
        }
        uint256 fault = seed % FAULTS;
        spoil(o, fault);
        signAll(o);
        spoilSigned(o, fault);
        bool isSponsored = seed >> 13 & 1 == 1;
        if (isSponsored) reached |= SPONSORED;
        bytes memory call = isSponsored
            ? abi.encodeCall(hub.sponsorMatchOrdersBoost, (o.app, o.dataset, o.pool, o.request))
            : abi.encodeCall(hub.matchOrdersBoost, (o.app, o.dataset, o.pool, o.request));
        bool isMatched = noteCall(workers[6], call);
        if (!isMatched) reached |= REFUSED;
        noteCall(workers[6], call);
        bytes32 requestHash = typed(hub.eip712domain_separator(), hashOf(o.request));
        bytes32 dealid = keccak256(abi.encodePacked(requestHash, uint256(0)));
        noteState(dealid, requestHash);
        // The reference takes the price of a sponsored task from the requester; ours does not.
        if (!isSponsored) pushAll(dealid, seed >> 128);
        vm.warp(START + 7 * T);
        for (uint256 i = 0; i < 4; ++i) {
            if (noteCall(workers[5], abi.encodeCall(hub.claimBoost, (dealid, i)))) reached |= CLAIMED;
        }
        pushOne(dealid, 2, poolKey, workers[0], "late");
        noteState(dealid, requestHash);
        noteLogs();
    }

    function spoil(Orders memory o, uint256 fault) private view {
        address stranger = address(0x57A);
        if (fault == 1) o.request.trust = 2;
        if (fault == 2) o.pool.category = 1;
        if (fault == 3) (o.pool.category, o.request.category) = (5, 5);
        if (fault == 4) o.app.appprice = o.request.appmaxprice + 1;
        if (fault == 5 && o.request.dataset != address(0)) {
            o.dataset.datasetprice = o.request.datasetmaxprice + 1;
        }
        if (fault == 6) o.pool.workerpoolprice = o.request.workerpoolmaxprice + 1;
        if (fault == 7) o.request.tag = bytes32(uint256(0x100));
        if (fault == 8) {
            (o.request.tag, o.pool.tag, o.app.tag) = (bytes32(uint256(1)), bytes32(uint256(1)), 0);
        }
        if (fault == 9) o.request.app = stranger;
        if (fault == 10) o.request.dataset = stranger;
        if (fault == 11) o.request.workerpool = stranger;
        if (fault == 12) o.app.datasetrestrict = stranger;
        if (fault == 13) o.app.workerpoolrestrict = stranger;
        if (fault == 14) o.app.requesterrestrict = stranger;
        if (o.request.dataset != address(0)) {
            if (fault == 15) o.dataset.apprestrict = stranger;
            if (fault == 16) o.dataset.workerpoolrestrict = stranger;
            if (fault == 17) o.dataset.requesterrestrict = stranger;
            if (fault == 22) (o.dataset.dataset, o.request.dataset) = (stranger, stranger);
        }
        if (fault == 18) o.pool.apprestrict = stranger;
        if (fault == 19) o.pool.datasetrestrict = stranger;
        if (fault == 20) o.pool.requesterrestrict = stranger;
        if (fault == 21) (o.app.app, o.request.app) = (stranger, stranger);
        if (fault == 23) (o.pool.workerpool, o.request.workerpool) = (stranger, stranger);
        if (fault == 28) o.app.volume = 0;
        if (fault == 29) {
            (o.app.volume, o.dataset.volume, o.pool.volume, o.request.volume) = (1e9, 1e9, 1e9, 1e9);
        }
        if (fault == 30) (o.app.appprice, o.request.appmaxprice) = (2 ** 96, 2 ** 96);
        if (fault == 31) (o.app.appprice, o.request.appmaxprice) = (FUNDS, FUNDS);
    }

    function spoilSigned(Orders memory o, uint256 fault) private view {
        bytes memory wrong = sign(requesterKey, keccak256("something else"));
        if (fault == 24) o.app.sign = wrong;
        if (fault == 25) o.dataset.sign = wrong;
        if (fault == 26) o.pool.sign = wrong;
        if (fault == 27) o.request.sign = wrong;
    }

    function noteState(bytes32 dealid, bytes32 requestHash) private {
        noteView(abi.encodeCall(hub.viewDealBoost, (dealid)));
        noteView(abi.encodeCall(hub.viewDeal, (dealid)));
        noteView(abi.encodeCall(hub.viewConsumed, (requestHash)));
        for (uint256 i = 0; i < 4; ++i) {
            bytes32 taskid = keccak256(abi.encodePacked(dealid, i));
            noteView(abi.encodeCall(hub.viewTask, (taskid)));
            noteView(abi.encodeCall(hub.resultFor, (taskid)));
            noteView(abi.encodeCall(hub.viewContribution, (taskid, workers[0])));
        }
        address[8] memory accounts =
            [requester, poolOwner, appOwner, datasetOwner, KITTY, AT, workers[0], workers[6]];
        for (uint256 i = 0; i < accounts.length; ++i) {
            noteView(abi.encodeCall(hub.viewAccount, (accounts[i])));
            noteView(abi.encodeCall(hub.balanceOf, (accounts[i])));
        }
    }

    /// @dev Every wrong push of the first task, and then the right one, twice.
    function pushAll(bytes32 dealid, uint256 seed) private {
        pushOne(dealid, 3, poolKey, workers[0], "value");
        pushOne(dealid, 0, requesterKey, workers[0], "value");
        pushOne(dealid, 0, poolKey, workers[1], "value");
        pushOne(dealid, 0, poolKey, workers[0], "");
        if (pushOne(dealid, 0, poolKey, workers[0], "value")) reached |= PUSHED;
        pushOne(dealid, 0, poolKey, workers[0], "value");
        if (seed & 1 == 1) pushOne(dealid, 1, poolKey, workers[0], "other");
    }

    /// @dev By `workers[0]`, with an authorization for `authorized`; and with an enclave's signature, a wrong one and
    /// the right one, which a task that needs none may carry too.
    function pushOne(bytes32 dealid, uint256 index, uint256 key, address authorized, bytes memory callback)
        private
        returns (bool isPushed)
    {
        bytes32 taskid = keccak256(abi.encodePacked(dealid, index));
        bytes memory auth = sign(key, ethSigned(keccak256(abi.encodePacked(authorized, taskid, address(0)))));
        isPushed = pushWith(Push(dealid, index, callback, auth, address(0), ""));

        (address enclave, uint256 enclaveKey) = makeAddrAndKey("enclave");
        auth = sign(key, ethSigned(keccak256(abi.encodePacked(authorized, taskid, enclave))));
        bytes memory answer = hub.viewDealBoost(dealid).callback == address(0) ? bytes("r") : callback;
        bytes32 said = keccak256(abi.encodePacked(workers[0], taskid, keccak256(answer)));
        pushWith(Push(dealid, index, callback, auth, enclave, auth));
        bytes memory proof = sign(enclaveKey, ethSigned(said));
        return pushWith(Push(dealid, index, callback, auth, enclave, proof)) || isPushed;
    }

    struct Push {
        bytes32 dealid;
        uint256 index;
        bytes callback;
        bytes auth;
        address enclave;
        bytes proof;
    }

    function pushWith(Push memory p) private returns (bool) {
        bytes memory call = abi.encodeCall(
            hub.pushResultBoost, (p.dealid, p.index, "r", p.callback, p.auth, p.enclave, p.proof)
        );
        return noteCall(workers[0], call);
    }

    function test_the_reference_and_ours_say_the_same_of_every_fault() public {
        uint256 states = 0;
        for (uint256 i = 0; i < 2 * FAULTS; ++i) {
            uint256 seed = uint256(keccak256(abi.encode("boost", i)));
            states |= compare(seed - seed % FAULTS + i % FAULTS);
        }
        assertEq(states, ALL, "a state was never reached");
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_the_reference_and_ours_say_the_same(uint256 seed) public {
        compare(seed);
    }
}
