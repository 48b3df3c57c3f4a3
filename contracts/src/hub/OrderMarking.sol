// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IConditions} from "../interfaces/IConditions.sol";
import {DealTerms} from "../records/DealRecord.sol";
import {OrderMark, OrderMarks} from "../records/OrderMark.sol";
import {HubStorage} from "./HubStorage.sol";

/// What the salts of orders ask for, beyond what their typed data say.
abstract contract OrderMarking is HubStorage {
    /// @dev What the salts of a match's orders ask for, and whether all of it is granted.
    function _readMarks(bytes32 app, bytes32 dataset, bytes32 pool, bytes32 request, DealTerms memory terms)
        internal
        view
    {
        if (terms.dataset != address(0)) _readMark(dataset, terms.datasetOwner, 0);
        _agreeOnConditions(
            _readMark(app, terms.appOwner, OrderMarks.OFFERED),
            _readMark(pool, terms.poolOwner, OrderMarks.OFFERED),
            _readMark(request, terms.requester, OrderMarks.OFFERED | OrderMarks.SPONSOR_ONLY),
            terms
        );
    }

    /// @dev Checks that a marked order is still good, and asks for nothing beyond `known`.
    function _readMark(bytes32 salt, address signer, uint256 known) internal view returns (OrderMark mark) {
        mark = OrderMarks.ofSalt(salt);
        if (mark.isNone()) return mark;
        if (mark.conditions() & ~known != 0) {
            revert IConditions.ConditionsUnknown(signer, mark.conditions());
        }
        if (mark.expiry() != 0 && mark.expiry() <= block.timestamp) {
            revert IConditions.OrderExpired(signer, mark.expiry());
        }
        if (mark.epoch() != _epochs[signer]) {
            revert IConditions.OrderOfOtherEpoch(signer, mark.epoch(), _epochs[signer]);
        }
    }

    /// @dev What app and request ask for; the pool must offer it, guard and all.
    function _agreeOnConditions(OrderMark app, OrderMark pool, OrderMark request, DealTerms memory terms)
        private
        pure
    {
        uint256 asked = app.conditions() | request.conditions();
        if (asked & OrderMarks.SPONSOR_ONLY != 0 && terms.sponsor == terms.requester) {
            revert IConditions.SponsorMissing(terms.requester);
        }
        asked &= OrderMarks.OFFERED;
        uint256 offered = pool.conditions();
        if (asked & ~offered != 0) revert IConditions.ConditionsNotOffered(asked, offered);
        terms.conditions = asked;
        if (asked & OrderMarks.GUARDED == 0) return;
        terms.guard = pool.guard();
        _checkSameGuard(app, terms.guard);
        _checkSameGuard(request, terms.guard);
    }

    function _checkSameGuard(OrderMark mark, address guard) private pure {
        bool isGuarded = mark.conditions() & OrderMarks.GUARDED != 0;
        if (isGuarded && mark.guard() != guard) revert IConditions.GuardsDiffer(mark.guard(), guard);
    }
}
