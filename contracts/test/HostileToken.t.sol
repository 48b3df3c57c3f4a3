// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {End, Ends} from "./support/Ends.sol";

/// A token that turns against its holders: what was deposited cannot be paid out while it does, but no task is held up,
/// and when it pays again everybody gets what is theirs.
contract HostileTokenTest is Ends {
    /// @dev Code that reverts, that burns all gas, that answers with nothing and that says no.
    bytes[4] private ways = [bytes(hex"5f5ffd"), hex"fe", hex"00", hex"5f5f5260205ff3"];

    function test_a_token_that_turns_hostile_holds_up_no_end() public {
        bytes memory sound = address(token).code;
        for (uint256 i = 0; i < ways.length; ++i) {
            uint256 clean = vm.snapshotState();
            End[] memory ends = everyEnd();
            token.approve(address(hub), RLC);
            vm.etch(address(token), ways[i]);
            checkNothingIsPaid();
            for (uint256 k = 0; k < ends.length; ++k) {
                checkEnd(ends[k]);
            }
            checkNothingIsPaid();
            vm.etch(address(token), sound);
            checkAllEnded(4);
            checkPaid(requester);
            checkPaid(workers[0]);
            checkPaid(appOwner);
            vm.revertToState(clean);
        }
    }

    /// @dev It would be no test if the token still did its work.
    function checkNothingIsPaid() private {
        uint256 held = free(requester);
        vm.prank(requester);
        (bool success,) = address(hub).call{gas: GAS}(abi.encodeCall(hub.withdraw, (RLC)));
        assertFalse(success, "the token pays");
        (success,) = address(hub).call{gas: GAS}(abi.encodeCall(hub.deposit, (RLC)));
        assertFalse(success, "the token takes");
        assertEq(free(requester), held);
    }

    function checkPaid(address account) private {
        uint256 held = free(account);
        assertGt(held, 0);
        vm.prank(account);
        hub.withdraw(held);
        assertEq(token.balanceOf(account), held);
    }
}
