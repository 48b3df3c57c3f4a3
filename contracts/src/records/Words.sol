// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @dev Where in memory numbers lie, one word each. How many there are is known to who made them: unlike those of an
/// array, their places are not checked at each access, which costs more than the access.
type Words is uint256;

using MemoryWords for Words global;

/// The assembly is there because Solidity has no unchecked access to memory.
library MemoryWords {
    /// @dev Room for `count` numbers, all zero.
    function reserve(uint256 count) internal pure returns (Words words) {
        assembly ("memory-safe") {
            words := mload(0x40)
            let size := shl(5, count)
            mstore(0x40, add(words, size))
            // There is nothing behind the end of the call's data: this writes zeros.
            calldatacopy(words, calldatasize(), size)
        }
    }

    function get(Words words, uint256 index) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(words, shl(5, index)))
        }
    }

    function set(Words words, uint256 index, uint256 value) internal pure {
        assembly ("memory-safe") {
            mstore(add(words, shl(5, index)), value)
        }
    }

    /// @dev Sums of stake, scores and counts of tasks are far from 256 bits.
    function add(Words words, uint256 index, uint256 value) internal pure {
        unchecked {
            words.set(index, words.get(index) + value);
        }
    }

    function account(Words words, uint256 index) internal pure returns (address) {
        return address(uint160(words.get(index)));
    }
}
