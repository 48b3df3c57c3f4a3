// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibBit} from "solady/utils/LibBit.sol";

import {Ballot, Batch, CommitRange, ILane, OtherVote, Outcome} from "../../src/interfaces/ILane.sol";
import {TaskStatus} from "../../src/interfaces/Types.sol";
import {Work} from "./Work.sol";

/// The settlement lane while nobody stops: commits of some tasks of a deal, and batches that settle some of what was
/// committed. Workers vote as they do in the classic lane; one never discloses its vote.
abstract contract Lane is Work {
    /// @dev What a batch is made for.
    struct Part {
        Posted commit;
        /// Places within the commit.
        uint256 from;
        uint256 to;
        bytes value;
        bool isByOwner;
    }

    // Commits.

    function commit(uint256 entropy) external acts {
        commitOne(mix(entropy));
    }

    function commitOne(uint256 seed) private {
        (Job memory job, bool found) = findUncommitted(seed);
        if (!found) return;
        if (job.isTee) return refuseCommit(job);
        uint256 tasks = 1;
        while (tasks < 1 + (seed >> 8) % 3 && isUncommitted(job.dealid, job.index + tasks)) ++tasks;
        (Ballot[] memory ballots, bool isSound) = ballotsFor(seed >> 16, job, tasks);
        readLogs();
        ballots = letIn(job, tasks, ballots, isSound);
        if (ballots.length == 0) return;
        vm.prank(bargains[job.dealid].poolOwner);
        (bool success,) =
            address(hub).call(abi.encodeCall(hub.commit, (job.dealid, job.index, tasks, ballots)));
        // What becomes of a vote without a bond that serves is not said here, but that it locks none.
        assertTrue(success || !isSound, "a commit of sound ballots was refused");
        if (success) ++count[tasks > 1 ? "committed several" : "committed"];
        else vm.getRecordedLogs();
    }

    function refuseCommit(Job memory job) private {
        Ballot[] memory ballots = new Ballot[](1);
        ballots[0] = ballotOf(0, job.dealid, job.index, 1, GOOD);
        refuseAs(
            bargains[job.dealid].poolOwner,
            abi.encodeCall(hub.commit, (job.dealid, job.index, 1, ballots)),
            abi.encodeWithSelector(ILane.EnclaveLaneMissing.selector, job.dealid)
        );
        ++count["commit with enclaves refused"];
    }

    /// @dev The ballots of those whom the guard knows, if there is one; all of them together are refused.
    function letIn(Job memory job, uint256 tasks, Ballot[] memory ballots, bool isSound)
        private
        returns (Ballot[] memory known)
    {
        known = new Ballot[](ballots.length);
        uint256 size = 0;
        address stranger = address(0);
        for (uint256 i = 0; i < ballots.length; ++i) {
            if (!isStranger(job, ballots[i].worker)) known[size++] = ballots[i];
            else if (stranger == address(0)) stranger = ballots[i].worker;
        }
        assembly {
            mstore(known, size)
        }
        // A bond that is too low may be found before.
        if (stranger == address(0) || !isSound) return known;
        refuseAs(
            bargains[job.dealid].poolOwner,
            abi.encodeCall(hub.commit, (job.dealid, job.index, tasks, ballots)),
            strangerRefusal(stranger)
        );
        // Refused late, and forge keeps what was told before.
        vm.getRecordedLogs();
        ++count["stranger refused in a commit"];
    }

    function findUncommitted(uint256 seed) private view returns (Job memory job, bool found) {
        for (uint256 i = 0; i < open.length; ++i) {
            job = open[(seed % open.length + i) % open.length];
            // Mostly one without votes on chain and enclaves, which a batch may settle.
            if ((heldBy[job.taskid].length > 0 || job.isTee) && seed >> 32 & 7 > 0) continue;
            if (!job.isBoost && isUncommitted(job.dealid, job.index) && isBefore(job, 7)) return (job, true);
        }
    }

    function isUncommitted(bytes32 dealid, uint256 index) private view returns (bool) {
        bytes32 taskid = idOf(dealid, index);
        if (dealOf[taskid] != dealid || wasCommitted[taskid]) return false;
        return statusOf[taskid] == TaskStatus.UNSET || statusOf[taskid] == TaskStatus.ACTIVE;
    }

    /// @dev The honest mostly take part, the others sometimes. `isSound` unless somebody lacks a bond that serves.
    function ballotsFor(uint256 seed, Job memory job, uint256 tasks)
        private
        returns (Ballot[] memory ballots, bool isSound)
    {
        ballots = new Ballot[](workers.length);
        isSound = true;
        uint256 size = 0;
        for (uint256 i = 0; i < workers.length; ++i) {
            uint256 own = seed >> 16 * i;
            bool isLastHope = size == 0 && i == workers.length - 1;
            if (!takesPart(own, i) && !isLastHope) continue;
            (bytes32[] memory entries, uint256 votes) = entriesFor(own >> 2, job, i, tasks);
            if (!isBonded(own >> 8, job, i, votes)) isSound = false;
            ballots[size++] =
                Ballot(workers[i], job.index, entries, signBallot(i, job.dealid, job.index, entries));
        }
        assembly {
            mstore(ballots, size)
        }
    }

    function takesPart(uint256 seed, uint256 which) private pure returns (bool) {
        if (which < SILENT) return seed & 3 > 0;
        return which == SILENT ? seed & 3 == 0 : seed & 1 == 0;
    }

    /// @dev What a worker votes; now and then it leaves a task out.
    function entriesFor(uint256 seed, Job memory job, uint256 which, uint256 tasks)
        private
        returns (bytes32[] memory entries, uint256 votes)
    {
        entries = new bytes32[](tasks);
        for (uint256 i = 0; i < tasks; ++i) {
            bytes32 taskid = idOf(job.dealid, job.index + i);
            bool isLeftOut = seed >> 2 * i & 3 == 0;
            if (isLeftOut) ++count["entry left out"];
            if (isLeftOut || hasVoted(taskid, workers[which])) continue;
            (bytes32 hash, bytes32 seal) = said(which, taskid);
            entries[i] = blind(hash, seal, nonceOf(which, taskid));
            ++votes;
        }
    }

    /// @dev Who lacks a bond for its votes mostly raises it first.
    function isBonded(uint256 seed, Job memory job, uint256 which, uint256 votes) private returns (bool) {
        address pool_ = bargains[job.dealid].pool;
        Bond storage held = bonds[workers[which]][pool_];
        uint256 needed = votes * bargains[job.dealid].workerStake;
        if (votes == 0 || (held.releaseTime == 0 && held.total - held.locked >= needed)) return true;
        if (seed & 7 == 0) return false;
        vm.prank(workers[which]);
        hub.bond(pool_, needed);
        readLogs();
        return true;
    }

    // Batches.

    /// @dev Parts of one or two commits, by their pool's owner or, two clocks after the commits, by anyone. If there
    /// is no commit, one is made.
    function settle(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        forgetDone();
        if (posted.length == 0) {
            commitOne(seed);
            readLogs();
        }
        Part[] memory parts = drawParts(seed);
        if (parts.length == 0) return;
        // The guard may have changed its mind since the commits.
        turn(seed >> 160);
        Batch[] memory batches = new Batch[](parts.length);
        bool[][] memory expected = new bool[][](parts.length);
        for (uint256 i = 0; i < parts.length; ++i) {
            batches[i] = batchFor(parts[i]);
        }
        bool isSpoilt = seed >> 128 & 7 == 0;
        if (isSpoilt) batches[0].outcomes[0].resultsCallback = "what nobody voted for";
        for (uint256 i = 0; i < parts.length; ++i) {
            expected[i] = expectedOf(parts[i]);
        }
        if (isSpoilt) expected[0][0] = false;
        noteEnded(parts);
        uint256 entered = reenterer.entered();
        vm.prank(parts[0].isByOwner ? bargains[parts[0].commit.dealid].poolOwner : thief);
        hub.settle(batches);
        readLogs();
        checkSettled(parts, expected, entered);
    }

    /// @dev A second batch starts from the scores that the first left: of two, only that each ended at most what is
    /// ready is known.
    function checkSettled(Part[] memory parts, bool[][] memory expected, uint256 entered) private {
        if (parts.length > 1) ++count["several batches"];
        for (uint256 i = 0; i < parts.length; ++i) {
            Job memory job = jobOf[parts[i].commit.dealid];
            for (uint256 k = parts[i].from; k < parts[i].to; ++k) {
                bytes32 taskid = idOf(parts[i].commit.dealid, parts[i].commit.first + k);
                bool isSettled = ends[taskid] > 0 && !isEnded[taskid];
                if (i == 0) assertEq(isSettled, expected[0][k - parts[0].from], "settled as the votes say");
                if (!isSettled) continue;
                if (job.callback == address(reenterer)) ++entered;
                checkFaults(taskid, keccak256(parts[i].value));
                countSettled(job, parts[i]);
            }
            if (parts[i].to - parts[i].from < parts[i].commit.tasks) ++count["settled in part"];
        }
        assertEq(reenterer.entered(), entered, "each settled task calls back once");
    }

    /// @dev Tasks that were over when a batch was made for them.
    mapping(bytes32 taskid => bool) private isEnded;

    function noteEnded(Part[] memory parts) private {
        for (uint256 i = 0; i < parts.length; ++i) {
            for (uint256 k = parts[i].from; k < parts[i].to; ++k) {
                bytes32 taskid = idOf(parts[i].commit.dealid, parts[i].commit.first + k);
                isEnded[taskid] = ends[taskid] > 0;
            }
        }
    }

    /// @dev Who did not vote for the digest with its own seal, and who said nothing, is slashed, and nobody else.
    function checkFaults(bytes32 taskid, bytes32 digest) private {
        for (uint256 k = 0; k < rows[taskid].length; ++k) {
            address worker = rows[taskid][k].worker;
            uint256 which = indexOf(worker);
            (, bytes32 seal) = said(which, taskid);
            bool isRight = which != SILENT && seal == resultSeal(worker, taskid, digest);
            assertEq(
                isFaulty[taskid][worker], !isRight, "those and only those who voted otherwise are slashed"
            );
            if (isStranger(jobOf[dealOf[taskid]], worker)) ++count["settled with a stranger of late"];
            if (which == SILENT) ++count["silent slashed"];
            if (which == COPYCAT) ++count["copycat slashed"];
        }
    }

    function countSettled(Job memory job, Part memory part) private {
        countCallback(job);
        if (!part.isByOwner) ++count["settled by anyone"];
        if (isBound(job)) ++count["settled bound"];
        if (isGuarded(job)) ++count["settled under a guard"];
        if (keccak256(part.value) == keccak256(LIE)) ++count["the liars settled"];
    }

    function drawParts(uint256 seed) private returns (Part[] memory parts) {
        parts = new Part[](1 + (seed >> 8 & 1));
        uint256 size = 0;
        bool isByOwner = seed >> 9 & 7 > 0;
        // Late enough for the silent to be slashed.
        bool isLate = !isByOwner || seed >> 12 & 3 == 0;
        for (uint256 i = 0; i < posted.length && size < parts.length; ++i) {
            Posted memory post = posted[(seed % posted.length + i) % posted.length];
            Job memory job = jobOf[post.dealid];
            bool isSameOwner =
                size == 0 || bargains[parts[0].commit.dealid].poolOwner == bargains[post.dealid].poolOwner;
            if (!isSameOwner || !isBefore(job, 10)) continue;
            if (isLate && !waitUntil(job, post.time + 2 * job.clock)) continue;
            parts[size++] = drawPart(seed >> 16, post, isByOwner);
        }
        // Waiting for the second may have been too long for the first.
        if (size > 1 && !isBefore(jobOf[parts[0].commit.dealid], 10)) {
            (parts[0], size) = (parts[1], 1);
        }
        assembly {
            mstore(parts, size)
        }
    }

    function drawPart(uint256 seed, Posted memory post, bool isByOwner) private pure returns (Part memory) {
        bool isWhole = seed & 1 == 0;
        uint256 from = isWhole ? 0 : (seed >> 1) % post.tasks;
        uint256 to = isWhole ? post.tasks : from + 1 + (seed >> 8) % (post.tasks - from);
        return Part(post, from, to, seed >> 16 & 3 > 0 ? TRUTH : LIE, isByOwner);
    }

    function batchFor(Part memory part) internal view returns (Batch memory batch) {
        Posted memory post = part.commit;
        batch.range = rangeOf(post, part.from, part.to);
        batch.workers = workersIn(post, part.from, part.to);
        batch.outcomes = new Outcome[](part.to - part.from);
        Job memory job = jobOf[post.dealid];
        for (uint256 i = 0; i < batch.outcomes.length; ++i) {
            bytes32 taskid = idOf(post.dealid, post.first + part.from + i);
            batch.outcomes[i] = outcomeFor(taskid, batch.workers, keccak256(part.value));
            if (part.isByOwner || isBound(job)) batch.outcomes[i].results = resultsOf(job, part.value);
            if (job.callback != address(0)) batch.outcomes[i].resultsCallback = part.value;
        }
    }

    /// @dev Some tasks of a commit, with the hashes of the rows around them.
    function rangeOf(Posted memory post, uint256 from, uint256 to)
        internal
        view
        returns (CommitRange memory range)
    {
        range = wholeRange(post.dealid, post.first, post.time);
        range.rowsBefore = rowHashes(post, 0, from);
        range.rowsAfter = rowHashes(post, to, post.tasks);
    }

    function rowHashes(Posted memory post, uint256 from, uint256 to)
        private
        view
        returns (bytes32[] memory hashes)
    {
        hashes = new bytes32[](to - from);
        for (uint256 i = from; i < to; ++i) {
            hashes[i - from] = keccak256(rowBytes(idOf(post.dealid, post.first + i)));
        }
    }

    /// @dev Exactly those who are in a row, so that a batch may be of one mind.
    function workersIn(Posted memory post, uint256 from, uint256 to)
        private
        view
        returns (address[] memory table)
    {
        table = new address[](workers.length);
        uint256 size = 0;
        for (uint256 i = 0; i < workers.length; ++i) {
            bool isIn = false;
            for (uint256 k = from; k < to; ++k) {
                isIn = isIn || isInRow(idOf(post.dealid, post.first + k), workers[i]);
            }
            if (isIn) table[size++] = workers[i];
        }
        assembly {
            mstore(table, size)
        }
    }

    function isInRow(bytes32 taskid, address worker) private view returns (bool) {
        return placeIn(taskid, worker) < rows[taskid].length;
    }

    function outcomeFor(bytes32 taskid, address[] memory table, bytes32 digest)
        private
        view
        returns (Outcome memory outcome)
    {
        outcome.digest = digest;
        outcome.nonces = new uint128[](table.length);
        outcome.others = new OtherVote[](table.length);
        uint256 agreeing = 0;
        uint256 others = 0;
        for (uint256 i = 0; i < table.length; ++i) {
            if (!isInRow(taskid, table[i])) continue;
            outcome.present |= 1 << i;
            uint256 which = indexOf(table[i]);
            (bytes32 hash, bytes32 seal) = said(which, taskid);
            if (which == SILENT) {
                outcome.others[others++].entry = rows[taskid][placeIn(taskid, table[i])].vote;
            } else if (seal == resultSeal(table[i], taskid, digest)) {
                outcome.agreeing |= 1 << i;
                outcome.nonces[agreeing++] = nonceOf(which, taskid);
            } else {
                outcome.others[others++] = OtherVote(hash, seal, nonceOf(which, taskid), 0);
            }
        }
        return fitted(outcome, agreeing, others);
    }

    function fitted(Outcome memory outcome, uint256 agreeing, uint256 others)
        private
        pure
        returns (Outcome memory)
    {
        (uint128[] memory nonces, OtherVote[] memory votes) = (outcome.nonces, outcome.others);
        assembly {
            mstore(nonces, agreeing)
            mstore(votes, others)
        }
        return outcome;
    }

    function indexOf(address worker) internal view returns (uint256 which) {
        while (workers[which] != worker) ++which;
    }

    // What must become of a batch, as `protocol.md` counts votes.

    function expectedOf(Part memory part) private view returns (bool[] memory expected) {
        expected = new bool[](part.to - part.from);
        Job memory job = jobOf[part.commit.dealid];
        bool isOver = part.commit.time + 2 * job.clock <= time;
        for (uint256 i = 0; i < expected.length; ++i) {
            bytes32 taskid = idOf(part.commit.dealid, part.commit.first + part.from + i);
            bool isReady = isCommitted[taskid] && statusOf[taskid] == TaskStatus.ACTIVE
                && heldBy[taskid].length == LibBit.popCount(disclosed[taskid])
                && (isOver || !isInRow(taskid, workers[SILENT]));
            expected[i] = isReady && reaches(taskid, keccak256(part.value), job.trust);
        }
    }

    function reaches(bytes32 taskid, bytes32 digest, uint256 trust) private view returns (bool) {
        uint256 winners = 0;
        uint256 product = 1;
        uint256 others = 0;
        for (uint256 k = 0; k < rows[taskid].length; ++k) {
            address worker = rows[taskid][k].worker;
            uint256 which = indexOf(worker);
            if (which == SILENT) continue;
            (bytes32 hash, bytes32 seal) = said(which, taskid);
            uint256 weight = FixedPointMathLib.max(hub.viewScore(worker) / 3, 3) - 1;
            if (hash != resultHash(taskid, digest)) {
                others = FixedPointMathLib.max(others, 1) * weight;
            } else if (seal == resultSeal(worker, taskid, digest)) {
                product *= weight;
                ++winners;
            }
        }
        return winners > 0 && product * trust > (1 + product + others) * (trust - 1);
    }

    /// @dev Drops commits that answer for nothing any more.
    function forgetDone() internal {
        for (uint256 i = posted.length; i > 0; --i) {
            Posted memory post = posted[i - 1];
            bool isDone = true;
            for (uint256 k = 0; k < post.tasks; ++k) {
                if (isCommitted[idOf(post.dealid, post.first + k)]) isDone = false;
            }
            if (!isDone) continue;
            posted[i - 1] = posted[posted.length - 1];
            posted.pop();
        }
    }
}
