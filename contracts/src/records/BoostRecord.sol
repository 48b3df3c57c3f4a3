// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {DealBoost} from "../interfaces/Types.sol";
import {Bytes} from "./Bytes.sol";
import {CodeRecord} from "./CodeRecord.sol";

/// The bytes of a deal of the boost lane, a code record as a classic deal's:
///
///   0 STOP | flags 1 | poolOwner 20 | poolPrice 12 | workerReward 12 | appOwner 20 | appPrice 12 | deadline 5 |
///   tag 3 | requester 20 | botFirst 2 | botSize 2 | [datasetOwner 20 | datasetPrice 12] | [callback 20] | [sponsor 20]
///
/// Parts in brackets are there if their flag is set; a sponsor is written only if it is not the requester.
library BoostRecord {
    using Bytes for bytes;
    using Bytes for uint256;

    uint256 private constant HAS_DATASET = 1;
    uint256 private constant HAS_CALLBACK = 4;
    uint256 private constant HAS_SPONSOR = 8;
    /// Set in deals of this lane alone.
    uint256 private constant IS_BOOST = 64;

    uint256 private constant OPTIONAL_AT = 110;
    /// @dev The longest record, and a word to read past.
    uint256 private constant MOST = OPTIONAL_AT + 32 + 2 * 20 + 32;

    /// @dev The caller has checked that every number fits.
    function pack(DealBoost memory deal) internal pure returns (bytes memory data) {
        data = new bytes(MOST);
        uint256 flags = _flags(deal);
        uint256 at = data.start();
        at = at.put(flags, 2);
        at = at.put(uint160(deal.workerpoolOwner), 20);
        at = at.put(deal.workerpoolPrice, 12);
        at = at.put(deal.workerReward, 12);
        at = at.put(uint160(deal.appOwner), 20);
        at = at.put(deal.appPrice, 12);
        at = at.put(deal.deadline, 5);
        at = at.put(uint24(deal.shortTag), 3);
        at = at.put(uint160(deal.requester), 20);
        at = at.put(deal.botFirst, 2);
        at = at.put(deal.botSize, 2);
        if (flags & HAS_DATASET != 0) {
            at = at.put(uint160(deal.datasetOwner), 20);
            at = at.put(deal.datasetPrice, 12);
        }
        if (flags & HAS_CALLBACK != 0) at = at.put(uint160(deal.callback), 20);
        if (flags & HAS_SPONSOR != 0) at = at.put(uint160(deal.sponsor), 20);
        data.truncate(at);
    }

    /// @dev All zeros if no deal of this lane lies there.
    function load(address record) internal view returns (DealBoost memory deal) {
        uint256 place = CodeRecord.load(record, MOST);
        uint256 flags = place.read(1, 1);
        if (flags & IS_BOOST == 0) return deal;
        deal.workerpoolOwner = address(uint160(place.read(2, 20)));
        deal.workerpoolPrice = uint96(place.read(22, 12));
        deal.workerReward = uint96(place.read(34, 12));
        deal.appOwner = address(uint160(place.read(46, 20)));
        deal.appPrice = uint96(place.read(66, 12));
        deal.deadline = uint40(place.read(78, 5));
        deal.shortTag = bytes3(uint24(place.read(83, 3)));
        deal.requester = address(uint160(place.read(86, 20)));
        deal.botFirst = uint16(place.read(106, 2));
        deal.botSize = uint16(place.read(108, 2));
        uint256 at = OPTIONAL_AT;
        if (flags & HAS_DATASET != 0) {
            deal.datasetOwner = address(uint160(place.read(at, 20)));
            deal.datasetPrice = uint96(place.read(at + 20, 12));
            at += 32;
        }
        if (flags & HAS_CALLBACK != 0) {
            deal.callback = address(uint160(place.read(at, 20)));
            at += 20;
        }
        deal.sponsor = flags & HAS_SPONSOR == 0 ? deal.requester : address(uint160(place.read(at, 20)));
    }

    function _flags(DealBoost memory deal) private pure returns (uint256 flags) {
        flags = IS_BOOST;
        if (deal.datasetOwner != address(0)) flags |= HAS_DATASET;
        if (deal.callback != address(0)) flags |= HAS_CALLBACK;
        if (deal.sponsor != deal.requester) flags |= HAS_SPONSOR;
    }
}
