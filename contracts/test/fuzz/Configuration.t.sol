// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IConfiguration} from "../../src/interfaces/IConfiguration.sol";
import {Category} from "../../src/interfaces/Types.sol";
import {IHub} from "../../src/interfaces/IHub.sol";
import {Refusals} from "../support/Refusals.sol";

/// Settings, whatever their values and whoever sets them.
/// forge-config: default.fuzz.runs = 64
contract ConfigurationFuzzTest is Refusals {
    address private constant OLD_HUB = address(0x01DDB);

    function caller(bool isOwner) private view returns (address) {
        return isOwner ? address(this) : requester;
    }

    /// @dev A hub that nobody has configured.
    function bareHub() private returns (IHub) {
        return IHub(payable(vm.deployCode("Hub.sol:Hub", hubArguments())));
    }

    function configuration(address[5] memory parts, string memory name, uint8 decimals)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(
            hub.configure, (parts[0], name, "SYMBOL", decimals, parts[1], parts[2], parts[3], parts[4])
        );
    }

    function testFuzz_a_hub_is_configured_once_and_by_its_owner(
        address[5] memory parts,
        string memory name,
        uint8 decimals,
        bool isOwner
    ) public {
        IHub bare = bareHub();
        bytes memory call = configuration(parts, name, decimals);
        vm.prank(caller(isOwner));
        (bool isTaken, bytes memory answer) = address(bare).call(call);
        assertEq(isTaken, isOwner);
        if (!isTaken) assertEq(answer, words("Ownable: caller is not the owner"));
        assertEq(bare.token(), isTaken ? parts[0] : address(0));
        assertEq(bare.appregistry(), isTaken ? parts[1] : address(0));
        assertEq(bare.datasetregistry(), isTaken ? parts[2] : address(0));
        assertEq(bare.workerpoolregistry(), isTaken ? parts[3] : address(0));
        assertEq(bare.name(), isTaken ? name : "");
        assertEq(bare.decimals(), isTaken ? decimals : 0);
        assertEq(
            bare.eip712domain_separator(),
            isTaken ? domainSeparator(block.chainid, address(bare)) : bytes32(0)
        );
        if (!isTaken) return;
        (isTaken, answer) = address(bare).call(call);
        assertFalse(isTaken);
        assertEq(answer, words("already-configured"));
    }

    function testFuzz_settings_are_the_owners(uint8 kind, address[3] memory parts, uint256 gas_, bool isOwner)
        public
    {
        bytes memory call = abi.encodeCall(hub.changeRegistries, (parts[0], parts[1], parts[2]));
        if (kind % 3 == 1) call = abi.encodeCall(hub.setTeeBroker, (parts[0]));
        if (kind % 3 == 2) call = abi.encodeCall(hub.setCallbackGas, (gas_));
        bytes memory before = settings();
        if (!isOwner) {
            refuse(requester, call, words("Ownable: caller is not the owner"));
            assertEq(settings(), before);
            return;
        }
        (bool isTaken,) = attempt(address(this), call);
        assertTrue(isTaken);
        if (kind % 3 == 0) {
            assertEq(settings(), abi.encode(parts, address(0), 200_000));
        } else {
            address[3] memory kept = [address(apps), address(datasets), address(pools)];
            bool isBroker = kind % 3 == 1;
            assertEq(
                settings(), abi.encode(kept, isBroker ? parts[0] : address(0), isBroker ? 200_000 : gas_)
            );
        }
    }

    function settings() private view returns (bytes memory) {
        address[3] memory parts = [hub.appregistry(), hub.datasetregistry(), hub.workerpoolregistry()];
        return abi.encode(parts, hub.teebroker(), hub.callbackgas());
    }

    function testFuzz_ownership_goes_where_the_owner_says(address to, bool isOwner, bool isRenounced) public {
        bytes memory call = isRenounced
            ? abi.encodeCall(hub.renounceOwnership, ())
            : abi.encodeCall(hub.transferOwnership, (to));
        (bool isTaken,) = attempt(caller(isOwner), call);
        assertEq(isTaken, isOwner && (isRenounced || to != address(0)));
        assertEq(hub.owner(), isTaken ? (isRenounced ? address(0) : to) : address(this));
    }

    function testFuzz_a_category_is_kept_as_it_was_made(
        string memory name,
        string memory description,
        uint256 clock,
        bool isOwner
    ) public {
        // Half of them around the limit, where any number at all would nearly always be too long.
        if (clock % 2 == 0) clock = bound(clock, 0, 2 ** 29);
        uint256 count = hub.countCategory();
        (bool isTaken, bytes memory answer) =
            attempt(caller(isOwner), abi.encodeCall(hub.createCategory, (name, description, clock)));
        assertEq(isTaken, isOwner && clock <= 2 ** 28);
        assertEq(hub.countCategory(), isTaken ? count + 1 : count);
        if (isTaken) {
            Category memory made = hub.viewCategory(count);
            assertEq(abi.encode(made.name, made.description), abi.encode(name, description));
            assertEq(made.workClockTimeRef, clock);
        } else if (isOwner) {
            assertEq(answer, abi.encodeWithSelector(IConfiguration.WorkClockTooLong.selector, clock, 2 ** 28));
        }
        assertEq(hub.viewCategory(0).workClockTimeRef, T);
    }

    function testFuzz_a_score_is_imported_once_and_only_rises(uint256 old, uint64 own, bool isNear) public {
        if (isNear) old = bound(old, 0, 2 ** 64);
        address[5] memory parts = [address(token), address(apps), address(datasets), address(pools), OLD_HUB];
        hub = bareHub();
        (bool isTaken,) = address(hub).call(configuration(parts, "", 9));
        vm.mockCall(OLD_HUB, abi.encodeWithSignature("viewScore(address)", workers[0]), abi.encode(old));
        setScore(workers[0], own);
        bytes memory call = abi.encodeCall(hub.importScore, (workers[0]));
        bytes memory answer;
        (isTaken, answer) = address(hub).call(call);
        assertEq(isTaken, old <= 2 ** 63);
        assertEq(hub.viewScore(workers[0]), isTaken && old > own ? old : own);
        if (!isTaken) {
            assertEq(answer, abi.encodeWithSelector(IConfiguration.ScoreTooLarge.selector, old));
            return;
        }
        (isTaken, answer) = address(hub).call(call);
        assertFalse(isTaken);
        assertEq(answer, words("score-already-imported"));
    }

    function testFuzz_the_domain_is_that_of_the_chain(uint64 chainId) public {
        chainId = uint64(bound(chainId, 1, type(uint64).max - 1));
        bytes32 before = hub.eip712domain_separator();
        vm.chainId(chainId);
        assertEq(hub.eip712domain_separator(), before);
        (bool isTaken,) = attempt(requester, abi.encodeCall(hub.updateDomainSeparator, ()));
        assertTrue(isTaken);
        assertEq(hub.eip712domain_separator(), domainSeparator(chainId, address(hub)));
        assertEq(hub.domain().chainId, chainId);
    }

    /// @dev No function has a selector that begins with these bytes.
    function testFuzz_unknown_calls_and_ether_are_refused(bytes calldata rest, uint96 value, bool isEmpty)
        public
    {
        vm.deal(requester, value);
        vm.prank(requester);
        (bool isTaken, bytes memory answer) =
            address(hub).call{value: value}(isEmpty ? bytes("") : abi.encodePacked(hex"00000000", rest));
        assertFalse(isTaken);
        assertEq(answer, words("fallback-disabled"));
        assertEq(address(hub).balance, 0);
    }
}
