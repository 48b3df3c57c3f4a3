// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Ballot, Batch, CommitRange, ILane, Outcome, RowVote, SkipReason} from "../src/interfaces/ILane.sol";
import {ITasks} from "../src/interfaces/ITasks.sol";
import {Contribution, ContributionStatus, Task, TaskStatus} from "../src/interfaces/Types.sol";
import {LaneMarket} from "./support/LaneMarket.sol";
import {Orders} from "./support/Market.sol";
import {Witness} from "./support/Saboteurs.sol";

/// The settlement lane: what it pays, shows and refuses.
contract LaneTest is LaneMarket {
    function test_a_settled_task_pays_as_a_classic_one() public {
        bytes32 classic = openTask(8);
        for (uint256 i = 0; i < 3; ++i) {
            contribute(workers[i], classic, GOOD);
        }
        for (uint256 i = 0; i < 3; ++i) {
            reveal(workers[i], classic, GOOD);
        }
        finalize(classic, RESULTS, "");
        uint256 paid = free(workers[0]) - FUNDS;
        uint256 ownerPaid = free(poolOwner) - FUNDS;

        bondAll(10 * RLC);
        bytes32 dealid = laneDeal(8, 1);
        commitAs(dealid, 0, 1, all(3, GOOD));
        (uint256 total, uint256 locked,) = bonded(0);
        assertEq(total, 10 * RLC);
        assertEq(locked, STAKE);
        assertEq(frozen(workers[0]), 10 * RLC);
        settleAs(poolOwner, batchOf(dealid, 0, 1, START, all(3, GOOD), GOOD));

        assertEq(free(workers[0]), FUNDS - 10 * RLC + 2 * paid);
        assertEq(free(poolOwner), FUNDS + 2 * ownerPaid);
        assertEq(free(appOwner), 6 * RLC);
        assertEq(free(datasetOwner), 4 * RLC);
        assertEq(hub.viewScore(workers[2]), 2);
        (total, locked,) = bonded(0);
        assertEq(total, 10 * RLC);
        assertEq(locked, 0);
        assertConserved();
    }

    function test_a_settled_task_is_shown_as_a_classic_one() public {
        bondAll(20 * RLC);
        bytes32 dealid = laneDeal(3, 2);
        bytes32[] memory said = all(4, GOOD);
        said[1] = BAD;
        commitAs(dealid, 0, 2, said);
        bytes32 taskid = idOf(dealid, 1);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.ACTIVE));
        assertEq(hub.viewTask(taskid).winnerCounter, 0);
        assertEq(hub.viewTask(taskid).revealDeadline, 0);
        settleAs(poolOwner, batchOf(dealid, 0, 2, START, said, GOOD));

        Task memory task = hub.viewTask(taskid);
        assertEq(uint8(task.status), uint8(TaskStatus.COMPLETED));
        assertEq(task.dealid, dealid);
        assertEq(task.idx, 1);
        assertEq(task.consensusValue, resultHash(taskid, GOOD));
        assertEq(task.resultDigest, GOOD);
        assertEq(task.winnerCounter, 3);
        assertEq(task.revealCounter, 3);
        assertEq(task.contributors.length, 4);
        assertEq(task.contributors[1], workers[1]);
        assertEq(task.results, RESULTS);
        Contribution memory c = hub.viewContribution(taskid, workers[0]);
        assertEq(uint8(c.status), uint8(ContributionStatus.PROVED));
        assertEq(c.resultHash, resultHash(taskid, GOOD));
        assertEq(c.resultSeal, resultSeal(workers[0], taskid, GOOD));
        assertEq(c.weight, 1);
        c = hub.viewContribution(taskid, workers[1]);
        assertEq(uint8(c.status), uint8(ContributionStatus.CONTRIBUTED));
        assertEq(c.resultHash, resultHash(taskid, BAD));
        assertEq(c.resultSeal, resultSeal(workers[1], taskid, BAD));
        assertEq(uint8(hub.viewContribution(taskid, workers[5]).status), 0);
        assertEq(hub.resultFor(taskid), "");
    }

    function test_a_liar_is_outvoted_and_loses_its_stake_to_the_others() public {
        bondAll(10 * RLC);
        bytes32 dealid = laneDeal(3, 1);
        bytes32[] memory said = all(4, GOOD);
        said[2] = BAD;
        commitAs(dealid, 0, 1, said);
        settleAs(poolOwner, batchOf(dealid, 0, 1, START, said, GOOD));
        (uint256 total, uint256 locked,) = bonded(2);
        assertEq(total, 4 * RLC);
        assertEq(locked, 0);
        assertEq(frozen(workers[2]), 4 * RLC);
        // 99 % of 26 RLC, in three parts.
        assertEq(free(workers[0]), FUNDS - 10 * RLC + 8_580_000_000);
        assertConserved();
    }

    function test_a_copied_hash_has_no_weight_and_is_slashed() public {
        bondAll(10 * RLC);
        bytes32 dealid = laneDeal(3, 1);
        bytes32 taskid = idOf(dealid, 0);
        Ballot[] memory ballots = ballotsOf(dealid, 0, 1, all(3, GOOD));
        // The third knows the hash, and not the digest its own seal would need.
        bytes32 hash = resultHash(taskid, GOOD);
        ballots[2].entries[0] = blind(hash, keccak256("made up"), 7);
        ballots[2].sign = signBallot(2, dealid, 0, ballots[2].entries);
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
        bytes32[] memory said = all(3, GOOD);
        said[2] = BAD;
        Batch[] memory batches = batchOf(dealid, 0, 1, START, said, GOOD);
        batches[0].outcomes[0].others[0].resultHash = hash;
        batches[0].outcomes[0].others[0].resultSeal = keccak256("made up");
        batches[0].outcomes[0].others[0].nonce = 7;
        settleAs(poolOwner, batches);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.COMPLETED));
        (uint256 total,,) = bonded(2);
        assertEq(total, 4 * RLC);
        assertEq(hub.viewTask(taskid).winnerCounter, 2);
    }

    function test_an_honest_vote_cannot_be_passed_off_as_another() public {
        bondAll(10 * RLC);
        bytes32 dealid = laneDeal(3, 1);
        bytes32 taskid = idOf(dealid, 0);
        commitAs(dealid, 0, 1, all(3, GOOD));
        Batch[] memory batches = batchOf(dealid, 0, 1, START, all(3, GOOD), GOOD);
        // The pool owner calls the second a dissenter, with the vote that it cast.
        bytes32[] memory said = all(3, GOOD);
        said[1] = BAD;
        Batch[] memory twisted = batchOf(dealid, 0, 1, START, said, GOOD);
        vm.expectRevert(abi.encodeWithSelector(ILane.CommitMismatch.selector, dealid, 0));
        settleAs(poolOwner, twisted);
        twisted[0].outcomes[0].others[0].resultHash = resultHash(taskid, GOOD);
        twisted[0].outcomes[0].others[0].resultSeal = resultSeal(workers[1], taskid, GOOD);
        settleAs(poolOwner, twisted);
        assertEq(hub.viewTask(taskid).winnerCounter, 3);
        assertEq(hub.viewScore(workers[1]), 1);
        vm.expectRevert(abi.encodeWithSelector(ILane.CommitMismatch.selector, dealid, 0));
        settleAs(poolOwner, batches);
    }

    function test_no_vote_can_be_left_out() public {
        bondAll(10 * RLC);
        bytes32 dealid = laneDeal(8, 1);
        bytes32[] memory said = all(4, GOOD);
        said[3] = BAD;
        commitAs(dealid, 0, 1, said);
        Batch[] memory shorter = batchOf(dealid, 0, 1, START, all(3, GOOD), GOOD);
        vm.expectRevert(abi.encodeWithSelector(ILane.CommitMismatch.selector, dealid, 0));
        settleAs(poolOwner, shorter);
        // With it there is no consensus: 8 * 8 is not above (1 + 8 + 2) * 7.
        Batch[] memory batches = batchOf(dealid, 0, 1, START, said, GOOD);
        expectSkip(idOf(dealid, 0), SkipReason.NO_CONSENSUS);
        settleAs(poolOwner, batches);
        assertEq(uint8(hub.viewTask(idOf(dealid, 0)).status), uint8(TaskStatus.ACTIVE));
    }

    function test_bonds_serve_until_they_end() public {
        vm.prank(workers[0]);
        hub.bond(pool, 5 * RLC);
        assertEq(frozen(workers[0]), 5 * RLC);
        bytes32 dealid = laneDeal(3, 1);
        Ballot[] memory ballots = ballotsOf(dealid, 0, 1, all(1, GOOD));
        vm.expectRevert(abi.encodeWithSelector(ILane.BondTooLow.selector, workers[0], 5 * RLC, STAKE));
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
        vm.prank(workers[0]);
        vm.expectRevert(abi.encodeWithSelector(ILane.BondStillNeeded.selector, workers[0], 0, 0));
        hub.withdrawBond(pool);
        vm.startPrank(workers[0]);
        hub.bond(pool, RLC);
        hub.unbond(pool);
        vm.stopPrank();
        // The longest category is S.
        uint256 end = START + 10 * 1200;
        vm.expectRevert(abi.encodeWithSelector(ILane.BondEnding.selector, workers[0], end));
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
        vm.prank(workers[0]);
        vm.expectRevert(abi.encodeWithSelector(ILane.BondStillNeeded.selector, workers[0], 0, end));
        hub.withdrawBond(pool);
        vm.warp(end);
        vm.prank(workers[0]);
        hub.withdrawBond(pool);
        assertEq(free(workers[0]), FUNDS);
        assertConserved();
    }

    function test_a_bond_that_answers_for_a_vote_stays_until_the_vote_is_over() public {
        bondAll(10 * RLC);
        bytes32 dealid = laneDeal(3, 1);
        bytes32[] memory said = all(2, GOOD);
        commitAs(dealid, 0, 1, said);
        vm.prank(workers[0]);
        hub.unbond(pool);
        uint256 end = START + 10 * 1200;
        vm.warp(end);
        vm.prank(workers[0]);
        vm.expectRevert(abi.encodeWithSelector(ILane.BondStillNeeded.selector, workers[0], STAKE, end));
        hub.withdrawBond(pool);
        bytes32[] memory ids = new bytes32[](1);
        bytes[] memory rows = new bytes[](1);
        (ids[0], rows[0]) = (idOf(dealid, 0), rowOf(idOf(dealid, 0), said));
        hub.claimArray(ids);
        hub.release(wholeRange(dealid, 0, START), rows);
        vm.prank(workers[0]);
        hub.withdrawBond(pool);
        assertEq(free(workers[0]), FUNDS);
        assertConserved();
    }

    function test_a_commit_is_refused_for_each_of_its_faults() public {
        bondAll(50 * RLC);
        bytes32 dealid = laneDeal(3, 2);
        Ballot[] memory ballots = ballotsOf(dealid, 0, 2, all(2, GOOD));
        vm.expectRevert(abi.encodeWithSelector(ITasks.NotThePoolOwner.selector, address(this), poolOwner));
        hub.commit(dealid, 0, 2, ballots);
        vm.startPrank(poolOwner);
        vm.expectRevert(abi.encodeWithSelector(ITasks.UnknownDeal.selector, GOOD));
        hub.commit(GOOD, 0, 2, ballots);
        vm.expectRevert(abi.encodeWithSelector(ITasks.IndexOutsideDeal.selector, 0, 0, 2));
        hub.commit(dealid, 0, 3, ballots);
        vm.expectRevert(abi.encodeWithSelector(ITasks.IndexOutsideDeal.selector, type(uint256).max, 0, 2));
        hub.commit(dealid, type(uint256).max, 2, ballots);
        vm.expectRevert(abi.encodeWithSelector(ILane.CommitEmpty.selector, 0, 2));
        hub.commit(dealid, 0, 0, ballots);
        vm.expectRevert(abi.encodeWithSelector(ILane.CommitEmpty.selector, 2, 0));
        hub.commit(dealid, 0, 2, new Ballot[](0));
        vm.expectRevert(abi.encodeWithSelector(ILane.BallotOutsideCommit.selector, 0));
        hub.commit(dealid, 0, 1, ballots);
        (ballots[0], ballots[1]) = (ballots[1], ballots[0]);
        vm.expectRevert(abi.encodeWithSelector(ILane.BallotUnsorted.selector, 1));
        hub.commit(dealid, 0, 2, ballots);
        ballots[0] = ballots[1];
        vm.expectRevert(abi.encodeWithSelector(ILane.BallotUnsorted.selector, 1));
        hub.commit(dealid, 0, 2, ballots);
        ballots = ballotsOf(dealid, 0, 2, all(2, GOOD));
        ballots[1].sign = ballots[0].sign;
        vm.expectRevert(abi.encodeWithSelector(ILane.BallotSignatureInvalid.selector, workers[1]));
        hub.commit(dealid, 0, 2, ballots);
        ballots = ballotsOf(dealid, 0, 2, all(2, GOOD));
        vm.warp(START + 7 * T);
        vm.expectRevert(abi.encodeWithSelector(ITasks.TooLate.selector, START + 7 * T, START + 7 * T));
        hub.commit(dealid, 0, 2, ballots);
    }

    function test_a_settlement_at_ten_T_is_too_late() public {
        bondAll(50 * RLC);
        bytes32 dealid = laneDeal(3, 1);
        commitAs(dealid, 0, 1, all(2, GOOD));
        Batch[] memory batches = batchOf(dealid, 0, 1, START, all(2, GOOD), GOOD);
        vm.warp(START + 10 * T);
        vm.expectRevert(abi.encodeWithSelector(ITasks.TooLate.selector, START + 10 * T, START + 10 * T));
        settleAs(poolOwner, batches);
        vm.warp(START + 10 * T - 1);
        settleAs(poolOwner, batches);
        assertEq(uint8(hub.viewTask(idOf(dealid, 0)).status), uint8(TaskStatus.COMPLETED));
    }

    function test_absences_need_no_signature_and_lock_nothing() public {
        bondAll(50 * RLC);
        bytes32 dealid = laneDeal(3, 1);
        Ballot[] memory ballots = ballotsOf(dealid, 0, 1, all(3, GOOD));
        ballots[1].entries[0] = 0;
        ballots[1].sign = "";
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
        (, uint256 locked,) = bonded(1);
        assertEq(locked, 0);
        bytes32[] memory said = all(3, GOOD);
        said[1] = 0;
        settleAs(poolOwner, batchOf(dealid, 0, 1, START, said, GOOD));
        assertEq(hub.viewTask(idOf(dealid, 0)).contributors.length, 2);
        assertEq(hub.viewTask(idOf(dealid, 0)).contributors[1], workers[2]);
    }

    function test_a_part_of_a_commit_is_settled_and_one_bad_task_blocks_none() public {
        bondAll(50 * RLC);
        bytes32 dealid = laneDeal(3, 4);
        bytes32[] memory said = all(2, GOOD);
        commitAs(dealid, 0, 4, said);
        Batch[] memory batches = batchOf(dealid, 0, 4, START, said, GOOD);
        Outcome[] memory outcomes = new Outcome[](2);
        (outcomes[0], outcomes[1]) = (batches[0].outcomes[1], batches[0].outcomes[2]);
        batches[0].outcomes = outcomes;
        batches[0].range.rowsBefore = new bytes32[](1);
        batches[0].range.rowsAfter = new bytes32[](1);
        batches[0].range.rowsBefore[0] = keccak256(rowOf(idOf(dealid, 0), said));
        batches[0].range.rowsAfter[0] = keccak256(rowOf(idOf(dealid, 3), said));
        // The first of them has callback bytes that nobody voted for.
        outcomes[0].resultsCallback = "other";
        expectSkip(idOf(dealid, 1), SkipReason.CALLBACK);
        settleAs(poolOwner, batches);
        assertEq(uint8(hub.viewTask(idOf(dealid, 1)).status), uint8(TaskStatus.ACTIVE));
        assertEq(hub.viewTask(idOf(dealid, 2)).results, RESULTS);
        Batch[] memory all4 = batchOf(dealid, 0, 4, START, said, GOOD);
        expectSkip(idOf(dealid, 2), SkipReason.NOT_COMMITTED);
        settleAs(poolOwner, all4);
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(hub.viewTask(idOf(dealid, i)).resultDigest, GOOD);
            assertEq(hub.viewTask(idOf(dealid, i)).results, RESULTS);
        }
        assertConserved();
    }

    function test_what_the_record_has_no_room_for_is_settled_in_another_batch() public {
        bondAll(50 * RLC);
        bytes32 dealid = laneDeal(3, 4);
        bytes32[] memory said = all(2, GOOD);
        commitAs(dealid, 0, 4, said);
        Batch[] memory batches = batchOf(dealid, 0, 4, START, said, GOOD);
        for (uint256 i = 0; i < 4; ++i) {
            batches[0].outcomes[i].results = new bytes(9_000);
        }
        // It alone would never fit.
        batches[0].outcomes[1].results = new bytes(24_577);
        expectSkip(idOf(dealid, 1), SkipReason.RECORD_FULL);
        expectSkip(idOf(dealid, 3), SkipReason.RECORD_FULL);
        settleAs(poolOwner, batches);
        assertEq(hub.viewTask(idOf(dealid, 0)).results.length, 9_000);
        assertEq(hub.viewTask(idOf(dealid, 2)).results.length, 9_000);
        batches[0].outcomes[1].results = RESULTS;
        expectSkip(idOf(dealid, 0), SkipReason.NOT_COMMITTED);
        settleAs(poolOwner, batches);
        assertEq(hub.viewTask(idOf(dealid, 1)).results, RESULTS);
        assertEq(hub.viewTask(idOf(dealid, 3)).results.length, 9_000);
        assertConserved();
    }

    function test_contributions_before_the_commit_count() public {
        bondAll(50 * RLC);
        bytes32 dealid = laneDeal(8, 1);
        bytes32 taskid = hub.initialize(dealid, 0);
        contribute(workers[5], taskid, GOOD);
        Ballot[] memory ballots = new Ballot[](1);
        ballots[0] = ballotOf(5, dealid, 0, 1, GOOD);
        vm.expectRevert(abi.encodeWithSelector(ITasks.AlreadyContributed.selector, taskid, workers[5]));
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
        bytes32[] memory said = all(2, GOOD);
        commitAs(dealid, 0, 1, said);
        Batch[] memory batches = batchOf(dealid, 0, 1, START, said, GOOD);
        expectSkip(taskid, SkipReason.ON_CHAIN);
        settleAs(poolOwner, batches);
        bytes memory row = rowOf(taskid, said);
        for (uint256 i = 0; i < 2; ++i) {
            hub.disclose(wholeRange(dealid, 0, START), row, votesOf(taskid, i, GOOD));
        }
        hub.close(wholeRange(dealid, 0, START), row);
        assertEq(hub.viewTask(taskid).winnerCounter, 3);
    }

    /// @dev Two batches in one call: whoever is called back finds both written.
    function test_callbacks_come_last() public {
        bondAll(50 * RLC);
        hub.setCallbackGas(2_000_000);
        bytes memory value = abi.encode(uint256(42));
        bytes32[] memory said = all(3, keccak256(value));
        said[2] = BAD;
        address[] memory parties = new address[](7);
        (parties[0], parties[1], parties[2]) = (requester, poolOwner, appOwner);
        (parties[3], parties[4], parties[5]) = (workers[0], workers[1], workers[2]);
        parties[6] = datasetOwner;
        Witness witness = new Witness(hub, parties);
        Batch[] memory both = new Batch[](2);
        for (uint256 i = 0; i < 2; ++i) {
            Orders memory o = orders();
            o.request.callback = address(witness);
            o.request.trust = 2;
            o.request.volume = 2;
            o.request.salt = bytes32(i);
            bytes32 dealid = makeDeal(o);
            commitAs(dealid, 0, 2, said);
            both[i] = batchOf(dealid, 0, 2, START, said, keccak256(value))[0];
            both[i].outcomes[0].resultsCallback = both[i].outcomes[1].resultsCallback = value;
        }
        bytes32 before = witness.look();
        settleAs(poolOwner, both);
        assertEq(witness.calls(), 4);
        assertNotEq(witness.look(), before);
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(witness.seen(i), witness.look(), "a callback came before all was written");
        }
        assertEq(hub.resultFor(idOf(both[1].range.dealId, 1)), value);
    }

    function test_deals_with_enclaves_have_the_other_lanes() public {
        Orders memory o = orders();
        (o.app.tag, o.pool.tag) = (bytes32(uint256(1)), bytes32(uint256(1)));
        bytes32 dealid = makeDeal(o);
        Ballot[] memory ballots = ballotsOf(dealid, 0, 1, all(1, GOOD));
        vm.expectRevert(abi.encodeWithSelector(ILane.EnclaveLaneMissing.selector, dealid));
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
    }

    /// @dev Random votes settle, or end in a claim, and the money is conserved.
    function testFuzz_money_is_conserved(uint256 seed) public {
        bondAll(50 * RLC);
        bytes32 dealid = laneDeal(1 + seed % 5, 1 + (seed >> 8) % 3);
        uint256 count = hub.viewDeal(dealid).botSize;
        bytes32[] memory said = new bytes32[](1 + (seed >> 16) % 6);
        for (uint256 i = 0; i < said.length; ++i) {
            said[i] = seed >> (32 + i) & 1 == 0 ? GOOD : BAD;
        }
        commitAs(dealid, 0, count, said);
        settleAs(poolOwner, batchOf(dealid, 0, count, START, said, GOOD));
        assertConserved();
        if (hub.viewTask(idOf(dealid, 0)).status == TaskStatus.COMPLETED) return;
        vm.warp(START + 10 * T);
        bytes[] memory rows = new bytes[](count);
        bytes32[] memory ids = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            ids[i] = idOf(dealid, i);
            rows[i] = rowOf(ids[i], said);
        }
        hub.claimArray(ids);
        hub.release(wholeRange(dealid, 0, START), rows);
        for (uint256 i = 0; i < said.length; ++i) {
            (uint256 total, uint256 locked,) = bonded(i);
            assertEq(total, 50 * RLC);
            assertEq(locked, 0);
        }
        assertConserved();
    }
}
