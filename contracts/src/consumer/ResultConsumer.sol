// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IResultReceiver} from "../interfaces/IParties.sol";
import {Deal, Task} from "../interfaces/Types.sol";
import {IViews} from "../interfaces/IViews.sol";
import {ResultCheck} from "./ResultCheck.sol";
import {ResultTerms} from "./ResultTerms.sol";

/// A contract that uses results of tasks: each once, and only those that fit its terms.
///
/// Results come in two ways. *Push*: a request names this contract as its callback, and the hub calls
/// `receiveResult` when the task ends. *Pull*: anybody calls `pullResult` for a task that has ended, whatever
/// its callback was. It must have had one, this contract or any address: without a callback pools leave the
/// bytes off the chain. Both ways make the same checks.
///
/// A push that reverts, or needs more than the hub's `callbackgas()`, is ignored by the hub: the task is over
/// and paid all the same. The result is not lost, since it can be pulled as long as the terms accept it; what
/// does not fit the gas must be pulled in any case.
abstract contract ResultConsumer is IResultReceiver {
    /// @dev The hub whose results count. It is fixed: who could change it could write any result.
    IViews public immutable hub;
    mapping(bytes32 taskid => bool) private _taken;

    error NotTheHub(address caller);
    error AlreadyTaken(bytes32 taskid);

    constructor(IViews hub_) {
        hub = hub_;
    }

    /// @notice Takes the result that the hub brings at the end of a task; by the hub.
    function receiveResult(bytes32 taskid, bytes calldata result) external {
        if (msg.sender != address(hub)) revert NotTheHub(msg.sender);
        (Task memory task, Deal memory deal) = ResultCheck.check(hub, taskid, _terms());
        _take(taskid, task, deal, result);
    }

    /// @notice Takes the result of a task that has ended; by anybody.
    function pullResult(bytes32 taskid) external {
        (Task memory task, Deal memory deal) = ResultCheck.check(hub, taskid, _terms());
        _take(taskid, task, deal, hub.resultFor(taskid));
    }

    /// @dev What a result must come from. Reading it from storage costs gas of the callback.
    function _terms() internal view virtual returns (ResultTerms memory);

    /// @dev Does with an accepted result what the contract is for. What reverts here is as if never taken.
    function _use(bytes32 taskid, Task memory task, Deal memory deal, bytes memory result) internal virtual;

    /// @dev Refuses a result that was taken before, and takes it down. Comes before `_use`, so that whatever is
    /// called there finds the task taken.
    function _admit(bytes32 taskid, Task memory, Deal memory) internal virtual {
        if (_taken[taskid]) revert AlreadyTaken(taskid);
        _taken[taskid] = true;
    }

    function _take(bytes32 taskid, Task memory task, Deal memory deal, bytes memory result) private {
        ResultCheck.checkResult(task, result);
        _admit(taskid, task, deal);
        _use(taskid, task, deal, result);
    }
}
