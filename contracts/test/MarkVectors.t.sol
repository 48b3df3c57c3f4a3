// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {stdJson} from "forge-std/StdJson.sol";

import {IConditions} from "../src/interfaces/IConditions.sol";
import {OrderMark, OrderMarks} from "../src/records/OrderMark.sol";
import {Market, Orders} from "./support/Market.sol";

/// The vectors of `poco-core` on marked salts: what one says, and what the four of a match come to.
contract MarkVectorsTest is Market {
    using stdJson for string;

    string internal json;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("../poco-core/vectors/marks.json");
        assertEq(json.readUint(".start"), START);
    }

    function test_salts_say_what_the_vectors_say() public view {
        uint256 i = 0;
        uint256 marked = 0;
        for (; json.keyExists(entryPath("marks", i)); ++i) {
            string memory path = entryPath("marks", i);
            bytes32 salt = json.readBytes32(string.concat(path, ".salt"));
            bool isMarked = json.readBool(string.concat(path, ".isMarked"));
            assertEq(OrderMarks.isMarked(salt), isMarked, path);
            OrderMark mark = OrderMarks.ofSalt(salt);
            assertEq(mark.isNone(), !isMarked, path);
            assertEq(mark.conditions(), number(path, "conditions"), path);
            assertEq(mark.expiry(), number(path, "expiry"), path);
            assertEq(mark.epoch(), number(path, "epoch"), path);
            assertEq(mark.guard(), json.readAddress(string.concat(path, ".tail")), path);
            if (isMarked) ++marked;
        }
        assertGe(i - marked, 4);
        assertGe(marked, 4);
    }

    function test_orders_agree_as_in_the_vectors() public {
        uint256 i = 0;
        uint256 refused = 0;
        for (; json.keyExists(entryPath("agreements", i)); ++i) {
            uint256 state = vm.snapshotState();
            if (!play(entryPath("agreements", i))) ++refused;
            vm.revertToState(state);
        }
        assertGe(refused, 20);
        assertGe(i - refused, 20);
    }

    /// @dev Matches the orders of one vector; answers whether that must succeed.
    function play(string memory path) private returns (bool agrees) {
        Orders memory o = marketOrders(path);
        raiseEpochs(path);
        vm.warp(number(path, "now"));
        o = signAll(o);
        bytes memory reason = refusal(path);
        agrees = reason.length == 0;
        if (!agrees) vm.expectRevert(reason);
        bytes32 dealid = matchAs(o, json.readBool(string.concat(path, ".isSponsored")));
        if (!agrees) return false;
        (uint256 conditions, address guard) = hub.viewDealConditions(dealid);
        assertEq(conditions, number(path, "conditions"), path);
        assertEq(guard, json.readAddress(string.concat(path, ".guard")), path);
    }

    function matchAs(Orders memory o, bool isSponsored) private returns (bytes32) {
        if (!isSponsored) return matchSigned(o);
        vm.prank(poolOwner);
        return hub.sponsorMatchOrders(o.app, o.dataset, o.pool, o.request);
    }

    function marketOrders(string memory path) private view returns (Orders memory o) {
        bytes32[] memory salts = json.readBytes32Array(string.concat(path, ".salts"));
        o = orders();
        (o.app.salt, o.dataset.salt, o.pool.salt, o.request.salt) = (salts[0], salts[1], salts[2], salts[3]);
        if (json.readBool(string.concat(path, ".hasDataset"))) return o;
        o.dataset.dataset = address(0);
        o.request.dataset = address(0);
    }

    function raiseEpochs(string memory path) private {
        uint256[] memory epochs = json.readUintArray(string.concat(path, ".epochs"));
        address[4] memory signers = [appOwner, datasetOwner, poolOwner, requester];
        for (uint256 i = 0; i < signers.length; ++i) {
            vm.startPrank(signers[i]);
            for (uint256 epoch = 0; epoch < epochs[i]; ++epoch) {
                hub.raiseEpoch();
            }
            vm.stopPrank();
        }
    }

    /// @dev The error of the vector with its arguments; empty where the orders agree.
    function refusal(string memory path) private view returns (bytes memory) {
        bytes32 name = keccak256(bytes(json.readString(string.concat(path, ".error"))));
        (uint256 first, uint256 second) = (number(path, "first"), number(path, "second"));
        if (name == keccak256("")) return "";
        if (name == keccak256("ConditionsNotOffered")) {
            return abi.encodeWithSelector(IConditions.ConditionsNotOffered.selector, first, second);
        }
        if (name == keccak256("GuardsDiffer")) {
            return abi.encodeWithSelector(IConditions.GuardsDiffer.selector, first, second);
        }
        address signer = signerOf(json.readString(string.concat(path, ".signer")));
        if (name == keccak256("SponsorMissing")) {
            return abi.encodeWithSelector(IConditions.SponsorMissing.selector, signer);
        }
        if (name == keccak256("ConditionsUnknown")) {
            return abi.encodeWithSelector(IConditions.ConditionsUnknown.selector, signer, first);
        }
        if (name == keccak256("OrderExpired")) {
            return abi.encodeWithSelector(IConditions.OrderExpired.selector, signer, first);
        }
        assertEq(name, keccak256("OrderOfOtherEpoch"), path);
        return abi.encodeWithSelector(IConditions.OrderOfOtherEpoch.selector, signer, first, second);
    }

    function signerOf(string memory role) private view returns (address) {
        bytes32 name = keccak256(bytes(role));
        if (name == keccak256("app")) return appOwner;
        if (name == keccak256("dataset")) return datasetOwner;
        if (name == keccak256("pool")) return poolOwner;
        assertEq(name, keccak256("request"), role);
        return requester;
    }

    function entryPath(string memory list, uint256 i) private pure returns (string memory) {
        return string.concat(".", list, "[", vm.toString(i), "]");
    }

    function number(string memory path, string memory key) private view returns (uint256) {
        return json.readUint(string.concat(path, ".", key));
    }
}
