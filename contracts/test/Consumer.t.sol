// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ResultCheck} from "../src/consumer/ResultCheck.sol";
import {ResultConsumer} from "../src/consumer/ResultConsumer.sol";
import {ANY, ResultTerms} from "../src/consumer/ResultTerms.sol";
import {TaskStatus} from "../src/interfaces/Types.sol";
import {ConsumerMarket} from "./support/ConsumerMarket.sol";
import {BadGroup, Recorder} from "./support/Consumers.sol";
import {Orders} from "./support/Market.sol";
import {Group} from "./support/Parties.sol";

/// Contracts that use results: what they accept, by which way it comes, and how often.
contract ConsumerTest is ConsumerMarket {
    bytes internal constant VALUE = abi.encode(uint256(42));

    Recorder internal consumer;

    function setUp() public override {
        super.setUp();
        consumer = new Recorder(views(), poolTerms());
    }

    function assertTaken(bytes32 taskid) internal view {
        assertEq(consumer.taskid(), taskid);
        assertEq(consumer.result(), VALUE);
        assertEq(consumer.app(), app);
        assertEq(consumer.count(), 1);
    }

    /// @dev A task that is over, whose deal names no callback.
    function endedTask() internal returns (bytes32 taskid) {
        taskid = openDeal(callbackOrders(address(0)));
        endClassic(taskid, VALUE);
    }

    function refuse(bytes32 taskid, bytes memory reason) internal {
        vm.expectRevert(reason);
        consumer.pullResult(taskid);
        assertEq(consumer.count(), 0);
    }

    function test_a_result_is_pushed_by_the_classic_lane() public {
        bytes32 taskid = openDeal(callbackOrders(address(consumer)));
        endClassic(taskid, VALUE);
        assertTaken(taskid);
    }

    function test_a_result_is_pushed_by_the_fast_lane() public {
        bytes32 taskid = openDeal(callbackOrders(address(consumer)));
        endFast(taskid, VALUE);
        assertTaken(taskid);
    }

    function test_a_result_is_pushed_by_the_settlement_lane() public {
        bondAll(100 * RLC);
        Orders memory o = callbackOrders(address(consumer));
        o.request.trust = 8;
        bytes32 dealid = makeDeal(o);
        endSettled(dealid, VALUE);
        assertTaken(idOf(dealid, 0));
    }

    function test_a_settled_result_is_pulled() public {
        bondAll(100 * RLC);
        bytes32 dealid = makeDeal(callbackOrders(address(0)));
        endSettled(dealid, VALUE);
        consumer.pullResult(idOf(dealid, 0));
        assertTaken(idOf(dealid, 0));
    }

    function test_a_result_is_pulled_by_anybody_whatever_its_callback_was() public {
        bytes32 taskid = openDeal(callbackOrders(makeAddr("somebody else")));
        endFast(taskid, VALUE);
        vm.prank(makeAddr("a stranger"));
        consumer.pullResult(taskid);
        assertTaken(taskid);
    }

    /// @dev The hub calls back for it, but nobody could say what app it is of, and who agreed on it.
    function test_a_result_of_the_boost_lane_is_refused() public {
        bytes32 dealid = matchBoost(callbackOrders(address(consumer)));
        bytes memory call = abi.encodeCall(consumer.receiveResult, (idOf(dealid, 0), VALUE));
        vm.expectCall(address(consumer), call);
        pushBoost(dealid, VALUE);
        assertEq(consumer.count(), 0);

        vm.prank(address(hub));
        vm.expectRevert(abi.encodeWithSelector(ResultCheck.DealUnknown.selector, idOf(dealid, 0)));
        consumer.receiveResult(idOf(dealid, 0), VALUE);
        refuse(idOf(dealid, 0), abi.encodeWithSelector(ResultCheck.DealUnknown.selector, idOf(dealid, 0)));
    }

    function test_only_the_hub_may_push() public {
        bytes32 taskid = endedTask();
        vm.expectRevert(abi.encodeWithSelector(ResultConsumer.NotTheHub.selector, workers[0]));
        vm.prank(workers[0]);
        consumer.receiveResult(taskid, VALUE);
    }

    /// @dev A hub never brings other bytes than those agreed on; the consumer does not take its word.
    function test_other_bytes_than_those_agreed_on_are_refused() public {
        bytes32 taskid = endedTask();
        vm.expectRevert(
            abi.encodeWithSelector(
                ResultCheck.ResultNotAgreedOn.selector, keccak256("other"), keccak256(VALUE)
            )
        );
        vm.prank(address(hub));
        consumer.receiveResult(taskid, "other");
    }

    function test_a_task_whose_result_is_a_file_has_nothing_to_pull() public {
        bytes32 taskid = openDeal(callbackOrders(address(0)));
        contribute(workers[0], taskid, GOOD);
        reveal(workers[0], taskid, GOOD);
        finalize(taskid, RESULTS, "");
        refuse(taskid, abi.encodeWithSelector(ResultCheck.ResultNotAgreedOn.selector, keccak256(""), GOOD));
    }

    function test_a_task_without_a_result_is_refused_in_every_state() public {
        bytes32 dealid = makeDeal(callbackOrders(address(consumer)));
        bytes32 taskid = idOf(dealid, 0);
        refuse(taskid, notCompleted(taskid, TaskStatus.UNSET));
        hub.initialize(dealid, 0);
        refuse(taskid, notCompleted(taskid, TaskStatus.ACTIVE));
        contribute(workers[0], taskid, keccak256(VALUE));
        reveal(workers[0], taskid, keccak256(VALUE));
        refuse(taskid, notCompleted(taskid, TaskStatus.REVEALING));
        vm.warp(START + 10 * T);
        hub.claim(taskid);
        refuse(taskid, notCompleted(taskid, TaskStatus.FAILED));
    }

    function notCompleted(bytes32 taskid, TaskStatus status) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ResultCheck.TaskNotCompleted.selector, taskid, status);
    }

    function test_a_task_is_taken_once_however_it_comes() public {
        bytes32 pushed = openDeal(callbackOrders(address(consumer)));
        endClassic(pushed, VALUE);
        vm.expectRevert(abi.encodeWithSelector(ResultConsumer.AlreadyTaken.selector, pushed));
        consumer.pullResult(pushed);
        vm.expectRevert(abi.encodeWithSelector(ResultConsumer.AlreadyTaken.selector, pushed));
        vm.prank(address(hub));
        consumer.receiveResult(pushed, VALUE);

        bytes32 pulled = endedTask();
        consumer.pullResult(pulled);
        vm.expectRevert(abi.encodeWithSelector(ResultConsumer.AlreadyTaken.selector, pulled));
        consumer.pullResult(pulled);
        assertEq(consumer.count(), 2);
    }

    function test_a_use_that_comes_back_finds_the_task_taken() public {
        consumer.setReentering();
        bytes32 taskid = endedTask();
        consumer.pullResult(taskid);
        assertTaken(taskid);
        assertEq(consumer.answerInside(), ResultConsumer.AlreadyTaken.selector);
    }

    function test_a_push_that_failed_is_pulled() public {
        consumer.setRefusing(true);
        bytes32 taskid = openDeal(callbackOrders(address(consumer)));
        endClassic(taskid, VALUE);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.COMPLETED));
        refuse(taskid, abi.encodeWithSignature("Error(string)", "not now"));
        consumer.setRefusing(false);
        consumer.pullResult(taskid);
        assertTaken(taskid);
    }

    function test_members_of_a_group_are_accepted_and_others_are_not() public {
        bytes32 taskid = endedTask();
        address[] memory members = new address[](2);
        (members[0], members[1]) = (makeAddr("another pool"), pool);
        ResultTerms memory terms = poolTerms();
        terms.workerpool = address(new Group(members));
        consumer.check(taskid, terms);
        members[1] = app;
        terms.app = terms.workerpool = address(new Group(members));
        vm.expectRevert(abi.encodeWithSelector(ResultCheck.WorkerpoolNotAccepted.selector, pool));
        consumer.check(taskid, terms);
    }

    function test_a_group_that_does_not_say_true_says_no() public {
        bytes32 taskid = endedTask();
        address[6] memory groups = [
            makeAddr("no contract"),
            address(token),
            address(new BadGroup("", false)),
            address(new BadGroup(abi.encode(2), false)),
            address(new BadGroup(abi.encode(1, 1), false)),
            address(new BadGroup(abi.encode(1), true))
        ];
        for (uint256 i = 0; i < groups.length; ++i) {
            ResultTerms memory terms = poolTerms();
            terms.workerpool = groups[i];
            vm.expectRevert(abi.encodeWithSelector(ResultCheck.WorkerpoolNotAccepted.selector, pool));
            consumer.check(taskid, terms);
        }
    }

    /// @dev A group that says yes to everything says it of parties, and not of a party that is not there.
    function test_no_group_has_the_absent_as_a_member() public {
        bytes32 taskid = endedTask();
        ResultTerms memory terms = poolTerms();
        terms.dataset = address(new BadGroup(abi.encode(1), false));
        vm.expectRevert(abi.encodeWithSelector(ResultCheck.DatasetNotAccepted.selector, address(0)));
        consumer.check(taskid, terms);
    }

    function test_forgotten_terms_accept_nothing() public {
        bytes32 taskid = endedTask();
        ResultTerms memory terms;
        vm.expectRevert(abi.encodeWithSelector(ResultCheck.AppNotAccepted.selector, app));
        consumer.check(taskid, terms);
        terms.app = app;
        vm.expectRevert(abi.encodeWithSelector(ResultCheck.WorkerpoolNotAccepted.selector, pool));
        consumer.check(taskid, terms);
        terms.workerpool = pool;
        vm.expectRevert(abi.encodeWithSelector(ResultCheck.RequesterNotAccepted.selector, requester));
        consumer.check(taskid, terms);
        terms.requester = requester;
        vm.expectRevert(abi.encodeWithSelector(ResultCheck.ParamsNotAccepted.selector, keccak256("")));
        consumer.check(taskid, terms);
        terms.params = keccak256("");
        vm.warp(START + 1);
        vm.expectRevert(abi.encodeWithSelector(ResultCheck.ResultTooOld.selector, START, 0));
        consumer.check(taskid, terms);
    }

    /// @dev With any dataset a stranger could have the app read data of its own.
    function test_a_dataset_that_was_slipped_in_is_refused() public {
        Orders memory o = orders();
        bytes32 taskid = openDeal(o);
        endClassic(taskid, VALUE);
        refuse(taskid, abi.encodeWithSelector(ResultCheck.DatasetNotAccepted.selector, dataset));
        ResultTerms memory terms = poolTerms();
        terms.dataset = dataset;
        consumer.check(taskid, terms);
        terms.dataset = ANY;
        consumer.check(taskid, terms);
    }
}
