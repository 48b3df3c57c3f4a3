// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IApp, IDataset, IWorkerpool} from "../interfaces/IEntries.sol";
import {IViews} from "../interfaces/IViews.sol";
import {AppInfo, DatasetInfo, WorkerpoolInfo} from "../interfaces/Types.sol";
import {HubStorage} from "./HubStorage.sol";
import {Payout} from "./Payout.sol";

/// Settings, constants, and what the entries of the registries say of themselves.
abstract contract EntryViews is IViews, HubStorage {
    function viewApp(address app) external view returns (AppInfo memory) {
        IApp entry = IApp(app);
        return AppInfo(
            entry.owner(),
            entry.m_appName(),
            entry.m_appType(),
            entry.m_appMultiaddr(),
            entry.m_appChecksum(),
            entry.m_appMREnclave()
        );
    }

    function viewDataset(address dataset) external view returns (DatasetInfo memory) {
        IDataset entry = IDataset(dataset);
        return DatasetInfo(
            entry.owner(), entry.m_datasetName(), entry.m_datasetMultiaddr(), entry.m_datasetChecksum()
        );
    }

    function viewWorkerpool(address workerpool) external view returns (WorkerpoolInfo memory) {
        IWorkerpool entry = IWorkerpool(workerpool);
        return WorkerpoolInfo(
            entry.owner(),
            entry.m_workerpoolDescription(),
            entry.m_workerStakeRatioPolicy(),
            entry.m_schedulerRewardRatioPolicy()
        );
    }

    function token() external view returns (address) {
        return _token;
    }

    function appregistry() external view returns (address) {
        return _appRegistry;
    }

    function datasetregistry() external view returns (address) {
        return _datasetRegistry;
    }

    function workerpoolregistry() external view returns (address) {
        return _workerpoolRegistry;
    }

    function teebroker() external view returns (address) {
        return _teeBroker;
    }

    function callbackgas() external view returns (uint256) {
        return _callbackGas;
    }

    function eip712domain_separator() external view returns (bytes32) {
        return _domainSeparator;
    }

    function contribution_deadline_ratio() external pure returns (uint256) {
        return CONTRIBUTION_DEADLINE_RATIO;
    }

    function reveal_deadline_ratio() external pure returns (uint256) {
        return REVEAL_DEADLINE_RATIO;
    }

    function final_deadline_ratio() external pure returns (uint256) {
        return FINAL_DEADLINE_RATIO;
    }

    function workerpool_stake_ratio() external pure returns (uint256) {
        return Payout.POOL_STAKE_RATIO;
    }

    function kitty_ratio() external pure returns (uint256) {
        return KITTY_RATIO;
    }

    function kitty_min() external pure returns (uint256) {
        return KITTY_MIN;
    }

    function kitty_address() external pure returns (address) {
        return KITTY_ADDRESS;
    }

    function groupmember_purpose() external pure returns (uint256) {
        return GROUPMEMBER_PURPOSE;
    }
}
