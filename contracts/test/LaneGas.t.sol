// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Ballot, Batch} from "../src/interfaces/ILane.sol";
import {LaneMarket} from "./support/LaneMarket.sol";
import {Orders} from "./support/Market.sol";

/// What the settlement lane costs, in the market and with the orders of `GasScenarios`: the app has been paid for
/// before, workers have a score, and bonds that served before.
/// forge-config: default.isolate = true
contract LaneGasTest is LaneMarket {
    uint256 internal total;

    function setUp() public override {
        super.setUp();
        fund(appOwner);
        bondAll(10_000 * RLC);
        for (uint256 i = 0; i < workers.length; ++i) {
            setScore(workers[i], 1);
        }
        total = 0;
    }

    function record(string memory name) private {
        total += vm.snapshotGasLastCall("Gas", name);
    }

    function play(uint256 volume, uint256 batchSize, string memory label) private {
        Orders memory o = orders();
        o.request.trust = 8;
        o.request.volume = volume;
        o.request.params =
            '{"iexec_args":"--lines 10 --words","iexec_result_storage_provider":"ipfs","iexec_input_files":["https://example.org/a.txt"]}';
        signAll(o);
        bytes32 dealid = matchSigned(o);
        record(string.concat(label, ": 1 matchOrders"));
        bytes32[] memory said = all(3, GOOD);
        for (uint256 first = 0; first < volume; first += batchSize) {
            Ballot[] memory ballots = ballotsOf(dealid, first, batchSize, said);
            vm.prank(poolOwner);
            hub.commit(dealid, first, batchSize, ballots);
            record(string.concat(label, first == 0 ? ": 2 commit" : ": 4 later commit"));
            Batch[] memory batches = batchOf(dealid, first, batchSize, START, said, GOOD);
            vm.prank(poolOwner);
            hub.settle(batches);
            record(string.concat(label, first == 0 ? ": 3 settle" : ": 5 later settle"));
        }
        assertEq(hub.viewTask(idOf(dealid, volume - 1)).resultDigest, GOOD);
        vm.snapshotValue("Gas", string.concat(label, ": whole, per task"), total / volume);
    }

    function test_gas_of_one_task() public {
        play(1, 1, "lane, 1 task");
    }

    function test_gas_of_ten_tasks() public {
        play(10, 10, "lane, 10 tasks");
    }

    function test_gas_of_a_hundred_tasks() public {
        play(100, 50, "lane, 100 tasks");
    }
}
