// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IConditions} from "../interfaces/IConditions.sol";
import {IOrders} from "../interfaces/IOrders.sol";
import {IOwned} from "../interfaces/IParties.sol";
import {
    AppOrder,
    AppOrderOperation,
    DatasetOrder,
    DatasetOrderOperation,
    OrderOperation,
    RequestOrder,
    RequestOrderOperation,
    WorkerpoolOrder,
    WorkerpoolOrderOperation
} from "../interfaces/Types.sol";
import {DealRecord, DealTerms} from "../records/DealRecord.sol";
import {OrderHash} from "./OrderHash.sol";
import {OrderMarking} from "./OrderMarking.sol";
import {Signatures} from "./Signatures.sol";
import {TaskAccess} from "./TaskAccess.sol";

/// Everything about orders but matching: pre-signing, closing, broadcasting, checking.
abstract contract OrderManagement is IOrders, IConditions, Signatures, TaskAccess, OrderMarking {
    using OrderHash for AppOrder;
    using OrderHash for DatasetOrder;
    using OrderHash for WorkerpoolOrder;
    using OrderHash for RequestOrder;

    /// @dev As in matching: a dataset's choice of a TEE framework does not bind.
    bytes32 private constant TEE_FRAMEWORKS = bytes32(uint256(0x0e));

    function manageAppOrder(AppOrderOperation calldata operation) external {
        bytes32 orderStruct = operation.order.structHash();
        address account = IOwned(operation.order.app).owner();
        _checkManager(account, OrderHash.APP_OPERATION_TYPE, orderStruct, operation.operation, operation.sign);
        bytes32 orderHash = _typedDataHash(orderStruct);
        _apply(account, orderHash, operation.operation, operation.order.volume);
        if (operation.operation == OrderOperation.SIGN) emit SignedAppOrder(orderHash);
        else emit ClosedAppOrder(orderHash);
    }

    function manageDatasetOrder(DatasetOrderOperation calldata operation) external {
        bytes32 orderStruct = operation.order.structHash();
        address account = IOwned(operation.order.dataset).owner();
        _checkManager(
            account, OrderHash.DATASET_OPERATION_TYPE, orderStruct, operation.operation, operation.sign
        );
        bytes32 orderHash = _typedDataHash(orderStruct);
        _apply(account, orderHash, operation.operation, operation.order.volume);
        if (operation.operation == OrderOperation.SIGN) emit SignedDatasetOrder(orderHash);
        else emit ClosedDatasetOrder(orderHash);
    }

    function manageWorkerpoolOrder(WorkerpoolOrderOperation calldata operation) external {
        bytes32 orderStruct = operation.order.structHash();
        address account = IOwned(operation.order.workerpool).owner();
        _checkManager(
            account, OrderHash.WORKERPOOL_OPERATION_TYPE, orderStruct, operation.operation, operation.sign
        );
        bytes32 orderHash = _typedDataHash(orderStruct);
        _apply(account, orderHash, operation.operation, operation.order.volume);
        if (operation.operation == OrderOperation.SIGN) emit SignedWorkerpoolOrder(orderHash);
        else emit ClosedWorkerpoolOrder(orderHash);
    }

    function manageRequestOrder(RequestOrderOperation calldata operation) external {
        bytes32 orderStruct = operation.order.structHash();
        address account = operation.order.requester;
        _checkManager(
            account, OrderHash.REQUEST_OPERATION_TYPE, orderStruct, operation.operation, operation.sign
        );
        bytes32 orderHash = _typedDataHash(orderStruct);
        _apply(account, orderHash, operation.operation, operation.order.volume);
        if (operation.operation == OrderOperation.SIGN) emit SignedRequestOrder(orderHash);
        else emit ClosedRequestOrder(orderHash);
    }

    function broadcastAppOrder(AppOrder calldata order) external {
        emit BroadcastAppOrder(order);
    }

    function broadcastDatasetOrder(DatasetOrder calldata order) external {
        emit BroadcastDatasetOrder(order);
    }

    function broadcastWorkerpoolOrder(WorkerpoolOrder calldata order) external {
        emit BroadcastWorkerpoolOrder(order);
    }

    function broadcastRequestOrder(RequestOrder calldata order) external {
        emit BroadcastRequestOrder(order);
    }

    function raiseEpoch() external returns (uint256 epoch) {
        epoch = _epochs[msg.sender] + 1;
        if (epoch > type(uint16).max) revert EpochsSpent(msg.sender);
        _epochs[msg.sender] = epoch;
        emit EpochRaised(msg.sender, epoch);
    }

    function verifySignature(address identity, bytes32 hash, bytes calldata signature)
        external
        view
        returns (bool)
    {
        return _isSigned(identity, hash, signature);
    }

    function verifyPresignature(address identity, bytes32 hash) external view returns (bool) {
        return _isPresigned(identity, hash);
    }

    function verifyPresignatureOrSignature(address identity, bytes32 hash, bytes calldata signature)
        external
        view
        returns (bool)
    {
        return _isSignedOrPresigned(identity, hash, signature);
    }

    function computeDealVolume(
        AppOrder calldata appOrder,
        DatasetOrder calldata datasetOrder,
        WorkerpoolOrder calldata workerpoolOrder,
        RequestOrder calldata requestOrder
    ) external view returns (uint256 volume) {
        volume = _left(appOrder.structHash(), appOrder.volume);
        if (datasetOrder.dataset != address(0)) {
            volume = _least(volume, _left(datasetOrder.structHash(), datasetOrder.volume));
        }
        volume = _least(volume, _left(workerpoolOrder.structHash(), workerpoolOrder.volume));
        uint256 left = requestOrder.volume - _consumedOf(_typedDataHash(requestOrder.structHash()));
        volume = _least(volume, left);
    }

    function assertDatasetDealCompatibility(DatasetOrder calldata order, bytes32 dealId) external view {
        bytes32 orderHash = _typedDataHash(order.structHash());
        if (_consumed[orderHash] >= order.volume) {
            revert IncompatibleDatasetOrder("Dataset order is revoked or fully consumed");
        }
        address datasetOwner = IOwned(order.dataset).owner();
        if (!_isSignedOrPresigned(datasetOwner, orderHash, order.sign)) {
            revert IncompatibleDatasetOrder("Invalid dataset order signature");
        }
        _readMark(order.salt, datasetOwner, 0);
        bytes memory record = _recordOf(dealId).code;
        if (!DealRecord.isDeal(record)) revert IncompatibleDatasetOrder("Deal not found");
        DealTerms memory deal = DealRecord.unpack(record);
        if (deal.dataset != address(0)) revert IncompatibleDatasetOrder("Deal already has a dataset");
        if (!_isAllowed(order.apprestrict, deal.app)) {
            revert IncompatibleDatasetOrder("App restriction not satisfied");
        }
        if (!_isAllowed(order.workerpoolrestrict, deal.pool)) {
            revert IncompatibleDatasetOrder("Workerpool restriction not satisfied");
        }
        if (!_isAllowed(order.requesterrestrict, deal.requester)) {
            revert IncompatibleDatasetOrder("Requester restriction not satisfied");
        }
        bytes32 tag = order.tag & ~TEE_FRAMEWORKS;
        if (deal.tag & tag != tag) revert IncompatibleDatasetOrder("Tag compatibility not satisfied");
    }

    /// @dev The owner of the resource, or whoever brings its signature of this very operation.
    function _checkManager(
        address account,
        bytes32 operationType,
        bytes32 structHash,
        OrderOperation operation,
        bytes calldata sign
    ) private view {
        if (msg.sender == account) return;
        bytes32 hash = _typedDataHash(OrderHash.ofOperation(operationType, structHash, operation));
        require(_isSigned(account, hash, sign), "invalid-sender-or-signature");
    }

    function _apply(address account, bytes32 orderHash, OrderOperation operation, uint256 volume) private {
        if (operation == OrderOperation.SIGN) _presigned[orderHash] = account;
        else _consumed[orderHash] = volume;
    }

    function _left(bytes32 structHash, uint256 volume) private view returns (uint256) {
        return volume - _consumed[_typedDataHash(structHash)];
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
