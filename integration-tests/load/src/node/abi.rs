//! The contracts' interface from the other side: calls are decoded here and answers encoded, of what
//! a scheduler asks before a task's first transaction.

use alloy_sol_types::{SolCall, SolEvent, SolValue};
use poco_core::category::Category;
use poco_core::lane::Bond;
use poco_core::{Address, B256, Bytes, CategoryId, Deal, DealId, Event, Resource, U256};

alloy_sol_types::sol! {
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
    struct CategoryView { string name; string description; uint256 workClockTimeRef; }
    struct AccountView { uint256 stake; uint256 locked; }
    struct WorkerpoolInfo {
        address owner; string m_workerpoolDescription;
        uint256 m_workerStakeRatioPolicy; uint256 m_schedulerRewardRatioPolicy;
    }

    event SchedulerNotice(address indexed workerpool, bytes32 dealid);
    event OrdersMatched(
        bytes32 dealid, bytes32 appHash, bytes32 datasetHash, bytes32 workerpoolHash,
        bytes32 requestHash, uint256 volume
    );

    function eip712domain_separator() external view returns (bytes32);
    function token() external view returns (address);
    function appregistry() external view returns (address);
    function datasetregistry() external view returns (address);
    function workerpoolregistry() external view returns (address);
    function isRegistered(address entry) external view returns (bool);
    function ownerOf(uint256 tokenId) external view returns (address);
    function viewAccount(address account) external view returns (AccountView);
    function viewDeal(bytes32 id) external view returns (DealView);
    function viewTask(bytes32 id) external view returns (TaskViewAbi);
    function viewScore(address worker) external view returns (uint256);
    function viewCategory(uint256 catid) external view returns (CategoryView);
    function viewWorkerpool(address workerpool) external view returns (WorkerpoolInfo);
    function viewBond(address worker, address pool)
        external view returns (uint256 total, uint256 locked, uint256 releaseTime);
    function viewDealConditions(bytes32 dealid) external view returns (uint256 conditions, address guard);
}

/// What a scheduler asks of a contract.
#[derive(Debug)]
pub(super) enum View {
    DomainSeparator,
    /// The token or a registry; the bench has one address for all of them.
    Contract,
    IsRegistered(Address),
    /// Of whatever is asked about: only the pool has an owner here.
    Owner,
    Account(Address),
    Deal(DealId),
    Task,
    Score(Address),
    Category(CategoryId),
    Workerpool(Address),
    Bond(Address, Address),
    DealConditions,
}

impl View {
    /// `None` for a call that no view of these is.
    pub(super) fn decode(data: &[u8]) -> Option<Self> {
        let selector: [u8; 4] = data.get(..4)?.try_into().ok()?;
        let word = |place: usize| -> Option<B256> {
            let from = 4 + place * 32;
            B256::try_from(data.get(from..from + 32)?).ok()
        };
        let address = |place| word(place).map(Address::from_word);
        Some(match selector {
            eip712domain_separatorCall::SELECTOR => Self::DomainSeparator,
            tokenCall::SELECTOR
            | appregistryCall::SELECTOR
            | datasetregistryCall::SELECTOR
            | workerpoolregistryCall::SELECTOR => Self::Contract,
            isRegisteredCall::SELECTOR => Self::IsRegistered(address(0)?),
            ownerOfCall::SELECTOR => Self::Owner,
            viewAccountCall::SELECTOR => Self::Account(address(0)?),
            viewDealCall::SELECTOR => Self::Deal(DealId(word(0)?)),
            viewTaskCall::SELECTOR => Self::Task,
            viewScoreCall::SELECTOR => Self::Score(address(0)?),
            viewCategoryCall::SELECTOR => {
                Self::Category(CategoryId(U256::from_be_bytes(word(0)?.0).saturating_to()))
            }
            viewWorkerpoolCall::SELECTOR => Self::Workerpool(address(0)?),
            viewBondCall::SELECTOR => Self::Bond(address(0)?, address(1)?),
            viewDealConditionsCall::SELECTOR => Self::DealConditions,
            _ => return None,
        })
    }
}

pub(super) fn address(address: Address) -> Vec<u8> {
    address.abi_encode()
}

pub(super) fn word(word: B256) -> Vec<u8> {
    word.abi_encode()
}

pub(super) fn number(number: U256) -> Vec<u8> {
    number.abi_encode()
}

pub(super) fn yes(is_so: bool) -> Vec<u8> {
    is_so.abi_encode()
}

pub(super) fn account(free: U256, locked: U256) -> Vec<u8> {
    AccountView { stake: free, locked }.abi_encode()
}

pub(super) fn bond(bond: Bond) -> Vec<u8> {
    (bond.total.0, bond.locked.0, U256::from(bond.release.0)).abi_encode()
}

pub(super) fn no_conditions() -> Vec<u8> {
    (U256::ZERO, Address::ZERO).abi_encode()
}

/// A task that nobody opened.
pub(super) fn task_unset() -> Vec<u8> {
    TaskViewAbi {
        status: 0,
        dealid: B256::ZERO,
        idx: U256::ZERO,
        timeref: U256::ZERO,
        contributionDeadline: U256::ZERO,
        revealDeadline: U256::ZERO,
        finalDeadline: U256::ZERO,
        consensusValue: B256::ZERO,
        revealCounter: U256::ZERO,
        winnerCounter: U256::ZERO,
        contributors: Vec::new(),
        resultDigest: B256::ZERO,
        results: Bytes::new(),
        resultsTimestamp: U256::ZERO,
        resultsCallback: Bytes::new(),
    }
    .abi_encode()
}

pub(super) fn category(category: &Category) -> Vec<u8> {
    CategoryView {
        name: category.name.clone(),
        description: category.description.clone(),
        workClockTimeRef: U256::from(category.work_clock_time_ref_seconds),
    }
    .abi_encode()
}

pub(super) fn workerpool(owner: Address, stake_ratio: U256, reward_ratio: U256) -> Vec<u8> {
    WorkerpoolInfo {
        owner,
        m_workerpoolDescription: "load".into(),
        m_workerStakeRatioPolicy: stake_ratio,
        m_schedulerRewardRatioPolicy: reward_ratio,
    }
    .abi_encode()
}

pub(super) fn deal(deal: &Deal) -> Vec<u8> {
    DealView {
        app: resource(&deal.app),
        dataset: resource(&deal.dataset),
        workerpool: resource(&deal.workerpool),
        trust: deal.trust,
        category: U256::from(deal.category.0),
        tag: deal.tag.0,
        requester: deal.requester,
        beneficiary: deal.beneficiary,
        callback: deal.callback,
        params: deal.params.clone(),
        startTime: U256::from(deal.start_time.0),
        botFirst: deal.bot_first,
        botSize: deal.bot_size,
        workerStake: deal.worker_stake.0,
        schedulerRewardRatio: deal.scheduler_reward_ratio,
        sponsor: deal.sponsor,
    }
    .abi_encode()
}

fn resource(resource: &Resource) -> ResourceView {
    let Resource { pointer, owner, price } = *resource;
    ResourceView { pointer, owner, price: price.0 }
}

/// A log's topics and data.
#[derive(Clone, Debug)]
pub(super) struct LogBody {
    pub(super) topics: Vec<B256>,
    pub(super) data: Vec<u8>,
}

/// The logs of a match that a pool asks for; `None` for other events, which no filter of a pool lets
/// through.
pub(super) fn log(event: &Event) -> Option<LogBody> {
    let body = |data: alloy_sol_types::private::LogData| LogBody {
        topics: data.topics().to_vec(),
        data: data.data.to_vec(),
    };
    if let Event::SchedulerNotice { workerpool, deal } = event {
        let event = SchedulerNotice { workerpool: *workerpool, dealid: deal.0 };
        return Some(body(event.encode_log_data()));
    }
    if let Event::OrdersMatched { deal, app, dataset, workerpool, request, volume } = event {
        let event = OrdersMatched {
            dealid: deal.0,
            appHash: app.0,
            datasetHash: dataset.0,
            workerpoolHash: workerpool.0,
            requestHash: request.0,
            volume: *volume,
        };
        return Some(body(event.encode_log_data()));
    }
    None
}
