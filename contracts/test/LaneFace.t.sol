// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Ballot, Batch, CommitRange, ILane, SkipReason} from "../src/interfaces/ILane.sol";
import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {ITasks} from "../src/interfaces/ITasks.sol";
import {LaneMarket} from "./support/LaneMarket.sol";
import {Orders} from "./support/Market.sol";

/// Entries of the settlement lane's interface that the tests of its rules pass by: what it announces, and refusals
/// of lists that are too short, too long or out of order.
contract LaneFaceTest is LaneMarket {
    /// @dev How many logs a call is expected to leave.
    uint256 private expected;

    /// @dev A deal of one task, committed to by three who agree.
    function committed() internal returns (bytes32 dealid, Batch[] memory batches) {
        bondAll(10 * RLC);
        dealid = laneDeal(3, 1);
        commitAs(dealid, 0, 1, all(3, GOOD));
        batches = batchOf(dealid, 0, 1, START, all(3, GOOD), GOOD);
    }

    function test_a_bond_is_announced_from_its_beginning_to_its_end() public {
        address worker = workers[0];
        vm.startPrank(worker);
        vm.expectEmit(address(hub));
        emit IEscrow.Transfer(worker, address(hub), 5 * RLC);
        vm.expectEmit(address(hub));
        emit IEscrow.Lock(worker, 5 * RLC);
        vm.expectEmit(address(hub));
        emit ILane.Bonded(worker, pool, 5 * RLC);
        hub.bond(pool, 5 * RLC);
        (uint256 total, uint256 locked, uint256 releaseTime) = hub.viewBond(worker, pool);
        assertEq(total, 5 * RLC);
        assertEq(locked + releaseTime, 0);
        vm.expectEmit(address(hub));
        emit ILane.Unbonding(worker, pool, START + 12_000);
        vm.recordLogs();
        hub.unbond(pool);
        assertEq(vm.getRecordedLogs().length, 1, "nothing moves yet");
        (,, releaseTime) = hub.viewBond(worker, pool);
        assertEq(releaseTime, START + 12_000, "ten clocks of the longest category");
        vm.warp(releaseTime);
        vm.expectEmit(address(hub));
        emit IEscrow.Transfer(address(hub), worker, 5 * RLC);
        vm.expectEmit(address(hub));
        emit IEscrow.Unlock(worker, 5 * RLC);
        vm.expectEmit(address(hub));
        emit ILane.BondWithdrawn(worker, pool, 5 * RLC);
        hub.withdrawBond(pool);
        (total, locked, releaseTime) = hub.viewBond(worker, pool);
        assertEq(total + locked + releaseTime, 0);
        assertEq(free(worker), FUNDS);
    }

    /// @dev Whatever address is named as a pool: the stake is its owner's, and nobody can commit it but a pool.
    function test_a_bond_for_what_is_no_pool_comes_back() public {
        address[4] memory named = [address(0), makeAddr("nobody"), app, address(hub)];
        for (uint256 i = 0; i < named.length; ++i) {
            vm.prank(workers[i]);
            hub.bond(named[i], 5 * RLC);
            assertEq(frozen(workers[i]), 5 * RLC);
            (uint256 total,,) = hub.viewBond(workers[i], named[i]);
            assertEq(total, 5 * RLC);
            vm.prank(workers[i]);
            hub.unbond(named[i]);
        }
        vm.warp(START + 12_000);
        for (uint256 i = 0; i < named.length; ++i) {
            vm.prank(workers[i]);
            hub.withdrawBond(named[i]);
            assertEq(free(workers[i]), FUNDS);
        }
        assertConserved();
    }

    /// @dev Nobody can hold the rows back: they are in the event, whole.
    function test_a_commit_is_announced_with_all_its_rows() public {
        bondAll(20 * RLC);
        bytes32 dealid = laneDeal(3, 2);
        bytes32[] memory said = all(3, GOOD);
        Ballot[] memory ballots = ballotsOf(dealid, 0, 2, said);
        bytes memory rows = bytes.concat(rowOf(idOf(dealid, 0), said), rowOf(idOf(dealid, 1), said));
        vm.expectEmit(address(hub));
        emit ILane.Committed(dealid, 0, hex"0303", rows);
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 2, ballots);
    }

    function test_a_closed_task_is_announced() public {
        (bytes32 dealid,) = committed();
        bytes memory row = rowOf(idOf(dealid, 0), all(3, GOOD));
        vm.warp(START + 2 * T);
        vm.expectEmit(address(hub));
        emit ILane.Closed(idOf(dealid, 0));
        hub.close(wholeRange(dealid, 0, START), row);
    }

    function test_a_task_that_cannot_be_settled_is_announced_with_the_reason() public {
        (bytes32 dealid, Batch[] memory batches) = committed();
        batches[0].outcomes[0].resultsCallback = "not what was voted for";
        vm.expectEmit(address(hub));
        emit ILane.TaskSkipped(idOf(dealid, 0), SkipReason.CALLBACK);
        vm.prank(poolOwner);
        hub.settle(batches);
    }

    /// @dev Two tasks of four workers: in the first the second of them lies, and the first has disclosed its vote on
    /// chain. The kitty has 6 RLC.
    function dividedAndAgreed() private returns (bytes32 dealid, Batch[] memory batches) {
        bytes32 failed = openTask(1);
        vm.warp(START + 10 * T);
        hub.claim(failed);
        vm.warp(START);
        bondAll(20 * RLC);
        dealid = laneDeal(3, 2);
        (bytes32 first, bytes32 second) = (idOf(dealid, 0), idOf(dealid, 1));
        Ballot[] memory ballots = ballotsOf(dealid, 0, 2, all(4, GOOD));
        ballots[1].entries[0] = entryOf(1, first, BAD);
        ballots[1].sign = signBallot(1, dealid, 0, ballots[1].entries);
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 2, ballots);
        bytes32[] memory said = all(4, GOOD);
        said[1] = BAD;
        CommitRange memory range = wholeRange(dealid, 0, START);
        range.rowsAfter = new bytes32[](1);
        range.rowsAfter[0] = keccak256(rowOf(second, all(4, GOOD)));
        hub.disclose(range, rowOf(first, said), votesOf(first, 0, GOOD));
        batches = batchOf(dealid, 0, 2, START, all(4, GOOD), GOOD);
        batches[0].outcomes[0] = outcomeOf(first, said, GOOD);
    }

    /// @dev Task by task as `finalize` has it, but for what moves: that is told once for each account, at the end.
    function test_settle_emits_in_the_order_indexers_know() public {
        (bytes32 dealid, Batch[] memory batches) = dividedAndAgreed();
        // 99 % of the price and the liar's stake, in three parts; 99 % of the price in four.
        expectTask(idOf(dealid, 0), 1, 8_580_000_000, 260_000_000);
        expectTask(idOf(dealid, 1), 4, 4_950_000_000, 200_000_000);
        expectTransfer(appOwner, 6 * RLC);
        expectTransfer(datasetOwner, 4 * RLC);
        expectTransfer(poolOwner, 12 * RLC);
        expectNext();
        emit IEscrow.Unlock(poolOwner, 12 * RLC);
        expectTransfer(poolOwner, 2_460_000_000);
        // Of a vote on chain the stake was taken out of the bond; that of the others stays there.
        expectTransfer(workers[0], STAKE);
        expectNext();
        emit IEscrow.Unlock(workers[0], STAKE);
        for (uint256 i = 0; i < 4; ++i) {
            expectTransfer(workers[i], i == 1 ? 4_950_000_000 : 13_530_000_000);
        }
        vm.recordLogs();
        settleAs(poolOwner, batches);
        assertEq(vm.getRecordedLogs().length, expected, "something else was told");
        assertConserved();
    }

    /// @dev What is told of a task of four workers, `liar` one of them or nobody.
    function expectTask(bytes32 taskid, uint256 liar, uint256 reward, uint256 rest) private {
        for (uint256 i = 0; i < 4; ++i) {
            expectNext();
            emit ITasks.TaskContribute(taskid, workers[i], resultHash(taskid, i == liar ? BAD : GOOD));
        }
        expectNext();
        emit ITasks.TaskConsensus(taskid, resultHash(taskid, GOOD));
        for (uint256 i = 0; i < 4; ++i) {
            if (i == liar) continue;
            expectNext();
            emit ITasks.TaskReveal(taskid, workers[i], GOOD);
        }
        expectSeize(requester, 25 * RLC, taskid);
        expectReward(appOwner, 3 * RLC, taskid);
        expectReward(datasetOwner, 2 * RLC, taskid);
        expectSeize(KITTY, RLC, taskid);
        expectReward(poolOwner, RLC, taskid);
        for (uint256 i = 0; i < 4; ++i) {
            if (i == liar) expectSeize(workers[i], STAKE, taskid);
            else expectReward(workers[i], reward, taskid);
            expectNext();
            if (i == liar) emit ITasks.FaultyContribution(workers[i], taskid);
            else emit ITasks.AccurateContribution(workers[i], taskid);
        }
        expectReward(poolOwner, rest, taskid);
        expectNext();
        emit ITasks.TaskFinalize(taskid, RESULTS);
    }

    function expectNext() private {
        vm.expectEmit(address(hub));
        ++expected;
    }

    function expectSeize(address account, uint256 amount, bytes32 taskid) private {
        expectNext();
        emit IEscrow.Seize(account, amount, taskid);
    }

    function expectReward(address account, uint256 amount, bytes32 taskid) private {
        expectNext();
        emit IEscrow.Reward(account, amount, taskid);
    }

    function expectTransfer(address account, uint256 amount) private {
        expectNext();
        emit IEscrow.Transfer(address(hub), account, amount);
    }

    function test_a_batch_must_tell_every_vote() public {
        (bytes32 dealid, Batch[] memory batches) = committed();
        batches[0].outcomes[0].nonces = new uint128[](2);
        vm.expectRevert(abi.encodeWithSelector(ILane.VotesMissing.selector, 2));
        vm.prank(poolOwner);
        hub.settle(batches);

        bytes32[] memory said = all(3, GOOD);
        said[1] = BAD;
        batches = batchOf(dealid, 0, 1, START, said, GOOD);
        delete batches[0].outcomes[0].others;
        vm.expectRevert(abi.encodeWithSelector(ILane.VotesMissing.selector, 0));
        vm.prank(poolOwner);
        hub.settle(batches);
        batches = batchOf(dealid, 0, 1, START, said, GOOD);
        batches[0].outcomes[0].nonces = new uint128[](1);
        vm.expectRevert(abi.encodeWithSelector(ILane.VotesMissing.selector, 1));
        vm.prank(poolOwner);
        hub.settle(batches);
    }

    function test_the_workers_of_a_batch_are_ascending() public {
        (, Batch[] memory batches) = committed();
        address[] memory table = batches[0].workers;
        (table[1], table[2]) = (table[2], table[1]);
        vm.expectRevert(abi.encodeWithSelector(ILane.WorkersUnsorted.selector, 2));
        vm.prank(poolOwner);
        hub.settle(batches);
        table[2] = table[1];
        vm.expectRevert(abi.encodeWithSelector(ILane.WorkersUnsorted.selector, 2));
        vm.prank(poolOwner);
        hub.settle(batches);
    }

    function test_a_row_has_twenty_four_votes_at_most_and_a_batch_thirty_two_workers() public {
        (, Batch[] memory batches) = committed();
        batches[0].workers = new address[](33);
        vm.expectRevert(abi.encodeWithSelector(ILane.RowTooLong.selector, 33, 32));
        vm.prank(poolOwner);
        hub.settle(batches);

        // Without a price no bond is needed.
        Orders memory o = orders();
        (o.pool.workerpoolprice, o.request.trust) = (0, 1000);
        bytes32 dealid = makeDeal(o);
        Ballot[] memory ballots = ballotsOfMany(dealid, 25);
        vm.expectRevert(abi.encodeWithSelector(ILane.RowTooLong.selector, 25, 24));
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
        // With a vote on chain there is room for one less.
        contribute(workers[5], hub.initialize(dealid, 0), GOOD);
        ballots = ballotsOfMany(dealid, 24);
        vm.expectRevert(abi.encodeWithSelector(ILane.RowTooLong.selector, 25, 24));
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
        ballots = ballotsOfMany(dealid, 23);
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
    }

    /// @dev Ballots of wallets that nobody knows, by address.
    function ballotsOfMany(bytes32 dealid, uint256 count) private view returns (Ballot[] memory ballots) {
        uint256[] memory many = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 key = 1000 + i;
            uint256 at = i;
            while (at > 0 && vm.addr(many[at - 1]) > vm.addr(key)) {
                many[at] = many[at - 1];
                --at;
            }
            many[at] = key;
        }
        bytes32[] memory entries = new bytes32[](1);
        entries[0] = keccak256("a vote");
        bytes32 hash = ballotHash(dealid, 0, entries);
        ballots = new Ballot[](count);
        for (uint256 i = 0; i < count; ++i) {
            ballots[i] = Ballot(vm.addr(many[i]), 0, entries, sign(many[i], hash));
        }
    }

    /// @dev It cannot come to this, since no task is committed twice. Were it otherwise, no commit whose bonds are
    /// locked would be lost: the place of one is filled by hand here.
    function test_no_commit_takes_the_place_of_another() public {
        bondAll(20 * RLC);
        bytes32 dealid = laneDeal(3, 1);
        Ballot[] memory ballots = ballotsOf(dealid, 0, 1, all(3, GOOD));
        bytes32 kept = keccak256(abi.encodePacked(keccak256(rowOf(idOf(dealid, 0), all(3, GOOD)))));
        uint256 before = vm.snapshotState();
        vm.record();
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
        (, bytes32[] memory writes) = vm.accesses(address(hub));
        bytes32 place;
        for (uint256 i = 0; i < writes.length; ++i) {
            if (vm.load(address(hub), writes[i]) == kept) place = writes[i];
        }
        assertNotEq(place, 0, "the commit was not found in storage");
        vm.revertToState(before);
        vm.store(address(hub), place, kept);
        vm.expectRevert(abi.encodeWithSelector(ILane.CommitExists.selector, dealid, 0));
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
    }
}
