// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {TaskStatus} from "../src/interfaces/Types.sol";
import {StakeWord, StakeWords} from "../src/records/StakeWord.sol";
import {CONTRIBUTORS_MAX, TaskWord, TaskWords} from "../src/records/TaskWord.sol";
import {VoteWord, VoteWords} from "../src/records/VoteWord.sol";

/// The words of tasks, votes and accounts: what is written is read back, and no field touches another.
contract WordProofs {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function check_an_opened_task_says_its_deal_and_offset(address deal, uint16 offset) external pure {
        TaskWord task = TaskWords.opened(deal, offset);
        assert(task.deal() == deal);
        assert(task.offset() == offset);
        assert(task.status() == TaskStatus.ACTIVE);
        assert(task.contributors() == 0 && task.winners() == 0 && task.revealed() == 0);
        assert(task.revealDeadline() == 0 && task.winningGroup() == 0);
        assert(!task.isFast());
    }

    /// Any word a task can be in: `status` is the enum's.
    function anyTask(uint256 word) private pure returns (TaskWord) {
        vm.assume(uint8(word >> 216) <= uint8(TaskStatus.FAILED));
        return TaskWord.wrap(word);
    }

    function checkOthers(TaskWord before, TaskWord afterwards) private pure {
        assert(afterwards.deal() == before.deal());
        assert(afterwards.offset() == before.offset());
    }

    function check_a_status_touches_nothing_else(uint256 word, uint8 status) external pure {
        vm.assume(status <= uint8(TaskStatus.FAILED));
        TaskWord before = anyTask(word);
        TaskWord task = before.withStatus(TaskStatus(status));
        assert(task.status() == TaskStatus(status));
        checkOthers(before, task);
        uint256 mask = ~(uint256(0xff) << 216);
        assert(TaskWord.unwrap(task) & mask == word & mask);
    }

    function check_a_contribution_touches_nothing_else(uint256 word) external pure {
        TaskWord before = anyTask(word);
        vm.assume(before.contributors() < CONTRIBUTORS_MAX);
        TaskWord task = before.withContribution();
        assert(task.contributors() == before.contributors() + 1);
        uint256 mask = ~(uint256(0xff) << 224);
        assert(TaskWord.unwrap(task) & mask == word & mask);
    }

    function check_a_reveal_touches_nothing_else(uint256 word) external pure {
        TaskWord before = anyTask(word);
        vm.assume(before.revealed() < CONTRIBUTORS_MAX);
        TaskWord task = before.withReveal();
        assert(task.revealed() == before.revealed() + 1);
        uint256 mask = ~(uint256(0xff) << 240);
        assert(TaskWord.unwrap(task) & mask == word & mask);
    }

    /// An active task has no consensus: those fields are empty, whether it is new or was reopened.
    function check_a_consensus_is_read_back(uint256 word, uint40 deadline, uint8 winners, uint8 group)
        external
        pure
    {
        uint256 empty = uint256(type(uint40).max) << 176 | uint256(0xff) << 232 | uint256(0xff) << 248;
        vm.assume(word & empty == 0);
        TaskWord before = anyTask(word);
        TaskWord task = before.withConsensus(deadline, winners, group);
        assert(task.revealDeadline() == deadline);
        assert(task.winners() == winners);
        assert(task.winningGroup() == group);
        assert(task.status() == TaskStatus.REVEALING);
        assert(task.contributors() == before.contributors());
        assert(task.revealed() == before.revealed());
        checkOthers(before, task);
    }

    /// What a consensus wrote, reopening takes back, to the bit, and remembers that there was one.
    function check_reopening_undoes_a_consensus(uint256 word, uint40 deadline, uint8 winners, uint8 group)
        external
        pure
    {
        uint256 empty = uint256(type(uint40).max) << 176 | uint256(0xff) << 232 | uint256(0xff) << 248;
        vm.assume(word & empty == 0);
        vm.assume(uint8(word >> 216) == uint8(TaskStatus.ACTIVE));
        TaskWord task = TaskWord.wrap(word).withConsensus(deadline, winners, group).reopened();
        assert(task.wasReopened());
        assert(TaskWord.unwrap(task) == word | 1 << 222);
    }

    function check_a_fast_task_is_known_as_one(address deal, uint16 offset, uint40 deadline) external pure {
        vm.assume(deal != address(0));
        TaskWord task = TaskWords.opened(deal, offset).completedFast(deadline);
        assert(task.isFast());
        assert(task.status() == TaskStatus.COMPLETED);
        assert(task.winners() == 1 && task.revealed() == 1 && task.contributors() == 0);
        assert(task.revealDeadline() == deadline && task.deal() == deal && task.offset() == offset);
    }

    function check_a_vote_is_read_back(address worker, uint64 weight, uint8 group) external pure {
        VoteWord vote = VoteWords.pack(worker, weight, group);
        assert(vote.worker() == worker && vote.weight() == weight && vote.group() == group);
        assert(!vote.isRejected());
        assert(vote.isPlain() == (group == 0));
        VoteWord rejected = vote.rejected();
        assert(rejected.isRejected() && !rejected.isPlain());
        assert(rejected.worker() == worker && rejected.weight() == weight && rejected.group() == group);
    }

    function check_an_accounts_fields_do_not_touch(uint256 word, uint96 amount, uint64 score) external pure {
        StakeWord stake = StakeWord.wrap(word);
        StakeWord free = stake.withFree(amount);
        assert(free.free() == amount && free.frozen() == stake.frozen() && free.score() == stake.score());
        StakeWord scored = stake.withScore(score);
        assert(scored.score() == score && scored.free() == stake.free() && scored.frozen() == stake.frozen());
    }

    /// Within the supply, of which every amount is a part.
    function check_stake_moves_between_its_fields(uint256 word, uint96 amount) external pure {
        StakeWord stake = StakeWord.wrap(word);
        uint256 sum = stake.free() + stake.frozen();
        vm.assume(sum <= type(uint96).max);
        if (amount <= stake.free()) {
            StakeWord locked = stake.lock(amount);
            assert(locked.free() == stake.free() - amount);
            assert(locked.frozen() == stake.frozen() + amount);
            assert(locked.score() == stake.score());
            assert(StakeWord.unwrap(locked.unlock(amount)) == word);
        }
        if (amount <= stake.frozen()) {
            StakeWord seized = stake.seize(amount);
            assert(seized.frozen() == stake.frozen() - amount);
            assert(seized.free() == stake.free() && seized.score() == stake.score());
        }
        if (amount <= type(uint96).max - sum) {
            StakeWord credited = stake.credit(amount);
            assert(credited.free() == stake.free() + amount);
            assert(credited.frozen() == stake.frozen() && credited.score() == stake.score());
            StakeWord frozen = stake.freeze(amount);
            assert(frozen.frozen() == stake.frozen() + amount);
            assert(frozen.free() == stake.free() && frozen.score() == stake.score());
        }
    }

    /// More than is there cannot be seized: called from outside, to see it revert.
    function seize(uint256 word, uint256 amount) external pure returns (StakeWord) {
        return StakeWord.wrap(word).seize(amount);
    }

    function check_no_more_is_seized_than_is_frozen(uint256 word, uint256 amount) external view {
        vm.assume(amount > StakeWord.wrap(word).frozen());
        try this.seize(word, amount) {
            assert(false);
        } catch {}
    }
}
