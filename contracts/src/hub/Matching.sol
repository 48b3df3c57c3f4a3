// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMatching} from "../interfaces/IOrders.sol";
import {IEntryRegistry, IEntryTerms, IOwned, IPoolPolicy} from "../interfaces/IParties.sol";
import {AppOrder, DatasetOrder, RequestOrder, WorkerpoolOrder} from "../interfaces/Types.sol";
import {CodeRecord} from "../records/CodeRecord.sol";
import {DealRecord, DealTerms} from "../records/DealRecord.sol";
import {Money} from "./Money.sol";
import {OrderHash} from "./OrderHash.sol";
import {Signatures} from "./Signatures.sol";

/// Makes deals of signed orders. The checks and their refusals come in the order clients know:
/// terms (0x00 to 0x07), counterparts and restrictions (0x10 to 0x1b), registration and signatures
/// (0x20 to 0x50), volume (0x60).
///
/// A null dataset order is signed by nobody, so nothing it says counts: not its price, tag or restrictions.
abstract contract Matching is IMatching, Money, Signatures {
    using OrderHash for AppOrder;
    using OrderHash for DatasetOrder;
    using OrderHash for WorkerpoolOrder;
    using OrderHash for RequestOrder;

    /// @dev The bits that name a TEE framework: a dataset's choice of one does not bind the pool.
    bytes32 internal constant TEE_FRAMEWORK_BITS = bytes32(uint256(0x0e));
    bytes32 internal constant TEE_BIT = bytes32(uint256(0x01));

    /// @dev Hashes of the four orders, and what is left of the least of them.
    struct OrderHashes {
        bytes32 app;
        bytes32 dataset;
        bytes32 pool;
        bytes32 request;
        uint256 volume;
    }

    function matchOrders(
        AppOrder calldata appOrder,
        DatasetOrder calldata datasetOrder,
        WorkerpoolOrder calldata workerpoolOrder,
        RequestOrder calldata requestOrder
    ) external returns (bytes32) {
        return _match(appOrder, datasetOrder, workerpoolOrder, requestOrder, requestOrder.requester);
    }

    function sponsorMatchOrders(
        AppOrder calldata appOrder,
        DatasetOrder calldata datasetOrder,
        WorkerpoolOrder calldata workerpoolOrder,
        RequestOrder calldata requestOrder
    ) external returns (bytes32 dealid) {
        dealid = _match(appOrder, datasetOrder, workerpoolOrder, requestOrder, msg.sender);
        emit DealSponsored(dealid, msg.sender);
    }

    function _match(
        AppOrder calldata app,
        DatasetOrder calldata dataset,
        WorkerpoolOrder calldata pool,
        RequestOrder calldata request,
        address payer
    ) private returns (bytes32 dealid) {
        DealTerms memory terms;
        terms.sponsor = payer;
        _checkTerms(app, dataset, pool, request, terms);
        _checkRestrictions(app, dataset, pool, request);

        OrderHashes memory hashes;
        hashes.volume = type(uint256).max;
        _admitApp(app, terms, hashes);
        if (dataset.dataset != address(0)) _admitDataset(dataset, terms, hashes);
        _admitPool(pool, terms, hashes);
        _admitRequest(request, terms, hashes);

        dealid = _dealId(hashes.request, terms.botFirst);
        _consume(hashes);
        _lockPrices(terms, hashes.volume);
        CodeRecord.write(dealid, DealRecord.pack(terms, request.params));

        emit SchedulerNotice(terms.pool, dealid);
        emit OrdersMatched(dealid, hashes.app, hashes.dataset, hashes.pool, hashes.request, hashes.volume);
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
        require(terms.category == pool.category, "iExecV5-matchOrders-0x00");
        require(terms.category < _categories.length, "iExecV5-matchOrders-0x01");
        require(request.trust <= pool.trust, "iExecV5-matchOrders-0x02");
        require(request.appmaxprice >= app.appprice, "iExecV5-matchOrders-0x03");
        require(!hasDataset || request.datasetmaxprice >= dataset.datasetprice, "iExecV5-matchOrders-0x04");
        require(request.workerpoolmaxprice >= pool.workerpoolprice, "iExecV5-matchOrders-0x05");

        bytes32 tag = app.tag | request.tag;
        if (hasDataset) tag |= dataset.tag & ~TEE_FRAMEWORK_BITS;
        require(tag & ~pool.tag == 0, "iExecV5-matchOrders-0x06");
        require((tag ^ app.tag) & TEE_BIT == 0, "iExecV5-matchOrders-0x07");
        terms.tag = tag;
    }

    function _checkRestrictions(
        AppOrder calldata app,
        DatasetOrder calldata dataset,
        WorkerpoolOrder calldata pool,
        RequestOrder calldata request
    ) private view {
        require(request.app == app.app, "iExecV5-matchOrders-0x10");
        require(request.dataset == dataset.dataset, "iExecV5-matchOrders-0x11");
        require(_isAllowed(request.workerpool, pool.workerpool), "iExecV5-matchOrders-0x12");
        require(_isAllowed(app.datasetrestrict, dataset.dataset), "iExecV5-matchOrders-0x13");
        require(_isAllowed(app.workerpoolrestrict, pool.workerpool), "iExecV5-matchOrders-0x14");
        require(_isAllowed(app.requesterrestrict, request.requester), "iExecV5-matchOrders-0x15");
        if (dataset.dataset != address(0)) {
            require(_isAllowed(dataset.apprestrict, app.app), "iExecV5-matchOrders-0x16");
            require(_isAllowed(dataset.workerpoolrestrict, pool.workerpool), "iExecV5-matchOrders-0x17");
            require(_isAllowed(dataset.requesterrestrict, request.requester), "iExecV5-matchOrders-0x18");
        }
        require(_isAllowed(pool.apprestrict, app.app), "iExecV5-matchOrders-0x19");
        require(_isAllowed(pool.datasetrestrict, dataset.dataset), "iExecV5-matchOrders-0x1a");
        require(_isAllowed(pool.requesterrestrict, request.requester), "iExecV5-matchOrders-0x1b");
    }

    function _admitApp(AppOrder calldata order, DealTerms memory terms, OrderHashes memory hashes)
        private
        view
    {
        hashes.app = _typedDataHash(order.structHash());
        terms.app = order.app;
        terms.appPrice = order.appprice;
        (terms.appOwner,,) = _entry(_appRegistry, terms.app, "iExecV5-matchOrders-0x20");
        require(_isSignedOrPresigned(terms.appOwner, hashes.app, order.sign), "iExecV5-matchOrders-0x21");
        _limitVolume(hashes, order.volume, hashes.app);
    }

    function _admitDataset(DatasetOrder calldata order, DealTerms memory terms, OrderHashes memory hashes)
        private
        view
    {
        hashes.dataset = _typedDataHash(order.structHash());
        terms.dataset = order.dataset;
        terms.datasetPrice = order.datasetprice;
        (terms.datasetOwner,,) = _entry(_datasetRegistry, terms.dataset, "iExecV5-matchOrders-0x30");
        require(
            _isSignedOrPresigned(terms.datasetOwner, hashes.dataset, order.sign), "iExecV5-matchOrders-0x31"
        );
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
        (terms.poolOwner, stakeRatio, terms.schedulerRatio) =
            _entry(registry, terms.pool, "iExecV5-matchOrders-0x40");
        require(_isSignedOrPresigned(terms.poolOwner, hashes.pool, order.sign), "iExecV5-matchOrders-0x41");
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
        require(_isSignedOrPresigned(terms.requester, hashes.request, order.sign), "iExecV5-matchOrders-0x50");
        _limitVolume(hashes, order.volume, hashes.request);
        require(hashes.volume > 0, "iExecV5-matchOrders-0x60");

        terms.beneficiary = order.beneficiary;
        terms.callback = order.callback;
        terms.trust = order.trust == 0 ? 1 : order.trust;
        terms.startTime = block.timestamp;
        terms.timeRef = _categories[terms.category].workClockTimeRef;
        terms.botFirst = _consumed[hashes.request];
        terms.botSize = hashes.volume;
    }

    /// @dev Owner and policies of an entry. One call to a registry of ours; entries of an older or foreign
    /// registry are asked themselves, and their policies are then `type(uint256).max`: not known here.
    function _entry(address registry, address entry, string memory refusal)
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
        require(IEntryRegistry(registry).isRegistered(entry), refusal);
        return (IOwned(entry).owner(), type(uint256).max, 0);
    }

    function _limitVolume(OrderHashes memory hashes, uint256 volume, bytes32 orderHash) private view {
        uint256 left = volume - _consumed[orderHash];
        if (left < hashes.volume) hashes.volume = left;
    }

    /// @dev No order's volume is exceeded, so the sums cannot overflow.
    function _consume(OrderHashes memory hashes) private {
        unchecked {
            _consumed[hashes.app] += hashes.volume;
            if (hashes.dataset != 0) _consumed[hashes.dataset] += hashes.volume;
            _consumed[hashes.pool] += hashes.volume;
            _consumed[hashes.request] += hashes.volume;
        }
    }

    function _lockPrices(DealTerms memory terms, uint256 volume) private {
        _lock(terms.sponsor, (terms.appPrice + terms.datasetPrice + terms.poolPrice) * volume);
        // Rounded for one task, then multiplied: each task gives back exactly what it took.
        _lock(terms.poolOwner, (terms.poolPrice * WORKERPOOL_STAKE_RATIO / 100) * volume);
    }

    function _dealId(bytes32 requestHash, uint256 botFirst) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(requestHash, botFirst));
    }
}
