// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IHub} from "../../src/interfaces/IHub.sol";
import {
    Account,
    AppOrder,
    AppOrderOperation,
    DatasetOrder,
    DatasetOrderOperation,
    OrderOperation,
    RequestOrder,
    RequestOrderOperation,
    Task,
    WorkerpoolOrder,
    WorkerpoolOrderOperation
} from "../../src/interfaces/Types.sol";
import {Signing} from "./Signing.sol";

interface IRegistries {
    function createApp(address, string calldata, string calldata, bytes calldata, bytes32, bytes calldata)
        external
        returns (address);
    function createDataset(address, string calldata, bytes calldata, bytes32) external returns (address);
    function createWorkerpool(address, string calldata) external returns (address);
    function initialize(address previous) external;
    function transferFrom(address from, address to, uint256 id) external;
    function isRegistered(address entry) external view returns (bool);
    function ownerOf(uint256 id) external view returns (address);
}

interface IPool {
    function changePolicy(uint256 stakeRatio, uint256 rewardRatio) external;
}

interface IRlc {
    function transfer(address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
    function approveAndCall(address spender, uint256 amount, bytes calldata data) external returns (bool);
    function balanceOf(address account) external view returns (uint256);
}

struct Orders {
    AppOrder app;
    DatasetOrder dataset;
    WorkerpoolOrder pool;
    RequestOrder request;
}

/// A market as the README deploys it, with one app, dataset and pool, funded parties, and the steps of a
/// task as short calls. The contracts are those of the committed build, deployed by name.
abstract contract Market is Signing {
    uint256 internal constant RLC = 1e9;
    uint256 internal constant T = 300;
    /// @dev When every test begins. Tests add to it rather than read `block.timestamp` again after a warp,
    /// which the optimizer takes for a constant.
    uint256 internal constant START = 1_700_000_000;
    uint256 internal constant FUNDS = 1_000_000 * RLC;
    address internal constant KITTY = 0x99c2268479b93fDe36232351229815DF80837e23;

    IRlc internal token;
    IHub internal hub;
    IRegistries internal apps;
    IRegistries internal datasets;
    IRegistries internal pools;

    address internal app;
    address internal dataset;
    address internal pool;

    address internal appOwner;
    uint256 internal appKey;
    address internal datasetOwner;
    uint256 internal datasetKey;
    address internal poolOwner;
    uint256 internal poolKey;
    address internal requester;
    uint256 internal requesterKey;
    address[8] internal workers;

    function setUp() public virtual {
        vm.warp(START);
        deployMarket();
        (appOwner, appKey) = makeAddrAndKey("app owner");
        (datasetOwner, datasetKey) = makeAddrAndKey("dataset owner");
        (poolOwner, poolKey) = makeAddrAndKey("pool owner");
        (requester, requesterKey) = makeAddrAndKey("requester");
        app = apps.createApp(appOwner, "app", "DOCKER", "registry.example/app:1", keccak256("image"), "");
        dataset = datasets.createDataset(datasetOwner, "dataset", "/ipfs/Qm", keccak256("data"));
        pool = pools.createWorkerpool(poolOwner, "a pool");
        fund(poolOwner);
        fund(requester);
        for (uint256 i = 0; i < workers.length; ++i) {
            workers[i] = makeAddr(string.concat("worker ", vm.toString(i)));
            fund(workers[i]);
        }
    }

    function deployMarket() private {
        token = IRlc(vm.deployCode("RLC.sol:RLC"));
        apps = IRegistries(vm.deployCode("AppRegistry.sol:AppRegistry"));
        datasets = IRegistries(vm.deployCode("DatasetRegistry.sol:DatasetRegistry"));
        pools = IRegistries(vm.deployCode("WorkerpoolRegistry.sol:WorkerpoolRegistry"));
        apps.initialize(address(0));
        datasets.initialize(address(0));
        pools.initialize(address(0));
        hub = IHub(payable(vm.deployCode("Hub.sol:Hub", hubArguments())));
        configureHub();
        hub.createCategory("XS", "{}", T);
        hub.createCategory("S", "{}", 1200);
    }

    /// @dev Gives a new hub, ours or the reference's, this market's token and registries.
    function configureHub() internal {
        hub.configure(
            address(token),
            "Staked RLC",
            "SRLC",
            9,
            address(apps),
            address(datasets),
            address(pools),
            address(0)
        );
    }

    /// @dev Deploys the parts behind the hub's address.
    function hubArguments() internal returns (bytes memory) {
        return abi.encode(
            vm.deployCode(
                "HubExtension.sol:HubExtension", abi.encode(vm.deployCode("HubViews.sol:HubViews"))
            ),
            vm.deployCode("HubBoost.sol:HubBoost"),
            vm.deployCode("HubLane.sol:HubLane")
        );
    }

    function fund(address account) internal {
        token.approve(address(hub), FUNDS);
        hub.depositFor(FUNDS, account);
    }

    /// @dev Orders that match: app 3 RLC, dataset 2, pool 20, one task, trust 1.
    function orders() internal view returns (Orders memory o) {
        o.app.app = app;
        o.app.appprice = 3 * RLC;
        o.app.volume = 1000;
        o.dataset.dataset = dataset;
        o.dataset.datasetprice = 2 * RLC;
        o.dataset.volume = 1000;
        o.pool.workerpool = pool;
        o.pool.workerpoolprice = 20 * RLC;
        o.pool.volume = 1000;
        o.pool.trust = 1000;
        o.request.app = app;
        o.request.appmaxprice = 3 * RLC;
        o.request.dataset = dataset;
        o.request.datasetmaxprice = 2 * RLC;
        o.request.workerpool = pool;
        o.request.workerpoolmaxprice = 20 * RLC;
        o.request.requester = requester;
        o.request.volume = 1;
        o.request.trust = 1;
    }

    function signAll(Orders memory o) internal view returns (Orders memory) {
        bytes32 domain = hub.eip712domain_separator();
        o.app.sign = sign(appKey, typed(domain, hashOf(o.app)));
        if (o.dataset.dataset != address(0)) {
            o.dataset.sign = sign(datasetKey, typed(domain, hashOf(o.dataset)));
        }
        o.pool.sign = sign(poolKey, typed(domain, hashOf(o.pool)));
        o.request.sign = sign(requesterKey, typed(domain, hashOf(o.request)));
        return o;
    }

    function matchSigned(Orders memory o) internal returns (bytes32) {
        return hub.matchOrders(o.app, o.dataset, o.pool, o.request);
    }

    function makeDeal(Orders memory o) internal returns (bytes32) {
        return matchSigned(signAll(o));
    }

    /// @dev The kinds of orders by number: app, dataset, pool, request.
    function keyOfKind(uint256 kind) internal view returns (uint256) {
        return [appKey, datasetKey, poolKey, requesterKey][kind];
    }

    /// @dev What the owner of an order signs to have it managed.
    function operationHash(uint256 kind, Orders memory o, OrderOperation operation)
        internal
        view
        returns (bytes32)
    {
        bytes32 structHash;
        if (kind == 0) structHash = hashOfOperation("AppOrder", APP, hashOf(o.app), operation);
        if (kind == 1) structHash = hashOfOperation("DatasetOrder", DATASET, hashOf(o.dataset), operation);
        if (kind == 2) structHash = hashOfOperation("WorkerpoolOrder", POOL, hashOf(o.pool), operation);
        if (kind == 3) structHash = hashOfOperation("RequestOrder", REQUEST, hashOf(o.request), operation);
        return typed(hub.eip712domain_separator(), structHash);
    }

    function operationCall(uint256 kind, Orders memory o, OrderOperation operation, bytes memory signature)
        internal
        view
        returns (bytes memory)
    {
        if (kind == 0) {
            return abi.encodeCall(hub.manageAppOrder, (AppOrderOperation(o.app, operation, signature)));
        }
        if (kind == 1) {
            return
                abi.encodeCall(
                    hub.manageDatasetOrder, (DatasetOrderOperation(o.dataset, operation, signature))
                );
        }
        if (kind == 2) {
            return abi.encodeCall(
                hub.manageWorkerpoolOrder, (WorkerpoolOrderOperation(o.pool, operation, signature))
            );
        }
        return
            abi.encodeCall(hub.manageRequestOrder, (RequestOrderOperation(o.request, operation, signature)));
    }

    /// @dev A deal of one task of the given trust, initialized.
    function openTask(uint256 trust) internal returns (bytes32 taskid) {
        Orders memory o = orders();
        o.request.trust = trust;
        o.request.salt = bytes32(vm.randomUint());
        return hub.initialize(makeDeal(o), 0);
    }

    function authorization(address worker, bytes32 taskid, address challenge)
        internal
        view
        returns (bytes memory)
    {
        return sign(poolKey, ethSigned(keccak256(abi.encodePacked(worker, taskid, challenge))));
    }

    function resultHash(bytes32 taskid, bytes32 digest) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(taskid, digest));
    }

    function resultSeal(address worker, bytes32 taskid, bytes32 digest) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(worker, taskid, digest));
    }

    function contribute(address worker, bytes32 taskid, bytes32 digest) internal {
        bytes memory auth = authorization(worker, taskid, address(0));
        vm.prank(worker);
        hub.contribute(
            taskid, resultHash(taskid, digest), resultSeal(worker, taskid, digest), address(0), "", auth
        );
    }

    function reveal(address worker, bytes32 taskid, bytes32 digest) internal {
        vm.prank(worker);
        hub.reveal(taskid, digest);
    }

    function finalize(bytes32 taskid, bytes memory results, bytes memory callback) internal {
        vm.prank(poolOwner);
        hub.finalize(taskid, results, callback);
    }

    /// @dev Gives a worker a score by writing its account's slot: score is in its upper 64 bits.
    function setScore(address worker, uint64 score) internal {
        bytes32 slot = keccak256(abi.encode(worker, STAKES_SLOT));
        uint256 held = uint256(vm.load(address(hub), slot)) & type(uint192).max;
        vm.store(address(hub), slot, bytes32(held | uint256(score) << 192));
        assertEq(hub.viewScore(worker), score, "the slot of stakes has moved");
    }

    /// @dev Where `_stakes` lies in the storage of the hub.
    uint256 internal constant STAKES_SLOT = 16;

    function free(address account) internal view returns (uint256) {
        return hub.viewAccount(account).stake;
    }

    function frozen(address account) internal view returns (uint256) {
        return hub.viewAccount(account).locked;
    }

    /// @dev The hub's tokens are the supply, and its ERC-20 balance the sum of all frozen stake.
    function assertConserved() internal view {
        assertEq(token.balanceOf(address(hub)), hub.totalSupply(), "tokens and supply differ");
        uint256 freeSum =
            free(requester) + free(poolOwner) + free(appOwner) + free(datasetOwner) + free(KITTY);
        uint256 frozenSum = frozen(requester) + frozen(poolOwner) + frozen(KITTY);
        for (uint256 i = 0; i < workers.length; ++i) {
            freeSum += free(workers[i]);
            frozenSum += frozen(workers[i]);
        }
        assertEq(freeSum + frozenSum, hub.totalSupply(), "stake was made or lost");
        assertEq(hub.balanceOf(address(hub)), frozenSum, "the hub's balance is not the frozen sum");
    }
}
