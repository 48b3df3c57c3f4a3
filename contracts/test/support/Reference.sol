// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {stdJson} from "forge-std/StdJson.sol";

/// Puts the reference's hub together from its published bytecode, as `reference/wiring.json` says.
abstract contract Reference is Test {
    using stdJson for string;

    struct FacetCut {
        address facet;
        uint8 action;
        bytes4[] selectors;
    }

    struct DiamondArgs {
        address owner;
        address init;
        bytes initCalldata;
    }

    /// @dev Deploys the reference's hub at `at`, owned by `owner`. Whatever was there is replaced.
    function placeReference(address at, address owner) internal {
        string memory wiring = vm.readFile("reference/wiring.json");
        string memory placeholder = wiring.readString(".library.placeholder");
        string memory library_ = hexOf(create(codeOf(wiring.readString(".library.artifact"), "", "")));
        FacetCut[] memory cuts = new FacetCut[](16);
        for (uint256 i = 0; i < cuts.length; ++i) {
            string memory path = string.concat(".facets[", vm.toString(i), "]");
            string memory artifact = wiring.readString(string.concat(path, ".artifact"));
            cuts[i].facet = create(codeOf(artifact, placeholder, library_));
            cuts[i].selectors = readSelectors(wiring, string.concat(path, ".selectors"));
        }
        address init = create(codeOf(wiring.readString(".init"), "", ""));
        bytes memory args = abi.encode(cuts, DiamondArgs(owner, init, abi.encodeWithSignature("init()")));
        vm.etch(at, bytes.concat(codeOf(wiring.readString(".diamond"), "", ""), args));
        (bool success, bytes memory runtime) = at.call("");
        require(success, "the diamond was not built");
        vm.etch(at, runtime);
    }

    function readSelectors(string memory wiring, string memory path)
        private
        pure
        returns (bytes4[] memory list)
    {
        bytes[] memory read = wiring.readBytesArray(path);
        list = new bytes4[](read.length);
        for (uint256 i = 0; i < read.length; ++i) {
            list[i] = bytes4(read[i]);
        }
    }

    /// @dev The creation code in an artifact, with its library linked.
    function codeOf(string memory artifact, string memory placeholder, string memory library_)
        private
        view
        returns (bytes memory)
    {
        string memory code = vm.readFile(artifact).readString(".bytecode");
        if (bytes(placeholder).length > 0) code = vm.replace(code, placeholder, library_);
        return vm.parseBytes(code);
    }

    function create(bytes memory code) private returns (address made) {
        assembly {
            made := create(0, add(code, 32), mload(code))
        }
        require(made != address(0), "a part of the reference was not built");
    }

    /// @dev Forty hex digits, without 0x.
    function hexOf(address account) private pure returns (string memory) {
        return vm.replace(vm.toLowercase(vm.toString(account)), "0x", "");
    }
}
