//! Calls with the largest and smallest of everything: nothing panics, wraps or gets lost.

use super::world::{
    HUB_OWNER, POOL_OWNERS, REQUESTERS, SIGN, SPONSOR, Seen, Terms, WORKERS, World,
};
use super::{RULES, runner};
use poco_core::call::{Call, Contribution, WholeContribution};
use poco_core::hub::{Refusal, RegistryCall};
use poco_core::payout::KITTY;
use poco_core::rules::WORK_CLOCK_SECONDS_MAX;
use poco_core::task::TaskStatus;
use poco_core::{
    Address, Amount, B256, Bytes, DealId, OrderKind, ResultDigest, ResultHash, ResultSeal, TaskId,
    Timestamp, U256,
};
use proptest::prelude::*;

/// Chooses everything about one call.
type Dice = [u8; 8];

const MUST_SEE: [&str; 6] = [
    "a deal of extreme terms",
    "an overflow refused",
    "a call accepted",
    "a contribution",
    "a task finished",
    "a claim at the end of time",
];

#[test]
fn no_number_is_too_large_for_any_call() {
    let seen = Seen::default();
    let dice = prop::collection::vec(any::<Dice>(), 1..60);
    let cases = (prop::sample::select(RULES.to_vec()), dice);
    runner(400)
        .run(&cases, |(rules, throws)| {
            // Nine accounts of this much just fit.
            let mut world = World::new(rules, Amount(U256::MAX / U256::from(10)), &seen);
            for dice in throws {
                world.throw(dice);
            }
            Ok(())
        })
        .unwrap();
    let seen = seen.into_inner();
    let unseen: Vec<_> = MUST_SEE.iter().filter(|state| !seen.contains(**state)).collect();
    assert!(unseen.is_empty(), "never put to the test: {unseen:?}");
}

fn number(die: u8) -> U256 {
    match die % 10 {
        0 => U256::ZERO,
        1 => U256::ONE,
        2 => U256::from(2),
        3 => U256::from(100),
        4 => U256::from(u64::MAX),
        5 => U256::MAX / U256::from(101),
        6 => U256::MAX / U256::from(30),
        7 => U256::MAX / U256::from(11),
        8 => U256::MAX - U256::ONE,
        _ => U256::MAX,
    }
}

fn amount(die: u8) -> Amount {
    Amount(number(die))
}

fn account(die: u8) -> Address {
    let accounts =
        [Address::ZERO, KITTY, HUB_OWNER, POOL_OWNERS[0], REQUESTERS[0], WORKERS[0], WORKERS[4]];
    accounts[usize::from(die) % accounts.len()]
}

fn time(die: u8) -> Timestamp {
    Timestamp([0, 1_700_000_000, 1_700_001_000, u64::MAX - 1, u64::MAX][usize::from(die) % 5])
}

impl World<'_> {
    fn throw(&mut self, dice: Dice) {
        let [kind, a, b, c, d, e, f, g] = dice;
        match kind % 4 {
            0 => self.throw_deal([a, b, c, d, e, f, g]),
            1 => {
                self.now = time(a);
                self.set_policy(usize::from(b) % 2, number(c), number(d));
                let create = RegistryCall::Create {
                    kind: OrderKind::Request,
                    resource: account(e),
                    owner: account(f),
                };
                self.registry(account(g), &create);
            }
            _ => {
                let Some(call) = self.any_call([kind / 4, a, b, c, d, e]) else { return };
                let result = self.call(account(f), &call);
                self.look(&call, &result.map(|_| ()));
            }
        }
    }

    fn look(&self, call: &Call, result: &Result<(), Refusal>) {
        match (call, result) {
            (_, Err(Refusal::Overflow)) => self.see("an overflow refused"),
            (Call::Contribute(_), Ok(())) => self.see("a contribution"),
            (Call::ContributeAndFinalize(_), Ok(())) => self.see("a task finished"),
            (Call::Claim { .. }, Ok(())) if self.now.0 >= u64::MAX - 1 => {
                self.see("a claim at the end of time");
            }
            (_, Ok(())) => self.see("a call accepted"),
            (_, Err(_)) => {}
        }
    }

    fn throw_deal(&mut self, [a, b, c, d, e, f, g]: [u8; 7]) {
        if self.hub.category_count() < 6 {
            let create = Call::CreateCategory {
                name: String::new(),
                description: String::new(),
                work_clock_time_ref_seconds: if self.hub.rules().are_ours() {
                    WORK_CLOCK_SECONDS_MAX
                } else {
                    u64::MAX
                },
            };
            self.call(HUB_OWNER, &create).expect("the owner adds a category");
        }
        let offer = self.offer(Terms {
            requester: 0,
            pool: usize::from(a) % 2,
            app_price: amount(b / 2),
            dataset_price: (c > 127).then(|| amount(c)),
            pool_price: amount(d),
            pool_volume: number(e),
            request_volume: number(f),
            category: [0, 5, 6][usize::from(g) % 3],
            trust: number(g / 3),
        });
        let result = self.call(SPONSOR, &Call::SponsorMatchOrders(Box::new(offer)));
        match result {
            Ok(_) => self.see("a deal of extreme terms"),
            Err(Refusal::Overflow) => self.see("an overflow refused"),
            Err(_) => {}
        }
    }

    /// A task that may exist, and a deal with an index.
    fn target(&self, a: u8, b: u8) -> (TaskId, DealId, U256) {
        let deals: Vec<_> = self.hub.deals().map(|(id, deal)| (id, deal.bot_first)).collect();
        let (deal, first) =
            deals.get(usize::from(a) % deals.len().max(1)).copied().unwrap_or_default();
        let active = self.tasks_that_are(TaskStatus::Active);
        let task = active.get(usize::from(a) % active.len().max(1)).copied().unwrap_or_default();
        (task, deal, first.saturating_add(number(b)))
    }

    fn any_call(&mut self, [kind, a, b, c, d, e]: [u8; 6]) -> Option<Call> {
        let (task, deal, index) = self.target(a, b);
        let worker = WORKERS[usize::from(c) % WORKERS.len()];
        let digest = ResultDigest(B256::from(number(d)));
        let (hash, seal) = (ResultHash::of(task, digest), ResultSeal::of(worker, task, digest));
        let enclave_challenge = Address::ZERO;
        let enclave_sign = Bytes::new();
        let authorization_sign = SIGN;
        Some(match kind % 14 {
            0 => Call::Deposit { amount: amount(a) },
            1 => Call::DepositFor { amount: amount(a), target: account(b) },
            2 => Call::Withdraw { amount: amount(a) },
            3 => Call::Transfer { to: account(a), amount: amount(b) },
            4 => Call::Approve { spender: account(a), amount: amount(b) },
            5 => Call::TransferFrom { from: account(a), to: account(b), amount: amount(c) },
            6 => Call::Recover,
            7 => Call::Initialize { deal, index },
            8 | 9 => {
                self.authorize(task, worker);
                let contribution = Contribution {
                    task,
                    hash,
                    seal,
                    enclave_challenge,
                    enclave_sign,
                    authorization_sign,
                };
                let call = Call::Contribute(contribution);
                let result = self.call(worker, &call);
                self.look(&call, &result.map(|_| ()));
                return None;
            }
            10 => {
                self.authorize(task, worker);
                let call = Call::ContributeAndFinalize(WholeContribution {
                    task,
                    digest,
                    results: Bytes::new(),
                    results_callback: Bytes::new(),
                    enclave_challenge,
                    enclave_sign,
                    authorization_sign,
                });
                let result = self.call(worker, &call);
                self.look(&call, &result.map(|_| ()));
                return None;
            }
            11 => Call::Claim { task },
            12 => Call::InitializeAndClaimArray { tasks: vec![(deal, index), (deal, number(e))] },
            _ => Call::DepositForArray { deposits: vec![(amount(a), account(b)); 3] },
        })
    }
}
