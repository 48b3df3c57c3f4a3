// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IKeyHolder} from "./interfaces/IParties.sol";

/// A group of accounts (ERC-734), for the restrictions of orders and as the guard of deals: its owner says who belongs
/// to it. Members have purpose 4; keys of enclaves that it vouches for have 5.
contract Group is IKeyHolder {
    event KeyAdded(bytes32 indexed key, uint256 indexed purpose);
    event KeyRemoved(bytes32 indexed key, uint256 indexed purpose);
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    error NotTheOwner(address caller, address owner);
    error OwnerMissing();

    address public owner;
    mapping(bytes32 key => mapping(uint256 purpose => bool)) private _purposes;

    constructor(address owner_) {
        _setOwner(owner_);
    }

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotTheOwner(msg.sender, owner);
        _;
    }

    function addKeys(address[] calldata keys, uint256 purpose) external onlyOwner {
        for (uint256 i = 0; i < keys.length; ++i) {
            bytes32 key = _keyOf(keys[i]);
            if (_purposes[key][purpose]) continue;
            _purposes[key][purpose] = true;
            emit KeyAdded(key, purpose);
        }
    }

    function removeKeys(address[] calldata keys, uint256 purpose) external onlyOwner {
        for (uint256 i = 0; i < keys.length; ++i) {
            bytes32 key = _keyOf(keys[i]);
            if (!_purposes[key][purpose]) continue;
            delete _purposes[key][purpose];
            emit KeyRemoved(key, purpose);
        }
    }

    function transferOwnership(address newOwner) external onlyOwner {
        _setOwner(newOwner);
    }

    function keyHasPurpose(bytes32 key, uint256 purpose) external view returns (bool) {
        return _purposes[key][purpose];
    }

    function _setOwner(address newOwner) private {
        if (newOwner == address(0)) revert OwnerMissing();
        emit OwnershipTransferred(owner, newOwner);
        owner = newOwner;
    }

    function _keyOf(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }
}
