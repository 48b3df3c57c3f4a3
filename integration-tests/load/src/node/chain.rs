//! The chain of the bench: the model of the hub, and a block for each match or beat.

use super::abi::{self, LogBody, View};
use anyhow::{Context, Result};
use poco_core::call::SignedTerms;
use poco_core::hub::{Config, Hub, RegistryCall, TokenCall};
use poco_core::lane::LaneCall;
use poco_core::order::Order;
use poco_core::{
    Address, Amount, AppOrder, B256, Bytes, Call, DealId, Event, OrderKind, RequestOrder, Rules,
    Signed, Timestamp, U256, WorkerpoolOrder, keccak256,
};
use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub(crate) const CHAIN_ID: u64 = 31337;
pub(crate) const HUB: Address = Address::repeat_byte(0xee);
pub(crate) const POOL: Address = Address::repeat_byte(0xb1);
/// Token and registries: nothing of theirs is looked at but that they are there.
const OTHER: Address = Address::repeat_byte(0xcc);
const APP: Address = Address::repeat_byte(0xa1);
const REQUESTER: Address = Address::repeat_byte(0x0d);
/// What the requester's and the owner's wallets accept as their signature.
const SIGN: Bytes = Bytes::from_static(b"signed");

/// What everybody has to begin with: a deal of a hundred thousand tasks takes a hundredth.
const WEALTH: Amount = Amount::from_nano(1_000_000_000_000);
const PRICE: Amount = Amount::from_nano(100);
/// What a worker puts aside: enough for some thousand tasks at a time.
const BOND: Amount = Amount::from_nano(10_000_000);

/// A block, with the logs that a pool asks for.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) number: u64,
    pub(super) hash: B256,
    pub(super) parent: B256,
    pub(super) timestamp: u64,
    pub(super) logs: Vec<(LogBody, Option<DealId>)>,
}

#[derive(Debug)]
pub(crate) struct Chain {
    hub: Hub,
    owner: Address,
    pub(super) blocks: Vec<Block>,
    by_hash: BTreeMap<B256, usize>,
    matches: u64,
    /// When the scheduler was first told of a deal.
    pub(crate) told: BTreeMap<DealId, Instant>,
}

impl Chain {
    /// A chain on which `owner` has a pool and every one of `workers` a bond for it.
    pub(crate) fn new(owner: Address, workers: &[Address]) -> Result<Self> {
        let mut hub = Hub::new(Config::standard(Rules::Ours, CHAIN_ID, HUB, owner));
        for (kind, resource, of) in
            [(OrderKind::App, APP, REQUESTER), (OrderKind::Workerpool, POOL, owner)]
        {
            hub.registry_call(of, &RegistryCall::Create { kind, resource, owner: of })?;
        }
        for account in [owner, REQUESTER].iter().chain(workers) {
            hub.mint_tokens(*account, WEALTH)?;
            hub.token_call(*account, &TokenCall::ApproveHubAndCall { amount: WEALTH })?;
        }
        let bond = LaneCall::Bond { workerpool: POOL, amount: BOND };
        for worker in workers {
            hub.lane_call(*worker, now(), &bond)?;
        }
        let mut chain = Self {
            hub,
            owner,
            blocks: Vec::new(),
            by_hash: BTreeMap::new(),
            matches: 0,
            told: BTreeMap::new(),
        };
        chain.mine(Vec::new());
        Ok(chain)
    }

    /// Matches `deals` deals of `tasks` tasks each at `trust`, in one block.
    pub(crate) fn match_deals(
        &mut self,
        deals: u64,
        tasks: u64,
        trust: u64,
    ) -> Result<Vec<DealId>> {
        let (mut ids, mut events) = (Vec::new(), Vec::new());
        for _ in 0..deals {
            let call = self.terms(tasks, trust);
            let outcome = self.hub.call(REQUESTER, now(), &call)?;
            let deal = outcome.events.iter().find_map(deal_of).context("a match makes a deal")?;
            ids.push(deal);
            events.extend(outcome.events);
        }
        self.mine(events);
        Ok(ids)
    }

    /// A block in which nothing happens, as on any chain.
    pub(crate) fn beat(&mut self) {
        self.mine(Vec::new());
    }

    fn terms(&mut self, tasks: u64, trust: u64) -> Call {
        self.matches += 1;
        let salt = B256::from(U256::from(self.matches));
        let volume = U256::from(tasks);
        let app = AppOrder { app: APP, volume, salt, ..AppOrder::default() };
        let workerpool = WorkerpoolOrder {
            workerpool: POOL,
            price: PRICE,
            volume,
            trust: U256::MAX,
            salt,
            ..WorkerpoolOrder::default()
        };
        let request = RequestOrder {
            app: APP,
            workerpool_price_max: PRICE,
            requester: REQUESTER,
            volume,
            trust: U256::from(trust),
            salt,
            ..RequestOrder::default()
        };
        let (owner, requester) = (self.owner, REQUESTER);
        Call::MatchOrders(Box::new(SignedTerms {
            app: self.sign(requester, app),
            dataset: Signed::default(),
            workerpool: self.sign(owner, workerpool),
            request: self.sign(requester, request),
        }))
    }

    fn sign<O: Order>(&mut self, signer: Address, order: O) -> Signed<O> {
        let hash = order.hash(self.hub.domain_separator()).0;
        self.hub.contracts_mut().accept(signer, hash, SIGN);
        Signed { order, sign: SIGN }
    }

    fn mine(&mut self, events: Vec<Event>) {
        let number = self.blocks.len() as u64;
        let parent = self.blocks.last().map_or(B256::ZERO, |block| block.hash);
        let hash = keccak256([parent.0, B256::from(U256::from(number)).0].concat());
        let logs = events.iter().filter_map(|event| Some((abi::log(event)?, deal_of(event))));
        let (logs, timestamp) = (logs.collect(), now().0);
        self.by_hash.insert(hash, self.blocks.len());
        self.blocks.push(Block { number, hash, parent, timestamp, logs });
    }

    pub(super) fn latest(&self) -> &Block {
        self.blocks.last().expect("a chain has its first block")
    }

    pub(super) fn by_hash(&self, hash: B256) -> Option<&Block> {
        self.blocks.get(*self.by_hash.get(&hash)?)
    }

    /// Notes that the scheduler is being told of the deals in these blocks.
    pub(super) fn tell(&mut self, deals: &[DealId]) {
        let now = Instant::now();
        for deal in deals {
            self.told.entry(*deal).or_insert(now);
        }
    }

    /// What a contract answers; `None` where it refuses.
    pub(super) fn view(&self, data: &[u8]) -> Option<Vec<u8>> {
        Some(match View::decode(data)? {
            View::DomainSeparator => abi::word(self.hub.domain_separator()),
            View::Contract => abi::address(OTHER),
            View::IsRegistered(entry) => abi::yes(entry == POOL),
            View::Owner => abi::address(self.owner),
            View::Account(account) => {
                let account = self.hub.account(account);
                abi::account(account.free.0, account.frozen.0)
            }
            View::Deal(id) => abi::deal(self.hub.deal(id)?),
            View::Task => abi::task_unset(),
            View::Score(worker) => abi::number(self.hub.score(worker)),
            View::Category(id) => abi::category(self.hub.category(id)?),
            View::Workerpool(pool) => {
                let policy = self.hub.policy(pool)?;
                let (stake, reward) = (policy.worker_stake_ratio, policy.scheduler_reward_ratio);
                abi::workerpool(self.owner, stake, reward)
            }
            View::Bond(worker, pool) => abi::bond(self.hub.bond(worker, pool)),
            View::DealConditions => abi::no_conditions(),
        })
    }
}

fn deal_of(event: &Event) -> Option<DealId> {
    if let Event::SchedulerNotice { deal, .. } = event { Some(*deal) } else { None }
}

/// Chain time is the time of day.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(since.expect("the clock is past 1970").as_secs())
}
