// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {HubStorage, Stake, Supply} from "./HubStorage.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";

/// The four movements of stake. Each emits the events from which an indexer can rebuild balances (Transfer)
/// and frozen stake (Lock, Unlock, Seize); amounts of zero are emitted too.
///
/// The hub's own ERC-20 balance stands for what is frozen: `_supply.frozen` changes with each Transfer from
/// or to the hub. A seizure and the rewards paid from it cancel out within one call.
abstract contract Money is HubStorage {
    /// @dev Free stake becomes frozen.
    function _lock(address account, uint256 amount) internal {
        require(account != address(0), "IexecEscrow: Transfer from empty address");
        Stake memory stake = _stakes[account];
        require(amount <= stake.free, "IexecEscrow: Transfer amount exceeds balance");
        // The amount is part of the supply, which fits 96 bits.
        unchecked {
            stake.free -= uint96(amount);
            stake.frozen += uint96(amount);
            _supply.frozen += uint96(amount);
        }
        _stakes[account] = stake;
        emit IEscrow.Transfer(account, address(this), amount);
        emit IEscrow.Lock(account, amount);
    }

    /// @dev Frozen stake becomes free.
    function _unlock(address account, uint256 amount) internal {
        Stake memory stake = _stakes[account];
        stake.frozen -= uint96(amount);
        // Free stake and the frozen sum are bounded by the supply and contain the amount.
        unchecked {
            stake.free += uint96(amount);
            _supply.frozen -= uint96(amount);
        }
        _stakes[account] = stake;
        emit IEscrow.Transfer(address(this), account, amount);
        emit IEscrow.Unlock(account, amount);
    }

    /// @dev Pays out of what was seized in the same call.
    function _reward(address account, uint256 amount, bytes32 ref) internal {
        _supply.frozen -= uint96(amount);
        // Free stake is bounded by the supply.
        unchecked {
            _stakes[account].free += uint96(amount);
        }
        emit IEscrow.Transfer(address(this), account, amount);
        emit IEscrow.Reward(account, amount, ref);
    }

    /// @dev Takes frozen stake. The caller pays the same sum out, or adds it to the kitty.
    function _seize(address account, uint256 amount, bytes32 ref) internal {
        _stakes[account].frozen -= uint96(amount);
        emit IEscrow.Seize(account, amount, ref);
    }

    /// @dev What was seized stays frozen, now in the kitty: no Transfer.
    function _addToKitty(uint256 amount, bytes32 ref) internal {
        _stakes[KITTY_ADDRESS].frozen += uint96(amount);
        emit IEscrow.Reward(KITTY_ADDRESS, amount, ref);
        emit IEscrow.Lock(KITTY_ADDRESS, amount);
    }
}
