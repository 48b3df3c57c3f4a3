// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Category} from "../interfaces/Types.sol";
import {BondWord} from "../records/BondWord.sol";
import {StakeWord} from "../records/StakeWord.sol";
import {CONTRIBUTORS_MAX, TaskWord} from "../records/TaskWord.sol";
import {VoteWord} from "../records/VoteWord.sol";

/// @dev slot: total 96 | frozen 96. `frozen` is the sum over all accounts, the hub's own ERC-20 balance.
struct Supply {
    uint96 total;
    uint96 frozen;
}

/// @dev A contribution. The seal lies inverted, and is cleared when it was revealed, since it then follows from
/// the digest: an empty slot is the proof of the vote. The enclave challenge is written only if there is one.
struct ContributionSlots {
    VoteWord vote;
    bytes32 sealInverted;
    address enclaveChallenge;
}

/// The storage of the hub, shared by the contract at its address and the extension it delegates to.
/// Both must inherit this first and add no variables of their own.
///
/// Deals and results are not here: they are code records, see `CodeRecord`.
abstract contract HubStorage {
    uint256 internal constant CONTRIBUTION_DEADLINE_RATIO = 7;
    uint256 internal constant REVEAL_DEADLINE_RATIO = 2;
    /// @dev For contributions to a task of a strict deal that was reopened.
    uint256 internal constant REOPENED_DEADLINE_RATIO = 9;
    uint256 internal constant STRICT_REVEALS_END_RATIO = 8;
    uint256 internal constant FINAL_DEADLINE_RATIO = 10;
    uint256 internal constant KITTY_RATIO = 10;
    uint256 internal constant KITTY_MIN = 1e9;
    /// @dev In percent of the task's price at the pool: the most that a success takes from the kitty.
    uint256 internal constant KITTY_PRICE_RATIO = 10;
    address internal constant KITTY_ADDRESS = 0x99c2268479b93fDe36232351229815DF80837e23;
    uint256 internal constant GROUPMEMBER_PURPOSE = 4;
    /// @dev Of the keys of enclaves, in groups that vouch for them.
    uint256 internal constant ENCLAVE_PURPOSE = 5;
    uint256 internal constant PACKED_CLOCKS = 7;

    /// @dev Set by the constructor of `Hub`.
    address internal _owner;

    bytes32 internal _domainSeparator;
    address internal _appRegistry;
    address internal _datasetRegistry;
    address internal _workerpoolRegistry;
    address internal _token;
    address internal _teeBroker;
    address internal _v3Hub;
    uint256 internal _callbackGas;
    uint8 internal _decimals;
    string internal _name;
    string internal _symbol;
    Category[] internal _categories;
    /// @dev What a match needs of the categories, in one slot: how many there are, 32 bits, and the
    /// `workClockTimeRef` of each of the first `PACKED_CLOCKS`, 32 bits each.
    uint256 internal _clocks;
    mapping(address worker => bool) internal _scoreImported;

    Supply internal _supply;
    mapping(address account => StakeWord) internal _stakes;
    mapping(address account => mapping(address spender => uint256)) internal _allowances;

    mapping(bytes32 orderHash => uint256) internal _consumed;
    mapping(bytes32 orderHash => address) internal _presigned;

    mapping(bytes32 taskid => TaskWord) internal _tasks;
    /// @dev Index within the deal, for tasks whose index does not fit their slot.
    mapping(bytes32 taskid => uint256) internal _farIndexes;
    /// @dev By deal, first task and time: the hash over the rows of a range of tasks.
    mapping(bytes32 key => bytes32) internal _commits;
    mapping(address worker => mapping(address pool => BondWord)) internal _bonds;
    /// @dev In order of contribution. As many as the task's slot says.
    mapping(bytes32 taskid => ContributionSlots[CONTRIBUTORS_MAX]) internal _contributions;
    /// @dev The distinct result hashes voted for, in order of appearance. The first reveal replaces that of
    /// the winning group by the digest, from which the hash and the seals of the group follow.
    mapping(bytes32 taskid => bytes32[CONTRIBUTORS_MAX]) internal _groups;
    /// @dev Marked orders are good in the epoch of their signer.
    mapping(address account => uint256) internal _epochs;
}
