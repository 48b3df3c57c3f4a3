// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IConditions} from "../../src/interfaces/IConditions.sol";
import {ITasks} from "../../src/interfaces/ITasks.sol";
import {OrderMarks} from "../../src/records/OrderMark.sol";
import {Trade} from "./Trade.sol";

/// Who may vote: workers whom the guard of a deal knows, if it has one, with an enclave if the app is made for one. The
/// guard changes its mind all the time: it is asked at each vote, and never about those who have voted.
abstract contract Admission is Trade {
    bytes internal constant TRUTH = "the truth";
    bytes internal constant LIE = "a lie";

    uint256 private constant WORKER = 4;
    uint256 private constant ENCLAVE = 5;
    /// @dev The place of no enclave behind the two.
    uint256 internal constant NONE = 2;

    address[3] internal enclaves;
    uint256[2] private enclaveKeys;

    function setUp() public virtual override {
        super.setUp();
        (enclaves[0], enclaveKeys[0]) = makeAddrAndKey("enclave");
        (enclaves[1], enclaveKeys[1]) = makeAddrAndKey("second enclave");
        turn(0);
    }

    function turnGuard(uint256 entropy) external acts {
        turn(mix(entropy));
        ++count["guard turned"];
    }

    /// @dev From now on the guard knows all workers but one or two, and one of both enclaves.
    function turn(uint256 seed) internal {
        address[] memory known = new address[](workers.length);
        for (uint256 i = 0; i < workers.length; ++i) {
            known[i] = workers[i];
        }
        address[] memory dropped = new address[](2);
        (dropped[0], dropped[1]) = (workers[seed % workers.length], workers[(seed >> 8) % workers.length]);
        guard.addKeys(known, WORKER);
        guard.removeKeys(dropped, WORKER);
        address[] memory enclave = new address[](1);
        enclave[0] = enclaves[seed >> 16 & 1];
        guard.addKeys(enclave, ENCLAVE);
        enclave[0] = enclaves[1 - (seed >> 16 & 1)];
        guard.removeKeys(enclave, ENCLAVE);
    }

    function isGuarded(Job memory job) internal pure returns (bool) {
        return job.conditions & OrderMarks.KNOWN_WORKERS != 0;
    }

    function isStranger(Job memory job, address worker) internal view returns (bool) {
        return isGuarded(job) && !guard.keyHasPurpose(bytes32(uint256(uint160(worker))), WORKER);
    }

    function strangerRefusal(address worker) internal view returns (bytes memory) {
        return abi.encodeWithSelector(IConditions.WorkerNotKnown.selector, worker, guard);
    }

    /// @dev Which enclave a worker votes with: none, any, or the one that the guard knows.
    function enclaveFor(Job memory job, uint256 seed) internal view returns (uint256) {
        if (!job.isTee) return NONE;
        if (job.conditions & OrderMarks.KNOWN_ENCLAVES == 0) return seed & 1;
        return guard.keyHasPurpose(bytes32(uint256(uint160(enclaves[0]))), ENCLAVE) ? 0 : 1;
    }

    function signAsEnclave(uint256 enclave, bytes memory message) internal view returns (bytes memory) {
        return enclave == NONE ? bytes("") : sign(enclaveKeys[enclave], ethSigned(keccak256(message)));
    }

    /// @dev The honest vote for the truth, the liars for their lie; the copycat takes the hash of the truth and the
    /// seal of a colleague, which it can never reveal.
    function said(uint256 which, bytes32 taskid) internal view returns (bytes32 hash, bytes32 seal) {
        bytes32 digest = keccak256(which < HONEST || which == COPYCAT ? TRUTH : LIE);
        hash = resultHash(taskid, digest);
        seal = resultSeal(workers[which == COPYCAT ? 0 : which], taskid, digest);
    }

    function contributeCall(Job memory job, uint256 which, uint256 enclave)
        private
        view
        returns (bytes memory)
    {
        (bytes32 hash, bytes32 seal) = said(which, job.taskid);
        address challenge = enclaves[enclave];
        bytes memory proof = signAsEnclave(enclave, abi.encodePacked(hash, seal));
        bytes memory leave = authorize(workers[which], job.taskid, challenge);
        return abi.encodeCall(hub.contribute, (job.taskid, hash, seal, challenge, proof, leave));
    }

    /// @dev A vote, unless the deal does not let this worker vote. What the deal does not let in is tried first.
    function voteIfLetIn(Job memory job, uint256 which, uint256 seed) internal returns (bool) {
        address worker = workers[which];
        uint256 enclave = enclaveFor(job, seed);
        if (isStranger(job, worker)) {
            refuseAs(worker, contributeCall(job, which, enclave), strangerRefusal(worker));
            ++count["stranger refused"];
            return false;
        }
        if (enclave != NONE) refuseOtherEnclaves(job, which, enclave);
        vm.prank(worker);
        (bool success,) = address(hub).call(contributeCall(job, which, enclave));
        assertTrue(success, "a vote was refused");
        if (enclave != NONE) ++count["voted with an enclave"];
        if (isGuarded(job)) ++count["voted under a guard"];
        return true;
    }

    function refuseOtherEnclaves(Job memory job, uint256 which, uint256 enclave) private {
        bytes memory missing = abi.encodeWithSelector(ITasks.EnclaveChallengeMissing.selector, job.taskid);
        refuseAs(workers[which], contributeCall(job, which, NONE), missing);
        if (job.conditions & OrderMarks.KNOWN_ENCLAVES == 0) return;
        bytes memory strange =
            abi.encodeWithSelector(IConditions.EnclaveNotKnown.selector, enclaves[1 - enclave], guard);
        refuseAs(workers[which], contributeCall(job, which, 1 - enclave), strange);
        ++count["strange enclave refused"];
    }

    function refuse(address caller, bytes memory call) internal {
        vm.prank(caller);
        (bool success,) = address(hub).call(call);
        assertFalse(success, "a theft succeeded");
    }

    function refuseAs(address caller, bytes memory call, bytes memory reason) internal {
        vm.prank(caller);
        (bool success, bytes memory answer) = address(hub).call(call);
        assertFalse(success, "a theft succeeded");
        assertEq(answer, reason, "refused by another name");
    }
}
