// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IRlc, IPool, Market, Orders} from "./support/Market.sol";

/// The gas of a whole transaction for each step, in the scenarios that the reference was measured in. Every
/// call runs alone, with cold storage, and its base cost and calldata are added, as on a chain; refunds are
/// taken off. Writes `snapshots/Gas.json`, which is committed; `FORGE_SNAPSHOT_CHECK=true` compares.
/// forge-config: default.isolate = true
contract GasTest is Market {
    bytes32 internal constant GOOD = keccak256("good");
    bytes internal constant RESULTS =
        '{"storage":"ipfs","location":"/ipfs/QmR7GSQM93Cx5eAg6a6yRzNde1FQv7uL6X1o4k7zrJa3LX"}';

    uint256 internal total;

    function setUp() public override {
        super.setUp();
        total = 0;
    }

    function record(string memory name) private {
        total += vm.snapshotGasLastCall("Gas", name);
    }

    /// @dev 124 bytes of params, and a dataset.
    function full(uint256 trust) private view returns (Orders memory o) {
        o = orders();
        o.request.trust = trust;
        o.request.params =
            '{"iexec_args":"--lines 10 --words","iexec_result_storage_provider":"ipfs","iexec_input_files":["https://example.org/a.txt"]}';
        assertEq(bytes(o.request.params).length, 124);
        signAll(o);
    }

    function test_gas_of_a_minimal_match() public {
        Orders memory o = orders();
        (o.dataset.dataset, o.request.dataset) = (address(0), address(0));
        signAll(o);
        matchSigned(o);
        record("matchOrders minimal");
    }

    function test_gas_of_a_match_that_uses_large_orders_again() public {
        matchSigned(full(1));
        Orders memory o = full(1);
        o.request.salt = bytes32(uint256(1));
        signAll(o);
        matchSigned(o);
        record("matchOrders orders used before");
    }

    function test_gas_of_a_task_of_one_worker() public {
        play(1, 1, "1 worker");
    }

    function test_gas_of_a_task_of_three_workers() public {
        play(8, 3, "3 workers");
    }

    function test_gas_of_a_task_of_five_workers() public {
        play(32, 5, "5 workers");
    }

    function play(uint256 trust, uint256 count, string memory label) private {
        bytes32 dealid = matchSigned(full(trust));
        record(string.concat(label, ": 1 matchOrders"));
        bytes32 taskid = hub.initialize(dealid, 0);
        record(string.concat(label, ": 2 initialize"));
        for (uint256 i = 0; i < count; ++i) {
            contribute(workers[i], taskid, GOOD);
            record(string.concat(label, ": 3 contribute ", vm.toString(i + 1)));
        }
        for (uint256 i = 0; i < count; ++i) {
            reveal(workers[i], taskid, GOOD);
            record(string.concat(label, ": 4 reveal ", vm.toString(i + 1)));
        }
        finalize(taskid, RESULTS, "");
        record(string.concat(label, ": 5 finalize"));
        vm.snapshotValue("Gas", string.concat(label, ": whole task"), total);
    }

    function test_gas_of_the_fast_lane() public {
        bytes32 dealid = matchSigned(full(1));
        bytes32 taskid = hub.initialize(dealid, 0);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.prank(workers[0]);
        hub.contributeAndFinalize(taskid, GOOD, RESULTS, "", address(0), "", auth);
        record("contributeAndFinalize");
    }

    function test_gas_of_ten_tasks_of_one_deal() public {
        Orders memory o = full(1);
        o.request.volume = 10;
        signAll(o);
        bytes32 dealid = matchSigned(o);
        record("10 tasks: 1 matchOrders");
        bytes32[] memory deals = new bytes32[](10);
        uint256[] memory indexes = new uint256[](10);
        for (uint256 i = 0; i < 10; ++i) {
            (deals[i], indexes[i]) = (dealid, i);
        }
        hub.initializeArray(deals, indexes);
        record("10 tasks: 2 initializeArray");
        for (uint256 i = 0; i < 10; ++i) {
            bytes32 taskid = keccak256(abi.encodePacked(dealid, i));
            contribute(workers[0], taskid, GOOD);
            total += vm.lastCallGas().gasTotalUsed;
            reveal(workers[0], taskid, GOOD);
            total += vm.lastCallGas().gasTotalUsed;
            finalize(taskid, RESULTS, "");
            total += vm.lastCallGas().gasTotalUsed;
        }
        vm.snapshotValue("Gas", "10 tasks: 1 worker each, whole", total);
    }

    function test_gas_of_entries() public {
        apps.createApp(appOwner, "b", "", "", 0, "");
        record("createApp minimal");
        apps.createApp(
            appOwner,
            "text statistics",
            "DOCKER",
            "registry.example.org/examples/text-statistics:1.0.0@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            keccak256("image"),
            '{"framework":"none","version":"0.0.0","entrypoint":"none"}'
        );
        record("createApp long");
        datasets.createDataset(
            datasetOwner, "words", "/ipfs/QmR7GSQM93Cx5eAg6a6yRzNde1FQv7uL6X1o4k7zrJa3LX", GOOD
        );
        record("createDataset");
        pools.createWorkerpool(poolOwner, "another pool");
        record("createWorkerpool");
    }

    function test_gas_of_deposits() public {
        token.approve(address(hub), FUNDS);
        hub.deposit(RLC);
        record("deposit first");
        hub.deposit(RLC);
        record("deposit later");
        token.approveAndCall(address(hub), RLC, "");
        record("approveAndCall later");
    }
}
