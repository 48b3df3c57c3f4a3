// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IHub} from "../src/interfaces/IHub.sol";
import {GasScenarios} from "./support/GasScenarios.sol";
import {Reference} from "./support/Reference.sol";

/// What ours cost.
/// forge-config: default.isolate = true
contract GasTest is GasScenarios {
    function group() internal pure override returns (string memory) {
        return "Gas";
    }

    function test_gas_of_entries() public {
        apps.createApp(appOwner, "b", "", "", 0, "");
        record("createApp minimal");
        apps.createApp(
            appOwner,
            "text statistics",
            "DOCKER",
            "registry.example.org/examples/text-statistics:1.0.0@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            keccak256("image"),
            '{"framework":"none","version":"0.0.0","entrypoint":"none"}'
        );
        record("createApp long");
        datasets.createDataset(
            datasetOwner, "words", "/ipfs/QmR7GSQM93Cx5eAg6a6yRzNde1FQv7uL6X1o4k7zrJa3LX", GOOD
        );
        record("createDataset");
        pools.createWorkerpool(poolOwner, "another pool");
        record("createWorkerpool");
    }
}

/// What the same calls cost on the reference's own bytecode, with our registries and token.
/// forge-config: default.isolate = true
contract ReferenceGasTest is GasScenarios, Reference {
    address private constant AT = address(0xA11CE0FFEE);

    function group() internal pure override returns (string memory) {
        return "GasOfReference";
    }

    function placeHub() internal override {
        placeReference(AT, address(this));
        hub = IHub(payable(AT));
        configureHub();
        hub.createCategory("XS", "{}", T);
        fund(poolOwner);
        fund(requester);
        for (uint256 i = 0; i < workers.length; ++i) {
            fund(workers[i]);
        }
    }
}
