// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @dev An account in its one slot: free stake 96 | frozen stake 96 | score 64. What a lock, an unlock or a payout
/// changes together is written together.
///
/// Amounts are parts of the supply, which fits 96 bits; so no sum leaves its bits. What is taken is checked
/// against what is there, always.
type StakeWord is uint256;

using StakeWords for StakeWord global;

library StakeWords {
    uint256 private constant FROZEN_AT = 96;
    uint256 private constant SCORE_AT = 192;

    /// @dev Never seen: it would mean that stake was taken twice.
    error FrozenStakeTooLow(uint256 frozen, uint256 needed);

    function free(StakeWord stake) internal pure returns (uint256) {
        return uint96(StakeWord.unwrap(stake));
    }

    function frozen(StakeWord stake) internal pure returns (uint256) {
        return uint96(StakeWord.unwrap(stake) >> FROZEN_AT);
    }

    function score(StakeWord stake) internal pure returns (uint256) {
        return StakeWord.unwrap(stake) >> SCORE_AT;
    }

    function withFree(StakeWord stake, uint256 amount) internal pure returns (StakeWord) {
        return StakeWord.wrap(StakeWord.unwrap(stake) >> FROZEN_AT << FROZEN_AT | amount);
    }

    /// @dev `score_` fits 64 bits.
    function withScore(StakeWord stake, uint256 score_) internal pure returns (StakeWord) {
        return StakeWord.wrap(StakeWord.unwrap(stake) << 64 >> 64 | score_ << SCORE_AT);
    }

    /// @dev More free stake.
    function credit(StakeWord stake, uint256 amount) internal pure returns (StakeWord) {
        unchecked {
            return StakeWord.wrap(StakeWord.unwrap(stake) + amount);
        }
    }

    /// @dev Free stake becomes frozen. The caller has checked that it is there.
    function lock(StakeWord stake, uint256 amount) internal pure returns (StakeWord) {
        unchecked {
            return StakeWord.wrap(StakeWord.unwrap(stake) - amount + (amount << FROZEN_AT));
        }
    }

    /// @dev Frozen stake that was not there before: what is added to the kitty.
    function freeze(StakeWord stake, uint256 amount) internal pure returns (StakeWord) {
        unchecked {
            return StakeWord.wrap(StakeWord.unwrap(stake) + (amount << FROZEN_AT));
        }
    }

    /// @dev Less frozen stake.
    function seize(StakeWord stake, uint256 amount) internal pure returns (StakeWord) {
        if (amount > stake.frozen()) revert FrozenStakeTooLow(stake.frozen(), amount);
        unchecked {
            return StakeWord.wrap(StakeWord.unwrap(stake) - (amount << FROZEN_AT));
        }
    }

    /// @dev Frozen stake becomes free.
    function unlock(StakeWord stake, uint256 amount) internal pure returns (StakeWord) {
        return stake.seize(amount).credit(amount);
    }
}
