// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {RowVote} from "../../src/interfaces/ILane.sol";
import {TaskStatus} from "../../src/interfaces/Types.sol";
import {Lane} from "./Lane.sol";

/// The settlement lane when somebody stops: votes disclosed on chain, tasks closed into the classic lane, bonds released
/// after a claim; and how bonds begin and end. All of it by anyone.
abstract contract Stops is Lane {
    function bond(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        address worker = workers[seed % workers.length];
        uint256 amount = (seed >> 16) % (100 * RLC);
        if (free(worker) < amount) return;
        vm.prank(worker);
        hub.bond(poolEntries[seed >> 8 & 1], amount);
        ++count["bonded"];
    }

    function unbond(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        address worker = workers[seed % workers.length];
        if (bondPools[worker].length == 0) return;
        address pool_ = bondPools[worker][(seed >> 8) % bondPools[worker].length];
        vm.prank(worker);
        hub.unbond(pool_);
        ++count["unbonded"];
    }

    /// @dev A bond that is ending, if there is one.
    function withdrawBond(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        for (uint256 i = 0; i < workers.length; ++i) {
            address worker = workers[(seed + i) % workers.length];
            for (uint256 k = 0; k < bondPools[worker].length; ++k) {
                address pool_ = bondPools[worker][k];
                uint256 end = bonds[worker][pool_].releaseTime;
                if (end == 0) continue;
                if (end > time && seed >> 16 & 31 == 0) vm.warp(time = end);
                return withdrawAs(worker, pool_);
            }
        }
    }

    function withdrawAs(address worker, address pool_) private {
        Bond storage held = bonds[worker][pool_];
        bool isFree = held.releaseTime != 0 && held.releaseTime <= time && held.locked == 0;
        vm.prank(worker);
        (bool success,) = address(hub).call(abi.encodeCall(hub.withdrawBond, (pool_)));
        assertEq(success, isFree, "a bond ends when its time has come and it answers for nothing");
        ++count[isFree ? "bond withdrawn" : "bond kept"];
    }

    /// @dev A committed task that is open, with its place in its commit.
    function findCommitted(uint256 seed)
        private
        returns (Posted memory post, uint256 place, bytes32 taskid, bool found)
    {
        forgetDone();
        for (uint256 i = 0; i < posted.length; ++i) {
            post = posted[(seed % posted.length + i) % posted.length];
            if (!isBefore(jobOf[post.dealid], 10)) continue;
            for (place = 0; place < post.tasks; ++place) {
                taskid = idOf(post.dealid, post.first + place);
                if (isCommitted[taskid] && statusOf[taskid] == TaskStatus.ACTIVE) {
                    return (post, place, taskid, true);
                }
            }
        }
    }

    /// @dev All votes of a task that are known, or some of them.
    function disclose(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        (Posted memory post, uint256 place, bytes32 taskid, bool found) = findCommitted(seed);
        if (!found) return;
        RowVote[] memory votes = new RowVote[](rows[taskid].length);
        uint256 size = 0;
        for (uint256 k = 0; k < votes.length; ++k) {
            uint256 which = indexOf(rows[taskid][k].worker);
            bool isChosen = seed >> 8 & 1 == 0 || seed >> (16 + k) & 1 == 0;
            if (which == SILENT || !isChosen || disclosed[taskid] >> k & 1 == 1) continue;
            (bytes32 hash, bytes32 seal) = said(which, taskid);
            votes[size++] = RowVote(k, hash, seal, nonceOf(which, taskid));
        }
        assembly {
            mstore(votes, size)
        }
        vm.prank(thief);
        hub.disclose(rangeOf(post, place, place + 1), rowBytes(taskid), votes);
    }

    /// @dev At once if all votes are on chain, else when their time is over.
    function close(uint256 entropy) external acts {
        (Posted memory post, uint256 place, bytes32 taskid, bool found) = findCommitted(mix(entropy));
        if (!found) return;
        bool isAll = disclosed[taskid] == (1 << rows[taskid].length) - 1;
        Job memory job = jobOf[post.dealid];
        if (!isAll && !waitUntil(job, post.time + 2 * job.clock)) return;
        vm.prank(thief);
        hub.close(rangeOf(post, place, place + 1), rowBytes(taskid));
        readLogs();
        ++count[isAll ? "closed with all votes" : "closed without some"];
        if (statusOf[taskid] == TaskStatus.REVEALING) ++count["closed into consensus"];
    }

    /// @dev Of a commit whose tasks are over; sometimes one is waited for.
    function release(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        forgetDone();
        for (uint256 i = 0; i < posted.length; ++i) {
            Posted memory post = posted[(seed % posted.length + i) % posted.length];
            Job memory job = jobOf[post.dealid];
            if (isBefore(job, 10) && seed >> 128 & 15 == 0) vm.warp(time = job.start + 10 * job.clock);
            if (isBefore(job, 10)) continue;
            claimAll(post);
            return releaseAll(post);
        }
    }

    function claimAll(Posted memory post) private {
        for (uint256 k = 0; k < post.tasks; ++k) {
            Job memory job = jobOf[post.dealid];
            (job.index, job.taskid) = (post.first + k, idOf(post.dealid, post.first + k));
            if (ends[job.taskid] == 0) claimNow(job);
        }
        readLogs();
    }

    /// @dev Each run of claimed tasks in one call.
    function releaseAll(Posted memory post) internal {
        uint256 from = 0;
        for (uint256 to = 0; to <= post.tasks; ++to) {
            if (to < post.tasks && isReleasable(idOf(post.dealid, post.first + to))) continue;
            if (from < to) releaseRun(post, from, to);
            from = to + 1;
        }
    }

    function isReleasable(bytes32 taskid) private view returns (bool) {
        return isCommitted[taskid] && statusOf[taskid] == TaskStatus.FAILED;
    }

    function releaseRun(Posted memory post, uint256 from, uint256 to) private {
        bytes[] memory list = new bytes[](to - from);
        for (uint256 i = from; i < to; ++i) {
            list[i - from] = rowBytes(idOf(post.dealid, post.first + i));
        }
        vm.prank(thief);
        hub.release(rangeOf(post, from, to), list);
        for (uint256 i = from; i < to; ++i) {
            noteReleased(idOf(post.dealid, post.first + i));
        }
    }

    /// @dev Whatever there still is of commits and bonds, when all tasks are over: nothing stays locked.
    function endBonds() internal {
        for (uint256 i = 0; i < posted.length; ++i) {
            releaseAll(posted[i]);
        }
        for (uint256 i = 0; i < 2 * workers.length; ++i) {
            (address worker, address pool_) = (workers[i / 2], poolEntries[i & 1]);
            (, uint256 locked,) = hub.viewBond(worker, pool_);
            assertEq(locked, 0, "a bond stayed locked for ever");
            vm.prank(worker);
            hub.unbond(pool_);
        }
        readLogs();
        vm.warp(time += 10 * 1200);
        for (uint256 i = 0; i < 2 * workers.length; ++i) {
            vm.prank(workers[i / 2]);
            hub.withdrawBond(poolEntries[i & 1]);
        }
        readLogs();
    }
}
