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

    /// The trusts that `protocol.md` lists and their neighbours, each proved for all groups: two unknown factors are
    /// beyond solvers.
    function trusts() private pure returns (uint256[10] memory) {
        return [uint256(1), 2, 3, 5, 8, 16, 100, 1000, 10 ** 6, 2 ** 53];
    }

    /// group * trust > total * (trust - 1) says that the others, with 1 for nobody, are less than a part in `trust`.
    function check_consensus_leaves_the_others_less_than_their_part(uint64 group, uint64 others) external pure {
        uint256 total = 1 + uint256(group) + others;
        for (uint256 i = 0; i < 10; ++i) {
            bool isLittle = (total - group) * trusts()[i] < total;
            assert(Consensus.isReached(group, total, trusts()[i]) == isLittle);
        }
    }

    function check_at_trust_one_any_vote_wins(uint128 group, uint128 others) external pure {
        vm.assume(group >= 1);
        assert(Consensus.isReached(group, 1 + uint256(group) + others, 1));
    }

    function check_two_groups_never_win_together(uint64 group, uint64 other) external pure {
        uint256 total = 1 + uint256(group) + other;
        for (uint256 i = 1; i < 10; ++i) {
            bool isFirst = Consensus.isReached(group, total, trusts()[i]);
            bool isSecond = Consensus.isReached(other, total, trusts()[i]);
            assert(!(isFirst && isSecond));
        }
    }

    function check_who_wins_at_a_trust_wins_at_a_lower_one(uint64 group, uint64 others) external pure {
        uint256 total = 1 + uint256(group) + others;
        for (uint256 i = 1; i < 10; ++i) {
            if (!Consensus.isReached(group, total, trusts()[i])) continue;
            assert(Consensus.isReached(group, total, trusts()[i - 1]));
        }
    }
}
