// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {LatestResultConsumer} from "../../src/consumer/LatestResultConsumer.sol";
import {ResultCheck} from "../../src/consumer/ResultCheck.sol";
import {ResultConsumer} from "../../src/consumer/ResultConsumer.sol";
import {ResultTerms} from "../../src/consumer/ResultTerms.sol";
import {Deal, Task} from "../../src/interfaces/Types.sol";
import {IViews} from "../../src/interfaces/IViews.sol";

/// @dev Remembers what it took, and can be told to refuse or to come back.
contract Recorder is ResultConsumer {
    ResultTerms private _wanted;
    bytes32 public taskid;
    bytes public result;
    address public app;
    uint256 public count;
    bool public isRefusing;
    bool public isReentering;
    bytes4 public answerInside;

    constructor(IViews hub_, ResultTerms memory wanted) ResultConsumer(hub_) {
        _wanted = wanted;
    }

    function setRefusing(bool value) external {
        isRefusing = value;
    }

    function setReentering() external {
        isReentering = true;
    }

    function check(bytes32 id, ResultTerms memory terms) external view {
        ResultCheck.check(hub, id, terms);
    }

    function _terms() internal view override returns (ResultTerms memory) {
        return _wanted;
    }

    function _use(bytes32 id, Task memory, Deal memory deal, bytes memory given) internal override {
        require(!isRefusing, "not now");
        (taskid, result, app) = (id, given, deal.app.pointer);
        ++count;
        if (!isReentering) return;
        try this.pullResult(id) {}
        catch (bytes memory reason) {
            answerInside = bytes4(reason);
        }
    }
}

/// @dev Keeps the newest number.
contract NewestNumber is LatestResultConsumer {
    ResultTerms private _wanted;
    uint256 public number;

    constructor(IViews hub_, ResultTerms memory wanted) ResultConsumer(hub_) {
        _wanted = wanted;
    }

    function _terms() internal view override returns (ResultTerms memory) {
        return _wanted;
    }

    function _use(bytes32, Task memory, Deal memory, bytes memory given) internal override {
        number = abi.decode(given, (uint256));
    }
}

/// @dev What is asked whether it has a member, and answers nonsense.
contract BadGroup {
    bytes private _answer;
    bool private _isReverting;

    constructor(bytes memory answer, bool isReverting) {
        (_answer, _isReverting) = (answer, isReverting);
    }

    function keyHasPurpose(bytes32, uint256) external view {
        bytes memory answer = _answer;
        bool isReverting = _isReverting;
        assembly {
            if isReverting { revert(add(answer, 32), mload(answer)) }
            return(add(answer, 32), mload(answer))
        }
    }
}
