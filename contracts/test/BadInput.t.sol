// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {VmSafe} from "forge-std/Vm.sol";
import {stdError} from "forge-std/StdError.sol";

import {IConditions} from "../src/interfaces/IConditions.sol";
import {ITasks} from "../src/interfaces/ITasks.sol";
import {OrderOperation, TaskStatus} from "../src/interfaces/Types.sol";
import {CodeRecord} from "../src/records/CodeRecord.sol";
import {CONTRIBUTORS_MAX} from "../src/records/TaskWord.sol";
import {Orders} from "./support/Market.sol";
import {Refusals} from "./support/Refusals.sol";

/// Input that no client sends by mistake: each is refused by a name, and nothing is written.
contract BadInputTest is Refusals {
    function refuseMatch(Orders memory o, bytes memory refusal) internal {
        refuse(requester, abi.encodeCall(hub.matchOrders, (o.app, o.dataset, o.pool, o.request)), refusal);
    }

    function refuseBoost(Orders memory o, bytes memory refusal) internal {
        refuse(
            requester, abi.encodeCall(hub.matchOrdersBoost, (o.app, o.dataset, o.pool, o.request)), refusal
        );
    }

    function test_the_zero_address_is_no_app_pool_or_requester() public {
        Orders memory o = orders();
        (o.app.app, o.request.app) = (address(0), address(0));
        refuseMatch(signAll(o), words("iExecV5-matchOrders-0x20"));
        refuseBoost(o, words("PocoBoost: App not registered"));
        o = orders();
        (o.pool.workerpool, o.request.workerpool) = (address(0), address(0));
        refuseMatch(signAll(o), words("iExecV5-matchOrders-0x40"));
        refuseBoost(o, words("PocoBoost: Workerpool not registered"));
        o = orders();
        o.request.requester = address(0);
        refuseMatch(signAll(o), words("iExecV5-matchOrders-0x50"));
        // What `ecrecover` makes of it is the zero address.
        o.request.sign = new bytes(65);
        refuseMatch(o, words("iExecV5-matchOrders-0x50"));
        refuseBoost(o, words("PocoBoost: Invalid request order signature"));
        o.request.sign = new bytes(64);
        refuseMatch(o, words("iExecV5-matchOrders-0x50"));
    }

    function test_stake_and_allowance_have_no_zero_address() public {
        refuse(
            requester,
            abi.encodeCall(hub.transfer, (address(0), 0)),
            words("ERC20: transfer to the zero address")
        );
        refuse(
            requester,
            abi.encodeCall(hub.transferFrom, (address(0), requester, 0)),
            words("ERC20: transfer from the zero address")
        );
        refuse(
            requester,
            abi.encodeCall(hub.approve, (address(0), 1)),
            words("ERC20: approve to the zero address")
        );
        refuse(
            requester,
            abi.encodeCall(hub.increaseAllowance, (address(0), 1)),
            words("ERC20: approve to the zero address")
        );
        refuse(
            address(0),
            abi.encodeCall(hub.approve, (requester, 1)),
            words("ERC20: approve from the zero address")
        );
        refuse(
            requester,
            abi.encodeCall(hub.depositFor, (0, address(0))),
            words("ERC20: mint to the zero address")
        );
    }

    function test_nothing_is_made_of_a_volume_of_zero() public {
        for (uint256 i = 0; i < 4; ++i) {
            Orders memory o = orders();
            if (i == 0) o.app.volume = 0;
            if (i == 1) o.dataset.volume = 0;
            if (i == 2) o.pool.volume = 0;
            if (i == 3) o.request.volume = 0;
            refuseMatch(signAll(o), words("iExecV5-matchOrders-0x60"));
            refuseBoost(o, words("PocoBoost: One or more orders consumed"));
        }
    }

    function largest() private view returns (Orders memory o) {
        o = orders();
        uint256 most = type(uint256).max;
        (o.app.volume, o.dataset.volume, o.pool.volume, o.request.volume) = (most, most, most, most);
    }

    function test_a_volume_whose_price_no_number_holds_is_refused() public {
        refuseMatch(signAll(largest()), stdError.arithmeticError);
        // A price of 1 can be counted, but nobody has that much.
        Orders memory o = largest();
        (o.app.appprice, o.dataset.datasetprice, o.pool.workerpoolprice) = (1, 0, 0);
        refuseMatch(signAll(o), words("IexecEscrow: Transfer amount exceeds balance"));
    }

    function test_prices_that_no_number_holds_are_refused() public {
        Orders memory o = orders();
        (o.app.appprice, o.request.appmaxprice) = (type(uint256).max, type(uint256).max);
        refuseMatch(signAll(o), stdError.arithmeticError);
        o = orders();
        (o.dataset.datasetprice, o.request.datasetmaxprice) = (type(uint256).max, type(uint256).max);
        refuseMatch(signAll(o), stdError.arithmeticError);
        o = orders();
        (o.pool.workerpoolprice, o.request.workerpoolmaxprice) = (type(uint256).max, type(uint256).max);
        refuseMatch(signAll(o), stdError.arithmeticError);
        // No sum of 96 bits may pass for a small one.
        o = orders();
        (o.app.appprice, o.request.appmaxprice) = (2 ** 96, 2 ** 96);
        refuseMatch(signAll(o), words("IexecEscrow: Transfer amount exceeds balance"));
        (o.app.appprice, o.request.appmaxprice) = (2 ** 255, 2 ** 255);
        (o.dataset.datasetprice, o.request.datasetmaxprice) = (2 ** 255, 2 ** 255);
        refuseMatch(signAll(o), stdError.arithmeticError);
    }

    function test_a_stake_that_no_number_holds_is_found_before_marks_in_both_lanes() public {
        Orders memory o = orders();
        o.request.salt = mark(0, 1, 0, address(0));
        (o.pool.workerpoolprice, o.request.workerpoolmaxprice) = (2 ** 255, 2 ** 255);
        refuseMatch(signAll(o), stdError.arithmeticError);
        refuseBoost(o, stdError.arithmeticError);
        o.pool.workerpoolprice = 0;
        bytes memory expired = abi.encodeWithSelector(IConditions.OrderExpired.selector, requester, 1);
        refuseMatch(signAll(o), expired);
        refuseBoost(o, expired);
    }

    function test_a_category_that_no_list_holds_is_refused() public {
        Orders memory o = orders();
        (o.pool.category, o.request.category) = (type(uint256).max, type(uint256).max);
        refuseMatch(signAll(o), words("iExecV5-matchOrders-0x01"));
        (o.pool.category, o.request.category) = (2 ** 32, 2 ** 32);
        refuseMatch(signAll(o), words("iExecV5-matchOrders-0x01"));
    }

    function test_a_trust_that_no_weight_reaches_costs_nobody_anything() public {
        Orders memory o = orders();
        (o.pool.trust, o.request.trust) = (type(uint256).max, type(uint256).max);
        bytes32 taskid = hub.initialize(makeDeal(o), 0);
        bytes memory auth = authorization(workers[0], taskid, address(0));
        refuse(
            workers[0],
            abi.encodeCall(hub.contribute, (taskid, GOOD, GOOD, address(0), "", auth)),
            stdError.arithmeticError
        );
        vm.warp(START + 10 * T);
        hub.claim(taskid);
        assertEq(free(requester), FUNDS);
    }

    function test_ten_thousand_bytes_of_params_and_results_are_kept_whole() public {
        Orders memory o = orders();
        o.request.params = string(long(10_000));
        bytes32 dealid = makeDeal(o);
        assertEq(bytes(hub.viewDeal(dealid).params), long(10_000));
        bytes32 taskid = hub.initialize(dealid, 0);
        contribute(workers[0], taskid, keccak256(long(10_001)));
        reveal(workers[0], taskid, keccak256(long(10_001)));
        finalize(taskid, long(10_000), long(10_001));
        assertEq(hub.viewTask(taskid).results, long(10_000));
        assertEq(hub.resultFor(taskid), long(10_001));
        bytes32 quick = openTask(1);
        bytes memory auth = authorization(workers[0], quick, address(0));
        vm.prank(workers[0]);
        hub.contributeAndFinalize(quick, GOOD, long(10_000), "", address(0), "", auth);
        assertEq(hub.viewTask(quick).results, long(10_000));
    }

    function test_more_bytes_than_code_holds_are_refused() public {
        Orders memory o = orders();
        o.request.params = string(long(24_576));
        signAll(o);
        uint256 head = 204 + 4 * 8 + 52;
        refuseMatch(o, abi.encodeWithSelector(CodeRecord.RecordTooLong.selector, head + 24_576, 24_576));
        o.request.params = string(long(24_576 - head));
        assertEq(bytes(hub.viewDeal(makeDeal(o)).params).length, 24_576 - head);

        bytes32 taskid = openTask(1);
        contribute(workers[0], taskid, GOOD);
        reveal(workers[0], taskid, GOOD);
        refuse(
            poolOwner,
            abi.encodeCall(hub.finalize, (taskid, long(24_575), "")),
            abi.encodeWithSelector(CodeRecord.RecordTooLong.selector, 24_577, 24_576)
        );
        finalize(taskid, long(24_574), "");
        assertEq(hub.viewTask(taskid).results.length, 24_574);
    }

    /// @dev A worker of many, funded for one task.
    function worker(uint256 i) private returns (address account) {
        account = address(uint160(0xBEE0000 + i));
        vm.prank(workers[7]);
        hub.transfer(account, 6 * RLC);
    }

    function test_twenty_four_contribute_and_no_more() public {
        bytes32 taskid = openTask(3);
        // Each another lie, so that no two share a group.
        for (uint256 i = 0; i < CONTRIBUTORS_MAX - 1; ++i) {
            contribute(worker(i), taskid, bytes32(i));
        }
        setScore(workers[1], 3000);
        uint256 clean = vm.snapshotState();
        contribute(workers[0], taskid, bytes32(uint256(99)));
        bytes memory auth = authorization(workers[1], taskid, address(0));
        vm.expectRevert(abi.encodeWithSelector(ITasks.TooManyContributors.selector, taskid));
        vm.prank(workers[1]);
        hub.contribute(taskid, GOOD, GOOD, address(0), "", auth);
        vm.warp(START + 10 * T);
        hub.claim(taskid);
        assertLt(vm.lastCallGas().gasTotalUsed, 1_000_000, "a claim a block could not hold");
        assertEq(free(requester), FUNDS);
        vm.revertToState(clean);

        contribute(workers[1], taskid, GOOD);
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.REVEALING));
        reveal(workers[1], taskid, GOOD);
        finalize(taskid, "r", "");
        assertLt(vm.lastCallGas().gasTotalUsed, 1_000_000, "a finalize a block could not hold");
        // 20 + 23 * 6, 99 % of it, to the only one who was right.
        assertEq(free(workers[1]), FUNDS + 158 * RLC * 99 / 100);
    }

    /// forge-config: default.isolate = true
    /// iExec's workers send `contribute` with 500 000 gas and `reveal` with 100 000, wherever they stand in a task.
    function test_the_last_of_many_stays_below_the_gas_of_official_workers() public {
        setScore(workers[0], 3000);
        setScore(workers[1], 3000);
        bytes32 taskid = openTask(500);
        uint256 before = CONTRIBUTORS_MAX - 2;
        for (uint256 i = 0; i < before; ++i) {
            contribute(worker(i), taskid, bytes32(i));
        }
        contribute(workers[0], taskid, GOOD);
        contribute(workers[1], taskid, GOOD);
        assertLt(noteGas("contribute"), 500_000, "an official worker's contribution would run out of gas");
        assertEq(uint8(hub.viewTask(taskid).status), uint8(TaskStatus.REVEALING));
        reveal(workers[1], taskid, GOOD);
        assertLt(noteGas("reveal"), 100_000, "an official worker's reveal would run out of gas");
    }

    /// @dev Of the last transaction, for the snapshots: what is refunded in the end must be there first.
    function noteGas(string memory step) private returns (uint256 needed) {
        VmSafe.Gas memory gas = vm.lastCallGas();
        needed = gas.gasTotalUsed + uint64(gas.gasRefunded);
        vm.snapshotValue("Gas", string.concat("24 contributors: last ", step), needed);
    }

    function test_mirrored_signatures_are_refused_wherever_one_is_asked_for() public {
        bytes32 domain = hub.eip712domain_separator();
        Orders memory o = signAll(orders());
        o.app.sign = mirrored(appKey, typed(domain, hashOf(o.app)));
        refuseMatch(o, words("iExecV5-matchOrders-0x21"));
        o = signAll(orders());
        o.dataset.sign = mirrored(datasetKey, typed(domain, hashOf(o.dataset)));
        refuseMatch(o, words("iExecV5-matchOrders-0x31"));
        o = signAll(orders());
        o.pool.sign = mirrored(poolKey, typed(domain, hashOf(o.pool)));
        refuseMatch(o, words("iExecV5-matchOrders-0x41"));
        o = signAll(orders());
        o.request.sign = mirrored(requesterKey, typed(domain, hashOf(o.request)));
        refuseMatch(o, words("iExecV5-matchOrders-0x50"));

        bytes32 taskid = openTask(1);
        bytes32 hash = ethSigned(keccak256(abi.encodePacked(workers[0], taskid, address(0))));
        refuse(
            workers[0],
            abi.encodeCall(hub.contribute, (taskid, GOOD, GOOD, address(0), "", mirrored(poolKey, hash))),
            abi.encodeWithSelector(ITasks.AuthorizationInvalid.selector, workers[0], taskid, address(0))
        );
    }

    function test_orders_are_managed_with_no_mirrored_or_longer_signature() public {
        Orders memory o = orders();
        for (uint256 kind = 0; kind < 4; ++kind) {
            OrderOperation operation = kind % 2 == 0 ? OrderOperation.CLOSE : OrderOperation.SIGN;
            bytes32 hash = operationHash(kind, o, operation);
            bytes memory other = mirrored(keyOfKind(kind), hash);
            refuse(workers[0], operationCall(kind, o, operation, other), words("invalid-sender-or-signature"));
            bytes memory valid = sign(keyOfKind(kind), hash);
            refuse(
                workers[0],
                operationCall(kind, o, operation, bytes.concat(valid, hex"00")),
                words("invalid-signature-format")
            );
            vm.prank(workers[0]);
            (bool success,) = address(hub).call(operationCall(kind, o, operation, valid));
            assertTrue(success);
        }
    }

    struct EnclaveVote {
        bytes32 taskid;
        bytes32 hash;
        bytes32 seal;
        address enclave;
        bytes auth;
    }

    function refuseProof(EnclaveVote memory v, bytes memory proof, bytes memory refusal) private {
        bytes memory call =
            abi.encodeCall(hub.contribute, (v.taskid, v.hash, v.seal, v.enclave, proof, v.auth));
        refuse(workers[0], call, refusal);
        call = abi.encodeCall(hub.contributeAndFinalize, (v.taskid, GOOD, "", "", v.enclave, proof, v.auth));
        refuse(workers[0], call, refusal);
    }

    function test_no_enclave_signs_mirrored_or_longer() public {
        (address enclave, uint256 enclaveKey) = makeAddrAndKey("enclave");
        Orders memory o = orders();
        (o.app.tag, o.pool.tag) = (bytes32(uint256(1)), bytes32(uint256(1)));
        bytes32 taskid = hub.initialize(makeDeal(o), 0);
        EnclaveVote memory v = EnclaveVote(
            taskid,
            resultHash(taskid, GOOD),
            resultSeal(workers[0], taskid, GOOD),
            enclave,
            authorization(workers[0], taskid, enclave)
        );
        bytes32 said = ethSigned(keccak256(abi.encodePacked(v.hash, v.seal)));
        refuseProof(
            v,
            mirrored(enclaveKey, said),
            abi.encodeWithSelector(ITasks.EnclaveSignatureInvalid.selector, enclave)
        );
        bytes memory longer = bytes.concat(sign(enclaveKey, said), hex"00");
        refuseProof(v, longer, words("invalid-signature-format"));
    }

    function test_no_push_is_signed_mirrored_or_longer() public {
        (address enclave, uint256 enclaveKey) = makeAddrAndKey("enclave");
        Orders memory o = signAll(orders());
        bytes32 dealid = hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
        bytes32 taskid = idOf(dealid, 0);
        bytes32 hash = ethSigned(keccak256(abi.encodePacked(workers[0], taskid, enclave)));
        bytes32 said = ethSigned(resultSeal(workers[0], taskid, keccak256("r")));
        (bytes memory auth, bytes memory proof) = (sign(poolKey, hash), sign(enclaveKey, said));
        bytes memory format = words("invalid-signature-format");
        refuse(
            workers[0],
            pushWith(dealid, enclave, mirrored(poolKey, hash), proof),
            words("PocoBoost: Invalid contribution authorization signature")
        );
        refuse(workers[0], pushWith(dealid, enclave, bytes.concat(auth, hex"00"), proof), format);
        refuse(
            workers[0],
            pushWith(dealid, enclave, auth, mirrored(enclaveKey, said)),
            words("PocoBoost: Invalid enclave signature")
        );
        refuse(workers[0], pushWith(dealid, enclave, auth, bytes.concat(proof, hex"00")), format);
        vm.prank(workers[0]);
        (bool success,) = address(hub).call(pushWith(dealid, enclave, auth, proof));
        assertTrue(success);
    }

    function pushWith(bytes32 dealid, address enclave, bytes memory auth, bytes memory proof)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(hub.pushResultBoost, (dealid, 0, "r", "", auth, enclave, proof));
    }

    function test_a_signature_of_another_length_or_parity_is_refused() public {
        uint256[5] memory lengths = [uint256(0), 1, 63, 66, 10_000];
        bytes32 taskid = openTask(1);
        for (uint256 i = 0; i < lengths.length; ++i) {
            Orders memory o = signAll(orders());
            o.request.salt = "another";
            o.request.sign = new bytes(lengths[i]);
            refuseMatch(o, words("invalid-signature-format"));
            refuseBoost(o, words("invalid-signature-format"));
            refuse(
                workers[0],
                abi.encodeCall(hub.contribute, (taskid, GOOD, GOOD, address(0), "", o.request.sign)),
                words("invalid-signature-format")
            );
        }
        Orders memory valid = signAll(orders());
        uint8[4] memory parities = [uint8(0), 1, 26, 29];
        for (uint256 i = 0; i < parities.length; ++i) {
            valid.request.sign[64] = bytes1(parities[i]);
            refuseMatch(valid, words("iExecV5-matchOrders-0x50"));
        }
    }

    function test_lists_of_nothing_do_nothing() public {
        bytes32[] memory none = new bytes32[](0);
        uint256[] memory zero = new uint256[](0);
        vm.recordLogs();
        assertTrue(hub.initializeArray(none, zero));
        assertTrue(hub.initializeAndClaimArray(none, zero));
        assertTrue(hub.claimArray(none));
        assertTrue(hub.depositForArray(zero, new address[](0)));
        assertEq(vm.getRecordedLogs().length, 0);
        assertConserved();
    }

    function test_a_list_is_taken_whole_or_not_at_all() public {
        bytes32 dealid = makeDeal(orders());
        bytes32 taskid = keccak256(abi.encodePacked(dealid, uint256(0)));
        (bytes32[] memory deals, uint256[] memory indexes) = (new bytes32[](2), new uint256[](2));
        (deals[0], deals[1]) = (dealid, dealid);
        bytes memory again =
            abi.encodeWithSelector(ITasks.WrongTaskStatus.selector, taskid, TaskStatus.ACTIVE);
        refuse(requester, abi.encodeCall(hub.initializeArray, (deals, indexes)), again);
        vm.warp(START + 10 * T);
        again = abi.encodeWithSelector(ITasks.WrongTaskStatus.selector, taskid, TaskStatus.FAILED);
        refuse(requester, abi.encodeCall(hub.initializeAndClaimArray, (deals, indexes)), again);
        hub.initialize(dealid, 0);
        (deals[0], deals[1]) = (taskid, taskid);
        refuse(requester, abi.encodeCall(hub.claimArray, (deals)), again);
        refuse(
            requester,
            abi.encodeCall(hub.initializeArray, (deals, new uint256[](3))),
            abi.encodeWithSelector(ITasks.ArrayLengthsDiffer.selector, 2, 3)
        );
        refuse(
            requester,
            abi.encodeCall(hub.depositForArray, (indexes, new address[](1))),
            words("invalid-array-length")
        );
    }

    function test_ids_that_nothing_has_are_refused() public {
        bytes memory unset =
            abi.encodeWithSelector(ITasks.WrongTaskStatus.selector, bytes32(0), TaskStatus.UNSET);
        refuse(workers[0], abi.encodeCall(hub.contribute, (0, GOOD, GOOD, address(0), "", "")), unset);
        refuse(workers[0], abi.encodeCall(hub.reveal, (0, GOOD)), unset);
        refuse(poolOwner, abi.encodeCall(hub.reopen, (0)), unset);
        refuse(poolOwner, abi.encodeCall(hub.finalize, (0, "", "")), unset);
        refuse(requester, abi.encodeCall(hub.claim, (0)), unset);
        refuse(
            workers[0],
            abi.encodeCall(hub.contributeAndFinalize, (0, GOOD, "", "", address(0), "", "")),
            unset
        );
        refuse(
            requester,
            abi.encodeCall(hub.initialize, (0, 0)),
            abi.encodeWithSelector(ITasks.UnknownDeal.selector, bytes32(0))
        );
        refuse(requester, abi.encodeCall(hub.claimBoost, (0, 0)), words("PocoBoost: Unknown task"));
    }
}
