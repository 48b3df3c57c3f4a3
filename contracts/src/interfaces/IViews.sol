// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {
    Account,
    AppInfo,
    Category,
    Contribution,
    DatasetInfo,
    Deal,
    Task,
    TaskStatus,
    ContributionStatus,
    WorkerpoolInfo
} from "./Types.sol";

/// What can be read from the hub. Unknown deals, tasks and contributions are zeroed structs.
interface IViews {
    function name() external view returns (string memory);
    function symbol() external view returns (string memory);
    function decimals() external view returns (uint8);
    function totalSupply() external view returns (uint256);
    function balanceOf(address account) external view returns (uint256);
    function frozenOf(address account) external view returns (uint256);
    function allowance(address account, address spender) external view returns (uint256);
    function viewAccount(address account) external view returns (Account memory);
    function token() external view returns (address);
    function viewDeal(bytes32 id) external view returns (Deal memory);
    function viewTask(bytes32 id) external view returns (Task memory);
    function viewContribution(bytes32 taskid, address worker) external view returns (Contribution memory);
    function viewConsumed(bytes32 id) external view returns (uint256 consumed);
    function viewPresigned(bytes32 id) external view returns (address signer);
    function viewScore(address worker) external view returns (uint256);
    /// @notice The account's epoch, which its marked orders must name.
    function viewEpoch(address account) external view returns (uint256);
    /// @notice The conditions of a deal, as bits, and its guard; zero for a deal of plain orders.
    function viewDealConditions(bytes32 dealid) external view returns (uint256 conditions, address guard);
    /// @notice The callback bytes of a completed task; reverts with `task-pending` before.
    function resultFor(bytes32 id) external view returns (bytes memory);
    /// @notice Reverts for a category that does not exist.
    function viewCategory(uint256 catid) external view returns (Category memory category);
    function countCategory() external view returns (uint256 count);
    function viewApp(address app) external view returns (AppInfo memory);
    function viewDataset(address dataset) external view returns (DatasetInfo memory);
    function viewWorkerpool(address workerpool) external view returns (WorkerpoolInfo memory);
    function appregistry() external view returns (address);
    function datasetregistry() external view returns (address);
    function workerpoolregistry() external view returns (address);
    function teebroker() external view returns (address);
    function callbackgas() external view returns (uint256);
    function eip712domain_separator() external view returns (bytes32);
    function contribution_deadline_ratio() external view returns (uint256);
    function reveal_deadline_ratio() external view returns (uint256);
    function final_deadline_ratio() external view returns (uint256);
    function workerpool_stake_ratio() external view returns (uint256);
    function kitty_ratio() external view returns (uint256);
    function kitty_min() external view returns (uint256);
    function kitty_address() external view returns (address);
    function groupmember_purpose() external view returns (uint256);
}

/// The same facts as flat tuples, for clients that cannot decode structs.
interface ILegacyViews {
    function viewAccountABILegacy(address account) external view returns (uint256, uint256);
    function viewCategoryABILegacy(uint256 catid)
        external
        view
        returns (string memory, string memory, uint256);
    function viewConfigABILegacy(bytes32 id)
        external
        view
        returns (uint256, uint256, uint256, uint256, uint256, uint256);
    function viewContributionABILegacy(bytes32 taskid, address worker)
        external
        view
        returns (ContributionStatus, bytes32, bytes32, address);
    function viewDealABILegacy_pt1(bytes32 id)
        external
        view
        returns (address, address, uint256, address, address, uint256, address, address, uint256);
    function viewDealABILegacy_pt2(bytes32 id)
        external
        view
        returns (uint256, bytes32, address, address, address, string memory);
    function viewTaskABILegacy(bytes32 taskid)
        external
        view
        returns (
            TaskStatus,
            bytes32,
            uint256,
            uint256,
            uint256,
            uint256,
            uint256,
            bytes32,
            uint256,
            uint256,
            address[] memory,
            bytes memory
        );
}
