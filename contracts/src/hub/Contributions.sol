// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ITasks} from "../interfaces/ITasks.sol";
import {ContributionStatus, TaskStatus} from "../interfaces/Types.sol";
import {DealTerms} from "../records/DealRecord.sol";
import {TaskSlots, TaskState, Vote} from "../records/TaskSlots.sol";
import {Consensus} from "./Consensus.sol";
import {ContributionSlots} from "./HubStorage.sol";
import {Money} from "./Money.sol";
import {Signatures} from "./Signatures.sol";
import {TaskAccess} from "./TaskAccess.sol";

/// Votes of workers, and what a vote does: contribute, consensus, reveal, reopen.
///
/// Group weights are not stored: each contribution scans the earlier ones, of which a task has a few, and
/// multiplies their weights again. The scan also finds out whether this wallet has contributed before.
abstract contract Contributions is ITasks, Money, Signatures, TaskAccess {
    bytes32 private constant TEE_BIT_OF_TAG = bytes32(uint256(0x01));

    /// @dev What the scan of earlier contributions finds for one result hash.
    struct Tally {
        /// Group of the hash, new if nobody voted for it yet.
        uint256 group;
        /// Product of the weights in that group, rejected members left out.
        uint256 product;
        /// Members that count, rejected ones left out.
        uint256 members;
        /// 1 + the sum of all groups' products.
        uint256 total;
    }

    function contribute(
        bytes32 taskId,
        bytes32 resultHash,
        bytes32 resultSeal,
        address enclaveChallenge,
        bytes calldata enclaveSign,
        bytes calldata authorizationSign
    ) external {
        TaskState memory task = _loadTask(taskId);
        DealTerms memory deal = _loadOpenTask(taskId, task);
        if (task.contributors == TaskSlots.MAX_CONTRIBUTORS) revert TooManyContributors(taskId);
        _checkAuthorization(taskId, deal, enclaveChallenge, authorizationSign);
        _checkEnclave(resultHash, resultSeal, enclaveChallenge, enclaveSign);

        uint256 weight = Consensus.weightOf(_stakes[msg.sender].score);
        Tally memory tally = _tally(taskId, task.contributors, resultHash, weight);
        _storeContribution(
            taskId, task.contributors, Vote(msg.sender, weight, ContributionStatus.CONTRIBUTED, tally.group)
        );
        _storeSeal(taskId, task.contributors, resultSeal, enclaveChallenge);
        task.contributors += 1;
        bool isConsensus = Consensus.isReached(tally.product, tally.total, deal.trust);
        if (isConsensus) {
            task.status = TaskStatus.REVEALING;
            task.revealDeadline = block.timestamp + deal.timeRef * REVEAL_DEADLINE_RATIO;
            task.winners = tally.members;
            task.winningGroup = tally.group;
        }
        _storeTask(taskId, task);

        _lock(msg.sender, deal.workerStake);
        emit TaskContribute(taskId, msg.sender, resultHash);
        if (isConsensus) emit TaskConsensus(taskId, resultHash);
    }

    function reveal(bytes32 taskId, bytes32 resultDigest) external {
        TaskState memory task = _loadTask(taskId);
        _checkStatus(taskId, task, TaskStatus.REVEALING);
        if (task.revealDeadline <= block.timestamp) revert TooLate(task.revealDeadline, block.timestamp);

        uint256 index = _find(taskId, task.contributors, msg.sender);
        Vote memory vote = _loadVote(taskId, index);
        if (vote.status != ContributionStatus.CONTRIBUTED) {
            revert WrongContributionStatus(msg.sender, vote.status);
        }
        if (vote.group != task.winningGroup) revert NotAWinner(msg.sender);
        _checkDigest(taskId, task, index, resultDigest);

        // The first reveal puts the digest in the place of the hash, which follows from it.
        if (task.revealed == 0) _groups[taskId][task.winningGroup] = resultDigest;
        delete _contributions[taskId][index].seal;
        vote.status = ContributionStatus.PROVED;
        _storeContribution(taskId, index, vote);
        task.revealed += 1;
        _storeTask(taskId, task);

        emit TaskReveal(taskId, msg.sender, resultDigest);
    }

    function reopen(bytes32 taskId) external {
        TaskState memory task = _loadTask(taskId);
        _loadRevealingTask(taskId, task);
        if (task.revealDeadline > block.timestamp) revert TooEarly(task.revealDeadline, block.timestamp);
        if (task.revealed != 0) revert RevealsExist(task.revealed);

        for (uint256 i = 0; i < task.contributors; ++i) {
            Vote memory vote = _loadVote(taskId, i);
            if (vote.group != task.winningGroup) continue;
            vote.status = ContributionStatus.REJECTED;
            _storeContribution(taskId, i, vote);
        }
        task.status = TaskStatus.ACTIVE;
        task.revealDeadline = 0;
        task.winners = 0;
        task.winningGroup = 0;
        _storeTask(taskId, task);

        emit TaskReopen(taskId);
    }

    /// @dev Checks that contributions are open and returns the task's deal.
    function _loadOpenTask(bytes32 taskid, TaskState memory task)
        internal
        view
        returns (DealTerms memory deal)
    {
        _checkStatus(taskid, task, TaskStatus.ACTIVE);
        deal = _loadDeal(task.deal);
        uint256 deadline = deal.startTime + deal.timeRef * CONTRIBUTION_DEADLINE_RATIO;
        if (deadline <= block.timestamp) revert TooLate(deadline, block.timestamp);
    }

    /// @dev What reopen and finalize share: the pool owner acts on a task in consensus, before its end.
    function _loadRevealingTask(bytes32 taskid, TaskState memory task)
        internal
        view
        returns (DealTerms memory deal)
    {
        _checkStatus(taskid, task, TaskStatus.REVEALING);
        deal = _loadDeal(task.deal);
        if (msg.sender != deal.poolOwner) revert NotThePoolOwner(msg.sender, deal.poolOwner);
        uint256 deadline = deal.startTime + deal.timeRef * FINAL_DEADLINE_RATIO;
        if (deadline <= block.timestamp) revert TooLate(deadline, block.timestamp);
    }

    function _checkStatus(bytes32 taskid, TaskState memory task, TaskStatus wanted) internal pure {
        if (task.status != wanted) revert WrongTaskStatus(taskid, task.status);
    }

    /// @dev The pool owner authorizes worker, task and enclave; with an enclave and a broker, the broker does.
    function _checkAuthorization(
        bytes32 taskid,
        DealTerms memory deal,
        address challenge,
        bytes calldata authorizationSign
    ) internal view {
        address authority = deal.poolOwner;
        if (challenge == address(0)) {
            if (deal.tag & TEE_BIT_OF_TAG != 0) revert EnclaveChallengeMissing(taskid);
        } else if (_teeBroker != address(0)) {
            authority = _teeBroker;
        }
        bytes32 hash = _ethSignedHash(keccak256(abi.encodePacked(msg.sender, taskid, challenge)));
        if (!_isSigned(authority, hash, authorizationSign)) {
            revert AuthorizationInvalid(msg.sender, taskid, challenge);
        }
    }

    function _checkEnclave(
        bytes32 resultHash,
        bytes32 resultSeal,
        address challenge,
        bytes calldata enclaveSign
    ) internal view {
        if (challenge == address(0)) return;
        bytes32 hash = _ethSignedHash(keccak256(abi.encodePacked(resultHash, resultSeal)));
        if (!_isSigned(challenge, hash, enclaveSign)) revert EnclaveSignatureInvalid(challenge);
    }

    /// @dev Counts a new vote of `weight` for `resultHash` together with the `count` earlier ones.
    function _tally(bytes32 taskid, uint256 count, bytes32 resultHash, uint256 weight)
        private
        returns (Tally memory tally)
    {
        uint256[] memory products = new uint256[](count + 1);
        uint256[] memory members = new uint256[](count + 1);
        uint256 groups = 0;
        for (uint256 i = 0; i < count; ++i) {
            Vote memory vote = _loadVote(taskid, i);
            if (vote.worker == msg.sender) revert AlreadyContributed(taskid, msg.sender);
            if (vote.group >= groups) groups = vote.group + 1;
            if (vote.status == ContributionStatus.REJECTED) continue;
            products[vote.group] = Consensus.join(products[vote.group], vote.weight);
            members[vote.group] += 1;
        }
        while (tally.group < groups && _groups[taskid][tally.group] != resultHash) ++tally.group;
        if (tally.group == groups) _groups[taskid][tally.group] = resultHash;

        products[tally.group] = Consensus.join(products[tally.group], weight);
        tally.product = products[tally.group];
        tally.members = members[tally.group] + 1;
        tally.total = 1;
        for (uint256 group = 0; group <= count; ++group) {
            tally.total += products[group];
        }
    }

    function _checkDigest(bytes32 taskid, TaskState memory task, uint256 index, bytes32 digest) private view {
        bytes32 known = _groups[taskid][task.winningGroup];
        bytes32 given = task.revealed == 0 ? _resultHash(taskid, digest) : digest;
        bytes32 seal = _contributions[taskid][index].seal;
        if (known != given || seal != _resultSeal(msg.sender, taskid, digest)) revert DigestMismatch(digest);
    }

    function _find(bytes32 taskid, uint256 count, address worker) internal view returns (uint256 index) {
        while (index < count && _loadVote(taskid, index).worker != worker) ++index;
        if (index == count) revert NoContribution(taskid, worker);
    }

    function _storeContribution(bytes32 taskid, uint256 index, Vote memory vote) private {
        _contributions[taskid][index].vote = TaskSlots.packVote(vote);
    }

    function _storeSeal(bytes32 taskid, uint256 index, bytes32 seal, address challenge) private {
        ContributionSlots storage slots = _contributions[taskid][index];
        slots.seal = seal;
        if (challenge != address(0)) slots.enclaveChallenge = challenge;
    }
}
