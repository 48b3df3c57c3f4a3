//! What follows from a look at the chain.

use super::{ATTEMPTS_MAX, Entry, Ledger, Live, Policy, Sending, State};
use crate::fees::{Fees, Market};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use poco_core::B256;
use serde::{Deserialize, Serialize};

/// A used nonce without a receipt must be seen this often before it counts as lost: one answer may
/// come from a node whose receipts lag.
const MISSING_SEEN_MIN: u32 = 3;
/// Blocks that leave a transaction out before its fee is blamed.
const BLOCKS_BEFORE_BUMP: u64 = 2;
/// Missing nonces that are filled with empty transactions. A larger gap is no gap but a wrong
/// answer, and what was signed behind it will not be mined.
const GAP_MAX: u64 = 16;

/// Where a transaction was mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinedAt {
    /// Its hash.
    pub transaction: B256,
    /// Height of its block.
    pub block: u64,
    /// Hash of its block.
    pub block_hash: B256,
}

/// What the node said, about the questions of [`Ledger::questions`] in this order.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Height of its latest block.
    pub head: u64,
    /// How many nonces of the account are used in that block.
    pub nonce: u64,
    /// What gas costs.
    pub market: Market,
    /// Where the transactions asked for were mined, for those that were.
    pub receipts: BTreeMap<B256, MinedAt>,
    /// Hashes of the blocks asked for, for those that the node has.
    pub blocks: BTreeMap<u64, B256>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Store the entry as it is now.
    Save {
        /// Which.
        nonce: u64,
    },
    /// Tell whoever waits: it is in the chain, deep enough.
    Report {
        /// Which.
        nonce: u64,
        /// Where.
        at: MinedAt,
    },
    /// Remove the stored entry.
    Forget {
        /// Which.
        nonce: u64,
    },
    /// Send the newest attempt again.
    Resend {
        /// Which.
        nonce: u64,
    },
    /// Sign and send an attempt with these fees.
    Replace {
        /// Which.
        nonce: u64,
        /// What it offers.
        fees: Fees,
    },
    /// The nonce was used by another transaction, or can never be reached: prepare this one anew.
    /// The entry is gone from the ledger; a `Save` or `Forget` before says what to store.
    Redo {
        /// What it was.
        entry: Box<Entry>,
    },
    /// Send an empty transaction with this nonce: those behind it wait for it.
    Fill {
        /// Which nonce.
        nonce: u64,
    },
}

impl Ledger {
    /// Takes in a look at the chain and says what to do, in this order.
    pub fn observe(&mut self, now_millis: u64, seen: &Observation) -> Vec<Action> {
        let mut actions = Vec::new();
        let nonces: Vec<u64> = self.entries.keys().copied().collect();
        let mut is_lowest = true;
        for nonce in nonces {
            let Some(live) = self.entries.get_mut(&nonce) else { continue };
            match live.entry.state.clone() {
                State::Done => {}
                State::Mined(at) => live.watch(at, seen, &mut actions),
                State::Pending => {
                    let look = Look { now_millis, seen, policy: self.policy, is_lowest };
                    live.look_for(look, &mut actions);
                    is_lowest &= live.entry.state != State::Pending;
                }
            }
            live.report(seen.head, self.policy, &mut actions);
        }
        self.redo_lost(now_millis, seen.nonce, &mut actions);
        self.retire(seen, &mut actions);
        self.close_gap(now_millis, seen, &mut actions);
        actions
    }

    /// Gives up nonces that another transaction used.
    fn redo_lost(&mut self, now_millis: u64, used: u64, actions: &mut Vec<Action>) {
        let patience = self.policy.lost_millis;
        let is_lost = |live: &Live| {
            live.entry.state == State::Pending
                && live.missing.is_some_and(|(since, seen)| {
                    seen >= MISSING_SEEN_MIN && now_millis.saturating_sub(since) >= patience
                })
        };
        let lost: Vec<u64> =
            self.entries.iter().filter(|(_, live)| is_lost(live)).map(|(n, _)| *n).collect();
        for nonce in lost {
            self.redo(nonce, used, actions);
        }
    }

    /// Takes one transaction out, to be prepared anew. Its nonce stays known if it is the highest
    /// and used.
    fn redo(&mut self, nonce: u64, used: u64, actions: &mut Vec<Action>) {
        let is_used = nonce < used;
        let is_highest = self.entries.keys().next_back() == Some(&nonce);
        let Some(live) = self.entries.remove(&nonce) else { return };
        let entry = Box::new(live.entry);
        if is_used && is_highest {
            self.entries.insert(nonce, Live::new(entry.done()));
            actions.push(Action::Save { nonce });
        } else {
            actions.push(Action::Forget { nonce });
        }
        actions.push(Action::Redo { entry });
    }

    /// Stops watching what is deep enough, and keeps the highest nonce only.
    fn retire(&mut self, seen: &Observation, actions: &mut Vec<Action>) {
        let watch_blocks = self.policy.watch_blocks;
        let mut finished = Vec::new();
        for (nonce, live) in &mut self.entries {
            if let State::Mined(at) = live.entry.state {
                let is_deep = seen.head.saturating_sub(at.block) >= watch_blocks;
                let is_there = seen.blocks.get(&at.block) == Some(&at.block_hash);
                if is_deep && is_there && live.is_concluded {
                    live.entry = live.entry.done();
                    finished.push(*nonce);
                }
            }
        }
        let highest = self.entries.keys().next_back().copied();
        for nonce in finished {
            if Some(nonce) == highest {
                actions.push(Action::Save { nonce });
            }
        }
        let outdated: Vec<u64> = (self.entries.iter())
            .filter(|(nonce, live)| live.entry.state == State::Done && Some(**nonce) != highest)
            .map(|(nonce, _)| *nonce)
            .collect();
        for nonce in outdated {
            self.entries.remove(&nonce);
            actions.push(Action::Forget { nonce });
        }
    }

    /// Fills nonces that nobody uses below the lowest transaction in flight: it waits for them.
    fn close_gap(&mut self, now_millis: u64, seen: &Observation, actions: &mut Vec<Action>) {
        let lowest = self.pending().next().map(|entry| entry.nonce);
        let free = |nonce: &u64| !self.entries.contains_key(nonce);
        // Where the node lags, filling does no harm: the nonces are used, and nodes refuse them.
        let lowest = lowest.filter(|nonce| *nonce > seen.nonce && free(&seen.nonce));
        let Some(lowest) = lowest else {
            self.gap_since_millis = None;
            return;
        };
        let since = *self.gap_since_millis.get_or_insert(now_millis);
        if now_millis.saturating_sub(since) < self.policy.lost_millis {
            return;
        }
        self.gap_since_millis = None;
        if lowest.saturating_sub(seen.nonce) > GAP_MAX {
            let unreachable: Vec<u64> = self.pending().map(|entry| entry.nonce).collect();
            for nonce in unreachable {
                self.redo(nonce, seen.nonce, actions);
            }
            return;
        }
        let missing = (seen.nonce..lowest).filter(free);
        actions.extend(missing.map(|nonce| Action::Fill { nonce }));
    }
}

/// One look at one pending transaction.
#[derive(Clone, Copy)]
struct Look<'a> {
    now_millis: u64,
    seen: &'a Observation,
    policy: Policy,
    is_lowest: bool,
}

impl Look<'_> {
    const fn waited_millis(&self, sending: Sending) -> u64 {
        self.now_millis.saturating_sub(sending.at_millis)
    }
}

impl Live {
    fn look_for(&mut self, look: Look<'_>, actions: &mut Vec<Action>) {
        let nonce = self.entry.nonce;
        let found = self.entry.attempts.iter().find_map(|a| look.seen.receipts.get(&a.transaction));
        if let Some(at) = found {
            self.missing = None;
            self.is_doubted = false;
            self.entry.state = State::Mined(*at);
            actions.push(Action::Save { nonce });
            return;
        }
        if nonce < look.seen.nonce {
            let (since, count) = self.missing.unwrap_or((look.now_millis, 0));
            self.missing = Some((since, count.saturating_add(1)));
            return;
        }
        self.missing = None;
        let Some(last) = self.last_sent else {
            actions.push(Action::Resend { nonce });
            return;
        };
        if let Some(fees) = self.higher_fees(look) {
            actions.push(Action::Replace { nonce, fees });
        } else if look.waited_millis(last) >= look.policy.resend_millis {
            actions.push(Action::Resend { nonce });
        }
    }

    /// Higher fees, where low ones are what keeps the transaction out.
    fn higher_fees(&self, look: Look<'_>) -> Option<Fees> {
        let fees = self.entry.attempts.last()?.fees;
        let first = self.first_sent?;
        let waited_millis = look.waited_millis(first);
        let blocks = look.seen.head.saturating_sub(first.head);
        let is_left_out = blocks >= BLOCKS_BEFORE_BUMP
            && (waited_millis >= look.policy.bump_millis
                || !fees.covers(look.seen.market.base_fee_wei));
        let is_wanted = self.wants_bump || (look.is_lowest && is_left_out);
        if !is_wanted || self.entry.attempts.len() >= ATTEMPTS_MAX {
            return None;
        }
        fees.bumped(look.seen.market, look.policy.fee_wei_cap)
    }

    /// A mined transaction: its block may have been rewritten.
    fn watch(&mut self, at: MinedAt, seen: &Observation, actions: &mut Vec<Action>) {
        let nonce = self.entry.nonce;
        match seen.blocks.get(&at.block) {
            // The node is behind, or was not asked.
            None => {}
            Some(hash) if *hash == at.block_hash => self.is_doubted = false,
            Some(_) => match seen.receipts.get(&at.transaction) {
                Some(elsewhere) => {
                    self.is_doubted = false;
                    (self.is_reported, self.is_concluded) = (false, false);
                    self.entry.state = State::Mined(*elsewhere);
                    actions.push(Action::Save { nonce });
                }
                None if self.is_doubted => {
                    self.is_doubted = false;
                    (self.is_reported, self.is_concluded) = (false, false);
                    self.first_sent = None;
                    self.last_sent = None;
                    self.entry.state = State::Pending;
                    actions.extend([Action::Save { nonce }, Action::Resend { nonce }]);
                }
                None => self.is_doubted = true,
            },
        }
    }

    fn report(&mut self, head: u64, policy: Policy, actions: &mut Vec<Action>) {
        if let State::Mined(at) = self.entry.state {
            let depth = head.saturating_sub(at.block);
            if !self.is_reported && !self.is_doubted && depth >= policy.confirmations {
                self.is_reported = true;
                actions.push(Action::Report { nonce: self.entry.nonce, at });
            }
        }
    }
}

impl Entry {
    /// What is kept of a transaction that cannot be undone: its nonce.
    fn done(&self) -> Self {
        let mut entry = self.clone();
        entry.payload.data = poco_core::Bytes::new();
        entry.state = State::Done;
        entry
    }
}
