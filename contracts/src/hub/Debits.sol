// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {HubStorage} from "./HubStorage.sol";

/// Free stake that leaves an account by its owner's will.
abstract contract Debits is HubStorage {
    function _debit(address account, uint256 amount) internal {
        uint256 free = _stakes[account].free();
        if (amount > free) revert IEscrow.FreeStakeTooLow(account, free, amount);
        unchecked {
            _stakes[account] = _stakes[account].withFree(free - amount);
        }
    }
}
