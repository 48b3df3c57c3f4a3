// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {IHub} from "../../src/interfaces/IHub.sol";
import {Market} from "./Market.sol";
import {Reference} from "./Reference.sol";

/// Plays on the reference's bytecode and on our hub, at the same address with the same registries and token, and
/// what each play leaves: every log, refusal and answer of a view, as hashes in order.
abstract contract Twins is Market, Reference {
    address internal constant AT = address(0xA11CE0FFEE);

    /// @dev What the play came through; the constants are the test's.
    uint256 internal reached;

    bytes32[] private trace;

    /// @dev One play, the same on both.
    function play(uint256 seed) internal virtual;

    function placeHub(bool isReference) private {
        if (isReference) placeReference(AT, address(this));
        else deployCodeTo("Hub.sol:Hub", hubArguments(), AT);
        hub = IHub(payable(AT));
        configureHub();
        // Only the reference starts at the lower figure: it is really there.
        assertEq(hub.callbackgas(), isReference ? 100_000 : 200_000);
        hub.setCallbackGas(200_000);
        hub.createCategory("XS", "{}", T);
        fund(poolOwner);
        fund(requester);
        for (uint256 i = 0; i < workers.length; ++i) {
            fund(workers[i]);
        }
    }

    function note(bytes32 item) internal {
        trace.push(item);
    }

    function noteLogs() internal {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            note(keccak256(abi.encode(logs[i].emitter, logs[i].topics, logs[i].data)));
        }
    }

    function noteView(bytes memory call) internal {
        (bool success, bytes memory answer) = AT.staticcall(call);
        note(keccak256(abi.encode(success, success ? answer : bytes(""))));
    }

    /// @dev Calls as `caller`; what the hub answers or refuses with is noted, the refusals that have no words in the
    /// reference by their being refusals alone.
    function noteCall(address caller, bytes memory call) internal returns (bool success) {
        bytes memory answer;
        vm.prank(caller);
        (success, answer) = AT.call(call);
        bool isWorded = success || bytes4(answer) == bytes4(keccak256("Error(string)"));
        note(keccak256(abi.encode(success, isWorded ? answer : bytes(""))));
    }

    /// @dev Called from outside, so that the memory of a play, and of putting the reference together, is given back.
    function tracePlay(bool isReference, uint256 seed) external returns (bytes32[] memory, uint256) {
        uint256 clean = vm.snapshotState();
        delete trace;
        reached = 0;
        placeHub(isReference);
        play(seed);
        (bytes32[] memory kept, uint256 states) = (trace, reached);
        vm.revertToState(clean);
        return (kept, states);
    }

    function compare(uint256 seed) internal returns (uint256) {
        (bytes32[] memory theirs, uint256 theirStates) = this.tracePlay(true, seed);
        (bytes32[] memory ours, uint256 ourStates) = this.tracePlay(false, seed);
        assertEq(theirStates, ourStates);
        assertEq(theirs.length, ours.length, "one of them said more");
        assertGt(theirs.length, 10);
        for (uint256 i = 0; i < theirs.length; ++i) {
            assertEq(theirs[i], ours[i], string.concat("differs at item ", vm.toString(i)));
        }
        return ourStates;
    }
}
