// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {DealBoost} from "../src/interfaces/Types.sol";
import {BoostRecord} from "../src/records/BoostRecord.sol";
import {Bytes} from "../src/records/Bytes.sol";
import {DealHead, DealHeads} from "../src/records/DealHead.sol";
import {DealRecord, DealTerms} from "../src/records/DealRecord.sol";

/// The bytes of deals in both lanes: what `pack` writes, `unpack`, `load` and the readers of the head give back, with
/// every combination of optional parts and either width of numbers.
contract RecordProofs {
    using Bytes for bytes;
    using Bytes for uint256;

    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// Every size from 1 to 32 bytes, between two fields.
    function check_a_field_is_read_back_and_touches_no_other(uint256 before, uint256 value, uint256 later)
        external
        pure
    {
        for (uint256 size = 1; size <= 32; ++size) {
            bytes memory data = new bytes(128);
            uint256 place = data.start();
            uint256 end = place.put(before, 32).put(value, size).put(later, 32);
            assert(end == place + 64 + size);
            uint256 cut = size == 32 ? value : value & (uint256(1) << 8 * size) - 1;
            assert(place.read(0, 32) == before && data.take(0, 32) == before);
            assert(place.read(32, size) == cut && data.take(32, size) == cut);
            assert(place.read(32 + size, 32) == later && data.take(32 + size, 32) == later);
            data.truncate(end);
            assert(data.length == 64 + size);
        }
    }

    function pack(DealTerms memory terms, string calldata params) external pure returns (bytes memory) {
        return DealRecord.pack(terms, params);
    }

    /// Who: one path for each combination of optional parts.
    function check_the_parties_of_a_deal_are_read_back(DealTerms memory terms, uint8 parts) external view {
        narrow(terms, parts, type(uint64).max);
        bytes memory data = this.pack(terms, "params");
        DealTerms memory read = DealRecord.unpack(data);
        assert(read.pool == terms.pool && read.poolOwner == terms.poolOwner && read.app == terms.app);
        assert(read.appOwner == terms.appOwner && read.requester == terms.requester);
        assert(read.requestHash == terms.requestHash && read.tag == terms.tag);
        assert(read.dataset == terms.dataset && read.datasetOwner == terms.datasetOwner);
        assert(read.beneficiary == terms.beneficiary && read.callback == terms.callback);
        assert(read.sponsor == terms.sponsor);
        assert(read.conditions == terms.conditions && read.guard == terms.guard);
        assert(keccak256(data.rest(read.paramsAt)) == keccak256("params"));

        DealHead head = DealHead.wrap(data.start());
        assert(head.isDeal() && DealRecord.isDeal(data));
        assert(head.pool() == terms.pool && head.poolOwner() == terms.poolOwner);
        assert(head.appOwner() == terms.appOwner && head.tag() == terms.tag);
        assert(head.callback() == terms.callback && head.sponsor() == terms.sponsor);
        assert(head.conditions() == terms.conditions);
        if (terms.conditions != 0) assert(head.guard() == terms.guard);
        (address owner, uint256 price) = head.datasetOwnerAndPrice();
        assert(owner == terms.datasetOwner && price == terms.datasetPrice);
    }

    /// How much: narrow and wide numbers.
    function check_the_numbers_of_a_deal_are_read_back(DealTerms memory terms, uint8 parts, bool isWide)
        external
        view
    {
        narrow(terms, parts, isWide ? type(uint256).max : type(uint64).max);
        bytes memory data = this.pack(terms, "");
        DealTerms memory read = DealRecord.unpack(data);
        assert(read.startTime == terms.startTime && read.timeRef == terms.timeRef);
        assert(read.schedulerRatio == terms.schedulerRatio && read.category == terms.category);
        assert(read.poolPrice == terms.poolPrice && read.appPrice == terms.appPrice);
        assert(read.datasetPrice == terms.datasetPrice);
        assert(read.trust == terms.trust && read.workerStake == terms.workerStake);
        assert(read.botFirst == terms.botFirst && read.botSize == terms.botSize);

        DealHead head = DealHead.wrap(data.start());
        assert(head.startTime() == terms.startTime && head.timeRef() == terms.timeRef);
        assert(head.schedulerRatio() == terms.schedulerRatio);
        assert(head.poolPrice() == terms.poolPrice && head.appPrice() == terms.appPrice);
        assert(head.trust() == terms.trust && head.workerStake() == terms.workerStake);
        assert(head.botFirst() == terms.botFirst && head.botSize() == terms.botSize);
    }

    /// What callers of `pack` guarantee, and what parts there are.
    function narrow(DealTerms memory terms, uint8 parts, uint256 most) private pure {
        terms.startTime = uint40(terms.startTime);
        terms.timeRef = uint32(terms.timeRef);
        terms.category = uint32(terms.category);
        terms.schedulerRatio = uint8(terms.schedulerRatio);
        terms.poolPrice = uint96(terms.poolPrice);
        terms.appPrice = uint96(terms.appPrice);
        terms.datasetPrice = uint96(terms.datasetPrice);
        terms.trust &= most;
        terms.botFirst &= most;
        terms.botSize &= most;
        terms.workerStake &= most;
        if (parts & 1 == 0) (terms.dataset, terms.datasetOwner, terms.datasetPrice) = (address(0), address(0), 0);
        else vm.assume(terms.dataset != address(0));
        if (parts & 2 == 0) terms.beneficiary = address(0);
        if (parts & 4 == 0) terms.callback = address(0);
        if (parts & 8 == 0) terms.sponsor = terms.requester;
        terms.conditions = uint8(terms.conditions);
        if (parts & 16 == 0) (terms.conditions, terms.guard) = (0, address(0));
        else vm.assume(terms.conditions != 0);
    }

    function check_a_boosted_deal_is_read_back(DealBoost memory deal, uint8 parts) external {
        if (parts & 1 == 0) (deal.datasetOwner, deal.datasetPrice) = (address(0), 0);
        else vm.assume(deal.datasetOwner != address(0));
        if (parts & 2 == 0) deal.callback = address(0);
        if (parts & 4 == 0) deal.sponsor = deal.requester;
        address record = address(0xDEA1);
        vm.etch(record, BoostRecord.pack(deal));
        DealBoost memory read = BoostRecord.load(record);
        assert(read.appOwner == deal.appOwner && read.appPrice == deal.appPrice);
        assert(read.datasetOwner == deal.datasetOwner && read.datasetPrice == deal.datasetPrice);
        assert(read.workerpoolOwner == deal.workerpoolOwner && read.workerpoolPrice == deal.workerpoolPrice);
        assert(read.requester == deal.requester && read.workerReward == deal.workerReward);
        assert(read.callback == deal.callback && read.deadline == deal.deadline);
        assert(read.botFirst == deal.botFirst && read.botSize == deal.botSize);
        assert(read.shortTag == deal.shortTag && read.sponsor == deal.sponsor);
    }
}
