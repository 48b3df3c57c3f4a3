// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// What the hub and the registries call in contracts that are not their own.

/// @dev Groups in restrictions: ERC-734.
interface IKeyHolder {
    function keyHasPurpose(bytes32 key, uint256 purpose) external view returns (bool);
}

/// @dev Callbacks of results: ERC-1154.
interface IResultReceiver {
    function receiveResult(bytes32 taskId, bytes calldata resultsCallback) external;
}

interface ITokenSpender {
    function receiveApproval(address sender, uint256 amount, address token, bytes calldata data)
        external
        returns (bool);
}

interface IToken {
    function transfer(address recipient, uint256 amount) external returns (bool);
    function transferFrom(address sender, address recipient, uint256 amount) external returns (bool);
    function balanceOf(address account) external view returns (uint256);
}

/// @dev An older hub, from which scores are imported.
interface IScores {
    function viewScore(address worker) external view returns (uint256);
}

interface IOwned {
    function owner() external view returns (address);
}

/// @dev A registry of entries, ours or another of the same kind.
interface IEntryRegistry {
    function isRegistered(address entry) external view returns (bool);
    function ownerOf(uint256 tokenId) external view returns (address);
}

/// @dev What a registry of ours tells the hub in one call and one slot.
interface IEntryTerms {
    /// @notice Owner and policies of an entry; a zero owner if it is not registered here.
    function entryTerms(address entry)
        external
        view
        returns (address owner, uint256 workerStakeRatio, uint256 schedulerRewardRatio);
}

/// @dev What the hub reads of a pool that lies in a registry without `entryTerms`.
interface IPoolPolicy {
    function m_workerStakeRatioPolicy() external view returns (uint256);
    function m_schedulerRewardRatioPolicy() external view returns (uint256);
}
