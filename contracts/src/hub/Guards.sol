// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IConditions} from "../interfaces/IConditions.sol";
import {DealHead} from "../records/DealHead.sol";
import {OrderMarks} from "../records/OrderMark.sol";
import {Signatures} from "./Signatures.sol";

/// The groups that deals with conditions name: who may vote, and whose key is an enclave's.
abstract contract Guards is Signatures {
    function _checkGuard(DealHead deal, address worker, address challenge) internal view {
        uint256 conditions = deal.conditions();
        if (conditions & OrderMarks.GUARDED == 0) return;
        address guard = deal.guard();
        if (conditions & OrderMarks.KNOWN_WORKERS != 0 && !_isKnown(guard, worker, GROUPMEMBER_PURPOSE)) {
            revert IConditions.WorkerNotKnown(worker, guard);
        }
        if (challenge == address(0) || conditions & OrderMarks.KNOWN_ENCLAVES == 0) return;
        if (!_isKnown(guard, challenge, ENCLAVE_PURPOSE)) {
            revert IConditions.EnclaveNotKnown(challenge, guard);
        }
    }
}
