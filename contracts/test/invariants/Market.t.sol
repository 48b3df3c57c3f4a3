// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";

import {Theft} from "./Theft.sol";

/// A whole market, driven by random actions: see `Cast`, `Trade`, `Admission`, `Work`, `Lane`, `Stops` and `Theft`.
contract Bazaar is Theft {
    /// @dev Past every deadline, everything that is still open is claimed, what answered for it is released, and all
    /// bonds are withdrawn; then nothing but the kitty is frozen.
    function endAll() external acts {
        time += 10 * 1200;
        vm.warp(time);
        for (uint256 i = 0; i < open.length; ++i) {
            claimNow(open[i]);
        }
        readLogs();
        endBonds();
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (accounts[i] != KITTY) assertEq(frozen(accounts[i]), 0, "stake stayed frozen for ever");
        }
    }

    /// @dev A market that never came into a state has proved nothing about it. At least so many must have been reached.
    /// With -vv it says how often each was.
    function checkReached(string[] memory states, uint256 least) external {
        uint256 reached = 0;
        string memory missing = "";
        for (uint256 i = 0; i < states.length; ++i) {
            emit log_named_uint(states[i], count[states[i]]);
            if (count[states[i]] > 0) ++reached;
            else missing = string.concat(missing, states[i], ", ");
        }
        assertGe(reached, least, string.concat("never reached: ", missing));
    }
}

/// What holds in every market after every transaction, whoever did it: the books balance (`Ledger.checkBooks`),
/// tasks pay once and what they took, orders are not overspent; and at the end of every run all stake can be
/// had back. Handlers fail where an action that must work is refused, or one that must not work is not.
contract MarketInvariantTest is Test {
    /// @dev The depth of runs in foundry.toml.
    uint256 private constant WHOLE_RUN = 300;
    /// @dev A run that does next to nothing shows next to nothing. To which states it comes takes luck, to how many
    /// hardly any: each of 150 runs from another seed came to 44.
    uint256 private constant STATES_OF_A_RUN = 36;

    Bazaar internal bazaar;

    function setUp() public {
        bazaar = new Bazaar();
        bazaar.setUp();
        targetContract(address(bazaar));
        targetSelector(FuzzSelector({addr: address(bazaar), selectors: actions()}));
    }

    /// @dev Some twice: what a market does most.
    function actions() private view returns (bytes4[] memory list) {
        list = new bytes4[](34);
        list[0] = list[1] = bazaar.matchClassic.selector;
        list[2] = bazaar.matchBoost.selector;
        list[3] = bazaar.initialize.selector;
        list[4] = list[5] = list[6] = bazaar.vote.selector;
        list[7] = list[8] = bazaar.reveal.selector;
        list[9] = list[10] = bazaar.finalize.selector;
        list[11] = bazaar.reopen.selector;
        list[12] = bazaar.fast.selector;
        list[13] = bazaar.push.selector;
        list[14] = bazaar.claim.selector;
        list[15] = bazaar.passTime.selector;
        list[16] = bazaar.moveStake.selector;
        list[17] = bazaar.changeHands.selector;
        list[18] = bazaar.closeOrder.selector;
        list[19] = bazaar.steal.selector;
        list[20] = list[21] = bazaar.commit.selector;
        list[22] = list[23] = bazaar.settle.selector;
        list[24] = bazaar.disclose.selector;
        list[25] = bazaar.close.selector;
        list[26] = bazaar.release.selector;
        list[27] = bazaar.bond.selector;
        list[28] = bazaar.unbond.selector;
        list[29] = bazaar.withdrawBond.selector;
        list[30] = bazaar.matchClassic.selector;
        list[31] = bazaar.reveal.selector;
        list[32] = bazaar.claim.selector;
        list[33] = bazaar.turnGuard.selector;
    }

    function invariant_the_books_balance() public view {
        bazaar.checkBooks();
    }

    function afterInvariant() public {
        // A run that is played again, made short, need not come this far.
        if (bazaar.steps() >= WHOLE_RUN) bazaar.checkReached(states(), STATES_OF_A_RUN);
        bazaar.endAll();
        bazaar.checkBooks();
    }

    /// @dev One long market, the same every time, comes into every state there is.
    function test_the_market_comes_into_every_state() public {
        bytes4[] memory list = actions();
        for (uint256 i = 0; i < 6000; ++i) {
            uint256 seed = uint256(keccak256(abi.encode("market", i)));
            bytes memory call =
                abi.encodeWithSelector(list[seed % list.length], uint256(keccak256(abi.encode(seed))));
            (bool success, bytes memory reason) = address(bazaar).call(call);
            if (!success) {
                assembly {
                    revert(add(reason, 32), mload(reason))
                }
            }
            if (i % 50 == 0) bazaar.checkBooks();
        }
        bazaar.endAll();
        bazaar.checkBooks();
        string[] memory all = states();
        bazaar.checkReached(all, all.length);
    }

    function states() private pure returns (string[] memory list) {
        string[82] memory all = [
            "matched",
            "boost matched",
            "theft refused",
            "bonded",
            "committed",
            "settled",
            "fast",
            "slashed in a batch",
            "skipped",
            "reopened",
            "slashed",
            "ended again refused",
            "sponsored",
            "boost sponsored",
            "filled in part",
            "request again",
            "refused as used up",
            "closed",
            "requested by a saboteur",
            "initialized",
            "consensus",
            "honest vote",
            "lying vote",
            "copied vote",
            "revealed",
            "reveal refused",
            "finalized without some",
            "the liars won",
            "scored",
            "kitty paid",
            "re-entered",
            "sabotaged callback",
            "claimed active",
            "claimed revealing",
            "claimed without being opened",
            "boost claimed",
            "finalized",
            "pushed",
            "finalized by anyone",
            "slashed in a claim",
            "committed several",
            "entry left out",
            "settled in part",
            "several batches",
            "settled by anyone",
            "settled bound",
            "settled with votes on chain",
            "the liars settled",
            "skipped 0",
            "skipped 1",
            "skipped 2",
            "skipped 3",
            "skipped 4",
            "disclosed",
            "closed task",
            "closed with all votes",
            "closed without some",
            "closed into consensus",
            "released",
            "unbonded",
            "bond serves again",
            "bond kept",
            "bond withdrawn",
            "row theft refused",
            "ballot theft refused",
            "silent slashed",
            "copycat slashed",
            "voted under a guard",
            "stranger refused",
            "stranger refused in one call",
            "stranger refused in a commit",
            "guard turned",
            "revealed by a stranger of late",
            "settled with a stranger of late",
            "finalized under a guard",
            "settled under a guard",
            "voted with an enclave",
            "strange enclave refused",
            "fast with an enclave",
            "finalized with enclaves",
            "pushed with an enclave",
            "commit with enclaves refused"
        ];
        list = new string[](all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            list[i] = all[i];
        }
    }
}
