// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {
    AppOrderOperation,
    DatasetOrderOperation,
    OrderOperation,
    TaskStatus,
    WorkerpoolOrderOperation
} from "../../src/interfaces/Types.sol";
import {OrderMarks} from "../../src/records/OrderMark.sol";
import {IPool, Orders} from "../support/Market.sol";
import {Cast} from "./Cast.sol";

/// What happens between tasks: matches in both lanes, time, stake that moves, policies and owners that change,
/// orders that are closed.
abstract contract Trade is Cast {
    /// @dev A task of a deal, open until it leaves `open`.
    struct Job {
        bytes32 dealid;
        bytes32 taskid;
        uint256 index;
        uint256 start;
        /// `workClockTimeRef` of the deal's category.
        uint256 clock;
        uint256 trust;
        address callback;
        bool isBoost;
        /// Asked for by the request.
        uint256 conditions;
        bool isTee;
    }

    uint256 private constant OPEN_MAX = 24;

    Job[] internal open;
    /// @dev One task of a deal, for what is the same for all of them.
    mapping(bytes32 dealid => Job) internal jobOf;
    uint256 internal time = START;
    /// @dev How many actions there were.
    uint256 public steps;

    /// @dev Every action begins at the market's own time and ends with its events being read.
    modifier acts() {
        vm.warp(time);
        vm.getRecordedLogs();
        _;
        readLogs();
        forgetEnded();
    }

    /// @dev What the fuzzer gives is mostly small or mostly ones, and every bit counts here.
    function mix(uint256 entropy) internal returns (uint256) {
        return uint256(keccak256(abi.encode(entropy, ++steps)));
    }

    function matchClassic(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        if (open.length > OPEN_MAX) return;
        Orders memory o = drawOrReuse(seed);
        bool isSponsored = seed >> 250 & 3 == 0;
        if (hub.computeDealVolume(o.app, o.dataset, o.pool, o.request) == 0) return refuseMatch(o);
        vm.prank(isSponsored ? sponsor : thief);
        if (isSponsored) hub.sponsorMatchOrders(o.app, o.dataset, o.pool, o.request);
        else hub.matchOrders(o.app, o.dataset, o.pool, o.request);
        ++count[isSponsored ? "sponsored" : "matched"];
        addJobs(o, false);
    }

    function matchBoost(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        if (open.length > OPEN_MAX) return;
        Orders memory o = draw(seed);
        o.request.trust = seed >> 200 & 1;
        // No conditions in this lane.
        o.request.salt = mark(0, 0, 0, address(guard));
        signWithOwners(o);
        bool isSponsored = seed >> 250 & 3 == 0;
        vm.prank(isSponsored ? sponsor : thief);
        if (isSponsored) hub.sponsorMatchOrdersBoost(o.app, o.dataset, o.pool, o.request);
        else hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
        ++count[isSponsored ? "boost sponsored" : "boost matched"];
        addJobs(o, true);
    }

    /// @dev New orders, or the last request again, with what is left of it.
    function drawOrReuse(uint256 seed) private returns (Orders memory o) {
        o = draw(seed);
        if (seed >> 240 & 3 == 0 && lastRequest.requester != address(0)) {
            o.request = lastRequest;
            o.pool.category = o.request.category;
            if (o.request.workerpool != address(0)) o.pool.workerpool = o.request.workerpool;
            (o.dataset.dataset, o.dataset.datasetprice) = (o.request.dataset, 0);
            if (consumed[typed(hub.eip712domain_separator(), hashOf(o.request))] > 0) {
                ++count["request again"];
            }
            signWithOwners(o);
        }
        lastRequest = o.request;
    }

    /// @dev Of orders that are used up no deal is made, in neither lane.
    function refuseMatch(Orders memory o) private {
        vm.expectRevert("iExecV5-matchOrders-0x60");
        hub.matchOrders(o.app, o.dataset, o.pool, o.request);
        ++count["refused as used up"];
    }

    function addJobs(Orders memory o, bool isBoost) private {
        readLogs();
        uint256 volume = isBoost ? hub.viewDealBoost(lastDeal).botSize : hub.viewDeal(lastDeal).botSize;
        uint256 first = isBoost ? 0 : hub.viewDeal(lastDeal).botFirst;
        if (volume < o.request.volume) ++count["filled in part"];
        if (o.request.requester == requesters[2]) ++count["requested by a saboteur"];
        for (uint256 i = first; i < first + volume; ++i) {
            bytes32 taskid = keccak256(abi.encodePacked(lastDeal, i));
            uint256 trust = o.request.trust == 0 ? 1 : o.request.trust;
            uint256 clock = o.request.category == 0 ? T : 1200;
            uint256 conditions = OrderMarks.ofSalt(o.request.salt).conditions();
            open.push(
                Job(
                    lastDeal,
                    taskid,
                    i,
                    time,
                    clock,
                    trust,
                    o.request.callback,
                    isBoost,
                    conditions,
                    o.app.tag == TEE
                )
            );
        }
        jobOf[lastDeal] = open[open.length - 1];
    }

    function passTime(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        time += 1 + seed % (2 * T);
        ++count["time"];
    }

    function moveStake(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        address from = seed & 1 == 0 ? thief : workers[(seed >> 1) % workers.length];
        address to = [requester, sponsor, thief, KITTY, address(hub), from][(seed >> 8) % 6];
        uint256 amount = (seed >> 16) % (10 * RLC);
        uint256 kind = (seed >> 128) % 4;
        if (kind == 1) {
            token.approve(address(hub), amount);
            hub.depositFor(amount, to);
            if (to == address(hub)) given += amount;
            return;
        }
        if (kind == 3) return donate(amount, seed >> 200 & 1 == 0);
        if (free(from) < amount) return;
        vm.prank(from);
        if (kind == 0) hub.withdrawTo(amount, to);
        else hub.transfer(to, amount);
        ++count[kind == 0 ? "withdrawn" : "transferred"];
        if (to != address(hub)) return;
        // Withdrawn to the hub itself, it stays the hub's without being anybody's stake.
        if (kind == 0) donated += amount;
        else given += amount;
    }

    function donate(uint256 amount, bool isRecovered) private {
        token.transfer(address(hub), amount);
        donated += amount;
        if (!isRecovered) return;
        hub.recover();
        donated = 0;
        ++count["recovered"];
    }

    /// @dev Deals keep the policies and owners they were made with.
    function changeHands(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        address entry = poolEntries[seed & 1];
        address first = ownerOfPool(entry);
        if (seed >> 1 & 1 == 0) {
            vm.prank(first);
            IPool(entry).changePolicy([uint256(0), 30, 55, 130][seed >> 2 & 3], [0, 1, 7, 100][seed >> 4 & 3]);
            ++count["policy changed"];
            return;
        }
        address second = ownerOfPool(poolEntries[1 - (seed & 1)]);
        vm.prank(first);
        pools.transferFrom(first, second, uint160(entry));
        if (first != second) {
            // Both pools may now be the second's: the other goes to the first, so that both owners stay in business.
            vm.prank(second);
            pools.transferFrom(second, first, uint160(poolEntries[1 - (seed & 1)]));
        }
        ++count["pools swapped"];
    }

    function closeOrder(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        Orders memory o = draw(seed);
        uint256 kind = (seed >> 100) % 3;
        if (kind == 0) {
            vm.prank(appOwner);
            hub.manageAppOrder(AppOrderOperation(o.app, OrderOperation.CLOSE, ""));
        } else if (kind == 1 && o.dataset.dataset != address(0)) {
            vm.prank(datasetOwner);
            hub.manageDatasetOrder(DatasetOrderOperation(o.dataset, OrderOperation.CLOSE, ""));
        } else {
            vm.prank(ownerOfPool(o.pool.workerpool));
            hub.manageWorkerpoolOrder(WorkerpoolOrderOperation(o.pool, OrderOperation.CLOSE, ""));
        }
        readLogs();
        vm.expectRevert("iExecV5-matchOrders-0x60");
        hub.matchOrders(o.app, o.dataset, o.pool, o.request);
    }

    function forgetEnded() private {
        for (uint256 i = open.length; i > 0; --i) {
            if (ends[open[i - 1].taskid] == 0) continue;
            open[i - 1] = open[open.length - 1];
            open.pop();
        }
    }

    /// @dev An open task of this status, from a random place on; `found` is false if there is none.
    function find(uint256 seed, TaskStatus status, bool isBoost)
        internal
        view
        returns (Job memory job, bool found)
    {
        for (uint256 i = 0; i < open.length; ++i) {
            job = open[(seed % open.length + i) % open.length];
            if (job.isBoost == isBoost && statusOf[job.taskid] == status) return (job, true);
        }
    }
}
