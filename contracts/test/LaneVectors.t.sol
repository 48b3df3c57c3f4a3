// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {stdJson} from "forge-std/StdJson.sol";

import {Ballot, Batch, OtherVote, Outcome} from "../src/interfaces/ILane.sol";
import {TaskStatus} from "../src/interfaces/Types.sol";
import {LaneMarket} from "./support/LaneMarket.sol";
import {IPool, Orders} from "./support/Market.sol";

/// The vectors of `poco-core` for the settlement lane against the hub: what is hashed and signed, and what batches
/// pay. `LaneTest` shows that the hub takes votes that are blinded, signed and put in rows as here.
contract LaneVectorsTest is LaneMarket {
    using stdJson for string;

    uint256 internal constant SILENT = 9;
    uint256 internal constant BOND = 1000 * RLC;

    string internal json;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("../poco-core/vectors/lane.json");
    }

    function item(string memory list, uint256 i) private pure returns (string memory) {
        return string.concat(".", list, "[", vm.toString(i), "]");
    }

    function word(string memory path, string memory key) private view returns (bytes32) {
        return json.readBytes32(string.concat(path, ".", key));
    }

    function number(string memory path, string memory key) private view returns (uint256) {
        return json.readUint(string.concat(path, ".", key));
    }

    function numbers(string memory path, string memory key) private view returns (uint256[] memory) {
        return json.readUintArray(string.concat(path, ".", key));
    }

    function test_votes_are_blinded_as_in_the_vectors() public view {
        uint256 i = 0;
        for (; json.keyExists(item("blinded", i)); ++i) {
            string memory path = item("blinded", i);
            bytes32 found =
                blind(word(path, "resultHash"), word(path, "resultSeal"), uint128(number(path, "nonce")));
            assertEq(found, word(path, "blinded"), path);
        }
        assertGe(i, 4);
    }

    function test_ballots_are_signed_as_in_the_vectors() public view {
        uint256 i = 0;
        for (; json.keyExists(item("ballots", i)); ++i) {
            string memory path = item("ballots", i);
            bytes32[] memory entries = json.readBytes32Array(string.concat(path, ".entries"));
            bytes32 structHash = keccak256(
                abi.encode(
                    BALLOT_TYPE,
                    word(path, "dealId"),
                    number(path, "first"),
                    keccak256(abi.encodePacked(entries))
                )
            );
            assertEq(typed(word(path, "domainSeparator"), structHash), word(path, "ballotHash"), path);
        }
        assertGe(i, 3);
    }

    function test_commits_are_hashed_as_in_the_vectors() public view {
        uint256 i = 0;
        for (; json.keyExists(item("rows", i)); ++i) {
            string memory path = item("rows", i);
            bytes[] memory rows = json.readBytesArray(string.concat(path, ".rows"));
            bytes32[] memory hashes = new bytes32[](rows.length);
            for (uint256 j = 0; j < rows.length; ++j) {
                hashes[j] = keccak256(rows[j]);
            }
            assertEq(keccak256(abi.encodePacked(hashes)), word(path, "commitHash"), path);
        }
        assertGe(i, 3);
    }

    function test_batches_pay_as_in_the_vectors() public {
        uint256 i = 0;
        uint256 state = vm.snapshotState();
        for (; json.keyExists(item("settlements", i)); ++i) {
            settlement(item("settlements", i));
            vm.revertToState(state);
        }
        assertGe(i, 7);
    }

    /// @dev A deal that is claimed fills the kitty.
    function fillKitty(uint256 amount) private {
        if (amount > 0) {
            Orders memory o = orders();
            o.pool.workerpoolprice = (amount * 100 + 29) / 30;
            o.request.workerpoolmaxprice = o.pool.workerpoolprice;
            o.request.salt = keccak256("kitty");
            bytes32 dealid = makeDeal(o);
            vm.warp(START + 10 * T);
            (bytes32[] memory ids, uint256[] memory indexes) = (new bytes32[](1), new uint256[](1));
            ids[0] = dealid;
            hub.initializeAndClaimArray(ids, indexes);
        }
        vm.warp(START + 10 * T);
        assertEq(frozen(KITTY), amount, "kitty");
    }

    function dealOf(string memory path, uint256 tasks) private returns (bytes32) {
        uint256[] memory prices = numbers(path, "prices");
        vm.prank(poolOwner);
        IPool(pool).changePolicy(number(path, "stakeRatio"), number(path, "schedulerRatio"));
        Orders memory o = orders();
        (o.app.appprice, o.request.appmaxprice) = (prices[0], prices[0]);
        (o.dataset.datasetprice, o.request.datasetmaxprice) = (prices[1], prices[1]);
        (o.pool.workerpoolprice, o.request.workerpoolmaxprice) = (prices[2], prices[2]);
        o.request.trust = number(path, "trust");
        o.request.volume = tasks;
        return makeDeal(o);
    }

    function digestOf(uint256 said) private pure returns (bytes32) {
        if (said == 0) return 0;
        return keccak256(abi.encodePacked("digest ", vm.toString(said == SILENT ? 1 : said)));
    }

    /// @dev What each worker said in a task.
    function digestsOf(string memory path, uint256 task) private view returns (bytes32[] memory digests) {
        uint256[] memory said = numbers(path, string.concat("said[", vm.toString(task), "]"));
        digests = new bytes32[](said.length);
        for (uint256 i = 0; i < said.length; ++i) {
            digests[i] = digestOf(said[i]);
        }
    }

    function commitVotes(string memory path, bytes32 dealid, uint256 tasks, uint256 count) private {
        bytes32[][] memory digests = new bytes32[][](tasks);
        for (uint256 j = 0; j < tasks; ++j) {
            digests[j] = digestsOf(path, j);
        }
        Ballot[] memory ballots = ballotsOfEach(dealid, digests, count);
        vm.prank(poolOwner);
        hub.commit(dealid, 0, tasks, ballots);
    }

    /// @dev Takes the silent out of those who agree.
    function silence(Outcome memory outcome, uint256[] memory said, bytes32 taskid) private view {
        uint256 silent = 0;
        for (uint256 i = 0; i < said.length; ++i) {
            if (said[i] == SILENT) ++silent;
        }
        uint128[] memory nonces = new uint128[](outcome.nonces.length - silent);
        OtherVote[] memory others = new OtherVote[](outcome.others.length + silent);
        (uint256 agreeing, uint256 next, uint256 other) = (0, 0, 0);
        for (uint256 i = 0; i < said.length; ++i) {
            if (said[i] == 1) {
                nonces[agreeing++] = nonceOf(i, taskid);
            } else if (said[i] == SILENT) {
                outcome.agreeing &= ~(1 << i);
                others[next++].entry = entryOf(i, taskid, digestOf(SILENT));
            } else if (said[i] != 0) {
                others[next++] = outcome.others[other++];
            }
        }
        (outcome.nonces, outcome.others) = (nonces, others);
    }

    function settlement(string memory path) private {
        uint256[] memory scores = numbers(path, "scores");
        uint256[] memory skipped = numbers(path, "skipped");
        fillKitty(number(path, "kitty"));
        bytes32 dealid = dealOf(path, skipped.length);
        for (uint256 i = 0; i < scores.length; ++i) {
            setScore(workers[i], uint64(scores[i]));
            vm.prank(workers[i]);
            hub.bond(pool, BOND);
        }
        commitVotes(path, dealid, skipped.length, scores.length);
        Batch[] memory batches = new Batch[](1);
        batches[0].range = wholeRange(dealid, 0, START + 10 * T);
        batches[0].workers = tableOf(scores.length);
        batches[0].outcomes = new Outcome[](skipped.length);
        for (uint256 j = 0; j < skipped.length; ++j) {
            bytes32 taskid = idOf(dealid, j);
            Outcome memory outcome = outcomeOf(taskid, digestsOf(path, j), digestOf(1));
            silence(outcome, numbers(path, string.concat("said[", vm.toString(j), "]")), taskid);
            outcome.results = "";
            batches[0].outcomes[j] = outcome;
        }
        vm.warp(START + 12 * T);
        settleAs(address(this), batches);
        checkTasks(path, dealid, skipped);
        checkMoney(path, scores.length, skipped.length);
    }

    function checkTasks(string memory path, bytes32 dealid, uint256[] memory skipped) private view {
        for (uint256 j = 0; j < skipped.length; ++j) {
            TaskStatus status = skipped[j] == 255 ? TaskStatus.COMPLETED : TaskStatus.ACTIVE;
            assertEq(uint8(hub.viewTask(idOf(dealid, j)).status), uint8(status), path);
        }
    }

    function checkMoney(string memory path, uint256 count, uint256 tasks) private view {
        for (uint256 i = 0; i < count; ++i) {
            checkWorker(path, i, tasks);
        }
        assertEq(free(appOwner), number(path, "appOwner"), path);
        assertEq(free(datasetOwner), number(path, "datasetOwner"), path);
        assertEq(frozen(KITTY), number(path, "kitty") - number(path, "kittyPaid"), path);
        uint256[] memory prices = numbers(path, "prices");
        uint256 locks = (prices[0] + prices[1] + prices[2]) * tasks;
        assertEq(frozen(requester), locks - number(path, "payer"), path);
        uint256 pledged = prices[2] * 30 / 100 * tasks - number(path, "poolStake");
        assertEq(frozen(poolOwner), pledged, path);
        uint256 paid = number(path, "poolOwner");
        assertEq(free(poolOwner), FUNDS - number(path, "kitty") - pledged + paid, path);
        assertConserved();
    }

    function checkWorker(string memory path, uint256 i, uint256 tasks) private view {
        (uint256 total, uint256 locked,) = hub.viewBond(workers[i], pool);
        uint256 lost = numbers(path, "bondLost")[i];
        assertEq(total, BOND - lost, path);
        lost += numbers(path, "bondUnlocked")[i];
        assertEq(locked, votesOf(path, i, tasks) * stakeOf(path) - lost, path);
        assertEq(free(workers[i]), FUNDS - BOND + numbers(path, "rewards")[i], path);
        assertEq(hub.viewScore(workers[i]), numbers(path, "scoresAfter")[i], path);
    }

    function stakeOf(string memory path) private view returns (uint256) {
        return numbers(path, "prices")[2] * number(path, "stakeRatio") / 100;
    }

    function votesOf(string memory path, uint256 worker, uint256 tasks) private view returns (uint256 votes) {
        for (uint256 j = 0; j < tasks; ++j) {
            if (numbers(path, string.concat("said[", vm.toString(j), "]"))[worker] != 0) ++votes;
        }
    }

    /// @dev One ballot a worker; each may say something else in each task.
    function ballotsOfEach(bytes32 dealid, bytes32[][] memory digests, uint256 count)
        private
        view
        returns (Ballot[] memory ballots)
    {
        ballots = new Ballot[](count);
        for (uint256 i = 0; i < count; ++i) {
            bytes32[] memory entries = new bytes32[](digests.length);
            for (uint256 j = 0; j < digests.length; ++j) {
                if (digests[j][i] != 0) entries[j] = entryOf(i, idOf(dealid, j), digests[j][i]);
            }
            bytes32 structHash =
                keccak256(abi.encode(BALLOT_TYPE, dealid, uint256(0), keccak256(abi.encodePacked(entries))));
            ballots[i] = Ballot(
                workers[i], 0, entries, sign(keys[i], typed(hub.eip712domain_separator(), structHash))
            );
        }
    }
}
