//! The chain: the model of the hub in blocks that may be rewritten, and transactions that wait.

use crate::dice::Dice;
use crate::scenario::Millis;
use poco_chain_core::fees::Market;
use poco_chain_core::ledger::{MinedAt, Sent};
use poco_chain_core::{BlockRef, Fees, Header};
use poco_core::hub::{Hub, Refusal};
use poco_core::lane::LaneCall;
use poco_core::{Address, B256, Bytes, Call, Event, Timestamp, keccak256};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Chain time at the world's first moment.
pub(crate) const START: Timestamp = Timestamp(1_700_000_000);

/// Transactions of one block: enough, but not for all at once.
const BLOCK_LEN: usize = 12;

/// What gas costs in calm times.
const BASE_FEE_WEI: u128 = 1_000_000_000;

/// A call to the hub, as the data of a transaction names it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum HubCall {
    Classic(Box<Call>),
    Lane(Box<LaneCall>),
}

#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) header: Header,
    pub(crate) base_fee_wei: u128,
    /// The hub after it.
    pub(crate) hub: Rc<Hub>,
    /// Used nonces after it.
    pub(crate) nonces: Rc<BTreeMap<Address, u64>>,
    pub(crate) events: Vec<Event>,
    /// Its transactions, with what the hub refused.
    pub(crate) mined: BTreeMap<B256, Option<String>>,
    pub(crate) sources: Vec<Waiting>,
}

/// A transaction that no block has.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) hash: B256,
    pub(crate) sender: Address,
    pub(crate) nonce: u64,
    pub(crate) fees: Fees,
    pub(crate) data: Bytes,
}

#[derive(Debug)]
pub(crate) struct Chain {
    blocks: Vec<Rc<Block>>,
    pub(crate) waiting: BTreeMap<(Address, u64), Waiting>,
    calls: Vec<HubCall>,
    places: BTreeMap<B256, u64>,
    blocks_made: u64,
    pub(crate) base_fee_wei: u128,
}

impl Chain {
    /// A chain whose first block holds `hub`.
    pub(crate) fn new(hub: Hub) -> Self {
        let at = BlockRef { number: 0, hash: keccak256("genesis"), timestamp: START };
        let genesis = Block {
            header: Header { block: at, parent: B256::ZERO },
            base_fee_wei: BASE_FEE_WEI,
            hub: Rc::new(hub),
            nonces: Rc::default(),
            events: Vec::new(),
            mined: BTreeMap::new(),
            sources: Vec::new(),
        };
        Self {
            blocks: vec![Rc::new(genesis)],
            waiting: BTreeMap::new(),
            calls: Vec::new(),
            places: BTreeMap::new(),
            blocks_made: 0,
            base_fee_wei: BASE_FEE_WEI,
        }
    }

    pub(crate) fn head(&self) -> &Block {
        self.blocks.last().expect("a chain has its first block")
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.head().hub
    }

    pub(crate) fn height(&self) -> u64 {
        self.head().header.block.number
    }

    pub(crate) fn block(&self, number: u64) -> Option<&Rc<Block>> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    /// The data of a transaction that makes this call.
    pub(crate) fn encode(&mut self, call: HubCall) -> Bytes {
        let place = u64::try_from(self.calls.len()).expect("a count fits");
        self.calls.push(call);
        Bytes::from(place.to_be_bytes().to_vec())
    }

    fn decode(&self, data: &Bytes) -> Option<&HubCall> {
        let place = u64::from_be_bytes(data.as_ref().try_into().ok()?);
        self.calls.get(usize::try_from(place).ok()?)
    }

    /// What the call would do on top of a block.
    pub(crate) fn dry_run(
        &self,
        block: &Block,
        sender: Address,
        data: &Bytes,
    ) -> Result<(), Refusal> {
        let mut hub = Hub::clone(&block.hub);
        self.execute(&mut hub, sender, block.header.block.timestamp, data).map(|_| ())
    }

    fn execute(
        &self,
        hub: &mut Hub,
        sender: Address,
        time: Timestamp,
        data: &Bytes,
    ) -> Result<Vec<Event>, Refusal> {
        let outcome = match self.decode(data) {
            None => return Ok(Vec::new()),
            Some(HubCall::Classic(call)) => hub.call(sender, time, call)?,
            Some(HubCall::Lane(call)) => hub.lane_call(sender, time, call)?,
        };
        Ok(outcome.events)
    }

    /// A node is given a transaction.
    pub(crate) fn take(&mut self, tx: Waiting) -> Sent {
        if self.used(tx.sender) > tx.nonce {
            return Sent::NonceTooLow;
        }
        if tx.fees.fee_wei_max < self.base_fee_wei {
            return Sent::Underpriced;
        }
        let place = (tx.sender, tx.nonce);
        if let Some(known) = self.waiting.get(&place) {
            if known.hash == tx.hash {
                return Sent::Accepted;
            }
            let is_higher = tx.fees.fee_wei_max * 10 >= known.fees.fee_wei_max * 11;
            if !is_higher {
                return Sent::Underpriced;
            }
        }
        self.waiting.insert(place, tx);
        Sent::Accepted
    }

    /// Used nonces of an account in the newest block.
    pub(crate) fn used(&self, sender: Address) -> u64 {
        self.head().nonces.get(&sender).copied().unwrap_or_default()
    }

    /// Makes a block of what waits; some may be left out.
    pub(crate) fn mine(&mut self, now: Millis, dice: &mut Dice, left_out_percent: u64) {
        let mut chosen: Vec<Waiting> = Vec::new();
        let mut nonces = BTreeMap::clone(&self.head().nonces);
        let mut shut = BTreeSet::new();
        let mut open: Vec<(u64, &Waiting)> =
            self.waiting.values().map(|tx| (dice.of(0..=u64::MAX), tx)).collect();
        open.sort_by_key(|(chance, tx)| (tx.nonce, *chance));
        for (_, tx) in open {
            let next = nonces.entry(tx.sender).or_default();
            let fits = *next == tx.nonce && tx.fees.covers(self.base_fee_wei);
            let is_left_out = left_out_percent > 0 && dice.chance(left_out_percent);
            if !fits || is_left_out || shut.contains(&tx.sender) || chosen.len() >= BLOCK_LEN {
                shut.insert(tx.sender);
                continue;
            }
            *next += 1;
            chosen.push(tx.clone());
        }
        self.append(now, chosen, nonces);
    }

    fn append(&mut self, now: Millis, chosen: Vec<Waiting>, nonces: BTreeMap<Address, u64>) {
        let parent = self.head().header.block;
        self.blocks_made += 1;
        let timestamp = START.after(now / 1000).max(parent.timestamp);
        let mut hub = Rc::clone(&self.head().hub);
        let (mut events, mut mined) = (Vec::new(), BTreeMap::new());
        for tx in &chosen {
            self.waiting.remove(&(tx.sender, tx.nonce));
            let done = self.execute(Rc::make_mut(&mut hub), tx.sender, timestamp, &tx.data);
            let refusal = done.map(|told| events.extend(told)).err();
            mined.insert(tx.hash, refusal.map(|refusal| refusal.to_string()));
        }
        let number = parent.number + 1;
        let seed = [parent.hash.0, B256::from(poco_core::U256::from(self.blocks_made)).0].concat();
        let block = BlockRef { number, hash: keccak256(seed), timestamp };
        for hash in mined.keys() {
            self.places.insert(*hash, number);
        }
        self.blocks.push(Rc::new(Block {
            header: Header { block, parent: parent.hash },
            base_fee_wei: self.base_fee_wei,
            hub,
            nonces: Rc::new(nonces),
            events,
            mined,
            sources: chosen,
        }));
    }

    /// Takes the newest blocks back. Their transactions wait again, but for those that get lost.
    pub(crate) fn rewind(&mut self, depth: usize, dice: &mut Dice, lost_percent: u64) {
        for _ in 0..depth.min(self.blocks.len().saturating_sub(1)) {
            let Some(gone) = self.blocks.pop() else { break };
            for tx in &gone.sources {
                self.places.remove(&tx.hash);
                if !dice.chance(lost_percent) {
                    self.waiting.entry((tx.sender, tx.nonce)).or_insert_with(|| tx.clone());
                }
            }
        }
    }

    /// Where a transaction is, as seen from a block.
    pub(crate) fn find(&self, transaction: B256, seen_from: u64) -> Option<MinedAt> {
        let number = *self.places.get(&transaction)?;
        let block = self.block(number).filter(|_| number <= seen_from)?;
        Some(MinedAt { transaction, block: number, block_hash: block.header.block.hash })
    }

    pub(crate) fn market(block: &Block) -> Market {
        Market { base_fee_wei: block.base_fee_wei, tip_wei: BASE_FEE_WEI / 10 }
    }

    /// Back to calm times.
    pub(crate) fn calm_fees(&mut self) {
        self.base_fee_wei = BASE_FEE_WEI;
    }
}
