// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";

import {
    AppOrder,
    DatasetOrder,
    OrderOperation,
    RequestOrder,
    WorkerpoolOrder
} from "../../src/interfaces/Types.sol";

/// The hashes of `protocol.md` written out with `abi.encode`, independently of the library under test, and
/// the signatures over them.
abstract contract Signing is Test {
    uint256 internal constant CURVE_ORDER =
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    string internal constant APP =
        "AppOrder(address app,uint256 appprice,uint256 volume,bytes32 tag,address datasetrestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt)";
    string internal constant DATASET =
        "DatasetOrder(address dataset,uint256 datasetprice,uint256 volume,bytes32 tag,address apprestrict,address workerpoolrestrict,address requesterrestrict,bytes32 salt)";
    string internal constant POOL =
        "WorkerpoolOrder(address workerpool,uint256 workerpoolprice,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address apprestrict,address datasetrestrict,address requesterrestrict,bytes32 salt)";
    string internal constant REQUEST =
        "RequestOrder(address app,uint256 appmaxprice,address dataset,uint256 datasetmaxprice,address workerpool,uint256 workerpoolmaxprice,address requester,uint256 volume,bytes32 tag,uint256 category,uint256 trust,address beneficiary,address callback,string params,bytes32 salt)";

    function domainSeparator(uint256 chainId, address hub) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("iExecODB"),
                keccak256("5.0.0"),
                chainId,
                hub
            )
        );
    }

    function typed(bytes32 domain, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function hashOf(AppOrder memory o) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(bytes(APP)),
                o.app,
                o.appprice,
                o.volume,
                o.tag,
                o.datasetrestrict,
                o.workerpoolrestrict,
                o.requesterrestrict,
                o.salt
            )
        );
    }

    function hashOf(DatasetOrder memory o) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(bytes(DATASET)),
                o.dataset,
                o.datasetprice,
                o.volume,
                o.tag,
                o.apprestrict,
                o.workerpoolrestrict,
                o.requesterrestrict,
                o.salt
            )
        );
    }

    function hashOf(WorkerpoolOrder memory o) internal pure returns (bytes32) {
        bytes memory head = abi.encode(
            keccak256(bytes(POOL)), o.workerpool, o.workerpoolprice, o.volume, o.tag, o.category, o.trust
        );
        return keccak256(
            bytes.concat(head, abi.encode(o.apprestrict, o.datasetrestrict, o.requesterrestrict, o.salt))
        );
    }

    function hashOf(RequestOrder memory o) internal pure returns (bytes32) {
        bytes memory head = abi.encode(
            keccak256(bytes(REQUEST)),
            o.app,
            o.appmaxprice,
            o.dataset,
            o.datasetmaxprice,
            o.workerpool,
            o.workerpoolmaxprice
        );
        bytes memory tail = abi.encode(
            o.requester,
            o.volume,
            o.tag,
            o.category,
            o.trust,
            o.beneficiary,
            o.callback,
            keccak256(bytes(o.params)),
            o.salt
        );
        return keccak256(bytes.concat(head, tail));
    }

    /// @dev `kind` is the order's type string, "AppOrder(…)"; `name` its name alone.
    function hashOfOperation(
        string memory name,
        string memory kind,
        bytes32 orderHash,
        OrderOperation operation
    ) internal pure returns (bytes32) {
        string memory operationType =
            string.concat(name, "Operation(", name, " order,uint256 operation)", kind);
        return keccak256(abi.encode(keccak256(bytes(operationType)), orderHash, uint256(operation)));
    }

    /// @dev A salt that says something: conditions, expiry, epoch, and a guard or anything.
    function mark(uint256 conditions, uint256 expiry, uint256 epoch, address tail)
        internal
        pure
        returns (bytes32)
    {
        return bytes32(
            uint256(0x706f636f) << 224 | conditions << 216 | expiry << 176 | epoch << 160
                | uint256(uint160(tail))
        );
    }

    function ethSigned(bytes32 hash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", hash));
    }

    function sign(uint256 key, bytes32 hash) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }

    /// @dev The mirror image of a valid signature, which `ecrecover` takes too.
    function mirrored(uint256 key, bytes32 hash) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encodePacked(r, bytes32(CURVE_ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27));
    }

    function signCompact(uint256 key, bytes32 hash) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 vs) = vm.signCompact(key, hash);
        return abi.encodePacked(r, vs);
    }
}
