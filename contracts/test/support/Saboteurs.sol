// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IHub} from "../../src/interfaces/IHub.sol";
import {TaskStatus} from "../../src/interfaces/Types.sol";

/// Contracts that want to hold up what others wait for, each in its way: as receivers of callbacks, as wallets
/// (ERC-1271), as groups (ERC-734), as owners of resources. And one that only looks.

/// @dev What a saboteur does with every call.
enum Sabotage {
    REVERT,
    REVERT_LOUDLY,
    BURN_ALL_GAS,
    RETURN_MUCH,
    ACCEPT,
    /// The memory of `RETURN_MUCH`, and returns nothing: for comparison.
    KEEP_MUCH
}

/// @dev Answers every call in one way, which can be changed; so it can first agree and then refuse.
contract Saboteur {
    /// @dev As much as the gas of a callback pays the memory for.
    uint256 private constant MUCH = 262_144;

    Sabotage public way;

    constructor(Sabotage way_) {
        way = way_;
    }

    function turn(Sabotage way_) external {
        way = way_;
    }

    /// @dev Without the selector's meaning: a wallet, a group and a receiver are asked differently.
    receive() external payable {}

    fallback() external payable {
        if (way == Sabotage.REVERT) revert();
        if (way == Sabotage.REVERT_LOUDLY) {
            assembly {
                revert(0, MUCH)
            }
        }
        if (way == Sabotage.BURN_ALL_GAS) {
            assembly {
                invalid()
            }
        }
        if (way == Sabotage.RETURN_MUCH) {
            assembly {
                mstore(0, 1)
                return(0, MUCH)
            }
        }
        if (way == Sabotage.KEEP_MUCH) {
            assembly {
                mstore(sub(MUCH, 32), 1)
                return(0, 0)
            }
        }
        // The word that a wallet answers to `isValidSignature`, and a group to `keyHasPurpose`.
        bytes32 answer = msg.sig == 0x1626ba7e ? bytes32(bytes4(0x1626ba7e)) : bytes32(uint256(1));
        assembly {
            mstore(0, answer)
            return(0, 32)
        }
    }
}

/// @dev A receiver that calls the hub from within the callback, with calls prepared before, and keeps what became of
/// each of them.
contract Reenterer {
    address private immutable hub;
    bytes[] private calls;
    uint256 public entered;
    uint256 public succeeded;

    constructor(address hub_) {
        hub = hub_;
    }

    function prepare(bytes calldata call) external {
        calls.push(call);
    }

    function receiveResult(bytes32, bytes calldata) external {
        ++entered;
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool success,) = hub.call(calls[i]);
            if (success) ++succeeded;
        }
    }
}

/// @dev A receiver that asks the hub about some accounts when it is called, and remembers the answers as a hash for each
/// call.
contract Witness {
    IHub private immutable hub;
    address[] private accounts;
    bytes32[] public seen;

    constructor(IHub hub_, address[] memory accounts_) {
        hub = hub_;
        accounts = accounts_;
    }

    function receiveResult(bytes32 taskid, bytes calldata) external {
        require(hub.viewTask(taskid).status == TaskStatus.COMPLETED, "called before the end");
        seen.push(look());
    }

    function look() public view returns (bytes32 answers) {
        answers = bytes32(hub.balanceOf(address(hub)));
        for (uint256 i = 0; i < accounts.length; ++i) {
            answers = keccak256(abi.encode(answers, hub.viewAccount(accounts[i]), hub.viewScore(accounts[i])));
        }
    }

    function calls() external view returns (uint256) {
        return seen.length;
    }
}
