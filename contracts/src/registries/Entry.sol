// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEntry} from "../interfaces/IEntries.sol";
import {IEntryRegistry} from "../interfaces/IParties.sol";
import {Bytes} from "../records/Bytes.sol";

/// What entries share: they run as proxies, read their fields from the end of the proxy's code, and have no
/// storage. Created by the constructor of their registry.
abstract contract Entry is IEntry {
    using Bytes for bytes;

    /// @dev The length of the proxy's own code, after which the fields begin.
    uint256 private constant FIELDS_AT = 45;

    address public immutable registry;

    modifier onlyOwner() {
        require(owner() == msg.sender, "caller is not the owner");
        _;
    }

    constructor() {
        registry = msg.sender;
    }

    function owner() public view returns (address) {
        return IEntryRegistry(registry).ownerOf(uint160(address(this)));
    }

    function setName(address, string calldata) external onlyOwner {
        revert("Operation not supported on this chain");
    }

    function _fields() internal view returns (bytes memory) {
        return address(this).code.rest(FIELDS_AT);
    }
}
