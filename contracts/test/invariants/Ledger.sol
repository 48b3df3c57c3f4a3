// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {IBoost} from "../../src/interfaces/IBoost.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IMatching, IOrders} from "../../src/interfaces/IOrders.sol";
import {ITasks} from "../../src/interfaces/ITasks.sol";
import {Deal, DealBoost, TaskStatus} from "../../src/interfaces/Types.sol";
import {LaneMarket} from "../support/LaneMarket.sol";

/// The books of a market, kept from the hub's events alone, as an indexer keeps them: free stake from Transfer,
/// frozen stake from Lock, Unlock and Seize, and beside it what open deals, contributions and the kitty explain.
/// Of the views only the terms of a deal are read, when it is matched; they never change. What the settlement lane
/// adds is in `BondLedger`.
///
/// `checkBooks` compares these books with what the hub answers.
abstract contract Ledger is LaneMarket {
    struct Bargain {
        address payer;
        address poolOwner;
        address pool;
        /// Of one task.
        uint256 price;
        uint256 poolStake;
        uint256 workerStake;
    }

    struct Held {
        address worker;
        uint256 stake;
    }

    mapping(bytes32 dealid => Bargain) internal bargains;
    mapping(bytes32 taskid => bytes32 dealid) internal dealOf;
    mapping(bytes32 taskid => TaskStatus) internal statusOf;
    /// @dev The stakes that contributions to an open task hold.
    mapping(bytes32 taskid => Held[]) internal heldBy;
    mapping(bytes32 taskid => uint256) internal ends;
    mapping(bytes32 taskid => uint256) internal seizedFor;
    mapping(bytes32 taskid => uint256) internal rewardedFor;
    /// @dev Who lost its stake by the end of a task, and how many did.
    mapping(bytes32 taskid => mapping(address worker => bool)) internal isFaulty;
    mapping(bytes32 taskid => uint256) internal faults;

    mapping(address account => uint256) internal toldFree;
    mapping(address account => uint256) internal toldFrozen;
    mapping(address account => uint256) internal explained;
    mapping(bytes32 orderHash => uint256) internal consumed;
    /// @dev The volume an order says; whoever signs it notes it.
    mapping(bytes32 orderHash => uint256) internal volumeOf;
    bytes32[] internal orderHashes;

    address[] internal accounts;
    mapping(address account => bool) internal isKnown;
    /// @dev Tokens sent to the hub without a deposit.
    uint256 internal donated;
    /// @dev Stake given to the hub's own address, which nobody can move again.
    uint256 internal given;
    /// @dev How often the market came through each of its states.
    mapping(string state => uint256) public count;

    /// @dev Of the log before, if it was a Lock.
    Held private lastLock;

    /// @dev The last matched deal, for the handler that made it.
    bytes32 internal lastDeal;

    /// @dev Reads all logs since the last call.
    function readLogs() internal {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(hub)) continue;
            bytes32 kind = logs[i].topics[0];
            if (!readMoney(kind, logs[i]) && !readLane(kind, logs, i)) readTask(kind, logs[i]);
            if (kind != IEscrow.Lock.selector) delete lastLock;
        }
    }

    /// @dev Whether an event is the settlement lane's, and read.
    function readLane(bytes32 kind, Vm.Log[] memory logs, uint256 at) internal virtual returns (bool);

    /// @dev What the end of a committed task does to the bonds that answered for it.
    function endRow(bytes32 taskid, TaskStatus status) internal virtual;

    function readMoney(bytes32 kind, Vm.Log memory log) private returns (bool) {
        if (kind == IEscrow.Transfer.selector) {
            (address from, address to) = (asAddress(log.topics[1]), asAddress(log.topics[2]));
            uint256 value = abi.decode(log.data, (uint256));
            if (from != address(0)) toldFree[from] -= value;
            if (to != address(0)) toldFree[to] += value;
            know(from);
            know(to);
        } else if (kind == IEscrow.Lock.selector) {
            (address account, uint256 amount) = abi.decode(log.data, (address, uint256));
            toldFrozen[account] += amount;
            lastLock = Held(account, amount);
            know(account);
        } else if (kind == IEscrow.Unlock.selector) {
            (address account, uint256 amount) = abi.decode(log.data, (address, uint256));
            toldFrozen[account] -= amount;
        } else if (kind == IEscrow.Seize.selector) {
            (address account, uint256 amount, bytes32 ref) = abi.decode(log.data, (address, uint256, bytes32));
            toldFrozen[account] -= amount;
            if (account == KITTY) {
                explained[KITTY] -= amount;
                ++count["kitty paid"];
            }
            checkOpen(ref);
            seizedFor[ref] += amount;
        } else if (kind == IEscrow.Reward.selector) {
            (, uint256 amount, bytes32 ref) = abi.decode(log.data, (address, uint256, bytes32));
            checkOpen(ref);
            rewardedFor[ref] += amount;
        } else {
            return false;
        }
        return true;
    }

    /// @dev Money moves for tasks of known deals that have not ended yet.
    function checkOpen(bytes32 taskid) private view {
        assertNotEq(dealOf[taskid], 0, "money moved for a task that nobody knows");
        assertEq(ends[taskid], 0, "a task paid after its end");
    }

    function readTask(bytes32 kind, Vm.Log memory log) private {
        if (kind == IMatching.OrdersMatched.selector) return readMatch(log.data);
        if (kind == IBoost.ResultPushedBoost.selector) {
            (bytes32 dealid, uint256 index,) = abi.decode(log.data, (bytes32, uint256, bytes));
            return endTask(keccak256(abi.encodePacked(dealid, index)), TaskStatus.COMPLETED);
        }
        if (isClosing(kind)) {
            bytes32 orderHash = abi.decode(log.data, (bytes32));
            consumed[orderHash] = volumeOf[orderHash];
            ++count["closed"];
        }
        if (log.topics.length < 2) return;
        bytes32 taskid = log.topics[1];
        if (kind == ITasks.TaskInitialize.selector) {
            move(taskid, TaskStatus.UNSET, TaskStatus.ACTIVE);
        } else if (kind == ITasks.TaskContribute.selector) {
            readContribution(taskid, asAddress(log.topics[2]));
        } else if (kind == ITasks.TaskConsensus.selector) {
            move(taskid, TaskStatus.ACTIVE, TaskStatus.REVEALING);
        } else if (kind == ITasks.TaskReopen.selector) {
            move(taskid, TaskStatus.REVEALING, TaskStatus.ACTIVE);
        } else if (kind == ITasks.TaskFinalize.selector) {
            assertEq(uint8(statusOf[taskid]), uint8(TaskStatus.REVEALING), "finalized without a consensus");
            endTask(taskid, TaskStatus.COMPLETED);
        } else if (kind == ITasks.TaskClaimed.selector) {
            Bargain storage bargain = bargains[dealOf[taskid]];
            // In strict deals the kitty gets the stakes of those who withheld a reveal too.
            explained[KITTY] += bargain.poolStake + faults[taskid] * bargain.workerStake;
            if (faults[taskid] > 0) ++count["slashed in a claim"];
            endTask(taskid, TaskStatus.FAILED);
        } else if (kind == ITasks.FaultyContribution.selector) {
            readFault(log.topics[2], asAddress(log.topics[1]));
        } else if (kind == ITasks.AccurateContribution.selector) {
            ++count["scored"];
        }
    }

    function readFault(bytes32 taskid, address worker) private {
        assertFalse(isFaulty[taskid][worker], "slashed twice for one task");
        isFaulty[taskid][worker] = true;
        ++faults[taskid];
        ++count["slashed"];
    }

    function isClosing(bytes32 kind) private pure returns (bool) {
        return kind == IOrders.ClosedAppOrder.selector || kind == IOrders.ClosedDatasetOrder.selector
            || kind == IOrders.ClosedWorkerpoolOrder.selector || kind == IOrders.ClosedRequestOrder.selector;
    }

    function move(bytes32 taskid, TaskStatus from, TaskStatus to) private {
        assertEq(uint8(statusOf[taskid]), uint8(from), "an event came in the wrong state");
        statusOf[taskid] = to;
    }

    function readMatch(bytes memory data) private {
        (bytes32 dealid, bytes32 a, bytes32 d, bytes32 p, bytes32 r, uint256 volume) =
            abi.decode(data, (bytes32, bytes32, bytes32, bytes32, bytes32, uint256));
        assertEq(bargains[dealid].payer, address(0), "one id for two deals");
        lastDeal = dealid;
        uint256 first = readTerms(dealid, volume);
        Bargain storage bargain = bargains[dealid];
        explained[bargain.payer] += bargain.price * volume;
        explained[bargain.poolOwner] += bargain.poolStake * volume;
        for (uint256 i = 0; i < volume; ++i) {
            bytes32 taskid = keccak256(abi.encodePacked(dealid, first + i));
            assertEq(dealOf[taskid], 0, "one id for two tasks");
            dealOf[taskid] = dealid;
        }
        consume(a, volume);
        if (d != 0) consume(d, volume);
        consume(p, volume);
        consume(r, volume);
    }

    /// @dev Returns the index of the first task.
    function readTerms(bytes32 dealid, uint256 volume) private returns (uint256 first) {
        Bargain storage bargain = bargains[dealid];
        DealBoost memory quick = hub.viewDealBoost(dealid);
        if (quick.requester != address(0)) {
            bargain.payer = quick.sponsor;
            bargain.poolOwner = quick.workerpoolOwner;
            bargain.price = uint256(quick.appPrice) + quick.datasetPrice + quick.workerpoolPrice;
            bargain.poolStake = uint256(quick.workerpoolPrice) * 30 / 100;
            assertEq(quick.botSize, volume);
            return 0;
        }
        Deal memory deal = hub.viewDeal(dealid);
        bargain.payer = deal.sponsor;
        bargain.poolOwner = deal.workerpool.owner;
        bargain.pool = deal.workerpool.pointer;
        bargain.price = deal.app.price + deal.dataset.price + deal.workerpool.price;
        bargain.poolStake = deal.workerpool.price * 30 / 100;
        bargain.workerStake = deal.workerStake;
        assertEq(deal.botSize, volume);
        return deal.botFirst;
    }

    function consume(bytes32 orderHash, uint256 volume) private {
        consumed[orderHash] += volume;
        assertLe(consumed[orderHash], volumeOf[orderHash], "more was consumed than an order offers");
    }

    /// @dev A contribution locks stake, except in `contributeAndFinalize`, which says so by locking nothing.
    function readContribution(bytes32 taskid, address worker) private {
        assertEq(uint8(statusOf[taskid]), uint8(TaskStatus.ACTIVE), "contributed to a closed task");
        if (lastLock.worker != worker) return;
        uint256 stake = bargains[dealOf[taskid]].workerStake;
        assertEq(lastLock.stake, stake, "another stake than the deal says");
        explained[worker] += stake;
        heldBy[taskid].push(Held(worker, stake));
    }

    function endTask(bytes32 taskid, TaskStatus status) private {
        assertEq(++ends[taskid], 1, "a task ended twice");
        Bargain storage bargain = bargains[dealOf[taskid]];
        explained[bargain.payer] -= bargain.price;
        explained[bargain.poolOwner] -= bargain.poolStake;
        for (uint256 i = 0; i < heldBy[taskid].length; ++i) {
            explained[heldBy[taskid][i].worker] -= heldBy[taskid][i].stake;
        }
        endRow(taskid, status);
        statusOf[taskid] = status;
        assertEq(seizedFor[taskid], rewardedFor[taskid], "a task paid another sum than it took");
    }

    /// @dev Everything that must hold between any two transactions.
    function checkBooks() public view virtual {
        uint256 freeSum = 0;
        uint256 frozenSum = 0;
        for (uint256 i = 0; i < accounts.length; ++i) {
            address account = accounts[i];
            assertEq(hub.balanceOf(account), toldFree[account], "Transfer events give another balance");
            assertEq(frozen(account), toldFrozen[account], "Lock, Unlock and Seize give another frozen stake");
            assertEq(frozen(account), explained[account], "frozen stake that nothing explains");
            freeSum += hub.balanceOf(account);
            frozenSum += frozen(account);
        }
        assertEq(hub.balanceOf(address(hub)), frozenSum + given, "the hub's balance is not the frozen sum");
        // The hub is among the accounts: its balance stands for what is frozen.
        assertEq(freeSum, hub.totalSupply(), "stake was made or lost");
        assertEq(token.balanceOf(address(hub)), hub.totalSupply() + donated, "tokens and supply differ");
        for (uint256 i = 0; i < orderHashes.length; ++i) {
            assertEq(hub.viewConsumed(orderHashes[i]), consumed[orderHashes[i]], "spent volume differs");
        }
    }

    function know(address account) private {
        if (isKnown[account] || account == address(0)) return;
        isKnown[account] = true;
        accounts.push(account);
    }

    function noteOrder(bytes32 orderHash, uint256 volume) internal {
        if (volumeOf[orderHash] > 0) return;
        volumeOf[orderHash] = volume;
        orderHashes.push(orderHash);
    }

    function asAddress(bytes32 topic) internal pure returns (address) {
        return address(uint160(uint256(topic)));
    }
}
