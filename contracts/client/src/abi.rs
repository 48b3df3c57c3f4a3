//! The contracts' interface as it is on chain, and nothing of it outside this folder: the rest of
//! the crate speaks the words of `poco-core`.
//!
//! Names are those of the published interface; they also fit iExec's PoCo 6.1.0 and 6.2.0.

pub(crate) mod calls;
pub(crate) mod events;
pub(crate) mod lane;
pub(crate) mod orders;
pub(crate) mod refusal;
pub(crate) mod views;

pub(crate) use interface::*;

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::too_many_arguments,
    clippy::pub_underscore_fields,
    reason = "generated from the interface"
)]
mod interface {
    alloy_sol_types::sol! {
        #![sol(all_derives)]

        struct AppOrder {
            address app; uint256 appprice; uint256 volume; bytes32 tag;
            address datasetrestrict; address workerpoolrestrict; address requesterrestrict;
            bytes32 salt; bytes sign;
        }
        struct DatasetOrder {
            address dataset; uint256 datasetprice; uint256 volume; bytes32 tag;
            address apprestrict; address workerpoolrestrict; address requesterrestrict;
            bytes32 salt; bytes sign;
        }
        struct WorkerpoolOrder {
            address workerpool; uint256 workerpoolprice; uint256 volume; bytes32 tag;
            uint256 category; uint256 trust;
            address apprestrict; address datasetrestrict; address requesterrestrict;
            bytes32 salt; bytes sign;
        }
        struct RequestOrder {
            address app; uint256 appmaxprice; address dataset; uint256 datasetmaxprice;
            address workerpool; uint256 workerpoolmaxprice; address requester; uint256 volume;
            bytes32 tag; uint256 category; uint256 trust; address beneficiary; address callback;
            string params; bytes32 salt; bytes sign;
        }
        struct AppOrderOperation { AppOrder order; uint8 operation; bytes sign; }
        struct DatasetOrderOperation { DatasetOrder order; uint8 operation; bytes sign; }
        struct WorkerpoolOrderOperation { WorkerpoolOrder order; uint8 operation; bytes sign; }
        struct RequestOrderOperation { RequestOrder order; uint8 operation; bytes sign; }

        struct EIP712Domain { string name; string version; uint256 chainId; address verifyingContract; }
        struct AccountView { uint256 stake; uint256 locked; }
        struct CategoryView { string name; string description; uint256 workClockTimeRef; }
        struct ResourceView { address pointer; address owner; uint256 price; }
        struct DealView {
            ResourceView app; ResourceView dataset; ResourceView workerpool;
            uint256 trust; uint256 category; bytes32 tag;
            address requester; address beneficiary; address callback; string params;
            uint256 startTime; uint256 botFirst; uint256 botSize;
            uint256 workerStake; uint256 schedulerRewardRatio; address sponsor;
        }
        struct TaskViewAbi {
            uint8 status; bytes32 dealid; uint256 idx; uint256 timeref;
            uint256 contributionDeadline; uint256 revealDeadline; uint256 finalDeadline;
            bytes32 consensusValue; uint256 revealCounter; uint256 winnerCounter;
            address[] contributors; bytes32 resultDigest; bytes results;
            uint256 resultsTimestamp; bytes resultsCallback;
        }
        struct ContributionAbi {
            uint8 status; bytes32 resultHash; bytes32 resultSeal; address enclaveChallenge; uint256 weight;
        }
        struct AppInfo {
            address owner; string m_appName; string m_appType; bytes m_appMultiaddr;
            bytes32 m_appChecksum; bytes m_appMREnclave;
        }
        struct DatasetInfo {
            address owner; string m_datasetName; bytes m_datasetMultiaddr; bytes32 m_datasetChecksum;
        }
        struct WorkerpoolInfo {
            address owner; string m_workerpoolDescription;
            uint256 m_workerStakeRatioPolicy; uint256 m_schedulerRewardRatioPolicy;
        }

        interface Hub {
            event Transfer(address indexed from, address indexed to, uint256 value);
            event Approval(address indexed owner, address indexed spender, uint256 value);
            event Lock(address owner, uint256 amount);
            event Unlock(address owner, uint256 amount);
            event Reward(address owner, uint256 amount, bytes32 ref);
            event Seize(address owner, uint256 amount, bytes32 ref);
            event SchedulerNotice(address indexed workerpool, bytes32 dealid);
            event OrdersMatched(
                bytes32 dealid, bytes32 appHash, bytes32 datasetHash, bytes32 workerpoolHash,
                bytes32 requestHash, uint256 volume
            );
            event DealSponsored(bytes32 dealId, address sponsor);
            event SignedAppOrder(bytes32 appHash);
            event SignedDatasetOrder(bytes32 datasetHash);
            event SignedWorkerpoolOrder(bytes32 workerpoolHash);
            event SignedRequestOrder(bytes32 requestHash);
            event ClosedAppOrder(bytes32 appHash);
            event ClosedDatasetOrder(bytes32 datasetHash);
            event ClosedWorkerpoolOrder(bytes32 workerpoolHash);
            event ClosedRequestOrder(bytes32 requestHash);
            event BroadcastAppOrder(AppOrder apporder);
            event BroadcastDatasetOrder(DatasetOrder datasetorder);
            event BroadcastWorkerpoolOrder(WorkerpoolOrder workerpoolorder);
            event BroadcastRequestOrder(RequestOrder requestorder);
            event TaskInitialize(bytes32 indexed taskid, address indexed workerpool);
            event TaskContribute(bytes32 indexed taskid, address indexed worker, bytes32 hash);
            event TaskConsensus(bytes32 indexed taskid, bytes32 consensus);
            event TaskReveal(bytes32 indexed taskid, address indexed worker, bytes32 digest);
            event TaskFinalize(bytes32 indexed taskid, bytes results);
            event TaskClaimed(bytes32 indexed taskid);
            event TaskReopen(bytes32 indexed taskid);
            event AccurateContribution(address indexed worker, bytes32 indexed taskid);
            event FaultyContribution(address indexed worker, bytes32 indexed taskid);
            event CreateCategory(uint256 catid, string name, string description, uint256 workClockTimeRef);
            event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);
            event SchedulerNoticeBoost(
                address indexed workerpool, bytes32 dealId, address app, address dataset,
                uint256 category, bytes32 tag, string params, address beneficiary
            );
            event DealSponsoredBoost(bytes32 dealId, address sponsor);
            event Bonded(address indexed worker, address indexed pool, uint256 amount);
            event Unbonding(address indexed worker, address indexed pool, uint256 releaseTime);
            event BondWithdrawn(address indexed worker, address indexed pool, uint256 amount);
            event Committed(bytes32 indexed dealid, uint256 first, bytes lengths, bytes rows);
            event Closed(bytes32 indexed taskid);
            event TaskSkipped(bytes32 indexed taskid, uint8 reason);
            event ResultPushedBoost(bytes32 dealId, uint256 index, bytes results);
            event DealConditions(bytes32 indexed dealid, uint256 conditions, address guard);
            event ResultsBound(bytes32 indexed taskid, bytes32 digest);
            event EpochRaised(address indexed account, uint256 epoch);

            function deposit(uint256 amount) external returns (bool);
            function depositFor(uint256 amount, address target) external returns (bool);
            function depositForArray(uint256[] amounts, address[] targets) external returns (bool);
            function withdraw(uint256 amount) external returns (bool);
            function withdrawTo(uint256 amount, address target) external returns (bool);
            function recover() external returns (uint256);
            function transfer(address recipient, uint256 amount) external returns (bool);
            function transferFrom(address sender, address recipient, uint256 amount) external returns (bool);
            function approve(address spender, uint256 amount) external returns (bool);
            function manageAppOrder(AppOrderOperation operation) external;
            function manageDatasetOrder(DatasetOrderOperation operation) external;
            function manageWorkerpoolOrder(WorkerpoolOrderOperation operation) external;
            function manageRequestOrder(RequestOrderOperation operation) external;
            function matchOrders(AppOrder, DatasetOrder, WorkerpoolOrder, RequestOrder) external returns (bytes32);
            function sponsorMatchOrders(AppOrder, DatasetOrder, WorkerpoolOrder, RequestOrder) external returns (bytes32);
            function initialize(bytes32 dealId, uint256 index) external returns (bytes32);
            function initializeArray(bytes32[] dealIds, uint256[] indexes) external returns (bool);
            function initializeAndClaimArray(bytes32[] dealIds, uint256[] indexes) external returns (bool);
            function contribute(
                bytes32 taskId, bytes32 resultHash, bytes32 resultSeal, address enclaveChallenge,
                bytes enclaveSign, bytes authorizationSign
            ) external;
            function reveal(bytes32 taskId, bytes32 resultDigest) external;
            function reopen(bytes32 taskId) external;
            function finalize(bytes32 taskId, bytes results, bytes resultsCallback) external;
            function contributeAndFinalize(
                bytes32 taskId, bytes32 resultDigest, bytes results, bytes resultsCallback,
                address enclaveChallenge, bytes enclaveSign, bytes authorizationSign
            ) external;
            function claim(bytes32 taskId) external;
            function claimArray(bytes32[] taskIds) external returns (bool);
            function createCategory(string name, string description, uint256 workClockTimeRef) external returns (uint256);
            function configure(
                address token, string name, string symbol, uint8 decimals,
                address appregistry, address datasetregistry, address workerpoolregistry, address v3Hub
            ) external;

            function owner() external view returns (address);
            function domain() external view returns (EIP712Domain);
            function eip712domain_separator() external view returns (bytes32);
            function token() external view returns (address);
            function appregistry() external view returns (address);
            function datasetregistry() external view returns (address);
            function workerpoolregistry() external view returns (address);
            function kitty_address() external view returns (address);
            function viewAccount(address account) external view returns (AccountView);
            function allowance(address account, address spender) external view returns (uint256);
            function viewDeal(bytes32 id) external view returns (DealView);
            function viewTask(bytes32 id) external view returns (TaskViewAbi);
            function viewContribution(bytes32 taskid, address worker) external view returns (ContributionAbi);
            function viewConsumed(bytes32 id) external view returns (uint256);
            function viewScore(address worker) external view returns (uint256);
            function viewCategory(uint256 catid) external view returns (CategoryView);
            function countCategory() external view returns (uint256);
            function viewApp(address app) external view returns (AppInfo);
            function viewDataset(address dataset) external view returns (DatasetInfo);
            function viewWorkerpool(address workerpool) external view returns (WorkerpoolInfo);
            function verifyPresignatureOrSignature(address identity, bytes32 hash, bytes sign) external view returns (bool);
        }

        struct LaneBallot { address worker; uint256 first; bytes32[] entries; bytes sign; }
        struct LaneRange {
            bytes32 dealId; uint256 first; uint256 time; bytes32[] rowsBefore; bytes32[] rowsAfter;
        }
        struct LaneOtherVote { bytes32 resultHash; bytes32 resultSeal; uint128 nonce; bytes32 entry; }
        struct LaneRowVote { uint256 position; bytes32 resultHash; bytes32 resultSeal; uint128 nonce; }
        struct LaneOutcome {
            uint256 present; uint256 agreeing; bytes32 digest; uint128[] nonces;
            LaneOtherVote[] others; bytes results; bytes resultsCallback;
        }
        struct LaneBatch { LaneRange range; address[] workers; LaneOutcome[] outcomes; }

        // Of the hub too, but only of ours.
        interface Lane {
            function bond(address pool, uint256 amount) external;
            function unbond(address pool) external;
            function withdrawBond(address pool) external;
            function commit(bytes32 dealId, uint256 first, uint256 count, LaneBallot[] ballots) external;
            function settle(LaneBatch[] batches) external;
            function disclose(LaneRange range, bytes row, LaneRowVote[] votes) external;
            function close(LaneRange range, bytes row) external;
            function release(LaneRange range, bytes[] rows) external;

            function viewBond(address worker, address pool)
                external view returns (uint256 total, uint256 locked, uint256 releaseTime);
        }

        interface Token {
            function balanceOf(address account) external view returns (uint256);
            function transfer(address recipient, uint256 amount) external returns (bool);
            function approve(address spender, uint256 amount) external returns (bool);
            function approveAndCall(address spender, uint256 amount, bytes data) external returns (bool);
        }

        interface Registry {
            event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);

            function initialize(address previous) external;
            function isRegistered(address entry) external view returns (bool);
            function ownerOf(uint256 tokenId) external view returns (address);
            function safeTransferFrom(address from, address to, uint256 tokenId) external;
            function createApp(
                address owner, string name, string kind, bytes multiaddr, bytes32 checksum, bytes mrenclave
            ) external returns (address);
            function predictApp(
                address owner, string name, string kind, bytes multiaddr, bytes32 checksum, bytes mrenclave
            ) external view returns (address);
            function createDataset(address owner, string name, bytes multiaddr, bytes32 checksum) external returns (address);
            function predictDataset(address owner, string name, bytes multiaddr, bytes32 checksum) external view returns (address);
            function createWorkerpool(address owner, string description) external returns (address);
            function predictWorkerpool(address owner, string description) external view returns (address);
        }

        interface Workerpool {
            event PolicyUpdate(
                uint256 oldWorkerStakeRatioPolicy, uint256 newWorkerStakeRatioPolicy,
                uint256 oldSchedulerRewardRatioPolicy, uint256 newSchedulerRewardRatioPolicy
            );
            function changePolicy(uint256 newWorkerStakeRatioPolicy, uint256 newSchedulerRewardRatioPolicy) external;
        }

        // Of the hub too, but only of ours.
        interface Conditions {
            function raiseEpoch() external returns (uint256 epoch);

            function viewEpoch(address account) external view returns (uint256);
            function viewDealConditions(bytes32 dealid) external view returns (uint256 conditions, address guard);
        }

        interface Group {
            function addKeys(address[] keys, uint256 purpose) external;
            function removeKeys(address[] keys, uint256 purpose) external;
            function transferOwnership(address newOwner) external;

            function owner() external view returns (address);
            function keyHasPurpose(bytes32 key, uint256 purpose) external view returns (bool);
        }
    }
}
