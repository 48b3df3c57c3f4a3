// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LatestResultConsumer} from "../src/consumer/LatestResultConsumer.sol";
import {ResultCheck} from "../src/consumer/ResultCheck.sol";
import {PriceFeed} from "../src/examples/PriceFeed.sol";
import {TaskStatus} from "../src/interfaces/Types.sol";
import {ConsumerMarket} from "./support/ConsumerMarket.sol";
import {Orders} from "./support/Market.sol";

/// The price feed: what it takes, and what a stranger can do to it.
contract PriceFeedTest is ConsumerMarket {
    bytes32 internal constant PAIR = "RLC/USD";
    string internal constant PARAMS =
        '{"iexec_args":"--pair RLC/USD","iexec_input_files":["https://a.example/rlc","https://b.example/rlc"]}';
    uint256 internal constant TRUST = 8;

    PriceFeed internal feed;

    function setUp() public override {
        super.setUp();
        feed = new PriceFeed(views(), PAIR, app, pool, TRUST, keccak256(bytes(PARAMS)));
        setScore(workers[0], 60);
    }

    function encode(uint256 at, uint256 price) internal pure returns (bytes memory) {
        return abi.encode(PAIR, at, price);
    }

    /// @dev What somebody asks for who wants the price.
    function updateOrders() internal returns (Orders memory o) {
        o = callbackOrders(address(feed));
        o.request.trust = TRUST;
        o.request.params = PARAMS;
    }

    function assertPrice(uint256 price, uint256 at) internal view {
        (uint256 price_, uint256 at_) = feed.latest();
        assertEq(price_, price);
        assertEq(at_, at);
    }

    /// @dev A task that ends well, of which the feed wants to know nothing.
    function refuse(Orders memory o, bytes memory result, bytes memory reason) internal {
        bytes32 taskid = openDeal(o);
        endClassic(taskid, result);
        refuseEnded(taskid, reason);
    }

    function refuseEnded(bytes32 taskid, bytes memory reason) internal {
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.COMPLETED));
        (uint256 price, uint256 at) = feed.latest();
        vm.expectRevert(reason);
        feed.pullResult(taskid);
        assertPrice(price, at);
    }

    function test_a_price_is_pushed() public {
        bytes32 taskid = openDeal(updateOrders());
        bytes memory value = encode(START - 5, 1.25 ether);
        contribute(workers[0], taskid, keccak256(value));
        reveal(workers[0], taskid, keccak256(value));
        vm.expectEmit(address(feed));
        emit PriceFeed.PriceUpdate(taskid, 1.25 ether, START - 5);
        finalize(taskid, RESULTS, value);
        assertPrice(1.25 ether, START - 5);
        assertEq(feed.priceWithin(5), 1.25 ether);
    }

    function test_a_price_is_pushed_by_a_settled_batch() public {
        bondAll(100 * RLC);
        bytes32 dealid = makeDeal(updateOrders());
        endSettled(dealid, encode(START - 5, 1.25 ether));
        assertPrice(1.25 ether, START - 5);
    }

    function test_a_price_is_pulled() public {
        Orders memory o = updateOrders();
        o.request.callback = address(0);
        bytes32 taskid = openDeal(o);
        endClassic(taskid, encode(START, 2 ether));
        assertPrice(0, 0);
        feed.pullResult(taskid);
        assertPrice(2 ether, START);
    }

    /// @dev The most that a push can cost: a fresh feed, and a task full of contributions, results and params.
    function test_a_push_stays_within_the_gas_of_callbacks() public {
        Orders memory o = updateOrders();
        bytes memory padding = new bytes(4000);
        for (uint256 i = 0; i < padding.length; ++i) {
            padding[i] = " ";
        }
        o.request.params = string.concat(PARAMS, string(padding));
        feed = new PriceFeed(views(), PAIR, app, pool, TRUST, keccak256(bytes(o.request.params)));
        o.request.callback = address(feed);
        bytes32 taskid = openDeal(o);
        bytes memory value = encode(START, 2 ether);
        for (uint256 i = 1; i < 8; ++i) {
            contribute(workers[i], taskid, keccak256(abi.encode(i)));
        }
        setScore(workers[0], type(uint64).max);
        contribute(workers[0], taskid, keccak256(value));
        reveal(workers[0], taskid, keccak256(value));
        vm.cool(address(hub));
        vm.cool(address(feed));
        finalize(taskid, new bytes(10_000), value);
        assertPrice(2 ether, START);
    }

    function test_a_stale_price_is_not_given_out() public {
        vm.expectRevert(PriceFeed.PriceMissing.selector);
        feed.priceWithin(1000);
        endClassic(openDeal(updateOrders()), encode(START - 5, 1 ether));
        vm.expectRevert(abi.encodeWithSelector(PriceFeed.PriceTooOld.selector, START - 5, 4));
        feed.priceWithin(4);
    }

    function test_bytes_that_are_no_quote_of_the_pair_are_refused() public {
        refuse(updateOrders(), "", abi.encodeWithSelector(PriceFeed.ResultMalformed.selector, 0));
        vm.warp(START + 1);
        refuse(
            updateOrders(),
            bytes.concat(encode(START, 1), hex"00"),
            abi.encodeWithSelector(PriceFeed.ResultMalformed.selector, 97)
        );
        vm.warp(START + 2);
        refuse(
            updateOrders(),
            abi.encode(bytes32("ETH/USD"), START, 1),
            abi.encodeWithSelector(PriceFeed.OtherPair.selector, bytes32("ETH/USD"))
        );
        vm.warp(START + 3);
        refuse(updateOrders(), encode(START, 0), abi.encodeWithSelector(PriceFeed.PriceMissing.selector));
        vm.warp(START + 4);
        // abi.decode refuses what does not fit, without a name.
        refuse(updateOrders(), encode(START, 1 << 128), "");
    }

    function test_quotes_from_the_future_and_older_ones_are_refused() public {
        bytes32 early = openDeal(updateOrders());
        endClassic(early, encode(START + 10, 1 ether));
        refuseEnded(early, abi.encodeWithSelector(PriceFeed.QuoteFromTheFuture.selector, START + 10, START));
        vm.warp(START + 10);
        feed.pullResult(early);
        assertPrice(1 ether, START + 10);
        refuse(
            updateOrders(),
            encode(START + 9, 2 ether),
            abi.encodeWithSelector(PriceFeed.QuoteOlder.selector, START + 9, START + 10)
        );
    }

    function test_a_stranger_cannot_write_a_price_with_a_pool_of_its_own() public {
        Orders memory o = updateOrders();
        o.pool.workerpool = pools.createWorkerpool(poolOwner, "a stranger's pool");
        o.request.workerpool = address(0);
        bytes memory reason =
            abi.encodeWithSelector(ResultCheck.WorkerpoolNotAccepted.selector, o.pool.workerpool);
        refuse(o, encode(START, 9 ether), reason);
    }

    function test_a_stranger_cannot_write_a_price_with_an_app_of_its_own() public {
        Orders memory o = updateOrders();
        o.app.app = o.request.app =
            apps.createApp(appOwner, "liar", "DOCKER", "registry.example/liar:1", keccak256("other"), "");
        refuse(
            o, encode(START, 9 ether), abi.encodeWithSelector(ResultCheck.AppNotAccepted.selector, o.app.app)
        );
    }

    function test_a_stranger_cannot_choose_the_sources() public {
        Orders memory o = updateOrders();
        o.request.params = '{"iexec_args":"--pair RLC/USD","iexec_input_files":["https://evil.example/rlc"]}';
        bytes32 hash = keccak256(bytes(o.request.params));
        refuse(
            o, encode(START, 9 ether), abi.encodeWithSelector(ResultCheck.ParamsNotAccepted.selector, hash)
        );
    }

    function test_a_stranger_cannot_add_a_dataset_or_ask_for_less_trust() public {
        Orders memory o = orders();
        o.request.trust = TRUST;
        o.request.params = PARAMS;
        refuse(
            o,
            encode(START, 9 ether),
            abi.encodeWithSelector(ResultCheck.DatasetNotAccepted.selector, dataset)
        );
        o = updateOrders();
        o.request.trust = TRUST - 1;
        refuse(
            o,
            encode(START, 9 ether),
            abi.encodeWithSelector(ResultCheck.TrustTooLow.selector, TRUST - 1, TRUST)
        );
    }

    /// @dev Everything is right but the lane, where one worker's word, bound to nothing, is brought by the hub.
    function test_a_stranger_cannot_write_a_price_by_the_boost_lane() public {
        Orders memory o = updateOrders();
        o.request.trust = 1;
        bytes32 dealid = matchBoost(o);
        pushBoost(dealid, encode(START, 9 ether));
        assertPrice(0, 0);
        refuseEnded(
            idOf(dealid, 0), abi.encodeWithSelector(ResultCheck.DealUnknown.selector, idOf(dealid, 0))
        );
    }

    function test_a_result_that_was_held_back_is_worth_nothing() public {
        Orders memory o = updateOrders();
        o.request.callback = address(0);
        bytes32 held = openDeal(o);
        endClassic(held, encode(START, 1 ether));
        vm.warp(START + 4 hours + 1);
        refuseEnded(held, abi.encodeWithSelector(ResultCheck.ResultTooOld.selector, START, 4 hours));
    }

    function test_an_old_price_cannot_be_played_again() public {
        bytes32 first = openDeal(updateOrders());
        endClassic(first, encode(START, 1 ether));
        vm.warp(START + 60);
        endClassic(openDeal(updateOrders()), encode(START + 55, 2 ether));
        refuseEnded(first, abi.encodeWithSelector(LatestResultConsumer.NotNewer.selector, START, 0));
        assertPrice(2 ether, START + 55);
    }

    /// @dev Updates come in any order, with any quotes: the feed's quote and match never go back.
    function testFuzz_time_never_goes_back(uint256 seed) public {
        uint256 taken = 0;
        for (uint256 i = 0; i < 12; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 time = START + 10 * i;
            vm.warp(time);
            (uint256 before, uint256 atBefore) = feed.latest();
            uint256 startBefore = feed.newestStart();
            // From 40 seconds ago to 10 ahead.
            uint256 at = time - 40 + seed % 51;
            endClassic(openDeal(updateOrders()), encode(at, i + 1));
            bool isTaken = at <= time && at >= atBefore;
            assertPrice(isTaken ? i + 1 : before, isTaken ? at : atBefore);
            assertEq(feed.newestStart(), isTaken ? time : startBefore);
            if (isTaken) ++taken;
        }
        assertGt(taken, 0, "nothing was put to the test");
    }
}
