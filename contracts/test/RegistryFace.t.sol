// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";

import {IApp, IDataset, IEntry, IWorkerpool} from "../src/interfaces/IEntries.sol";
import {IEntryTerms} from "../src/interfaces/IParties.sol";
import {CodeRecord} from "../src/records/CodeRecord.sol";
import {EntryRegistry} from "../src/registries/EntryRegistry.sol";
import {EntryToken} from "../src/registries/EntryToken.sol";
import {IAppRegistry, IDatasetRegistry, IRegistry, IWorkerpoolRegistry} from "./support/IRegistries.sol";
import {ContractWallet} from "./support/Parties.sol";

/// @dev Two views that the other tests do without.
interface IRegistryFace is IRegistry, IEntryTerms {
    function baseURI() external view returns (string memory);
    function master() external view returns (address);
    function setName(address ens, string calldata name) external;
}

/// @dev Takes tokens, with or without the right word.
contract Keeper {
    bytes public data;
    bool private immutable _isWilling;

    constructor(bool isWilling) {
        _isWilling = isWilling;
    }

    function onERC721Received(address, address, uint256, bytes calldata data_) external returns (bytes4) {
        data = data_;
        return _isWilling ? this.onERC721Received.selector : bytes4(0);
    }
}

/// What the three registries have in common, asked of each of them.
contract RegistryFaceTest is Test {
    IRegistryFace[3] internal registries;
    address internal alice = makeAddr("alice");
    address internal bob = makeAddr("bob");

    function setUp() public {
        registries[0] = IRegistryFace(vm.deployCode("AppRegistry.sol:AppRegistry"));
        registries[1] = IRegistryFace(vm.deployCode("DatasetRegistry.sol:DatasetRegistry"));
        registries[2] = IRegistryFace(vm.deployCode("WorkerpoolRegistry.sol:WorkerpoolRegistry"));
    }

    /// @dev The initialize call of an entry of a kind, and what its constructor's caller says.
    function argsOf(uint256 kind, string memory name) internal pure returns (bytes memory) {
        if (kind == 0) return abi.encodeCall(IApp.initialize, (name, "DOCKER", "image", 0, ""));
        if (kind == 1) return abi.encodeCall(IDataset.initialize, (name, "url", 0));
        return abi.encodeCall(IWorkerpool.initialize, (name));
    }

    function create(uint256 kind, address owner, string memory name) internal returns (address) {
        address registry = address(registries[kind]);
        if (kind == 0) return IAppRegistry(registry).createApp(owner, name, "DOCKER", "image", 0, "");
        if (kind == 1) return IDatasetRegistry(registry).createDataset(owner, name, "url", 0);
        return IWorkerpoolRegistry(registry).createWorkerpool(owner, name);
    }

    function test_every_registry_enumerates_its_tokens() public {
        for (uint256 kind = 0; kind < 3; ++kind) {
            IRegistryFace registry = registries[kind];
            uint256 first = uint160(create(kind, alice, "first"));
            uint256 second = uint160(create(kind, alice, "second"));
            uint256 third = uint160(create(kind, bob, "third"));
            assertEq(registry.totalSupply(), 3);
            assertEq(registry.balanceOf(alice), 2);
            assertEq(registry.ownerOf(third), bob);
            assertEq(registry.tokenByIndex(0), first);
            assertEq(registry.tokenByIndex(2), third);
            assertEq(registry.tokenOfOwnerByIndex(alice, 1), second);
            assertEq(registry.tokenOfOwnerByIndex(bob, 0), third);
            vm.expectRevert(abi.encodeWithSelector(EntryToken.IndexOutOfBounds.selector, 3));
            registry.tokenByIndex(3);
            vm.expectRevert(abi.encodeWithSelector(EntryToken.IndexOutOfBounds.selector, 1));
            registry.tokenOfOwnerByIndex(bob, 1);
            vm.expectRevert(EntryToken.ZeroAddress.selector);
            registry.balanceOf(address(0));
        }
    }

    function test_every_registry_lets_the_owner_and_the_approved_transfer() public {
        for (uint256 kind = 0; kind < 3; ++kind) {
            IRegistryFace registry = registries[kind];
            uint256 id = uint160(create(kind, alice, "entry"));
            vm.expectRevert(abi.encodeWithSelector(EntryToken.NotAllowed.selector, bob, id));
            vm.prank(bob);
            registry.approve(bob, id);
            vm.expectEmit(address(registry));
            emit EntryToken.Approval(alice, bob, id);
            vm.prank(alice);
            registry.approve(bob, id);
            assertEq(registry.getApproved(id), bob);
            vm.expectEmit(address(registry));
            emit EntryToken.Transfer(alice, bob, id);
            vm.prank(bob);
            registry.transferFrom(alice, bob, id);
            assertEq(registry.getApproved(id), address(0));

            vm.expectEmit(address(registry));
            emit EntryToken.ApprovalForAll(bob, alice, true);
            vm.prank(bob);
            registry.setApprovalForAll(alice, true);
            assertTrue(registry.isApprovedForAll(bob, alice));
            assertFalse(registry.isApprovedForAll(alice, bob));
            vm.prank(alice);
            registry.transferFrom(bob, alice, id);
            assertEq(registry.ownerOf(id), alice);
        }
    }

    function test_every_registry_refuses_other_transfers() public {
        for (uint256 kind = 0; kind < 3; ++kind) {
            IRegistryFace registry = registries[kind];
            uint256 id = uint160(create(kind, alice, "entry"));
            vm.expectRevert(abi.encodeWithSelector(EntryToken.NotAllowed.selector, address(this), id));
            registry.transferFrom(alice, bob, id);
            vm.startPrank(alice);
            vm.expectRevert(abi.encodeWithSelector(EntryToken.UnknownToken.selector, 7));
            registry.transferFrom(alice, bob, 7);
            vm.expectRevert(abi.encodeWithSelector(EntryToken.WrongOwner.selector, bob, id));
            registry.transferFrom(bob, alice, id);
            vm.expectRevert(EntryToken.ZeroAddress.selector);
            registry.transferFrom(alice, address(0), id);
            vm.stopPrank();
            assertEq(registry.ownerOf(id), alice);
        }
    }

    function test_every_registry_asks_contracts_before_a_safe_transfer() public {
        for (uint256 kind = 0; kind < 3; ++kind) {
            IRegistryFace registry = registries[kind];
            uint256 id = uint160(create(kind, address(this), "entry"));
            address mute = address(new ContractWallet());
            // It does not know the question, and has no word for that.
            vm.expectRevert(bytes(""));
            registry.safeTransferFrom(address(this), mute, id);
            address refuser = address(new Keeper(false));
            vm.expectRevert(abi.encodeWithSelector(EntryToken.ReceiverRefused.selector, refuser));
            registry.safeTransferFrom(address(this), refuser, id);
            Keeper keeper = new Keeper(true);
            registry.safeTransferFrom(address(this), address(keeper), id, "hello");
            assertEq(keeper.data(), "hello");
            vm.prank(address(keeper));
            registry.safeTransferFrom(address(keeper), alice, id);
            assertEq(registry.ownerOf(id), alice);
        }
    }

    function test_every_registry_has_an_owner_who_says_where_entries_are_described() public {
        for (uint256 kind = 0; kind < 3; ++kind) {
            IRegistryFace registry = registries[kind];
            uint256 id = uint160(create(kind, alice, "entry"));
            assertEq(registry.tokenURI(id), "");
            registry.setBaseURI("https://example.org/");
            assertEq(registry.baseURI(), "https://example.org/");
            assertEq(registry.tokenURI(id), string.concat("https://example.org/", vm.toString(id)));
            vm.expectRevert("Operation not supported on this chain");
            registry.setName(address(0), "a name");
            vm.expectRevert("Ownable: new owner is the zero address");
            registry.transferOwnership(address(0));
            vm.expectEmit(address(registry));
            emit EntryRegistry.OwnershipTransferred(address(this), alice);
            registry.transferOwnership(alice);
            vm.expectRevert("Ownable: caller is not the owner");
            registry.setBaseURI("");
            vm.expectRevert("Ownable: caller is not the owner");
            registry.setName(address(0), "a name");
            vm.prank(alice);
            registry.renounceOwnership();
            assertEq(registry.owner(), address(0));
        }
    }

    function test_every_registry_says_what_it_is() public view {
        string[3] memory names = ["Application", "Dataset", "Workerpool"];
        string[3] memory symbols = ["iExecAppsV5", "iExecDatasetsV5", "iExecWorkerpoolV5"];
        for (uint256 kind = 0; kind < 3; ++kind) {
            IRegistryFace registry = registries[kind];
            assertEq(registry.name(), string.concat("iExec ", names[kind], " Registry (V5)"));
            assertEq(registry.symbol(), symbols[kind]);
            // ERC-165 itself, ERC-721, its metadata and its enumeration.
            assertTrue(registry.supportsInterface(0x01ffc9a7) && registry.supportsInterface(0x80ac58cd));
            assertTrue(registry.supportsInterface(0x5b5e139f) && registry.supportsInterface(0x780e9d63));
            assertFalse(registry.supportsInterface(0xffffffff));
            assertGt(registry.master().code.length, 0);
        }
    }

    function test_every_registry_follows_another_once() public {
        string[3] memory sources = ["AppRegistry", "DatasetRegistry", "WorkerpoolRegistry"];
        for (uint256 kind = 0; kind < 3; ++kind) {
            address old = create(kind, alice, "old");
            IRegistryFace next = IRegistryFace(vm.deployCode(string.concat(sources[kind], ".sol")));
            assertTrue(registries[kind].isRegistered(old));
            assertFalse(next.initialized() || next.isRegistered(old));
            vm.prank(alice);
            vm.expectRevert("Ownable: caller is not the owner");
            next.initialize(address(registries[kind]));
            next.initialize(address(registries[kind]));
            assertEq(next.previous(), address(registries[kind]));
            assertTrue(next.initialized() && next.isRegistered(old));
            assertFalse(next.isRegistered(alice));
            vm.expectRevert("already initialized");
            next.initialize(address(0));
        }
    }

    function test_every_registry_predicts_by_its_proxy_code() public {
        for (uint256 kind = 0; kind < 3; ++kind) {
            IRegistryFace registry = registries[kind];
            assertEq(keccak256(registry.proxyCode()), registry.proxyCodeHash());
            bytes32 salt = keccak256(abi.encodePacked(argsOf(kind, "entry"), alice));
            address predicted = vm.computeCreate2Address(salt, registry.proxyCodeHash(), address(registry));
            vm.expectEmit(address(registry));
            emit EntryToken.Transfer(address(0), alice, uint160(predicted));
            assertEq(create(kind, alice, "entry"), predicted);
        }
    }

    function test_every_registry_makes_an_entry_once_for_somebody() public {
        for (uint256 kind = 0; kind < 3; ++kind) {
            create(kind, alice, "entry");
            vm.expectRevert(
                abi.encodeWithSelector(
                    CodeRecord.RecordExists.selector,
                    keccak256(abi.encodePacked(argsOf(kind, "entry"), alice))
                )
            );
            create(kind, alice, "entry");
            vm.expectRevert(EntryToken.ZeroAddress.selector);
            create(kind, address(0), "entry");
            create(kind, bob, "entry");
            assertEq(registries[kind].totalSupply(), 2);
        }
    }

    function test_every_registry_refuses_an_entry_too_long_for_code() public {
        for (uint256 kind = 0; kind < 3; ++kind) {
            string memory long = string(new bytes(24_577));
            vm.expectPartialRevert(CodeRecord.RecordTooLong.selector);
            create(kind, alice, long);
            if (kind == 2) continue;
            long = string(new bytes(65_536));
            vm.expectRevert(abi.encodeWithSelector(IAppRegistry.FieldTooLong.selector, 65_536));
            create(kind, alice, long);
        }
    }

    function test_every_entry_is_born_initialized() public {
        for (uint256 kind = 0; kind < 3; ++kind) {
            (bool success, bytes memory reason) = create(kind, alice, "entry").call(argsOf(kind, "another"));
            assertFalse(success);
            assertEq(reason, abi.encodeWithSignature("Error(string)", "already initialized"));
        }
    }

    function test_every_registry_tells_the_terms_of_its_entries() public {
        for (uint256 kind = 0; kind < 3; ++kind) {
            (address owner, uint256 stakeRatio, uint256 rewardRatio) =
                registries[kind].entryTerms(create(kind, alice, "entry"));
            assertEq(owner, alice);
            // Only pools have policies.
            assertEq(stakeRatio, kind == 2 ? 30 : 0);
            assertEq(rewardRatio, kind == 2 ? 1 : 0);
            (owner,,) = registries[kind].entryTerms(bob);
            assertEq(owner, address(0));
        }
    }

    function test_every_registry_refuses_calls_that_it_does_not_know() public {
        for (uint256 kind = 0; kind < 3; ++kind) {
            (bool success, bytes memory reason) = address(registries[kind]).call(hex"12345678");
            assertFalse(success);
            assertEq(reason, abi.encodeWithSignature("Error(string)", "fallback-disabled"));
        }
    }

    function test_every_entry_knows_its_owner_and_registry_and_takes_no_name() public {
        for (uint256 kind = 0; kind < 3; ++kind) {
            IEntry entry = IEntry(create(kind, alice, "entry"));
            assertEq(entry.owner(), alice);
            assertEq(entry.registry(), address(registries[kind]));
            vm.expectRevert("caller is not the owner");
            entry.setName(address(0), "a name");
            vm.startPrank(alice);
            vm.expectRevert("Operation not supported on this chain");
            entry.setName(address(0), "a name");
            registries[kind].transferFrom(alice, bob, uint160(address(entry)));
            vm.stopPrank();
            assertEq(entry.owner(), bob);
        }
    }
}
