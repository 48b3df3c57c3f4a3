// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibBit} from "solady/utils/LibBit.sol";

import {OtherVote, Outcome} from "../interfaces/ILane.sol";
import {Bytes} from "./Bytes.sol";
import {CodeRecord} from "./CodeRecord.sol";
import {Words} from "./Words.sol";

/// The bytes of the results of a batch of the settlement lane, a code record under `saltOf` its first task:
///
///   0 STOP | kind 1 | number of workers 1 | workers 20 each | logarithms of their weights 1 each | tasks
///
/// and of each task:
///
///   place 1 | parts 1 | digest 32 | [present 4 | winners 4 | result hash 32 and seal 32 of each loser] |
///   length 2 | results | [length 2 | callback bytes]
///
/// Parts in brackets are there if their bit is set; without the first, every worker of the batch is a winner. A loser
/// that disclosed nothing has zeros.
library BatchRecord {
    using Bytes for bytes;
    using Bytes for uint256;

    uint256 private constant KIND = 8;
    uint256 private constant HAS_LOSERS = 1;
    uint256 private constant HAS_CALLBACK = 2;
    /// @dev The fixed parts of a task, and a word to write past.
    uint256 private constant TASK_MOST = 78;

    struct Found {
        bytes32 digest;
        uint256 present;
        uint256 winners;
        /// Where the hashes and seals of losers begin.
        uint256 losersAt;
        bytes results;
        bytes resultsCallback;
    }

    function saltOf(bytes32 firstTask) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("batch", firstTask));
    }

    /// @dev Room for all of a batch, with its head written; and the place where its first task goes.
    function open(Words workers, Words weights, uint256 count, Outcome[] calldata outcomes)
        internal
        pure
        returns (bytes memory record, uint256 at)
    {
        uint256 size = 32 + 3 + count * 21;
        for (uint256 i = 0; i < outcomes.length; ++i) {
            size += _most(outcomes[i]);
        }
        record = new bytes(size);
        at = record.start().put(KIND, 2).put(count, 1);
        for (uint256 i = 0; i < count; ++i) {
            at = at.put(workers.get(i), 20);
        }
        for (uint256 i = 0; i < count; ++i) {
            at = at.put(FixedPointMathLib.log2(weights.get(i)), 1);
        }
    }

    /// @dev Writes a task; returns where it ends.
    function put(uint256 at, uint256 place, Outcome calldata outcome, uint256 winners, uint256 workers)
        internal
        pure
        returns (uint256)
    {
        uint256 all = (1 << workers) - 1;
        bool hasLosers = winners != all;
        bool hasCallback = outcome.resultsCallback.length > 0;
        uint256 parts = (hasLosers ? HAS_LOSERS : 0) | (hasCallback ? HAS_CALLBACK : 0);
        at = at.put(place, 1).put(parts, 1).put(uint256(outcome.digest), 32);
        if (hasLosers) {
            at = at.put(outcome.present & all, 4).put(winners, 4);
            at = _putLosers(at, outcome, winners, outcome.present & all);
        }
        at = _putBytes(at, outcome.results);
        if (hasCallback) at = _putBytes(at, outcome.resultsCallback);
        return at;
    }

    /// @dev Whether a task fits behind those that end at `at`. Where all of a batch do, nothing is looked at.
    function hasRoom(bytes memory record, uint256 at, Outcome calldata outcome) internal pure returns (bool) {
        return record.length <= CodeRecord.MAX_LENGTH
            || at - record.start() + _most(outcome) <= CodeRecord.MAX_LENGTH;
    }

    function truncate(bytes memory record, uint256 end) internal pure {
        record.truncate(end);
    }

    /// @dev The task at `place`, which must be in the record.
    function find(bytes memory record, uint256 place) internal pure returns (Found memory found) {
        uint256 workers = workersOf(record);
        uint256 at = 3 + workers * 21;
        while (true) {
            bool isIt = record.take(at, 1) == place;
            uint256 parts = record.take(at + 1, 1);
            found.digest = bytes32(record.take(at + 2, 32));
            found.present = (1 << workers) - 1;
            found.winners = found.present;
            at += 34;
            if (parts & HAS_LOSERS != 0) {
                found.present = record.take(at, 4);
                found.winners = record.take(at + 4, 4);
                found.losersAt = at + 8;
                at += 8 + 64 * LibBit.popCount(found.present & ~found.winners);
            }
            uint256 length = record.take(at, 2);
            if (isIt) found.results = record.slice(at + 2, length);
            at += 2 + length;
            if (parts & HAS_CALLBACK != 0) {
                length = record.take(at, 2);
                if (isIt) found.resultsCallback = record.slice(at + 2, length);
                at += 2 + length;
            }
            if (isIt) return found;
        }
    }

    function workersOf(bytes memory record) internal pure returns (uint256) {
        return record.take(2, 1);
    }

    function worker(bytes memory record, uint256 position) internal pure returns (address) {
        return record.takeAddress(3 + position * 20);
    }

    function logWeight(bytes memory record, uint256 position) internal pure returns (uint256) {
        return record.take(3 + workersOf(record) * 20 + position, 1);
    }

    /// @dev Result hash and seal of the loser that comes after `before` others.
    function loser(bytes memory record, Found memory found, uint256 before)
        internal
        pure
        returns (bytes32 resultHash, bytes32 resultSeal)
    {
        uint256 at = found.losersAt + 64 * before;
        return (bytes32(record.take(at, 32)), bytes32(record.take(at + 32, 32)));
    }

    /// @dev Bytes that a task may take.
    function _most(Outcome calldata outcome) private pure returns (uint256) {
        return
            TASK_MOST + outcome.others.length * 64 + outcome.results.length + outcome.resultsCallback.length;
    }

    /// @dev `others` may hold a vote that won after all; it is not kept.
    function _putLosers(uint256 at, Outcome calldata outcome, uint256 winners, uint256 present)
        private
        pure
        returns (uint256)
    {
        uint256 others = 0;
        for (uint256 i = 0; present >> i != 0; ++i) {
            if (present >> i & 1 == 0 || outcome.agreeing >> i & 1 == 1) continue;
            OtherVote calldata vote = outcome.others[others++];
            if (winners >> i & 1 == 1) continue;
            at = at.put(vote.entry == 0 ? uint256(vote.resultHash) : 0, 32);
            at = at.put(vote.entry == 0 ? uint256(vote.resultSeal) : 0, 32);
        }
        return at;
    }

    function _putBytes(uint256 at, bytes calldata data) private pure returns (uint256) {
        at = at.put(data.length, 2);
        assembly ("memory-safe") {
            calldatacopy(at, data.offset, data.length)
        }
        return at + data.length;
    }
}
