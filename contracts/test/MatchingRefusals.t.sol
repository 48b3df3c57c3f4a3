// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ContractWallet, Group, OddGroup} from "./support/Parties.sol";
import {Market, Orders} from "./support/Market.sol";

/// Each refusal of a match, by its code; and the groups that lift a restriction.
contract MatchingRefusalsTest is Market {
    function refuse(Orders memory o, string memory code) private {
        signAll(o);
        vm.expectRevert(bytes(string.concat("iExecV5-matchOrders-0x", code)));
        matchSigned(o);
    }

    function test_00_categories_must_be_equal() public {
        Orders memory o = orders();
        o.pool.category = 1;
        refuse(o, "00");
    }

    function test_01_the_category_must_exist() public {
        Orders memory o = orders();
        (o.pool.category, o.request.category) = (2, 2);
        refuse(o, "01");
    }

    function test_02_the_pool_must_offer_the_trust() public {
        Orders memory o = orders();
        o.request.trust = o.pool.trust + 1;
        refuse(o, "02");
    }

    function test_03_04_05_prices_must_not_exceed_the_maxima() public {
        Orders memory o = orders();
        o.app.appprice += 1;
        refuse(o, "03");
        o = orders();
        o.dataset.datasetprice += 1;
        refuse(o, "04");
        o = orders();
        o.pool.workerpoolprice += 1;
        refuse(o, "05");
    }

    function test_06_the_pool_must_have_every_bit_of_the_union() public {
        Orders memory o = orders();
        o.app.tag = bytes32(uint256(0x200));
        refuse(o, "06");
        o = orders();
        o.dataset.tag = bytes32(uint256(0x110));
        o.pool.tag = bytes32(uint256(0x100));
        refuse(o, "06");
        o = orders();
        o.request.tag = bytes32(uint256(0x4));
        refuse(o, "06");
    }

    function test_07_tee_must_be_in_the_apps_tag() public {
        Orders memory o = orders();
        o.request.tag = bytes32(uint256(1));
        o.pool.tag = bytes32(uint256(1));
        refuse(o, "07");
        o = orders();
        o.dataset.tag = bytes32(uint256(1));
        o.pool.tag = bytes32(uint256(1));
        refuse(o, "07");
    }

    function test_10_11_the_request_names_app_and_dataset() public {
        Orders memory o = orders();
        o.request.app = dataset;
        refuse(o, "10");
        o = orders();
        o.request.dataset = address(0);
        refuse(o, "11");
        o = orders();
        o.dataset.dataset = address(0);
        refuse(o, "11");
    }

    function test_12_to_1b_each_restriction_binds_and_a_group_lifts_it() public {
        string[10] memory codes = ["12", "13", "14", "15", "16", "17", "18", "19", "1a", "1b"];
        address[10] memory counterparts =
            [pool, dataset, pool, requester, app, pool, requester, app, dataset, requester];
        address wallet = address(new ContractWallet());
        address[2] memory odd =
            [address(new OddGroup(abi.encode(2))), address(new OddGroup(abi.encode(1, 1)))];
        for (uint256 i = 0; i < codes.length; ++i) {
            address[] memory members = new address[](1);
            members[0] = workers[0];
            address stranger = address(new Group(members));
            members[0] = counterparts[i];
            address group = address(new Group(members));
            refuse(restricted(i, workers[0]), codes[i]);
            refuse(restricted(i, stranger), codes[i]);
            refuse(restricted(i, wallet), codes[i]);
            for (uint256 j = 0; j < odd.length; ++j) {
                refuse(restricted(i, odd[j]), codes[i]);
            }
            makeDeal(restricted(i, counterparts[i]));
            makeDeal(restricted(i, group));
        }
    }

    function restricted(uint256 which, address restriction) private returns (Orders memory o) {
        o = orders();
        o.request.salt = bytes32(vm.randomUint());
        if (which == 0) o.request.workerpool = restriction;
        if (which == 1) o.app.datasetrestrict = restriction;
        if (which == 2) o.app.workerpoolrestrict = restriction;
        if (which == 3) o.app.requesterrestrict = restriction;
        if (which == 4) o.dataset.apprestrict = restriction;
        if (which == 5) o.dataset.workerpoolrestrict = restriction;
        if (which == 6) o.dataset.requesterrestrict = restriction;
        if (which == 7) o.pool.apprestrict = restriction;
        if (which == 8) o.pool.datasetrestrict = restriction;
        if (which == 9) o.pool.requesterrestrict = restriction;
    }

    function test_20_30_40_resources_must_be_registered() public {
        Orders memory o = orders();
        (o.app.app, o.request.app) = (address(77), address(77));
        refuse(o, "20");
        o = orders();
        (o.dataset.dataset, o.request.dataset) = (app, app);
        refuse(o, "30");
        o = orders();
        (o.pool.workerpool, o.request.workerpool) = (app, app);
        refuse(o, "40");
    }

    function test_21_31_41_50_orders_must_be_signed_by_the_current_owner() public {
        Orders memory o = signAll(orders());
        o.app.sign = o.pool.sign;
        expectRefusal(o, "21");
        o = signAll(orders());
        o.dataset.sign = o.pool.sign;
        expectRefusal(o, "31");
        o = signAll(orders());
        o.pool.sign = o.app.sign;
        expectRefusal(o, "41");
        o = signAll(orders());
        o.request.sign = o.app.sign;
        expectRefusal(o, "50");

        o = signAll(orders());
        vm.prank(appOwner);
        apps.transferFrom(appOwner, workers[0], uint160(app));
        expectRefusal(o, "21");
    }

    function expectRefusal(Orders memory o, string memory code) private {
        vm.expectRevert(bytes(string.concat("iExecV5-matchOrders-0x", code)));
        matchSigned(o);
    }

    function test_a_signature_of_a_wrong_length_is_named() public {
        Orders memory o = signAll(orders());
        o.app.sign = hex"1234";
        vm.expectRevert("invalid-signature-format");
        matchSigned(o);
    }

    function test_60_something_must_be_left_of_every_order() public {
        Orders memory o = signAll(orders());
        matchSigned(o);
        expectRefusal(o, "60");
        o = orders();
        o.request.salt = bytes32(uint256(1));
        o.dataset.volume = 0;
        refuse(o, "60");
    }

    function test_too_little_free_stake_on_either_side_is_refused() public {
        Orders memory o = orders();
        signAll(o);
        vm.prank(requester);
        hub.withdraw(FUNDS - 24 * RLC);
        vm.expectRevert("IexecEscrow: Transfer amount exceeds balance");
        matchSigned(o);
        vm.prank(workers[0]);
        hub.transfer(requester, RLC);
        vm.prank(poolOwner);
        hub.withdraw(FUNDS - 6 * RLC + 1);
        vm.expectRevert("IexecEscrow: Transfer amount exceeds balance");
        matchSigned(o);
        vm.prank(workers[0]);
        hub.transfer(poolOwner, 1);
        matchSigned(o);
    }

    function test_a_field_changed_after_signing_is_refused() public {
        Orders memory o = signAll(orders());
        o.request.params = "other";
        expectRefusal(o, "50");
        o = signAll(orders());
        o.pool.volume += 1;
        expectRefusal(o, "41");
        o = signAll(orders());
        o.request.beneficiary = workers[0];
        expectRefusal(o, "50");
    }
}
