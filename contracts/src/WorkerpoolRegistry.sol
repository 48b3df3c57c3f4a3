// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EntryRegistry} from "./registries/EntryRegistry.sol";
import {IPolicyRegistry, Workerpool} from "./registries/Workerpool.sol";

/// The registry of pools, and of their policies.
contract WorkerpoolRegistry is EntryRegistry, IPolicyRegistry {
    error NotAnEntry(address caller);
    error PolicyTooLarge(uint256 workerStakeRatio, uint256 schedulerRewardRatio);

    uint24 private constant FIRST_WORKER_STAKE_RATIO = 30;
    uint8 private constant FIRST_SCHEDULER_REWARD_RATIO = 1;

    constructor()
        EntryRegistry(address(new Workerpool()), "iExec Workerpool Registry (V5)", "iExecWorkerpoolV5")
    {}

    /// @notice Registers a pool for `_workerpoolOwner`; anyone may call.
    function createWorkerpool(address _workerpoolOwner, string calldata _workerpoolDescription)
        external
        returns (address entry)
    {
        entry = _create(
            _workerpoolOwner,
            abi.encodeCall(Workerpool.initialize, (_workerpoolDescription)),
            bytes(_workerpoolDescription)
        );
        _setPolicy(entry, FIRST_WORKER_STAKE_RATIO, FIRST_SCHEDULER_REWARD_RATIO);
    }

    /// @notice Where `createWorkerpool` with these arguments puts, or has put, its entry.
    function predictWorkerpool(address _workerpoolOwner, string calldata _workerpoolDescription)
        external
        view
        returns (address)
    {
        return _predict(_workerpoolOwner, abi.encodeCall(Workerpool.initialize, (_workerpoolDescription)));
    }

    /// @notice Sets the policies of the calling pool, which has checked that its owner wants it.
    function setPolicy(uint256 workerStakeRatio, uint256 schedulerRewardRatio) external {
        if (_tokens[uint160(msg.sender)].owner == address(0)) revert NotAnEntry(msg.sender);
        if (workerStakeRatio > type(uint24).max || schedulerRewardRatio > 100) {
            revert PolicyTooLarge(workerStakeRatio, schedulerRewardRatio);
        }
        _setPolicy(msg.sender, uint24(workerStakeRatio), uint8(schedulerRewardRatio));
    }

    function _setPolicy(address entry, uint24 workerStakeRatio, uint8 schedulerRewardRatio) private {
        Token storage token = _tokens[uint160(entry)];
        token.workerStakeRatio = workerStakeRatio;
        token.schedulerRewardRatio = schedulerRewardRatio;
    }
}
