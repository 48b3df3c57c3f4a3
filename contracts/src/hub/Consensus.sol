// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// Credibility, exact: https://github.com/iExecBlockchainComputing/PoCo, `contribute` of the reference.
///
///   W(worker) = max(floor(score / 3), 3) - 1
///   group     = the product of its members' weights; total = 1 + the sum of the groups
///   consensus  <=>  group * trust > total * (trust - 1)
///
/// Pure arithmetic; who is a member of which group is the caller's business. Products that leave 256 bits
/// revert, as in the reference.
library Consensus {
    function weightOf(uint256 score) internal pure returns (uint256) {
        return FixedPointMathLib.max(score / 3, 3) - 1;
    }

    /// @dev The share of a worker in the payout. Weights are at least 2, so it is at least 1.
    function logWeight(uint256 weight) internal pure returns (uint256) {
        return FixedPointMathLib.log2(weight);
    }

    /// @dev `group` with one more member; an empty group counts as 0 in the total but 1 in the product.
    function join(uint256 group, uint256 weight) internal pure returns (uint256) {
        return FixedPointMathLib.max(group, 1) * weight;
    }

    function isReached(uint256 group, uint256 total, uint256 trust) internal pure returns (bool) {
        return group * trust > total * (trust - 1);
    }
}
