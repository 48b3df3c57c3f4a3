// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Market, Orders} from "./Market.sol";

/// The gas of a whole transaction for each step of the hub, on whichever hub stands. Every call runs alone, with
/// cold storage, and its base cost and calldata are added, as on a chain; refunds are taken off. Writes
/// `snapshots/`, which is committed; `FORGE_SNAPSHOT_CHECK=true` compares.
abstract contract GasScenarios is Market {
    bytes32 internal constant GOOD = keccak256("good");
    bytes internal constant RESULTS =
        '{"storage":"ipfs","location":"/ipfs/QmR7GSQM93Cx5eAg6a6yRzNde1FQv7uL6X1o4k7zrJa3LX"}';

    uint256 internal total;

    /// @dev The file in `snapshots/`.
    function group() internal pure virtual returns (string memory);

    /// @dev Puts another hub in the place of ours.
    function placeHub() internal virtual {}

    function setUp() public override {
        super.setUp();
        placeHub();
        doBusinessBefore();
        total = 0;
    }

    /// @dev A market is seldom new: the app has been paid for before, and the first five workers have a score.
    /// The requester's and the pool's stakes are free, all orders fresh, and the dataset sells for the first time.
    function doBusinessBefore() private {
        Orders memory o = orders();
        (o.dataset.dataset, o.request.dataset) = (address(0), address(0));
        o.request.trust = 32;
        o.app.salt = o.pool.salt = o.request.salt = keccak256("before");
        bytes32 taskid = hub.initialize(makeDeal(o), 0);
        for (uint256 i = 0; i < 5; ++i) {
            contribute(workers[i], taskid, GOOD);
        }
        for (uint256 i = 0; i < 5; ++i) {
            reveal(workers[i], taskid, GOOD);
        }
        finalize(taskid, RESULTS, "");
        assertEq(hub.viewScore(workers[4]), 1);
    }

    function record(string memory name) internal {
        total += vm.snapshotGasLastCall(group(), name);
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
        vm.snapshotValue(group(), string.concat(label, ": whole task"), total);
    }

    function test_gas_of_the_fast_lane() public {
        bytes32 dealid = matchSigned(full(1));
        record("contributeAndFinalize: 1 matchOrders");
        bytes32 taskid = hub.initialize(dealid, 0);
        record("contributeAndFinalize: 2 initialize");
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.prank(workers[0]);
        hub.contributeAndFinalize(taskid, GOOD, RESULTS, "", address(0), "", auth);
        record("contributeAndFinalize: 3 contributeAndFinalize");
        vm.snapshotValue(group(), "contributeAndFinalize: whole task", total);
    }

    function test_gas_of_the_boost_lane() public {
        Orders memory o = full(1);
        bytes32 dealid = hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
        record("boost: 1 matchOrdersBoost");
        bytes memory auth =
            authorization(workers[0], keccak256(abi.encodePacked(dealid, uint256(0))), address(0));
        vm.prank(workers[0]);
        hub.pushResultBoost(dealid, 0, RESULTS, "", auth, address(0), "");
        record("boost: 2 pushResultBoost");
        vm.snapshotValue(group(), "boost: whole task", total);
    }

    function test_gas_of_ten_tasks_with_one_worker_each() public {
        playTen(1, 1, "10 tasks, 1 worker");
    }

    function test_gas_of_ten_tasks_with_three_workers_each() public {
        playTen(8, 3, "10 tasks, 3 workers");
    }

    /// @dev Ten tasks of one deal, opened by one call.
    function playTen(uint256 trust, uint256 count, string memory label) private {
        Orders memory o = full(trust);
        o.request.volume = 10;
        bytes32 dealid = matchSigned(signAll(o));
        record(string.concat(label, ": 1 matchOrders"));
        bytes32[] memory deals = new bytes32[](10);
        uint256[] memory indexes = new uint256[](10);
        for (uint256 i = 0; i < 10; ++i) {
            (deals[i], indexes[i]) = (dealid, i);
        }
        hub.initializeArray(deals, indexes);
        record(string.concat(label, ": 2 initializeArray"));
        for (uint256 i = 0; i < 10; ++i) {
            playVotes(keccak256(abi.encodePacked(dealid, i)), count);
        }
        vm.snapshotValue(group(), string.concat(label, ": whole"), total);
    }

    function playVotes(bytes32 taskid, uint256 count) private {
        for (uint256 i = 0; i < count; ++i) {
            contribute(workers[i], taskid, GOOD);
            total += vm.lastCallGas().gasTotalUsed;
        }
        for (uint256 i = 0; i < count; ++i) {
            reveal(workers[i], taskid, GOOD);
            total += vm.lastCallGas().gasTotalUsed;
        }
        finalize(taskid, RESULTS, "");
        total += vm.lastCallGas().gasTotalUsed;
    }

    function test_gas_of_deposits() public {
        token.approve(address(hub), FUNDS);
        hub.deposit(RLC);
        record("deposit first");
        hub.deposit(RLC);
        record("deposit later");
        // As whoever calls it does: with nothing approved before.
        token.approve(address(hub), 0);
        token.approveAndCall(address(hub), RLC, "");
        record("approveAndCall later");
    }
}
