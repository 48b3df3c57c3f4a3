// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Bytes} from "./Bytes.sol";

/// The bytes of a completed task's result, a code record under the task's id.
///
///   classic: 0 STOP | kind 1 | length of results 3 | results | callback bytes
///   fast:    0 STOP | kind 1 | digest 32 | worker 20 | challenge 20 | length of results 3 | results | callback bytes
///
/// The fast form is that of `contributeAndFinalize`, whose only contribution lies nowhere else; the task's
/// slot says which form it is. The kind is there to tell a result from a deal, see `DealRecord`.
library ResultRecord {
    using Bytes for bytes;

    /// @dev Where the length of the results lies in each form.
    uint256 private constant CLASSIC_AT = 2;
    uint256 private constant FAST_AT = 74;
    uint8 private constant KIND = 1;

    function pack(bytes calldata results, bytes calldata resultsCallback)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(bytes1(0), KIND, uint24(results.length), results, resultsCallback);
    }

    function packFast(
        bytes32 digest,
        address worker,
        address challenge,
        bytes calldata results,
        bytes calldata resultsCallback
    ) internal pure returns (bytes memory) {
        return abi.encodePacked(
            bytes1(0), KIND, digest, worker, challenge, uint24(results.length), results, resultsCallback
        );
    }

    /// @dev Both parts are empty if there is no record: a classic task with nothing to keep writes none.
    function unpack(bytes memory data, bool isFast)
        internal
        pure
        returns (bytes memory results, bytes memory resultsCallback)
    {
        if (data.length == 0) return (results, resultsCallback);
        uint256 at = isFast ? FAST_AT : CLASSIC_AT;
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
        challenge = data.takeAddress(54);
    }
}
