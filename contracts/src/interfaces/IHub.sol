// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IBoost} from "./IBoost.sol";
import {IConditions} from "./IConditions.sol";
import {IConfiguration} from "./IConfiguration.sol";
import {IEscrow, IStakeToken} from "./IEscrow.sol";
import {IMatching, IOrders} from "./IOrders.sol";
import {ILane} from "./ILane.sol";
import {IClaims, ITasks} from "./ITasks.sol";
import {ILegacyViews, IViews} from "./IViews.sol";

/// The hub as its callers see it: one address, whichever contract the code lies in.
interface IHub is
    IEscrow,
    IStakeToken,
    IMatching,
    IOrders,
    ITasks,
    IClaims,
    IConditions,
    IBoost,
    ILane,
    IConfiguration,
    IViews,
    ILegacyViews
{
    /// @notice Plain transfers are refused; empty calls are answered only while a record is being written.
    receive() external payable;
    fallback() external payable;
}
