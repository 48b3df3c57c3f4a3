// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IKeyHolder} from "../interfaces/IParties.sol";
import {Deal, Task, TaskStatus} from "../interfaces/Types.sol";
import {IViews} from "../interfaces/IViews.sol";
import {ANY, ANY_PARAMS, ResultTerms} from "./ResultTerms.sol";

/// Whether the result of a task may be used, by what the hub's views say of the task and its deal.
///
/// Results of the classic, the fast and the settlement lane pass if they fit the terms. Those of the boost
/// lane never do: the hub calls back with them, but keeps neither app, pool nor digest, so that nothing about
/// them can be checked.
///
/// It only reads. That a result is not used twice, or after a newer one, is for the caller to see to, as
/// `ResultConsumer` does.
library ResultCheck {
    /// @dev The purpose of a group's members (ERC-734), as in the restrictions of orders.
    uint256 private constant MEMBER = 4;

    error TaskNotCompleted(bytes32 taskid, TaskStatus status);
    /// @notice The task has an end, but no deal that could be looked at: it is one of the boost lane.
    error DealUnknown(bytes32 taskid);
    error AppNotAccepted(address app);
    error DatasetNotAccepted(address dataset);
    error WorkerpoolNotAccepted(address workerpool);
    error RequesterNotAccepted(address requester);
    error BeneficiaryNotAccepted(address beneficiary);
    error TagLacksBits(bytes32 tag, bytes32 required);
    error TrustTooLow(uint256 trust, uint256 required);
    error ParamsNotAccepted(bytes32 paramsHash);
    error ResultTooOld(uint256 startTime, uint256 ageMax);
    /// @notice The bytes are not what the workers agreed on; or the task has none, its app gave a file.
    error ResultNotAgreedOn(bytes32 resultHash, bytes32 digest);

    /// @notice The task and its deal, if they fit `terms`; reverts with the first thing that does not.
    function check(IViews hub, bytes32 taskid, ResultTerms memory terms)
        internal
        view
        returns (Task memory task, Deal memory deal)
    {
        task = hub.viewTask(taskid);
        if (task.status != TaskStatus.COMPLETED) revert TaskNotCompleted(taskid, task.status);
        deal = hub.viewDeal(task.dealid);
        if (deal.app.pointer == address(0)) revert DealUnknown(taskid);
        checkParties(deal, terms);
        checkRequest(deal, terms);
    }

    /// @notice Reverts unless `result` is what the workers of the task agreed on.
    function checkResult(Task memory task, bytes memory result) internal pure {
        bytes32 hash = keccak256(result);
        if (hash != task.resultDigest) revert ResultNotAgreedOn(hash, task.resultDigest);
    }

    function checkParties(Deal memory deal, ResultTerms memory terms) private view {
        if (!isAccepted(terms.app, deal.app.pointer)) revert AppNotAccepted(deal.app.pointer);
        if (!isAccepted(terms.dataset, deal.dataset.pointer)) {
            revert DatasetNotAccepted(deal.dataset.pointer);
        }
        if (!isAccepted(terms.workerpool, deal.workerpool.pointer)) {
            revert WorkerpoolNotAccepted(deal.workerpool.pointer);
        }
        if (!isAccepted(terms.requester, deal.requester)) revert RequesterNotAccepted(deal.requester);
        if (!isAccepted(terms.beneficiary, deal.beneficiary)) {
            revert BeneficiaryNotAccepted(deal.beneficiary);
        }
    }

    function checkRequest(Deal memory deal, ResultTerms memory terms) private view {
        if (terms.tag & ~deal.tag != 0) revert TagLacksBits(deal.tag, terms.tag);
        if (deal.trust < terms.trust) revert TrustTooLow(deal.trust, terms.trust);
        bytes32 params = keccak256(bytes(deal.params));
        if (terms.params != ANY_PARAMS && terms.params != params) revert ParamsNotAccepted(params);
        if (block.timestamp - deal.startTime > terms.ageMax) {
            revert ResultTooOld(deal.startTime, terms.ageMax);
        }
    }

    /// @dev The party itself, any, or a member of the group. Whatever a group answers but a clean `true` is a no.
    function isAccepted(address wanted, address party) private view returns (bool) {
        if (wanted == ANY || wanted == party) return true;
        if (party == address(0)) return false;
        (bool success, bytes memory answer) = wanted.staticcall(
            abi.encodeCall(IKeyHolder.keyHasPurpose, (bytes32(uint256(uint160(party))), MEMBER))
        );
        return success && answer.length == 32 && abi.decode(answer, (uint256)) == 1;
    }
}
