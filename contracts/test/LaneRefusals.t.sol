// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Ballot, Batch, CommitRange, ILane, Outcome, RowVote} from "../src/interfaces/ILane.sol";
import {ITasks} from "../src/interfaces/ITasks.sol";
import {TaskStatus} from "../src/interfaces/Types.sol";
import {CONTRIBUTORS_MAX} from "../src/records/TaskWord.sol";
import {Orders} from "./support/Market.sol";
import {ContractWallet} from "./support/Parties.sol";
import {Refusals} from "./support/Refusals.sol";

/// The settlement lane at its borders: what comes too late, is too much, or is signed by whom or as no vote may be.
/// Each is refused by a name, and nothing is written.
contract LaneRefusalsTest is Refusals {
    function setUp() public override {
        super.setUp();
        bondAll(100 * RLC);
    }

    /// @dev A deal of one task, committed to by some who agree.
    function committed(uint256 trust, uint256 count)
        private
        returns (bytes32 taskid, CommitRange memory range, bytes memory row)
    {
        bytes32 dealid = laneDeal(trust, 1);
        taskid = idOf(dealid, 0);
        commitAs(dealid, 0, 1, all(count, GOOD));
        (range, row) = (wholeRange(dealid, 0, START), rowOf(taskid, all(count, GOOD)));
    }

    function discloseCall(CommitRange memory range, bytes memory row, RowVote[] memory votes)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(hub.disclose, (range, row, votes));
    }

    function test_votes_are_disclosed_and_tasks_closed_before_ten_T() public {
        (bytes32 taskid, CommitRange memory range, bytes memory row) = committed(3, 2);
        RowVote[] memory votes = votesOf(taskid, 0, GOOD);
        bytes memory late = abi.encodeWithSelector(ITasks.TooLate.selector, START + 10 * T, START + 10 * T);
        vm.warp(START + 10 * T);
        refuse(workers[0], discloseCall(range, row, votes), late);
        refuse(workers[0], abi.encodeCall(hub.close, (range, row)), late);
        vm.warp(START + 10 * T - 1);
        hub.disclose(range, row, votes);
        hub.close(range, row);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.ACTIVE));
    }

    function test_a_vote_is_disclosed_where_it_stands_in_the_row() public {
        (bytes32 taskid, CommitRange memory range, bytes memory row) = committed(3, 2);
        RowVote[] memory votes = votesOf(taskid, 1, GOOD);
        uint256[4] memory others = [uint256(0), 2, 256, type(uint256).max];
        for (uint256 i = 0; i < others.length; ++i) {
            votes[0].position = others[i];
            refuse(
                workers[1],
                discloseCall(range, row, votes),
                abi.encodeWithSelector(ILane.VoteMismatch.selector, others[i])
            );
        }
    }

    /// @dev Inverted it would lie on chain as a vote that was proved.
    function test_a_seal_of_all_ones_is_not_disclosed() public {
        bytes32 dealid = laneDeal(3, 1);
        bytes32 taskid = idOf(dealid, 0);
        bytes32 ones = bytes32(type(uint256).max);
        Ballot[] memory ballots = ballotsOf(dealid, 0, 1, all(1, GOOD));
        ballots[0].entries[0] = blind(resultHash(taskid, GOOD), ones, 7);
        ballots[0].sign = signBallot(0, dealid, 0, ballots[0].entries);
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
        RowVote[] memory votes = new RowVote[](1);
        votes[0] = RowVote(0, resultHash(taskid, GOOD), ones, 7);
        bytes memory row = abi.encodePacked(workers[0], ballots[0].entries[0]);
        refuse(
            workers[0],
            discloseCall(wholeRange(dealid, 0, START), row, votes),
            abi.encodeWithSelector(ITasks.DigestMismatch.selector, ones)
        );
        votes[0].nonce = 8;
        refuse(
            workers[0],
            discloseCall(wholeRange(dealid, 0, START), row, votes),
            abi.encodeWithSelector(ILane.VoteMismatch.selector, 0)
        );
    }

    /// @dev Whoever knows what a worker voted for has not seen it in the entry: the nonce is the worker's.
    function test_a_vote_opens_with_its_own_nonce_alone() public {
        (bytes32 taskid, CommitRange memory range, bytes memory row) = committed(3, 2);
        RowVote[] memory votes = votesOf(taskid, 0, GOOD);
        ++votes[0].nonce;
        refuse(
            poolOwner, discloseCall(range, row, votes), abi.encodeWithSelector(ILane.VoteMismatch.selector, 0)
        );
        Batch[] memory batches = batchOf(range.dealId, 0, 1, START, all(2, GOOD), GOOD);
        ++batches[0].outcomes[0].nonces[0];
        refuse(
            poolOwner,
            abi.encodeCall(hub.settle, (batches)),
            abi.encodeWithSelector(ILane.CommitMismatch.selector, range.dealId, 0)
        );
    }

    /// @dev Who buys a pool buys the bonds that serve it.
    function test_a_bond_serves_whoever_owns_its_pool() public {
        vm.prank(poolOwner);
        pools.transferFrom(poolOwner, appOwner, uint160(pool));
        fund(appOwner);
        Orders memory o = signAll(orders());
        o.pool.sign = sign(appKey, typed(hub.eip712domain_separator(), hashOf(o.pool)));
        bytes32 dealid = matchSigned(o);
        Ballot[] memory ballots = ballotsOf(dealid, 0, 1, all(1, GOOD));
        vm.expectRevert(abi.encodeWithSelector(ITasks.NotThePoolOwner.selector, poolOwner, appOwner));
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
        vm.prank(appOwner);
        hub.commit(dealid, 0, 1, ballots);
        (, uint256 locked,) = bonded(0);
        assertEq(locked, STAKE);
    }

    function test_a_batch_has_a_deal_and_between_one_and_256_tasks() public {
        (bytes32 taskid,,) = committed(3, 2);
        bytes32 dealid = hub.viewTask(taskid).dealid;
        Batch[] memory batches = batchOf(dealid, 0, 1, START, all(2, GOOD), GOOD);
        batches[0].range.dealId = taskid;
        refuse(
            poolOwner,
            abi.encodeCall(hub.settle, (batches)),
            abi.encodeWithSelector(ITasks.UnknownDeal.selector, taskid)
        );
        batches[0].range.dealId = dealid;
        uint256[2] memory counts = [uint256(0), 257];
        for (uint256 i = 0; i < 2; ++i) {
            batches[0].outcomes = new Outcome[](counts[i]);
            refuse(
                poolOwner,
                abi.encodeCall(hub.settle, (batches)),
                abi.encodeWithSelector(ILane.CommitEmpty.selector, counts[i], 2)
            );
        }
        refuse(
            poolOwner,
            abi.encodeCall(hub.settle, (new Batch[](0))),
            abi.encodeWithSelector(ILane.CommitEmpty.selector, 0, 0)
        );
    }

    /// @dev Three commits of a task each, of which two workers say the same; the last in a category of longer clocks.
    function threeCommits() private returns (Batch[] memory batches) {
        batches = new Batch[](3);
        for (uint256 i = 0; i < 3; ++i) {
            Orders memory o = orders();
            (o.request.trust, o.request.salt) = (3, bytes32(i));
            if (i > 0) (o.pool.category, o.request.category) = (1, 1);
            bytes32 dealid = makeDeal(o);
            commitAs(dealid, 0, 1, all(2, GOOD));
            batches[i] = batchOf(dealid, 0, 1, START, all(2, GOOD), GOOD)[0];
        }
    }

    /// @dev A call of all three is refused whatever place the first of them has in it; one of the other two is taken.
    function checkRefusedWhole(Batch[] memory batches, bytes memory reason) private {
        Batch[] memory others = new Batch[](2);
        (others[0], others[1]) = (batches[1], batches[2]);
        for (uint256 place = 0; place < 3; ++place) {
            refuse(poolOwner, abi.encodeCall(hub.settle, (batches)), reason);
            if (place < 2) (batches[place], batches[place + 1]) = (batches[place + 1], batches[place]);
        }
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 taskid = idOf(others[i].range.dealId, 0);
            assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.ACTIVE));
        }
        settleAs(poolOwner, others);
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 taskid = idOf(others[i].range.dealId, 0);
            assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.COMPLETED));
            assertEq(hub.viewTask(taskid).results, RESULTS);
        }
        assertConserved();
    }

    /// @dev Its time of grace is over, and a stranger was faster: the commit is no more.
    function test_a_call_with_a_commit_that_another_settled_is_refused_whole() public {
        Batch[] memory batches = threeCommits();
        vm.warp(START + 2 * T);
        Batch[] memory first = batchOf(batches[0].range.dealId, 0, 1, START, all(2, GOOD), GOOD);
        first[0].outcomes[0].results = "";
        settleAs(workers[5], first);
        bytes32 dealid = first[0].range.dealId;
        checkRefusedWhole(batches, abi.encodeWithSelector(ILane.CommitMismatch.selector, dealid, 0));
        assertEq(hub.viewTask(idOf(dealid, 0)).results, "");
    }

    function test_a_call_with_a_commit_past_ten_T_is_refused_whole() public {
        Batch[] memory batches = threeCommits();
        bytes32 dealid = batches[0].range.dealId;
        vm.warp(START + 10 * T);
        checkRefusedWhole(
            batches, abi.encodeWithSelector(ITasks.TooLate.selector, START + 10 * T, START + 10 * T)
        );
        // What was late is claimed, and its bonds come free.
        hub.claim(idOf(dealid, 0));
        bytes[] memory rows = new bytes[](1);
        rows[0] = rowOf(idOf(dealid, 0), all(2, GOOD));
        hub.release(wholeRange(dealid, 0, START), rows);
        (uint256 total, uint256 locked,) = bonded(0);
        assertEq(total, 100 * RLC);
        assertEq(locked, 0);
    }

    /// @dev The record takes most of the gas: where it cannot be written, what is left would do for the rest.
    function test_a_settlement_without_gas_leaves_the_task_as_it_was() public {
        (bytes32 taskid, CommitRange memory range,) = committed(3, 2);
        Batch[] memory batches = batchOf(range.dealId, 0, 1, START, all(2, GOOD), GOOD);
        batches[0].outcomes[0].results = long(10_000);
        bytes memory call = abi.encodeCall(hub.settle, (batches));
        for (uint256 gas = 100_000; gas <= 2_000_000; gas += 190_000) {
            vm.prank(poolOwner);
            (bool success,) = address(hub).call{gas: gas}(call);
            assertFalse(success, "less gas than the record costs");
            assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.ACTIVE));
        }
        assertConserved();
        vm.prank(poolOwner);
        (bool settled,) = address(hub).call(call);
        assertTrue(settled);
        assertEq(hub.viewTask(taskid).results, long(10_000));
    }

    /// @dev Votes on chain and the rest of a row may be more than a task takes: then the row stays until the claim.
    function test_a_row_that_would_not_fit_on_chain_is_not_committed() public {
        Orders memory o = orders();
        // Without a price nobody needs stake.
        (o.pool.workerpoolprice, o.request.trust, o.request.volume) = (0, 1000, 1);
        bytes32 dealid = makeDeal(o);
        bytes32 taskid = hub.initialize(dealid, 0);
        for (uint256 i = 1; i < CONTRIBUTORS_MAX; ++i) {
            contribute(address(uint160(0xBEE0000 + i)), taskid, bytes32(i));
        }
        refuse(
            poolOwner,
            abi.encodeCall(hub.commit, (dealid, 0, 1, ballotsOf(dealid, 0, 1, all(2, GOOD)))),
            abi.encodeWithSelector(ILane.RowTooLong.selector, CONTRIBUTORS_MAX + 1, CONTRIBUTORS_MAX)
        );
        commitAs(dealid, 0, 1, all(1, GOOD));
        (CommitRange memory range, bytes memory row) =
            (wholeRange(dealid, 0, START), rowOf(taskid, all(1, GOOD)));
        hub.disclose(range, row, votesOf(taskid, 0, GOOD));
        hub.close(range, row);
        assertEq(hub.viewTask(taskid).contributors.length, CONTRIBUTORS_MAX);
        vm.warp(START + 10 * T);
        hub.claim(taskid);
        assertEq(free(requester), FUNDS);
        assertConserved();
    }

    function test_only_keys_sign_ballots() public {
        ContractWallet wallet = new ContractWallet();
        fund(address(wallet));
        wallet.call(address(hub), abi.encodeCall(hub.bond, (pool, 100 * RLC)));
        bytes32 dealid = laneDeal(3, 1);
        Ballot[] memory ballots = ballotsOf(dealid, 0, 1, all(1, GOOD));
        ballots[0].worker = address(wallet);
        bytes32 hash = ballotHash(dealid, 0, ballots[0].entries);
        wallet.accept(hash);
        assertTrue(hub.verifySignature(address(wallet), hash, ballots[0].sign), "the wallet does sign");
        vm.expectRevert(abi.encodeWithSelector(ILane.BallotSignatureInvalid.selector, wallet));
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
        // The same account, had it a key: code besides is no fault.
        ballots[0].worker = workers[0];
        vm.etch(workers[0], address(wallet).code);
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
        (, uint256 locked,) = bonded(0);
        assertEq(locked, STAKE);
    }

    function test_ballots_are_signed_in_one_way_and_whole() public {
        bytes32 dealid = laneDeal(3, 1);
        Ballot[] memory ballots = ballotsOf(dealid, 0, 1, all(2, GOOD));
        bytes memory valid = ballots[1].sign;
        bytes32 hash = ballotHash(dealid, 0, ballots[1].entries);
        bytes[6] memory others = [
            mirrored(keys[1], hash),
            bytes.concat(valid, hex"00"),
            new bytes(63),
            new bytes(64),
            new bytes(65),
            bytes("")
        ];
        for (uint256 i = 0; i < others.length; ++i) {
            ballots[1].sign = others[i];
            refuse(
                poolOwner,
                abi.encodeCall(hub.commit, (dealid, 0, 1, ballots)),
                abi.encodeWithSelector(ILane.BallotSignatureInvalid.selector, workers[1])
            );
        }
        // Nobody's key signs nothing.
        ballots[0].worker = address(0);
        ballots[0].sign = new bytes(65);
        refuse(
            poolOwner,
            abi.encodeCall(hub.commit, (dealid, 0, 1, ballots)),
            abi.encodeWithSelector(ILane.BallotSignatureInvalid.selector, address(0))
        );
        ballots = ballotsOf(dealid, 0, 1, all(2, GOOD));
        ballots[1].sign = signCompact(keys[1], hash);
        vm.prank(poolOwner);
        hub.commit(dealid, 0, 1, ballots);
    }

    function test_a_committed_task_is_not_done_in_one_call() public {
        (bytes32 taskid,,) = committed(1, 2);
        bytes memory auth = authorization(workers[5], taskid, address(0));
        refuse(
            workers[5],
            abi.encodeCall(hub.contributeAndFinalize, (taskid, GOOD, RESULTS, "", address(0), "", auth)),
            abi.encodeWithSelector(ITasks.TaskCommitted.selector, taskid)
        );
    }

    function test_a_bond_that_was_ending_serves_again_when_it_is_raised() public {
        vm.startPrank(workers[0]);
        hub.unbond(pool);
        (,, uint256 end) = bonded(0);
        assertEq(end, START + 10 * 1200);
        hub.bond(pool, RLC);
        vm.stopPrank();
        (uint256 total, uint256 locked, uint256 release) = bonded(0);
        assertEq(total, 101 * RLC);
        assertEq(locked + release, 0);
        committed(3, 1);
        (, locked,) = bonded(0);
        assertEq(locked, STAKE);
        vm.warp(end);
        refuse(
            workers[0],
            abi.encodeCall(hub.withdrawBond, (pool)),
            abi.encodeWithSelector(ILane.BondStillNeeded.selector, workers[0], STAKE, 0)
        );
    }

    function test_ten_thousand_bytes_of_params_and_results_pass_the_lane() public {
        Orders memory o = orders();
        o.request.params = string(long(10_000));
        (o.request.trust, o.request.volume) = (3, 2);
        bytes32 dealid = makeDeal(o);
        bytes32 digest = keccak256(long(10_001));
        commitAs(dealid, 0, 2, all(2, digest));
        Batch[] memory batches = batchOf(dealid, 0, 2, START, all(2, digest), digest);
        batches[0].outcomes[0].results = long(10_000);
        batches[0].outcomes[1].resultsCallback = long(10_001);
        settleAs(poolOwner, batches);
        assertEq(bytes(hub.viewDeal(dealid).params), long(10_000));
        assertEq(hub.viewTask(idOf(dealid, 0)).results, long(10_000));
        assertEq(hub.viewTask(idOf(dealid, 1)).results, RESULTS);
        assertEq(hub.resultFor(idOf(dealid, 1)), long(10_001));
    }
}
