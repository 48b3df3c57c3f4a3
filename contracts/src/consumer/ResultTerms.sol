// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @dev Where a field says so, everybody will do.
address constant ANY = address(type(uint160).max);
/// @dev Whatever the requester asked the app to do.
bytes32 constant ANY_PARAMS = bytes32(type(uint256).max);
/// @dev However long ago the deal was made.
uint256 constant ANY_AGE = type(uint256).max;

/// What a result must come from to be accepted.
///
/// Anybody can make a deal about any app with a pool and workers of their own, and name any contract as its
/// callback: that a result comes from the hub says nothing, these terms are all that stands between a
/// stranger and the contract. A field that is forgotten is zero, and what zero stands for is the strictest
/// meaning of the field, but for `tag` and `trust`, of which it asks nothing.
///
/// An address is that of the party, or of a group (ERC-734 `keyHasPurpose`, purpose 4) that has the party as
/// a member, or `ANY`.
struct ResultTerms {
    /// The app's entry. Image and checksum of an entry never change, whoever owns it.
    address app;
    /// The dataset's entry; zero: no dataset. With `ANY` a requester can slip its own data under the app.
    address dataset;
    /// The pool's entry. A pool chooses the workers of its tasks, so replication, and thus `trust`, protects
    /// against workers but never against their pool: with `ANY` a stranger's pool, worked by the stranger, will do
    /// at any trust. The owner of an entry can sell it; a group can be made to forget a pool that was sold.
    address workerpool;
    address requester;
    address beneficiary;
    /// Bits that the deal's tag must have. That of enclaves (0x1) is worth what the hub's broker is worth: on a
    /// hub without one, any key passes as an enclave.
    bytes32 tag;
    /// The least trust of the deal. A deal has at least 1, and 1 means that one worker sufficed.
    uint256 trust;
    /// keccak256 of the request's params: arguments and urls of inputs. With `ANY_PARAMS` a requester chooses
    /// what the app computes, and from what.
    bytes32 params;
    /// Seconds from the match of the deal within which its result is accepted.
    uint256 ageMax;
}
