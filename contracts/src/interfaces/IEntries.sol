// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// The entries of the registries, as clients read them.

interface IEntry {
    /// @notice The owner of the entry's token in its registry.
    function owner() external view returns (address);
    function registry() external view returns (address);
    /// @notice Names are not supported; kept for clients that have the call in their interface.
    function setName(address ens, string calldata name) external;
}

interface IApp is IEntry {
    /// @notice Always reverts: an entry is born initialized. Its encoding is the salt of the entry's address.
    function initialize(
        string calldata _appName,
        string calldata _appType,
        bytes calldata _appMultiaddr,
        bytes32 _appChecksum,
        bytes calldata _appMREnclave
    ) external;
    function m_appName() external view returns (string memory);
    function m_appType() external view returns (string memory);
    function m_appMultiaddr() external view returns (bytes memory);
    function m_appChecksum() external view returns (bytes32);
    function m_appMREnclave() external view returns (bytes memory);
}

interface IDataset is IEntry {
    /// @notice Always reverts, as that of an app.
    function initialize(
        string calldata _datasetName,
        bytes calldata _datasetMultiaddr,
        bytes32 _datasetChecksum
    ) external;
    function m_datasetName() external view returns (string memory);
    function m_datasetMultiaddr() external view returns (bytes memory);
    function m_datasetChecksum() external view returns (bytes32);
}

interface IWorkerpool is IEntry {
    event PolicyUpdate(
        uint256 oldWorkerStakeRatioPolicy,
        uint256 newWorkerStakeRatioPolicy,
        uint256 oldSchedulerRewardRatioPolicy,
        uint256 newSchedulerRewardRatioPolicy
    );

    /// @notice Always reverts, as that of an app.
    function initialize(string calldata _workerpoolDescription) external;
    /// @notice Sets the stake of workers, in percent of the pool's price, and the pool owner's share of the
    /// reward, in percent; for deals to come.
    function changePolicy(uint256 _newWorkerStakeRatioPolicy, uint256 _newSchedulerRewardRatioPolicy) external;
    function m_workerpoolDescription() external view returns (string memory);
    function m_workerStakeRatioPolicy() external view returns (uint256);
    function m_schedulerRewardRatioPolicy() external view returns (uint256);
}
