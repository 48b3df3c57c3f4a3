// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILane} from "../interfaces/ILane.sol";
import {BondWord} from "../records/BondWord.sol";
import {Money} from "./Money.sol";

/// Stake that workers put aside for the commits of one pool. It is frozen stake of theirs, of which a commit locks
/// what each entry answers for.
abstract contract Bonds is ILane, Money {
    function bond(address pool, uint256 amount) external {
        _lock(msg.sender, amount);
        _bonds[msg.sender][pool] = _bonds[msg.sender][pool].raised(amount);
        emit Bonded(msg.sender, pool, amount);
    }

    function unbond(address pool) external {
        uint256 longest = 0;
        uint256 categories = _categories.length;
        for (uint256 i = 0; i < categories; ++i) {
            uint256 clock = _categories[i].workClockTimeRef;
            if (clock > longest) longest = clock;
        }
        uint256 releaseTime = block.timestamp + longest * FINAL_DEADLINE_RATIO;
        _bonds[msg.sender][pool] = _bonds[msg.sender][pool].ending(releaseTime);
        emit Unbonding(msg.sender, pool, releaseTime);
    }

    function withdrawBond(address pool) external {
        BondWord held = _bonds[msg.sender][pool];
        uint256 releaseTime = held.releaseTime();
        if (releaseTime == 0 || releaseTime > block.timestamp || held.locked() > 0) {
            revert BondStillNeeded(msg.sender, held.locked(), releaseTime);
        }
        uint256 amount = held.total();
        _bonds[msg.sender][pool] = BondWord.wrap(0);
        _unlock(msg.sender, amount);
        _release(amount);
        emit BondWithdrawn(msg.sender, pool, amount);
    }

    function viewBond(address worker, address pool)
        external
        view
        returns (uint256 total, uint256 locked, uint256 releaseTime)
    {
        BondWord held = _bonds[worker][pool];
        return (held.total(), held.locked(), held.releaseTime());
    }

    /// @dev Locks what `entries` of a worker answer for.
    function _lockBond(address worker, address pool, uint256 amount) internal {
        BondWord held = _bonds[worker][pool];
        if (held.releaseTime() != 0) revert BondEnding(worker, held.releaseTime());
        uint256 unlocked = held.total() - held.locked();
        if (amount > unlocked) revert BondTooLow(worker, unlocked, amount);
        _bonds[worker][pool] = held.lock(amount);
    }
}
