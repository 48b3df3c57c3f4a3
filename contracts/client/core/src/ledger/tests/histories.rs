//! Random histories of a ledger against a model of a chain and a node: every intent ends up in the chain once.

use super::*;
use core::cell::Cell;
use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

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
    /// Who wants to know what becomes of an intent, in this life.
    waiting: BTreeSet<String>,
    resends: usize,
}

/// With a report that can be late: some blocks come between what is mined and what is told.
const SLOW: Policy = Policy { confirmations: 2, ..POLICY };

impl Adapter {
    fn want(&mut self) {
        if self.ledger.is_full() {
            return;
        }
        let intent = self.intents.len().to_string();
        self.intents.push(intent.clone());
        self.waiting.insert(intent.clone());
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
                Action::Report { nonce, .. } if is_lost => self.ledger.report_again(nonce),
                Action::Report { nonce, at } => {
                    let entry = self.ledger.find(nonce).expect("kept until it is told");
                    assert!(!entry.payload.data.is_empty(), "it may have to be done again");
                    self.waiting.remove(&entry.intent);
                    self.ledger.conclude(nonce, at);
                }
                Action::Redo { entry } => self.open(&entry.intent),
                Action::Fill { nonce } => panic!("no gap can arise here, but {nonce}"),
            }
        }
    }

    fn restart(&mut self) {
        self.waiting.clear();
        self.ledger = Ledger::recover(self.store.values().cloned().collect(), SLOW);
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
    /// Blocks come while no node answers.
    Outage,
    Look {
        is_lost: bool,
    },
    DropPool,
    Rewrite(usize),
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Want),
        3 => Just(Op::Mine),
        1 => Just(Op::Outage),
        6 => any::<bool>().prop_map(|is_lost| Op::Look { is_lost }),
        1 => Just(Op::DropPool),
        1 => (1..4usize).prop_map(Op::Rewrite),
        1 => Just(Op::Restart),
    ]
}

/// One random history, to its end; returns how often something was sent again.
fn run_history(ops: Vec<Op>) -> Result<usize, TestCaseError> {
    let mut adapter = Adapter {
        ledger: Ledger::recover(Vec::new(), SLOW),
        store: BTreeMap::new(),
        node: Node::default(),
        now: 0,
        intents: Vec::new(),
        waiting: BTreeSet::new(),
        resends: 0,
    };
    adapter.node.mine();
    for op in ops {
        match op {
            Op::Want => adapter.want(),
            Op::Mine => adapter.node.mine(),
            Op::Outage => (0..10).for_each(|_| adapter.node.mine()),
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
    prop_assert_eq!(adapter.waiting, BTreeSet::new());
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
