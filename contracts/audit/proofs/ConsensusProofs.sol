// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {Consensus} from "../src/hub/Consensus.sol";

/// Credibility for all numbers there are: weights, groups, and when a group has won. Where two products are
/// compared, numbers have as many bits as the solver takes.
contract ConsensusProofs {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// W = max(floor(score / 3), 3) - 1, at least 2.
    function check_the_weight_is_that_of_the_definition(uint256 score) external pure {
        uint256 third = score / 3;
        uint256 wanted = third > 3 ? third - 1 : 2;
        assert(Consensus.weightOf(score) == wanted);
        assert(wanted >= 2);
    }

    function check_a_higher_score_never_weighs_less(uint16 score) external pure {
        assert(Consensus.weightOf(uint256(score) + 1) >= Consensus.weightOf(score));
    }

    /// The weight of any score that fits its 64 bits fits the 64 bits of a vote.
    function check_a_weight_fits_its_vote(uint64 score) external pure {
        assert(Consensus.weightOf(score) <= type(uint64).max);
    }

    /// floor(log2(W)): 2^l <= W < 2^(l + 1), and at least 1.
    function check_the_share_is_the_logarithm(uint64 weight) external pure {
        vm.assume(weight >= 2);
        uint256 share = Consensus.logWeight(weight);
        assert(share >= 1 && share < 64);
        assert(uint256(1) << share <= weight);
        assert(uint256(1) << (share + 1) > weight);
    }

    function check_an_empty_group_becomes_its_first_member(uint256 weight) external pure {
        assert(Consensus.join(0, weight) == weight);
    }

    /// group += max(group, 1) * W - group, as the protocol has it.
    function check_a_group_grows_by_its_delta(uint64 group, uint64 weight) external pure {
        vm.assume(weight >= 2);
        uint256 factor = group > 1 ? group : 1;
        uint256 delta = factor * weight - group;
        assert(Consensus.join(group, weight) == group + delta);
    }

    /// The trusts that matter most and their neighbours, each proved for all groups, one on each path: two unknown
    /// factors are beyond solvers.
    function trustOf(uint8 which) private pure returns (uint256) {
        if (which == 0) return 1;
        if (which == 1) return 2;
        if (which == 2) return 3;
        if (which == 3) return 5;
        if (which == 4) return 8;
        if (which == 5) return 16;
        if (which == 6) return 100;
        if (which == 7) return 1000;
        if (which == 8) return 10 ** 6;
        return 2 ** 53;
    }

    /// group * trust > total * (trust - 1) says that the others, with 1 for nobody, are less than a part in `trust`.
    function check_consensus_leaves_the_others_less_than_their_part(uint8 group, uint8 others, uint8 which)
        external
        pure
    {
        uint256 total = 1 + uint256(group) + others;
        uint256 trust = trustOf(which);
        unchecked {
            assert(Consensus.isReached(group, total, trust) == ((total - group) * trust < total));
        }
    }

    function check_at_trust_one_any_vote_wins(uint128 group, uint128 others) external pure {
        vm.assume(group >= 1);
        assert(Consensus.isReached(group, 1 + uint256(group) + others, 1));
    }

    function check_two_groups_never_win_together(uint16 group, uint16 other, uint8 which) external pure {
        vm.assume(which >= 1);
        uint256 total = 1 + uint256(group) + other;
        uint256 trust = trustOf(which);
        bool isFirst = Consensus.isReached(group, total, trust);
        bool isSecond = Consensus.isReached(other, total, trust);
        assert(!isFirst || !isSecond);
    }

    function check_who_wins_at_a_trust_wins_at_a_lower_one(uint8 group, uint8 others, uint8 which)
        external
        pure
    {
        vm.assume(which >= 1 && which < 10);
        uint256 total = 1 + uint256(group) + others;
        bool isHigher = Consensus.isReached(group, total, trustOf(which));
        assert(!isHigher || Consensus.isReached(group, total, trustOf(which - 1)));
    }
}
