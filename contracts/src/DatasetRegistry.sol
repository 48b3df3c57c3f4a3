// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Dataset} from "./registries/Dataset.sol";
import {EntryRegistry} from "./registries/EntryRegistry.sol";

/// The registry of datasets.
contract DatasetRegistry is EntryRegistry {
    error FieldTooLong(uint256 length);

    constructor() EntryRegistry(address(new Dataset()), "iExec Dataset Registry (V5)", "iExecDatasetsV5") {}

    /// @notice Registers a dataset for `_datasetOwner`; anyone may call.
    function createDataset(
        address _datasetOwner,
        string calldata _datasetName,
        bytes calldata _datasetMultiaddr,
        bytes32 _datasetChecksum
    ) external returns (address) {
        // A longer name would not fit a contract's code anyway.
        uint256 length = bytes(_datasetName).length;
        if (length > type(uint16).max) revert FieldTooLong(length);
        bytes memory fields =
            abi.encodePacked(_datasetChecksum, uint16(length), _datasetName, _datasetMultiaddr);
        return _create(_datasetOwner, _args(_datasetName, _datasetMultiaddr, _datasetChecksum), fields);
    }

    /// @notice Where `createDataset` with these arguments puts, or has put, its entry.
    function predictDataset(
        address _datasetOwner,
        string calldata _datasetName,
        bytes calldata _datasetMultiaddr,
        bytes32 _datasetChecksum
    ) external view returns (address) {
        return _predict(_datasetOwner, _args(_datasetName, _datasetMultiaddr, _datasetChecksum));
    }

    function _args(string calldata name_, bytes calldata multiaddr, bytes32 checksum)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(Dataset.initialize, (name_, multiaddr, checksum));
    }
}
