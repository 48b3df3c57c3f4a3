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
    /// Where params begin in the record.
    uint256 paramsAt;
}

/// The bytes of a deal: written once at the match as a code record, read by every later call.
///
///   0 STOP | flags 1 | pool 20 | poolOwner 20 | tag 32 | startTime 5 | timeRef 4 | schedulerRatio 1 |
///   poolPrice 12 | appPrice 12 | category 4 | requestHash 32 | app 20 | appOwner 20 | requester 20 |
///   trust n | botFirst n | botSize n | workerStake n |
///   [dataset 20 | datasetOwner 20 | datasetPrice 12] | [beneficiary 20] | [callback 20] | [sponsor 20] | params
///
/// n is 8 bytes, or 32 if one of the four numbers needs more. Parts in brackets are there if their flag is
/// set; a sponsor is written only if it is not the requester. Every byte costs 200 gas.
library DealRecord {
    using Bytes for bytes;

    uint256 private constant HAS_DATASET = 1;
    uint256 private constant HAS_BENEFICIARY = 2;
    uint256 private constant HAS_CALLBACK = 4;
    uint256 private constant HAS_SPONSOR = 8;
    uint256 private constant WIDE = 16;
    /// Set in deals alone: results are records of the same creator, their bytes are chosen by pools, and the
    /// id of a deal is chosen by the caller. Without it a result could be passed off as a deal.
    uint256 private constant IS_DEAL = 128;

    /// @dev Where the four numbers begin: the sum of the sizes before them.
    uint256 private constant NUMBERS_AT = 204;

    /// @dev Callers guarantee that prices fit 96 bits (they were locked), category and timeRef 32 and
    /// schedulerRatio 8.
    function pack(DealTerms memory terms, string calldata params) internal pure returns (bytes memory) {
        return bytes.concat(_packFixed(terms), _packNumbers(terms), _packOptional(terms), bytes(params));
    }

    /// @dev Whether the code found under an id is a deal's. False for no code.
    function isDeal(bytes memory data) internal pure returns (bool) {
        return data.length > NUMBERS_AT && data.take(1, 1) & IS_DEAL != 0;
    }

    function unpack(bytes memory data) internal pure returns (DealTerms memory terms) {
        uint256 flags = data.take(1, 1);
        terms.pool = data.takeAddress(2);
        terms.poolOwner = data.takeAddress(22);
        terms.tag = bytes32(data.take(42, 32));
        terms.startTime = data.take(74, 5);
        terms.timeRef = data.take(79, 4);
        terms.schedulerRatio = data.take(83, 1);
        terms.poolPrice = data.take(84, 12);
        terms.appPrice = data.take(96, 12);
        terms.category = data.take(108, 4);
        terms.requestHash = bytes32(data.take(112, 32));
        terms.app = data.takeAddress(144);
        terms.appOwner = data.takeAddress(164);
        terms.requester = data.takeAddress(184);

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
        terms.paramsAt = at;
    }

    function _packFixed(DealTerms memory terms) private pure returns (bytes memory) {
        bytes memory head = abi.encodePacked(
            bytes1(0),
            uint8(_flags(terms)),
            terms.pool,
            terms.poolOwner,
            terms.tag,
            uint40(terms.startTime),
            uint32(terms.timeRef),
            uint8(terms.schedulerRatio)
        );
        return abi.encodePacked(
            head,
            uint96(terms.poolPrice),
            uint96(terms.appPrice),
            uint32(terms.category),
            terms.requestHash,
            terms.app,
            terms.appOwner,
            terms.requester
        );
    }

    function _packNumbers(DealTerms memory terms) private pure returns (bytes memory) {
        if (_isWide(terms)) {
            return abi.encodePacked(terms.trust, terms.botFirst, terms.botSize, terms.workerStake);
        }
        return abi.encodePacked(
            uint64(terms.trust), uint64(terms.botFirst), uint64(terms.botSize), uint64(terms.workerStake)
        );
    }

    function _packOptional(DealTerms memory terms) private pure returns (bytes memory part) {
        if (terms.dataset != address(0)) {
            part = abi.encodePacked(terms.dataset, terms.datasetOwner, uint96(terms.datasetPrice));
        }
        if (terms.beneficiary != address(0)) part = abi.encodePacked(part, terms.beneficiary);
        if (terms.callback != address(0)) part = abi.encodePacked(part, terms.callback);
        if (terms.sponsor != terms.requester) part = abi.encodePacked(part, terms.sponsor);
    }

    function _flags(DealTerms memory terms) private pure returns (uint256 flags) {
        flags = IS_DEAL;
        if (terms.dataset != address(0)) flags |= HAS_DATASET;
        if (terms.beneficiary != address(0)) flags |= HAS_BENEFICIARY;
        if (terms.callback != address(0)) flags |= HAS_CALLBACK;
        if (terms.sponsor != terms.requester) flags |= HAS_SPONSOR;
        if (_isWide(terms)) flags |= WIDE;
    }

    function _isWide(DealTerms memory terms) private pure returns (bool) {
        return (terms.trust | terms.botFirst | terms.botSize | terms.workerStake) >> 64 != 0;
    }
}
