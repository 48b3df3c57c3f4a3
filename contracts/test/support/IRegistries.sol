// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// What tests call of the registries and their tokens. The contracts are not imported: they would draw every test
/// into the slow pipeline that gives small code.
interface IRegistry {
    function initialize(address previous) external;
    function initialized() external view returns (bool);
    function previous() external view returns (address);
    function isRegistered(address entry) external view returns (bool);
    function proxyCode() external pure returns (bytes memory);
    function proxyCodeHash() external pure returns (bytes32);
    function owner() external view returns (address);
    function transferOwnership(address newOwner) external;
    function renounceOwnership() external;
    function setBaseURI(string calldata baseURI) external;

    function name() external view returns (string memory);
    function symbol() external view returns (string memory);
    function tokenURI(uint256 tokenId) external view returns (string memory);
    function supportsInterface(bytes4 interfaceId) external pure returns (bool);
    function balanceOf(address account) external view returns (uint256);
    function ownerOf(uint256 tokenId) external view returns (address);
    function totalSupply() external view returns (uint256);
    function tokenByIndex(uint256 index) external view returns (uint256);
    function tokenOfOwnerByIndex(address account, uint256 index) external view returns (uint256);
    function getApproved(uint256 tokenId) external view returns (address);
    function isApprovedForAll(address account, address operator) external view returns (bool);
    function approve(address to, uint256 tokenId) external;
    function setApprovalForAll(address operator, bool approved) external;
    function transferFrom(address from, address to, uint256 tokenId) external;
    function safeTransferFrom(address from, address to, uint256 tokenId) external;
    function safeTransferFrom(address from, address to, uint256 tokenId, bytes calldata data) external;
}

interface IAppRegistry is IRegistry {
    error FieldTooLong(uint256 length);

    function createApp(
        address owner,
        string calldata name,
        string calldata kind,
        bytes calldata multiaddr,
        bytes32 checksum,
        bytes calldata enclave
    ) external returns (address);
    function predictApp(
        address owner,
        string calldata name,
        string calldata kind,
        bytes calldata multiaddr,
        bytes32 checksum,
        bytes calldata enclave
    ) external view returns (address);
}

interface IDatasetRegistry is IRegistry {
    function createDataset(address owner, string calldata name, bytes calldata multiaddr, bytes32 checksum)
        external
        returns (address);
    function predictDataset(address owner, string calldata name, bytes calldata multiaddr, bytes32 checksum)
        external
        view
        returns (address);
}

interface IWorkerpoolRegistry is IRegistry {
    error NotAnEntry(address caller);
    error PolicyTooLarge(uint256 workerStakeRatio, uint256 schedulerRewardRatio);

    function createWorkerpool(address owner, string calldata description) external returns (address);
    function predictWorkerpool(address owner, string calldata description) external view returns (address);
    function setPolicy(uint256 workerStakeRatio, uint256 schedulerRewardRatio) external;
}
