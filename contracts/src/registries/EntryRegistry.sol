// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IEntryRegistry, IEntryTerms} from "../interfaces/IParties.sol";
import {CodeRecord} from "../records/CodeRecord.sol";
import {EntryToken} from "./EntryToken.sol";

/// A registry of apps, datasets or pools. An entry is a minimal proxy (ERC-1167) on `master` whose immutable
/// fields follow the proxy's code; its token here says who owns it.
///
/// The address of an entry is that of CREATE2 with salt `keccak256(initialize calldata ‖ owner)` and the
/// constant `proxyCode`, which fetches the proxy's bytes from this contract (see `CodeRecord`). So it can be
/// predicted by anyone, and one owner cannot register the same thing twice.
abstract contract EntryRegistry is EntryToken, IEntryTerms {
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    address public owner;
    /// @notice The contract whose code the entries run.
    address public immutable master;
    /// @notice A registry whose entries count as registered here too.
    address public previous;
    bool public initialized;

    modifier onlyOwner() {
        require(msg.sender == owner, "Ownable: caller is not the owner");
        _;
    }

    constructor(address master_, string memory name_, string memory symbol_) {
        master = master_;
        name = name_;
        symbol = symbol_;
        owner = msg.sender;
        emit OwnershipTransferred(address(0), msg.sender);
    }

    /// @dev Answers an entry under construction; refuses everything else.
    fallback() external {
        CodeRecord.serve();
        revert("fallback-disabled");
    }

    /// @notice Sets the registry whose entries this one takes over, once.
    function initialize(address _previous) external onlyOwner {
        require(!initialized, "already initialized");
        initialized = true;
        previous = _previous;
    }

    function transferOwnership(address newOwner) external onlyOwner {
        require(newOwner != address(0), "Ownable: new owner is the zero address");
        _setOwner(newOwner);
    }

    function renounceOwnership() external onlyOwner {
        _setOwner(address(0));
    }

    function setBaseURI(string calldata _baseURI) external onlyOwner {
        baseURI = _baseURI;
    }

    /// @notice Names are not supported; kept for clients that have the call in their interface.
    function setName(address, string calldata) external onlyOwner {
        revert("Operation not supported on this chain");
    }

    function isRegistered(address _entry) external view returns (bool) {
        if (_tokens[uint160(_entry)].owner != address(0)) return true;
        return previous != address(0) && IEntryRegistry(previous).isRegistered(_entry);
    }

    function entryTerms(address entry) external view returns (address, uint256, uint256) {
        Token memory token = _tokens[uint160(entry)];
        return (token.owner, token.workerStakeRatio, token.schedulerRewardRatio);
    }

    function proxyCode() external pure returns (bytes memory) {
        return CodeRecord.INIT_CODE;
    }

    function proxyCodeHash() external pure returns (bytes32) {
        return CodeRecord.INIT_CODE_HASH;
    }

    /// @dev `args` is the entry's initialize call, `fields` its immutable fields.
    function _create(address account, bytes memory args, bytes memory fields)
        internal
        returns (address entry)
    {
        // ERC-1167, then the fields, which its code never reaches.
        bytes memory code =
            abi.encodePacked(hex"363d3d373d3d3d363d73", master, hex"5af43d82803e903d91602b57fd5bf3", fields);
        entry = CodeRecord.write(_salt(account, args), code);
        _mint(account, entry);
    }

    function _predict(address account, bytes memory args) internal view returns (address) {
        return CodeRecord.addressOf(address(this), _salt(account, args));
    }

    function _salt(address account, bytes memory args) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(args, account));
    }

    function _setOwner(address newOwner) private {
        emit OwnershipTransferred(owner, newOwner);
        owner = newOwner;
    }
}
