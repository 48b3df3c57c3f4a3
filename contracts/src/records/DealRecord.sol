// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Bytes} from "./Bytes.sol";

/// @dev The terms of a deal, as every later call needs them. `params` are read by views alone.
struct DealTerms {
    address pool;
    address poolOwner;
    bytes32 tag;
    uint256 startTime;
    uint256 timeRef;
    uint256 schedulerRatio;
    uint256 poolPrice;
    uint256 appPrice;
    uint256 category;
    bytes32 requestHash;
    address app;
    address appOwner;
    address requester;
    uint256 trust;
    uint256 botFirst;
    uint256 botSize;
    uint256 workerStake;
    address dataset;
    address datasetOwner;
    uint256 datasetPrice;
    address beneficiary;
    address callback;
    address sponsor;
    /// As in `OrderMark`; the guard is zero where none is asked for.
    uint256 conditions;
    address guard;
    /// Where params begin in the record.
    uint256 paramsAt;
}

/// The bytes of a deal: written once at the match as a code record, read by every later call.
///
///   0 STOP | flags 1 | pool 20 | poolOwner 20 | tag 32 | startTime 5 | timeRef 4 | schedulerRatio 1 |
///   poolPrice 12 | appPrice 12 | category 4 | requestHash 32 | app 20 | appOwner 20 | requester 20 |
///   trust n | botFirst n | botSize n | workerStake n |
///   [dataset 20 | datasetOwner 20 | datasetPrice 12] | [beneficiary 20] | [callback 20] | [sponsor 20] |
///   [conditions 1 | guard 20] | params
///
/// n is 8 bytes, or 32 if one of the four numbers needs more. Parts in brackets are there if their flag is
/// set; a sponsor is written only if it is not the requester. Every byte costs 200 gas.
library DealRecord {
    using Bytes for bytes;
    using Bytes for uint256;

    uint256 internal constant HAS_DATASET = 1;
    uint256 internal constant HAS_BENEFICIARY = 2;
    uint256 internal constant HAS_CALLBACK = 4;
    uint256 internal constant HAS_SPONSOR = 8;
    uint256 internal constant WIDE = 16;
    uint256 internal constant HAS_CONDITIONS = 32;
    /// Set in deals alone: results are records of the same creator, their bytes are chosen by pools, and the
    /// id of a deal is chosen by the caller. Without it a result could be passed off as a deal.
    uint256 internal constant IS_DEAL = 128;

    /// @dev Where the fields lie.
    uint256 internal constant POOL_AT = 2;
    uint256 internal constant POOL_OWNER_AT = 22;
    uint256 internal constant TAG_AT = 42;
    uint256 internal constant START_TIME_AT = 74;
    uint256 internal constant TIME_REF_AT = 79;
    uint256 internal constant SCHEDULER_RATIO_AT = 83;
    uint256 internal constant POOL_PRICE_AT = 84;
    uint256 internal constant APP_PRICE_AT = 96;
    uint256 internal constant CATEGORY_AT = 108;
    uint256 internal constant REQUEST_HASH_AT = 112;
    uint256 internal constant APP_AT = 144;
    uint256 internal constant APP_OWNER_AT = 164;
    uint256 internal constant REQUESTER_AT = 184;
    uint256 internal constant NUMBERS_AT = 204;

    /// @dev The longest record without params: four wide numbers, all that is optional, and a word to read past.
    uint256 internal constant HEAD_MAX = NUMBERS_AT + 4 * 32 + 52 + 3 * 20 + 21 + 32;

    /// @dev Callers guarantee that prices fit 96 bits (they were locked), category and timeRef 32 and
    /// schedulerRatio 8.
    function pack(DealTerms memory terms, string calldata params) internal pure returns (bytes memory data) {
        data = new bytes(HEAD_MAX + bytes(params).length);
        uint256 flags = _flags(terms);
        uint256 at = _putFixed(data.start(), terms, flags);
        uint256 size = flags & WIDE == 0 ? 8 : 32;
        at = at.put(terms.trust, size);
        at = at.put(terms.botFirst, size);
        at = at.put(terms.botSize, size);
        at = at.put(terms.workerStake, size);
        if (flags & HAS_DATASET != 0) {
            at = at.put(uint160(terms.dataset), 20);
            at = at.put(uint160(terms.datasetOwner), 20);
            at = at.put(terms.datasetPrice, 12);
        }
        if (flags & HAS_BENEFICIARY != 0) at = at.put(uint160(terms.beneficiary), 20);
        if (flags & HAS_CALLBACK != 0) at = at.put(uint160(terms.callback), 20);
        if (flags & HAS_SPONSOR != 0) at = at.put(uint160(terms.sponsor), 20);
        if (flags & HAS_CONDITIONS != 0) {
            at = at.put(terms.conditions, 1);
            at = at.put(uint160(terms.guard), 20);
        }
        assembly ("memory-safe") {
            calldatacopy(at, params.offset, params.length)
        }
        data.truncate(at + bytes(params).length);
    }

    /// @dev Whether the code found under an id is a deal's. False for no code.
    function isDeal(bytes memory data) internal pure returns (bool) {
        return data.length > NUMBERS_AT && data.take(1, 1) & IS_DEAL != 0;
    }

    function unpack(bytes memory data) internal pure returns (DealTerms memory terms) {
        uint256 flags = data.take(1, 1);
        terms.pool = data.takeAddress(POOL_AT);
        terms.poolOwner = data.takeAddress(POOL_OWNER_AT);
        terms.tag = bytes32(data.take(TAG_AT, 32));
        terms.startTime = data.take(START_TIME_AT, 5);
        terms.timeRef = data.take(TIME_REF_AT, 4);
        terms.schedulerRatio = data.take(SCHEDULER_RATIO_AT, 1);
        terms.poolPrice = data.take(POOL_PRICE_AT, 12);
        terms.appPrice = data.take(APP_PRICE_AT, 12);
        terms.category = data.take(CATEGORY_AT, 4);
        terms.requestHash = bytes32(data.take(REQUEST_HASH_AT, 32));
        terms.app = data.takeAddress(APP_AT);
        terms.appOwner = data.takeAddress(APP_OWNER_AT);
        terms.requester = data.takeAddress(REQUESTER_AT);

        uint256 width = flags & WIDE == 0 ? 8 : 32;
        terms.trust = data.take(NUMBERS_AT, width);
        terms.botFirst = data.take(NUMBERS_AT + width, width);
        terms.botSize = data.take(NUMBERS_AT + 2 * width, width);
        terms.workerStake = data.take(NUMBERS_AT + 3 * width, width);
        _unpackOptional(terms, data, flags, NUMBERS_AT + 4 * width);
    }

    function _unpackOptional(DealTerms memory terms, bytes memory data, uint256 flags, uint256 at)
        private
        pure
    {
        if (flags & HAS_DATASET != 0) {
            terms.dataset = data.takeAddress(at);
            terms.datasetOwner = data.takeAddress(at + 20);
            terms.datasetPrice = data.take(at + 40, 12);
            at += 52;
        }
        if (flags & HAS_BENEFICIARY != 0) {
            terms.beneficiary = data.takeAddress(at);
            at += 20;
        }
        if (flags & HAS_CALLBACK != 0) {
            terms.callback = data.takeAddress(at);
            at += 20;
        }
        terms.sponsor = terms.requester;
        if (flags & HAS_SPONSOR != 0) {
            terms.sponsor = data.takeAddress(at);
            at += 20;
        }
        if (flags & HAS_CONDITIONS != 0) {
            terms.conditions = data.take(at, 1);
            terms.guard = data.takeAddress(at + 1);
            at += 21;
        }
        terms.paramsAt = at;
    }

    /// @dev The first byte is STOP: whoever calls a record does nothing.
    function _putFixed(uint256 at, DealTerms memory terms, uint256 flags) private pure returns (uint256) {
        at = at.put(flags, 2);
        at = at.put(uint160(terms.pool), 20);
        at = at.put(uint160(terms.poolOwner), 20);
        at = at.put(uint256(terms.tag), 32);
        at = at.put(terms.startTime, 5);
        at = at.put(terms.timeRef, 4);
        at = at.put(terms.schedulerRatio, 1);
        at = at.put(terms.poolPrice, 12);
        at = at.put(terms.appPrice, 12);
        at = at.put(terms.category, 4);
        at = at.put(uint256(terms.requestHash), 32);
        at = at.put(uint160(terms.app), 20);
        at = at.put(uint160(terms.appOwner), 20);
        return at.put(uint160(terms.requester), 20);
    }

    function _flags(DealTerms memory terms) private pure returns (uint256 flags) {
        flags = IS_DEAL;
        if (terms.dataset != address(0)) flags |= HAS_DATASET;
        if (terms.beneficiary != address(0)) flags |= HAS_BENEFICIARY;
        if (terms.callback != address(0)) flags |= HAS_CALLBACK;
        if (terms.sponsor != terms.requester) flags |= HAS_SPONSOR;
        if (terms.conditions != 0) flags |= HAS_CONDITIONS;
        if (_isWide(terms)) flags |= WIDE;
    }

    function _isWide(DealTerms memory terms) private pure returns (bool) {
        return (terms.trust | terms.botFirst | terms.botSize | terms.workerStake) >> 64 != 0;
    }
}
