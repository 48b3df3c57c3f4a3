// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IApp} from "../interfaces/IEntries.sol";
import {Bytes} from "../records/Bytes.sol";
import {Entry} from "./Entry.sol";

/// An app: what to run.
///
/// Fields: checksum 32 | lengths of name, type and multiaddr 2 each | name | type | multiaddr | mrenclave.
contract App is Entry, IApp {
    using Bytes for bytes;

    uint256 private constant LENGTHS_AT = 32;
    uint256 private constant PARTS_AT = 38;

    function initialize(string calldata, string calldata, bytes calldata, bytes32, bytes calldata) external {
        revert("already initialized");
    }

    function m_appName() external view returns (string memory) {
        return string(_part(0));
    }

    function m_appType() external view returns (string memory) {
        return string(_part(1));
    }

    function m_appMultiaddr() external view returns (bytes memory) {
        return _part(2);
    }

    function m_appMREnclave() external view returns (bytes memory) {
        return _part(3);
    }

    function m_appChecksum() external view returns (bytes32) {
        return bytes32(_fields().take(0, 32));
    }

    /// @dev The parts lie one after the other; the last, whose length is not written, ends the code.
    function _part(uint256 index) private view returns (bytes memory) {
        bytes memory fields = _fields();
        uint256 at = PARTS_AT;
        for (uint256 i = 0; i < index; ++i) {
            at += fields.take(LENGTHS_AT + 2 * i, 2);
        }
        return index == 3 ? fields.rest(at) : fields.slice(at, fields.take(LENGTHS_AT + 2 * index, 2));
    }
}
