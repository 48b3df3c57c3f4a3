// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Matching} from "./hub/Matching.sol";
import {Settlement} from "./hub/Settlement.sol";
import {Escrow} from "./hub/Escrow.sol";
import {IBoost} from "./interfaces/IBoost.sol";
import {IConfiguration} from "./interfaces/IConfiguration.sol";
import {CodeRecord} from "./records/CodeRecord.sol";

/// The marketplace at one address: escrow, matching and tasks here, all else in the parts behind the
/// fallback. Callers use `IHub` and need not know which is where.
contract Hub is Escrow, Matching, Settlement {
    /// @dev Both run on this contract's storage: one views, order management and configuration, the other the
    /// boost lane.
    address private immutable EXTENSION;
    address private immutable BOOST;

    constructor(address extension, address boost) {
        EXTENSION = extension;
        BOOST = boost;
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
        address part = _isBoost(msg.sig) ? BOOST : EXTENSION;
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
}
