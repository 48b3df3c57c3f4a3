// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IBoost} from "../src/interfaces/IBoost.sol";
import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {ITasks} from "../src/interfaces/ITasks.sol";
import {Account as Stakes, Contribution, Deal, Task, TaskStatus} from "../src/interfaces/Types.sol";
import {CodeRecord} from "../src/records/CodeRecord.sol";
import {StakeWord, StakeWords} from "../src/records/StakeWord.sol";
import {Market, Orders} from "./support/Market.sol";
import {GreedyReceiver} from "./support/Parties.sol";

/// @dev Calls what is internal from outside, so that it may revert.
contract StakeCaller {
    function seize(StakeWord stake, uint256 amount) external pure returns (StakeWord) {
        return stake.seize(amount);
    }
}

/// @dev The order of the flat view.
struct FlatTask {
    TaskStatus status;
    bytes32 dealid;
    uint256 idx;
    uint256 timeref;
    uint256 contributionDeadline;
    uint256 revealDeadline;
    uint256 finalDeadline;
    bytes32 consensusValue;
    uint256 revealCounter;
    uint256 winnerCounter;
    address[] contributors;
    bytes results;
}

/// @dev Keeps records as the hub and the registries do.
contract RecordKeeper {
    fallback() external {
        CodeRecord.serve();
    }

    function write(bytes32 salt, bytes calldata code) external returns (address) {
        return CodeRecord.write(salt, code);
    }
}

/// Entries of the hub's interface that the tests of its rules pass by.
contract FaceTest is Market {
    /// @dev A deal in which no two fields are equal, and one task of it.
    function richTask() internal returns (bytes32 dealid, bytes32 taskid) {
        Orders memory o = orders();
        o.request.volume = 4;
        o.request.trust = 7;
        (o.pool.category, o.request.category) = (1, 1);
        (o.pool.tag, o.request.tag) = (bytes32(uint256(0x100)), bytes32(uint256(0x100)));
        o.request.beneficiary = makeAddr("beneficiary");
        o.request.callback = makeAddr("callback");
        o.request.params = "params that are longer than a word of thirty-two bytes";
        dealid = makeDeal(o);
        taskid = hub.initialize(dealid, 2);
    }

    function assertTuple(bytes memory call, bytes memory expected) internal view {
        (bool success, bytes memory answer) = address(hub).staticcall(call);
        assertTrue(success);
        assertEq(answer, expected);
    }

    function test_the_flat_views_of_a_deal_have_every_field() public {
        (bytes32 dealid,) = richTask();
        Deal memory d = hub.viewDeal(dealid);
        assertTuple(
            abi.encodeCall(hub.viewDealABILegacy_pt1, (dealid)), abi.encode(d.app, d.dataset, d.workerpool)
        );
        assertTuple(
            abi.encodeCall(hub.viewDealABILegacy_pt2, (dealid)),
            abi.encode(d.trust, d.tag, d.requester, d.beneficiary, d.callback, d.params)
        );
        assertTuple(
            abi.encodeCall(hub.viewConfigABILegacy, (dealid)),
            abi.encode(d.category, d.startTime, d.botFirst, d.botSize, d.workerStake, d.schedulerRewardRatio)
        );
    }

    function test_the_flat_views_of_a_task_have_every_field() public {
        (, bytes32 taskid) = richTask();
        bytes32 digest = keccak256("value");
        setScore(workers[0], 60);
        contribute(workers[0], taskid, digest);
        reveal(workers[0], taskid, digest);
        finalize(taskid, "results", "value");
        assertTuple(abi.encodeCall(hub.viewTaskABILegacy, (taskid)), flatTask(hub.viewTask(taskid)));
        Contribution memory c = hub.viewContribution(taskid, workers[0]);
        assertTuple(
            abi.encodeCall(hub.viewContributionABILegacy, (taskid, workers[0])),
            abi.encode(c.status, c.resultHash, c.resultSeal, c.enclaveChallenge)
        );
        Stakes memory a = hub.viewAccount(requester);
        assertTuple(abi.encodeCall(hub.viewAccountABILegacy, (requester)), abi.encode(a.stake, a.locked));
        assertEq(hub.frozenOf(requester), a.locked);
    }

    /// @dev What the flat view answers of a task: the fields one after the other, without that they are a struct.
    function flatTask(Task memory t) private pure returns (bytes memory) {
        FlatTask memory flat;
        (flat.status, flat.dealid, flat.idx) = (t.status, t.dealid, t.idx);
        (flat.timeref, flat.contributionDeadline) = (t.timeref, t.contributionDeadline);
        (flat.revealDeadline, flat.finalDeadline) = (t.revealDeadline, t.finalDeadline);
        (flat.consensusValue, flat.revealCounter) = (t.consensusValue, t.revealCounter);
        (flat.winnerCounter, flat.contributors, flat.results) = (t.winnerCounter, t.contributors, t.results);
        bytes memory encoded = abi.encode(flat);
        // A struct alone begins with where it begins.
        bytes memory fields = new bytes(encoded.length - 32);
        for (uint256 i = 0; i < fields.length; ++i) {
            fields[i] = encoded[i + 32];
        }
        return fields;
    }

    function test_a_boosted_deal_is_announced_with_all_that_the_pool_needs() public {
        Orders memory o = orders();
        (o.pool.category, o.request.category) = (1, 1);
        (o.pool.tag, o.request.tag) = (bytes32(uint256(0x100)), bytes32(uint256(0x100)));
        o.request.params = "params";
        o.request.beneficiary = makeAddr("beneficiary");
        signAll(o);
        bytes32 requestHash = typed(hub.eip712domain_separator(), hashOf(o.request));
        bytes32 dealid = keccak256(abi.encodePacked(requestHash, uint256(0)));
        expectNotice(dealid, o.request.tag, o.request.beneficiary);
        assertEq(hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request), dealid);
    }

    function expectNotice(bytes32 dealid, bytes32 tag, address beneficiary) private {
        vm.expectEmit(address(hub));
        emit IBoost.SchedulerNoticeBoost(pool, dealid, app, dataset, 1, tag, "params", beneficiary);
    }

    function test_neither_receive_nor_fallback_takes_ether_or_unknown_calls() public {
        vm.deal(address(this), 2);
        bytes memory refusal = abi.encodeWithSignature("Error(string)", "fallback-disabled");
        (bool success, bytes memory reason) = address(hub).call{value: 1}("");
        assertFalse(success);
        assertEq(reason, refusal);
        (success, reason) = address(hub).call{value: 1}(hex"12345678");
        assertFalse(success);
        (success, reason) = address(hub).call(hex"12345678");
        assertFalse(success);
        assertEq(reason, refusal);
        assertEq(address(hub).balance, 0);
    }

    /// @dev With a callback that takes all its gas, a call that has just not enough is refused, and one with enough
    /// is not: somewhere between lies the bound, and nowhere is the callback starved and the task ended.
    function test_a_finalize_with_too_little_gas_for_its_callback_is_refused_by_name() public {
        GreedyReceiver receiver = new GreedyReceiver();
        Orders memory o = orders();
        o.request.callback = address(receiver);
        bytes32 taskid = hub.initialize(makeDeal(o), 0);
        bytes32 digest = keccak256("value");
        contribute(workers[0], taskid, digest);
        reveal(workers[0], taskid, digest);
        uint256 refusals = 0;
        bytes memory call = abi.encodeCall(hub.finalize, (taskid, "", "value"));
        for (uint256 gas_ = 250_000; gas_ < 600_000; gas_ += 500) {
            vm.prank(poolOwner);
            (bool success, bytes memory reason) = address(hub).call{gas: gas_}(call);
            if (success) break;
            if (bytes4(reason) == ITasks.CallbackGasTooLow.selector) ++refusals;
        }
        assertGt(refusals, 0, "no gas was too low by name");
        assertEq(hub.resultFor(taskid), "value");
    }

    function test_a_token_that_does_not_pay_leaves_the_stake() public {
        vm.mockCall(address(token), abi.encodeWithSignature("transfer(address,uint256)"), abi.encode(false));
        uint256 held = free(requester);
        vm.expectRevert(IEscrow.TokenTransferFailed.selector);
        vm.prank(requester);
        hub.withdraw(RLC);
        assertEq(free(requester), held);
    }

    /// @dev No call of the hub comes here: what is seized was locked. Were it otherwise, the word would not wrap.
    function test_more_than_is_frozen_cannot_be_seized() public {
        StakeWord stake = StakeWord.wrap(0).credit(5).lock(3);
        StakeCaller caller = new StakeCaller();
        assertEq(caller.seize(stake, 3).frozen(), 0);
        vm.expectRevert(abi.encodeWithSelector(StakeWords.FrozenStakeTooLow.selector, 3, 4));
        caller.seize(stake, 4);
    }

    /// @dev Deals, results and batches have names that come up once, and lengths that were checked where they come
    /// from strangers. This is the last line.
    function test_a_record_is_written_once_and_fits_code() public {
        RecordKeeper keeper = new RecordKeeper();
        bytes32 salt = keccak256("salt");
        assertEq(keeper.write(salt, "some bytes").code, "some bytes");
        vm.expectRevert(abi.encodeWithSelector(CodeRecord.RecordExists.selector, salt));
        keeper.write(salt, "other bytes");
        vm.expectRevert(abi.encodeWithSelector(CodeRecord.RecordTooLong.selector, 24_577, 24_576));
        keeper.write(keccak256("other salt"), new bytes(24_577));
        assertEq(keeper.write(keccak256("other salt"), new bytes(24_576)).code.length, 24_576);
    }
}
