// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {stdJson} from "forge-std/StdJson.sol";

import {IHub} from "../src/interfaces/IHub.sol";
import {
    AppOrderOperation,
    DatasetOrderOperation,
    OrderOperation,
    RequestOrderOperation,
    WorkerpoolOrderOperation
} from "../src/interfaces/Types.sol";
import {Market, Orders} from "./support/Market.sol";
import {Group} from "./support/Parties.sol";
import {Reference} from "./support/Reference.sol";

/// The vectors of `poco-core` on matches, by our rules on our hub and by the reference's on its own bytecode: which
/// rule is told, or how many tasks there are.
contract MatchingVectorsTest is Market, Reference {
    using stdJson for string;

    address internal constant AT = address(0xA11CE0FFEE);

    uint256 internal constant APP_ORDER = 0;
    uint256 internal constant DATASET_ORDER = 1;
    uint256 internal constant POOL_ORDER = 2;
    uint256 internal constant REQUEST_ORDER = 3;

    string internal json;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("../poco-core/vectors/matching.json");
        assertEq(json.readUint(".categories"), hub.countCategory());
    }

    function test_our_hub_matches_as_in_the_vectors() public {
        playAll("ours");
    }

    function test_the_hub_of_the_reference_matches_as_in_the_vectors() public {
        placeReference(AT, address(this));
        hub = IHub(payable(AT));
        configureHub();
        hub.createCategory("XS", "{}", T);
        hub.createCategory("S", "{}", 1200);
        fund(poolOwner);
        fund(requester);
        playAll("release610");
    }

    function playAll(string memory whose) private {
        uint256 i = 0;
        uint256 refused = 0;
        for (; json.keyExists(entryPath(i)); ++i) {
            uint256 state = vm.snapshotState();
            // A call of its own: its memory, with a copy of the file for each read, is free again behind it.
            if (!this.play(entryPath(i), whose)) ++refused;
            vm.revertToState(state);
        }
        assertGe(refused, 50);
        assertGe(i - refused, 30);
    }

    /// @dev Matches the orders of one vector; answers whether that must succeed.
    function play(string memory path, string memory whose) external returns (bool fits) {
        Orders memory o = restricted(path, marketOrders(path));
        o = signAll(o);
        spend(path, o);
        o = missigned(path, o);
        string memory code = json.readString(string.concat(path, ".", whose));
        fits = bytes(code).length == 0;
        if (!fits) vm.expectRevert(bytes(string.concat("iExecV5-matchOrders-", code)));
        bytes32 dealid = matchSigned(o);
        if (fits) assertEq(hub.viewDeal(dealid).botSize, number(path, "tasks"), path);
    }

    function marketOrders(string memory path) private view returns (Orders memory o) {
        uint256[] memory prices = numbers(path, "prices");
        uint256[] memory most = json.readUintArray(".pricesMax");
        uint256[] memory tags = numbers(path, "tags");
        uint256[] memory volumes = numbers(path, "volumes");
        uint256[] memory trusts = numbers(path, "trusts");
        uint256[] memory categories = numbers(path, "categories");
        o = orders();
        (o.app.appprice, o.dataset.datasetprice, o.pool.workerpoolprice) = (prices[0], prices[1], prices[2]);
        (o.request.appmaxprice, o.request.datasetmaxprice) = (most[0], most[1]);
        o.request.workerpoolmaxprice = most[2];
        (o.app.tag, o.dataset.tag) = (bytes32(tags[0]), bytes32(tags[1]));
        (o.pool.tag, o.request.tag) = (bytes32(tags[2]), bytes32(tags[3]));
        (o.app.volume, o.dataset.volume) = (volumes[0], volumes[1]);
        (o.pool.volume, o.request.volume) = (volumes[2], volumes[3]);
        (o.pool.trust, o.request.trust) = (trusts[0], trusts[1]);
        (o.pool.category, o.request.category) = (categories[0], categories[1]);
        o.request.workerpool = address(0);
        if (!json.readBool(string.concat(path, ".hasDataset"))) {
            (o.dataset.dataset, o.request.dataset) = (address(0), address(0));
        }
        if (isOf(path, "unknown", APP_ORDER)) (o.app.app, o.request.app) = (pool, pool);
        if (isOf(path, "unknown", DATASET_ORDER)) (o.dataset.dataset, o.request.dataset) = (app, app);
        if (isOf(path, "unknown", POOL_ORDER)) o.pool.workerpool = app;
        if (isOf(path, "other", APP_ORDER)) o.request.app = pool;
        if (isOf(path, "other", DATASET_ORDER)) o.request.dataset = pool;
    }

    function restricted(string memory path, Orders memory o) private returns (Orders memory) {
        bytes memory letters = bytes(json.readString(string.concat(path, ".restrictions")));
        address[10] memory them = [
            o.pool.workerpool,
            o.dataset.dataset,
            o.pool.workerpool,
            requester,
            o.app.app,
            o.pool.workerpool,
            requester,
            o.app.app,
            o.dataset.dataset,
            requester
        ];
        address[10] memory only;
        for (uint256 i = 0; i < only.length; ++i) {
            only[i] = whom(letters[i], them[i]);
        }
        o.request.workerpool = only[0];
        (o.app.datasetrestrict, o.app.workerpoolrestrict, o.app.requesterrestrict) =
        (only[1], only[2], only[3]);
        (o.dataset.apprestrict, o.dataset.workerpoolrestrict) = (only[4], only[5]);
        o.dataset.requesterrestrict = only[6];
        (o.pool.apprestrict, o.pool.datasetrestrict, o.pool.requesterrestrict) = (only[7], only[8], only[9]);
        return o;
    }

    /// @dev Whom a restriction names, by its letter in the vectors.
    function whom(bytes1 letter, address them) private returns (address) {
        if (letter == "-") return address(0);
        if (letter == "t") return them;
        if (letter == "o") return workers[0];
        address[] memory members = new address[](1);
        members[0] = letter == "g" ? them : workers[0];
        assertTrue(letter == "g" || letter == "s", "a letter of the vectors");
        return address(new Group(members));
    }

    /// @dev Cancels the orders that are used up.
    function spend(string memory path, Orders memory o) private {
        OrderOperation close = OrderOperation.CLOSE;
        if (isOf(path, "spent", APP_ORDER)) {
            vm.prank(appOwner);
            hub.manageAppOrder(AppOrderOperation(o.app, close, ""));
        }
        if (isOf(path, "spent", DATASET_ORDER)) {
            vm.prank(datasetOwner);
            hub.manageDatasetOrder(DatasetOrderOperation(o.dataset, close, ""));
        }
        if (isOf(path, "spent", POOL_ORDER)) {
            vm.prank(poolOwner);
            hub.manageWorkerpoolOrder(WorkerpoolOrderOperation(o.pool, close, ""));
        }
        if (isOf(path, "spent", REQUEST_ORDER)) {
            vm.prank(requester);
            hub.manageRequestOrder(RequestOrderOperation(o.request, close, ""));
        }
    }

    /// @dev Puts another's signature on the orders that are not signed by whom they should be.
    function missigned(string memory path, Orders memory o) private view returns (Orders memory) {
        bytes memory strange = sign(uint256(keccak256("a stranger")), keccak256("something else"));
        if (isOf(path, "unsigned", APP_ORDER)) o.app.sign = strange;
        if (isOf(path, "unsigned", DATASET_ORDER)) o.dataset.sign = strange;
        if (isOf(path, "unsigned", POOL_ORDER)) o.pool.sign = strange;
        if (isOf(path, "unsigned", REQUEST_ORDER)) o.request.sign = strange;
        return o;
    }

    /// @dev Whether something is true of an order.
    function isOf(string memory path, string memory what, uint256 order) private view returns (bool) {
        return number(path, what) >> order & 1 == 1;
    }

    function entryPath(uint256 i) private pure returns (string memory) {
        return string.concat(".cases[", vm.toString(i), "]");
    }

    function number(string memory path, string memory key) private view returns (uint256) {
        return json.readUint(string.concat(path, ".", key));
    }

    function numbers(string memory path, string memory key) private view returns (uint256[] memory) {
        return json.readUintArray(string.concat(path, ".", key));
    }
}
