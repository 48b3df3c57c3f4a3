// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// Fields of packed bytes: what `abi.encodePacked` has written is read back here.
library Bytes {
    /// @dev The `size` bytes at `at` as a number; `size` is at most 32. Callers keep within `data`.
    /// Assembly, because Solidity has no read of an unaligned word in memory.
    function take(bytes memory data, uint256 at, uint256 size) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, size)), mload(add(add(data, 32), at)))
        }
    }

    /// @dev The `size` bytes at `at` behind a place in memory, as a number; `size` is at most 32.
    function read(uint256 place, uint256 at, uint256 size) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, size)), mload(add(place, at)))
        }
    }

    /// @dev Writes the lowest `size` bytes of `value` at a place in memory, and zeros behind them up to a word;
    /// returns the place where they end. The caller has reserved both.
    function put(uint256 place, uint256 value, uint256 size) internal pure returns (uint256 end) {
        assembly ("memory-safe") {
            mstore(place, shl(sub(256, shl(3, size)), value))
            end := add(place, size)
        }
    }

    /// @dev Where the bytes of `data` begin.
    function start(bytes memory data) internal pure returns (uint256 place) {
        assembly ("memory-safe") {
            place := add(data, 32)
        }
    }

    /// @dev Gives up all that was reserved behind `end`.
    function truncate(bytes memory data, uint256 end) internal pure {
        assembly ("memory-safe") {
            mstore(data, sub(end, add(data, 32)))
        }
    }

    function takeAddress(bytes memory data, uint256 at) internal pure returns (address) {
        return address(uint160(take(data, at, 20)));
    }

    /// @dev A copy of `size` bytes at `at`. Assembly for the one MCOPY.
    function slice(bytes memory data, uint256 at, uint256 size) internal pure returns (bytes memory part) {
        part = new bytes(size);
        assembly ("memory-safe") {
            mcopy(add(part, 32), add(add(data, 32), at), size)
        }
    }

    /// @dev A copy of everything from `at`.
    function rest(bytes memory data, uint256 at) internal pure returns (bytes memory) {
        return slice(data, at, data.length - at);
    }
}
