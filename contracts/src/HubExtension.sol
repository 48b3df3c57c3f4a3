// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Configuration} from "./hub/Configuration.sol";
import {LegacyViews} from "./hub/LegacyViews.sol";
import {OrderManagement} from "./hub/OrderManagement.sol";
import {StakeToken} from "./hub/StakeToken.sol";

/// The part of the hub that is not on the path of a task: its code only, the storage is the hub's.
/// Called at its own address it has neither owner nor settings and can do nothing.
contract HubExtension is StakeToken, Configuration, OrderManagement, LegacyViews {
    receive() external payable {
        revert("fallback-disabled");
    }

    fallback() external payable {
        revert("fallback-disabled");
    }
}
