// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {SignatureCheckerLib} from "solady/utils/SignatureCheckerLib.sol";

import {IKeyHolder} from "../interfaces/IParties.sol";
import {HubStorage} from "./HubStorage.sol";

/// Who may act for whom: signatures, pre-signatures and restrictions.
abstract contract Signatures is HubStorage {
    /// @dev Half the order of the curve: a larger `s` is the mirror image of a valid signature.
    uint256 private constant MAX_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @dev keccak256(0x1901, domain separator 32, struct hash 32). Assembly, because each order and ballot needs one,
    /// and `abi.encodePacked` would cost three times as much.
    function _typedDataHash(bytes32 structHash) internal view returns (bytes32 hash) {
        bytes32 domain = _domainSeparator;
        assembly ("memory-safe") {
            let place := mload(0x40)
            mstore(place, shl(240, 0x1901))
            mstore(add(place, 2), domain)
            mstore(add(place, 34), structHash)
            hash := keccak256(place, 66)
        }
    }

    function _ethSignedHash(bytes32 hash) internal pure returns (bytes32) {
        return SignatureCheckerLib.toEthSignedMessageHash(hash);
    }

    /// @dev The key of the account is tried first: it is the common case, and it costs neither a look at
    /// the account's code nor a slot.
    function _isSignedOrPresigned(address account, bytes32 hash, bytes calldata signature)
        internal
        view
        returns (bool)
    {
        return _isSignedByKey(account, hash, signature) || _isPresigned(account, hash)
            || _isSignedByContract(account, hash, signature);
    }

    function _isSigned(address account, bytes32 hash, bytes calldata signature) internal view returns (bool) {
        return _isSignedByKey(account, hash, signature) || _isSignedByContract(account, hash, signature);
    }

    function _isPresigned(address account, bytes32 hash) internal view returns (bool) {
        return account != address(0) && account == _presigned[hash];
    }

    /// @dev Signatures of 65 bytes (r, s, v) and of 64 (EIP-2098). The zero address never signs.
    function _isSignedByKey(address account, bytes32 hash, bytes calldata signature)
        internal
        pure
        returns (bool)
    {
        bytes32 r;
        uint256 s;
        uint8 v;
        if (signature.length == 65) {
            r = bytes32(signature[:32]);
            s = uint256(bytes32(signature[32:64]));
            v = uint8(signature[64]);
        } else if (signature.length == 64) {
            r = bytes32(signature[:32]);
            uint256 vs = uint256(bytes32(signature[32:64]));
            s = vs & type(uint256).max >> 1;
            v = uint8(vs >> 255) + 27;
        } else {
            return false;
        }
        if (s > MAX_S) return false;
        address signer = ecrecover(hash, v, r, bytes32(s));
        return signer != address(0) && signer == account;
    }

    /// @dev ERC-1271. For an account without code only a signature of a wrong length is left to report.
    function _isSignedByContract(address account, bytes32 hash, bytes calldata signature)
        private
        view
        returns (bool)
    {
        if (account.code.length == 0) {
            require(signature.length == 65 || signature.length == 64, "invalid-signature-format");
            return false;
        }
        return SignatureCheckerLib.isValidERC1271SignatureNowCalldata(account, hash, signature);
    }

    /// @dev A restriction is nothing, the account itself, or a group (ERC-734) that has the account.
    function _isAllowed(address restriction, address account) internal view returns (bool) {
        if (restriction == address(0) || restriction == account) return true;
        return _isKnown(restriction, account, GROUPMEMBER_PURPOSE);
    }

    /// @dev Whether a group has the account for this purpose.
    function _isKnown(address group, address account, uint256 purpose) internal view returns (bool) {
        (bool success, bytes memory answer) = group.staticcall(
            abi.encodeCall(IKeyHolder.keyHasPurpose, (bytes32(uint256(uint160(account))), purpose))
        );
        // An account without code succeeds with nothing; anything but a clean `true` is a refusal.
        return success && answer.length == 32 && abi.decode(answer, (uint256)) == 1;
    }
}
