// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @dev The salt of an order whose signer wants more than the typed data can say. Typed data stay as they are, so
/// every client can sign such an order, and show it.
///
///   "poco" 32 | conditions 8 | expiry 40 | epoch 16 | guard 160
///
/// `expiry` is the second from which the order matches no more; zero is never. `epoch` is the signer's: whoever raises
/// its epoch cancels all marked orders of the epochs before. `guard` is a group (ERC-734), where a condition asks for one;
/// else these bits are free. A salt without the prefix says nothing.
type OrderMark is uint256;

using OrderMarks for OrderMark global;

/// What a marked order may ask for. An app and a request ask; a pool offers, since all but `SPONSOR_ONLY` are at its
/// own or its workers' risk. What nobody asks for has no effect.
library OrderMarks {
    /// @dev Of a request: whoever matches it pays.
    uint256 internal constant SPONSOR_ONLY = 1;
    /// @dev The digest is that of the results, or of the callback bytes, as they are recorded.
    uint256 internal constant BOUND_RESULTS = 2;
    /// @dev Who withheld a reveal pays for it though the task ends in a claim; a task that was reopened has until 9T.
    uint256 internal constant STRICT_REVEALS = 4;
    /// @dev Only workers that the guard knows may vote.
    uint256 internal constant KNOWN_WORKERS = 8;
    /// @dev Only enclaves that the guard knows count as such.
    uint256 internal constant KNOWN_ENCLAVES = 16;

    /// @dev Those that a pool must offer.
    uint256 internal constant OFFERED = BOUND_RESULTS | STRICT_REVEALS | GUARDED;
    /// @dev Those that name a guard.
    uint256 internal constant GUARDED = KNOWN_WORKERS | KNOWN_ENCLAVES;

    uint256 private constant PREFIX = 0x706f636f;
    uint256 private constant PREFIX_AT = 224;
    uint256 private constant CONDITIONS_AT = 216;
    uint256 private constant EXPIRY_AT = 176;
    uint256 private constant EPOCH_AT = 160;

    /// @dev Zero if the salt is not marked.
    function ofSalt(bytes32 salt) internal pure returns (OrderMark) {
        return OrderMark.wrap(isMarked(salt) ? uint256(salt) : 0);
    }

    function isMarked(bytes32 salt) internal pure returns (bool) {
        return uint256(salt) >> PREFIX_AT == PREFIX;
    }

    function isNone(OrderMark mark) internal pure returns (bool) {
        return OrderMark.unwrap(mark) == 0;
    }

    function conditions(OrderMark mark) internal pure returns (uint256) {
        return uint8(OrderMark.unwrap(mark) >> CONDITIONS_AT);
    }

    function expiry(OrderMark mark) internal pure returns (uint256) {
        return uint40(OrderMark.unwrap(mark) >> EXPIRY_AT);
    }

    function epoch(OrderMark mark) internal pure returns (uint256) {
        return uint16(OrderMark.unwrap(mark) >> EPOCH_AT);
    }

    function guard(OrderMark mark) internal pure returns (address) {
        return address(uint160(OrderMark.unwrap(mark)));
    }
}
