// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IBoost} from "../interfaces/IBoost.sol";
import {IConditions} from "../interfaces/IConditions.sol";
import {IMatching} from "../interfaces/IOrders.sol";
import {ITasks} from "../interfaces/ITasks.sol";
import {
    AppOrder,
    DatasetOrder,
    DealBoost,
    RequestOrder,
    TaskStatus,
    WorkerpoolOrder
} from "../interfaces/Types.sol";
import {BoostRecord} from "../records/BoostRecord.sol";
import {CodeRecord} from "../records/CodeRecord.sol";
import {DealTerms} from "../records/DealRecord.sol";
import {TaskWord} from "../records/TaskWord.sol";
import {Callback} from "./Callback.sol";
import {OrderChecks, OrderHashes} from "./OrderChecks.sol";
import {Payout} from "./Payout.sol";

/// The boost lane, whose tasks have no state before their end: matched, then pushed or claimed.
///
/// Of a task only its status is kept. Results are in the event alone, as in the reference.
abstract contract Boost is IBoost, OrderChecks, Callback {
    function matchOrdersBoost(
        AppOrder calldata appOrder,
        DatasetOrder calldata datasetOrder,
        WorkerpoolOrder calldata workerpoolOrder,
        RequestOrder calldata requestOrder
    ) external returns (bytes32) {
        return _matchBoost(appOrder, datasetOrder, workerpoolOrder, requestOrder, requestOrder.requester);
    }

    function sponsorMatchOrdersBoost(
        AppOrder calldata appOrder,
        DatasetOrder calldata datasetOrder,
        WorkerpoolOrder calldata workerpoolOrder,
        RequestOrder calldata requestOrder
    ) external returns (bytes32 dealid) {
        dealid = _matchBoost(appOrder, datasetOrder, workerpoolOrder, requestOrder, msg.sender);
        emit DealSponsoredBoost(dealid, msg.sender);
    }

    function pushResultBoost(
        bytes32 dealId,
        uint256 index,
        bytes calldata results,
        bytes calldata resultsCallback,
        bytes calldata authorizationSign,
        address enclaveChallenge,
        bytes calldata enclaveSign
    ) external {
        DealBoost memory deal = BoostRecord.load(_recordOf(dealId));
        bytes32 taskid = _checkOpen(deal, dealId, index);
        require(block.timestamp < deal.deadline, "PocoBoost: Deadline reached");
        _checkAuthorization(deal, taskid, enclaveChallenge, authorizationSign);
        if (enclaveChallenge != address(0)) {
            bytes32 digest = keccak256(deal.callback == address(0) ? results : resultsCallback);
            bytes32 hash = _ethSignedHash(_resultSeal(msg.sender, taskid, digest));
            require(_isSigned(enclaveChallenge, hash, enclaveSign), "PocoBoost: Invalid enclave signature");
        }

        _tasks[taskid] = TaskWord.wrap(0).withStatus(TaskStatus.COMPLETED);
        _payAll(deal, taskid);

        emit ResultPushedBoost(dealId, index, results);
        if (deal.callback == address(0)) return;
        require(resultsCallback.length > 0, "PocoBoost: Callback requires data");
        require(_callBack(deal.callback, taskid, resultsCallback), "PocoBoost: Not enough gas after callback");
    }

    function claimBoost(bytes32 dealId, uint256 index) external {
        DealBoost memory deal = BoostRecord.load(_recordOf(dealId));
        bytes32 taskid = _checkOpen(deal, dealId, index);
        require(deal.deadline <= block.timestamp, "PocoBoost: Deadline not reached");

        _tasks[taskid] = TaskWord.wrap(0).withStatus(TaskStatus.FAILED);
        uint256 price = _priceOf(deal);
        _unlock(deal.sponsor, price);
        _release(price);
        uint256 poolStake = _poolStakeOf(deal);
        _seize(deal.workerpoolOwner, poolStake, taskid);
        _addToKitty(poolStake, taskid);
        emit ITasks.TaskClaimed(taskid);
    }

    function viewDealBoost(bytes32 id) external view returns (DealBoost memory) {
        return BoostRecord.load(_recordOf(id));
    }

    function _matchBoost(
        AppOrder calldata app,
        DatasetOrder calldata dataset,
        WorkerpoolOrder calldata pool,
        RequestOrder calldata request,
        address payer
    ) private returns (bytes32 dealid) {
        require(request.trust <= 1, "PocoBoost: Bad trust level");
        (DealTerms memory terms, OrderHashes memory hashes) = _agree(app, dataset, pool, request, payer);
        if (terms.conditions != 0) revert IConditions.ConditionsWithoutLane(terms.conditions);
        dealid = _dealId(hashes.request, terms.botFirst);
        CodeRecord.write(dealid, BoostRecord.pack(_dealOf(terms)));
        _consume(hashes, terms.botFirst, request.volume);
        _lockPrices(terms, hashes.volume);

        emit SchedulerNoticeBoost(
            terms.pool,
            dealid,
            terms.app,
            terms.dataset,
            terms.category,
            terms.tag,
            request.params,
            terms.beneficiary
        );
        emit IMatching.OrdersMatched(
            dealid, hashes.app, hashes.dataset, hashes.pool, hashes.request, hashes.volume
        );
    }

    /// @dev What the lane keeps of a deal's terms; every number is checked to fit.
    function _dealOf(DealTerms memory terms) private pure returns (DealBoost memory deal) {
        deal.appOwner = terms.appOwner;
        deal.appPrice = uint96(_fit(terms.appPrice, 96));
        deal.workerpoolOwner = terms.poolOwner;
        deal.workerpoolPrice = uint96(_fit(terms.poolPrice, 96));
        deal.workerReward = uint96(Payout.workersPartOf(terms.poolPrice, terms.schedulerRatio));
        deal.requester = terms.requester;
        deal.botFirst = uint16(_fit(terms.botFirst, 16));
        deal.deadline = uint40(terms.startTime + terms.timeRef * CONTRIBUTION_DEADLINE_RATIO);
        deal.botSize = uint16(_fit(terms.botSize, 16));
        deal.shortTag = bytes3(uint24(uint256(terms.tag)));
        deal.callback = terms.callback;
        deal.datasetOwner = terms.datasetOwner;
        deal.datasetPrice = uint96(_fit(terms.datasetPrice, 96));
        deal.sponsor = terms.sponsor;
    }

    /// @dev Seizes what the payer locked, whoever that is, and pays worker, app, dataset and pool.
    function _payAll(DealBoost memory deal, bytes32 taskid) private {
        _seize(deal.sponsor, _priceOf(deal), taskid);
        _reward(msg.sender, deal.workerReward, taskid);
        if (deal.appPrice > 0) _reward(deal.appOwner, deal.appPrice, taskid);
        if (deal.datasetPrice > 0) _reward(deal.datasetOwner, deal.datasetPrice, taskid);
        uint256 poolStake = _poolStakeOf(deal);
        _unlock(deal.workerpoolOwner, poolStake);
        uint256 kittyPart = _seizeFromKitty(deal.workerpoolPrice, taskid);
        uint256 poolReward = uint256(deal.workerpoolPrice) - deal.workerReward + kittyPart;
        _reward(deal.workerpoolOwner, poolReward, taskid);
        _release(_priceOf(deal) + poolStake + kittyPart);
    }

    /// @dev A task of the deal that has no end yet.
    function _checkOpen(DealBoost memory deal, bytes32 dealid, uint256 index)
        private
        view
        returns (bytes32 taskid)
    {
        require(index < deal.botSize, "PocoBoost: Unknown task");
        taskid = _taskId(dealid, index);
        require(_tasks[taskid].status() == TaskStatus.UNSET, "PocoBoost: Task status not unset");
    }

    function _checkAuthorization(
        DealBoost memory deal,
        bytes32 taskid,
        address challenge,
        bytes calldata authorizationSign
    ) private view {
        address authority = deal.workerpoolOwner;
        if (challenge == address(0)) {
            bool wantsEnclave = uint24(deal.shortTag) & uint256(TEE_BIT) != 0;
            require(!wantsEnclave, "PocoBoost: Tag requires enclave challenge");
        } else if (_teeBroker != address(0)) {
            authority = _teeBroker;
        }
        bytes32 hash = _ethSignedHash(_authorization(msg.sender, taskid, challenge));
        require(
            _isSigned(authority, hash, authorizationSign),
            "PocoBoost: Invalid contribution authorization signature"
        );
    }

    function _priceOf(DealBoost memory deal) private pure returns (uint256) {
        return uint256(deal.appPrice) + deal.datasetPrice + deal.workerpoolPrice;
    }

    function _poolStakeOf(DealBoost memory deal) private pure returns (uint256) {
        return Payout.poolStakeOf(deal.workerpoolPrice);
    }

    function _fit(uint256 value, uint8 bits) private pure returns (uint256) {
        if (value >> bits != 0) revert SafeCastOverflowedUintDowncast(bits, value);
        return value;
    }

    /// @dev Whatever the pool offers: no trust above 1 is asked for here.
    function _isTrustOffered(uint256, uint256) internal pure override returns (bool) {
        return true;
    }

    /// @dev The reference's words for the checks that it shares with the classic lane.
    function _refuse(uint256 check) internal pure override {
        string memory words = "One or more orders consumed";
        if (check < 0x10) words = _termsRefusal(check);
        else if (check < 0x20) words = _restrictionRefusal(check);
        else if (check < 0x60) words = _admissionRefusal(check);
        revert(string.concat("PocoBoost: ", words));
    }

    function _termsRefusal(uint256 check) private pure returns (string memory) {
        if (check == 0x00) return "Category mismatch";
        if (check == 0x01) return "Unknown category";
        if (check == 0x03) return "Overpriced app";
        if (check == 0x04) return "Overpriced dataset";
        if (check == 0x05) return "Overpriced workerpool";
        if (check == 0x06) return "Workerpool tag does not match demand";
        return "App tag does not match demand";
    }

    function _restrictionRefusal(uint256 check) private pure returns (string memory) {
        if (check == 0x10) return "App mismatch";
        if (check == 0x11) return "Dataset mismatch";
        if (check == 0x12) return "Workerpool restricted by request order";
        if (check == 0x13) return "Dataset restricted by app order";
        if (check == 0x14) return "Workerpool restricted by app order";
        if (check == 0x15) return "Requester restricted by app order";
        if (check == 0x16) return "App restricted by dataset order";
        if (check == 0x17) return "Workerpool restricted by dataset order";
        if (check == 0x18) return "Requester restricted by dataset order";
        if (check == 0x19) return "App restricted by workerpool order";
        if (check == 0x1a) return "Dataset restricted by workerpool order";
        return "Requester restricted by workerpool order";
    }

    function _admissionRefusal(uint256 check) private pure returns (string memory) {
        if (check == 0x20) return "App not registered";
        if (check == 0x21) return "Invalid app order signature";
        if (check == 0x30) return "Dataset not registered";
        if (check == 0x31) return "Invalid dataset order signature";
        if (check == 0x40) return "Workerpool not registered";
        if (check == 0x41) return "Invalid workerpool order signature";
        return "Invalid request order signature";
    }
}
