// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IConditions} from "../interfaces/IConditions.sol";
import {IMatching} from "../interfaces/IOrders.sol";
import {AppOrder, DatasetOrder, RequestOrder, WorkerpoolOrder} from "../interfaces/Types.sol";
import {CodeRecord} from "../records/CodeRecord.sol";
import {DealRecord, DealTerms} from "../records/DealRecord.sol";
import {OrderChecks, OrderHashes} from "./OrderChecks.sol";

/// Makes deals of signed orders.
abstract contract Matching is IMatching, OrderChecks {
    function matchOrders(
        AppOrder calldata appOrder,
        DatasetOrder calldata datasetOrder,
        WorkerpoolOrder calldata workerpoolOrder,
        RequestOrder calldata requestOrder
    ) external returns (bytes32) {
        return _match(appOrder, datasetOrder, workerpoolOrder, requestOrder, requestOrder.requester);
    }

    function sponsorMatchOrders(
        AppOrder calldata appOrder,
        DatasetOrder calldata datasetOrder,
        WorkerpoolOrder calldata workerpoolOrder,
        RequestOrder calldata requestOrder
    ) external returns (bytes32 dealid) {
        dealid = _match(appOrder, datasetOrder, workerpoolOrder, requestOrder, msg.sender);
        emit DealSponsored(dealid, msg.sender);
    }

    function _match(
        AppOrder calldata app,
        DatasetOrder calldata dataset,
        WorkerpoolOrder calldata pool,
        RequestOrder calldata request,
        address payer
    ) private returns (bytes32 dealid) {
        (DealTerms memory terms, OrderHashes memory hashes) = _agree(app, dataset, pool, request, payer);
        dealid = _dealId(hashes.request, terms.botFirst);
        CodeRecord.write(dealid, DealRecord.pack(terms, request.params));
        _consume(hashes, terms.botFirst, request.volume);
        _lockPrices(terms, hashes.volume);

        emit SchedulerNotice(terms.pool, dealid);
        if (terms.conditions != 0) {
            emit IConditions.DealConditions(dealid, terms.conditions, terms.guard);
        }
        emit OrdersMatched(dealid, hashes.app, hashes.dataset, hashes.pool, hashes.request, hashes.volume);
    }

    /// @dev The reference's words: "iExecV5-matchOrders-0x" and the number in two hex digits.
    function _refuse(uint256 check) internal pure override {
        bytes memory words = "iExecV5-matchOrders-0x__";
        words[22] = _hexDigit(check >> 4);
        words[23] = _hexDigit(check & 0x0f);
        revert(string(words));
    }

    function _hexDigit(uint256 digit) private pure returns (bytes1) {
        return bytes("0123456789abcdef")[digit];
    }
}
