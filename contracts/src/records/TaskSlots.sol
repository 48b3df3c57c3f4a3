// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ContributionStatus, TaskStatus} from "../interfaces/Types.sol";

/// @dev A task, unpacked from its one slot. All else about it follows from its deal and contributions.
struct TaskState {
    /// Where the deal's record lies.
    address deal;
    /// Index within the deal; `FAR_INDEX` if it does not fit, then it is kept beside.
    uint256 offset;
    uint256 revealDeadline;
    TaskStatus status;
    /// Contributions in storage; a task completed with none was done by `contributeAndFinalize`.
    uint256 contributors;
    /// Above zero exactly while there is a consensus.
    uint256 winners;
    uint256 revealed;
    /// The group in consensus, if there is one.
    uint256 winningGroup;
}

/// @dev A contribution, unpacked from the first of its slots.
struct Vote {
    address worker;
    /// The worker's weight when it contributed.
    uint256 weight;
    ContributionStatus status;
    /// Which of the task's result hashes it voted for.
    uint256 group;
}

/// The packing of tasks and contributions: one word each, written and read whole, so that a call pays for
/// one load and one store whatever it changes.
library TaskSlots {
    /// @dev Offsets from here on are kept in a slot of their own: bags this large are rare.
    uint256 internal constant FAR_INDEX = type(uint16).max;

    /// @dev Counters have 8 bits. Far above what a block's gas lets `finalize` pay out.
    uint256 internal constant MAX_CONTRIBUTORS = type(uint8).max;

    /// deal 160 | offset 16 | revealDeadline 40 | status 8 | contributors 8 | winners 8 | revealed 8 | group 8
    function packTask(TaskState memory task) internal pure returns (uint256) {
        return uint256(uint160(task.deal)) | task.offset << 160 | task.revealDeadline << 176
            | uint256(task.status) << 216 | task.contributors << 224 | task.winners << 232 | task.revealed
            << 240 | task.winningGroup << 248;
    }

    function unpackTask(uint256 slot) internal pure returns (TaskState memory task) {
        task.deal = address(uint160(slot));
        task.offset = uint16(slot >> 160);
        task.revealDeadline = uint40(slot >> 176);
        task.status = TaskStatus(uint8(slot >> 216));
        task.contributors = uint8(slot >> 224);
        task.winners = uint8(slot >> 232);
        task.revealed = uint8(slot >> 240);
        task.winningGroup = slot >> 248;
    }

    /// worker 160 | weight 64 | status 8 | group 8
    function packVote(Vote memory vote) internal pure returns (uint256) {
        return
            uint256(uint160(vote.worker)) | vote.weight << 160 | uint256(vote.status) << 224 | vote.group
                << 232;
    }

    function unpackVote(uint256 slot) internal pure returns (Vote memory vote) {
        vote.worker = address(uint160(slot));
        vote.weight = uint64(slot >> 160);
        vote.status = ContributionStatus(uint8(slot >> 224));
        vote.group = uint8(slot >> 232);
    }
}
