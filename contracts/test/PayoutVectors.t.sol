// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {stdJson} from "forge-std/StdJson.sol";

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {Supply} from "../src/hub/HubStorage.sol";
import {DealTerms} from "../src/records/DealRecord.sol";
import {StakeWord} from "../src/records/StakeWord.sol";
import {ISettlementBench, Vote} from "./support/ISettlementBench.sol";
import {Signing} from "./support/Signing.sol";

/// The payout vectors of `poco-core`: every credit to the nRLC, and nothing left over. Those that do not name our
/// rules are the reference's, whose kitty gives whatever the price is: here a tenth of the price is the most.
contract PayoutVectorsTest is Signing {
    using stdJson for string;

    address internal constant KITTY = 0x99c2268479b93fDe36232351229815DF80837e23;
    address internal constant PAYER = address(0x1001);
    address internal constant APP_OWNER = address(0x1003);
    address internal constant DATASET_OWNER = address(0x1004);
    bytes32 internal constant DIGEST = keccak256("digest");
    /// @dev Of everybody, before: two thirds of it and one more are other numbers.
    uint256 internal constant SCORE = 30;

    address internal poolOwner;
    uint256 internal poolKey;
    string internal json;

    function setUp() public {
        vm.warp(1_700_000_000);
        (poolOwner, poolKey) = makeAddrAndKey("pool owner");
        json = vm.readFile("../poco-core/vectors/payouts.json");
    }

    function test_payouts_are_those_of_the_vectors() public {
        assertGe(playAll(".payouts", this.playVotes), 9);
        assertGe(playAll(".ours.payouts", this.playVotes), 16);
    }

    function test_payouts_of_one_call_are_those_of_the_vectors() public {
        assertGe(playAll(".alone", this.playAlone), 9);
        assertGe(playAll(".ours.alone", this.playAlone), 16);
    }

    /// @dev A tenth of the price is no limit here.
    function test_the_kitty_gives_as_in_the_vectors_where_the_price_is_high() public {
        assertGe(playAll(".kitties", this.playKitty), 9);
    }

    function test_scores_change_as_in_the_vectors() public {
        assertGe(playAll(".scores", this.playScore), 13);
    }

    /// @dev Each entry in a call of its own: the copies of the file that its reads leave are free again behind it.
    function playAll(string memory list, function(string memory) external play) private returns (uint256 i) {
        for (; json.keyExists(entryPath(list, i)); ++i) {
            play(entryPath(list, i));
        }
    }

    function entryPath(string memory list, uint256 i) private pure returns (string memory) {
        return string.concat(list, "[", vm.toString(i), "]");
    }

    function number(string memory path, string memory key) private view returns (uint256) {
        return json.readUint(string.concat(path, ".", key));
    }

    function newBench() private returns (ISettlementBench) {
        return ISettlementBench(vm.deployCode("SettlementBench.sol:SettlementBench"));
    }

    function playVotes(string memory path) external {
        ISettlementBench bench = newBench();
        DealTerms memory terms = readTerms(path);
        terms.workerStake = number(path, "workerStake");
        (Vote[] memory votes, uint256[] memory rewards) = readVotes(path, bench, terms.workerStake);
        uint256 poolStake = number(path, "poolStake");
        open(bench, path, terms, poolStake);
        bench.vote(keccak256(bytes(path)), votes);
        vm.prank(poolOwner);
        bench.finalize(keccak256(bytes(path)), "", "");

        bool isRaised = raisesScore(path, votes.length, terms.workerStake);
        for (uint256 i = 0; i < votes.length; ++i) {
            bool isProved = votes[i].isProved;
            (StakeWord stake,) = bench.accountOf(votes[i].worker);
            assertEq(stake.free(), rewards[i] + (isProved ? terms.workerStake : 0), path);
            assertEq(stake.frozen(), 0, path);
            assertEq(stake.score(), isProved ? SCORE + (isRaised ? 1 : 0) : SCORE * 2 / 3, path);
        }
        checkOthers(bench, path, terms, poolStake);
    }

    function playAlone(string memory path) external {
        ISettlementBench bench = newBench();
        DealTerms memory terms = readTerms(path);
        // It is not asked for where one call does all.
        terms.workerStake = 7;
        uint256 poolStake = terms.poolPrice * 30 / 100;
        open(bench, path, terms, poolStake);
        address worker = address(0x2000);
        bench.setAccount(worker, 0, SCORE);
        finishAlone(bench, keccak256(bytes(path)), worker);

        (StakeWord stake,) = bench.accountOf(worker);
        assertEq(stake.free(), number(path, "reward"), path);
        assertEq(stake.frozen(), 0, path);
        assertEq(stake.score(), SCORE, path);
        checkOthers(bench, path, terms, poolStake);
    }

    function playKitty(string memory path) external {
        ISettlementBench bench = newBench();
        (uint256 kitty, uint256 share) = (number(path, "kitty"), number(path, "share"));
        DealTerms memory terms = newTerms();
        terms.poolPrice = share * 10;
        bench.setAccount(PAYER, terms.poolPrice, 0);
        bench.setAccount(poolOwner, share * 3, 0);
        bench.setAccount(KITTY, kitty, 0);
        bench.open(keccak256(bytes(path)), terms);
        finishAlone(bench, keccak256(bytes(path)), address(0x2000));
        (StakeWord left,) = bench.accountOf(KITTY);
        assertEq(left.frozen(), kitty - share, path);
        // The pool's stake comes back, and it keeps nothing of its price.
        (StakeWord owner,) = bench.accountOf(poolOwner);
        assertEq(owner.free(), share * 4, path);
    }

    /// @dev Two agree and one does not.
    function playScore(string memory path) external {
        ISettlementBench bench = newBench();
        Vote[] memory votes = new Vote[](3);
        for (uint256 i = 0; i < votes.length; ++i) {
            votes[i] = Vote(address(uint160(0x2000 + i)), 2, i > 0);
            bench.setAccount(votes[i].worker, 1, number(path, "score"));
        }
        DealTerms memory terms = newTerms();
        terms.workerStake = 1;
        bench.open(keccak256(bytes(path)), terms);
        bench.vote(keccak256(bytes(path)), votes);
        vm.prank(poolOwner);
        bench.finalize(keccak256(bytes(path)), "", "");
        for (uint256 i = 0; i < votes.length; ++i) {
            (StakeWord stake,) = bench.accountOf(votes[i].worker);
            assertEq(stake.score(), number(path, votes[i].isProved ? "raised" : "lowered"), path);
        }
    }

    function finishAlone(ISettlementBench bench, bytes32 taskid, address worker) private {
        bytes32 hash = ethSigned(keccak256(abi.encodePacked(worker, taskid, address(0))));
        vm.prank(worker);
        bench.contributeAndFinalize(taskid, DIGEST, "", "", address(0), "", sign(poolKey, hash));
    }

    /// @dev A task with what its parties locked.
    function open(ISettlementBench bench, string memory path, DealTerms memory terms, uint256 poolStake)
        private
    {
        bench.setAccount(PAYER, terms.appPrice + terms.datasetPrice + terms.poolPrice, SCORE);
        bench.setAccount(poolOwner, poolStake, SCORE);
        bench.setAccount(KITTY, number(path, "kitty"), SCORE);
        bench.open(keccak256(bytes(path)), terms);
    }

    function isOurs(string memory path) private view returns (bool) {
        if (!json.keyExists(string.concat(path, ".rules"))) return false;
        assertEq(json.readString(string.concat(path, ".rules")), "ours");
        return true;
    }

    function raisesScore(string memory path, uint256 votes, uint256 stake) private view returns (bool) {
        if (isOurs(path)) return json.readBool(string.concat(path, ".raisesScore"));
        return votes > 1 && stake > 0;
    }

    /// @dev Everybody but the workers.
    function checkOthers(
        ISettlementBench bench,
        string memory path,
        DealTerms memory terms,
        uint256 poolStake
    ) private view {
        uint256 kittyShare = number(path, "kittyShare");
        if (!isOurs(path)) kittyShare = FixedPointMathLib.min(kittyShare, terms.poolPrice / 10);
        (StakeWord owner, Supply memory supply) = bench.accountOf(poolOwner);
        assertEq(owner.free(), poolStake + kittyShare + number(path, "scheduler"), path);
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
        terms = newTerms();
        terms.appPrice = number(path, "appPrice");
        terms.datasetPrice = number(path, "datasetPrice");
        terms.poolPrice = number(path, "workerpoolPrice");
        assertEq(terms.appPrice + terms.datasetPrice + terms.poolPrice, number(path, "payer"), path);
        terms.schedulerRatio = number(path, "schedulerRatio");
    }

    function newTerms() private view returns (DealTerms memory terms) {
        terms.appOwner = APP_OWNER;
        (terms.dataset, terms.datasetOwner) = (address(1), DATASET_OWNER);
        terms.poolOwner = poolOwner;
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
            bench.setAccount(votes[i].worker, stake, SCORE);
        }
    }
}
