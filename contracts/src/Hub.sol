// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Delegation} from "./hub/Delegation.sol";
import {Matching} from "./hub/Matching.sol";
import {Settlement} from "./hub/Settlement.sol";
import {Escrow} from "./hub/Escrow.sol";
import {IBoost} from "./interfaces/IBoost.sol";
import {ILane} from "./interfaces/ILane.sol";
import {IConfiguration} from "./interfaces/IConfiguration.sol";
import {CodeRecord} from "./records/CodeRecord.sol";

/// The marketplace at one address: escrow, matching and tasks here, all else in the parts behind the
/// fallback. Callers use `IHub` and need not know which is where.
contract Hub is Escrow, Matching, Settlement, Delegation {
    /// @dev All run on this contract's storage: all that is not named here, see `HubExtension`; the boost lane; the
    /// settlement lane.
    address private immutable EXTENSION;
    address private immutable BOOST;
    address private immutable LANE;

    constructor(address extension, address boost, address lane) {
        EXTENSION = extension;
        BOOST = boost;
        LANE = lane;
        _owner = msg.sender;
        emit IConfiguration.OwnershipTransferred(address(0), msg.sender);
    }

    /// @dev A record under construction asks for its bytes with an empty call; nothing else may make one.
    receive() external payable {
        CodeRecord.serve();
        revert("fallback-disabled");
    }

    fallback() external payable {
        address part = _isBoost(msg.sig) ? BOOST : _isLane(msg.sig) ? LANE : EXTENSION;
        _delegate(part);
    }

    function _isBoost(bytes4 selector) private pure returns (bool) {
        return selector == IBoost.matchOrdersBoost.selector || selector == IBoost.pushResultBoost.selector
            || selector == IBoost.sponsorMatchOrdersBoost.selector || selector == IBoost.claimBoost.selector
            || selector == IBoost.viewDealBoost.selector;
    }

    function _isLane(bytes4 selector) private pure returns (bool) {
        return selector == ILane.settle.selector || selector == ILane.commit.selector
            || selector == ILane.disclose.selector || selector == ILane.close.selector
            || selector == ILane.release.selector || selector == ILane.bond.selector
            || selector == ILane.unbond.selector || selector == ILane.withdrawBond.selector
            || selector == ILane.viewBond.selector;
    }
}
