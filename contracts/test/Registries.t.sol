// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";

import {IApp, IDataset, IWorkerpool} from "../src/interfaces/IEntries.sol";
import {CodeRecord} from "../src/records/CodeRecord.sol";
import {EntryToken} from "../src/registries/EntryToken.sol";
import {IAppRegistry, IDatasetRegistry, IWorkerpoolRegistry} from "./support/IRegistries.sol";
import {ContractWallet} from "./support/Parties.sol";

contract TokenReceiver {
    bytes public data;

    function onERC721Received(address, address, uint256, bytes calldata data_) external returns (bytes4) {
        data = data_;
        return this.onERC721Received.selector;
    }
}

/// Registries and entries.
contract RegistriesTest is Test {
    IAppRegistry internal apps;
    IDatasetRegistry internal datasets;
    IWorkerpoolRegistry internal pools;
    address internal alice = makeAddr("alice");
    address internal bob = makeAddr("bob");

    function setUp() public {
        apps = IAppRegistry(vm.deployCode("AppRegistry.sol:AppRegistry"));
        datasets = IDatasetRegistry(vm.deployCode("DatasetRegistry.sol:DatasetRegistry"));
        pools = IWorkerpoolRegistry(vm.deployCode("WorkerpoolRegistry.sol:WorkerpoolRegistry"));
    }

    function createApp(address owner, string memory name) private returns (address) {
        return apps.createApp(owner, name, "DOCKER", "registry.example/app:1", keccak256("image"), '{"x":1}');
    }

    function test_an_app_answers_every_view() public {
        IApp app = IApp(createApp(alice, "an app"));
        assertEq(app.owner(), alice);
        assertEq(app.registry(), address(apps));
        assertEq(app.m_appName(), "an app");
        assertEq(app.m_appType(), "DOCKER");
        assertEq(app.m_appMultiaddr(), "registry.example/app:1");
        assertEq(app.m_appChecksum(), keccak256("image"));
        assertEq(app.m_appMREnclave(), '{"x":1}');
        vm.expectRevert("already initialized");
        app.initialize("", "", "", 0, "");
        vm.expectRevert("caller is not the owner");
        app.setName(address(0), "x");
        vm.prank(alice);
        vm.expectRevert("Operation not supported on this chain");
        app.setName(address(0), "x");
    }

    function testFuzz_fields_are_read_back(
        string calldata name,
        string calldata kind,
        bytes calldata multiaddr,
        bytes32 checksum,
        bytes calldata enclave
    ) public {
        address predicted = apps.predictApp(alice, name, kind, multiaddr, checksum, enclave);
        IApp app = IApp(apps.createApp(alice, name, kind, multiaddr, checksum, enclave));
        assertEq(address(app), predicted);
        assertEq(app.m_appName(), name);
        assertEq(app.m_appType(), kind);
        assertEq(app.m_appMultiaddr(), multiaddr);
        assertEq(app.m_appChecksum(), checksum);
        assertEq(app.m_appMREnclave(), enclave);
        IDataset dataset = IDataset(datasets.createDataset(alice, name, multiaddr, checksum));
        assertEq(address(dataset), datasets.predictDataset(alice, name, multiaddr, checksum));
        assertEq(dataset.m_datasetName(), name);
        assertEq(dataset.m_datasetMultiaddr(), multiaddr);
        assertEq(dataset.m_datasetChecksum(), checksum);
        IWorkerpool pool = IWorkerpool(pools.createWorkerpool(alice, name));
        assertEq(address(pool), pools.predictWorkerpool(alice, name));
        assertEq(pool.m_workerpoolDescription(), name);
    }

    function test_entries_of_other_kinds_are_born_initialized() public {
        IDataset dataset = IDataset(datasets.createDataset(alice, "d", "m", 0));
        vm.expectRevert("already initialized");
        dataset.initialize("", "", 0);
        IWorkerpool pool = IWorkerpool(pools.createWorkerpool(alice, "p"));
        vm.expectRevert("already initialized");
        pool.initialize("");
    }

    function test_the_address_follows_from_the_initialize_call_and_the_owner() public {
        bytes memory args = abi.encodeWithSignature("initialize(string)", "a pool");
        bytes32 salt = keccak256(abi.encodePacked(args, alice));
        address predicted = vm.computeCreate2Address(salt, pools.proxyCodeHash(), address(pools));
        assertEq(keccak256(pools.proxyCode()), pools.proxyCodeHash());
        vm.expectEmit(address(pools));
        emit EntryToken.Transfer(address(0), alice, uint160(predicted));
        assertEq(pools.createWorkerpool(alice, "a pool"), predicted);
        vm.expectRevert(abi.encodeWithSelector(CodeRecord.RecordExists.selector, salt));
        pools.createWorkerpool(alice, "a pool");
        pools.createWorkerpool(bob, "a pool");
    }

    function test_an_entry_too_long_for_code_is_refused() public {
        // With 45 bytes of ERC-1167, the checksum and three lengths.
        vm.expectRevert(
            abi.encodeWithSelector(CodeRecord.RecordTooLong.selector, 24_600 + 45 + 32 + 6, 24_576)
        );
        apps.createApp(alice, "", "", new bytes(24_600), 0, "");
        vm.expectRevert(abi.encodeWithSelector(IAppRegistry.FieldTooLong.selector, 65_536));
        apps.createApp(alice, "", "", new bytes(65_536), 0, "");
        vm.expectRevert(EntryToken.ZeroAddress.selector);
        pools.createWorkerpool(address(0), "x");
    }

    function test_a_pool_owner_changes_the_policies() public {
        IWorkerpool pool = IWorkerpool(pools.createWorkerpool(alice, "p"));
        assertEq(pool.m_workerStakeRatioPolicy(), 30);
        assertEq(pool.m_schedulerRewardRatioPolicy(), 1);
        vm.expectRevert("caller is not the owner");
        pool.changePolicy(35, 5);
        vm.startPrank(alice);
        vm.expectRevert("scheduler reward ratio above 100");
        pool.changePolicy(35, 101);
        vm.expectEmit(address(pool));
        emit IWorkerpool.PolicyUpdate(30, 35, 1, 100);
        pool.changePolicy(35, 100);
        assertEq(pool.m_workerStakeRatioPolicy(), 35);
        assertEq(pool.m_schedulerRewardRatioPolicy(), 100);
        vm.expectRevert(abi.encodeWithSelector(IWorkerpoolRegistry.PolicyTooLarge.selector, 2 ** 24, 5));
        pool.changePolicy(2 ** 24, 5);
        vm.expectRevert(abi.encodeWithSelector(IWorkerpoolRegistry.NotAnEntry.selector, alice));
        pools.setPolicy(1, 1);
        pools.transferFrom(alice, bob, uint160(address(pool)));
        assertEq(pool.m_workerStakeRatioPolicy(), 35, "policies survive a change of owner");
        assertEq(pool.owner(), bob);
    }

    function test_tokens_are_enumerated_through_transfers() public {
        address[4] memory made =
            [createApp(alice, "0"), createApp(alice, "1"), createApp(bob, "2"), createApp(alice, "3")];
        assertEq(apps.totalSupply(), 4);
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(apps.tokenByIndex(i), uint160(made[i]));
        }
        assertEq(apps.balanceOf(alice), 3);
        assertEq(apps.tokenOfOwnerByIndex(alice, 1), uint160(made[1]));
        vm.prank(alice);
        apps.transferFrom(alice, bob, uint160(made[0]));
        assertEq(apps.balanceOf(alice), 2);
        assertEq(apps.tokenOfOwnerByIndex(alice, 0), uint160(made[3]), "the last fills the gap");
        assertEq(apps.tokenOfOwnerByIndex(alice, 1), uint160(made[1]));
        assertEq(apps.tokenOfOwnerByIndex(bob, 1), uint160(made[0]));
        vm.startPrank(bob);
        apps.transferFrom(bob, bob, uint160(made[2]));
        assertEq(apps.balanceOf(bob), 2);
        assertEq(apps.tokenOfOwnerByIndex(bob, 0), uint160(made[0]));
        assertEq(apps.tokenOfOwnerByIndex(bob, 1), uint160(made[2]));
        vm.expectRevert(abi.encodeWithSelector(EntryToken.IndexOutOfBounds.selector, 2));
        apps.tokenOfOwnerByIndex(bob, 2);
        vm.expectRevert(abi.encodeWithSelector(EntryToken.IndexOutOfBounds.selector, 4));
        apps.tokenByIndex(4);
    }

    function test_transfers_need_the_right_to_them() public {
        uint256 id = uint160(createApp(alice, "a"));
        vm.expectRevert(abi.encodeWithSelector(EntryToken.NotAllowed.selector, address(this), id));
        apps.transferFrom(alice, bob, id);
        vm.expectRevert(abi.encodeWithSelector(EntryToken.UnknownToken.selector, 7));
        apps.transferFrom(alice, bob, 7);
        vm.prank(alice);
        apps.approve(address(this), id);
        assertEq(apps.getApproved(id), address(this));
        vm.expectRevert(abi.encodeWithSelector(EntryToken.WrongOwner.selector, bob, id));
        apps.transferFrom(bob, alice, id);
        vm.expectRevert(EntryToken.ZeroAddress.selector);
        apps.transferFrom(alice, address(0), id);
        apps.transferFrom(alice, bob, id);
        assertEq(apps.getApproved(id), address(0), "an approval ends with the transfer");
        vm.expectRevert(abi.encodeWithSelector(EntryToken.NotAllowed.selector, address(this), id));
        apps.transferFrom(bob, alice, id);
        vm.prank(bob);
        apps.setApprovalForAll(address(this), true);
        apps.approve(alice, id);
        apps.transferFrom(bob, alice, id);
    }

    function test_safe_transfers_ask_contracts() public {
        uint256 id = uint160(createApp(address(this), "a"));
        address refuser = address(new ContractWallet());
        // It does not know the question, and has no word for that.
        vm.expectRevert(bytes(""));
        apps.safeTransferFrom(address(this), refuser, id);
        TokenReceiver receiver = new TokenReceiver();
        apps.safeTransferFrom(address(this), address(receiver), id, "hello");
        assertEq(receiver.data(), "hello");
        vm.prank(address(receiver));
        apps.safeTransferFrom(address(receiver), alice, id);
        assertEq(apps.ownerOf(id), alice);
    }

    function test_a_previous_registry_is_asked_too() public {
        address old = createApp(alice, "old");
        IAppRegistry next = IAppRegistry(vm.deployCode("AppRegistry.sol:AppRegistry"));
        assertFalse(next.isRegistered(old));
        vm.prank(alice);
        vm.expectRevert("Ownable: caller is not the owner");
        next.initialize(address(apps));
        next.initialize(address(apps));
        assertEq(next.previous(), address(apps));
        assertTrue(next.initialized());
        assertTrue(next.isRegistered(old));
        assertFalse(next.isRegistered(alice));
        vm.expectRevert("already initialized");
        next.initialize(address(0));
    }

    function test_names_uris_and_interfaces() public {
        assertEq(apps.name(), "iExec Application Registry (V5)");
        assertEq(apps.symbol(), "iExecAppsV5");
        assertEq(datasets.name(), "iExec Dataset Registry (V5)");
        assertEq(datasets.symbol(), "iExecDatasetsV5");
        assertEq(pools.name(), "iExec Workerpool Registry (V5)");
        assertEq(pools.symbol(), "iExecWorkerpoolV5");
        uint256 id = uint160(createApp(alice, "a"));
        assertEq(apps.tokenURI(id), "");
        apps.setBaseURI("https://example.org/");
        assertEq(apps.tokenURI(id), string.concat("https://example.org/", vm.toString(id)));
        assertTrue(apps.supportsInterface(0x80ac58cd) && apps.supportsInterface(0x780e9d63));
        assertFalse(apps.supportsInterface(0xffffffff));
        apps.transferOwnership(alice);
        assertEq(apps.owner(), alice);
        vm.prank(alice);
        apps.renounceOwnership();
        assertEq(apps.owner(), address(0));
        (bool success,) = address(apps).call("");
        assertFalse(success, "a registry answers empty calls only to an entry under construction");
    }
}
