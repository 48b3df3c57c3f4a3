// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IOrders} from "../src/interfaces/IOrders.sol";
import {
    AppOrderOperation,
    DatasetOrder,
    DatasetOrderOperation,
    OrderOperation,
    RequestOrderOperation,
    WorkerpoolOrderOperation
} from "../src/interfaces/Types.sol";
import {Market, Orders} from "./support/Market.sol";
import {ContractWallet, Receiver} from "./support/Parties.sol";

/// Signatures, pre-signatures, closing, broadcasting, and the check of dataset orders against deals.
contract OrderManagementTest is Market {
    function digest(bytes32 structHash) private view returns (bytes32) {
        return typed(hub.eip712domain_separator(), structHash);
    }

    function test_pre_signed_orders_match_without_signatures() public {
        Orders memory o = orders();
        vm.expectEmit(address(hub));
        emit IOrders.SignedAppOrder(digest(hashOf(o.app)));
        vm.prank(appOwner);
        hub.manageAppOrder(AppOrderOperation(o.app, OrderOperation.SIGN, ""));
        vm.expectEmit(address(hub));
        emit IOrders.SignedDatasetOrder(digest(hashOf(o.dataset)));
        vm.prank(datasetOwner);
        hub.manageDatasetOrder(DatasetOrderOperation(o.dataset, OrderOperation.SIGN, ""));
        vm.expectEmit(address(hub));
        emit IOrders.SignedWorkerpoolOrder(digest(hashOf(o.pool)));
        vm.prank(poolOwner);
        hub.manageWorkerpoolOrder(WorkerpoolOrderOperation(o.pool, OrderOperation.SIGN, ""));
        vm.expectEmit(address(hub));
        emit IOrders.SignedRequestOrder(digest(hashOf(o.request)));
        vm.prank(requester);
        hub.manageRequestOrder(RequestOrderOperation(o.request, OrderOperation.SIGN, ""));

        assertEq(hub.viewPresigned(digest(hashOf(o.request))), requester);
        assertTrue(hub.verifyPresignature(requester, digest(hashOf(o.request))));
        assertFalse(hub.verifyPresignature(poolOwner, digest(hashOf(o.request))));
        assertFalse(hub.verifyPresignature(address(0), keccak256("nothing")));
        assertTrue(hub.verifyPresignatureOrSignature(requester, digest(hashOf(o.request)), ""));
        matchSigned(o);
    }

    function test_a_closed_order_has_no_volume_left() public {
        Orders memory o = signAll(orders());
        vm.expectEmit(address(hub));
        emit IOrders.ClosedDatasetOrder(digest(hashOf(o.dataset)));
        vm.prank(datasetOwner);
        hub.manageDatasetOrder(DatasetOrderOperation(o.dataset, OrderOperation.CLOSE, ""));
        assertEq(hub.viewConsumed(digest(hashOf(o.dataset))), o.dataset.volume);
        vm.expectRevert("iExecV5-matchOrders-0x60");
        matchSigned(o);

        vm.expectEmit(address(hub));
        emit IOrders.ClosedAppOrder(digest(hashOf(o.app)));
        vm.prank(appOwner);
        hub.manageAppOrder(AppOrderOperation(o.app, OrderOperation.CLOSE, ""));
        vm.expectEmit(address(hub));
        emit IOrders.ClosedWorkerpoolOrder(digest(hashOf(o.pool)));
        vm.prank(poolOwner);
        hub.manageWorkerpoolOrder(WorkerpoolOrderOperation(o.pool, OrderOperation.CLOSE, ""));
        vm.expectEmit(address(hub));
        emit IOrders.ClosedRequestOrder(digest(hashOf(o.request)));
        vm.prank(requester);
        hub.manageRequestOrder(RequestOrderOperation(o.request, OrderOperation.CLOSE, ""));
    }

    function test_an_operation_is_for_its_owner_or_with_its_signature() public {
        Orders memory o = orders();
        bytes32 close = digest(hashOfOperation("AppOrder", APP, hashOf(o.app), OrderOperation.CLOSE));
        vm.expectRevert("invalid-sender-or-signature");
        hub.manageAppOrder(AppOrderOperation(o.app, OrderOperation.CLOSE, sign(poolKey, close)));
        vm.expectRevert("invalid-sender-or-signature");
        hub.manageAppOrder(AppOrderOperation(o.app, OrderOperation.SIGN, sign(appKey, close)));
        hub.manageAppOrder(AppOrderOperation(o.app, OrderOperation.CLOSE, sign(appKey, close)));
        assertEq(hub.viewConsumed(digest(hashOf(o.app))), o.app.volume);

        bytes32 presign =
            digest(hashOfOperation("RequestOrder", REQUEST, hashOf(o.request), OrderOperation.SIGN));
        hub.manageRequestOrder(
            RequestOrderOperation(o.request, OrderOperation.SIGN, signCompact(requesterKey, presign))
        );
        assertTrue(hub.verifyPresignature(requester, digest(hashOf(o.request))));
    }

    function test_signatures_of_65_and_64_bytes_and_of_contracts_hold() public {
        bytes32 hash = keccak256("message");
        assertTrue(hub.verifySignature(appOwner, hash, sign(appKey, hash)));
        assertTrue(hub.verifySignature(appOwner, hash, signCompact(appKey, hash)));
        assertFalse(hub.verifySignature(appOwner, hash, sign(poolKey, hash)));
        assertFalse(hub.verifySignature(appOwner, hash, new bytes(65)));
        assertFalse(hub.verifySignature(address(0), hash, new bytes(65)), "the zero address never signs");
        vm.expectRevert("invalid-signature-format");
        hub.verifySignature(appOwner, hash, new bytes(66));
        ContractWallet wallet = new ContractWallet();
        assertFalse(hub.verifySignature(address(wallet), hash, ""));
        wallet.accept(hash);
        assertTrue(hub.verifySignature(address(wallet), hash, "anything"));
        assertFalse(hub.verifySignature(address(hub), hash, "no wallet"));
    }

    function test_the_mirror_image_of_a_signature_is_refused() public view {
        bytes32 hash = keccak256("message");
        assertFalse(hub.verifySignature(appOwner, hash, mirrored(appKey, hash)));
    }

    /// @dev What EIP-7702 lets an account be: one with a key, and with code that knows nothing of signatures.
    function test_a_key_signs_though_its_account_has_code() public {
        address[4] memory accounts = [appOwner, datasetOwner, poolOwner, requester];
        for (uint256 i = 0; i < accounts.length; ++i) {
            vm.etch(accounts[i], address(new Receiver()).code);
        }
        bytes32 hash = keccak256("message");
        assertTrue(hub.verifySignature(appOwner, hash, sign(appKey, hash)));
        assertTrue(hub.verifyPresignatureOrSignature(appOwner, hash, signCompact(appKey, hash)));
        assertFalse(hub.verifySignature(appOwner, hash, sign(poolKey, hash)));

        Orders memory o = signAll(orders());
        bytes32 taskid = hub.initialize(matchSigned(o), 0);
        // By the pool owner's authorization.
        contribute(workers[0], taskid, hash);
        o.request.salt = "sponsored";
        signAll(o);
        fund(address(this));
        hub.sponsorMatchOrders(o.app, o.dataset, o.pool, o.request);
        o.request.salt = "boosted";
        signAll(o);
        bytes32 dealid = hub.matchOrdersBoost(o.app, o.dataset, o.pool, o.request);
        taskid = keccak256(abi.encodePacked(dealid, uint256(0)));
        bytes memory auth = authorization(workers[0], taskid, address(0));
        vm.prank(workers[0]);
        hub.pushResultBoost(dealid, 0, "results", "", auth, address(0), "");
        o.request.salt = "both";
        signAll(o);
        hub.sponsorMatchOrdersBoost(o.app, o.dataset, o.pool, o.request);
    }

    function test_a_key_manages_orders_though_its_account_has_code() public {
        address[4] memory accounts = [appOwner, datasetOwner, poolOwner, requester];
        Orders memory o = orders();
        for (uint256 kind = 0; kind < accounts.length; ++kind) {
            vm.etch(accounts[kind], address(new Receiver()).code);
            bytes32 close = operationHash(kind, o, OrderOperation.CLOSE);
            bytes memory call = operationCall(kind, o, OrderOperation.CLOSE, sign(keyOfKind(kind), close));
            (bool success,) = address(hub).call(call);
            assertTrue(success, "the owner's key did not sign for it");
        }
        assertEq(hub.viewConsumed(digest(hashOf(o.app))), o.app.volume);
        assertEq(hub.viewConsumed(digest(hashOf(o.dataset))), o.dataset.volume);
        assertEq(hub.viewConsumed(digest(hashOf(o.pool))), o.pool.volume);
        assertEq(hub.viewConsumed(digest(hashOf(o.request))), o.request.volume);
    }

    function test_compact_signatures_match_orders() public {
        Orders memory o = signAll(orders());
        o.request.sign = signCompact(requesterKey, digest(hashOf(o.request)));
        o.pool.sign = signCompact(poolKey, digest(hashOf(o.pool)));
        matchSigned(o);
    }

    function test_a_contract_may_own_an_app_and_request() public {
        ContractWallet wallet = new ContractWallet();
        vm.prank(appOwner);
        apps.transferFrom(appOwner, address(wallet), uint160(app));
        Orders memory o = signAll(orders());
        wallet.accept(digest(hashOf(o.app)));
        matchSigned(o);

        o.request.requester = address(wallet);
        fund(address(wallet));
        wallet.call(
            address(hub),
            abi.encodeCall(
                hub.manageRequestOrder, (RequestOrderOperation(o.request, OrderOperation.SIGN, ""))
            )
        );
        matchSigned(o);
        assertEq(frozen(address(wallet)), 25 * RLC);
    }

    function test_orders_are_broadcast_as_events() public {
        Orders memory o = signAll(orders());
        vm.expectEmit(address(hub));
        emit IOrders.BroadcastAppOrder(o.app);
        hub.broadcastAppOrder(o.app);
        vm.expectEmit(address(hub));
        emit IOrders.BroadcastDatasetOrder(o.dataset);
        hub.broadcastDatasetOrder(o.dataset);
        vm.expectEmit(address(hub));
        emit IOrders.BroadcastWorkerpoolOrder(o.pool);
        hub.broadcastWorkerpoolOrder(o.pool);
        vm.expectEmit(address(hub));
        emit IOrders.BroadcastRequestOrder(o.request);
        hub.broadcastRequestOrder(o.request);
    }

    function dealWithoutDataset() private returns (bytes32) {
        Orders memory o = orders();
        (o.dataset.dataset, o.request.dataset) = (address(0), address(0));
        (o.app.tag, o.pool.tag) = (bytes32(uint256(0x109)), bytes32(uint256(0x1ff)));
        o.request.salt = bytes32(vm.randomUint());
        return makeDeal(o);
    }

    function check(DatasetOrder memory order, bytes32 dealid, string memory reason) private {
        if (order.sign.length == 0) order.sign = sign(datasetKey, digest(hashOf(order)));
        if (bytes(reason).length > 0) {
            vm.expectRevert(abi.encodeWithSelector(IOrders.IncompatibleDatasetOrder.selector, reason));
        }
        hub.assertDatasetDealCompatibility(order, dealid);
    }

    function test_a_dataset_order_is_checked_against_a_deal_made_without_one() public {
        bytes32 dealid = dealWithoutDataset();
        check(orders().dataset, dealid, "");
        DatasetOrder memory d = orders().dataset;
        d.tag = bytes32(uint256(0x107));
        check(d, dealid, "");
        d = orders().dataset;
        d.tag = bytes32(uint256(0x200));
        check(d, dealid, "Tag compatibility not satisfied");
        d = orders().dataset;
        d.volume = 0;
        check(d, dealid, "Dataset order is revoked or fully consumed");
        d = orders().dataset;
        d.sign = sign(poolKey, digest(hashOf(d)));
        check(d, dealid, "Invalid dataset order signature");
        check(orders().dataset, keccak256("no deal"), "Deal not found");
        check(orders().dataset, makeDeal(orders()), "Deal already has a dataset");
        d = orders().dataset;
        d.apprestrict = pool;
        check(d, dealid, "App restriction not satisfied");
        d = orders().dataset;
        d.workerpoolrestrict = app;
        check(d, dealid, "Workerpool restriction not satisfied");
        d = orders().dataset;
        d.requesterrestrict = app;
        check(d, dealid, "Requester restriction not satisfied");
    }
}
