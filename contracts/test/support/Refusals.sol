// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm, VmSafe} from "forge-std/Vm.sol";

import {LaneMarket} from "./LaneMarket.sol";

/// Calls that are refused by a name, and of which nothing stays.
abstract contract Refusals is LaneMarket {
    /// @dev The call is refused with exactly `refusal`, and of what it wrote nothing stays.
    function refuse(address caller, bytes memory call, bytes memory refusal) internal {
        refuseWithin(gasleft(), caller, call, refusal);
    }

    /// @dev The same of a call that gets so much gas.
    function refuseWithin(uint256 gas, address caller, bytes memory call, bytes memory refusal) internal {
        vm.startStateDiffRecording();
        vm.prank(caller);
        (bool success, bytes memory answer) = address(hub).call{gas: gas}(call);
        Vm.AccountAccess[] memory accesses = vm.stopAndReturnStateDiff();
        assertFalse(success, "bad input was taken");
        assertEq(answer, refusal, "refused by another name");
        assertNothingStays(accesses);
        assertConserved();
    }

    /// @dev Whether a call is taken, and what it answers. One that is refused has a name, and of what it wrote nothing
    /// stays; stake is conserved either way.
    function attempt(address caller, bytes memory call) internal returns (bool isTaken, bytes memory answer) {
        vm.startStateDiffRecording();
        vm.prank(caller);
        (isTaken, answer) = address(hub).call(call);
        Vm.AccountAccess[] memory accesses = vm.stopAndReturnStateDiff();
        if (!isTaken) {
            assertGe(answer.length, 4, "refused without a name");
            assertNothingStays(accesses);
        }
        assertConserved();
    }

    function assertNothingStays(Vm.AccountAccess[] memory accesses) internal view {
        for (uint256 i = 0; i < accesses.length; ++i) {
            Vm.StorageAccess[] memory slots = accesses[i].storageAccesses;
            for (uint256 k = 0; k < slots.length; ++k) {
                assertTrue(!slots[k].isWrite || slots[k].reverted, "a refusal wrote to storage");
            }
            if (accesses[i].kind != VmSafe.AccountAccessKind.Create) continue;
            assertEq(accesses[i].account.code.length, 0, "a refusal wrote a record");
        }
    }

    function words(string memory text) internal pure returns (bytes memory) {
        return abi.encodeWithSignature("Error(string)", text);
    }

    /// @dev Bytes of which no two neighbours are the same.
    function long(uint256 size) internal pure returns (bytes memory data) {
        data = new bytes(size);
        for (uint256 i = 0; i < size; ++i) {
            data[i] = bytes1(uint8(i * 7 + 1));
        }
    }
}
