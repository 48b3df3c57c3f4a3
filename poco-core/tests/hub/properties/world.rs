//! A hub with a small cast, where each call is checked from all sides.
//!
//! Nobody has a key here: pool owners are contracts that accept what the test says, and orders are
//! signed on chain, so that thousands of calls cost no elliptic curves.

use super::books::Books;
use crate::market::{HUB, START, nano};
use poco_core::call::{Call, SignedTerms};
use poco_core::event::AnyOrder;
use poco_core::hub::{Config, Hub, Outcome, Policy, Refusal, RegistryCall, TokenCall};
use poco_core::message::authorization_hash;
use poco_core::order::OrderOperation;
use poco_core::statement::{Moves, statement};
use poco_core::task::TaskStatus;
use poco_core::{
    Address, Amount, AppOrder, B256, Bytes, DatasetOrder, Event, OrderKind, RequestOrder, Rules,
    Signed, TaskId, Timestamp, U256, WorkerpoolOrder,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const HUB_OWNER: Address = Address::repeat_byte(0x01);
pub(crate) const APP_OWNER: Address = Address::repeat_byte(0x02);
pub(crate) const DATASET_OWNER: Address = Address::repeat_byte(0x03);
pub(crate) const SPONSOR: Address = Address::repeat_byte(0x04);
pub(crate) const REQUESTERS: [Address; 2] =
    [Address::repeat_byte(0x11), Address::repeat_byte(0x12)];
pub(crate) const POOL_OWNERS: [Address; 2] =
    [Address::repeat_byte(0x21), Address::repeat_byte(0x22)];
/// The last one owns a pool as well.
pub(crate) const WORKERS: [Address; 5] = [
    Address::repeat_byte(0x31),
    Address::repeat_byte(0x32),
    Address::repeat_byte(0x33),
    Address::repeat_byte(0x34),
    POOL_OWNERS[1],
];
const SCORES: [u64; 5] = [0, 0, 12, 40, 100];
pub(crate) const APP: Address = Address::repeat_byte(0xa1);
pub(crate) const DATASET: Address = Address::repeat_byte(0xd1);
pub(crate) const POOLS: [Address; 2] = [Address::repeat_byte(0xb1), Address::repeat_byte(0xb2)];
/// What every pool owner accepts once the test said so.
pub(crate) const SIGN: Bytes = Bytes::from_static(b"a contract's signature");

/// What a property has seen over all its cases.
pub(crate) type Seen = RefCell<BTreeSet<&'static str>>;

#[derive(Clone)]
pub(crate) struct World<'a> {
    pub(crate) hub: Hub,
    pub(crate) now: Timestamp,
    pub(crate) offers: Vec<SignedTerms>,
    books: Books,
    salt: u64,
    seen: &'a Seen,
}

/// The terms of an offer that the test chooses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) requester: usize,
    pub(crate) pool: usize,
    pub(crate) app_price: Amount,
    pub(crate) dataset_price: Option<Amount>,
    pub(crate) pool_price: Amount,
    pub(crate) pool_volume: U256,
    pub(crate) request_volume: U256,
    pub(crate) category: u64,
    pub(crate) trust: U256,
}

impl<'a> World<'a> {
    pub(crate) fn new(rules: Rules, funds: Amount, seen: &'a Seen) -> Self {
        let mut config = Config::standard(rules, 31337, HUB, HUB_OWNER);
        config.scores = WORKERS.into_iter().zip(SCORES.map(U256::from)).collect();
        let mut world = Self {
            hub: Hub::new(config),
            now: START,
            offers: Vec::new(),
            books: Books::default(),
            salt: 0,
            seen,
        };
        for (kind, resource, owner) in [
            (OrderKind::App, APP, APP_OWNER),
            (OrderKind::Dataset, DATASET, DATASET_OWNER),
            (OrderKind::Workerpool, POOLS[0], POOL_OWNERS[0]),
            (OrderKind::Workerpool, POOLS[1], POOL_OWNERS[1]),
        ] {
            let create = RegistryCall::Create { kind, resource, owner };
            world.hub.registry_call(HUB_OWNER, &create).unwrap();
        }
        for account in REQUESTERS.into_iter().chain(WORKERS).chain([SPONSOR, POOL_OWNERS[0]]) {
            world.hub.mint_tokens(account, funds).unwrap();
            let deposit = TokenCall::ApproveHubAndCall { amount: funds };
            let outcome = world.hub.token_call(account, &deposit).unwrap();
            world.books.record(&outcome.events);
        }
        for owner in POOL_OWNERS {
            world.hub.contracts_mut().add_wallet(owner);
        }
        world
    }

    pub(crate) fn see(&self, what: &'static str) {
        self.seen.borrow_mut().insert(what);
    }

    /// Makes a call and checks what must hold after any.
    pub(crate) fn call(&mut self, sender: Address, call: &Call) -> Result<Outcome, Refusal> {
        let before = self.hub.clone();
        let result = self.hub.call(sender, self.now, call);
        match &result {
            Ok(outcome) => {
                self.books.record(&outcome.events);
                self.check_statements(&before, &outcome.events);
            }
            Err(refusal) => {
                assert!(self.hub == before, "a refused call changed something: {call:?}");
                // Every refusal has a text for people and perhaps one of the reference.
                assert!(!refusal.to_string().is_empty());
                let _ = refusal.reference_text();
            }
        }
        self.books.check(&self.hub);
        result
    }

    /// Every task that ended has a statement, which says to the unit what its workers have more or
    /// less than before.
    fn check_statements(&self, before: &Hub, events: &[Event]) {
        let ended = |event: &Event| {
            if let Event::TaskFinalize { task, .. } | Event::TaskClaimed { task } = event {
                Some(*task)
            } else {
                None
            }
        };
        let mut earned: BTreeMap<Address, (U256, U256)> = BTreeMap::new();
        for task in events.iter().filter_map(ended) {
            let mut moves = Moves::default();
            for event in events {
                moves.add(task.0, event);
            }
            let view = self.hub.task(task);
            let deal = self.hub.deal(view.deal).expect("a task has a deal");
            let vote = |worker: &Address| (*worker, self.hub.contribution(task, *worker));
            let votes: Vec<_> = view.contributors.iter().map(vote).collect();
            let told = statement(deal, (task, &view), &votes, &moves);
            let told = told.unwrap_or_else(|error| panic!("{task}: {error}"));
            let brought = told.price.0 + told.forfeited.0;
            let paid: U256 = told.workers.iter().map(|line| line.reward.0).sum();
            let kept = if told.is_completed { brought - paid } else { U256::ZERO };
            assert_eq!(told.fee.0, kept, "what workers do not get, the pool keeps");
            for line in &told.workers {
                self.see(line.verdict.name());
                let sums = earned.entry(line.worker).or_default();
                sums.0 += line.reward.0;
                sums.1 += line.lost.0;
            }
        }
        let all = |hub: &Hub, owner| {
            let account = hub.account(owner);
            account.free.0 + account.frozen.0
        };
        // The last one owns a pool, and so has other parts as well.
        for (worker, (rewarded, lost)) in earned {
            if WORKERS[..4].contains(&worker) {
                let (had, has) = (all(before, worker), all(&self.hub, worker));
                assert_eq!(has + lost, had + rewarded, "{worker}");
            }
        }
    }

    pub(crate) fn registry(&mut self, sender: Address, call: &RegistryCall) {
        let before = self.hub.clone();
        if self.hub.registry_call(sender, call).is_err() {
            assert!(self.hub == before, "a refused call changed something: {call:?}");
        }
    }

    pub(crate) fn set_policy(&mut self, pool: usize, stake_ratio: U256, reward_ratio: U256) {
        let policy =
            Policy { worker_stake_ratio: stake_ratio, scheduler_reward_ratio: reward_ratio };
        let change = RegistryCall::ChangePolicy { workerpool: POOLS[pool], policy };
        self.registry(POOL_OWNERS[pool], &change);
    }

    /// Four new orders, signed on chain.
    pub(crate) fn offer(&mut self, terms: Terms) -> SignedTerms {
        self.salt += 1;
        let salt = B256::from(U256::from(self.salt));
        let dataset = terms.dataset_price.map_or(Address::ZERO, |_| DATASET);
        let app = AppOrder {
            app: APP,
            price: terms.app_price,
            volume: U256::MAX,
            salt,
            ..AppOrder::default()
        };
        let dataset_order = terms.dataset_price.map_or_else(DatasetOrder::default, |price| {
            DatasetOrder { dataset, price, volume: U256::MAX, salt, ..DatasetOrder::default() }
        });
        let most = Amount(U256::MAX);
        let request = RequestOrder {
            app: APP,
            app_price_max: most,
            dataset,
            dataset_price_max: most,
            workerpool_price_max: most,
            requester: REQUESTERS[terms.requester],
            volume: terms.request_volume,
            category: U256::from(terms.category),
            trust: terms.trust,
            salt,
            ..RequestOrder::default()
        };
        let signed = SignedTerms {
            app: Signed { order: app, sign: Bytes::new() },
            dataset: Signed { order: dataset_order, sign: Bytes::new() },
            workerpool: self.pool_order(terms),
            request: Signed { order: request, sign: Bytes::new() },
        };
        self.presign(APP_OWNER, AnyOrder::App(signed.app.clone()));
        self.presign(REQUESTERS[terms.requester], AnyOrder::Request(signed.request.clone()));
        if terms.dataset_price.is_some() {
            self.presign(DATASET_OWNER, AnyOrder::Dataset(signed.dataset.clone()));
        }
        self.offers.push(signed.clone());
        signed
    }

    /// A new pool order, signed on chain.
    pub(crate) fn pool_order(&mut self, terms: Terms) -> Signed<WorkerpoolOrder> {
        self.salt += 1;
        let order = WorkerpoolOrder {
            workerpool: POOLS[terms.pool],
            price: terms.pool_price,
            volume: terms.pool_volume,
            category: U256::from(terms.category),
            trust: U256::MAX,
            salt: B256::from(U256::from(self.salt)),
            ..WorkerpoolOrder::default()
        };
        let signed = Signed { order, sign: Bytes::new() };
        self.presign(POOL_OWNERS[terms.pool], AnyOrder::Workerpool(signed.clone()));
        signed
    }

    fn presign(&mut self, owner: Address, order: AnyOrder) {
        let operation = OrderOperation::Sign;
        let sign = Call::ManageOrder { order: Box::new(order), operation, sign: Bytes::new() };
        // Fails where the pool was sold: then the match will say so.
        let _ = self.call(owner, &sign);
    }

    /// Lets a worker contribute to a task: the pool's owner accepts what is shown to it.
    pub(crate) fn authorize(&mut self, task: TaskId, worker: Address) {
        let view = self.hub.task(task);
        let Some(owner) = self.hub.deal(view.deal).map(|deal| deal.workerpool.owner) else {
            return;
        };
        let hash = authorization_hash(worker, task, Address::ZERO);
        self.hub.contracts_mut().accept(owner, hash, SIGN);
    }

    /// The tasks that stand somewhere, by id.
    pub(crate) fn tasks_that_are(&self, status: TaskStatus) -> Vec<TaskId> {
        self.hub.tasks().filter(|(_, task)| task.status == status).map(|(id, _)| id).collect()
    }

    /// Waits for the end of all deals and claims what is open: everybody has its money back.
    pub(crate) fn close(&mut self) {
        self.now = Timestamp(u64::MAX);
        let deals: Vec<_> = self.hub.deals().map(|(id, deal)| (id, deal.clone())).collect();
        for (id, deal) in deals {
            let mut index = deal.bot_first;
            while deal.has_index(index) {
                let task = TaskId::of_deal(id, index);
                let call = match self.hub.task(task).status {
                    TaskStatus::Unset => Call::InitializeAndClaimArray { tasks: vec![(id, index)] },
                    TaskStatus::Active | TaskStatus::Revealing => Call::Claim { task },
                    TaskStatus::Completed | TaskStatus::Failed => {
                        index += U256::ONE;
                        continue;
                    }
                };
                let before = self.hub.account(deal.sponsor).free;
                self.call(SPONSOR, &call).expect("after the final deadline anybody may claim");
                let mut due = deal.task_price().expect("was locked");
                let view = self.hub.task(task);
                if view.contributors.contains(&deal.sponsor) {
                    due = due.checked_add(deal.worker_stake).expect("was locked");
                }
                let refunded = self.hub.account(deal.sponsor).free.checked_sub(before);
                assert_eq!(refunded, Some(due), "whoever paid gets it back");
                index += U256::ONE;
            }
        }
        for (owner, account) in self.hub.accounts() {
            let is_free = account.frozen == nano(0) || owner == poco_core::payout::KITTY;
            assert!(is_free, "{owner} has frozen stake and no deal");
        }
    }
}
