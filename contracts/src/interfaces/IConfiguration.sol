// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EIP712Domain} from "./Types.sol";

/// Ownership, settings and categories of the hub.
interface IConfiguration {
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);
    event CreateCategory(uint256 catid, string name, string description, uint256 workClockTimeRef);

    /// @dev Deadlines of a task must stay within the bits in which they are kept.
    error WorkClockTooLong(uint256 seconds_, uint256 most);
    error ScoreTooLarge(uint256 score);

    function owner() external view returns (address);
    function transferOwnership(address newOwner) external;
    function renounceOwnership() external;

    /// @notice Sets token, names and registries, once; by the owner.
    function configure(
        address token,
        string calldata name,
        string calldata symbol,
        uint8 decimals,
        address appregistry,
        address datasetregistry,
        address workerpoolregistry,
        address v3Hub
    ) external;
    function changeRegistries(address appregistry, address datasetregistry, address workerpoolregistry)
        external;
    function setTeeBroker(address teebroker) external;
    function setCallbackGas(uint256 callbackgas) external;
    /// @notice Adds a category; by the owner. Categories are never edited.
    function createCategory(string calldata name, string calldata description, uint256 workClockTimeRef)
        external
        returns (uint256);
    function domain() external view returns (EIP712Domain memory);
    /// @notice Recomputes the domain separator after the chain has changed its id.
    function updateDomainSeparator() external;
    /// @notice Takes over a worker's score from an older hub, once per worker.
    function importScore(address worker) external;
}
