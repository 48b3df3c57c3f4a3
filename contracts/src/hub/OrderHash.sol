// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {
    AppOrder,
    DatasetOrder,
    EIP712Domain,
    OrderOperation,
    RequestOrder,
    WorkerpoolOrder
} from "../interfaces/Types.sol";

/// EIP-712 struct hashes of orders and operations, straight from calldata.
///
/// The members of a calldata struct lie in the order of its EIP-712 type, one word each, so one copy and
/// one hash replace the encoder, which would load and check every member by itself. Assembly for that.
library OrderHash {
    bytes32 internal constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant APP_ORDER_TYPE = keccak256(
        "AppOrder(address app,uint256 appprice,uint256 volume,bytes32 tag"
        ",address datasetrestrict,address workerpoolrestrict,address requesterrestrict" ",bytes32 salt)"
    );
    bytes32 internal constant DATASET_ORDER_TYPE = keccak256(
        "DatasetOrder(address dataset,uint256 datasetprice,uint256 volume,bytes32 tag"
        ",address apprestrict,address workerpoolrestrict,address requesterrestrict" ",bytes32 salt)"
    );
    bytes32 internal constant WORKERPOOL_ORDER_TYPE = keccak256(
        "WorkerpoolOrder(address workerpool,uint256 workerpoolprice,uint256 volume"
        ",bytes32 tag,uint256 category,uint256 trust,address apprestrict"
        ",address datasetrestrict,address requesterrestrict,bytes32 salt)"
    );
    bytes32 internal constant REQUEST_ORDER_TYPE = keccak256(
        "RequestOrder(address app,uint256 appmaxprice,address dataset"
        ",uint256 datasetmaxprice,address workerpool,uint256 workerpoolmaxprice"
        ",address requester,uint256 volume,bytes32 tag,uint256 category,uint256 trust"
        ",address beneficiary,address callback,string params,bytes32 salt)"
    );
    bytes32 internal constant APP_OPERATION_TYPE = keccak256(
        "AppOrderOperation(AppOrder order,uint256 operation)"
        "AppOrder(address app,uint256 appprice,uint256 volume,bytes32 tag"
        ",address datasetrestrict,address workerpoolrestrict,address requesterrestrict" ",bytes32 salt)"
    );
    bytes32 internal constant DATASET_OPERATION_TYPE = keccak256(
        "DatasetOrderOperation(DatasetOrder order,uint256 operation)"
        "DatasetOrder(address dataset,uint256 datasetprice,uint256 volume,bytes32 tag"
        ",address apprestrict,address workerpoolrestrict,address requesterrestrict" ",bytes32 salt)"
    );
    bytes32 internal constant WORKERPOOL_OPERATION_TYPE = keccak256(
        "WorkerpoolOrderOperation(WorkerpoolOrder order,uint256 operation)"
        "WorkerpoolOrder(address workerpool,uint256 workerpoolprice,uint256 volume"
        ",bytes32 tag,uint256 category,uint256 trust,address apprestrict"
        ",address datasetrestrict,address requesterrestrict,bytes32 salt)"
    );
    bytes32 internal constant REQUEST_OPERATION_TYPE = keccak256(
        "RequestOrderOperation(RequestOrder order,uint256 operation)"
        "RequestOrder(address app,uint256 appmaxprice,address dataset"
        ",uint256 datasetmaxprice,address workerpool,uint256 workerpoolmaxprice"
        ",address requester,uint256 volume,bytes32 tag,uint256 category,uint256 trust"
        ",address beneficiary,address callback,string params,bytes32 salt)"
    );

    function ofDomain(EIP712Domain memory domain) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN_TYPE,
                keccak256(bytes(domain.name)),
                keccak256(bytes(domain.version)),
                domain.chainId,
                domain.verifyingContract
            )
        );
    }

    function structHash(AppOrder calldata order) internal pure returns (bytes32 hash) {
        bytes32 typeHash = APP_ORDER_TYPE;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, typeHash)
            calldatacopy(add(start, 0x20), order, 0x100)
            hash := keccak256(start, 0x120)
        }
    }

    function structHash(DatasetOrder calldata order) internal pure returns (bytes32 hash) {
        bytes32 typeHash = DATASET_ORDER_TYPE;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, typeHash)
            calldatacopy(add(start, 0x20), order, 0x100)
            hash := keccak256(start, 0x120)
        }
    }

    function structHash(WorkerpoolOrder calldata order) internal pure returns (bytes32 hash) {
        bytes32 typeHash = WORKERPOOL_ORDER_TYPE;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, typeHash)
            calldatacopy(add(start, 0x20), order, 0x140)
            hash := keccak256(start, 0x160)
        }
    }

    /// @dev The word of `params` holds an offset; its place in the hash is taken by the hash of its bytes.
    function structHash(RequestOrder calldata order) internal pure returns (bytes32 hash) {
        bytes32 typeHash = REQUEST_ORDER_TYPE;
        bytes32 paramsHash = keccak256(bytes(order.params));
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, typeHash)
            calldatacopy(add(start, 0x20), order, 0x1e0)
            mstore(add(start, 0x1c0), paramsHash)
            hash := keccak256(start, 0x200)
        }
    }

    function ofOperation(bytes32 operationType, bytes32 orderHash, OrderOperation operation)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(operationType, orderHash, operation));
    }
}
