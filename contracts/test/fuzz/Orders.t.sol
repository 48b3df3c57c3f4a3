// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {OrderOperation} from "../../src/interfaces/Types.sol";
import {Orders} from "../support/Market.sol";
import {Refusals} from "../support/Refusals.sol";

/// Orders matched in both lanes, managed and told, whatever is in them.
/// forge-config: default.fuzz.runs = 64
contract OrdersFuzzTest is Refusals {
    /// @dev The four ways to match: each of both lanes, by the requester or by a sponsor.
    function matchCall(uint256 way, Orders memory o) private view returns (bytes memory) {
        if (way == 0) return abi.encodeCall(hub.matchOrders, (o.app, o.dataset, o.pool, o.request));
        if (way == 1) return abi.encodeCall(hub.sponsorMatchOrders, (o.app, o.dataset, o.pool, o.request));
        if (way == 2) return abi.encodeCall(hub.matchOrdersBoost, (o.app, o.dataset, o.pool, o.request));
        return abi.encodeCall(hub.sponsorMatchOrdersBoost, (o.app, o.dataset, o.pool, o.request));
    }

    function orderHash(uint256 kind, Orders memory o) private view returns (bytes32) {
        bytes32 hash;
        if (kind == 0) hash = hashOf(o.app);
        if (kind == 1) hash = hashOf(o.dataset);
        if (kind == 2) hash = hashOf(o.pool);
        if (kind == 3) hash = hashOf(o.request);
        return typed(hub.eip712domain_separator(), hash);
    }

    function priced(uint256[3] memory prices, uint256 volume) private view returns (Orders memory o) {
        o = orders();
        (o.app.appprice, o.request.appmaxprice) = (prices[0], prices[0]);
        (o.dataset.datasetprice, o.request.datasetmaxprice) = (prices[1], prices[1]);
        (o.pool.workerpoolprice, o.request.workerpoolmaxprice) = (prices[2], prices[2]);
        o.request.volume = volume;
    }

    function testFuzz_a_match_locks_its_prices_or_nothing(
        uint8 way,
        uint256[3] memory prices,
        uint256 volume,
        bool isModest
    ) public {
        way %= 4;
        volume = bound(volume, 1, 10);
        for (uint256 i = 0; i < 3; ++i) {
            prices[i] = bound(prices[i], 0, isModest ? FUNDS / 30 : FUNDS);
        }
        Orders memory o = signAll(priced(prices, volume));
        address payer = way % 2 == 0 ? requester : workers[0];
        uint256 price = (prices[0] + prices[1] + prices[2]) * volume;
        uint256 stake = prices[2] * 30 / 100 * volume;
        (bool isTaken, bytes memory answer) = attempt(payer, matchCall(way, o));
        assertEq(isTaken, price <= FUNDS && stake <= FUNDS);
        if (!isTaken) assertEq(answer, words("IexecEscrow: Transfer amount exceeds balance"));
        assertEq(frozen(payer), isTaken ? price : 0);
        assertEq(frozen(poolOwner), isTaken ? stake : 0);
        for (uint256 kind = 0; kind < 4; ++kind) {
            assertEq(hub.viewConsumed(orderHash(kind, o)), isTaken ? volume : 0);
        }
        if (!isTaken) return;
        bytes32 dealid = abi.decode(answer, (bytes32));
        bool isBoost = way > 1;
        assertEq(isBoost ? hub.viewDealBoost(dealid).botSize : hub.viewDeal(dealid).botSize, volume);
        // The request is used up.
        attemptAgain(payer, way, o);
    }

    function attemptAgain(address payer, uint256 way, Orders memory o) private {
        bool isBoost = way > 1;
        refuse(
            payer,
            matchCall(way, o),
            words(isBoost ? "PocoBoost: One or more orders consumed" : "iExecV5-matchOrders-0x60")
        );
    }

    /// @dev A number of the request that the orders do not agree on, or that they do after all.
    function testFuzz_a_request_is_matched_on_its_own_terms(
        uint8 way,
        uint8 place,
        uint256 number,
        bool isSmall
    ) public {
        way %= 4;
        if (isSmall) number %= 30 * RLC;
        Orders memory o = orders();
        if (place % 6 == 0) o.request.appmaxprice = number;
        if (place % 6 == 1) o.request.datasetmaxprice = number;
        if (place % 6 == 2) o.request.workerpoolmaxprice = number;
        if (place % 6 == 3) o.request.category = number % 3;
        if (place % 6 == 4) o.request.trust = number % (isSmall ? 3 : 2000);
        if (place % 6 == 5) o.request.tag = bytes32(number);
        bool isMatch = o.request.appmaxprice >= o.app.appprice
            && o.request.datasetmaxprice >= o.dataset.datasetprice
            && o.request.workerpoolmaxprice >= o.pool.workerpoolprice && o.request.category == 0
            && o.request.trust <= (way > 1 ? 1 : 1000) && o.request.tag == 0;
        address payer = way % 2 == 0 ? requester : workers[0];
        (bool isTaken,) = attempt(payer, matchCall(way, signAll(o)));
        assertEq(isTaken, isMatch);
        assertEq(frozen(payer), isTaken ? 25 * RLC : 0);
    }

    function testFuzz_an_order_is_managed_by_its_owner_or_its_word(
        uint8 kind,
        bool isClosed,
        uint8 by,
        uint256 volume,
        bytes32 salt
    ) public {
        Orders memory o = orders();
        (o.app.volume, o.dataset.volume, o.pool.volume, o.request.volume) = (volume, volume, volume, volume);
        (o.app.salt, o.dataset.salt, o.pool.salt, o.request.salt) = (salt, salt, salt, salt);
        manage(kind % 4, isClosed ? OrderOperation.CLOSE : OrderOperation.SIGN, by % 3, o);
    }

    /// @dev By the owner itself (0), by somebody who has its word (1), or by somebody who has another's (2).
    function manage(uint256 kind, OrderOperation operation, uint256 by, Orders memory o) private {
        address caller = by == 0 ? vm.addr(keyOfKind(kind)) : workers[0];
        bytes memory word = by == 0
            ? bytes("")
            : sign(by == 1 ? keyOfKind(kind) : keys[0], operationHash(kind, o, operation));
        (bool isTaken, bytes memory answer) = attempt(caller, operationCall(kind, o, operation, word));
        assertEq(isTaken, by != 2);
        if (!isTaken) assertEq(answer, words("invalid-sender-or-signature"));
        // Of the other kinds, whose orders have the same salt, nothing was said.
        for (uint256 other = 0; other < 4; ++other) {
            assertSaid(other, o, isTaken && other == kind, operation == OrderOperation.CLOSE);
        }
    }

    function assertSaid(uint256 kind, Orders memory o, bool isSaid, bool isClosed) private view {
        bytes32 hash = orderHash(kind, o);
        assertEq(hub.viewConsumed(hash), isSaid && isClosed ? o.app.volume : 0);
        assertEq(hub.viewPresigned(hash), isSaid && !isClosed ? vm.addr(keyOfKind(kind)) : address(0));
    }

    function broadcastCall(uint256 kind, Orders memory o) private view returns (bytes memory, bytes memory) {
        if (kind == 0) return (abi.encodeCall(hub.broadcastAppOrder, (o.app)), abi.encode(o.app));
        if (kind == 1) {
            return (abi.encodeCall(hub.broadcastDatasetOrder, (o.dataset)), abi.encode(o.dataset));
        }
        if (kind == 2) return (abi.encodeCall(hub.broadcastWorkerpoolOrder, (o.pool)), abi.encode(o.pool));
        return (abi.encodeCall(hub.broadcastRequestOrder, (o.request)), abi.encode(o.request));
    }

    /// @dev Anybody may tell of any order: it is told whole, and nothing else comes of it.
    function testFuzz_an_order_is_told_whole_and_changes_nothing(
        uint8 kind,
        address part,
        uint256 number,
        bytes32 salt,
        bytes memory signature
    ) public {
        Orders memory o = orders();
        (o.app.app, o.dataset.dataset, o.pool.workerpool, o.request.callback) = (part, part, part, part);
        (o.app.appprice, o.dataset.volume, o.pool.trust, o.request.category) =
        (number, number, number, number);
        (o.app.salt, o.dataset.salt, o.pool.salt, o.request.salt) = (salt, salt, salt, salt);
        (o.app.sign, o.dataset.sign, o.pool.sign) = (signature, signature, signature);
        (o.request.sign, o.request.params) = (signature, string(signature));
        (bytes memory call, bytes memory told) = broadcastCall(kind % 4, o);
        vm.recordLogs();
        vm.startStateDiffRecording();
        vm.prank(workers[0]);
        (bool isTaken,) = address(hub).call(call);
        Vm.AccountAccess[] memory accesses = vm.stopAndReturnStateDiff();
        assertTrue(isTaken);
        assertNothingStays(accesses);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 1);
        assertEq(logs[0].data, told);
    }

    function testFuzz_an_epoch_rises_by_one_for_its_account_alone(address account, uint8 times) public {
        vm.assume(account != requester);
        times %= 20;
        for (uint256 i = 0; i < times; ++i) {
            (bool isTaken, bytes memory answer) = attempt(account, abi.encodeCall(hub.raiseEpoch, ()));
            assertTrue(isTaken);
            assertEq(abi.decode(answer, (uint256)), i + 1);
        }
        assertEq(hub.viewEpoch(account), times);
        assertEq(hub.viewEpoch(requester), 0);
    }
}
