// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {IToken, ITokenSpender} from "../interfaces/IParties.sol";
import {Ownable} from "./Ownable.sol";

/// Deposits, withdrawals and the ERC-20 face of free stake. The token is trusted: it is set once by the
/// owner, and calls to it come before stake is credited and after it is debited.
abstract contract Escrow is IEscrow, Ownable {
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

    function receiveApproval(address sender, uint256 amount, address token_, bytes calldata)
        external
        returns (bool)
    {
        require(token_ == _token, "wrong-token");
        _deposit(sender, amount, sender);
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

    function transfer(address recipient, uint256 amount) external returns (bool) {
        _transfer(msg.sender, recipient, amount);
        return true;
    }

    function transferFrom(address sender, address recipient, uint256 amount) external returns (bool) {
        uint256 allowed = _allowances[sender][msg.sender];
        if (amount > allowed) revert AllowanceTooLow(msg.sender, allowed, amount);
        _transfer(sender, recipient, amount);
        _approve(sender, msg.sender, allowed - amount);
        return true;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        _approve(msg.sender, spender, amount);
        return true;
    }

    function approveAndCall(address spender, uint256 amount, bytes calldata data) external returns (bool) {
        _approve(msg.sender, spender, amount);
        require(
            ITokenSpender(spender).receiveApproval(msg.sender, amount, address(this), data),
            "approval-refused"
        );
        return true;
    }

    function increaseAllowance(address spender, uint256 added) external returns (bool) {
        _approve(msg.sender, spender, _allowances[msg.sender][spender] + added);
        return true;
    }

    function decreaseAllowance(address spender, uint256 subtracted) external returns (bool) {
        uint256 allowed = _allowances[msg.sender][spender];
        if (subtracted > allowed) revert AllowanceTooLow(spender, allowed, subtracted);
        _approve(msg.sender, spender, allowed - subtracted);
        return true;
    }

    function _deposit(address from, uint256 amount, address target) private {
        require(IToken(_token).transferFrom(from, address(this), amount), "failed-transferFrom");
        _mint(target, amount);
    }

    function _withdraw(uint256 amount, address target) private {
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

    function _transfer(address sender, address recipient, uint256 amount) private {
        require(sender != address(0), "ERC20: transfer from the zero address");
        require(recipient != address(0), "ERC20: transfer to the zero address");
        _debit(sender, amount);
        _stakes[recipient] = _stakes[recipient].credit(amount);
        emit Transfer(sender, recipient, amount);
    }

    function _debit(address account, uint256 amount) private {
        uint256 free = _stakes[account].free();
        if (amount > free) revert FreeStakeTooLow(account, free, amount);
        unchecked {
            _stakes[account] = _stakes[account].withFree(free - amount);
        }
    }

    function _approve(address account, address spender, uint256 amount) private {
        require(account != address(0), "ERC20: approve from the zero address");
        require(spender != address(0), "ERC20: approve to the zero address");
        _allowances[account][spender] = amount;
        emit Approval(account, spender, amount);
    }
}
