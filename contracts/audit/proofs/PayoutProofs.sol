// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Money} from "../src/hub/Money.sol";
import {Payout} from "../src/hub/Payout.sol";

/// The rounding of a payout, by the code that every lane of the hub runs: that what the workers get never exceeds what
/// there is, so that the rest, which the pool owner gets, exists.
///
/// A division by an unknown number is beyond solvers: ratios and shares are examples, amounts are all of 16, 24 or 32
/// bits.
contract PayoutProofs {
    function check_the_workers_part_is_no_more_than_there_is(uint24 total_) external pure {
        uint256 total = total_;
        uint256[6] memory ratios = [uint256(0), 1, 5, 37, 99, 100];
        for (uint256 i = 0; i < 6; ++i) {
            uint256 part = Payout.workersPartOf(total, ratios[i]);
            assert(part <= total);
            // Rounding costs the workers less than one.
            assert(part * 100 + 100 > total * (100 - ratios[i]));
        }
    }

    /// Shares are logarithms of weights: 1 for a fresh worker, 63 at most.
    function check_a_reward_is_its_share_rounded_down(uint32 part_) external pure {
        uint256 part = part_;
        uint256[2][6] memory cases =
            [[uint256(1), 3], [uint256(5), 11], [uint256(6), 11], [uint256(1), 66], [uint256(7), 11], [uint256(63), 189]];
        for (uint256 i = 0; i < 6; ++i) {
            (uint256 share, uint256 sum) = (cases[i][0], cases[i][1]);
            uint256 reward = Payout.rewardOf(part, share, sum);
            assert(reward * sum <= part * share);
            assert(part * share < (reward + 1) * sum);
        }
    }

    /// Three rewards of which that is true are together no more than there is, and leave less than three.
    function check_what_equal_rewards_leave_is_below_three(uint32 part, uint32 a, uint32 b, uint32 c)
        external
        pure
    {
        _checkRest(part, [uint256(a), b, c], [uint256(1), 1, 1]);
    }

    function check_what_two_rewards_leave_is_below_three(uint32 part, uint32 a, uint32 b) external pure {
        _checkRest(part, [uint256(a), b, 0], [uint256(5), 6, 0]);
    }

    function check_what_unlike_rewards_leave_is_below_three(uint16 part, uint16 a, uint16 b, uint16 c)
        external
        pure
    {
        _checkRest(part, [uint256(a), b, c], [uint256(1), 63, 2]);
    }

    /// @dev What does not round down is no case: there is one path.
    function _checkRest(uint256 part, uint256[3] memory rewards, uint256[3] memory shares) private pure {
        uint256 sum = shares[0] + shares[1] + shares[2];
        uint256 paid = 0;
        for (uint256 k = 0; k < 3; ++k) {
            require(rewards[k] * sum <= part * shares[k]);
            require(part * shares[k] < (rewards[k] + 1) * sum);
            paid += rewards[k];
        }
        assert(paid <= part && part - paid < 3);
    }

    /// What a reward multiplies leaves no number: 25 stakes and a price, of 96 bits each, and a share.
    function check_no_reward_overflows(uint96 stake, uint96 price, uint8 share) external pure {
        uint256 most = uint256(stake) * 25 + price;
        assert(most * share <= type(uint256).max >> 100);
    }

    /// The pool owner locks for each task what each task gives back.
    function check_the_pools_stake_is_a_multiple_of_a_tasks(uint16 price, uint8 volume) external pure {
        uint256 stake = Payout.poolStakeOf(price);
        assert(stake <= price);
        assert(stake * volume <= uint256(price) * volume);
        assert(stake * 100 <= uint256(price) * 30);
    }
}

/// What the kitty pays, by the hub's own code.
contract KittyProofs is Money {
    function check_the_kitty_pays_no_more_than_it_holds_or_a_tenth_of_the_price(uint96 kitty, uint32 price)
        external
        pure
    {
        uint256 part = _kittyPart(kitty, price);
        assert(part <= kitty);
        assert(part * 10 <= price);
    }
}
