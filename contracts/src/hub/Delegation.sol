// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// Hands a call over to another part of the hub, to run on the hub's storage.
abstract contract Delegation {
    /// @dev Ends the call. Assembly: Solidity cannot return bytes of a length known only at run time from a
    /// fallback without encoding them.
    function _delegate(address part) internal {
        assembly ("memory-safe") {
            let start := mload(0x40)
            calldatacopy(start, 0, calldatasize())
            let success := delegatecall(gas(), part, start, calldatasize(), 0, 0)
            returndatacopy(start, 0, returndatasize())
            if success { return(start, returndatasize()) }
            revert(start, returndatasize())
        }
    }
}
