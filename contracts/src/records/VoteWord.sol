// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @dev A contribution, in the first of its slots.
///
///   worker 160 | weight 64 | group 8 | rejected 8
///
/// `weight` is the worker's when it contributed, `group` which of the task's result hashes it voted for.
type VoteWord is uint256;

using VoteWords for VoteWord global;

library VoteWords {
    uint256 private constant WEIGHT_AT = 160;
    uint256 private constant GROUP_AT = 224;
    uint256 private constant REJECTED_AT = 232;
    /// @dev The group of a vote that was committed and never disclosed.
    uint256 private constant SILENT = type(uint8).max;

    /// @dev A weight follows from a score and fits its 64 bits.
    function pack(address worker_, uint256 weight_, uint256 group_) internal pure returns (VoteWord) {
        return VoteWord.wrap(uint256(uint160(worker_)) | weight_ << WEIGHT_AT | group_ << GROUP_AT);
    }

    function worker(VoteWord vote) internal pure returns (address) {
        return address(uint160(VoteWord.unwrap(vote)));
    }

    function weight(VoteWord vote) internal pure returns (uint256) {
        return uint64(VoteWord.unwrap(vote) >> WEIGHT_AT);
    }

    function group(VoteWord vote) internal pure returns (uint256) {
        return uint8(VoteWord.unwrap(vote) >> GROUP_AT);
    }

    function isRejected(VoteWord vote) internal pure returns (bool) {
        return VoteWord.unwrap(vote) >> REJECTED_AT != 0;
    }

    /// @dev In the group that was there first, and not rejected: as most votes are.
    function isPlain(VoteWord vote) internal pure returns (bool) {
        return VoteWord.unwrap(vote) >> GROUP_AT == 0;
    }

    /// @dev Whether nobody knows what the vote was for. It is rejected.
    function isSilent(VoteWord vote) internal pure returns (bool) {
        return vote.group() == SILENT;
    }

    function silent(address worker_, uint256 weight_) internal pure returns (VoteWord) {
        return pack(worker_, weight_, SILENT).rejected();
    }

    function rejected(VoteWord vote) internal pure returns (VoteWord) {
        return VoteWord.wrap(VoteWord.unwrap(vote) | uint256(1) << REJECTED_AT);
    }
}
