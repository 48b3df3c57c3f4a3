// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IWorkerpool} from "../interfaces/IEntries.sol";
import {IEntryTerms} from "../interfaces/IParties.sol";
import {Entry} from "./Entry.sol";

/// @dev The registry keeps the policies of its pools, beside their owners.
interface IPolicyRegistry is IEntryTerms {
    function setPolicy(uint256 workerStakeRatio, uint256 schedulerRewardRatio) external;
}

/// A pool of workers. Its description is its only field; its policies lie in the registry, where a match
/// finds them together with the owner.
contract Workerpool is Entry, IWorkerpool {
    function initialize(string calldata) external {
        revert("already initialized");
    }

    function changePolicy(uint256 _newWorkerStakeRatioPolicy, uint256 _newSchedulerRewardRatioPolicy)
        external
        onlyOwner
    {
        require(_newSchedulerRewardRatioPolicy <= 100, "scheduler reward ratio above 100");
        (uint256 oldStakeRatio, uint256 oldRewardRatio) = _policy();
        emit PolicyUpdate(
            oldStakeRatio, _newWorkerStakeRatioPolicy, oldRewardRatio, _newSchedulerRewardRatioPolicy
        );
        IPolicyRegistry(registry).setPolicy(_newWorkerStakeRatioPolicy, _newSchedulerRewardRatioPolicy);
    }

    function m_workerpoolDescription() external view returns (string memory) {
        return string(_fields());
    }

    function m_workerStakeRatioPolicy() external view returns (uint256 ratio) {
        (ratio,) = _policy();
    }

    function m_schedulerRewardRatioPolicy() external view returns (uint256 ratio) {
        (, ratio) = _policy();
    }

    function _policy() private view returns (uint256 stakeRatio, uint256 rewardRatio) {
        (, stakeRatio, rewardRatio) = IPolicyRegistry(registry).entryTerms(address(this));
    }
}
