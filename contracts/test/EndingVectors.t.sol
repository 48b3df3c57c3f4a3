// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {stdJson} from "forge-std/StdJson.sol";

import {IConditions} from "../src/interfaces/IConditions.sol";
import {IHub} from "../src/interfaces/IHub.sol";
import {ITasks} from "../src/interfaces/ITasks.sol";
import {IPool, Market, Orders} from "./support/Market.sol";
import {Reference} from "./support/Reference.sol";

/// The vectors of `poco-core` on how tasks end where our rules have more to say than the reference's: full tasks,
/// reveals that are withheld, bound results. By our rules on our hub, by the reference's on its own bytecode.
contract EndingVectorsTest is Market, Reference {
    using stdJson for string;

    address internal constant AT = address(0xA11CE0FFEE);
    /// @dev Half a word: bytes that a mark without guard may fill as it likes.
    address internal constant NOISE = address(uint160(uint256(keccak256("noise"))));

    string internal json;
    /// @dev The workers of the vectors, more than the market has.
    address[] internal voters;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("../poco-core/vectors/endings.json");
        assertEq(json.readUint(".funds"), FUNDS);
        uint256 count = json.readUint(".workers");
        for (uint256 i = 0; i < count; ++i) {
            voters.push(makeAddr(string.concat("voter ", vm.toString(i))));
        }
        vm.prank(poolOwner);
        IPool(pool).changePolicy(json.readUint(".stakeRatio"), json.readUint(".schedulerRatio"));
    }

    function test_tasks_end_by_our_rules_as_in_the_vectors() public {
        playAll("ours");
    }

    function test_tasks_end_by_the_rules_of_the_reference_as_in_the_vectors() public {
        placeReference(AT, address(this));
        hub = IHub(payable(AT));
        configureHub();
        hub.createCategory("XS", "{}", T);
        fund(poolOwner);
        fund(requester);
        playAll("reference");
    }

    function playAll(string memory whose) private {
        // The older hub, from which scores come, is at no address of its own.
        vm.mockCall(
            address(0), abi.encodeWithSignature("viewScore(address)"), abi.encode(json.readUint(".score"))
        );
        for (uint256 i = 0; i < voters.length; ++i) {
            fund(voters[i]);
            hub.importScore(voters[i]);
        }
        uint256 k = 0;
        uint256 refused = 0;
        uint256 clean = vm.snapshotState();
        for (; json.keyExists(string.concat(".scenarios[", vm.toString(k), "]")); ++k) {
            // A call of its own: its memory, with a copy of the file for each read, is free again behind it.
            refused += this.play(string.concat(".scenarios[", vm.toString(k), "]"), whose);
            vm.revertToState(clean);
        }
        assertGe(k, 13);
        assertGe(refused, 15);
    }

    /// @dev Plays one scenario; answers how many of its steps were refused.
    function play(string memory path, string memory whose) external returns (uint256 refused) {
        string memory end = string.concat(path, ".", whose);
        string[] memory refusals = json.readStringArray(string.concat(end, ".refusals"));
        bool isOurs = hub != IHub(payable(AT));
        bytes32 taskid = openOf(path);
        for (uint256 k = 0; k < refusals.length; ++k) {
            string memory step = string.concat(path, ".steps[", vm.toString(k), "]");
            if (!takeStep(step, taskid, refusals[k], isOurs)) ++refused;
        }
        assertFalse(json.keyExists(string.concat(path, ".steps[", vm.toString(refusals.length), "]")));
        checkEnding(end, taskid);
    }

    function openOf(string memory path) private returns (bytes32) {
        uint256[] memory prices = json.readUintArray(".prices");
        Orders memory o = orders();
        o.app.appprice = o.request.appmaxprice = prices[0];
        o.dataset.datasetprice = o.request.datasetmaxprice = prices[1];
        o.pool.workerpoolprice = o.request.workerpoolmaxprice = prices[2];
        o.pool.trust = o.request.trust = number(path, "trust");
        o.pool.salt = o.request.salt = mark(number(path, "conditions"), 0, 0, NOISE);
        return hub.initialize(makeDeal(o), 0);
    }

    /// @dev By each of several workers, with the same answer; tells whether it was taken.
    function takeStep(string memory path, bytes32 taskid, string memory refusal, bool isOurs)
        private
        returns (bool isTaken)
    {
        vm.warp(START + number(path, "seconds"));
        isTaken = bytes(refusal).length == 0;
        uint256 last = number(path, "last");
        for (uint256 i = number(path, "first"); i <= last; ++i) {
            address caller = callerOf(word(path, "by"), i);
            bytes memory call = callOf(path, taskid, caller);
            vm.prank(caller);
            (bool success, bytes memory answer) = address(hub).call(call);
            assertEq(success, isTaken, path);
            if (isTaken) continue;
            if (isOurs) assertEq(bytes4(answer), selectorOf(refusal), path);
            else assertEq(answer, "", "the reference has no words for it");
        }
    }

    function callerOf(bytes32 by, uint256 i) private returns (address) {
        if (by == keccak256("workers")) return voters[i];
        if (by == keccak256("poolOwner")) return poolOwner;
        assertEq(by, keccak256("anyone"));
        return makeAddr("anyone");
    }

    function callOf(string memory path, bytes32 taskid, address caller) private view returns (bytes memory) {
        bytes32 act = word(path, "act");
        bytes memory value = bytes(json.readString(string.concat(path, ".value")));
        bytes32 digest = keccak256(value);
        if (act == keccak256("contribute")) {
            bytes32 seal = resultSeal(caller, taskid, digest);
            bytes memory leave = authorization(caller, taskid, address(0));
            return
                abi.encodeCall(
                    hub.contribute, (taskid, resultHash(taskid, digest), seal, address(0), "", leave)
                );
        }
        if (act == keccak256("reveal")) return abi.encodeCall(hub.reveal, (taskid, digest));
        if (act == keccak256("reopen")) return abi.encodeCall(hub.reopen, (taskid));
        if (act == keccak256("finalize")) return abi.encodeCall(hub.finalize, (taskid, value, ""));
        assertEq(act, keccak256("claim"));
        return abi.encodeCall(hub.claim, (taskid));
    }

    function selectorOf(string memory refusal) private pure returns (bytes4) {
        bytes32 name = keccak256(bytes(refusal));
        if (name == keccak256("NotThePoolOwner")) return ITasks.NotThePoolOwner.selector;
        if (name == keccak256("ResultsUnlikeDigest")) return IConditions.ResultsUnlikeDigest.selector;
        if (name == keccak256("RevealsExist")) return ITasks.RevealsExist.selector;
        if (name == keccak256("RevealsPending")) return ITasks.RevealsPending.selector;
        if (name == keccak256("TooEarly")) return ITasks.TooEarly.selector;
        if (name == keccak256("TooLate")) return ITasks.TooLate.selector;
        if (name == keccak256("TooManyContributors")) return ITasks.TooManyContributors.selector;
        assertEq(name, keccak256("WrongTaskStatus"), refusal);
        return ITasks.WrongTaskStatus.selector;
    }

    /// @dev What everybody has, and that nothing but the kitty is frozen.
    function checkEnding(string memory path, bytes32 taskid) private view {
        assertEq(uint8(hub.viewTask(taskid).status), number(path, "status"), path);
        assertEq(free(requester), number(path, "requester"), path);
        assertEq(free(poolOwner), number(path, "poolOwner"), path);
        assertEq(free(appOwner), number(path, "appOwner"), path);
        assertEq(free(datasetOwner), number(path, "datasetOwner"), path);
        assertEq(frozen(KITTY), number(path, "kitty"), path);
        assertEq(hub.balanceOf(address(hub)), frozen(KITTY), "something stayed frozen");
        uint256 i = 0;
        for (uint256 k = 0; i < voters.length; ++k) {
            string memory run = string.concat(path, ".workers[", vm.toString(k), "]");
            for (uint256 left = number(run, "count"); left > 0; --left) {
                assertEq(free(voters[i]), number(run, "free"), run);
                assertEq(hub.viewScore(voters[i]), number(run, "score"), run);
                ++i;
            }
        }
        assertEq(i, voters.length, path);
    }

    function number(string memory path, string memory key) private view returns (uint256) {
        return json.readUint(string.concat(path, ".", key));
    }

    /// @dev A text, to be compared.
    function word(string memory path, string memory key) private view returns (bytes32) {
        return keccak256(bytes(json.readString(string.concat(path, ".", key))));
    }
}
