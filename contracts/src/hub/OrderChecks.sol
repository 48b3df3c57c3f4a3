// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEntryRegistry, IEntryTerms, IOwned, IPoolPolicy} from "../interfaces/IParties.sol";
import {AppOrder, DatasetOrder, RequestOrder, WorkerpoolOrder} from "../interfaces/Types.sol";
import {DealTerms} from "../records/DealRecord.sol";
import {Money} from "./Money.sol";
import {OrderMarks} from "../records/OrderMark.sol";
import {OrderHash} from "./OrderHash.sol";
import {OrderMarking} from "./OrderMarking.sol";
import {Payout} from "./Payout.sol";
import {Signatures} from "./Signatures.sol";
import {TaskAccess} from "./TaskAccess.sol";

/// @dev Hashes of the four orders, and what is left of the least of them.
struct OrderHashes {
    bytes32 app;
    bytes32 dataset;
    bytes32 pool;
    bytes32 request;
    uint256 volume;
}

/// Whether four orders make a deal. The checks come in the order clients know, and each has its number:
/// terms (0x00 to 0x07), counterparts and restrictions (0x10 to 0x1b), registration and signatures
/// (0x20 to 0x50), volume (0x60). A lane puts the number into its words.
///
/// A null dataset order is signed by nobody, so nothing it says counts: not its price, tag or restrictions.
abstract contract OrderChecks is Money, Signatures, TaskAccess, OrderMarking {
    using OrderHash for AppOrder;
    using OrderHash for DatasetOrder;
    using OrderHash for WorkerpoolOrder;
    using OrderHash for RequestOrder;

    /// @dev The bits that name a TEE framework: a dataset's choice of one does not bind the pool.
    bytes32 internal constant TEE_FRAMEWORK_BITS = bytes32(uint256(0x0e));
    bytes32 internal constant TEE_BIT = bytes32(uint256(0x01));

    /// @dev Reverts with the words for the check of this number.
    function _refuse(uint256 check) internal pure virtual;

    /// @dev Whether a pool that offers this trust may serve a request that asks for that.
    function _isTrustOffered(uint256 asked, uint256 offered) internal pure virtual returns (bool) {
        return asked <= offered;
    }

    /// @dev Makes every check; returns the terms of the deal, and the hashes of the orders with its volume. The
    /// caller consumes, locks and stores.
    function _agree(
        AppOrder calldata app,
        DatasetOrder calldata dataset,
        WorkerpoolOrder calldata pool,
        RequestOrder calldata request,
        address payer
    ) internal view returns (DealTerms memory terms, OrderHashes memory hashes) {
        terms.sponsor = payer;
        _checkTerms(app, dataset, pool, request, terms);
        _checkRestrictions(app, dataset, pool, request);
        hashes.volume = type(uint256).max;
        _admitApp(app, terms, hashes);
        if (dataset.dataset != address(0)) _admitDataset(dataset, terms, hashes);
        _admitPool(pool, terms, hashes);
        _admitRequest(request, terms, hashes);
        // Marks are read last: refusals that every client knows come first.
        bool hasMarks = OrderMarks.isMarked(app.salt) || OrderMarks.isMarked(dataset.salt)
            || OrderMarks.isMarked(pool.salt) || OrderMarks.isMarked(request.salt);
        if (hasMarks) _readMarks(app.salt, dataset.salt, pool.salt, request.salt, terms);
    }

    function _checkTerms(
        AppOrder calldata app,
        DatasetOrder calldata dataset,
        WorkerpoolOrder calldata pool,
        RequestOrder calldata request,
        DealTerms memory terms
    ) private view {
        bool hasDataset = dataset.dataset != address(0);
        terms.category = request.category;
        _require(terms.category == pool.category, 0x00);
        uint256 clocks = _clocks;
        _require(terms.category < uint32(clocks), 0x01);
        terms.timeRef = terms.category < PACKED_CLOCKS
            ? uint32(clocks >> 32 * (terms.category + 1))
            : _categories[terms.category].workClockTimeRef;
        _require(_isTrustOffered(request.trust, pool.trust), 0x02);
        _require(request.appmaxprice >= app.appprice, 0x03);
        _require(!hasDataset || request.datasetmaxprice >= dataset.datasetprice, 0x04);
        _require(request.workerpoolmaxprice >= pool.workerpoolprice, 0x05);

        bytes32 tag = app.tag | request.tag;
        if (hasDataset) tag |= dataset.tag & ~TEE_FRAMEWORK_BITS;
        _require(tag & ~pool.tag == 0, 0x06);
        _require((tag ^ app.tag) & TEE_BIT == 0, 0x07);
        terms.tag = tag;
    }

    function _checkRestrictions(
        AppOrder calldata app,
        DatasetOrder calldata dataset,
        WorkerpoolOrder calldata pool,
        RequestOrder calldata request
    ) private view {
        _require(request.app == app.app, 0x10);
        _require(request.dataset == dataset.dataset, 0x11);
        _require(_isAllowed(request.workerpool, pool.workerpool), 0x12);
        _require(_isAllowed(app.datasetrestrict, dataset.dataset), 0x13);
        _require(_isAllowed(app.workerpoolrestrict, pool.workerpool), 0x14);
        _require(_isAllowed(app.requesterrestrict, request.requester), 0x15);
        if (dataset.dataset != address(0)) {
            _require(_isAllowed(dataset.apprestrict, app.app), 0x16);
            _require(_isAllowed(dataset.workerpoolrestrict, pool.workerpool), 0x17);
            _require(_isAllowed(dataset.requesterrestrict, request.requester), 0x18);
        }
        _require(_isAllowed(pool.apprestrict, app.app), 0x19);
        _require(_isAllowed(pool.datasetrestrict, dataset.dataset), 0x1a);
        _require(_isAllowed(pool.requesterrestrict, request.requester), 0x1b);
    }

    function _admitApp(AppOrder calldata order, DealTerms memory terms, OrderHashes memory hashes)
        private
        view
    {
        hashes.app = _typedDataHash(order.structHash());
        terms.app = order.app;
        terms.appPrice = order.appprice;
        (terms.appOwner,,) = _entry(_appRegistry, terms.app, 0x20);
        _require(_isSignedOrPresigned(terms.appOwner, hashes.app, order.sign), 0x21);
        _limitVolume(hashes, order.volume, hashes.app);
    }

    function _admitDataset(DatasetOrder calldata order, DealTerms memory terms, OrderHashes memory hashes)
        private
        view
    {
        hashes.dataset = _typedDataHash(order.structHash());
        terms.dataset = order.dataset;
        terms.datasetPrice = order.datasetprice;
        (terms.datasetOwner,,) = _entry(_datasetRegistry, terms.dataset, 0x30);
        _require(_isSignedOrPresigned(terms.datasetOwner, hashes.dataset, order.sign), 0x31);
        _limitVolume(hashes, order.volume, hashes.dataset);
    }

    function _admitPool(WorkerpoolOrder calldata order, DealTerms memory terms, OrderHashes memory hashes)
        private
        view
    {
        hashes.pool = _typedDataHash(order.structHash());
        terms.pool = order.workerpool;
        terms.poolPrice = order.workerpoolprice;
        (address registry, uint256 stakeRatio) = (_workerpoolRegistry, 0);
        (terms.poolOwner, stakeRatio, terms.schedulerRatio) = _entry(registry, terms.pool, 0x40);
        _require(_isSignedOrPresigned(terms.poolOwner, hashes.pool, order.sign), 0x41);
        if (stakeRatio == type(uint256).max) {
            stakeRatio = IPoolPolicy(terms.pool).m_workerStakeRatioPolicy();
            terms.schedulerRatio = IPoolPolicy(terms.pool).m_schedulerRewardRatioPolicy();
        }
        terms.workerStake = terms.poolPrice * stakeRatio / 100;
        _limitVolume(hashes, order.volume, hashes.pool);
    }

    function _admitRequest(RequestOrder calldata order, DealTerms memory terms, OrderHashes memory hashes)
        private
        view
    {
        hashes.request = _typedDataHash(order.structHash());
        terms.requestHash = hashes.request;
        terms.requester = order.requester;
        _require(_isSignedOrPresigned(terms.requester, hashes.request, order.sign), 0x50);
        _limitVolume(hashes, order.volume, hashes.request);
        terms.botFirst = _consumed[hashes.request];
        _require(hashes.volume > 0 && !_isUsedUp(hashes.request, terms.botFirst), 0x60);

        terms.beneficiary = order.beneficiary;
        terms.callback = order.callback;
        terms.trust = order.trust == 0 ? 1 : order.trust;
        terms.startTime = block.timestamp;
        terms.botSize = hashes.volume;
    }

    /// @dev Owner and policies of an entry. One call to a registry of ours; entries of an older or foreign
    /// registry are asked themselves, and their policies are then `type(uint256).max`: not known here.
    function _entry(address registry, address entry, uint256 check)
        private
        view
        returns (address owner, uint256 stakeRatio, uint256 schedulerRatio)
    {
        (bool success, bytes memory answer) =
            registry.staticcall(abi.encodeCall(IEntryTerms.entryTerms, (entry)));
        if (success && answer.length == 96) {
            (owner, stakeRatio, schedulerRatio) = abi.decode(answer, (address, uint256, uint256));
            if (owner != address(0)) return (owner, stakeRatio, schedulerRatio);
        }
        _require(IEntryRegistry(registry).isRegistered(entry), check);
        return (IOwned(entry).owner(), type(uint256).max, 0);
    }

    /// @dev Whether one deal has used up the request: then no slot says so, see `_consume`. To find it out from
    /// the refusal of a second record would burn the gas of the call.
    function _isUsedUp(bytes32 requestHash, uint256 consumed) private view returns (bool) {
        return consumed == 0 && _recordOf(_dealId(requestHash, 0)).code.length > 0;
    }

    function _limitVolume(OrderHashes memory hashes, uint256 volume, bytes32 orderHash) private view {
        uint256 left = volume - _consumed[orderHash];
        if (left < hashes.volume) hashes.volume = left;
    }

    /// @dev No order's volume is exceeded, so the sums cannot overflow. A request that is used up at once needs
    /// no slot: its deal says it, see `_consumedOf`.
    function _consume(OrderHashes memory hashes, uint256 requestConsumed, uint256 requestVolume) internal {
        unchecked {
            _consumed[hashes.app] += hashes.volume;
            if (hashes.dataset != 0) _consumed[hashes.dataset] += hashes.volume;
            _consumed[hashes.pool] += hashes.volume;
            if (hashes.volume != requestVolume) _consumed[hashes.request] = requestConsumed + hashes.volume;
        }
    }

    function _lockPrices(DealTerms memory terms, uint256 volume) internal {
        _lock(terms.sponsor, (terms.appPrice + terms.datasetPrice + terms.poolPrice) * volume);
        // Rounded for one task, then multiplied: each task gives back exactly what it took.
        _lock(terms.poolOwner, Payout.poolStakeOf(terms.poolPrice) * volume);
    }

    function _require(bool isMet, uint256 check) private pure {
        if (!isMet) _refuse(check);
    }
}
