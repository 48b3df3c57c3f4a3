// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Bytes} from "./Bytes.sol";

/// The bytes of a completed task's result, a code record under the task's id.
///
///   classic: 0 STOP | kind 1 | [length of results 3] | results | callback bytes
///   fast:    0 STOP | kind 1 | digest 32 | worker 20 | [challenge 20] | [length of results 3] | results | callback bytes
///
/// The fast form is that of `contributeAndFinalize`, whose only contribution lies nowhere else; the task's
/// slot says which form it is. The kind tells a result from a deal, see `DealRecord`, and which of the parts in
/// brackets are there: the challenge if it is not zero, the length if there are callback bytes. Every byte
/// costs 200 gas.
library ResultRecord {
    using Bytes for bytes;

    uint256 private constant KIND = 1;
    uint256 private constant HAS_CHALLENGE = 2;
    uint256 private constant HAS_CALLBACK = 4;

    function pack(bytes calldata results, bytes calldata resultsCallback)
        internal
        pure
        returns (bytes memory)
    {
        return bytes.concat(bytes2(uint16(_kind(resultsCallback))), _packBytes(results, resultsCallback));
    }

    function packFast(
        bytes32 digest,
        address worker,
        address challenge,
        bytes calldata results,
        bytes calldata resultsCallback
    ) internal pure returns (bytes memory) {
        uint256 kind = _kind(resultsCallback);
        bytes memory tail = _packBytes(results, resultsCallback);
        if (challenge == address(0)) return abi.encodePacked(uint16(kind), digest, worker, tail);
        return abi.encodePacked(uint16(kind | HAS_CHALLENGE), digest, worker, challenge, tail);
    }

    /// @dev Both parts are empty if there is no record: a classic task with nothing to keep writes none.
    function unpack(bytes memory data, bool isFast)
        internal
        pure
        returns (bytes memory results, bytes memory resultsCallback)
    {
        if (data.length == 0) return (results, resultsCallback);
        uint256 kind = data.take(1, 1);
        uint256 at = 2;
        if (isFast) at = kind & HAS_CHALLENGE == 0 ? 54 : 74;
        if (kind & HAS_CALLBACK == 0) return (data.rest(at), resultsCallback);
        uint256 length = data.take(at, 3);
        results = data.slice(at + 3, length);
        resultsCallback = data.rest(at + 3 + length);
    }

    function unpackFast(bytes memory data)
        internal
        pure
        returns (bytes32 digest, address worker, address challenge)
    {
        digest = bytes32(data.take(2, 32));
        worker = data.takeAddress(34);
        if (data.take(1, 1) & HAS_CHALLENGE != 0) challenge = data.takeAddress(54);
    }

    function _kind(bytes calldata resultsCallback) private pure returns (uint256) {
        return resultsCallback.length == 0 ? KIND : KIND | HAS_CALLBACK;
    }

    function _packBytes(bytes calldata results, bytes calldata resultsCallback)
        private
        pure
        returns (bytes memory)
    {
        if (resultsCallback.length == 0) return results;
        return abi.encodePacked(uint24(results.length), results, resultsCallback);
    }
}
