// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IResultReceiver} from "../interfaces/IParties.sol";
import {HubStorage} from "./HubStorage.sol";

/// The call to the contract that a request names, after all balances are written.
abstract contract Callback is HubStorage {
    /// @dev A receiver that fails is ignored, but it must have had its gas: 1/63 of it left afterwards shows
    /// that the call was not starved. Returns whether that is so. Assembly, so that what the receiver returns is
    /// never copied.
    function _callBack(address target, bytes32 taskid, bytes calldata resultsCallback)
        internal
        returns (bool hadItsGas)
    {
        bytes memory data = abi.encodeCall(IResultReceiver.receiveResult, (taskid, resultsCallback));
        uint256 gasLimit = _callbackGas;
        assembly ("memory-safe") {
            pop(call(gasLimit, target, 0, add(data, 32), mload(data), 0, 0))
        }
        return gasleft() > gasLimit / 63;
    }
}
