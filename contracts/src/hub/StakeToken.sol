// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEscrow, IStakeToken} from "../interfaces/IEscrow.sol";
import {ITokenSpender} from "../interfaces/IParties.sol";
import {Debits} from "./Debits.sol";

/// The ERC-20 face of free stake.
abstract contract StakeToken is IStakeToken, Debits {
    function transfer(address recipient, uint256 amount) external returns (bool) {
        _transfer(msg.sender, recipient, amount);
        return true;
    }

    function transferFrom(address sender, address recipient, uint256 amount) external returns (bool) {
        uint256 allowed = _allowances[sender][msg.sender];
        if (amount > allowed) revert IEscrow.AllowanceTooLow(msg.sender, allowed, amount);
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
        if (subtracted > allowed) revert IEscrow.AllowanceTooLow(spender, allowed, subtracted);
        _approve(msg.sender, spender, allowed - subtracted);
        return true;
    }

    function _transfer(address sender, address recipient, uint256 amount) private {
        require(sender != address(0), "ERC20: transfer from the zero address");
        require(recipient != address(0), "ERC20: transfer to the zero address");
        _debit(sender, amount);
        _stakes[recipient] = _stakes[recipient].credit(amount);
        emit IEscrow.Transfer(sender, recipient, amount);
    }

    function _approve(address account, address spender, uint256 amount) private {
        require(account != address(0), "ERC20: approve from the zero address");
        require(spender != address(0), "ERC20: approve to the zero address");
        _allowances[account][spender] = amount;
        emit IEscrow.Approval(account, spender, amount);
    }
}
