// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ANY, ANY_AGE, ANY_PARAMS, ResultTerms} from "../../src/consumer/ResultTerms.sol";
import {IViews} from "../../src/interfaces/IViews.sol";
import {Batch} from "../../src/interfaces/ILane.sol";
import {LaneMarket} from "./LaneMarket.sol";
import {Orders} from "./Market.sol";

/// The ways in which a task comes to a result that a contract may use.
abstract contract ConsumerMarket is LaneMarket {
    /// @dev Of the market's pool, by its app, on no dataset; whoever asked for it, and for whatever.
    function poolTerms() internal view returns (ResultTerms memory terms) {
        terms.app = app;
        terms.workerpool = pool;
        terms.requester = ANY;
        terms.beneficiary = ANY;
        terms.params = ANY_PARAMS;
        terms.ageMax = ANY_AGE;
    }

    /// @dev Orders that match without a dataset, with a callback.
    function callbackOrders(address callback) internal returns (Orders memory o) {
        o = orders();
        delete o.dataset;
        o.request.dataset = address(0);
        o.request.callback = callback;
        o.request.salt = bytes32(vm.randomUint());
    }

    function views() internal view returns (IViews) {
        return IViews(address(hub));
    }

    /// @dev Opens the only task of a deal.
    function openDeal(Orders memory o) internal returns (bytes32) {
        return hub.initialize(makeDeal(o), 0);
    }

    /// @dev One worker, whose vote is enough for the trust that the tests ask for, votes, and its pool ends the task.
    function endClassic(bytes32 taskid, bytes memory value) internal {
        contribute(workers[0], taskid, keccak256(value));
        reveal(workers[0], taskid, keccak256(value));
        finalize(taskid, RESULTS, value);
    }

    function endFast(bytes32 taskid, bytes memory value) internal {
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.prank(workers[0]);
        hub.contributeAndFinalize(taskid, keccak256(value), RESULTS, value, address(0), "", auth);
    }

    /// @dev Three workers sign, and their pool settles the only task of the deal.
    function endSettled(bytes32 dealid, bytes memory value) internal {
        bytes32[] memory digests = all(3, keccak256(value));
        commitAs(dealid, 0, 1, digests);
        Batch[] memory batches = batchOf(dealid, 0, 1, vm.getBlockTimestamp(), digests, keccak256(value));
        batches[0].outcomes[0].resultsCallback = value;
        settleAs(poolOwner, batches);
    }

    function pushBoost(bytes32 dealid, bytes memory value) internal {
        bytes memory auth = authorization(workers[0], idOf(dealid, 0), address(0));
        vm.prank(workers[0]);
        hub.pushResultBoost(dealid, 0, RESULTS, value, auth, address(0), "");
    }

    function matchBoost(Orders memory o) internal returns (bytes32) {
        signAll(o);
        return hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
    }
}
