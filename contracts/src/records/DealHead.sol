// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Bytes} from "./Bytes.sol";
import {CodeRecord} from "./CodeRecord.sol";
import {DealRecord} from "./DealRecord.sol";

/// @dev Where in memory the head of a deal's record lies: all of it but the params.
type DealHead is uint256;

using DealHeads for DealHead global;

/// A deal as the calls of its tasks read it: one copy of what may be needed, of which each call takes the
/// few fields that it does need, at the places that `DealRecord` says.
library DealHeads {
    /// @dev The head of the record at `record`. Nothing is a deal where none was written.
    function load(address record) internal view returns (DealHead) {
        return DealHead.wrap(CodeRecord.load(record, DealRecord.HEAD_MAX));
    }

    function isDeal(DealHead head) internal pure returns (bool) {
        return head.flags() & DealRecord.IS_DEAL != 0;
    }

    function pool(DealHead head) internal pure returns (address) {
        return address(uint160(head.read(DealRecord.POOL_AT, 20)));
    }

    function poolOwner(DealHead head) internal pure returns (address) {
        return address(uint160(head.read(DealRecord.POOL_OWNER_AT, 20)));
    }

    function tag(DealHead head) internal pure returns (bytes32) {
        return bytes32(head.read(DealRecord.TAG_AT, 32));
    }

    function startTime(DealHead head) internal pure returns (uint256) {
        return head.read(DealRecord.START_TIME_AT, 5);
    }

    function timeRef(DealHead head) internal pure returns (uint256) {
        return head.read(DealRecord.TIME_REF_AT, 4);
    }

    function schedulerRatio(DealHead head) internal pure returns (uint256) {
        return head.read(DealRecord.SCHEDULER_RATIO_AT, 1);
    }

    function poolPrice(DealHead head) internal pure returns (uint256) {
        return head.read(DealRecord.POOL_PRICE_AT, 12);
    }

    function appPrice(DealHead head) internal pure returns (uint256) {
        return head.read(DealRecord.APP_PRICE_AT, 12);
    }

    function appOwner(DealHead head) internal pure returns (address) {
        return address(uint160(head.read(DealRecord.APP_OWNER_AT, 20)));
    }

    function trust(DealHead head) internal pure returns (uint256) {
        return head.number(0);
    }

    function botFirst(DealHead head) internal pure returns (uint256) {
        return head.number(1);
    }

    function botSize(DealHead head) internal pure returns (uint256) {
        return head.number(2);
    }

    function workerStake(DealHead head) internal pure returns (uint256) {
        return head.number(3);
    }

    /// @dev Both zero if the deal has no dataset.
    function datasetOwnerAndPrice(DealHead head) internal pure returns (address owner, uint256 price) {
        if (head.flags() & DealRecord.HAS_DATASET == 0) return (address(0), 0);
        uint256 at = DealRecord.NUMBERS_AT + 4 * head.numberSize();
        return (address(uint160(head.read(at + 20, 20))), head.read(at + 40, 12));
    }

    function callback(DealHead head) internal pure returns (address) {
        return head.flags() & DealRecord.HAS_CALLBACK == 0
            ? address(0)
            : head.optional(DealRecord.HAS_DATASET | DealRecord.HAS_BENEFICIARY);
    }

    /// @dev Who paid: the requester, if nobody else did.
    function sponsor(DealHead head) internal pure returns (address) {
        return head.flags() & DealRecord.HAS_SPONSOR == 0
            ? address(uint160(head.read(DealRecord.REQUESTER_AT, 20)))
            : head.optional(DealRecord.HAS_DATASET | DealRecord.HAS_BENEFICIARY | DealRecord.HAS_CALLBACK);
    }

    /// @dev As in `OrderMark`; zero for a deal of plain orders.
    function conditions(DealHead head) internal pure returns (uint256) {
        return head.flags() & DealRecord.HAS_CONDITIONS == 0 ? 0 : head.read(head.conditionsAt(), 1);
    }

    /// @dev Of a deal with conditions.
    function guard(DealHead head) internal pure returns (address) {
        return address(uint160(head.read(head.conditionsAt() + 1, 20)));
    }

    function conditionsAt(DealHead head) internal pure returns (uint256 at) {
        at = head.optionalAt(DealRecord.HAS_DATASET | DealRecord.HAS_BENEFICIARY | DealRecord.HAS_CALLBACK);
        if (head.flags() & DealRecord.HAS_SPONSOR != 0) at += 20;
    }

    function flags(DealHead head) internal pure returns (uint256) {
        return head.read(1, 1);
    }

    /// @dev The address behind those optional parts, of `before`, that are there.
    function optional(DealHead head, uint256 before) internal pure returns (address) {
        return address(uint160(head.read(head.optionalAt(before), 20)));
    }

    function optionalAt(DealHead head, uint256 before) internal pure returns (uint256 at) {
        uint256 there = head.flags() & before;
        at = DealRecord.NUMBERS_AT + 4 * head.numberSize();
        if (there & DealRecord.HAS_DATASET != 0) at += 52;
        if (there & DealRecord.HAS_BENEFICIARY != 0) at += 20;
        if (there & DealRecord.HAS_CALLBACK != 0) at += 20;
    }

    /// @dev One of the four numbers of eight bytes, or of 32.
    function number(DealHead head, uint256 index) internal pure returns (uint256) {
        uint256 size = head.numberSize();
        unchecked {
            return head.read(DealRecord.NUMBERS_AT + index * size, size);
        }
    }

    function numberSize(DealHead head) internal pure returns (uint256) {
        return head.flags() & DealRecord.WIDE == 0 ? 8 : 32;
    }

    /// @dev `size` bytes at `at`, as a number; within the head.
    function read(DealHead head, uint256 at, uint256 size) internal pure returns (uint256) {
        return Bytes.read(DealHead.unwrap(head), at, size);
    }
}
