// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {TaskStatus} from "../src/interfaces/Types.sol";
import {BondWord} from "../src/records/BondWord.sol";
import {TaskWord, TaskWords} from "../src/records/TaskWord.sol";
import {MemoryWords, Words} from "../src/records/Words.sol";

/// The settlement lane's words: bonds, a task on its way through a commit, and numbers in memory.
contract LaneProofs {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// Any bond there can be: what is locked is part of it, and the bits above the release time are never set.
    function anyBond(uint256 word) private pure returns (BondWord bond) {
        vm.assume(word >> 232 == 0);
        bond = BondWord.wrap(word);
        vm.assume(bond.locked() <= bond.total());
    }

    function check_a_bonds_fields_do_not_touch(uint256 word, uint96 amount) external pure {
        BondWord bond = anyBond(word);
        if (amount <= bond.total() - bond.locked()) {
            BondWord locked = bond.lock(amount);
            assert(locked.total() == bond.total() && locked.releaseTime() == bond.releaseTime());
            assert(locked.locked() == bond.locked() + amount);
            assert(BondWord.unwrap(locked.unlock(amount)) == word);
        }
        if (amount <= bond.locked()) {
            BondWord spent = bond.spend(amount);
            assert(spent.total() == bond.total() - amount && spent.locked() == bond.locked() - amount);
            assert(spent.releaseTime() == bond.releaseTime());
        }
        if (amount <= type(uint96).max - bond.total()) {
            BondWord raised = bond.raised(amount);
            assert(raised.total() == bond.total() + amount && raised.locked() == bond.locked());
            assert(raised.releaseTime() == 0);
        }
    }

    function check_an_ending_bond_keeps_its_stake(uint256 word, uint40 releaseTime) external pure {
        BondWord bond = anyBond(word);
        BondWord ending = bond.ending(releaseTime);
        assert(ending.releaseTime() == releaseTime);
        assert(ending.total() == bond.total() && ending.locked() == bond.locked());
    }

    /// More than is locked is neither unlocked nor spent: called from outside, to see it revert.
    function unlock(uint256 word, uint256 amount) external pure returns (BondWord) {
        return BondWord.wrap(word).unlock(amount);
    }

    function spend(uint256 word, uint256 amount) external pure returns (BondWord) {
        return BondWord.wrap(word).spend(amount);
    }

    function check_no_more_leaves_a_bond_than_is_locked(uint256 word, uint256 amount) external view {
        vm.assume(amount > BondWord.wrap(word).locked());
        try this.unlock(word, amount) {
            assert(false);
        } catch {}
        try this.spend(word, amount) {
            assert(false);
        } catch {}
    }

    /// A task just opened is committed, has votes disclosed, and leaves: what it was before is there again.
    function check_a_task_leaves_a_commit_as_it_came(
        address deal,
        uint16 offset,
        uint8 place,
        uint32 disclosed
    ) external pure {
        TaskWord opened = TaskWords.opened(deal, offset);
        TaskWord task = opened.committed(place);
        assert(task.isCommitted() && task.wasCommitted() && task.status() == TaskStatus.ACTIVE);
        assert(task.place() == place && task.disclosed() == 0);
        task = task.withDisclosed(disclosed);
        assert(task.place() == place && task.disclosed() == disclosed);
        assert(task.deal() == deal && task.offset() == offset);

        TaskWord left = task.uncommitted();
        assert(!left.isCommitted() && left.wasCommitted() && !left.isSettled());
        assert(left.winners() == 0 && left.revealDeadline() == 0);
        assert(left.deal() == deal && left.offset() == offset && left.status() == TaskStatus.ACTIVE);
    }

    function check_a_settled_task_is_known_as_one(address deal, uint16 offset, uint8 inCommit, uint8 inBatch)
        external
        pure
    {
        TaskWord task = TaskWords.opened(deal, offset).committed(inCommit).settled(inBatch);
        assert(task.isSettled() && !task.isCommitted() && !task.isFast());
        assert(task.status() == TaskStatus.COMPLETED && task.place() == inBatch);
        assert(task.deal() == deal && task.offset() == offset && task.revealDeadline() == 0);
    }

    function check_words_in_memory_do_not_touch(uint256 a, uint256 b, uint96 more) external pure {
        vm.assume(b <= type(uint256).max - more);
        Words words = MemoryWords.reserve(3);
        bytes memory behind = new bytes(32);
        assert(words.get(0) == 0 && words.get(1) == 0 && words.get(2) == 0);
        words.set(0, a);
        words.set(1, b);
        words.add(1, more);
        assert(words.get(0) == a && words.get(1) == b + more && words.get(2) == 0);
        words.set(2, type(uint256).max);
        assert(bytes32(behind) == 0 && behind.length == 32);
        assert(words.account(0) == address(uint160(a)));
    }
}
