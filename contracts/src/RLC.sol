// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "solady/tokens/ERC20.sol";

import {ITokenSpender} from "./interfaces/IParties.sol";

/// The token of development chains: an ERC-20 of 9 decimals with `approveAndCall`, whose whole supply goes to
/// the deployer. Real chains have their own.
contract RLC is ERC20 {
    uint256 private constant SUPPLY = 87_000_000e9;

    constructor() {
        _mint(msg.sender, SUPPLY);
    }

    function name() public pure override returns (string memory) {
        return "iExec Network Token";
    }

    function symbol() public pure override returns (string memory) {
        return "RLC";
    }

    function decimals() public pure override returns (uint8) {
        return 9;
    }

    /// @notice Approves `spender` and has it take what it wants in the same transaction.
    function approveAndCall(address spender, uint256 amount, bytes calldata data) external returns (bool) {
        approve(spender, amount);
        require(
            ITokenSpender(spender).receiveApproval(msg.sender, amount, address(this), data),
            "approval-refused"
        );
        return true;
    }

    /// @dev No allowance that nobody gave.
    function _givePermit2InfiniteAllowance() internal pure override returns (bool) {
        return false;
    }
}
