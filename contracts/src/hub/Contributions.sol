// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EfficientHashLib} from "solady/utils/EfficientHashLib.sol";

import {ITasks} from "../interfaces/ITasks.sol";
import {TaskStatus} from "../interfaces/Types.sol";
import {DealHead, DealHeads} from "../records/DealHead.sol";
import {CONTRIBUTORS_MAX, TaskWord} from "../records/TaskWord.sol";
import {VoteWord, VoteWords} from "../records/VoteWord.sol";
import {Consensus} from "./Consensus.sol";
import {Guards} from "./Guards.sol";
import {ContributionSlots} from "./HubStorage.sol";
import {Money} from "./Money.sol";
import {TaskSteps} from "./TaskSteps.sol";

/// Votes of workers, and what a vote does: contribute, consensus, reveal.
///
/// Group weights are not stored: each contribution scans the earlier ones, of which a task has a few, and
/// multiplies their weights again. The scan also finds out whether this wallet has contributed before.
abstract contract Contributions is ITasks, Money, Guards, TaskSteps {
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
        TaskWord task = _tasks[taskId];
        DealHead deal = _loadOpenTask(taskId, task);
        uint256 count = task.contributors();
        if (count == CONTRIBUTORS_MAX) revert TooManyContributors(taskId);
        // Inverted it would lie as an empty slot. No hash is like that.
        if (~resultSeal == 0) revert DigestMismatch(resultSeal);
        _checkAuthorization(taskId, deal, enclaveChallenge, authorizationSign);
        _checkEnclave(resultHash, resultSeal, enclaveChallenge, enclaveSign);

        uint256 weight = Consensus.weightOf(_stakes[msg.sender].score());
        Tally memory tally = _tally(taskId, count, resultHash, weight);
        _store(taskId, count, VoteWords.pack(msg.sender, weight, tally.group), resultSeal, enclaveChallenge);
        bool isConsensus = Consensus.isReached(tally.product, tally.total, deal.trust());
        task = task.withContribution();
        if (isConsensus) {
            // In a strict deal whoever votes anew after a reopening has a whole clock for it.
            bool isEarly = _isStrict(deal) && !task.wasReopened();
            uint256 last = isEarly ? STRICT_REVEALS_END_RATIO : FINAL_DEADLINE_RATIO;
            task = task.withConsensus(_revealDeadline(deal, last), tally.members, tally.group);
        }
        _tasks[taskId] = task;

        _lock(msg.sender, deal.workerStake());
        emit TaskContribute(taskId, msg.sender, resultHash);
        if (isConsensus) emit TaskConsensus(taskId, resultHash);
    }

    function reveal(bytes32 taskId, bytes32 resultDigest) external {
        TaskWord task = _tasks[taskId];
        _checkStatus(taskId, task, TaskStatus.REVEALING);
        if (task.revealDeadline() <= block.timestamp) {
            revert TooLate(task.revealDeadline(), block.timestamp);
        }
        ContributionSlots storage slots = _find(taskId, task.contributors(), msg.sender);
        bytes32 sealInverted = slots.sealInverted;
        VoteWord vote = slots.vote;
        if (sealInverted == 0 || vote.isRejected()) {
            revert WrongContributionStatus(msg.sender, _statusOf(slots));
        }
        uint256 group = task.winningGroup();
        if (vote.group() != group) revert NotAWinner(msg.sender);

        bool isFirst = task.revealed() == 0;
        bytes32 given = isFirst ? _resultHash(taskId, resultDigest) : resultDigest;
        bytes32 seal = _resultSeal(msg.sender, taskId, resultDigest);
        if (_groups[taskId][group] != given || ~sealInverted != seal) revert DigestMismatch(resultDigest);
        // The first reveal puts the digest in the place of the hash, which follows from it.
        if (isFirst) _groups[taskId][group] = resultDigest;
        slots.sealInverted = 0;
        _tasks[taskId] = task.withReveal();

        emit TaskReveal(taskId, msg.sender, resultDigest);
    }

    /// @dev Checks that contributions are open and returns the task's deal.
    function _loadOpenTask(bytes32 taskid, TaskWord task) internal view returns (DealHead deal) {
        _checkStatus(taskid, task, TaskStatus.ACTIVE);
        if (task.isCommitted()) revert TaskCommitted(taskid);
        deal = DealHeads.load(task.deal());
        uint256 deadline = _contributionDeadline(task, deal);
        if (deadline <= block.timestamp) revert TooLate(deadline, block.timestamp);
    }

    /// @dev The pool owner authorizes worker, task and enclave; with an enclave and a broker, the broker does.
    function _checkAuthorization(
        bytes32 taskid,
        DealHead deal,
        address challenge,
        bytes calldata authorizationSign
    ) internal view {
        address authority = deal.poolOwner();
        if (challenge == address(0)) {
            if (deal.tag() & TEE_BIT_OF_TAG != 0) revert EnclaveChallengeMissing(taskid);
        } else if (_teeBroker != address(0)) {
            authority = _teeBroker;
        }
        bytes32 hash = _ethSignedHash(_authorization(msg.sender, taskid, challenge));
        if (!_isSigned(authority, hash, authorizationSign)) {
            revert AuthorizationInvalid(msg.sender, taskid, challenge);
        }
        _checkGuard(deal, msg.sender, challenge);
    }

    function _checkEnclave(
        bytes32 resultHash,
        bytes32 resultSeal,
        address challenge,
        bytes calldata enclaveSign
    ) internal view {
        if (challenge == address(0)) return;
        bytes32 hash = _ethSignedHash(EfficientHashLib.hash(resultHash, resultSeal));
        if (!_isSigned(challenge, hash, enclaveSign)) revert EnclaveSignatureInvalid(challenge);
    }

    /// @dev Counts a new vote of `weight` for `resultHash` together with the `count` earlier ones.
    function _tally(bytes32 taskid, uint256 count, bytes32 resultHash, uint256 weight)
        private
        returns (Tally memory tally)
    {
        ContributionSlots[CONTRIBUTORS_MAX] storage earlier = _contributions[taskid];
        bytes32[CONTRIBUTORS_MAX] storage groups = _groups[taskid];
        if (count == 0) {
            groups[0] = resultHash;
            return Tally(0, weight, 1, weight + 1);
        }
        uint256 product = 1;
        bool isPlain = true;
        for (uint256 i = 0; i < count; ++i) {
            VoteWord vote = earlier[i].vote;
            if (vote.worker() == msg.sender) revert AlreadyContributed(taskid, msg.sender);
            isPlain = isPlain && vote.isPlain();
            if (isPlain) product *= vote.weight();
        }
        // The usual case, without memory: all earlier votes are for one hash, and this one is too.
        if (isPlain && groups[0] == resultHash) {
            tally.product = product * weight;
            tally.members = count + 1;
            tally.total = tally.product + 1;
            return tally;
        }
        return _tallyGroups(taskid, count, resultHash, weight);
    }

    function _tallyGroups(bytes32 taskid, uint256 count, bytes32 resultHash, uint256 weight)
        private
        returns (Tally memory tally)
    {
        uint256[] memory products = new uint256[](count + 1);
        uint256[] memory members = new uint256[](count + 1);
        uint256 groups = 0;
        for (uint256 i = 0; i < count; ++i) {
            VoteWord vote = _contributions[taskid][i].vote;
            if (vote.isSilent()) continue;
            uint256 group = vote.group();
            if (group >= groups) groups = group + 1;
            if (vote.isRejected()) continue;
            products[group] = Consensus.join(products[group], vote.weight());
            members[group] += 1;
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

    function _find(bytes32 taskid, uint256 count, address worker)
        internal
        view
        returns (ContributionSlots storage slots)
    {
        ContributionSlots[CONTRIBUTORS_MAX] storage all = _contributions[taskid];
        for (uint256 i = 0; i < count; ++i) {
            if (all[i].vote.worker() == worker) return all[i];
        }
        revert NoContribution(taskid, worker);
    }

    function _store(bytes32 taskid, uint256 index, VoteWord vote, bytes32 seal, address challenge) private {
        ContributionSlots storage slots = _contributions[taskid][index];
        slots.vote = vote;
        slots.sealInverted = ~seal;
        if (challenge != address(0)) slots.enclaveChallenge = challenge;
    }
}
