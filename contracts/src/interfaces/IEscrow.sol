// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// Stake: deposits and withdrawals. Free stake is an ERC-20, "Staked RLC".
/// Every amount is in nRLC. `balanceOf(hub)` equals the sum of all frozen stake.
interface IEscrow {
    /// @notice Free stake moved. The hub stands for frozen stake, the zero address for the token.
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    /// @notice Free stake of `owner` became frozen.
    event Lock(address owner, uint256 amount);
    /// @notice Frozen stake of `owner` became free.
    event Unlock(address owner, uint256 amount);
    /// @notice `owner` was paid for the task `ref`.
    event Reward(address owner, uint256 amount, bytes32 ref);
    /// @notice `owner` lost frozen stake: it paid for the task `ref`, or failed in it.
    event Seize(address owner, uint256 amount, bytes32 ref);

    error FreeStakeTooLow(address account, uint256 free, uint256 needed);
    error AllowanceTooLow(address spender, uint256 allowance, uint256 needed);
    /// @dev The supply would leave the 96 bits in which accounts are kept.
    error SupplyTooLarge(uint256 supply);
    error TokenTransferFailed();

    /// @notice Moves `amount` tokens of the caller, who has approved the hub, into its free stake.
    function deposit(uint256 amount) external returns (bool);
    /// @notice As `deposit`, for the stake of `target`.
    function depositFor(uint256 amount, address target) external returns (bool);
    /// @notice As `depositFor`, for many targets.
    function depositForArray(uint256[] calldata amounts, address[] calldata targets) external returns (bool);
    /// @notice Deposits on behalf of `sender`: the token calls this from its `approveAndCall`. `data` may hold a
    /// call of `matchOrders` whose requester is `sender`: it is made with the deposit, or both are refused.
    function receiveApproval(address sender, uint256 amount, address token, bytes calldata data)
        external
        returns (bool);
    /// @notice Pays `amount` of the caller's free stake out in tokens.
    function withdraw(uint256 amount) external returns (bool);
    /// @notice As `withdraw`, paid to `target`.
    function withdrawTo(uint256 amount, address target) external returns (bool);
    /// @notice Credits the hub's owner with tokens that were sent to the hub without a deposit.
    function recover() external returns (uint256);
}

/// The ERC-20 face of free stake. Its events and errors are those of `IEscrow`.
interface IStakeToken {
    function transfer(address recipient, uint256 amount) external returns (bool);
    function transferFrom(address sender, address recipient, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
    /// @notice Approves `spender` and calls its `receiveApproval`; reverts if that refuses.
    function approveAndCall(address spender, uint256 amount, bytes calldata data) external returns (bool);
    function increaseAllowance(address spender, uint256 added) external returns (bool);
    function decreaseAllowance(address spender, uint256 subtracted) external returns (bool);
}
