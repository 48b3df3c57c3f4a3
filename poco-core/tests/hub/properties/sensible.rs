//! Mostly sensible calls in any order: the life of many tasks, mixed.

use super::world::{
    APP_OWNER, HUB_OWNER, POOL_OWNERS, POOLS, REQUESTERS, SIGN, SPONSOR, Seen, Terms, WORKERS,
    World,
};
use super::{RULES, runner};
use crate::market::{RLC, T, nano};
use poco_core::call::{Call, Contribution, WholeContribution};
use poco_core::event::AnyOrder;
use poco_core::hub::RegistryCall;
use poco_core::order::OrderOperation;
use poco_core::payout::KITTY;
use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{
    Address, B256, Bytes, Event, OrderKind, ResultDigest, ResultHash, ResultSeal, TaskId, U256,
};
use proptest::prelude::*;

/// What happens next; the numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Offer(u8, u8, u8),
    Refill(u8, u8),
    Initialize(u8, u8),
    Contribute(u8, u8, u8),
    Reveal(u8, u8),
    Reopen(u8),
    Finalize(u8),
    Alone(u8, u8),
    Claim(u8),
    Wait(u8),
    Move(u8, u8, u8),
    Close(u8),
    ChangePool(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let n = any::<u8>;
    prop_oneof![
        3 => (n(), n(), n()).prop_map(|(a, b, c)| Step::Offer(a, b, c)),
        1 => (n(), n()).prop_map(|(a, b)| Step::Refill(a, b)),
        4 => (n(), n()).prop_map(|(a, b)| Step::Initialize(a, b)),
        12 => (n(), n(), n()).prop_map(|(a, b, c)| Step::Contribute(a, b, c)),
        8 => (n(), n()).prop_map(|(a, b)| Step::Reveal(a, b)),
        3 => n().prop_map(Step::Reopen),
        5 => n().prop_map(Step::Finalize),
        2 => (n(), n()).prop_map(|(a, b)| Step::Alone(a, b)),
        4 => n().prop_map(Step::Claim),
        4 => n().prop_map(Step::Wait),
        1 => (n(), n(), n()).prop_map(|(a, b, c)| Step::Move(a, b, c)),
        1 => n().prop_map(Step::Close),
        1 => (n(), n()).prop_map(|(a, b)| Step::ChangePool(a, b)),
    ]
}

/// What the property must have seen, else it proves less than it says.
const MUST_SEE: [&str; 22] = [
    "a partial fill",
    "a sponsored deal",
    "a deal without a dataset",
    "a consensus of several",
    "a dissenter before a consensus",
    "a reveal",
    "a reopening",
    "a consensus after a reopening",
    "a finalize with a dissenter",
    "a finalize with a silent winner",
    "a finalize without the silent, too early",
    "a finalize with all winners",
    "a task done alone",
    "a claim with contributors",
    "a claim after a consensus",
    "a part of the kitty paid",
    "a closed order",
    "a withdrawal",
    "proved",
    "outvoted",
    "not-revealed",
    "refunded",
];

#[test]
fn money_is_conserved_and_comes_back_whatever_happens() {
    let seen = Seen::default();
    let cases = (prop::sample::select(RULES.to_vec()), prop::collection::vec(step(), 1..140));
    runner(400)
        .run(&cases, |(rules, steps)| {
            let mut world = World::new(rules, nano(2_000 * RLC), &seen);
            for step in steps {
                world.take(step);
            }
            world.close();
            Ok(())
        })
        .unwrap();
    let seen = seen.into_inner();
    let unseen: Vec<_> = MUST_SEE.iter().filter(|state| !seen.contains(**state)).collect();
    assert!(unseen.is_empty(), "never put to the test: {unseen:?}");
}

fn pick<T: Copy>(from: &[T], number: u8) -> Option<T> {
    let length = from.len();
    if length == 0 { None } else { from.get(usize::from(number) % length).copied() }
}

/// What workers compute: mostly the same.
fn digest(number: u8) -> ResultDigest {
    let result = if number.is_multiple_of(5) { 2 } else { 1 };
    ResultDigest(B256::repeat_byte(result))
}

impl World<'_> {
    fn take(&mut self, step: Step) {
        match step {
            Step::Offer(a, b, c) => self.take_offer(a, b, c),
            Step::Refill(a, b) => self.take_refill(a, b),
            Step::Initialize(a, b) => self.take_initialize(a, b),
            Step::Contribute(a, b, c) => self.take_contribute(a, b, c),
            Step::Reveal(a, b) => self.take_reveal(a, b),
            Step::Reopen(a) => self.take_reopen(a),
            Step::Finalize(a) => self.take_finalize(a),
            Step::Alone(a, b) => self.take_alone(a, b),
            Step::Claim(a) => self.take_claim(a),
            Step::Wait(a) => {
                let seconds = [1, T / 2, T, 2 * T, 2 * T, 10 * T];
                self.now = self.now.after(seconds[usize::from(a) % seconds.len()]);
            }
            Step::Move(a, b, c) => self.take_move(a, b, c),
            Step::Close(a) => self.take_close(a),
            Step::ChangePool(a, b) => self.take_change_pool(a, b),
        }
    }

    fn choose(a: u8, b: u8, c: u8) -> Terms {
        let prices = [0, 1, 33, RLC + 1, 20 * RLC];
        let trusts = [0u64, 1, 1, 2, 3, 5, 20, 100];
        Terms {
            requester: usize::from(a) % 2,
            pool: usize::from(a / 2) % 2,
            app_price: nano([0, 3][usize::from(a / 4) % 2]),
            dataset_price: [None, Some(nano(0)), Some(nano(7))][usize::from(b) % 3],
            pool_price: nano(prices[usize::from(b / 3) % prices.len()]),
            pool_volume: U256::from(1 + c % 3),
            request_volume: U256::from(1 + c % 4),
            category: 0,
            trust: U256::from(trusts[usize::from(c / 4) % trusts.len()]),
        }
    }

    fn take_offer(&mut self, a: u8, b: u8, c: u8) {
        let terms = Self::choose(a, b, c);
        let offer = self.offer(terms);
        let is_sponsored = a >= 200;
        let call = if is_sponsored {
            Call::SponsorMatchOrders(Box::new(offer))
        } else {
            Call::MatchOrders(Box::new(offer))
        };
        if self.call(SPONSOR, &call).is_ok() {
            if is_sponsored {
                self.see("a sponsored deal");
            }
            if terms.dataset_price.is_none() {
                self.see("a deal without a dataset");
            }
        }
    }

    fn take_refill(&mut self, a: u8, b: u8) {
        let count = self.offers.len();
        let Some(mut offer) = self.offers.get(usize::from(a) % count.max(1)).cloned() else {
            return;
        };
        offer.workerpool = self.pool_order(Self::choose(b, b, b));
        let outcome = self.call(APP_OWNER, &Call::MatchOrders(Box::new(offer)));
        let is_partial = self.hub.deals().any(|(_, deal)| deal.bot_first > U256::ZERO);
        if outcome.is_ok() && is_partial {
            self.see("a partial fill");
        }
    }

    fn take_initialize(&mut self, a: u8, b: u8) {
        let deals: Vec<_> = self.hub.deals().map(|(id, deal)| (id, deal.bot_first)).collect();
        let Some((deal, first)) = pick(&deals, a) else { return };
        // One in four indexes is beyond most deals.
        let index = first + U256::from(b % 4);
        let _ = self.call(SPONSOR, &Call::Initialize { deal, index });
    }

    fn take_contribute(&mut self, a: u8, b: u8, c: u8) {
        let Some(task) = pick(&self.tasks_that_are(TaskStatus::Active), a) else { return };
        let worker = WORKERS[usize::from(b) % WORKERS.len()];
        if c != 0 {
            self.authorize(task, worker);
        }
        let contribution = Contribution {
            task,
            hash: ResultHash::of(task, digest(c)),
            seal: ResultSeal::of(worker, task, digest(c)),
            enclave_challenge: Address::ZERO,
            enclave_sign: Bytes::new(),
            authorization_sign: SIGN,
        };
        if self.call(worker, &Call::Contribute(contribution)).is_err() {
            return;
        }
        let view = self.hub.task(task);
        if view.status != TaskStatus::Revealing {
            return;
        }
        if view.winner_count > 1 {
            self.see("a consensus of several");
        }
        if view.winner_count < view.contributors.len() as u64 {
            self.see("a dissenter before a consensus");
        }
        let is_rejected = |worker: &Address| {
            self.hub.contribution(task, *worker).status == ContributionStatus::Rejected
        };
        if view.contributors.iter().any(is_rejected) {
            self.see("a consensus after a reopening");
        }
    }

    fn take_reveal(&mut self, a: u8, b: u8) {
        let Some(task) = pick(&self.tasks_that_are(TaskStatus::Revealing), a) else { return };
        let Some(worker) = pick(&self.hub.task(task).contributors, b) else { return };
        let vote = self.hub.contribution(task, worker).hash;
        let is_first = vote == ResultHash::of(task, digest(1));
        let digest = if is_first { digest(1) } else { digest(0) };
        if self.call(worker, &Call::Reveal { task, digest }).is_ok() {
            self.see("a reveal");
        }
    }

    fn pool_owner_of(&self, task: TaskId) -> Address {
        let deal = self.hub.task(task).deal;
        self.hub.deal(deal).map(|deal| deal.workerpool.owner).unwrap_or_default()
    }

    fn take_reopen(&mut self, a: u8) {
        let Some(task) = pick(&self.tasks_that_are(TaskStatus::Revealing), a) else { return };
        let owner = self.pool_owner_of(task);
        if self.call(owner, &Call::Reopen { task }).is_ok() {
            self.see("a reopening");
        }
    }

    fn take_finalize(&mut self, a: u8) {
        let Some(task) = pick(&self.tasks_that_are(TaskStatus::Revealing), a) else { return };
        let before = self.hub.task(task);
        let is_partial = before.reveal_count > 0 && before.reveal_count < before.winner_count;
        let (results, results_callback) = (Bytes::from_static(b"r"), Bytes::new());
        let owner = self.pool_owner_of(task);
        let call = Call::Finalize { task, results, results_callback };
        let Ok(outcome) = self.call(owner, &call) else {
            if is_partial && !before.reveal_deadline.has_passed(self.now) {
                self.see("a finalize without the silent, too early");
            }
            return;
        };
        self.see(match before.winner_count {
            winners if before.reveal_count < winners => "a finalize with a silent winner",
            winners if winners < before.contributors.len() as u64 => "a finalize with a dissenter",
            _ => "a finalize with all winners",
        });
        self.see_kitty(&outcome.events);
    }

    fn see_kitty(&self, events: &[Event]) {
        if events.iter().any(|event| matches!(event, Event::Seize { owner: KITTY, .. })) {
            self.see("a part of the kitty paid");
        }
    }

    fn take_alone(&mut self, a: u8, b: u8) {
        let Some(task) = pick(&self.tasks_that_are(TaskStatus::Active), a) else { return };
        let worker = WORKERS[usize::from(b) % WORKERS.len()];
        self.authorize(task, worker);
        let whole = WholeContribution {
            task,
            digest: digest(b),
            results: Bytes::new(),
            results_callback: Bytes::new(),
            enclave_challenge: Address::ZERO,
            enclave_sign: Bytes::new(),
            authorization_sign: SIGN,
        };
        if let Ok(outcome) = self.call(worker, &Call::ContributeAndFinalize(whole)) {
            self.see("a task done alone");
            self.see_kitty(&outcome.events);
        }
    }

    fn take_claim(&mut self, a: u8) {
        let mut tasks = self.tasks_that_are(TaskStatus::Active);
        tasks.extend(self.tasks_that_are(TaskStatus::Revealing));
        let Some(task) = pick(&tasks, a) else { return };
        let before = self.hub.task(task);
        if self.call(SPONSOR, &Call::ClaimArray { tasks: vec![task] }).is_ok() {
            if !before.contributors.is_empty() {
                self.see("a claim with contributors");
            }
            if before.status == TaskStatus::Revealing {
                self.see("a claim after a consensus");
            }
        }
    }

    fn take_move(&mut self, a: u8, b: u8, c: u8) {
        let parties = [REQUESTERS[0], REQUESTERS[1], WORKERS[0], POOL_OWNERS[0], KITTY];
        let from = parties[usize::from(a) % parties.len()];
        let to = parties[usize::from(b) % parties.len()];
        let amount = nano(u64::from(c) * RLC);
        let withdraw = Call::WithdrawTo { amount, target: to };
        if self.call(from, &withdraw).is_ok() {
            self.see("a withdrawal");
        }
        let _ = self.call(from, &Call::Transfer { to, amount });
        let _ = self.call(from, &Call::Approve { spender: to, amount });
        let _ = self.call(to, &Call::TransferFrom { from, to, amount: nano(u64::from(b)) });
    }

    fn take_close(&mut self, a: u8) {
        let count = self.offers.len();
        let Some(offer) = self.offers.get(usize::from(a) % count.max(1)).cloned() else { return };
        let owner = offer.request.order.requester;
        let close = Call::ManageOrder {
            order: Box::new(AnyOrder::Request(offer.request)),
            operation: OrderOperation::Close,
            sign: Bytes::new(),
        };
        let _ = self.call(HUB_OWNER, &close);
        self.call(owner, &close).expect("the requester closes its own order");
        self.see("a closed order");
    }

    fn take_change_pool(&mut self, a: u8, b: u8) {
        self.set_policy(usize::from(a) % 2, U256::from(b), U256::from(b % 110));
        if a == 255 {
            let (kind, resource, to) = (OrderKind::Workerpool, POOLS[0], POOL_OWNERS[1]);
            self.registry(POOL_OWNERS[0], &RegistryCall::Transfer { kind, resource, to });
        }
    }
}
