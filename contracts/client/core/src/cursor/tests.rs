//! The cursor against a model of a chain that grows, is rewritten, and is shown by a lagging node.

use super::*;
use alloc::vec;
use core::cell::Cell;
use poco_core::{B256, Timestamp};
use proptest::collection::vec as vec_of;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Block hashes of a chain by height; a rewritten block gets another hash.
#[derive(Clone, Debug)]
struct Model {
    hashes: Vec<B256>,
    fresh: u64,
}

impl Model {
    fn new(height: u64) -> Self {
        let mut model = Self { hashes: Vec::new(), fresh: 0 };
        model.mine(height + 1);
        model
    }

    fn mine(&mut self, count: u64) {
        for _ in 0..count {
            self.fresh += 1;
            self.hashes.push(B256::from(poco_core::U256::from(self.fresh)));
        }
    }

    fn rewrite(&mut self, depth: usize) {
        let kept = self.hashes.len().saturating_sub(depth).max(1);
        let lost = self.hashes.len() - kept;
        self.hashes.truncate(kept);
        self.mine(lost as u64 + 1);
    }

    fn head(&self, lag: usize) -> BlockRef {
        let height = (self.hashes.len() - 1).saturating_sub(lag) as u64;
        self.block(height).unwrap()
    }

    fn block(&self, number: u64) -> Option<BlockRef> {
        let hash = *self.hashes.get(number as usize)?;
        Some(BlockRef { number, hash, timestamp: Timestamp(number) })
    }

    fn header(&self, number: u64) -> Header {
        let parent = self.hashes[number as usize - 1];
        Header { block: self.block(number).unwrap(), parent }
    }
}

/// A reader that keeps what it was told: the hash of each block.
struct Reader {
    cursor: Cursor,
    reading: Reading,
    told: BTreeMap<u64, B256>,
    rollbacks: usize,
}

impl Reader {
    fn new(start: u64, confirmations: u64) -> Self {
        let reading = Reading { confirmations, range_blocks: 50 };
        Self { cursor: Cursor::start_at(start), reading, told: BTreeMap::new(), rollbacks: 0 }
    }

    /// One look at a node that lags; whether there was anything to do.
    fn look(&mut self, chain: &Model, lag: usize) -> bool {
        let head = chain.head(lag);
        match self.cursor.step(head, self.reading) {
            Step::Wait => false,
            Step::Anchor { number } => {
                self.cursor.anchor(chain.block(number).unwrap());
                true
            }
            Step::Compare => self.compare(chain, head.number),
            Step::Read { from, to, by_hash } => {
                assert!(to <= head.number - self.reading.confirmations.min(head.number));
                let numbers = if by_hash { (from..=to).collect() } else { vec![from, to] };
                let mut headers: Vec<Header> = numbers.iter().map(|n| chain.header(*n)).collect();
                headers.dedup();
                if self.cursor.advance(&headers).is_err() {
                    return self.compare(chain, head.number);
                }
                let read = (from..=to).map(|n| (n, chain.hashes[n as usize]));
                self.told.extend(read);
                true
            }
        }
    }

    fn compare(&mut self, chain: &Model, head: u64) -> bool {
        let heights = self.cursor.known().map(|block| block.number);
        let seen = heights
            .filter(|number| *number <= head)
            .filter_map(|number| Some((number, chain.block(number)?)))
            .collect();
        match self.cursor.compare(&seen) {
            Comparison::Same => false,
            Comparison::Rollback { to } => {
                self.told.retain(|number, _| *number <= to.number);
                self.rollbacks += 1;
                true
            }
        }
    }

    fn settle(&mut self, chain: &Model) {
        let mut looks = 0;
        while self.look(chain, 0) {
            looks += 1;
            assert!(looks < 10_000, "it never comes to rest");
        }
    }
}

fn expected(chain: &Model, start: u64, confirmations: u64) -> BTreeMap<u64, B256> {
    let last = chain.head(0).number.saturating_sub(confirmations);
    (start.max(1)..=last).map(|number| (number, chain.hashes[number as usize])).collect()
}

#[derive(Clone, Debug, PartialEq)]
enum Op {
    Mine(u64),
    Rewrite(usize),
    Look(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (1..40u64).prop_map(Op::Mine),
        1 => (1..300u64).prop_map(Op::Mine),
        2 => (1..80usize).prop_map(Op::Rewrite),
        6 => (0..20usize).prop_map(Op::Look),
    ]
}

/// One random history, to its end; returns how often blocks were taken back.
fn run_history(ops: Vec<Op>, start: u64, confirmations: u64) -> Result<usize, TestCaseError> {
    let mut chain = Model::new(20);
    let mut reader = Reader::new(start, confirmations);
    for op in ops {
        match op {
            Op::Mine(count) => chain.mine(count),
            Op::Rewrite(depth) => chain.rewrite(depth),
            Op::Look(lag) => {
                reader.look(&chain, lag);
            }
        }
        prop_assert!(reader.cursor.known().count() <= DENSE_BLOCKS + 65);
    }
    // A rewrite may leave nothing new to read above the tip; the next block shows it.
    chain.mine(confirmations + 1);
    reader.settle(&chain);
    if chain.head(0).number >= start {
        prop_assert_eq!(&reader.told, &expected(&chain, start, confirmations));
    }
    Ok(reader.rollbacks)
}

#[test]
fn a_node_whose_first_block_does_not_follow_its_block_0_is_read() {
    let chain = Model::new(3);
    let mut cursor = Cursor::start_at(0);
    let made_up = BlockRef { hash: B256::repeat_byte(0xee), ..chain.block(0).unwrap() };
    cursor.anchor(made_up);
    cursor.advance(&[chain.header(1), chain.header(2)]).unwrap();
    assert_eq!(cursor.tip(), chain.block(2));
    let seen = [made_up, chain.block(1).unwrap(), chain.block(2).unwrap()];
    let seen = seen.map(|block| (block.number, block)).into();
    assert_eq!(cursor.compare(&seen), Comparison::Same);
    let unlinked = Header { parent: B256::repeat_byte(0xdd), ..chain.header(3) };
    assert_eq!(cursor.advance(&[unlinked]), Err(Unlinked { number: 3 }));
}

#[test]
fn what_was_told_is_the_chain_whatever_happened() {
    let rollbacks = Cell::new(0);
    let config =
        ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    let histories = (vec_of(op(), 1..80), 0..30u64, 0..4u64);
    let outcome = TestRunner::new(config).run(&histories, |(ops, start, confirmations)| {
        rollbacks.set(rollbacks.get() + run_history(ops, start, confirmations)?);
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
    assert!(rollbacks.get() > 100, "too little was rewritten to prove anything: {rollbacks:?}");
}

#[test]
fn a_node_that_lags_changes_nothing() {
    let mut chain = Model::new(100);
    let mut reader = Reader::new(1, 0);
    reader.settle(&chain);
    let before = reader.cursor.clone();
    for lag in 1..100 {
        reader.look(&chain, lag);
    }
    assert_eq!((reader.cursor.clone(), reader.rollbacks), (before, 0));
    chain.mine(1);
    assert!(reader.look(&chain, 0));
    assert_eq!(reader.told.len(), 101);
}

#[test]
fn a_rewrite_rolls_back_to_the_newest_block_that_stands() {
    let mut chain = Model::new(20);
    let mut reader = Reader::new(1, 0);
    reader.settle(&chain);
    chain.rewrite(3);
    while reader.rollbacks == 0 {
        assert!(reader.look(&chain, 0));
    }
    assert_eq!(reader.cursor.tip(), chain.block(17));
    reader.settle(&chain);
    assert_eq!(reader.told, expected(&chain, 1, 0));
}

#[test]
fn a_rewrite_deeper_than_the_dense_blocks_loses_nothing() {
    let mut chain = Model::new(5_000);
    let mut reader = Reader::new(1, 0);
    reader.settle(&chain);
    chain.rewrite(2_000);
    reader.settle(&chain);
    assert_eq!(reader.rollbacks, 1);
    assert_eq!(reader.told, expected(&chain, 1, 0));
}

#[test]
fn a_chain_begun_anew_is_read_from_the_start() {
    let mut reader = Reader::new(3, 0);
    reader.settle(&Model::new(50));
    let mut other = Model { hashes: Vec::new(), fresh: 1_000 };
    other.mine(60);
    reader.settle(&other);
    assert_eq!(reader.told, expected(&other, 3, 0));
}

#[test]
fn blocks_that_do_not_link_leave_the_cursor_where_it_was() {
    let chain = Model::new(20);
    let mut reader = Reader::new(1, 0);
    reader.settle(&chain);
    let mut other = chain.clone();
    other.rewrite(5);
    other.mine(1);
    let before = reader.cursor.clone();
    assert!(reader.cursor.advance(&[other.header(21)]).is_err());
    assert!(reader.cursor.advance(&[chain.header(20)]).is_err());
    assert_eq!(reader.cursor, before);
}
