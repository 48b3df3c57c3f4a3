// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LatestResultConsumer} from "../consumer/LatestResultConsumer.sol";
import {ResultConsumer} from "../consumer/ResultConsumer.sol";
import {ANY, ResultTerms} from "../consumer/ResultTerms.sol";
import {Deal, Task} from "../interfaces/Types.sol";
import {IViews} from "../interfaces/IViews.sol";

/// The price of one pair, as workers of one pool agree on it by running the `price-feed` app.
///
/// Anybody may buy an update: the app, the pool, the least trust and the sources of quotes are fixed when the
/// feed is made, so it does not matter who asks. Sources are part of the request's params. The feed has no
/// owner; with other sources or another pool, it is another feed.
contract PriceFeed is LatestResultConsumer {
    /// @dev The app's callback bytes: abi.encode(bytes32 pair, uint64 at, uint128 price).
    uint256 private constant RESULT_SIZE = 96;
    /// @dev An update serves for this long after the match of its deal: longer than the smallest two categories
    /// take, and short enough that a result which was held back is worth nothing.
    uint256 private constant AGE_MAX = 4 hours;

    /// @notice The pair, as text filled up with zeros.
    bytes32 public immutable pair;
    address public immutable app;
    /// @notice The pool, or a group of pools.
    address public immutable workerpool;
    uint256 public immutable trust;
    /// @notice keccak256 of the params of requests, which name the pair and the urls of its sources.
    bytes32 public immutable params;

    uint128 private _price;
    uint64 private _at;

    event PriceUpdate(bytes32 indexed taskid, uint256 price, uint256 at);

    error ResultMalformed(uint256 size);
    error OtherPair(bytes32 pair);
    error PriceMissing();
    error QuoteFromTheFuture(uint256 at, uint256 time);
    error QuoteOlder(uint256 at, uint256 latest);
    error PriceTooOld(uint256 at, uint256 ageMax);

    constructor(
        IViews hub_,
        bytes32 pair_,
        address app_,
        address workerpool_,
        uint256 trust_,
        bytes32 params_
    ) ResultConsumer(hub_) {
        pair = pair_;
        app = app_;
        workerpool = workerpool_;
        trust = trust_;
        params = params_;
    }

    /// @notice The latest price, with 18 decimals, and the time of its oldest quote; both 0 before the first.
    function latest() external view returns (uint256 price, uint256 at) {
        return (_price, _at);
    }

    /// @notice The price, if its oldest quote is of the last `ageMax` seconds: what contracts should use.
    function priceWithin(uint256 ageMax) external view returns (uint256) {
        if (_price == 0) revert PriceMissing();
        if (block.timestamp - _at > ageMax) revert PriceTooOld(_at, ageMax);
        return _price;
    }

    function _terms() internal view override returns (ResultTerms memory terms) {
        terms.app = app;
        terms.workerpool = workerpool;
        terms.requester = ANY;
        terms.beneficiary = ANY;
        terms.trust = trust;
        terms.params = params;
        terms.ageMax = AGE_MAX;
    }

    function _use(bytes32 taskid, Task memory, Deal memory, bytes memory result) internal override {
        if (result.length != RESULT_SIZE) revert ResultMalformed(result.length);
        (bytes32 pair_, uint64 at, uint128 price) = abi.decode(result, (bytes32, uint64, uint128));
        if (pair_ != pair) revert OtherPair(pair_);
        if (price == 0) revert PriceMissing();
        // A source whose clock is ahead: the result can be pulled when its time has come.
        if (at > block.timestamp) revert QuoteFromTheFuture(at, block.timestamp);
        if (at < _at) revert QuoteOlder(at, _at);
        (_price, _at) = (price, at);
        emit PriceUpdate(taskid, price, at);
    }
}
