// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {stdError} from "forge-std/StdError.sol";

import {IConfiguration} from "../src/interfaces/IConfiguration.sol";
import {IHub} from "../src/interfaces/IHub.sol";
import {
    Account as Stakes,
    Category,
    Contribution,
    Deal,
    EIP712Domain,
    Task,
    TaskStatus
} from "../src/interfaces/Types.sol";
import {Market, Orders} from "./support/Market.sol";

contract OldHub {
    uint256 private immutable SCORE;

    constructor(uint256 score) {
        SCORE = score;
    }

    function viewScore(address) external view returns (uint256) {
        return SCORE;
    }
}

/// Settings, categories, ownership, and the views that only read them.
contract ConfigurationTest is Market {
    function test_only_the_owner_configures() public {
        vm.startPrank(requester);
        bytes memory refusal = "Ownable: caller is not the owner";
        vm.expectRevert(refusal);
        hub.configure(address(0), "", "", 9, address(0), address(0), address(0), address(0));
        vm.expectRevert(refusal);
        hub.changeRegistries(address(0), address(0), address(0));
        vm.expectRevert(refusal);
        hub.setTeeBroker(requester);
        vm.expectRevert(refusal);
        hub.setCallbackGas(1);
        vm.expectRevert(refusal);
        hub.createCategory("", "", 1);
        vm.expectRevert(refusal);
        hub.transferOwnership(requester);
        vm.expectRevert(refusal);
        hub.renounceOwnership();
        vm.stopPrank();
        vm.expectRevert("already-configured");
        hub.configure(address(0), "", "", 9, address(0), address(0), address(0), address(0));
    }

    function test_ownership_moves() public {
        vm.expectRevert("Ownable: new owner is the zero address");
        hub.transferOwnership(address(0));
        vm.expectEmit(address(hub));
        emit IConfiguration.OwnershipTransferred(address(this), requester);
        hub.transferOwnership(requester);
        assertEq(hub.owner(), requester);
        vm.prank(requester);
        hub.renounceOwnership();
        assertEq(hub.owner(), address(0));
    }

    /// @dev Deals are made, a task ends well and one in a claim, and everybody gets out with what is theirs.
    function test_a_market_without_an_owner_goes_on_and_gives_stake_back() public {
        vm.prank(workers[1]);
        hub.bond(pool, 10 * RLC);
        hub.renounceOwnership();
        vm.expectRevert("Ownable: caller is not the owner");
        hub.setCallbackGas(1);
        bytes32 done = openTask(1);
        bytes32 left = openTask(3);
        contribute(workers[0], done, "good");
        contribute(workers[0], left, "good");
        reveal(workers[0], done, "good");
        finalize(done, "results", "");
        assertEq(uint8(hub.viewTask(done).status), uint8(TaskStatus.COMPLETED));
        vm.prank(workers[1]);
        hub.unbond(pool);
        vm.warp(START + 10 * T);
        hub.claim(left);
        assertEq(uint8(hub.viewTask(left).status), uint8(TaskStatus.FAILED));
        vm.warp(START + 10 * 1200);
        vm.prank(workers[1]);
        hub.withdrawBond(pool);
        withdrawAll(requester, FUNDS - 25 * RLC);
        withdrawAll(workers[0], FUNDS + 19_800_000_000);
        withdrawAll(workers[1], FUNDS);
        withdrawAll(poolOwner, FUNDS - 6 * RLC + 200_000_000);
        withdrawAll(appOwner, 3 * RLC);
        assertEq(hub.balanceOf(address(hub)), 6 * RLC, "the kitty's");
        assertConserved();
    }

    function withdrawAll(address account, uint256 amount) private {
        assertEq(free(account), amount);
        assertEq(frozen(account), 0);
        vm.prank(account);
        hub.withdraw(amount);
        assertEq(token.balanceOf(account), amount);
    }

    function test_settings_are_kept() public {
        assertEq(hub.callbackgas(), 200_000);
        hub.setCallbackGas(123);
        assertEq(hub.callbackgas(), 123);
        hub.setTeeBroker(requester);
        assertEq(hub.teebroker(), requester);
        assertEq(hub.token(), address(token));
        assertEq(hub.appregistry(), address(apps));
        assertEq(hub.datasetregistry(), address(datasets));
        assertEq(hub.workerpoolregistry(), address(pools));
        hub.changeRegistries(address(1), address(2), address(3));
        assertEq(hub.appregistry(), address(1));
        assertEq(hub.datasetregistry(), address(2));
        assertEq(hub.workerpoolregistry(), address(3));
    }

    function test_constants_are_those_of_the_protocol() public view {
        assertEq(hub.contribution_deadline_ratio(), 7);
        assertEq(hub.reveal_deadline_ratio(), 2);
        assertEq(hub.final_deadline_ratio(), 10);
        assertEq(hub.workerpool_stake_ratio(), 30);
        assertEq(hub.kitty_ratio(), 10);
        assertEq(hub.kitty_min(), 1e9);
        assertEq(hub.kitty_address(), KITTY);
        assertEq(hub.groupmember_purpose(), 4);
    }

    function test_categories_are_added_and_listed() public {
        assertEq(hub.countCategory(), 2);
        vm.expectEmit(address(hub));
        emit IConfiguration.CreateCategory(2, "M", "{}", 3600);
        assertEq(hub.createCategory("M", "{}", 3600), 2);
        Category memory c = hub.viewCategory(2);
        assertEq(c.name, "M");
        assertEq(c.description, "{}");
        assertEq(c.workClockTimeRef, 3600);
        (string memory name, string memory description, uint256 time) = hub.viewCategoryABILegacy(2);
        assertEq(string.concat(name, description), "M{}");
        assertEq(time, 3600);
        vm.expectRevert(stdError.indexOOBError);
        hub.viewCategory(3);
        vm.expectRevert(
            abi.encodeWithSelector(IConfiguration.WorkClockTooLong.selector, 2 ** 28 + 1, 2 ** 28)
        );
        hub.createCategory("", "", 2 ** 28 + 1);
    }

    function test_the_domain_follows_the_chain_id_when_told() public {
        bytes32 before = hub.eip712domain_separator();
        assertEq(before, domainSeparator(block.chainid, address(hub)));
        EIP712Domain memory domain = hub.domain();
        assertEq(domain.name, "iExecODB");
        assertEq(domain.version, "5.0.0");
        assertEq(domain.chainId, block.chainid);
        assertEq(domain.verifyingContract, address(hub));
        vm.chainId(777);
        assertEq(hub.eip712domain_separator(), before);
        hub.updateDomainSeparator();
        assertEq(hub.eip712domain_separator(), domainSeparator(777, address(hub)));
    }

    function test_a_hub_that_is_not_configured_has_no_domain_to_update() public {
        IHub fresh = IHub(payable(vm.deployCode("Hub.sol:Hub", hubArguments())));
        vm.expectRevert("not-configured");
        fresh.updateDomainSeparator();
        assertEq(fresh.eip712domain_separator(), 0);
        fresh.configure(
            address(token), "", "", 9, address(apps), address(datasets), address(pools), address(0)
        );
        fresh.updateDomainSeparator();
        assertEq(fresh.eip712domain_separator(), domainSeparator(block.chainid, address(fresh)));
    }

    function test_a_score_is_imported_once_and_never_lowers() public {
        setOldHub(44);
        setScore(workers[1], 50);
        hub.importScore(workers[0]);
        hub.importScore(workers[1]);
        assertEq(hub.viewScore(workers[0]), 44);
        assertEq(hub.viewScore(workers[1]), 50);
        assertEq(free(workers[0]), FUNDS);
        vm.expectRevert("score-already-imported");
        hub.importScore(workers[0]);
    }

    /// @dev A score that is full would fall to nothing with the next success.
    function test_an_imported_score_leaves_room_to_rise() public {
        setOldHub(2 ** 63 + 1);
        vm.expectRevert(abi.encodeWithSelector(IConfiguration.ScoreTooLarge.selector, 2 ** 63 + 1));
        hub.importScore(workers[0]);
        setOldHub(2 ** 63);
        hub.importScore(workers[0]);
        bytes32 taskid = openTask(100);
        contribute(workers[1], taskid, "good");
        contribute(workers[0], taskid, "good");
        reveal(workers[0], taskid, "good");
        reveal(workers[1], taskid, "good");
        finalize(taskid, "", "");
        assertEq(hub.viewScore(workers[0]), 2 ** 63 + 1);
    }

    function setOldHub(uint256 score) private {
        vm.store(address(hub), bytes32(uint256(7)), bytes32(uint256(uint160(address(new OldHub(score))))));
    }

    function test_the_hub_refuses_ether_and_unknown_calls() public {
        vm.deal(address(this), 1 ether);
        (bool success, bytes memory reason) = address(hub).call{value: 1}("");
        assertFalse(success);
        assertEq(reason, abi.encodeWithSignature("Error(string)", "fallback-disabled"));
        (success, reason) = address(hub).call(hex"12345678");
        assertFalse(success);
        assertEq(reason, abi.encodeWithSignature("Error(string)", "fallback-disabled"));
        (success,) = address(hub).call{value: 1}(abi.encodeCall(hub.countCategory, ()));
        assertFalse(success);
    }

    function test_entries_are_described() public view {
        assertEq(hub.viewApp(app).owner, appOwner);
        assertEq(hub.viewApp(app).m_appName, "app");
        assertEq(hub.viewApp(app).m_appType, "DOCKER");
        assertEq(hub.viewApp(app).m_appMultiaddr, "registry.example/app:1");
        assertEq(hub.viewApp(app).m_appChecksum, keccak256("image"));
        assertEq(hub.viewApp(app).m_appMREnclave, "");
        assertEq(hub.viewDataset(dataset).owner, datasetOwner);
        assertEq(hub.viewDataset(dataset).m_datasetName, "dataset");
        assertEq(hub.viewDataset(dataset).m_datasetMultiaddr, "/ipfs/Qm");
        assertEq(hub.viewDataset(dataset).m_datasetChecksum, keccak256("data"));
        assertEq(hub.viewWorkerpool(pool).owner, poolOwner);
        assertEq(hub.viewWorkerpool(pool).m_workerpoolDescription, "a pool");
        assertEq(hub.viewWorkerpool(pool).m_workerStakeRatioPolicy, 30);
        assertEq(hub.viewWorkerpool(pool).m_schedulerRewardRatioPolicy, 1);
    }

    function test_legacy_views_say_the_same() public {
        Orders memory o = orders();
        o.request.params = "params";
        bytes32 dealid = makeDeal(o);
        bytes32 taskid = hub.initialize(dealid, 0);
        contribute(workers[0], taskid, "good");
        Deal memory deal = hub.viewDeal(dealid);
        checkDeal(dealid, deal);
        (
            TaskStatus status,
            bytes32 id,,,,
            uint256 revealDeadline,,
            bytes32 consensus,,,
            address[] memory voters,
        ) = hub.viewTaskABILegacy(taskid);
        Task memory task = hub.viewTask(taskid);
        assertEq(uint8(status), uint8(task.status));
        assertEq(id, dealid);
        assertEq(revealDeadline, task.revealDeadline);
        assertEq(consensus, task.consensusValue);
        assertEq(voters[0], workers[0]);
        Contribution memory c = hub.viewContribution(taskid, workers[0]);
        (, bytes32 hash, bytes32 seal, address challenge) = hub.viewContributionABILegacy(taskid, workers[0]);
        assertEq(
            keccak256(abi.encode(hash, seal, challenge)),
            keccak256(abi.encode(c.resultHash, c.resultSeal, address(0)))
        );
        Stakes memory a = hub.viewAccount(workers[0]);
        (uint256 stake, uint256 locked) = hub.viewAccountABILegacy(workers[0]);
        assertEq(stake, a.stake);
        assertEq(locked, a.locked);
        assertEq(hub.frozenOf(workers[0]), a.locked);
    }

    function checkDeal(bytes32 dealid, Deal memory deal) private view {
        (, address owner, uint256 price,,,, address pointer,,) = hub.viewDealABILegacy_pt1(dealid);
        assertEq(owner, deal.app.owner);
        assertEq(price, deal.app.price);
        assertEq(pointer, deal.workerpool.pointer);
        (uint256 trust,, address asker,,, string memory params) = hub.viewDealABILegacy_pt2(dealid);
        assertEq(trust, deal.trust);
        assertEq(asker, deal.requester);
        assertEq(params, "params");
        (uint256 category, uint256 start, uint256 first, uint256 size, uint256 stake, uint256 ratio) =
            hub.viewConfigABILegacy(dealid);
        assertEq(category + first, 0);
        assertEq(start, START);
        assertEq(size, 1);
        assertEq(stake, deal.workerStake);
        assertEq(ratio, 1);
    }
}
