// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {TaskStatus} from "../interfaces/Types.sol";

/// @dev Most contributions of a task. A reveal looks for its own among them: workers of the reference send it with
/// 100 000 gas, and this many leave it below. Nor can anybody block `finalize` or `claim` by contributing.
uint256 constant CONTRIBUTORS_MAX = 24;

/// @dev A task in its one slot. All else about it follows from its deal and contributions.
///
///   deal 160 | offset 16 | revealDeadline 40 | status 8 | contributors 8 | winners 8 | revealed 8 | group 8
///
/// `deal` is where the deal's record lies. `winners` is above zero exactly while there is a consensus, whose
/// result hash is that of `group`. A task completed without contributors was done by `contributeAndFinalize`; one
/// without a deal belongs to the boost lane and has nothing but its status.
///
/// The status byte holds besides whether the task was ever reopened, and marks of the settlement lane. While a task is committed, its `winners` are
/// its place in the commit, and the lower 32 bits of `revealDeadline` which entries of its row were disclosed on
/// chain. Once it is settled, `winners` are its place in the batch whose record has its result.
type TaskWord is uint256;

using TaskWords for TaskWord global;

/// A call reads and writes a task as one word, and takes from it what it needs.
library TaskWords {
    /// @dev Offsets from here on are kept in a slot of their own: bags this large are rare.
    uint256 internal constant FAR_INDEX = type(uint16).max;

    uint256 private constant OFFSET_AT = 160;
    uint256 private constant DEADLINE_AT = 176;
    uint256 private constant STATUS_AT = 216;
    uint256 private constant STATUS_MASK = 7;
    uint256 private constant COMMITTED = 1 << 219;
    uint256 private constant SETTLED = 1 << 220;
    uint256 private constant WAS_COMMITTED = 1 << 221;
    uint256 private constant REOPENED = 1 << 222;
    uint256 private constant CONTRIBUTORS_AT = 224;
    uint256 private constant WINNERS_AT = 232;
    uint256 private constant REVEALED_AT = 240;
    uint256 private constant GROUP_AT = 248;

    /// @dev A task just initialized; `offset` is at most `FAR_INDEX`.
    function opened(address deal_, uint256 offset_) internal pure returns (TaskWord) {
        return TaskWord.wrap(
            uint256(uint160(deal_)) | offset_ << OFFSET_AT | uint256(TaskStatus.ACTIVE) << STATUS_AT
        );
    }

    function deal(TaskWord task) internal pure returns (address) {
        return address(uint160(TaskWord.unwrap(task)));
    }

    /// @dev Index within the deal, or `FAR_INDEX`.
    function offset(TaskWord task) internal pure returns (uint256) {
        return uint16(TaskWord.unwrap(task) >> OFFSET_AT);
    }

    function revealDeadline(TaskWord task) internal pure returns (uint256) {
        return uint40(TaskWord.unwrap(task) >> DEADLINE_AT);
    }

    function status(TaskWord task) internal pure returns (TaskStatus) {
        return TaskStatus(TaskWord.unwrap(task) >> STATUS_AT & STATUS_MASK);
    }

    function contributors(TaskWord task) internal pure returns (uint256) {
        return uint8(TaskWord.unwrap(task) >> CONTRIBUTORS_AT);
    }

    function winners(TaskWord task) internal pure returns (uint256) {
        return uint8(TaskWord.unwrap(task) >> WINNERS_AT);
    }

    function revealed(TaskWord task) internal pure returns (uint256) {
        return uint8(TaskWord.unwrap(task) >> REVEALED_AT);
    }

    function winningGroup(TaskWord task) internal pure returns (uint256) {
        return TaskWord.unwrap(task) >> GROUP_AT;
    }

    /// @dev Whether the task was done by `contributeAndFinalize`.
    function isFast(TaskWord task) internal pure returns (bool) {
        return task.status() == TaskStatus.COMPLETED && task.contributors() == 0 && !task.isSettled()
            && task.deal() != address(0);
    }

    function isCommitted(TaskWord task) internal pure returns (bool) {
        return TaskWord.unwrap(task) & COMMITTED != 0;
    }

    /// @dev Whether it is committed, or was: a task is committed once, so that a row belongs to one commit only.
    function wasCommitted(TaskWord task) internal pure returns (bool) {
        return TaskWord.unwrap(task) & WAS_COMMITTED != 0;
    }

    function wasReopened(TaskWord task) internal pure returns (bool) {
        return TaskWord.unwrap(task) & REOPENED != 0;
    }

    function isSettled(TaskWord task) internal pure returns (bool) {
        return TaskWord.unwrap(task) & SETTLED != 0;
    }

    /// @dev Place in the commit, or in the batch.
    function place(TaskWord task) internal pure returns (uint256) {
        return task.winners();
    }

    /// @dev Which entries of the row of a committed task were disclosed on chain, one bit each.
    function disclosed(TaskWord task) internal pure returns (uint256) {
        return task.revealDeadline();
    }

    /// @dev An active task that was committed, at `place_` of at most 255.
    function committed(TaskWord task, uint256 place_) internal pure returns (TaskWord) {
        return TaskWord.wrap(TaskWord.unwrap(task) | COMMITTED | WAS_COMMITTED | place_ << WINNERS_AT);
    }

    function withDisclosed(TaskWord task, uint256 bit) internal pure returns (TaskWord) {
        return TaskWord.wrap(TaskWord.unwrap(task) | bit << DEADLINE_AT);
    }

    /// @dev As before the commit, but for the contributions that were disclosed since.
    function uncommitted(TaskWord task) internal pure returns (TaskWord) {
        uint256 marks =
            COMMITTED | uint256(type(uint8).max) << WINNERS_AT | uint256(type(uint40).max) << DEADLINE_AT;
        return TaskWord.wrap(TaskWord.unwrap(task) & ~marks);
    }

    /// @dev A committed task that was paid for, at `place_` of its batch.
    function settled(TaskWord task, uint256 place_) internal pure returns (TaskWord) {
        uint256 bits = TaskWord.unwrap(task.uncommitted().withStatus(TaskStatus.COMPLETED));
        return TaskWord.wrap(bits | SETTLED | place_ << WINNERS_AT);
    }

    function withStatus(TaskWord task, TaskStatus status_) internal pure returns (TaskWord) {
        uint256 others = TaskWord.unwrap(task) & ~(STATUS_MASK << STATUS_AT);
        return TaskWord.wrap(others | uint256(status_) << STATUS_AT);
    }

    /// @dev One contribution more, of fewer than `CONTRIBUTORS_MAX`.
    function withContribution(TaskWord task) internal pure returns (TaskWord) {
        unchecked {
            return TaskWord.wrap(TaskWord.unwrap(task) + (uint256(1) << CONTRIBUTORS_AT));
        }
    }

    /// @dev An active task that has come to a consensus of `winners_` members of `group_`.
    function withConsensus(TaskWord task, uint256 deadline, uint256 winners_, uint256 group_)
        internal
        pure
        returns (TaskWord)
    {
        uint256 consensus = deadline << DEADLINE_AT | winners_ << WINNERS_AT | group_ << GROUP_AT;
        return TaskWord.wrap(TaskWord.unwrap(task) | consensus).withStatus(TaskStatus.REVEALING);
    }

    /// @dev One reveal more, of at most as many as contributions.
    function withReveal(TaskWord task) internal pure returns (TaskWord) {
        unchecked {
            return TaskWord.wrap(TaskWord.unwrap(task) + (uint256(1) << REVEALED_AT));
        }
    }

    /// @dev Active again; of the consensus, which nobody revealed, nothing is left.
    function reopened(TaskWord task) internal pure returns (TaskWord) {
        uint256 consensus = uint256(type(uint40).max) << DEADLINE_AT | uint256(type(uint8).max) << WINNERS_AT
            | uint256(type(uint8).max) << GROUP_AT;
        return TaskWord.wrap(TaskWord.unwrap(task) & ~consensus | REOPENED).withStatus(TaskStatus.ACTIVE);
    }

    /// @dev As after a consensus of one who has revealed, without a contribution in storage.
    function completedFast(TaskWord task, uint256 deadline) internal pure returns (TaskWord) {
        return task.withConsensus(deadline, 1, 0).withReveal().withStatus(TaskStatus.COMPLETED);
    }
}
