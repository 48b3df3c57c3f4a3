// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {IEscrow} from "../interfaces/IEscrow.sol";
import {HubStorage} from "./HubStorage.sol";

/// The movements of stake. Each emits the events from which an indexer can rebuild balances (Transfer) and
/// frozen stake (Lock, Unlock, Seize); amounts of zero are emitted too.
///
/// The hub's own ERC-20 balance stands for what is frozen: `_supply.frozen` changes with each Transfer from
/// or to the hub. Whoever calls `_unlock` or `_reward` adds up the amounts and calls `_release` once, before
/// anything outside the hub is called. A seizure and the rewards paid from it cancel out within one call.
abstract contract Money is HubStorage {
    /// @dev Free stake becomes frozen.
    function _lock(address account, uint256 amount) internal {
        require(account != address(0), "IexecEscrow: Transfer from empty address");
        require(amount <= _stakes[account].free(), "IexecEscrow: Transfer amount exceeds balance");
        _stakes[account] = _stakes[account].lock(amount);
        // The amount is part of the supply, which fits 96 bits.
        unchecked {
            _supply.frozen += uint96(amount);
        }
        emit IEscrow.Transfer(account, address(this), amount);
        emit IEscrow.Lock(account, amount);
    }

    /// @dev Frozen stake becomes free.
    function _unlock(address account, uint256 amount) internal {
        _stakes[account] = _stakes[account].unlock(amount);
        _emitUnlock(account, amount);
    }

    /// @dev Pays out of what was seized in the same call.
    function _reward(address account, uint256 amount, bytes32 ref) internal {
        _stakes[account] = _stakes[account].credit(amount);
        _emitReward(account, amount, ref);
    }

    /// @dev Takes frozen stake. The caller pays the same sum out, or adds it to the kitty.
    function _seize(address account, uint256 amount, bytes32 ref) internal {
        _stakes[account] = _stakes[account].seize(amount);
        emit IEscrow.Seize(account, amount, ref);
    }

    /// @dev What was seized stays frozen, now in the kitty: no Transfer.
    function _addToKitty(uint256 amount, bytes32 ref) internal {
        _stakes[KITTY_ADDRESS] = _stakes[KITTY_ADDRESS].freeze(amount);
        emit IEscrow.Reward(KITTY_ADDRESS, amount, ref);
        emit IEscrow.Lock(KITTY_ADDRESS, amount);
    }

    /// @dev Takes what a success earns its pool from the stakes of pools that failed. The caller pays it out.
    /// At most a part of the price: else a slashed pool would get its stake back by free deals with itself.
    function _seizeFromKitty(uint256 poolPrice, bytes32 ref) internal returns (uint256 part) {
        part = _kittyPart(_stakes[KITTY_ADDRESS].frozen(), poolPrice);
        if (part > 0) _seize(KITTY_ADDRESS, part, ref);
    }

    function _kittyPart(uint256 kitty, uint256 poolPrice) internal pure returns (uint256 part) {
        if (kitty == 0) return 0;
        part = FixedPointMathLib.min(FixedPointMathLib.max(kitty * KITTY_RATIO / 100, KITTY_MIN), kitty);
        return FixedPointMathLib.min(part, poolPrice * KITTY_PRICE_RATIO / 100);
    }

    /// @dev The sum of what the hub has transferred in this call.
    function _release(uint256 amount) internal {
        _supply.frozen -= uint96(amount);
    }

    function _emitUnlock(address account, uint256 amount) internal {
        emit IEscrow.Transfer(address(this), account, amount);
        emit IEscrow.Unlock(account, amount);
    }

    function _emitReward(address account, uint256 amount, bytes32 ref) internal {
        emit IEscrow.Transfer(address(this), account, amount);
        emit IEscrow.Reward(account, amount, ref);
    }
}
