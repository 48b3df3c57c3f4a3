// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Boost} from "./hub/Boost.sol";

/// The boost lane of the hub: its code only, the storage is the hub's. Records are served by the hub, at whose
/// address all of this runs. Called at its own address it has no settings and can do nothing.
contract HubBoost is Boost {}
