// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {stdJson} from "forge-std/StdJson.sol";

import {Consensus} from "../src/hub/Consensus.sol";
import {IHub} from "../src/interfaces/IHub.sol";
import {
    AppOrder,
    AppOrderOperation,
    DatasetOrder,
    DatasetOrderOperation,
    OrderOperation,
    RequestOrder,
    RequestOrderOperation,
    TaskStatus,
    WorkerpoolOrder,
    WorkerpoolOrderOperation
} from "../src/interfaces/Types.sol";
import {IPool, Market, Orders} from "./support/Market.sol";
import {ContractWallet} from "./support/Parties.sol";

/// The vectors of `poco-core` against the hub: what both say about hashes, messages, signatures and
/// credibility is the same.
contract VectorsTest is Market {
    using stdJson for string;

    string internal constant FOLDER = "../poco-core/vectors/";
    /// @dev Wallets of this code stand where the vectors name owners and requesters.
    ContractWallet internal wallet;
    string internal json;

    function setUp() public override {
        super.setUp();
        wallet = new ContractWallet();
    }

    /// @dev Puts a hub where the vectors' hub is, so that its domain is theirs.
    function moveHub() private {
        json = vm.readFile(string.concat(FOLDER, "orders.json"));
        vm.chainId(json.readUint(".chainId"));
        address at = json.readAddress(".hub");
        deployCodeTo("Hub.sol:Hub", hubArguments(), at);
        hub = IHub(payable(at));
        hub.configure(address(token), "", "", 9, address(apps), address(datasets), address(pools), address(0));
        assertEq(hub.eip712domain_separator(), json.readBytes32(".domainSeparator"));
    }

    /// @dev The hub accepts the vector's hash of the SIGN operation and no other, pre-signs the vector's
    /// order hash, and closes it with the vector's hash of the CLOSE operation.
    function checkOrder(string memory path, bytes memory signCall, bytes memory closeCall, uint256 volume)
        private
    {
        bytes32 orderHash = json.readBytes32(string.concat(path, ".orderHash"));
        callWith(json.readBytes32(string.concat(path, ".signHash")), signCall);
        assertEq(hub.viewPresigned(orderHash), address(wallet), "pre-signed under another hash");
        callWith(json.readBytes32(string.concat(path, ".closeHash")), closeCall);
        assertEq(hub.viewConsumed(orderHash), volume, "closed under another hash");
    }

    function callWith(bytes32 accepted, bytes memory data) private {
        wallet.accept(bytes32(uint256(accepted) ^ 1));
        (bool success,) = address(hub).call(data);
        assertFalse(success, "any hash is accepted");
        wallet.accept(accepted);
        (success,) = address(hub).call(data);
        assertTrue(success, "the vector's operation hash is refused");
    }

    function ownedByWallet(address entry) private {
        vm.mockCall(entry, abi.encodeWithSignature("owner()"), abi.encode(address(wallet)));
    }

    function entryPath(string memory list, uint256 i) private pure returns (string memory) {
        return string.concat(".", list, "[", vm.toString(i), "]");
    }

    function number(string memory path, string memory key) private view returns (uint256) {
        return json.readUint(string.concat(path, ".", key));
    }

    function addr(string memory path, string memory key) private view returns (address) {
        return json.readAddress(string.concat(path, ".", key));
    }

    function word(string memory path, string memory key) private view returns (bytes32) {
        return json.readBytes32(string.concat(path, ".", key));
    }

    function test_app_orders_hash_as_in_the_vectors() public {
        moveHub();
        uint256 i = 0;
        for (; json.keyExists(entryPath("appOrders", i)); ++i) {
            string memory path = entryPath("appOrders", i);
            AppOrder memory o = AppOrder(
                addr(path, "app"),
                number(path, "appprice"),
                number(path, "volume"),
                word(path, "tag"),
                addr(path, "datasetrestrict"),
                addr(path, "workerpoolrestrict"),
                addr(path, "requesterrestrict"),
                word(path, "salt"),
                ""
            );
            ownedByWallet(o.app);
            assertEq(hashOf(o), word(path, "structHash"));
            checkOrder(
                path,
                abi.encodeCall(hub.manageAppOrder, (AppOrderOperation(o, OrderOperation.SIGN, "x"))),
                abi.encodeCall(hub.manageAppOrder, (AppOrderOperation(o, OrderOperation.CLOSE, "x"))),
                o.volume
            );
        }
        assertGe(i, 4);
    }

    function test_dataset_orders_hash_as_in_the_vectors() public {
        moveHub();
        uint256 i = 0;
        for (; json.keyExists(entryPath("datasetOrders", i)); ++i) {
            string memory path = entryPath("datasetOrders", i);
            DatasetOrder memory o = DatasetOrder(
                addr(path, "dataset"),
                number(path, "datasetprice"),
                number(path, "volume"),
                word(path, "tag"),
                addr(path, "apprestrict"),
                addr(path, "workerpoolrestrict"),
                addr(path, "requesterrestrict"),
                word(path, "salt"),
                ""
            );
            ownedByWallet(o.dataset);
            checkOrder(
                path,
                abi.encodeCall(hub.manageDatasetOrder, (DatasetOrderOperation(o, OrderOperation.SIGN, "x"))),
                abi.encodeCall(hub.manageDatasetOrder, (DatasetOrderOperation(o, OrderOperation.CLOSE, "x"))),
                o.volume
            );
        }
        assertGe(i, 4);
    }

    function test_pool_orders_hash_as_in_the_vectors() public {
        moveHub();
        uint256 i = 0;
        for (; json.keyExists(entryPath("workerpoolOrders", i)); ++i) {
            string memory path = entryPath("workerpoolOrders", i);
            WorkerpoolOrder memory o;
            o.workerpool = addr(path, "workerpool");
            o.workerpoolprice = number(path, "workerpoolprice");
            o.volume = number(path, "volume");
            o.tag = word(path, "tag");
            o.category = number(path, "category");
            o.trust = number(path, "trust");
            o.apprestrict = addr(path, "apprestrict");
            o.datasetrestrict = addr(path, "datasetrestrict");
            o.requesterrestrict = addr(path, "requesterrestrict");
            o.salt = word(path, "salt");
            ownedByWallet(o.workerpool);
            checkOrder(
                path,
                abi.encodeCall(
                    hub.manageWorkerpoolOrder, (WorkerpoolOrderOperation(o, OrderOperation.SIGN, "x"))
                ),
                abi.encodeCall(
                    hub.manageWorkerpoolOrder, (WorkerpoolOrderOperation(o, OrderOperation.CLOSE, "x"))
                ),
                o.volume
            );
        }
        assertGe(i, 4);
    }

    function test_request_orders_hash_as_in_the_vectors() public {
        moveHub();
        uint256 checked = 0;
        for (uint256 i = 0; json.keyExists(entryPath("requestOrders", i)); ++i) {
            string memory path = entryPath("requestOrders", i);
            RequestOrder memory o = readRequest(path);
            assertEq(hashOf(o), word(path, "structHash"));
            // Nobody can sign for the zero address.
            if (o.requester == address(0)) continue;
            vm.etch(o.requester, address(wallet).code);
            wallet = ContractWallet(o.requester);
            checkOrder(
                path,
                abi.encodeCall(hub.manageRequestOrder, (RequestOrderOperation(o, OrderOperation.SIGN, "x"))),
                abi.encodeCall(hub.manageRequestOrder, (RequestOrderOperation(o, OrderOperation.CLOSE, "x"))),
                o.volume
            );
            ++checked;
        }
        assertGe(checked, 4);
    }

    function readRequest(string memory path) private view returns (RequestOrder memory o) {
        o.app = addr(path, "app");
        o.appmaxprice = number(path, "appmaxprice");
        o.dataset = addr(path, "dataset");
        o.datasetmaxprice = number(path, "datasetmaxprice");
        o.workerpool = addr(path, "workerpool");
        o.workerpoolmaxprice = number(path, "workerpoolmaxprice");
        o.requester = addr(path, "requester");
        o.volume = number(path, "volume");
        o.tag = word(path, "tag");
        o.category = number(path, "category");
        o.trust = number(path, "trust");
        o.beneficiary = addr(path, "beneficiary");
        o.callback = addr(path, "callback");
        o.params = json.readString(string.concat(path, ".params"));
        o.salt = word(path, "salt");
    }

    function test_ids_and_messages_are_those_of_the_vectors() public {
        json = vm.readFile(string.concat(FOLDER, "messages.json"));
        for (uint256 i = 0; json.keyExists(entryPath("deals", i)); ++i) {
            string memory path = entryPath("deals", i);
            bytes32 id = keccak256(abi.encodePacked(word(path, "requestHash"), number(path, "consumed")));
            assertEq(id, word(path, "dealId"));
        }
        for (uint256 i = 0; json.keyExists(entryPath("tasks", i)); ++i) {
            string memory path = entryPath("tasks", i);
            bytes32 id = keccak256(abi.encodePacked(word(path, "dealId"), number(path, "index")));
            assertEq(id, word(path, "taskId"));
        }
        for (uint256 i = 0; json.keyExists(entryPath("results", i)); ++i) {
            string memory path = entryPath("results", i);
            bytes32 hash = resultHash(word(path, "taskId"), word(path, "digest"));
            bytes32 seal = resultSeal(addr(path, "worker"), word(path, "taskId"), word(path, "digest"));
            assertEq(hash, word(path, "resultHash"));
            assertEq(seal, word(path, "resultSeal"));
            assertEq(ethSigned(keccak256(abi.encodePacked(hash, seal))), word(path, "enclaveHash"));
        }
        uint256 authorizations = 0;
        for (; json.keyExists(entryPath("authorizations", authorizations)); ++authorizations) {
            string memory path = entryPath("authorizations", authorizations);
            bytes memory message =
                abi.encodePacked(addr(path, "worker"), word(path, "taskId"), addr(path, "enclaveChallenge"));
            assertEq(ethSigned(keccak256(message)), word(path, "hash"));
        }
        assertGe(authorizations, 3);
    }

    function test_signatures_are_judged_as_in_the_vectors() public {
        json = vm.readFile(string.concat(FOLDER, "messages.json"));
        uint256 i = 0;
        for (; json.keyExists(entryPath("signatures", i)); ++i) {
            string memory path = entryPath("signatures", i);
            bytes memory signature = json.readBytes(string.concat(path, ".signature"));
            bool isValid = json.readBool(string.concat(path, ".isValid"));
            assertEq(hub.verifySignature(addr(path, "signer"), word(path, "hash"), signature), isValid);
        }
        assertGe(i, 4);
    }

    /// @dev A pool's stake is rounded for one task, and then multiplied.
    function test_stakes_are_those_of_the_vectors() public {
        json = vm.readFile(string.concat(FOLDER, "payouts.json"));
        uint256 i = 0;
        for (; json.keyExists(entryPath("stakes", i)); ++i) {
            uint256 state = vm.snapshotState();
            checkStakes(entryPath("stakes", i));
            vm.revertToState(state);
        }
        assertGe(i, 7);
    }

    function checkStakes(string memory path) private {
        vm.prank(poolOwner);
        IPool(pool).changePolicy(number(path, "workerStakeRatio"), 1);
        Orders memory o = orders();
        o.pool.workerpoolprice = o.request.workerpoolmaxprice = number(path, "workerpoolPrice");
        o.request.volume = number(path, "volume");
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = makeDeal(o);
        assertEq(hub.viewDeal(ids[0]).workerStake, number(path, "workerStake"), path);
        assertEq(frozen(poolOwner), number(path, "dealStake"), path);
        vm.warp(START + 10 * T);
        hub.initializeAndClaimArray(ids, new uint256[](1));
        assertEq(frozen(KITTY), number(path, "taskStake"), path);
        assertEq(frozen(poolOwner), number(path, "dealStake") - number(path, "taskStake"), path);
    }

    function test_weights_are_those_of_the_vectors() public {
        json = vm.readFile(string.concat(FOLDER, "credibility.json"));
        uint256 i = 0;
        for (; json.keyExists(entryPath("weights", i)); ++i) {
            string memory path = entryPath("weights", i);
            uint256 weight = Consensus.weightOf(number(path, "score"));
            assertEq(weight, number(path, "weight"));
            assertEq(Consensus.logWeight(weight), number(path, "logWeight"));
        }
        assertGe(i, 10);
    }

    /// @dev Weights of the groups of the sequence being played, by vote.
    mapping(uint256 sequence => mapping(uint256 vote => uint256)) internal groups;

    /// @dev Plays each sequence on the hub until it comes to a consensus, at the step where the vector says
    /// so; the arithmetic goes on to the sequence's end.
    function test_consensus_comes_when_the_vectors_say() public {
        json = vm.readFile(string.concat(FOLDER, "credibility.json"));
        (bytes32 taskid, uint256 sequence, uint256 total, uint256 consensuses) = (0, 0, 1, 0);
        uint256 i = 0;
        for (; json.keyExists(entryPath("steps", i)); ++i) {
            string memory path = entryPath("steps", i);
            if (number(path, "step") == 0) (taskid, sequence, total) = (openSequence(path, i), i, 1);
            total = checkArithmetic(path, sequence, total);
            if (hub.viewTask(taskid).status == TaskStatus.REVEALING) continue;
            address worker = makeAddr(string.concat("voter ", vm.toString(i)));
            fund(worker);
            setScore(worker, uint64(number(path, "score")));
            contribute(worker, taskid, bytes32(number(path, "vote")));
            bool isConsensus = json.readBool(string.concat(path, ".isConsensus"));
            assertEq(hub.viewTask(taskid).status == TaskStatus.REVEALING, isConsensus, path);
            if (isConsensus) ++consensuses;
        }
        assertGe(i, 20);
        assertGe(consensuses, 3);
    }

    function openSequence(string memory path, uint256 salt) private returns (bytes32) {
        Orders memory o = orders();
        o.pool.trust = type(uint256).max;
        o.request.trust = number(path, "trust");
        o.request.salt = bytes32(salt);
        return hub.initialize(makeDeal(o), 0);
    }

    function checkArithmetic(string memory path, uint256 sequence, uint256 total) private returns (uint256) {
        uint256 vote = number(path, "vote");
        uint256 before = groups[sequence][vote];
        uint256 joined = Consensus.join(before, Consensus.weightOf(number(path, "score")));
        groups[sequence][vote] = joined;
        total += joined - before;
        assertEq(joined, number(path, "group"), path);
        assertEq(total, number(path, "total"), path);
        uint256 trust = number(path, "trust") == 0 ? 1 : number(path, "trust");
        assertEq(
            Consensus.isReached(joined, total, trust),
            json.readBool(string.concat(path, ".isConsensus")),
            path
        );
        return total;
    }
}
