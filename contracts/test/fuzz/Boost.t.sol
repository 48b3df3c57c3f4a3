// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {TaskStatus} from "../../src/interfaces/Types.sol";
import {Orders} from "../support/Market.sol";
import {Refusals} from "../support/Refusals.sol";

/// The two ends of a task of the boost lane, whoever brings them and whenever.
/// forge-config: default.fuzz.runs = 64
contract BoostFuzzTest is Refusals {
    uint256 private constant VOLUME = 3;

    function boosted() private returns (bytes32) {
        Orders memory o = orders();
        o.request.volume = VOLUME;
        signAll(o);
        return hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
    }

    function statusOf(bytes32 dealid, uint256 index) private view returns (uint8) {
        return uint8(hub.viewTask(idOf(dealid, index)).status);
    }

    function testFuzz_a_result_is_pushed_once_and_in_time(
        uint256 index,
        bool isNear,
        bytes calldata results,
        bool isAuthorized,
        uint16 seconds_
    ) public {
        bytes32 dealid = boosted();
        if (isNear) index %= VOLUME + 1;
        if (seconds_ % 4 != 0) seconds_ %= uint16(7 * T);
        vm.warp(START + seconds_);
        bytes memory word = authorization(
            workers[isAuthorized ? 0 : 1], keccak256(abi.encodePacked(dealid, index)), address(0)
        );
        bytes memory call =
            abi.encodeCall(hub.pushResultBoost, (dealid, index, results, "", word, address(0), ""));
        (bool isTaken,) = attempt(workers[0], call);
        assertEq(isTaken, index < VOLUME && isAuthorized && seconds_ < 7 * T);
        assertEq(free(workers[0]), isTaken ? FUNDS + 20 * RLC * 99 / 100 : FUNDS);
        assertEq(frozen(requester), 25 * RLC * (isTaken ? VOLUME - 1 : VOLUME));
        assertEq(frozen(poolOwner), 6 * RLC * (isTaken ? VOLUME - 1 : VOLUME));
        if (!isTaken) return;
        assertEq(statusOf(dealid, index), uint8(TaskStatus.COMPLETED));
        (isTaken,) = attempt(workers[0], call);
        assertFalse(isTaken, "a result was pushed twice");
    }

    function testFuzz_a_boosted_task_is_claimed_once_and_late(uint256 index, bool isNear, uint16 seconds_)
        public
    {
        bytes32 dealid = boosted();
        if (isNear) index %= VOLUME + 1;
        uint256 at = seconds_ % (14 * T);
        vm.warp(START + at);
        bytes memory call = abi.encodeCall(hub.claimBoost, (dealid, index));
        (bool isTaken,) = attempt(workers[7], call);
        assertEq(isTaken, index < VOLUME && at >= 7 * T);
        assertEq(frozen(requester), 25 * RLC * (isTaken ? VOLUME - 1 : VOLUME));
        assertEq(frozen(KITTY), isTaken ? 6 * RLC : 0);
        if (!isTaken) return;
        assertEq(statusOf(dealid, index), uint8(TaskStatus.FAILED));
        (isTaken,) = attempt(workers[7], call);
        assertFalse(isTaken, "a task was claimed twice");
    }
}
