//! The ledger against a model of a chain that drops, rewrites, lags and lies.

use super::*;
use crate::fees::{Fees, Market};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use core::cell::Cell;
use poco_core::{Address, Bytes, U256};
use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const MARKET: Market = Market { base_fee_wei: 100, tip_wei: 1 };
const POLICY: Policy = Policy {
    fee_wei_cap: 10_000,
    resend_millis: 1_000,
    bump_millis: 3_000,
    lost_millis: 2_000,
    confirmations: 0,
    watch_blocks: 5,
};

fn hash(nonce: u64, fees: Fees, intent: &str) -> B256 {
    poco_core::keccak256(format!("{nonce} {} {intent}", fees.fee_wei_max))
}

fn entry(nonce: u64, intent: &str) -> Entry {
    let fees = Fees::first(MARKET, POLICY.fee_wei_cap).unwrap();
    Entry {
        nonce,
        intent: intent.into(),
        payload: Payload { to: Some(Address::ZERO), data: Bytes::from_static(b"call") },
        gas_limit: 21_000,
        repeats: 0,
        attempts: vec![Attempt { fees, transaction: hash(nonce, fees, intent) }],
        state: State::Pending,
    }
}

fn seen(head: u64, nonce: u64) -> Observation {
    let (receipts, blocks) = (BTreeMap::new(), BTreeMap::new());
    Observation { head, nonce, market: MARKET, receipts, blocks }
}

fn block_hash(number: u64) -> B256 {
    B256::from(U256::from(number + 1))
}

fn mined(ledger: &Ledger, nonce: u64, block: u64) -> MinedAt {
    let transaction = ledger.find(nonce).unwrap().attempts[0].transaction;
    MinedAt { transaction, block, block_hash: block_hash(block) }
}

fn ledger_with_one() -> Ledger {
    let mut ledger = Ledger::recover(Vec::new(), POLICY);
    ledger.open(entry(ledger.next_nonce(4), "a"));
    ledger
}

#[test]
fn a_transaction_is_sent_reported_once_and_forgotten_when_deep() {
    let mut ledger = ledger_with_one();
    assert_eq!(ledger.on_sent(4, 0, 10, &Sent::Accepted), Verdict::Kept);
    assert_eq!(ledger.observe(100, &seen(10, 4)), []);
    let at = mined(&ledger, 4, 11);
    let mut look = seen(11, 5);
    look.receipts.insert(at.transaction, at);
    let expected = [Action::Save { nonce: 4 }, Action::Report { nonce: 4, at }];
    assert_eq!(ledger.observe(200, &look), expected);
    let mut deep = seen(16, 5);
    deep.blocks.insert(11, at.block_hash);
    assert_eq!(ledger.questions().blocks, BTreeSet::from([11]));
    // The highest nonce is kept, or a lagging node could make it be used twice after a restart.
    assert_eq!(ledger.observe(300, &deep), [Action::Save { nonce: 4 }]);
    assert_eq!(ledger.find(4).unwrap().state, State::Done);
    assert_eq!((ledger.next_nonce(3), ledger.next_nonce(9)), (5, 9));
    assert!(ledger.is_idle());
    ledger.open(entry(5, "b"));
    let actions = ledger.observe(400, &seen(16, 5));
    assert_eq!(actions, [Action::Resend { nonce: 5 }, Action::Forget { nonce: 4 }]);
}

#[test]
fn confirmations_delay_the_report() {
    let mut ledger = Ledger::recover(Vec::new(), Policy { confirmations: 2, ..POLICY });
    ledger.open(entry(0, "a"));
    ledger.on_sent(0, 0, 10, &Sent::Accepted);
    let at = mined(&ledger, 0, 11);
    let mut look = seen(11, 1);
    look.receipts.insert(at.transaction, at);
    assert_eq!(ledger.observe(1, &look), [Action::Save { nonce: 0 }]);
    let mut later = seen(13, 1);
    later.blocks.insert(11, at.block_hash);
    assert_eq!(ledger.observe(2, &later), [Action::Report { nonce: 0, at }]);
}

#[test]
fn what_is_not_mined_is_sent_again_after_a_while() {
    let mut ledger = ledger_with_one();
    ledger.on_sent(4, 0, 10, &Sent::Unknown);
    assert_eq!(ledger.observe(999, &seen(10, 4)), []);
    assert_eq!(ledger.observe(1_000, &seen(10, 4)), [Action::Resend { nonce: 4 }]);
}

#[test]
fn a_fee_is_raised_only_when_blocks_pass_it_by() {
    let mut ledger = ledger_with_one();
    ledger.on_sent(4, 0, 10, &Sent::Accepted);
    // Time alone is the chain's doing.
    assert_eq!(ledger.observe(50_000, &seen(10, 4)), [Action::Resend { nonce: 4 }]);
    let actions = ledger.observe(50_000, &seen(12, 4));
    let [Action::Replace { nonce: 4, fees }] = actions[..] else { panic!("{actions:?}") };
    assert!(fees.fee_wei_max > ledger.find(4).unwrap().attempts[0].fees.fee_wei_max);
}

#[test]
fn sending_again_does_not_put_off_the_higher_fee() {
    let mut ledger = ledger_with_one();
    ledger.on_sent(4, 0, 10, &Sent::Accepted);
    let mut resends = 0;
    for second in 1..=3 {
        let (now, head) = (second * POLICY.resend_millis, 10 + second);
        match ledger.observe(now, &seen(head, 4))[..] {
            [Action::Resend { nonce: 4 }] => {
                resends += 1;
                ledger.on_sent(4, now, head, &Sent::Accepted);
            }
            [Action::Replace { nonce: 4, .. }] => {
                assert_eq!((now, resends), (POLICY.bump_millis, 2));
                return;
            }
            ref other => panic!("{other:?}"),
        }
    }
    panic!("three blocks went by and the fee stayed");
}

#[test]
fn only_the_first_in_line_is_raised_and_never_above_the_cap() {
    let mut ledger = ledger_with_one();
    ledger.open(entry(5, "b"));
    for nonce in [4, 5] {
        ledger.on_sent(nonce, 0, 0, &Sent::Accepted);
    }
    let mut now = 0;
    let mut raises = 0;
    for round in 1..40 {
        now += 5_000;
        for action in ledger.observe(now, &seen(round * 3, 4)) {
            match action {
                Action::Replace { nonce, fees } => {
                    assert!(nonce == 4 && fees.fee_wei_max <= POLICY.fee_wei_cap);
                    let transaction = hash(nonce, fees, "a");
                    ledger.add_attempt(nonce, Attempt { fees, transaction });
                    ledger.on_sent(nonce, now, round * 3, &Sent::Accepted);
                    raises += 1;
                }
                Action::Resend { nonce } => {
                    ledger.on_sent(nonce, now, round * 3, &Sent::Accepted);
                }
                other @ (Action::Save { .. }
                | Action::Report { .. }
                | Action::Forget { .. }
                | Action::Redo { .. }
                | Action::Fill { .. }) => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(raises, ATTEMPTS_MAX - 1);
}

#[test]
fn any_attempt_may_be_the_one_that_is_mined() {
    let mut ledger = ledger_with_one();
    ledger.on_sent(4, 0, 10, &Sent::Accepted);
    let first = mined(&ledger, 4, 13);
    let fees = Fees { fee_wei_max: 500, tip_wei_max: 5 };
    ledger.add_attempt(4, Attempt { fees, transaction: hash(4, fees, "a") });
    assert_eq!(ledger.questions().receipts.len(), 2);
    let mut look = seen(13, 5);
    look.receipts.insert(first.transaction, first);
    assert!(ledger.observe(100, &look).contains(&Action::Report { nonce: 4, at: first }));
}

#[test]
fn a_transaction_of_a_rewritten_block_is_sent_again() {
    let mut ledger = ledger_with_one();
    ledger.on_sent(4, 0, 10, &Sent::Accepted);
    let at = mined(&ledger, 4, 11);
    let mut look = seen(11, 5);
    look.receipts.insert(at.transaction, at);
    ledger.observe(0, &look);
    let mut other = seen(12, 4);
    other.blocks.insert(11, B256::repeat_byte(9));
    // First the receipt is asked for: it may have come into another block.
    assert_eq!(ledger.observe(1, &other), []);
    assert_eq!(ledger.questions().receipts, [at.transaction]);
    let expected = [Action::Save { nonce: 4 }, Action::Resend { nonce: 4 }];
    assert_eq!(ledger.observe(2, &other), expected);
    assert_eq!(ledger.find_pending("a").map(|entry| entry.nonce), Some(4));
}

#[test]
fn a_transaction_that_moved_to_another_block_is_watched_there() {
    let mut ledger = ledger_with_one();
    let at = mined(&ledger, 4, 11);
    let mut look = seen(11, 5);
    look.receipts.insert(at.transaction, at);
    ledger.observe(0, &look);
    let moved = MinedAt { block_hash: B256::repeat_byte(9), ..at };
    let mut other = seen(12, 5);
    other.blocks.insert(11, moved.block_hash);
    ledger.observe(1, &other);
    other.receipts.insert(at.transaction, moved);
    // Another block is another outcome: it may have failed there.
    let expected = [Action::Save { nonce: 4 }, Action::Report { nonce: 4, at: moved }];
    assert_eq!(ledger.observe(2, &other), expected);
    assert_eq!(ledger.find(4).unwrap().state, State::Mined(moved));
}

#[test]
fn a_report_that_found_nothing_is_made_again() {
    let mut ledger = ledger_with_one();
    let at = mined(&ledger, 4, 11);
    let mut look = seen(11, 5);
    look.receipts.insert(at.transaction, at);
    ledger.observe(0, &look);
    let mut later = seen(12, 5);
    later.blocks.insert(11, at.block_hash);
    assert_eq!(ledger.observe(1, &later), []);
    ledger.report_again(4);
    assert_eq!(ledger.observe(2, &later), [Action::Report { nonce: 4, at }]);
}

#[test]
fn a_nonce_used_by_another_is_given_up_only_when_it_is_certain() {
    let mut ledger = ledger_with_one();
    ledger.on_sent(4, 0, 10, &Sent::Accepted);
    assert_eq!(ledger.observe(0, &seen(11, 5)), []);
    assert_eq!(ledger.observe(2_500, &seen(11, 5)), []);
    // A node that says otherwise in between starts the wait anew.
    assert_eq!(ledger.observe(2_600, &seen(10, 4)), [Action::Resend { nonce: 4 }]);
    assert_eq!(ledger.observe(3_000, &seen(11, 5)), []);
    assert_eq!(ledger.observe(4_000, &seen(11, 5)), []);
    let actions = ledger.observe(5_000, &seen(11, 5));
    let [Action::Save { nonce: 4 }, Action::Redo { entry }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!((entry.intent.as_str(), ledger.next_nonce(4)), ("a", 5));
}

#[test]
fn what_no_node_took_in_gives_its_nonce_back() {
    for (sent, times) in [(Sent::NoFunds, 1), (Sent::NonceTooLow, 1), (Sent::Rejected, 5)] {
        let mut ledger = ledger_with_one();
        for _ in 1..times {
            assert_eq!(ledger.on_sent(4, 0, 0, &sent), Verdict::Kept);
        }
        let verdict = ledger.on_sent(4, 0, 0, &sent);
        assert!(matches!(verdict, Verdict::Withdrawn(entry) if entry.nonce == 4), "{sent:?}");
        assert_eq!(ledger.next_nonce(4), 4);
    }
}

#[test]
fn what_a_node_may_have_keeps_its_nonce() {
    let mut ledger = ledger_with_one();
    ledger.on_sent(4, 0, 0, &Sent::Unknown);
    assert_eq!(ledger.on_sent(4, 1, 0, &Sent::NoFunds), Verdict::Kept);
    let mut recovered = Ledger::recover(vec![entry(4, "a")], POLICY);
    assert_eq!(recovered.on_sent(4, 1, 0, &Sent::NonceTooLow), Verdict::Kept);
    assert_eq!(recovered.observe(2, &seen(3, 4)), []);
}

#[test]
fn after_a_restart_everything_pending_is_sent_at_once_in_order() {
    let mut ledger = Ledger::recover(vec![entry(5, "b"), entry(4, "a")], POLICY);
    let expected = [Action::Resend { nonce: 4 }, Action::Resend { nonce: 5 }];
    assert_eq!(ledger.observe(0, &seen(9, 4)), expected);
}

#[test]
fn a_gap_is_filled_and_an_absurd_one_is_given_up() {
    let mut ledger = Ledger::recover(vec![entry(6, "a")], POLICY);
    ledger.observe(0, &seen(9, 4));
    let actions = ledger.observe(2_000, &seen(9, 4));
    let fills: Vec<&Action> =
        actions.iter().filter(|action| matches!(action, Action::Fill { .. })).collect();
    assert_eq!(fills, [&Action::Fill { nonce: 4 }, &Action::Fill { nonce: 5 }]);

    let mut ledger = Ledger::recover(vec![entry(1_000_000, "a")], POLICY);
    ledger.observe(0, &seen(9, 4));
    let actions = ledger.observe(2_000, &seen(9, 4));
    assert!(matches!(&actions[..], [.., Action::Forget { .. }, Action::Redo { .. }]));
    assert_eq!(ledger.next_nonce(4), 4);
}

/// A chain whose transactions are hashes with nonces, and whose node has a pool of them.
#[derive(Default)]
struct Node {
    /// Mined transactions by block.
    blocks: Vec<(B256, Vec<(u64, B256)>)>,
    pool: BTreeMap<u64, B256>,
    fresh: u64,
}

impl Node {
    fn nonce(&self) -> u64 {
        self.blocks.iter().map(|(_, mined)| mined.len() as u64).sum()
    }

    fn send(&mut self, nonce: u64, transaction: B256) -> Sent {
        if nonce < self.nonce() {
            return Sent::NonceTooLow;
        }
        self.pool.insert(nonce, transaction);
        Sent::Accepted
    }

    fn mine(&mut self) {
        let mut nonce = self.nonce();
        let mut mined = Vec::new();
        while let Some(transaction) = self.pool.remove(&nonce) {
            mined.push((nonce, transaction));
            nonce += 1;
        }
        self.fresh += 1;
        self.blocks.push((B256::from(U256::from(self.fresh)), mined));
    }

    fn rewrite(&mut self, depth: usize) {
        let kept = self.blocks.len().saturating_sub(depth);
        // What was mined in the lost blocks is lost too: no node is bound to remember it.
        self.blocks.truncate(kept);
        for _ in 0..=depth {
            self.fresh += 1;
            self.blocks.push((B256::from(U256::from(self.fresh)), Vec::new()));
        }
    }

    fn observe(&self, questions: &Questions) -> Observation {
        let mut seen = seen(self.blocks.len() as u64, self.nonce());
        for (position, (block_hash, mined)) in self.blocks.iter().enumerate() {
            let block = position as u64 + 1;
            for (_, transaction) in mined {
                if questions.receipts.contains(transaction) {
                    let at = MinedAt { transaction: *transaction, block, block_hash: *block_hash };
                    seen.receipts.insert(*transaction, at);
                }
            }
            if questions.blocks.contains(&block) {
                seen.blocks.insert(block, *block_hash);
            }
        }
        seen
    }
}

/// What the adapter does with the ledger, over a store that survives.
struct Adapter {
    ledger: Ledger,
    store: BTreeMap<u64, Entry>,
    node: Node,
    now: u64,
    intents: Vec<String>,
    resends: usize,
}

impl Adapter {
    fn want(&mut self) {
        if self.ledger.is_full() {
            return;
        }
        let intent = self.intents.len().to_string();
        self.intents.push(intent.clone());
        self.open(&intent);
    }

    fn open(&mut self, intent: &str) {
        let nonce = self.ledger.next_nonce(self.node.nonce());
        let entry = entry(nonce, intent);
        self.store.insert(nonce, entry.clone());
        self.ledger.open(entry);
        self.broadcast(nonce, false);
    }

    fn broadcast(&mut self, nonce: u64, is_lost: bool) {
        let transaction = self.ledger.find(nonce).unwrap().attempts.last().unwrap().transaction;
        let sent = if is_lost { Sent::Unknown } else { self.node.send(nonce, transaction) };
        let head = self.node.blocks.len() as u64;
        if let Verdict::Withdrawn(entry) = self.ledger.on_sent(nonce, self.now, head, &sent) {
            self.store.remove(&nonce);
            self.open(&entry.intent);
        }
    }

    fn look(&mut self, is_lost: bool) {
        self.now += 500;
        let seen = self.node.observe(&self.ledger.questions());
        for action in self.ledger.observe(self.now, &seen) {
            match action {
                Action::Save { nonce } => {
                    self.store.insert(nonce, self.ledger.find(nonce).unwrap().clone());
                }
                Action::Forget { nonce } => {
                    self.store.remove(&nonce);
                }
                Action::Resend { nonce } => {
                    self.resends += 1;
                    self.broadcast(nonce, is_lost);
                }
                Action::Replace { nonce, fees } => {
                    let intent = self.ledger.find(nonce).unwrap().intent.clone();
                    let transaction = hash(nonce, fees, &intent);
                    self.ledger.add_attempt(nonce, Attempt { fees, transaction });
                    self.store.insert(nonce, self.ledger.find(nonce).unwrap().clone());
                    self.broadcast(nonce, is_lost);
                }
                Action::Report { .. } => {}
                Action::Redo { entry } => self.open(&entry.intent),
                Action::Fill { nonce } => panic!("no gap can arise here, but {nonce}"),
            }
        }
    }

    fn restart(&mut self) {
        self.ledger = Ledger::recover(self.store.values().cloned().collect(), POLICY);
    }

    /// How often each intent is in the chain, by any of its attempts.
    fn mined(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (nonce, transaction) in self.node.blocks.iter().flat_map(|(_, mined)| mined) {
            let mut fees = Fees::first(MARKET, POLICY.fee_wei_cap).unwrap();
            let mut attempts = vec![fees];
            while let Some(higher) = fees.bumped(MARKET, POLICY.fee_wei_cap) {
                attempts.push(higher);
                fees = higher;
            }
            let is = |intent: &&String| {
                attempts.iter().any(|fees| hash(*nonce, *fees, intent) == *transaction)
            };
            if let Some(intent) = self.intents.iter().find(is) {
                *counts.entry(intent.clone()).or_default() += 1;
            }
        }
        counts
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Op {
    Want,
    Mine,
    Look { is_lost: bool },
    DropPool,
    Rewrite(usize),
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Want),
        3 => Just(Op::Mine),
        6 => any::<bool>().prop_map(|is_lost| Op::Look { is_lost }),
        1 => Just(Op::DropPool),
        1 => (1..4usize).prop_map(Op::Rewrite),
        1 => Just(Op::Restart),
    ]
}

/// One random history, to its end; returns how often something was sent again.
fn run_history(ops: Vec<Op>) -> Result<usize, TestCaseError> {
    let mut adapter = Adapter {
        ledger: Ledger::recover(Vec::new(), POLICY),
        store: BTreeMap::new(),
        node: Node::default(),
        now: 0,
        intents: Vec::new(),
        resends: 0,
    };
    adapter.node.mine();
    for op in ops {
        match op {
            Op::Want => adapter.want(),
            Op::Mine => adapter.node.mine(),
            Op::Look { is_lost } => adapter.look(is_lost),
            Op::DropPool => adapter.node.pool.clear(),
            // Shallower than what is watched, together with the blocks that come between looks.
            Op::Rewrite(depth) => {
                adapter.look(false);
                adapter.node.rewrite(depth.min(4));
            }
            Op::Restart => adapter.restart(),
        }
    }
    for _ in 0..40 {
        adapter.look(false);
        adapter.node.mine();
    }
    let expected: BTreeMap<String, usize> =
        adapter.intents.iter().map(|intent| (intent.clone(), 1)).collect();
    prop_assert_eq!(adapter.mined(), expected);
    prop_assert!(adapter.ledger.is_idle());
    prop_assert!(adapter.store.len() <= 1);
    Ok(adapter.resends)
}

#[test]
fn every_intent_is_in_the_chain_exactly_once_whatever_happened() {
    let resends = Cell::new(0);
    let config =
        ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&vec_of(op(), 1..120), |ops| {
        resends.set(resends.get() + run_history(ops)?);
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
    assert!(resends.get() > 100, "too little was lost to prove anything: {resends:?}");
}
