// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Group} from "../../src/Group.sol";
import {OrderOperation, RequestOrder, RequestOrderOperation} from "../../src/interfaces/Types.sol";
import {OrderMarks} from "../../src/records/OrderMark.sol";
import {IPool, Orders} from "../support/Market.sol";
import {Reenterer, Saboteur, Sabotage} from "../support/Saboteurs.sol";
import {BondLedger} from "./BondLedger.sol";

/// Who acts in the market of the invariants, and what they sign: three requesters, one of them a contract that
/// refuses every call, a sponsor, the owners of an app, a dataset and two pools of other policies, and eight
/// workers: five honest, the last of whom never discloses a vote of the settlement lane, two that lie, one that copies.
/// Some requests ask for bound results, strict reveals, known workers or known enclaves, which all pools offer; some
/// apps are made for enclaves.
abstract contract Cast is BondLedger {
    uint256 internal constant HONEST = 5;
    uint256 internal constant SILENT = 4;
    uint256 internal constant COPYCAT = 7;
    uint256 internal constant ORDER_VOLUME = 6;
    /// @dev The conditions that the pools of this market offer.
    uint256 internal constant OFFERED = OrderMarks.OFFERED;
    bytes32 internal constant TEE = bytes32(uint256(1));

    address[3] internal requesters;
    address internal sponsor;
    address internal thief;
    /// @dev The group that all pools of this market offer as a guard.
    Group internal guard;
    address[2] internal poolEntries;
    address[5] internal callbacks;
    Reenterer internal reenterer;
    mapping(address account => uint256) internal keyOf;

    /// @dev Raised when the orders of a kind are used up, so that their owners sign new ones.
    uint256 private appRound;
    uint256 private datasetRound;
    mapping(address pool => uint256) private poolRound;
    uint256 private requests;
    /// @dev The last request, which may have volume left.
    RequestOrder internal lastRequest;

    function setUp() public virtual override {
        // From the first Transfer on.
        vm.recordLogs();
        super.setUp();
        uint256 key;
        (requesters[1], key) = makeAddrAndKey("second requester");
        keyOf[requesters[1]] = key;
        requesters[0] = requester;
        requesters[2] = address(new Saboteur(Sabotage.REVERT));
        sponsor = makeAddr("sponsor");
        thief = makeAddr("thief");
        guard = new Group(address(this));
        (address secondPoolOwner, uint256 secondPoolKey) = makeAddrAndKey("second pool owner");
        keyOf[requester] = requesterKey;
        keyOf[appOwner] = appKey;
        keyOf[datasetOwner] = datasetKey;
        keyOf[poolOwner] = poolKey;
        keyOf[secondPoolOwner] = secondPoolKey;
        poolEntries = [pool, pools.createWorkerpool(secondPoolOwner, "second pool")];
        vm.prank(secondPoolOwner);
        IPool(poolEntries[1]).changePolicy(55, 7);
        fund(secondPoolOwner);
        fund(requesters[1]);
        fund(requesters[2]);
        fund(sponsor);
        fund(thief);
        reenterer = new Reenterer(address(hub));
        fund(address(reenterer));
        reenterer.prepare(abi.encodeCall(hub.withdraw, (3)));
        reenterer.prepare(abi.encodeCall(hub.withdraw, (type(uint256).max)));
        callbacks = [
            address(reenterer),
            address(new Saboteur(Sabotage.REVERT_LOUDLY)),
            address(new Saboteur(Sabotage.BURN_ALL_GAS)),
            address(new Saboteur(Sabotage.RETURN_MUCH)),
            makeAddr("no contract")
        ];
        // A third of the workers have a score, so that weights and shares differ.
        setScore(workers[1], 40);
        setScore(workers[4], 200);
        setScore(workers[6], 90);
        readLogs();
    }

    /// @dev Orders that match, drawn from the seed and signed; some volume is left of each.
    function draw(uint256 seed) internal returns (Orders memory o) {
        o = orders();
        drawPrices(o, seed);
        drawRequest(o, seed >> 32);
        renewUsedUp(o);
        signWithOwners(o);
    }

    function drawPrices(Orders memory o, uint256 seed) private view {
        o.pool.workerpool = poolEntries[seed & 1];
        o.app.appprice = [uint256(0), 1, 3 * RLC][(seed >> 1) % 3];
        if (seed >> 4 & 3 == 0) {
            (o.dataset.dataset, o.dataset.datasetprice) = (address(0), 0);
        } else if (seed >> 6 & 1 == 0) {
            o.dataset.datasetprice = 0;
        }
        // A price whose parts all leave a remainder, and none at all.
        o.pool.workerpoolprice = [20 * RLC, 7_777_777_777, 20 * RLC + 3, 0][seed >> 8 & 3];
        o.app.volume = o.dataset.volume = o.pool.volume = ORDER_VOLUME;
        o.pool.category = seed >> 10 & 1;
        o.pool.tag = TEE;
        if ((seed >> 11) % 5 == 0) o.app.tag = TEE;
    }

    function drawRequest(Orders memory o, uint256 seed) private {
        RequestOrder memory r = o.request;
        r.requester = requesters[seed % 3];
        r.dataset = o.dataset.dataset;
        r.category = o.pool.category;
        r.workerpool = seed >> 4 & 1 == 0 ? o.pool.workerpool : address(0);
        r.volume = 1 + (seed >> 5) % 4;
        // Mostly what one or two workers settle.
        r.trust = [uint256(0), 1, 1, 2, 3, 3, 5, 9][seed >> 8 & 7];
        if (seed >> 12 & 1 == 1) r.callback = callbacks[(seed >> 16) % callbacks.length];
        if (seed >> 13 & 1 == 1) r.beneficiary = sponsor;
        r.workerpoolmaxprice = 30 * RLC;
        r.salt = mark(drawConditions(seed >> 64), 0, 0, address(guard));
        // The salt is taken: requests differ in what they ask the app.
        r.params = vm.toString(++requests);
    }

    function drawConditions(uint256 seed) private pure returns (uint256) {
        (uint256 bound, uint256 strict) = (OrderMarks.BOUND_RESULTS, OrderMarks.STRICT_REVEALS);
        (uint256 known, uint256 enclave) = (OrderMarks.KNOWN_WORKERS, OrderMarks.KNOWN_ENCLAVES);
        return [uint256(0), 0, 0, bound, strict, bound | strict][seed % 6]
            | [uint256(0), 0, 0, known, enclave, known | enclave][(seed >> 8) % 6];
    }

    function renewUsedUp(Orders memory o) private {
        bytes32 domain = hub.eip712domain_separator();
        o.app.salt = bytes32(appRound);
        if (consumed[typed(domain, hashOf(o.app))] == ORDER_VOLUME) o.app.salt = bytes32(++appRound);
        o.dataset.salt = bytes32(datasetRound);
        if (consumed[typed(domain, hashOf(o.dataset))] == ORDER_VOLUME) {
            o.dataset.salt = bytes32(++datasetRound);
        }
        o.pool.salt = mark(OFFERED, 0, 0, address(guard));
        // Their salts are taken: orders of a pool differ in the trust that they offer.
        o.pool.trust += poolRound[o.pool.workerpool];
        if (consumed[typed(domain, hashOf(o.pool))] == ORDER_VOLUME) {
            ++poolRound[o.pool.workerpool];
            ++o.pool.trust;
        }
    }

    /// @dev By the owners of the moment; a requester without a key signs on chain.
    function signWithOwners(Orders memory o) internal {
        bytes32 domain = hub.eip712domain_separator();
        o.app.sign = signAs(appOwner, typed(domain, hashOf(o.app)));
        noteOrder(typed(domain, hashOf(o.app)), o.app.volume);
        if (o.dataset.dataset != address(0)) {
            o.dataset.sign = signAs(datasetOwner, typed(domain, hashOf(o.dataset)));
            noteOrder(typed(domain, hashOf(o.dataset)), o.dataset.volume);
        }
        o.pool.sign = signAs(ownerOfPool(o.pool.workerpool), typed(domain, hashOf(o.pool)));
        noteOrder(typed(domain, hashOf(o.pool)), o.pool.volume);
        bytes32 requestHash = typed(domain, hashOf(o.request));
        noteOrder(requestHash, o.request.volume);
        if (keyOf[o.request.requester] != 0) {
            o.request.sign = signCompact(keyOf[o.request.requester], requestHash);
        } else {
            vm.prank(o.request.requester);
            hub.manageRequestOrder(RequestOrderOperation(o.request, OrderOperation.SIGN, ""));
        }
    }

    function signAs(address account, bytes32 hash) internal view returns (bytes memory) {
        assertNotEq(keyOf[account], 0, "an owner without a key");
        return sign(keyOf[account], hash);
    }

    function ownerOfPool(address entry) internal view returns (address) {
        return pools.ownerOf(uint160(entry));
    }

    /// @dev The pool owner frozen in the deal authorizes, whoever owns the pool now.
    function authorize(address worker, bytes32 taskid, address challenge)
        internal
        view
        returns (bytes memory)
    {
        bytes32 hash = keccak256(abi.encodePacked(worker, taskid, challenge));
        return sign(keyOf[bargains[dealOf[taskid]].poolOwner], ethSigned(hash));
    }
}
