// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Supply} from "../../src/hub/HubStorage.sol";
import {Settlement} from "../../src/hub/Settlement.sol";
import {CodeRecord} from "../../src/records/CodeRecord.sol";
import {DealRecord, DealTerms} from "../../src/records/DealRecord.sol";
import {StakeWord} from "../../src/records/StakeWord.sol";
import {TaskWord, TaskWords} from "../../src/records/TaskWord.sol";
import {VoteWords} from "../../src/records/VoteWord.sol";
import {Vote} from "./ISettlementBench.sol";

/// Compiled as the hub is, see foundry.toml. See `ISettlementBench`.
contract SettlementBench is Settlement {
    receive() external payable {
        CodeRecord.serve();
    }

    function open(bytes32 taskid, DealTerms memory terms) external {
        address record = CodeRecord.write(keccak256(abi.encode(taskid)), this.pack(terms, ""));
        _tasks[taskid] = TaskWords.opened(record, 0);
    }

    function vote(bytes32 taskid, Vote[] memory votes) external {
        TaskWord task = _tasks[taskid];
        uint256 proved = 0;
        for (uint256 i = 0; i < votes.length; ++i) {
            _contributions[taskid][i].vote = VoteWords.pack(votes[i].worker, votes[i].weight, 0);
            task = task.withContribution();
            if (votes[i].isProved) ++proved;
            else _contributions[taskid][i].sealInverted = keccak256("not revealed");
        }
        task = task.withConsensus(block.timestamp, proved, 0);
        for (uint256 i = 0; i < proved; ++i) {
            task = task.withReveal();
        }
        _tasks[taskid] = task;
    }

    function pack(DealTerms memory terms, string calldata params) external pure returns (bytes memory) {
        return DealRecord.pack(terms, params);
    }

    function setAccount(address account, uint256 frozen, uint256 score) external {
        _stakes[account] = StakeWord.wrap(0).freeze(frozen).withScore(score);
        _supply.frozen += uint96(frozen);
    }

    function accountOf(address account) external view returns (StakeWord, Supply memory) {
        return (_stakes[account], _supply);
    }
}
