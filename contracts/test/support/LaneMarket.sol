// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {
    Ballot,
    Batch,
    CommitRange,
    ILane,
    OtherVote,
    Outcome,
    RowVote,
    SkipReason
} from "../../src/interfaces/ILane.sol";
import {Market, Orders} from "./Market.sol";

/// The steps of the settlement lane as short calls. Workers are sorted by address, as ballots are.
abstract contract LaneMarket is Market {
    /// @dev Of a worker, in the deals of `orders`.
    uint256 internal constant STAKE = 6 * RLC;
    bytes32 internal constant GOOD = keccak256("good");
    bytes32 internal constant BAD = keccak256("bad");
    bytes internal constant RESULTS =
        '{"storage":"ipfs","location":"/ipfs/QmR7GSQM93Cx5eAg6a6yRzNde1FQv7uL6X1o4k7zrJa3LX"}';
    bytes32 internal constant BALLOT_TYPE =
        keccak256("Ballot(bytes32 dealid,uint256 first,bytes32[] entries)");

    uint256[8] internal keys;

    function setUp() public virtual override {
        super.setUp();
        for (uint256 i = 0; i < workers.length; ++i) {
            (workers[i], keys[i]) = makeAddrAndKey(string.concat("worker ", vm.toString(i)));
        }
        for (uint256 i = 0; i < workers.length; ++i) {
            for (uint256 j = i + 1; j < workers.length; ++j) {
                if (workers[j] > workers[i]) continue;
                (workers[i], workers[j]) = (workers[j], workers[i]);
                (keys[i], keys[j]) = (keys[j], keys[i]);
            }
        }
    }

    function bondAll(uint256 amount) internal {
        for (uint256 i = 0; i < workers.length; ++i) {
            vm.prank(workers[i]);
            hub.bond(pool, amount);
        }
    }

    function laneDeal(uint256 trust, uint256 volume) internal returns (bytes32) {
        Orders memory o = orders();
        o.request.trust = trust;
        o.request.volume = volume;
        o.request.salt = bytes32(vm.randomUint());
        return makeDeal(o);
    }

    function idOf(bytes32 dealid, uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(dealid, index));
    }

    /// @dev The same for a worker and a task wherever it is asked for.
    function nonceOf(uint256 worker, bytes32 taskid) internal pure returns (uint128) {
        return uint128(uint256(keccak256(abi.encode(worker, taskid, "nonce"))));
    }

    function blind(bytes32 hash, bytes32 seal, uint128 nonce) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hash, seal, address(0), nonce));
    }

    function entryOf(uint256 worker, bytes32 taskid, bytes32 digest) internal view returns (bytes32) {
        bytes32 seal = resultSeal(workers[worker], taskid, digest);
        return blind(resultHash(taskid, digest), seal, nonceOf(worker, taskid));
    }

    /// @dev The votes of worker `i` for the tasks from `first` on; `digests[i]` is what it says, zero for nothing.
    function ballotOf(uint256 i, bytes32 dealid, uint256 first, uint256 count, bytes32 digest)
        internal
        view
        returns (Ballot memory ballot)
    {
        bytes32[] memory entries = new bytes32[](count);
        for (uint256 j = 0; j < count; ++j) {
            if (digest != 0) entries[j] = entryOf(i, idOf(dealid, first + j), digest);
        }
        ballot = Ballot(workers[i], first, entries, signBallot(i, dealid, first, entries));
    }

    function signBallot(uint256 i, bytes32 dealid, uint256 first, bytes32[] memory entries)
        internal
        view
        returns (bytes memory)
    {
        return sign(keys[i], ballotHash(dealid, first, entries));
    }

    /// @dev What the worker of a ballot signs.
    function ballotHash(bytes32 dealid, uint256 first, bytes32[] memory entries)
        internal
        view
        returns (bytes32)
    {
        bytes32 structHash =
            keccak256(abi.encode(BALLOT_TYPE, dealid, first, keccak256(abi.encodePacked(entries))));
        return typed(hub.eip712domain_separator(), structHash);
    }

    function ballotsOf(bytes32 dealid, uint256 first, uint256 count, bytes32[] memory digests)
        internal
        view
        returns (Ballot[] memory ballots)
    {
        ballots = new Ballot[](digests.length);
        for (uint256 i = 0; i < digests.length; ++i) {
            ballots[i] = ballotOf(i, dealid, first, count, digests[i]);
        }
    }

    function commitAs(bytes32 dealid, uint256 first, uint256 count, bytes32[] memory digests) internal {
        Ballot[] memory ballots = ballotsOf(dealid, first, count, digests);
        vm.prank(poolOwner);
        hub.commit(dealid, first, count, ballots);
    }

    function rowOf(bytes32 taskid, bytes32[] memory digests) internal view returns (bytes memory row) {
        for (uint256 i = 0; i < digests.length; ++i) {
            if (digests[i] == 0) continue;
            row = abi.encodePacked(row, workers[i], entryOf(i, taskid, digests[i]));
        }
    }

    /// @dev The whole of a commit made at `time`.
    function wholeRange(bytes32 dealid, uint256 first, uint256 time)
        internal
        pure
        returns (CommitRange memory range)
    {
        (range.dealId, range.first, range.time) = (dealid, first, time);
    }

    function outcomeOf(bytes32 taskid, bytes32[] memory digests, bytes32 digest)
        internal
        view
        returns (Outcome memory outcome)
    {
        uint256 agreeing = 0;
        uint256 others = 0;
        for (uint256 i = 0; i < digests.length; ++i) {
            if (digests[i] == digest) ++agreeing;
            else if (digests[i] != 0) ++others;
        }
        outcome.digest = digest;
        outcome.nonces = new uint128[](agreeing);
        outcome.others = new OtherVote[](others);
        outcome.results = RESULTS;
        (agreeing, others) = (0, 0);
        for (uint256 i = 0; i < digests.length; ++i) {
            if (digests[i] == 0) continue;
            outcome.present |= 1 << i;
            if (digests[i] == digest) {
                outcome.agreeing |= 1 << i;
                outcome.nonces[agreeing++] = nonceOf(i, taskid);
            } else {
                outcome.others[others++] = OtherVote(
                    resultHash(taskid, digests[i]),
                    resultSeal(workers[i], taskid, digests[i]),
                    nonceOf(i, taskid),
                    0
                );
            }
        }
    }

    function tableOf(uint256 count) internal view returns (address[] memory table) {
        table = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            table[i] = workers[i];
        }
    }

    /// @dev All tasks of a commit made at `time`, settled for `digest`.
    function batchOf(
        bytes32 dealid,
        uint256 first,
        uint256 count,
        uint256 time,
        bytes32[] memory digests,
        bytes32 digest
    ) internal view returns (Batch[] memory batches) {
        batches = new Batch[](1);
        batches[0].range = wholeRange(dealid, first, time);
        batches[0].workers = tableOf(digests.length);
        batches[0].outcomes = new Outcome[](count);
        for (uint256 i = 0; i < count; ++i) {
            batches[0].outcomes[i] = outcomeOf(idOf(dealid, first + i), digests, digest);
        }
    }

    function settleAs(address caller, Batch[] memory batches) internal {
        vm.prank(caller);
        hub.settle(batches);
    }

    /// @dev `count` workers who all say the same.
    function all(uint256 count, bytes32 digest) internal pure returns (bytes32[] memory digests) {
        digests = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            digests[i] = digest;
        }
    }

    function bonded(uint256 i) internal view returns (uint256 total, uint256 locked, uint256 release) {
        return hub.viewBond(workers[i], pool);
    }

    function votesOf(bytes32 taskid, uint256 worker, bytes32 digest)
        internal
        view
        returns (RowVote[] memory votes)
    {
        votes = new RowVote[](1);
        bytes32 seal = resultSeal(workers[worker], taskid, digest);
        votes[0] = RowVote(worker, resultHash(taskid, digest), seal, nonceOf(worker, taskid));
    }

    function expectSkip(bytes32 taskid, SkipReason reason) internal {
        vm.expectEmit(address(hub));
        emit ILane.TaskSkipped(taskid, reason);
    }
}
