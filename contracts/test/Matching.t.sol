// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {IMatching} from "../src/interfaces/IOrders.sol";
import {Deal} from "../src/interfaces/Types.sol";
import {IPool, Market, Orders} from "./support/Market.sol";

/// What a match does; its refusals are in `MatchingRefusals.t.sol`.
contract MatchingTest is Market {
    function test_a_match_freezes_the_deal_and_locks_both_sides() public {
        Orders memory o = orders();
        o.request.volume = 4;
        o.request.trust = 0;
        o.request.tag = bytes32(uint256(0x100));
        o.pool.tag = bytes32(uint256(0x1ff));
        o.request.beneficiary = makeAddr("beneficiary");
        o.request.callback = makeAddr("callback");
        o.request.params = '{"iexec_args":"an argument list that is longer than one word of the chain"}';
        o.request.category = 1;
        o.pool.category = 1;
        signAll(o);
        bytes32 requestHash = typed(hub.eip712domain_separator(), hashOf(o.request));
        bytes32 dealid = keccak256(abi.encodePacked(requestHash, uint256(0)));
        expectMatch(o, dealid, 4);
        assertEq(matchSigned(o), dealid);

        Deal memory deal = hub.viewDeal(dealid);
        assertEq(deal.app.pointer, app);
        assertEq(deal.app.owner, appOwner);
        assertEq(deal.app.price, 3 * RLC);
        assertEq(deal.dataset.pointer, dataset);
        assertEq(deal.dataset.owner, datasetOwner);
        assertEq(deal.dataset.price, 2 * RLC);
        assertEq(deal.workerpool.pointer, pool);
        assertEq(deal.workerpool.owner, poolOwner);
        assertEq(deal.workerpool.price, 20 * RLC);
        assertEq(deal.trust, 1);
        assertEq(deal.category, 1);
        assertEq(deal.tag, bytes32(uint256(0x100)));
        assertEq(deal.requester, requester);
        assertEq(deal.beneficiary, o.request.beneficiary);
        assertEq(deal.callback, o.request.callback);
        assertEq(deal.params, o.request.params);
        assertEq(deal.startTime, START);
        assertEq(deal.botFirst, 0);
        assertEq(deal.botSize, 4);
        assertEq(deal.workerStake, 6 * RLC);
        assertEq(deal.schedulerRewardRatio, 1);
        assertEq(deal.sponsor, requester);

        assertEq(frozen(requester), 100 * RLC);
        assertEq(frozen(poolOwner), 24 * RLC);
        assertEq(hub.viewConsumed(requestHash), 4);
        assertEq(hub.viewConsumed(typed(hub.eip712domain_separator(), hashOf(o.app))), 4);
        assertConserved();
    }

    function expectMatch(Orders memory o, bytes32 dealid, uint256 volume) private {
        vm.expectEmit(address(hub));
        emit IEscrow.Transfer(requester, address(hub), 25 * RLC * volume);
        vm.expectEmit(address(hub));
        emit IEscrow.Lock(requester, 25 * RLC * volume);
        vm.expectEmit(address(hub));
        emit IEscrow.Transfer(poolOwner, address(hub), 6 * RLC * volume);
        vm.expectEmit(address(hub));
        emit IEscrow.Lock(poolOwner, 6 * RLC * volume);
        vm.expectEmit(address(hub));
        emit IMatching.SchedulerNotice(pool, dealid);
        bytes32 domain = hub.eip712domain_separator();
        vm.expectEmit(address(hub));
        emit IMatching.OrdersMatched(
            dealid,
            typed(domain, hashOf(o.app)),
            typed(domain, hashOf(o.dataset)),
            typed(domain, hashOf(o.pool)),
            typed(domain, hashOf(o.request)),
            volume
        );
    }

    function test_a_sponsor_pays_for_the_requester() public {
        address sponsor = workers[0];
        Orders memory o = signAll(orders());
        bytes32 requestHash = typed(hub.eip712domain_separator(), hashOf(o.request));
        bytes32 dealid = keccak256(abi.encodePacked(requestHash, uint256(0)));
        vm.recordLogs();
        vm.prank(sponsor);
        assertEq(hub.sponsorMatchOrders(o.app, o.dataset, o.pool, o.request), dealid);
        assertEq(lastLogTopic(), IMatching.DealSponsored.selector, "DealSponsored comes last");
        assertEq(hub.viewDeal(dealid).sponsor, sponsor);
        assertEq(hub.viewDeal(dealid).requester, requester);
        assertEq(frozen(sponsor), 25 * RLC);
        assertEq(frozen(requester), 0);

        bytes32 taskid = hub.initialize(dealid, 0);
        vm.warp(START + 10 * T);
        hub.claim(taskid);
        assertEq(free(sponsor), FUNDS, "the sponsor gets the refund");
    }

    function lastLogTopic() private returns (bytes32) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        return logs[logs.length - 1].topics[0];
    }

    function test_the_least_remaining_volume_is_matched_and_the_rest_later() public {
        Orders memory o = orders();
        o.request.volume = 10;
        o.pool.volume = 4;
        o.dataset.volume = 7;
        signAll(o);
        assertEq(hub.computeDealVolume(o.app, o.dataset, o.pool, o.request), 4);
        bytes32 first = matchSigned(o);
        assertEq(hub.computeDealVolume(o.app, o.dataset, o.pool, o.request), 0);
        o.pool.salt = bytes32(uint256(1));
        o.pool.volume = 100;
        signAll(o);
        assertEq(hub.computeDealVolume(o.app, o.dataset, o.pool, o.request), 3);
        bytes32 second = matchSigned(o);
        bytes32 requestHash = typed(hub.eip712domain_separator(), hashOf(o.request));
        assertEq(second, keccak256(abi.encodePacked(requestHash, uint256(4))));
        assertEq(hub.viewDeal(first).botSize, 4);
        assertEq(hub.viewDeal(second).botFirst, 4);
        assertEq(hub.viewDeal(second).botSize, 3);
    }

    function test_the_pool_stake_is_floored_before_it_is_multiplied() public {
        Orders memory o = orders();
        o.pool.workerpoolprice = 9;
        o.request.volume = 10;
        makeDeal(o);
        assertEq(frozen(poolOwner), 20);
    }

    function test_a_null_dataset_order_has_no_effect() public {
        Orders memory o = orders();
        o.request.dataset = address(0);
        o.request.datasetmaxprice = 0;
        o.dataset.dataset = address(0);
        o.dataset.datasetprice = 99 * RLC;
        o.dataset.volume = 0;
        o.dataset.tag = bytes32(type(uint256).max);
        o.dataset.apprestrict = address(1);
        o.dataset.workerpoolrestrict = address(2);
        o.dataset.requesterrestrict = address(3);
        o.dataset.sign = "";
        signAll(o);
        assertEq(hub.computeDealVolume(o.app, o.dataset, o.pool, o.request), 1);
        Deal memory deal = hub.viewDeal(matchSigned(o));
        assertEq(deal.dataset.pointer, address(0));
        assertEq(deal.dataset.owner, address(0));
        assertEq(deal.dataset.price, 0);
        assertEq(deal.tag, 0);
        assertEq(frozen(requester), 23 * RLC);
    }

    function test_the_framework_bits_of_a_dataset_do_not_bind_the_pool() public {
        Orders memory o = orders();
        o.dataset.tag = bytes32(uint256(0x0f));
        o.app.tag = bytes32(uint256(0x09));
        o.pool.tag = bytes32(uint256(0x09));
        assertEq(hub.viewDeal(makeDeal(o)).tag, bytes32(uint256(0x09)));
    }

    function test_policies_are_frozen_in_the_deal() public {
        vm.prank(poolOwner);
        IPool(pool).changePolicy(50, 7);
        bytes32 dealid = makeDeal(orders());
        vm.prank(poolOwner);
        IPool(pool).changePolicy(1, 1);
        assertEq(hub.viewDeal(dealid).workerStake, 10 * RLC);
        assertEq(hub.viewDeal(dealid).schedulerRewardRatio, 7);
    }

    function test_numbers_beyond_64_bits_are_kept_exactly() public {
        Orders memory o = orders();
        o.pool.trust = type(uint256).max;
        o.request.trust = type(uint256).max - 5;
        bytes32 dealid = makeDeal(o);
        assertEq(hub.viewDeal(dealid).trust, type(uint256).max - 5);
        assertEq(hub.viewDeal(dealid).workerStake, 6 * RLC);
        assertEq(hub.viewDeal(dealid).botSize, 1);
    }

    function testFuzz_a_deal_is_read_back_as_it_was_made(
        uint256 trust,
        address beneficiary,
        address callback,
        string calldata params,
        uint8 parts
    ) public {
        Orders memory o = orders();
        o.pool.trust = type(uint256).max;
        o.request.trust = trust;
        if (parts & 1 != 0) o.request.beneficiary = beneficiary;
        if (parts & 2 != 0) o.request.callback = callback;
        if (parts & 4 != 0) (o.request.dataset, o.dataset.dataset) = (address(0), address(0));
        o.request.params = params;
        signAll(o);
        if (parts & 8 != 0) vm.prank(workers[0]);
        bytes32 dealid =
            parts & 8 != 0 ? hub.sponsorMatchOrders(o.app, o.dataset, o.pool, o.request) : matchSigned(o);
        Deal memory deal = hub.viewDeal(dealid);
        assertEq(deal.trust, trust == 0 ? 1 : trust);
        assertEq(deal.beneficiary, o.request.beneficiary);
        assertEq(deal.callback, o.request.callback);
        assertEq(deal.dataset.pointer, o.dataset.dataset);
        assertEq(deal.params, params);
        assertEq(deal.sponsor, parts & 8 != 0 ? workers[0] : requester);
        assertEq(deal.requester, requester);
    }

    function test_a_deal_has_the_clock_of_its_category_however_many_there_are() public {
        for (uint256 id = 2; id < 10; ++id) {
            assertEq(hub.createCategory("", "", 1000 + id), id);
        }
        uint256[10] memory clocks = [T, 1200, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009];
        for (uint256 id = 0; id < clocks.length; ++id) {
            Orders memory o = orders();
            (o.pool.category, o.request.category) = (id, id);
            assertEq(hub.viewTask(hub.initialize(makeDeal(o), 0)).timeref, clocks[id]);
        }
    }
}
