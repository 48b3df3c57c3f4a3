// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {stdJson} from "forge-std/StdJson.sol";

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {Supply} from "../src/hub/HubStorage.sol";
import {DealTerms} from "../src/records/DealRecord.sol";
import {StakeWord} from "../src/records/StakeWord.sol";
import {ISettlementBench, Vote} from "./support/ISettlementBench.sol";

/// The payout vectors of `poco-core`: every credit to the nRLC, and nothing left over.
contract PayoutVectorsTest is Test {
    using stdJson for string;

    address internal constant KITTY = 0x99c2268479b93fDe36232351229815DF80837e23;
    address internal constant PAYER = address(0x1001);
    address internal constant POOL_OWNER = address(0x1002);
    address internal constant APP_OWNER = address(0x1003);
    address internal constant DATASET_OWNER = address(0x1004);

    string internal json;

    function test_payouts_are_those_of_the_vectors() public {
        vm.warp(1_700_000_000);
        json = vm.readFile("../poco-core/vectors/payouts.json");
        uint256 i = 0;
        for (; json.keyExists(string.concat(".payouts[", vm.toString(i), "]")); ++i) {
            check(string.concat(".payouts[", vm.toString(i), "]"));
        }
        assertGe(i, 9);
    }

    function number(string memory path, string memory key) private view returns (uint256) {
        return json.readUint(string.concat(path, ".", key));
    }

    function check(string memory path) private {
        ISettlementBench bench = ISettlementBench(vm.deployCode("SettlementBench.sol:SettlementBench"));
        DealTerms memory terms = readTerms(path);
        (Vote[] memory votes, uint256[] memory rewards) = readVotes(path, bench, terms.workerStake);
        bench.setFrozen(PAYER, terms.appPrice + terms.datasetPrice + terms.poolPrice);
        bench.setFrozen(POOL_OWNER, number(path, "poolStake"));
        bench.setFrozen(KITTY, number(path, "kitty"));
        bytes32 taskid = keccak256(bytes(path));
        bench.place(taskid, terms, votes);
        vm.prank(POOL_OWNER);
        bench.finalize(taskid, "", "");

        for (uint256 i = 0; i < votes.length; ++i) {
            bool isProved = votes[i].isProved;
            (StakeWord stake,) = bench.accountOf(votes[i].worker);
            assertEq(stake.free(), rewards[i] + (isProved ? terms.workerStake : 0), path);
            assertEq(stake.frozen(), 0, path);
            assertEq(
                stake.score(), isProved ? (votes.length > 1 && terms.workerStake > 0 ? 31 : 30) : 20, path
            );
        }
        (StakeWord owner, Supply memory supply) = bench.accountOf(POOL_OWNER);
        // The vector's is that of the reference; here a tenth of the price is the most.
        uint256 kittyShare = FixedPointMathLib.min(number(path, "kittyShare"), terms.poolPrice / 10);
        assertEq(owner.free(), number(path, "poolStake") + kittyShare + number(path, "scheduler"), path);
        assertEq(owner.frozen(), 0, path);
        (StakeWord kitty,) = bench.accountOf(KITTY);
        assertEq(kitty.frozen(), number(path, "kitty") - kittyShare, path);
        assertEq(supply.frozen, kitty.frozen(), "debits and credits differ");
        (StakeWord payer,) = bench.accountOf(PAYER);
        assertEq(payer.frozen(), 0, path);
        (StakeWord app,) = bench.accountOf(APP_OWNER);
        assertEq(app.free(), terms.appPrice, path);
        (StakeWord dataset,) = bench.accountOf(DATASET_OWNER);
        assertEq(dataset.free(), terms.datasetPrice, path);
    }

    function readTerms(string memory path) private view returns (DealTerms memory terms) {
        terms.appPrice = number(path, "appPrice");
        terms.datasetPrice = number(path, "datasetPrice");
        terms.poolPrice = number(path, "workerpoolPrice");
        assertEq(terms.appPrice + terms.datasetPrice + terms.poolPrice, number(path, "payer"), path);
        terms.workerStake = number(path, "workerStake");
        terms.schedulerRatio = number(path, "schedulerRatio");
        terms.appOwner = APP_OWNER;
        (terms.dataset, terms.datasetOwner) = (address(1), DATASET_OWNER);
        terms.poolOwner = POOL_OWNER;
        (terms.requester, terms.sponsor) = (PAYER, PAYER);
        terms.startTime = block.timestamp;
        terms.timeRef = 300;
        terms.trust = 1;
    }

    function readVotes(string memory path, ISettlementBench bench, uint256 stake)
        private
        returns (Vote[] memory votes, uint256[] memory rewards)
    {
        bool[] memory isProved = json.readBoolArray(string.concat(path, ".isProved"));
        uint256[] memory logWeights = json.readUintArray(string.concat(path, ".logWeights"));
        rewards = json.readUintArray(string.concat(path, ".rewards"));
        votes = new Vote[](isProved.length);
        for (uint256 i = 0; i < votes.length; ++i) {
            votes[i].worker = address(uint160(0x2000 + i));
            votes[i].weight = 1 << logWeights[i];
            votes[i].isProved = isProved[i];
            bench.setFrozen(votes[i].worker, stake);
        }
    }
}
