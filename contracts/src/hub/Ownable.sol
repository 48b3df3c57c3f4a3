// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {HubStorage} from "./HubStorage.sol";

/// The right of the hub's owner.
abstract contract Ownable is HubStorage {
    modifier onlyOwner() {
        require(msg.sender == _owner, "Ownable: caller is not the owner");
        _;
    }
}
