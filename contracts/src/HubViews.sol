// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LegacyViews} from "./hub/LegacyViews.sol";

/// The views of the hub: its code only, the storage is the hub's. The last part in line: what it does not know
/// either is refused.
contract HubViews is LegacyViews {
    receive() external payable {
        revert("fallback-disabled");
    }

    fallback() external payable {
        revert("fallback-disabled");
    }
}
