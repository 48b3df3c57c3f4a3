// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ITasks} from "../src/interfaces/ITasks.sol";
import {End, Ends} from "./support/Ends.sol";
import {Saboteur, Sabotage} from "./support/Saboteurs.sol";

/// Parties that are contracts and turn hostile once their deals are made, in every lane. None is called at an end; a
/// pool owner who no longer answers authorizes nobody, so that what needs its word is claimed.
contract SaboteursInLanesTest is Ends {
    uint256 private constant WAYS = 4;

    Saboteur private owner;
    Saboteur[3] private others;

    /// @dev Requester, owners of app, dataset and pool become contracts that agree to everything.
    function hireSaboteurs() private {
        owner = new Saboteur(Sabotage.ACCEPT);
        for (uint256 i = 0; i < others.length; ++i) {
            others[i] = new Saboteur(Sabotage.ACCEPT);
        }
        vm.prank(poolOwner);
        pools.transferFrom(poolOwner, address(owner), uint160(pool));
        vm.prank(appOwner);
        apps.transferFrom(appOwner, address(others[0]), uint160(app));
        vm.prank(datasetOwner);
        datasets.transferFrom(datasetOwner, address(others[1]), uint160(dataset));
        moveStake(poolOwner, address(owner));
        moveStake(requester, address(others[2]));
        poolOwner = address(owner);
        (appOwner, datasetOwner, requester) = (address(others[0]), address(others[1]), address(others[2]));
    }

    function moveStake(address from, address to) private {
        vm.prank(from);
        hub.transfer(to, FUNDS);
    }

    function turnOthers(Sabotage way) private {
        for (uint256 i = 0; i < others.length; ++i) {
            others[i].turn(way);
        }
    }

    function test_no_party_that_is_a_contract_holds_up_an_end_in_any_lane() public {
        hireSaboteurs();
        for (uint256 i = 0; i < WAYS; ++i) {
            uint256 clean = vm.snapshotState();
            End[] memory ends = everyEnd();
            turnOthers(Sabotage(i));
            // What needs the pool owner's word, while that still answers.
            checkEnd(ends[FAST]);
            checkEnd(ends[PUSH]);
            owner.turn(Sabotage(i));
            for (uint256 k = PUSH + 1; k < ends.length; ++k) {
                checkEnd(ends[k]);
            }
            checkAllEnded(4);
            vm.revertToState(clean);
        }
    }

    function test_what_a_silent_pool_owner_does_not_authorize_is_claimed() public {
        hireSaboteurs();
        for (uint256 i = 0; i < WAYS; ++i) {
            uint256 clean = vm.snapshotState();
            End[] memory ends = everyEnd();
            turnOthers(Sabotage(i));
            owner.turn(Sabotage(i));
            (bool success, bytes memory answer) = sendEnd(ends[FAST]);
            assertFalse(success);
            assertEq(
                answer,
                abi.encodeWithSelector(
                    ITasks.AuthorizationInvalid.selector, workers[0], ends[FAST].taskid, address(0)
                )
            );
            (success, answer) = sendEnd(ends[PUSH]);
            assertFalse(success);
            assertEq(
                answer,
                abi.encodeWithSignature(
                    "Error(string)", "PocoBoost: Invalid contribution authorization signature"
                )
            );
            for (uint256 k = PUSH + 1; k < ends.length; ++k) {
                checkEnd(ends[k]);
            }
            checkEnd(claimOf(ends[FAST].taskid));
            checkEnd(claimBoostOf(pushedDeal));
            checkAllEnded(2);
            vm.revertToState(clean);
        }
    }
}
