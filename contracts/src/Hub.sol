// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Matching} from "./hub/Matching.sol";
import {Settlement} from "./hub/Settlement.sol";
import {Escrow} from "./hub/Escrow.sol";
import {IBoost} from "./interfaces/IBoost.sol";
import {ILane} from "./interfaces/ILane.sol";
import {IConfiguration} from "./interfaces/IConfiguration.sol";
import {CodeRecord} from "./records/CodeRecord.sol";

/// The marketplace at one address: escrow, matching and tasks here, all else in the parts behind the
/// fallback. Callers use `IHub` and need not know which is where.
contract Hub is Escrow, Matching, Settlement {
    /// @dev All run on this contract's storage: views, order management and configuration; the boost lane; the
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

    /// @dev Assembly: Solidity cannot return bytes of a length known only at run time from a fallback
    /// without encoding them.
    fallback() external payable {
        address part = _isBoost(msg.sig) ? BOOST : _isLane(msg.sig) ? LANE : EXTENSION;
        assembly ("memory-safe") {
            let start := mload(0x40)
            calldatacopy(start, 0, calldatasize())
            let success := delegatecall(gas(), part, start, calldatasize(), 0, 0)
            returndatacopy(start, 0, returndatasize())
            if success { return(start, returndatasize()) }
            revert(start, returndatasize())
        }
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
