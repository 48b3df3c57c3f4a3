// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Ballot, Batch, CommitRange, ILane, RowVote} from "../../src/interfaces/ILane.sol";
import {ITasks} from "../../src/interfaces/ITasks.sol";
import {TaskStatus} from "../../src/interfaces/Types.sol";
import {Orders} from "../support/Market.sol";
import {Stops} from "./Stops.sol";

/// What must never work, tried on whatever state the market is in. Each attempt is refused.
abstract contract Theft is Stops {
    /// @dev A task that has ended, to be ended again.
    Job private ended;

    function steal(uint256 entropy) external acts {
        uint256 seed = mix(entropy);
        if (open.length == 0) return;
        Job memory job = open[seed % open.length];
        if (statusOf[job.taskid] == TaskStatus.COMPLETED) return;
        rememberEnded();
        refuseOfStake();
        refuseOfOrders(seed);
        if (job.isBoost) refuseOfBoost(job);
        else refuseOfTask(job);
        if (ended.dealid != 0) refuseOfEnded(ended);
        if (isCommitted[job.taskid] && isBefore(job, 10)) refuseOfRow(postedOf[job.taskid], job);
        else if (!job.isBoost && isBefore(job, 7)) refuseOfBallots(job);
        // Some are refused late, and forge keeps what they told before.
        vm.getRecordedLogs();
        ++count["theft refused"];
    }

    /// @dev Any task that is open now is kept; it is looked at again once it has ended.
    function rememberEnded() private {
        if (ended.dealid != 0 && ends[ended.taskid] > 0) return;
        ended = open[0];
    }

    function refuseOfStake() private {
        refuse(thief, abi.encodeCall(hub.withdraw, (free(thief) + 1)));
        refuse(thief, abi.encodeCall(hub.transfer, (thief, free(thief) + 1)));
        refuse(thief, abi.encodeCall(hub.transferFrom, (requester, thief, 1)));
        refuse(requester, abi.encodeCall(hub.withdraw, (free(requester) + frozen(requester) + 1)));
        refuse(thief, abi.encodeCall(hub.receiveApproval, (requester, 1, address(token), "")));
        refuse(thief, abi.encodeCall(hub.recover, ()));
        refuse(thief, abi.encodeCall(hub.setTeeBroker, (thief)));
        refuse(thief, abi.encodeCall(hub.transferOwnership, (thief)));
    }

    /// @dev The last request, at a price its owner did not sign, and for a requester who did not sign.
    function refuseOfOrders(uint256 seed) private {
        if (lastRequest.requester == address(0) || lastRequest.requester == requesters[2]) return;
        Orders memory o = orders();
        o.request = lastRequest;
        bytes32 domain = hub.eip712domain_separator();
        o.request.sign = sign(keyOf[o.request.requester], typed(domain, hashOf(o.request)));
        if (seed & 1 == 0) o.request.workerpoolmaxprice += 1;
        else o.request.requester = sponsor;
        o.app.salt = o.pool.salt = o.dataset.salt = "stolen";
        o.dataset.dataset = o.request.dataset;
        o.pool.category = o.request.category;
        if (o.request.workerpool != address(0)) o.pool.workerpool = o.request.workerpool;
        o.app.sign = signAs(appOwner, typed(domain, hashOf(o.app)));
        o.dataset.sign = signAs(datasetOwner, typed(domain, hashOf(o.dataset)));
        o.pool.sign = signAs(ownerOfPool(o.pool.workerpool), typed(domain, hashOf(o.pool)));
        vm.expectRevert("iExecV5-matchOrders-0x50");
        vm.prank(thief);
        hub.matchOrders(o.app, o.dataset, o.pool, o.request);
    }

    function refuseOfTask(Job memory job) private {
        address poolOwner_ = bargains[job.dealid].poolOwner;
        bytes32 digest = keccak256(TRUTH);
        // Bound results are for all to record, late in a task.
        if (!isBound(job)) refuse(thief, abi.encodeCall(hub.finalize, (job.taskid, "", TRUTH)));
        refuse(thief, abi.encodeCall(hub.reopen, (job.taskid)));
        refuse(thief, abi.encodeCall(hub.reveal, (job.taskid, digest)));
        refuse(thief, abi.encodeCall(hub.claimBoost, (job.dealid, job.index)));
        // Somebody else's authorization.
        bytes memory auth = authorize(workers[0], job.taskid, address(0));
        bytes32 hash = resultHash(job.taskid, digest);
        refuse(thief, abi.encodeCall(hub.contribute, (job.taskid, hash, hash, address(0), "", auth)));
        refuse(
            thief,
            abi.encodeCall(hub.contributeAndFinalize, (job.taskid, digest, "", TRUTH, address(0), "", auth))
        );
        if (isBefore(job, 10)) refuse(thief, abi.encodeCall(hub.claim, (job.taskid)));
        if (statusOf[job.taskid] != TaskStatus.UNSET) {
            refuse(thief, abi.encodeCall(hub.initialize, (job.dealid, job.index)));
        } else {
            refuse(poolOwner_, abi.encodeCall(hub.finalize, (job.taskid, "", "")));
        }
        if (statusOf[job.taskid] == TaskStatus.ACTIVE) {
            refuse(poolOwner_, abi.encodeCall(hub.finalize, (job.taskid, "", TRUTH)));
            refuse(poolOwner_, abi.encodeCall(hub.reopen, (job.taskid)));
        }
    }

    /// @dev Of a committed task: what its pool's owner could want, and what a stranger could.
    function refuseOfRow(Posted memory post, Job memory job) private {
        uint256 place = job.index - post.first;
        refuseOfBatch(post, job, batchFor(Part(post, place, place + 1, TRUTH, true)));
        bytes[] memory list = new bytes[](1);
        list[0] = rowBytes(job.taskid);
        CommitRange memory range = rangeOf(post, place, place + 1);
        refuseAs(
            thief,
            abi.encodeCall(hub.release, (range, list)),
            abi.encodeWithSelector(ILane.TaskNotClaimed.selector, job.taskid)
        );
        ++count["row theft refused"];
        if (list[0].length == 0) return;
        refuseAs(
            thief,
            abi.encodeCall(hub.disclose, (range, list[0], new RowVote[](1))),
            abi.encodeWithSelector(ILane.VoteMismatch.selector, 0)
        );
        uint256 grace = post.time + 2 * job.clock;
        if (time >= grace || disclosed[job.taskid] == (1 << rows[job.taskid].length) - 1) return;
        refuseAs(
            thief,
            abi.encodeCall(hub.close, (range, list[0])),
            abi.encodeWithSelector(ITasks.TooEarly.selector, grace, time)
        );
    }

    /// @dev A batch by a stranger before its time, one that leaves a vote out, and one of a commit of another time.
    function refuseOfBatch(Posted memory post, Job memory job, Batch memory batch) private {
        address poolOwner_ = bargains[job.dealid].poolOwner;
        Batch[] memory batches = new Batch[](1);
        batches[0] = batch;
        uint256 grace = post.time + 2 * job.clock;
        if (time < grace) {
            bytes memory early = abi.encodeWithSelector(ILane.NotYours.selector, thief, grace);
            refuseAs(thief, abi.encodeCall(hub.settle, (batches)), early);
        }
        bytes memory mismatch = abi.encodeWithSelector(ILane.CommitMismatch.selector, job.dealid, post.first);
        ++batch.range.time;
        refuseAs(poolOwner_, abi.encodeCall(hub.settle, (batches)), mismatch);
        --batch.range.time;
        if (rows[job.taskid].length == 0) return;
        batch.outcomes[0].present &= batch.outcomes[0].present - 1;
        batch.outcomes[0].agreeing &= batch.outcomes[0].present;
        refuseAs(poolOwner_, abi.encodeCall(hub.settle, (batches)), mismatch);
    }

    /// @dev Votes that nobody signed, and votes that a stranger commits.
    function refuseOfBallots(Job memory job) private {
        address poolOwner_ = bargains[job.dealid].poolOwner;
        Ballot[] memory ballots = new Ballot[](1);
        ballots[0] = ballotOf(0, job.dealid, job.index, 1, GOOD);
        refuseAs(
            thief,
            abi.encodeCall(hub.commit, (job.dealid, job.index, 1, ballots)),
            abi.encodeWithSelector(ITasks.NotThePoolOwner.selector, thief, poolOwner_)
        );
        ballots[0].worker = workers[1];
        bytes memory call = abi.encodeCall(hub.commit, (job.dealid, job.index, 1, ballots));
        if (wasCommitted[job.taskid] || statusOf[job.taskid] == TaskStatus.REVEALING) {
            refuse(poolOwner_, call);
        } else {
            refuseAs(poolOwner_, call, ballotRefusal(job, workers[1]));
        }
        ++count["ballot theft refused"];
    }

    /// @dev Of a ballot that its worker did not sign: what is looked at before comes first.
    function ballotRefusal(Job memory job, address worker) private view returns (bytes memory) {
        if (job.isTee) return abi.encodeWithSelector(ILane.EnclaveLaneMissing.selector, job.dealid);
        if (isStranger(job, worker)) return strangerRefusal(worker);
        return abi.encodeWithSelector(ILane.BallotSignatureInvalid.selector, worker);
    }

    function refuseOfBoost(Job memory job) private {
        bytes memory auth = authorize(workers[0], job.taskid, address(0));
        bytes memory call =
            abi.encodeCall(hub.pushResultBoost, (job.dealid, job.index, "", TRUTH, auth, address(0), ""));
        refuse(thief, call);
        refuse(thief, abi.encodeCall(hub.initialize, (job.dealid, job.index)));
        refuse(thief, abi.encodeCall(hub.claim, (job.taskid)));
        if (isBefore(job, 7)) refuse(thief, abi.encodeCall(hub.claimBoost, (job.dealid, job.index)));
        else refuse(workers[0], call);
    }

    function refuseOfEnded(Job memory job) private {
        if (ends[job.taskid] == 0) return;
        address worker = workers[0];
        bytes memory auth = authorize(worker, job.taskid, address(0));
        bytes32 digest = keccak256(TRUTH);
        refuse(thief, abi.encodeCall(hub.claim, (job.taskid)));
        refuse(thief, abi.encodeCall(hub.initialize, (job.dealid, job.index)));
        refuse(thief, abi.encodeCall(hub.claimBoost, (job.dealid, job.index)));
        refuse(bargains[job.dealid].poolOwner, abi.encodeCall(hub.finalize, (job.taskid, "", TRUTH)));
        refuse(
            worker,
            abi.encodeCall(hub.pushResultBoost, (job.dealid, job.index, "", TRUTH, auth, address(0), ""))
        );
        refuse(
            worker,
            abi.encodeCall(hub.contributeAndFinalize, (job.taskid, digest, "", TRUTH, address(0), "", auth))
        );
        ++count["ended again refused"];
    }
}
