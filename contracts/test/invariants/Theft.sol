// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {TaskStatus} from "../../src/interfaces/Types.sol";
import {Orders} from "../support/Market.sol";
import {Work} from "./Work.sol";

/// What must never work, tried on whatever state the market is in. Each attempt is refused.
abstract contract Theft is Work {
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
        assertEq(vm.getRecordedLogs().length, 0, "a refusal left an event");
        ++count["theft refused"];
    }

    /// @dev Any task that is open now is kept; it is looked at again once it has ended.
    function rememberEnded() private {
        if (ended.dealid != 0 && ends[ended.taskid] > 0) return;
        ended = open[0];
    }

    function refuse(address caller, bytes memory call) private {
        vm.prank(caller);
        (bool success,) = address(hub).call(call);
        assertFalse(success, "a theft succeeded");
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
        o.request.sign = sign(keys[o.request.requester], typed(domain, hashOf(o.request)));
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
        refuse(thief, abi.encodeCall(hub.finalize, (job.taskid, "", TRUTH)));
        refuse(thief, abi.encodeCall(hub.reopen, (job.taskid)));
        refuse(thief, abi.encodeCall(hub.reveal, (job.taskid, digest)));
        refuse(thief, abi.encodeCall(hub.claimBoost, (job.dealid, job.index)));
        // Somebody else's authorization.
        bytes memory auth = authorize(workers[0], job.taskid);
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

    function refuseOfBoost(Job memory job) private {
        bytes memory auth = authorize(workers[0], job.taskid);
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
        bytes memory auth = authorize(worker, job.taskid);
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
