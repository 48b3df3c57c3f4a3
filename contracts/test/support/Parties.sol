// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// Contracts of strangers, as the hub may meet them.

/// @dev An ERC-734 group with some members.
contract Group {
    mapping(bytes32 => bool) private _members;

    constructor(address[] memory members) {
        for (uint256 i = 0; i < members.length; ++i) {
            _members[bytes32(uint256(uint160(members[i])))] = true;
        }
    }

    function keyHasPurpose(bytes32 key, uint256 purpose) external view returns (bool) {
        return purpose == 4 && _members[key];
    }
}

/// @dev A group that answers every question with the same bytes.
contract OddGroup {
    bytes private _answer;

    constructor(bytes memory answer) {
        _answer = answer;
    }

    fallback(bytes calldata) external returns (bytes memory) {
        return _answer;
    }
}

/// @dev An ERC-1271 wallet that accepts one hash, whatever the signature.
contract ContractWallet {
    bytes32 public accepted;

    function accept(bytes32 hash) external {
        accepted = hash;
    }

    function isValidSignature(bytes32 hash, bytes calldata) external view returns (bytes4) {
        return hash == accepted ? this.isValidSignature.selector : bytes4(0xffffffff);
    }

    function call(address target, bytes calldata data) external {
        (bool success,) = target.call(data);
        require(success, "call failed");
    }
}

/// @dev Remembers what it was called with.
contract Receiver {
    bytes32 public taskid;
    bytes public received;
    uint256 public gasGiven;

    function receiveResult(bytes32 id, bytes calldata resultsCallback) external {
        gasGiven = gasleft();
        taskid = id;
        received = resultsCallback;
    }
}

/// @dev Fails, with a long answer.
contract FailingReceiver {
    function receiveResult(bytes32, bytes calldata) external pure {
        assembly {
            revert(0, 100000)
        }
    }
}

/// @dev Burns all it gets.
contract GreedyReceiver {
    function receiveResult(bytes32, bytes calldata) external pure {
        assembly {
            invalid()
        }
    }
}
