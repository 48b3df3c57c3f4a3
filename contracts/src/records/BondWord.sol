// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @dev What a worker has put aside for one pool, in one slot: total 96 | locked 96 | releaseTime 40. All of it is
/// frozen stake of the worker; `locked` of it answers for entries of commits. With a release time no commit may
/// take the worker any more.
type BondWord is uint256;

using BondWords for BondWord global;

library BondWords {
    uint256 private constant LOCKED_AT = 96;
    uint256 private constant RELEASE_AT = 192;

    function total(BondWord bond) internal pure returns (uint256) {
        return uint96(BondWord.unwrap(bond));
    }

    function locked(BondWord bond) internal pure returns (uint256) {
        return uint96(BondWord.unwrap(bond) >> LOCKED_AT);
    }

    /// @dev When the bond may be taken back; 0 while it serves.
    function releaseTime(BondWord bond) internal pure returns (uint256) {
        return uint40(BondWord.unwrap(bond) >> RELEASE_AT);
    }

    /// @dev More stake, of the supply that fits 96 bits; the bond serves again.
    function raised(BondWord bond, uint256 amount) internal pure returns (BondWord) {
        unchecked {
            return BondWord.wrap((BondWord.unwrap(bond) & type(uint192).max) + amount);
        }
    }

    function ending(BondWord bond, uint256 releaseTime_) internal pure returns (BondWord) {
        return BondWord.wrap(BondWord.unwrap(bond) & type(uint192).max | releaseTime_ << RELEASE_AT);
    }

    /// @dev Locks stake that is there and not locked, as the caller has checked.
    function lock(BondWord bond, uint256 amount) internal pure returns (BondWord) {
        unchecked {
            return BondWord.wrap(BondWord.unwrap(bond) + (amount << LOCKED_AT));
        }
    }

    /// @dev Less locked stake; checked, although every entry is unlocked once.
    function unlock(BondWord bond, uint256 amount) internal pure returns (BondWord) {
        require(amount <= bond.locked());
        unchecked {
            return BondWord.wrap(BondWord.unwrap(bond) - (amount << LOCKED_AT));
        }
    }

    /// @dev Locked stake leaves the bond.
    function spend(BondWord bond, uint256 amount) internal pure returns (BondWord) {
        require(amount <= bond.total());
        unchecked {
            return BondWord.wrap(BondWord.unwrap(bond.unlock(amount)) - amount);
        }
    }
}
