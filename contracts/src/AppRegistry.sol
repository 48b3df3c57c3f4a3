// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {App} from "./registries/App.sol";
import {EntryRegistry} from "./registries/EntryRegistry.sol";

/// The registry of apps.
contract AppRegistry is EntryRegistry {
    error FieldTooLong(uint256 length);

    constructor() EntryRegistry(address(new App()), "iExec Application Registry (V5)", "iExecAppsV5") {}

    /// @notice Registers an app for `_appOwner`; anyone may call.
    function createApp(
        address _appOwner,
        string calldata _appName,
        string calldata _appType,
        bytes calldata _appMultiaddr,
        bytes32 _appChecksum,
        bytes calldata _appMREnclave
    ) external returns (address) {
        bytes memory fields = abi.encodePacked(
            _appChecksum,
            _length(bytes(_appName)),
            _length(bytes(_appType)),
            _length(_appMultiaddr),
            _appName,
            _appType,
            _appMultiaddr,
            _appMREnclave
        );
        bytes memory args =
            abi.encodeCall(App.initialize, (_appName, _appType, _appMultiaddr, _appChecksum, _appMREnclave));
        return _create(_appOwner, args, fields);
    }

    /// @notice Where `createApp` with these arguments puts, or has put, its entry.
    function predictApp(
        address _appOwner,
        string calldata _appName,
        string calldata _appType,
        bytes calldata _appMultiaddr,
        bytes32 _appChecksum,
        bytes calldata _appMREnclave
    ) external view returns (address) {
        return _predict(
            _appOwner,
            abi.encodeCall(App.initialize, (_appName, _appType, _appMultiaddr, _appChecksum, _appMREnclave))
        );
    }

    /// @dev Longer fields would not fit a contract's code anyway.
    function _length(bytes calldata field) private pure returns (uint16) {
        if (field.length > type(uint16).max) revert FieldTooLong(field.length);
        return uint16(field.length);
    }
}
