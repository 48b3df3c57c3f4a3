// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";

import {IApp, IDataset, IEntry, IWorkerpool} from "../../src/interfaces/IEntries.sol";
import {EntryToken} from "../../src/registries/EntryToken.sol";
import {IAppRegistry, IDatasetRegistry, IRegistry, IWorkerpoolRegistry} from "../support/IRegistries.sol";

interface INamed {
    function setName(address ens, string calldata name) external;
    function baseURI() external view returns (string memory);
}

/// Registries and their entries, whoever calls them and with what. That fields are kept is in `Registries.t.sol`.
/// forge-config: default.fuzz.runs = 64
contract RegistriesFuzzTest is Test {
    IRegistry[3] internal registries;
    address[4] internal people;

    function setUp() public {
        registries[0] = IRegistry(vm.deployCode("AppRegistry.sol:AppRegistry"));
        registries[1] = IRegistry(vm.deployCode("DatasetRegistry.sol:DatasetRegistry"));
        registries[2] = IRegistry(vm.deployCode("WorkerpoolRegistry.sol:WorkerpoolRegistry"));
        for (uint256 i = 0; i < 4; ++i) {
            people[i] = makeAddr(vm.toString(i));
        }
    }

    function create(uint256 kind, address owner, string memory name) private returns (address) {
        address registry = address(registries[kind]);
        if (kind == 0) return IAppRegistry(registry).createApp(owner, name, "DOCKER", "image", 0, "");
        if (kind == 1) return IDatasetRegistry(registry).createDataset(owner, name, "url", 0);
        return IWorkerpoolRegistry(registry).createWorkerpool(owner, name);
    }

    function errorWords(string memory text) private pure returns (bytes memory) {
        return abi.encodeWithSignature("Error(string)", text);
    }

    /// @dev The books of one token, kept beside the registry.
    struct Books {
        address owner;
        address approved;
        mapping(address owner => mapping(address operator => bool)) operators;
    }

    Books private books;

    function testFuzz_a_token_moves_by_its_owners_leave(uint256 seed) public {
        uint256 kind = seed % 3;
        (IRegistry registry, uint256 id) = (registries[kind], uint160(create(kind, people[0], "entry")));
        books.owner = people[0];
        for (uint256 i = 0; i < 16; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            step(registry, id, seed);
            assertEq(registry.ownerOf(id), books.owner);
            assertEq(registry.getApproved(id), books.approved);
            uint256 held = 0;
            for (uint256 j = 0; j < 4; ++j) {
                held += registry.balanceOf(people[j]);
            }
            assertEq(held, 1);
            assertEq(registry.tokenOfOwnerByIndex(books.owner, 0), id);
        }
    }

    function step(IRegistry registry, uint256 id, uint256 seed) private {
        address caller = seed % 2 == 0 ? books.owner : people[(seed >> 8) % 4];
        address other = people[(seed >> 16) % 4];
        bool isOperator = caller == books.owner || books.operators[books.owner][caller];
        uint256 way = (seed >> 24) % 5;
        if (way == 0) {
            bool isTaken = send(registry, caller, abi.encodeCall(registry.approve, (other, id)));
            assertEq(isTaken, isOperator);
            if (isTaken) books.approved = other;
        } else if (way == 1) {
            bool isApproved = seed >> 32 & 1 == 1;
            assertTrue(
                send(registry, caller, abi.encodeCall(registry.setApprovalForAll, (other, isApproved)))
            );
            assertEq(registry.isApprovedForAll(caller, other), isApproved);
            books.operators[caller][other] = isApproved;
        } else {
            address from = (seed >> 40) % 4 == 0 ? people[(seed >> 48) % 4] : books.owner;
            address to = (seed >> 56) % 8 == 0 ? address(0) : other;
            bool isTaken = send(registry, caller, transferCall(way, from, to, id));
            bool isAllowed = isOperator || books.approved == caller;
            assertEq(isTaken, isAllowed && from == books.owner && to != address(0));
            if (isTaken) (books.owner, books.approved) = (to, address(0));
        }
    }

    function transferCall(uint256 way, address from, address to, uint256 id)
        private
        pure
        returns (bytes memory)
    {
        if (way == 2) return abi.encodeCall(IRegistry.transferFrom, (from, to, id));
        if (way == 3) {
            return abi.encodeWithSignature("safeTransferFrom(address,address,uint256)", from, to, id);
        }
        return
            abi.encodeWithSignature("safeTransferFrom(address,address,uint256,bytes)", from, to, id, "data");
    }

    /// @dev A refusal has a name.
    function send(IRegistry registry, address caller, bytes memory call) private returns (bool isTaken) {
        bytes memory answer;
        vm.prank(caller);
        (isTaken, answer) = address(registry).call(call);
        if (!isTaken) assertGe(answer.length, 4);
    }

    function testFuzz_a_token_that_there_is_not_is_nobodys(uint8 kind, uint256 id, address to) public {
        IRegistry registry = registries[kind % 3];
        bytes memory unknown = abi.encodeWithSelector(EntryToken.UnknownToken.selector, id);
        for (uint256 way = 2; way < 5; ++way) {
            (bool isTaken, bytes memory answer) =
                address(registry).call(transferCall(way, address(this), to, id));
            assertFalse(isTaken);
            assertEq(answer, unknown);
        }
        vm.expectRevert(unknown);
        registry.approve(to, id);
    }

    function testFuzz_a_registry_is_its_owners(
        uint8 kind,
        bool isOwner,
        string memory uri,
        address to,
        uint8 way
    ) public {
        IRegistry registry = registries[kind % 3];
        bytes[5] memory calls = [
            abi.encodeCall(registry.setBaseURI, (uri)),
            abi.encodeCall(registry.initialize, (to)),
            abi.encodeCall(registry.transferOwnership, (to)),
            abi.encodeCall(registry.renounceOwnership, ()),
            abi.encodeCall(INamed.setName, (to, uri))
        ];
        way %= 5;
        vm.prank(isOwner ? address(this) : people[0]);
        (bool isTaken, bytes memory answer) = address(registry).call(calls[way]);
        assertEq(isTaken, isOwner && way != 4 && (way != 2 || to != address(0)));
        if (!isOwner) assertEq(answer, errorWords("Ownable: caller is not the owner"));
        assertEq(INamed(address(registry)).baseURI(), isTaken && way == 0 ? uri : "");
        assertEq(registry.previous(), isTaken && way == 1 ? to : address(0));
        assertEq(registry.initialized(), isTaken && way == 1);
        address owner = isTaken && way == 2 ? to : address(this);
        assertEq(registry.owner(), isTaken && way == 3 ? address(0) : owner);
        if (!isTaken || way != 1) return;
        vm.expectRevert("already initialized");
        registry.initialize(address(0));
    }

    function testFuzz_a_pools_policy_is_its_owners(uint256 stake, uint256 reward, bool isNear, bool isOwner)
        public
    {
        if (isNear) (stake, reward) = (bound(stake, 0, 2 ** 25), bound(reward, 0, 150));
        IWorkerpool entry = IWorkerpool(create(2, people[0], "pool"));
        vm.prank(people[isOwner ? 0 : 1]);
        (bool isTaken, bytes memory answer) =
            address(entry).call(abi.encodeCall(entry.changePolicy, (stake, reward)));
        assertEq(isTaken, isOwner && stake < 2 ** 24 && reward <= 100);
        if (!isTaken) assertGe(answer.length, 4);
        assertEq(entry.m_workerStakeRatioPolicy(), isTaken ? stake : 30);
        assertEq(entry.m_schedulerRewardRatioPolicy(), isTaken ? reward : 1);
        // The registry takes it from a pool alone.
        vm.expectRevert(abi.encodeWithSelector(IWorkerpoolRegistry.NotAnEntry.selector, address(this)));
        IWorkerpoolRegistry(address(registries[2])).setPolicy(stake, reward);
    }

    function testFuzz_an_entry_takes_no_name_and_begins_once(uint8 kind, string memory text, bool isOwner)
        public
    {
        kind %= 3;
        address entry = create(kind, people[0], "entry");
        vm.startPrank(people[isOwner ? 0 : 1]);
        vm.expectRevert(
            isOwner ? bytes("Operation not supported on this chain") : bytes("caller is not the owner")
        );
        IEntry(entry).setName(people[1], text);
        bytes memory call = abi.encodeCall(IApp.initialize, (text, text, bytes(text), 0, bytes(text)));
        if (kind == 1) call = abi.encodeCall(IDataset.initialize, (text, bytes(text), 0));
        if (kind == 2) call = abi.encodeCall(IWorkerpool.initialize, (text));
        (bool isTaken, bytes memory answer) = entry.call(call);
        vm.stopPrank();
        assertFalse(isTaken);
        assertEq(answer, errorWords("already initialized"));
        assertEq(IEntry(entry).owner(), people[0]);
    }
}
