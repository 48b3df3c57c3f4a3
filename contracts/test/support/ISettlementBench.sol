// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Supply} from "../../src/hub/HubStorage.sol";
import {DealTerms} from "../../src/records/DealRecord.sol";
import {StakeWord} from "../../src/records/StakeWord.sol";

struct Vote {
    address worker;
    uint256 weight;
    bool isProved;
}

/// The settlement of the hub on a state that is written directly: the vectors have stakes that no policy in whole
/// percents gives.
interface ISettlementBench {
    /// @dev A task that nobody has voted on.
    function open(bytes32 taskid, DealTerms memory terms) external;
    /// @dev Its votes, all for one hash, and the reveals.
    function vote(bytes32 taskid, Vote[] memory votes) external;
    function setAccount(address account, uint256 frozen, uint256 score) external;
    function accountOf(address account) external view returns (StakeWord, Supply memory);
    function finalize(bytes32 taskid, bytes calldata results, bytes calldata resultsCallback) external;
    function contributeAndFinalize(
        bytes32 taskid,
        bytes32 digest,
        bytes calldata results,
        bytes calldata resultsCallback,
        address challenge,
        bytes calldata enclaveSign,
        bytes calldata authorizationSign
    ) external;
}
