// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILegacyViews} from "../interfaces/IViews.sol";
import {
    Account,
    Category,
    Contribution,
    ContributionStatus,
    Deal,
    Task,
    TaskStatus
} from "../interfaces/Types.sol";
import {Views} from "./Views.sol";

/// The views as flat tuples.
abstract contract LegacyViews is ILegacyViews, Views {
    function viewAccountABILegacy(address account) external view returns (uint256, uint256) {
        Account memory found = _viewAccount(account);
        return (found.stake, found.locked);
    }

    function viewCategoryABILegacy(uint256 catid)
        external
        view
        returns (string memory, string memory, uint256)
    {
        Category memory found = _categories[catid];
        return (found.name, found.description, found.workClockTimeRef);
    }

    function viewConfigABILegacy(bytes32 id)
        external
        view
        returns (uint256, uint256, uint256, uint256, uint256, uint256)
    {
        Deal memory deal = _viewDeal(id);
        return (
            deal.category,
            deal.startTime,
            deal.botFirst,
            deal.botSize,
            deal.workerStake,
            deal.schedulerRewardRatio
        );
    }

    function viewContributionABILegacy(bytes32 taskid, address worker)
        external
        view
        returns (ContributionStatus, bytes32, bytes32, address)
    {
        Contribution memory found = _viewContribution(taskid, worker);
        return (found.status, found.resultHash, found.resultSeal, found.enclaveChallenge);
    }

    function viewDealABILegacy_pt1(bytes32 id)
        external
        view
        returns (address, address, uint256, address, address, uint256, address, address, uint256)
    {
        Deal memory deal = _viewDeal(id);
        return (
            deal.app.pointer,
            deal.app.owner,
            deal.app.price,
            deal.dataset.pointer,
            deal.dataset.owner,
            deal.dataset.price,
            deal.workerpool.pointer,
            deal.workerpool.owner,
            deal.workerpool.price
        );
    }

    function viewDealABILegacy_pt2(bytes32 id)
        external
        view
        returns (uint256, bytes32, address, address, address, string memory)
    {
        Deal memory deal = _viewDeal(id);
        return (deal.trust, deal.tag, deal.requester, deal.beneficiary, deal.callback, deal.params);
    }

    function viewTaskABILegacy(bytes32 taskid)
        external
        view
        returns (
            TaskStatus,
            bytes32,
            uint256,
            uint256,
            uint256,
            uint256,
            uint256,
            bytes32,
            uint256,
            uint256,
            address[] memory,
            bytes memory
        )
    {
        Task memory task = _viewTask(taskid);
        return (
            task.status,
            task.dealid,
            task.idx,
            task.timeref,
            task.contributionDeadline,
            task.revealDeadline,
            task.finalDeadline,
            task.consensusValue,
            task.revealCounter,
            task.winnerCounter,
            task.contributors,
            task.results
        );
    }
}
