// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {IMatching} from "../interfaces/IOrders.sol";
import {IToken} from "../interfaces/IParties.sol";
import {Debits} from "./Debits.sol";
import {Ownable} from "./Ownable.sol";

/// Deposits and withdrawals. The token is trusted: it is set once by the
/// owner, and calls to it come before stake is credited and after it is debited.
abstract contract Escrow is IEscrow, Ownable, Debits {
    function deposit(uint256 amount) external returns (bool) {
        _deposit(msg.sender, amount, msg.sender);
        return true;
    }

    function depositFor(uint256 amount, address target) external returns (bool) {
        _deposit(msg.sender, amount, target);
        return true;
    }

    function depositForArray(uint256[] calldata amounts, address[] calldata targets) external returns (bool) {
        require(amounts.length == targets.length, "invalid-array-length");
        for (uint256 i = 0; i < amounts.length; ++i) {
            _deposit(msg.sender, amounts[i], targets[i]);
        }
        return true;
    }

    /// @dev With a call of `matchOrders` in `data`, that is made too, by the requester's own hand only.
    function receiveApproval(address sender, uint256 amount, address token_, bytes calldata data)
        external
        returns (bool)
    {
        require(token_ == _token, "wrong-token");
        _deposit(sender, amount, sender);
        if (data.length > 0) _matchFor(sender, data);
        return true;
    }

    function withdraw(uint256 amount) external returns (bool) {
        _withdraw(amount, msg.sender);
        return true;
    }

    function withdrawTo(uint256 amount, address target) external returns (bool) {
        _withdraw(amount, target);
        return true;
    }

    function recover() external onlyOwner returns (uint256 surplus) {
        surplus = IToken(_token).balanceOf(address(this)) - _supply.total;
        _mint(_owner, surplus);
    }

    function _matchFor(address requester, bytes calldata call) private {
        bool isMatch = call.length > 3 && bytes4(call[:4]) == IMatching.matchOrders.selector;
        require(isMatch, "unsupported-operation");
        require(_requesterOf(call) == requester, "caller-must-be-requester");
        (bool success, bytes memory answer) = address(this).delegatecall(call);
        if (success) return;
        require(answer.length > 0, "operation-failed");
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    /// @dev The requester in a call of `matchOrders`: the seventh word of the fourth order; nobody if the call ends
    /// before it.
    function _requesterOf(bytes calldata call) private pure returns (address) {
        if (call.length < 132) return address(0);
        uint256 order = uint256(bytes32(call[100:132]));
        if (order > call.length || call.length - order < 228) return address(0);
        return address(uint160(uint256(bytes32(call[order + 196:order + 228]))));
    }

    function _deposit(address from, uint256 amount, address target) private {
        require(IToken(_token).transferFrom(from, address(this), amount), "failed-transferFrom");
        _mint(target, amount);
    }

    function _withdraw(uint256 amount, address target) private {
        require(target != address(0), "ERC20: transfer to the zero address");
        _debit(msg.sender, amount);
        unchecked {
            _supply.total -= uint96(amount);
        }
        emit Transfer(msg.sender, address(0), amount);
        if (!IToken(_token).transfer(target, amount)) revert TokenTransferFailed();
    }

    /// @dev Every balance is part of the supply, so the one check keeps them all within 96 bits.
    function _mint(address account, uint256 amount) private {
        require(account != address(0), "ERC20: mint to the zero address");
        uint256 supply = _supply.total + amount;
        if (supply > type(uint96).max) revert SupplyTooLarge(supply);
        _supply.total = uint96(supply);
        _stakes[account] = _stakes[account].credit(amount);
        emit Transfer(address(0), account, amount);
    }
}
