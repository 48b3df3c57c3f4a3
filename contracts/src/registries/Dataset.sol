// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDataset} from "../interfaces/IEntries.sol";
import {Bytes} from "../records/Bytes.sol";
import {Entry} from "./Entry.sol";

/// A dataset: what an app may work on.
///
/// Fields: checksum 32 | length of name 2 | name | multiaddr.
contract Dataset is Entry, IDataset {
    using Bytes for bytes;

    uint256 private constant LENGTH_AT = 32;
    uint256 private constant NAME_AT = 34;

    function initialize(string calldata, bytes calldata, bytes32) external {
        revert("already initialized");
    }

    function m_datasetName() external view returns (string memory) {
        bytes memory fields = _fields();
        return string(fields.slice(NAME_AT, fields.take(LENGTH_AT, 2)));
    }

    function m_datasetMultiaddr() external view returns (bytes memory) {
        bytes memory fields = _fields();
        return fields.rest(NAME_AT + fields.take(LENGTH_AT, 2));
    }

    function m_datasetChecksum() external view returns (bytes32) {
        return bytes32(_fields().take(0, 32));
    }
}
