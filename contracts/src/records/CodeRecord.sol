// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibClone} from "solady/utils/LibClone.sol";

/// Bytes written once, as the code of a contract whose address follows from a salt alone.
/// Code costs 200 gas a byte where a storage slot costs 22 100 for 32, and no pointer is needed to find it.
///
/// The creation code is constant: it asks its creator for the bytes with an empty call. The creator keeps
/// them in transient storage meanwhile and answers from its `receive` or `fallback` function through
/// `serve`. A second write under one salt fails, so a record can never change.
///
/// The assembly is there because transient storage of variable length, CREATE2 with code of this shape and
/// a return from `receive` have no expression in Solidity.
library CodeRecord {
    error RecordExists(bytes32 salt);
    error RecordTooLong(uint256 length, uint256 most);

    /// @dev The limit of EIP-170.
    uint256 internal constant MAX_LENGTH = 24_576;

    /// @dev staticcall the creator with nothing; revert if it fails, else return its answer as the code.
    bytes internal constant INIT_CODE = hex"3d3d3d3d335afa600d575f5ffd5b3d5f5f3e3d5ff3";
    bytes32 internal constant INIT_CODE_HASH = keccak256(hex"3d3d3d3d335afa600d575f5ffd5b3d5f5f3e3d5ff3");

    /// @dev Transient: the length of the bytes being written; their words follow.
    uint256 private constant PENDING = 0x706f636f2e7265636f7264;

    /// @dev Creates the contract whose whole code is `code`.
    function write(bytes32 salt, bytes memory code) internal returns (address record) {
        if (code.length > MAX_LENGTH) revert RecordTooLong(code.length, MAX_LENGTH);
        bytes memory initCode = INIT_CODE;
        assembly ("memory-safe") {
            let length := mload(code)
            tstore(PENDING, length)
            for { let at := 0 } lt(at, length) { at := add(at, 32) } {
                tstore(add(PENDING, add(1, shr(5, at))), mload(add(add(code, 32), at)))
            }
            record := create2(0, add(initCode, 32), mload(initCode), salt)
            tstore(PENDING, 0)
        }
        if (record == address(0)) revert RecordExists(salt);
    }

    /// @dev The first `size` bytes of a record, zeros where it is shorter or was never written, and where in memory
    /// they lie.
    function load(address record, uint256 size) internal view returns (uint256 place) {
        assembly ("memory-safe") {
            place := mload(0x40)
            mstore(0x40, add(place, size))
            extcodecopy(record, place, 0, size)
        }
    }

    /// @dev Where `creator` writes, or has written, the record of `salt`.
    function addressOf(address creator, bytes32 salt) internal pure returns (address) {
        return LibClone.predictDeterministicAddress(INIT_CODE_HASH, salt, creator);
    }

    /// @dev Ends the call with the bytes being written; returns if none are.
    function serve() internal view {
        assembly ("memory-safe") {
            let length := tload(PENDING)
            if length {
                let start := mload(0x40)
                for { let at := 0 } lt(at, length) { at := add(at, 32) } {
                    mstore(add(start, at), tload(add(PENDING, add(1, shr(5, at)))))
                }
                return(start, length)
            }
        }
    }
}
