// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "solady/tokens/ERC20.sol";

import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {Orders} from "./support/Market.sol";
import {Refusals} from "./support/Refusals.sol";

/// Deposits, withdrawals and the ERC-20 face of free stake.
contract EscrowTest is Refusals {
    address internal alice = makeAddr("alice");
    address internal bob = makeAddr("bob");

    function test_a_deposit_moves_tokens_into_free_stake() public {
        uint256 supply = hub.totalSupply();
        token.approve(address(hub), 5 * RLC);
        vm.expectEmit(address(hub));
        emit IEscrow.Transfer(address(0), address(this), 5 * RLC);
        assertTrue(hub.deposit(5 * RLC));
        assertEq(free(address(this)), 5 * RLC);
        assertEq(hub.totalSupply(), supply + 5 * RLC);
        assertEq(token.balanceOf(address(hub)), hub.totalSupply());
    }

    function test_deposits_for_others() public {
        token.approve(address(hub), 6 * RLC);
        hub.depositFor(RLC, alice);
        (uint256[] memory amounts, address[] memory targets) = (new uint256[](2), new address[](2));
        (amounts[0], targets[0]) = (2 * RLC, alice);
        (amounts[1], targets[1]) = (3 * RLC, bob);
        assertTrue(hub.depositForArray(amounts, targets));
        assertEq(free(alice), 3 * RLC);
        assertEq(free(bob), 3 * RLC);
        vm.expectRevert("invalid-array-length");
        hub.depositForArray(amounts, new address[](1));
        vm.expectRevert("ERC20: mint to the zero address");
        hub.depositFor(0, address(0));
    }

    function test_a_deposit_without_allowance_is_refused() public {
        vm.expectRevert(ERC20.InsufficientAllowance.selector);
        hub.deposit(1);
    }

    /// @dev As older tokens do, which say false where others revert.
    function test_a_deposit_that_the_token_says_no_to_is_refused() public {
        token.approve(address(hub), 10 * RLC);
        vm.mockCall(
            address(token),
            abi.encodeWithSignature("transferFrom(address,address,uint256)"),
            abi.encode(false)
        );
        bytes memory reason = words("failed-transferFrom");
        refuse(address(this), abi.encodeCall(hub.deposit, (RLC)), reason);
        refuse(address(this), abi.encodeCall(hub.depositFor, (RLC, alice)), reason);
        (uint256[] memory amounts, address[] memory targets) = (new uint256[](2), new address[](2));
        refuse(address(this), abi.encodeCall(hub.depositForArray, (amounts, targets)), reason);
        bytes memory call = abi.encodeCall(hub.receiveApproval, (address(this), RLC, address(token), ""));
        refuse(address(token), call, reason);
        assertEq(free(address(this)) + free(alice), 0);
        vm.clearMockedCalls();
        hub.deposit(RLC);
        assertEq(free(address(this)), RLC);
    }

    function test_approve_and_call_deposits_in_one_transaction() public {
        assertTrue(token.approveAndCall(address(hub), 4 * RLC, ""));
        assertEq(free(address(this)), 4 * RLC);
        vm.expectRevert("wrong-token");
        hub.receiveApproval(address(this), 1, address(this), "");
    }

    function test_approve_and_call_deposits_and_matches_in_one_transaction() public {
        Orders memory o = signAll(orders());
        bytes memory call = abi.encodeCall(hub.matchOrders, (o.app, o.dataset, o.pool, o.request));
        token.transfer(requester, 100 * RLC);
        vm.prank(requester);
        token.approveAndCall(address(hub), 25 * RLC, call);
        assertEq(frozen(requester), 25 * RLC);
        assertEq(free(requester), FUNDS, "deposited and locked");
        assertEq(hub.viewConsumed(typed(hub.eip712domain_separator(), hashOf(o.request))), 1);
        assertConserved();
        // The refusal of the match is that of the whole, deposit included.
        vm.expectRevert("iExecV5-matchOrders-0x60");
        vm.prank(requester);
        token.approveAndCall(address(hub), 25 * RLC, call);
        assertEq(free(requester), FUNDS);
    }

    function test_nobody_matches_with_the_deposit_of_another() public {
        Orders memory o = signAll(orders());
        bytes memory call = abi.encodeCall(hub.matchOrders, (o.app, o.dataset, o.pool, o.request));
        vm.expectRevert("caller-must-be-requester");
        token.approveAndCall(address(hub), RLC, call);
        vm.expectRevert("unsupported-operation");
        token.approveAndCall(
            address(hub), RLC, abi.encodeCall(hub.sponsorMatchOrders, (o.app, o.dataset, o.pool, o.request))
        );
        assertEq(free(address(this)), 0);
    }

    /// @dev Too short for any call.
    function test_a_deposit_with_less_than_a_selector_is_refused_whole() public {
        bytes4 selector = hub.matchOrders.selector;
        bytes[6] memory data = [
            bytes(hex"aa"),
            hex"aabb",
            hex"aabbcc",
            abi.encodePacked(bytes1(selector)),
            abi.encodePacked(bytes2(selector)),
            abi.encodePacked(bytes3(selector))
        ];
        for (uint256 i = 0; i < data.length; ++i) {
            vm.expectRevert("unsupported-operation");
            token.approveAndCall(address(hub), RLC, data[i]);
        }
        assertEq(free(address(this)), 0);
        assertEq(token.balanceOf(address(hub)), hub.totalSupply());
    }

    /// @dev Orders that end before their requester, that lie nowhere, and that would lie before the call,
    /// among words that name the sender.
    function test_a_deposit_with_half_a_match_is_refused_by_name() public {
        Orders memory o = signAll(orders());
        bytes memory whole = abi.encodeCall(hub.matchOrders, (o.app, o.dataset, o.pool, o.request));
        uint256[6] memory lengths = [uint256(4), 100, 131, 132, 1400, 1700];
        for (uint256 i = 0; i < lengths.length; ++i) {
            bytes memory part = new bytes(lengths[i]);
            for (uint256 j = 0; j < part.length; ++j) {
                part[j] = whole[j];
            }
            // The last ends behind its requester, within the order.
            refuseDeposit(part, i == 5 ? "operation-failed" : "caller-must-be-requester");
        }
        bytes4 selector = hub.matchOrders.selector;
        bytes memory nowhere = abi.encodePacked(selector, new bytes(96), type(uint256).max - 3);
        refuseDeposit(nowhere, "caller-must-be-requester");
        // Before the call's data stand the sender, the amount, the token and two words of the bytes themselves.
        for (uint256 back = 0; back < 8; ++back) {
            uint256 order;
            unchecked {
                order = uint256(0) - 192 - 4 - 32 * back;
            }
            refuseDeposit(
                abi.encodePacked(selector, new bytes(96), order, new bytes(500)), "caller-must-be-requester"
            );
        }
    }

    /// @dev What is no match has a requester all the same.
    function test_a_deposit_whose_match_fails_without_a_word_is_refused_by_name() public {
        bytes4 selector = hub.matchOrders.selector;
        // Three orders that lie nowhere, and a fourth of which there is as much as says whose it is.
        bytes memory request = abi.encodePacked(new bytes(192), uint256(uint160(requester)), new bytes(32));
        bytes32 nowhere = bytes32(type(uint256).max);
        bytes memory data = abi.encodePacked(selector, nowhere, nowhere, nowhere, uint256(128), request);
        (bool success, bytes memory answer) = address(hub).call(data);
        assertFalse(success);
        assertEq(answer, "", "the match has a word for it");
        refuseDeposit(data, "operation-failed");
    }

    function refuseDeposit(bytes memory data, string memory reason) private {
        uint256 before = free(requester);
        vm.prank(requester);
        (bool success, bytes memory answer) =
            address(token).call(abi.encodeCall(token.approveAndCall, (address(hub), 0, data)));
        assertFalse(success);
        assertEq(answer, words(reason));
        assertEq(free(requester), before);
    }

    function test_a_withdrawal_pays_tokens_out() public {
        vm.startPrank(requester);
        vm.expectEmit(address(hub));
        emit IEscrow.Transfer(requester, address(0), RLC);
        assertTrue(hub.withdraw(RLC));
        assertTrue(hub.withdrawTo(2 * RLC, alice));
        assertEq(token.balanceOf(requester), RLC);
        assertEq(token.balanceOf(alice), 2 * RLC);
        assertEq(free(requester), FUNDS - 3 * RLC);
        uint256 left = free(requester);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.FreeStakeTooLow.selector, requester, left, left + 1));
        hub.withdraw(left + 1);
        // The token may not mind, as that of development chains does not.
        vm.expectRevert("ERC20: transfer to the zero address");
        hub.withdrawTo(RLC, address(0));
        vm.stopPrank();
        assertConserved();
    }

    function test_frozen_stake_cannot_be_withdrawn() public {
        makeDeal(orders());
        vm.startPrank(requester);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEscrow.FreeStakeTooLow.selector, requester, FUNDS - 25 * RLC, FUNDS - 24 * RLC
            )
        );
        hub.withdraw(FUNDS - 24 * RLC);
        hub.withdraw(FUNDS - 25 * RLC);
    }

    function test_the_owner_recovers_tokens_that_were_sent_without_a_deposit() public {
        token.transfer(address(hub), 9 * RLC);
        vm.prank(requester);
        vm.expectRevert("Ownable: caller is not the owner");
        hub.recover();
        assertEq(hub.recover(), 9 * RLC);
        assertEq(free(address(this)), 9 * RLC);
        assertEq(hub.recover(), 0);
    }

    function test_free_stake_is_an_erc20() public {
        assertEq(hub.name(), "Staked RLC");
        assertEq(hub.symbol(), "SRLC");
        assertEq(hub.decimals(), 9);
        vm.startPrank(requester);
        vm.expectEmit(address(hub));
        emit IEscrow.Transfer(requester, alice, RLC);
        assertTrue(hub.transfer(alice, RLC));
        assertEq(hub.balanceOf(alice), RLC);
        vm.expectRevert("ERC20: transfer to the zero address");
        hub.transfer(address(0), 1);
        assertTrue(hub.transfer(requester, RLC));
        assertEq(free(requester), FUNDS - RLC, "a transfer to oneself changes nothing");

        assertTrue(hub.approve(bob, 3 * RLC));
        assertTrue(hub.increaseAllowance(bob, RLC));
        assertTrue(hub.decreaseAllowance(bob, 2 * RLC));
        assertEq(hub.allowance(requester, bob), 2 * RLC);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.AllowanceTooLow.selector, bob, 2 * RLC, 3 * RLC));
        hub.decreaseAllowance(bob, 3 * RLC);
        vm.stopPrank();

        vm.startPrank(bob);
        vm.expectEmit(address(hub));
        emit IEscrow.Transfer(requester, bob, RLC);
        vm.expectEmit(address(hub));
        emit IEscrow.Approval(requester, bob, RLC);
        assertTrue(hub.transferFrom(requester, bob, RLC));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.AllowanceTooLow.selector, bob, RLC, 2 * RLC));
        hub.transferFrom(requester, bob, 2 * RLC);
        vm.stopPrank();
    }

    function test_a_supply_beyond_96_bits_is_refused() public {
        vm.mockCall(
            address(token), abi.encodeWithSignature("transferFrom(address,address,uint256)"), abi.encode(true)
        );
        uint256 room = type(uint96).max - hub.totalSupply();
        hub.depositFor(room, alice);
        vm.expectRevert(
            abi.encodeWithSelector(IEscrow.SupplyTooLarge.selector, uint256(type(uint96).max) + 1)
        );
        hub.depositFor(1, alice);
        assertEq(free(alice), room);
    }

    function testFuzz_stake_is_conserved_over_random_movements(uint256 seed) public {
        address[4] memory accounts = [requester, poolOwner, workers[0], workers[1]];
        for (uint256 i = 0; i < 24; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            address from = accounts[seed % 4];
            address to = accounts[(seed >> 8) % 4];
            uint256 amount = (seed >> 16) % (free(from) + 1);
            uint256 kind = (seed >> 240) % 4;
            if (kind == 0) {
                vm.prank(from);
                hub.transfer(to, amount);
            } else if (kind == 1) {
                vm.prank(from);
                hub.withdraw(amount);
            } else if (kind == 2) {
                vm.startPrank(from);
                token.approve(address(hub), token.balanceOf(from));
                hub.depositFor(token.balanceOf(from), to);
                vm.stopPrank();
            } else if (free(requester) >= 25 * RLC && free(poolOwner) >= 6 * RLC) {
                openTask(1);
            }
            assertConserved();
        }
    }
}
