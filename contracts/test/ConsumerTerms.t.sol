// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LatestResultConsumer} from "../src/consumer/LatestResultConsumer.sol";
import {ResultCheck} from "../src/consumer/ResultCheck.sol";
import {ANY, ANY_AGE, ResultTerms} from "../src/consumer/ResultTerms.sol";
import {ConsumerMarket} from "./support/ConsumerMarket.sol";
import {NewestNumber, Recorder} from "./support/Consumers.sol";
import {Orders} from "./support/Market.sol";

/// Every combination of terms, and the order of results.
contract ConsumerTermsTest is ConsumerMarket {
    string internal constant PARAMS = "--pair RLC/USD";
    bytes32 internal constant TAG = bytes32(uint256(0x106));
    uint256 internal constant TRUST = 20;
    uint256 internal constant AGE = 50;
    uint256 internal constant FIELDS = 9;

    function setUp() public override {
        super.setUp();
        // One vote is enough at any trust that is asked for here.
        setScore(workers[0], 3010);
    }

    function fullTask() internal returns (bytes32 taskid) {
        Orders memory o = orders();
        o.pool.tag = TAG;
        o.request.tag = TAG;
        o.request.trust = TRUST;
        o.request.params = PARAMS;
        o.request.beneficiary = workers[7];
        taskid = openDeal(o);
        endClassic(taskid, abi.encode(1));
        vm.warp(START + AGE);
    }

    /// @dev The terms of that task, but for the fields whose bits are set in `wrong`; those in `any` are left open.
    function termsWith(uint256 wrong, uint256 any) internal view returns (ResultTerms memory terms) {
        address other = address(0xdead);
        terms.app = pick(app, other, wrong, any, 0);
        terms.dataset = pick(dataset, other, wrong, any, 1);
        terms.workerpool = pick(pool, other, wrong, any, 2);
        terms.requester = pick(requester, other, wrong, any, 3);
        terms.beneficiary = pick(workers[7], other, wrong, any, 4);
        terms.tag = isSet(any, 5) ? bytes32(0) : isSet(wrong, 5) ? TAG | bytes32(uint256(0x10)) : TAG;
        terms.trust = isSet(any, 6) ? 0 : isSet(wrong, 6) ? TRUST + 1 : TRUST;
        terms.params = isSet(any, 7)
            ? bytes32(type(uint256).max)
            : keccak256(bytes(isSet(wrong, 7) ? "--pair ETH/USD" : PARAMS));
        terms.ageMax = isSet(any, 8) ? ANY_AGE : isSet(wrong, 8) ? AGE - 1 : AGE;
    }

    function pick(address right, address other, uint256 wrong, uint256 any, uint256 field)
        private
        pure
        returns (address)
    {
        return isSet(any, field) ? ANY : isSet(wrong, field) ? other : right;
    }

    function isSet(uint256 bits, uint256 field) private pure returns (bool) {
        return bits >> field & 1 == 1;
    }

    /// @dev The refusal that names a field.
    function refusalOf(uint256 field) internal view returns (bytes memory) {
        if (field == 0) return abi.encodeWithSelector(ResultCheck.AppNotAccepted.selector, app);
        if (field == 1) return abi.encodeWithSelector(ResultCheck.DatasetNotAccepted.selector, dataset);
        if (field == 2) return abi.encodeWithSelector(ResultCheck.WorkerpoolNotAccepted.selector, pool);
        if (field == 3) return abi.encodeWithSelector(ResultCheck.RequesterNotAccepted.selector, requester);
        if (field == 4) {
            return abi.encodeWithSelector(ResultCheck.BeneficiaryNotAccepted.selector, workers[7]);
        }
        if (field == 5) {
            return
                abi.encodeWithSelector(ResultCheck.TagLacksBits.selector, TAG, TAG | bytes32(uint256(0x10)));
        }
        if (field == 6) return abi.encodeWithSelector(ResultCheck.TrustTooLow.selector, TRUST, TRUST + 1);
        if (field == 7) {
            return abi.encodeWithSelector(ResultCheck.ParamsNotAccepted.selector, keccak256(bytes(PARAMS)));
        }
        return abi.encodeWithSelector(ResultCheck.ResultTooOld.selector, START, AGE - 1);
    }

    /// @dev All 512 ways to be wrong; every field is checked, whatever the others are, and named.
    function test_a_result_is_accepted_exactly_if_no_term_is_broken() public {
        bytes32 taskid = fullTask();
        Recorder consumer = new Recorder(views(), poolTerms());
        for (uint256 wrong = 0; wrong < 1 << FIELDS; ++wrong) {
            ResultTerms memory terms = termsWith(wrong, 0);
            if (wrong != 0) {
                uint256 first = 0;
                while (!isSet(wrong, first)) ++first;
                vm.expectRevert(refusalOf(first));
            }
            consumer.check(taskid, terms);
        }
    }

    function test_what_is_left_open_accepts_what_would_be_wrong() public {
        bytes32 taskid = fullTask();
        Recorder consumer = new Recorder(views(), poolTerms());
        for (uint256 any = 0; any < 1 << FIELDS; ++any) {
            consumer.check(taskid, termsWith(any, any));
        }
    }

    function testFuzz_a_tag_must_have_all_bits_and_trust_must_reach(
        uint256 tag,
        uint256 requiredTag,
        uint256 trust,
        uint256 requiredTrust
    ) public {
        // Without enclaves. A bit in four is asked for, so that both answers come up.
        tag &= ~uint256(1);
        requiredTag &= requiredTag >> 7 & requiredTag >> 31 & requiredTag >> 64;
        if (requiredTrust % 2 == 0) requiredTag &= tag;
        trust = bound(trust, 0, 1000);
        requiredTrust = bound(requiredTrust, 0, 1100);
        Orders memory o = callbackOrders(address(0));
        o.pool.tag = o.request.tag = bytes32(tag);
        o.request.trust = trust;
        bytes32 taskid = openDeal(o);
        endClassic(taskid, abi.encode(1));

        ResultTerms memory terms = poolTerms();
        (terms.tag, terms.trust) = (bytes32(requiredTag), requiredTrust);
        Recorder consumer = new Recorder(views(), terms);
        bool hasBits = tag & requiredTag == requiredTag;
        bool isTrusted = requiredTrust <= (trust == 0 ? 1 : trust);
        try consumer.pullResult(taskid) {
            assertTrue(hasBits && isTrusted, "accepted what breaks the terms");
        } catch (bytes memory reason) {
            bytes4 wanted = hasBits ? ResultCheck.TrustTooLow.selector : ResultCheck.TagLacksBits.selector;
            assertFalse(hasBits && isTrusted, "refused what fits the terms");
            assertEq(bytes4(reason), wanted);
        }
    }

    function test_an_older_result_does_not_replace_a_newer_one() public {
        NewestNumber consumer = new NewestNumber(views(), poolTerms());
        bytes32 older = openDeal(callbackOrders(address(consumer)));
        vm.warp(START + 1);
        bytes32 newer = openDeal(callbackOrders(address(consumer)));
        endClassic(newer, abi.encode(2));
        assertEq(consumer.number(), 2);
        // Its push is refused inside; the task ends all the same.
        endClassic(older, abi.encode(1));
        assertEq(consumer.number(), 2);
        vm.expectRevert(abi.encodeWithSelector(LatestResultConsumer.NotNewer.selector, START, 0));
        consumer.pullResult(older);
        vm.expectRevert(abi.encodeWithSelector(LatestResultConsumer.NotNewer.selector, START + 1, 0));
        consumer.pullResult(newer);
        assertEq(consumer.newestStart(), START + 1);
        assertEq(consumer.newestIndex(), 0);
    }

    function test_within_a_deal_the_index_orders() public {
        NewestNumber consumer = new NewestNumber(views(), poolTerms());
        Orders memory o = callbackOrders(address(0));
        o.request.volume = 3;
        bytes32 dealid = makeDeal(o);
        for (uint256 i = 0; i < 3; ++i) {
            hub.initialize(dealid, i);
            endClassic(idOf(dealid, i), abi.encode(i + 1));
        }
        consumer.pullResult(idOf(dealid, 1));
        vm.expectRevert(abi.encodeWithSelector(LatestResultConsumer.NotNewer.selector, START, 0));
        consumer.pullResult(idOf(dealid, 0));
        vm.expectRevert(abi.encodeWithSelector(LatestResultConsumer.NotNewer.selector, START, 1));
        consumer.pullResult(idOf(dealid, 1));
        consumer.pullResult(idOf(dealid, 2));
        assertEq(consumer.number(), 3);
    }

    /// @dev A pool and a requester who agree on it can number tasks as high as they like.
    function test_an_index_that_the_order_cannot_hold_is_refused() public {
        NewestNumber consumer = new NewestNumber(views(), poolTerms());
        Orders memory o = callbackOrders(address(0));
        delete o.app.appprice;
        delete o.pool.workerpoolprice;
        o.request.volume = o.app.volume = type(uint256).max;
        o.pool.volume = 1 << 192;
        makeDeal(o);
        o.pool.salt = bytes32(uint256(1));
        bytes32 taskid = hub.initialize(makeDeal(o), 1 << 192);
        endClassic(taskid, abi.encode(1));
        vm.expectRevert(abi.encodeWithSelector(LatestResultConsumer.IndexTooLarge.selector, 1 << 192));
        consumer.pullResult(taskid);
    }

    /// @dev Tasks of deals made at different times end, are pushed and pulled in any order: the number is always
    /// that of the newest match that has been seen.
    function testFuzz_the_newest_of_all_that_was_seen_wins(uint256 seed) public {
        NewestNumber consumer = new NewestNumber(views(), poolTerms());
        bytes32[6] memory tasks;
        for (uint256 i = 0; i < tasks.length; ++i) {
            vm.warp(START + 10 * i);
            tasks[i] = openDeal(callbackOrders(seed >> i & 1 == 0 ? address(consumer) : address(0)));
        }
        uint256 ended;
        uint256 newest;
        for (uint256 step = 0; step < 24; ++step) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 i = seed % tasks.length;
            bool isPushed = hub.viewDeal(hub.viewTask(tasks[i]).dealid).callback == address(consumer);
            bool isSeen = true;
            if (!isSet(ended, i)) {
                endClassic(tasks[i], abi.encode(i + 1));
                ended |= 1 << i;
                isSeen = isPushed;
            } else {
                try consumer.pullResult(tasks[i]) {
                    assertGt(i + 1, newest, "taken again, or after a newer one");
                } catch (bytes memory reason) {
                    assertLe(i + 1, newest, "a newer one was refused");
                    assertEq(bytes4(reason), LatestResultConsumer.NotNewer.selector);
                }
            }
            if (isSeen && i + 1 > newest) newest = i + 1;
            assertEq(consumer.number(), newest);
        }
    }
}
