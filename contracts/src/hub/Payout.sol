// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// The rounding of payouts, in every lane the same. Amounts are in nRLC, of at most 101 bits: no more than 25 stakes
/// and a price of 96 each; ratios in percent; shares are logarithms of weights, 1 to 63.
///
/// What workers get is rounded down twice, so that the sum is never above what there is; the pool owner gets the rest.
library Payout {
    /// @dev Percent of its price that a pool locks for each task.
    uint256 internal constant POOL_STAKE_RATIO = 30;

    /// @dev What a pool locks for a task of this price, and gets back or loses with it.
    function poolStakeOf(uint256 price) internal pure returns (uint256) {
        return price * POOL_STAKE_RATIO / 100;
    }

    /// @dev What all workers of a task get together of `total`; a ratio above 100 reverts.
    function workersPartOf(uint256 total, uint256 schedulerRatio) internal pure returns (uint256) {
        return total * (100 - schedulerRatio) / 100;
    }

    /// @dev What a worker gets of the workers' part for its share of all shares, which are not zero.
    function rewardOf(uint256 workersPart, uint256 share, uint256 shares) internal pure returns (uint256) {
        // 101 bits and 6.
        unchecked {
            return workersPart * share / shares;
        }
    }
}
