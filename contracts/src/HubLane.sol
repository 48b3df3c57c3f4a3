// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Disclosures} from "./hub/Disclosures.sol";

/// The settlement lane of the hub: its code only, the storage is the hub's. Called at its own address it has no
/// settings and can do nothing.
contract HubLane is Disclosures {}
