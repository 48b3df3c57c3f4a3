// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {Refusals} from "../support/Refusals.sol";

/// @dev Takes approvals, or does not.
contract Spender {
    bytes32 public heard;
    bool private immutable _isWilling;

    constructor(bool isWilling) {
        _isWilling = isWilling;
    }

    function receiveApproval(address sender, uint256 amount, address token, bytes calldata data)
        external
        returns (bool)
    {
        heard = keccak256(abi.encode(sender, amount, token, data));
        return _isWilling;
    }
}

/// Stake and tokens, whatever the amounts: a call is refused by name, or moves what it says and nothing else.
/// forge-config: default.fuzz.runs = 64
contract EscrowFuzzTest is Refusals {
    /// @dev Anybody who has an account, now and then nobody.
    function party(uint256 seed) private view returns (address) {
        if (seed % 13 < 8) return workers[seed % 13];
        return [requester, poolOwner, appOwner, datasetOwner, address(0)][seed % 13 - 8];
    }

    function depositCall(uint256 kind, uint256 amount, address target) private view returns (bytes memory) {
        if (kind == 0) return abi.encodeCall(hub.deposit, (amount));
        if (kind == 1) return abi.encodeCall(hub.depositFor, (amount, target));
        (uint256[] memory amounts, address[] memory targets) = (new uint256[](2), new address[](2));
        (amounts[0], targets[0]) = (amount, target);
        (amounts[1], targets[1]) = (1, workers[0]);
        return abi.encodeCall(hub.depositForArray, (amounts, targets));
    }

    function testFuzz_a_deposit_credits_what_the_token_gave(
        uint8 kind,
        uint256 amount,
        uint256 allowed,
        uint256 seed
    ) public {
        kind %= 3;
        amount = bound(amount, 0, 2 * FUNDS);
        allowed = bound(allowed, 0, 3 * FUNDS);
        address target = kind == 0 ? requester : party(seed);
        token.transfer(requester, FUNDS);
        vm.prank(requester);
        token.approve(address(hub), allowed);
        uint256 sum = kind == 2 ? amount + 1 : amount;
        (uint256 before, uint256 supply) = (free(target), hub.totalSupply());
        (bool isTaken,) = attempt(requester, depositCall(kind, amount, target));
        assertEq(isTaken, sum <= allowed && sum <= FUNDS && target != address(0));
        assertEq(hub.totalSupply(), isTaken ? supply + sum : supply);
        uint256 credit = kind == 2 && target == workers[0] ? sum : amount;
        assertEq(free(target), isTaken ? before + credit : before);
        assertEq(token.balanceOf(requester), isTaken ? FUNDS - sum : FUNDS);
    }

    function testFuzz_lists_of_deposits_have_one_length(uint8 amounts, uint8 targets) public {
        vm.assume(amounts % 8 != targets % 8);
        refuse(
            requester,
            abi.encodeCall(hub.depositForArray, (new uint256[](amounts % 8), new address[](targets % 8))),
            words("invalid-array-length")
        );
    }

    function testFuzz_bytes_that_are_no_match_come_with_no_deposit(
        uint256 amount,
        bytes calldata data,
        bool isEmpty,
        bool isStranger
    ) public {
        amount = bound(amount, 0, 2 * FUNDS);
        bytes memory said = isEmpty ? bytes("") : data;
        if (isStranger) {
            bytes memory call = abi.encodeCall(hub.receiveApproval, (requester, amount, address(this), said));
            refuse(workers[0], call, words("wrong-token"));
            return;
        }
        token.transfer(requester, FUNDS);
        uint256 before = free(requester);
        vm.prank(requester);
        (bool isTaken, bytes memory answer) =
            address(token).call(abi.encodeCall(token.approveAndCall, (address(hub), amount, said)));
        assertEq(isTaken, amount <= FUNDS && said.length == 0);
        assertEq(free(requester), isTaken ? before + amount : before);
        if (!isTaken && amount <= FUNDS) assertEq(answer, words("unsupported-operation"));
        assertConserved();
    }

    function testFuzz_a_withdrawal_pays_what_is_free(bool isTo, uint256 amount, uint256 seed) public {
        makeDeal(orders());
        uint256 most = free(requester);
        amount = bound(amount, 0, 2 * most);
        address target = isTo ? party(seed) : requester;
        uint256 tokens = token.balanceOf(target);
        (bool isTaken, bytes memory answer) = attempt(
            requester,
            isTo ? abi.encodeCall(hub.withdrawTo, (amount, target)) : abi.encodeCall(hub.withdraw, (amount))
        );
        assertEq(isTaken, amount <= most && target != address(0));
        assertEq(free(requester), isTaken ? most - amount : most);
        assertEq(token.balanceOf(target), isTaken ? tokens + amount : tokens);
        if (!isTaken && target != address(0)) {
            assertEq(
                answer, abi.encodeWithSelector(IEscrow.FreeStakeTooLow.selector, requester, most, amount)
            );
        }
    }

    function testFuzz_the_owner_recovers_the_surplus_alone(uint256 surplus, bool isOwner) public {
        surplus = bound(surplus, 0, FUNDS);
        token.transfer(address(hub), surplus);
        uint256 supply = hub.totalSupply();
        vm.prank(isOwner ? address(this) : requester);
        if (!isOwner) vm.expectRevert("Ownable: caller is not the owner");
        hub.recover();
        assertEq(hub.totalSupply(), isOwner ? supply + surplus : supply);
        assertEq(free(address(this)), isOwner ? surplus : 0);
    }

    function testFuzz_free_stake_moves_to_whom_it_is_sent(
        bool isFrom,
        uint256 amount,
        uint256 allowed,
        uint256 seed
    ) public {
        makeDeal(orders());
        uint256 most = free(requester);
        amount = bound(amount, 0, 2 * most);
        address to = party(seed);
        vm.prank(requester);
        hub.approve(poolOwner, allowed);
        uint256 before = free(to);
        (bool isTaken,) = isFrom
            ? attempt(poolOwner, abi.encodeCall(hub.transferFrom, (requester, to, amount)))
            : attempt(requester, abi.encodeCall(hub.transfer, (to, amount)));
        assertEq(isTaken, amount <= most && to != address(0) && (!isFrom || amount <= allowed));
        assertEq(hub.allowance(requester, poolOwner), isTaken && isFrom ? allowed - amount : allowed);
        if (to != requester) assertEq(free(to), isTaken ? before + amount : before);
        assertEq(free(requester), isTaken && to != requester ? most - amount : most);
    }

    function testFuzz_an_allowance_is_what_was_said_last(
        uint8 kind,
        uint256 first,
        uint256 second,
        uint256 seed
    ) public {
        address spender = party(seed);
        kind %= 3;
        if (spender != address(0)) {
            vm.prank(requester);
            hub.approve(spender, first);
        } else {
            first = 0;
        }
        bytes memory call = abi.encodeCall(hub.approve, (spender, second));
        uint256 last = second;
        bool isPossible = true;
        if (kind == 1) {
            call = abi.encodeCall(hub.increaseAllowance, (spender, second));
            isPossible = second <= type(uint256).max - first;
            if (isPossible) last = first + second;
        } else if (kind == 2) {
            call = abi.encodeCall(hub.decreaseAllowance, (spender, second));
            isPossible = second <= first;
            if (isPossible) last = first - second;
        }
        (bool isTaken,) = attempt(requester, call);
        assertEq(isTaken, isPossible && spender != address(0));
        assertEq(hub.allowance(requester, spender), isTaken ? last : first);
    }

    function testFuzz_an_approval_is_told_to_its_spender(uint256 amount, bytes calldata data, bool isWilling)
        public
    {
        Spender spender = new Spender(isWilling);
        (bool isTaken, bytes memory answer) =
            attempt(requester, abi.encodeCall(hub.approveAndCall, (address(spender), amount, data)));
        assertEq(isTaken, isWilling);
        assertEq(hub.allowance(requester, address(spender)), isTaken ? amount : 0);
        if (isTaken) assertEq(spender.heard(), keccak256(abi.encode(requester, amount, address(hub), data)));
        else assertEq(answer, words("approval-refused"));
    }
}
