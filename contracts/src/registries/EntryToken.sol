// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LibString} from "solady/utils/LibString.sol";

interface IEntryReceiver {
    function onERC721Received(address operator, address from, uint256 tokenId, bytes calldata data)
        external
        returns (bytes4);
}

/// ERC-721 with enumeration, for entries whose token id is their address. Tokens are never burnt.
///
/// Written for few slots: the owner, the token's place in its owner's list and the pool's policies share one;
/// the lists of owners hold 32-bit ordinals, eight to a slot.
abstract contract EntryToken {
    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
    event Approval(address indexed owner, address indexed approved, uint256 indexed tokenId);
    event ApprovalForAll(address indexed owner, address indexed operator, bool approved);

    error UnknownToken(uint256 tokenId);
    error WrongOwner(address from, uint256 tokenId);
    error NotAllowed(address caller, uint256 tokenId);
    error ZeroAddress();
    error IndexOutOfBounds(uint256 index);
    error ReceiverRefused(address receiver);

    /// @dev slot: owner 160 | position 32 | workerStakeRatio 24 | schedulerRewardRatio 8.
    struct Token {
        address owner;
        /// Index in the owner's list.
        uint32 position;
        /// Policies of a pool; zero for other entries.
        uint24 workerStakeRatio;
        uint8 schedulerRewardRatio;
    }

    string public name;
    string public symbol;
    string public baseURI;

    mapping(uint256 tokenId => Token) internal _tokens;
    mapping(uint256 tokenId => address) private _approved;
    mapping(address account => mapping(address operator => bool)) public isApprovedForAll;
    /// @dev All entries, in order of creation.
    address[] private _entries;
    /// @dev Ordinals in `_entries` of what an account owns.
    mapping(address account => uint32[]) private _owned;

    function ownerOf(uint256 tokenId) public view returns (address account) {
        account = _tokens[tokenId].owner;
        if (account == address(0)) revert UnknownToken(tokenId);
    }

    function balanceOf(address account) external view returns (uint256) {
        if (account == address(0)) revert ZeroAddress();
        return _owned[account].length;
    }

    function totalSupply() external view returns (uint256) {
        return _entries.length;
    }

    function tokenByIndex(uint256 index) external view returns (uint256) {
        if (index >= _entries.length) revert IndexOutOfBounds(index);
        return uint160(_entries[index]);
    }

    function tokenOfOwnerByIndex(address account, uint256 index) external view returns (uint256) {
        if (index >= _owned[account].length) revert IndexOutOfBounds(index);
        return uint160(_entries[_owned[account][index]]);
    }

    /// @dev Empty without a base; the id in decimal after it otherwise.
    function tokenURI(uint256 tokenId) external view returns (string memory) {
        ownerOf(tokenId);
        return bytes(baseURI).length == 0 ? "" : string.concat(baseURI, LibString.toString(tokenId));
    }

    function getApproved(uint256 tokenId) public view returns (address) {
        ownerOf(tokenId);
        return _approved[tokenId];
    }

    function approve(address to, uint256 tokenId) external {
        address account = ownerOf(tokenId);
        if (msg.sender != account && !isApprovedForAll[account][msg.sender]) {
            revert NotAllowed(msg.sender, tokenId);
        }
        _approved[tokenId] = to;
        emit Approval(account, to, tokenId);
    }

    function setApprovalForAll(address operator, bool approved) external {
        isApprovedForAll[msg.sender][operator] = approved;
        emit ApprovalForAll(msg.sender, operator, approved);
    }

    function transferFrom(address from, address to, uint256 tokenId) public {
        address account = ownerOf(tokenId);
        bool allowed = msg.sender == account || msg.sender == _approved[tokenId]
            || isApprovedForAll[account][msg.sender];
        if (!allowed) revert NotAllowed(msg.sender, tokenId);
        if (account != from) revert WrongOwner(from, tokenId);
        if (to == address(0)) revert ZeroAddress();

        uint32 ordinal = _removeFromOwner(from, _tokens[tokenId].position);
        _tokens[tokenId].owner = to;
        _tokens[tokenId].position = uint32(_owned[to].length);
        _owned[to].push(ordinal);
        delete _approved[tokenId];
        emit Transfer(from, to, tokenId);
    }

    function safeTransferFrom(address from, address to, uint256 tokenId) external {
        safeTransferFrom(from, to, tokenId, "");
    }

    function safeTransferFrom(address from, address to, uint256 tokenId, bytes memory _data) public {
        transferFrom(from, to, tokenId);
        if (to.code.length == 0) return;
        bytes4 answer = IEntryReceiver(to).onERC721Received(msg.sender, from, tokenId, _data);
        if (answer != IEntryReceiver.onERC721Received.selector) revert ReceiverRefused(to);
    }

    /// @dev ERC-165 itself, ERC-721, its metadata and its enumeration.
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == 0x01ffc9a7 || interfaceId == 0x80ac58cd || interfaceId == 0x5b5e139f
            || interfaceId == 0x780e9d63;
    }

    /// @dev `entry` must be new: it was just created.
    function _mint(address account, address entry) internal {
        if (account == address(0)) revert ZeroAddress();
        uint256 tokenId = uint160(entry);
        _tokens[tokenId].owner = account;
        _tokens[tokenId].position = uint32(_owned[account].length);
        _owned[account].push(uint32(_entries.length));
        _entries.push(entry);
        emit Transfer(address(0), account, tokenId);
    }

    /// @dev Puts the last of the owner's list into the gap and returns the ordinal that was there.
    function _removeFromOwner(address account, uint32 position) private returns (uint32 ordinal) {
        uint32[] storage list = _owned[account];
        ordinal = list[position];
        uint32 last = list[list.length - 1];
        if (last != ordinal) {
            list[position] = last;
            _tokens[uint160(_entries[last])].position = position;
        }
        list.pop();
    }
}
