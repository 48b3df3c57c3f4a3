// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claims} from "./hub/Claims.sol";
import {Configuration} from "./hub/Configuration.sol";
import {Delegation} from "./hub/Delegation.sol";
import {OrderManagement} from "./hub/OrderManagement.sol";
import {StakeToken} from "./hub/StakeToken.sol";

/// The part of the hub that is not on the path of a task that succeeds: its code only, the storage is the hub's.
/// Called at its own address it has neither owner nor settings and can do nothing.
contract HubExtension is StakeToken, Configuration, OrderManagement, Claims, Delegation {
    address private immutable VIEWS;

    constructor(address views) {
        VIEWS = views;
    }

    receive() external payable {
        revert("fallback-disabled");
    }

    fallback() external payable {
        _delegate(VIEWS);
    }
}
