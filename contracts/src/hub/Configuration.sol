// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IConfiguration} from "../interfaces/IConfiguration.sol";
import {IScores} from "../interfaces/IParties.sol";
import {Category, EIP712Domain} from "../interfaces/Types.sol";
import {OrderHash} from "./OrderHash.sol";
import {Ownable} from "./Ownable.sol";

/// What the owner of the hub may set, and the little that anyone may.
abstract contract Configuration is IConfiguration, Ownable {
    /// @dev Eight years and a half. Ten times that, and any date until the year 36 000, fit the bits in which
    /// deals and tasks keep times.
    uint256 private constant MAX_WORK_CLOCK_SECONDS = 2 ** 28;

    /// @dev A score has 64 bits and rises by one a task: from here it never leaves them.
    uint256 private constant MAX_IMPORTED_SCORE = 2 ** 63;

    uint256 private constant FIRST_CALLBACK_GAS = 200_000;

    function owner() external view returns (address) {
        return _owner;
    }

    function transferOwnership(address newOwner) external onlyOwner {
        require(newOwner != address(0), "Ownable: new owner is the zero address");
        _setOwner(newOwner);
    }

    function renounceOwnership() external onlyOwner {
        _setOwner(address(0));
    }

    function configure(
        address token_,
        string calldata name_,
        string calldata symbol_,
        uint8 decimals_,
        address appregistry_,
        address datasetregistry_,
        address workerpoolregistry_,
        address v3Hub
    ) external onlyOwner {
        require(_domainSeparator == 0, "already-configured");
        _domainSeparator = OrderHash.ofDomain(_domain());
        _token = token_;
        _name = name_;
        _symbol = symbol_;
        _decimals = decimals_;
        _appRegistry = appregistry_;
        _datasetRegistry = datasetregistry_;
        _workerpoolRegistry = workerpoolregistry_;
        _v3Hub = v3Hub;
        _callbackGas = FIRST_CALLBACK_GAS;
    }

    function changeRegistries(address appregistry_, address datasetregistry_, address workerpoolregistry_)
        external
        onlyOwner
    {
        _appRegistry = appregistry_;
        _datasetRegistry = datasetregistry_;
        _workerpoolRegistry = workerpoolregistry_;
    }

    function setTeeBroker(address teebroker_) external onlyOwner {
        _teeBroker = teebroker_;
    }

    function setCallbackGas(uint256 callbackgas_) external onlyOwner {
        _callbackGas = callbackgas_;
    }

    function createCategory(string calldata name_, string calldata description, uint256 workClockTimeRef)
        external
        onlyOwner
        returns (uint256 catid)
    {
        if (workClockTimeRef > MAX_WORK_CLOCK_SECONDS) {
            revert WorkClockTooLong(workClockTimeRef, MAX_WORK_CLOCK_SECONDS);
        }
        catid = _categories.length;
        _categories.push(Category(name_, description, workClockTimeRef));
        uint256 clocks = _clocks + 1;
        if (catid < PACKED_CLOCKS) clocks |= workClockTimeRef << 32 * (catid + 1);
        _clocks = clocks;
        emit CreateCategory(catid, name_, description, workClockTimeRef);
    }

    function domain() external view returns (EIP712Domain memory) {
        return _domain();
    }

    function updateDomainSeparator() external {
        require(_domainSeparator != 0, "not-configured");
        _domainSeparator = OrderHash.ofDomain(_domain());
    }

    function importScore(address worker) external {
        require(!_scoreImported[worker], "score-already-imported");
        _scoreImported[worker] = true;
        uint256 score = IScores(_v3Hub).viewScore(worker);
        if (score > MAX_IMPORTED_SCORE) revert ScoreTooLarge(score);
        if (score > _stakes[worker].score()) _stakes[worker] = _stakes[worker].withScore(score);
    }

    function _setOwner(address newOwner) private {
        emit OwnershipTransferred(_owner, newOwner);
        _owner = newOwner;
    }

    function _domain() private view returns (EIP712Domain memory) {
        return EIP712Domain("iExecODB", "5.0.0", block.chainid, address(this));
    }
}
