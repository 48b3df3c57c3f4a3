// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ResultCheck} from "../src/consumer/ResultCheck.sol";
import {PriceFeed} from "../src/examples/PriceFeed.sol";
import {IHub} from "../src/interfaces/IHub.sol";
import {IViews} from "../src/interfaces/IViews.sol";
import {Market, Orders} from "./support/Market.sol";
import {Reference} from "./support/Reference.sol";

/// The price feed on the reference's hub, by its own bytecode: the views that it reads are those of any PoCo hub.
contract ConsumerReferenceTest is Market, Reference {
    address internal constant AT = address(0xA11CE0FFEE);
    bytes32 internal constant PAIR = "RLC/USD";

    string internal constant PARAMS =
        '{"iexec_args":"--pair RLC/USD","iexec_input_files":["https://a.example/rlc","https://b.example/rlc"]}';

    PriceFeed internal feed;

    function setUp() public override {
        super.setUp();
        placeReference(AT, address(this));
        hub = IHub(payable(AT));
        configureHub();
        hub.createCategory("XS", "{}", T);
        // As the live hubs have it.
        hub.setCallbackGas(200_000);
        fund(poolOwner);
        fund(requester);
        fund(workers[0]);
        feed = new PriceFeed(IViews(AT), PAIR, app, pool, 1, keccak256(bytes(PARAMS)));
    }

    function updateOrders(address callback) internal returns (Orders memory o) {
        o = orders();
        delete o.dataset;
        o.request.dataset = address(0);
        o.request.params = PARAMS;
        o.request.callback = callback;
        o.request.salt = bytes32(vm.randomUint());
    }

    function end(bytes32 taskid, bytes memory value) internal {
        contribute(workers[0], taskid, keccak256(value));
        reveal(workers[0], taskid, keccak256(value));
        // Nothing that the end itself does not read is warm then.
        vm.cool(AT);
        vm.cool(address(feed));
        finalize(taskid, '{"storage":"ipfs","location":"/ipfs/Qm"}', value);
    }

    function assertPrice(uint256 price, uint256 at) internal view {
        (uint256 price_, uint256 at_) = feed.latest();
        assertEq(price_, price);
        assertEq(at_, at);
    }

    function test_a_hub_of_the_reference_pushes() public {
        end(hub.initialize(makeDeal(updateOrders(address(feed))), 0), abi.encode(PAIR, START, 1 ether));
        assertPrice(1 ether, START);
    }

    function test_from_a_hub_of_the_reference_is_pulled() public {
        bytes32 taskid = hub.initialize(makeDeal(updateOrders(workers[3])), 0);
        end(taskid, abi.encode(PAIR, START, 1 ether));
        assertPrice(0, 0);
        feed.pullResult(taskid);
        assertPrice(1 ether, START);
    }

    function test_boosted_results_of_the_reference_are_refused_too() public {
        Orders memory o = signAll(updateOrders(address(feed)));
        bytes32 dealid = hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
        bytes32 taskid = keccak256(abi.encodePacked(dealid, uint256(0)));
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.prank(workers[0]);
        hub.pushResultBoost(dealid, 0, "results", abi.encode(PAIR, START, 9 ether), auth, address(0), "");
        assertPrice(0, 0);
        vm.expectRevert(abi.encodeWithSelector(ResultCheck.DealUnknown.selector, taskid));
        feed.pullResult(taskid);
    }
}
