// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {
    AppOrder,
    AppOrderOperation,
    DatasetOrder,
    DatasetOrderOperation,
    RequestOrder,
    RequestOrderOperation,
    WorkerpoolOrder,
    WorkerpoolOrderOperation
} from "./Types.sol";

/// Matching of signed orders into deals.
interface IMatching {
    /// @notice A pool has work: the deal `dealid`.
    event SchedulerNotice(address indexed workerpool, bytes32 dealid);
    /// @notice `volume` of each of the orders was consumed by the deal.
    event OrdersMatched(
        bytes32 dealid,
        bytes32 appHash,
        bytes32 datasetHash,
        bytes32 workerpoolHash,
        bytes32 requestHash,
        uint256 volume
    );
    /// @notice Someone other than the requester pays for the deal.
    event DealSponsored(bytes32 dealId, address sponsor);

    /// @notice Makes a deal of four orders; anyone may call, the requester pays.
    /// @dev Refusals are `iExecV5-matchOrders-0xNN`, in the order of the checks.
    function matchOrders(
        AppOrder calldata appOrder,
        DatasetOrder calldata datasetOrder,
        WorkerpoolOrder calldata workerpoolOrder,
        RequestOrder calldata requestOrder
    ) external returns (bytes32);

    /// @notice As `matchOrders`, paid by the caller.
    function sponsorMatchOrders(
        AppOrder calldata appOrder,
        DatasetOrder calldata datasetOrder,
        WorkerpoolOrder calldata workerpoolOrder,
        RequestOrder calldata requestOrder
    ) external returns (bytes32);
}

/// Signatures, pre-signatures, closing and broadcast of orders.
interface IOrders {
    event SignedAppOrder(bytes32 appHash);
    event SignedDatasetOrder(bytes32 datasetHash);
    event SignedWorkerpoolOrder(bytes32 workerpoolHash);
    event SignedRequestOrder(bytes32 requestHash);
    event ClosedAppOrder(bytes32 appHash);
    event ClosedDatasetOrder(bytes32 datasetHash);
    event ClosedWorkerpoolOrder(bytes32 workerpoolHash);
    event ClosedRequestOrder(bytes32 requestHash);
    event BroadcastAppOrder(AppOrder apporder);
    event BroadcastDatasetOrder(DatasetOrder datasetorder);
    event BroadcastWorkerpoolOrder(WorkerpoolOrder workerpoolorder);
    event BroadcastRequestOrder(RequestOrder requestorder);

    error IncompatibleDatasetOrder(string reason);

    /// @notice Pre-signs or closes an order; by the owner, or with the owner's signature of the operation.
    function manageAppOrder(AppOrderOperation calldata operation) external;
    function manageDatasetOrder(DatasetOrderOperation calldata operation) external;
    function manageWorkerpoolOrder(WorkerpoolOrderOperation calldata operation) external;
    function manageRequestOrder(RequestOrderOperation calldata operation) external;

    /// @notice Emits an order as an event; nothing is checked.
    function broadcastAppOrder(AppOrder calldata order) external;
    function broadcastDatasetOrder(DatasetOrder calldata order) external;
    function broadcastWorkerpoolOrder(WorkerpoolOrder calldata order) external;
    function broadcastRequestOrder(RequestOrder calldata order) external;

    /// @notice Whether `signature` is that of `identity` over `hash`: 65 or 64 bytes, or ERC-1271.
    function verifySignature(address identity, bytes32 hash, bytes calldata signature)
        external
        view
        returns (bool);
    function verifyPresignature(address identity, bytes32 hash) external view returns (bool);
    function verifyPresignatureOrSignature(address identity, bytes32 hash, bytes calldata signature)
        external
        view
        returns (bool);

    /// @notice The volume that matching these orders would give; checks nothing else.
    function computeDealVolume(
        AppOrder calldata appOrder,
        DatasetOrder calldata datasetOrder,
        WorkerpoolOrder calldata workerpoolOrder,
        RequestOrder calldata requestOrder
    ) external view returns (uint256);

    /// @notice Reverts with `IncompatibleDatasetOrder` unless the order would allow its dataset to be used
    /// by the deal, which must have been made without one.
    function assertDatasetDealCompatibility(DatasetOrder calldata datasetOrder, bytes32 dealId) external view;
}
